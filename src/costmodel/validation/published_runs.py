"""How well are the GPU-hours of published pretraining runs predicted, from model, tokens and accelerator alone?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.tables import default
from costmodel.training.published import Run, by_organisation, read_runs
from costmodel.training.utilisation import Utilisation, fit_utilisation, shipped_runs
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_published_runs(table: Table) -> dict[str, Any]:
    """Score the default utilisation on a table of runs, in the schema of `data/published_runs.csv`.

    A run that the default was fitted on is predicted by a fit without its organisation; any other run
    by the default that a user gets. Families are organisations: their runs share a set-up.
    """
    goodput = default("goodput").value
    fitted_on = shipped_runs()
    known = {run.id: run.organisation for run in fitted_on}
    whole = fit_utilisation(fitted_on, goodput)
    left_out = {
        name: fit_utilisation([run for run in fitted_on if run.organisation != name], goodput, sd=whole.sd)
        for name in by_organisation(fitted_on)
    }
    runs, skipped = read_runs(table)
    by_id = {run.id: run for run in runs}
    cases = []
    for row in table.rows:
        run = by_id.get(row["id"])
        if run is None:
            cases.append(Case(row["id"], row["org"], skipped=skipped[row["id"]]))
        else:
            cases.append(_case(run, left_out[known[run.id]] if run.id in known else whole, goodput))
    return report("published_runs", cases)


def _case(run: Run, model: Utilisation, goodput: float) -> Case:
    most = run.flops / (run.accelerator.peak() * goodput * 3600)
    generation = run.accelerator.generation
    intervals = {}
    for level in LEVELS:
        interval = model.mfu(run.mixture, generation, level)
        intervals[level] = most / interval.high, most / interval.low
    predicted = most / model.mfu(run.mixture, generation).median()
    return Case(run.id, run.organisation, predicted, run.gpu_hours, intervals)
