"""Error of the GPU-hours of published pretraining runs, predicted from model, tokens and accelerator alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.tables import default
from costmodel.training.jobs.modeled_runs import modeled_run
from costmodel.training.jobs.published import Run, by_organization, read_runs
from costmodel.training.jobs.realized_efficiency import realized_efficiency
from costmodel.training.jobs.utilization import Utilization, fit_utilization, shipped_runs
from costmodel.validation.columns import PUBLISHED_RUNS, check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_published_runs(table: Table) -> dict[str, Any]:
    """Score the default utilization on a table of pretraining runs.

    The layout is planned where the layers of the model are known and steps were measured on the generation of the
    accelerator; otherwise the utilization is that of the class, as in `estimate`. A run that the defaults were fitted
    on is predicted by a fit without its organization, any other run by the shipped defaults. Families are
    organizations: their runs share a set-up.

    Parameters
    ----------
    table : Table
        Rows with the columns of `data/measurements/published_runs.csv`.
    """
    check_columns(table, PUBLISHED_RUNS)
    fitted_on, goodput = shipped_runs(), default("goodput").value
    by_class = fit_utilization(fitted_on, goodput)
    organizations = {run.id: run.organization for run in fitted_on}
    left_out = {
        name: fit_utilization([run for run in fitted_on if run.organization != name], goodput, sd=by_class.sd)
        for name in by_organization(fitted_on)
    }
    runs, skipped = read_runs(table)
    by_id = {run.id: run for run in runs}
    cases = []
    for row in table.rows:
        run = by_id.get(row["id"])
        if run is None:
            cases.append(Case(row["id"], row["org"], skipped=skipped[row["id"]]))
        else:
            organization = organizations.get(run.id, "")
            cases.append(_case(run, left_out.get(organization, by_class), organization))
    return report("published_runs", cases)


def _case(run: Run, by_class: Utilization, left_out: str) -> Case:
    """Predict the GPU-hours of a run with fits without an organization, if one is named."""
    modeled = modeled_run(run)
    intervals = {}
    if modeled is not None:
        efficiency = realized_efficiency("pretraining", modeled.accelerators, left_out)
        assert efficiency.spread is not None
        hours = modeled.gpu_hours(run)
        for level in LEVELS:
            low, high = (efficiency.spread.quantile((1 + side * level) / 2) for side in (-1, 1))
            intervals[level] = hours / high, hours / low
        return Case(run.id, run.organization, hours / efficiency.value, run.gpu_hours, intervals)
    most = run.flops / (run.accelerator.peak() * default("goodput").value * 3600)
    for level in LEVELS:
        mfu = by_class.mfu(run.moe, run.accelerator.generation, level)
        intervals[level] = most / mfu.high, most / mfu.low
    return Case(run.id, run.organization, most / mfu.median(), run.gpu_hours, intervals)
