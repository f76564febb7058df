"""Do plots show what the estimate says, with units, in the axes that they are given?"""

import subprocess
import sys

import pytest

import costmodel as cm
from costmodel.estimation.paths import field_of

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

UNITS = {"cost": "M$", "gpu_hours": "thousand GPU-hours", "wall_time": "days", "carbon": "t"}
SI = {"cost": 1e6, "gpu_hours": 3.6e6, "wall_time": 86400.0, "carbon": 1e3}


@pytest.fixture(scope="module")
def estimate():
    return cm.estimate(
        cm.Scenario(
            architecture={"total": "7B"},
            recipe=cm.Pretraining(tokens="10T"),
            cluster=cm.Cluster("H100-SXM", 1024),
            prices=cm.Rental(price="2 to 4 USD/hour"),
        )
    )


@pytest.fixture(scope="module")
def by_mfu(estimate):
    return {mfu: cm.estimate(estimate.scenario.replace(mfu=mfu)) for mfu in (0.5, 0.3, 0.4)}


def _plots(estimate, by_mfu, name="cost"):
    return {
        "sensitivity": lambda ax: cm.plot.sensitivity(estimate, name, ax=ax),
        "sweep": lambda ax: cm.plot.sweep(by_mfu, name, "MFU [share]", ax=ax),
        "intervals": lambda ax: cm.plot.intervals({"7B": estimate}, name, ax=ax),
    }


PLOTS = ("sensitivity", "sweep", "intervals")


@pytest.mark.parametrize("plot", PLOTS)
def test_returns_the_axes_given(estimate, by_mfu, plot):
    _, (other, ax) = pyplot.subplots(1, 2)
    assert _plots(estimate, by_mfu)[plot](ax) is ax
    assert not other.has_data()


@pytest.mark.parametrize("plot", PLOTS)
def test_makes_axes_where_none_are_given(estimate, by_mfu, plot):
    ax = _plots(estimate, by_mfu)[plot](None)
    assert isinstance(ax, matplotlib.axes.Axes)
    assert ax.has_data()


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("plot", PLOTS)
def test_labels_the_axis_with_a_unit(estimate, by_mfu, plot, name):
    ax = _plots(estimate, by_mfu, name)[plot](None)
    label = ax.get_ylabel() if plot == "sweep" else ax.get_xlabel()
    assert label.endswith(f" [{UNITS[name]}]")


def test_every_figure_of_an_estimate_can_be_drawn():
    run = cm.Scenario("llama-3.1-8b", cm.Pretraining("1T"), cm.Cluster("H100-SXM", 64), prices=cm.Rental(price=2))
    est = cm.estimate(run)
    names = [row["quantity"] for row in est.rows()]
    assert {"tokens_per_second", "steps", "memory", "fit_probability"} <= set(names)
    for name in names:
        assert cm.plot.intervals({"8B": est}, name).get_xlabel().endswith("]")
        pyplot.close("all")


def test_unit_follows_the_magnitude(estimate):
    run = estimate.scenario
    labels = [
        cm.plot.intervals({"": cm.estimate(run.replace({"recipe.tokens": tokens}))}, "cost").get_xlabel()
        for tokens in ("1M", "10B", "10T", "100000T")
    ]
    assert labels == ["cost [USD]", "cost [k$]", "cost [M$]", "cost [B$]"]


@pytest.mark.parametrize("level", [0.5, 0.8])
@pytest.mark.parametrize("name", UNITS)
def test_against_draws_the_bounds_and_the_value(by_mfu, name, level):
    ax = cm.plot.sweep(by_mfu, name, "MFU [share]", level=level)
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices.tolist()}
    line = ax.lines[0].get_xydata().tolist()
    assert [place for place, _ in line] == [0.3, 0.4, 0.5]
    for place, value in line:
        assert value == pytest.approx(by_mfu[place].value(name) / SI[name])
        for end in by_mfu[place].bounds(name, level):
            assert any(corner == pytest.approx((place, end / SI[name])) for corner in corners)


@pytest.mark.parametrize("name", UNITS)
def test_intervals_draws_the_bounds_and_the_value(estimate, by_mfu, name):
    estimates = {"default": estimate, "MFU 0.5": by_mfu[0.5]}
    ax = cm.plot.intervals(estimates, name, level=0.6)
    drawn = dict(
        zip([label.get_text() for label in ax.get_yticklabels()], ax.collections[0].get_segments(), strict=True)
    )
    values = dict(zip(reversed(estimates), ax.lines[0].get_xdata(), strict=True))
    assert set(drawn) == set(estimates)
    for label, one in estimates.items():
        assert drawn[label][:, 0] * SI[name] == pytest.approx(one.bounds(name, 0.6))
        assert values[label] * SI[name] == pytest.approx(one.value(name))


def test_intervals_marks_what_was_published_in_the_unit_of_the_figure(estimate):
    ax = cm.plot.intervals({"a": estimate, "b": estimate}, "gpu_hours", published={"a": 400_000})
    (mark,) = [line for line in ax.lines if line.get_label() == "published"]
    assert mark.get_xydata().tolist() == [[pytest.approx(400.0), 1.0]]  # thousand GPU-hours; "a" is on top
    assert "published" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_intervals_refuses_a_published_value_of_no_estimate(estimate):
    with pytest.raises(cm.InputError, match="did you mean 'DeepSeek-V3'"):
        cm.plot.intervals({"DeepSeek-V3": estimate}, "gpu_hours", published={"DeepSeek V3": 2.788e6})


def test_intervals_far_apart_get_a_logarithmic_axis_with_plain_numbers(estimate):
    large = cm.estimate(estimate.scenario.replace({"recipe.tokens": "200T"}))
    assert cm.plot.intervals({"small": estimate}, "cost").get_xscale() == "linear"
    ax = cm.plot.intervals({"small": estimate, "large": large}, "cost")
    ax.figure.canvas.draw()
    assert ax.get_xscale() == "log"
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert {"1", "2", "5", "10", "20"} <= set(labels)


def test_sensitivity_draws_the_rows(estimate):
    rows = estimate.sensitivity("cost")
    ax = cm.plot.sensitivity(estimate, "cost")
    ends = {
        frozenset((round(bar.get_x(), 9), round(bar.get_x() + bar.get_width(), 9)))
        for container in ax.containers
        for bar in container
    }
    point = estimate.value("cost")
    assert ends == {
        frozenset((round(point / 1e6, 9), round(row[end] / 1e6, 9))) for row in rows for end in ("low", "high")
    }
    assert [label.get_text().split("\n")[0] for label in ax.get_yticklabels()] == [
        field_of(row["input"]) for row in rows
    ][::-1]
    assert "2.00 to 4.00 USD/hour" in "".join(label.get_text() for label in ax.get_yticklabels())


@pytest.mark.parametrize("plot", PLOTS)
def test_legend_covers_no_data(estimate, by_mfu, plot):
    ax = _plots(estimate, by_mfu)[plot](None)
    ax.figure.canvas.draw()
    legend, area = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= area.y1 - 1
    assert legend.x1 <= ax.figure.bbox.x1


@pytest.mark.parametrize("plot", PLOTS)
def test_unknown_figure_names_the_nearest(estimate, by_mfu, plot):
    with pytest.raises(cm.InputError, match="did you mean 'cost'"):
        _plots(estimate, by_mfu, "costs")[plot](None)


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys, costmodel as cm; cm.plot.intervals; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
