"""Text of CSV files as spreadsheets of all countries write them: separators, decimal commas, encodings.

What cannot be read without a guess is refused, with the line and what to change.
"""

from __future__ import annotations

import csv
import io
import re
from typing import NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import TABLE_CELLS, TABLE_COLUMNS, cut, shown

_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')
_NUMBER = re.compile(r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")


class CsvContent(NamedTuple):
    """The cells of a CSV file."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def read_content(content: bytes, name: str) -> CsvContent:
    """Return the cells of a CSV file with a header row.

    Separators are commas, semicolons or tabs. Numbers with a decimal comma are accepted where the comma separates no
    cells. Empty lines are left out, and columns at the end without name and content.

    Parameters
    ----------
    content : bytes
        The file, in UTF-8.
    name : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If it is no table, or too large.

    Examples
    --------
    >>> read_content(b"name;price\\nH100;2,5\\n", "prices.csv").rows
    ({'name': 'H100', 'price': '2.5'},)
    """
    text = _decoded(content, name)
    separator, text = _separator(text)
    if text.count(separator) + text.count("\n") > TABLE_CELLS:
        raise InputError(f"{name} has more than {TABLE_CELLS:,} cells, the limit for CSV files")
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        columns = [column.strip() for column in next(reader, [])]
        lines = [(reader.line_num, line) for line in reader if any(line)]
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV file in UTF-8: {cut(error)}") from None
    width = _width(columns, name)
    if bad := [number for number, line in lines if len(line) < width or any(line[width:])]:
        raise InputError(f"{name} is not a table: line {bad[0]} has more or fewer cells than the header")
    names = tuple(columns[:width])
    rows = tuple(dict(zip(names, line[:width], strict=True)) for _, line in lines)
    return CsvContent(names, rows if separator == "," else _with_points(names, rows, name))


def _decoded(content: bytes, name: str) -> str:
    """Return the text of a file in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        around = content[max(error.start - 12, 0) : error.start + 12].decode("latin-1")
        raise InputError(
            f"{name} is not a CSV file in UTF-8: line {line} has another encoding, near {around!r}; save the file as "
            "CSV UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{name} is not a CSV file in UTF-8: it has null bytes")
    return text


def _separator(text: str) -> tuple[str, str]:
    """Return the separator of cells, and the text without a first line such as "sep=;"."""
    first, _, rest = text.partition("\n")
    if first.strip().lower() in {f"sep={separator}" for separator in _SEPARATORS}:
        return first.strip()[-1], rest
    plain = _QUOTED.sub("", first[:1_000_000])
    return max(_SEPARATORS, key=plain.count), text


def _width(columns: list[str], name: str) -> int:
    """Return the number of columns up to the last with a name, or raise for a header that is none."""
    width = max((index for index, column in enumerate(columns, 1) if column), default=0)
    if not width:
        raise InputError(f"{name} is not a table: it has no header")
    if width > TABLE_COLUMNS:
        raise InputError(f"{name} has {width:,} columns; at most {TABLE_COLUMNS:,} are read")
    named = columns[:width]
    if "" in named:
        raise InputError(f"{name} is not a table: column {named.index('') + 1} has no name")
    if len(set(named)) < width:
        twice = sorted({column for column in named if named.count(column) > 1})
        raise InputError(f"{name} is not a table: it has the column {cut(', '.join(twice))} twice")
    return width


def _with_points(columns: tuple[str, ...], rows: tuple[dict[str, str], ...], name: str) -> tuple[dict[str, str], ...]:
    """Return rows with decimal points, where the columns of numbers have decimal commas."""
    changed = []
    for column in columns:
        cells = [row[column].strip() for row in rows if row[column].strip()]
        if any(map(_COMMA.fullmatch, cells)) and all(map(_NUMBER.fullmatch, cells)):
            changed.append(column)
    if not changed:
        return rows
    for number, row in enumerate(rows, 2):
        if odd := next((cell for cell in row.values() if _POINT.fullmatch(cell.strip())), None):
            raise InputError(
                f"{name}: numbers have decimal commas in {cut(', '.join(changed))} and a point in row {number}: "
                f"{shown(odd)}"
            )
    return tuple({**row, **{column: row[column].replace(",", ".") for column in changed}} for row in rows)
