"""`costmodel layouts`: the fastest layouts of a step, and why the rest fell."""

import json

import pytest

import costmodel as cm

ASKED = ("layouts", "llama-3.1-8b", "--gpu", "H100-SXM", "--batch-size", 128, "--set", "recompute=none,full")


def test_the_table_is_that_of_the_search(costmodel):
    outcome = costmodel(*ASKED, "--gpus", 8, "--json", "--top", 3)
    recipe = cm.Pretraining(tokens=1e12, sequence_length=4096, batch_size=128)
    found = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe, recompute=("none", "full"))
    printed = json.loads(outcome.out)
    assert printed["layouts"] == found.rows(3)
    assert printed["evaluated"] == found.evaluated and printed["rejected"] == found.rejected


def test_several_numbers_give_time_against_cost(costmodel):
    rows = json.loads(costmodel(*ASKED, "--gpus", "8,16", "--json").out)["layouts"]
    assert [row["accelerators"] for row in rows] == [8, 16]
    assert rows[1]["seconds"] < rows[0]["seconds"]


def test_the_text_says_how_many_and_why(costmodel):
    out = costmodel(*ASKED, "--gpus", 8).out
    assert "layouts considered" in out and "needs too much memory" in out and "80 %" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gpus", "eight"), "--gpus must be one or more comma-separated numbers; got 'eight'"),
        (("--gpus", 8, "--set", "tensr=2"), "did you mean 'tensor'?"),
        (("--gpus", 8, "--set", "tensor"), "--set must be FIELD=VALUE"),
        (("--gpus", 8, "--precision", "fp3"), "precision"),
        (("--gpus", 8, "--set", "zero=7"), "zero must be 0, 1, 2 or 3"),
    ],
)
def test_bad_input_is_told(costmodel, options, message):
    outcome = costmodel(*ASKED, *options)
    assert outcome.code == 2 and message in outcome.err
