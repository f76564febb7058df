"""Results as plain data: values that JSON accepts, CSV text, and sources of rows."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.foundation.citations import Source

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of what a spreadsheet may read as a formula."""
_DATES = ("as_of", "date", "day")
"""Columns with the date of the value of a row, the first that a row has."""


def plain(value: Any) -> Any:
    """Return a value as plain data: None for numbers that are not finite, dates as text, records as dictionaries.

    Parameters
    ----------
    value : Any
        Numbers, text, dates, records, and mappings or sequences of them.

    Examples
    --------
    >>> plain({"cost": float("nan"), "day": dt.date(2026, 1, 1), "ends": (1, 2)})
    {'cost': None, 'day': '2026-01-01', 'ends': [1, 2]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if hasattr(value, "to_data"):
        return plain(value.to_data())
    if hasattr(value, "tolist"):  # numpy
        return plain(value.tolist())
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(each) for each in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return str(value)


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(key for row in rows for key in row))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV: unknown values are empty, nested values are JSON.

    Parameters
    ----------
    rows : Sequence[Mapping]
        Rows; the header has the keys of all of them.

    Examples
    --------
    >>> print(csv_text([{"part": "rent", "usd": 2.5}, {"part": "storage", "usd": None}]), end="")
    part,usd
    rent,2.5
    storage,
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, columns(rows), lineterminator="\n")
    writer.writerow({key: inert(key) for key in writer.fieldnames})
    writer.writerows({key: inert(csv_value(plain(value))) for key, value in row.items()} for row in rows)
    return out.getvalue()


def inert(value: Any) -> Any:
    """Return the value of a cell so that a spreadsheet reads no text as a formula: with an apostrophe before it.

    Parameters
    ----------
    value : Any
        Number or text; a number, and a dash alone, stay as they are.

    Examples
    --------
    >>> inert("GPU time"), inert("=1+1"), inert("@SUM(A1)"), inert("-"), inert(-2.5)
    ('GPU time', "'=1+1", "'@SUM(A1)", '-', -2.5)
    """
    if not isinstance(value, str) or len(value) < 2 or not value.startswith(_FORMULA_SIGNS):
        return value
    return f"'{value}"


def row_sources(rows: Sequence[Mapping[str, Any]]) -> set[Source]:
    """Return the sources that rows name in a column `source`, each with the date of its value.

    Parameters
    ----------
    rows : Sequence[Mapping]
        Rows of a result.
    """
    found = set()
    for row in rows:
        if row.get("source"):
            day = next((str(row[name]) for name in _DATES if row.get(name)), "")
            found.add(Source(str(row["source"]), day))
    return found


def csv_value(value: Any) -> Any:
    """Return plain data as the value of a cell: lists and dictionaries are JSON.

    Parameters
    ----------
    value : Any
        Plain data.

    Examples
    --------
    >>> csv_value({"layers": [1, 2]}), csv_value(2.5)
    ('{"layers": [1, 2]}', 2.5)
    """
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
