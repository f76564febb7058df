"""The model of least loss for a budget, as text and as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.citations import Source
from costmodel.foundation.currencies import Priced
from costmodel.foundation.units import money

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.units import Quantity

LOSS_TOLERANCE = 1e-3
"""Relative difference from the least loss that counts as the same loss [1]."""
COST_TOLERANCE = 0.05
"""Relative difference from the budget that counts as the same cost [1]."""
SizeLimit = Literal[
    "loss", "given", "smallest size", "largest size", "feasible sizes", "most_tokens", "tokens_per_parameter"
]
"""What limits the size of an allocated model."""


@dataclass(frozen=True, repr=False)
class Allocation(Priced):
    """The model of least loss for a budget: shape, tokens, loss, and the scenario that trains it."""

    _money = ("value", "low", "high")

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
    size_limit: SizeLimit = "loss"
    """What limits the size: "loss" (the law: both smaller and larger models have a higher loss), "given"
    (`parameters`), "smallest size" or "largest size" (of the search), "feasible sizes" (models beyond it cannot run on
    the cluster), "most_tokens" (the budget ends at the available tokens), or "tokens_per_parameter"."""
    size_reason: str = ""
    """Why the size is limited, where the law does not limit it."""
    serving_usd: float = 0.0
    """Cost of the served tokens, in the budget beside the training cost [USD]."""
    sizes_within_loss: tuple[float, float] | None = None
    """Smallest and largest number of parameters with a loss within 0.1 % of the least, at equal cost [1]; None if the
    size is given."""
    sizes_within_cost: tuple[float, float] | None = None
    """Smallest and largest number of parameters that reach the least loss for at most 5 % more cost [1]; None if the
    size is given."""

    @property
    def estimate(self) -> Estimate:
        """The estimate of the run."""
        return estimate(self.scenario)

    @checked("level")
    def interval(self, level: float = 0.8) -> dict[str, tuple[float, float]]:
        """Return the central intervals of the tokens [token] and of the loss [nat/token].

        They follow from the spread of the cost and, for a fitted law, from the errors of the fit.

        Parameters
        ----------
        level : float
            Probability of the interval [1].
        """
        low_cost, high_cost = self.estimate.bounds("cost", level)
        cost = self.estimate.known_value("cost")
        few, many = (
            (self.tokens, self.tokens)
            if self.limit == "tokens"
            else (self.tokens * cost / high_cost, self.tokens * cost / low_cost)
        )
        best, worst = (math.log(loss_of(self.law, self.parameters, tokens) / self.loss) for tokens in (many, few))
        if hasattr(self.law, "predict"):
            _, low, high = self.law.predict(self.parameters, self.tokens, level)
            best = -math.hypot(best, math.log(low / self.loss))
            worst = math.hypot(worst, math.log(high / self.loss))
        return {"tokens": (few, many), "loss": (self.loss * math.exp(best), self.loss * math.exp(worst))}

    @property
    def serving_cost(self) -> Quantity:
        """Cost of the served tokens, in the budget beside the training cost."""
        return money(self.serving_usd, "USD")

    @property
    def lifetime_cost(self) -> Quantity:
        """Cost of training and of serving."""
        return money(self.estimate.known_value("cost") + self.serving_usd, "USD")

    @property
    def tokens_per_parameter(self) -> float:
        """Tokens per parameter [1]."""
        return self.tokens / self.parameters

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data: parameters, tokens, loss, intervals, and ranges of sizes."""
        return {
            "parameters": self.parameters,
            "tokens": self.tokens,
            "tokens_per_parameter": self.tokens_per_parameter,
            "loss": self.loss,
            "cost": self.estimate.known_value("cost"),
            "serving_cost": self.serving_usd,
            "lifetime_cost": float(self.lifetime_cost.magnitude),
            "note": self.estimate.note("cost"),
            "limit": self.limit,
            "size_limit": self.size_limit,
            "size_reason": self.size_reason,
            "interval": self.interval(),
            "sizes_within_loss": self.sizes_within_loss,
            "sizes_within_cost": self.sizes_within_cost,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure: quantity, value, low, high, unit; ends are 80 % intervals where they are known."""
        ends: dict[str, Any] = dict(self.interval())
        figures = {
            "parameters": (self.parameters, "1"),
            "tokens": (self.tokens, "token"),
            "tokens_per_parameter": (self.tokens_per_parameter, "token"),
            "loss": (self.loss, "nat/token"),
            "cost": (self.estimate.known_value("cost"), "USD"),
            "serving_cost": (self.serving_usd, "USD"),
            "lifetime_cost": (float(self.lifetime_cost.magnitude), "USD"),
        }
        ends["cost"] = self.estimate.bounds("cost")
        return [
            {"quantity": name, "value": value, "low": low, "high": high, "unit": unit}
            for name, (value, unit) in figures.items()
            for low, high in [ends.get(name, (None, None))]
        ]

    def sources(self) -> set[Source]:
        """Return the sources of the inputs of the estimate."""
        return self.estimate.sources()

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "parameters": rendering.amount(self.parameters, ""),
                "tokens": rendering.amount(self.tokens, "token"),
                "tokens per parameter": rendering.number(self.tokens_per_parameter),
                "loss": f"{self.loss:.4f} nat/token",
                "cost": rendering.amount(self.estimate.known_value("cost"), "USD"),
                "limited by": self.limit,
            }
        ]

    def _footer(self) -> str:
        ranges = {
            f"sizes within {LOSS_TOLERANCE:.1%} of the loss": self.sizes_within_loss,
            f"sizes of this loss within {COST_TOLERANCE:.0%} of the cost": self.sizes_within_cost,
        }
        lines = [
            f"{name}: {' to '.join(rendering.amount(end, '') for end in ends)}"
            for name, ends in ranges.items()
            if ends is not None
        ]
        if self.serving_usd:
            amounts = (self.serving_usd, float(self.lifetime_cost.magnitude))
            serving, total = (rendering.amount(usd, "USD") for usd in amounts)
            lines.insert(0, f"serving: {serving}; training and serving: {total}")
        if self.size_limit not in {"loss", "given"}:
            lines.insert(0, f"the law does not limit the size: {self.size_reason}")
        note = self.estimate.note("cost")
        return "\n".join([*lines, note] if note else lines)

    def __str__(self) -> str:
        return self.to_text(rendering.WIDTH)


def loss_of(law: Any, parameters: float, tokens: float) -> float:
    """Return the loss of a law, or of the law of a fit [nat/token]."""
    return float(getattr(law, "law", law).loss(parameters, tokens))
