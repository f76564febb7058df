"""Every plot has a title and units, no labels that overlap, text in SVG, and is legible in gray and on dark pages."""

import io
import re
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import matplotlib
import pytest
from matplotlib import colors

import costmodel as cm
from costmodel.report.style import COLORS, STYLES, title_of

pyplot = pytest.importorskip("matplotlib.pyplot")
spec = spec_from_file_location("results", Path(__file__).parents[1] / "contract" / "results.py")
results = module_from_spec(spec)
spec.loader.exec_module(results)
result = results.result
DRAWN = {
    "sensitivity": lambda ax: cm.plot.sensitivity(result("Estimate"), ax=ax),
    "sweep": lambda ax: cm.plot.sweep(result("Sweep"), ax=ax),
    "intervals": lambda ax: cm.plot.intervals(result("Comparison").estimates, "gpu_hours", {"8B": 300.0}, ax=ax),
    "breakdown": lambda ax: cm.plot.breakdown({"data 8": result("StepTime")}, ax=ax),
    "memory": lambda ax: cm.plot.memory({"data 8": result("StepTime")}, 80e9, ax=ax),
    "layouts": lambda ax: cm.plot.layouts(result("LayoutSearch"), ax=ax),
    "scaling_fit": lambda ax: cm.plot.scaling_fit(result("ScalingFit"), ax=ax),
    "bootstrap_cloud": lambda ax: cm.plot.bootstrap_cloud(result("ScalingFit"), ax=ax),
    "projection": lambda ax: cm.plot.projection(result("Projection"), ax=ax),
    "rental_prices": lambda ax: cm.plot.rental_prices([result("RentalOutlook")], ax=ax),
    "runs": lambda ax: cm.plot.runs(result("Reestimates"), ax=ax),
    "attribution": lambda ax: cm.plot.attribution(result("Attribution"), ax=ax),
    **{
        f"budget, {show}": lambda ax, show=show: cm.plot.budget(result("Budget"), show, ax=ax)
        for show in ("groups", "total", "drivers", "calendar")
    },
    "cascade": lambda ax: cm.plot.cascade(result("CascadeComparison"), ax=ax),
    "performance_per_dollar": lambda ax: cm.plot.performance_per_dollar(result("PerformanceComparison"), ax=ax),
    "portfolio": lambda ax: cm.plot.portfolio(result("Portfolio"), ax=ax),
    "routes": lambda ax: cm.plot.routes(result("RouteComparison"), ax=ax),
    "rent_or_own": lambda ax: cm.plot.rent_or_own(result("RentOrOwn"), ax=ax),
    "serving_curve": lambda ax: cm.plot.serving_curve(result("ServingEstimate"), ax=ax),
    "serving_costs": lambda ax: cm.plot.serving_costs(result("ServingComparison"), ax=ax),
    "cost_lines, bill": lambda ax: cm.plot.cost_lines(result("Bill"), ax=ax),
    "cost_lines, levelized": lambda ax: cm.plot.cost_lines(result("Levelized"), ax=ax),
    "cost_lines, development": lambda ax: cm.plot.cost_lines(result("DevelopmentCost"), ax=ax),
    "emissions": lambda ax: cm.plot.emissions(result("GHGReport"), ax=ax),
    "explanation": lambda ax: cm.plot.explanation(result("Explanation"), ax=ax),
    "fits": lambda ax: cm.plot.fits(result("Fits"), ax=ax),
    "prices": lambda ax: cm.plot.prices(result("PriceTable"), ax=ax),
    **{
        f"forecast, {name}": lambda ax, name=name: cm.plot.forecast(result("Forecast"), name, ax=ax)
        for name in ("cost", "steps", "energy")
    },
    "forecast of a budget": lambda ax: cm.plot.forecast(result("BudgetForecast"), ax=ax),
    "trend": lambda ax: cm.plot.trend(result("Trend"), ax=ax),
    "trend, fitted": lambda ax: cm.plot.trend(result("FittedTrend"), ax=ax),
    "verdict": lambda ax: cm.plot.verdict(result("Verdict"), ax=ax),
    "serving_sizes": lambda ax: cm.plot.serving_sizes(result("ServingSizes"), ax=ax),
}
"""Plots of the results of the contract, by name."""


def luminance(color):
    red, green, blue = colors.to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def overlapping(labels):
    """Return the pairs of neighbors among visible labels whose boxes overlap."""
    boxes = [label.get_window_extent() for label in labels if label.get_visible() and label.get_text()]
    return [(one, other) for one, other in pairwise(boxes) if one.overlaps(other)]


@pytest.mark.parametrize("name", DRAWN)
def test_says_what_it_shows_with_units_and_without_overlap(name):
    axes = DRAWN[name](None)
    assert len(title_of(axes)) > 10
    assert axes.get_xlabel()
    axes.figure.canvas.draw()
    assert not overlapping(axes.get_xticklabels())
    assert not overlapping(axes.get_yticklabels())


@pytest.mark.parametrize("name", DRAWN)
def test_at_half_width_the_title_stays_inside_the_figure(name):
    figure, (axes, _) = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    DRAWN[name](axes)
    figure.canvas.draw()
    legend = axes.get_legend()
    title = axes.title if legend is None else legend.get_title()
    assert title.get_window_extent().x1 <= figure.bbox.x1 / 2 + 15


@pytest.mark.parametrize("name", DRAWN)
def test_lines_and_text_stand_out_from_a_dark_background(name):
    with matplotlib.style.context("dark_background"):
        axes = DRAWN[name](None)
        drawn = [line.get_color() for line in axes.lines if line.get_linestyle() != "None"]
        drawn += [text.get_color() for text in axes.texts if text.get_bbox_patch() is None]
    assert all(luminance(color) > 0.2 for color in drawn)


def test_text_of_svg_files_is_text():
    file = io.StringIO()
    cm.plot.sensitivity(result("Estimate")).figure.savefig(file, format="svg")
    assert re.search(r"<text[^>]*>[^<]*realized_efficiency", file.getvalue())


def test_first_two_colors_of_a_plot_differ_in_gray_by_style_or_luminance():
    assert abs(luminance(COLORS[0]) - luminance(COLORS[4])) > 0.25
    assert abs(luminance(COLORS[0]) - luminance(COLORS[5])) > 0.25
    assert len(set(STYLES)) == len(STYLES)


def test_dollar_signs_are_no_mathematics():
    axes = cm.plot.projection(result("Projection"))
    assert title_of(axes).count("$") == 2
    axes.figure.canvas.draw()
    assert r"\$" in axes.get_legend().get_title().get_text()
