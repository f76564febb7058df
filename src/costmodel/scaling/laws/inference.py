"""Which model is the cheapest to train and to serve at a given quality? A smaller one that reads more tokens."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.scaling.laws.broadcast import FINITE, NOT_NEGATIVE, POSITIVE, checked, elementwise
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, HoffmannLaw

FLOPS_PER_PARAMETER_SERVED = 2.0
"""Inference FLOPs for each parameter and token (arXiv 2401.00448) [FLOP]."""
_HALVINGS = 200


class Served(NamedTuple):
    """The model of the least cost over training and inference, beside the one that is cheapest to train.

    Costs are in FLOPs or in dollars, as the function says that made it.
    """

    parameters: Any
    tokens: Any
    training: Any
    inference: Any
    baseline_parameters: Any
    """The model of the same loss that is cheapest to train."""
    baseline_tokens: Any
    baseline: Any
    """Its cost over training and inference."""

    @property
    def total(self) -> Any:
        """Cost over training and inference."""
        return self.training + self.inference

    @property
    def saving(self) -> Any:
        """What is saved against the baseline, in the unit of the costs."""
        return self.baseline - self.total

    @property
    def saving_fraction(self) -> Any:
        """The same as a share of the baseline [1]."""
        return self.saving / self.baseline


def serve_in_flops(law: HoffmannLaw, target_loss: Any, inference_tokens: Any) -> Served:
    """Return the model that reaches a loss at the least FLOPs, 6 N D + 2 N D_inference.

    Parameters
    ----------
    law : the law of the loss
    target_loss : the loss to reach [nat/token], shape (...)
    inference_tokens : tokens read and written over the model's life [token], shape (...)

    Returns
    -------
    Served
        With costs in [FLOP].

    Raises
    ------
    InputError
        If the loss cannot be reached at any size, or the tokens are negative or not finite.

    References
    ----------
    Sardana et al. 2024, "Beyond Chinchilla-Optimal: Accounting for Inference in Language Model Scaling Laws"
    (arXiv 2401.00448).

    Examples
    --------
    >>> from costmodel.scaling.laws.equal_loss import compute_optimal_loss
    >>> law = HoffmannLaw(E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
    >>> best = serve_in_flops(law, compute_optimal_loss(law, 13e9), inference_tokens=2e12)
    >>> f"{best.parameters / 1e9:.2f}B on {best.tokens / 1e12:.2f}T tokens saves {best.saving_fraction:.1%}"
    '6.97B on 1.25T tokens saves 17.4%'
    """
    served, target = checked(("inference_tokens", inference_tokens, NOT_NEGATIVE), ("target_loss", target_loss, FINITE))
    return _least_cost(law, target, FLOPS_PER_PARAMETER, FLOPS_PER_PARAMETER_SERVED * served)


def serve_in_dollars(
    law: HoffmannLaw,
    target_loss: Any,
    *,
    prompt_tokens: Any,
    generated_tokens: Any,
    training_price: Any,
    inference_price: Any,
    training_mfu: Any,
    prompt_mfu: Any,
    generation_mfu: Any,
) -> Served:
    """Return the model that reaches a loss at the least dollars, over training and inference.

    The cost is 6 N D p_t / MFU_t + 2 N p_i (D_prompt / MFU_prompt + D_generated / MFU_generation).

    Parameters
    ----------
    law : the law of the loss
    target_loss : the loss to reach [nat/token], shape (...)
    prompt_tokens, generated_tokens : tokens read and written over the model's life [token], shape (...)
    training_price, inference_price : price of a FLOP at the accelerator's peak rate: its price for an hour
        over 3600 times its peak [USD/FLOP], shape (...)
    training_mfu, prompt_mfu, generation_mfu : share of the peak reached in each phase [1], shape (...)

    Returns
    -------
    Served
        With costs in [USD].

    Raises
    ------
    InputError
        With all values that are out of range, or if the loss cannot be reached at any size.

    References
    ----------
    Sardana et al. 2024, "Beyond Chinchilla-Optimal: Accounting for Inference in Language Model Scaling Laws",
    equation 6 (arXiv 2401.00448).

    Examples
    --------
    >>> from costmodel.scaling.laws.equal_loss import compute_optimal_loss
    >>> law = HoffmannLaw(E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
    >>> h100 = 2.5 / 3600 / 989e12
    >>> best = serve_in_dollars(
    ...     law, compute_optimal_loss(law, 30e9), prompt_tokens=1e11, generated_tokens=3e11, training_price=h100,
    ...     inference_price=h100, training_mfu=0.4, prompt_mfu=0.4, generation_mfu=0.05)
    >>> f"{best.parameters / 1e9:.1f}B, USD {best.total:,.0f} instead of {best.baseline:,.0f}"
    '19.6B, USD 696,366 instead of 754,940'
    """
    mfus = {"training_mfu": training_mfu, "prompt_mfu": prompt_mfu, "generation_mfu": generation_mfu}
    prompt, generated, target, price, served_price, training, prompting, generating = checked(
        ("prompt_tokens", prompt_tokens, NOT_NEGATIVE),
        ("generated_tokens", generated_tokens, NOT_NEGATIVE),
        ("target_loss", target_loss, FINITE),
        ("training_price", training_price, POSITIVE),
        ("inference_price", inference_price, POSITIVE),
        *((name, value, POSITIVE) for name, value in mfus.items()),
    )
    served = served_price * (prompt / prompting + generated / generating)
    return _least_cost(law, target, FLOPS_PER_PARAMETER * price / training, FLOPS_PER_PARAMETER_SERVED * served)


def _least_cost(law: HoffmannLaw, target_loss: Any, training: Any, inference: Any) -> Served:
    """Minimize N (training D + inference); each is a cost, of a parameter and token and of a parameter."""

    def point(share: float, gap: float) -> tuple[float, float]:
        return (law.A / (share * gap)) ** (1 / law.alpha), (law.B / ((1 - share) * gap)) ** (1 / law.beta)

    def best(loss: float, per_token: float, per_parameter: float) -> tuple[float, ...]:
        gap = loss - law.E
        if gap <= 0:
            raise InputError(f"target_loss must be above the loss {law.E:g} that no scale removes; got {loss!r}")

        def slope(odds: float) -> float:  # of the cost in the parameters' share of the gap, up to its sign
            tokens = point(odds / (1 + odds), gap)[1]
            return law.alpha / law.beta * odds - 1 - per_parameter / per_token / tokens

        alone = law.beta / law.alpha
        low, high = math.log(alone), math.log(alone) + 1
        while slope(math.exp(high)) < 0:
            high += 1
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(math.exp(middle)) < 0 else (low, middle)
        odds = math.exp((low + high) / 2)
        size, read = point(odds / (1 + odds), gap)
        first, first_read = point(alone / (1 + alone), gap)
        costs = (per_token * size * read, per_parameter * size)
        return size, read, *costs, first, first_read, first * (per_token * first_read + per_parameter)

    return Served(*elementwise(best, len(Served._fields), target_loss, *_floats(training, inference)))


def _floats(*values: Any) -> tuple[Any, ...]:
    return tuple(float(value) if isinstance(value, int) else value for value in values)
