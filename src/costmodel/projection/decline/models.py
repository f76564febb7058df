"""Distributions of the decline of the training cost of a capability.

The decline over a horizon h [year] from a day t0 is D(h) = ln cost(t0) - ln cost(t0 + h), at least 0: what was once
done for less can be done for less again. Each distribution gives the cdf, quantiles, and paths whose unknown rate is
drawn once, so that a path that falls fast in its first year goes on to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fitted import read_constants, read_folds
from costmodel.foundation.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.projection.decline.series import Kind

    Array = NDArray[np.float64]

FITTED, FOLDS = "fitted/decline", "fitted/folds/decline"
"""Tables of the constants, and of those without each series."""
YOUNG = 1.0
"""Age of a board below which the aging gamma process serves alone [year]: there a constant rate covers nothing."""
BISECTIONS = 64
"""Halvings of ln(decline) in the search for a quantile of a mixture."""
TINY = 1e-300
"""The least decline whose logarithm is taken [1]."""


class Decline:
    """A distribution of the decline D(h) of ln cost over a horizon; the base of all."""

    def cdf(self, decline: Any, horizon: Any) -> Any:
        """Return P(D(h) <= decline), a number or an array.

        Parameters
        ----------
        decline : of ln cost [1]
        horizon : h, at least 0 [year]
        """
        import numpy as np

        x, h = np.broadcast_arrays(_numbers("decline", decline), _numbers("horizon", horizon, lowest=0.0))
        inside = (x >= 0) & (h > 0)
        found = np.where(inside, self._cdf(np.where(inside, x, 1.0), np.where(inside, h, 1.0)), x >= 0)
        return _plain(np.clip(found, 0.0, 1.0))

    def quantile(self, probability: Any, horizon: Any) -> Any:
        """Return the decline of ln cost that is not exceeded with a probability, a number or an array.

        Parameters
        ----------
        probability : from 0 up to below 1 [1]
        horizon : h, at least 0 [year]
        """
        import numpy as np

        p, h = np.broadcast_arrays(_numbers("probability", probability), _numbers("horizon", horizon, lowest=0.0))
        if not ((p >= 0) & (p < 1)).all():
            raise InputError(f"a probability lies from 0 up to below 1; got {probability!r}")
        inside = (p > 0) & (h > 0)
        found = self._quantile(np.where(inside, p, 0.5), np.where(inside, h, 1.0))
        return _plain(np.where(inside, np.maximum(found, 0.0), 0.0))

    def paths(self, horizons: Sequence[float], count: int, generator: np.random.Generator) -> Array:
        """Return declines over ascending horizons, shape (count, horizons): unknown rates are drawn once for each path.

        Parameters
        ----------
        horizons : ascending, at least 0 [year]
        count : paths
        generator : of random numbers
        """
        import numpy as np

        h = np.atleast_1d(_numbers("horizons", horizons, lowest=0.0))
        if h.ndim != 1 or (np.diff(h) < 0).any():
            raise InputError(f"horizons ascend; got {horizons!r}")
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
        """Return paths that keep their rank: right where all that is unknown is drawn once."""
        import numpy as np

        ranks = np.clip(generator.random(count), 1e-12, 1 - 1e-12)
        return np.asarray(self.quantile(ranks[:, None], horizons), dtype=float)


@dataclass(frozen=True, slots=True)
class ConstantRate(Decline):
    """A: a rate that stays, and of which little is known: D = r h, ln r ~ N(ln center, spread²).

    Parameters
    ----------
    center : median decline of ln cost [1/year]
    spread : standard deviation of ln r [1]
    """

    center: float
    spread: float

    @property
    def mean_rate(self) -> float:
        return self.center * math.exp(self.spread**2 / 2)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import ndtr

        found: Array = ndtr(np.log(np.maximum(decline, TINY) / (self.center * horizon)) / self.spread)
        return found

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import ndtri

        found: Array = self.center * horizon * np.exp(self.spread * ndtri(probability))
        return found

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        found: Array = self.center * np.exp(self.spread * generator.standard_normal((count, 1))) * horizons
        return found


class Clock(NamedTuple):
    """Constants of the aging gamma process, common to all capabilities.

    The clock L(a) = lasting·a + (1 - lasting)·aging·(1 - exp(-a / aging)) runs fast at first.
    """

    pace: float
    """Shape of the gamma process by year of the clock [1/year]."""
    prior_shape: float
    """Shape of the gamma distribution of the inverse scale of a capability [1]."""
    prior_rate: float
    """Rate of that distribution: declines of ln cost that the prior counts as seen [1]."""
    lasting: float
    """Speed of the clock in old age [1]."""
    aging: float
    """Time in which its early haste fades [year]."""

    def at(self, age: Any) -> Any:
        """Return the clock at an age [year]."""
        import numpy as np

        early = -np.expm1(-np.asarray(age, dtype=float) / self.aging)
        return self.lasting * np.asarray(age, dtype=float) + (1 - self.lasting) * self.aging * early


@dataclass(frozen=True, slots=True)
class AgingGamma(Decline):
    """B: jumps of random size and time that get rarer with age, at a scale that each capability keeps.

    D | beta ~ Gamma(pace·dL, rate beta), beta ~ Gamma(prior_shape, rate prior_rate), dL = L(age + h) - L(age). What
    was seen of the capability, a decline over its age, updates beta: with w = prior_rate + declined,
    D = w X / (1 - X), X ~ Beta(pace·dL, prior_shape + pace·L(age)).

    Parameters
    ----------
    clock : constants of all capabilities
    age : since the capability was first reached [year]
    declined : ln(first cost / cost today) [1]
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
        """Shape and rate of the gamma distribution of beta, given what was seen."""
        shape = self.clock.prior_shape + self.clock.pace * float(self.clock.at(self.age))
        return shape, self.clock.prior_rate + self.declined

    def _passed(self, horizon: Any) -> Any:
        return self.clock.at(self.age + horizon) - self.clock.at(self.age)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        from scipy.special import betainc

        shape, rate = self._scale
        found: Array = betainc(self.clock.pace * self._passed(horizon), shape, decline / (decline + rate))
        return found

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np
        from scipy.special import betaincinv

        shape, rate = self._scale
        pace = self.clock.pace * self._passed(horizon)
        share = betaincinv(pace, shape, probability)
        rest = np.where(share < 0.5, 1 - share, betaincinv(shape, pace, 1 - probability))
        found: Array = rate * share / rest
        return found

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        shape, rate = self._scale
        scale = rate / generator.standard_gamma(shape, (count, 1))
        steps = np.diff(self._passed(horizons), prepend=0.0)
        jumps = generator.standard_gamma(np.maximum(self.clock.pace * steps, 0.0), (count, len(horizons)))
        found: Array = np.cumsum(jumps * scale, axis=1)
        return found


@dataclass(frozen=True, slots=True)
class Pool(Decline):
    """E: either of several distributions is right, each as likely: their cdfs are averaged.

    Parameters
    ----------
    members : the distributions
    """

    members: tuple[Decline, ...]

    @property
    def mean_rate(self) -> float:
        return sum(one.mean_rate for one in self.members) / len(self.members)

    def _cdf(self, decline: Array, horizon: Array) -> Array:
        import numpy as np

        found: Array = np.mean([one._cdf(decline, horizon) for one in self.members], axis=0)
        return found

    def _quantile(self, probability: Array, horizon: Array) -> Array:
        import numpy as np

        ends = np.array([one._quantile(probability, horizon) for one in self.members])
        low, high = (np.log(np.maximum(end, TINY)) for end in (ends.min(axis=0), ends.max(axis=0)))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self._cdf(np.exp(middle), horizon) < probability
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found: Array = np.exp((low + high) / 2)
        return found

    def _paths(self, horizons: Array, count: int, generator: np.random.Generator) -> Array:
        import numpy as np

        chosen = generator.integers(len(self.members), size=count)
        found = np.empty((count, len(horizons)))
        for number, one in enumerate(self.members):
            own = chosen == number
            found[own] = one._paths(horizons, int(own.sum()), generator)
        return found


class Constants(NamedTuple):
    """What `data/fitted/decline.csv` holds: the constant rate and the clock."""

    constant: ConstantRate
    clock: Clock


@lru_cache(maxsize=32)
def constants(without: str | None = None) -> Constants:
    """Return the fitted constants.

    Parameters
    ----------
    without : name of a series that the fit left out; one that it never saw leaves out nothing
    """
    values = read_constants(table(FITTED).rows)["value"]
    values |= read_folds(FOLDS).get(without or "", {})
    return Constants(
        ConstantRate(values["rate_center"], values["rate_spread"]), Clock(*(values[one] for one in Clock._fields))
    )


def decline_model(
    kind: Kind | None, age: float | None = None, declined: float = 0.0, without: str | None = None
) -> Decline:
    """Return the distribution that suits a capability: the one that was calibrated for its kind and age.

    A board in its first year falls as the aging gamma process; anything else as either that or a constant rate,
    which cannot be told apart; a cost without any history (no `kind`, or no `age`) as the constant rate.

    Parameters
    ----------
    kind : "board" (contested in public), "capability" or None
    age : years since it was first reached, None where there is no history [year]
    declined : ln(first cost / cost today), what was seen so far [1]
    without : name of a series whose points the constants must not have seen

    Raises
    ------
    InputError
        If the kind is unknown, or a number is negative or not finite.

    Examples
    --------
    >>> model = decline_model("capability", age=1.8, declined=2.0)
    >>> [round(float(one), 1) for one in model.quantile([0.1, 0.5, 0.9], 2.5)]
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
    known = constants(without)
    if kind is None or age is None:
        return known.constant
    aging = AgingGamma(known.clock, float(age), float(declined))
    return aging if kind == "board" and age < YOUNG else Pool((known.constant, aging))


def _numbers(name: str, given: Any, lowest: float = -math.inf) -> Array:
    import numpy as np

    try:
        found: Array = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, or an array of them; got {str(given)[:80]!r}") from None
    if not (np.isfinite(found) & (found >= lowest)).all():
        bound = "" if math.isinf(lowest) else f" of at least {lowest:g}"
        raise InputError(f"{name} must be finite{bound}; got {str(given)[:80]}")
    return found


def _plain(found: Array) -> Any:
    return float(found) if found.ndim == 0 else found
