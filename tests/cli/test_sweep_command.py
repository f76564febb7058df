"""The command `costmodel sweep`."""

import json
import sys

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
    path.write_text(RUN, encoding="utf-8")
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


def test_a_sweep_without_a_possible_combination_exits_with_code_2_and_keeps_its_rows(costmodel, run):
    contradiction = ("--set", "mfu=0.4", "--set", "gpu_hours=1000,2000")
    outcome = costmodel("sweep", run, *contradiction)
    assert outcome.code == 2 and "2 scenarios, 0 possible" in outcome.out
    assert outcome.problems == ["--set: none of the 2 combinations is possible; see their reasons"]
    outcome = costmodel("sweep", run, *contradiction, "--json")
    assert outcome.code == 2
    rows = json.loads(outcome.out)["rows"]
    assert all(row["cost"] is None and "gpu_hours is given together with mfu" in row["reason"] for row in rows)
    some = costmodel("sweep", run, "--set", "cluster.count=1,64", "--set", "architecture=llama-3.1-70b")
    assert some.code == 0 and "2 scenarios, 1 possible" in some.out


@pytest.mark.parametrize(("rows", "terminal", "shown"), [(320, True, True), (320, False, False), (64, True, False)])
def test_a_large_sweep_shows_its_progress_on_a_terminal(costmodel, run, monkeypatch, rows, terminal, shown):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    prices = ",".join(str(1 + 0.01 * row) for row in range(rows))
    outcome = costmodel("sweep", run, "--set", f"prices.price={prices}", "--set", "mfu=0.4")
    assert outcome.code == 0 and f"{rows} scenarios, {rows} possible" in outcome.out
    assert ("64 of 320 scenarios" in outcome.err) == shown
    assert outcome.err.endswith("\r") if shown else outcome.err == ""
