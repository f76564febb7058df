"""Error of later costs of the same capability, predicted from earlier costs."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.projection.backtests.origins import origins
from costmodel.projection.backtests.scoring import TOLERANCE, score
from costmodel.projection.decline.models import decline_model
from costmodel.projection.decline.series import (
    DAYS,
    Series,
    check_columns,
    cost_series,
    disjoint,
    read_point,
    read_series,
)
from costmodel.validation.columns import COSTS
from costmodel.validation.columns import check_columns as check_known
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from costmodel.foundation.tables import Row, Table
    from costmodel.projection.decline.models import Decline


class _Point(NamedTuple):
    """A dated cost [USD] of a capability."""

    date: dt.date
    cost: float
    id: str
    row: Row


class _Scored(NamedTuple):
    """A case with its CRPS in ln cost (None if it is skipped), and the years from its origin to its outcome."""

    case: Case
    crps: float | None = None
    window: tuple[float, float] = (0.0, 0.0)


def validate_cost_decline(rows: Table) -> dict[str, Any]:
    """Score the decline of costs on a table of dated costs.

    Records are predicted: costs below all earlier costs of their capability. Which origin and which constants are used
    depends on the capability:

    - A shipped capability with later points in the table: records after its newest shipped point, from that point.
    - A shipped capability without later points: every origin of the shipped series, by a fit without the series.
    - Any other capability: each record from the record before.

    Families are capabilities. Beside the scores, for each family and in all, stand "crps" in ln cost (in all: families
    have equal weight) and "windows", the number of time spans that do not overlap: predictions from one origin are not
    independent.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/cost_decline.csv`; capability, date and cost_usd are required.
    """
    check_columns(rows)
    check_known(rows, COSTS)
    scored: list[_Scored] = []
    points: dict[str, list[_Point]] = defaultdict(list)
    for number, row in enumerate(rows.rows, start=2):
        point, wrong = read_point(row)
        identity = f"{row['capability']}, {row['date']}, line {number}"
        if point is None:
            scored.append(_Scored(Case(identity, row["capability"], skipped="; ".join(wrong))))
        else:
            points[row["capability"]].append(_Point(*point, identity, row))
    shipped = {series.name: series for series in cost_series()}
    for name, capability in points.items():
        capability.sort(key=lambda point: (point.date, -point.cost))
        series = shipped.get(name)
        if series is None:
            scored += _new_capability(capability, rows)
        elif capability[-1].date > series.dates[-1]:
            scored += _later_points(capability, series)
        else:
            scored += _shipped_points(series)
    return _report(scored)


def _later_points(points: list[_Point], series: Series) -> Iterator[_Scored]:
    """Predict the records after the newest shipped point."""
    least, start = series.costs[-1], series.dates[-1]
    model = decline_model(series.kind, series.span, series.declined(series.span))
    for point in points:
        if point.date <= start:
            yield _skipped(point, series.name, "the library knows this point: later points are predicted")
        elif point.cost >= least:
            yield _no_record(point, series.name, least)
        else:
            least = point.cost
            horizon = (point.date - start).days / DAYS
            yield _scored(point.id, series.name, model, series.span, horizon, series.costs[-1], point.cost)


def _new_capability(points: list[_Point], rows: Table) -> Iterator[_Scored]:
    """Predict each record of a capability from the record before."""
    from costmodel.foundation.tables import Table

    series = read_series(Table(rows.name, tuple(point.row for point in points), rows.columns, ""))[0]
    first = points[0]
    least = first.cost
    yield _skipped(first, series.name, "the first point of its capability: no earlier cost is known")
    for point in points[1:]:
        if point.date == first.date:
            least = min(least, point.cost)
            yield _skipped(point, series.name, "on the day of the first point: no earlier cost is known")
        elif point.cost >= least:
            yield _no_record(point, series.name, least)
        else:
            least = point.cost
            age = max(age for date, age in zip(series.dates, series.ages, strict=True) if date < point.date)
            before = series.seen(age)
            model = decline_model(series.kind, age, before.declined(age))
            horizon = (point.date - before.dates[-1]).days / DAYS
            yield _scored(point.id, series.name, model, age, horizon, before.costs[-1], point.cost)


def _shipped_points(series: Series) -> Iterator[_Scored]:
    """Predict a shipped series at all its origins, by constants of a fit without the series."""
    if series.span == 0:
        yield _Scored(Case(series.name, series.name, skipped="a single point, which the library knows"))
    for origin in origins(series):
        cost = origin.seen.costs[-1]
        model = decline_model(series.kind, origin.age, origin.seen.declined(origin.age), without=series.name)
        identity = f"{series.name}, year {origin.age:.2f} to {origin.age + origin.horizon:.2f}"
        measured = cost * math.exp(-origin.outcome)
        yield _scored(identity, series.name, model, origin.age, origin.horizon, cost, measured)


def _skipped(point: _Point, family: str, reason: str) -> _Scored:
    return _Scored(Case(point.id, family, measured=point.cost, skipped=reason))


def _no_record(point: _Point, family: str, least: float) -> _Scored:
    return _skipped(point, family, f"no record: an earlier cost is {least:g} USD")


def _scored(
    identity: str, family: str, model: Decline, age: float, horizon: float, cost: float, measured: float
) -> _Scored:
    """Predict a cost [USD] after a horizon [year]; a measured cost on the end of an interval is inside."""
    intervals = {}
    for level in LEVELS:
        least, most = (model.quantile((1 + sign * level) / 2, horizon) for sign in (-1, 1))
        intervals[level] = cost * math.exp(-most - TOLERANCE), cost * math.exp(-least + TOLERANCE)
    predicted = cost * math.exp(-model.quantile(0.5, horizon))
    crps = score(model, horizon, math.log(cost / measured)).crps
    return _Scored(Case(identity, family, predicted, measured, intervals), crps, (age, age + horizon))


def _report(scored: list[_Scored]) -> dict[str, Any]:
    scores = report("cost_decline", [item.case for item in scored])
    crps, windows = {}, {}
    for name in scores["families"]:
        own = [item for item in scored if item.case.family == name and item.crps is not None]
        crps[name] = sum(item.crps for item in own if item.crps is not None) / len(own)
        windows[name] = disjoint(item.window for item in own)
    for name, family in scores["families"].items():
        family |= {"crps": crps[name], "windows": windows[name]}
    return {**scores, "crps": sum(crps.values()) / len(crps) if crps else None, "windows": sum(windows.values())}
