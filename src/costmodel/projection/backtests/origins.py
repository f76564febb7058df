"""Rolling forecast origins: months of leaderboard series, intervals between points of capability series.

At each month of a board the decline over each horizon is to be predicted from what was known then; of a capability
only the actual gaps between its points, since nothing is known in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.projection.decline.series import SLACK, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

HORIZONS = (0.25, 0.5, 1.0, 2.0)
"""Horizons of boards [year]; a gap of a capability counts with the nearest."""
LONGER = "longer"
"""Horizon of gaps that are above one and a half times the longest horizon."""
MONTHS = 12
"""Origins in a year of a board."""


class Origin(NamedTuple):
    """A prediction that could have been made: what was known of a series at an age [year], and what came."""

    seen: Series
    age: float
    horizon: float
    label: str
    outcome: float


def origins(series: Series, horizons: Sequence[float] = HORIZONS) -> list[Origin]:
    """Return the predictions that a series can score: each month of a board, each gap of a capability.

    Parameters
    ----------
    series : of any length
    horizons : ascending [year]
    """
    given = list(horizons) if isinstance(horizons, Iterable) else []
    if not given or not all(isinstance(one, (int, float)) and math.isfinite(one) and one > 0 for one in given):
        raise InputError(f"horizons must be years above 0; got {horizons!r}")
    if series.kind == "capability":
        ages = sorted(set(series.ages))
        return [_origin(series, start, end - start, _nearest(end - start, horizons))
                for start, end in combinations(ages, 2)]  # fmt: skip
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
