"""Purchase prices of accelerators, from dated quotes for accelerators alone and for servers."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, constant, table
from costmodel.hardware.accelerator import accelerator_names, load_accelerator

if TYPE_CHECKING:
    from costmodel.hardware.accelerator import Accelerator

LEAST_SPREAD = 1.15
"""Least ratio of the upper end of the 80 % interval of a looked-up price to its median [1]: quotes of one day differ
by 10 to 30 %."""
PROXY_ERROR = constant("purchase_proxy_error")
"""Factor within which 80 % of the prices lie that are scaled from other accelerators [1]."""
NEIGHBORS = 3
"""Accelerators from which a price is scaled [1]."""
WINDOW_DAYS = 365
"""Quotes count that are at most so much older than the newest one [day]."""


class Quote(NamedTuple):
    """A quote for an accelerator, alone or with its share of a server."""

    usd: float
    """Price per accelerator [USD]."""
    low: float
    high: float
    """Ends of a price band [USD]; the price where there is none."""
    includes: str
    """ "accelerator" or "server"."""
    kind: str
    """ "quote", or "estimate" of its authors."""
    as_of: dt.date
    source: str


@lru_cache(maxsize=1)
def _quotes() -> dict[str, list[Quote]]:
    listed: dict[str, list[Quote]] = {}
    for row in table("prices/gpu_purchase").rows:
        usd = float(row["usd_per_accelerator"])
        low, high = (float(row[end]) if row[end] else usd for end in ("low", "high"))
        day = dt.date.fromisoformat(row["as_of"])
        listed.setdefault(row["accelerator"], []).append(
            Quote(usd, low, high, row["includes"], row["kind"], day, row["source"])
        )
    return listed


def has_quotes(accelerator: str) -> bool:
    """Return whether any quote for an accelerator is known.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog.
    """
    return (accelerator_names().proper(accelerator) or accelerator) in _quotes()


def quotes(accelerator: str, on: dt.date | None = None) -> list[Quote]:
    """Return the quotes for an accelerator that are valid on a day, the newest first.

    These are the newest quote on or before the day, and those of the year before it.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog.
    on : datetime.date, optional
        The day. Default: that of the newest quote.

    Raises
    ------
    MissingFactError
        If no quote is known.
    """
    name = accelerator_names().proper(accelerator) or accelerator
    listed = _quotes().get(name, [])
    if not listed:
        raise MissingFactError(f"no purchase price of {name} is known; give prices.purchase_price")
    early = [quote for quote in listed if on is None or quote.as_of <= on]
    if not early:
        first = min(listed, key=lambda quote: quote.as_of)
        raise MissingFactError(
            f"no purchase price of {name} is known on {on}: the first is {first.usd:,.0f} USD of {first.as_of}; "
            "give prices.purchase_price"
        )
    newest = max(quote.as_of for quote in early)
    window = [quote for quote in early if (newest - quote.as_of).days <= WINDOW_DAYS]
    return sorted(window, key=lambda quote: quote.as_of, reverse=True)


@lru_cache(maxsize=256)
def purchase_price(accelerator: str, on: dt.date | None, server_factor: float) -> Figure:
    """Return the price of an accelerator alone [USD]: the median of its quotes, with their spread.

    Quotes for servers are divided by `server_factor`.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog.
    on : datetime.date or None
        Day of purchase. Default: that of the newest quote.
    server_factor : float
        Price of a server per accelerator over that of the accelerator [1].

    Raises
    ------
    MissingFactError
        If no quote is known.

    Examples
    --------
    >>> round(purchase_price("A100-40GB-SXM", dt.date(2020, 6, 1), 1.66).value)
    14985
    """
    listed = quotes(accelerator, on)
    divided = [(quote, server_factor if quote.includes == "server" else 1.0) for quote in listed]
    alone = sorted(quote.usd / factor for quote, factor in divided)
    median = statistics.median(alone)
    low = min(*(quote.low / factor for quote, factor in divided), median / LEAST_SPREAD)
    high = max(*(quote.high / factor for quote, factor in divided), median * LEAST_SPREAD)
    ratio = max(median / low, high / median)
    spread = between(median / ratio, median * ratio, "USD").settled("lognormal")
    servers = sum(quote.includes == "server" for quote in listed)
    days = sorted({str(quote.as_of) for quote in listed})
    dated = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    note = f"median of {len(listed)} quotes of {dated}" if len(listed) > 1 else f"a quote of {dated}"
    if servers:
        note += f", {servers} for servers divided by {server_factor:.3g}"
    source = " ; ".join(dict.fromkeys(quote.source for quote in listed))
    caution = ""
    reference = on or dt.date.fromisoformat(table("prices/gpu_purchase").vintage)
    if (reference - listed[0].as_of).days > 2 * WINDOW_DAYS:
        caution = f"prices.purchase_price: the newest quote is of {listed[0].as_of}"
    if all(quote.kind == "estimate" for quote in listed):
        caution = f"prices.purchase_price: {accelerator} is not known to be sold at this price; an estimate"
    return Figure(median, spread, Provenance("looked up", source, days[-1], note, caution))


def purchase_proxy(accelerator: Accelerator, on: dt.date | None, server_factor: float) -> Figure:
    """Return a proxy of the price of an accelerator alone [USD], for one without quotes.

    The price per dense peak rate is the geometric mean of the three accelerators of the vendor that were released
    nearest in time, those of the same generation where that is not known.

    Parameters
    ----------
    accelerator : Accelerator
    on : datetime.date or None
        Day of purchase. Default: that of the newest quotes.
    server_factor : float
        As for `purchase_price`.

    Raises
    ------
    MissingFactError
        If the vendor has no accelerators with quotes, or the peak rate is not known.
    """
    reason = f"no purchase price of {accelerator.name} is known; give prices.purchase_price"
    peers = [load_accelerator(name) for name in _quotes() if name != accelerator.name]
    own = [peer for peer in peers if peer.vendor.casefold() == accelerator.vendor.casefold()]
    own.sort(key=lambda peer: _distance(peer, accelerator))
    scaled: dict[str, float] = {}
    for peer in own:
        if len(scaled) == NEIGHBORS:
            break
        try:
            scaled[peer.name] = purchase_price(peer.name, on, server_factor).value / peer.peak()
        except MissingFactError:  # no quote by that day, or no peak rate
            continue
    if not scaled:
        raise MissingFactError(reason)
    usd = accelerator.peak() * math.exp(statistics.fmean(map(math.log, scaled.values())))
    note = f"scaled by the dense peak rate from {', '.join(scaled)}"
    caution = f"prices.purchase_price: no quote for {accelerator.name} is known; {note}"
    spread = between(usd / PROXY_ERROR, usd * PROXY_ERROR, "USD").settled("lognormal")
    return Figure(usd, spread, Provenance("assumed", "data/prices/gpu_purchase.csv", note=note, caution=caution))


def _distance(peer: Accelerator, accelerator: Accelerator) -> float:
    """Return the days between two releases; where one is not known, whether the generations differ."""
    if peer.release_date is None or accelerator.release_date is None:
        return 0.0 if peer.generation == accelerator.generation else math.inf
    return float(abs((peer.release_date - accelerator.release_date).days))
