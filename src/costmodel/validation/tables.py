"""Check the tables of `data/` against their schemas: cells, references, dates, duplicates, sources, age.

`costmodel data` prints the results. A table of the user's own is checked in the schema of a table of the library.
"""

from __future__ import annotations

import datetime as dt
import json
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.schemas import (
    Accepted,
    Problem,
    TableSchema,
    age_days,
    check_objects,
    check_table,
    load_schema,
    newest,
    schema_names,
)
from costmodel.foundation.tables import folder, read_csv, table
from costmodel.market.dated import today as day_of_today

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from costmodel.foundation.schemas import Value


class TableCheck(NamedTuple):
    """The result of the check of one table."""

    name: str
    file: str
    rows: int
    newest: str
    """Newest date of the table (a day, month or year), or "" if it has none."""
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the problems and warnings as text, each with its place."""
        placed = [
            f"{self.file}{f':{problem.line}' if problem.line else ''}: {problem._replace(line=0)}"
            for problem in self.problems
        ]
        return placed + [f"{self.file}: warning: {warning}" for warning in self.warnings]

    def to_data(self) -> dict[str, object]:
        """Return the result as plain data."""
        return {
            "table": self.name,
            "file": self.file,
            "rows": self.rows,
            "newest": self.newest,
            "problems": [problem._asdict() for problem in self.problems],
            "warnings": list(self.warnings),
        }


def check_tables(names: Sequence[str] = (), today: dt.date | None = None) -> list[TableCheck]:
    """Return the checks of tables of the library.

    Parameters
    ----------
    names : sequence of str
        Tables such as "prices/api"; all that are shipped unless given.
    today : datetime.date or None
        No date may be later, and ages count from it; the day of the computer unless given.

    Raises
    ------
    UnknownNameError
        If there is no such table.
    """
    known = table_names()
    if unknown := [name for name in names if name not in known]:
        raise UnknownNameError.of("table", unknown[0], known)
    return [_check_shipped(name, today or day_of_today()) for name in names or known]


def check_file(path: Path, name: str, today: dt.date | None = None) -> TableCheck:
    """Return the check of a CSV file in the schema of a table of the library.

    Parameters
    ----------
    path : pathlib.Path
    name : str
        The table whose schema the file follows, such as "gpu_prices".
    today : datetime.date or None
        No date may be later; the day of the computer unless given.

    Raises
    ------
    UnknownNameError
        If there is no such schema.
    InputError
        If the file is no table.
    """
    if name not in schema_names():
        raise UnknownNameError.of("schema", name, schema_names())
    schema, own = load_schema(name), read_csv(path)
    problems = check_table(own, schema, Accepted(reference_names(schema), today or day_of_today(), any_order=True))
    return TableCheck(name, str(path), len(own.rows), newest(schema, own.rows), tuple(problems), ())


def table_names() -> list[str]:
    """Return the names of the tables that are here, and of those that must be here."""
    root = folder()
    files = {path.relative_to(root) for suffix in ("csv", "json") for path in root.rglob(f"*.{suffix}")}
    here = {path.with_suffix("").as_posix() for path in files if path.parts[0] != "schemas"}
    return sorted(here | {name for name in schema_names() if load_schema(name).in_wheel})


def table_file(name: str) -> Path:
    """Return the file of a table of the library.

    Parameters
    ----------
    name : str
    """
    path = folder() / f"{name}.json"
    return path if path.is_file() else path.with_suffix(".csv")


@lru_cache(maxsize=8)
def read_objects(name: str) -> tuple[dict[str, Value], ...]:
    """Return the entries of a JSON table as objects; the key of an entry is its `name`.

    Parameters
    ----------
    name : str
    """
    entries = json.loads(table_file(name).read_text(encoding="utf-8"))
    return tuple({"name": key, **entry} for key, entry in entries.items())


def _check_shipped(name: str, today: dt.date) -> TableCheck:
    path = table_file(name)
    file = f"data/{path.relative_to(folder()).as_posix()}"
    if name not in schema_names():
        return TableCheck(name, file, 0, "", (Problem(0, "", f"has no schema: add data/schemas/{name}.json"),), ())
    if not path.is_file():
        return TableCheck(name, file, 0, "", (Problem(0, "", "is missing: reinstall the package"),), ())
    schema = load_schema(name)
    if path.suffix == ".json":
        objects = read_objects(name)
        problems = tuple(check_objects(objects, schema, Accepted(reference_names(schema), today)))
        return TableCheck(name, file, len(objects), "", problems, ())
    try:
        own = table(name)
    except InputError as error:
        return TableCheck(name, file, 0, "", (Problem(0, "", str(error)),), ())
    date = newest(schema, own.rows)
    problems = tuple(check_table(own, schema, Accepted(reference_names(schema), today)))
    return TableCheck(name, file, len(own.rows), date, problems, tuple(_stale(schema, date, today)))


def _stale(schema: TableSchema, date: str, today: dt.date) -> list[str]:
    """Return a warning if the newest row is older than the schema allows."""
    if not schema.stale_after_days or not date or (age := age_days(date, today)) <= schema.stale_after_days:
        return []
    return [
        f"the newest {schema.date_column} is {date}, {age} days before {today}; "
        f"refresh the table after {schema.stale_after_days} days ({schema.refreshed_by})"
    ]


def reference_names(schema: TableSchema) -> dict[str, frozenset[str]]:
    """Return the values that each reference of a schema accepts, where the table of the reference is here.

    Parameters
    ----------
    schema : TableSchema
    """
    columns = [*schema.properties.values(), *([schema.further] if schema.further else [])]
    references = {reference for column in columns for reference in column.references} | set(schema.further_names)
    return {reference: names for reference in references if (names := _column_values(reference))}


@lru_cache(maxsize=64)
def _column_values(reference: str) -> frozenset[str]:
    """Return the values of a column that is named as "facts/accelerators.name"; empty if the table is not here."""
    name, column = reference.rsplit(".", 1)
    path = table_file(name)
    if not path.is_file():
        return frozenset()
    rows: Sequence[Mapping[str, Value]] = read_objects(name) if path.suffix == ".json" else table(name).rows
    return frozenset(value for row in rows if isinstance(value := row.get(column), str) and value)
