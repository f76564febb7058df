"""What is said of a layout that may not fit in memory: refusal or caution, with the nearest change that helps."""

from __future__ import annotations

from contextlib import suppress

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.rendering import percent
from costmodel.foundation.units import GIB
from costmodel.training.layouts.changes import Case, fitting_changes
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError, below, fit_probability
from costmodel.training.layouts.planner import Plan
from costmodel.training.layouts.step_result import StepFigures
from costmodel.training.layouts.step_time import StepInputs


def check_fits(case: Case, step: StepFigures) -> None:
    """Raise `TooLargeError` if a step certainly does not fit; the message names the nearest change that helps.

    Parameters
    ----------
    case : Case
        Model, cluster, recipe and layout.
    step : StepFigures
        The step of the case.
    """
    if step.fit_probability < LEAST_PROBABILITY:
        raise TooLargeError(f"layout: does not fit: {_memory_shortage(case, step)}{_nearest_change(case)}")


def plan_caution(case: Case, inputs: StepInputs, planned: Plan, probability: float) -> str:
    """Return the caution that a planned layout may not fit, with what would help; empty if it fits as asked.

    Parameters
    ----------
    case : Case
        Model, cluster, recipe and the planned layout.
    inputs : StepInputs
        Inputs of the plan.
    planned : Plan
    probability : float
        Probability that the planned layout fits [1].
    """
    asked = inputs.planned_fit_probability
    if probability >= asked:
        return ""
    least, fits = percent(asked), below(probability, asked)
    if planned.memory <= inputs.planned_memory:
        on_host, there = planned.parts.host_bytes / GIB, inputs.hardware.host_memory / GIB
        text = (
            f"the planned layout fits with a probability of {fits}: it needs {on_host:.0f} GiB of host memory per GPU"
        )
        if case.cluster.host_memory is None:
            return f"{text}, and {there:.0f} are assumed (cluster.host_memory)"
        text = f"{text} of {there:.0f}"
    else:
        text = f"no layout fits with a probability of {least}; the planned one, of least memory, fits with {fits}"
    with suppress(CostModelError):
        return text + _nearest_change(case, pairs=False)
    return text


def _memory_shortage(case: Case, step: StepFigures) -> str:
    """Return the memory that a step needs beside the memory that there is, as text."""
    cluster, trainers = case.cluster, case.recipe.training_gpus(case.cluster.count)
    needed = float(step.memory.total) + case.recipe.auxiliary_bytes(case.architecture) / trainers
    usable, on_host = cluster.accelerator.usable_memory or 0.0, float(step.host_bytes)
    if fit_probability(needed, usable) >= LEAST_PROBABILITY:
        needed, usable = on_host, cluster.host_memory_per_accelerator[0]
        return f"it needs {needed / GIB:.1f} GiB of host memory per GPU; there are {usable / GIB:.1f} GiB"
    return f"it needs {needed / GIB:.1f} GiB per GPU; {usable / GIB:.1f} GiB are usable"


def _nearest_change(case: Case, pairs: bool = True) -> str:
    """Return the nearest change with which the step fits, as a clause; empty if there is none."""
    changes = fitting_changes(case, pairs=pairs)
    if not changes:
        return ""
    nearest = changes[0]
    fits = f"fits with a probability of {percent(nearest.fit_probability)}"
    return f"; with {nearest.text} it {fits}, in {nearest.time_factor:.2f} times the time per token"
