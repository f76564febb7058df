"""Downstream scores from loss or compute: sigmoids, in one step or in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import FINITE, apply, power
from costmodel.scaling.laws.law import COMPUTE, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import N


@law(
    'Bhagia et al. 2024, "Establishing Task Scaling Laws via Compute-Efficient Model Ladders", equation 2 '
    "(arXiv 2412.04403)."
)
class SigmoidScore(Law):
    """Score floor + (ceiling - floor) / (1 + exp(-slope (x - middle))); for a loss x the slope is negative.

    Examples
    --------
    >>> law = SigmoidScore(floor=0.25, ceiling=0.95, slope=-6.0, middle=0.8)
    >>> [round(law.score(loss), 2) for loss in (1.4, 0.8, 0.4)]
    [0.27, 0.6, 0.89]
    """

    floor: float = constant("Lowest score, that of random answers.", FINITE)
    ceiling: float = constant("Highest score.", FINITE)
    slope: float = constant("Steepness, per unit of x.", FINITE)
    middle: float = constant("Value of x halfway between floor and ceiling.", FINITE)

    @takes(x=Argument("Loss [nat/token] or another measure.", FINITE))
    def score(self, x: N) -> N:
        """Return the score, in the unit of floor and ceiling."""
        return _between(self.floor, self.ceiling, self.slope * (x - self.middle))


@law('Llama team 2024, "The Llama 3 Herd of Models", section on scaling laws (arXiv 2407.21783).')
class TwoStepScore(Law):
    """Score from compute in two steps: correct-answer loss intercept + slope log10 C, then a sigmoid of it.

    Parameters
    ----------
    sigmoid : SigmoidScore
        Score as a function of the correct-answer loss.

    Examples
    --------
    >>> law = TwoStepScore(intercept=3.0, slope=-0.1, sigmoid=SigmoidScore(0.25, 0.98, -12.0, 0.75))
    >>> round(law.answer_loss(3.8e25), 2), round(law.score(3.8e25), 2)
    (0.44, 0.96)
    """

    intercept: float = constant("Correct-answer loss at a compute of 1 FLOP.", FINITE)
    slope: float = constant("Change of that loss per factor 10 of compute; negative.", FINITE)
    sigmoid: SigmoidScore

    @takes(compute=COMPUTE)
    def answer_loss(self, compute: N) -> N:
        """Return the loss on the correct answers, in the unit of the intercept."""
        return self.intercept + self.slope * apply("log10", compute)

    @takes(compute=COMPUTE)
    def score(self, compute: N) -> N:
        """Return the score, in the unit of the sigmoid."""
        return self.sigmoid.score(self.answer_loss(compute))


@law('Khatri et al. 2025, "The Art of Scaling Reinforcement Learning Compute for LLMs", equation 1 (arXiv 2510.13786).')
class ReinforcementScore(Law):
    """Reward R_0 + (A - R_0) / (1 + (C_mid / C)^B) of reinforcement learning with compute C.

    Examples
    --------
    >>> law = ReinforcementScore(start=0.2, ceiling=0.61, exponent=2.0, middle=2000.0)
    >>> [round(law.score(hours), 3) for hours in (2e3, 1e5)]
    [0.405, 0.61]
    """

    start: float = constant("Reward before training R_0.", FINITE)
    ceiling: float = constant("Reward in the limit of infinite compute A.", FINITE)
    exponent: float = constant("Steepness in compute B [1].")
    middle: float = constant("Compute of half the gain C_mid, such as in GPU-hours.")

    @takes(compute=Argument("Compute C, in the unit of the middle."))
    def score(self, compute: N) -> N:
        """Return the reward."""
        return _between(self.start, self.ceiling, self.exponent * apply("log", compute / self.middle))


@law('Schaeffer et al. 2025, "How Do Large Language Monkeys Get Their Power (Laws)?" (PMLR 267).')
class CoverageLaw(Law):
    """Fraction of tasks solved at least once in `k` samples (pass@k), exp(a k^b) with negative a and b.

    Examples
    --------
    >>> law = CoverageLaw(a=-1.8, b=-0.2)
    >>> [round(law.score(samples), 2) for samples in (1, 10, 100)]
    [0.17, 0.32, 0.49]
    """

    a: float = constant("Logarithm of the fraction solved in one sample [1].", FINITE)
    b: float = constant("Exponent of the samples [1].", FINITE)

    @takes(samples=Argument("Samples per task k [1]."))
    def score(self, samples: N) -> N:
        """Return the fraction of tasks solved [1]."""
        return apply("exp", self.a * power(samples, self.b))


def _between(low: float, high: float, x: N) -> N:
    """Return low + (high - low) / (1 + exp(-x)), without overflow."""
    return low + (high - low) * ((1 + apply("tanh", x / 2)) / 2)
