"""Default utilization of a pretraining job by architecture and accelerator generation, fitted on published runs.

`costmodel refit utilization` writes `data/fitted/utilization.csv`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.foundation.arrays import expit, logit
from costmodel.foundation.ranges import Interval, between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, constant, default, table
from costmodel.training.jobs.published import Run, read_runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.hardware.accelerator import Accelerator

OTHER = "other"
"""Generation of the row for accelerators without published runs."""
MOE_SPREAD = constant("moe_effect_spread")
"""Prior standard deviation of the effect of a mixture of experts, on the logit [1]."""
GENERATION_SPREAD = constant("generation_effect_spread")
"""Prior standard deviation of the effect of an accelerator generation, on the logit [1]."""
RUN_SPREAD = constant("run_spread")
"""Standard deviation between the runs of a class, on the logit [1]: with the others, one run moves the effect of its
class by a quarter of its difference."""
MOST_UTILIZATION = 0.99
"""Steady-state utilization at which a published run is capped before its logit is taken [1]."""


@dataclass(frozen=True, slots=True)
class Utilization:
    """Steady-state utilization by class on the logit scale: mean, effects and their standard deviation.

    Utilization of a job = steady-state utilization × goodput; the goodput of a published run is taken as typical.
    """

    mean: float
    moe: float
    """Effect of a mixture of experts."""
    generations: dict[str, float]
    """Effect of each accelerator generation."""
    sd: float
    """Standard deviation for a job of a new organization (leave-one-organization-out)."""
    generation_sd: float
    """Standard deviation between generations, added in quadrature for a generation without published runs."""

    def mfu(self, moe: bool, generation: str, level: float = 0.8) -> Interval:
        """Return the steady-state utilization of a class [1], as its central interval of `level`."""
        center = self.mean + self.moe * moe + self.generations.get(generation, 0.0)
        sd = self.sd if generation in self.generations else math.hypot(self.sd, self.generation_sd)
        half = sd * normal_quantile((1 + level) / 2)
        return between(expit(center - half), expit(center + half), level=level).settled("logitnormal")


def steady_logit(run: Run, goodput: float) -> float:
    """Return the logit of the steady-state utilization of a run [1].

    Parameters
    ----------
    run : Run
    goodput : float
        Share of the wall time in useful steps [1].
    """
    return logit(min(run.utilization / goodput, MOST_UTILIZATION))


def organization_weights(runs: Sequence[Run]) -> list[float]:
    """Return weights of runs that give every organization the weight of one run: its runs share a setup.

    Parameters
    ----------
    runs : sequence of Run
    """
    organizations = [run.organization for run in runs]
    return [1 / organizations.count(name) for name in organizations]


def fit_utilization(runs: Sequence[Run], goodput: float, sd: float | None = None) -> Utilization:
    """Fit the utilization of classes; classes with few runs are shrunk toward the mean.

    This is a ridge regression of the logit of utilization / goodput. Every organization has the weight of one run.

    Parameters
    ----------
    runs : sequence of Run
        Published runs.
    goodput : float
        Typical share of the wall time in useful steps [1].
    sd : float, optional
        Standard deviation to report; by default that of runs of organizations left out of the fit.
    """
    import numpy as np

    generations = sorted({run.accelerator.generation for run in runs})
    design = np.array(
        [[1.0, run.moe, *(run.accelerator.generation == name for name in generations)] for run in runs], dtype=float
    )
    values = np.array([steady_logit(run, goodput) for run in runs])
    weights = np.array(organization_weights(runs)) / RUN_SPREAD**2
    penalty = np.diag([0.0, MOE_SPREAD**-2, *([GENERATION_SPREAD**-2] * len(generations))])
    normal = design.T @ (design * weights[:, None]) + penalty
    solution = np.linalg.solve(normal, design.T @ (weights * values))
    if sd is None:
        sd = float(np.sqrt(np.mean(np.square(_left_out_residuals(runs, goodput)))))
    effects = dict(zip(generations, solution[2:].tolist(), strict=True))
    return Utilization(float(solution[0]), float(solution[1]), effects, sd, GENERATION_SPREAD)


def _left_out_residuals(runs: Sequence[Run], goodput: float) -> NDArray[np.float64]:
    """Return logit(measured) - logit(predicted) of each run, its organization left out of the fit."""
    import numpy as np

    def fitted(rows: NDArray[np.bool_]) -> Utilization:
        return fit_utilization([run for run, is_used in zip(runs, rows, strict=True) if is_used], goodput, sd=0.5)

    def residuals(utilization: Utilization) -> NDArray[np.float64]:
        return np.array([
            steady_logit(run, goodput) - logit(utilization.mfu(run.moe, run.accelerator.generation).median())
            for run in runs
        ])  # fmt: skip

    from costmodel.foundation.fitted import leave_one_group_out

    return leave_one_group_out([run.organization for run in runs], fitted, residuals)[1]


def default_mfu(moe: bool, accelerator: Accelerator, of_bf16: float = 1.0) -> Figure:
    """Return the default steady-state utilization [1].

    Parameters
    ----------
    moe : bool
        Whether the model is a mixture of experts.
    accelerator : Accelerator
        Its generation selects the class.
    of_bf16 : float
        Peak of the precision relative to that of bf16, at most 1 [1].

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> 0.2 < default_mfu(False, load_accelerator("H100-SXM")).value < 0.45
    True
    """
    rows = {(row["kind"], row["generation"]): row for row in table("fitted/utilization").rows}
    kind = "moe" if moe else "dense"
    is_known = (kind, accelerator.generation) in rows
    row = rows[kind, accelerator.generation if is_known else OTHER]
    scale = of_bf16 / default("goodput").value
    low, high = float(row["low"]) * scale, float(row["high"]) * scale
    spread = between(low, high, level=float(row["level"])).settled("logitnormal")
    unseen = (
        f"{accelerator.generation or 'unknown'}, a generation without published runs: no measurement; wide interval"
    )
    which = accelerator.generation if is_known else unseen
    note = f"{kind} on {which}: {row['note']}"
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))


def has_class(generation: str) -> bool:
    """Return whether an accelerator generation has published runs.

    Parameters
    ----------
    generation : str
    """
    return generation != OTHER and any(row["generation"] == generation for row in table("fitted/utilization").rows)


@lru_cache(maxsize=1)
def shipped_runs() -> tuple[Run, ...]:
    """Return the usable runs of `data/measurements/published_runs.csv`."""
    return tuple(read_runs(table("measurements/published_runs"))[0])
