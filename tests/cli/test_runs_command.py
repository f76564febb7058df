"""`costmodel runs`: the tables of the library, filters, and all problems at once."""

import json

import pytest

from costmodel.comparison.frontier import frontier_against_low_cost
from costmodel.comparison.reestimation import reestimates
from costmodel.comparison.runs import published_runs


def test_published_runs_as_json(costmodel):
    printed = json.loads(costmodel("runs", "--organization", "DeepSeek", "--json").out)
    assert printed == {"schema": "costmodel/runs/1", "rows": published_runs(organization="DeepSeek").rows()}


def test_published_runs_as_text(costmodel):
    out = costmodel("runs", "--kind", "pretrain", "--since", "2024-12").out
    assert "deepseek-v3" in out and "5.58 M$*" in out and "final run" in out and "gpt-4" not in out


def test_estimated(costmodel):
    printed = json.loads(costmodel("runs", "estimated", "--organization", "Microsoft", "--json").out)
    made = reestimates(published_runs(organization="Microsoft"))
    assert printed["rows"] == made.rows() and printed["scores"] == made.scores()
    assert "estimated/published" in costmodel("runs", "estimated", "--organization", "Microsoft").out


def test_unit_costs(costmodel):
    assert "USD/million tokens" in costmodel("runs", "unit-costs", "--organization", "DeepSeek").out


def test_frontier(costmodel):
    printed = json.loads(costmodel("runs", "frontier", "--json").out)
    found = frontier_against_low_cost()
    assert printed == {"schema": "costmodel/runs-frontier/1", "runs": found.rows(), "summary": found.summary()}
    options = ("runs", "frontier", "--organization", "DeepSeek", "--price", "published")
    assert "5.58 M$" in costmodel(*options).out and json.loads(costmodel(*options, "--json").out)["summary"]


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (("frontir", "--since", "soon"), ("did you mean 'frontier'", "got 'soon'")),
        (("--organization", "Deepseeek", "--scope", "all"), ("did you mean 'DeepSeek'", "final_run or development")),
        (("--kind", "rl", "--organization", "IBM"), ("no published run matches",)),
        (("frontier", "--organization", "IBM"), ("no run of a group",)),
        (("unit-costs", "--organization", "LMSYS"), ("cannot be estimated: is a fine-tune",)),
    ],
)
def test_bad_input(refused, options, messages):
    problems = refused("runs", *options)
    assert len(problems) == len(messages)
    for problem, message in zip(problems, messages, strict=True):
        assert message in problem
