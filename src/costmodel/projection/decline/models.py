"""Distributions of the decline of the training cost of a capability.

The decline over a horizon h [year] from a date t0 is D(h) = ln cost(t0) - ln cost(t0 + h). It is at least 0, because
the lowest known cost never rises. Each distribution gives the cdf, quantiles and paths. The unknown rate of a path is
drawn once, so a path that declines fast in its first year also declines fast later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fitted import read_constants, read_folds
from costmodel.foundation.tables import constant, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike

    from costmodel.foundation.arrays import Array, FloatLike
    from costmodel.projection.decline.series import Kind

FITTED, FOLDS = "fitted/decline", "fitted/folds/decline"
"""Tables of the fitted constants, and of the constants fitted without each series."""
YOUNG = constant("young_series")
"""Age of a leaderboard series below which only the aging gamma process is used [year]; a constant rate covers none of
the outcomes there."""
BISECTIONS = 64
"""Bisection steps in ln(decline) for a quantile of a mixture."""
TINY = 1e-300
"""Lower bound of a decline before its logarithm is taken [1]."""


class Decline:
    """Base class: distribution of the decline D(h) of ln cost over a horizon."""

    def cdf(self, decline: ArrayLike, horizon: ArrayLike) -> Any:
        """Return the probability P(D(h) <= decline) [1].

        Parameters
        ----------
        decline : float or array
            Decline of ln cost [1].
        horizon : float or array
            Horizon h, at least 0 [year].
        """
        import numpy as np

        x, h = np.broadcast_arrays(_numbers("decline", decline), _numbers("horizon", horizon, lowest=0.0))
        inside = (x >= 0) & (h > 0)
        below = np.where(inside, self._cdf(np.where(inside, x, 1.0), np.where(inside, h, 1.0)), x >= 0)
        return _plain(np.clip(below, 0.0, 1.0))

    def quantile(self, probability: ArrayLike, horizon: ArrayLike) -> Any:
        """Return a quantile of the decline of ln cost [1].

        Parameters
        ----------
        probability : float or array
            At least 0 and below 1 [1].
        horizon : float or array
            Horizon h, at least 0 [year].
        """
        import numpy as np

        p, h = np.broadcast_arrays(_numbers("probability", probability), _numbers("horizon", horizon, lowest=0.0))
        if not ((p >= 0) & (p < 1)).all():
            raise InputError(f"probability must be at least 0 and below 1; got {probability!r}")
        inside = (p > 0) & (h > 0)
        declines = self._quantile(np.where(inside, p, 0.5), np.where(inside, h, 1.0))
        return _plain(np.where(inside, np.maximum(declines, 0.0), 0.0))

    def paths(self, horizons: Sequence[float], count: int, generator: np.random.Generator) -> Array:
        """Return draws of the decline of ln cost. The unknown rate of a path is drawn once.

        Parameters
        ----------
        horizons : sequence of float
            Ascending, at least 0 [year].
        count : int
            Number of paths.
        generator : numpy.random.Generator
            Source of the random numbers.

        Returns
        -------
        numpy.ndarray
            Declines, shape (count, horizons) [1].
        """
        import numpy as np

        h = np.atleast_1d(_numbers("horizons", horizons, lowest=0.0))
        if h.ndim != 1 or (np.diff(h) < 0).any():
            raise InputError(f"horizons must be ascending; got {horizons!r}")
        return self._paths(h, count, generator)

    @property
    def mean_rate(self) -> float:
        """Expected decline of ln cost over the first year [1/year]."""
        raise TypeError(f"{type(self).__name__} has no mean rate")

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        raise TypeError(f"{type(self).__name__} has no distribution")

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        raise TypeError(f"{type(self).__name__} has no quantiles")

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        """Return paths of constant rank: exact if a path has a single random number."""
        import numpy as np

        ranks = np.clip(generator.random(count), 1e-12, 1 - 1e-12)
        return np.asarray(self.quantile(ranks[:, None], horizons), dtype=float)


@dataclass(frozen=True, slots=True)
class ConstantRate(Decline):
    """Unknown constant rate: D = r h, with ln r ~ N(ln center, spread²).

    Parameters
    ----------
    center : float
        Median decline of ln cost [1/year].
    spread : float
        Standard deviation of ln r [1].
    """

    center: float
    spread: float

    @property
    def mean_rate(self) -> float:
        return self.center * math.exp(self.spread**2 / 2)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import ndtr

        below: Array = ndtr(np.log(np.maximum(decline, TINY) / (self.center * horizon)) / self.spread)
        return below

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import ndtri

        declines: Array = self.center * horizon * np.exp(self.spread * ndtri(probability))
        return declines

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        declines: Array = self.center * np.exp(self.spread * generator.standard_normal((count, 1))) * horizons
        return declines


class Clock(NamedTuple):
    """Constants of the aging gamma process, shared by all capabilities.

    The clock L(a) = lasting·a + (1 - lasting)·aging·(1 - exp(-a / aging)) has speed 1 at age 0 and slows to `lasting`.
    """

    pace: float
    """Shape of the gamma process per year of the clock [1/year]."""
    prior_shape: float
    """Shape of the gamma distribution of the inverse scale of a capability [1]."""
    prior_rate: float
    """Rate of that distribution, equivalent to a decline of ln cost already observed [1]."""
    lasting: float
    """Speed of the clock at high age, relative to age 0 [1]."""
    aging: float
    """Time constant with which the clock slows [year]."""

    def at(self, age: FloatLike) -> Array:
        """Return the clock L at an age [year].

        Parameters
        ----------
        age : float or array
            Time since the capability was first reached [year].
        """
        import numpy as np

        ages: Array = np.asarray(age, dtype=float)
        early: Array = -np.expm1(-ages / self.aging)
        return self.lasting * ages + (1 - self.lasting) * self.aging * early


@dataclass(frozen=True, slots=True)
class AgingGamma(Decline):
    """Aging gamma process: random jumps that become rarer with age. Each capability has its own inverse scale beta.

    D | beta ~ Gamma(pace·dL, rate beta), beta ~ Gamma(prior_shape, rate prior_rate), dL = L(age + h) - L(age). The
    decline observed so far updates beta: with w = prior_rate + declined,
    D = w X / (1 - X), X ~ Beta(pace·dL, prior_shape + pace·L(age)).

    Parameters
    ----------
    clock : Clock
        Constants shared by all capabilities.
    age : float
        Time since the capability was first reached [year].
    declined : float
        ln(first cost / cost today) [1].
    """

    clock: Clock
    age: float = 0.0
    declined: float = 0.0

    @property
    def mean_rate(self) -> float:
        _, rate = self._scale
        return float(self.clock.pace * self._passed(1.0) * rate / (self._scale[0] - 1))

    @property
    def _scale(self) -> tuple[float, float]:
        """Shape and rate of the posterior gamma distribution of beta."""
        shape = self.clock.prior_shape + self.clock.pace * float(self.clock.at(self.age))
        return shape, self.clock.prior_rate + self.declined

    def _passed(self, horizon: FloatLike) -> Array:
        return self.clock.at(self.age + horizon) - self.clock.at(self.age)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import betainc

        shape, rate = self._scale
        below = betainc(self.clock.pace * self._passed(horizon), shape, decline / (decline + rate))
        return np.asarray(below, dtype=float)

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import betaincinv

        shape, rate = self._scale
        pace = self.clock.pace * self._passed(horizon)
        share = betaincinv(pace, shape, probability)
        rest = np.where(share < 0.5, 1 - share, betaincinv(shape, pace, 1 - probability))
        declines: Array = rate * share / rest
        return declines

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        shape, rate = self._scale
        scale = rate / generator.standard_gamma(shape, (count, 1))
        steps = np.diff(self._passed(horizons), prepend=0.0)
        jumps = generator.standard_gamma(np.maximum(self.clock.pace * steps, 0.0), (count, len(horizons)))
        declines: Array = np.cumsum(jumps * scale, axis=1)
        return declines


@dataclass(frozen=True, slots=True)
class Pool(Decline):
    """Mixture of distributions with equal weights.

    Parameters
    ----------
    members : tuple of Decline
        The distributions.
    """

    members: tuple[Decline, ...]

    @property
    def mean_rate(self) -> float:
        return sum(member.mean_rate for member in self.members) / len(self.members)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        import numpy as np

        below: Array = np.mean([member._cdf(decline, horizon) for member in self.members], axis=0)
        return below

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np

        ends = np.array([member._quantile(probability, horizon) for member in self.members])
        low, high = (np.log(np.maximum(end, TINY)) for end in (ends.min(axis=0), ends.max(axis=0)))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self._cdf(np.exp(middle), horizon) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        declines: Array = np.exp((low + high) / 2)
        return declines

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        chosen = generator.integers(len(self.members), size=count)
        declines = np.empty((count, len(horizons)))
        for index, member in enumerate(self.members):
            rows = chosen == index
            declines[rows] = member._paths(horizons, int(rows.sum()), generator)
        return declines


class Constants(NamedTuple):
    """Fitted constants of `data/fitted/decline.csv`."""

    constant: ConstantRate
    """Distribution of a constant rate."""
    clock: Clock
    """Constants of the aging gamma process."""


@lru_cache(maxsize=32)
def constants(without: str | None = None) -> Constants:
    """Return the fitted constants.

    Parameters
    ----------
    without : str, optional
        Name of a series left out of the fit. A name outside the fit returns the constants of all series.
    """
    values = read_constants(table(FITTED).rows)["value"]
    values |= read_folds(FOLDS).get(without or "", {})
    return Constants(
        ConstantRate(values["rate_center"], values["rate_spread"]), Clock(*(values[field] for field in Clock._fields))
    )


def decline_model(
    kind: Kind | None, age: float | None = None, declined: float = 0.0, without: str | None = None
) -> Decline:
    """Return the distribution of the decline for a type and age of series.

    A leaderboard series in its first year uses the aging gamma process. A cost without history (no `kind` or no `age`)
    uses the constant rate. All others use the mixture of both with equal weights: the data do not favor either.

    Parameters
    ----------
    kind : {"board", "capability"}, optional
        Leaderboard series or capability series.
    age : float, optional
        Time since the capability was first reached [year]; None if there is no history.
    declined : float
        Decline so far, ln(first cost / cost today) [1].
    without : str, optional
        Name of a series left out of the fit of the constants.

    Raises
    ------
    InputError
        If the kind is unknown, or a number is negative or not finite.

    Examples
    --------
    >>> model = decline_model("capability", age=1.8, declined=2.0)
    >>> [round(float(decline), 1) for decline in model.quantile([0.1, 0.5, 0.9], 2.5)]
    [0.4, 1.9, 4.2]
    """
    problems = []
    if kind not in (None, "board", "capability"):
        problems.append(unknown("kind of capability", kind, ["board", "capability"]))
    for name, value in (("age", age), ("declined", declined)):
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            problems.append(f"{name} must be a finite number of at least 0; got {value!r}")
    if problems:
        raise InputError(problems)
    fitted = constants(without)
    if kind is None or age is None:
        return fitted.constant
    aging = AgingGamma(fitted.clock, float(age), float(declined))
    return aging if kind == "board" and age < YOUNG else Pool((fitted.constant, aging))


def _numbers(name: str, values: ArrayLike, lowest: float = -math.inf) -> Array:
    """Return finite numbers of at least `lowest` as an array, or raise `InputError`."""
    import numpy as np

    try:
        array: Array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or an array of numbers; got {str(values)[:80]!r}") from None
    if not (np.isfinite(array) & (array >= lowest)).all():
        bound = "" if math.isinf(lowest) else f" and at least {lowest:g}"
        raise InputError(f"{name} must be finite{bound}; got {str(values)[:80]}")
    return array


def _plain(values: Array) -> Any:
    """Return a float for a scalar array, else the array."""
    return float(values) if values.ndim == 0 else values
