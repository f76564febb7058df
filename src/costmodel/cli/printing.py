"""How does the command line print? Tables for people, JSON for machines."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from costmodel.foundation.rendering import cells, text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def print_json(value: Any) -> None:
    """Print plain data as JSON; a number that is none is an error, not a result."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows as a table, or as JSON."""
    print(json.dumps(rows, indent=2, default=str) if as_json else text([cells(row) for row in rows]))
