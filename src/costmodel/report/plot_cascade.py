"""Plot of the detector at which a cascade breaks even with its last model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.style import COLORS, axes_for, ink, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.choosing.cascade_result import BreakEven, CascadeComparison

POINTS = 60
"""Precisions at which the recall is drawn [1]."""
_STYLES = ("-", "--")
_LABELS = {"solved": "tasks solved", "usd_per_solved_task": "price per solved task"}


def cascade(comparison: CascadeComparison, ax: Axes | None = None) -> Axes:
    """Draw the recall of the first detector at which a cascade equals its last model alone, by its precision.

    Bands are 80 % intervals. The gray area is impossible: more right answers would be escalated than there are.

    Parameters
    ----------
    comparison : CascadeComparison
        Result of `cascade`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> tasks = cm.TaskWorkload(input_tokens=3000, output_tokens=400, wrong_answer_usd="0.05 to 0.2 USD")
    >>> values = {"gpt-4.1": 0.88, "gpt-4.1-mini": 0.74}
    >>> scores = [cm.Score(model, "tickets", value, n=300) for model, value in values.items()]
    >>> result = cm.cascade(tasks, ["gpt-4.1-mini", "gpt-4.1"], scores, cm.Detector(recall=0.8, precision=0.7))
    >>> axes = cm.plot.cascade(result)
    """
    import numpy as np

    axes = axes_for(ax, legend_lines=2)
    precisions = np.linspace(0.02, 1.0, POINTS)
    for place, (figure, name) in enumerate(_LABELS.items()):
        found = comparison.curve("solved" if figure == "solved" else "usd_per_solved_task", precisions.tolist())
        sides = {each.better for each in found}
        side = next((each for each in ("above", "below") if each in sides), None)
        if side is None:
            axes.plot([], [], color=COLORS[place], label=f"{name}: {'no worse' if 'always' in sides else 'worse'}")
            continue
        lines = [[_place(each, side, end) for each in found] for end in (None, 0, 1)]
        axes.plot(precisions, lines[0], color=COLORS[place], linestyle=_STYLES[place], label=f"{name}: no worse {side}")
        axes.fill_between(precisions, lines[1], lines[2], color=COLORS[place], alpha=0.2, linewidth=0)
    most = [each.most for each in comparison.curve("solved", precisions.tolist())]
    axes.fill_between(precisions, most, 1.0, color="0.85", linewidth=0, label="impossible")
    given = comparison.detector_at()
    axes.plot([given.precision], [given.recall], "o", color=ink(), markersize=6, label="detector")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("precision of the detector")
    axes.set_ylabel("recall of the detector")
    legend_above(axes, columns=2, title="Which detector makes the cascade no worse than its last model?")
    return axes


def _place(found: BreakEven, side: str, end: int | None) -> float:
    """Return the break-even recall or an end of its interval; an end of the axis where any recall is good enough."""
    if found.recall is None or found.interval is None:
        if found.better == "never":
            return float("nan")
        return 0.0 if side == "above" else found.most
    return found.recall if end is None else found.interval[end]
