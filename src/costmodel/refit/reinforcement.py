"""Realized efficiency of reinforcement learning: of rollouts, and of scoring and updates.

Published steps with times of their parts give both. A step or job of which only the whole time is known counts for
both with the same factor: that by which it differs from the fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison import published_finetunes, rl_steps
from costmodel.comparison.rl_steps import Parts, modeled
from costmodel.estimation.estimate import estimate
from costmodel.foundation.errors import CostModelError
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Row, Table, table
from costmodel.training.jobs.realized_efficiency import ROLLOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

JOBS = "measurements/published_finetunes"
SOURCE = f"fitted by costmodel refit realized_efficiency on data/{rl_steps.TABLE}.csv and data/{JOBS}.csv"
ITERATIONS = 80
"""Fixed-point iterations of the factors of steps of which only the whole time is known [1]."""
TRAINING = "reinforcement"
"""Kind of the rows of scoring and updates."""


class Observed(NamedTuple):
    """A published step or job: its organization, its modeled and its measured parts [s]."""

    organization: str
    modeled: Parts
    measured: Parts

    def logs(self, rollout: float, training: float) -> tuple[float | None, float | None]:
        """Return ln(modeled / measured) of rollout and of scoring and update; None of an unknown part.

        Parameters
        ----------
        rollout, training : float
            Present values of both, to which a step of which only the whole time is known is relative [1].
        """
        if self.measured.rollout:
            generated = math.log(self.modeled.rollout / self.measured.rollout)
            rest = math.log(self.modeled.training / self.measured.training) if self.measured.training > 0 else None
            return generated, rest
        shift = math.log(self.whole(rollout, training) / self.measured.whole)
        return rollout + shift, training + shift

    def whole(self, rollout: float, training: float) -> float:
        """Return the time of the step with realized efficiencies [s].

        Parameters
        ----------
        rollout, training : float
            ln(realized efficiency) of rollout and of scoring and update [1].
        """
        generates, trains = self.modeled.rollout / math.exp(rollout), self.modeled.training / math.exp(training)
        return self.modeled.weight_sync + (max(generates, trains) if self.modeled.at_once else generates + trains)


class Factors(NamedTuple):
    """ln(realized efficiency) of rollout and of scoring and update [1]."""

    rollout: float
    training: float


def observed_steps(rows: Table) -> list[Observed]:
    """Return the published steps that can be modeled.

    Parameters
    ----------
    rows : Table
        `data/measurements/rl_steps.csv`.
    """
    listed = []
    for row in rows.rows:
        try:
            listed.append(Observed(row["organization"], modeled(rl_steps.scenario_of(row)), rl_steps.measured(row)))
        except CostModelError:
            continue
    return listed


def observed_jobs(rows: Table) -> list[Observed]:
    """Return the published jobs of reinforcement learning that can be modeled; the time of a step is that of the job.

    Parameters
    ----------
    rows : Table
        `data/measurements/published_finetunes.csv`.
    """
    listed = []
    for row in rows.rows:
        try:
            scenario = published_finetunes.scenario_of(row)
            if scenario.recipes[0].job_kind != "reinforcement" or not row["gpu_hours"]:
                continue
            parts = modeled(scenario)
            result = estimate(scenario.replace(realized_efficiency=1.0))
            hours = result.known_value("gpu_hours") / 3600
        except CostModelError:
            continue
        whole = parts.whole * float(row["gpu_hours"]) / hours
        listed.append(Observed(row["organization"], parts, Parts(0.0, 0.0, 0.0, whole)))
    return listed


def fit(observed: Sequence[Observed]) -> Factors:
    """Fit the realized efficiencies; every organization has the weight of one step.

    Parameters
    ----------
    observed : sequence of Observed
        At least one step with the times of its parts.
    """
    factors = Factors(0.0, 0.0)
    for _ in range(ITERATIONS):
        logs = [step.logs(*factors) for step in observed]
        factors = Factors(*(_mean(observed, [log[part] for log in logs]) for part in (0, 1)))
    return factors


def reinforcement_rows(observed: Sequence[Observed]) -> list[Row]:
    """Return the rows of realized efficiency: of all, and without each organization.

    Parameters
    ----------
    observed : sequence of Observed
    """
    rows = []
    for name in ("", *sorted({step.organization for step in observed})):
        own = [step for step in observed if step.organization != name]
        factors, spreads = fit(own), spread(own)
        for kind, center, sd in zip((ROLLOUT, TRAINING), factors, spreads, strict=True):
            rows.append(_row(kind, name, center, sd, own))
    return sorted(rows, key=lambda row: row["kind"])


def spread(observed: Sequence[Observed]) -> Factors:
    """Return the standard deviations of both, from steps whose organization is left out of the fit [1].

    Parameters
    ----------
    observed : sequence of Observed
    """
    squares: list[list[float | None]] = [[], []]
    names = {step.organization for step in observed}
    centers = {name: fit([step for step in observed if step.organization != name]) for name in names}
    for step in observed:
        center = centers[step.organization]
        for part, (log, mean) in enumerate(zip(step.logs(*center), center, strict=True)):
            squares[part].append(None if log is None else (log - mean) ** 2)
    return Factors(*(math.sqrt(_mean(observed, each)) for each in squares))


def _mean(observed: Sequence[Observed], values: Sequence[float | None]) -> float:
    """Return the mean over organizations of the means of their known values."""
    groups: dict[str, list[float]] = {}
    for step, value in zip(observed, values, strict=True):
        if value is not None:
            groups.setdefault(step.organization, []).append(value)
    return math.fsum(math.fsum(own) / len(own) for own in groups.values()) / len(groups)


def _row(kind: str, left_out: str, center: float, sd: float, own: Sequence[Observed]) -> Row:
    low, high = (math.exp(center + side * normal_quantile(0.9) * sd) for side in (-1, 1))
    return {
        "kind": kind,
        "left_out": left_out,
        "realized_efficiency": f"{math.exp(center):.4f}",
        "low": f"{low:.4f}",
        "high": f"{high:.4f}",
        "level": "0.8",
        "jobs": str(len(own)),
        "organizations": str(len({step.organization for step in own})),
        "source": SOURCE,
    }


def shipped() -> list[Observed]:
    """Return the published steps and jobs of the library."""
    return [*observed_steps(table(rl_steps.TABLE)), *observed_jobs(table(JOBS))]
