"""Realized efficiency of jobs, by kind of job: achieved speed / modeled speed of published jobs.

The step-time model knows model, hardware and layout. It does not know how well a team tunes. A job also loads data,
evaluates and waits. `costmodel refit realized_efficiency` writes `data/fitted/realized_efficiency.csv`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, get_args

from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, Row, constant, table
from costmodel.training.recipes.recipe import JobKind

TABLE = "fitted/realized_efficiency"
KINDS: tuple[JobKind, ...] = get_args(JobKind)
"""Kinds of jobs."""
ROLLOUT = "rollout"
"""Kind of the rows of rollouts of reinforcement learning: achieved speed / speed of the serving model."""
FEW = "pretraining on few accelerators"
"""Kind of the rows of pretraining on at most `FEW_ACCELERATORS`: little network, few failures and stragglers."""
FEW_ACCELERATORS = constant("few_accelerators")
"""Most accelerators of a pretraining job on few [1]."""
MANY_ACCELERATORS = constant("many_accelerators")
"""Least accelerators without the effect of few; between both it falls with the logarithm of the accelerators [1]."""
FEW_SPREAD = constant("few_accelerators_spread")
"""Prior standard deviation of the effect of few accelerators on ln(achieved speed / modeled speed) [1]."""


MOE = "pretraining of mixtures of experts"
"""Kind of the rows of pretraining of mixtures of experts."""
MOE_SPREAD = constant("moe_jobs_spread")
"""Prior standard deviation of the difference between mixtures of experts and dense models [1]."""


@lru_cache(maxsize=1)
def _rows() -> dict[tuple[str, str], Row]:
    return {(row["kind"], row["left_out"]): row for row in table(TABLE).rows}


@lru_cache(maxsize=256)
def realized_efficiency(
    kind: JobKind | Literal["rollout"], count: int, left_out: str = "", moe: bool = False
) -> Figure:
    """Return the realized efficiency of jobs of a kind: achieved speed / modeled speed [1].

    Parameters
    ----------
    kind : str
        One of `KINDS`, or "rollout". "reinforcement" is that of scoring and updates.
    count : int
        Accelerators of the job [1].
    left_out : str
        Organization whose jobs are left out of the fit; none by default, and where it has none.
    moe : bool
        Whether the model is a mixture of experts; counts for pretraining.
    """
    of_kind = MOE if moe and kind == "pretraining" else kind
    row = _rows().get((of_kind, left_out)) or _rows()[of_kind, ""]
    low, high = float(row["low"]), float(row["high"])
    if kind == "pretraining" and count < MANY_ACCELERATORS:
        few = _rows().get((FEW, left_out)) or _rows()[FEW, ""]
        share = math.log(MANY_ACCELERATORS / max(count, FEW_ACCELERATORS)) / math.log(
            MANY_ACCELERATORS / FEW_ACCELERATORS
        )
        usual = _rows().get((kind, left_out)) or _rows()[kind, ""]
        low, high = (
            end * (float(few[name]) / float(usual[name])) ** share for name, end in (("low", low), ("high", high))
        )
    spread = between(low, high, level=float(row["level"])).settled("lognormal")
    note = f"of the modeled speed: {row['jobs']} published jobs (organizations: {row['organizations']})"
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))
