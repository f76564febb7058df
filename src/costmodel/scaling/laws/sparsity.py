"""Loss of mixture-of-experts models by parameters, tokens and sparsity (fraction of inactive experts)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.scaling.laws.broadcast import FINITE, FRACTION, power
from costmodel.scaling.laws.law import TOKENS, Argument, Law, constant, law, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import K, M, N


@law(
    'Abnar et al. 2025, "Parameters vs FLOPs: Scaling Laws for Optimal Sparsity for Mixture-of-Experts '
    'Language Models", table 3 (arXiv 2501.12370).'
)
class AbnarLaw(Law):
    """Loss a / N^alpha + b / D^beta + c / (1 - S)^lambda + d / ((1 - S)^delta N^gamma) + e at sparsity S.

    The fitted lambda is negative: at given N the third term falls with sparsity.

    Examples
    --------
    >>> from costmodel.scaling.laws.presets import scaling_law
    >>> [round(scaling_law("abnar-2025").loss(10e9, 100e9, sparsity), 3) for sparsity in (0.0, 0.9)]
    [2.101, 2.15]
    """

    a: float = constant("Scale of the parameter term [nat/token].")
    alpha: float = constant("Exponent of the parameters [1].")
    b: float = constant("Scale of the token term [nat/token].")
    beta: float = constant("Exponent of the tokens [1].")
    c: float = constant("Scale of the sparsity term [nat/token].", FINITE)
    lambda_: float = constant("Exponent of 1 - S in the sparsity term [1].", FINITE)
    d: float = constant("Scale of the joint term of sparsity and parameters [nat/token].")
    delta: float = constant("Exponent of 1 - S in the joint term [1].", FINITE)
    gamma: float = constant("Exponent of the parameters in the joint term [1].")
    e: float = constant("Irreducible loss [nat/token].", FINITE)

    @takes(
        parameters=Argument("Parameters N, those of all experts included [1]."),
        tokens=TOKENS,
        sparsity=Argument("Fraction of the experts that a token does not use S [1].", FRACTION),
    )
    def loss(self, parameters: N, tokens: M, sparsity: K) -> N | M | K:
        """Return the loss [nat/token], of the broadcast shape."""
        active = 1 - sparsity
        dense = self.a / power(parameters, self.alpha) + self.b / power(tokens, self.beta) + self.e
        return (
            dense
            + self.c / power(active, self.lambda_)
            + self.d / (power(active, self.delta) * power(parameters, self.gamma))
        )
