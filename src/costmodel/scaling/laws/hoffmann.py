"""Loss as a sum of powers: E + A / N^alpha + B / D^beta, and the model that a compute budget buys by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.scaling.laws.broadcast import positive

FLOPS_PER_PARAMETER = 6.0
"""Training FLOPs for each parameter and token, by which the laws count compute (arXiv 2001.08361) [FLOP]."""


class Allocation(NamedTuple):
    """What a compute budget buys: parameters, tokens, the loss reached, and the compute [FLOP]."""

    parameters: Any
    tokens: Any
    loss: Any
    compute: Any

    @property
    def tokens_per_parameter(self) -> Any:
        """Tokens for each parameter [1]."""
        return self.tokens / self.parameters


@dataclass(frozen=True, slots=True)
class HoffmannLaw:
    """The parametric law of Hoffmann et al.: loss [nat/token] of `N` parameters trained on `D` tokens.

    References
    ----------
    Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", equation 2 (arXiv 2203.15556).

    Examples
    --------
    >>> law = HoffmannLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> round(law.loss(70e9, 1.4e12), 3)
    1.937
    """

    E: float
    """Loss that no scale removes [nat/token]."""
    A: float
    B: float
    alpha: float
    beta: float
    name: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be above 0 and finite; got {value!r}"
            for name, value in (("A", self.A), ("B", self.B), ("alpha", self.alpha), ("beta", self.beta))
            if not 0 < value < float("inf")
        ]
        if not 0 <= self.E < float("inf"):
            wrong.append(f"E must be at least 0 and finite; got {self.E!r}")
        if wrong:
            raise InputError(wrong)

    @property
    def parameter_exponent(self) -> float:
        """Exponent a of the best number of parameters in compute: beta / (alpha + beta) [1]."""
        return self.beta / (self.alpha + self.beta)

    def loss(self, parameters: Any, tokens: Any) -> Any:
        """Return the loss [nat/token], of the broadcast shape.

        Parameters
        ----------
        parameters : N [1], shape (...)
        tokens : D [token], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.
        """
        parameters, tokens = positive(parameters=parameters, tokens=tokens)
        return self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta

    def allocate(self, compute: Any) -> Allocation:
        """Return the parameters and tokens of the least loss with 6 N D = `compute`.

        Parameters
        ----------
        compute : FLOPs of training [FLOP], shape (...)

        Raises
        ------
        InputError
            If a value is not above 0 and finite.

        Examples
        --------
        >>> law = HoffmannLaw(E=1.817218, A=477.826, B=2143.417, alpha=0.347310, beta=0.367172)
        >>> round(law.allocate(5.88e23).tokens_per_parameter, 1)
        17.9
        """
        (compute,) = positive(compute=compute)
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        product = compute / FLOPS_PER_PARAMETER
        parameters = ratio * product**self.parameter_exponent
        tokens = product / parameters
        return Allocation(parameters, tokens, self.loss(parameters, tokens), compute)
