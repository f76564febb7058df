"""Plot of an attribution: a waterfall from the cost of one run to that of another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import amount, number
from costmodel.report.style import COLORS, axes_for, ink, legend_above, logarithmic, scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.comparison.attribution.result import Attribution

_SCALES = ("factor", "usd")
_ROOM = 0.3
"""Room for text right of the bars, relative to their width [1]."""
_SIDES = ("low", "high")
_LESS, _MORE = (COLORS[2], "", "lowers the cost"), (COLORS[4], "///", "raises the cost")
"""Color, hatch and label of a bar."""


def attribution(
    result: Attribution,
    scale: Literal["factor", "usd"] = "factor",
    level: float = DEFAULT_LEVEL,
    ax: Axes | None = None,
) -> Axes:
    """Draw a waterfall from the cost of the first run to that of the second, one bar per factor.

    Parameters
    ----------
    result : Attribution
        Result of `attribute`.
    scale : str
        "factor": factors on a logarithmic axis, which multiply; "usd": Shapley values in dollars on a linear axis,
        which add up. The latter may pass below 0 where factors of opposite sign are larger than both costs.
    level : float
        Probability inside the intervals of the factors, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If the scale is unknown.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.attribution(cm.attribute("gpt-4", "deepseek-v3", price="published"))
    """
    if scale not in _SCALES:
        raise InputError(f"scale: {unknown('scale', scale, _SCALES)}")
    rows = [row for row, part in zip(result.rows(level), result.parts, strict=True) if not part.same]
    first, last = result.usd
    size, unit = scale_of("USD", max(first, last))
    axes = axes_for(ax, len(rows) + 2)
    if scale == "factor":
        logarithmic(axes, "x", decades=max(first, last) > 50 * min(first, last))
    places = [len(rows) - place for place in range(len(rows))]
    low_end = 0.0 if scale == "usd" else min(_floor(rows, first, last)) / size
    for place, cost in ((len(rows) + 1, first), (0, last)):
        axes.barh(place, cost / size - low_end, left=low_end, height=0.6, color="0.55")
        _write(axes, cost / size, place, amount(cost, "USD"))
    reached = first
    labeled: set[str] = set()
    for place, row in zip(places, rows, strict=True):
        after = reached + row["usd"] if scale == "usd" else reached * row["factor"]
        begin, end = reached / size, after / size
        color, hatch, label = _LESS if end < begin else _MORE
        axes.barh(
            place,
            end - begin,
            left=begin,
            height=0.6,
            color=color,
            hatch=hatch,
            label=None if label in labeled else label,
        )
        bounds = [row[f"{scale}_{side}"] for side in _SIDES]
        ends = [(reached + bound if scale == "usd" else reached * bound) / size for bound in bounds]
        interval = f"{100 * level:g} % interval of the factor"
        axes.plot(ends, [place, place], color=ink(), linewidth=1, label=None if labeled else interval)
        axes.plot([end, end], [place - 1.3, place + 0.3], color="0.4", linewidth=0.8, linestyle=":")
        shown = f"× {number(row['factor'], 3)}"
        if scale == "usd":
            shown = f"{'+' if row['usd'] > 0 else '-'}{amount(abs(row['usd']), 'USD')} ({shown})"
        _write(axes, max(begin, end, *ends), place, shown)
        labeled.add(label)
        reached = after
    titles = [f"{row['title'].partition(',')[0]}{'*' * row['speculative']}" for row in rows]
    axes.set_yticks([len(rows) + 1, *places, 0], [result.names[0], *titles, result.names[1]])
    marked = "; * speculative" if any(row["speculative"] for row in rows) else ""
    axes.set_xlabel(f"cost [{unit}]{marked}")
    _make_room(axes, scale == "factor")
    if rows:
        a, b = result.names
        legend_above(axes, title=f"{b} costs {number(last / first)} times what {a} costs")
    return axes


def _floor(rows: list[dict[str, float]], first: float, last: float) -> list[float]:
    """Return candidates for the low end of a logarithmic axis [USD]: half of the lowest value on the way."""
    values, reached = [first / 2, last / 2], first
    for row in rows:
        values.append(reached * row["factor_low"] / 1.5)
        reached *= row["factor"]
        values.append(reached / 2)
    return values


def _write(axes: Axes, x: float, place: int, text: str) -> None:
    """Write a text right of a bar."""
    axes.annotate(text, (x, place), (5, 0), textcoords="offset points", va="center", fontsize="small")


def _make_room(axes: Axes, is_logarithmic: bool) -> None:
    """Widen the axis to the right, where texts stand."""
    low, high = axes.get_xlim()
    width = math.log(high / low) if is_logarithmic else high - low
    axes.set_xlim(low, high * math.exp(_ROOM * width) if is_logarithmic else high + _ROOM * width)
