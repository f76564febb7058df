"""How much of what a planned layout promises do jobs reach? Published runs against the time model's best layout.

The time model knows the layout and what the hardware does; it does not know how well a team tunes, what
else runs beside the passes, or what its cluster suffers. Published runs tell, on the scale of the logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.ranges import Interval, between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, table
from costmodel.hardware.cluster import Cluster
from costmodel.training.jobs.goodput import Reliability
from costmodel.training.jobs.published import Run, by_organization
from costmodel.training.jobs.utilization import logit, share_of
from costmodel.training.layouts.planner import Plan, plan
from costmodel.training.layouts.step_time import StepInputs, training_step_inputs
from costmodel.training.recipes.pretraining import Pretraining
from costmodel.training.step.layout import usual_kernel

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture

PLANNED = "planned"
"""Kind of the row of `data/fitted/utilization.csv`: what is reached where the plan says one half."""
USUAL_DAYS = 30.0
"""Length of a run of which only the GPU-hours are published; tells its accelerators [day]."""


class Promise(NamedTuple):
    """What the best layout of a run would give: utilization in steady state, goodput, and the layout."""

    mfu: float
    goodput: float
    plan: Plan


class RealizedEfficiency(NamedTuple):
    """By how much jobs fall short of a plan, on the logit of the utilization: mean and spread."""

    shift: float
    sd: float

    def mfu(self, promised: float, level: float = 0.8) -> Interval:
        """Return the utilization in steady state where a plan promises so much [1], as its central interval."""
        middle, half = logit(promised) + self.shift, self.sd * normal_quantile((1 + level) / 2)
        return between(share_of(middle - half), share_of(middle + half), level=level).settled("logitnormal")


def plan_mfu(asked: StepInputs, planned: Plan) -> float:
    """Return the utilization in steady state of a plan [1]."""
    work = asked.work.model_flops * planned.batch_size
    return float(work / (planned.seconds * asked.accelerators * asked.hardware.peak))


def promise(run: Run) -> Promise | None:
    """Return what the time model promises a published run; None where it does not know model or machine."""
    if run.detailed is None:
        return None
    node = Cluster(run.accelerator, 1).node_size
    count = run.count or max(round(run.gpu_hours / (USUAL_DAYS * 24) / node), 1) * node
    recipe = Pretraining(tokens=run.tokens, sequence_length=run.sequence_length)
    try:
        asked = training_step_inputs(run.detailed, Cluster(run.accelerator, count), recipe, None)
        planned = plan(asked, free_batch=True, attention=usual_kernel(run.year))
    except CostModelError:
        return None
    goodput = Reliability().goodput(count, float(run.detailed.parameters.total))
    return Promise(plan_mfu(asked, planned), goodput, planned)


def fit_realized_efficiency(runs: Sequence[Run], sd: float | None = None) -> RealizedEfficiency:
    """Fit how far jobs fall short of their plans; every organization has the weight of one run.

    Parameters
    ----------
    runs : published runs; those without a promise are left aside
    sd : spread to report; from runs of organizations left out unless given
    """
    promised = [(run, found) for run in runs if (found := promise(run)) is not None]
    sizes = {name: len(each) for name, each in by_organization([run for run, _ in promised]).items()}
    weights = [1 / sizes[run.organization] for run, _ in promised]
    shortfalls = [shortfall(run, found) for run, found in promised]
    mean = sum(weight * one for weight, one in zip(weights, shortfalls, strict=True)) / sum(weights)
    if sd is None:
        left_out = []
        for run, found in promised:
            others = [each for each in runs if each.organization != run.organization]
            left_out.append(shortfall(run, found) - fit_realized_efficiency(others, sd=1.0).shift)
        sd = math.sqrt(sum(one**2 for one in left_out) / len(left_out))
    return RealizedEfficiency(mean, sd)


def shortfall(run: Run, found: Promise) -> float:
    """Return logit(reached in steady state) - logit(promised) of a run."""
    return logit(min(run.utilization / found.goodput, 0.99)) - logit(found.mfu)


def default_realized_efficiency() -> RealizedEfficiency:
    """Return the shipped row of `data/fitted/utilization.csv`."""
    row = next(row for row in table("fitted/utilization").rows if row["kind"] == PLANNED)
    low, high = logit(float(row["low"])), logit(float(row["high"]))
    return RealizedEfficiency((low + high) / 2, (high - low) / 2 / normal_quantile((1 + float(row["level"])) / 2))


def planned_mfu(architecture: Architecture, cluster: Cluster, asked: StepInputs, planned: Plan) -> Figure:
    """Return the utilization in steady state that is assumed for a planned layout [1]."""
    promised = plan_mfu(asked, planned)
    spread = default_realized_efficiency().mfu(promised)
    row = next(row for row in table("fitted/utilization").rows if row["kind"] == PLANNED)
    note = (
        f"the best of {planned.compared} layouts of {architecture.name} on {cluster.count:,} "
        f"{cluster.accelerator.name} promises {promised:.3f}; {row['note']}"
    )
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))


def planned_row(runs: Sequence[Run]) -> dict[str, str]:
    """Return the row of `data/fitted/utilization.csv` that these runs give."""
    fitted = fit_realized_efficiency(runs)
    used = [run for run in runs if promise(run) is not None]
    interval, organizations = fitted.mfu(0.5), len(by_organization(used))
    return {
        "kind": PLANNED,
        "generation": "",
        "utilization": f"{interval.median():.4f}",
        "low": f"{interval.low:.4f}",
        "high": f"{interval.high:.4f}",
        "level": f"{interval.level}",
        "runs": str(len(used)),
        "organizations": str(organizations),
        "source": "fitted on data/measurements/published_runs.csv by costmodel.training.jobs.utilization",
        "note": f"what {len(used)} published runs (organizations: {organizations}) reached of such promises",
    }
