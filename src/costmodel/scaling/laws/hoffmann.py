"""Loss as a sum of two power laws, E + A / N^alpha + B / D^beta, and its compute-optimal allocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N_co
from costmodel.scaling.laws.broadcast import NOT_NEGATIVE, power
from costmodel.scaling.laws.law import COMPUTE, PARAMETERS, TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import M, N

FLOPS_PER_PARAMETER = 6.0
"""Training FLOPs per parameter and token, C = 6 N D (arXiv 2001.08361) [FLOP]."""


class Allocation(NamedTuple, Generic[N_co]):
    """Compute-optimal model of a compute budget: parameters [1], tokens [token], loss, and compute [FLOP]."""

    parameters: N_co
    tokens: N_co
    loss: N_co
    compute: N_co

    @property
    def tokens_per_parameter(self) -> N_co:
        """Training tokens per parameter [token]."""
        return self.tokens / self.parameters


@law()
class TwoTermLaw(Law):
    """Coefficients of a law with a parameter term A / N^alpha and a token term B / D^beta."""

    E: float = constant("Irreducible loss [nat/token].", NOT_NEGATIVE)
    A: float = constant("Scale of the parameter term [nat/token].")
    B: float = constant("Scale of the token term [nat/token].")
    alpha: float = constant("Exponent of the parameters [1].")
    beta: float = constant("Exponent of the tokens [1].")


@law('Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", equation 2 (arXiv 2203.15556).')
class HoffmannLaw(TwoTermLaw):
    """Parametric loss of Hoffmann et al., E + A / N^alpha + B / D^beta.

    Examples
    --------
    >>> law = HoffmannLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> round(law.loss(70e9, 1.4e12), 3)
    1.937
    """

    @property
    def parameter_exponent(self) -> float:
        """Exponent a of the optimal number of parameters in compute, beta / (alpha + beta) [1]."""
        return self.beta / (self.alpha + self.beta)

    @takes(parameters=PARAMETERS, tokens=TOKENS)
    def loss(self, parameters: N, tokens: M) -> N | M:
        """Return the loss [nat/token], of the broadcast shape."""
        return self.E + self.A / power(parameters, self.alpha) + self.B / power(tokens, self.beta)

    @takes(compute=COMPUTE)
    def allocate(self, compute: N) -> Allocation[N]:
        """Return the parameters and tokens of the lowest loss with 6 N D = `compute`.

        Examples
        --------
        >>> law = HoffmannLaw(E=1.817218, A=477.826, B=2143.417, alpha=0.347310, beta=0.367172)
        >>> round(law.allocate(5.88e23).tokens_per_parameter, 1)
        17.9
        """
        ratio = power(self.alpha * self.A / (self.beta * self.B), 1 / (self.alpha + self.beta))
        product = compute / FLOPS_PER_PARAMETER
        parameters = ratio * power(product, self.parameter_exponent)
        tokens = product / parameters
        return Allocation(parameters, tokens, self.loss(parameters, tokens), compute)


LOSS_LAW = Argument("Law of the loss.", None, "HoffmannLaw")
