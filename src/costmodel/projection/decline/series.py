"""Dated costs of a capability, as a running minimum.

There are two types of series. A leaderboard series (`kind` "board") is a public competition: anyone may enter, every
record has a date, and the first entries are weak. A capability series has a few published costs, years apart, with no
data in between. The frontier is the running minimum of the cost. A leaderboard may accept entries for a time without a
new record. The table marks the last date of such a time by `role` "end" (CIFAR-10: 2020-03-10); without it, the series
would stop at a record and its decline would look too fast.
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
"""Days per year."""
BOARD_POINTS = 5
"""Smallest number of points at which a new series counts as a leaderboard series."""
COLUMNS = ("capability", "date", "cost_usd")
"""Required columns of a table of points."""
SLACK = 1e-9
"""Tolerance for rounding in comparisons of ages [year]."""


@dataclass(frozen=True, slots=True)
class Series:
    """Lowest cost of one capability by date."""

    name: str
    """Name of the capability."""
    kind: Kind
    """Type: "board" for a leaderboard series, "capability" for a capability series."""
    dates: tuple[dt.date, ...]
    """Dates of the points, ascending."""
    costs: tuple[float, ...]
    """Lowest cost up to each date [USD]."""
    hardware_fixed: bool = False
    """Whether all points are priced on the same hardware at the same price, without a decline of hardware prices."""

    @property
    def ages(self) -> tuple[float, ...]:
        """Time from the first point to each point [year]."""
        return tuple((date - self.dates[0]).days / DAYS for date in self.dates)

    @property
    def span(self) -> float:
        """Time from the first point to the last [year]."""
        return self.ages[-1]

    @property
    def factor(self) -> float:
        """First cost / last cost [1]."""
        return self.costs[0] / self.costs[-1]

    @property
    def records(self) -> int:
        """Number of points with a new lowest cost."""
        return len(set(self.costs))

    def at(self, on: dt.date) -> float | None:
        """Return the lowest cost up to a date [USD]; None before the first point.

        Parameters
        ----------
        on : datetime.date
            Last date that counts.
        """
        costs = [cost for date, cost in zip(self.dates, self.costs, strict=True) if date <= on]
        return costs[-1] if costs else None

    def declined(self, age: float) -> float:
        """Return ln(first cost / lowest cost up to an age) [1].

        Parameters
        ----------
        age : float
            Time since the first point [year].
        """
        return math.log(self.costs[0] / self.seen(age).costs[-1])

    def seen(self, age: float) -> Series:
        """Return the part of the series that was known at an age.

        Parameters
        ----------
        age : float
            Time since the first point, at least 0 [year].
        """
        count = sum(point_age <= age + SLACK for point_age in self.ages)
        return Series(self.name, self.kind, self.dates[:count], self.costs[:count], self.hardware_fixed)


@lru_cache(maxsize=1)
def cost_series() -> tuple[Series, ...]:
    """Return the series of `data/measurements/cost_decline.csv`."""
    return read_series(table("measurements/cost_decline"))


def read_series(rows: Table) -> tuple[Series, ...]:
    """Return the series of a table of points.

    Parameters
    ----------
    rows : Table
        Points in any order. Required columns: capability, date (ISO) and cost_usd. Optional columns: kind ("board" or
        "capability") and hardware_fixed ("yes" or "no"). Without them, a series of the library keeps its values, and
        a new series is a leaderboard series if it has at least five points.

    Returns
    -------
    tuple of Series
        In the order of their first rows.

    Raises
    ------
    InputError
        If columns, dates, costs or kinds are invalid; lists all problems.
    """
    check_columns(rows)
    own = rows.name == "cost_decline" and "role" in rows.columns
    known = {} if own else {series.name: series for series in cost_series()}
    points: dict[str, list[tuple[dt.date, float, Mapping[str, str]]]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows.rows, start=2):
        point, errors = read_point(row)
        problems += [f"line {number}: {error}" for error in errors]
        if point is not None:
            points.setdefault(row["capability"], []).append((*point, row))
    if problems:
        raise InputError(problems)
    if not points:
        raise InputError(f"{rows.name}: the table has no rows; at least one point is needed")
    return tuple(_series(name, listed, known.get(name)) for name, listed in points.items())


def check_columns(rows: Table) -> None:
    """Raise `InputError` if a table of points lacks a required column.

    Parameters
    ----------
    rows : Table
        See `read_series`.
    """
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise InputError(f"{rows.name}: columns are missing: {', '.join(missing)}; required are {', '.join(COLUMNS)}")


def series_of(points: Any) -> tuple[Series, ...]:
    """Return the series of points in any accepted form.

    Parameters
    ----------
    points : sequence of Series, Table, path of a CSV file, list of dict, data frame or None
        None returns the series of the library.

    Raises
    ------
    InputError
        If the points have no accepted form or are invalid.
    """
    if points is None:
        return cost_series()
    if isinstance(points, (str, Path)):
        return read_series(read_csv(Path(points)))
    if isinstance(points, Table):
        return read_series(points)
    listed = points.to_dict("records") if hasattr(points, "to_dict") else points
    listed = list(listed) if isinstance(listed, Iterable) else []
    if listed and all(isinstance(item, Series) for item in listed):
        return tuple(listed)
    if listed and all(isinstance(item, Mapping) and item.keys() == listed[0].keys() for item in listed):
        rows = tuple({str(key): str(_day(value)) for key, value in item.items()} for item in listed)
        return read_series(Table("points", rows, tuple(rows[0]), ""))
    raise InputError(
        f"points must be series, a table, the path of a CSV file or rows with the same keys; got {points!r:.80}"
    )


def read_point(row: Mapping[str, str]) -> tuple[tuple[dt.date, float] | None, list[str]]:
    """Return the date and the cost of a row, and its problems.

    Parameters
    ----------
    row : mapping of str to str
        Row of a table of points, see `read_series`.

    Returns
    -------
    tuple
        Date and cost [USD], or None if the row is invalid; then a message for each problem.
    """
    problems, date = [], None
    if not row["capability"].strip():
        problems.append("capability must be a name; got an empty cell")
    try:
        date = dt.date.fromisoformat(row["date"])
    except ValueError:
        problems.append(f"date must be an ISO date such as 2026-09-01; got {row['date']!r}")
    try:
        cost = float(row["cost_usd"])
    except ValueError:
        cost = math.nan
    if not (math.isfinite(cost) and 0 < cost <= MOST):
        problems.append(f"cost_usd must be positive; got {row['cost_usd']!r}")
    for column, allowed in (("kind", ("board", "capability")), ("hardware_fixed", ("yes", "no"))):
        if row.get(column) and row[column] not in allowed:
            problems.append(f"{column} must be {' or '.join(allowed)}; got {row[column]!r}")
    return (None if problems or date is None else (date, cost)), problems


def disjoint(windows: Iterable[tuple[float, float]]) -> int:
    """Return the largest number of windows that do not overlap, an upper bound of independent observations.

    Parameters
    ----------
    windows : iterable of tuple of float
        Start and end of each window [year].

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
    given_kind, fixed = points[0][2].get("kind"), points[0][2].get("hardware_fixed")
    kind: Kind = known.kind if known else "board" if len(points) >= BOARD_POINTS else "capability"
    if given_kind:
        kind = "board" if given_kind == "board" else "capability"
    hardware_fixed = fixed == "yes" if fixed else known is not None and known.hardware_fixed
    return Series(name, kind, tuple(date for date, _, _ in points), tuple(costs), hardware_fixed)


def _day(value: Any) -> Any:
    """Return the date of a datetime; any other value unchanged."""
    return value.date() if isinstance(value, dt.datetime) else value
