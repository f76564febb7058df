"""Plot of the accelerators that serve a load: the cost of tokens on each, by precision of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.estimate import estimate
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import number
from costmodel.report.style import COLORS, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from costmodel.planning.serving_sizes import ServingSize, ServingSizes

_MARKERS = ("o", "s", "^", "D", "v", "P")
_APART = 0.15
"""Distance between the precisions of an accelerator, as a share of its row [1]."""


def serving_sizes(result: ServingSizes, ax: Axes | None = None) -> Axes:
    """Draw the cost of a million tokens of each option that serves a load, with its 80 % interval.

    Each accelerator is a row, in the order of the result; precisions of the weights have colors and markers. The cost
    is that at the given load. Options without a price are not drawn.

    Parameters
    ----------
    result : ServingSizes
        Result of `size_serving`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If no option can serve the load, with the reasons.
    MissingFactError
        If no option has a price.

    Examples
    --------
    >>> import costmodel as cm
    >>> load = {"users": 50, "tokens_per_second_per_user": 20, "input_tokens": 1000, "output_tokens": 500}
    >>> axes = cm.plot.serving_sizes(cm.size_serving("llama-3.1-8b", **load, accelerators=["L40S", "H100-SXM"]))
    """
    options = [size for size in result.options if size.usd_per_million_tokens is not None]
    if not options:
        raise MissingFactError(f"no option has a price: {result.best.note}")
    accelerators = list(dict.fromkeys(size.accelerator for size in options))
    precisions = list(dict.fromkeys(size.precision for size in options))
    axes = axes_for(ax, len(accelerators))
    places = {name: len(accelerators) - 1 - place for place, name in enumerate(accelerators)}
    most: list[float] = []
    for place, precision in enumerate(precisions):
        color, marker = COLORS[place % len(COLORS)], _MARKERS[place % len(_MARKERS)]
        for size in (size for size in options if size.precision == precision):
            height = places[size.accelerator] + _APART * ((len(precisions) - 1) / 2 - place)
            ends = estimate(size.scenario()).bounds("blended_cost")
            axes.plot(ends, [height, height], color=color, linewidth=1.5)
            axes.plot([size.usd_per_million_tokens or 0.0], [height], marker, color=color, markersize=5)
            most += ends
        axes.plot([], [], marker, color=color, linestyle="-", label=precision)
    axes.set_yticks(list(places.values()), [_described(name, options) for name in places])
    if max(most) > 5 * min(most) > 0:
        logarithmic(axes, "x", decades=max(most) > 1e3 * min(most))
    else:
        axes.set_xlim(left=0)
    axes.set_xlabel("cost of input and output at this load [USD per million tokens], 80 % interval")
    legend_above(axes, columns=4, title=_best(options, result.objective))
    return axes


def _described(accelerator: str, options: Sequence[ServingSize]) -> str:
    """Return an accelerator above the numbers of it that its precisions need."""
    counts = sorted({size.gpus for size in options if size.accelerator == accelerator})
    needed = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"{accelerator}\n{needed} GPU{'' if counts[-1] == 1 else 's'}"


def _best(options: Sequence[ServingSize], objective: str) -> str:
    """Return the title: the first option, with its accelerators and its cost."""
    best = options[0]
    first = "is cheapest" if objective == "cost" else "needs the fewest GPUs"
    cost = f"{number(best.usd_per_hour or 0.0)} USD per hour"
    return f"{best.accelerator} in {best.precision} {first}: {best.gpus:,} GPU{'' if best.gpus == 1 else 's'}, {cost}"
