"""Realized efficiency of fine-tuning jobs, by kind of job: achieved speed / modeled speed of published jobs.

A job also loads data, evaluates, saves and waits, with settings that are rarely tuned. `costmodel refit finetune_jobs`
writes `data/fitted/finetune_jobs.csv`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

from costmodel.foundation.ranges import between
from costmodel.foundation.tables import Figure, Provenance, table
from costmodel.training.recipes.recipe import JobKind

KINDS: tuple[JobKind, ...] = get_args(JobKind)
"""Kinds of jobs: training of all weights, of adapters, and reinforcement learning."""


@lru_cache(maxsize=256)
def realized_efficiency(kind: str, left_out: str = "") -> Figure:
    """Return the realized efficiency of jobs of a kind: achieved speed / modeled speed [1].

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    left_out : str
        Organization whose jobs are left out of the fit; none by default.
    """
    row = next(row for row in table("fitted/finetune_jobs").rows if (row["kind"], row["left_out"]) == (kind, left_out))
    spread = between(float(row["low"]), float(row["high"]), level=float(row["level"])).settled("lognormal")
    note = f"of the modeled speed: {row['jobs']} published jobs (organizations: {row['organizations']})"
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=note))
