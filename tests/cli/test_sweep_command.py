"""The command `costmodel sweep`."""

import json

import pytest

RUN = """
architecture = "llama-3.1-8b"
recipe = { tokens = "1T" }
cluster = { accelerator = "H100-SXM", count = 64 }
prices = { price = "2.50 USD/hour" }
"""


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    return path


def test_combinations_are_printed_as_table_and_json(costmodel, run):
    options = ("--set", "cluster.count=64,128", "--set", "cluster.accelerator=H100-SXM,A100-80GB-SXM")
    printed = costmodel("sweep", run, *options).out
    assert "4 scenarios, 4 possible" in printed and "A100-80GB-SXM" in printed
    data = json.loads(costmodel("sweep", run, *options, "--json").out)
    assert [(row["cluster.count"], row["cluster.accelerator"]) for row in data["rows"]][1] == (64, "A100-80GB-SXM")
    assert data["units"]["cost"] == "USD" and data["rows"][0]["cost_low"] < data["rows"][0]["cost"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "--set: give the values of a field"),
        (("--set", "cluster.count"), "a change must be path=value"),
        (("--set", "cluster.cuont=1,2"), "cuont"),
    ],
)
def test_invalid_options_are_refused(refused, run, options, problem):
    (printed,) = refused("sweep", run, *options)
    assert problem in printed
