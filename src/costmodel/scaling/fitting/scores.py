"""Downstream score of a model: a sigmoid fitted to losses and scores, with an interval through a scaling law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import normal_quantile
from costmodel.scaling.laws.downstream import SigmoidScore

if TYPE_CHECKING:
    from costmodel.foundation.arrays import Array
    from costmodel.scaling.fitting.fit import ScalingFit

LEAST = 5
"""Least number of runs for the four coefficients of a sigmoid."""


@dataclass(frozen=True, slots=True)
class ScoreFit:
    """A sigmoid of the loss, and measured minus fitted scores, shape (runs,)."""

    sigmoid: SigmoidScore
    residuals: Array

    def predict(
        self, fit: ScalingFit, parameters: float, tokens: float, level: float = 0.8
    ) -> tuple[float, float, float]:
        """Return the score of a model and the ends of its interval, from the loss by a scaling law.

        Parameters
        ----------
        fit : ScalingFit
            Scaling law of the loss.
        parameters : float
            Number of parameters N [1].
        tokens : float
            Training tokens D [token].
        level : float
            Probability of the interval, between 0 and 1 [1].

        Returns
        -------
        tuple of float
            Score, lower end, upper end [1].
        """
        import numpy as np

        scatter = float(np.sqrt(np.mean(self.residuals**2))) * normal_quantile((1 + level) / 2)
        loss, low, high = fit.predict(parameters, tokens, level)
        score, best, worst = (float(self.sigmoid.score(value)) for value in (loss, low, high))
        ends = (score - float(np.hypot(score - worst, scatter)), score + float(np.hypot(best - score, scatter)))
        bottom, top = sorted((self.sigmoid.floor, self.sigmoid.ceiling))
        return score, max(ends[0], min(bottom, score)), min(ends[1], max(top, score))


def fit_score(loss: Any, score: Any, floor: float | None = None) -> ScoreFit:
    """Fit a sigmoid that falls with the loss.

    Parameters
    ----------
    loss : sequence of float
        Loss of each run [nat/token], shape (runs,).
    score : sequence of float
        Score of each run, such as an accuracy [1], shape (runs,).
    floor : float, optional
        Score of random guessing [1], such as 0.25 with four choices; fitted by default.

    Returns
    -------
    ScoreFit

    Raises
    ------
    InputError
        If the numbers are not finite, there are too few, or all losses are equal.

    References
    ----------
    Bhagia et al. 2024, equation 2 (arXiv 2412.04403).

    Examples
    --------
    >>> truth = SigmoidScore(0.25, 0.95, -6.0, 2.4)
    >>> losses = [3.2, 2.9, 2.7, 2.5, 2.3, 2.1, 1.9]
    >>> round(fit_score(losses, [truth.score(value) for value in losses], floor=0.25).sigmoid.middle, 2)
    2.4
    """
    import numpy as np
    from scipy.optimize import least_squares

    x, y = np.asarray(loss, dtype=float), np.asarray(score, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < LEAST:
        raise InputError(
            f"`loss` and `score` must have one length, {LEAST} or more; got shapes {x.shape} and {y.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("`loss` and `score` must be finite.")
    if np.ptp(x) == 0:
        raise InputError(f"`loss` must have different values; all are {x[0]:g}.")
    span = max(float(np.ptp(y)), 1e-9)

    def law(values: Array) -> SigmoidScore:
        bottom, rise, slope, middle = (float(value) for value in values)
        lower = bottom if floor is None else floor
        return SigmoidScore(lower, lower + rise, -slope, middle, name="fitted")

    initial = [float(y.min()), span, 4 / float(np.ptp(x)), float(np.median(x))]
    lowest = [float(y.min()) - span, 1e-6 * span, 1e-3 / float(np.ptp(x)), float(x.min()) - 2 * float(np.ptp(x))]
    highest = [float(y.max()) + span, 10 * span, 1e3 / float(np.ptp(x)), float(x.max()) + 2 * float(np.ptp(x))]

    def residuals(values: Array) -> Array:
        difference: Array = np.asarray(law(values).score(x)) - y
        return difference

    sigmoid = law(least_squares(residuals, initial, bounds=(lowest, highest)).x)
    return ScoreFit(sigmoid, y - np.asarray(sigmoid.score(x)))
