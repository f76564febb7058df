"""Totals, quantiles and drivers of a budget."""

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.budget.amounts import cents
from costmodel.budget.entries import entries, run_costs
from costmodel.budget.lines import GROUPS
from costmodel.budget.project import Project
from costmodel.foundation.ranges import between

SCENARIO = {
    **tomllib.loads((Path(__file__).parent / "run.toml").read_text(encoding="utf-8")),
    "prices": {"price": "1 to 4 USD/gpu/hour"},
}
OTHER = {**SCENARIO, "gpu_hours": "80 to 200"}
amounts = st.one_of(
    st.floats(0, 1e6),
    st.tuples(st.floats(0.01, 1e4), st.floats(1.01, 20)).map(lambda drawn: between(drawn[0], drawn[0] * drawn[1])),
)
texts = st.text(min_size=1, max_size=12).filter(lambda name: name.strip() == name and name != "contingency")
items = st.fixed_dictionaries(
    {"quantity": amounts, "unit_price": amounts}, optional={"rework": st.just("annotation overrun")}
)
projects = st.dictionaries(texts, items, min_size=2, max_size=6)


def project(drawn, **fields):
    return Project(name="p", data=[{"name": name, **item} for name, item in drawn.items()], **fields)


@settings(max_examples=25, deadline=None)
@given(projects, st.sampled_from([0.0, 0.15, between(0.05, 0.3)]))
def test_lines_sum_to_the_total_to_the_cent(drawn, contingency):
    budget = project(drawn, contingency=contingency).budget()
    *lines, last = budget.lines
    for column in ("base", "expected"):
        assert budget.value(column) == cents(math.fsum(getattr(line, column) for line in lines))
        assert budget.value(column) == cents(math.fsum(getattr(each, column) for each in budget.subtotals()))
    assert budget.total.magnitude == cents(budget.value("base") + budget.value("contingency"))
    assert last.base == budget.value("contingency") == cents(budget.value("base") * last.unit_price)
    assert budget.value("expected") == pytest.approx(budget.draws().mean(), rel=1e-9, abs=0.01 * len(lines))
    for line in budget.lines:
        assert line.base == cents(line.quantity * line.unit_price)
        assert line.low <= line.base <= line.high


@settings(max_examples=25, deadline=None)
@given(projects)
def test_another_item_changes_no_other_line_and_lowers_no_quantile(drawn):
    *fewer, last = drawn
    without, whole = project({name: drawn[name] for name in fewer}).budget(), project(drawn).budget()
    assert whole.lines[: len(fewer)] == without.lines[:-1]
    for p in (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0):
        assert whole.quantile(p) >= without.quantile(p) * (1 - 1e-12)
    assert (whole.draws() >= without.draws()).all()
    assert last in {line.name for line in whole.lines}


@settings(max_examples=25, deadline=None)
@given(projects)
def test_the_order_of_the_items_does_not_matter(drawn):
    first, second = project(drawn).budget(), project(dict(reversed(drawn.items()))).budget()
    assert (first.draws() == second.draws()).all()
    assert first.base == second.base
    assert first.drivers() == second.drivers()
    assert sorted(first.lines[:-1]) == sorted(second.lines[:-1])
    assert first.lines[-1] == second.lines[-1]


def test_the_order_of_the_runs_does_not_matter():
    runs = [
        {"name": name, "scenario": one}
        for name, one in (("b", SCENARIO), ("a", OTHER), ("c", {**OTHER, "gpu_hours": "7 to 9"}))
    ]
    first, second = (
        Project(name="p", runs=each, experiments={"of": [run["name"] for run in each]}).budget()
        for each in (runs, runs[::-1])
    )
    assert (first.draws() == second.draws()).all()
    assert first.drivers() == second.drivers()
    assert first.gpu_weeks == second.gpu_weeks


def test_lines_come_in_the_order_of_their_groups():
    fields = {group: [{"name": group, "unit_price": 1}] for group in ("other", "serving", "evaluation", "data")}
    budget = Project(
        name="p",
        **fields,
        people=[{"role": "people", "weeks": 1}],
        storage=[{"name": "storage", "terabytes": 1, "months": 1, "price": 1}],
        runs=[{"name": "compute", "scenario": SCENARIO}],
    ).budget()
    assert tuple(line.name for line in budget.lines) == GROUPS == tuple(line.group for line in budget.lines)


def test_low_and_high_are_the_quantiles_of_the_line_alone():
    budget = Project(
        name="p", data=[{"name": "labels", "quantity": 1000, "unit_price": "0.4 to 0.9 USD"}], contingency=0
    ).budget()
    line = budget.lines[0]
    assert line.base == 600.0  # the geometric mean
    assert (line.low, line.high) == (pytest.approx(400, rel=0.02), pytest.approx(900, rel=0.02))
    assert (budget.value("p10"), budget.value("p90")) == (
        pytest.approx(line.low, abs=0.01),
        pytest.approx(line.high, abs=0.01),
    )


def test_the_spread_of_independent_lines_is_narrower_than_the_sum_of_their_ends():
    data = [{"name": f"item {index}", "unit_price": "50 to 200"} for index in range(10)]
    budget = Project(name="p", data=data, contingency=0).budget()
    low, high = (sum(getattr(line, end) for line in budget.lines[:-1]) for end in ("low", "high"))
    assert low < 0.75 * budget.value("p10") < budget.value("p50") < budget.value("p90") < 0.75 * high


def test_runs_share_the_draws_of_their_price():
    runs = [{"name": name, "scenario": SCENARIO} for name in ("first", "second")]
    budget = Project(name="p", runs=runs, contingency=0).budget()
    assert (budget.value("p10"), budget.value("p90")) == (pytest.approx(200, rel=0.02), pytest.approx(800, rel=0.02))
    (driver,) = budget.drivers()
    assert driver == ("runs: prices.price", 200.0, 800.0, 1.0)


def test_lines_that_use_a_fact_share_it_and_given_ranges_are_their_own():
    def spread(**item):
        data = [{"name": name, "quantity": 100, **item} for name in ("first", "second")]
        budget = Project(name="p", data=data, contingency=0).budget()
        return budget.value("p90") / budget.value("p10"), [driver.name for driver in budget.drivers()]

    looked_up, given_twice = spread(kind="preference pair"), spread(unit_price="0.5 to 5")
    assert looked_up[0] == pytest.approx(10, rel=0.05)
    assert given_twice[0] < 7
    assert looked_up[1] == ["preference pair (looked up)"]
    assert sorted(given_twice[1]) == ["first: unit_price", "second: unit_price"]


def test_draws_of_a_run_equal_those_of_its_estimate():
    budget = Project(name="p", runs=[{"name": "tune", "scenario": OTHER, "repeats": 3}], contingency=0, seed=5).budget()
    alone = cm.estimate(cm.Scenario.from_data({**OTHER, "seed": 5}))
    assert np.allclose(budget.draws(), 3 * alone.draws("cost"), rtol=1e-12)
    assert budget.value("base") == pytest.approx(3 * alone.value("cost"), abs=0.01)
    again = Project(name="p", runs=[{"name": "tune", "scenario": {**OTHER, "seed": 9}}], contingency=0, seed=5).budget()
    assert np.allclose(again.draws(), alone.draws("cost"), rtol=1e-12)  # the seed of the project holds


def test_stages_of_a_run_share_their_model_error():
    recipes = [{"kind": "pretraining", "tokens": tokens} for tokens in ("100B", "50B")]
    stages = {**SCENARIO, "architecture": "llama-3.1-8b", "recipe": recipes, "prices": {"price": 2}, "goodput": 1.0}
    del stages["gpu_hours"]
    budget = Project(name="p", runs=[{"name": "tune", "scenario": stages}], contingency=0).budget()
    (driver,) = budget.drivers()
    assert driver.name == "runs: realized_efficiency"
    assert driver.low == pytest.approx(budget.value("p90"), rel=0.03)  # a low utilization is dear
    assert driver.high == pytest.approx(budget.value("p10"), rel=0.03)


def test_trials_of_several_runs_name_the_oldest_price():
    prices = {"old": {"provider": "lambda", "on": "2025-06-01"}, "new": {"provider": "lambda", "on": "2026-10-01"}}
    cluster = {"accelerator": "H100-SXM", "count": 8}
    runs = [{"name": name, "scenario": {**SCENARIO, "cluster": cluster, "prices": one}} for name, one in prices.items()]
    budget = Project(name="p", runs=runs, experiments={}).budget()
    old, new, trials = (line.as_of for line in budget.lines[:3])
    assert old == trials < new
    assert [each.as_of for each in budget.assumptions if each.value == "dollars of 2025"] == [old, old]


def test_purchases_of_a_run_other_than_rent_are_noted():
    recipe = {"kind": "distillation", "tokens": 5e6, "api": "claude-haiku-4-5", "api_provider": "anthropic"}
    taught = {**SCENARIO, "recipe": recipe, "prices": {"price": 2}}
    run = {"name": "taught", "scenario": taught, "repeats": 3, "note": "by an API"}
    project = Project(name="p", runs=[run])
    (entry,) = entries(project, run_costs(project))
    bought = cm.estimate(cm.Scenario.from_data(taught)).value("cost.purchases")
    assert bought > 20
    assert entry.note == f"by an API; the unit price includes {3 * bought:,.2f} USD of purchases"
    assert entry.quantity * entry.unit_price == pytest.approx(3 * (100 * 2 + bought))


def test_cost_of_experiments_follows_the_runs_tried():
    runs = [{"name": "small", "scenario": SCENARIO}, {"name": "large", "scenario": {**SCENARIO, "gpu_hours": 1000}}]
    lines = {}
    for of in ("all", ["small"], ["large", "small"]):
        budget = Project(name="p", runs=runs, experiments={"runs": 2, "share": 0.5, "of": of}).budget()
        lines[str(of)] = {line.name: line for line in budget.lines}["experiments"]
    assert lines["['small']"].base == 200.0
    assert lines["all"].base == lines["['large', 'small']"].base == 2200.0
    assert lines["all"].quantity == pytest.approx(1100.0)


def test_drivers_vary_one_input_at_a_time():
    budget = Project(
        name="p",
        data=[{"name": "labels", "quantity": "80 to 125", "unit_price": "1 to 4"}],
        other=[{"name": "rent", "unit_price": 800}],
        contingency="0.1 to 0.4",
    ).budget()
    found = {driver.name: driver for driver in budget.drivers()}
    assert found["labels: unit_price"][1:3] == (900.0, 1200.0)  # 100 x 1 + 800 and 100 x 4 + 800
    assert found["labels: quantity"][1:3] == (960.0, 1050.0)
    assert [driver.name for driver in budget.drivers()] == ["labels: unit_price", "labels: quantity"]
    assert budget.value("contingency") == 250.0  # the mean of a tenth and four tenths of 1,000
    assert sum(driver.share for driver in budget.drivers()) == pytest.approx(1.0)


def test_the_contingency_is_a_reserve_and_not_spent_in_the_quantiles():
    data = [{"name": "labels", "unit_price": "50 to 200"}]
    none, some, ample = (Project(name="p", data=data, contingency=share).budget() for share in (0, 0.5, 9))
    assert none.p50 == some.p50 == ample.p50
    assert none.value("base") == some.value("base") == ample.value("base") == 100.0
    assert [budget.total.magnitude for budget in (none, some, ample)] == [100.0, 150.0, 1000.0]
    base, reserve, given_sum = some.within("200 USD")
    assert (base.name, base.amount, base.probability) == ("base", 100.0, pytest.approx(0.5, abs=0.02))
    assert (reserve.amount, given_sum.amount) == (150.0, 200.0)
    assert base.probability < reserve.probability < given_sum.probability == pytest.approx(0.9, abs=0.01)
    assert none.within()[0].probability == none.within()[1].probability
    assert ample.within()[1].probability == pytest.approx(1.0, abs=1e-3)
    certain = Project(name="p", data=[{"name": "x", "unit_price": 3.14}], contingency=0).budget()
    assert certain.probability_within(3.14) == 1.0 and certain.probability_within(3.13) == 0.0


@settings(max_examples=25, deadline=None)
@given(projects, st.lists(st.floats(0, 1e9), min_size=2, max_size=5))
def test_probabilities_rise_with_the_sum_and_agree_with_the_quantiles(drawn, sums):
    budget = project(drawn).budget()
    chances = [budget.probability_within(amount) for amount in sorted(sums)]
    assert chances == sorted(chances)
    for p in (0.1, 0.5, 0.9):
        assert budget.probability_within(budget.quantile(p)) >= p - 1e-4
        assert budget.probability_within(budget.base + budget.contingency_for(p)) >= p - 1e-4


def test_amounts_and_probabilities_are_checked():
    budget = Project(name="p", data=[{"name": "x", "unit_price": 1}]).budget()
    with pytest.raises(cm.InputError, match="amount: must be a number in USD at least 0"):
        budget.probability_within(-1)
    with pytest.raises(cm.InputError, match=r"probability must be a probability between 0 and 1; got 80"):
        budget.contingency_for(80)


def test_shares_given_as_ranges_are_averaged_arithmetically():
    budget = Project(
        name="p",
        runs=[{"name": "tune", "scenario": SCENARIO}],
        experiments={"runs": 10, "share": "10-20 %"},
        data=[{"name": "labels", "quantity": "1k", "unit_price": 1, "rework": "1.1 to 1.6"}],
        people=[{"role": "lead", "weeks": 52, "usd_per_year": 100_000, "overhead": "1.2 to 1.4"}],
        contingency="10-20 %",
    ).budget()
    lines = {line.name: line for line in budget.lines}
    assert lines["contingency"].unit_price == 0.15
    assert lines["experiments"].quantity == pytest.approx(150)  # 10 trials of 15 % of 100 GPU-hours
    assert lines["labels"].quantity == 1350
    assert lines["lead"].base == pytest.approx(130_000)
    assert budget._draws["labels"].min() >= 1000  # no piece is paid less than once


def test_a_range_of_percentages_may_have_a_dash():
    shares = [Project(name="p", other=[{"name": "x", "unit_price": 1}], contingency=text).contingency
              for text in ("10-20 %", "10 % – 20 %", "10 to 20 %")]  # fmt: skip
    assert shares[0] == shares[1] == shares[2]


def test_counted_things_are_whole_and_measured_quantities_are_not():
    def quantity(**item):
        line = Project(name="p", data=[{"name": "x", "unit_price": 1, **item}], contingency=0).budget().lines[0]
        assert line.base == cents(line.quantity)
        return line.quantity

    assert quantity(quantity="20k to 31k", unit="example") == round((20_000 * 31_000) ** 0.5)
    assert quantity(quantity="1k", unit="pair", rework="annotation overrun") == round(1000 * 15**0.5)
    assert quantity(quantity="2 to 5", unit="GPU-hours") == pytest.approx(10**0.5)
    assert quantity(quantity="2 to 5", unit="Mtoken") == pytest.approx(10**0.5)
    assert quantity(quantity=0.5, unit="piece") == 0.5
    budget = Project(name="p", data=[{"name": "x", "unit_price": 1, "quantity": "2 to 9"}], contingency=0).budget()
    assert (budget.draws() % 1 == 0).all()


def test_budget_against_actuals():
    budget = Project(
        name="p",
        data=[{"name": "labels", "unit_price": 100}, {"name": "license", "unit_price": 50}],
        contingency=0.1,
        actuals={"labels": 130.5, "contingency": 0},
    ).budget()
    rows = {row["line"]: row for row in budget.against_actuals()}
    paid = {"committed": 0.0, "done": None}
    assert rows["labels"] == {"line": "labels", "budget": 100.0, "actual": 130.5, **paid, "difference": 30.5}
    assert rows["license"]["actual"] is rows["license"]["difference"] is None
    assert rows["contingency"]["difference"] == -15.0
    assert budget.value("base") == 150.0  # what was paid does not change what was planned


def test_the_documents_show_what_is_committed_and_done():
    data = [{"name": "labels", "unit_price": 100}, {"name": "license", "unit_price": 50}]
    actuals = {"labels": {"spent": 40, "committed": 20, "done": 0.5}, "license": 50}
    text = Project(name="p", data=data, actuals=actuals).budget().to_markdown()
    assert "| labels | 100.00 | 40.00 | -60.00 | 40 % | 20.00 | 50 % |" in text
    assert "20.00" not in Project(name="p", data=data, actuals={"license": 50}).budget().to_markdown()


def test_shares_of_fine_tuning_projects_are_noted_for_them_alone():
    tuned = {**SCENARIO, "recipe": {"kind": "lora", "tokens": "10M"}, "architecture": "llama-3.1-8b"}
    for scenario, noted in ((SCENARIO, False), (tuned, True)):
        notes = Project(name="p", runs=[{"name": "run", "scenario": scenario}]).budget().notes()
        assert any("practitioners report" in note for note in notes) == noted


def test_to_dict_is_plain_data():
    budget = Project(
        name="p",
        start="2026-01-01",
        runs=[{"name": "tune", "scenario": OTHER}],
        experiments={},
        contingency="0.1 to 0.2",
    ).budget()
    data = json.loads(json.dumps(budget.to_dict(), allow_nan=False))
    assert (data["base"], data["total"]) == (budget.value("base"), budget.total.magnitude)
    assert [each["name"] for each in data["within"]] == ["base", "base and contingency"]
    assert data["data_hash"] == budget.stamp()["data_hash"]
    assert [line["name"] for line in data["lines"]] == ["tune", "experiments", "contingency"]
    assert data["quantiles"]["0.9"] == budget.value("p90")
    assert Project.from_data(data["project"]) == budget.project


def test_names_are_shown_as_text():
    name = '=HYPERLINK("x")<script>alert(1)</script>'
    budget = Project(name=name, data=[{"name": name, "unit_price": 1, "unit": "<b>", "owner": "<i>"}]).budget()
    page = budget._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert name in str(budget)


def test_the_table_shows_quantiles_drivers_and_version():
    text = str(Project(name="p", data=[{"name": "labels", "quantity": 100, "unit_price": "1 to 4"}]).budget())
    for shown in ("230.00", "P10", "P90", "labels: unit_price 100 %", f"costmodel {cm.__version__}", "data "):
        assert shown in text


def test_twenty_items_of_all_kinds_sum_to_the_total():
    kinds = ["sft example", "preference pair", "expert preference pair"]
    budget = Project(
        name="p",
        runs=[{"name": f"run {index}", "scenario": OTHER} for index in range(4)],
        experiments={},
        data=[{"name": f"data {index}", "quantity": "1k to 2k", "kind": kinds[index % 3]} for index in range(10)],
        people=[{"role": f"role {index}", "weeks": "2 to 4"} for index in range(5)],
    ).budget()
    assert len(budget.lines) == 21
    assert budget.value("p10") < budget.value("p50") < budget.value("p90")
    assert all(math.isfinite(driver.low + driver.high) for driver in budget.drivers())


def test_a_budget_does_not_change():
    budget = Project(name="p", data=[{"name": "x", "unit_price": 1}]).budget()
    with pytest.raises(AttributeError, match="a budget does not change"):
        budget.project = None


@pytest.mark.parametrize(("amount", "rounded"), [(9e14 + 0.375, 9e14), (1e15 + 0.375, 1e15 + 0.375)])
def test_amounts_from_a_thousand_trillion_dollars_on_are_not_rounded(amount, rounded):
    """A 64-bit float has 15 digits, and steps of an eighth of a dollar there."""
    assert cents(amount) == rounded


def test_greenhouse_gases_of_the_runs_count_their_repeats():
    site = {"cluster": {**SCENARIO["cluster"], "site": {"grid_intensity": "0.2 to 0.4", "yearly_matched": 0.5}}}
    runs = [{"name": "a", "scenario": SCENARIO | site, "repeats": 3}, {"name": "b", "scenario": OTHER | site}]
    budget = Project(name="p", runs=runs).budget()
    rows = {row["emission"]: row for row in budget.ghg().rows()}
    one, other = (cm.estimate(run.scenario) for run in budget.project.runs)
    assert rows["electricity_location"]["kg"] == pytest.approx(3 * one.value("carbon") + other.value("carbon"))
    draws = 3 * one.draws("market_carbon") + other.draws("market_carbon")
    ends = rows["electricity_market"]["low"], rows["electricity_market"]["high"]
    assert ends == pytest.approx(tuple(np.quantile(draws, (0.1, 0.9))))
    assert budget.ghg().sentence.startswith("p, runs: ")


def test_greenhouse_gases_need_a_run():
    with pytest.raises(cm.MissingFactError, match="the project has no runs"):
        Project(name="p", data=[{"name": "x", "quantity": 1, "unit_price": 1}]).budget().ghg()


def test_a_salary_that_is_not_given_is_noted():
    people = [{"role": "lawyer", "weeks": 3}, {"role": "engineer", "weeks": 3, "usd_per_year": 95_000}]
    noted = [note for note in Project(name="p", people=people).budget().notes() if "usd_per_year" in note]
    assert noted == [
        "lawyer: no usd_per_year is given; that of frontier laboratories with equity is taken, 210,000 to 690,000 USD"
    ]
