"""Schemas of the tables in `data/`, and the check of rows against them.

Each table has a JSON Schema (draft 2020-12, the subset that `Column` lists) in `data/schemas/`. It describes a row
as an object of columns, blank cells left out. Keywords that begin with `x-` hold what JSON Schema has no word for:
units, sources, keys, references to other tables.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from costmodel.foundation.errors import unknown
from costmodel.foundation.tables import Table, folder

Value = str | float | int | bool | None | list[object] | dict[str, object]
"""A cell, read by the type of its column; None if it is blank."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (float, int),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_PARTIAL_DATE = re.compile(r"\d{4}(-\d{2}){0,2}", re.ASCII)


class Problem(NamedTuple):
    """One mistake in a table."""

    line: int
    """Line of the file, counted from 1; 0 if the whole table is meant."""
    column: str
    """Name of the column; "" if the whole row is meant."""
    message: str
    """What is wrong, the value, and what is accepted."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.line and f"line {self.line}", self.column, self.message) if part)


class Column(BaseModel):
    """One column: what it means, its unit, and which cells are accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: Literal["string", "number", "integer", "boolean", "array", "object"] = Field(description="Type of a cell.")
    description: str = Field(description="Meaning of the column, with its unit.")
    unit: Annotated[str, Field(alias="x-unit", description="Unit of the numbers, empty for text.")] = ""
    enum: tuple[str, ...] = Field(default=(), description="Accepted values; default: any.")
    pattern: str = Field(default="", description="Regular expression for the whole text; default: any text.")
    accepted: Annotated[
        str, Field(alias="x-accepted", description='The pattern in words, for messages: "a name in lower case".')
    ] = ""
    format: Literal["", "date"] = Field(default="", description='Format of text; "date" is a day such as 2026-09-01.')
    min_length: Annotated[int, Field(alias="minLength", description="Smallest number of characters.")] = 0
    minimum: float = Field(default=-math.inf, description="Lower bound, itself accepted.")
    exclusive_minimum: Annotated[
        float, Field(alias="exclusiveMinimum", description="Lower bound, itself not accepted.")
    ] = -math.inf
    maximum: float = Field(default=math.inf, description="Upper bound, itself accepted.")
    exclusive_maximum: Annotated[
        float, Field(alias="exclusiveMaximum", description="Upper bound, itself not accepted.")
    ] = math.inf
    dated: Annotated[
        bool,
        Field(alias="x-dated", description="Whether the cell is a day, month or year that must not lie in the future."),
    ] = False
    references: Annotated[
        tuple[str, ...],
        Field(
            alias="x-references",
            description='Columns of other tables that list the accepted values: "facts/accelerators.name".',
        ),
    ] = ()

    def read(self, cell: str) -> Value:
        """Return a cell of a CSV file as a value of the type of the column; as text if it is not of that type.

        Parameters
        ----------
        cell : str
        """
        if cell == "":
            return None
        if self.type == "number" and _NUMBER.fullmatch(cell):
            return float(cell)
        if self.type == "integer" and _INTEGER.fullmatch(cell):
            return int(cell)
        return cell

    def problem(self, value: Value, required: bool) -> str:
        """Return what is wrong with a value and what is accepted, or "".

        Parameters
        ----------
        value : Value
        required : bool
            Whether the cell must not be blank.
        """
        if value is None:
            return f"must be {self.accepted_words()}; the cell is blank" if required else ""
        wrong = f"must be {self.accepted_words()}{'' if required else ', or blank'}; got {_shown(value)}"
        if not isinstance(value, _PYTHON_TYPES[self.type]) or (isinstance(value, bool) and self.type != "boolean"):
            return wrong
        if isinstance(value, str):
            return self._text_problem(value, wrong)
        if isinstance(value, (int, float)) and not self._within(value):
            return wrong
        return ""

    def _text_problem(self, value: str, wrong: str) -> str:
        if len(value) < self.min_length or (self.pattern and not re.search(self.pattern, value)):
            return wrong
        return wrong if self.format == "date" and not _is_day(value) else ""

    def _within(self, value: float) -> bool:
        at_least = self.minimum <= value and self.exclusive_minimum < value
        return at_least and value <= self.maximum and value < self.exclusive_maximum

    def accepted_words(self) -> str:
        """Return which values are accepted, in words."""
        if self.accepted:
            return self.accepted
        if self.format == "date":
            return "a date such as 2026-09-01"
        if self.enum:
            return f"one of {', '.join(self.enum)}"
        if self.type == "string":
            return f"a text of at least {self.min_length} characters" if self.min_length else "a text"
        bounds = [
            f"{words} {bound:g}"
            for words, bound in (
                ("at least", self.minimum),
                ("above", self.exclusive_minimum),
                ("at most", self.maximum),
                ("below", self.exclusive_maximum),
            )
            if math.isfinite(bound)
        ]
        noun = {"number": "a number", "integer": "a whole number"}.get(self.type, f"a JSON {self.type}")
        return " ".join([noun, " and ".join(bounds)]).strip()


class TableSchema(BaseModel):
    """The schema of one table: where it comes from, how it is checked, and its columns."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    dialect: Annotated[
        Literal["https://json-schema.org/draft/2020-12/schema"],
        Field(alias="$schema", description="Dialect of JSON Schema."),
    ]
    name: Annotated[str, Field(alias="$id", description='Folder and name of the table: "facts/accelerators".')]
    title: str = Field(description="Title of the table.")
    description: str = Field(description="Content of the table.")
    type: Literal["object"] = Field(description="A row is an object of columns.")
    source: Annotated[str, Field(alias="x-source", description="Source of the rows.")]
    license: Annotated[str, Field(alias="x-license", description="License of the source.")] = ""
    refreshed_by: Annotated[
        str, Field(alias="x-refreshed-by", description="Command that refreshes the table, or a person.")
    ]
    checked_by: Annotated[str, Field(alias="x-checked-by", description="Commands that check the table.")]
    in_wheel: Annotated[bool, Field(alias="x-in-wheel", description="Whether the wheel contains the table.")] = True
    key: Annotated[
        tuple[str, ...],
        Field(alias="x-key", description="Columns that identify a row: no two rows agree in all of them."),
    ]
    sorted_by_key: Annotated[
        bool, Field(alias="x-sorted-by-key", description="Whether the rows are sorted by the key.")
    ] = False
    ordered: Annotated[
        tuple[tuple[str, ...], ...],
        Field(
            alias="x-ordered",
            description="Groups of columns whose numbers do not decrease from left to right: low, central, high.",
        ),
    ] = ()
    date_column: Annotated[
        str, Field(alias="x-date-column", description="Column with the date of a row; default: none.")
    ] = ""
    stale_after_days: Annotated[
        int,
        Field(
            alias="x-stale-after-days",
            description="Age of the newest row at which the table must be refreshed [day]; 0 for never.",
        ),
    ] = 0
    properties: dict[str, Column] = Field(description="Columns by name.")
    required: tuple[str, ...] = Field(description="Columns without blank cells.")
    further: Annotated[
        Column | Literal[False],
        Field(alias="additionalProperties", description="Form of all further columns; False if there are none."),
    ]
    further_names: Annotated[
        tuple[str, ...],
        Field(
            alias="x-further-names", description="Columns of other tables that list the names of the further columns."
        ),
    ] = ()

    def column(self, name: str) -> Column | None:
        """Return the column of a name, or None if there is none.

        Parameters
        ----------
        name : str
        """
        return self.properties.get(name) or (self.further or None)

    def value(self, column: str, cell: str) -> Value:
        """Return a cell of a CSV file by the type of its column.

        Parameters
        ----------
        column : str
        cell : str
        """
        described = self.column(column)
        return described.read(cell) if described else cell or None

    def key_words(self) -> str:
        """Return the names of the key columns; "cells in all columns" if all columns are in the key."""
        return "cells in all columns" if len(self.key) == len(self.properties) else ", ".join(self.key)

    def columns_problem(self, columns: Sequence[str]) -> str:
        """Return what is wrong with the columns of a table, or "".

        Parameters
        ----------
        columns : sequence of str
        """
        wanted, given = list(self.properties), list(columns)
        own = given if self.further is False else [name for name in given if name in self.properties]
        if own == wanted:
            return ""
        return f"the columns are {', '.join(wanted)}; got {', '.join(given)}"


def schema_names() -> list[str]:
    """Return the names of the tables that have a schema."""
    root = folder() / "schemas"
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.json"))


@lru_cache(maxsize=64)
def load_schema(name: str) -> TableSchema:
    """Return the schema of a table of the library.

    Parameters
    ----------
    name : str
        The table, such as "prices/api".
    """
    return TableSchema.model_validate(json.loads((folder() / "schemas" / f"{name}.json").read_text(encoding="utf-8")))


def row_object(schema: TableSchema, row: Mapping[str, str]) -> dict[str, Value]:
    """Return a row of a CSV file as the object that the schema describes: typed values, no blank cells.

    Parameters
    ----------
    schema : TableSchema
    row : mapping of str
        Cells by column.
    """
    values = {column: schema.value(column, cell) for column, cell in row.items()}
    return {column: value for column, value in values.items() if value is not None}


class Accepted(NamedTuple):
    """What a check accepts that the schema of the table does not say."""

    names: Mapping[str, Collection[str]] = {}
    """Values by reference ("facts/accelerators.name"); a reference without an entry is not checked."""
    today: dt.date | None = None
    """No date may be later; not checked if None."""
    any_order: bool = False
    """Whether rows may be unsorted where the schema asks for an order."""


def check_table(table: Table, schema: TableSchema, accepted: Accepted) -> list[Problem]:
    """Return the problems of a table: columns, cells, references, dates, duplicates, order.

    Parameters
    ----------
    table : Table
    schema : TableSchema
    accepted : Accepted
    """
    if wrong := schema.columns_problem(table.columns):
        return [Problem(0, "", wrong)]
    further = [column for column in table.columns if column not in schema.properties]
    problems = [
        Problem(1, column, unknown("column", column, listed))
        for column in further
        for listed in [_accepted_names(schema.further_names, accepted.names)]
        if listed is not None and column not in listed
    ]
    objects = [row_object(schema, row) for row in table.rows]
    return problems + check_objects(objects, schema, accepted)


def check_objects(objects: Sequence[Mapping[str, Value]], schema: TableSchema, accepted: Accepted) -> list[Problem]:
    """Return the problems of rows that are given as objects, the first row on line 2; see `check_table`.

    Parameters
    ----------
    objects : sequence of mappings
    schema : TableSchema
    accepted : Accepted
    """
    if not objects:
        return [Problem(0, "", "holds no rows")]
    problems: list[Problem] = []
    lines: dict[tuple[Value, ...], int] = {}
    for line, row in enumerate(objects, 2):
        for column, value in [(name, row.get(name)) for name in dict.fromkeys([*schema.properties, *row])]:
            if message := _cell_problem(schema, column, value, accepted):
                problems.append(Problem(line, column, message))
        problems += [Problem(line, group[0], message) for group in schema.ordered if (message := _falls(row, group))]
        first = lines.setdefault(tuple(row.get(column) for column in schema.key), line)
        if first != line:
            problems.append(Problem(line, "", f"repeats line {first}: the same {schema.key_words()}"))
    if schema.sorted_by_key and not accepted.any_order and not problems:
        keys = [order_key(schema, row) for row in objects]
        if keys != sorted(keys):
            problems.append(Problem(0, "", f"is not sorted by {schema.key_words()}"))
    return problems


def order_key(schema: TableSchema, row: Mapping[str, Value]) -> tuple[str | float, ...]:
    """Return what rows are sorted by: the key columns, numbers by size and blank cells first.

    Parameters
    ----------
    schema : TableSchema
    row : mapping
    """
    key: list[str | float] = []
    for column in schema.key:
        value = row.get(column)
        if schema.properties[column].type in {"number", "integer"}:
            key.append(float(value) if isinstance(value, (int, float)) else 0.0)
        else:
            key.append(str(value or ""))
    return tuple(key)


def newest(schema: TableSchema, rows: Sequence[Mapping[str, str]]) -> str:
    """Return the newest date of a table (a day, month or year, as the table gives it), or "" if it has none.

    Parameters
    ----------
    schema : TableSchema
    rows : sequence of mappings
    """
    cells = [row.get(schema.date_column, "") for row in rows]
    return max((cell for cell in cells if _PARTIAL_DATE.fullmatch(cell)), default="")


def age_days(date: str, today: dt.date) -> int:
    """Return how old a date is [day]; a month or a year counts from its end.

    Parameters
    ----------
    date : str
        A day, month or year: "2026-09-01", "2026-09", "2026".
    today : datetime.date
    """
    year, month, day = (*(int(part) for part in date.split("-")), 0, 0)[:3]
    if day:
        return (today - dt.date(year, month, day)).days
    end = dt.date(year + 1, 1, 1) if month in {0, 12} else dt.date(year, month + 1, 1)
    return max((today - end).days, 0)


def _cell_problem(schema: TableSchema, name: str, value: Value, accepted: Accepted) -> str:
    column = schema.column(name)
    if column is None:
        return unknown("column", name, schema.properties)
    if message := column.problem(value, name in schema.required):
        return message
    if not isinstance(value, str):
        return ""
    words = name.replace("_", " ")
    listed = column.enum or _accepted_names(column.references, accepted.names)
    if listed is not None and value not in listed:
        return unknown(words, value, listed)
    today = accepted.today
    if (column.format == "date" or column.dated) and today is not None and value > str(today)[: len(value)]:
        return f"{value} lies in the future: today is {today}"
    return ""


def _accepted_names(references: Sequence[str], names: Mapping[str, Collection[str]]) -> Collection[str] | None:
    """Return the values that references list, or None if there is no reference or none is given."""
    listed = [names[reference] for reference in references if reference in names]
    return {name for group in listed for name in group} if listed else None


def _falls(row: Mapping[str, Value], group: Sequence[str]) -> str:
    numbers = [(column, value) for column in group if isinstance(value := row.get(column), (int, float))]
    for (left, low), (right, high) in itertools.pairwise(numbers):
        if low > high:
            return f"must be at most {right}; got {left} {low:g} and {right} {high:g}"
    return ""


def _is_day(text: str) -> bool:
    try:
        return str(dt.date.fromisoformat(text)) == text
    except ValueError:
        return False


def _shown(value: Value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
