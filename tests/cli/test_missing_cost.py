"""Commands that print a result without a cost exit with code 3, unless --allow-missing is given."""

import json

import pytest

import costmodel as cm
from costmodel.cli.missing import MISSING

NO_PRICE = {"provider": "lambda", "on": "2019-01-01"}
OPTIONS = ("--provider", "lambda", "--set", "prices.on=2019-01-01")
REASON = "no on_demand price of H100-SXM at lambda is known on 2019-01-01"


@pytest.fixture
def scenario(tmp_path):
    run = cm.Scenario(
        architecture={"total": "7B"},
        recipe=cm.Pretraining(tokens="10B"),
        cluster=cm.Cluster("H100-SXM", 64),
        prices=cm.Rental(**NO_PRICE),
        gpu_hours=1000,
    )
    run.save(tmp_path / "run.toml")
    run.save(tmp_path / "other.toml")
    return tmp_path / "run.toml"


def commands(scenario):
    return {
        "estimate": ("estimate", scenario),
        "compare": ("compare", scenario, scenario and scenario.with_name("other.toml")),
        "sweep": ("sweep", scenario, "--set", "cluster.count=64,128"),
        "finetune": ("finetune", "llama-3.1-8b", "--tokens", "10M", "--gpu", "H100-SXM", *OPTIONS),
        "finetune, all": ("finetune", "llama-3.1-8b", "--tokens", "10M", *OPTIONS),
    }


@pytest.mark.parametrize("command", commands(None))
def test_a_missing_cost_prints_the_table_and_exits_with_3(costmodel, scenario, command):
    arguments = commands(scenario)[command]
    outcome = costmodel(*arguments)
    assert outcome.code == MISSING and outcome.out
    assert any("the cost is not known" in line and "price of" in line for line in outcome.problems)
    assert "--allow-missing" in outcome.problems[-1]
    allowed = costmodel(*arguments, "--allow-missing")
    assert (allowed.code, allowed.err) == (0, "") and allowed.out == outcome.out


def test_json_without_a_cost_exits_with_3_too(costmodel, scenario):
    outcome = costmodel("estimate", scenario, "--json")
    assert outcome.code == MISSING and REASON in outcome.err
    assert json.loads(outcome.out)["figures"].keys() >= {"gpu_hours"}


def test_a_known_cost_exits_with_0(costmodel, scenario):
    outcome = costmodel("estimate", scenario, "--set", "prices={price=2}")
    assert (outcome.code, outcome.err) == (0, "")
    sweep = costmodel("sweep", scenario, "--set", "prices.on=2019-01-01,2026-10-01")
    assert sweep.code == MISSING and len(sweep.problems) == 2  # one of two rows has no cost


def test_an_explanation_of_another_figure_needs_no_price(costmodel, scenario):
    assert costmodel("estimate", scenario, "--explain", "gpu_hours").code == 0


PROJECT = """
name = "p"

[[runs]]
name = "run"
scenario = "run.toml"

[experiments]
name = "trials"
runs = 3
share = 0.1

[[data]]
name = "labels"
quantity = 100
unit = "label"
unit_price = 2
"""


@pytest.fixture
def project(scenario, tmp_path):
    file = tmp_path / "project.toml"
    file.write_text(PROJECT, encoding="utf-8")
    return file


def test_a_budget_keeps_the_lines_whose_cost_is_not_known(costmodel, project):
    outcome = costmodel("budget", project)
    assert outcome.code == MISSING and REASON in outcome.err
    rows = {line.split()[1]: line for line in outcome.out.splitlines() if line.startswith(("compute", "data"))}
    assert "not known" in rows["run"] and REASON in rows["run"]
    assert "the cost of 'run' is not known" in rows["trials"] and " 200.00 " in rows["labels"]
    assert outcome.out.startswith("p: total not known") and "total        " in outcome.out
    allowed = costmodel("budget", project, "--allow-missing", "--currency", "EUR", "--rate", "0.5")
    assert (allowed.code, allowed.err) == (0, "") and "100.00" in allowed.out


def test_a_budget_without_a_total_as_json_and_files(costmodel, project, tmp_path):
    outcome = costmodel("budget", project, "--json", "-o", tmp_path / "budget.csv", "--within", "75k")
    found = json.loads(outcome.out)
    assert found["total"] is None and found["known"] == 200.0 and set(found["missing"]) == {"run", "trials"}
    assert [row["base"] for row in found["lines"]] == [None, None, 200.0]
    assert not (tmp_path / "budget.csv").exists() and any("is not written" in line for line in outcome.problems)
