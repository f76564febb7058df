"""How much of the modeled speed do fine-tunes reach? Published ones against the time model, by what is done.

The time model knows what the hardware does; a job also loads data, evaluates, saves, waits, and runs on
settings that nobody tuned. `data/fitted/finetune_jobs.csv` is fitted by `costmodel.validation.published_finetunes`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, table
from costmodel.training.recipes.pretraining import Pretraining

if TYPE_CHECKING:
    from costmodel.training.recipes.registry import AnyRecipe

KINDS = ("full", "adapters", "reinforcement")
"""What is told apart: all weights, adapters, and what learns from its own answers."""


def job_kind(recipe: AnyRecipe) -> str | None:
    """Return the kind of job that a recipe is; None for a pretraining, which has a measure of its own."""
    if isinstance(recipe, Pretraining):
        return None
    if recipe.kind in {"ppo", "grpo"}:
        return "reinforcement"
    return "full" if recipe.adapters is None else "adapters"


@lru_cache(maxsize=256)
def realized_efficiency(kind: str, left_out: str = "") -> Figure:
    """Return the share of the modeled speed that jobs of a kind reach [1], without an organization if wanted.

    Parameters
    ----------
    kind : of `KINDS`
    left_out : organization whose jobs are not counted
    """
    row = next(row for row in table("fitted/finetune_jobs").rows if (row["kind"], row["left_out"]) == (kind, left_out))
    spread = between(float(row["low"]), float(row["high"]), level=float(row["level"])).settled("lognormal")
    note = f"of the modeled speed: {row['jobs']} published jobs (organizations: {row['organizations']})"
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))
