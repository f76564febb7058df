"""Plots of published runs: every cost once, scopes and arithmetic told apart, names that do not cover each other."""

import numpy as np
import pytest

from costmodel.comparison.costs import SCOPES
from costmodel.comparison.reestimation import reestimates
from costmodel.comparison.runs import published_runs
from costmodel.foundation.errors import InputError
from costmodel.report import plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

DRAWINGS = {
    "year": plot.runs,
    "compute": lambda found, **options: plot.runs(found, "compute", **options),
    "hours": plot.claimed_against_estimated,
    "cost": lambda found, **options: plot.claimed_against_estimated(found, "cost", **options),
}


@pytest.fixture(scope="module")
def found():
    return reestimates()


def _points(ax, start):
    return [tuple(point) for line in ax.lines if str(line.get_label()).startswith(start) for point in line.get_xydata()]


@pytest.mark.parametrize("name", DRAWINGS)
def test_returns_the_axes_given(found, name):
    _, (other, ax) = pyplot.subplots(1, 2)
    assert DRAWINGS[name](found, ax=ax) is ax
    assert ax.has_data() and not other.has_data()


@pytest.mark.parametrize(
    ("name", "across", "up"),
    [
        ("year", "date of publication [year]", "cost [USD of the year]"),
        ("compute", "compute [FLOP]", "cost [USD of the year]"),
        ("hours", "GPU time, published [GPU-hour]", "GPU time, estimated [GPU-hour]"),
        ("cost", "cost, published [USD]", "cost, estimated [USD]"),
    ],
)
def test_labels_the_axes_with_units(found, name, across, up):
    ax = DRAWINGS[name](found)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)
    assert ax.get_yscale() == "log" and (ax.get_xscale() == "log") == (name != "year")


def test_every_published_cost_is_drawn_once(found):
    ax = plot.runs(found)
    expected = sorted((run.place_in_time, cost.usd) for run in published_runs() for cost in run.costs)
    assert np.array(sorted(_points(ax, "published"))) == pytest.approx(np.array(expected))


def test_scopes_have_their_markers_and_arithmetic_is_hollow(found):
    ax = plot.runs(found)
    lines = [line for line in ax.lines if str(line.get_label()).startswith("published")]
    by_scope = {
        scope: {line.get_marker() for line in lines if scope.replace("_", " ") in line.get_label()} for scope in SCOPES
    }
    assert all(len(markers) == 1 for markers in by_scope.values())
    assert len(set.union(*by_scope.values())) == 2
    for line in lines:
        assert (line.get_markerfacecolor() == "white") == ("arithmetic" in line.get_label())


def test_estimates_stand_at_their_values_with_their_intervals(found):
    ax = plot.runs(found, level=0.5)
    one = found["llama3.1-405b"]
    assert (pytest.approx(one.run.place_in_time), pytest.approx(one.estimate.value("cost"))) in _points(ax, "estimated")
    (bars,) = ax.collections
    ends = [segment for segment in bars.get_segments() if segment[0][0] == pytest.approx(one.run.place_in_time)]
    assert any(list(end[:, 1]) == pytest.approx(one.estimate.bounds("cost", 0.5)) for end in ends)


def test_claimed_against_estimated_draws_the_rows(found):
    ax = plot.claimed_against_estimated(found, "gpu_hours")
    rows = [row for row in found.rows() if row["figure"] == "gpu_hours" and row["ratio"] is not None]
    drawn = sorted(_points(ax, "published") + _points(ax, "speculative"))
    expected = sorted((row["claimed"], row["estimated"]) for row in rows)
    assert np.array(drawn) == pytest.approx(np.array(expected))
    (identity,) = [line for line in ax.lines if line.get_label() == "estimated = published"]
    assert list(identity.get_xdata()) == list(identity.get_ydata())
    (band,) = [one for one in ax.collections if one.get_label() == "within a factor of two"]
    corners = band.get_paths()[0].vertices
    assert {round(y / x, 6) for x, y in corners} == {0.5, 2.0}


@pytest.mark.parametrize("name", DRAWINGS)
def test_names_do_not_cover_each_other(found, name):
    ax = DRAWINGS[name](found)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) >= 5
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("name", DRAWINGS)
def test_labels_are_bounded(found, name):
    assert len(DRAWINGS[name](found, labels=2).texts) <= 2


@pytest.mark.parametrize("name", DRAWINGS)
def test_legend_covers_no_data(found, name):
    ax = DRAWINGS[name](found)
    ax.figure.canvas.draw()
    legend, area = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= area.y1 - 1
    assert legend.x1 <= ax.figure.bbox.x1 and legend.y1 <= ax.figure.bbox.y1


def test_refusals(found):
    with pytest.raises(InputError, match=r"x: unknown axis 'yeer'; did you mean 'year'"):
        plot.runs(found, "yeer")
    with pytest.raises(InputError, match=r"did you mean 'gpu_hours'"):
        plot.claimed_against_estimated(found, "gpu hours")
    with pytest.raises(InputError, match=r"what published_runs or reestimates returns; got list"):
        plot.runs([1])
    few = reestimates(published_runs(organization="EleutherAI"))
    with pytest.raises(InputError, match=r"none of these runs claims"):
        plot.claimed_against_estimated(few, "carbon")
