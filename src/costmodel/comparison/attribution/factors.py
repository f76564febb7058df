"""The factors of the cost of a run: their names, how they are merged, and their values for one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison.costs import DRAWS
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Range, draws
from costmodel.foundation.rendering import number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    """Central value, then the draws; shape (1 + DRAWS,)."""

MODEL, SPEED, PRICE, SCOPE = "model and data", "speed", "price", "scope"
"""Groups of factors."""


class Factor(NamedTuple):
    """A factor of the cost of a run."""

    title: str
    """Title in tables."""
    group: str
    """Group of factors."""
    meaning: str
    """What the factor is, with its unit."""


FACTORS: dict[str, Factor] = {
    "total_parameters": Factor("total parameters", MODEL, "total parameters [1]"),
    "sparsity": Factor("sparsity", MODEL, "active / total parameters [1]"),
    "active_parameters": Factor("active parameters", MODEL, "parameters that a token uses [1]"),
    "tokens": Factor("tokens", MODEL, "training tokens [token]"),
    "flops_per_parameter": Factor(
        "FLOPs per parameter", MODEL, "FLOPs per active parameter and token [1]: 6, and core attention"
    ),
    "compute": Factor("compute", MODEL, "model FLOPs [FLOP]"),
    "precision": Factor("precision", SPEED, "bf16 peak / peak at the precision that is used [1]"),
    "utilization": Factor("utilization", SPEED, "1 / (MFU × goodput), relative to the peak at the precision [1]"),
    "peak_compute": Factor("compute, utilization", f"{MODEL}, {SPEED}", "GPU-hours × bf16 peak [FLOP]"),
    "hardware": Factor("hardware, USD/EFLOP", PRICE, "price on demand / bf16 peak [USD/FLOP]"),
    "price_convention": Factor("price convention", PRICE, "price used / price on demand of the same day [1]"),
    "price": Factor("price, USD/EFLOP", PRICE, "price used / bf16 peak [USD/FLOP]"),
    "other_costs": Factor("other costs", PRICE, "all lines of the final run / rent or owned accelerators [1]"),
    "scope": Factor("scope", SCOPE, "cost of the scope / cost of the final run [1]"),
}
"""Factors in the order of tables. The cost is the product of one choice of each of `CHOICES`."""
CHOICES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (
        ("total_parameters", "sparsity", "tokens", "flops_per_parameter", "precision", "utilization"),
        ("active_parameters", "tokens", "flops_per_parameter", "precision", "utilization"),
        ("compute", "precision", "utilization"),
        ("peak_compute",),
    ),
    (("hardware", "price_convention"), ("price",)),
    (("other_costs", "scope"),),
)
"""Ways to write each part of the cost as a product, the finest first. The finest that both runs know is taken."""


@dataclass(frozen=True)
class Term:
    """A factor of the cost of one run."""

    values: Values
    """The factor as it enters the product; a larger one costs more."""
    shown: str
    """Value in a table, such as "14.8T" tokens."""
    phrase: str
    """What the run does, for a sentence: "reads 14.8T tokens"."""
    sources: tuple[str, ...]
    """Sources of the value."""
    speculative: bool = False
    """Whether the value is a guess of outsiders (confidence C)."""
    assumed: str = ""
    """What is estimated or assumed about the value, or ""."""


@dataclass(frozen=True)
class Side:
    """A run of an attribution: its cost and the factors that are known of it."""

    name: str
    """Name of the model or the scenario."""
    cost: Values
    """Cost [USD]."""
    terms: dict[str, Term]
    """Known factors by name."""
    basis: str
    """What the cost is, with its source."""
    confidence: str = ""
    """Confidence of the published row: a key of `CONFIDENCE`; "" for an estimate."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Reasons why factors are not known, by name."""


def constant(value: float) -> Values:
    """Return a value without uncertainty.

    Parameters
    ----------
    value : float
        Any unit.
    """
    import numpy as np

    return np.full(1 + DRAWS, value)


def uncertain(key: str, value: float, spread: Range | None, seed: int) -> Values:
    """Return a value with its draws.

    Parameters
    ----------
    key : str
        Name of the input; two inputs of one name share their draws.
    value : float
        Central value, in any unit.
    spread : Range, optional
        Distribution in the unit of the value; None for a value without uncertainty.
    seed : int
        Seed of the draws.
    """
    import numpy as np

    if spread is None:
        return constant(value)
    return np.concatenate([[value], draws(key, spread, DRAWS, seed)])


def shared_names(a: Side, b: Side) -> tuple[list[str], dict[str, str]]:
    """Return the factors in which both costs are written, and why each merged factor is not split further.

    Parameters
    ----------
    a, b : Side
        Both runs.

    Raises
    ------
    MissingFactError
        If a part of the cost cannot be written as a product of factors that both runs know.
    """
    names: list[str] = []
    merged: dict[str, str] = {}
    for ways in CHOICES:
        known = next((way for way in ways if all(name in side.terms for name in way for side in (a, b))), None)
        if known is None:
            raise MissingFactError("; ".join(_reasons(a, b, ways[-1])))
        names += known
        if known is not ways[0]:
            lost = [name for name in ways[0] if name not in known]
            kept = next(name for name in known if name not in ways[0])
            merged[kept] = "; ".join(_reasons(a, b, tuple(lost)))
    return [name for name in FACTORS if name in names], merged


def share(value: float) -> str:
    """Return a share in percent, with three digits."""
    return f"{number(100 * value, 3)} %"


def _reasons(a: Side, b: Side, names: tuple[str, ...]) -> list[str]:
    """Return the reasons why factors are not known, one for each run that lacks one."""
    reasons = (
        f"{side.name}: {side.unknown.get(name, f'{FACTORS[name].title} not known')}"
        for side in (a, b)
        for name in names
        if name not in side.terms
    )
    return list(dict.fromkeys(reasons))
