"""How much of the peak does a pretraining job reach, if nothing is told? Fitted on published runs.

`python -m costmodel.training.jobs.utilization` fits the shipped runs anew and writes `data/fitted/utilization.csv`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.foundation.ranges import Interval, between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, default, folder, table, write_rows
from costmodel.training.jobs.published import Run, by_organization, read_runs

if TYPE_CHECKING:
    from costmodel.hardware.accelerator import Accelerator

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Utilization:
    """Steady-state utilization by class, on the scale of its logit: mean, effects and their spread.

    A job is taken to spend the typical goodput in useful steps; job-level utilization = mfu × goodput.
    """

    mean: float
    mixture: float
    """Added for mixtures of experts."""
    generations: dict[str, float]
    """Added for each generation of accelerators."""
    sd: float
    """Of a job of an organization left out."""
    generation_sd: float
    """Between generations: added in quadrature where the generation was not seen."""

    def mfu(self, mixture: bool, generation: str, level: float = 0.8) -> Interval:
        """Return the steady-state utilization of a class [1], as its central interval of `level`."""
        middle = self.mean + self.mixture * mixture + self.generations.get(generation, 0.0)
        sd = self.sd if generation in self.generations else math.hypot(self.sd, self.generation_sd)
        half = sd * normal_quantile((1 + level) / 2)
        return between(share_of(middle - half), share_of(middle + half), level=level).settled("logitnormal")


def fit_utilization(
    runs: Sequence[Run],
    goodput: float,
    mixture_sd: float = 0.6,
    generation_sd: float = 0.3,
    noise_sd: float = 0.5,
    sd: float | None = None,
) -> Utilization:
    """Fit the utilization of classes: small classes are shrunk toward the whole.

    A ridge regression of the logit of utilization / goodput; every organization has the weight of one
    run, since its runs share a set-up.

    Parameters
    ----------
    runs : published runs
    goodput : typical share of the wall time in useful steps [1]
    mixture_sd, generation_sd, noise_sd : prior spread of the effects and of a run, on the logit [1]; twice
        and once the spread between classes that is plausible, so that one run moves a class by a quarter
    sd : spread to report; from runs of organizations left out unless given
    """
    import numpy as np

    sizes = {name: len(each) for name, each in by_organization(runs).items()}
    generations = sorted({run.accelerator.generation for run in runs})
    design = np.array([[1.0, run.mixture, *(run.accelerator.generation == each for each in generations)]
                       for run in runs], dtype=float)  # fmt: skip
    values = np.array([logit(min(run.utilization / goodput, 0.99)) for run in runs])
    weights = np.array([1 / sizes[run.organization] for run in runs]) / noise_sd**2
    penalty = np.diag([0.0, mixture_sd**-2, *([generation_sd**-2] * len(generations))])
    normal = design.T @ (design * weights[:, None]) + penalty
    solved = np.linalg.solve(normal, design.T @ (weights * values))
    if sd is None:
        left_out = residuals(runs, goodput)
        sd = float(np.sqrt(np.mean(np.square(left_out))))
    effects = dict(zip(generations, (float(each) for each in solved[2:]), strict=True))
    return Utilization(float(solved[0]), float(solved[1]), effects, sd, generation_sd)


def residuals(runs: Sequence[Run], goodput: float) -> list[float]:
    """Return logit(measured) - logit(predicted) of each run, its organization left out of the fit."""
    left_out = {
        name: fit_utilization([run for run in runs if run.organization != name], goodput, sd=0.5)
        for name in by_organization(runs)
    }
    return [
        logit(min(run.utilization / goodput, 0.99))
        - logit(left_out[run.organization].mfu(run.mixture, run.accelerator.generation).median())
        for run in runs
    ]


def default_mfu(mixture: bool, accelerator: Accelerator, of_bf16: float = 1.0) -> Figure:
    """Return the steady-state utilization that is assumed where none is given [1].

    Parameters
    ----------
    mixture : whether it is a mixture of experts
    accelerator : its generation picks the class
    of_bf16 : peak of the precision as a share of that of bf16, at most 1 [1]

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> 0.2 < default_mfu(False, load_accelerator("H100-SXM")).value < 0.45
    True
    """
    rows = {(row["kind"], row["generation"]): row for row in table("fitted/utilization").rows}
    kind = "moe" if mixture else "dense"
    seen = (kind, accelerator.generation) in rows
    row = rows[kind, accelerator.generation if seen else OTHER]
    scale = of_bf16 / default("goodput").value
    low, high = float(row["low"]) * scale, float(row["high"]) * scale
    spread = between(low, high, level=float(row["level"])).settled("logitnormal")
    which = accelerator.generation if seen else f"{accelerator.generation or 'unknown'}, a generation not seen yet"
    note = f"{kind} on {which}: {row['note']}"
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))


@lru_cache(maxsize=1)
def shipped_runs() -> tuple[Run, ...]:
    """Return the usable runs of `data/measurements/published_runs.csv`."""
    return tuple(read_runs(table("measurements/published_runs"))[0])


def utilization_rows(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/utilization.csv` for these runs."""
    from costmodel.training.jobs.realized_pretraining import planned_row

    goodput = default("goodput").value
    fitted = fit_utilization(runs, goodput)
    rows = []
    for mixture in (False, True):
        for generation in (*fitted.generations, OTHER):
            interval = fitted.mfu(mixture, generation)
            members = [run for run in runs if run.mixture == mixture and run.accelerator.generation == generation]
            organizations = len(by_organization(members))
            note = f"runs of this class: {len(members)} (organizations: {organizations}), in all: {len(runs)}"
            rows.append(
                {
                    "kind": "moe" if mixture else "dense",
                    "generation": generation,
                    "utilization": f"{interval.median() * goodput:.4f}",
                    "low": f"{interval.low * goodput:.4f}",
                    "high": f"{interval.high * goodput:.4f}",
                    "level": f"{interval.level}",
                    "runs": str(len(members)),
                    "organizations": str(organizations),
                    "source": "fitted on data/measurements/published_runs.csv by costmodel.training.jobs.utilization",
                    "note": note,
                }
            )
    return [*rows, planned_row(runs)]


def write_table(path: Path) -> None:
    """Fit the shipped runs and write the table."""
    write_rows(path, utilization_rows(shipped_runs()))


def logit(share: float) -> float:
    """Return the logarithm of the odds of a share between 0 and 1 [1]."""
    return math.log(share / (1 - share))


def share_of(odds: float) -> float:
    """Return the share whose odds have this logarithm [1]."""
    return 1 / (1 + math.exp(-odds))


if __name__ == "__main__":
    write_table(Path(sys.argv[1]) if len(sys.argv) > 1 else folder() / "fitted/utilization.csv")
