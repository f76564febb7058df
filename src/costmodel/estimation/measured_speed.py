"""A measured speed as an input: the step time, or the tokens per second of the whole cluster. The MFU follows from it.

`chain.steps` computes the MFU from the measurement, so `explain` shows it, and an uncertain measurement leads to an
uncertain MFU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from pydantic import BeforeValidator

from costmodel.estimation.chain import MeasuredName
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Measure, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.units import written_unit
from costmodel.training.recipes.passes import passes_of

if TYPE_CHECKING:
    from costmodel.estimation.inputs import Input
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.training.recipes.registry import AnyRecipe

_GIVEN_SPEEDS = ("mfu", "step_time", "tokens_per_second", "gpu_hours")
_PER_ACCELERATOR = re.compile(r"gpu|accelerator|chip|device", re.IGNORECASE)


class MeasuredSpeed(NamedTuple):
    """A measured speed of a scenario: the field that holds it, its unit, and its value."""

    name: MeasuredName
    unit: str
    value: float | Range


def _of_the_cluster(value: Any) -> Any:
    """Return a rate as it is, or raise `InputError` if its unit is per accelerator."""
    unit = value.get("unit", "") if isinstance(value, Mapping) else getattr(value, "unit", "") or written_unit(value)
    if _PER_ACCELERATOR.search(f"{value if isinstance(value, str) else ''} {unit}"):
        raise InputError(f"must be of the whole cluster: multiply by the number of accelerators; got {value!r}")
    return value


MeasuredStepTime: TypeAlias = Annotated[float | Range, Measure("s", 0.0, 1e9, open_low=True)]
MeasuredTokensPerSecond: TypeAlias = Annotated[
    float | Range, Measure("token/s", 0.0, 1e15, open_low=True), BeforeValidator(reported(_of_the_cluster))
]


def speed_problems(scenario: Scenario) -> list[str]:
    """Return what is wrong with the given speeds of a scenario: more than one, or next to fields that exclude them.

    Parameters
    ----------
    scenario : Scenario
    """
    given = [name for name in _GIVEN_SPEEDS if getattr(scenario, name) is not None]
    measured = [name for name in given if name in {"step_time", "tokens_per_second"}]
    if not measured:
        return []
    problems = []
    if len(given) > 1:
        problems.append(f"{' and '.join(given)} are given together; keep one of {', '.join(_GIVEN_SPEEDS)}")
    others = [name for name in ("layout", "realized_efficiency") if getattr(scenario, name) is not None]
    problems += [f"{measured[0]} and {name} are both given; leave one out" for name in others]
    if len(scenario.recipes) > 1:
        problems.append(f"{measured[0]} is the speed of one recipe; got {len(scenario.recipes)} recipes")
    elif scenario.recipes[0].gpu_hours is not None:
        problems.append(f"{measured[0]} and recipe.gpu_hours are both given; leave one out")
    return problems


def measured_speed(scenario: Scenario) -> MeasuredSpeed | None:
    """Return the measured speed of a scenario; None if it has none.

    Parameters
    ----------
    scenario : Scenario

    Raises
    ------
    InputError
        If the recipe has several passes, and is not reinforcement learning.
    """
    if scenario.step_time is not None:
        measured = MeasuredSpeed("step_time", "s", scenario.step_time)
    elif scenario.tokens_per_second is not None:
        measured = MeasuredSpeed("tokens_per_second", "token/s", scenario.tokens_per_second)
    else:
        return None
    recipe = scenario.recipes[0]
    passes = passes_of(recipe, scenario.architecture)
    if len(passes) > 1 and recipe.job_kind != "reinforcement":  # its steps have all passes, from rollout to update
        names = ", ".join(each_pass.name for each_pass in passes)
        raise InputError(
            f"{measured.name}: is for recipes with one training pass, or of reinforcement learning; {recipe.kind} has "
            f"the passes {names}, each with an MFU of its own, and one figure does not say how they share the time. "
            "Give gpu_hours instead: "
            "steps × step time × accelerators"
        )
    return measured


def check_measured_speed(measured: MeasuredSpeed, recipe: AnyRecipe, accelerator: Accelerator, inputs: Any) -> None:
    """Raise `InputError` if a measured speed needs more than the peak rate of the accelerator.

    Parameters
    ----------
    measured : MeasuredSpeed
    recipe : AnyRecipe
        The recipe that was measured.
    accelerator : Accelerator
    inputs : dict[str, Input]
        The inputs of the estimate by path.
    """
    needed: list[Input | None] = [
        inputs.get("recipe.flops_per_token") or inputs.get("recipe.train.flops_per_token"),
        *(inputs.get(path) for path in ("cluster.count", "cluster.peak", measured.name)),
    ]
    if any(entry is None for entry in needed):
        return
    per_token, count, peak, speed = (entry for entry in needed if entry is not None)
    try:
        rate = accelerator.peak(recipe.precision)
    except MissingFactError:
        rate = peak.value
    if measured.name == "step_time":
        fastest = speed.value if speed.spread is None else speed.spread.quantile(0.1)
        tokens = inputs["recipe.batch_tokens"].value
        most = tokens * per_token.value / (count.value * rate)
        beyond, limit = fastest < most, f"at least {most:.4g} s for a batch of {tokens:,.0f} tokens"
        shown = f"{fastest:.4g} s"
    else:
        fastest = speed.value if speed.spread is None else speed.spread.quantile(0.9)
        most = count.value * rate / per_token.value
        beyond, limit = fastest > most, f"at most {most:,.4g} token/s"
        shown = f"{fastest:,.4g} token/s"
    if beyond:
        share = fastest / most if measured.name == "tokens_per_second" else most / fastest
        raise InputError(
            f"{measured.name}: {shown} needs {share:.2f} × the {recipe.precision} peak of {count.value:,.0f} × "
            f"{accelerator.name}; possible: {limit}. Check the batch size, the sequence length, the precision and the "
            "number of accelerators"
        )
