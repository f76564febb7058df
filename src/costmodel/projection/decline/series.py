"""Dated costs of a capability, as a running minimum.

Two kinds of series are known. A *board* is contested in public: anyone may enter, every record is dated, and the
first entries are weak. A *capability* has a few published costs years apart, and nothing is known in between.
The frontier is the running minimum: what was once done for less can be done for less again. A board that took
entries and got no cheaper one stood still: such an end (`role` "end" in the table: CIFAR-10 to 2020-03-10) is
data, without which the series would stop at a record and seem to fall faster than it did.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import MOST
from costmodel.foundation.tables import Table, read_csv, table

Kind = Literal["board", "capability"]
DAYS = 365.25
"""Days of a year."""
BOARD_POINTS = 5
"""Points from which a series that the library does not know is taken for a board."""
COLUMNS = ("capability", "date", "cost_usd")
"""Columns that a table of points needs."""
SLACK = 1e-9
"""Years that rounding may cost in a comparison of ages [year]."""


@dataclass(frozen=True, slots=True)
class Series:
    """The falling cost of one capability: `costs` are the least by each of `dates` [USD].

    `hardware_fixed` says that all points are priced on one machine at one price: no decline of hardware prices
    is in them.
    """

    name: str
    kind: Kind
    dates: tuple[dt.date, ...]
    costs: tuple[float, ...]
    hardware_fixed: bool = False

    @property
    def ages(self) -> tuple[float, ...]:
        """Years since the first point, of each point [year]."""
        return tuple((date - self.dates[0]).days / DAYS for date in self.dates)

    @property
    def span(self) -> float:
        """Years from the first point to the last [year]."""
        return self.ages[-1]

    @property
    def factor(self) -> float:
        """Cost at first over cost at last [1]."""
        return self.costs[0] / self.costs[-1]

    @property
    def records(self) -> int:
        """Number of points that were cheaper than all before."""
        return len(set(self.costs))

    def at(self, on: dt.date) -> float | None:
        """Return the least cost by a day [USD]; None before the first point.

        Parameters
        ----------
        on : the day
        """
        known = [cost for date, cost in zip(self.dates, self.costs, strict=True) if date <= on]
        return known[-1] if known else None

    def declined(self, age: float) -> float:
        """Return ln(first cost / least cost by an age) [1].

        Parameters
        ----------
        age : since the first point [year]
        """
        return math.log(self.costs[0] / self.seen(age).costs[-1])

    def seen(self, age: float) -> Series:
        """Return what was known of the series at an age.

        Parameters
        ----------
        age : since the first point, at least 0 [year]
        """
        count = sum(one <= age + SLACK for one in self.ages)
        return Series(self.name, self.kind, self.dates[:count], self.costs[:count], self.hardware_fixed)


@lru_cache(maxsize=1)
def cost_series() -> tuple[Series, ...]:
    """Return the series of `data/measurements/cost_decline.csv`."""
    return read_series(table("measurements/cost_decline"))


def read_series(rows: Table) -> tuple[Series, ...]:
    """Return the series of a table of points, in any order of its rows.

    Parameters
    ----------
    rows : with the columns capability, date (ISO) and cost_usd; kind ("board" or "capability") and hardware_fixed
        ("yes" or "no") may be left out: they are those of the library's series of that name; a new one is a board
        where it has five points or more

    Raises
    ------
    InputError
        With all problems at once: columns, dates, costs, kinds.
    """
    check_columns(rows)
    known = {} if rows.name == "cost_decline" and "role" in rows.columns else {one.name: one for one in cost_series()}
    points: dict[str, list[tuple[dt.date, float, Mapping[str, str]]]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows.rows, start=2):
        point, wrong = read_point(row)
        problems += [f"line {number}: {one}" for one in wrong]
        if point is not None:
            points.setdefault(row["capability"], []).append((*point, row))
    if problems:
        raise InputError(problems)
    if not points:
        raise InputError(f"{rows.name}: there is no point in the table")
    return tuple(_series(name, found, known.get(name)) for name, found in points.items())


def check_columns(rows: Table) -> None:
    """Raise `InputError` if a table of points lacks a column that it needs.

    Parameters
    ----------
    rows : see `read_series`
    """
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise InputError(f"{rows.name}: columns are missing: {', '.join(missing)}; needed are {', '.join(COLUMNS)}")


def series_of(points: Any) -> tuple[Series, ...]:
    """Return the series of what a user gives for points; those of the library for None.

    Parameters
    ----------
    points : series, a table, the path of a CSV file, rows (dicts) or a data frame
    """
    if points is None:
        return cost_series()
    if isinstance(points, (str, Path)):
        return read_series(read_csv(Path(points)))
    if isinstance(points, Table):
        return read_series(points)
    listed = points.to_dict("records") if hasattr(points, "to_dict") else points
    listed = list(listed) if isinstance(listed, Iterable) else []
    if listed and all(isinstance(one, Series) for one in listed):
        return tuple(listed)
    if listed and all(isinstance(one, Mapping) and one.keys() == listed[0].keys() for one in listed):
        rows = tuple({str(key): str(_day(value)) for key, value in one.items()} for one in listed)
        return read_series(Table("points", rows, tuple(rows[0]), ""))
    raise InputError(f"points must be series, a table, a CSV file or rows with the same keys; got {points!r:.80}")


def read_point(row: Mapping[str, str]) -> tuple[tuple[dt.date, float] | None, list[str]]:
    """Return the date and the cost [USD] of a row, or None and all that is wrong with it.

    Parameters
    ----------
    row : of a table of points, see `read_series`
    """
    wrong, date = [], None
    if not row["capability"].strip():
        wrong.append("capability: a name is needed")
    try:
        date = dt.date.fromisoformat(row["date"])
    except ValueError:
        wrong.append(f"date must be a day such as 2026-09-01; got {row['date']!r}")
    try:
        cost = float(row["cost_usd"])
    except ValueError:
        cost = math.nan
    if not (math.isfinite(cost) and 0 < cost <= MOST):
        wrong.append(f"cost_usd must be a number above 0; got {row['cost_usd']!r}")
    for column, allowed in (("kind", ("board", "capability")), ("hardware_fixed", ("yes", "no"))):
        if row.get(column) and row[column] not in allowed:
            wrong.append(f"{column} must be {' or '.join(allowed)}; got {row[column]!r}")
    return (None if wrong or date is None else (date, cost)), wrong


def disjoint(windows: Iterable[tuple[float, float]]) -> int:
    """Return the largest number of windows that do not overlap: as many pieces of evidence as there are at most.

    Parameters
    ----------
    windows : start and end of each

    Examples
    --------
    >>> disjoint([(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
    2
    """
    count, free = 0, -math.inf
    for start, end in sorted(windows, key=lambda window: window[1]):
        if start >= free - SLACK:
            count, free = count + 1, end
    return count


def _series(name: str, points: list[tuple[dt.date, float, Mapping[str, str]]], known: Series | None) -> Series:
    points.sort(key=lambda point: (point[0], -point[1]))
    costs: list[float] = []
    for _, cost, _ in points:
        costs.append(min(cost, costs[-1]) if costs else cost)
    said, fixed = points[0][2].get("kind"), points[0][2].get("hardware_fixed")
    kind: Kind = known.kind if known else "board" if len(points) >= BOARD_POINTS else "capability"
    if said:
        kind = "board" if said == "board" else "capability"
    hardware_fixed = fixed == "yes" if fixed else known is not None and known.hardware_fixed
    return Series(name, kind, tuple(date for date, _, _ in points), tuple(costs), hardware_fixed)


def _day(value: Any) -> Any:
    """Return the day of a moment; anything else as it is."""
    return value.date() if isinstance(value, dt.datetime) else value
