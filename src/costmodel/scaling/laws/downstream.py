"""From loss or compute to a score: sigmoids, in one step or in two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costmodel.scaling.laws.broadcast import FINITE, POSITIVE, apply, check_coefficients, checked, positive


@dataclass(frozen=True, slots=True)
class SigmoidScore:
    """Score floor + (ceiling - floor) / (1 + exp(-slope (x - middle))); for a loss x the slope is negative.

    References
    ----------
    Bhagia et al. 2024, "Establishing Task Scaling Laws via Compute-Efficient Model Ladders", equation 2
    (arXiv 2412.04403).

    Examples
    --------
    >>> law = SigmoidScore(floor=0.25, ceiling=0.95, slope=-6.0, middle=0.8)
    >>> [round(law.score(loss), 2) for loss in (1.4, 0.8, 0.4)]
    [0.27, 0.6, 0.89]
    """

    floor: float
    ceiling: float
    slope: float
    middle: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, floor=FINITE, ceiling=FINITE, slope=FINITE, middle=FINITE)

    def score(self, x: Any) -> Any:
        """Return the score, in the unit of floor and ceiling.

        Parameters
        ----------
        x : loss [nat/token] or another measure, shape (...)

        Raises
        ------
        InputError
            If a value is not finite.
        """
        (x,) = checked(("x", x, FINITE))
        risen = (1 + apply("tanh", self.slope * (x - self.middle) / 2)) / 2
        return self.floor + (self.ceiling - self.floor) * risen


@dataclass(frozen=True, slots=True)
class TwoStepScore:
    """Score by way of the loss on the right answers: intercept + slope log10 C, and then a sigmoid of it.

    References
    ----------
    Llama team 2024, "The Llama 3 Herd of Models", section on scaling laws (arXiv 2407.21783).

    Examples
    --------
    >>> law = TwoStepScore(intercept=3.0, slope=-0.1, sigmoid=SigmoidScore(0.25, 0.98, -12.0, 0.75))
    >>> round(law.answer_loss(3.8e25), 2), round(law.score(3.8e25), 2)
    (0.44, 0.96)
    """

    intercept: float
    slope: float
    """Of the loss in log10 of compute; negative."""
    sigmoid: SigmoidScore
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, intercept=FINITE, slope=FINITE)

    def answer_loss(self, compute: Any) -> Any:
        """Return the loss on the right answers, in the unit of the intercept.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        return self.intercept + self.slope * apply("log10", compute)

    def score(self, compute: Any) -> Any:
        """Return the score, in the unit of the sigmoid.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        return self.sigmoid.score(self.answer_loss(compute))


@dataclass(frozen=True, slots=True)
class ReinforcementScore:
    """Reward R_0 + (A - R_0) / (1 + (C_mid / C)^B) of reinforcement learning with compute C.

    References
    ----------
    Khatri et al. 2025, "The Art of Scaling Reinforcement Learning Compute for LLMs", equation 1
    (arXiv 2510.13786).

    Examples
    --------
    >>> law = ReinforcementScore(start=0.2, ceiling=0.61, exponent=2.0, middle=2000.0)
    >>> [round(law.score(hours), 3) for hours in (2e3, 1e5)]
    [0.405, 0.61]
    """

    start: float
    """R_0, before training."""
    ceiling: float
    """A, which no compute exceeds."""
    exponent: float
    """B, how steeply compute pays [1]."""
    middle: float
    """C_mid, the compute of half the gain, in the unit of compute."""
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, start=FINITE, ceiling=FINITE, exponent=POSITIVE, middle=POSITIVE)

    def score(self, compute: Any) -> Any:
        """Return the reward.

        Parameters
        ----------
        compute : in the unit of the middle, such as GPU-hours, shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (compute,) = positive(compute=compute)
        risen = (1 + apply("tanh", self.exponent * apply("log", compute / self.middle) / 2)) / 2
        return self.start + (self.ceiling - self.start) * risen


@dataclass(frozen=True, slots=True)
class CoverageLaw:
    """Share of tasks solved at least once in `k` samples, exp(a k^b) with a and b below 0.

    References
    ----------
    Schaeffer et al. 2025, "How Do Large Language Monkeys Get Their Power (Laws)?" (PMLR 267).

    Examples
    --------
    >>> law = CoverageLaw(a=-1.8, b=-0.2)
    >>> [round(law.score(samples), 2) for samples in (1, 10, 100)]
    [0.17, 0.32, 0.49]
    """

    a: float
    b: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check_coefficients(self, a=FINITE, b=FINITE)

    def score(self, samples: Any) -> Any:
        """Return the share of tasks solved [1].

        Parameters
        ----------
        samples : answers drawn for each task k [1], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        (samples,) = positive(samples=samples)
        return apply("exp", self.a * samples**self.b)
