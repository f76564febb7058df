"""Prices per GPU-hour by which publications turned the GPU-hours of their own runs into dollars."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.tables import Row, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.dated import up_to
from costmodel.market.gpu_prices import GPUPrice

MULTIPLIED = "cost=hours*rate"
"""Entry of the column `circular` of a run whose published cost is its GPU-hours times a price."""
_DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?$")


def published_price(accelerator: str, on: dt.date | str | None = None) -> GPUPrice:
    """Return the price per GPU-hour of the newest publication about a run on an accelerator, on or before a day.

    Parameters
    ----------
    accelerator : str
        Name or alias of the catalog.
    on : datetime.date or str, optional
        The day; by default the newest publication.

    Returns
    -------
    GPUPrice
        `.provider` names the run and the author of the price.

    Raises
    ------
    MissingFactError
        If no publication by that day names a price for the accelerator.

    Examples
    --------
    >>> price = published_price("H800-SXM")
    >>> price.usd_per_gpu_hour, price.provider
    (2.0, 'deepseek-r1, DeepSeek (Nature suppl.) at $2/h')
    """
    name = load_accelerator(accelerator).name
    prices = _published().get(name)
    if prices is None:
        raise MissingFactError(
            f"no publication names the price of a GPU-hour of {name}; known for: {', '.join(sorted(_published()))}"
        )
    return up_to(prices, on, f"published price of {name}")[0]


def price_of_run(row: Row) -> GPUPrice | None:
    """Return the price per GPU-hour of a published run; None if its cost is not GPU-hours times a price.

    Parameters
    ----------
    row : Row
        Row of `data/measurements/published_runs.csv`.
    """
    date = _DATE.match(row["priced_on"] or row["date"])
    multiplied = MULTIPLIED in row["circular"] and row["cost_basis"] == "rental" and row["cost_scope"] == "final_run"
    if not (multiplied and date and row["chip_hours"] and row["cost_usd"] and row["accelerator"]):
        return None
    price = float(row["cost_usd"]) / float(row["chip_hours"])
    day = dt.date(int(date[1]), int(date[2]), int(date[3] or 1))
    by = f"{row['id']}, {row['cost_by']}"
    return GPUPrice(row["accelerator"], by, "published", float(f"{price:.3g}"), day, row["source"])


@lru_cache(maxsize=1)
def _published() -> dict[str, list[GPUPrice]]:
    prices: dict[str, list[GPUPrice]] = {}
    for row in table("measurements/published_runs").rows:
        if (price := price_of_run(row)) is not None:
            prices.setdefault(price.accelerator, []).append(price)
    return prices
