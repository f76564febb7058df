"""Do plots of scaling laws show the runs, the law and its errors, in the axes that they are given?"""

from dataclasses import replace

import numpy as np
import pytest

import costmodel as cm
from costmodel.scaling.fitting.isoflop import fit_isoflops
from costmodel.scaling.laws.hoffmann import HoffmannLaw

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

PLOTS = ("scaling_fit", "isoflops", "bootstrap_cloud")
TRUTH = HoffmannLaw(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37)


@pytest.fixture(scope="module")
def runs():
    compute, ratio = (each.ravel() for each in np.meshgrid(np.geomspace(1e18, 1e21, 4), np.geomspace(2, 200, 9)))
    parameters = np.sqrt(compute / 6 / ratio)
    tokens = parameters * ratio
    noise = np.exp(np.random.default_rng(0).normal(0, 0.004, len(ratio)))
    return {"parameters": parameters, "tokens": tokens, "loss": TRUTH.loss(parameters, tokens) * noise}


@pytest.fixture(scope="module")
def found(runs):
    fit = cm.fit_scaling_law(runs, bootstrap=60)
    return {"scaling_fit": fit, "isoflops": fit_isoflops(runs), "bootstrap_cloud": fit}


def _drawn(found, plot, ax=None, **options):
    return getattr(cm.plot, plot)(found[plot], ax=ax, **options)


def _line(ax, start):
    (line,) = [one for one in ax.lines if str(one.get_label()).startswith(start)]
    return np.asarray(line.get_xydata())


@pytest.mark.parametrize("plot", PLOTS)
def test_returns_the_axes_given(found, plot):
    _, (other, ax) = pyplot.subplots(1, 2)
    assert _drawn(found, plot, ax) is ax
    assert ax.has_data()
    assert not other.has_data()


@pytest.mark.parametrize(
    ("plot", "across", "up"),
    [
        ("scaling_fit", "compute [FLOP]", "loss [nat/token]"),
        ("isoflops", "compute [FLOP]", "best parameters [1], tokens [token]"),
        ("bootstrap_cloud", "alpha, exponent of the parameters [1]", "beta, exponent of the tokens [1]"),
    ],
)
def test_labels_the_axes_with_units(found, plot, across, up):
    ax = _drawn(found, plot)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)


@pytest.mark.parametrize("plot", PLOTS)
def test_legend_covers_no_data(found, plot):
    ax = _drawn(found, plot)
    ax.figure.canvas.draw()
    legend, area = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.y0 >= area.y1 - 1
    assert legend.x1 <= ax.figure.bbox.x1
    assert legend.y1 <= ax.figure.bbox.y1


def test_scaling_fit_draws_every_run_once(found, runs):
    ax = _drawn(found, "scaling_fit")
    bands = [one for one in ax.lines if str(one.get_label()).endswith("parameters")]
    assert len({(one.get_color(), one.get_marker()) for one in bands}) == len(bands) == 4
    drawn = sorted(map(tuple, np.concatenate([one.get_xydata() for one in bands])))
    expected = sorted(zip(found["scaling_fit"].measurements.compute, runs["loss"], strict=True))
    assert np.array(drawn) == pytest.approx(np.array(expected))


def test_scaling_fit_bands_hold_the_sizes_they_name(found, runs):
    ax = _drawn(found, "scaling_fit")
    compute, least = found["scaling_fit"].measurements.compute, 0.0
    for one in (each for each in ax.lines if str(each.get_label()).endswith("parameters")):
        low, _, high, unit, _ = one.get_label().split()
        held = runs["parameters"][np.isin(compute, one.get_xdata()) & np.isin(runs["loss"], one.get_ydata())] / 1e9
        assert (unit, held.min(), held.max()) == (
            "B",
            pytest.approx(float(low), 0.05),
            pytest.approx(float(high), 0.05),
        )
        assert held.min() > least
        least = held.max()


@pytest.mark.parametrize("sizes", [2, 4])
def test_few_sizes_have_a_band_each(sizes):
    n, d = (each.ravel() for each in np.meshgrid(np.geomspace(1e7, 8e7, sizes), np.geomspace(1e9, 1e11, 5)))
    ax = cm.plot.scaling_fit(cm.fit_scaling_law(n, d, TRUTH.loss(n, d)))
    bands = [one.get_label() for one in ax.lines if str(one.get_label()).endswith("parameters")]
    assert bands == [f"{value} M parameters" for value in (["10", "80"] if sizes == 2 else ["10", "20", "40", "80"])]


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_scaling_fit_draws_the_optimal_loss_with_its_interval(found, level):
    fit = found["scaling_fit"]
    ax = _drawn(found, "scaling_fit", level=level)
    line = _line(ax, "optimal loss of the law")
    assert line[[0, -1], 0] == pytest.approx([fit.measurements.compute.min(), fit.measurements.compute.max()])
    assert line[:, 1] == pytest.approx(fit.law.allocate(line[:, 0]).loss)
    (band,) = ax.collections
    assert band.get_label() == f"{100 * level:g} % interval"
    corners = band.get_paths()[0].vertices
    compute = corners[:, 0].max()
    assert compute == pytest.approx(10 * fit.measurements.compute.max())
    best = fit.law.allocate(compute)
    ends = corners[corners[:, 0] == compute][:, 1]
    assert [ends.min(), ends.max()] == pytest.approx(fit.predict(best.parameters, best.tokens, level)[1:])


def test_isoflops_draws_optima_and_laws(found):
    optimum, ax = found["isoflops"], _drawn(found, "isoflops")
    for name, law in (("parameters", optimum.parameter_law), ("tokens", optimum.token_law)):
        expected = np.column_stack([optimum.compute, getattr(optimum, name)])
        assert _line(ax, f"best {name}") == pytest.approx(expected)
        line = _line(ax, f"{name} ~")
        assert line[:, 1] == pytest.approx(law(line[:, 0]))
        (label,) = [one.get_label() for one in ax.lines if str(one.get_label()).startswith(f"{name} ~")]
        assert f"{law.exponent:.2f}" in label
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_cloud_draws_replicates_point_and_interval(found, level):
    fit = found["bootstrap_cloud"]
    ax = _drawn(found, "bootstrap_cloud", level=level)
    assert _line(ax, "60 replicates") == pytest.approx(fit.replicates[:, 3:])
    assert _line(ax, "fitted").tolist() == [[fit.law.alpha, fit.law.beta]]
    dashed = [one for one in ax.lines if one.get_linestyle() == "--"]
    upright = [one.get_xdata()[0] for one in dashed if one.get_xdata()[0] == one.get_xdata()[1]]
    level_lines = [one.get_ydata()[0] for one in dashed if one.get_ydata()[0] == one.get_ydata()[1]]
    ends = fit.confidence_interval(level)
    assert sorted(upright) == pytest.approx(ends["alpha"])
    assert sorted(level_lines) == pytest.approx(ends["beta"])


def test_cloud_refuses_a_fit_without_a_bootstrap(found):
    bare = replace(found["bootstrap_cloud"], replicates=np.empty((0, 5)))
    with pytest.raises(cm.MissingFactError, match="needs a bootstrap: fit with bootstrap=400"):
        cm.plot.bootstrap_cloud(bare)


@pytest.mark.parametrize("plot", PLOTS)
def test_refuses_what_is_no_fit(plot):
    with pytest.raises(cm.InputError, match=r"returns; got HoffmannLaw"):
        getattr(cm.plot, plot)(TRUTH)
