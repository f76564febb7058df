"""The options of money, and results and cells in the currency that they ask for."""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import currency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MONEY: ContextVar[tuple[str, str | None] | None] = ContextVar("money", default=None)
"""Currency and exchange rate of the printed amounts; None for US dollars."""
_CURRENCY_HELP = "Print amounts in EUR, GBP or CNY; default: US dollars."
_RATE_HELP = "Amount of the currency for one dollar; default: the newest listed monthly mean."
_CODES = {"€": "EUR", "£": "GBP"}
_WRITTEN = re.compile(r"(?<![A-Za-z])([kKMBT]?)((?i:EUR|GBP|CNY)|€|£)(?![A-Za-z])")
"""A currency other than US dollars, with the letter of its scale."""
_DATED = re.compile(r"\son\s+\d{4}-\d\d-\d\d\s*$")
"""The day of an exchange rate, which turns an amount into US dollars."""
_WITH_CENTS = 100.0
"""Amount below which cents are printed."""


class GivenSum(NamedTuple):
    """A sum of money of an option, in US dollars and in the currency of the printed amounts."""

    usd: float
    """The sum [USD]."""
    amount: float
    """The sum in the currency."""
    currency: str
    """Code of the currency of the printed amounts."""

    def __str__(self) -> str:
        digits = 0 if self.amount >= _WITH_CENTS or self.amount == int(self.amount) else 2
        return f"{self.amount:,.{digits}f} {self.currency}"


def given_sum(option: str, written: str) -> GivenSum:
    """Return a sum of money that an option gives: in the currency of `--currency`, unless another one is written.

    Parameters
    ----------
    option : str
        The option, for the message.
    written : str
        Such as "75k", "75k EUR", "$75k", or "75k EUR on 2026-06-15" (in US dollars, at the mean of the month).
    """
    from costmodel.budget.amounts import usd
    from costmodel.foundation.exchange_rates import exchange_rate

    asked = _MONEY.get()
    code = "USD" if asked is None else asked[0].strip().upper()
    per_usd = 1.0 if asked is None else exchange_rate(asked[0], rate=asked[1]).per_usd
    named = None if _DATED.search(written) else _WRITTEN.search(written)
    if named is not None:
        other = _CODES.get(named[2], named[2].upper())
        if other != code:
            raise InputError(
                f"{option}: {written!r} is in {other}, and amounts are printed in {code}; add --currency {other}, or "
                f"give the sum in {code}"
            )
        amount = usd(option, _WRITTEN.sub(r"\1$", written))
    elif _DATED.search(written) or "$" in written or "usd" in written.lower() or "dollar" in written.lower():
        amount = usd(option, written) * per_usd
    else:
        amount = usd(option, written)
    if not amount:
        raise InputError(f"{option}: must be a sum above 0; got {written!r}")
    return GivenSum(amount / per_usd, amount, code)


def money_options(taken: Iterable[str]) -> dict[str, Any]:
    """Return the options of a command that prints money, by parameter.

    Parameters
    ----------
    taken : iterable of str
        Parameters of the command; `--rate` is only there if it is none of them.
    """
    names = ["--exchange-rate"] if "rate" in taken else ["--exchange-rate", "--rate"]
    return {
        "currency": Annotated[str | None, typer.Option("--currency", help=_CURRENCY_HELP)],
        "exchange_rate": Annotated[str | None, typer.Option(*names, help=_RATE_HELP)],
    }


@contextmanager
def money(currency: str | None, rate: str | None) -> Iterator[None]:
    """Print amounts in the currency of `--currency` at the rate of `--exchange-rate` within the context."""
    if currency is None and rate is not None:
        raise InputError(f"--exchange-rate: needs --currency; got {rate!r} alone")
    token = _MONEY.set(None if currency is None else (currency, rate))
    try:
        yield
    finally:
        _MONEY.reset(token)


def is_converted() -> bool:
    """Return whether `--currency` is given."""
    return _MONEY.get() is not None


def in_currency(result: Any) -> Any:
    """Return a result in the currency that is asked for; as it is if it has no amounts of US dollars."""
    asked = _MONEY.get()
    if asked is None or not hasattr(result, "in_currency") or getattr(result, "currency", "USD") != "USD":
        return result
    return result.in_currency(asked[0], rate=asked[1])


@contextmanager
def cells_in_currency() -> Iterator[None]:
    """Render amounts of US dollars in the currency that is asked for within the context."""
    asked = _MONEY.get()
    if asked is None:
        yield
        return
    from costmodel.foundation.exchange_rates import exchange_rate

    found = exchange_rate(asked[0], rate=asked[1])
    with currency(found.currency, found.per_usd):
        yield
