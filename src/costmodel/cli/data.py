"""The command `costmodel data`: list the tables of the library, check them, print their documentation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.output import emit, stoppable, with_output
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import cells, text

if TYPE_CHECKING:
    from costmodel.validation.tables import TableCheck

data = typer.Typer(
    help="List, check and document the tables of the library.", no_args_is_help=True, rich_markup_mode=None
)


@data.command("list")
@with_output
def list_tables() -> None:
    """List the tables with their rows, newest date and source."""
    from costmodel.validation.data_readme import table_rows

    rows = table_rows()
    emit("data-list", text([cells(row) for row in rows]), data=lambda: rows, rows=lambda: rows)


@data.command("check")
@with_output
def check(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables such as prices/api, or files with --as; all tables by default.")
    ] = None,
    schema: Annotated[str | None, typer.Option("--as", help="The table whose schema the given files follow.")] = None,
    today: Annotated[str | None, typer.Option(help="Day from which ages count; today unless given.")] = None,
) -> None:
    """Check tables: cells, references, dates, duplicates, sources, age; exit code 1 if there is a mistake."""
    from costmodel.market.dated import day_of
    from costmodel.validation.tables import check_file, check_tables

    day = day_of(today, "--today") or dt.date.today()
    if schema is not None and not tables:
        raise InputError("--as: give the files to check, as in 'costmodel data check FILE --as gpu_prices'")
    checks = (
        check_tables([name.removeprefix("data/").removesuffix(".csv") for name in tables or ()], day)
        if schema is None
        else [check_file(Path(file), schema, day) for file in tables or ()]
    )
    lines = [line for result in checks for line in _lines(result)]
    listed = [result.to_data() for result in checks]
    emit("data-check", "\n".join(lines), data=lambda: {"today": day, "tables": listed}, rows=lambda: listed)
    if any(result.problems for result in checks):
        raise typer.Exit(1)


def _lines(result: TableCheck) -> list[str]:
    count = len(result.problems)
    state = f"{count} problem{'s' * (count > 1)}" if count else "ok"
    newest = f", newest {result.newest}" if result.newest else ""
    return [f"{result.file}: {result.rows} rows, {state}{newest}", *(f"  {line}" for line in result.lines())]


@data.command("readme")
@stoppable
def print_readme() -> None:
    """Print the text of data/README.md, which is generated from the schemas and the tables."""
    from costmodel.validation.data_readme import readme

    print(readme())
