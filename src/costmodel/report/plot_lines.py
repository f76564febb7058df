"""Plots of results that are lines of a sum: a bill, an owned hour, a development cost, greenhouse gases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.comparison.development import DevelopmentCost
from costmodel.estimation.bill import Bill
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import amount, is_exact, percent
from costmodel.market.levelized import Levelized
from costmodel.report.style import COLORS, axes_for, ink, legend_above, scale_of, value_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from costmodel.estimation.ghg import GHGReport

_LINE, _SUM = (COLORS[0], ""), ("0.6", "///")
"""Color and hatch of a line, and of a sum of lines."""
_HARDWARE = (COLORS[4], "...")
_INTERVAL = "80 % interval"


def cost_lines(result: Bill | Levelized | DevelopmentCost, ax: Axes | None = None) -> Axes:
    """Draw the lines of a cost and their sum as bars with 80 % intervals.

    Lines whose amount is not known have no bar; the reason is a note of the result.

    Parameters
    ----------
    result : Bill, Levelized or DevelopmentCost
        Result of `Estimate.bill`, `Ownership.levelized` or `development_cost`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    MissingFactError
        If no line is known, with the reason.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     "llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256), prices=cm.Ownership()
    ... )
    >>> axes = cm.plot.cost_lines(cm.estimate(run).bill())
    """
    rows = [{"title": row["part"], **row} if "part" in row else row for row in result.rows()]
    known = [row for row in rows if row["usd"] is not None]
    if not known:
        raise MissingFactError("; ".join(dict.fromkeys(row["note"] for row in rows)))
    total = rows[-1]
    size, unit = scale_of("USD", max(row["usd"] for row in known))
    titles = [f"{row['title']}\n(not known)" if row["usd"] is None else row["title"] for row in rows]
    looks = [_LINE] * (len(rows) - 1) + [_SUM]
    axes = _bars(rows, "usd", titles, looks, size, ax)
    values = [_shown(row["usd"], "USD", None if row is total else total["usd"]) for row in rows]
    value_labels(axes, [_end(row, "usd") / size for row in rows], values)
    per_hour = " per GPU-hour" if isinstance(result, Levelized) else ""
    axes.set_xlabel(f"cost{per_hour} [{unit}]")
    legend_above(axes, title=_largest(result, known, total))
    return axes


def emissions(result: GHGReport, ax: Axes | None = None) -> Axes:
    """Draw greenhouse gases as bars with 80 % intervals: electricity by account, hardware, and the totals.

    Location- and market-based electricity are two accounts of the same energy: the totals contain one of them each.

    Parameters
    ----------
    result : GHGReport
        Result of `Estimate.ghg`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    MissingFactError
        If no line is known, with the reason.

    Examples
    --------
    >>> import costmodel as cm
    >>> site = cm.Site(region="DE", yearly_matched=0.5)
    >>> run = cm.Scenario(
    ...     "llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256, site=site)
    ... )
    >>> axes = cm.plot.emissions(cm.estimate(run).ghg())
    """
    rows = result.rows()
    known = {row["emission"]: row for row in rows if row["kg"] is not None}
    if not known:
        raise MissingFactError("; ".join(dict.fromkeys(row["note"] for row in rows)))
    size, unit = scale_of("kg", max(row["kg"] for row in known.values()))
    titles = [row["title"].replace(", ", "\n") + ("\n(not known)" if row["kg"] is None else "") for row in rows]
    looks = [_look(row["emission"]) for row in rows]
    axes = _bars(rows, "kg", titles, looks, size, ax)
    value_labels(axes, [_end(row, "kg") / size for row in rows], [_shown(row["kg"], "kg") for row in rows])
    axes.set_xlabel(f"greenhouse gases [{unit} CO2e]")
    totals = [
        f"{amount(known[name]['kg'], 'kg')} {account}"
        for name, account in (("total_location", "location-based"), ("total_market", "market-based"))
        if name in known
    ]
    legend_above(axes, title=f"Greenhouse gases: {', '.join(totals) if totals else 'the totals are not known'}")
    return axes


def _bars(
    rows: Sequence[dict[str, Any]],
    key: str,
    titles: Sequence[str],
    looks: Sequence[tuple[str, str]],
    size: float,
    ax: Axes | None,
) -> Axes:
    """Draw a bar for each row, the first on top, and intervals over them."""
    axes = axes_for(ax, len(rows))
    places = [len(rows) - 1 - place for place in range(len(rows))]
    labeled = False
    for row, place, (color, hatch) in zip(rows, places, looks, strict=True):
        if row[key] is None:
            continue
        axes.barh(place, row[key] / size, height=0.6, color=color, hatch=hatch, edgecolor=ink(), linewidth=0.8)
        if not is_exact(row["low"], row["high"]):
            axes.plot(
                [row["low"] / size, row["high"] / size],
                [place - 0.38, place - 0.38],
                color=ink(),
                linewidth=1.5,
                marker="|",
                markersize=7,
                label=None if labeled else _INTERVAL,
            )
            labeled = True
    axes.set_yticks(places, titles)
    axes.set_xlim(left=0)
    return axes


def _end(row: dict[str, Any], key: str) -> float:
    """Return the end of a bar, 0 of one that is not known."""
    return float(row[key] or 0.0)


def _shown(value: float | None, unit: str, total: float | None = None) -> str:
    """Return the label of a bar, with its share of a total."""
    if value is None:
        return ""
    return f"{amount(value, unit)}, {percent(value / total)}" if total else amount(value, unit)


def _look(emission: str) -> tuple[str, str]:
    """Return the color and the hatch of a line of greenhouse gases."""
    return _SUM if emission.startswith("total") else _HARDWARE if emission == "hardware" else _LINE


def _largest(result: Bill | Levelized | DevelopmentCost, known: Sequence[dict[str, Any]], total: dict[str, Any]) -> str:
    """Return the title: the largest line of the total."""
    lines = [row for row in known if row is not total]
    if not lines:
        return f"Cost: {amount(total['usd'], 'USD')}"
    largest = max(lines, key=lambda row: row["usd"])
    if total["usd"] is None:
        return f"Known lines of the cost: the largest is {largest['title']}, {amount(largest['usd'], 'USD')}"
    whole = f"{amount(total['usd'], 'USD')}{' per GPU-hour' if isinstance(result, Levelized) else ''}"
    if len(lines) == 1:
        return f"The cost is {largest['title']} alone: {whole}"
    share = f"{percent(largest['usd'] / total['usd'])} of " if total["usd"] else ""
    return f"The largest line is {largest['title']}: {share}{whole}"
