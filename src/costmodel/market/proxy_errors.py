"""Errors of price proxies on accelerators whose price is known: each is predicted without its own prices."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import median
from costmodel.market.gpu_prices import MARKET_WINDOW, traced_by_accelerator, vintage
from costmodel.market.price_proxies import (
    EARLIER,
    LEAST_RATIOS,
    OLDEST,
    RELATED,
    list_prices,
    market_prices,
    related_price,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from costmodel.foundation.tables import Table
    from costmodel.market.gpu_prices import GPUPrice

RATIOS = ("spot", "marketplace", "reserved_short", "reserved_1y", "reserved_3y")
"""Purchase models whose price is compared with that on demand."""
NEAR_IN_TIME = dt.timedelta(days=90)
"""Largest difference of the days of two prices whose ratio is taken."""
MONTHS = (1, 7)
"""Months on whose first day prices are predicted, besides the day of the newest price."""


class ProxyCase(NamedTuple):
    """A known price and its proxy [USD/hour]."""

    kind: str
    """"relatives", "earlier", or a purchase model that is predicted from the price on demand."""
    accelerator: str
    day: dt.date
    predicted: float
    measured: float

    @property
    def log_error(self) -> float:
        """ln(predicted / measured) [1]."""
        return math.log(self.predicted / self.measured)


def proxy_cases(facts: Table | None = None) -> list[ProxyCase]:
    """Return all known prices that can be predicted from other prices.

    The price of an accelerator is predicted from its relatives on the first day of each half year, in the market and
    in the lists of hyperscalers; from its own price of more than 180 days earlier; and a price of another purchase
    model from the price on demand of the same provider, with the ratio of the other accelerators.

    Parameters
    ----------
    facts : Table, optional
        A price table; by default that of the library.
    """
    days = _days(facts)
    markets = {day: _values(market_prices(day, facts=facts)) for day in days}
    cases: list[ProxyCase] = []
    for day in days:
        for known in (markets[day], _values(list_prices(day, facts=facts))):
            cases += _related(known, day)
        cases += _earlier(markets[day], day, facts)
    for model in RATIOS:
        cases += _ratios(model, facts)
    return cases


def spread_of(cases: Iterable[ProxyCase], without: str = "") -> float:
    """Return the root mean square of the ln errors, in which each accelerator has the same weight [1].

    Parameters
    ----------
    cases : iterable of ProxyCase
        Cases of one kind.
    without : str
        An accelerator to leave out.
    """
    squares = [
        sum(case.log_error**2 for case in own) / len(own)
        for name, own in by_accelerator(cases).items()
        if name != without
    ]
    return math.sqrt(sum(squares) / len(squares)) if squares else math.nan


def by_accelerator(cases: Iterable[ProxyCase]) -> dict[str, list[ProxyCase]]:
    """Return cases by accelerator.

    Parameters
    ----------
    cases : iterable of ProxyCase
    """
    grouped: dict[str, list[ProxyCase]] = {}
    for case in cases:
        grouped.setdefault(case.accelerator, []).append(case)
    return grouped


def ratios(model: str, facts: Table | None = None) -> dict[str, list[tuple[GPUPrice, GPUPrice]]]:
    """Return pairs of prices of one provider by accelerator: that of a purchase model, and that on demand.

    Parameters
    ----------
    model : str
        A purchase model other than on demand.
    facts : Table, optional
        A price table; by default that of the library.
    """
    pairs: dict[str, list[tuple[GPUPrice, GPUPrice]]] = {}
    for name, prices in traced_by_accelerator(facts).items():
        for price in (each for each in prices if each.purchase_model == model):
            near = [
                other
                for other in prices
                if other.purchase_model == "on_demand"
                and other.provider == price.provider
                and abs(other.as_of - price.as_of) <= NEAR_IN_TIME
            ]
            if near:
                on_demand = min(
                    near,
                    key=lambda other: (
                        other.region != price.region,
                        other.instance_type != price.instance_type,
                        abs(other.as_of - price.as_of),
                        other.usd_per_gpu_hour,
                    ),
                )
                pairs.setdefault(name, []).append((price, on_demand))
    return pairs


def usual_ratio(pairs: Mapping[str, Sequence[tuple[GPUPrice, GPUPrice]]], without: str = "") -> float:
    """Return the median over accelerators of the mean ratio to the price on demand [1].

    Parameters
    ----------
    pairs : mapping
        As `ratios` returns them.
    without : str
        An accelerator to leave out.
    """
    means = [
        sum(math.log(price.usd_per_gpu_hour / on_demand.usd_per_gpu_hour) for price, on_demand in own) / len(own)
        for name, own in pairs.items()
        if name != without
    ]
    return math.exp(median(means))


def _days(facts: Table | None) -> list[dt.date]:
    last = vintage(facts)
    first = min(price.as_of for prices in traced_by_accelerator(facts).values() for price in prices)
    grid = [dt.date(year, month, 1) for year in range(first.year, last.year + 1) for month in MONTHS]
    return [*(day for day in grid if first <= day < last), last]


def _values(prices: Mapping[str, GPUPrice]) -> dict[str, float]:
    return {name: price.usd_per_gpu_hour for name, price in prices.items()}


def _related(known: Mapping[str, float], day: dt.date) -> list[ProxyCase]:
    cases = []
    for name, measured in known.items():
        try:
            cases.append(ProxyCase(RELATED, name, day, related_price(name, known).usd_per_gpu_hour, measured))
        except MissingFactError:
            continue
    return cases


def _earlier(known: Mapping[str, float], day: dt.date, facts: Table | None) -> list[ProxyCase]:
    cases = []
    for name, measured in known.items():
        before = [
            price.as_of
            for price in traced_by_accelerator(facts)[name]
            if price.in_market and price.purchase_model == "on_demand" and MARKET_WINDOW < day - price.as_of <= OLDEST
        ]
        if before:
            predicted = market_prices(max(before), facts=facts)[name].usd_per_gpu_hour
            cases.append(ProxyCase(EARLIER, name, day, predicted, measured))
    return cases


def _ratios(model: str, facts: Table | None) -> list[ProxyCase]:
    pairs = ratios(model, facts)
    if len(pairs) < LEAST_RATIOS:
        return []
    return [
        ProxyCase(
            model,
            name,
            price.as_of,
            on_demand.usd_per_gpu_hour * usual_ratio(pairs, name),
            price.usd_per_gpu_hour,
        )
        for name, own in pairs.items()
        for price, on_demand in own
    ]
