"""Plot of an explanation: the inputs of a figure by how uncertain each is, and where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.estimation.paths import field_of
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import number
from costmodel.report.style import COLORS, axes_for, ink, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.estimation.explanation import Explanation

MOST = 12
"""Inputs that are drawn [1]."""
_MARGIN = 1.1
"""Ratio of the ends of the axis to the outermost bars [1]."""
_KINDS = {
    "given": (COLORS[5], ""),
    "looked up": (COLORS[2], "///"),
    "fitted": (COLORS[0], ""),
    "assumed": (COLORS[4], "..."),
}
"""Color and hatch by provenance."""


def explanation(result: Explanation, ax: Axes | None = None) -> Axes:
    """Draw the uncertain inputs of a figure: the 80 % interval of each, relative to its value, the widest on top.

    Colors are where the inputs come from: given, looked up, fitted or assumed. Inputs without an interval, and those
    of value 0, are not drawn; the label of the axis counts them. How far an uncertain input moves the figure is what
    `sensitivity` draws.

    Parameters
    ----------
    result : Explanation
        Result of `Estimate.explain` or `ServingEstimate.explain`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If no input has an interval.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> axes = cm.plot.explanation(cm.estimate(run).explain("energy"))
    """
    inputs = result.rows()
    rows = sorted((row for row in inputs if _ratio(row) > 1), key=_ratio, reverse=True)
    if not rows:
        raise InputError(f"explanation: none of the {len(inputs)} inputs of {result.name} has an interval")
    drawn = rows[:MOST]
    axes, labeled = axes_for(ax, len(drawn)), set[str]()
    places = [len(drawn) - 1 - place for place in range(len(drawn))]
    for row, place in zip(drawn, places, strict=True):
        low, high = (end / row["value"] for end in row["interval"])
        color, hatch = _KINDS[row["kind"]]
        label = None if row["kind"] in labeled else str(row["kind"])
        labeled.add(row["kind"])
        axes.barh(
            place,
            high - low,
            left=low,
            height=0.6,
            color=color,
            hatch=hatch,
            edgecolor=ink(),
            linewidth=0.8,
            label=label,
        )
    axes.axvline(1, color=ink(), linewidth=1.5, label="value")
    logarithmic(axes, "x", decades=_ratio(drawn[0]) > 1e3)
    axes.set_yticks(places, [_described(row) for row in drawn], fontsize="small")
    ends = [end / row["value"] for row in drawn for end in row["interval"]]
    axes.set_xlim(min(ends) / _MARGIN, max(ends) * _MARGIN)
    axes.set_xlabel(f"80 % interval of an input, relative to its value [1]\n{_counted(inputs, rows, drawn)}".strip())
    low, high = (number(end / drawn[0]["value"], 2) for end in drawn[0]["interval"])
    least = f"{_name(drawn[0])} is the least certain, {low} to {high} times its value"
    legend_above(axes, columns=5, title=f"Inputs of {result.name.replace('_', ' ')}: {least}")
    return axes


def _ratio(row: dict[str, Any]) -> float:
    """Return the high end of an interval over the low end; 0 without an interval or with ends that have no ratio."""
    if row["interval"] is None or row["value"] <= 0:
        return 0.0
    low, high = row["interval"]
    return high / low if low > 0 else 0.0


def _name(row: dict[str, Any]) -> str:
    return field_of(row["path"]) if row["settable"] else str(row["path"])


def _described(row: dict[str, Any]) -> str:
    """Return the name of an input above its value and interval."""
    low, high = (number(end) for end in row["interval"])
    return f"{_name(row)}\n{number(row['value'])} ({low} to {high}) {row['unit']}".strip()


def _counted(inputs: list[dict[str, Any]], rows: list[dict[str, Any]], drawn: list[dict[str, Any]]) -> str:
    """Return how many inputs are not drawn, and why."""
    narrower, others = len(rows) - len(drawn), len(inputs) - len(rows)
    parts = [f"{narrower} with narrower intervals"] if narrower else []
    parts += [f"{others} without an interval or of value 0"] if others else []
    return f"not drawn: {', '.join(parts)}" if parts else ""
