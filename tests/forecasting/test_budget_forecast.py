"""Budgets under way: cost at completion, variance and probabilities, from actuals."""

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm

LINES = [
    {"name": "labels", "unit_price": "50 to 200", "days": 10},
    {"name": "license", "unit_price": 40},
    {"name": "audit", "unit_price": "5 to 20"},
]


def project(**actuals):
    return cm.Project(name="p", start="2026-01-01", data=LINES, contingency=0.2, actuals=actuals)


def line(forecast, name):
    return next(each for each in forecast.lines if each.name == name)


def test_without_actuals_the_forecast_is_the_budget():
    budget = project().budget()
    forecast = cm.forecast(budget)
    assert forecast.completion.magnitude == budget.value("base") == 150.0
    assert forecast.value("variance") == forecast.value("spent") == forecast.value("committed") == 0.0
    assert np.allclose(forecast.draws(), budget.draws(), rtol=1e-12)
    assert forecast.within(170) == budget.within(170)
    assert [each.name for each in forecast.lines] == ["labels", "license", "audit"]


def test_a_line_that_is_done_costs_what_was_spent_and_committed():
    forecast = cm.forecast(project(labels={"spent": 90, "committed": 20, "done": 1}))
    labels = line(forecast, "labels")
    assert (labels.low, labels.completion, labels.high, labels.variance) == (110.0, 110.0, 110.0, 10.0)
    assert (forecast.value("spent"), forecast.value("committed"), forecast.value("variance")) == (90.0, 20.0, 10.0)


def test_the_rate_so_far_counts_as_much_as_the_share_that_is_done():
    """Half done at twice the planned rate: the rest costs half of the geometric mean of 100 and 200."""
    half = line(cm.forecast(project(labels={"spent": 100, "done": 0.5})), "labels")
    assert half.completion == pytest.approx(100 + 0.5 * (100 * 200) ** 0.5, abs=0.01)
    widths = []
    for share in (0.1, 0.5, 0.9):
        each = line(cm.forecast(project(labels={"spent": 100 * share, "done": share})), "labels")
        assert each.completion == pytest.approx(100.0)  # on plan
        widths.append(each.high - each.low)
    assert widths[0] > widths[1] > widths[2] > 0
    ordered = line(cm.forecast(project(labels={"spent": 100, "committed": 95, "done": 0.5})), "labels")
    assert ordered.completion == 195.0  # what is ordered will be paid


def test_an_own_estimate_of_the_rest_replaces_the_budget():
    forecast = cm.forecast(project(), actuals={"labels": {"spent": 30, "left": "80 to 125"}})
    labels = line(forecast, "labels")
    assert labels.completion == pytest.approx(130.0)
    assert (labels.low, labels.high) == (pytest.approx(110, rel=0.01), pytest.approx(155, rel=0.01))


def test_the_forecast_of_a_run_gives_what_is_spent_and_left():
    run = cm.Scenario(
        architecture="llama-3.1-8b",
        recipe=cm.Pretraining(tokens="100B", sequence_length=8192, batch_size=512),
        cluster=cm.Cluster("H100-SXM", 64),
        prices=cm.Rental(price="2 USD/hour"),
    )
    left = cm.forecast(run, step_time="9.5 s", done=10_000)
    whole = cm.Project(name="p", runs=[{"name": "final run", "scenario": run}], contingency=0.1)
    forecast = cm.forecast(whole, actuals={"final run": left})
    assert forecast.value("spent") == pytest.approx(left.done("cost").magnitude, abs=0.01)
    total = left.done("cost").magnitude + left.left("cost").magnitude
    assert forecast.completion.magnitude == pytest.approx(total, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 400), st.floats(0, 100))
def test_a_line_costs_at_least_what_is_spent_and_committed(spent, committed):
    forecast = cm.forecast(project(labels={"spent": spent, "committed": committed}))
    labels = line(forecast, "labels")
    assert labels.low >= min(spent + committed, labels.completion) - 0.01
    assert labels.completion >= max(spent + committed, 100.0) - 0.01
    assert (forecast.draws() >= cm.forecast(project()).draws() - 1e-6).all()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=5))
def test_probabilities_rise_with_the_sum(sums):
    forecast = cm.forecast(project(labels=80, audit={"spent": 3, "done": 0.25}))
    chances = [forecast.probability_within(amount) for amount in sorted(sums)]
    assert chances == sorted(chances)
    assert forecast.probability_within(forecast.quantile(0.9)) == pytest.approx(0.9, abs=1e-3)


def test_overspending_lowers_the_probability_of_staying_within():
    start, later = cm.forecast(project()), cm.forecast(project(labels={"spent": 150, "done": 0.5}))
    assert [each.amount for each in later.within()] == [150.0, 180.0]
    for before, after in zip(start.within(), later.within(), strict=True):
        assert after.probability < before.probability


def test_amounts_spent_from_the_contingency_are_outside_the_lines():
    forecast = cm.forecast(project(contingency=12))
    assert line(forecast, "contingency").variance == 12.0
    assert forecast.completion.magnitude == 162.0
    assert np.allclose(forecast.draws(), project().budget().draws() + 12)


def test_lines_sum_to_the_total():
    forecast = cm.forecast(project(labels={"spent": 80, "done": 0.7}, license={"committed": 40}))
    rows = forecast.rows()
    for column, total in (("completion", forecast.completion.magnitude), ("variance", forecast.value("variance")),
                          ("spent", forecast.value("spent")), ("committed", forecast.value("committed"))):  # fmt: skip
        assert sum(row[column] for row in rows) == pytest.approx(total, abs=0.005)
    assert json.loads(json.dumps(forecast.to_dict()))["completion"] == forecast.completion.magnitude
    assert forecast.to_frame().loc["license", "basis"] == "spent"


def test_tasks_that_should_have_ended_are_noted():
    on_time = cm.forecast(project(labels={"spent": 80, "done": 1}), on="2026-02-01")
    late = cm.forecast(project(labels={"spent": 80, "done": 0.7}), on=dt.date(2026, 2, 1))
    assert not any("planned to end" in note for note in on_time.notes())
    assert "labels: planned to end on 2026-01-11; give done = 1 if it has" in late.notes()
    assert str(late).startswith("p on 2026-02-01: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"actuals": {"label": 3}}, "did you mean 'labels'"),
        ({"actuals": {"labels": {"spent": 1, "done": 2}}}, "done: must be a number at least 0 and at most 1"),
        ({"actuals": {"labels": {"done": 0.5, "left": 3}}}, "give at most one of done and left"),
        ({"actuals": 3}, "actuals: must be amounts by the name of the line; got int"),
        ({"on": "soon"}, "on: must be a date such as 2026-09-01; got 'soon'"),
        ({"step_time": 3}, "step_time: belongs to a run, not to a budget"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(cm.InputError, match=message):
        cm.forecast(project(), **arguments)


def test_actuals_of_a_run_are_refused():
    run = cm.Scenario(
        architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="1B"), cluster=cm.Cluster("H100-SXM", 8)
    )
    with pytest.raises(cm.InputError, match="actuals: belongs to a budget, not to a run"):
        cm.forecast(run, step_time=1, actuals={"x": 1})


def test_actuals_survive_a_round_trip():
    written = project(labels=9.5, license={"committed": 40}, audit={"spent": 2, "left": "3 to 9"})
    assert cm.Project.from_data(written.to_data()) == written
    assert written.budget().against_actuals()[0]["actual"] == 9.5
