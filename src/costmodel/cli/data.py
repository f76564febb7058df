"""The command `costmodel data`: list the tables of the library, check them, print their documentation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from costmodel.cli.printing import Json, print_json, print_rows
from costmodel.foundation.errors import InputError

data = typer.Typer(
    help="List, check and document the tables of the library.", no_args_is_help=True, rich_markup_mode=None
)


@data.command("list")
def list_tables(as_json: Json = False) -> None:
    """List the tables with their rows, newest date and source."""
    from costmodel.validation.data_readme import table_rows

    print_rows(table_rows(), as_json)


@data.command("check")
def check(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables such as prices/api, or files with --as; all tables by default.")
    ] = None,
    schema: Annotated[str | None, typer.Option("--as", help="The table whose schema the given files follow.")] = None,
    today: Annotated[str | None, typer.Option(help="Day from which ages count; today unless given.")] = None,
    as_json: Json = False,
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
    if as_json:
        print_json({"today": str(day), "tables": [result.to_data() for result in checks]})
    else:
        for result in checks:
            count = len(result.problems)
            state = f"{count} problem{'s' * (count > 1)}" if count else "ok"
            print(f"{result.file}: {result.rows} rows, {state}{f', newest {result.newest}' if result.newest else ''}")
            for line in result.lines():
                print(f"  {line}")
    if any(result.problems for result in checks):
        raise typer.Exit(1)


@data.command("readme")
def print_readme() -> None:
    """Print the text of data/README.md, which is generated from the schemas and the tables."""
    from costmodel.validation.data_readme import readme

    print(readme())
