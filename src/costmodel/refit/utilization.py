"""Refit of the default utilization of pretraining jobs to published runs: `costmodel refit utilization`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.tables import Row, default
from costmodel.refit.result import Refitted
from costmodel.training.jobs.published import Run, by_organization
from costmodel.training.jobs.utilization import OTHER, fit_utilization, shipped_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.ranges import Interval

_SOURCE = "fitted by costmodel refit utilization on data/measurements/published_runs.csv"


def refit() -> Refitted:
    """Return the table of default utilizations, fitted on the published runs of the library."""
    runs = shipped_runs()
    summary = [f"{len(runs)} published runs of {len(by_organization(runs))} organizations"]
    return Refitted({"fitted/utilization": class_rows(runs)}, summary)


def class_rows(runs: Sequence[Run]) -> list[Row]:
    """Return the utilization of jobs by class: dense or mixture of experts, and accelerator generation.

    Parameters
    ----------
    runs : sequence of Run
        Published runs.
    """
    goodput = default("goodput").value
    fitted = fit_utilization(runs, goodput)
    rows = []
    for moe in (False, True):
        for generation in (*fitted.generations, OTHER):
            members = [run for run in runs if run.moe == moe and run.accelerator.generation == generation]
            note = (
                f"runs of this class: {len(members)} (organizations: {len(by_organization(members))}), "
                f"in all: {len(runs)}"
            )
            interval = fitted.mfu(moe, generation)
            rows.append(_row("moe" if moe else "dense", generation, interval, goodput, members, note))
    return rows


def _row(kind: str, generation: str, interval: Interval, goodput: float, runs: Sequence[Run], note: str) -> Row:
    """Return a row; `goodput` turns steady-state utilization into that of a job."""
    return {
        "kind": kind,
        "generation": generation,
        "utilization": f"{interval.median() * goodput:.4f}",
        "low": f"{interval.low * goodput:.4f}",
        "high": f"{interval.high * goodput:.4f}",
        "level": f"{interval.level}",
        "runs": str(len(runs)),
        "organizations": str(len(by_organization(runs))),
        "source": _SOURCE,
        "note": note,
    }
