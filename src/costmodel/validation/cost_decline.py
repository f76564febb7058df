"""How well are the later costs of the same capability predicted from the earlier ones?"""

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
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from costmodel.foundation.tables import Row, Table
    from costmodel.projection.decline.models import Decline


class _Point(NamedTuple):
    """A row that can be read."""

    date: dt.date
    cost: float
    id: str
    row: Row


class _Predicted(NamedTuple):
    """A case with its CRPS in ln cost (None where it is skipped), and the years from its origin to its outcome."""

    case: Case
    crps: float | None = None
    window: tuple[float, float] = (0.0, 0.0)


def validate_cost_decline(rows: Table) -> dict[str, Any]:
    """Score the decline of costs on a table of dated costs, in the schema of `data/measurements/cost_decline.csv`.

    Predicted are records: costs below all before. Those of a capability that the library ships, later than its newest
    point, are predicted from that point. Where a file holds shipped points only, each month of the series, and each
    gap of one of two points, is predicted by constants of a fit without the series. A capability that the library
    does not know is predicted from the record before. Families are capabilities.

    Beside the scores, for each family and in all, stand "crps" in ln cost (in all: families of equal weight) and
    "windows", the number of spans of time that do not overlap: predictions from one origin are one piece of evidence.
    """
    check_columns(rows)
    found: list[_Predicted] = []
    points: dict[str, list[_Point]] = defaultdict(list)
    for number, row in enumerate(rows.rows, start=2):
        point, wrong = read_point(row)
        identity = f"{row['capability']}, {row['date']}, line {number}"
        if point is None:
            found.append(_Predicted(Case(identity, row["capability"], skipped="; ".join(wrong))))
        else:
            points[row["capability"]].append(_Point(*point, identity, row))
    shipped = {series.name: series for series in cost_series()}
    for name, listed in points.items():
        listed.sort(key=lambda point: (point.date, -point.cost))
        known = shipped.get(name)
        if known is None:
            found += _new(listed, rows)
        elif listed[-1].date > known.dates[-1]:
            found += _later(listed, known)
        else:
            found += _past(known)
    return _report(found)


def _later(points: list[_Point], known: Series) -> Iterator[_Predicted]:
    """Predict what came after the last point that the library knows."""
    least, start = known.costs[-1], known.dates[-1]
    model = decline_model(known.kind, known.span, known.declined(known.span))
    for point in points:
        if point.date <= start:
            yield _skipped(point, known.name, "the library knows this point: later ones are predicted")
        elif point.cost >= least:
            yield _no_record(point, known.name, least)
        else:
            least = point.cost
            horizon = (point.date - start).days / DAYS
            yield _predicted(point.id, known.name, model, known.span, horizon, known.costs[-1], point.cost)


def _new(points: list[_Point], rows: Table) -> Iterator[_Predicted]:
    """Predict each record of a capability from the one before."""
    from costmodel.foundation.tables import Table

    series = read_series(Table(rows.name, tuple(point.row for point in points), rows.columns, ""))[0]
    first = points[0]
    least = first.cost
    yield _skipped(first, series.name, "the first point of its capability: nothing is known before")
    for point in points[1:]:
        if point.date == first.date:
            least = min(least, point.cost)
            yield _skipped(point, series.name, "on the day of the first point: nothing is known before")
        elif point.cost >= least:
            yield _no_record(point, series.name, least)
        else:
            least = point.cost
            age = max(one for date, one in zip(series.dates, series.ages, strict=True) if date < point.date)
            before = series.seen(age)
            model = decline_model(series.kind, age, before.declined(age))
            horizon = (point.date - before.dates[-1]).days / DAYS
            yield _predicted(point.id, series.name, model, age, horizon, before.costs[-1], point.cost)


def _past(known: Series) -> Iterator[_Predicted]:
    """Predict a shipped series at all its origins, by constants that have not seen it."""
    if known.span == 0:
        yield _Predicted(Case(known.name, known.name, skipped="a single point, which the library knows"))
    for origin in origins(known):
        cost = origin.seen.costs[-1]
        model = decline_model(known.kind, origin.age, origin.seen.declined(origin.age), without=known.name)
        identity = f"{known.name}, year {origin.age:.2f} to {origin.age + origin.horizon:.2f}"
        measured = cost * math.exp(-origin.outcome)
        yield _predicted(identity, known.name, model, origin.age, origin.horizon, cost, measured)


def _skipped(point: _Point, family: str, reason: str) -> _Predicted:
    return _Predicted(Case(point.id, family, measured=point.cost, skipped=reason))


def _no_record(point: _Point, family: str, least: float) -> _Predicted:
    return _skipped(point, family, f"no record: it was done for {least:g} USD before")


def _predicted(
    identity: str, family: str, model: Decline, age: float, horizon: float, cost: float, measured: float
) -> _Predicted:
    """Predict a cost [USD] over a horizon [year] from what it was; costs that are tied with an end are inside."""
    intervals = {}
    for level in LEVELS:
        least, most = (model.quantile((1 + sign * level) / 2, horizon) for sign in (-1, 1))
        intervals[level] = cost * math.exp(-most - TOLERANCE), cost * math.exp(-least + TOLERANCE)
    predicted = cost * math.exp(-model.quantile(0.5, horizon))
    crps = score(model, horizon, math.log(cost / measured)).crps
    return _Predicted(Case(identity, family, predicted, measured, intervals), crps, (age, age + horizon))


def _report(found: list[_Predicted]) -> dict[str, Any]:
    scored = report("cost_decline", [one.case for one in found])
    crps, windows = {}, {}
    for name in scored["families"]:
        own = [one for one in found if one.case.family == name and one.crps is not None]
        crps[name] = sum(one.crps for one in own if one.crps is not None) / len(own)
        windows[name] = disjoint(one.window for one in own)
    for name, family in scored["families"].items():
        family |= {"crps": crps[name], "windows": windows[name]}
    return {**scored, "crps": sum(crps.values()) / len(crps) if crps else None, "windows": sum(windows.values())}
