"""Commitments: prices derived from the price on demand by a discount, and the part of a commitment that is not used."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.arrays import largest
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Range, between, middle, normal_quantile
from costmodel.foundation.rendering import percent
from costmodel.foundation.tables import default, table

if TYPE_CHECKING:
    from costmodel.market.gpu_prices import GPUPrice, PurchaseModel

TERMS = {"reserved_1y": 365.25, "reserved_3y": 3 * 365.25}
"""Length of the commitments of purchase models [day]."""


class Discount(NamedTuple):
    """A share off the price on demand."""

    share: float
    """Share off [1]."""
    spread: Range | None
    """Distribution of the price with the discount / the price on demand [1]."""
    origin: str
    """Where the share comes from, in words."""
    source: str = ""
    """Source of a published share."""


def given_discount(share: float | Range) -> Discount:
    """Return a discount that is given.

    Parameters
    ----------
    share : float or Range
        Share off the price on demand [1].
    """
    if not isinstance(share, Range):
        return Discount(share, None, "a given discount")
    paid = between(1 - share.quantile(0.9), 1 - share.quantile(0.1), level=0.8).settled("lognormal")
    return Discount(middle(share), paid, "a given discount")


def published_discount(provider: str, purchase_model: PurchaseModel) -> Discount:
    """Return the mean discount of a provider for a commitment, with the error of prices that are derived from it.

    Parameters
    ----------
    provider : str
        Provider, as the price table spells it.
    purchase_model : str
        "reserved_1y" or "reserved_3y".

    Raises
    ------
    MissingFactError
        If none is published.

    Examples
    --------
    >>> published_discount("aws", "reserved_1y").share
    0.41
    """
    rows = table("facts/commitment_discounts").rows
    for row in rows:
        if (row["provider"], row["purchase_model"]) == (provider, purchase_model):
            share, error = float(row["discount"]), default("commitment_price_factor").spread
            spread = None if error is None else error.scaled(1 - share, "")
            origin = f"the mean discount of {provider} for {_term(purchase_model)}"
            return Discount(share, spread, origin, row["source"])
    known = ", ".join(dict.fromkeys(row["provider"] for row in rows))
    raise MissingFactError(
        f"no published discount of {provider} for {purchase_model} is known; those of {known} for reserved_1y and "
        "reserved_3y are"
    )


def discounted(price: GPUPrice, purchase_model: PurchaseModel, discount: Discount) -> GPUPrice:
    """Return a price that is derived from the price on demand, marked as such.

    Parameters
    ----------
    price : GPUPrice
        Price on demand.
    purchase_model : str
        Purchase model of the derived price.
    discount : Discount
    """
    usd = price.usd_per_gpu_hour * (1 - discount.share)
    where = f"{price.provider} {price.region}".strip()
    text = (
        f"derived from the price on demand of {where} of {price.as_of} ({price.usd_per_gpu_hour:.4g} USD/h): "
        f"{percent(discount.share)} off, {discount.origin}"
    )
    text = f"{text}; {price.proxy}" if price.proxy else text
    widths = [math.log(spread.quantile(0.9) / spread.median()) for spread in (price.spread, discount.spread) if spread]
    error = math.hypot(*widths) / normal_quantile(0.9)
    factor = math.exp(error * normal_quantile(0.9))
    source = " ; ".join(part for part in (price.source, discount.source) if part)
    spread = between(usd / factor, usd * factor).settled("lognormal") if widths else None
    return replace(price, purchase_model=purchase_model, usd_per_gpu_hour=usd, proxy=text, source=source, spread=spread)


def unused_commitment(gpu_seconds: Any, count: Any, seconds: Any, billed: Any, price: Any) -> Any:
    """Return the cost of the part of a commitment that a run does not use [USD].

    Parameters
    ----------
    gpu_seconds : float or ndarray
        GPU time of the run [s].
    count : float or ndarray
        Accelerators [1].
    seconds : float or ndarray
        Length of the commitment [s].
    billed : float or ndarray
        Share of the unused part that the run is billed [1].
    price : float or ndarray
        Price of a GPU-second [USD/s].
    """
    return largest(count * seconds - gpu_seconds, 0.0) * billed * price


def _term(purchase_model: str) -> str:
    years = round(TERMS[purchase_model] / TERMS["reserved_1y"])
    return "one year" if years == 1 else f"{years} years"
