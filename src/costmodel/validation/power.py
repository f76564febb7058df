"""Error of the predicted wall power of metered training runs, their submitter or model left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.hardware.metered import READER, MeteredRun
from costmodel.hardware.power import folds, power_model
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_power(rows: Table) -> dict[str, Any]:
    """Score the wall power per accelerator [W] on a table of metered runs.

    A run of a group that the constants were fitted on is predicted by those of a fit without the group, any other run
    by the shipped constants. The utilization is that of the row, or follows from the duration of a known benchmark.
    Families are accelerators. Runs of other workloads than language models are scored apart, in "other_workloads":
    their utilization is not known, and the accelerators are taken as busy.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `costmodel.hardware.metered.METERED_RUNS`.

    Returns
    -------
    dict
        In the format of `report`.
    """
    language, other = [], []
    for row in READER.rows(rows):
        run = row.value
        if run is None:
            language.append(Case(row.id, skipped="; ".join(row.problems)))
        elif run.workload == "language":
            language.append(_case(run))
        else:
            other.append(_case(run))
    return {**report("power", language), "other_workloads": report("power", other)}


def _case(run: MeteredRun) -> Case:
    predicted = run.predicted(folds().get(run.group, power_model()))
    return Case(run.id, run.accelerator.name, predicted, run.watts, intervals(predicted, run.spread))
