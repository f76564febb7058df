"""Price per GPU-hour of a published run: on demand or by contract on its day, or by its own publication."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, get_args

from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.published_prices import price_of_run
from costmodel.market.rental import PriceConvention, Rental

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row

_NEVER = Rental(on=dt.date(1970, 1, 1))
"""A rental before all prices: an estimate with it has no cost."""


def check_convention(price: str) -> None:
    """Raise `InputError` unless a name is a price convention.

    Parameters
    ----------
    price : str
        "on_demand", "contract" or "published".
    """
    if price not in get_args(PriceConvention):
        raise InputError(f"price: {unknown('price convention', price, get_args(PriceConvention))}")


def rental(
    accelerator: str,
    on: dt.date | None,
    count: int,
    price: PriceConvention = "on_demand",
    row: Row | None = None,
) -> tuple[Rental, str]:
    """Return the rental price of an accelerator on a day, and the source of the price.

    Parameters
    ----------
    accelerator : str
        Name in the catalog.
    on : datetime.date, optional
        Day of the price; None if it is not known.
    count : int
        Number of accelerators.
    price : str
        Convention: "on_demand", "contract" or "published"; see `Rental`.
    row : Row, optional
        Row of `data/measurements/published_runs.csv`, for the price that its own publication used.

    Returns
    -------
    rental : Rental
        If no price is known, an estimate with this rental has no cost.
    price_source : str
        Such as "market on 2024-07-01: 2.49 USD/h", the proxy with what it was taken from, or why no price is known.
    """
    if price == "published":
        own = None if row is None else price_of_run(row)
        if own is None:
            return _NEVER, "the publication names no price of a GPU-hour"
        return Rental(price=own.usd_per_gpu_hour), f"published ({own.provider}): {own.usd_per_gpu_hour:.2f} USD/h"
    if on is None:
        return _NEVER, "the day of the run is not known, so its price is not known"
    name, query = load_accelerator(accelerator).name, Rental(on=on, convention=price)
    try:
        known = query.lookup_or_proxy(name, count)
    except MissingFactError as error:
        return query, str(error)
    return query, f"{known.proxy or known.provider} on {on}: {known.usd_per_gpu_hour:.2f} USD/h"
