"""Plot of the total cost of routes by volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.ranges import middle
from costmodel.report.style import COLORS, STYLES, axes_for, ink, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.choosing.routes_result import RouteComparison

POINTS = 400
"""Volumes at which the totals are drawn [1]."""


def routes(comparison: RouteComparison, ax: Axes | None = None) -> Axes:
    """Draw the total cost over the horizon by volume, with the volumes at which the cheaper of two routes changes.

    Bars at the volume of the workload are 80 % intervals; spans below dots are those of the break-even volumes.

    Parameters
    ----------
    comparison : RouteComparison
        Result of `choose_route`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> work = cm.ServingWorkload(
    ...     requests_per_month="1M", input_tokens=1000, output_tokens=500, peak_to_mean=2
    ... )
    >>> large = cm.Route("large", serving=cm.HostedAPI(model="gpt-4.1"), quality="0.85 to 0.9")
    >>> small = cm.Route("small", serving=cm.HostedAPI(model="gpt-4.1-mini"), quality="0.7 to 0.8", setup_usd="30k")
    >>> axes = cm.plot.routes(cm.choose_route(work, [large, small], months=12))
    """
    import numpy as np

    axes = axes_for(ax)
    volume = middle(comparison.workload.requests_per_month)
    volumes = volume * np.geomspace(0.01, 10, POINTS)
    for place, (name, usd) in enumerate(comparison.curve(volumes).items()):
        color, ends = COLORS[place % len(COLORS)], comparison[name].usd_interval
        axes.plot(volumes, usd, color=color, linestyle=STYLES[place % len(STYLES)], label=name)
        if ends is not None and ends[0] < ends[1]:
            axes.plot([volume, volume], ends, color=color, linewidth=4, alpha=0.35, solid_capstyle="butt")
    for each in comparison.break_evens:
        crossing = each.requests_per_month
        if crossing is None or not volumes[0] <= crossing <= volumes[-1]:
            continue
        total = float(comparison.curve([crossing])[each.below][0])
        low, high = max(each.interval[0], volumes[0]), min(each.interval[1], volumes[-1])
        axes.plot([low, high], [total, total], color="0.5", linewidth=1)
        axes.plot([crossing], [total], "o", color=ink(), markersize=4)
    axes.axvline(volume, color="0.5", linewidth=0.8, linestyle=":")
    logarithmic(axes, "x", decades=True)
    logarithmic(axes, "y", decades=True)
    axes.set_xlabel("requests per month")
    axes.set_ylabel(f"total over {comparison.months:g} months (USD)")
    totals = {name: float(usd[0]) for name, usd in comparison.curve([volume]).items()}
    cheapest = min(totals, key=lambda name: totals[name])
    title = f"{cheapest} has the least total at {volume:,.0f} requests per month"
    legend_above(axes, columns=2, title=title)
    return axes
