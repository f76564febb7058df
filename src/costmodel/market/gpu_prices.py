"""Look up rental prices of accelerators [USD per GPU-hour]: by provider or as the market median, on a day.

Only prices whose source can be found are used: `traced_prices` is the one place that leaves out the others.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, get_args

from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import Interval, between, median, normal_quantile
from costmodel.foundation.tables import Table, default, table
from costmodel.hardware.accelerator import accelerator_names
from costmodel.market.dated import day_of

PurchaseModel = Literal["on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y", "marketplace"]
PURCHASE_MODELS: tuple[str, ...] = get_args(PurchaseModel)
HYPERSCALERS = frozenset({"aws", "azure", "gcp", "oci"})
"""Their list prices are steps far from what others ask: no part of the market price."""
MARKET = "market"
UNTRACED = "untraced"
"""`source_url` of a price whose source cannot be found: listed on request, never used."""
MARKET_WINDOW = dt.timedelta(days=180)
STALE_AFTER = dt.timedelta(days=365)
EQUAL_PRICES = 1e-6
"""Spread of logarithms below which prices are equal, and tell nothing of what others ask."""
_INDEX = "index:"


@dataclass(frozen=True, slots=True)
class GPUPrice:
    """A rental price [USD per GPU-hour] with its date and source; `facts` are those it was made of."""

    accelerator: str
    provider: str
    purchase_model: str
    usd_per_gpu_hour: float
    as_of: dt.date
    source: str
    region: str = ""
    instance_type: str = ""
    gpus_per_instance: int | None = None
    note: str = ""
    on: dt.date | None = None
    """The day for which it was asked."""
    spread: Interval | None = None
    """80 % of the providers, for the price of the market."""
    facts: tuple[GPUPrice, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether the fact is older than a year on the day for which it was asked."""
        return self.on is not None and self.on - self.as_of > STALE_AFTER


def gpu_price(
    accelerator: str,
    provider: str = MARKET,
    purchase_model: PurchaseModel = "on_demand",
    on: dt.date | str | None = None,
    *,
    count: int | None = None,
    region: str | None = None,
    facts: Table | None = None,
) -> GPUPrice:
    """Return the last price known on a day.

    Parameters
    ----------
    accelerator : name or alias of the catalog, or as the facts spell it
    provider : a provider, or "market": the median over the last facts of all providers but the
        hyperscalers within 180 days
    purchase_model : "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y" or "marketplace"
    on : the day; the newest day of the facts unless given
    count : accelerators needed; of several facts of one day the largest instance not larger counts, then
        the lowest name of a region
    region : of the provider, as the facts spell it
    facts : the price table of the library unless given

    Returns
    -------
    GPUPrice
        `.usd_per_gpu_hour` [USD/hour], `.as_of`, `.source`, `.stale`, ...

    Raises
    ------
    UnknownNameError
        If the accelerator or the provider is not known.
    MissingFactError
        If none fits; the message says what is known.

    Examples
    --------
    >>> price = gpu_price("H100-SXM", provider="lambda", on="2026-10-01", count=8)
    >>> price.usd_per_gpu_hour, str(price.as_of)
    (3.99, '2026-09-17')
    """
    if purchase_model not in PURCHASE_MODELS:
        raise InputError(unknown("purchase model", purchase_model, PURCHASE_MODELS))
    known = _facts(traced_prices(facts))
    if not known.things:
        raise InputError("the price table holds no facts")
    day = day_of(on) or max(fact.as_of for each in known.things.values() for fact in each)
    accelerator, of_accelerator = _of_accelerator(known, accelerator)
    if count is not None and count < 1:
        raise InputError(f"count is a whole number above 0; got {count!r}")
    provider = MARKET if str(provider).lower() == MARKET else provider
    if provider == MARKET and region is not None:
        raise InputError("region: the market has none; name a provider, or leave the region out")
    if provider == MARKET:
        return _market_price(accelerator, purchase_model, of_accelerator, day, count)
    providers = Names("provider", {fact.provider: fact.provider for each in known.things.values() for fact in each})
    name = providers.get(provider, "'market' is the median of those that are no hyperscalers.")
    found = [
        fact for fact in of_accelerator
        if fact.provider == name and fact.purchase_model == purchase_model and region in (None, fact.region)
    ]  # fmt: skip
    if not found:
        offers = _known(of_accelerator)
        raise MissingFactError(f"no {purchase_model} price of {accelerator} at {name} is known; {offers}")
    first = min(fact.as_of for fact in found)
    if first > day:
        raise MissingFactError(
            f"no {purchase_model} price of {accelerator} at {name} is known on {day}: the first is of {first}"
        )
    return replace(_last(found, day, count), on=day)


@lru_cache(maxsize=8)
def traced_prices(facts: Table | None = None) -> Table:
    """Return the prices whose source can be found: a price table without its rows marked "untraced".

    Parameters
    ----------
    facts : Table or None
        A price table; the library's unless given.
    """
    facts = facts or table("gpu_prices")
    rows = tuple(row for row in facts.rows if row["source_url"] != UNTRACED)
    return Table(facts.name, rows, facts.columns, facts.sha256)


def vintage(facts: Table | None = None) -> dt.date:
    """Return the day of the newest fact."""
    known = _facts(traced_prices(facts))
    if not known.things:
        raise InputError("the price table holds no facts")
    return max(fact.as_of for each in known.things.values() for fact in each)


def market_spread(prices: Iterable[float]) -> float:
    """Return the standard deviation of the logarithm of prices [1], widened for their small number."""
    logs = [math.log(price) for price in prices]
    mean = sum(logs) / len(logs)
    variance = sum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
    return math.sqrt(variance * (1 + 1 / len(logs)))


def _market_price(
    accelerator: str, purchase_model: str, of_accelerator: list[GPUPrice], day: dt.date, count: int | None
) -> GPUPrice:
    by_provider: dict[str, list[GPUPrice]] = {}
    for fact in of_accelerator:
        counted = fact.provider not in HYPERSCALERS and not fact.provider.startswith(_INDEX)
        if counted and fact.purchase_model == purchase_model and dt.timedelta(0) <= day - fact.as_of <= MARKET_WINDOW:
            by_provider.setdefault(fact.provider, []).append(fact)
    if not by_provider:
        in_time = [fact for fact in of_accelerator if fact.as_of <= day]
        raise MissingFactError(
            f"no {purchase_model} price of {accelerator} on the market is known in the 180 days up to {day}; "
            f"{_known(in_time or of_accelerator)}"
        )
    last = [_last(facts, day, count) for facts in by_provider.values()]
    prices = [fact.usd_per_gpu_hour for fact in last]
    typical = median(prices)
    sd = market_spread(prices) if len(prices) > 2 else 0.0
    assumed = default("market_price_factor").spread
    if assumed is not None and sd < EQUAL_PRICES:
        sd = math.log(assumed.quantile(0.9)) / normal_quantile(0.9)
    factor = math.exp(sd * normal_quantile(0.9))
    names = ", ".join(sorted(by_provider))
    return GPUPrice(
        accelerator, MARKET, purchase_model, typical, max(fact.as_of for fact in last),
        f"median of {len(last)} provider{'s'[: len(last) > 1]}: {names}", on=day,
        spread=between(typical / factor, typical * factor).settled("lognormal"), facts=tuple(last),
    )  # fmt: skip


def _last(found: list[GPUPrice], day: dt.date, count: int | None) -> GPUPrice:
    """Return the newest of the facts on or before the day; there is one."""
    in_time = [fact for fact in found if fact.as_of <= day]
    newest = max(fact.as_of for fact in in_time)
    of_day = [fact for fact in in_time if fact.as_of == newest]
    fitting = [fact for fact in of_day if count is None or (fact.gpus_per_instance or 1) <= count]
    if not fitting:  # all instances are larger: the smallest of them has to be taken whole
        size = min(fact.gpus_per_instance or 1 for fact in of_day)
        fitting = [fact for fact in of_day if (fact.gpus_per_instance or 1) == size]
    return min(fitting, key=lambda fact: (-(fact.gpus_per_instance or 1), fact.region, fact.usd_per_gpu_hour))


def _known(facts: list[GPUPrice]) -> str:
    offers = sorted({f"{fact.provider} ({fact.purchase_model}, from {fact.as_of})" for fact in facts})
    return f"known: {', '.join(offers[:8])}{', ...' if len(offers) > 8 else ''}"


def _of_accelerator(known: Names[list[GPUPrice]], name: str) -> tuple[str, list[GPUPrice]]:
    if not isinstance(name, str):
        raise InputError(f"accelerator must be a name; got {name!r}")
    proper = accelerator_names().proper(name) or known.proper(name)
    if proper is None:
        raise UnknownNameError.of("accelerator", name, sorted({*accelerator_names(), *known}))
    if proper not in known.things:
        raise MissingFactError(f"no rental price of {proper} is known at all; give prices.price, or a table with it")
    return proper, known.things[proper]


@lru_cache(maxsize=8)
def _facts(facts: Table) -> Names[list[GPUPrice]]:
    by_accelerator: dict[str, list[GPUPrice]] = {}
    for row in facts.rows:
        by_accelerator.setdefault(row["accelerator"], []).append(_fact(row))
    return Names("priced accelerator", by_accelerator)


def _fact(row: dict[str, Any]) -> GPUPrice:
    size = row["gpus_per_instance"]
    return GPUPrice(
        row["accelerator"], row["provider"], row["purchase_model"], float(row["usd_per_gpu_hour"]),
        dt.date.fromisoformat(row["as_of"]), row["source_url"], row["region"], row["instance_type"],
        int(size) if size else None, row["note"],
    )  # fmt: skip
