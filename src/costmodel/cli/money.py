"""The options of money, and results and cells in the currency that they ask for."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import currency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MONEY: ContextVar[tuple[str, str | None] | None] = ContextVar("money", default=None)
"""Currency and exchange rate of the printed amounts; None for US dollars."""
_CURRENCY_HELP = "Print amounts in EUR, GBP or CNY; default: US dollars."
_RATE_HELP = "Amount of the currency for one dollar; default: the newest listed monthly mean."


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
