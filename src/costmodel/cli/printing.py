"""Printing of the command line: tables for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import Shown, cells, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Currency = Annotated[
    str | None, typer.Option("--currency", help="Print amounts in EUR, GBP or CNY; default: US dollars.")
]
ExchangeRateOption = Annotated[
    str | None,
    typer.Option("--rate", help="Amount of the currency for one dollar; default: the newest listed monthly mean."),
]
_SCHEMA_WIDTH = 149
"""Width of a printed JSON schema without the comma at the end of a line [character]."""
_NARROWEST = 40
"""Least width to which a value is wrapped [character]."""


def print_json(value: Any) -> None:
    """Print plain data as JSON; NaN and infinity raise an error."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_result(result: Shown) -> None:
    """Print a result; on a terminal its title and notes are wrapped to the width of the terminal."""
    width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
    print(result.to_text(width))


def in_currency(result: Any, currency: str | None, rate: str | None) -> Any:
    """Return a result in the currency of `--currency` at the rate of `--rate`, or as it is."""
    if currency is None:
        if rate is not None:
            raise InputError(f"--rate: needs --currency; got {rate!r} alone")
        return result
    return result.in_currency(currency, rate=rate)


def print_lines(lines: Iterable[str]) -> None:
    """Print notes, one a line; on a terminal they are wrapped to its width."""
    width = max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None
    for line in lines:
        print(line if width is None else textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False))


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


def print_rows(rows: list[dict[str, Any]], as_json: bool, only_in_json: Collection[str] = ()) -> None:
    """Print rows as JSON, or as a table without the columns `only_in_json`."""
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
        return
    print(text([{name: cell for name, cell in cells(row).items() if name not in only_in_json} for row in rows]))


def fields_table(fields: Mapping[str, Any], footer: str = "") -> str:
    """Return a table of names and values, with long values wrapped to the width of the terminal."""
    names = max(len(name) for name in fields)
    width = max(shutil.get_terminal_size().columns - names - 2, _NARROWEST)
    rows = []
    for name, cell in cells(fields).items():
        lines = textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]
        rows += [{"": name if line == 0 else "", "value": part} for line, part in enumerate(lines)]
    return text(rows, footer=footer)
