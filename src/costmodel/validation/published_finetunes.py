"""Error of GPU-hours and dollars of published fine-tunes, predicted from recipe and cluster alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.comparison.published_finetunes import RECIPE_FIELDS, scenario_of
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.foundation.columns import TEXT, Schema
from costmodel.foundation.errors import CostModelError, MissingFactError
from costmodel.training.jobs.realized_efficiency import ROLLOUT, realized_efficiency
from costmodel.validation.columns import check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.tables import Row, Table

REQUIRED = (
    *("id", "organization", "kind", "architecture"),
    *RECIPE_FIELDS,
    *("accelerator", "count", "gpu_hours", "cost_usd", "usd_per_gpu_hour"),
    *("date", "confidence", "skipped", "source", "note"),
)
COLUMNS = Schema("published fine-tunes", dict.fromkeys((*REQUIRED, "model", "url"), TEXT), REQUIRED)
"""Columns of published fine-tunes."""


def validate_published_finetunes(rows: Table) -> dict[str, Any]:
    """Score the estimate of GPU-hours on published fine-tunes.

    A row is estimated from its columns alone, as for a user who knows no more; intervals are those of the estimate.
    Families are kinds of recipe. The report is that of GPU-hours [hour]; beside it, under "cost", stands that of
    dollars [USD], at the price of the row or of the market on its day.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/published_finetunes.csv`.

    Returns
    -------
    dict
        In the format of `report`.

    Raises
    ------
    InputError
        If a column is missing or unknown.
    """
    check_columns(rows, COLUMNS)
    hours, dollars = [], []
    for row in rows.rows:
        try:
            result = estimate(_without(scenario_of(row), row["organization"]))
        except CostModelError as error:
            hours.append(Case(row["id"], row["kind"], skipped=str(error)))
            dollars.append(hours[-1])
            continue
        hours.append(_case(row, result, "gpu_hours", 3600.0, "gpu_hours"))
        dollars.append(_case(row, result, "cost", 1.0, "cost_usd"))
    return {**report("published_finetunes", hours), "cost": report("published_finetunes cost", dollars)}


def _without(scenario: Scenario, organization: str) -> Scenario:
    """Return a scenario with the realized efficiency of other organizations."""
    kind, count = scenario.recipes[0].job_kind, scenario.cluster.count
    changes = {"realized_efficiency": realized_efficiency(kind, count, organization).spread}
    if kind == "reinforcement":
        changes["rollout_efficiency"] = realized_efficiency(ROLLOUT, count, organization).spread
    return scenario.replace(changes)


def _case(row: Row, result: Estimate, figure: str, unit: float, column: str) -> Case:
    """Return a figure of an estimate beside the published one, both in the unit of the row in SI [unit]."""
    if not row[column]:
        return Case(row["id"], row["kind"], skipped=f"{column} is not published")
    try:
        bounds = {level: result.bounds(figure, level) for level in LEVELS}
    except MissingFactError as error:
        return Case(row["id"], row["kind"], skipped=str(error))
    value = result.value(figure)
    assert isinstance(value, float)  # bounds would have raised
    intervals = {level: (low / unit, high / unit) for level, (low, high) in bounds.items()}
    return Case(row["id"], row["kind"], value / unit, float(row[column]), intervals)
