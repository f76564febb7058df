"""Look up rental prices of accelerators [USD/hour]: by provider or as the market median, on a day.

Only prices whose source can be found are used: `traced_prices` is the one place that leaves out the others.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, get_args

from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError, unknown
from costmodel.foundation.names import Names, name_key
from costmodel.foundation.ranges import Interval, between, median, normal_quantile
from costmodel.foundation.tables import Row, Table, constant, default, table
from costmodel.hardware.accelerator import accelerator_names
from costmodel.market.dated import CLOUD_ALIASES, day_of

PurchaseModel = Literal["on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y", "marketplace"]
PURCHASE_MODELS: tuple[str, ...] = get_args(PurchaseModel)
_PURCHASE_ALIASES = {
    "on_demand": ("ondemand", "pay as you go", "payg", "list", "standard"),
    "spot": ("spot instance", "preemptible", "interruptible", "low priority"),
    "reserved_short": ("reserved short", "short term", "capacity block", "flex start"),
    "reserved_1y": ("1y", "1 y", "1yr", "1 year", "12 months", "one year"),
    "reserved_3y": ("3y", "3 y", "3yr", "3 years", "3-year", "36 months", "three years"),
    "marketplace": ("market place", "peer to peer", "p2p", "community"),
}
"""Further names of purchase models; those of a commitment may also have a word of `_COMMITTED`."""
_COMMITTED = ("reserved", "reservation", "committed", "commitment", "committed use", "cud", "savings plan", "contract")
"""Names of commitments whose term is not said."""
HYPERSCALERS = frozenset({"aws", "azure", "gcp", "oci"})
"""Their list prices are far above those of other providers, so they are not part of the market price."""
MARKET = "market"
UNTRACED = "untraced"
"""`source_url` of a price whose source cannot be found: listed on request, never used."""
MARKET_WINDOW = dt.timedelta(days=constant("market_window"))
STALE_AFTER = dt.timedelta(days=constant("stale_after"))
NOTED_AFTER = dt.timedelta(days=constant("noted_after"))
EQUAL_PRICES = 1e-6
"""Standard deviation of ln price below which prices count as equal: they do not show the spread of the market [1]."""
_INDEX = "index:"
MOST_LISTED = 5
"""Prices that a message lists."""


@dataclass(frozen=True, slots=True)
class GPUPrice:
    """A rental price [USD/hour] with its date and source."""

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
    """The day for which the price was looked up."""
    spread: Interval | None = None
    """80 % interval over the providers; only of the market price."""
    facts: tuple[GPUPrice, ...] = ()
    """The prices of single providers that the market price is the median of, or those that a proxy is taken from."""
    proxy: str = ""
    """What the price was taken from, if it is a proxy: "proxy from H100-SXM, H200-SXM: ..."."""

    @property
    def stale(self) -> bool:
        """Whether the price is older than a year on the day for which it was looked up."""
        return self.on is not None and self.on - self.as_of > STALE_AFTER

    @property
    def in_market(self) -> bool:
        """Whether the price belongs to the market: not of a hyperscaler and not a price index."""
        return self.provider not in HYPERSCALERS and not self.provider.startswith(_INDEX)


@lru_cache(maxsize=1)
def _purchase_names() -> Names[str]:
    aliases = {model: list(names) for model, names in _PURCHASE_ALIASES.items()}
    for model in ("reserved_1y", "reserved_3y"):
        terms = (*_PURCHASE_ALIASES[model], model.removeprefix("reserved_"))
        aliases[model] += [
            each for word in _COMMITTED for term in terms for each in (f"{word} {term}", f"{term} {word}")
        ]
    return Names("purchase model", {model: model for model in PURCHASE_MODELS}, aliases)


def named_purchase_model(written: Any) -> Any:
    """Return the purchase model of a name as people write it; a name that is not known stays as it is.

    Parameters
    ----------
    written : object
        Name, such as "on demand", "preemptible" or "3-year".

    Raises
    ------
    InputError
        If it names a commitment without a term, such as "reserved".

    Examples
    --------
    >>> named_purchase_model("On-Demand"), named_purchase_model("savings plan 1 year")
    ('on_demand', 'reserved_1y')
    """
    if not isinstance(written, str):
        return written
    key = name_key(written)
    if any(key.removeprefix("compute-") == name_key(word) for word in _COMMITTED):
        raise InputError(
            f"{written!r} has no term; give 'reserved_1y', 'reserved_3y' or 'reserved_short' (days to months)"
        )
    return _purchase_names().proper(key.removeprefix("compute-")) or written


@checked("count", "facts", "provider", "purchase_model")
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
    """Return the newest price on or before a day.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog, or the name in the price table.
    provider : str
        A provider, or "market": the median over the newest prices of all providers within 180 days, hyperscalers
        and price indices left out.
    purchase_model : str
        "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y" or "marketplace".
    on : datetime.date or str, optional
        The day; by default the day of the newest price in the table.
    count : int, optional
        Accelerators needed. Of several prices of one day, the largest instance that is not larger than `count` is
        taken, then the first region by name.
    region : str, optional
        Region of the provider, as the price table spells it.
    facts : Table, optional
        A price table; by default that of the library. Rows marked "untraced" are left out.

    Returns
    -------
    GPUPrice
        `.usd_per_gpu_hour` [USD/hour], `.as_of`, `.source`, `.stale`, ...

    Raises
    ------
    UnknownNameError
        If the accelerator or the provider is not known.
    MissingFactError
        If there is no such price; the message lists the prices that are known.

    Examples
    --------
    >>> price = gpu_price("H100-SXM", provider="lambda", on="2026-10-01", count=8)
    >>> price.usd_per_gpu_hour, str(price.as_of)
    (3.99, '2026-09-17')
    """
    purchase_model = named_purchase_model(purchase_model)
    if purchase_model not in PURCHASE_MODELS:
        raise InputError(unknown("purchase model", purchase_model, PURCHASE_MODELS))
    by_accelerator = _by_accelerator(traced_prices(facts))
    day = day_of(on) or vintage(facts)
    accelerator, prices = _prices_of(by_accelerator, accelerator, facts or table("gpu_prices"))
    if count is not None and count < 1:
        raise InputError(f"count must be a whole number above 0; got {count!r}")
    provider = MARKET if str(provider).lower() == MARKET else provider
    if provider == MARKET and region is not None:
        raise InputError("region: the market price has no region; name a provider, or leave the region out")
    if provider == MARKET:
        return _market_price(accelerator, purchase_model, prices, day, count)
    name = named_provider(provider, facts)
    offered = [
        price
        for price in prices
        if price.provider == name and price.purchase_model == purchase_model and region in (None, price.region)
    ]
    if not offered:
        what = f"no {purchase_model} price of {accelerator} at {name}"
        elsewhere = {
            price.region for price in prices if (price.provider, price.purchase_model) == (name, purchase_model)
        }
        if region is not None and (named := ", ".join(sorted(elsewhere - {""}))):
            raise MissingFactError(f"{what} in {region!r} is known; known in its regions {named}")
        raise MissingFactError(f"{what} is known; {_listed(prices, day, name, purchase_model)}")
    first = min(price.as_of for price in offered)
    if first > day:
        raise MissingFactError(
            f"no {purchase_model} price of {accelerator} at {name} is known on {day}: the first is of {first}"
        )
    return replace(_newest(offered, day, count), on=day)


def named_provider(provider: str, facts: Table | None = None) -> str:
    """Return the name of a provider as the price table spells it, or raise `UnknownNameError`.

    Parameters
    ----------
    provider : str
    facts : Table, optional
        A price table; by default that of the library.
    """
    listed = providers(facts)
    aliases = {name: others for name, others in CLOUD_ALIASES.items() if name in listed}
    names = Names("provider", {name: name for name in listed}, aliases)
    return names.get(provider, "'market' is the median of all providers except hyperscalers.")


def providers(facts: Table | None = None) -> list[str]:
    """Return the providers of a price table, in the order of their names.

    Parameters
    ----------
    facts : Table, optional
        A price table; by default that of the library.
    """
    return sorted({row["provider"] for row in traced_prices(facts).rows})


def providers_and_models(on: dt.date, facts: Table | None = None) -> set[tuple[str, str]]:
    """Return the providers and the purchase models that each had a price of, of any accelerator, up to a day.

    Parameters
    ----------
    on : datetime.date
        The day.
    facts : Table, optional
        A price table; by default that of the library.
    """
    day = str(on)
    return {(row["provider"], row["purchase_model"]) for row in traced_prices(facts).rows if row["as_of"] <= day}


def offers(
    accelerator: str,
    provider: str | None = None,
    purchase_model: PurchaseModel | None = None,
    on: dt.date | str | None = None,
    facts: Table | None = None,
) -> list[GPUPrice]:
    """Return the prices of an accelerator that are not newer than a day, in the order of the table.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog, or the name in the price table.
    provider, purchase_model : str, optional
        Of these only, as the price table spells them.
    on : datetime.date or str, optional
        The day; by default that of the newest price in the table.
    facts : Table, optional
        A price table; by default that of the library.

    Raises
    ------
    UnknownNameError
        If the accelerator is not known.
    MissingFactError
        If there is no such price.
    """
    day = day_of(on) or vintage(facts)
    accelerator, prices = _prices_of(_by_accelerator(traced_prices(facts)), accelerator, facts or table("gpu_prices"))
    listed = [
        replace(price, on=day)
        for price in prices
        if price.as_of <= day and provider in (None, price.provider) and purchase_model in (None, price.purchase_model)
    ]
    if not listed:
        raise MissingFactError(f"no such price of {accelerator} is known on {day}")
    return listed


@lru_cache(maxsize=8)
def traced_prices(facts: Table | None = None) -> Table:
    """Return the prices whose source can be found: a price table without its rows marked "untraced".

    Parameters
    ----------
    facts : Table, optional
        A price table; by default that of the library.
    """
    facts = facts or table("gpu_prices")
    rows = tuple(row for row in facts.rows if row["source_url"] != UNTRACED)
    return Table(facts.name, rows, facts.columns, facts.sha256)


def traced_by_accelerator(facts: Table | None = None) -> Mapping[str, list[GPUPrice]]:
    """Return the prices whose source can be found, by accelerator as the table spells it.

    Parameters
    ----------
    facts : Table, optional
        A price table; by default that of the library.
    """
    return _by_accelerator(traced_prices(facts)).things


def newest_of_providers(
    prices: Iterable[GPUPrice], day: dt.date, count: int | None, window: dt.timedelta
) -> list[GPUPrice]:
    """Return the newest price of each provider, of prices up to a window before a day.

    Parameters
    ----------
    prices : iterable of GPUPrice
        Prices of one accelerator and one purchase model.
    day : datetime.date
    count : int or None
        Accelerators needed [1].
    window : datetime.timedelta
        Oldest age of a price.
    """
    by_provider: dict[str, list[GPUPrice]] = {}
    for price in prices:
        if dt.timedelta(0) <= day - price.as_of <= window:
            by_provider.setdefault(price.provider, []).append(price)
    return [_newest(group, day, count) for group in by_provider.values()]


def vintage(facts: Table | None = None) -> dt.date:
    """Return the day of the newest price.

    Parameters
    ----------
    facts : Table, optional
        A price table; by default that of the library.

    Raises
    ------
    InputError
        If the table has no price.
    """
    days = [row["as_of"] for row in traced_prices(facts).rows]
    if not days:
        raise InputError("the price table has no rows with a source that can be found")
    return dt.date.fromisoformat(max(days))


def market_spread(prices: Iterable[float]) -> float:
    """Return the standard deviation of ln price for a further provider [1]: wider if there are few prices.

    Parameters
    ----------
    prices : iterable of float
        At least two prices [USD/hour].
    """
    logs = [math.log(price) for price in prices]
    mean = sum(logs) / len(logs)
    variance = sum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
    return math.sqrt(variance * (1 + 1 / len(logs)))


def _market_price(
    accelerator: str, purchase_model: str, prices: list[GPUPrice], day: dt.date, count: int | None
) -> GPUPrice:
    """Return the median over providers of their newest prices within the window before a day, with its spread."""
    offered = [price for price in prices if price.in_market and price.purchase_model == purchase_model]
    newest = newest_of_providers(offered, day, count, MARKET_WINDOW)
    if not newest:
        earlier = [price for price in prices if price.as_of <= day]
        raise MissingFactError(
            f"no {purchase_model} price of {accelerator} on the market is known in the 180 days up to {day}; "
            f"{_listed(earlier or prices, day, '', purchase_model)}"
        )
    values = [price.usd_per_gpu_hour for price in newest]
    typical = median(values)
    sd = market_spread(values) if len(values) > 2 else 0.0
    assumed = default("market_price_factor").spread
    if assumed is not None and sd < EQUAL_PRICES:
        sd = math.log(assumed.quantile(0.9)) / normal_quantile(0.9)
    factor = math.exp(sd * normal_quantile(0.9))
    names = ", ".join(sorted(price.provider for price in newest))
    return GPUPrice(
        accelerator=accelerator,
        provider=MARKET,
        purchase_model=purchase_model,
        usd_per_gpu_hour=typical,
        as_of=max(price.as_of for price in newest),
        source=f"median of {len(newest)} provider{'s'[: len(newest) > 1]}: {names}",
        on=day,
        spread=between(typical / factor, typical * factor).settled("lognormal"),
        facts=tuple(newest),
    )


def _newest(prices: list[GPUPrice], day: dt.date, count: int | None) -> GPUPrice:
    """Return the newest of the prices on or before the day; there is at least one."""
    as_of = max(price.as_of for price in prices if price.as_of <= day)
    of_day = [price for price in prices if price.as_of == as_of]
    fitting = [price for price in of_day if count is None or (price.gpus_per_instance or 1) <= count]
    if not fitting:  # all instances are larger: the smallest instance is rented whole
        size = min(price.gpus_per_instance or 1 for price in of_day)
        fitting = [price for price in of_day if (price.gpus_per_instance or 1) == size]
    return min(fitting, key=lambda price: (-(price.gpus_per_instance or 1), price.region, price.usd_per_gpu_hour))


def nearest_prices(prices: Iterable[GPUPrice], day: dt.date, provider: str, purchase_model: str) -> list[GPUPrice]:
    """Return a price of each provider and purchase model, the nearest of the day, in the order of their nearness.

    Parameters
    ----------
    prices : iterable of GPUPrice
        Prices of an accelerator.
    day : datetime.date
    provider, purchase_model : str
        Prices of this provider come first, then those of this purchase model, those on demand, and the nearest in time.
    """
    newest: dict[tuple[str, str], GPUPrice] = {}
    for price in sorted(prices, key=lambda price: abs(price.as_of - day), reverse=True):
        newest[price.provider, price.purchase_model] = price

    def far(price: GPUPrice) -> tuple[bool, bool, bool, dt.timedelta, str]:
        model = price.purchase_model
        return price.provider != provider, model != purchase_model, model != "on_demand", abs(price.as_of - day), model

    return sorted(newest.values(), key=far)


def _listed(prices: list[GPUPrice], day: dt.date, provider: str, purchase_model: str) -> str:
    """Return the nearest prices in words, for messages."""
    offers = [
        f"{price.provider} ({price.purchase_model}, {price.usd_per_gpu_hour:g} USD/h of {price.as_of})"
        for price in nearest_prices(prices, day, provider, purchase_model)
    ]
    return f"known: {', '.join(offers[:MOST_LISTED])}{', ...' if len(offers) > MOST_LISTED else ''}"


def _prices_of(by_accelerator: Names[list[GPUPrice]], name: str, facts: Table) -> tuple[str, list[GPUPrice]]:
    """Return the proper name of an accelerator and its prices."""
    if not isinstance(name, str):
        raise InputError(f"accelerator must be a name; got {name!r}")
    proper = accelerator_names().proper(name) or by_accelerator.proper(name)
    if proper is None:
        raise UnknownNameError.of("accelerator", name, sorted({*accelerator_names(), *by_accelerator}))
    if proper not in by_accelerator.things:
        untraced = sum(row["accelerator"] == proper for row in facts.rows)
        unused = f" ({untraced} prices without a source are not used)" if untraced else ""
        raise MissingFactError(
            f"no rental price of {proper} is known at all{unused}; give prices.price, or a table with it"
        )
    return proper, by_accelerator.things[proper]


@lru_cache(maxsize=8)
def _by_accelerator(facts: Table) -> Names[list[GPUPrice]]:
    prices: dict[str, list[GPUPrice]] = {}
    for row in facts.rows:
        prices.setdefault(row["accelerator"], []).append(_price(row))
    return Names("priced accelerator", prices)


def _price(row: Row) -> GPUPrice:
    size = row["gpus_per_instance"]
    return GPUPrice(
        accelerator=row["accelerator"],
        provider=row["provider"],
        purchase_model=row["purchase_model"],
        usd_per_gpu_hour=float(row["usd_per_gpu_hour"]),
        as_of=dt.date.fromisoformat(row["as_of"]),
        source=row["source_url"],
        region=row["region"],
        instance_type=row["instance_type"],
        gpus_per_instance=int(size) if size else None,
        note=row["note"],
    )
