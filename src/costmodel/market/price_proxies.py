"""Prices of GPU-hours that no provider is known to ask: proxies from the nearest known prices, with their error.

A proxy stands in for a market price that is not in the price table. It always names what it was taken from. In this
order: the last price of the accelerator itself; the list price of hyperscalers where nobody else rents it; the prices
of the accelerators that are nearest in peak, memory bandwidth and memory. Another purchase model than on demand is
its usual ratio to the price on demand. The errors are measured on accelerators whose price is known
(`costmodel validate price_proxies`).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Interval, between, median, normal_quantile
from costmodel.foundation.tables import Table, constant, default, table
from costmodel.hardware.accelerator import accelerator_names, load_accelerator
from costmodel.market.dated import day_of
from costmodel.market.gpu_prices import (
    HYPERSCALERS,
    MARKET,
    MARKET_WINDOW,
    GPUPrice,
    gpu_price,
    newest_of_providers,
    traced_by_accelerator,
    vintage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OLDEST = dt.timedelta(days=constant("oldest_proxy"))
RELATIVES = int(constant("price_relatives"))
FARTHEST = constant("farthest_relative")
SOFTENING = constant("relative_softening")
EARLIER, RELATED = "earlier", "relatives"
"""Rows of `data/fitted/price_proxies.csv` besides those of the purchase models."""
LEAST_RATIOS = 5
"""Accelerators from which a ratio of purchase models is taken at least [1]."""


class Capability(NamedTuple):
    """What the price of an accelerator is compared by: logarithms of the figures of the catalog."""

    peak: float
    """ln of the dense 16-bit peak [TFLOP/s]."""
    bandwidth: float
    """ln of the memory bandwidth [GB/s]."""
    memory: float
    """ln of the memory as marketed [GB]."""


class Related(NamedTuple):
    """A price from relatives [USD/hour], and their names, the nearest first."""

    usd_per_gpu_hour: float
    names: tuple[str, ...]


@lru_cache(maxsize=256)
def capability(accelerator: str) -> Capability:
    """Return what the price of an accelerator is compared by.

    Parameters
    ----------
    accelerator : str
        Name of the catalog.

    Raises
    ------
    MissingFactError
        If the peak, the memory bandwidth or the memory is not known.
    """
    data = load_accelerator(accelerator)
    figures = {"16-bit peak": data.bf16 or data.fp16, "memory bandwidth": data.memory_bandwidth, "memory": data.memory}
    if unknown := [name for name, value in figures.items() if not value]:
        raise MissingFactError(f"the catalog has no {' and no '.join(unknown)} of {data.name} to compare prices by")
    return Capability(*(math.log(float(value)) for value in figures.values() if value))


def distance(one: Capability, other: Capability) -> float:
    """Return the distance of two accelerators: root of the sum of the squared log ratios [1].

    Parameters
    ----------
    one, other : Capability
    """
    return math.dist(one, other)


def related_price(accelerator: str, prices: Mapping[str, float]) -> Related:
    """Return the price of an accelerator from those of its nearest relatives [USD/hour].

    A relative gives three prices: its price per FLOP/s, per GB/s of memory bandwidth and per GB of memory, times the
    figure of the accelerator. Their geometric mean is the price that the relative gives. Of up to three relatives the
    mean of ln price is taken, a near one with more weight.

    Parameters
    ----------
    accelerator : str
        Name of the catalog.
    prices : mapping of float
        Known prices by accelerator [USD/hour]; that of the accelerator itself is not used.

    Raises
    ------
    MissingFactError
        If no accelerator with a price is near enough.
    """
    own = capability(accelerator)
    others = {name: known for name in prices if name != accelerator and (known := _capability_or_none(name))}
    near = sorted((distance(own, known), name) for name, known in others.items())
    chosen = [(away, name) for away, name in near[:RELATIVES] if away <= FARTHEST]
    if not chosen:
        raise MissingFactError(_too_far(accelerator, near))
    weights = [1 / (away + SOFTENING) for away, _ in chosen]
    logs = [
        math.log(prices[name]) + (sum(own) - sum(capability(name))) / len(own)  # the mean of three prices
        for _, name in chosen
    ]
    mean = sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)
    return Related(math.exp(mean), tuple(name for _, name in chosen))


def price_proxy(
    accelerator: str,
    purchase_model: str = "on_demand",
    on: dt.date | str | None = None,
    *,
    count: int | None = None,
    facts: Table | None = None,
) -> GPUPrice:
    """Return the proxy of a market price that is not known, with its spread and with what it was taken from.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog.
    purchase_model : str
        As for `gpu_price`.
    on : datetime.date or str, optional
        The day; by default the day of the newest price in the table.
    count : int, optional
        Accelerators needed, for prices that depend on the size of the instance [1].
    facts : Table, optional
        A price table; by default that of the library.

    Returns
    -------
    GPUPrice
        `.usd_per_gpu_hour` [USD/hour], `.proxy` (what it was taken from), `.spread` (80 % interval), `.facts`.

    Raises
    ------
    UnknownNameError
        If the accelerator is not in the catalog.
    MissingFactError
        If nothing near enough has a price, or the accelerator was not released on that day; the message says why.

    Examples
    --------
    >>> price_proxy("H800-SXM", on="2026-10-01").proxy
    'proxy from H100-SXM, GH200-96GB, H100-NVL: price per FLOP/s, GB/s and GB'
    """
    data, day = load_accelerator(accelerator), day_of(on) or vintage(facts)
    name = data.name
    if data.release_date is not None and day < data.release_date:
        raise MissingFactError(f"{name} was released on {data.release_date}, after {day}")
    listed = _list_price(name, purchase_model, day, count, facts)
    if purchase_model == "on_demand":
        return _earlier(name, day, count, facts) or listed or _from_relatives(name, day, count, facts)
    if listed is not None and day - listed.as_of <= MARKET_WINDOW:
        return listed
    return _from_on_demand(name, purchase_model, day, count, facts)


def proxy_figures() -> dict[str, dict[str, float]]:
    """Return value and spread of each kind of proxy: `data/fitted/price_proxies.csv`."""
    return {
        row["kind"]: {column: float(row[column]) for column in ("value", "spread")}
        for row in table("fitted/price_proxies").rows
    }


def market_prices(
    day: dt.date, purchase_model: str = "on_demand", count: int | None = None, facts: Table | None = None
) -> dict[str, GPUPrice]:
    """Return the market prices of a day by accelerator.

    Parameters
    ----------
    day : datetime.date
    purchase_model : str
        As for `gpu_price`.
    count : int, optional
        Accelerators needed [1].
    facts : Table, optional
        A price table; by default that of the library.
    """
    return dict(_market_prices(day, purchase_model, count, facts or table("gpu_prices")))


@lru_cache(maxsize=64)
def _market_prices(day: dt.date, purchase_model: str, count: int | None, facts: Table) -> dict[str, GPUPrice]:
    known = {}
    for name in traced_by_accelerator(facts):
        try:
            known[name] = gpu_price(name, MARKET, purchase_model, day, count=count, facts=facts)  # type: ignore[arg-type]
        except MissingFactError:
            continue
    return known


def list_prices(
    day: dt.date,
    purchase_model: str = "on_demand",
    count: int | None = None,
    facts: Table | None = None,
    window: dt.timedelta = MARKET_WINDOW,
) -> dict[str, GPUPrice]:
    """Return the median list prices of hyperscalers by accelerator, of prices up to a window before a day.

    Parameters
    ----------
    day : datetime.date
    purchase_model : str
        As for `gpu_price`.
    count : int, optional
        Accelerators needed [1].
    facts : Table, optional
        A price table; by default that of the library.
    window : datetime.timedelta
        Oldest age of a price.
    """
    return dict(_list_prices(day, purchase_model, count, facts or table("gpu_prices"), window))


@lru_cache(maxsize=64)
def _list_prices(
    day: dt.date, purchase_model: str, count: int | None, facts: Table, window: dt.timedelta
) -> dict[str, GPUPrice]:
    known = {}
    for name, prices in traced_by_accelerator(facts).items():
        own = [price for price in prices if price.provider in HYPERSCALERS and price.purchase_model == purchase_model]
        if newest := newest_of_providers(own, day, count, window):
            known[name] = _median(name, newest, day)
    return known


def _earlier(name: str, day: dt.date, count: int | None, facts: Table | None) -> GPUPrice | None:
    """Return the last market price before the window, on demand; None if it is too old."""
    prices = [price for price in _offers(name, facts) if price.as_of <= day and price.purchase_model == "on_demand"]
    prices = [price for price in prices if price.in_market and day - price.as_of <= OLDEST]
    if not prices:
        return None
    last = max(price.as_of for price in prices)
    found = gpu_price(name, MARKET, "on_demand", last, count=count, facts=facts)
    names = ", ".join(f"{fact.provider} {fact.usd_per_gpu_hour:g}" for fact in found.facts)
    text = f"proxy from {name}: its price of {last} ({names} USD/h), {(day - last).days} days earlier"
    return _proxy(found, day, text, proxy_figures()[EARLIER]["spread"])


def _list_price(
    name: str, purchase_model: str, day: dt.date, count: int | None, facts: Table | None
) -> GPUPrice | None:
    """Return the newest list price of hyperscalers, if nobody else has rented the accelerator; else None."""
    if any(price.in_market and price.as_of <= day for price in _offers(name, facts)):
        return None
    found = list_prices(day, purchase_model, count, facts, OLDEST).get(name)
    if found is None:
        return None
    names = ", ".join(sorted(fact.provider for fact in found.facts))
    text = f"proxy from {name}: list price of {names} of {found.as_of}; no other provider is known"
    assumed = default("market_price_factor").spread
    assert assumed is not None  # the default has a range
    recent = math.log(assumed.quantile(0.9)) / normal_quantile(0.9)
    return _proxy(
        found, day, text, recent if day - found.as_of <= MARKET_WINDOW else proxy_figures()[EARLIER]["spread"]
    )


def _from_relatives(name: str, day: dt.date, count: int | None, facts: Table | None) -> GPUPrice:
    """Return the price from relatives in the market, or else from list prices of hyperscalers."""
    reasons = []
    for prices, what in (
        (market_prices(day, "on_demand", count, facts), ""),
        (list_prices(day, "on_demand", count, facts), "list "),
    ):
        try:
            related = related_price(name, {each: price.usd_per_gpu_hour for each, price in prices.items()})
        except MissingFactError as error:
            reasons.append(str(error))
            continue
        used = tuple(prices[each] for each in related.names)
        text = f"proxy from {', '.join(related.names)}: {what}price per FLOP/s, GB/s and GB"
        price = GPUPrice(
            accelerator=name,
            provider=MARKET,
            purchase_model="on_demand",
            usd_per_gpu_hour=related.usd_per_gpu_hour,
            as_of=max(each.as_of for each in used),
            source="data/gpu_prices.csv",
            facts=used,
        )
        return _proxy(price, day, text, proxy_figures()[RELATED]["spread"])
    raise MissingFactError(reasons[0])


def _from_on_demand(name: str, purchase_model: str, day: dt.date, count: int | None, facts: Table | None) -> GPUPrice:
    """Return the price on demand times the usual ratio of a purchase model to it."""
    figures = proxy_figures().get(purchase_model)
    words = purchase_model.replace("_", " ")
    if figures is None:
        raise MissingFactError(f"fewer than {LEAST_RATIOS} accelerators have prices {words} and on demand")
    try:
        price = gpu_price(name, MARKET, "on_demand", day, count=count, facts=facts)
        begin = f"proxy from {name}:"
    except MissingFactError:
        price = price_proxy(name, "on_demand", day, count=count, facts=facts)
        begin = f"{price.proxy};"
    assert price.spread is not None  # prices of the market and proxies have one
    spread = math.hypot(math.log(price.spread.high / price.spread.low) / 2 / normal_quantile(0.9), figures["spread"])
    text = f"{begin} price on demand × {figures['value']:.2f}, the usual ratio of {words} to on demand"
    changed = replace(price, purchase_model=purchase_model, usd_per_gpu_hour=price.usd_per_gpu_hour * figures["value"])
    return _proxy(changed, day, text, spread)


def _proxy(price: GPUPrice, day: dt.date, text: str, spread: float) -> GPUPrice:
    """Return a price as a proxy with a standard deviation of ln price."""
    return replace(price, on=day, proxy=text, spread=lognormal(price.usd_per_gpu_hour, spread))


def lognormal(value: float, spread: float) -> Interval:
    """Return the 80 % interval around a median, from the standard deviation of its logarithm.

    Parameters
    ----------
    value : float
        The median.
    spread : float
        Standard deviation of the logarithm [1].
    """
    factor = math.exp(spread * normal_quantile(0.9))
    return between(value / factor, value * factor).settled("lognormal")


def _median(name: str, prices: Iterable[GPUPrice], day: dt.date) -> GPUPrice:
    """Return the median of list prices."""
    used = tuple(prices)
    return GPUPrice(
        accelerator=name,
        provider="list",
        purchase_model=used[0].purchase_model,
        usd_per_gpu_hour=median([price.usd_per_gpu_hour for price in used]),
        as_of=max(price.as_of for price in used),
        source="list prices of hyperscalers",
        on=day,
        facts=used,
    )


def _offers(name: str, facts: Table | None) -> list[GPUPrice]:
    return traced_by_accelerator(facts).get(name, [])


def _capability_or_none(name: str) -> Capability | None:
    if accelerator_names().proper(name) is None:
        return None
    try:
        return capability(name)
    except MissingFactError:
        return None


def _too_far(accelerator: str, near: list[tuple[float, str]]) -> str:
    if not near:
        return "no other accelerator has a price on that day"
    away, nearest = near[0]
    return (
        f"the nearest accelerator with a price, {nearest}, differs from {accelerator} too much "
        f"in peak, memory bandwidth and memory (distance {away:.1f}, at most {FARTHEST:g})"
    )
