"""Model size and tokens of least loss for a training budget in dollars, from a scaling law and an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from costmodel.architecture.specification import Architecture
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Dollars
from costmodel.foundation.specs import Spec
from costmodel.planning.root_finding import known_value

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario

SIZES = (1e7, 2e12)
"""Smallest and largest model of the search [1]."""
CANDIDATES = 18
"""Sizes of the first grid, in geometric steps; a finer grid around the best follows [1]."""
FLOPS_SERVED = 2.0
"""FLOPs per active parameter and token of a forward pass (arXiv 2401.00448, equation 6) [FLOP]."""
PROBE = 1e9
"""Tokens of the run that gives the cost per token: with a given batch size, cost is proportional to tokens [token]."""


class _Budget(Spec):
    budget: Dollars = Field(description="Limit of the training cost [USD].")


@dataclass(frozen=True, slots=True)
class Allocation:
    """The model of least loss for a budget: shape, tokens, loss, and the scenario that trains it."""

    architecture: Architecture
    parameters: float
    """Number of parameters [1]."""
    tokens: float
    """Training tokens [token]."""
    loss: float
    """Loss by the scaling law [nat/token]."""
    scenario: Scenario
    """Scenario of the run."""
    law: Any
    """Scaling law, or its fit."""
    limit: str
    """What limits the tokens: "budget", or "tokens" (`most_tokens`)."""

    @property
    def estimate(self) -> Estimate:
        """The estimate of the run."""
        return estimate(self.scenario)

    def interval(self, level: float = 0.8) -> dict[str, tuple[float, float]]:
        """Return the central intervals of the tokens [token] and of the loss [nat/token].

        They follow from the spread of the cost and, for a fitted law, from the errors of the fit.

        Parameters
        ----------
        level : float
            Probability of the interval [1].
        """
        low_cost, high_cost = self.estimate.bounds("cost", level)
        cost = known_value(self.estimate, "cost")
        few, many = (
            (self.tokens, self.tokens)
            if self.limit == "tokens"
            else (self.tokens * cost / high_cost, self.tokens * cost / low_cost)
        )
        best, worst = (math.log(_loss(self.law, self.parameters, tokens) / self.loss) for tokens in (many, few))
        if hasattr(self.law, "predict"):
            _, low, high = self.law.predict(self.parameters, self.tokens, level)
            best = -math.hypot(best, math.log(low / self.loss))
            worst = math.hypot(worst, math.log(high / self.loss))
        return {"tokens": (few, many), "loss": (self.loss * math.exp(best), self.loss * math.exp(worst))}

    @property
    def tokens_per_parameter(self) -> float:
        """Tokens per parameter [1]."""
        return self.tokens / self.parameters

    def __str__(self) -> str:
        return rendering.text(
            [
                {
                    "parameters": rendering.amount(self.parameters, ""),
                    "tokens": rendering.amount(self.tokens, "token"),
                    "tokens per parameter": rendering.number(self.tokens_per_parameter),
                    "loss": f"{self.loss:.4f} nat/token",
                    "cost": rendering.amount(known_value(self.estimate, "cost"), "USD"),
                    "limited by": self.limit,
                }
            ]
        )


def allocate(
    law: Any,
    scenario: Scenario,
    budget: Any,
    *,
    parameters: float | None = None,
    most_tokens: float | None = None,
    tokens_per_parameter: float | None = None,
    served_tokens: float = 0.0,
    serving_mfu: float | None = None,
) -> Allocation:
    """Return the model size and the tokens of least loss for a training budget.

    Each candidate has a usual shape (`Architecture.sized`), the recipe, cluster and prices of a scenario, and as many
    tokens as the budget pays for.

    Parameters
    ----------
    law : scaling law or fit
        A preset, an object with `loss(parameters, tokens)`, or a fit, whose errors count in the interval.
    scenario : Scenario
        Recipe, cluster and prices; its architecture and tokens are replaced.
    budget : float or str
        Budget of the cost, a number or text such as "1 M$" [USD].
    parameters : float, optional
        Fixed number of parameters; default: the best [1].
    most_tokens : float, optional
        Available tokens; default: no limit [token].
    tokens_per_parameter : float, optional
        Least ratio, for models trained beyond the compute optimum [1].
    served_tokens : float
        Tokens that the budget must also serve, on the same accelerators at their price [token].
    serving_mfu : float, optional
        MFU of serving, with 2 FLOPs per parameter and token; needed with `served_tokens` [1].

    Raises
    ------
    InputError
        If the budget is too small for every size on the cluster.
    MissingFactError
        If the cost is unknown.

    Examples
    --------
    >>> import costmodel as cm
    >>> from costmodel.scaling.laws.hoffmann import HoffmannLaw
    >>> law = HoffmannLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
    >>> run = cm.Scenario(architecture={"total": "1B"}, recipe=cm.Pretraining(tokens="1T", batch_size=1024),
    ...                   cluster=cm.Cluster("H100-SXM", 256), prices=cm.Rental(price=2.5))
    >>> best = allocate(law, run, "1 MUSD")
    >>> 3e10 < best.parameters < 1e11, 10 < best.tokens_per_parameter < 30
    (True, True)
    """
    if len(scenario.recipes) > 1:
        raise InputError(f"scenario: allocate needs one recipe; got {len(scenario.recipes)}")
    if not 0 <= served_tokens < math.inf or (served_tokens > 0 and not 0 < (serving_mfu or 0.0) <= 1):
        raise InputError(
            "`served_tokens` must be at least 0 and needs a `serving_mfu` above 0 and at most 1; "
            f"got {served_tokens!r} and {serving_mfu!r}"
        )
    served = served_tokens / serving_mfu if serving_mfu else 0.0
    dollars = float(_Budget(budget=budget).budget)
    if parameters is not None:
        sizes = [parameters]
    else:
        step = (SIZES[1] / SIZES[0]) ** (1 / (CANDIDATES - 1))
        sizes = [SIZES[0] * step**index for index in range(CANDIDATES)]
    reasons: list[str] = []
    tried = [_allocation(law, scenario, dollars, size, most_tokens, served, reasons) for size in sizes]
    if parameters is None:
        best = _best(tried, tokens_per_parameter)
        if best is not None:
            middle = math.log(best.parameters)
            near = [math.exp(middle + 0.12 * index) for index in range(-5, 6) if index]
            tried += [_allocation(law, scenario, dollars, size, most_tokens, served, reasons) for size in near]
    best = _best(tried, tokens_per_parameter)
    if best is None:
        why = f": {reasons[0]}" if reasons else ""
        raise InputError(f"budget: {rendering.amount(dollars, 'USD')} is too small for every model size{why}")
    return best


def _best(tried: list[Allocation | None], least_ratio: float | None) -> Allocation | None:
    possible = [run for run in tried if run is not None and run.tokens_per_parameter >= (least_ratio or 0.0)]
    return min(possible, key=lambda run: run.loss, default=None)


def _allocation(
    law: Any,
    scenario: Scenario,
    dollars: float,
    size: float,
    most_tokens: float | None,
    served: float,
    reasons: list[str],
) -> Allocation | None:
    """Return the allocation of one model size; None, with an entry in `reasons`, if it is not feasible.

    `served` is the number of tokens to serve over the MFU of serving.
    """
    try:
        architecture = Architecture.sized(size)
        probe = scenario.replace({"architecture": architecture, "recipe.tokens": PROBE})
        tokens, limit = PROBE, "budget"
        passes = 1 if scenario.recipes[0].batch_size is not None else 2  # the default batch size depends on the tokens
        for _ in range(passes):
            trial = estimate(probe)
            left = dollars - _serving(trial, served)
            if left <= 0:
                raise InputError(f"serving {size:.3g} parameters costs more than the budget")
            tokens *= left / known_value(trial, "cost")
            probe = probe.replace({"recipe.tokens": tokens})
        if most_tokens is not None and tokens > most_tokens:
            tokens, limit = most_tokens, "tokens"
            probe = probe.replace({"recipe.tokens": tokens})
    except InputError as error:
        reasons.append(str(error))
        return None
    total = float(architecture.parameters.total)
    return Allocation(architecture, total, tokens, _loss(law, total, tokens), probe, law, limit)


def _serving(result: Estimate, served: float) -> float:
    """Return the cost of serving on the accelerators of an estimate, at their price [USD]."""
    if not served:
        return 0.0
    per_second = known_value(result, "cost") / known_value(result, "gpu_hours")
    flops = FLOPS_SERVED * result.scenario.architecture.parameters.active * served
    return float(flops / result.scenario.cluster.accelerator.peak() * per_second)


def _loss(law: Any, parameters: float, tokens: float) -> float:
    """Return the loss of a law, or of the law of a fit [nat/token]."""
    return float(getattr(law, "law", law).loss(parameters, tokens))
