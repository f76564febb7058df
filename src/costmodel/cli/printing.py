"""The options of money, and the printing of JSON schemas."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.foundation.errors import InputError
from costmodel.foundation.exchange_rates import exchange_rate
from costmodel.foundation.rendering import currency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    found = exchange_rate(asked[0], rate=asked[1])
    with currency(found.currency, found.per_usd):
        yield


_SCHEMA_WIDTH = 149
"""Width of a printed JSON schema without the comma at the end of a line [character]."""


def print_schema(value: Mapping[str, Any]) -> None:
    """Print a JSON schema: each part that fits on a line of 150 characters on one line."""
    print(_laid_out(value, 0, 0))


def _laid_out(value: Any, indent: int, column: int) -> str:
    line = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or column + len(line) <= _SCHEMA_WIDTH:
        return line
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    parts = value.values() if isinstance(value, dict) else value
    start, end = "{}" if isinstance(value, dict) else "[]"
    space = " " * (indent + 2)
    lines = [
        f"{space}{name}{_laid_out(part, indent + 2, indent + 2 + len(name))}"
        for name, part in zip(names, parts, strict=True)
    ]
    return "\n".join([start, ",\n".join(lines), " " * indent + end])
