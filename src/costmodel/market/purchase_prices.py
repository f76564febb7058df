"""Purchase prices of accelerators, from dated quotes for accelerators alone and for servers."""

from __future__ import annotations

import datetime as dt
import statistics
from functools import lru_cache
from typing import NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, table
from costmodel.hardware.accelerator import accelerator_names

LEAST_SPREAD = 1.15
"""Least ratio of the upper end of the 80 % interval of a looked-up price to its median [1]: quotes of one day differ
by 10 to 30 %."""
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
