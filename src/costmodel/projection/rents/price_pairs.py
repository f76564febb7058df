"""Pairs of rental prices of one offer at two dates: the observations of the fit and the backtest of rental paths."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.tables import Table, constant
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.gpu_prices import traced_prices
from costmodel.projection.rents.outlook import YEAR, price_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CLASSES = ("hyperscaler", "neocloud", "marketplace")
HORIZONS = {"3 months": 0.125, "6 months": 0.375, "1 year": 0.75, "2 years": 1.5, "3 years or more": 2.5}
"""Shortest time between the two prices of a pair, by the name of its horizon [year]."""
UNCHANGED = constant("unchanged_price")
"""Difference of the logarithms of two prices below which they count as equal [1]."""
NO_HOST = "GPU-only price"
"""Start of the note of a price without the host, which other prices include."""
FOREIGN = ("europe", "eu-", "asia-", "ap-", "FIN")
"""Starts of the names of regions outside the United States."""


class Pair(NamedTuple):
    """Two prices of one offer."""

    price_class: str
    """Price class of the offer."""
    accelerator: str
    """Name of the accelerator."""
    generation: str
    """Generation of the accelerator."""
    provider: str
    """Name of the provider."""
    purchase_model: str
    """On demand, spot or marketplace."""
    start: dt.date
    """Date of the first price."""
    end: dt.date
    """Date of the second price."""
    change: float
    """ln(second price / first price) [1]."""

    @property
    def years(self) -> float:
        """Time between the two prices [year]."""
        return (self.end - self.start).days / YEAR

    @property
    def series(self) -> tuple[str, str, str]:
        """The offer: accelerator, provider and purchase model."""
        return self.accelerator, self.provider, self.purchase_model

    @property
    def horizon(self) -> str:
        """Name of the horizon in `HORIZONS`."""
        return [name for name, shortest in HORIZONS.items() if shortest <= self.years][-1]


@dataclass(frozen=True, slots=True)
class PricePairs:
    """Pairs as arrays. All offers have equal weight, and so have all horizons of an offer."""

    pairs: tuple[Pair, ...]
    """The pairs."""
    change: Array
    """ln(second price / first price) of each pair [1]."""
    years: Array
    """Time between the prices of each pair [year]."""
    weight: Array
    """Weight of each pair [1]."""

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> PricePairs:
        """Return pairs with their weights, which add up to the number of offers."""
        import numpy as np

        cells: dict[tuple[tuple[str, str, str], str], int] = {}
        for pair in pairs:
            cells[pair.series, pair.horizon] = cells.get((pair.series, pair.horizon), 0) + 1
        horizons: dict[tuple[str, str, str], int] = {}
        for series, _ in cells:
            horizons[series] = horizons.get(series, 0) + 1
        weight = [1 / (cells[pair.series, pair.horizon] * horizons[pair.series]) for pair in pairs]
        return cls(
            tuple(pairs),
            np.array([pair.change for pair in pairs]),
            np.array([pair.years for pair in pairs]),
            np.array(weight),
        )


def price_pairs(facts: Table | None = None) -> list[Pair]:
    """Return all pairs of prices of one offer: an accelerator, a provider, and on demand, spot or marketplace.

    The price of a day is that of the cheapest instance in the United States or in no named region. Prices without a
    host, reserved prices, and pairs less than six weeks apart are left out.

    Parameters
    ----------
    facts : Table, optional
        Prices; the table of the library by default.
    """
    cheapest: dict[tuple[str, str, str], dict[dt.date, float]] = {}
    for row in traced_prices(facts).rows:
        model, day = row["purchase_model"], dt.date.fromisoformat(row["as_of"])
        if model.startswith("reserved") or row["region"].startswith(FOREIGN) or row["note"].startswith(NO_HOST):
            continue
        prices = cheapest.setdefault((row["accelerator"], row["provider"], model), {})
        prices[day] = min(prices.get(day, math.inf), float(row["usd_per_gpu_hour"]))
    shortest = min(HORIZONS.values())
    return [
        Pair(
            price_class(provider, model),
            accelerator,
            load_accelerator(accelerator).generation,
            provider,
            model,
            first,
            second,
            math.log(prices[second] / prices[first]),
        )
        for (accelerator, provider, model), prices in sorted(cheapest.items())
        for first, second in itertools.combinations(sorted(prices), 2)
        if (second - first).days / YEAR >= shortest
    ]


def windows(pairs: Sequence[Pair]) -> int:
    """Return the largest number of pairs whose periods do not overlap within an offer.

    Parameters
    ----------
    pairs : sequence of Pair
        Of one horizon.
    """
    last: dict[tuple[str, str, str], dt.date] = {}
    count = 0
    for pair in sorted(pairs, key=lambda pair: pair.end):
        if pair.series not in last or pair.start >= last[pair.series]:
            last[pair.series] = pair.end
            count += 1
    return count
