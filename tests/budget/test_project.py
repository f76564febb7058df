"""Projects as files and objects: round trips, paths, changes, and figures computed by hand."""

import datetime as dt
import math
import pickle
import tomllib
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.budget.facts import fact, priced_kinds
from costmodel.budget.items import Item, Person
from costmodel.budget.project import Project
from costmodel.foundation.tables import table
from costmodel.market.api_prices import api_price

SCENARIO = tomllib.loads((Path(__file__).parent / "run.toml").read_text(encoding="utf-8"))
DATA = {
    "name": "ticket classifier",
    "start": "2026-10-05",
    "owner": "research",
    "runs": [{"name": "final run", "scenario": SCENARIO, "repeats": 3, "after": ["experiments"]}],
    "experiments": {"runs": 4, "share": 0.25, "after": ["labels"]},
    "data": [
        {
            "name": "labels",
            "quantity": "1k",
            "unit": "example",
            "unit_price": 0.5,
            "rework": 1.2,
            "days": 10,
            "source": "quote of the vendor",
            "as_of": "2026-09-14",
            "owner": "data",
        }
    ],
    "evaluation": [{"name": "judge", "quantity": 10, "unit": "Mtoken", "unit_price": 3}],
    "people": [{"role": "engineer", "count": 2, "weeks": 6, "usd_per_year": 104_000, "overhead": 1.3}],
    "storage": [{"name": "checkpoints", "terabytes": 5, "months": 6, "price": 23}],
    "contingency": 0.1,
}
BASES = {
    "final run": 600.0,  # 3 x 100 GPU-hours x 2
    "experiments": 200.0,  # 4 x 0.25 x 100 GPU-hours x 2
    "labels": 600.0,  # 1,000 x 1.2 x 0.50
    "judge": 30.0,
    "engineer": 31_200.0,  # 2 x 6 weeks x 104,000 / 52 x 1.3
    "checkpoints": 690.0,  # 5 x 6 x 23
    "contingency": 3_332.0,  # a tenth of 33,320
}


def test_a_small_project_by_hand():
    budget = Project.from_data(DATA).budget()
    assert {line.name: line.base for line in budget.lines} == BASES
    assert budget.value("base") == 33_320.0
    assert budget.total.magnitude == 36_652.0
    assert str(budget.total.units) == "USD"
    assert (budget.value("expected"), budget.value("p10"), budget.value("p90")) == pytest.approx((33_320.0,) * 3)
    assert budget.gpu_weeks == {"A100-80GB-SXM": pytest.approx(400 / 168)}
    assert budget.drivers() == []


def test_lines_carry_quantity_price_source_date_and_owner():
    lines = {line.name: line for line in Project.from_data(DATA).budget().lines}
    run = lines["final run"]
    assert (run.group, run.quantity, run.unit, run.unit_price) == ("compute", pytest.approx(300), "GPU-hour", 2.0)
    assert (run.source, run.owner) == ("given", "research")
    labels = lines["labels"]
    assert (labels.source, labels.as_of, labels.owner) == ("quote of the vendor", "2026-09-14", "data")
    assert (labels.quantity, labels.unit) == (1200.0, "example")
    people = lines["engineer"]
    assert (people.quantity, people.unit, people.unit_price) == (12.0, "person-week", pytest.approx(2600.0))
    last = lines["contingency"]
    assert (last.quantity, last.unit, last.unit_price) == (33_320.0, "USD", 0.1)


def test_a_looked_up_price_has_its_date():
    scenario = {**SCENARIO, "cluster": {"accelerator": "H100-SXM", "count": 8}}
    scenario["prices"] = {"provider": "lambda", "on": "2026-10-01"}
    budget = Project(name="p", runs=[{"name": "tune", "scenario": scenario}]).budget()
    price = cm.estimate(cm.Scenario.from_data(scenario)).inputs["prices.price"]
    assert budget.lines[0].source == price.provenance.source
    assert budget.lines[0].as_of == price.provenance.as_of != ""
    assert budget.lines[0].unit_price == pytest.approx(price.value * 3600)
    assert any("tune: prices.price" in each.subject and each.as_of for each in budget.assumptions)


def test_defaults_are_facts_with_a_source():
    project = Project(
        name="p",
        runs=[{"name": "tune", "scenario": SCENARIO}],
        experiments={},
        data=[{"name": "pairs", "quantity": 1000, "kind": "Preference-Pair", "rework": "annotation overrun"}],
        people=[{"role": "lead", "months": 3}],
    )
    budget = project.budget()
    lines = {line.name: line for line in budget.lines}
    assert lines["pairs"].unit == "pair"
    assert lines["pairs"].base == pytest.approx(1000 * (3 * 5) ** 0.5 * (0.5 * 5) ** 0.5, rel=1e-5)
    assert lines["pairs"].quantity == 3873  # 1,000 x 3.873, in whole pairs
    assert lines["lead"].quantity == pytest.approx(13.0)
    assert lines["experiments"].low < lines["experiments"].base < lines["experiments"].high
    log = {each.subject: each for each in budget.assumptions}
    for subject in ("pairs: unit_price", "pairs: rework", "lead: overhead", "experiments: runs", "contingency: share"):
        assert log[subject].source
    assert log["experiments: runs"].value == "5.00 (3.00 to 10.0)"


def test_default_experiments_agree_with_the_reported_reserve():
    one_shot_and_trials = 1 + fact("experiment runs").value * fact("experiment share").value
    assert 3 < one_shot_and_trials < 5


@pytest.mark.parametrize(
    ("name", "published", "tolerance"),
    [
        ("preference pair", math.sqrt(0.5 * 5), 0.01),
        ("expert preference pair", 25, 0.1),  # the example of the source
        ("overhead", 1.33, 0.05),  # 1.25 to 1.4 (Epoch AI)
        ("staff compensation", 380e3, 0.01),  # 210,000 to 690,000 (Epoch AI)
        ("data share", 0.5, 0.02),
        ("compute share", 0.1, 0.05),
    ],
)
def test_median_of_a_fact_is_near_the_published_figure(name, published, tolerance):
    assert fact(name).value == pytest.approx(published, rel=tolerance)


def test_labels_by_a_model_are_11_to_26_times_cheaper_than_by_people():
    people, model = (fact(name).spread for name in ("preference pair", "synthetic preference pair"))
    assert people.quantile(0.1) / model.quantile(0.1) == pytest.approx(26, rel=0.02)
    assert people.quantile(0.9) / model.quantile(0.9) == pytest.approx(11, rel=0.02)


def test_an_answer_costs_a_fifth_of_a_preference_pair():
    assert fact("sft example").value / fact("preference pair").value == pytest.approx(0.2, rel=0.01)


def test_pieces_without_rework_are_paid_once():
    budget = Project(name="p", data=[{"name": "pairs", "quantity": 100, "kind": "preference pair"}]).budget()
    assert budget.lines[0].base == pytest.approx(100 * fact("preference pair").value, abs=0.01)


def test_contingency_is_15_percent_of_all_other_lines_in_dollars_of_2026():
    plan = Project(name="p", data=[{"name": "labels", "unit_price": 1000}])
    *_, reserve = plan.budget().lines
    assert (reserve.name, reserve.base, reserve.unit_price) == ("contingency", 150.0, 0.15)
    assert plan.currency_year == 2026


def test_pieces_written_by_an_api_are_paid_per_token():
    api = {"model": "gpt-4.1-mini", "input_tokens": 1000, "output_tokens": 500, "batch": True}
    budget = Project(name="p", data=[{"name": "answers", "quantity": "10k", "unit": "answer", "api": api}]).budget()
    line, price = budget.lines[0], api_price("gpt-4.1-mini")
    assert line.base == pytest.approx(10_000 * price.cost(1000, 500, batch=True), abs=0.01)
    assert (line.unit, line.source, line.as_of) == ("answer", price.source, str(price.as_of))
    assert "gpt-4.1-mini at openai, batch price" in budget.assumptions[0].source


def test_prices_of_other_years_are_noted_but_not_converted():
    data = {"name": "labels", "unit_price": 100, "as_of": "2023-05-01"}
    budget = Project(name="p", data=[data], currency_year=2026).budget()
    assert budget.lines[0].base == 100.0
    noted = [each for each in budget.assumptions if "2023" in each.value]
    assert [each.as_of for each in noted] == ["2023-05-01"]
    assert "dollars of 2026" in str(budget)


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_saved_project_loads_equal(tmp_path, ending):
    project = Project.from_data({**DATA, "people": [{"role": "lead", "months": "2 to 4"}], "actuals": {"labels": 580}})
    project.save(tmp_path / f"project.{ending}")
    again = Project.load(tmp_path / f"project.{ending}")
    assert again == project
    assert again.start == dt.date(2026, 10, 5)
    assert again.budget().to_dict() == project.budget().to_dict()


def test_a_run_may_name_a_scenario_file(tmp_path):
    (tmp_path / "runs").mkdir()
    cm.Scenario.from_data(SCENARIO).save(tmp_path / "runs" / "tune.toml")
    text = 'name = "p"\ncontingency = 0\n[[runs]]\nname = "tune"\nscenario = "runs/tune.toml"\n'
    (tmp_path / "project.toml").write_text(text, encoding="utf-8")
    assert Project.load(tmp_path / "project.toml").budget().value("base") == 200.0
    changed = Project.load(tmp_path / "project.toml", {"runs.0.scenario.gpu_hours": 50, "contingency": 0.1})
    assert changed.budget().total.magnitude == 110.0


def test_a_price_table_path_is_relative_to_the_project(tmp_path):
    header = ",".join(table("gpu_prices").columns)
    assert header.startswith("accelerator")
    project = {**DATA, "runs": [{"name": "final run", "scenario": {**SCENARIO, "prices": {"table": "prices/own.csv"}}}]}
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "own.csv").write_text(header + "\n", encoding="utf-8")
    Project.from_data(project).save(tmp_path / "project.json")
    loaded = Project.load(tmp_path / "project.json")
    assert loaded.runs[0].scenario.prices.table == str(tmp_path / "prices" / "own.csv")
    loaded.save(tmp_path / "copy.json")
    assert '"prices/own.csv"' in (tmp_path / "copy.json").read_text(encoding="utf-8")


def test_a_project_is_changed_by_a_copy():
    project = Project.from_data(DATA)
    dearer = project.replace({"data.0.unit_price": 1.0})
    assert (project.data[0].unit_price, dearer.data[0].unit_price) == (0.5, 1.0)
    assert dearer.budget().total.magnitude == pytest.approx(36_652 + 600 * 1.1)


def test_parts_may_be_objects_or_tables():
    run = {"name": "tune", "scenario": cm.Scenario.from_data(SCENARIO)}
    project = Project(
        name="p", runs=[run], data=[Item("labels", unit_price=5)], people=[Person("lead", weeks=1, usd_per_year=52e3)]
    )
    assert {line.name for line in project.budget().lines} == {"tune", "labels", "lead", "contingency"}


def test_the_table_of_facts_is_valid():
    facts = table("assumptions/project_facts")
    names = [row["name"] for row in facts.rows]
    assert len(set(names)) == len(names)
    for row in facts.rows:
        assert row["source"]
        assert 0 < float(row["low"]) < float(row["high"])
        spread = fact(row["name"]).spread
        tail = (1 - float(row["level"])) / 2
        assert spread.quantile(tail) == pytest.approx(float(row["low"]))
    assert set(priced_kinds()) == {
        "sft example",
        "preference pair",
        "expert preference pair",
        "synthetic preference pair",
    }


def test_a_budget_pickles():
    budget = Project.from_data(DATA).budget()
    assert pickle.loads(pickle.dumps(budget)).to_dict() == budget.to_dict()


@pytest.mark.parametrize("name", ["support-ticket-classifier", "domain-model", "reasoning-model"])
def test_people_cost_more_than_compute_in_the_examples(root, name):
    budget = Project.load(root / "examples" / f"{name}.toml").budget()
    groups = {group: sum(line.base for line in budget.lines if line.group == group) for group in ("compute", "people")}
    assert 0 < groups["compute"] < groups["people"] < budget.value("base")
    assert (
        budget.value("p10")
        < budget.value("base")
        < budget.value("p50")
        < budget.value("expected")
        < budget.value("p90")
    )
    assert {task.name for task in budget.schedule} >= {run.name for run in budget.project.runs}
    assert budget.days > 30


SERVED = {
    "architecture": "llama-3.1-8b",
    "cluster": {"accelerator": "H100-SXM", "count": 2},
    "input_tokens": 500,
    "output_tokens": 300,
    "concurrency": 32,
    "prices": {"price": "2 to 3 USD/hour"},
}


def test_a_served_model_costs_its_accelerators_for_the_time():
    item = {"name": "first year", "scenario": SERVED, "months": 12}
    budget = Project(name="p", serving=[item], contingency=0).budget()
    line = budget.lines[0]
    served = cm.estimate(cm.Serving.from_data(SERVED))
    assert (line.group, line.unit) == ("serving", "GPU-hour")
    assert line.quantity == pytest.approx(2 * 8766)
    assert line.base == pytest.approx(8766 * served.value("cost_per_hour"), abs=0.01)
    assert (line.low, line.high) == (
        pytest.approx(2 * 8766 * 2, rel=0.02),
        pytest.approx(2 * 8766 * 3, rel=0.02),
    )
    assert budget.drivers()[0].name == "first year: price"


def test_a_served_model_costs_its_tokens_at_the_load():
    item = {"name": "answers", "scenario": SERVED, "tokens": "5B"}
    line = Project(name="p", serving=[item], contingency=0).budget().lines[0]
    served = cm.estimate(cm.Serving.from_data(SERVED))
    assert (line.quantity, line.unit) == (5000.0, "Mtoken")
    assert line.unit_price == pytest.approx(served.value("blended_cost"))
    assert line.low < line.base < line.high


def test_a_served_model_in_a_file_and_its_errors(tmp_path):
    cm.Serving.from_data(SERVED).save(tmp_path / "chat.toml")
    text = 'name = "p"\n[[serving]]\nname = "chat"\nscenario = "chat.toml"\nmonths = 1\n'
    (tmp_path / "project.toml").write_text(text, encoding="utf-8")
    project = Project.load(tmp_path / "project.toml")
    assert project.budget().lines[0].quantity == pytest.approx(2 * 730.5)
    assert Project.from_data(project.to_data()) == project
    with pytest.raises(cm.InputError, match="give either months or tokens"):
        Project(name="p", serving=[{"name": "chat", "scenario": SERVED}])


def test_owned_hardware_in_runs_and_serving():
    owned = {"kind": "owned"}
    scenario = {
        "architecture": "llama-3.1-8b",
        "recipe": {"kind": "lora", "tokens": "30M"},
        "cluster": {"accelerator": "H100-SXM", "count": 8},
        "prices": owned,
    }
    serving = {"name": "chat", "scenario": {**SERVED, "prices": owned}, "months": 2}
    project = Project(name="p", runs=[{"name": "tune", "scenario": scenario}], serving=[serving], contingency=0)
    tune, chat = project.budget().lines[:2]
    estimate = cm.estimate(cm.Scenario.from_data(scenario))
    assert tune.base == pytest.approx(estimate.value("cost"), abs=0.01)
    assert tune.source == estimate.inputs["prices.purchase_price"].provenance.source != "given"
    served = cm.estimate(cm.Serving.from_data({**SERVED, "prices": owned}))
    assert chat.base == pytest.approx(2 * 730.5 * served.value("cost_per_hour"), abs=0.01)
    assert chat.low < chat.base < chat.high
    assert "runs: prices.utilization" in {driver.name for driver in project.budget().drivers()}


def test_a_scenario_in_place_of_a_project_is_recognized(tmp_path):
    cm.Scenario.from_data(SCENARIO).save(tmp_path / "run.toml")
    with pytest.raises(cm.InputError, match="holds the scenario of a run, not a project: use costmodel estimate"):
        Project.load(tmp_path / "run.toml")
