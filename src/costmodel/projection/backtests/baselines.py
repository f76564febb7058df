"""Baseline forecasts: no change, a published constant rate, and trends fitted to the history of a series.

A point forecast has no uncertainty. Fitted trends need three records over three months; before that, they
return the constant rate. A forecast of a rising cost is replaced by no change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from costmodel.foundation.tables import constant
from costmodel.projection.decline.models import Decline
from costmodel.projection.decline.series import Series

if TYPE_CHECKING:
    from costmodel.foundation.arrays import Array, N

Model = Callable[[Series, float], Decline]
"""Forecast of the decline from a series up to an age, and the age [year]."""
TIMES_A_YEAR = constant("times_a_year")
"""Rate quoted most often for a fixed capability [times per year]; published before the series were scored."""
LEAST_RECORDS, LEAST_AGE = 3, 0.25
"""Fewest records [1] and shortest history [year] for a fitted trend."""
ONSET = constant("drift_onset")
"""Age at which the drift of `DecayingDrift` has halved [year]."""


@dataclass(frozen=True, slots=True)
class PointRule(Decline):
    """Base class: forecast of a single decline without uncertainty."""

    def _point(self, horizon: N) -> N:
        raise TypeError(f"{type(self).__name__} has no decline")

    @property
    def mean_rate(self) -> float:
        return float(self._point(1.0))

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        below: Array = (decline >= self._point(horizon)).astype(float)
        return below

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        declines: Array = self._point(horizon) + 0.0 * probability
        return declines


@dataclass(frozen=True, slots=True)
class SteadyRule(PointRule):
    """Constant rate: D = rate · h."""

    rate: float
    """Decline of ln cost [1/year]; 0 is no change."""

    def _point(self, horizon: N) -> N:
        return self.rate * horizon


@dataclass(frozen=True, slots=True)
class DecayingDrift(PointRule):
    """Decline proportional to ln(1 + age / onset), scaled to the decline so far: its drift fades with age."""

    age: float
    """Time since the first point [year]."""
    declined: float
    """Decline of ln cost so far [1]."""

    def _point(self, horizon: N) -> N:
        import numpy as np

        level = self.declined / math.log1p(self.age / ONSET)
        drift: N = level * np.log1p(horizon / (self.age + ONSET))
        return drift


@dataclass(frozen=True, slots=True)
class StudentTrend(Decline):
    """Base class: linear trend with the prediction interval of Student's t."""

    freedom: int
    """Degrees of freedom of the residuals [1]."""

    def _prediction(self, horizon: N) -> tuple[N, N]:
        """Return median and scale of the decline over a horizon [1]."""
        raise TypeError(f"{type(self).__name__} has no prediction")

    @property
    def mean_rate(self) -> float:
        return max(float(self._prediction(1.0)[0]), 0.0)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        from scipy.special import stdtr

        location, scale = self._prediction(horizon)
        below: Array = stdtr(self.freedom, (decline - location) / scale)
        return below

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        from scipy.special import stdtrit

        location, scale = self._prediction(horizon)
        declines: Array = location + scale * stdtrit(self.freedom, probability)
        return declines


@dataclass(frozen=True, slots=True)
class LeastSquares(StudentTrend):
    """Least-squares line of ln cost over time through all records: D = above + slope · h."""

    above: float
    """ln(cost today / cost on the line today) [1]."""
    slope: float
    """Decline of the line [1/year]."""
    residual: float
    """Standard deviation of the residuals [1]."""
    count: int
    """Number of records [1]."""
    ahead: float
    """Time from the mean date of the records to today [year]."""
    squares: float
    """Sum of squared deviations of the dates from their mean [year²]."""

    def _prediction(self, horizon: N) -> tuple[N, N]:
        scale: N = self.residual * (1 + 1 / self.count + (self.ahead + horizon) ** 2 / self.squares) ** 0.5
        return self.above + self.slope * horizon, scale


@dataclass(frozen=True, slots=True)
class DriftingWalk(StudentTrend):
    """Random walk with drift, from the monthly declines: D = drift · h with variance sigma² (h + h²/age)."""

    drift: float
    """Decline of ln cost [1/year]."""
    sigma: float
    """Standard deviation of ln cost per square root of time [1/sqrt(year)]."""
    age: float
    """Length of the history of which the drift is the mean [year]."""

    def _prediction(self, horizon: N) -> tuple[N, N]:
        scale: N = self.sigma * (horizon + horizon**2 / self.age) ** 0.5
        return self.drift * horizon, scale


def _no_change(seen: Series, age: float) -> Decline:
    """Forecast no change of the cost."""
    return SteadyRule(0.0)


def _steady(seen: Series, age: float) -> Decline:
    """Forecast a constant decline of 2.7 times per year."""
    return SteadyRule(math.log(TIMES_A_YEAR))


def _least_squares(seen: Series, age: float) -> Decline:
    """Forecast the least-squares line through ln cost of the records."""
    import numpy as np

    if _short(seen, age):
        return _steady(seen, age)
    first = [seen.costs.index(cost) for cost in dict.fromkeys(seen.costs)]
    years, logs = np.array(seen.ages)[first], np.log(np.array(seen.costs)[first])
    mean, count = float(years.mean()), len(years)
    squares = float(((years - mean) ** 2).sum())
    slope = float((years - mean) @ logs / squares)
    residuals = logs - logs.mean() - slope * (years - mean)
    above = math.log(seen.costs[-1]) - float(logs.mean()) - slope * (age - mean)
    residual = max(math.sqrt(float(residuals @ residuals) / (count - 2)), 1e-9)
    return LeastSquares(count - 2, above, -slope, residual, count, age - mean, squares)


def _drifting_walk(seen: Series, age: float) -> Decline:
    """Forecast a random walk with the mean and the spread of the monthly declines so far."""
    import numpy as np

    if _short(seen, age):
        return _steady(seen, age)
    months = round(age * 12)
    steps = np.diff([seen.declined(month * age / months) for month in range(months + 1)])
    sigma = max(float(steps.std(ddof=1)) * math.sqrt(months / age), 1e-9)
    return DriftingWalk(months - 1, float(steps.sum()) / age, sigma, age)


def _decaying_drift(seen: Series, age: float) -> Decline:
    """Forecast a decline whose drift fades."""
    return _steady(seen, age) if _short(seen, age) else DecayingDrift(age, seen.declined(age))


def _short(seen: Series, age: float) -> bool:
    """Return whether a history is too short for a fitted trend."""
    return seen.records < LEAST_RECORDS or age < LEAST_AGE


BASELINES: dict[str, Model] = {
    "no change": _no_change,
    "constant 2.7x": _steady,
    "log-linear least squares": _least_squares,
    "random walk with drift": _drifting_walk,
    "decaying drift": _decaying_drift,
}
"""Baseline forecasts by name; each takes a series up to an age, and the age [year]."""
