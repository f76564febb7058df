"""The command `costmodel data`: list the tables of the library, check them, print their documentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.output import emit, stoppable, with_output
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import cells, text
from costmodel.foundation.tables import merged

if TYPE_CHECKING:
    from costmodel.validation.refresh import Refreshed
    from costmodel.validation.tables import TableCheck

MOST_CHANGES = 40
"""Changes of a table that are printed; --csv and --json list all."""

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
    from costmodel.market.dated import today as this_day
    from costmodel.validation.tables import check_file, check_tables

    day = day_of(today, "--today") or this_day()
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


@data.command("refresh")
@with_output
def refresh_tables(
    folder: Annotated[
        Path, typer.Option("--from", help="A folder with new tables, named as in data/: gpu_prices.csv, api.csv.")
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Write the tables; without it the changes are only shown.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="The folder of own tables to write to; default: the variable COSTMODEL_DATA.")
    ] = None,
    today: Annotated[str | None, typer.Option(help="No date may be later; today unless given.")] = None,
) -> None:
    """Merge new tables of prices and accelerators, without a network, and print what changes."""
    from costmodel.market.dated import day_of
    from costmodel.market.dated import today as this_day
    from costmodel.validation.refresh import change_rows, new_files, refresh

    results = refresh(new_files(folder), day_of(today, "--today") or this_day())
    written = _write(results, into) if write else []
    lines = [line for result in results for line in (result.summary(), *_shown(result))]
    lines += written or ["nothing is written; --write writes the new and changed rows"]
    rows = change_rows(results)
    found = {"written": bool(written), "tables": [result.to_data() for result in results], "changes": rows}
    emit("data-refresh", "\n".join(lines), data=lambda: found, rows=lambda: rows)


def _shown(result: Refreshed) -> list[str]:
    lines = [f"  {change}" for change in result.changes]
    left = len(lines) - MOST_CHANGES
    return [*lines[:MOST_CHANGES], f"  ... and {left} more (--csv lists all)"] if left > 0 else lines


def _write(results: list[Refreshed], into: Path | None) -> list[str]:
    """Write the tables and return where: whole ones in the repository, new rows alone in a folder of own tables."""
    from costmodel.foundation.tables import OWN_FOLDER, folder, own_folder, read_csv, write_rows

    repository = folder() if (folder().parent / "pyproject.toml").is_file() else None
    target = into or own_folder() or repository
    if target is None:
        raise InputError(f"--write: --into or the environment variable {OWN_FOLDER} must name a folder for own tables")
    whole = target.resolve() == folder().resolve()
    if whole and repository is None:
        raise InputError(
            f"--into: must not be the folder of the installed package, {folder()}, which an update replaces"
        )
    lines = []
    for result in results:
        path = target / f"{result.name}.csv"
        if whole:
            rows = result.merged.rows
        else:
            rows = (merged(result.name, read_csv(path), result.new) if path.is_file() else result.new).rows
        if result.new.rows:
            write_rows(path, rows)
            lines.append(f"written: {path}, {len(rows)} rows")
    own = own_folder()
    if not whole and (own is None or own.resolve() != target.resolve()):
        lines.append(f"estimates read these rows when {OWN_FOLDER} is {target.resolve()}")
    return lines or ["nothing is new"]


@data.command("readme")
@stoppable
def print_readme() -> None:
    """Print the text of data/README.md, which is generated from the schemas and the tables."""
    from costmodel.validation.data_readme import readme

    print(readme())
