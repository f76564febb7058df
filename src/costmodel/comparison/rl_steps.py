"""Scenarios of published steps of reinforcement learning, for the fit of their realized efficiency."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison.published_finetunes import cell_value
from costmodel.estimation.estimate import estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.hardware.cluster import Cluster
from costmodel.training.recipes.table import RECIPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.tables import Row

TABLE = "measurements/rl_steps"
RECIPE_FIELDS = (
    *("critic", "reward_model", "batch_size", "group_size", "prompt_length", "lengths", "sequence_length"),
    *("iterations", "reference", "asynchronous", "rollout_gpus", "gpu_memory_utilization", "rank", "software"),
)
"""Columns that are fields of the recipe. An empty cell keeps the default."""


class Parts(NamedTuple):
    """Times of a step of reinforcement learning [s]; 0 for a part that is not known."""

    rollout: float
    training: float
    """Scoring and policy update."""
    weight_sync: float
    whole: float
    at_once: bool = False
    """Whether rollouts run during scoring and update."""


def scenario_of(row: Row) -> Scenario:
    """Return the scenario of a row of `data/measurements/rl_steps.csv`: one step.

    Parameters
    ----------
    row : Row
        A published step.

    Raises
    ------
    InputError
        If its kind of recipe is unknown, or its recipe is not valid.
    """
    if row["kind"] not in RECIPES:
        raise InputError(f"kind: {unknown('kind of recipe', row['kind'], RECIPES)}")
    fields = {name: cell_value(row[name]) for name in RECIPE_FIELDS if row[name]}
    prompts = -(-int(row["batch_size"]) // int(row["group_size"]))
    return Scenario(
        name=row["id"],
        architecture=row["architecture"],
        recipe={"kind": row["kind"], "examples": prompts, **fields},
        cluster=Cluster(row["accelerator"], int(row["count"])),
    )


def modeled(scenario: Scenario, changes: Mapping[str, object] | None = None) -> Parts:
    """Return the modeled parts of a step, at full speed unless changes say otherwise.

    Parameters
    ----------
    scenario : Scenario
        A job of reinforcement learning.
    changes : Mapping, optional
        Fields of the scenario that differ.
    """
    result = estimate(scenario.replace({"realized_efficiency": 1.0, **(changes or {})}))
    training = sum(_seconds(result.value(f"{part}_time")) for part in ("scoring", "reference", "update"))
    rollout, sync, whole = (_seconds(result.value(name)) for name in ("rollout_time", "weight_sync_time", "step_time"))
    if not rollout or not whole:
        raise MissingFactError(f"{scenario.name}: the parts of its step are not modeled")
    return Parts(rollout, training, sync, whole, any(step.name.endswith("idle.gpu_time") for step in result.steps))


def measured(row: Row) -> Parts:
    """Return the measured parts of a row of `data/measurements/rl_steps.csv`.

    Parameters
    ----------
    row : Row
        A published step. Of asynchronous rollouts, the rest of the step is not known: it runs at the same time.
    """
    rollout, sync, whole = (float(row[name] or 0.0) for name in ("rollout_time", "weight_sync_time", "step_time"))
    known = rollout and whole and row["asynchronous"] != "yes"
    return Parts(rollout, whole - rollout - sync if known else 0.0, sync, whole, row["asynchronous"] == "yes")


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0
