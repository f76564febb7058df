"""Plot of the cost per month of serving options by volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.ranges import middle
from costmodel.report.style import COLORS, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.comparison.serving.result import ServingComparison

POINTS = 400
"""Volumes at which the costs are drawn [1]."""
_APART = 1.12
"""Ratio of the places of neighboring bars [1]."""
_LINES = {"usage": "-", "rented": "--", "owned": "-."}


def serving_costs(comparison: ServingComparison, ax: Axes | None = None) -> Axes:
    """Draw the cost per month by volume: lines for APIs, steps for reserved replicas, and break-even volumes.

    Parameters
    ----------
    comparison : ServingComparison
        Result of `compare_serving`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.Serving(
    ...     "llama-3.1-8b", cm.Cluster("H100-SXM", 1), input_tokens=1000, output_tokens=500, concurrency=32
    ... )
    >>> work = cm.ServingWorkload(
    ...     requests_per_month="1M", input_tokens=1000, output_tokens=500, peak_to_mean=2
    ... )
    >>> options = [cm.HostedAPI(model="gpt-4.1-mini"), cm.SelfHosted(name="own", serving=chat)]
    >>> axes = cm.plot.serving_costs(cm.compare_serving(work, options))
    """
    import numpy as np

    axes = axes_for(ax, legend_lines=4)
    volume = middle(comparison.workload.requests_per_month)
    volumes = volume * np.geomspace(0.01, 10, POINTS)
    curves = comparison.curve(volumes)
    for place, (name, usd) in enumerate(curves.items()):
        option, color = comparison[name], COLORS[place % len(COLORS)]
        axes.plot(volumes, usd, color=color, linestyle=_LINES[option.basis], label=name)
        ends = option.usd_per_month_interval
        if ends is not None and ends[0] < ends[1]:
            beside = volume * _APART ** (place - len(curves) / 2)  # so that no bar covers another
            axes.plot([beside, beside], ends, color=color, linewidth=4, alpha=0.6, solid_capstyle="butt")
        crossing = option.break_even_requests
        if crossing is not None and volumes[0] <= crossing <= volumes[-1]:
            axes.plot([crossing], comparison.curve([crossing])[name], "o", color=color, markersize=5)
    axes.axvline(volume, color="0.5", linewidth=0.8, linestyle=":")
    logarithmic(axes, "x", decades=True)
    logarithmic(axes, "y", decades=True)
    axes.set_xlabel("requests per month")
    axes.set_ylabel("cost per month (USD)")
    dots = "" if comparison.baseline is None else f"; dots: break-even with {comparison.baseline}"
    marks = "Dotted line: the workload, with 80 % intervals as bars."
    legend_above(axes, columns=2, title=f"Cost per month by volume{dots}\n{marks}")
    return axes
