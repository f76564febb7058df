"""Trends: yearly rate of change with uncertainty, given, published or fitted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, check_level, checked
from costmodel.foundation.citations import Source
from costmodel.foundation.errors import InputError, UnknownNameError, unknown
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, between, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, table
from costmodel.foundation.units import quantity as as_quantity
from costmodel.projection.rents.outlook import checked_years

if TYPE_CHECKING:
    import numpy as np

    from costmodel.foundation.arrays import Array, FloatLike
    from costmodel.foundation.fields import NumberLike, RangeLike
    from costmodel.foundation.units import Quantity

DRAWS, SEED = 20_000, 0
"""Number and seed of the draws for intervals without a closed form."""
MOST_LOG = 300.0
"""Largest absolute value of ln(value / value now) of a path [1]."""
HIGHEST = 1e6
"""Largest factor per year; the smallest is its inverse [1]."""
COMPUTED = "computed here"
"""Grade of trends fitted on tables of the library."""
NO_RANGE = 1e-9
"""Half width of ln(rate) below which an interval counts as one number [1]."""


@dataclass(frozen=True, slots=True)
class _Years(Measure):
    """A time in years; text may also give months."""

    def _read(self, value: Any) -> float | Range:
        if isinstance(value, str):
            words = value.strip().split()
            if words and words[-1].lower().rstrip("s") in {"year", "month"}:
                time = Measure._read(self, " ".join(words[:-1]))
                if words[-1].lower().startswith("year"):
                    return time
                return time.scaled(1 / 12, "1") if isinstance(time, Range) else time / 12
        return Measure._read(self, value)


YearlyFactor = Annotated[float | Range, Measure("1", 0.0, HIGHEST, open_low=True)]
Years = Annotated[float | Range, _Years("1", 0.0, 1e3, open_low=True)]


class Trend(rendering.Shown, Spec):
    """Change of a quantity by year, with an uncertain rate.

    A path is `floor + (1 - floor) × exp(y)` times today's value, with y = ln(rate) × h. The rate of a path is drawn
    once. With `fade`, the rate approaches `lasting` exponentially. With `walk`, y has an added random walk of variance
    walk² × h.

    Examples
    --------
    >>> trend = Trend(rate="1.2 to 1.4", per="year")
    >>> round(trend.factor(2.0), 2), f"{trend.doubling_time:.1f}"
    (1.68, '2.7 year')
    >>> round(Trend.published("gpu price-performance, ml gpus").factor(1.0), 2)
    1.4
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            rate: RangeLike | None = ...,
            *,
            per: Literal["year", "month"] = ...,
            doubles_in: RangeLike | None = ...,
            halves_in: RangeLike | None = ...,
            fade: RangeLike | None = ...,
            lasting: NumberLike = ...,
            walk: NumberLike = ...,
            floor: RangeLike = ...,
            regimes: "Sequence[Trend | Mapping[str, object]]" = ...,
            weights: Sequence[float] = ...,
            quantity: str = ...,
            source: str = ...,
            note: str = ...,
        ) -> None: ...

    rate: YearlyFactor | None = Field(
        default=None,
        description='Factor per year or month [1], such as 1.28, 0.7 or "1.2 to 1.4"; give one of `rate`, '
        "`doubles_in`, `halves_in` and `regimes`.",
    )
    per: Literal["year", "month"] = Field(default="year", description="Period of `rate`.")
    doubles_in: Years | None = Field(
        default=None, description='Doubling time, in place of `rate` [year]; text may give months: "8.4 months".'
    )
    halves_in: Years | None = Field(
        default=None, description="Halving time, in place of `rate` [year]; text may give months."
    )
    fade: Years | None = Field(
        default=None,
        description="Time constant with which the rate approaches `lasting` [year]; default: constant rate.",
    )
    lasting: Annotated[float, Measure("1", 1 / HIGHEST, HIGHEST, uncertain=False)] = Field(
        default=1.0, description="Factor per year after fading [1]; needs `fade`."
    )
    walk: Annotated[float, Measure("1", 0.0, 10.0, uncertain=False)] = Field(
        default=0.0, description="Standard deviation of the random walk of ln(value) after one year, 0 to 10 [1]."
    )
    floor: Annotated[float | Range, Measure("1", 0.0, 1.0, open_high=True)] = Field(
        default=0.0, description="Share of today's value that does not change, at least 0 and below 1 [1]."
    )
    regimes: tuple["Trend", ...] = Field(
        default=(), description="Alternative trends, in place of `rate`: each path follows one of them."
    )
    weights: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
        default=(), description="Relative probabilities of the regimes, above 0 [1]; default: equal."
    )
    quantity: str = Field(default="", description="Name of the quantity, printed in tables.")
    source: str = Field(default="", description="Source of the rate.")
    note: str = Field(default="", description="Remark, printed in the summary.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in ("rate", "doubles_in", "halves_in") if getattr(self, name) is not None]
        given += ["regimes"] if self.regimes else []
        problems = []
        if len(given) != 1:
            problems.append(
                f"give exactly one of rate, doubles_in, halves_in and regimes; got {', '.join(given) or 'none'}"
            )
        if self.per == "month" and self.rate is None:
            problems.append("per: applies to `rate` only; give `rate`, or leave `per` out")
        if self.weights and len(self.weights) != len(self.regimes):
            problems.append(f"weights: {len(self.regimes)} regimes need as many weights; got {len(self.weights)}")
        if self.lasting != 1.0 and self.fade is None:
            problems.append("lasting: is the rate after fading; give `fade` too")
        if self.regimes and {"fade", "lasting", "walk", "floor"} & self.model_fields_set:
            problems.append("fade, lasting, walk and floor: set them in each regime, not beside `regimes`")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @classmethod
    @checked("name")
    def published(cls, name: str) -> Self:
        """Return the trend of a row of `trends()`, with its published interval if there is one.

        Parameters
        ----------
        name : str
            Name of the row.

        Raises
        ------
        InputError
            If the row is a level or a bound, not a rate.
        UnknownNameError
            If no row has that name.
        """
        rows = {row["name"]: row for row in trends()}
        if name not in rows:
            raise UnknownNameError.of("trend", name, rows)
        return cls(**_fields(rows[name]))

    @property
    def doubling_time(self) -> "Quantity":
        """Doubling time at the median rate; raises `InputError` if the quantity does not grow."""
        return as_quantity(self._years(1, "halving_time"), "year", "year")

    @property
    def halving_time(self) -> "Quantity":
        """Halving time at the median rate; raises `InputError` if the quantity does not fall."""
        return as_quantity(self._years(-1, "doubling_time"), "year", "year")

    @property
    def yearly(self) -> float:
        """Median factor per year at the start [1]."""
        return math.exp(self._log_rate())

    def factor(self, years: Any) -> Any:
        """Return value / value now at the medians of all inputs [1], in the shape of `years`.

        Parameters
        ----------
        years : float or array
            Time from now [year].
        """
        import numpy as np

        h = checked_years(years)
        if self.regimes:
            return _plain(np.quantile(self._drawn(h), 0.5, axis=0))
        floor, fade = middle(self.floor), None if self.fade is None else middle(self.fade)
        return _plain(floor + (1 - floor) * _exp(self._log(h, self._log_rate(), fade)))

    def interval(self, years: Any, level: float = DEFAULT_LEVEL) -> tuple[Any, Any]:
        """Return the ends of the central interval of value / value now [1], each in the shape of `years`.

        Parameters
        ----------
        years : float or array
            Time from now [year].
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        import numpy as np

        check_level(level)
        ends = np.quantile(self._drawn(checked_years(years)), [(1 - level) / 2, (1 + level) / 2], axis=0)
        return _plain(ends[0]), _plain(ends[1])

    @checked("count", "generator")
    def paths(self, years: Any, count: int, generator: "np.random.Generator") -> "Array":
        """Return draws of value / value now, shape (count, horizons) [1]. The rate of a path is drawn once.

        Parameters
        ----------
        years : sequence of float
            Times from now, shape (horizons,) [year].
        count : int
            Number of draws.
        generator : numpy.random.Generator
            Source of the random numbers.
        """
        import numpy as np

        check_draws(count)
        h = np.atleast_1d(checked_years(years))
        if h.ndim != 1:
            raise InputError(f"years must have one dimension; got the shape {h.shape}")
        if self.regimes:
            odds = np.array(self.weights or [1.0] * len(self.regimes))
            chosen = generator.choice(len(odds), size=count, p=odds / odds.sum())
            drawn = [regime.paths(h, count, generator) for regime in self.regimes]
            return np.stack(drawn)[chosen, np.arange(count)]
        fade = self.fade.draw(generator, count)[:, None] if isinstance(self.fade, Range) else self.fade
        logs = self._log(h, self._log_rates(count, generator)[:, None], fade)
        if self.walk:
            order = np.argsort(h, kind="stable")
            steps = generator.standard_normal((count, len(h))) * np.sqrt(np.diff(h[order], prepend=0.0))
            walked = np.empty_like(steps)
            walked[:, order] = np.cumsum(steps, axis=1)
            logs = logs + self.walk * walked
        floor = self.floor.draw(generator, count)[:, None] if isinstance(self.floor, Range) else self.floor
        ratios: Array = floor + (1 - floor) * _exp(logs)
        return ratios

    @checked("years")
    def rows(self, years: Sequence[float] = (1, 2, 3, 5)) -> list[dict[str, Any]]:
        """Return one row per horizon: years, factor, low and high of value / value now.

        Parameters
        ----------
        years : sequence of float
            Times from now, shape (horizons,) [year].
        """
        low, high = self.interval(list(years))
        return [
            {"years": float(h), "factor": float(self.factor(h)), "low": float(low[i]), "high": float(high[i])}
            for i, h in enumerate(years)
        ]

    def summary(self) -> str:
        """Return one line with rate, interval and doubling or halving time, then note and source."""
        low, high = self.interval(1.0)
        grows = self.yearly > 1 + NO_RANGE
        time = f"doubles in {self.doubling_time.magnitude:.2f} years" if grows else "does not change"
        time = f"halves in {self.halving_time.magnitude:.2f} years" if self.yearly < 1 - NO_RANGE else time
        spread = f", 80 % {low:.3g} to {high:.3g}" if high > low * (1 + NO_RANGE) else ", no interval"
        parts = [f"{self.quantity or 'trend'}: x {self.yearly:.3g} per year{spread}; {time}", self.note, self.source]
        return "\n".join(part for part in parts if part)

    def sources(self) -> set[Source]:
        """Return the source of the trend, if it has one."""
        return {Source(self.source)} if self.source else set()

    def _title(self) -> str:
        return self.summary()

    def _drawn(self, h: "Array") -> "Array":
        import numpy as np

        drawn = self.paths(h.ravel(), DRAWS, np.random.default_rng(SEED))
        return drawn.reshape(DRAWS, *h.shape)

    def _years(self, sign: int, other: str) -> float:
        rate = self._log_rate() * sign
        if rate <= 0:
            moves = "does not grow" if sign > 0 else "does not fall"
            raise InputError(
                f"{self.quantity or 'the quantity'} {moves}: x {self.yearly:.3g} per year; use {other} instead"
            )
        return math.log(2) / rate

    def _log_rate(self) -> float:
        if self.regimes:
            import numpy as np

            return float(np.median(self._log_rates(DRAWS, np.random.default_rng(SEED))))
        if self.rate is not None:
            return math.log(middle(self.rate)) * (12 if self.per == "month" else 1)
        time = self.doubles_in if self.doubles_in is not None else self.halves_in
        return math.log(2) / middle(time or 1.0) * (1 if self.doubles_in is not None else -1)

    def _log_rates(self, count: int, generator: "np.random.Generator") -> "Array":
        """Return draws of the logarithm of the yearly factor, shape (count,)."""
        import numpy as np

        if self.regimes:
            odds = np.array(self.weights or [1.0] * len(self.regimes))
            chosen = generator.choice(len(odds), size=count, p=odds / odds.sum())
            return np.stack([regime._log_rates(count, generator) for regime in self.regimes])[chosen, np.arange(count)]
        given = next(value for value in (self.rate, self.doubles_in, self.halves_in) if value is not None)
        if not isinstance(given, Range):
            return np.full(count, self._log_rate())
        drawn = given.draw(generator, count)
        if self.rate is not None:
            return np.log(drawn) * (12 if self.per == "month" else 1)
        rates: Array = math.log(2) / drawn * (1 if self.doubles_in is not None else -1)
        return rates

    def _log(self, h: "Array", rate: "FloatLike", fade: "FloatLike | None") -> "Array":
        """Return y by horizon, for one rate or an array of rates."""
        import numpy as np

        if fade is None:
            return rate * h
        lasting = math.log(self.lasting)
        return lasting * h + (rate - lasting) * fade * -np.expm1(-h / fade)


def trends(quantity: str | None = None) -> list[Row]:
    """Return the published rows of `data/facts/trends.csv` and the computed rows of `data/fitted/trends.csv`.

    Each row is a rate, a bound or a level, with its source. A computed row follows the published row named in its
    column `after`.

    Parameters
    ----------
    quantity : str, optional
        Only rows of this quantity.

    Raises
    ------
    InputError
        If no row has that quantity.
    """
    computed = [dict(row) for row in table("fitted/trends").rows]
    following = [row.pop("after") for row in computed]
    rows = []
    for published in table("facts/trends").rows:
        rows.append(dict(published))
        rows += [row for row, name in zip(computed, following, strict=True) if name == published["name"]]
    known = {row["quantity"] for row in rows}
    if quantity is not None and quantity not in known:
        raise InputError(unknown("quantity", quantity, known))
    return [row for row in rows if quantity in {None, row["quantity"]}]


def _fields(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the trend of a row. An interval of times becomes one of rates, unless `shape` is "time"."""
    measure, name = row["measure"], row["name"]
    if row["kind"] != "rate":
        raise InputError(f"{name!r} is a {row['kind']}, not a rate; trends() lists the rates")
    fields: dict[str, Any] = {key: row[key] for key in ("quantity", "source", "note")}
    ends = tuple(float(row[key]) for key in ("low", "high") if row[key])
    field = {"factor per year": "rate", "doubling time": "doubles_in", "halving time": "halves_in"}[measure]
    if len(ends) < 2:
        return {field: float(row["central"]), **fields}
    level = float(row["level"])
    if measure == "factor per year" or row["shape"] == "time":
        return {field: between(ends[0], ends[1], level=level), **fields}
    sign = 1 if measure == "doubling time" else -1
    low, high = sorted(math.exp(sign * math.log(2) / time) for time in ends[:2])
    return {"rate": between(low, high, level=level), **fields}


def _exp(logs: "Array") -> "Array":
    import numpy as np

    if np.abs(logs).max(initial=0.0) > MOST_LOG:
        raise InputError(
            f"years: the trend exceeds exp(±{MOST_LOG:g}) times the value now; give fewer years, or set `fade`"
        )
    factors: Array = np.exp(logs)
    return factors


def _plain(values: "Array") -> Any:
    """Return a float for a scalar, else the array."""
    return float(values) if getattr(values, "ndim", 0) == 0 else values
