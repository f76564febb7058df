"""Plot of a table of prices: the cost of a run by provider and purchase model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import amount
from costmodel.planning.priced import SHORT_PURCHASE_MODELS
from costmodel.report.style import COLORS, axes_for, legend_above, logarithmic, scale_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from costmodel.planning.priced import Priced, PriceTable

MOST = 15
"""Providers that are drawn [1]."""
_MARKERS = {
    "on_demand": ("o", COLORS[0]),
    "spot": ("v", COLORS[1]),
    "reserved_short": ("s", COLORS[2]),
    "reserved_1y": ("D", COLORS[3]),
    "reserved_3y": ("^", COLORS[4]),
    "marketplace": ("P", COLORS[5]),
}
"""Marker and color by purchase model."""
_APART = 0.14
"""Distance between the purchase models of a provider, as a share of its row [1]."""


def prices(result: PriceTable, ax: Axes | None = None) -> Axes:
    """Draw the cost of a run by provider, the cheapest on top: purchase models, and regions as dots.

    The cheapest region of each purchase model has its interval and a filled marker; other regions have open ones. Rows
    without a price are not drawn.

    Parameters
    ----------
    result : PriceTable
        Result of `price_everywhere`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    MissingFactError
        If no row has a price.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="100B"), cm.Cluster("H100-SXM", 64))
    >>> axes = cm.plot.prices(cm.price_everywhere(run, on="2026-10-01", providers=["aws", "lambda"]))
    """
    rows = [row for row in result if row.cost is not None]
    if not rows:
        raise MissingFactError("; ".join(dict.fromkeys(row.reason for row in result)) or "the table has no rows")
    providers = list(dict.fromkeys(row.provider for row in rows))  # in ascending order of cost
    drawn = providers[:MOST]
    shown = [row for row in rows if row.provider in drawn]
    axes = axes_for(ax, len(drawn), legend_lines=2)
    size, unit = scale_of("USD", max(row.cost or 0.0 for row in shown))
    models = [model for model in _MARKERS if any(row.purchase_model == model for row in shown)]
    for place, provider in enumerate(reversed(drawn)):
        own = [model for model in models if _offers(shown, provider, model)]
        for index, model in enumerate(own):
            height = place + _APART * ((len(own) - 1) / 2 - index)
            _draw(axes, _offers(shown, provider, model), height, size)
    for model in models:
        marker, color = _MARKERS[model]
        axes.plot([], [], marker, color=color, label=SHORT_PURCHASE_MODELS[model])
    axes.plot([], [], "o", color="0.4", markerfacecolor="none", markersize=4, label="other regions")
    axes.plot([], [], color="0.4", linewidth=1.5, label=f"{100 * result.level:g} % interval")
    axes.set_yticks(range(len(drawn)), drawn[::-1])
    ends = [end for row in shown for end in (row.cost or 0.0, *(row.interval or ()))]
    if max(ends) > 5 * min(ends) > 0:
        logarithmic(axes, "x", decades=max(ends) > 1e3 * min(ends))
    else:
        axes.set_xlim(left=0)
    more = f"; {len(providers) - len(drawn)} dearer providers are not drawn" if len(providers) > len(drawn) else ""
    axes.set_xlabel(f"cost of the run [{unit}], prices of {result.on}{more}")
    legend_above(axes, columns=4, title=_cheapest(rows))
    return axes


def _offers(rows: Sequence[Priced], provider: str, model: str) -> list[Priced]:
    return [row for row in rows if (row.provider, row.purchase_model) == (provider, model)]


def _draw(axes: Axes, rows: Sequence[Priced], height: float, size: float) -> None:
    """Draw the regions of a purchase model of a provider, the cheapest with its interval."""
    marker, color = _MARKERS[rows[0].purchase_model]
    if rows[0].interval is not None:
        axes.plot([end / size for end in rows[0].interval], [height, height], color=color, linewidth=1.5)
    others = [(row.cost or 0.0) / size for row in rows[1:]]
    axes.plot(others, [height] * len(others), marker, color=color, markerfacecolor="none", markersize=4)
    axes.plot([(rows[0].cost or 0.0) / size], [height], marker, color=color, markersize=6)


def _cheapest(rows: Sequence[Priced]) -> str:
    """Return the title: the cheapest offer, and the cheapest on demand."""
    parts = [f"Cheapest: {_said(rows[0])}, {SHORT_PURCHASE_MODELS[rows[0].purchase_model]}"]
    demand = [row for row in rows if row.purchase_model == "on_demand"]
    if demand and demand[0] is not rows[0]:
        parts.append(f"on demand: {_said(demand[0])}")
    return "; ".join(parts)


def _said(row: Priced) -> str:
    return f"{amount(row.cost or 0.0, 'USD')} at {row.provider} {row.region}".strip()
