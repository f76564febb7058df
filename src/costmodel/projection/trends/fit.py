"""Which trend do dated values follow? Fits that can bend, with an interval that says how little is known."""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import Range, between
from costmodel.projection.trends.trend import HIGHEST, NO_RANGE, Trend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Model = Literal["constant", "decaying", "random-walk", "regimes"]
MODELS: tuple[Model, ...] = get_args(Model)
LEAST_POINTS = {"constant": 2, "decaying": 4, "random-walk": 3, "regimes": 6}
FADES = (0.1, 30.0, 121)
"""Time constants that are tried for a decaying rate: least, most [year], and how many."""
SHORTEST_REGIME = 0.2
"""Share of the time that each of two regimes rules at least [1]."""
SCORING_DRAWS = 1000


class Fitted(NamedTuple):
    """What a fit found: the trend's fields, the logarithm it gives for each value, and how many numbers it took."""

    fields: dict[str, Any]
    line: "Array"
    parameters: int
    level: float
    """ln(value) from which the trend goes on."""
    scatter: float
    """Standard deviation of single values around the line [1]."""


class FittedTrend(Trend):
    """A trend with the values that it was fitted on; see `fit_trend`."""

    model: Model
    dates: tuple[float, ...]
    """As decimal years."""
    values: tuple[float, ...]
    level: float
    """Value from which it goes on, at the last date, in the unit of the values."""
    scatter: float
    """Standard deviation of ln(value) around the line [1]."""
    noise: float | None = None
    """As given to the fit [1]."""
    aic: float
    """Akaike's criterion; the random walk leaves the first value out of it."""

    def value(self, years: Any) -> Any:
        """Return the value `years` after the last date, in the unit of the values.

        Parameters
        ----------
        years : after the last date [year], shape (...)
        """
        return self.level * self.factor(years)

    def crps(self) -> float | None:
        """Return how well the model foresees each value of the later half from those before it.

        The mean continuous ranked probability score of ln(value); None if there are too few values.
        """
        import numpy as np

        generator = np.random.default_rng(0)
        first = max(LEAST_POINTS[self.model] + 1, len(self.values) // 2)
        scores = []
        for known in range(first, len(self.values)):
            if self.dates[known] <= self.dates[known - 1]:
                continue
            try:
                before = fit_trend(
                    self.dates[:known], self.values[:known], self.model, noise=self.noise, lasting=self.lasting
                )
            except InputError:  # too little was known by then
                continue
            ahead = before.paths([self.dates[known] - self.dates[known - 1]], SCORING_DRAWS, generator)[:, 0]
            drawn = math.log(before.level) + np.log(ahead)
            drawn = np.sort(drawn + before.scatter * generator.standard_normal(SCORING_DRAWS))
            rank = (2 * np.arange(1, SCORING_DRAWS + 1) - SCORING_DRAWS - 1) / SCORING_DRAWS**2
            scores.append(float(np.abs(drawn - math.log(self.values[known])).mean() - (rank * drawn).sum()))
        return sum(scores) / len(scores) if scores else None

    def summary(self) -> str:
        """Return the rate, the model and what it rests on."""
        span = self.dates[-1] - self.dates[0]
        rests = f"{self.model}: {len(self.values)} values over {span:.1f} years, scatter {self.scatter:.2g} in ln"
        return "\n".join([Trend.summary(self), f"{rests}, AIC {self.aic:.1f}"])


def fit_trend(
    dates: Sequence[Any],
    values: Sequence[float],
    model: Model = "constant",
    *,
    noise: float | None = None,
    lasting: float = 1.0,
    quantity: str = "",
) -> FittedTrend:
    """Fit a trend to dated values.

    Parameters
    ----------
    dates : days, ISO texts of them, or decimal years, shape (points,)
    values : above 0, shape (points,)
    model : "constant" rate; "decaying", a rate that fades to `lasting`; "random-walk" with a drift; "regimes", two
        rates with the break between them that fits best, either of which may rule from now on
    noise : standard deviation of ln(value) of a single value, where it is known [1]; needed for two values, whose
        scatter tells nothing, and for a random walk of values from several sources, whose differences are no steps
    lasting : factor per year to which a decaying rate fades
    quantity : name, for the tables

    Returns
    -------
    FittedTrend
        Its rate has the 80 % interval of Student's t: with few values it is wide.

    Raises
    ------
    InputError
        If there are too few values for the model, or they are not above 0.

    Examples
    --------
    >>> fit = fit_trend([2020, 2021, 2022, 2023], [1.0, 1.5, 1.9, 3.1])
    >>> round(fit.yearly, 2), [round(end, 2) for end in fit.interval(1.0)]
    (1.44, [1.35, 1.53])
    """
    import numpy as np

    if model not in MODELS:
        raise InputError(unknown("model", model, MODELS))
    t, y = _points(dates, values)
    if len(t) < LEAST_POINTS[model]:
        raise InputError(f"{model} needs {LEAST_POINTS[model]} values or more; got {len(t)}")
    if noise is not None and not (isinstance(noise, (int, float)) and math.isfinite(noise) and noise > 0):
        raise InputError(f"noise is a standard deviation of ln(value) above 0; got {noise!r}")
    if not (isinstance(lasting, (int, float)) and math.isfinite(lasting) and lasting > 0):
        raise InputError(f"lasting is a factor per year above 0; got {lasting!r}")
    fits: dict[str, Callable[[], Fitted]] = {
        "constant": lambda: _constant(t, y, noise),
        "decaying": lambda: _decaying(t, y, noise, lasting),
        "random-walk": lambda: _random_walk(t, y, noise),
        "regimes": lambda: _regimes(t, y, noise),
    }
    found = fits[model]()
    left = y - found.line
    left = left[1:] if model == "random-walk" else left
    variance = max(float((left**2).mean()), 1e-12)
    aic = len(left) * (math.log(2 * math.pi * variance) + 1) + 2 * (found.parameters + 1)
    return FittedTrend(
        **found.fields, model=model, dates=tuple(t.tolist()), values=tuple(np.exp(y).tolist()),
        level=math.exp(found.level), scatter=found.scatter, noise=noise, aic=aic, quantity=quantity,
        source=f"fitted on {len(t)} values, {t[0]:.1f} to {t[-1]:.1f}",
    )  # fmt: skip


def decimal_year(date: Any) -> float:
    """Return a date as a decimal year.

    Parameters
    ----------
    date : a day, the ISO text of one, or a decimal year, which is returned as it is

    Examples
    --------
    >>> decimal_year("2024-07-02")
    2024.5
    """
    if isinstance(date, str):
        try:
            date = dt.date.fromisoformat(date)
        except ValueError:
            raise InputError(f"dates: must be days such as 2026-09-01, or decimal years; got {date!r}") from None
    if isinstance(date, dt.date):
        first, after = (dt.date(date.year + more, 1, 1).toordinal() for more in (0, 1))
        return round(date.year + (date.toordinal() - first) / (after - first), 3)
    if isinstance(date, bool) or not hasattr(date, "__float__") or not math.isfinite(float(date)):
        raise InputError(f"dates: must be days such as 2026-09-01, or decimal years; got {date!r}")
    return float(date)


def _points(dates: Sequence[Any], values: Sequence[float]) -> tuple["Array", "Array"]:
    """Return decimal years, ascending, and the logarithms of the values."""
    import numpy as np

    problems = []
    dates, values = list(dates), list(values)
    if len(dates) != len(values):
        problems.append(f"dates and values go together; got {len(dates)} and {len(values)}")
    try:
        v = np.array([float(value) for value in values])
        if not (np.isfinite(v) & (v > 0)).all():
            raise ValueError
    except (TypeError, ValueError):
        problems.append("values: must be finite numbers above 0")
    t = []
    for date in dates:
        try:
            t.append(decimal_year(date))
        except InputError as error:
            problems += error.problems
    if not problems and len(set(t)) < 2:
        problems.append(f"dates: two different ones are needed; got {len(set(t))}")
    if problems:
        raise InputError(problems)
    order = np.argsort(t, kind="stable")
    return np.array(t)[order], np.log(v[order])


def _least_squares(design: "Array", y: "Array", noise: float | None) -> tuple["Array", "Array", float, float]:
    """Return coefficients, their standard errors, the standard deviation of a value, and t for 80 %."""
    import numpy as np
    from scipy.special import stdtrit

    found = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], dtype=float)
    left = y - design @ found
    freedom = len(y) - design.shape[1]
    if noise is None and freedom < 1:
        raise InputError(f"{len(y)} values fix the rate but say nothing of its error: give noise, or more values")
    scatter = noise if noise is not None else math.sqrt(float(left @ left) / freedom)
    errors = scatter * np.sqrt(np.asarray(np.diag(np.linalg.pinv(design.T @ design)), dtype=float))
    return found, errors, scatter, float(stdtrit(freedom if noise is None else 1e6, 0.9))


def _rate(slope: float, half: float) -> float | Range:
    """Return a yearly factor with the interval slope ± half of its logarithm."""
    if abs(slope) + half > math.log(HIGHEST):
        low, high = math.exp(max(slope - half, -700)), math.exp(min(slope + half, 700))
        raise InputError(f"the rate is not known: between {low:.3g} and {high:.3g} a year; the dates are too near, or "
                         "the values too few")  # fmt: skip
    return math.exp(slope) if half < NO_RANGE else between(math.exp(slope - half), math.exp(slope + half))


def _constant(t: "Array", y: "Array", noise: float | None) -> Fitted:
    import numpy as np

    design = np.column_stack([np.ones(len(t)), t - t[-1]])
    found, errors, scatter, student = _least_squares(design, y, noise)
    rate = _rate(float(found[1]), student * float(errors[1]))
    return Fitted({"rate": rate}, design @ found, 2, float(found[0]), scatter)


def _decaying(t: "Array", y: "Array", noise: float | None, lasting: float) -> Fitted:
    """Fit a rate that fades: linear for each time constant; those within 80 % of the best one are its interval."""
    import numpy as np

    ends, remains = np.geomspace(*FADES[:2], FADES[2]), math.log(lasting)
    since = t - t[0]
    lifted = y - remains * since
    designs = [np.column_stack([np.ones(len(t)), fade * -np.expm1(-since / fade)]) for fade in ends]
    sums = np.array([float(((lifted - x @ np.linalg.lstsq(x, lifted, rcond=None)[0]) ** 2).sum()) for x in designs])
    best = int(sums.argmin())
    found, errors, scatter, student = _least_squares(designs[best], lifted, noise)
    scatter = scatter if noise is not None else math.sqrt(max(sums[best], 0.0) / max(len(t) - 3, 1))
    within = ends[sums <= sums[best] + 1.642 * scatter**2]  # 80 % of chi-squared with one degree of freedom
    fade: float | Range = float(ends[best])
    if len(within) > 1:
        fade = between(float(within.min()), float(within.max()))
    left = math.exp(-since[-1] / ends[best])
    slope, half = remains + float(found[1]) * left, student * float(errors[1]) * left
    line = designs[best] @ found + remains * since
    fields = {"rate": _rate(slope, half), "fade": fade, "lasting": float(lasting)}
    return Fitted(fields, line, 3, float(line[-1]), scatter)


def _random_walk(t: "Array", y: "Array", noise: float | None) -> Fitted:
    """Fit drift and spread of the steps; the walk goes on from the last value. Values of one date are their mean."""
    import numpy as np
    from scipy.special import stdtrit

    days, which = np.unique(t, return_inverse=True)
    if len(days) < 3:
        raise InputError(f"random-walk needs 3 different dates or more; got {len(days)}")
    means = np.bincount(which, weights=y) / np.bincount(which)
    steps, gaps = np.diff(means), np.diff(days)
    drift = float(steps.sum() / gaps.sum())
    squares = float(((steps - drift * gaps) ** 2).sum()) * len(gaps) / (len(gaps) - 1)
    walk = math.sqrt(max(squares - 2 * len(gaps) * (noise or 0.0) ** 2, 0.0) / float(gaps.sum()))
    half = float(stdtrit(len(gaps) - 1, 0.9)) * math.hypot(
        walk, math.sqrt(2) * (noise or 0.0) / float(gaps.sum()) ** 0.5
    )
    half /= math.sqrt(float(gaps.sum()))
    line = np.concatenate([means[:1], means[:-1] + drift * gaps])[which]
    return Fitted({"rate": _rate(drift, half), "walk": min(walk, 10.0)}, line, 2, float(means[-1]), noise or 0.0)


def _regimes(t: "Array", y: "Array", noise: float | None) -> Fitted:
    """Fit two lines of three values or more each; they rule on with the odds of the time that each ruled."""
    import numpy as np

    fits: list[tuple[float, int]] = []
    for first in range(3, len(t) - 2):
        parts = ((t[:first], y[:first]), (t[first:], y[first:]))
        if (
            min(float(np.ptp(days)) for days, _ in parts) >= SHORTEST_REGIME * (t[-1] - t[0])
            and t[first] > t[first - 1]
        ):
            designs = [np.column_stack([np.ones(len(days)), days - days[0]]) for days, _ in parts]
            lost = [
                float(np.linalg.lstsq(x, logs, rcond=None)[1].sum())
                for x, (_, logs) in zip(designs, parts, strict=True)
            ]
            fits.append((sum(lost), first))
    if not fits:
        raise InputError(f"regimes needs three dates, over {SHORTEST_REGIME:.0%} of the time, on each side of a break")
    _, at = min(fits)
    early, late = _constant(t[:at], y[:at], noise), _constant(t[at:], y[at:], noise)
    broken = (t[at - 1] + t[at]) / 2
    odds = (float(broken - t[0]) / float(t[-1] - t[0]), float(t[-1] - broken) / float(t[-1] - t[0]))
    line = np.concatenate([early.line, late.line])
    fields = {"regimes": (Trend(**early.fields), Trend(**late.fields)), "weights": odds,
              "note": f"the rate breaks at {broken:.2f}"}  # fmt: skip
    scatter = math.sqrt((early.scatter**2 * at + late.scatter**2 * (len(t) - at)) / len(t))
    return Fitted(fields, line, 5, late.level, scatter)
