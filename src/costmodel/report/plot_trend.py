"""Plot of a trend: its factor by years, or the fitted values and the forecast after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.checks import check_level
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import number
from costmodel.projection.trends.fit import FittedTrend
from costmodel.report.style import COLORS, MOST_DATES, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.projection.trends.trend import Trend

AHEAD = 5.0
"""Years after the last value, or from now, that are drawn [year]."""
POINTS = 101
"""Points of the line [1]."""
_DECADES = 1e3
"""Ratio of the ends of the axis from which it shows powers of ten alone [1]."""


def trend(result: Trend, level: float = DEFAULT_LEVEL, ax: Axes | None = None) -> Axes:
    """Draw a trend with its interval: of a fitted one the values, and the forecast for five years after them.

    A trend that is not fitted has no dates: its factor is drawn over the years from now.

    Parameters
    ----------
    result : Trend or FittedTrend
        A trend, or the result of `fit_trend`.
    level : float
        Probability inside the interval, between 0 and 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.trend(cm.fit_trend([2020.0, 2021.0, 2022.0, 2023.0], [8.0, 4.0, 2.5, 1.0]))
    """
    import numpy as np

    check_level(level)
    axes = axes_for(ax)
    years = np.linspace(0.0, AHEAD, POINTS)
    start, scale = (result.dates[-1], result.level) if isinstance(result, FittedTrend) else (0.0, 1.0)
    low, high = (scale * np.asarray(end) for end in result.interval(years, level))
    axes.fill_between(
        start + years, low, high, color=COLORS[5], alpha=0.4, linewidth=0, label=f"{100 * level:g} % interval"
    )
    axes.plot(start + years, scale * np.asarray(result.factor(years)), color=COLORS[0], linestyle="--", label="median")
    ends = [float(low.min()), float(high.max())]
    if isinstance(result, FittedTrend):
        axes.plot(result.dates, result.values, "o", color=COLORS[1], markersize=5, label="values")
        ends += [min(result.values), max(result.values)]
        axes.set_xlabel("1 January of the year")
        axes.set_ylabel(f"{result.quantity or 'value'}, in the unit of the values")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.locator_params(axis="x", integer=True, nbins=MOST_DATES)
    else:
        axes.set_xlabel("years from now [year]")
        axes.set_ylabel(f"{result.quantity or 'value'} / value now [1]")
    logarithmic(axes, "y", decades=max(ends) > _DECADES * min(ends))
    axes.set_ylim(0.9 * min(ends), 1.1 * max(ends))
    yearly = [float(end) for end in result.interval(1.0, level)]
    shown = f"{number(float(result.factor(1.0)))}"
    between = "" if yearly[0] == yearly[1] else f" ({number(yearly[0])} to {number(yearly[1])})"
    legend_above(axes, title=f"{(result.quantity or 'Value').capitalize()}: × {shown}{between} in the first year")
    return axes
