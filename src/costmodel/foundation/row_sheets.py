"""A result as an Excel workbook: its rows as numbers, and its notes and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.plain_data import columns, csv_value, plain
from costmodel.foundation.workbook import Column, Workbook

if TYPE_CHECKING:
    from costmodel.foundation.rendering import Shown
    from costmodel.foundation.workbook import Cell

_WIDTHS = (10, 60)
"""Least and largest width of a column [character]."""
_GENERAL = "General"
"""Number format of a spreadsheet that shows a number as it is."""
_NO_TITLE = "Result"


def row_workbook(result: Shown) -> Workbook:
    """Return a workbook with the rows of a result, and its notes and sources on a second sheet.

    Parameters
    ----------
    result : Shown
        The result.

    Raises
    ------
    MissingFactError
        If openpyxl is not installed.
    """
    rows = [{name: _cell(value) for name, value in row.items()} for row in result.rows()]
    names = columns(rows)
    title, *more = (result._title() or _NO_TITLE).splitlines()
    workbook = Workbook()
    heading = [title, *([" ".join(more)] if more else [])]
    shown = [Column(name, _width(name, [row.get(name) for row in rows]), _GENERAL) for name in names]
    sheet = workbook.sheet("Rows", shown or [Column("", _WIDTHS[1])], heading)
    for row in rows:
        sheet.add([row.get(name) for name in names] if len(names) > 1 else [row.get(names[0]), None])
    notes = workbook.sheet("Notes", [Column("Note", 3 * _WIDTHS[0]), Column("Text", 2 * _WIDTHS[1])], [title])
    for line in result._footer().splitlines():
        notes.add(["note", line])
    for source in sorted(result.sources()):
        notes.add(["source", f"{source.text} ({source.as_of})" if source.as_of else source.text])
    return workbook


def _cell(value: Any) -> Cell:
    """Return a value as that of a cell: a number or a text; truth values and nested values are texts."""
    shown = csv_value(plain(value))
    return str(shown).lower() if isinstance(shown, bool) else shown


def _width(name: str, cells: list[Cell]) -> float:
    longest = max(len(str(cell)) for cell in (name, *cells))
    return float(min(max(longest + 2, _WIDTHS[0]), _WIDTHS[1]))
