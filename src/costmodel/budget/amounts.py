"""Amounts, probabilities and shares of a budget: checks, and rounding to the cent."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Interval, Range, middle
from costmodel.foundation.units import is_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.foundation.fields import NumberLike
    from costmodel.foundation.units import Quantity

_MONEY = Measure("USD", 0.0, 1e18, uncertain=False)
_NO_CENTS = 1e15
"""Amounts from which a 64-bit float cannot hold cents [USD]."""


def usd(name: str, amount: NumberLike) -> float:
    """Return an amount in USD of a number or a text.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    amount : float or str
        Amount [USD], such as 75_000 or "75k".
    """
    try:
        value = _MONEY.validate(amount)
    except InputError as error:
        raise InputError([f"{name}: {problem}" for problem in error.problems]) from None
    assert isinstance(value, float)
    return value


def amount_of(name: str, amount: NumberLike | Quantity, currency: str) -> float:
    """Return an amount as a plain number in a currency; numbers and texts are taken as they are.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    amount : float, str or Quantity
        Amount, such as 75_000, "75k", or a quantity in the currency.
    currency : str
        Currency of the result.
    """
    if not is_quantity(amount):
        return usd(name, amount)
    given = str(getattr(amount, "units", ""))
    if given != currency:
        raise InputError(f"{name}: must be in {currency}; got {given}")
    return usd(name, float(getattr(amount, "magnitude", math.nan)))


def checked_probability(name: str, value: float) -> float:
    """Return a probability, or raise `InputError` if it is not between 0 and 1.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float
        Probability [1].
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name} must be a probability between 0 and 1; got {value!r}")
    return value


def mean_of_ends(share: float | Range) -> float:
    """Return a share, or the arithmetic mean of the ends of its range [1].

    Parameters
    ----------
    share : float or Range
        Share [1].
    """
    return (share.low + share.high) / 2 if isinstance(share, Interval) else middle(share)


def cents(amount: float) -> float:
    """Return an amount rounded to the cent [USD]; half a cent is rounded up, as in a spreadsheet.

    >>> cents(1.005), cents(2.675)
    (1.01, 2.68)
    """
    if abs(amount) >= _NO_CENTS:
        return amount
    return float(Decimal(f"{amount:.15g}").quantize(Decimal("0.01"), ROUND_HALF_UP))


def sum_of(amounts: Iterable[float]) -> float:
    """Return a sum, rounded to the cent [USD].

    Parameters
    ----------
    amounts : Iterable
        Amounts [USD].
    """
    return cents(math.fsum(amounts))
