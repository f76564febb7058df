"""Model of lowest cost over training and inference at a given loss: smaller and trained on more tokens.

The method is that of Sardana et al. 2024, "Beyond Chinchilla-Optimal: Accounting for Inference in Language Model
Scaling Laws" (arXiv 2401.00448).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N_co
from costmodel.foundation.errors import InputError
from costmodel.scaling.laws.broadcast import FINITE, NOT_NEGATIVE, elementwise, power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER, LOSS_LAW, HoffmannLaw
from costmodel.scaling.laws.law import Argument, takes

if TYPE_CHECKING:
    from costmodel.foundation.arrays import N

FLOPS_PER_PARAMETER_SERVED = 2.0
"""Inference FLOPs per parameter and token (arXiv 2401.00448) [FLOP]."""
_BISECTIONS = 200
_TARGET_LOSS = Argument("Loss to reach [nat/token].", FINITE)


class Served(NamedTuple, Generic[N_co]):
    """Model of lowest cost over training and inference, and the baseline: the model that is cheapest to train.

    Costs are in FLOPs from `serve_in_flops` and in dollars from `serve_in_dollars`.
    """

    parameters: N_co
    tokens: N_co
    training: N_co
    inference: N_co
    baseline_parameters: N_co
    """Parameters of the model of the same loss with the lowest training cost."""
    baseline_tokens: N_co
    baseline: N_co
    """Cost of the baseline over training and inference."""

    @property
    def total(self) -> N_co:
        """Cost over training and inference."""
        return self.training + self.inference

    @property
    def saving(self) -> N_co:
        """Savings relative to the baseline, in the unit of the costs."""
        return self.baseline - self.total

    @property
    def saving_fraction(self) -> N_co:
        """Savings as a fraction of the cost of the baseline [1]."""
        return self.saving / self.baseline


@takes(
    law=LOSS_LAW,
    target_loss=_TARGET_LOSS,
    inference_tokens=Argument("Input and output tokens over the model's lifetime [token].", NOT_NEGATIVE),
)
def serve_in_flops(law: HoffmannLaw, target_loss: N, inference_tokens: N) -> Served[N]:
    """Return the model that reaches a loss with the fewest FLOPs, 6 N D + 2 N D_inference.

    Returns
    -------
    Served
        With costs in [FLOP].

    Raises
    ------
    InputError
        If no size reaches the loss.

    Examples
    --------
    >>> from costmodel.scaling.laws.equal_loss import compute_optimal_loss
    >>> law = HoffmannLaw(E=1.69, A=406.4, B=410.7, alpha=0.336, beta=0.283)
    >>> best = serve_in_flops(law, compute_optimal_loss(law, 13e9), inference_tokens=2e12)
    >>> f"{best.parameters / 1e9:.2f}B on {best.tokens / 1e12:.2f}T tokens saves {best.saving_fraction:.1%}"
    '6.97B on 1.25T tokens saves 17.4%'
    """
    return _lowest_cost(law, target_loss, FLOPS_PER_PARAMETER, FLOPS_PER_PARAMETER_SERVED * inference_tokens)


@takes(
    law=LOSS_LAW,
    target_loss=_TARGET_LOSS,
    prompt_tokens=Argument("Input tokens over the model's lifetime [token].", NOT_NEGATIVE),
    generated_tokens=Argument("Output tokens over the model's lifetime [token].", NOT_NEGATIVE),
    training_price=Argument("Price of a FLOP at the accelerator's peak: hourly price / (3600 peak) [USD/FLOP]."),
    inference_price=Argument("The same for the accelerators that serve [USD/FLOP]."),
    training_mfu=Argument("Model FLOPs utilization in training [1]."),
    prompt_mfu=Argument("Model FLOPs utilization of prefill [1]."),
    generation_mfu=Argument("Model FLOPs utilization of decode [1]."),
)
def serve_in_dollars(
    law: HoffmannLaw,
    target_loss: N,
    *,
    prompt_tokens: N,
    generated_tokens: N,
    training_price: N,
    inference_price: N,
    training_mfu: N,
    prompt_mfu: N,
    generation_mfu: N,
) -> Served[N]:
    """Return the model that reaches a loss at the lowest cost in dollars, over training and inference.

    The cost is 6 N D p_t / MFU_t + 2 N p_i (D_prompt / MFU_prompt + D_generated / MFU_generation).

    Returns
    -------
    Served
        With costs in [USD].

    Raises
    ------
    InputError
        If no size reaches the loss.

    References
    ----------
    Sardana et al. 2024, equation 6 (arXiv 2401.00448).

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
    served = inference_price * (prompt_tokens / prompt_mfu + generated_tokens / generation_mfu)
    training = FLOPS_PER_PARAMETER * training_price / training_mfu
    return _lowest_cost(law, target_loss, training, FLOPS_PER_PARAMETER_SERVED * served)


def _lowest_cost(law: HoffmannLaw, target_loss: N, training: N | float, inference: N) -> Served[N]:
    """Minimize N (training D + inference) at a loss.

    The reducible loss (target - E) is split between the parameter term and the token term. The split is found
    by bisection on its odds, parameter term over token term.

    Parameters
    ----------
    law : HoffmannLaw
        Law of the loss.
    target_loss : float or array
        Loss to reach [nat/token].
    training : float or array
        Training cost per parameter and token.
    inference : float or array
        Inference cost per parameter.
    """

    def model(odds: float, reducible: float) -> tuple[float, float]:
        share = odds / (1 + odds)
        parameters = power(law.A / (share * reducible), 1 / law.alpha)
        return parameters, power(law.B / ((1 - share) * reducible), 1 / law.beta)

    def cheapest(loss: float, per_token: float, per_parameter: float) -> tuple[float, ...]:
        reducible = loss - law.E
        if reducible <= 0:
            raise InputError(f"`target_loss` must be above the irreducible loss {law.E:g}; got {loss!r}.")

        def slope(odds: float) -> float:
            """Return a number with the sign of the derivative of the cost in the odds."""
            tokens = model(odds, reducible)[1]
            return law.alpha / law.beta * odds - 1 - per_parameter / per_token / tokens

        baseline_odds = law.beta / law.alpha
        low, high = math.log(baseline_odds), math.log(baseline_odds) + 1
        while slope(math.exp(high)) < 0:
            high += 1
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(math.exp(middle)) < 0 else (low, middle)
        parameters, tokens = model(math.exp((low + high) / 2), reducible)
        baseline, baseline_tokens = model(baseline_odds, reducible)
        baseline_cost = baseline * (per_token * baseline_tokens + per_parameter)
        training_cost = per_token * parameters * tokens
        return parameters, tokens, training_cost, per_parameter * parameters, baseline, baseline_tokens, baseline_cost

    return Served(*elementwise(cheapest, len(Served._fields), target_loss, training, inference))
