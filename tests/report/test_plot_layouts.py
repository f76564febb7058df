"""Do plots of steps and layouts show what the time model says, in the axes that they are given?"""

from dataclasses import replace

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.units import GIB

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

SETTLED = {
    "context": 1,
    "sequence_parallel": True,
    "loss": "fused",
    "overlap_tensor": False,
    "overlap_data": True,
    "offload_optimizer": False,
}
MODEL, RECIPE = "llama-3.1-8b", cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=128)
PLOTS = ("breakdown", "memory", "layouts", "scaling")
PLAIN = cm.Layout(data=8, tensor=2, pipeline=4)


@pytest.fixture(scope="module")
def steps():
    cluster = cm.Cluster("H100-SXM", 64)
    return {
        how: cm.step_time(MODEL, cluster, RECIPE, PLAIN.replace(recompute=how)) for how in ("none", "selective", "full")
    }


@pytest.fixture(scope="module")
def search():
    return cm.search_layouts(MODEL, cm.Cluster("H100-SXM", 32), RECIPE, counts=(64, 16, 32), **SETTLED)


def _plots(steps, search):
    return {
        "breakdown": lambda ax: cm.plot.breakdown(steps, ax=ax),
        "memory": lambda ax: cm.plot.memory(steps, capacity=80 * GIB, ax=ax),
        "layouts": lambda ax: cm.plot.layouts(search, ax=ax),
        "scaling": lambda ax: cm.plot.scaling(search, ax=ax),
    }


def _line(ax, start):
    (found,) = [line for line in ax.lines if str(line.get_label()).startswith(start)]
    return found.get_xydata().tolist()


def _bars(ax):
    """Return the widths of the bars by label of the bar and part."""
    labels = [text.get_text() for text in ax.get_yticklabels()]
    containers = [one for one in ax.containers if isinstance(one, matplotlib.container.BarContainer)]
    return {
        label: {one.get_label(): one[place].get_width() for one in containers} for place, label in enumerate(labels)
    }


@pytest.mark.parametrize("plot", PLOTS)
def test_returns_the_axes_given(steps, search, plot):
    _, (other, ax) = pyplot.subplots(1, 2)
    assert _plots(steps, search)[plot](ax) is ax
    assert ax.has_data()
    assert not other.has_data()


@pytest.mark.parametrize("plot", PLOTS)
def test_makes_axes_where_none_are_given(steps, search, plot):
    ax = _plots(steps, search)[plot](None)
    assert isinstance(ax, matplotlib.axes.Axes)
    assert ax.has_data()


@pytest.mark.parametrize(
    ("plot", "across", "up"),
    [
        ("breakdown", "step time [s]", ""),
        ("memory", "peak memory per GPU [GiB]", ""),
        ("layouts", "peak memory per GPU [GiB]", "step time [s]"),
        ("scaling", "number of accelerators", "step time [s]"),
    ],
)
def test_labels_the_axes_with_units(steps, search, plot, across, up):
    ax = _plots(steps, search)[plot](None)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)


@pytest.mark.parametrize("plot", PLOTS)
def test_legend_covers_no_data(steps, search, plot):
    ax = _plots(steps, search)[plot](None)
    ax.figure.canvas.draw()
    legend, area = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= area.y1 - 1
    assert legend.x1 <= ax.figure.bbox.x1
    assert legend.y1 <= ax.figure.bbox.y1


@pytest.mark.parametrize("plot", PLOTS)
def test_all_that_is_written_lies_within_the_figure(steps, search, plot):
    ax = _plots(steps, search)[plot](None)
    ax.figure.canvas.draw()
    for text in ax.texts:
        box = text.get_window_extent()
        assert box.x0 >= ax.bbox.x0 - 1
        assert box.x1 <= ax.bbox.x1 + 1
        assert box.y1 <= ax.bbox.y1 + 1


def test_breakdown_draws_the_parts_and_joins_the_small_ones(steps):
    drawn = _bars(cm.plot.breakdown(steps))
    assert list(drawn) == list(steps)[::-1]
    for label, step in steps.items():
        parts = step.si.breakdown._asdict()
        assert sum(drawn[label].values()) == pytest.approx(step.seconds)
        other = sum(value for name, value in parts.items() if name not in drawn[label])
        assert drawn[label]["other"] == pytest.approx(other)
        for name, width in drawn[label].items():
            assert name == "other" or width == pytest.approx(parts[name])
    small = set(steps["none"].si.breakdown._fields) - set(drawn["none"])
    assert small
    assert all(getattr(step.si.breakdown, name) < 0.005 * step.seconds for step in steps.values() for name in small)
    large = set(drawn["none"]) - {"other"}
    assert all(max(getattr(s.si.breakdown, name) / s.seconds for s in steps.values()) >= 0.005 for name in large)


def test_breakdown_writes_the_shares(steps):
    ax = cm.plot.breakdown({"one": steps["none"]})
    matmul = next(row for row in steps["none"].rows() if row["part"] == "matmul")
    assert ax.texts[0].get_text() == f"{100 * matmul['share']:.0f} %"


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_breakdown_draws_the_interval_of_the_step(steps, level):
    ax = cm.plot.breakdown(steps, level)
    (bars,) = [one for one in ax.containers if isinstance(one, matplotlib.container.ErrorbarContainer)]
    assert bars.get_label() == f"{100 * level:g} % interval"
    (segments,) = bars[2]
    for drawn, step in zip(segments.get_segments(), list(steps.values())[::-1], strict=True):
        assert drawn[:, 0] == pytest.approx(step.bounds(level))
        assert drawn[1, 0] < ax.get_xlim()[1]


@pytest.mark.parametrize("plot", ["breakdown", "memory"])
def test_parts_are_told_apart(plot):
    from costmodel.report import plot_layouts

    looks = plot_layouts._PARTS if plot == "breakdown" else plot_layouts.HELD
    fields = cm.step_time(MODEL, cm.Cluster("H100-SXM", 64), RECIPE, PLAIN)
    assert list(looks) == list((fields.breakdown if plot == "breakdown" else fields.memory)._fields)
    assert len(set(looks.values())) == len(looks)


@pytest.mark.parametrize("capacity", [None, 80 * GIB])
def test_memory_draws_the_parts_and_the_capacity(steps, capacity):
    ax = cm.plot.memory(steps, capacity)
    drawn = _bars(ax)
    for label, step in steps.items():
        assert sum(drawn[label].values()) == pytest.approx(step.si.memory.total / GIB)
        for name, width in drawn[label].items():
            assert name == "other" or width == pytest.approx(getattr(step.si.memory, name) / GIB)
    if capacity is None:
        assert not ax.lines
    else:
        assert {x for x, _ in _line(ax, "capacity")} == {80.0}
        assert ax.get_xlim()[1] > 80


@pytest.mark.parametrize("capacity", [0, -1.0, float("nan"), "80 GB"])
def test_memory_refuses_a_capacity_that_is_none(steps, capacity):
    with pytest.raises(cm.InputError, match="capacity is a number of bytes above 0"):
        cm.plot.memory(steps, capacity)


def test_layouts_draws_what_was_found(search):
    ax = cm.plot.layouts(search)

    def places(found):
        return [[pytest.approx(one.si.memory.total / GIB), pytest.approx(one.seconds)] for one in found]

    assert _line(ax, "the 100 fastest") == places(search.ranked)
    assert _line(ax, "Pareto front") == places(search.pareto)
    assert _line(ax, "fastest") == places([search.best])
    (text,) = ax.texts
    for name in ("data", "tensor", "pipeline"):
        value = getattr(search.best.layout, name)
        assert (f"{name} {value}" in text.get_text()) == (value > 1)


def test_layouts_line_holds_what_each_memory_can_reach(search):
    """With memory between two layouts of the frontier only the slower one fits."""
    ax = cm.plot.layouts(search)
    (line,) = [one for one in ax.lines if str(one.get_label()).startswith("Pareto front")]
    assert line.get_drawstyle() == "steps-pre"
    assert np.all(np.diff(line.get_xdata()) < 0)
    assert np.all(np.diff(line.get_ydata()) >= 0)


def test_layouts_far_apart_get_a_logarithmic_axis(search):
    near = replace(search, pareto=search.pareto[:1])
    assert cm.plot.layouts(near).get_yscale() == "linear"
    slow = replace(search.best, si=replace(search.best.si, seconds=4 * search.best.seconds))
    assert cm.plot.layouts(replace(search, pareto=(search.best, slow))).get_yscale() == "log"


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_scaling_draws_the_curve(search, level):
    ax = cm.plot.scaling(search, level)
    rows = search.curve()
    assert _line(ax, "fastest layout") == [[row["accelerators"], row["seconds"]] for row in rows]
    first = rows[0]
    for (count, value), row in zip(_line(ax, "at the cost of 16"), rows, strict=True):
        assert count == row["accelerators"]
        assert value * count == pytest.approx(first["gpu_seconds"])
    corners = ax.collections[0].get_paths()[0].vertices.tolist()
    for count, step in search.by_count.items():
        for end in step.bounds(level):
            assert any(corner == pytest.approx((count, end)) for corner in corners)
    costs = [float(text.get_text().removesuffix(" GPU-s").replace(",", "")) for text in ax.texts]
    assert costs == pytest.approx([row["gpu_seconds"] for row in rows], rel=5e-3)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["16", "32", "64"]


def test_scaling_refuses_a_search_of_one_count():
    found = cm.search_layouts(MODEL, cm.Cluster("H100-SXM", 16), RECIPE, tensor=2, pipeline=1, zero=1, **SETTLED)
    with pytest.raises(cm.InputError, match=r"several counts are needed.*got 1"):
        cm.plot.scaling(found)


@pytest.mark.parametrize("plot", ["layouts", "scaling"])
def test_refuses_what_is_no_search(steps, plot):
    with pytest.raises(cm.InputError, match="search is what search_layouts returns; got StepTime"):
        getattr(cm.plot, plot)(steps["none"])


@pytest.mark.parametrize("plot", ["breakdown", "memory"])
def test_refuses_what_is_no_mapping_of_steps(steps, search, plot):
    draw = getattr(cm.plot, plot)
    with pytest.raises(cm.InputError, match="mapping from label to step, as of step_time; got StepTime"):
        draw(steps["none"])
    with pytest.raises(cm.InputError, match="got an empty one"):
        draw({})
    several = cm.step_time(MODEL, cm.Cluster("H100-SXM", 64), RECIPE, [PLAIN, PLAIN])
    with pytest.raises(cm.InputError) as refused:
        draw({"good": steps["none"], "all": several, "found": search})
    assert len(refused.value.problems) == 2
    assert "'all' holds 2 layouts; each bar is one" in str(refused.value)
    assert "'found' is no step, as of step_time; got LayoutSearch" in str(refused.value)
