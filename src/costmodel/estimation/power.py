"""Wall power of a job: the mean over its passes, from their utilization and time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.rendering import percent
from costmodel.hardware.power import GENERATION_LOAD, power_at_load, power_model
from costmodel.training.recipes.passes import passes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.estimation.chain import Stage
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.tables import Figure
    from costmodel.training.recipes.registry import AnyRecipe

Results = Mapping[str, Any]


def job_power(scenario: Scenario, stages: Sequence[Stage], results: Results) -> Figure:
    """Return the mean wall power per accelerator of a job [W], with its share of the server.

    Training and scoring passes draw power by their utilization, relative to the peak rate of their number format.
    Passes that generate tokens draw the power of generation, and so does a recipe with such passes and given hours.

    Parameters
    ----------
    scenario : Scenario
    stages : sequence of Stage
        The passes of the calculation.
    results : Mapping
        Results of the calculation up to the utilization, in SI units by name, as far as they are known.

    Raises
    ------
    MissingFactError
        If no design power of the accelerator is known.
    """
    times = [time for stage in stages if isinstance(time := results.get(f"{stage.prefix}gpu_time"), float)]
    if len(times) == len(stages):
        loads = [_stage_load(scenario, stage, results) for stage in stages]
        load = math.fsum(share * time for share, time in zip(loads, times, strict=True)) / math.fsum(times)
    elif any(_generates(recipe, scenario) for recipe in scenario.recipes):
        load = GENERATION_LOAD
    else:
        load = _load(scenario, scenario.recipes[0], results.get("flops"), results.get("gpu_hours"))
    utilization = results["utilization"] if isinstance(results.get("utilization"), float) else None
    accelerator = scenario.cluster.accelerator
    known = f"{percent(utilization)} of the {accelerator.usual_precision} peak" if utilization else "busy"
    return power_at_load(accelerator, load, f"{known}: {percent(load)} of the TDP")


def _stage_load(scenario: Scenario, stage: Stage, results: Results) -> float:
    index = stage.recipe.removeprefix("recipe.").rstrip(".")
    recipe = scenario.recipes[int(index or 0)]
    if _generates(recipe, scenario, stage.prefix.removeprefix(stage.recipe).rstrip(".")):
        return GENERATION_LOAD
    return _load(scenario, recipe, results[f"{stage.prefix}flops"], results[f"{stage.prefix}gpu_time"])


def _load(scenario: Scenario, recipe: AnyRecipe, flops: Any, seconds: Any) -> float:
    """Return the power of the accelerators over their design power [1]; busy where the utilization is not known."""
    accelerator, peak = scenario.cluster.accelerator, None
    for precision in (None, recipe.precision):
        with suppress(MissingFactError):
            peak = accelerator.peak(precision)
    known = peak is not None and isinstance(flops, float) and isinstance(seconds, float)
    return power_model().load(flops / (seconds * peak) if known else None, accelerator.generation)


def _generates(recipe: AnyRecipe, scenario: Scenario, name: str = "") -> bool:
    """Return whether a pass of a name, or any pass without one, generates tokens."""
    passes = passes_of(recipe, scenario.architecture)
    return any(each.kind == "generate" for each in passes if name in ("", each.name))
