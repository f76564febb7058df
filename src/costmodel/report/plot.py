"""Plots: each takes `ax=None`, returns the Axes, shows intervals, and never calls `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from warnings import warn

from costmodel.estimation.chain import OUTPUTS
from costmodel.estimation.paths import field_of
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import amount, between, number
from costmodel.foundation.units import GIB, SI_FACTOR
from costmodel.planning.sweep import Sweep
from costmodel.report.plot_attribution import attribution
from costmodel.report.plot_budget import budget
from costmodel.report.plot_cascade import cascade
from costmodel.report.plot_explanation import explanation
from costmodel.report.plot_fits import fits
from costmodel.report.plot_forecast import forecast
from costmodel.report.plot_layouts import breakdown, layouts, memory, scaling
from costmodel.report.plot_lines import cost_lines, emissions
from costmodel.report.plot_owning import rent_or_own
from costmodel.report.plot_performance import performance_per_dollar
from costmodel.report.plot_portfolio import portfolio
from costmodel.report.plot_prices import prices
from costmodel.report.plot_projection import decomposition, projection, rental_prices
from costmodel.report.plot_routes import routes
from costmodel.report.plot_runs import claimed_against_estimated, runs
from costmodel.report.plot_scaling import bootstrap_cloud, isoflops, scaling_fit
from costmodel.report.plot_serving import serving_curve
from costmodel.report.plot_serving_costs import serving_costs
from costmodel.report.plot_serving_sizes import serving_sizes
from costmodel.report.plot_trend import trend
from costmodel.report.plot_verdict import verdict
from costmodel.report.style import COLORS, SCALES, axes_for, ink, legend_above, logarithmic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.inputs import Input
    from costmodel.estimation.results import Result

__all__ = [
    "COLORS",
    "attribution",
    "bootstrap_cloud",
    "breakdown",
    "budget",
    "cascade",
    "claimed_against_estimated",
    "cost_lines",
    "decomposition",
    "emissions",
    "explanation",
    "fits",
    "forecast",
    "intervals",
    "isoflops",
    "layouts",
    "memory",
    "performance_per_dollar",
    "portfolio",
    "prices",
    "projection",
    "rent_or_own",
    "rental_prices",
    "routes",
    "runs",
    "scaling",
    "scaling_fit",
    "sensitivity",
    "serving_costs",
    "serving_curve",
    "serving_sizes",
    "sweep",
    "trend",
    "verdict",
]

_UNITS: dict[str, tuple[tuple[float, str], ...]] = {
    **SCALES,
    "FLOP": ((1e24, "YFLOP"), (1e21, "ZFLOP"), (1e18, "EFLOP"), (1e15, "PFLOP"), (1.0, "FLOP")),
    "s": ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s")),
    "GPU-s": ((3.6e9, "million GPU-hours"), (3.6e6, "thousand GPU-hours"), (3600.0, "GPU-hours")),
    "m**3": ((1e6, "million m³"), (1e3, "thousand m³"), (1.0, "m³")),
    "token/s": ((1e6, "million tokens/s"), (1e3, "thousand tokens/s"), (1.0, "tokens/s")),
    "byte": ((GIB, "GiB"),),
    "share": ((1.0, "share"),),
    "probability": ((1.0, "probability"),),
    "": ((1e6, "million"), (1e3, "thousand"), (1.0, "1")),
}
"""Units of an axis with their size in SI, the largest first, by the way in which a figure is rendered."""


def sensitivity(estimate: Estimate, name: str = "cost", ax: Axes | None = None) -> Axes:
    """Draw the sensitivity of a figure: its value with each input at its 10 % and 90 % quantile.

    Parameters
    ----------
    estimate : Estimate
        Estimate of a run.
    name : str
        Figure, such as "cost".
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> axes = cm.plot.sensitivity(cm.estimate(run), "cost")
    """
    rows, point = estimate.sensitivity(name)[::-1], _value(estimate, name)
    size, label = _scale(name, [point, *(row[end] for row in rows for end in ("low", "high"))])
    axes, places = axes_for(ax, len(rows)), range(len(rows))
    for end, color, quantile in (("low", COLORS[0], "10 %"), ("high", COLORS[4], "90 %")):
        axes.barh(
            places,
            [(row[end] - point) / size for row in rows],
            left=point / size,
            height=0.6,
            color=color,
            edgecolor=ink(),
            linewidth=0.8,
            label=f"input at {quantile} quantile",
        )
    axes.axvline(point / size, color=ink(), linewidth=1.5, label="all at median")
    axes.set_yticks(places, [_described(field_of(row["input"]), estimate.inputs[row["input"]]) for row in rows])
    axes.set_xlabel(label)
    legend_above(axes, columns=2, title=_driver(name, rows, point))
    return axes


def sweep(
    estimates: Mapping[float, Result] | Sweep,
    name: str = "cost",
    xlabel: str = "",
    level: float = DEFAULT_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw a figure over the values of an input, with its interval as a band.

    Parameters
    ----------
    estimates : Mapping or Sweep
        Estimates by the value of the input, or a `sweep` over one input.
    name : str
        Figure, such as "cost".
    xlabel : str
        Name and unit of the input; default: its path, for a `sweep`.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If a `sweep` has several inputs, or values that are not numbers.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> table = cm.sweep(run, {"cluster.count": [128, 256]})
    >>> axes = cm.plot.sweep(table, "wall_time")
    """
    if isinstance(estimates, Sweep):
        path, estimates = _swept(estimates)
        xlabel = xlabel or path
    places = sorted(estimates)
    values = [_value(estimates[place], name) for place in places]
    bounds = [estimates[place].bounds(name, level) for place in places]
    size, label = _scale(name, [*values, *(end for pair in bounds for end in pair)])
    axes = axes_for(ax)
    axes.fill_between(
        places,
        *_ends(bounds, size),
        color=COLORS[5],
        alpha=0.4,
        label=f"{100 * level:g} % interval",
    )
    axes.plot(places, [value / size for value in values], color=COLORS[0], marker="o", label="estimate")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    ends = between(*(_shown(name, values[place]) for place in (0, -1)))
    legend_above(axes, title=f"{_headed(name)} by {_plain_name(xlabel)}: {ends}")
    return axes


def _swept(found: Sweep) -> tuple[str, dict[float, Result]]:
    """Return the path of the input of a sweep, and the possible estimates by its value."""
    paths = list(found.changes[0])
    if len(paths) > 1:
        raise InputError(f"a plot has one input; the sweep has {len(paths)}: {', '.join(paths)}")
    rows, path = found.rows(), paths[0]
    values = {row: changes[path] for row, changes in enumerate(found.changes) if not rows[row]["reason"]}
    if strange := [
        value for value in values.values() if isinstance(value, bool) or not isinstance(value, (int, float))
    ]:
        raise InputError(f"{path}: a plot needs numbers; got {strange[0]!r}")
    return path, {float(value): found.estimate(row) for row, value in values.items()}


def _ends(bounds: list[tuple[float, float]], size: float) -> tuple[list[float], list[float]]:
    """Return the low and the high ends of intervals in the unit of an axis."""
    return [low / size for low, _ in bounds], [high / size for _, high in bounds]


def intervals(
    estimates: Mapping[str, Result],
    name: str,
    published: Mapping[str, float] | None = None,
    level: float = DEFAULT_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw a figure of several estimates as points with intervals, with the published values.

    The axis is logarithmic if the figures span more than a factor of ten.

    Parameters
    ----------
    estimates : Mapping
        Estimates by label.
    name : str
        Figure, such as "cost".
    published : Mapping
        Published values by label, in the unit of the Quantity of the figure.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> longer = run.replace({"recipe.tokens": "2T"})
    >>> axes = cm.plot.intervals({"1T": cm.estimate(run), "2T": cm.estimate(longer)}, "cost")
    """
    labels = list(estimates)[::-1]
    if stray := [one for one in published or {} if one not in estimates]:
        raise InputError([unknown("estimate", one, estimates) for one in stray])
    values = [_value(estimates[label], name) for label in labels]
    bounds = [estimates[label].bounds(name, level) for label in labels]
    marks = {labels.index(one): value * SI_FACTOR[OUTPUTS[name].shown] for one, value in (published or {}).items()}
    drawn = [*values, *marks.values(), *(end for pair in bounds for end in pair)]
    size, label = _scale(name, drawn)
    axes, places = axes_for(ax, len(labels)), range(len(labels))
    axes.hlines(
        places,
        *_ends(bounds, size),
        color=COLORS[5],
        linewidth=9,
        label=f"{100 * level:g} % interval",
    )
    axes.plot([value / size for value in values], places, "o", color=COLORS[0], markersize=8, label="estimate")
    axes.margins(x=0.1)
    if marks:
        axes.plot(
            [value / size for value in marks.values()],
            list(marks),
            "|",
            color=ink(),
            markersize=22,
            markeredgewidth=2.5,
            label="published",
        )
    axes.set_yticks(places, labels)
    axes.set_xlabel(label)
    if 0 < 10 * min(drawn) < max(drawn):
        logarithmic(axes, "x", decades=max(drawn) / min(drawn) > 1e3)
    legend_above(axes, title=_compared(name, values, bounds, marks))
    return axes


def __dir__() -> list[str]:
    return __all__


_FORMER = {"against": "sweep", "fan": "projection"}
"""Present name of a plot by its name in version 0.1."""


def __getattr__(name: str) -> Any:
    if name not in _FORMER:
        raise AttributeError(f"module 'costmodel.report.plot' has no attribute {name!r}")
    warn(f"costmodel.plot.{name} is now costmodel.plot.{_FORMER[name]}", DeprecationWarning, stacklevel=2)
    return globals()[_FORMER[name]]


def _value(result: Result, name: str) -> float:
    """Return the SI value of a figure, or raise an error with the reason why it is missing."""
    return float(result.quantity(name).magnitude) * SI_FACTOR[OUTPUTS[name].shown]


def _scale(name: str, values: Iterable[float]) -> tuple[float, str]:
    """Return the SI size of the unit of the axis, and the label of the axis."""
    output, most = OUTPUTS[name], max(values, default=0.0)
    units = _UNITS[output.rendered]
    size, unit = next((pair for pair in units if most >= pair[0]), units[-1])
    return size, f"{output.title} [{unit}]"


def _shown(name: str, value: float) -> str:
    return amount(value, OUTPUTS[name].rendered)


def _headed(name: str) -> str:
    """Return the name of a figure as the first word of a title."""
    title = OUTPUTS[name].title
    return title[:1].upper() + title[1:]


def _plain_name(xlabel: str) -> str:
    """Return the label of an axis without its unit in brackets."""
    return xlabel.partition(" [")[0]


def _driver(name: str, rows: list[dict[str, Any]], point: float) -> str:
    """Return the title of a sensitivity: the input that moves the figure most, and how far."""
    title = OUTPUTS[name].title
    if not rows:
        return f"{_headed(name)}: {_shown(name, point)}, no input is uncertain"
    low, high = sorted(rows[-1][end] for end in ("low", "high"))
    return f"{field_of(rows[-1]['input'])} moves the {title} most: {between(_shown(name, low), _shown(name, high))}"


def _compared(name: str, values: list[float], bounds: list[tuple[float, float]], marks: Mapping[int, float]) -> str:
    """Return the title of intervals: how many published values they hold, or the ends of the estimates."""
    title = _headed(name)
    if marks:
        inside = sum(bounds[place][0] <= value <= bounds[place][1] for place, value in marks.items())
        return f"{title}: {inside} of {len(marks)} published values are inside the interval"
    low, high = (_shown(name, end) for end in (min(values), max(values)))
    return f"{title}: {low}" if low == high else f"{title}: estimates of {between(low, high)}"


def _described(path: str, given: Input) -> str:
    """Return the name of an uncertain input above its 10 % and 90 % quantiles."""
    shown, unit = given.shown()
    low, high = (number(end) for end in given.interval() or [shown, shown])
    return f"{path}\n{low} to {high} {unit}".strip()
