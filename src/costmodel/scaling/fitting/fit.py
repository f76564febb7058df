"""Fit of a scaling law to measured losses, with intervals, holdout errors and warnings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked, positive_numbers
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.limits import DRAWS, shown
from costmodel.foundation.parallel import check_executor, mapped
from costmodel.foundation.ranges import normal_quantile
from costmodel.scaling.fitting.measurements import Measurements, read_measurements
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, HoffmannLaw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import Array, N
    from costmodel.scaling.fitting.objective import Points

NAMES = ("E", "A", "B", "alpha", "beta")
CHUNK = 250
"""Bootstrap replicates fitted per batch."""
FORM_PER_DECADE = 0.03
"""Extrapolation error of the log loss, per decade of compute beyond the data [1].

With it, 79 % of 339 holdout points lie in their 80 % interval (thirteen published data sets, compute above a tenth
of the largest). The fitted law is too high for most of them, by up to 2 %.
"""
SHORT_RANGE = 1.5
"""Decades of compute below which the exponents are poorly identified."""
SURE = 0.25
"""Relative standard error above which an exponent is unidentified [1]."""
LEAST_FLOOR = 0.05
"""E is at its bound below this fraction of the smallest loss [1]."""
USUAL_EXPONENT = (0.3, 0.75)
"""Range of the exponent of optimal parameters in compute: published laws (0.46 to 0.73) with a margin."""
ODD_SCATTER = 0.05
"""Median error above which losses of several units or data sets are probably mixed [1]."""


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Errors on the holdout, beyond the fitted compute: number of points, mean absolute error, bias, by distance."""

    factor: float
    points: int
    mape: float
    bias: float
    coverage: float
    """Share of the held-out points inside their 80 % interval."""
    by_decade: tuple[dict[str, float], ...]


@dataclass(frozen=True, repr=False, eq=False)
class ScalingFit(rendering.Shown):
    """A fitted law with its errors; see `fit_scaling_law`."""

    law: HoffmannLaw
    objective: float
    """Sum of the Huber losses on the logarithm."""
    standard_errors: dict[str, float]
    covariance: NDArray[np.float64]
    """Of E, A, B, alpha and beta, shape (5, 5)."""
    residuals: NDArray[np.float64]
    """ln(predicted) - ln(measured), shape (points,)."""
    condition: float
    """Condition number of the correlations of the centered coefficients."""
    replicates: NDArray[np.float64]
    """Coefficients of the bootstrap, shape (bootstrap, 5); empty without one."""
    holdout: HoldOut | None
    warnings: tuple[str, ...]
    measurements: Measurements = field(repr=False)

    @checked("level")
    def confidence_interval(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Return the interval of each coefficient: quantiles of the bootstrap, or normal without one.

        Parameters
        ----------
        level : float
            Probability of the interval, between 0 and 1 [1].

        Returns
        -------
        dict
            Lower and upper end by coefficient.

        Raises
        ------
        InputError
            If `level` is not between 0 and 1.
        """
        import numpy as np

        check_level(level)
        if len(self.replicates):
            low, high = np.quantile(self.replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)
            return {name: (float(low[i]), float(high[i])) for i, name in enumerate(NAMES)}
        half = normal_quantile((1 + level) / 2)
        values = {name: getattr(self.law, name) for name in NAMES}
        return {
            name: (value - half * self.standard_errors[name], value + half * self.standard_errors[name])
            for name, value in values.items()
        }

    @checked("level")
    def predict(self, parameters: N, tokens: N, level: float = 0.8) -> tuple[N, N, N]:
        """Return the loss of a model with the ends of its interval [nat/token], each of the broadcast shape.

        The interval includes the uncertainty of the coefficients, the scatter of the measurements, and an
        extrapolation error that grows with the distance beyond the measured compute.

        Parameters
        ----------
        parameters : float or array
            Number of parameters N [1], shape (...).
        tokens : float or array
            Training tokens D [token], shape (...).
        level : float
            Probability of the interval, between 0 and 1 [1].

        Returns
        -------
        tuple of float or array
            Loss, lower end, upper end [nat/token].
        """
        import numpy as np

        check_level(level)
        sizes, counts = positive_numbers("parameters", parameters), positive_numbers("tokens", tokens)
        try:
            n, d = np.broadcast_arrays(sizes, counts)
        except ValueError:
            raise InputError(f"parameters and tokens: shapes {sizes.shape} and {counts.shape} do not fit") from None
        loss = np.asarray(self.law.loss(n, d))
        beyond = np.maximum(np.log10(FLOPS_PER_PARAMETER * n * d / self.measurements.compute.max()), 0.0)
        scatter = np.quantile(np.abs(self.residuals), 0.8) / normal_quantile(0.9)
        variance = self._coefficient_variance(n, d) + scatter**2 + (FORM_PER_DECADE * beyond) ** 2
        factor = np.exp(normal_quantile((1 + level) / 2) * np.sqrt(variance))
        return _plain(loss), _plain(loss / factor), _plain(loss * factor)

    def _coefficient_variance(self, n: Array, d: Array) -> Array:
        """Return the variance of ln(loss) that comes from the coefficients, shape of `n`."""
        import numpy as np

        if len(self.replicates):
            e, a, b, alpha, beta = (column.reshape(-1, *[1] * n.ndim) for column in self.replicates[:500].T)
            variance: Array = np.var(np.log(e + a / n**alpha + b / d**beta), axis=0)
            return variance
        law = self.law
        first, second = law.A / n**law.alpha, law.B / d**law.beta
        jacobian = np.stack([np.ones_like(n), first / law.A, second / law.B, -first * np.log(n), -second * np.log(d)])
        jacobian = jacobian / np.asarray(law.loss(n, d))
        spread: Array = np.einsum("i...,ij,j...->...", jacobian, self.covariance, jacobian)
        return spread

    @checked("compute", "level")
    def allocate(self, compute: float, level: float = 0.8) -> dict[str, tuple[float, float, float]]:
        """Return parameters, tokens, their ratio and the loss at the optimum of a budget, each with its interval.

        Parameters
        ----------
        compute : float
            Training compute [FLOP].
        level : float
            Probability of the interval, between 0 and 1 [1].

        Returns
        -------
        dict
            Value, lower end and upper end of `parameters` [1], `tokens` [token], `tokens_per_parameter` [token]
            and `loss` [nat/token].

        Raises
        ------
        MissingFactError
            If the fit has no bootstrap.
        """
        import numpy as np

        check_level(level)
        best = self.law.allocate(compute)
        if not len(self.replicates):
            raise MissingFactError("the interval of an optimum needs a bootstrap: fit with bootstrap=4000")
        _, a, b, alpha, beta = self.replicates.T
        ratio = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
        n = ratio * (compute / FLOPS_PER_PARAMETER) ** (beta / (alpha + beta))
        d = compute / FLOPS_PER_PARAMETER / n
        intervals = {}
        for name, draws in (("parameters", n), ("tokens", d), ("tokens_per_parameter", d / n)):
            low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
            intervals[name] = (float(getattr(best, name)), float(low), float(high))
        loss = self.predict(best.parameters, best.tokens, level)
        return {**intervals, "loss": (float(loss[0]), float(loss[1]), float(loss[2]))}

    @checked("level")
    def rows(self, level: float = 0.95) -> list[dict[str, Any]]:
        """Return one row per coefficient: `coefficient`, `value`, `standard error`, `low` and `high`.

        Parameters
        ----------
        level : float
            Probability of the interval, between 0 and 1 [1].
        """
        ends = self.confidence_interval(level)
        return [
            {
                "coefficient": name,
                "value": getattr(self.law, name),
                "standard error": self.standard_errors[name],
                "low": ends[name][0],
                "high": ends[name][1],
            }
            for name in NAMES
        ]

    def summary(self) -> str:
        """Return the fit as text: coefficients with their intervals, quality, holdout and warnings."""
        return self.to_text()

    def _cells(self) -> list[dict[str, str]]:
        return [
            {key: value if isinstance(value, str) else f"{value:.5g}" for key, value in row.items()}
            for row in self.rows()
        ]

    def _title(self) -> str:
        how = f"{len(self.replicates):,} replicates" if len(self.replicates) else "normal errors"
        law = "law of Hoffmann et al. 2022, loss = E + A / N^alpha + B / D^beta"
        return f"{law}; {len(self.residuals)} points, 95 % intervals from {how}"

    def _footer(self) -> str:
        import numpy as np

        lines = [
            f"objective {self.objective:.6g}, median error {np.median(np.abs(self.residuals)):.2%}, "
            f"condition {self.condition:.3g}"
        ]
        if self.holdout is not None:
            out = self.holdout
            lines.append(
                f"held out beyond a {out.factor:g}th of the compute: {out.points} points, mean error "
                f"{out.mape:.2%}, bias {out.bias:+.2%}, {out.coverage:.0%} in the 80 % interval"
            )
        return "\n".join([*lines, *(f"warning: {message}" for message in self.warnings)])


@checked("holdout", "rng", "law")
def fit_scaling_law(
    parameters: Sequence[float] | NDArray[np.float64] | Mapping[str, Any] | str | Path,
    tokens: Sequence[float] | NDArray[np.float64] | None = None,
    loss: Sequence[float] | NDArray[np.float64] | None = None,
    law: str = "hoffmann",
    weights: Sequence[float] | NDArray[np.float64] | None = None,
    bootstrap: int = 0,
    holdout: float | None = None,
    rng: int = 0,
    executor: Executor | None = None,
) -> ScalingFit:
    """Fit E + A / N^alpha + B / D^beta to measured losses.

    Parameters
    ----------
    parameters : sequence of float, mapping, str or pathlib.Path
        Parameters N of each run [1], shape (runs,); or a table with named columns, or the path of a CSV file.
    tokens : sequence of float, optional
        Training tokens D of each run [token], shape (runs,).
    loss : sequence of float, optional
        Loss of each run [nat/token], shape (runs,).
    law : str
        Form of the law; "hoffmann" is the only one.
    weights : sequence of float, optional
        Weight of each run [1], shape (runs,); 1 by default.
    bootstrap : int
        Number of bootstrap replicates for standard errors and intervals; 4,000 is usual. With 0, the errors are
        normal errors from the curvature.
    holdout : float, optional
        Report errors on the runs above the largest compute / `holdout`, from a fit of the runs below [1]; 10 is
        usual.
    rng : int
        Seed of the bootstrap.
    executor : concurrent.futures.Executor, optional
        Runs the bootstrap in parallel; the result does not depend on it.

    Returns
    -------
    ScalingFit

    Raises
    ------
    InputError
        If the data or the options are invalid; with all problems of the data.

    References
    ----------
    Hoffmann et al. 2022, section 3.3 (arXiv 2203.15556); Besiroglu et al. 2024, "Chinchilla Scaling: A
    replication attempt" (arXiv 2404.10102), whose objective is the sum that is minimized here.

    Examples
    --------
    >>> import numpy as np
    >>> n, d = np.meshgrid([1e8, 3e8, 1e9, 3e9], [1e9, 1e10, 1e11])
    >>> truth = HoffmannLaw(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37)
    >>> fit = fit_scaling_law(n.ravel(), d.ravel(), truth.loss(n, d).ravel())
    >>> round(fit.law.alpha, 3), round(fit.law.E, 3)
    (0.35, 1.8)
    """
    import numpy as np

    from costmodel.scaling.fitting.minimum import minimum
    from costmodel.scaling.fitting.objective import COEFFICIENTS, objective, points, predicted

    if law != "hoffmann":
        raise InputError(f"`law` must be 'hoffmann'; got {law!r}.")
    whole = isinstance(bootstrap, int) and not isinstance(bootstrap, bool) and 0 <= bootstrap <= DRAWS
    if not whole or (holdout is not None and not holdout > 1):
        raise InputError(
            f"`bootstrap` must be a whole number up to {DRAWS:,} and `holdout` above 1; "
            f"got {shown(bootstrap)} and {holdout!r}."
        )
    check_executor(executor)
    measured = read_measurements(parameters, tokens, loss, weights, least=COEFFICIENTS + 1)
    data = points(measured.parameters, measured.tokens, measured.loss)
    theta = minimum(data, measured.weights)
    logs, shares = predicted(theta, data)
    residuals = logs - data.log_loss
    with np.errstate(over="ignore", invalid="ignore"):  # coefficients beyond the largest float are refused below
        covariance, condition = _sandwich(shares, residuals, data, measured.weights, theta)
        drawn = _bootstrap(theta, data, measured.weights, bootstrap, rng, executor)
        errors = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.sqrt(np.diagonal(covariance))
        if len(drawn) > 1:
            covariance = np.cov(drawn.T)
    if not (np.isfinite(covariance).all() and np.isfinite(errors).all()):
        raise InputError(
            "loss: the losses do not determine the law: errors of its coefficients exceed all numbers; "
            "give runs of more sizes and tokens"
        )
    fitted = ScalingFit(
        _law(theta, data),
        float(objective(theta, data, measured.weights)),
        {name: float(error) for name, error in zip(NAMES, errors, strict=True)},
        covariance,
        residuals,
        condition,
        drawn,
        None,
        (),
        measured,
    )
    return _with(fitted, holdout)


def _with(fitted: ScalingFit, holdout: float | None) -> ScalingFit:
    """Return the fit with its holdout errors and its warnings."""
    report = None if holdout is None else _held_out(fitted, holdout)
    return replace(fitted, holdout=report, warnings=tuple(_warnings(fitted)))


def _law(theta: Array, data: Points) -> HoffmannLaw:
    e, a, b, alpha, beta = _coefficients(theta, data)
    return HoffmannLaw(float(e), float(a), float(b), float(alpha), float(beta), name="fitted")


def _coefficients(theta: Array, data: Points) -> Array:
    """Return E, A, B, alpha, beta from the centered coefficients, shape (..., 5)."""
    import numpy as np

    a, b, e, alpha, beta = (theta[..., index] for index in range(5))
    return np.stack([np.exp(e), np.exp(a + alpha * data.mean_x), np.exp(b + beta * data.mean_y), alpha, beta], axis=-1)


def _sandwich(
    shares: Array, residuals: Array, data: Points, weights: Array, theta: Array
) -> tuple[NDArray[np.float64], float]:
    """Return the covariance of the coefficients from curvature and scatter, and the condition of the fit."""
    import numpy as np

    from costmodel.scaling.fitting.objective import DELTA, slopes

    jacobian = slopes(shares, data)
    # the mean curvature of the clipped residual, within a window as wide as a density estimate needs
    usual = 1.4826 * float(np.median(np.abs(residuals)))
    window = max(DELTA, 1.06 * usual * len(residuals) ** -0.2)
    flat = np.full(len(residuals), float(np.mean(np.abs(residuals) <= window)) * DELTA / window)
    curvature = (jacobian * (weights * np.maximum(flat, 1e-12))[:, None]).T @ jacobian
    scores = jacobian * (weights * np.clip(residuals, -DELTA, DELTA))[:, None]
    inverse = np.linalg.pinv(curvature)
    scale = np.sqrt(np.maximum(np.diagonal(curvature), 1e-300))
    condition = float(np.linalg.cond(curvature / np.outer(scale, scale)))
    e, a, b, *_ = _coefficients(theta, data)
    change = np.zeros((5, 5))  # of E, A, B, alpha, beta by a, b, e, alpha, beta
    change[0, 2], change[1, 0], change[1, 3], change[2, 1], change[2, 4] = e, a, a * data.mean_x, b, b * data.mean_y
    change[3, 3] = change[4, 4] = 1.0
    influence = change @ inverse @ scores.T  # of each measurement on the coefficients: variances cannot be negative
    return influence @ influence.T, condition


def _bootstrap(
    theta: Array, data: Points, weights: Array, count: int, rng: int, executor: Executor | None
) -> NDArray[np.float64]:
    """Return the coefficients of resampled data, shape (count, 5)."""
    import numpy as np

    if not count:
        return np.empty((0, 5))
    seeds = np.random.SeedSequence(rng).spawn(math.ceil(count / CHUNK))
    sizes = [min(CHUNK, count - CHUNK * index) for index in range(len(seeds))]
    jobs = [(theta, data, weights, size, seed) for size, seed in zip(sizes, seeds, strict=True)]
    return np.concatenate([_coefficients(part, data) for part in mapped(_resampled, jobs, executor)])


def _resampled(job: tuple[Array, Points, Array, int, np.random.SeedSequence]) -> Array:
    import numpy as np

    from costmodel.scaling.fitting.objective import descend

    theta, data, weights, size, seed = job
    total = len(data.x)
    counts = np.random.default_rng(seed).multinomial(total, np.full(total, 1 / total), size=size)
    return descend(np.repeat(theta[None], size, axis=0), data, counts * weights)


def _held_out(fitted: ScalingFit, factor: float) -> HoldOut | None:
    """Return the errors of a fit of the lower compute on the holdout; None if either has too few points."""
    import numpy as np

    measured = fitted.measurements
    inside = measured.compute <= measured.compute.max() / factor * (1 + 1e-9)
    if np.count_nonzero(inside) < 8 or np.count_nonzero(~inside) < 2:
        return None
    below = measured.chosen(inside)
    fit = fit_scaling_law(below.parameters, below.tokens, below.loss, weights=below.weights)
    beyond = measured.chosen(~inside)
    loss, low, high = fit.predict(beyond.parameters, beyond.tokens)
    errors = np.log(loss / beyond.loss)
    decades = np.log10(beyond.compute / below.compute.max())
    rows = []
    for start in np.arange(0.0, decades.max(), 0.5):
        chosen = (decades >= start) & (decades < start + 0.5)
        if chosen.any():
            rows.append(
                {
                    "decades": float(start),
                    "points": float(np.count_nonzero(chosen)),
                    "mape": float(np.mean(np.abs(np.expm1(errors[chosen])))),
                    "bias": float(np.mean(errors[chosen])),
                }
            )
    covered = float(np.mean((beyond.loss >= low) & (beyond.loss <= high)))
    return HoldOut(
        factor, len(errors), float(np.mean(np.abs(np.expm1(errors)))), float(np.mean(errors)), covered, tuple(rows)
    )


def _warnings(fitted: ScalingFit) -> Iterator[str]:
    """Yield warnings about the data and the fit."""
    import numpy as np

    law, measured = fitted.law, fitted.measurements
    yield from measured.warnings
    decades = float(np.log10(measured.compute.max() / measured.compute.min()))
    if decades < SHORT_RANGE:
        yield f"the compute spans {decades:.1f} decades only: the exponents are poorly identified"
    if LEAST_FLOOR * measured.loss.min() > law.E:
        yield f"E is at its bound ({law.E:.3g}): the irreducible loss is unidentified"
    for name in ("alpha", "beta"):
        value, error = getattr(law, name), fitted.standard_errors[name]
        if error > SURE * value:
            yield f"{name} is unidentified: {value:.3g} with a standard error of {error:.2g}"
    if not USUAL_EXPONENT[0] <= law.parameter_exponent <= USUAL_EXPONENT[1]:
        yield (
            f"the optimal number of parameters would grow as compute to the {law.parameter_exponent:.2f}, outside of "
            "all published laws: do not use the fit for optima"
        )
    scatter = float(np.median(np.abs(fitted.residuals)))
    if scatter > ODD_SCATTER:
        yield f"the median error is {scatter:.0%}: losses of several units or data sets are probably mixed"


def _plain(values: Any) -> Any:
    return float(values) if values.ndim == 0 else values
