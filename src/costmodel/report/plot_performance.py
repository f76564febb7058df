"""Plot of the share of tasks that models solve against the price of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import percent
from costmodel.report.style import COLORS, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.choosing.performance_result import Performance, PerformanceComparison

_MARKERS = {"hosted": "o", "self_hosted": "s"}


def performance_per_dollar(comparison: PerformanceComparison, ax: Axes | None = None) -> Axes:
    """Draw the share of tasks solved against the price of a task, with intervals, and the Pareto front.

    The legend names the options, with the probability of being on the front. Of more than six options it names those on
    the front only, by number.

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

    Examples
    --------
    >>> import costmodel as cm
    >>> tasks = cm.TaskWorkload(input_tokens=3000, output_tokens=400, wrong_answer_usd="0.05 to 0.2 USD")
    >>> values = {"gpt-4.1": 0.88, "gpt-4.1-mini": 0.74}
    >>> scores = [cm.Score(model, "tickets", value, n=300) for model, value in values.items()]
    >>> axes = cm.plot.performance_per_dollar(cm.performance_per_dollar(tasks, list(values), scores))
    """
    if not comparison.known:
        raise MissingFactError("no option has a score and a price")
    few = len(comparison.known) <= len(COLORS)
    front = comparison.front
    named = comparison.known if few else front
    places = [name for name in comparison if name in named]  # a model has the same color in several plots
    axes = axes_for(ax, legend_lines=(len(named) + 1) // 2)
    axes.step(
        [comparison[name].usd_per_task or 0.0 for name in front],
        [100 * (comparison[name].solved or 0.0) for name in front],
        where="post",
        color="0.6",
        zorder=1,
    )
    on_front = comparison.probability_on_front()
    for name in [*(other for other in comparison.known if other not in named), *named]:
        label = f"{name} ({percent(on_front[name])})"
        if few:
            _point(axes, comparison[name], COLORS[places.index(name)], label, 6)
        elif name in named:
            number = front.index(name) + 1
            _point(axes, comparison[name], COLORS[0], f"{number}  {label}", 6)
            place = (comparison[name].usd_per_task or 0.0, 100 * (comparison[name].solved or 0.0))
            axes.annotate(str(number), place, xytext=(-5, 5), textcoords="offset points", ha="right")
        else:
            _point(axes, comparison[name], "0.6", "", 3)
    logarithmic(axes, "x", decades=False)
    axes.set_xlabel("price per task (USD)")
    axes.set_ylabel("tasks solved (%)")
    best = max(front, key=lambda name: comparison[name].solved or 0.0)
    title = f"{best} solves most; {comparison.cheapest} is cheapest per solved task"
    legend_above(axes, columns=2, title=f"{title}\nin brackets: probability to be on the front")
    return axes


def _point(axes: Axes, each: Performance, color: str, label: str, size: float) -> None:
    """Draw an option with its intervals."""
    usd, solved = each.usd_per_task or 0.0, each.solved or 0.0
    usd_ends, ends = each.usd_per_task_interval or (usd, usd), each.solved_interval or (solved, solved)
    axes.errorbar(
        [usd],
        [100 * solved],
        xerr=[[max(usd - usd_ends[0], 0.0)], [max(usd_ends[1] - usd, 0.0)]],
        yerr=[[100 * max(solved - ends[0], 0.0)], [100 * max(ends[1] - solved, 0.0)]],
        fmt=_MARKERS[each.kind],
        color=color,
        markersize=size,
        elinewidth=size / 5,
        capsize=2,
        label=label or None,
    )
