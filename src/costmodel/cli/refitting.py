"""Refit of the generated tables: `costmodel refit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def refit(
    name: Annotated[
        str | None, typer.Argument(help="Name of a refit, or all; without it the refits are listed.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with the tables and write nothing.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="Folder to write to, or to compare with; the data of the repository by default.")
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Include the slow refits in 'all'.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the refits.")] = False,
) -> None:
    """Fit the generated tables of the library again.

    The fits use its measurements and prices.
    """
    from costmodel.cli.output import emit
    from costmodel.foundation.rendering import cells, text
    from costmodel.refit.registry import REFITS, chosen, listing, missing_inputs, write
    from costmodel.refit.registry import check as differences_of

    if show or name is None:
        rows = listing()
        emit("refits", text([cells(row) for row in rows]), data=lambda: rows, rows=lambda: rows)
        return
    failed = False
    for each in chosen(name, slow):
        if check and name == "all" and (missing := missing_inputs(each)):
            print(f"{each}: not checked, because the package is installed without {', '.join(missing)}")
            continue
        if check:
            lines = differences_of(each, to)
            failed |= bool(lines)
            equal = f"equal within a relative tolerance of {REFITS[each].tolerance:g}"
            print("\n".join(lines) if lines else f"{each}: {equal}")
            continue
        result = write(each, to)
        print(f"{each}: wrote {', '.join(f'{table}.csv' for table in result.tables)}")
        print("\n".join(f"  {line}" for line in result.summary))
    if failed:
        raise typer.Exit(1)
