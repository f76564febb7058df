"""Which model does a budget of dollars buy? The loss of a law against the cost of an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.architecture.specification import Architecture
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Dollars
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario

SIZES = (1e7, 2e12)
"""Parameters between which a model is looked for."""
CANDIDATES = 18
"""Sizes that are tried first, of equal ratio; those about the best are looked at more closely."""
FLOPS_SERVED = 2.0
"""FLOPs for each active parameter and token of a forward pass (arXiv 2401.00448, equation 6) [FLOP]."""
PROBE = 1e9
"""Tokens by which the cost of a token is found: cost is proportional to tokens where the batch is given."""


class _Budget(Spec):
    budget: Dollars


@dataclass(frozen=True, slots=True)
class Bought:
    """The model that a budget buys: its shape, tokens, loss, and the estimate of training it."""

    architecture: Architecture
    parameters: float
    tokens: float
    loss: float
    scenario: Scenario
    law: Any
    limit: str
    """What holds the tokens: the budget, or the tokens that there are."""

    @property
    def estimate(self) -> Estimate:
        """The estimate of the run."""
        return estimate(self.scenario)

    def interval(self, level: float = 0.8) -> dict[str, tuple[float, float]]:
        """Return the ends of the tokens that the budget pays for [token], and of the loss [nat/token].

        From the spread of the cost, and from that of the fit where the law is a fit.

        Parameters
        ----------
        level : share of the probability inside [1]
        """
        low_cost, high_cost = self.estimate.bounds("cost", level)
        cost = _known_cost(self.estimate)
        few, many = (
            (self.tokens, self.tokens)
            if self.limit == "tokens"
            else (self.tokens * cost / high_cost, self.tokens * cost / low_cost)
        )
        best, worst = (math.log(_loss(self.law, self.parameters, each) / self.loss) for each in (many, few))
        if hasattr(self.law, "predict"):
            _, low, high = self.law.predict(self.parameters, self.tokens, level)
            best = -math.hypot(best, math.log(low / self.loss))
            worst = math.hypot(worst, math.log(high / self.loss))
        return {"tokens": (few, many), "loss": (self.loss * math.exp(best), self.loss * math.exp(worst))}

    @property
    def tokens_per_parameter(self) -> float:
        """Tokens for each parameter [1]."""
        return self.tokens / self.parameters

    def __str__(self) -> str:
        return rendering.text(
            [
                {
                    "parameters": rendering.amount(self.parameters, ""),
                    "tokens": rendering.amount(self.tokens, "token"),
                    "tokens per parameter": rendering.number(self.tokens_per_parameter),
                    "loss": f"{self.loss:.4f} nat/token",
                    "cost": rendering.amount(_known_cost(self.estimate), "USD"),
                    "held by": self.limit,
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
) -> Bought:
    """Return the model and the tokens of least loss whose training costs no more than a budget.

    Each size is a sensible shape (`Architecture.sized`) with the recipe, cluster and prices of a scenario,
    and as many tokens as the budget pays for.

    Parameters
    ----------
    law : a preset, anything with a `loss(parameters, tokens)`, or a fit, whose errors count then
    scenario : recipe, cluster and prices; its architecture and tokens are replaced
    budget : of the cost [USD, or text such as "1 MUSD"]
    parameters : fixed number of parameters; the best unless given [1]
    most_tokens : tokens that there are; no limit unless given [token]
    tokens_per_parameter : least ratio, for models that are trained beyond the optimum [1]
    served_tokens : tokens that the budget must also serve, on the same accelerators at their price [token]
    serving_mfu : utilization at which they are served, 2 FLOPs for each parameter and token; needed with
        `served_tokens` [1]

    Raises
    ------
    InputError
        If no size can be trained within the budget on that cluster.
    MissingFactError
        If the cost is not known.

    Examples
    --------
    >>> import costmodel as cm
    >>> from costmodel.scaling.laws.hoffmann import HoffmannLaw
    >>> law = HoffmannLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
    >>> run = cm.Scenario(architecture={"total": "1B"}, recipe=cm.Pretraining(tokens="1T", batch_size=1024),
    ...                   cluster=cm.Cluster("H100-SXM", 256), prices=cm.Rental(price=2.5))
    >>> bought = allocate(law, run, "1 MUSD")
    >>> 3e10 < bought.parameters < 1e11, 10 < bought.tokens_per_parameter < 30
    (True, True)
    """
    if len(scenario.recipes) > 1:
        raise InputError("scenario: one recipe is allocated; it has several stages")
    if not 0 <= served_tokens < math.inf or (served_tokens > 0 and not 0 < (serving_mfu or 0.0) <= 1):
        raise InputError(
            "served_tokens is at least 0, and comes with a serving_mfu above 0 and at most 1; "
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
    tried = [_bought(law, scenario, dollars, size, most_tokens, served, reasons) for size in sizes]
    if parameters is None:
        best = _best(tried, tokens_per_parameter)
        if best is not None:
            middle = math.log(best.parameters)
            near = [math.exp(middle + 0.12 * index) for index in range(-5, 6) if index]
            tried += [_bought(law, scenario, dollars, size, most_tokens, served, reasons) for size in near]
    best = _best(tried, tokens_per_parameter)
    if best is None:
        why = f": {reasons[0]}" if reasons else ""
        raise InputError(f"budget: no model can be trained for {rendering.amount(dollars, 'USD')}{why}")
    return best


def _best(tried: list[Bought | None], least_ratio: float | None) -> Bought | None:
    possible = [one for one in tried if one is not None and one.tokens_per_parameter >= (least_ratio or 0.0)]
    return min(possible, key=lambda one: one.loss, default=None)


def _bought(
    law: Any,
    scenario: Scenario,
    dollars: float,
    size: float,
    most_tokens: float | None,
    served: float,
    reasons: list[str],
) -> Bought | None:
    """Return what a size gets for the budget; None, with the reason noted, where it cannot be trained.

    `served` are the tokens to serve over the utilization at which they are.
    """
    try:
        architecture = Architecture.sized(size)
        probe = scenario.replace({"architecture": architecture, "recipe.tokens": PROBE})
        tokens, limit = PROBE, "budget"
        passes = 1 if scenario.recipes[0].batch_size is not None else 2  # a batch by rule depends on the tokens
        for _ in range(passes):
            found = estimate(probe)
            left = dollars - _serving(found, served)
            if left <= 0:
                raise InputError(f"serving {size:.3g} parameters costs more than the budget")
            tokens *= left / _known_cost(found)
            probe = probe.replace({"recipe.tokens": tokens})
        if most_tokens is not None and tokens > most_tokens:
            tokens, limit = most_tokens, "tokens"
            probe = probe.replace({"recipe.tokens": tokens})
    except InputError as error:
        reasons.append(str(error))
        return None
    total = float(architecture.parameters.total)
    return Bought(architecture, total, tokens, _loss(law, total, tokens), probe, law, limit)


def _serving(of: Estimate, served: float) -> float:
    """Return what serving costs on the accelerators of an estimate, at their price [USD]."""
    if not served:
        return 0.0
    per_second = _known_cost(of) / _figure(of, "gpu_hours")
    flops = FLOPS_SERVED * of.scenario.architecture.parameters.active * served
    return float(flops / of.scenario.cluster.accelerator.peak() * per_second)


def _loss(law: Any, parameters: float, tokens: float) -> float:
    """Return the loss by a law, or by that of a fit."""
    return float(getattr(law, "law", law).loss(parameters, tokens))


def _known_cost(of: Estimate) -> float:
    return _figure(of, "cost")


def _figure(of: Estimate, name: str) -> float:
    value = of.value(name)
    if isinstance(value, Missing):
        raise MissingFactError(f"{name} is not known: {value.reason}")
    return value
