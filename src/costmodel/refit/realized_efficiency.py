"""Refit of the realized efficiency of jobs to published ones: `costmodel refit realized_efficiency`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison.published_finetunes import scenario_of
from costmodel.estimation.estimate import estimate
from costmodel.foundation.errors import CostModelError
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Row, Table, table
from costmodel.refit import reinforcement
from costmodel.refit.result import Refitted
from costmodel.training.jobs.modeled_runs import modeled_run
from costmodel.training.jobs.realized_efficiency import FEW, FEW_ACCELERATORS, FEW_SPREAD, MOE, MOE_SPREAD, TABLE
from costmodel.training.jobs.utilization import shipped_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.training.jobs.published import Run
    from costmodel.training.recipes.recipe import JobKind

FINETUNES = "measurements/published_finetunes"
JOB_KINDS: tuple[JobKind, ...] = ("pretraining", "fine_tuning")
"""Kinds of jobs with one factor for their whole time."""
_SOURCE = (
    f"fitted by costmodel refit realized_efficiency on data/measurements/published_runs.csv and data/{FINETUNES}.csv"
)


def refit() -> Refitted:
    """Return the table of realized efficiencies, fitted on the published jobs of the library."""
    listed = [*pretraining_jobs(shipped_runs()), *finetuning_jobs(table(FINETUNES))]
    observed = reinforcement.shipped()
    summary = [f"{kind}: {sum(job.kind == kind for job in listed)} published jobs" for kind in JOB_KINDS]
    summary.append(f"reinforcement: {len(observed)} published steps and jobs")
    return Refitted({TABLE: [*job_rows(listed), *reinforcement.reinforcement_rows(observed)]}, summary)


class Job(NamedTuple):
    """A published job: its kind, its organization, and ln(modeled hours / published hours)."""

    kind: str
    organization: str
    log: float
    few: bool = False
    """Whether the job ran on few accelerators; counts for pretraining only."""
    moe: bool = False
    """Whether the model is a mixture of experts; counts for pretraining only."""


def pretraining_jobs(runs: Sequence[Run]) -> list[Job]:
    """Return the published pretraining runs that can be modeled.

    Parameters
    ----------
    runs : sequence of Run
    """
    modeled = [(run, modeled_run(run)) for run in runs]
    return [
        Job("pretraining", run.organization, model.log_efficiency(run), model.accelerators <= FEW_ACCELERATORS, run.moe)
        for run, model in modeled
        if model
    ]


def finetuning_jobs(rows: Table) -> list[Job]:
    """Return the published fine-tuning jobs whose GPU-hours can be modeled, without reinforcement learning.

    Parameters
    ----------
    rows : Table
        `data/measurements/published_finetunes.csv`.
    """
    listed = []
    for row in rows.rows:
        try:
            scenario = scenario_of(row)
            hours = estimate(scenario.replace(realized_efficiency=1.0)).value("gpu_hours")
        except CostModelError:
            continue
        kind = scenario.recipes[0].job_kind
        if isinstance(hours, float) and row["gpu_hours"] and kind in JOB_KINDS:
            listed.append(Job(kind, row["organization"], math.log(hours / 3600 / float(row["gpu_hours"]))))
    return listed


def job_rows(listed: Sequence[Job]) -> list[Row]:
    """Return the realized efficiency by kind of job: of all jobs, and of those without each organization.

    Pretraining is that of dense models. Mixtures of experts, and pretraining on few accelerators, have an effect of
    their own, shrunk toward none by their number of organizations.

    Parameters
    ----------
    listed : sequence of Job
    """
    rows = []
    for kind in JOB_KINDS:
        own = [job for job in listed if job.kind == kind and not job.moe]
        rows += [
            _job_row(kind, name, [job for job in own if job.organization != name])
            for name in ("", *sorted({job.organization for job in own}))
        ]
    pretraining = [job for job in listed if job.kind == "pretraining"]
    for name_of, is_special, prior in ((FEW, _is_few, FEW_SPREAD), (MOE, _is_moe, MOE_SPREAD)):
        others = [job for job in pretraining if not job.moe]
        special = [job for job in pretraining if is_special(job)]
        rows += [
            _special_row(name_of, name, _without(others, name), _without(special, name), prior)
            for name in ("", *sorted({job.organization for job in special}))
        ]
    return rows


def _is_few(job: Job) -> bool:
    return job.few and not job.moe


def _is_moe(job: Job) -> bool:
    return job.moe


def _without(own: Sequence[Job], organization: str) -> list[Job]:
    return [job for job in own if job.organization != organization]


def _job_row(kind: str, left_out: str, own: Sequence[Job]) -> Row:
    return _row(kind, left_out, own, _mean(own), _spread(own))


def _special_row(kind: str, left_out: str, others: Sequence[Job], special: Sequence[Job], prior: float) -> Row:
    """Return the row of special jobs, whose mean has a normal prior around that of all others.

    The spread has that of the mean in it.
    """
    sd, mean = _spread(others), _mean(others)
    precision = len({job.organization for job in special}) / sd**2
    left = 1 / (precision + prior**-2)
    mean += precision * left * (_mean(special) - mean if special else 0.0)
    return _row(kind, left_out, special, mean, math.sqrt(sd**2 + left))


def _spread(own: Sequence[Job]) -> float:
    """Return the standard deviation of jobs of organizations left out of the mean [1]."""
    errors = [job.log - _mean(_without(own, job.organization)) for job in own]
    squares = sum(_weight(job, own) * error**2 for job, error in zip(own, errors, strict=True))
    return math.sqrt(squares / len({job.organization for job in own}))


def _row(kind: str, left_out: str, own: Sequence[Job], mean: float, sd: float) -> Row:
    low, high = (math.exp(mean + side * normal_quantile(0.9) * sd) for side in (-1, 1))
    return {
        "kind": kind,
        "left_out": left_out,
        "realized_efficiency": f"{math.exp(mean):.4f}",
        "low": f"{low:.4f}",
        "high": f"{high:.4f}",
        "level": "0.8",
        "jobs": str(len(own)),
        "organizations": str(len({job.organization for job in own})),
        "source": _SOURCE,
    }


def _weight(job: Job, own: Sequence[Job]) -> float:
    """Return the weight of a job; every organization has the weight of one job."""
    return 1 / sum(other.organization == job.organization for other in own)


def _mean(own: Sequence[Job]) -> float:
    return sum(_weight(job, own) * job.log for job in own) / len({job.organization for job in own})
