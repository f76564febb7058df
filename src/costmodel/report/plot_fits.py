"""Plot of what fits: peak memory per GPU by component against the usable memory of each accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import amount
from costmodel.foundation.units import GIB
from costmodel.report.plot_layouts import COLUMNS, HELD, stacked
from costmodel.report.style import ink, legend_above, value_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.planning.what_fits import Fit, Fits

MOST = 10
"""Combinations that are drawn [1]."""


def fits(result: Fits, ax: Axes | None = None) -> Axes:
    """Draw the peak memory per GPU of the first combinations that fit, by component, and the usable memory.

    Beside each bar are the cost and the wall time, where they are known.

    Parameters
    ----------
    result : Fits
        Result of `what_fits`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If nothing fits, with the reasons.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.fits(cm.what_fits("llama-3.1-8b", accelerator=["L4", "RTX-4090"], count=1))
    """
    drawn = result.possible[:MOST] or (result.best,)
    bars: dict[str, dict[str, float]] = {}
    for label, fit in zip(_labels(result, drawn), drawn, strict=True):
        parts = fit.memory_components()._asdict()
        bars[label] = {name: float(value) / GIB for name, value in parts.items()}
    capacities = [(fit.scenario.cluster.accelerator.usable_memory or 0.0) / GIB for fit in drawn]
    axes = stacked(bars, HELD, lambda value, _: f"{value:.3g}", ax, max(capacities), labeled=0.12)
    axes.plot(
        capacities,
        [len(drawn) - 1 - place for place in range(len(drawn))],
        "|",
        color=ink(),
        markersize=26,
        markeredgewidth=2.5,
        label="usable memory",
    )
    axes.set_xlim(0, 1.02 * max(capacities))
    value_labels(axes, capacities, [_beside(fit) for fit in drawn])
    more = len(result.possible) - len(drawn)
    axes.set_xlabel("peak memory per GPU [GiB]" + (f"; {more} more that fit are not drawn" if more else ""))
    whole = len(result.possible) + len(result.rejected)
    title = f"{len(result.possible)} of {whole} combinations fit"
    try:
        least = result.cheapest
    except MissingFactError:
        pass
    else:
        title += f"; cheapest: {_label(result, least)}"
    legend_above(axes, COLUMNS, title)
    return axes


def _label(result: Fits, fit: Fit) -> str:
    """Return the accelerators of a combination, with its model and its recipe where there are several."""
    fits = (*result.possible, *result.rejected)
    models, kinds = ({getattr(each, name) for each in fits} for name in ("architecture", "kind"))
    named = [fit.architecture.name] * (len(models) > 1) + [fit.kind.replace("_", " ")] * (len(kinds) > 1)
    return ", ".join([*named, f"{fit.count} × {fit.accelerator}"])


def _labels(result: Fits, drawn: tuple[Fit, ...]) -> list[str]:
    """Return a label for each combination; equal ones, as of recipes that differ in a field, are numbered."""
    labels: list[str] = []
    for fit in drawn:
        label = "\n".join(_label(result, fit).rsplit(", ", 1))
        same = sum(other.split(" (")[0] == label for other in labels)
        labels.append(f"{label} ({same + 1})" if same else label)
    return labels


def _beside(fit: Fit) -> str:
    """Return cost and wall time, where they are known."""
    cost = [] if fit.si.cost is None else [amount(fit.si.cost, "USD")]
    time = [] if fit.si.wall_time is None else [amount(fit.si.wall_time, "s")]
    return ", ".join([*cost, *time])
