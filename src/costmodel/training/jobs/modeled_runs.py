"""Published pretraining runs in their best modeled layout, for the fit of their realized efficiency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.tables import constant
from costmodel.hardware.cluster import Cluster
from costmodel.training.jobs.goodput import Reliability
from costmodel.training.layouts.planner import Plan, plan
from costmodel.training.layouts.step_time import training_step_inputs
from costmodel.training.recipes.pretraining import Pretraining
from costmodel.training.step.layout import usual_kernel
from costmodel.training.step.software import load_software

if TYPE_CHECKING:
    from costmodel.training.jobs.published import Run

USUAL_DAYS = constant("usual_days")
"""Assumed length of a run with published GPU-hours and an unknown number of accelerators [day]."""


class ModeledRun(NamedTuple):
    """Steady-state utilization and goodput [1] of a published run in its best modeled layout, and that layout."""

    mfu: float
    goodput: float
    plan: Plan
    accelerators: int
    """Number of accelerators, published or estimated from the GPU-hours [1]."""

    def gpu_hours(self, run: Run) -> float:
        """Return the GPU-hours of the run at its modeled speed [hour]."""
        return run.flops / (run.accelerator.peak() * self.mfu * self.goodput * 3600)

    def log_efficiency(self, run: Run) -> float:
        """Return ln(achieved speed / modeled speed) of the run [1]."""
        return math.log(self.gpu_hours(run) / run.gpu_hours)


def modeled_run(run: Run) -> ModeledRun | None:
    """Return a published run in its best modeled layout; None if the model or the hardware is not known.

    Parameters
    ----------
    run : Run
    """
    if run.detailed is None:
        return None
    node = Cluster(run.accelerator, 1).node_size
    count = run.count or max(round(run.gpu_hours / (USUAL_DAYS * 24) / node), 1) * node
    precision = run.precision
    recipe = Pretraining(tokens=run.tokens, sequence_length=run.sequence_length, precision=precision)
    try:
        software = load_software(run.software).planned
        inputs = training_step_inputs(run.detailed, Cluster(run.accelerator, count), recipe, None, software)
        planned = plan(inputs, attention=usual_kernel(run.year))
    except CostModelError:
        return None
    goodput = Reliability().goodput(count, float(run.detailed.parameters.total))
    work = inputs.work.model_flops * planned.batch_size
    mfu = float(work / (planned.seconds * inputs.accelerators * inputs.hardware.peak))
    return ModeledRun(mfu, goodput, planned, count)
