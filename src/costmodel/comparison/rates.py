"""Rental price of the accelerators of a published run on its day."""

from __future__ import annotations

import datetime as dt

from costmodel.foundation.errors import MissingFactError
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.gpu_prices import gpu_price
from costmodel.market.rental import Rental

PRICED_AS = {"H800-SXM": "H100-SXM"}
"""Accelerators without a known rental price, and the accelerator that sets their price. The H800 is an H100 with NVLink
reduced to 400 GB/s for export (data/facts/accelerators.csv)."""
RENTED_BY_MAKER = {"TPU": "gcp"}
"""Accelerators that only their maker rents, by the first letters of their names, and the provider. The list price of
that provider is used."""


def rental(accelerator: str, on: dt.date | None, count: int) -> tuple[Rental, str]:
    """Return the on-demand rental price of an accelerator on a day, and the source of the price.

    Parameters
    ----------
    accelerator : str
        Name in the catalog.
    on : datetime.date, optional
        Day of the price; None if it is not known.
    count : int
        Number of accelerators.

    Returns
    -------
    rental : Rental
        On-demand rental. If no price is known, an estimate with this rental has no cost.
    price_source : str
        Such as "market on 2024-07-01: 2.49 USD/h", or why no price is known.
    """
    if on is None:
        return Rental(on=dt.date(1970, 1, 1)), "the day of the run is not known, so its price is not known"
    name = load_accelerator(accelerator).name
    priced = PRICED_AS.get(name, name)
    maker = next((provider for begin, provider in RENTED_BY_MAKER.items() if name.startswith(begin)), None)
    query = Rental(on=on) if maker is None else Rental(provider=maker, on=on)
    try:
        price = gpu_price(priced, query.provider, on=on, count=count)
    except MissingFactError as error:
        return query, str(error)
    price_source = f"{price.provider} on {on}: {price.usd_per_gpu_hour:.2f} USD/h"
    if priced == name:
        return query, price_source
    spread = price.spread if price.spread is not None else price.usd_per_gpu_hour
    return Rental(price=spread), f"{price_source} of {priced}; no price of {name} is known"
