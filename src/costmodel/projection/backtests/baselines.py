"""Baseline forecasts: no change, a published constant rate, and trends fitted to the history of a series.

Rules that name one number are distributions without width. Lines need three cheaper points over three months; until
then, they say what the constant rate says. None of them lets a cost rise: what lies below no decline counts as none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.projection.decline.models import Decline
from costmodel.projection.decline.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Model = Callable[[Series, float], Decline]
"""Predicts the decline from what is known of a series at an age [year]."""
TIMES_A_YEAR = 2.7
"""The rate that is quoted most for a fixed capability [times a year]; it was known before the series were scored."""
LEAST_RECORDS, LEAST_AGE = 3, 0.25
"""Points and years [year] that a line through an own history needs."""
ONSET = 0.5
"""Time after which the drift of `DecayingDrift` has halved [year]."""


@dataclass(frozen=True, slots=True)
class PointRule(Decline):
    """A decline that is said without any doubt; the base of such rules."""

    def _said(self, horizon: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no decline")

    @property
    def mean_rate(self) -> float:
        return float(self._said(1.0))

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        found: Array = (decline >= self._said(horizon)).astype(float)
        return found

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        found: Array = self._said(horizon) + 0.0 * probability
        return found


@dataclass(frozen=True, slots=True)
class SteadyRule(PointRule):
    """D = rate · h, with the rate in ln cost [1/year]; 0 is no change."""

    rate: float

    def _said(self, horizon: Any) -> Any:
        return self.rate * horizon


@dataclass(frozen=True, slots=True)
class DecayingDrift(PointRule):
    """A decline as the logarithm of time, through what was seen: the drift fades as 1 / (age + onset)."""

    age: float
    declined: float

    def _said(self, horizon: Any) -> Any:
        import numpy as np

        level = self.declined / math.log1p(self.age / ONSET)
        return level * np.log1p(horizon / (self.age + ONSET))


@dataclass(frozen=True, slots=True)
class StudentTrend(Decline):
    """A straight line with the t interval of a prediction; the base of such trends."""

    freedom: int
    """Degrees of freedom of the residuals [1]."""

    def _location(self, horizon: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no location")

    def _scale(self, horizon: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no scale")

    @property
    def mean_rate(self) -> float:
        return max(float(self._location(1.0)), 0.0)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        from scipy.special import stdtr

        found: Array = stdtr(self.freedom, (decline - self._location(horizon)) / self._scale(horizon))
        return found

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        from scipy.special import stdtrit

        found: Array = self._location(horizon) + self._scale(horizon) * stdtrit(self.freedom, probability)
        return found


@dataclass(frozen=True, slots=True)
class LeastSquares(StudentTrend):
    """ln cost as a line of time through all records: D = above + slope · h."""

    above: float
    """ln(cost today / that of the line today) [1]."""
    slope: float
    """Decline of the line [1/year]."""
    residual: float
    """Standard deviation of the residuals [1]."""
    count: int
    """Points of the line [1]."""
    ahead: float
    """From the mean of their dates to today [year]."""
    squares: float
    """Sum of squares of their dates around the mean [year²]."""

    def _location(self, horizon: Any) -> Any:
        return self.above + self.slope * horizon

    def _scale(self, horizon: Any) -> Any:
        return self.residual * (1 + 1 / self.count + (self.ahead + horizon) ** 2 / self.squares) ** 0.5


@dataclass(frozen=True, slots=True)
class DriftingWalk(StudentTrend):
    """A random walk whose drift and steps are those of its own months: D = drift · h with sd² = sigma² (h + h²/age)."""

    drift: float
    """Decline of ln cost [1/year]."""
    sigma: float
    """Spread of the steps, grown over a year [1/sqrt(year)]."""
    age: float
    """Years of which the drift is the mean [year]."""

    def _location(self, horizon: Any) -> Any:
        return self.drift * horizon

    def _scale(self, horizon: Any) -> Any:
        return self.sigma * (horizon + horizon**2 / self.age) ** 0.5


def no_change(seen: Series, age: float) -> Decline:
    """Say that the cost stays.

    Parameters
    ----------
    seen : what is known of the series (of no use here)
    age : today's (of no use here) [year]
    """
    return SteadyRule(0.0)


def steady(seen: Series, age: float) -> Decline:
    """Say that the cost falls 2.7 times a year.

    Parameters
    ----------
    seen : what is known of the series (of no use here)
    age : today's (of no use here) [year]
    """
    return SteadyRule(math.log(TIMES_A_YEAR))


def least_squares(seen: Series, age: float) -> Decline:
    """Draw a line through the logarithm of the records.

    Parameters
    ----------
    seen : what is known of the series
    age : today's [year]
    """
    import numpy as np

    if _short(seen, age):
        return steady(seen, age)
    first = [seen.costs.index(cost) for cost in dict.fromkeys(seen.costs)]
    years, logs = np.array(seen.ages)[first], np.log(np.array(seen.costs)[first])
    mean, count = float(years.mean()), len(years)
    squares = float(((years - mean) ** 2).sum())
    slope = float((years - mean) @ logs / squares)
    left = logs - logs.mean() - slope * (years - mean)
    above = math.log(seen.costs[-1]) - float(logs.mean()) - slope * (age - mean)
    residual = max(math.sqrt(float(left @ left) / (count - 2)), 1e-9)
    return LeastSquares(count - 2, above, -slope, residual, count, age - mean, squares)


def drifting_walk(seen: Series, age: float) -> Decline:
    """Take the mean and the spread of the monthly declines so far.

    Parameters
    ----------
    seen : what is known of the series
    age : today's [year]
    """
    import numpy as np

    if _short(seen, age):
        return steady(seen, age)
    months = round(age * 12)
    steps = np.diff([seen.declined(month * age / months) for month in range(months + 1)])
    sigma = max(float(steps.std(ddof=1)) * math.sqrt(months / age), 1e-9)
    return DriftingWalk(months - 1, float(steps.sum()) / age, sigma, age)


def decaying_drift(seen: Series, age: float) -> Decline:
    """Let the drift so far fade.

    Parameters
    ----------
    seen : what is known of the series
    age : today's [year]
    """
    return steady(seen, age) if _short(seen, age) else DecayingDrift(age, seen.declined(age))


def _short(seen: Series, age: float) -> bool:
    """Tell whether a history is too short for a line."""
    return seen.records < LEAST_RECORDS or age < LEAST_AGE


BASELINES: dict[str, Model] = {
    "no change": no_change,
    "constant 2.7x": steady,
    "log-linear least squares": least_squares,
    "random walk with drift": drifting_walk,
    "decaying drift": decaying_drift,
}
"""Baseline forecasts by name; each takes a series up to an age, and the age [year]."""
