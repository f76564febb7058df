"""Consumer prices of the United States, and the deflator between dollars of two years."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.ranges import draws
from costmodel.foundation.tables import default, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


FORECAST_YEARS = 200
"""Most years after the newest index for which inflation is assumed [year]."""


@lru_cache(maxsize=1)
def price_index() -> dict[int, float]:
    """Return the mean of the monthly consumer price index (CPI-U) by year.

    Examples
    --------
    >>> index = price_index()
    >>> round(index[2024] / index[2020], 3)
    1.212
    """
    return {int(row["year"]): float(row["index"]) for row in table("facts/consumer_prices").rows}


def deflator(year: int, base_year: int, count: int, seed: int) -> Array:
    """Return the price level of a year over that of the base year, shape (count,) [1].

    Nominal dollars of `year` = dollars of `base_year` × deflator. Years after the newest index take the assumed
    inflation (`inflation` in `data/assumptions/defaults.csv`), which is the same in all years of a draw.

    Parameters
    ----------
    year : int
        Year of the amount.
    base_year : int
        Year of the dollars.
    count : int
        Number of draws [1].
    seed : int
        Seed of the draws.

    Raises
    ------
    MissingFactError
        If a year is before the first index.
    """
    return _level(year, count, seed) / _level(base_year, count, seed)


def _level(year: int, count: int, seed: int) -> Array:
    import numpy as np

    index = price_index()
    if year < min(index):
        raise MissingFactError(f"consumer prices are known from {min(index)} on; got {year}")
    newest = max(index)
    if year > newest + FORECAST_YEARS:
        raise InputError(f"consumer prices are forecast up to {newest + FORECAST_YEARS}; got {year}")
    if year <= newest:
        return np.full(count, index[year])
    spread = default("inflation").spread
    assert spread is not None
    return index[newest] * (1.0 + draws("inflation", spread, count, seed)) ** (year - newest)
