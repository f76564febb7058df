"""Plot of the share of tasks that models solve against the price of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import percent, shortened
from costmodel.report.drawing import COLORS, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.choosing.performance_result import PerformanceComparison

_MARKERS = {"hosted": "o", "self_hosted": "s"}
_MOST_COLORED = len(COLORS)


def performance_per_dollar(comparison: PerformanceComparison, ax: Axes | None = None) -> Axes:
    """Draw the share of tasks solved against the price of a task, with intervals, and the Pareto front.

    Up to six options are named in a legend, with the probability of being on the front. Of more, only those on the front
    are named and colored.

    Parameters
    ----------
    comparison : PerformanceComparison
        Result of `performance_per_dollar`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    MissingFactError
        If no option has figures.
    """
    if not comparison.known:
        raise MissingFactError("no option has a score and a price")
    axes = axes_for(ax, legend_lines=(len(comparison.known) + 1) // 2 if len(comparison.known) <= _MOST_COLORED else 1)
    on_front = comparison.probability_on_front()
    points = [(comparison[name].usd_per_task or 0.0, comparison[name].solved or 0.0) for name in comparison.front]
    axes.step([usd for usd, _ in points], [100 * solved for _, solved in points], where="post", color="0.6", zorder=1)
    named = len(comparison.known) <= _MOST_COLORED
    costs = [comparison[name].usd_per_task or 0.0 for name in comparison.known]
    middle_usd = (min(costs) * max(costs)) ** 0.5
    for place, name in enumerate(comparison.known):
        each = comparison[name]
        usd, solved = each.usd_per_task or 0.0, each.solved or 0.0
        usd_ends, ends = each.usd_per_task_interval or (usd, usd), each.solved_interval or (solved, solved)
        color = COLORS[place] if named else COLORS[0] if name in comparison.front else "0.5"
        axes.errorbar(
            [usd],
            [100 * solved],
            xerr=[[max(usd - usd_ends[0], 0.0)], [max(usd_ends[1] - usd, 0.0)]],
            yerr=[[100 * max(solved - ends[0], 0.0)], [100 * max(ends[1] - solved, 0.0)]],
            fmt=_MARKERS[each.kind],
            color=color,
            markersize=6 if named or name in comparison.front else 3,
            elinewidth=1.2 if named or name in comparison.front else 0.5,
            capsize=2,
            label=f"{name} ({percent(on_front[name])})",
        )
        if not named and name in comparison.front:
            right = usd > middle_usd
            axes.annotate(
                shortened(name, 26),
                (usd, 100 * solved),
                xytext=(-5 if right else 5, 5),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize="x-small",
            )
    logarithmic(axes, "x", decades=False)
    axes.set_xlabel("price per task (USD)")
    axes.set_ylabel("tasks solved (%)")
    if named:
        legend_above(axes, columns=2)
    return axes
