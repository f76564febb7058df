"""Uncertain numbers: ranges with a level and a shape, and random draws keyed by the name of the input.

The ends of a range never enter the calculation. The central value of a figure is the calculation at the medians of
all inputs; its interval comes from random draws.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

from costmodel.foundation.arrays import N
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DEFAULT_LEVEL = 0.8
SHAPES = ("auto", "lognormal", "logitnormal", "normal")
Shape = Literal["auto", "lognormal", "logitnormal", "normal"]


@dataclass(frozen=True, slots=True)
class Range:
    """An uncertain number: what `between`, `triangular`, `beta` and `samples` return."""

    unit: str

    def median(self) -> float:
        """Return the middle of the distribution, in the unit of the range."""
        raise TypeError(f"{type(self).__name__} has no median")

    def quantile(self, probability: float) -> float:
        """Return the quantile at a probability (0 to 1), in the unit of the range.

        Parameters
        ----------
        probability : float
            Between 0 and 1 [1].
        """
        if not 0 <= probability <= 1:
            raise InputError(f"`probability` must be between 0 and 1; got {probability!r}")
        if probability in (0, 1):
            return self.support()[int(probability)]
        return self._quantile(probability)

    def _quantile(self, probability: float) -> float:
        raise TypeError(f"{type(self).__name__} has no quantiles")

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        """Return `count` random draws, shape (count,), in the unit of the range.

        Parameters
        ----------
        generator : numpy.random.Generator
            Source of random numbers.
        count : int
            Number of draws [1].
        """
        raise TypeError(f"{type(self).__name__} has no draws")

    def scaled(self, factor: float, unit: str) -> Self:
        """Return the range multiplied by a positive `factor`, in `unit`.

        Parameters
        ----------
        factor : float
            Factor, above 0 [1].
        unit : str
            Unit of the result.
        """
        raise TypeError(f"{type(self).__name__} cannot be scaled")

    def support(self) -> tuple[float, float]:
        """Return the lowest and the highest possible value of a draw."""
        raise TypeError(f"{type(self).__name__} has no support")

    def to_data(self) -> str | dict[str, Any]:
        """Return the range as plain data for a TOML or JSON file; `from_data` reads it back."""
        raise TypeError(f"{type(self).__name__} has no written form")


@dataclass(frozen=True, slots=True)
class Interval(Range):
    """The central interval from `low` to `high` with the probability `level`; see `between`.

    The field that takes the range replaces the shape "auto": by lognormal for positive numbers, by logit-normal for
    fractions, by normal for numbers of both signs. `floor` is the lower limit of a lognormal: the power usage
    effectiveness, for example, is at least 1.
    """

    low: float
    high: float
    level: float = DEFAULT_LEVEL
    shape: Shape = "auto"
    floor: float = 0.0

    def _to_normal(self, value: float) -> float:
        if self.shape == "logitnormal":
            return math.log(value / (1 - value))
        return value if self.shape == "normal" else math.log(value - self.floor)

    def _from_normal(self, value: float) -> float:
        if self.shape == "logitnormal":
            return 1 / (1 + math.exp(-value))
        return value if self.shape == "normal" else self.floor + math.exp(value)

    def _location_and_scale(self) -> tuple[float, float]:
        low, high = self._to_normal(self.low), self._to_normal(self.high)
        return (low + high) / 2, (high - low) / (2 * normal_quantile((1 + self.level) / 2))

    def median(self) -> float:
        return self._from_normal((self._to_normal(self.low) + self._to_normal(self.high)) / 2)

    def _quantile(self, probability: float) -> float:
        location, scale = self._location_and_scale()
        return self._from_normal(location + scale * normal_quantile(probability))

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        import numpy as np

        location, scale = self._location_and_scale()
        values = generator.standard_normal(count)
        values *= scale
        values += location
        if self.shape == "normal":
            return values
        if self.shape == "logitnormal":
            return 1 / (1 + np.exp(-values))
        np.exp(values, out=values)
        values += self.floor
        return values

    def scaled(self, factor: float, unit: str) -> Self:
        low, high, floor = self.low * factor, self.high * factor, self.floor * factor
        return type(self)(unit, low, high, self.level, self.shape, floor)  # faster than `replace`

    def support(self) -> tuple[float, float]:
        if self.shape == "normal":
            return -math.inf, math.inf
        return (0.0, 1.0) if self.shape == "logitnormal" else (self.floor, math.inf)

    def settled(self, shape: Shape, floor: float = 0.0) -> Interval:
        """Return the interval with "auto" replaced by a shape, or raise if the ends do not suit the shape.

        Parameters
        ----------
        shape : str
            Shape in place of "auto".
        floor : float
            Lower bound of a lognormal range [unit].
        """
        settled = replace(self, shape=shape, floor=floor) if self.shape == "auto" else self
        if settled.shape == "lognormal" and settled.low <= settled.floor:
            raise InputError(f"the low end of a range must be above {settled.floor:g}; got {self.low:g}")
        if settled.shape == "logitnormal" and not (settled.low > 0 and settled.high < 1):
            raise InputError(f"a range of a fraction must lie between 0 and 1; got {self.low:g} to {self.high:g}")
        return settled

    def to_data(self) -> str | dict[str, Any]:
        if self.level == DEFAULT_LEVEL and self.shape == "auto":
            return f"{self.low!r} to {self.high!r} {self.unit}".strip()
        data: dict[str, Any] = {"low": self.low, "high": self.high, "level": self.level, "shape": self.shape}
        if self.floor:
            data["floor"] = self.floor
        return _with_unit(data, self.unit)


@dataclass(frozen=True, slots=True)
class Triangular(Range):
    """A triangle between `low` and `high` with its peak at `mode`; see `triangular`."""

    low: float
    mode: float
    high: float

    def _quantile(self, probability: float) -> float:
        width, left = self.high - self.low, self.mode - self.low
        if probability * width < left:
            return self.low + math.sqrt(probability * width * left)
        return self.high - math.sqrt((1 - probability) * width * (self.high - self.mode))

    def median(self) -> float:
        return self._quantile(0.5)

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        return generator.triangular(self.low, self.mode, self.high, count)

    def scaled(self, factor: float, unit: str) -> Self:
        return replace(self, low=self.low * factor, mode=self.mode * factor, high=self.high * factor, unit=unit)

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def to_data(self) -> str | dict[str, Any]:
        data = {"shape": "triangular", "low": self.low, "mode": self.mode, "high": self.high}
        return _with_unit(data, self.unit)


@dataclass(frozen=True, slots=True)
class Beta(Range):
    """A beta distribution stretched from `low` to `high`; see `beta`."""

    alpha: float
    beta: float
    low: float = 0.0
    high: float = 1.0

    def _quantile(self, probability: float) -> float:
        from scipy.special import betaincinv

        share = min(max(float(betaincinv(self.alpha, self.beta, probability)), 1e-12), 1 - 1e-12)
        return self.low + (self.high - self.low) * share

    def median(self) -> float:
        return self._quantile(0.5)

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        import numpy as np

        # the density at the ends may be 0: values that round to an end are moved inside
        shares = np.clip(generator.beta(self.alpha, self.beta, count), 1e-12, 1 - 1e-12)
        return self.low + (self.high - self.low) * shares

    def scaled(self, factor: float, unit: str) -> Self:
        return replace(self, low=self.low * factor, high=self.high * factor, unit=unit)

    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def to_data(self) -> str | dict[str, Any]:
        data = {"shape": "beta", "alpha": self.alpha, "beta": self.beta, "low": self.low, "high": self.high}
        return _with_unit(data, self.unit)


@dataclass(frozen=True, slots=True)
class Samples(Range):
    """An empirical distribution, drawn with replacement; see `samples`."""

    values: tuple[float, ...]

    def __repr__(self) -> str:
        first = ", ".join(map(repr, self.values[:6]))
        more = f", ... {len(self.values):,} values" if len(self.values) > 6 else ""
        return f"Samples(unit={self.unit!r}, values=({first}{more}))"

    def _quantile(self, probability: float) -> float:
        import numpy as np

        return float(np.quantile(self.values, probability))

    def median(self) -> float:
        return self._quantile(0.5)

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        return generator.choice(self.values, count)

    def scaled(self, factor: float, unit: str) -> Self:
        return replace(self, values=tuple(value * factor for value in self.values), unit=unit)

    def support(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def to_data(self) -> str | dict[str, Any]:
        return _with_unit({"shape": "samples", "values": list(self.values)}, self.unit)


@checked("unit", "shape")
def between(
    low: float, high: float, unit: str = "", *, level: float = DEFAULT_LEVEL, shape: Shape = "auto"
) -> Interval:
    """Return the range whose central interval of that `level` is `low` to `high`.

    Parameters
    ----------
    low, high : float
        Ends of the interval [unit].
    unit : str
        Unit of both ends; empty means the unit of the field that takes the range.
    level : float
        Probability of the interval, between 0 and 1 [1].
    shape : str
        "lognormal", "logitnormal", "normal", or "auto" (the field decides).

    Raises
    ------
    InputError
        If the ends are not finite and ascending, or the level or shape is not one of the above.

    Examples
    --------
    >>> between(1.8, 3.2, "USD/hour").settled("lognormal").median()  # the geometric mean
    2.4
    """
    ends = _finite("low", low), _finite("high", high)
    if not ends[0] < ends[1]:
        raise InputError(f"`low` must be below `high`; got {low!r} to {high!r}")
    if not 0 < _finite("level", level) < 1:
        raise InputError(f"level must be a fraction between 0 and 1; got {level!r}")
    if shape not in SHAPES:
        raise InputError(unknown("shape", shape, SHAPES))
    return Interval(unit, *ends, level=level, shape=shape)


@checked("unit")
def triangular(low: float, mode: float, high: float, unit: str = "") -> Triangular:
    """Return the triangular range with its peak at `mode`; all in `unit`.

    Parameters
    ----------
    low, mode, high : float
        Lowest, most likely and highest value [unit].
    unit : str
        Unit of the values.

    Examples
    --------
    >>> triangular(1, 2, 4, "USD/hour").median()
    2.267949192431123
    """
    ends = _finite("low", low), _finite("mode", mode), _finite("high", high)
    if not (ends[0] <= ends[1] <= ends[2] and ends[0] < ends[2]):
        raise InputError(f"a triangular range must have low <= mode <= high; got {low!r}, {mode!r}, {high!r}")
    return Triangular(unit, *ends)


@checked("unit")
def beta(alpha: float, beta: float, low: float = 0.0, high: float = 1.0, unit: str = "") -> Beta:
    """Return the beta range with shape parameters `alpha` and `beta`, stretched from `low` to `high`, in `unit`.

    Parameters
    ----------
    alpha, beta : float
        Shape parameters, above 0 [1].
    low, high : float
        Ends of the range [unit].
    unit : str
        Unit of the ends.

    Examples
    --------
    >>> round(beta(8, 2).median(), 3)
    0.82
    """
    if not (_finite("alpha", alpha) > 0 and _finite("beta", beta) > 0):
        raise InputError(f"alpha and beta must be positive; got {alpha!r} and {beta!r}")
    if not _finite("low", low) < _finite("high", high):
        raise InputError(f"`low` must be below `high`; got {low!r} to {high!r}")
    return Beta(unit, float(alpha), float(beta), float(low), float(high))


@checked("unit")
def samples(values: Iterable[float], unit: str = "") -> Samples:
    """Return the empirical range of `values`, in `unit`; draws are taken with replacement.

    Parameters
    ----------
    values : iterable of float
        Equally likely values [unit].
    unit : str
        Unit of the values.

    Examples
    --------
    >>> samples([2.1, 2.4, 3.0], "USD/hour").median()
    2.4
    """
    listed = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(listed, (str, bytes, dict)) or not isinstance(listed, Iterable):
        raise InputError(f"`values` must be a list of numbers; got {values!r}")
    numbers = tuple(listed)
    if not numbers:
        raise InputError("samples needs at least one value; got none")
    if set(map(type, numbers)) == {float} and all(map(math.isfinite, numbers)):
        return Samples(unit, numbers)
    return Samples(unit, tuple(_finite("values", value) for value in numbers))


_BUILDERS: dict[str, Callable[..., Range]] = {"triangular": triangular, "beta": beta, "samples": samples}


def from_data(data: Mapping[str, Any]) -> Range:
    """Return the range of a table in a TOML or JSON file; see `Range.to_data`."""
    arguments = dict(data)
    floor = arguments.pop("floor", 0.0)
    shape, unit = arguments.get("shape", "auto"), arguments.get("unit", "")
    if not isinstance(shape, str) or not isinstance(unit, str):
        raise InputError(f"shape and unit of a range must be text; got {shape!r} and {unit!r}")
    builder = _BUILDERS.get(shape, between)
    if builder is not between:
        arguments.pop("shape")
    try:
        built = builder(**arguments)
    except TypeError:
        forms = "{low, high, level, shape, unit}, {shape = 'triangular', low, mode, high}, "
        forms += "{shape = 'beta', alpha, beta, low, high} or {shape = 'samples', values}"
        raise InputError(f"a range must be {forms}; got keys {sorted(data)}") from None
    return replace(built, floor=_finite("floor", floor)) if isinstance(built, Interval) else built


def median(values: Sequence[float]) -> float:
    """Return the median of the values."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def middle(value: float | Range) -> float:
    """Return the number itself, or the median of a range."""
    return value.median() if isinstance(value, Range) else value


def draws(key: str, spread: Range, count: int, seed: int) -> Array:
    """Return `count` draws of the input named `key`, shape (count,), in the unit of `spread`.

    The random stream depends only on `key` and `seed`. Scenarios therefore share their random numbers, and a range
    for one input does not change the draws of the others.

    Parameters
    ----------
    key : str
        Name of the input.
    spread : Range
        The distribution.
    count : int
        Number of draws.
    seed : int
    """
    return spread.draw(generator(key, seed), count)


def generator(key: str, seed: int) -> np.random.Generator:
    """Return the generator of the draws of the input named `key`.

    Parameters
    ----------
    key : str
        Name of the input.
    seed : int
    """
    import numpy as np

    digest = hashlib.sha256(key.encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


_QUANTILE_90 = 1.2815515655446004
"""Quantile of the standard normal distribution at 0.9: the default level without the 20 ms import of `statistics`."""


@lru_cache(maxsize=64)
def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution at `probability` (0 to 1)."""
    if probability == (1 + DEFAULT_LEVEL) / 2:
        return _QUANTILE_90
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def normal_probability(value: N) -> N:
    """Return the probability that a standard normal variable is at most `value` [1]."""
    if isinstance(value, (int, float)):
        return 0.5 * math.erfc(-value / math.sqrt(2))
    from scipy.special import ndtr

    probability: N = ndtr(value)
    return probability


def _finite(name: str, value: object) -> float:
    scalar = hasattr(value, "__float__") and not hasattr(value, "__len__") and "bool" not in type(value).__name__
    try:
        number = float(value) if scalar else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        shown = repr(value)
        raise InputError(f"{name} must be a finite number; got {shown if len(shown) <= 80 else shown[:77] + '...'}")
    return number


def _with_unit(data: dict[str, Any], unit: str) -> dict[str, Any]:
    return {**data, "unit": unit} if unit else data
