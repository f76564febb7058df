"""Refusal of a given layout that does not fit in memory, with the nearest change with which it fits."""

from __future__ import annotations

from costmodel.foundation.rendering import percent
from costmodel.foundation.units import GIB
from costmodel.training.layouts.changes import Case, fitting_changes
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError, fit_probability
from costmodel.training.layouts.step_result import StepFigures


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


def _memory_shortage(case: Case, step: StepFigures) -> str:
    """Return the memory that a step needs beside the memory that there is, as text."""
    cluster, trainers = case.cluster, case.recipe.training_gpus(case.cluster.count)
    needed = float(step.memory.total) + case.recipe.auxiliary_bytes(case.architecture) / trainers
    usable, on_host = cluster.accelerator.usable_memory or 0.0, float(step.host_bytes)
    if fit_probability(needed, usable) >= LEAST_PROBABILITY:
        needed, usable = on_host, cluster.host_memory_per_accelerator[0]
        return f"it needs {needed / GIB:.1f} GiB of host memory per GPU; there are {usable / GIB:.1f} GiB"
    return f"it needs {needed / GIB:.1f} GiB per GPU; {usable / GIB:.1f} GiB are usable"


def _nearest_change(case: Case) -> str:
    """Return the nearest change with which the step fits, as a clause; empty if there is none."""
    changes = fitting_changes(case)
    if not changes:
        return ""
    nearest = changes[0]
    fits = f"fits with a probability of {percent(nearest.fit_probability)}"
    return f"; with {nearest.text} it {fits}, in {nearest.time_factor:.2f} times the time per token"
