"""Plots of what is under way: a run over the calendar, and a budget by line."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

from costmodel.forecasting.budget import BudgetForecast
from costmodel.forecasting.result import Forecast
from costmodel.foundation.checks import check_level
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import SYMBOLS, amount, percent
from costmodel.report.style import COLORS, axes_for, ink, legend_above, scale_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Figure = Literal["cost", "steps", "energy"]
POINTS = 60
"""Moments of the future at which the band is drawn [1]."""
_FIGURES = {"cost": "USD", "steps": "", "energy": "J"}
"""How the figures that can be drawn are rendered."""
_DATES = 7
"""Most dates at the axis [1]."""


def forecast(
    result: Forecast | BudgetForecast,
    name: Figure = "cost",
    budget: float | None = None,
    level: float = DEFAULT_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw a run under way over the calendar: what is done, the median and the interval of what is left, the end.

    A run proceeds at a constant pace up to the present, and in each draw from there to its end. Of a budget: what is
    spent and committed, the cost at completion with its 80 % interval, and the budget of each line.

    Parameters
    ----------
    result : Forecast or BudgetForecast
        Result of `forecast`.
    name : {"cost", "steps", "energy"}
        Figure of a run.
    budget : float, optional
        Amount to mark, of the cost of a run [USD].
    level : float
        Probability inside the interval of a run, between 0 and 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If the figure is none of the three, or a budget is given where there is no cost of a run.
    MissingFactError
        If the figure or the dates of the run are not known.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.Pretraining(tokens="100B", sequence_length=8192, batch_size=512),
    ...     cluster=cm.Cluster("H100-SXM", 64),
    ...     prices=cm.Rental(price="2 USD/hour"),
    ... )
    >>> left = cm.forecast(run, step_time="9.5 s", done=10_000, start="2026-10-01", now="2026-10-02T06:00")
    >>> axes = cm.plot.forecast(left, budget=10_000)
    """
    if isinstance(result, BudgetForecast):
        if budget is not None:
            raise InputError("budget: a forecast of a budget has its own; give it for the cost of a run")
        return _by_line(result, ax)
    if name not in _FIGURES:
        raise InputError(f"name: {unknown('figure', name, _FIGURES)}")
    if budget is not None and not (name == "cost" and isinstance(budget, (int, float)) and budget > 0):
        raise InputError(f"budget: an amount of USD above 0, for the cost; got {budget!r} for {name}")
    check_level(level)
    return _over_dates(result, name, budget, level, ax)


def _over_dates(result: Forecast, name: Figure, budget: float | None, level: float, ax: Axes | None) -> Axes:
    """Draw a figure of a run from its start to its end."""
    import numpy as np

    if result.now is None:
        raise MissingFactError("the dates of the run are not known: give start or now; the log has no timestamps")
    done, left, seconds = result.si_done(name), result.draws(name), result.draws("wall_time")
    tail = (1 - level) / 2
    most = done + float(np.quantile(left, 1 - tail))
    size, unit = (1.0, "") if name == "steps" else scale_of(_FIGURES[name], max(most, budget or 0.0))
    start = result.now - dt.timedelta(seconds=result.si_done("wall_time"))
    ahead = np.linspace(0.0, float(np.quantile(seconds, 1 - tail)), POINTS)
    low, median, high = _bands(done, left, seconds, ahead, tail)
    axes = axes_for(ax, legend_lines=2)
    dates = [_day(result.now + dt.timedelta(seconds=float(each))) for each in ahead]
    axes.fill_between(
        dates, low / size, high / size, color=COLORS[5], alpha=0.4, linewidth=0, label=f"{100 * level:g} % interval"
    )
    first, end, last = (_day(result.end(share)) for share in (tail, 0.5, 1 - tail))
    axes.axvspan(first, last, color="0.5", alpha=0.25, linewidth=0, zorder=0, label=f"end, {100 * level:g} %")
    axes.plot([_day(start), _day(result.now)], [0.0, done / size], color=COLORS[0], linewidth=2, label="done")
    axes.plot(dates, median / size, color=COLORS[0], linestyle="--", label="median of the rest")
    axes.plot([_day(result.now)], [done / size], "o", color=COLORS[0], markersize=5)
    axes.axvline(end, color="0.5", linewidth=1, linestyle=":", label="end, median")
    if budget is not None:
        axes.axhline(budget / size, color=COLORS[1], linewidth=1.2, linestyle="-.", label="budget")
    axes.set_ylim(0, 1.08 * max(most, budget or 0.0) / size)
    _label_dates(axes)
    axes.set_xlabel("date (UTC)" if result.now.utcoffset() == dt.timedelta(0) else "date")
    axes.set_ylabel(f"{name} [{unit}]" if unit else name)
    if name == "steps":
        axes.yaxis.set_major_formatter("{x:,.0f}")
    legend_above(axes, title=_finding(result, name, budget))
    return axes


_FORMATS = ["%Y", "%b %Y", "%d %b %Y", "%d %b\n%H:%M", "%H:%M", "%H:%M:%S"]
"""Labels of ticks at years, months, days, hours, minutes and seconds."""
_ZERO_FORMATS = ["", "%b %Y", "%d %b %Y", "%d %b %Y", "%H:%M", "%H:%M"]
"""Labels of those that begin a larger unit: January, the first of a month, midnight, a full hour, a full minute."""


def _day(moment: dt.datetime) -> float:
    """Return a moment as the number by which matplotlib draws it [day]."""
    import matplotlib.dates

    convert: Any = matplotlib.dates.date2num
    return float(convert(moment))


def _label_dates(axes: Axes) -> None:
    """Label the x axis with dates, of short runs with hours below them."""
    import matplotlib.dates

    dates: Any = matplotlib.dates
    locator = dates.AutoDateLocator(minticks=3, maxticks=_DATES)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(locator, formats=_FORMATS, zero_formats=_ZERO_FORMATS, show_offset=False)
    )


def _bands(done: float, left: Array, seconds: Array, ahead: Array, tail: float) -> tuple[Array, Array, Array]:
    """Return the quantiles of a figure at moments ahead: each draw grows evenly to its end."""
    import numpy as np

    every = max(max(len(seconds), len(left)) // 2000, 1)  # enough for the quantiles of a picture
    times, rest = (each[::every] for each in np.broadcast_arrays(seconds, left))
    share = np.minimum(ahead[:, None] / np.maximum(times, 1e-9), 1.0)
    low, median, high = np.quantile(done + share * rest, [tail, 0.5, 1 - tail], axis=1)
    return low, median, high


def _finding(result: Forecast, name: Figure, budget: float | None) -> str:
    """Return the title: when the run ends, at what total, and how likely within the budget."""
    import numpy as np

    done, left = result.si_done(name), result.draws(name)
    median = done + float(np.median(left))
    total = f"{median:,.0f} steps" if name == "steps" else amount(median, _FIGURES[name])
    title = f"The run ends on {result.end():%d %b %Y} at {total}"
    if budget is None:
        return title
    within = float(np.mean(done + left <= budget))
    return f"{title}, within {amount(budget, 'USD')} with {percent(within)}"


def _by_line(result: BudgetForecast, ax: Axes | None) -> Axes:
    """Draw a budget under way by line: spent, committed and the rest, with the interval and the budget."""
    lines, currency = result.lines[::-1], result.budget.currency
    axes, places = axes_for(ax, len(lines), legend_lines=2), range(len(lines))
    most = max(max(line.high, line.completion, line.budget) for line in lines)
    size, name = scale_of("USD", most)
    unit = f"{name[0]}{SYMBOLS[currency]}" if name != "USD" else currency
    left = [0.0] * len(lines)
    for label, color, hatch in (("spent", COLORS[0], ""), ("committed", COLORS[4], "///"), ("rest", "0.6", "...")):
        rest = [max(line.completion - line.spent - line.committed, 0.0) for line in lines]
        values = rest if label == "rest" else [getattr(line, label) for line in lines]
        widths = [value / size for value in values]
        axes.barh(
            places,
            widths,
            left=left,
            height=0.5,
            color=color,
            hatch=hatch,
            edgecolor=ink(),
            linewidth=0.6,
            label=label,
        )
        left = [start + width for start, width in zip(left, widths, strict=True)]
    below = [place - 0.36 for place in places]
    axes.hlines(
        below,
        [line.low / size for line in lines],
        [line.high / size for line in lines],
        color=ink(),
        linewidth=1.5,
        label="80 % interval",
    )
    axes.plot(
        [line.budget / size for line in lines],
        places,
        "|",
        color=ink(),
        markersize=20,
        markeredgewidth=2.5,
        label="budget",
    )
    axes.set_yticks(places, [line.name.replace("$", r"\$") for line in lines])
    axes.set_xlim(left=0)
    on = f", {result.on}" if result.on else ""
    axes.set_xlabel(f"cost at completion [{unit}]{on}")
    whole, variance = result.value("completion"), result.value("variance")
    compared = f"{abs(variance):,.0f} {currency} {'above' if variance > 0 else 'below'} the budget"
    reserve = result.within()[1]
    chance = f"within {reserve.name} with {percent(reserve.probability)}"
    title = f"{whole:,.0f} {currency} at completion, {'as budgeted' if not variance else compared}; {chance}"
    legend_above(axes, columns=3, title=title)
    return axes
