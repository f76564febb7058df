"""Plot of owned and rented hours by utilization or by years of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.style import COLORS, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.planning.rent_or_own_result import Curve, RentOrOwn

_LABELS = {"utilization": "utilization over the life", "years": "years of life"}


def rent_or_own(result: RentOrOwn, over: Curve = "utilization", ax: Axes | None = None) -> Axes:
    """Draw the cost of an owned and a rented hour by utilization or by years, with 80 % intervals.

    Parameters
    ----------
    result : RentOrOwn
        Result of `rent_or_own`.
    over : {"utilization", "years"}
        What varies.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> own = cm.Ownership(purchase_price=30_000)
    >>> result = cm.rent_or_own(cm.Cluster("H100-SXM", 512), rent=cm.Rental(price="2.50 USD/hour"), own=own)
    >>> axes = cm.plot.rent_or_own(result, over="years")
    """
    axes = axes_for(ax)
    rows = result.curve(over)
    places = [row[over] for row in rows]
    for name, color, style in (("owned", COLORS[0], "-"), ("rented", COLORS[1], "--")):
        axes.plot(places, [row[name] for row in rows], color=color, linestyle=style, label=f"{name}, 80 % interval")
        low, high = ([row[f"{name}_{end}"] for row in rows] for end in ("low", "high"))
        axes.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)
    if over == "utilization" and places[0] <= result.break_even_utilization <= places[-1]:
        axes.axvline(result.break_even_utilization, color="0.5", linewidth=0.8, linestyle=":")
    logarithmic(axes, "y", decades=False)
    axes.set_xlabel(_LABELS[over])
    axes.set_ylabel("cost of an hour (USD)")
    needed = result.break_even_utilization
    never = "Renting is cheaper at any utilization"
    title = f"Owned and rented hour by {_LABELS[over]}"
    if over == "utilization":
        title = never if needed > 1 else f"Owning is cheaper above a utilization of {needed:.0%}".replace("%", " %")
    legend_above(axes, columns=2, title=title)
    return axes
