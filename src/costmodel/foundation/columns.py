"""Declared columns of tables that people write: names, units, accepted words, and the older spellings of each.

A table of measurements is read by its columns alone. An unknown column, an unknown word, or a cell that is no
number in the unit of its column is a problem, and all problems of a row are reported together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from costmodel.foundation.errors import CostModelError, InputError, nearest
from costmodel.foundation.limits import shown
from costmodel.foundation.tables import Row, Table

Expansion = Callable[[str], Mapping[str, str]]
"""Returns the cells that a cell in an older notation stands for; raises `InputError` if it is not in the notation."""

YES_NO = {"yes": "yes", "no": "no", "true": "yes", "false": "no", "1": "yes", "0": "no"}
"""How a switch is written, with what it means."""


class Column(NamedTuple):
    """A column: a number in a unit, one of a set of words, or text where neither is declared."""

    unit: str = ""
    """Unit of a number ("1" for a plain number); empty for words and text."""
    whole: bool = False
    """Whether the number is an integer."""
    least: float | None = None
    """Smallest value that is accepted; numbers must be above 0 unless given."""
    words: Mapping[str, str] = {}
    """Accepted spellings in lower case, with the word that each stands for."""


def words(*names: str) -> Column:
    """Return a column that takes the given words."""
    return Column(words={name: name for name in names})


COUNT, TEXT, SWITCH = Column("1", whole=True), Column(), Column(words=YES_NO)


class Schema(NamedTuple):
    """The columns of one kind of table."""

    kind: str
    """What the rows are, for messages: "measured steps"."""
    columns: Mapping[str, Column]
    required: tuple[str, ...]
    """Columns without which no row can be read."""
    older: Mapping[str, str] = {}
    """Names of columns in older files, with the name of today."""
    notations: Mapping[str, Expansion] = {}
    """Columns of older files whose cells stand for cells of several columns."""
    unread: frozenset[str] = frozenset()
    """Columns that files may have and that decide nothing."""

    def translate(self, table: Table) -> list[tuple[Row, list[str]]]:
        """Return each row under the names of today, with the problems of its older notations.

        Raises
        ------
        InputError
            If a column is unknown, given under two names, or required and missing.
        """
        if not table.rows and not table.columns:
            return []
        targets = {name: self.older.get(name, name) for name in table.columns}
        accepted = {*self.columns, *self.older, *self.notations, *self.unread}
        problems = [f"{table.name}: {self._unknown(name)}" for name in table.columns if name not in accepted]
        spellings = {name: [column for column, target in targets.items() if target == name] for name in self.columns}
        problems.extend(
            f"{table.name}: {name} is given under two names: {', '.join(given)}; keep one"
            for name, given in spellings.items()
            if len(given) > 1
        )
        if missing := [name for name in self.required if name not in targets.values()]:
            problems.append(
                f"{table.name}: {self.kind} need the columns {', '.join(self.required)}; missing: {', '.join(missing)}"
            )
        if problems:
            raise InputError(problems)
        return [self._row(row, targets) for row in table.rows]

    def _unknown(self, name: str) -> str:
        close = nearest(name, {*self.columns, *self.older, *self.notations})
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"accepted: {_listed(self.columns)}"
        return f"unknown column {name!r} of {self.kind}; {hint}"

    def _row(self, row: Row, targets: Mapping[str, str]) -> tuple[Row, list[str]]:
        cells = {targets[name]: cell.strip() for name, cell in row.items() if targets[name] in self.columns}
        problems: list[str] = []
        for name, expand in self.notations.items():
            try:
                implied = expand(row.get(name, "").strip()) if row.get(name, "").strip() else {}
            except InputError as error:
                problems.extend(f"{name}: {problem}" for problem in error.problems)
                continue
            cells |= {column: value for column, value in implied.items() if column == name or not cells.get(column)}
        return cells, problems


class FlaggedRowError(InputError):
    """A row that says itself that it must not be used."""


T = TypeVar("T")


class ReadRow(NamedTuple, Generic[T]):
    """A row of a table: what was read, or the problems that keep it from being used."""

    id: str
    value: T | None
    problems: tuple[str, ...] = ()
    flagged: bool = False
    """Whether the row says itself that it must not be used."""


class Reader(NamedTuple, Generic[T]):
    """Reads the rows of one kind of table: its columns, the name of a row in reports, and what its cells mean."""

    schema: Schema
    name: Callable[[Row], str]
    read: Callable[[str, Cells], T]
    """Returns what a row holds, from its id and its cells; raises a `CostModelError` with its problems."""

    def rows(self, table: Table, first: int = 2) -> list[ReadRow[T]]:
        """Return every row of a table, read or with its problems.

        Parameters
        ----------
        table : Table
            Rows with the columns of the schema.
        first : int
            Number of the first row in the ids: the second line of a file unless given.

        Raises
        ------
        InputError
            If a column is unknown, given twice, or missing.
        """
        rows: list[ReadRow[T]] = []
        for number, (row, problems) in enumerate(self.schema.translate(table), start=first):
            identity = f"{number}: {self.name(row)}"
            try:
                rows.append(ReadRow(identity, self.read(identity, Cells(row, self.schema.columns, problems))))
            except InputError as error:
                rows.append(ReadRow(identity, None, error.problems, isinstance(error, FlaggedRowError)))
            except CostModelError as error:
                rows.append(ReadRow(identity, None, (str(error),)))
        return rows

    def used(self, table: Table) -> tuple[list[T], dict[str, str]]:
        """Return what was read of the rows of a table, and the problems of each other row by its id.

        Parameters
        ----------
        table : Table
            Rows with the columns of the schema.
        """
        rows = self.rows(table)
        skipped = {row.id: "; ".join(row.problems) for row in rows if row.value is None}
        return [row.value for row in rows if row.value is not None], skipped


class Cells:
    """The cells of one row as numbers, words and switches; `problems` lists what cannot be read."""

    def __init__(
        self, row: Mapping[str, str], columns: Mapping[str, Column], problems: list[str] | None = None
    ) -> None:
        self.text = dict(row)
        self.columns = columns
        self.problems: list[str] = list(problems or ())
        self.numbers: dict[str, float] = {}
        self.words: dict[str, str] = {}
        for name, column in columns.items():
            cell = row.get(name, "").strip()
            if not cell:
                continue
            if column.words:
                self._word(name, cell, column.words)
            elif column.unit:
                self._number(name, cell, column)

    def _word(self, name: str, cell: str, accepted: Mapping[str, str]) -> None:
        word = accepted.get(cell.lower())
        if word is None:
            self.problems.append(
                f"{name}: unknown word {cell!r}; accepted: {_listed(dict.fromkeys(accepted.values()))}"
            )
        else:
            self.words[name] = word

    def _number(self, name: str, cell: str, column: Column) -> None:
        kind = "a whole number" if column.whole else "a number"
        unit = f" of {column.unit}" if column.unit != "1" else ""
        try:
            value = float(cell)
        except ValueError:
            self.problems.append(f"{name} must be {kind}{unit}, without a unit; got {cell!r}")
            return
        least = column.least
        if not math.isfinite(value) or (value <= 0 if least is None else value < least):
            bound = "above 0" if least is None else f"at least {least:g}"
            self.problems.append(f"{name} must be {bound} and finite; got {cell!r}")
        elif column.whole and not value.is_integer():
            self.problems.append(f"{name} must be a whole number; got {cell!r}")
        else:
            self.numbers[name] = value

    def whole(self, name: str) -> int | None:
        """Return an integer, or None where the cell is empty."""
        value = self.numbers.get(name)
        return None if value is None else int(value)

    def switch(self, name: str) -> bool | None:
        """Return a switch, or None where the cell is empty."""
        word = self.words.get(name)
        return None if word is None else word == "yes"

    def need(self, *names: str) -> None:
        """Note a problem for each empty cell among the named columns that has no problem yet."""
        for name in names:
            if not self.text.get(name, "").strip():
                accepted = _listed(dict.fromkeys(self.columns[name].words.values())) if name in self.columns else ""
                self.problems.append(f"{name} is not given" + (f"; accepted: {accepted}" if accepted else ""))

    def check(self) -> None:
        """Raise `InputError` with all problems of the row, if there are any."""
        if self.problems:
            raise InputError(self.problems)


def as_table(name: str, rows: Iterable[Mapping[str, object]]) -> Table:
    """Return mappings as a table; a key that a row does not have is an empty cell."""
    listed = list(rows)
    if wrong := [row for row in listed if not isinstance(row, Mapping)]:
        raise InputError(f"{name}: each row must be a mapping of values by column; got {shown(wrong[0])}")
    cells = [{str(key): "" if value is None else str(value) for key, value in row.items()} for row in listed]
    columns = tuple(dict.fromkeys(column for row in cells for column in row))
    return Table(name, tuple({**dict.fromkeys(columns, ""), **row} for row in cells), columns, "")


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(names)
