"""Rental price of the accelerators of a published run on its day."""

from __future__ import annotations

import datetime as dt

from costmodel.foundation.errors import MissingFactError
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.gpu_prices import gpu_price
from costmodel.market.rental import Rental

PRICED_AS = {"H800-SXM": "H100-SXM"}
"""Devices of which no rental price is known, and the one that stands in: the H800 is an H100 whose NVLink was cut
to 400 GB/s for export (data/facts/accelerators.csv)."""
RENTED_BY_MAKER = {"TPU": "gcp"}
"""Devices that nobody but their maker rents, by the beginning of their names: its list price is their market."""


def rental(accelerator: str, on: dt.date | None, count: int) -> tuple[Rental, str]:
    """Return the price of the market on a day, and whose it is; or why there is none.

    Parameters
    ----------
    accelerator : name in the catalog
    on : the day; None where it is not known
    count : accelerators

    Returns
    -------
    rental : on demand; one that knows no price leaves the cost of an estimate missing
    whose : "market of 2024-07-01: ...", or the reason why there is none
    """
    if on is None:
        return Rental(on=dt.date(1970, 1, 1)), "the day of the run is not known, so no price is"
    name = load_accelerator(accelerator).name
    priced = PRICED_AS.get(name, name)
    maker = next((provider for begin, provider in RENTED_BY_MAKER.items() if name.startswith(begin)), None)
    asked = Rental(on=on) if maker is None else Rental(provider=maker, on=on)
    try:
        found = gpu_price(priced, asked.provider, on=on, count=count)
    except MissingFactError as error:
        return asked, str(error)
    whose = f"{found.provider} on {on}: {found.usd_per_gpu_hour:.2f} USD/h"
    if priced == name:
        return asked, whose
    price = found.spread if found.spread is not None else found.usd_per_gpu_hour
    return Rental(price=price), f"{whose} of {priced}, none of {name} is known"
