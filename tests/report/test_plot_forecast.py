"""The plots of what is under way show what is done, the rest with its interval, the dates and the budget."""

import datetime as dt

import numpy as np
import pytest
from matplotlib.dates import num2date

import costmodel as cm
from costmodel.report.style import title_of

RUN = cm.Scenario(
    "llama-3.1-8b",
    cm.Pretraining(tokens="100B", sequence_length=8192, batch_size=512),
    cm.Cluster("H100-SXM", 64),
    prices=cm.Rental(price="2 USD/hour"),
)


@pytest.fixture(scope="module")
def forecast():
    return cm.forecast(RUN, step_time="8 to 12 s", done=10_000, start="2026-10-01", now="2026-10-02T06:00")


def line(axes, label):
    (found,) = [each for each in axes.lines if each.get_label() == label]
    return found


def test_what_is_done_runs_from_the_start_to_now(forecast):
    drawn = line(cm.plot.forecast(forecast), "done")
    begin, now = (num2date(day).replace(tzinfo=None) for day in drawn.get_xdata())
    assert (begin, now) == (dt.datetime(2026, 10, 1), dt.datetime(2026, 10, 2, 6))
    assert list(drawn.get_ydata() * 1e3) == pytest.approx([0, forecast.done("cost").magnitude])


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_the_band_ends_at_the_interval_of_the_total(forecast, level):
    axes = cm.plot.forecast(forecast, level=level)
    corners = axes.collections[0].get_paths()[0].vertices
    last = corners[corners[:, 0] == corners[:, 0].max()][:, 1] * 1e3
    low, high = (end.magnitude for end in forecast.interval("cost", level))
    done = forecast.done("cost").magnitude
    assert (last.min(), last.max()) == pytest.approx((done + low, done + high), rel=0.02)
    assert line(axes, "median of the rest").get_ydata()[-1] * 1e3 == pytest.approx(
        done + forecast.left("cost").magnitude, rel=0.02
    )


def test_the_end_and_its_interval_are_dates(forecast):
    axes = cm.plot.forecast(forecast)
    (end,) = set(line(axes, "end, median").get_xdata())
    assert num2date(end).replace(microsecond=0) == forecast.end().replace(microsecond=0, tzinfo=dt.UTC)
    span = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    for edge, probability in ((span.x0, 0.1), (span.x1, 0.9)):
        assert num2date(edge).timestamp() == pytest.approx(forecast.end(probability).timestamp(), abs=5)
    assert f"ends on {forecast.end():%d %b %Y}" in title_of(axes)
    axes.figure.canvas.draw()
    assert all("2026" in label.get_text() for label in axes.get_xticklabels() if label.get_text())


def test_the_title_has_the_probability_of_the_budget(forecast):
    total = forecast.done("cost").magnitude + forecast.draws("cost")
    budget = float(np.quantile(total, 0.3))
    axes = cm.plot.forecast(forecast, budget=budget)
    assert title_of(axes).endswith("with 30 %")
    assert set(line(axes, "budget").get_ydata()) == {budget / 1e3}


@pytest.mark.parametrize(("name", "label"), [("steps", "steps"), ("energy", "energy [MWh]")])
def test_other_figures_have_their_unit(forecast, name, label):
    axes = cm.plot.forecast(forecast, name)
    assert axes.get_ylabel() == label
    assert axes.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wall_time"}, "name: unknown figure 'wall_time'"),
        ({"name": "steps", "budget": 100}, "budget: an amount of USD above 0, for the cost; got 100 for steps"),
        ({"budget": -1}, "budget: an amount of USD above 0"),
        ({"budget": float("nan")}, "budget: an amount of USD above 0"),
        ({"level": 2}, "level"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(forecast, options, message):
    with pytest.raises(cm.InputError, match=message):
        cm.plot.forecast(forecast, **options)


def test_a_run_without_dates_is_an_error():
    undated = cm.forecast(RUN, step_time="10 s", done=10_000)
    with pytest.raises(cm.MissingFactError, match="give start or now"):
        cm.plot.forecast(undated)


@pytest.fixture(scope="module")
def under_way():
    people = [{"role": "engineer", "weeks": 4, "usd_per_year": 104_000}]
    costs = [{"name": "labels", "quantity": 1, "unit_price": "4000 to 8000 USD"}]
    project = cm.Project(name="labels", people=people, other=costs)
    return cm.forecast(project, actuals={"engineer": {"spent": 5000, "done": 0.5}, "labels": {"committed": 2000}})


def test_a_budget_under_way_is_drawn_by_line(under_way):
    axes = cm.plot.forecast(under_way)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [each.name for each in under_way.lines[::-1]]
    size = 1e3 if "[k$]" in axes.get_xlabel() else 1.0
    ends = [0.0] * len(names)
    for bar in axes.patches:
        ends[round(bar.get_y() + bar.get_height() / 2)] += bar.get_width() * size
    assert ends == pytest.approx([each.completion for each in under_way.lines[::-1]])
    (intervals,) = axes.collections
    spans = [tuple(segment[:, 0] * size) for segment in intervals.get_segments()]
    assert spans == [pytest.approx((each.low, each.high)) for each in under_way.lines[::-1]]
    assert list(line(axes, "budget").get_xdata() * size) == pytest.approx([x.budget for x in under_way.lines[::-1]])
    assert f"{under_way.value('completion'):,.0f} USD at completion" in title_of(axes)


def test_a_budget_has_no_second_budget(under_way):
    with pytest.raises(cm.InputError, match="a forecast of a budget has its own"):
        cm.plot.forecast(under_way, budget=100)
