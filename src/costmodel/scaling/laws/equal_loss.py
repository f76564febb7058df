"""What brings a model of another size to the same loss? Tokens and compute beyond those of the best size."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from costmodel.scaling.laws.broadcast import FINITE, POSITIVE, checked, elementwise, positive
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, HoffmannLaw


def compute_optimal_loss(law: HoffmannLaw, parameters: Any) -> Any:
    """Return the loss [nat/token] of a model trained on the tokens that are best for its size.

    Parameters
    ----------
    law : the law of the loss
    parameters : N [1], shape (...)

    Raises
    ------
    InputError
        If a value is not above 0 and finite.
    """
    (parameters,) = positive(parameters=parameters)
    return law.E + (1 + law.alpha / law.beta) * law.A / parameters**law.alpha


def tokens_for_loss(law: HoffmannLaw, parameters: Any, target_loss: Any) -> Any:
    """Return the tokens that bring a model of that size to the loss [token]; infinite if none do.

    Parameters
    ----------
    law : the law of the loss
    parameters : N [1], shape (...)
    target_loss : the loss to reach [nat/token], shape (...)

    Raises
    ------
    InputError
        If a number of parameters is not above 0 and finite, or a loss is not finite.
    """
    parameters, target = checked(("parameters", parameters, POSITIVE), ("target_loss", target_loss, FINITE))

    def needed(size: float, loss: float) -> tuple[float]:
        left = loss - law.E - law.A / size**law.alpha
        return ((law.B / left) ** (1 / law.beta) if left > 0 else math.inf,)

    return elementwise(needed, 1, parameters, target)[0]


class Overtrained(NamedTuple):
    """A model that is smaller or larger than the best, trained to the loss of the best."""

    tokens: Any
    """Tokens that it needs [token], infinite if it never gets there."""
    compute: Any
    """FLOPs of its training [FLOP]."""
    overhead: Any
    """Compute above that of the best model, as a share of it [1]."""


def overtrain(law: HoffmannLaw, compute: Any, size: Any) -> Overtrained:
    """Return what a model needs to reach the loss of the best model of a budget.

    Parameters
    ----------
    law : the law of the loss
    compute : budget of the best model [FLOP], shape (...)
    size : parameters as a share of those of the best model [1], shape (...)

    Raises
    ------
    InputError
        If a value is not above 0 and finite.

    Examples
    --------
    >>> law = HoffmannLaw(E=1.817218, A=477.826, B=2143.417, alpha=0.347310, beta=0.367172)
    >>> [f"{overtrain(law, 5.88e23, size).overhead:.0%}" for size in (0.25, 0.5, 1.0, 2.0)]
    ['349%', '26%', '0%', '15%']
    """
    compute, size = positive(compute=compute, size=size)
    best = law.allocate(compute)
    parameters = size * best.parameters
    tokens = tokens_for_loss(law, parameters, best.loss)
    spent = FLOPS_PER_PARAMETER * parameters * tokens
    return Overtrained(tokens, spent, spent / compute - 1)
