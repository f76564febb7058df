"""Error of the GPU-hours of published pretraining runs, predicted from model, tokens and accelerator alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.tables import default
from costmodel.training.jobs.published import Run, by_organization, read_runs
from costmodel.training.jobs.realized_pretraining import RealizedEfficiency, fit_realized_efficiency, modeled_run
from costmodel.training.jobs.utilization import Utilization, fit_utilization, shipped_runs
from costmodel.validation.columns import PUBLISHED_RUNS, check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Table


class Defaults(NamedTuple):
    """The default utilization by class, and the default realized efficiency."""

    by_class: Utilization
    realized_efficiency: RealizedEfficiency


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
    fitted_on = shipped_runs()
    organizations = {run.id: run.organization for run in fitted_on}
    whole = _fitted(fitted_on, None)
    left_out = {
        name: _fitted([run for run in fitted_on if run.organization != name], whole)
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
            cases.append(_case(run, left_out[organizations[run.id]] if run.id in organizations else whole))
    return report("published_runs", cases)


def _fitted(runs: Sequence[Run], whole: Defaults | None) -> Defaults:
    """Return the defaults fitted on runs, with the spread of the fit on all runs if it is given."""
    by_class = fit_utilization(runs, default("goodput").value, sd=whole and whole.by_class.sd)
    return Defaults(by_class, fit_realized_efficiency(runs, sd=whole and whole.realized_efficiency.sd))


def _case(run: Run, defaults: Defaults) -> Case:
    """Predict a run; hours = FLOPs / (peak × mfu × goodput)."""
    modeled = modeled_run(run)
    goodput = default("goodput").value if modeled is None else modeled.goodput
    most = run.flops / (run.accelerator.peak() * goodput * 3600)
    intervals = {}
    for level in LEVELS:
        if modeled is None:
            mfu = defaults.by_class.mfu(run.moe, run.accelerator.generation, level)
        else:
            mfu = defaults.realized_efficiency.mfu(modeled.mfu, level)
        intervals[level] = most / mfu.high, most / mfu.low
    return Case(run.id, run.organization, most / mfu.median(), run.gpu_hours, intervals)
