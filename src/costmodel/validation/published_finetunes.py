"""Error of GPU-hours and dollars of published fine-tunes, predicted from recipe and cluster alone.

`python -m costmodel.validation.published_finetunes` fits the realized efficiency of the shipped
ones, and writes `data/fitted/finetune_jobs.csv`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.columns import TEXT, Schema
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, unknown
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import folder, table, write_rows
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.training.jobs.realized_finetuning import KINDS, job_kind, realized_efficiency
from costmodel.training.recipes.registry import RECIPES
from costmodel.validation.columns import check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from costmodel.foundation.tables import Row, Table

JOBS = "fitted/finetune_jobs"
WORDS = {"yes": True, "no": False}
"""Switches as the table writes them."""
RECIPE_FIELDS = (
    "examples",
    "lengths",
    "tokens",
    "epochs",
    "sequence_length",
    "batch_size",
    "packing",
    "rank",
    "targets",
    "quantization",
    "software",
    "group_size",
    "prompt_length",
    "learn_from",
    "teacher",
    "cached",
)
"""Columns that are fields of the recipe; an empty cell keeps the default."""
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
    """Return a scenario with the realized efficiency of other organizations, if this one is among those fitted."""
    kind = job_kind(scenario.recipes[0])
    left_out = {row["left_out"] for row in table(JOBS).rows if row["kind"] == kind}
    if kind is None or organization not in left_out:
        return scenario
    return scenario.replace(realized_efficiency=realized_efficiency(kind, organization).spread)


def scenario_of(row: Row) -> Scenario:
    """Return the scenario of a row of the table.

    Parameters
    ----------
    row : Row
        A published fine-tune.

    Raises
    ------
    InputError
        If the row states why it cannot be estimated, or its recipe is not possible.
    """
    if row["skipped"]:
        raise InputError(row["skipped"])
    if row["confidence"] == "C":
        raise InputError("is speculative (confidence C)")
    fields = {name: _value(row[name]) for name in RECIPE_FIELDS if row[name]}
    if "targets" in fields:
        fields["targets"] = tuple(row["targets"].split())
    if row["kind"] not in RECIPES:
        raise InputError(f"kind: {unknown('kind of recipe', row['kind'], RECIPES)}")
    return Scenario(
        name=row["id"],
        architecture=row["architecture"],
        recipe=RECIPES[row["kind"]](**fields),
        cluster=Cluster(row["accelerator"], int(row["count"])),
        prices=_prices(row),
    )


def _prices(row: Row) -> Rental:
    """Return the price of the row, or that of the market on its day: the first of the month if none is given."""
    if row["usd_per_gpu_hour"]:
        return Rental(price=float(row["usd_per_gpu_hour"]))
    day = row["date"] if len(row["date"]) == len("2025-01-31") else f"{row['date']}-01"
    return Rental(on=day)


def _value(cell: str) -> Any:
    """Return the value of a cell: yes or no, a number, or a text such as an interval."""
    if cell in WORDS:
        return WORDS[cell]
    try:
        number = float(cell)
    except ValueError:
        return cell
    if not math.isfinite(number):
        raise InputError(f"a number must be finite; got {cell!r}")
    return int(number) if number.is_integer() else number


def _case(row: Row, result: Estimate, figure: str, unit: float, column: str) -> Case:
    """Return a figure of an estimate beside the published one, both in the unit of the row [unit in SI]."""
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


class Job(NamedTuple):
    """A published job: its kind, who did it, and ln(modeled hours / published hours)."""

    kind: str
    organization: str
    log: float


def jobs(rows: Table) -> list[Job]:
    """Return the published jobs whose GPU-hours the time model alone can be compared with."""
    found = []
    for row in rows.rows:
        try:
            scenario = scenario_of(row)
            hours = estimate(scenario.replace(realized_efficiency=1.0)).value("gpu_hours")
        except CostModelError:
            continue
        kind = job_kind(scenario.recipes[0])
        if isinstance(hours, float) and row["gpu_hours"] and kind is not None:
            found.append(Job(kind, row["organization"], math.log(hours / 3600 / float(row["gpu_hours"]))))
    return found


def job_rows(listed: Sequence[Job]) -> list[dict[str, str]]:
    """Return the rows of `fitted/finetune_jobs.csv`: for each kind all jobs, and those without each organization."""
    rows = []
    for kind in KINDS:
        own = [job for job in listed if job.kind == kind]
        rows += [
            _job_row(kind, name, [job for job in own if job.organization != name])
            for name in ("", *sorted({job.organization for job in own}))
        ]
    return rows


def _job_row(kind: str, left_out: str, own: Sequence[Job]) -> dict[str, str]:
    mean, organizations = _mean(own), {job.organization for job in own}
    errors = [job.log - _mean([other for other in own if other.organization != job.organization]) for job in own]
    squares = sum(_weight(job, own) * error**2 for job, error in zip(own, errors, strict=True))
    sd = math.sqrt(squares / len(organizations))
    low, high = (math.exp(mean + side * normal_quantile(0.9) * sd) for side in (-1, 1))
    return {
        "kind": kind,
        "left_out": left_out,
        "realized_efficiency": f"{math.exp(mean):.4f}",
        "low": f"{low:.4f}",
        "high": f"{high:.4f}",
        "level": "0.8",
        "jobs": str(len(own)),
        "organizations": str(len(organizations)),
        "source": "fitted on data/measurements/published_finetunes.csv by costmodel.validation.published_finetunes",
    }


def _weight(job: Job, own: Sequence[Job]) -> float:
    """Return the weight of a job: every organization has that of one."""
    return 1 / sum(other.organization == job.organization for other in own)


def _mean(own: Sequence[Job]) -> float:
    return sum(_weight(job, own) * job.log for job in own) / len({job.organization for job in own})


def write_table(path: Path) -> None:
    """Fit the shipped jobs and write the table."""
    write_rows(path, job_rows(jobs(table("measurements/published_finetunes"))))


if __name__ == "__main__":
    write_table(folder() / f"{JOBS}.csv")
