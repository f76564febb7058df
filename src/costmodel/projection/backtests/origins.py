"""Rolling forecast origins: months of leaderboard series, intervals between points of capability series.

In a leaderboard series, every month is an origin for every horizon. In a capability series, only the intervals between
its points are scored, because no cost is known in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.projection.decline.series import SLACK, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

HORIZONS = (0.25, 0.5, 1.0, 2.0)
"""Horizons of leaderboard series [year]; an interval of a capability series is assigned to the nearest horizon."""
LONGER = "longer"
"""Label of intervals longer than 1.5 times the longest horizon."""
MONTHS = 12
"""Origins per year of a leaderboard series."""


class Origin(NamedTuple):
    """One prediction task: a series up to an age, and the decline over a horizon."""

    seen: Series
    """Series up to the origin."""
    age: float
    """Age of the series at the origin [year]."""
    horizon: float
    """Time from the origin to the outcome [year]."""
    label: str
    """Name of the horizon in tables."""
    outcome: float
    """Decline of ln cost over the horizon [1]."""


def origins(series: Series, horizons: Sequence[float] = HORIZONS) -> list[Origin]:
    """Return the prediction tasks of a series.

    Parameters
    ----------
    series : Series
        Series of any length.
    horizons : sequence of float
        Horizons of a leaderboard series, ascending [year].

    Raises
    ------
    InputError
        If a horizon is not positive.
    """
    listed = list(horizons) if isinstance(horizons, Iterable) and not isinstance(horizons, (bytes, Mapping)) else []
    if not listed or not all(
        isinstance(years, (int, float)) and math.isfinite(years) and years > 0 for years in listed
    ):
        raise InputError(f"horizons must be positive numbers of years; got {horizons!r}")
    if series.kind == "capability":
        ages = sorted(set(series.ages))
        return [
            _origin(series, start, end - start, _nearest(end - start, horizons)) for start, end in combinations(ages, 2)
        ]
    return [
        _origin(series, month / MONTHS, horizon, _label(horizon))
        for horizon in horizons
        for month in range(math.ceil(series.span * MONTHS) + 1)
        if month / MONTHS + horizon <= series.span + SLACK
    ]


def _origin(series: Series, age: float, horizon: float, label: str) -> Origin:
    seen = series.seen(age)
    return Origin(seen, age, horizon, label, series.declined(age + horizon) - series.declined(age))


def _label(horizon: float) -> str:
    return f"{horizon:g} years"


def _nearest(gap: float, horizons: Sequence[float]) -> str:
    if gap > 1.5 * max(horizons):
        return LONGER
    return _label(min(horizons, key=lambda horizon: abs(math.log(gap / horizon))))
