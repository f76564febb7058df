"""Tokens and compute that bring a model of another size to the loss of the compute-optimal one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N_co
from costmodel.scaling.laws.broadcast import FINITE, elementwise, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, LOSS_LAW, HoffmannLaw
from costmodel.scaling.laws.law import PARAMETERS, Argument, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import M, N


@takes(law=LOSS_LAW, parameters=PARAMETERS)
def compute_optimal_loss(law: HoffmannLaw, parameters: N) -> N:
    """Return the loss of a model trained on the compute-optimal number of tokens for its size [nat/token]."""
    return law.E + (1 + law.alpha / law.beta) * law.A / power(parameters, law.alpha)


@takes(law=LOSS_LAW, parameters=PARAMETERS, target_loss=Argument("Loss to reach [nat/token].", FINITE))
def tokens_for_loss(law: HoffmannLaw, parameters: N, target_loss: M) -> N | M:
    """Return the training tokens at which a model reaches a loss [token]; infinite if it never does."""

    def tokens(size: float, loss: float) -> tuple[float]:
        token_term = loss - law.E - law.A / power(size, law.alpha)
        return (power(law.B / token_term, 1 / law.beta) if token_term > 0 else math.inf,)

    reached: N = elementwise(tokens, 1, parameters, target_loss)[0]
    return reached


class Overtrained(NamedTuple, Generic[N_co]):
    """A model smaller or larger than the compute-optimal one, trained to the same loss."""

    tokens: N_co
    """Training tokens; infinite if the loss is out of reach [token]."""
    compute: N_co
    """Training FLOPs [FLOP]."""
    overhead: N_co
    """Compute beyond that of the compute-optimal model, as a fraction of it [1]."""


@takes(
    law=LOSS_LAW,
    compute=Argument("Compute budget of the compute-optimal model [FLOP]."),
    size=Argument("Parameters as a fraction of those of the compute-optimal model [1]."),
)
def overtrain(law: HoffmannLaw, compute: N, size: N) -> Overtrained[N]:
    """Return what a model needs to reach the loss of the compute-optimal model of a budget.

    Examples
    --------
    >>> law = HoffmannLaw(E=1.817218, A=477.826, B=2143.417, alpha=0.347310, beta=0.367172)
    >>> [f"{overtrain(law, 5.88e23, size).overhead:.0%}" for size in (0.25, 0.5, 1.0, 2.0)]
    ['349%', '26%', '0%', '15%']
    """
    best = law.allocate(compute)
    parameters = size * best.parameters
    tokens = tokens_for_loss(law, parameters, best.loss)
    spent = FLOPS_PER_PARAMETER * parameters * tokens
    return Overtrained(tokens, spent, spent / compute - 1)
