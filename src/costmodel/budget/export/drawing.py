"""Plots of a budget: groups with intervals, distribution of the total, drivers and calendar; also as SVG."""

from __future__ import annotations

import re
import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from costmodel.budget.lines import Subtotal
from costmodel.foundation.rendering import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from costmodel.budget.result import BudgetResult

Drawn = TypeVar("Drawn")
BLUE, ORANGE, SKY, GRAY = "#0072B2", "#E69F00", "#56B4E9", "#666666"
"""Colors of Okabe and Ito 2008, distinct for all kinds of color vision and in gray print; gray for secondary marks."""
DRIVERS = 10
"""Largest number of drivers in a plot; the table has all of them."""
_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def draw_groups(budget: BudgetResult, ax: Axes) -> Axes:
    """Draw the base of each group of lines with its 10 % and 90 % quantiles as whiskers, and the contingency.

    Parameters
    ----------
    budget : BudgetResult
    ax : Axes
        Axes to draw in.
    """
    reserve = budget.value("contingency")
    sums = [Subtotal("contingency", reserve, reserve, reserve, reserve), *reversed(budget.subtotals())]
    groups = [each.group for each in sums]
    size, unit = _scale(budget)
    lows, bases, highs = ([getattr(each, column) / size for each in sums] for column in ("low", "base", "high"))
    places = range(len(groups))
    ax.barh(places, bases, height=0.58, color=SKY, edgecolor=_ink(), linewidth=0.6)
    below = [max(base - low, 0) for base, low in zip(bases, lows, strict=True)]
    above = [max(high - base, 0) for base, high in zip(bases, highs, strict=True)]
    ax.errorbar(bases, places, xerr=[below, above], fmt="none", ecolor=_ink(), elinewidth=1, capsize=3)
    for place, base, high in zip(places, bases, highs, strict=True):
        _beside(ax, max(base, high), place, _short(base))
    ax.set_yticks(places, [group.capitalize() for group in groups])
    ax.set_ylim(-0.6, len(groups) - 0.4)
    ax.set_xlim(0, 1.18 * max([*highs, *bases, 1e-9]))
    return _finish(ax, f"cost [{unit}]; bar: base, whisker: low to high")


def draw_total(budget: BudgetResult, ax: Axes) -> Axes:
    """Draw the probability of staying within a sum, with P10, P50, P90, the base, and base and contingency.

    Parameters
    ----------
    budget : BudgetResult
    ax : Axes
        Axes to draw in.
    """
    shares = [step / 50 for step in range(1, 50)]
    costs = [budget.at_quantile(share) for share in shares]
    size, unit = _scale(budget)
    ax.plot([cost / size for cost in costs], [100 * share for share in shares], color=BLUE, linewidth=1.8)
    for share, cost in ((10, budget.value("p10")), (50, budget.value("p50")), (90, budget.value("p90"))):
        ax.plot(cost / size, share, "o", color=BLUE, markersize=6, markeredgecolor=_ink(), markeredgewidth=0.6)
        _beside(ax, cost / size, share, f"P{share}  {_short(cost / size)}", gap=8, down=7)
    base, total = budget.value("base") / size, budget.value("total") / size
    marks = ((base, f"base {_short(base)}", "right"), (total, f"+ contingency {_short(total)}", "left"))
    for amount, text, side in marks:
        ax.axvline(amount, color=_ink(), linestyle="--", linewidth=1)
        ax.annotate(
            text,
            (amount, 1),
            (3 if side == "right" else -3, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            va="bottom",
        )
    least, most = min(costs[0] / size, base), max(costs[-1] / size, total)
    room = max(most - least, 0.1 * most, 1e-9)
    ax.set_xlim(least - 0.05 * room, most + 0.25 * room)
    ax.set_ylim(0, 100)
    ax.set_ylabel("probability of a lower cost [%]")
    return _finish(ax, f"cost without contingency [{unit}]")


def draw_drivers(budget: BudgetResult, ax: Axes) -> Axes:
    """Draw the base with each uncertain input at its 10 % and 90 % quantile, the widest on top.

    Parameters
    ----------
    budget : BudgetResult
    ax : Axes
        Axes to draw in.
    """
    rows = sorted(budget.drivers(), key=lambda driver: driver.share, reverse=True)[:DRIVERS][::-1]
    size, unit = _scale(budget)
    places, base = range(len(rows)), budget.value("base") / size
    ends = [budget.value("base"), *(end for row in rows for end in (row.low, row.high))]
    least, most = min(ends) / size, max(ends) / size
    room = max(most - least, 0.02 * most, 1e-9)
    for which, color, label in (("low", BLUE, "input at its 10 % quantile"), ("high", ORANGE, "at its 90 % quantile")):
        ax.barh(
            places,
            [getattr(row, which) / size - base for row in rows],
            left=base,
            height=0.6,
            color=color,
            edgecolor=_ink(),
            linewidth=0.6,
            label=label,
        )
    for place, row in zip(places, rows, strict=True):
        left, right = sorted((row.low / size, row.high / size))
        _beside(ax, max(right, base), place, _short(right, room))
        _beside(ax, min(left, base), place, _short(left, room), left=True)
        share = f"{100 * row.share:.0f} %" if row.share >= 0.005 or not row.share else "< 1 %"
        ax.annotate(
            share, (1, place), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center"
        )
    ax.annotate("share", (1, 1), (6, 3), xycoords="axes fraction", textcoords="offset points", color=GRAY)
    ax.axvline(base, color=_ink(), linewidth=1)
    ax.set_yticks(places, [_label(row.name) for row in rows])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(least - 0.16 * room, most + 0.16 * room)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, fontsize="small")
    return _finish(ax, f"cost [{unit}]; line: base {_short(base, room)}")


def draw_calendar(budget: BudgetResult, ax: Axes) -> Axes:
    """Draw the calendar: start, duration and accelerators of each task; thin lines link it to its predecessors.

    Parameters
    ----------
    budget : BudgetResult
    ax : Axes
        Axes to draw in.
    """
    tasks = sorted(budget.schedule, key=lambda task: task.start)
    places = {task.name: len(tasks) - 1 - index for index, task in enumerate(tasks)}
    ends = {task.name: task.start + task.days for task in tasks}
    for task in tasks:
        place = places[task.name]
        ax.barh(
            place,
            task.days,
            left=task.start,
            height=0.5,
            color=BLUE if task.gpus else SKY,
            edgecolor=_ink(),
            linewidth=0.6,
        )
        busy = f", {task.gpus:,} × {_label(task.accelerator)}" if task.gpus else ""
        _beside(ax, ends[task.name], place, f"{_days(task.days)}{busy}")
        for before in task.after:
            if before in places:
                ax.plot(
                    [ends[before], ends[before], task.start],
                    [places[before] - 0.25, place, place],
                    color=GRAY,
                    linewidth=0.7,
                    zorder=0,
                )
    ax.set_yticks(list(places.values()), [_label(name) for name in places])
    ax.set_ylim(-0.6, len(tasks) - 0.4)
    ax.set_xlim(0, 1.25 * max([*ends.values(), budget.days, 1e-9]))
    if budget.start is None:
        return _finish(ax, "days after the start; dark: occupies accelerators")
    first = budget.start
    ax.locator_params(axis="x", nbins=5)  # dates are long
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= ax.get_xlim()[1]]
    ax.set_xticks(ticks, [(first + timedelta(days=float(tick))).isoformat() for tick in ticks])
    return _finish(ax, "dark: occupies accelerators", dated=True)


def svg(draw: Callable[[Drawn, Axes], Axes], result: Drawn, width: float, height: float, name: str) -> str:
    """Return a plot as an SVG element for an HTML page. Text stays text; the same result gives the same bytes.

    Parameters
    ----------
    draw : one of the functions of this file, or another of a result and axes
    result : what it draws, such as a BudgetResult
    width, height : [inch]
    name : put before the ids within, which have to be unique in a page
    """
    import io
    import warnings

    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "costmodel",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    buffer = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's fonts show what ours lack
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(result, figure.subplots())
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = buffer.getvalue()
    drawn = re.sub(r"<!--.*?-->|<style.*?</style>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawn, count=2)
    return re.sub(r"<[^>]*>", lambda tag: re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", tag[0]), drawn).strip()


def _ink() -> str:
    """Return the color of lines and edges: that of the axes of the present style of matplotlib."""
    from matplotlib import rcParams

    return str(rcParams["axes.edgecolor"])


def _beside(ax: Axes, x: float, y: float, text: str, left: bool = False, gap: float = 4, down: float = 0) -> None:
    """Write a label to the right or left of a point, `gap` and `down` points away."""
    from matplotlib import rcParams

    box = {"facecolor": rcParams["axes.facecolor"], "edgecolor": "none", "pad": 0.8}
    ax.annotate(
        text,
        (x, y),
        (-gap if left else gap, -down),
        textcoords="offset points",
        va="center",
        ha="right" if left else "left",
        bbox=box,
    )


def _finish(ax: Axes, label: str, dated: bool = False) -> Axes:
    ax.set_xlabel(label)
    if not dated:
        ax.xaxis.set_major_formatter("{x:,g}")
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    return ax


def _scale(budget: BudgetResult) -> tuple[float, str]:
    """Return the unit of money of all plots: its size [USD] and its name."""
    sign = SYMBOLS[budget.currency]
    scales = ((size, f"{letter}{sign}") for size, letter in _SCALES if budget.value("base") >= size)
    return next(scales, (1.0, budget.currency))


def _short(value: float, room: float = 0.0) -> str:
    """Return a tick label with three digits, or with more if `room` needs them to tell labels apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    while digits < 6 and 0 < room < 20 * 10**-digits:
        digits += 1
    return f"{value:,.{digits}f}"


def _days(days: float) -> str:
    return f"{days:,.0f} d" if days >= 10 or days == round(days) else f"{days:,.1f} d"


def _label(name: str) -> str:
    """Return a name on at most two lines, with dollar signs escaped."""
    short = textwrap.wrap(" ".join(name.split()), 30, max_lines=2, placeholder=" …")
    return "\n".join(short).replace("$", r"\$")
