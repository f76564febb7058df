"""Fits of trends to dated values: constant or decaying rate, random walk, or two regimes, with intervals."""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pydantic import Field

from costmodel.foundation.checks import checked, is_finite
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import Range, between
from costmodel.projection.trends.trend import HIGHEST, NO_RANGE, Trend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Model = Literal["constant", "decaying", "random-walk", "regimes"]
MODELS: tuple[Model, ...] = get_args(Model)
"""Models of `fit_trend`."""
LEAST_POINTS = {"constant": 2, "decaying": 4, "random-walk": 3, "regimes": 6}
"""Smallest number of values of each model."""
FADES = (0.1, 30.0, 121)
"""Grid of time constants of a decaying rate: lowest [year], highest [year], and number."""
SHORTEST_REGIME = 0.2
"""Shortest regime, as a share of the time span of the values [1]."""
SCORING_DRAWS = 1000
"""Draws per forecast for the CRPS."""


class Fitted(NamedTuple):
    """Result of a fit."""

    fields: dict[str, Any]
    """Fields of the trend."""
    line: "Array"
    """Fitted ln(value) of each value [1]."""
    parameters: int
    """Number of fitted parameters."""
    level: float
    """Fitted ln(value) at the last date, where the forecast starts."""
    scatter: float
    """Standard deviation of ln(value) around the line [1]."""


class FittedTrend(Trend):
    """Trend fitted to values; see `fit_trend`."""

    model: Model = Field(description="Model of the fit.")
    dates: tuple[float, ...] = Field(description="Dates of the values, ascending, as decimal years [year].")
    values: tuple[float, ...] = Field(description="Fitted values, in their unit.")
    level: float = Field(
        description="Fitted value at the last date, where the forecast starts, in the unit of the values."
    )
    scatter: float = Field(description="Standard deviation of ln(value) around the line [1].")
    noise: float | None = Field(
        default=None,
        description="Standard deviation of ln(value) of a single value, as given to the fit [1]; default: estimated "
        "by the fit.",
    )
    aic: float = Field(description="Akaike information criterion [1]; a random walk is scored without the first value.")

    def value(self, years: Any) -> Any:
        """Return the forecast value after the last date, in the unit of the values.

        Parameters
        ----------
        years : float or array
            Time after the last date [year].
        """
        return self.level * self.factor(years)

    def crps(self) -> float | None:
        """Return the mean CRPS of forecasts of each value of the later half from the values before it.

        Returns
        -------
        float or None
            Mean continuous ranked probability score of ln(value) [1]; None if there are too few values.
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
            except InputError:  # too few values before this date
                continue
            ahead = before.paths([self.dates[known] - self.dates[known - 1]], SCORING_DRAWS, generator)[:, 0]
            drawn = math.log(before.level) + np.log(ahead)
            drawn = np.sort(drawn + before.scatter * generator.standard_normal(SCORING_DRAWS))
            rank = (2 * np.arange(1, SCORING_DRAWS + 1) - SCORING_DRAWS - 1) / SCORING_DRAWS**2
            scores.append(float(np.abs(drawn - math.log(self.values[known])).mean() - (rank * drawn).sum()))
        return sum(scores) / len(scores) if scores else None

    def summary(self) -> str:
        """Return the summary of the trend, then model, number and span of values, scatter and AIC."""
        span = self.dates[-1] - self.dates[0]
        basis = (
            f"{self.model}: {len(self.values)} values over {span:.1f} years, scatter {self.scatter:.2g} in ln(value)"
        )
        return "\n".join([Trend.summary(self), f"{basis}, AIC {self.aic:.1f}"])


@checked("dates", "values", "noise", "lasting", "quantity", "model")
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
    dates : sequence of datetime.date, str or float
        Dates, ISO dates or decimal years [year], shape (points,).
    values : sequence of float
        Positive values [unit], shape (points,).
    model : {"constant", "decaying", "random-walk", "regimes"}
        "constant": constant rate. "decaying": rate that fades to `lasting`. "random-walk": random walk with drift.
        "regimes": two rates with the best-fitting break; either rate may apply in the future.
    noise : float, optional
        Standard deviation of ln(value) of a single value [1]. Required for two values, which have no residuals.
        Recommended for a random walk of values from several sources, whose differences are partly noise.
    lasting : float
        Factor per year to which a decaying rate fades [1].
    quantity : str
        Name of the quantity, printed in tables.

    Returns
    -------
    FittedTrend
        Trend whose rate has the 80 % interval of Student's t.

    Raises
    ------
    InputError
        If the values are too few for the model, or not positive.

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
        raise InputError(f"model {model!r} needs at least {LEAST_POINTS[model]} values; got {len(t)}")
    if noise is not None and not (isinstance(noise, (int, float)) and math.isfinite(noise) and noise > 0):
        raise InputError(f"noise must be a positive standard deviation of ln(value); got {noise!r}")
    if not (isinstance(lasting, (int, float)) and math.isfinite(lasting) and lasting > 0):
        raise InputError(f"lasting must be a positive factor per year; got {lasting!r}")
    fits: dict[str, Callable[[], Fitted]] = {
        "constant": lambda: _constant(t, y, noise),
        "decaying": lambda: _decaying(t, y, noise, lasting),
        "random-walk": lambda: _random_walk(t, y, noise),
        "regimes": lambda: _regimes(t, y, noise),
    }
    fit = fits[model]()
    residuals = y - fit.line
    residuals = residuals[1:] if model == "random-walk" else residuals
    variance = max(float((residuals**2).mean()), 1e-12)
    aic = len(residuals) * (math.log(2 * math.pi * variance) + 1) + 2 * (fit.parameters + 1)
    return FittedTrend(
        **fit.fields,
        model=model,
        dates=tuple(t.tolist()),
        values=tuple(np.exp(y).tolist()),
        level=math.exp(fit.level),
        scatter=fit.scatter,
        noise=noise,
        aic=aic,
        quantity=quantity,
        source=f"fitted on {len(t)} values, {t[0]:.1f} to {t[-1]:.1f}",
    )


def decimal_year(date: Any) -> float:
    """Return a date as a decimal year.

    Parameters
    ----------
    date : datetime.date, str or float
        Date, ISO date, or decimal year, which is returned unchanged.

    Raises
    ------
    InputError
        If it is no date.

    Examples
    --------
    >>> decimal_year("2024-07-02")
    2024.5
    """
    if isinstance(date, str):
        try:
            date = dt.date.fromisoformat(date)
        except ValueError:
            raise InputError(f"dates must be ISO dates such as 2026-09-01, or decimal years; got {date!r}") from None
    if isinstance(date, dt.date):
        first, after = (dt.date(date.year + more, 1, 1).toordinal() for more in (0, 1))
        return round(date.year + (date.toordinal() - first) / (after - first), 3)
    if not is_finite(date):
        raise InputError(f"dates must be ISO dates such as 2026-09-01, or decimal years; got {date!r}")
    return float(date)


def _points(dates: Sequence[Any], values: Sequence[float]) -> tuple["Array", "Array"]:
    """Return decimal years, ascending, and the logarithms of the values."""
    import numpy as np

    problems = []
    dates, values = list(dates), list(values)
    if len(dates) != len(values):
        problems.append(f"dates and values must have the same length; got {len(dates)} and {len(values)}")
    try:
        v = np.array([float(value) for value in values])
        if not (np.isfinite(v) & (v > 0)).all():
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        problems.append("values must be positive finite numbers")
    t = []
    for date in dates:
        try:
            t.append(decimal_year(date))
        except InputError as error:
            problems += error.problems
    if not problems and len(set(t)) < 2:
        problems.append(f"dates must include two different dates; got {len(set(t))}")
    if problems:
        raise InputError(problems)
    order = np.argsort(t, kind="stable")
    return np.array(t)[order], np.log(v[order])


def _least_squares(design: "Array", y: "Array", noise: float | None) -> tuple["Array", "Array", float, float]:
    """Return coefficients, their standard errors, the standard deviation of a value, and t for 80 %."""
    import numpy as np
    from scipy.special import stdtrit

    coefficients = np.asarray(np.linalg.lstsq(design, y, rcond=None)[0], dtype=float)
    residuals = y - design @ coefficients
    freedom = len(y) - design.shape[1]
    if noise is None and freedom < 1:
        raise InputError(f"{len(y)} values determine the rate but not its error; give `noise`, or more values")
    scatter = noise if noise is not None else math.sqrt(float(residuals @ residuals) / freedom)
    errors = scatter * np.sqrt(np.asarray(np.diag(np.linalg.pinv(design.T @ design)), dtype=float))
    return coefficients, errors, scatter, float(stdtrit(freedom if noise is None else 1e6, 0.9))


def _rate(slope: float, half: float) -> float | Range:
    """Return a yearly factor with the interval slope ± half of its logarithm."""
    if abs(slope) + half > math.log(HIGHEST):
        low, high = math.exp(max(slope - half, -700)), math.exp(min(slope + half, 700))
        raise InputError(
            f"the rate cannot be determined: between {low:.3g} and {high:.3g} per year; give more values, or dates "
            "further apart"
        )
    return math.exp(slope) if half < NO_RANGE else between(math.exp(slope - half), math.exp(slope + half))


def _constant(t: "Array", y: "Array", noise: float | None) -> Fitted:
    import numpy as np

    design = np.column_stack([np.ones(len(t)), t - t[-1]])
    coefficients, errors, scatter, student = _least_squares(design, y, noise)
    rate = _rate(float(coefficients[1]), student * float(errors[1]))
    return Fitted({"rate": rate}, design @ coefficients, 2, float(coefficients[0]), scatter)


def _decaying(t: "Array", y: "Array", noise: float | None, lasting: float) -> Fitted:
    """Fit a decaying rate: least squares for each time constant; `fade` is the 80 % likelihood interval of these."""
    import numpy as np

    ends, remains = np.geomspace(*FADES[:2], FADES[2]), math.log(lasting)
    since = t - t[0]
    lifted = y - remains * since
    designs = [np.column_stack([np.ones(len(t)), fade * -np.expm1(-since / fade)]) for fade in ends]
    sums = np.array([float(((lifted - x @ np.linalg.lstsq(x, lifted, rcond=None)[0]) ** 2).sum()) for x in designs])
    best = int(sums.argmin())
    coefficients, errors, scatter, student = _least_squares(designs[best], lifted, noise)
    scatter = scatter if noise is not None else math.sqrt(max(sums[best], 0.0) / max(len(t) - 3, 1))
    within = ends[sums <= sums[best] + 1.642 * scatter**2]  # 80 % of chi-squared with one degree of freedom
    fade: float | Range = float(ends[best])
    if len(within) > 1:
        fade = between(float(within.min()), float(within.max()))
    faded = math.exp(-since[-1] / ends[best])
    slope, half = remains + float(coefficients[1]) * faded, student * float(errors[1]) * faded
    line = designs[best] @ coefficients + remains * since
    fields = {"rate": _rate(slope, half), "fade": fade, "lasting": float(lasting)}
    return Fitted(fields, line, 3, float(line[-1]), scatter)


def _random_walk(t: "Array", y: "Array", noise: float | None) -> Fitted:
    """Fit the drift and the spread of a random walk that starts at the last value. Values of one date are averaged."""
    import numpy as np
    from scipy.special import stdtrit

    days, which = np.unique(t, return_inverse=True)
    if len(days) < 3:
        raise InputError(f"model 'random-walk' needs at least 3 different dates; got {len(days)}")
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
    """Fit two lines of at least three values each; their weights are the shares of time before and after the break."""
    import numpy as np

    fits: list[tuple[float, int]] = []
    for first in range(3, len(t) - 2):
        parts = ((t[:first], y[:first]), (t[first:], y[first:]))
        if (
            min(float(np.ptp(days)) for days, _ in parts) >= SHORTEST_REGIME * (t[-1] - t[0])
            and t[first] > t[first - 1]
        ):
            designs = [np.column_stack([np.ones(len(days)), days - days[0]]) for days, _ in parts]
            sums = [
                float(np.linalg.lstsq(x, logs, rcond=None)[1].sum())
                for x, (_, logs) in zip(designs, parts, strict=True)
            ]
            fits.append((sum(sums), first))
    if not fits:
        raise InputError(
            f"model 'regimes' needs 3 values on each side of a break, over {SHORTEST_REGIME:.0%} or more of the time"
        )
    _, split = min(fits)
    early, late = _constant(t[:split], y[:split], noise), _constant(t[split:], y[split:], noise)
    broken = (t[split - 1] + t[split]) / 2
    odds = (float(broken - t[0]) / float(t[-1] - t[0]), float(t[-1] - broken) / float(t[-1] - t[0]))
    line = np.concatenate([early.line, late.line])
    fields = {
        "regimes": (Trend(**early.fields), Trend(**late.fields)),
        "weights": odds,
        "note": f"the rate breaks at {broken:.2f}",
    }
    scatter = math.sqrt((early.scatter**2 * split + late.scatter**2 * (len(t) - split)) / len(t))
    return Fitted(fields, line, 5, late.level, scatter)
