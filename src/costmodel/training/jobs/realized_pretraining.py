"""Realized efficiency of pretraining jobs: utilization of published runs compared with the best modeled layout.

The step-time model knows layout and hardware. It does not know how well a team tunes, what runs beside the training
passes, or what the cluster suffers. The shortfall on the logit scale is fitted on published runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import expit, logit
from costmodel.foundation.errors import CostModelError
from costmodel.foundation.ranges import Interval, between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, Row, constant, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.jobs.goodput import Reliability
from costmodel.training.jobs.published import Run
from costmodel.training.jobs.utilization import organization_weights, steady_logit
from costmodel.training.layouts.planner import Plan, plan
from costmodel.training.layouts.step_time import StepInputs, training_step_inputs
from costmodel.training.recipes.pretraining import Pretraining
from costmodel.training.step.layout import usual_kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.architecture.specification import Architecture

PLANNED = "planned"
"""Kind of the row of `data/fitted/utilization.csv` with the realized utilization where the modeled one is 1/2."""
USUAL_DAYS = constant("usual_days")
"""Assumed length of a run with published GPU-hours and an unknown number of accelerators [day]."""


class ModeledRun(NamedTuple):
    """Steady-state utilization and goodput [1] of a published run in its best modeled layout, and that layout."""

    mfu: float
    goodput: float
    plan: Plan


class RealizedEfficiency(NamedTuple):
    """Difference of the logits of realized and modeled utilization: mean and standard deviation."""

    shift: float
    sd: float

    def mfu(self, modeled: float, level: float = 0.8) -> Interval:
        """Return the realized steady-state utilization for a modeled one [1], as its central interval of `level`."""
        center, half = logit(modeled) + self.shift, self.sd * normal_quantile((1 + level) / 2)
        return between(expit(center - half), expit(center + half), level=level).settled("logitnormal")


def plan_mfu(inputs: StepInputs, planned: Plan) -> float:
    """Return the steady-state utilization of a plan [1]."""
    work = inputs.work.model_flops * planned.batch_size
    return float(work / (planned.seconds * inputs.accelerators * inputs.hardware.peak))


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
    precision = load_accelerator(run.accelerator).usual_precision
    recipe = Pretraining(tokens=run.tokens, sequence_length=run.sequence_length, precision=precision)
    try:
        inputs = training_step_inputs(run.detailed, Cluster(run.accelerator, count), recipe, None)
        planned = plan(inputs, free_batch=True, attention=usual_kernel(run.year))
    except CostModelError:
        return None
    goodput = Reliability().goodput(count, float(run.detailed.parameters.total))
    return ModeledRun(plan_mfu(inputs, planned), goodput, planned)


def fit_realized_efficiency(runs: Sequence[Run], sd: float | None = None) -> RealizedEfficiency:
    """Fit the realized efficiency of jobs; every organization has the weight of one run.

    Parameters
    ----------
    runs : sequence of Run
        Published runs; those that cannot be modeled are left out.
    sd : float, optional
        Standard deviation to report; by default that of runs of organizations left out of the fit.
    """
    import numpy as np

    modeled = [(run, model) for run in runs if (model := modeled_run(run)) is not None]
    used = [run for run, _ in modeled]
    logits = np.array([steady_logit(run, model.goodput) - logit(model.mfu) for run, model in modeled])

    def mean(rows: NDArray[np.bool_]) -> float:
        weights = np.array(organization_weights([run for run, is_used in zip(used, rows, strict=True) if is_used]))
        return float((weights * logits[rows]).sum() / weights.sum())

    if sd is None:
        organizations = [run.organization for run in used]
        from costmodel.foundation.fitted import leave_one_group_out

        _, left_out = leave_one_group_out(organizations, mean, lambda shift: logits - shift)
        sd = math.sqrt(float((left_out**2).mean()))
    return RealizedEfficiency(mean(np.ones(len(used), dtype=bool)), sd)


def default_realized_efficiency() -> RealizedEfficiency:
    """Return the shipped row of `data/fitted/utilization.csv`."""
    row = _planned_row()
    low, high = logit(float(row["low"])), logit(float(row["high"]))
    return RealizedEfficiency((low + high) / 2, (high - low) / 2 / normal_quantile((1 + float(row["level"])) / 2))


def planned_mfu(architecture: Architecture, cluster: Cluster, inputs: StepInputs, planned: Plan) -> Figure:
    """Return the default steady-state utilization of a planned layout [1]."""
    modeled = plan_mfu(inputs, planned)
    spread = default_realized_efficiency().mfu(modeled)
    row = _planned_row()
    note = (
        f"the best of {planned.compared} layouts of {architecture.name} on {cluster.count:,} "
        f"{cluster.accelerator.name} has a modeled utilization of {modeled:.3f}; {row['note']}"
    )
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))


def _planned_row() -> Row:
    return next(row for row in table("fitted/utilization").rows if row["kind"] == PLANNED)
