"""Project files: all problems are reported together, each with its place."""

import tomllib
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.budget.project import Project

SCENARIO = tomllib.loads((Path(__file__).parent / "run.toml").read_text(encoding="utf-8"))


def problems(**fields):
    with pytest.raises(cm.InputError) as caught:
        Project(**{"name": "p", **fields})
    return caught.value.problems


def test_all_mistakes_of_a_file_are_reported_together(tmp_path):
    path = tmp_path / "project.toml"
    path.write_text(
        """
name = "p"
contingeny = 0.1
[[runs]]
name = "first"
scenario = "nowhere.toml"
[[runs]]
name = "second"
repeats = 0
[runs.scenario]
architecture = "llama-3.1-8b"
cluster = { accelerator = "H100-SXM", count = 8 }
recipe = { kind = "pretraining", tokens = "many" }
[[data]]
name = "labels"
quantity = -1
unit_price = 1
[[people]]
role = "engineer"
weeks = 3
overhead = 0.5
""",
        encoding="utf-8",
    )
    with pytest.raises(cm.InputError) as caught:
        Project.load(path)
    found = caught.value.problems
    for place, reason in (
        ("contingeny: ", "did you mean 'contingency'"),
        ("runs.0.scenario: ", "cannot be read"),
        ("runs.1.repeats: ", ""),
        ("runs.1.scenario.recipe.tokens: ", "'many'"),
        ("data.0.quantity: ", "at least 0"),
        ("people.0.overhead: ", "at least 1"),
    ):
        assert any(each.startswith(place) and reason in each for each in found), (place, found)
    assert len(found) == 6


def test_all_unknown_names_are_reported_together():
    found = problems(
        runs=[{"name": "tune", "scenario": SCENARIO, "after": ["lables"]}],
        experiments={"of": ["tun"]},
        data=[{"name": "labels", "unit_price": 1}],
        actuals={"label": 3, "tune": 1},
    )
    assert found == (
        "runs.0.after.0: unknown line 'lables'; did you mean 'labels'?",
        "experiments.of.0: unknown run 'tun'; did you mean 'tune'?",
        "actuals.label: unknown line 'label'; did you mean 'labels'?",
    )


def test_names_of_lines_are_unique():
    found = problems(data=[{"name": "labels", "unit_price": 1}], other=[{"name": "labels", "unit_price": 2}])
    assert [each.partition(":")[0] for each in found] == ["data.0.name", "other.0.name"]
    assert "occurs twice" in problems(people=[{"role": "contingency", "weeks": 1}])[0]


def test_a_circle_is_named():
    (found,) = problems(
        data=[{"name": "labels", "unit_price": 1, "after": ["judge"]}],
        evaluation=[{"name": "judge", "unit_price": 1, "after": ["labels"]}],
    )
    assert (
        found
        == "after: 'judge' waits for 'labels' waits for 'judge': these lines wait for each other, so none can start"
    )


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"name": "x"}, "one of unit_price, kind and api"),
        ({"name": "x", "unit_price": 1, "kind": "sft example"}, "one of unit_price, kind and api"),
        ({"name": "x", "kind": "sft exmple"}, "did you mean 'sft example'"),
        ({"name": "x", "kind": "sft example", "unit": "pair"}, "per example, not 'pair'"),
        ({"name": "x", "kind": "sft example", "source": "quote"}, "looked-up price has its own source"),
        ({"name": "x", "api": {"model": "gpt-4.1-mni", "input_tokens": 1, "output_tokens": 1}}, "'gpt-4.1-mini'"),
        ({"name": "x", "api": {"model": "gpt-4.1-mini", "input_tokens": -1, "output_tokens": 1}}, "at least 0"),
        ({"name": "", "unit_price": 1}, "at least 1 character"),
        ({"name": "x", "unit_price": -1}, "at least 0"),
        ({"name": "x", "unit_price": float("nan")}, "finite"),
        ({"name": "x", "unit_price": "8 EUR"}, "EUR"),
        ({"name": "x", "unit_price": "5 hours"}, "wrong dimension"),
        ({"name": "x", "unit_price": 1, "rework": 0.5}, "at least 1"),
        ({"name": "x", "unit_price": 1, "days": -1}, "at least 0"),
    ],
)
def test_items(item, reason):
    (found,) = problems(data=[item])
    assert found.startswith("data.0")
    assert reason in found


def test_people_work_for_weeks_or_months():
    assert "either weeks or months" in problems(people=[{"role": "x"}])[0]
    assert "either weeks or months" in problems(people=[{"role": "x", "weeks": 1, "months": 1}])[0]


def test_storage_in_either_form():
    assert problems(storage=[{"name": "x", "terabytes": 1, "months": 2}]) == (
        "storage.0.price: is required. Price per terabyte and month [USD].",
    )
    assert "one of unit_price, kind and api" in problems(storage=[{"name": "x"}])[0]


def test_a_project_has_at_most_1000_lines():
    listed = [{"name": f"item {number}", "unit_price": 1} for number in range(1001)]
    assert len(Project(name="p", data=listed[:1000]).data) == 1000
    assert "1 to 1000 runs, items and people; got 1001" in problems(data=listed)[0]


def test_an_empty_project_is_refused():
    assert "1 to 1000 runs, items and people; got 0" in problems()[0]
    assert "need at least one run" in problems(experiments={}, data=[{"name": "x", "unit_price": 1}])[0]


def test_the_scope_of_a_run_is_final_run():
    (found,) = problems(runs=[{"name": "tune", "scenario": {**SCENARIO, "scope": "development"}}])
    assert found.startswith("runs.0.scenario: scope: must be 'final_run'")


def test_costs_around_a_run_are_items_of_the_project():
    scenario = {**SCENARIO, "other_costs": {"checkpoints": {}, "failed_runs": 0.1}}
    (found,) = problems(runs=[{"name": "tune", "scenario": scenario}])
    assert found.startswith("runs.0.scenario: other_costs: must be left out, because the project lists")


def test_a_missing_price_names_the_run():
    scenario = {**SCENARIO, "prices": {}, "cluster": {"accelerator": "MTIA-v2", "count": 8}}
    project = Project(name="p", runs=[{"name": "big tune", "scenario": scenario}])
    with pytest.raises(cm.MissingFactError, match=r"run 'big tune': cost is not known: prices.price"):
        project.budget()


def test_missing_facts_are_reported_with_all_other_problems():
    lacking = {**SCENARIO, "prices": {}, "cluster": {"accelerator": "MTIA-v2", "count": 8}}
    runs = [{"name": "a", "scenario": lacking}, {"name": "b", "scenario": lacking}]
    with pytest.raises(cm.MissingFactError, match=r"runs.0.scenario: .*; runs.1.scenario: "):
        Project(name="p", runs=runs).budget()
    runs.append({"name": "c", "scenario": {**SCENARIO, "gpu_hours": 1e-6}})
    with pytest.raises(cm.InputError) as caught:
        Project(name="p", runs=runs).budget()
    assert [each.split(": ")[0] for each in caught.value.problems] == [
        "runs.2.scenario",
        "runs.0.scenario",
        "runs.1.scenario",
    ]


@pytest.mark.parametrize("days", [1e4, 1e5])
def test_a_project_must_end_before_the_year_10000(days):
    items = [{"name": "x", "unit_price": 1, "days": days}, {"name": "y", "unit_price": 1, "days": 100}]
    project = Project(name="p", start="9990-01-01", data=items)
    with pytest.raises(cm.InputError, match=r"start: .* ends after the year 9999"):
        project.budget()
    assert project.replace(start="2026-01-01").budget().days == days


def test_all_runs_that_cannot_be_estimated_are_reported():
    wrong = {**SCENARIO, "gpu_hours": 1e-6}
    project = Project(name="p", runs=[{"name": name, "scenario": wrong} for name in ("a", "b")])
    with pytest.raises(cm.InputError) as caught:
        project.budget()
    assert [each.split(": ")[0] for each in caught.value.problems] == ["runs.0.scenario", "runs.1.scenario"]


def test_ranges_with_infinite_draws_are_refused():
    project = Project(
        name="p", data=[{"name": "wild", "quantity": cm.between(1e-300, 1e39, level=0.01), "unit_price": 1}]
    )
    for ask in (lambda budget: budget.p50, lambda budget: budget.lines, lambda budget: budget.drivers()):
        with pytest.raises(cm.InputError, match=r"wild.*exceed the largest float"):
            ask(project.budget())


def test_sums_too_large_for_cents():
    budget = Project(name="p", data=[{"name": "x", "quantity": 1e40, "unit_price": "1e14 to 1e15"}]).budget()
    assert budget.total.magnitude == pytest.approx(1.15 * 1e40 * 1e29**0.5)
    assert budget.drivers()[0].high > budget.drivers()[0].low


@pytest.mark.parametrize("p", [-0.1, 1.1, True, "0.5", float("nan")])
def test_quantile_takes_a_probability(p):
    budget = Project(name="p", data=[{"name": "x", "unit_price": 1}]).budget()
    with pytest.raises(cm.InputError, match="probability"):
        budget.quantile(p)


def test_a_budget_needs_a_project():
    from costmodel.budget.budget import Budget

    with pytest.raises(cm.InputError, match="made from a Project"):
        Budget({"name": "p"})
