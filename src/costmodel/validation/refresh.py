"""Merge new tables of prices and accelerators into those of the library, and tell in words what changes.

Nothing is written here, and no network is needed: `costmodel data refresh` prints the changes and writes the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.schemas import Accepted, Problem, check_table, load_schema
from costmodel.foundation.tables import Table, merged, read_csv, refreshable, table
from costmodel.validation.tables import reference_names

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from costmodel.foundation.schemas import TableSchema
    from costmodel.foundation.tables import Row

JUMP = 3.0
"""Ratio of two prices of one offer above which the sentence asks to check them."""
_ACCELERATORS = "facts/accelerators"


class Change(NamedTuple):
    """One difference between the table and a new row."""

    table: str
    row: str
    """The key of the row without its date: "H100-SXM, lambda, on_demand"."""
    kind: str
    """"new", "changed", "seen again" (a newer row with the same numbers), or "earlier" (older than the known rows)."""
    column: str = ""
    before: str = ""
    after: str = ""
    unit: str = ""
    date_before: str = ""
    date: str = ""
    percent: float | None = None
    """Change of a number [%]."""

    def __str__(self) -> str:
        dated = f" ({self.date})" if self.date else ""
        if self.kind == "seen again":
            return f"seen again: {self.row}{dated}, as on {self.date_before}"
        if self.kind != "changed":
            return f"{self.kind}: {self.row}{f': {self.after}' if self.after else ''}{dated}"
        was = f"{self.before or 'blank'}{f' ({self.date_before})' if self.date_before else ''}"
        by = "" if self.percent is None else f", {self.percent:+.1f} %"
        jump = self.percent is not None and not 1 / JUMP <= 1 + self.percent / 100 <= JUMP
        words = " ".join(part for part in (f"{self.column}: {was} -> {self.after or 'blank'}", self.unit) if part)
        return f"changed: {self.row}: {words}{dated}{by}{'; check this number' if jump else ''}"


class Refreshed(NamedTuple):
    """A table with the rows of new files."""

    name: str
    merged: Table
    """The table of the library with the new rows."""
    new: Table
    """The new and changed rows alone."""
    changes: tuple[Change, ...]
    known: int
    """Rows of the files that the table holds already."""
    kept: int
    """Offers, accelerators or other rows of the table that the files do not list."""

    def summary(self) -> str:
        """Return one line with the numbers of rows, and why rows that the files do not list are kept."""
        rows = len(self.new.rows)
        parts = [
            f"{rows} new or changed row{'s' * (rows != 1)}",
            f"{self.known} known already",
            f"{self.kept} not in the files and kept: {self._why_kept()}",
        ]
        return f"{self.name}: " + ", ".join(parts)

    def to_data(self) -> dict[str, object]:
        """Return the numbers of rows as plain data."""
        return {"table": self.name, "new": len(self.new.rows), "known": self.known, "kept": self.kept}

    def _why_kept(self) -> str:
        dated = load_schema(self.name).date_column in load_schema(self.name).key
        return "prices of the past serve estimates of past days" if dated else "scenarios name them"


def new_files(folder: Path) -> dict[str, list[Path]]:
    """Return the CSV files of a folder by the table whose name they have.

    Parameters
    ----------
    folder : pathlib.Path
        Files are named as in `data/`, with or without its folders; "api-2026-12.csv" is a further file of "prices/api".

    Raises
    ------
    InputError
        If there is no such folder, it holds no CSV file, or a file has the name of no table.
    """
    if not folder.is_dir():
        raise InputError(f"--from: must be a folder of tables; got {str(folder)!r}")
    files: dict[str, list[Path]] = {}
    wrong: list[str] = []
    by_stem = {name.rpartition("/")[2]: name for name in refreshable()}
    for path in sorted(folder.rglob("*.csv")):
        name = by_stem.get(path.stem) or by_stem.get(path.stem.partition("-")[0])
        if name is None:
            listed = ", ".join(f"{stem}.csv" for stem in by_stem)
            wrong.append(f"{path}: is named as no table that can be refreshed; accepted: {listed}")
        else:
            files.setdefault(name, []).append(path)
    if wrong or not files:
        raise InputError(wrong or f"--from: {folder} holds no CSV file")
    return {name: files[name] for name in refreshable() if name in files}  # accelerators first: prices name them


def refresh(files: Mapping[str, Sequence[Path]], today: dt.date) -> list[Refreshed]:
    """Return the tables with the rows of new files.

    Parameters
    ----------
    files : mapping of str to sequence of pathlib.Path
        New files by table; they have the columns of the table.
    today : datetime.date
        No date of a row may be later.

    Raises
    ------
    InputError
        If a row is not valid, or contradicts a dated row of the table: prices are added, never changed.
    """
    problems: list[str] = []
    results: list[Refreshed] = []
    new_names: set[str] = set()
    for name, paths in files.items():
        schema = load_schema(name)
        known = {place: names | new_names for place, names in reference_names(schema).items()}
        merge = _Merge(name, schema, Accepted(known, today, any_order=True))
        for path in paths:
            merge.add(path)
        if name == _ACCELERATORS:
            merge.problems += _shared_names(merge.now)
            new_names = merge.named | {row["name"] for row in merge.now.rows}
        problems += merge.problems
        results.append(merge.result())
    if problems:
        raise InputError(problems)
    return results


class _Merge:
    """A table while the rows of files are added to it."""

    def __init__(self, name: str, schema: TableSchema, accepted: Accepted) -> None:
        self.name, self.schema, self.accepted = name, schema, accepted
        self.before = self.now = table(name)
        self.new = Table(self.now.name, (), self.now.columns, "")
        self.listed: set[tuple[str, ...]] = set()
        self.named: set[str] = set()
        self.changes: list[Change] = []
        self.problems: list[str] = []
        self.known = 0

    def add(self, path: Path) -> None:
        """Add the rows of a file, or note what is wrong with them."""
        added = read_csv(path)
        self.named |= {row.get("name", "") for row in added.rows}  # of wrong rows too: one mistake is told once
        difference = _Difference(self.schema, self.now)
        problems = check_table(added, self.schema, self.accepted) or list(difference.contradictions(added))
        if problems:
            self.problems += [
                f"{path}{f':{each.line}' if each.line else ''}: {each._replace(line=0)}" for each in problems
            ]
            return
        rows = tuple(difference.fresh(added))
        fresh = Table(added.name, rows, added.columns, added.sha256)
        self.listed |= {_series(self.schema, row) for row in added.rows}
        self.known += len(added.rows) - len(rows)
        self.changes += [change for row in rows for change in difference.changes(row)]
        self.now, self.new = merged(self.name, self.now, fresh), merged(self.name, self.new, fresh)

    def result(self) -> Refreshed:
        kept = len({_series(self.schema, row) for row in self.before.rows} - self.listed)
        return Refreshed(self.name, self.now, self.new, tuple(self.changes), self.known, kept)


class _Difference:
    """The differences of new rows from a table."""

    def __init__(self, schema: TableSchema, base: Table) -> None:
        self.schema, self.base = schema, base
        self.dated = schema.date_column in schema.key
        self.by_key = {self._key(row): row for row in base.rows}
        self.series: dict[tuple[str, ...], list[Row]] = {}
        for row in base.rows:
            self.series.setdefault(_series(schema, row), []).append(row)
        self.numbers = [
            name
            for name, column in schema.properties.items()
            if column.type in {"number", "integer"} and name not in schema.key
        ]

    def _key(self, row: Row) -> tuple[str, ...]:
        return tuple(row[column] for column in self.schema.key)

    def _equal(self, column: str, left: Row, right: Row) -> bool:
        return self.schema.value(column, left[column]) == self.schema.value(column, right[column])

    def contradictions(self, added: Table) -> Iterator[Problem]:
        """Yield the numbers of dated rows that differ from the row of the same day: a price is added, never changed."""
        for line, row in enumerate(added.rows if self.dated else (), 2):
            same = self.by_key.get(self._key(row))
            for column in self.numbers if same else ():
                if same and not self._equal(column, same, row):
                    was, now = (cells[column] or "a blank cell" for cells in (same, row))
                    day = row[self.schema.date_column]
                    yield Problem(line, column, f"contradicts the table, which has {was} on {day}; got {now}")

    def fresh(self, added: Table) -> Iterator[Row]:
        """Yield the rows that are not in the table."""
        for row in added.rows:
            same = self.by_key.get(self._key(row))
            columns = () if same is None or self.dated else added.columns
            if same is None or any(not self._equal(column, same, row) for column in columns):
                yield row

    def changes(self, row: Row) -> Iterator[Change]:
        """Yield the differences of a new row from the row before it: its newest earlier one, if rows are dated."""
        name, label, date = self.schema.name, ", ".join(filter(None, _series(self.schema, row))), self._date(row)
        others = self.series.get(_series(self.schema, row), [])
        earlier = [other for other in others if self._date(other) <= date] if self.dated else others
        if not earlier:
            prices = [f"{row[column]} {unit}" for column, unit in self._prices().items() if row[column]]
            kind = "earlier" if others else "new"
            yield Change(name, label, kind, after=", ".join(prices), date=date if self.dated else "")
            return
        before = max(earlier, key=self._date)
        dates = (self._date(before), date) if self.dated else ("", "")
        columns = self.numbers if self.dated else [column for column in row if column not in self.schema.key]
        priced = [column for column in self._prices() if column in self.schema.key]
        differing = [column for column in (*columns, *priced) if not self._equal(column, before, row)]
        if not differing:
            yield Change(name, label, "seen again", "", "", "", "", *dates)
        for column in differing:
            was, now = (self.schema.value(column, cells[column]) for cells in (before, row))
            numbers = isinstance(was, (int, float)) and isinstance(now, (int, float)) and was
            percent = 100 * (float(now) / float(was) - 1) if numbers else None  # type: ignore[arg-type]
            unit = self.schema.properties[column].unit
            yield Change(name, label, "changed", column, before[column], row[column], unit, *dates, percent)

    def _date(self, row: Row) -> str:
        return row.get(self.schema.date_column, "")

    def _prices(self) -> dict[str, str]:
        columns = self.schema.properties.items()
        return {name: column.unit for name, column in columns if column.unit.startswith("USD")}


def _series(schema: TableSchema, row: Row) -> tuple[str, ...]:
    """Return what stays the same when a row is renewed: its key without the date and without prices."""
    parts = [name for name in schema.key if name != schema.date_column]
    return tuple(row[name] for name in parts if not schema.properties[name].unit.startswith("USD"))


def _shared_names(accelerators: Table) -> list[str]:
    """Return the names and aliases that more than one accelerator has."""
    owners: dict[str, set[str]] = {}
    for row in accelerators.rows:
        for name in (row["name"], *filter(None, row["aliases"].split("|"))):
            owners.setdefault(name.strip().lower(), set()).add(row["name"])
    shared = {name: " and of ".join(sorted(each)) for name, each in owners.items() if len(each) > 1}
    return [
        f"{_ACCELERATORS}: {name!r} must be a name of one accelerator; it is one of {who}"
        for name, who in shared.items()
    ]


def change_rows(results: Sequence[Refreshed]) -> list[dict[str, Any]]:
    """Return the changes as plain data, one row each.

    Parameters
    ----------
    results : sequence of Refreshed
    """
    return [change._asdict() for result in results for change in result.changes]
