"""Error of estimates on field reports: published outcomes of runs, each set up in a scenario file.

A folder holds `reports.csv` with the columns of `COLUMNS`, and the scenario files that it names. It is the format in
which anyone reports a run; `data/measurements/field_reports` holds the reports of the library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.columns import TEXT, Schema
from costmodel.foundation.errors import CostModelError, InputError, unknown
from costmodel.foundation.tables import folder, read_csv
from costmodel.foundation.units import SI_FACTOR, read
from costmodel.training.jobs.realized_efficiency import KINDS
from costmodel.training.layouts.fitting import TooLargeError
from costmodel.validation.columns import check_columns
from costmodel.validation.scores import LEVELS, Case, report, scores

if TYPE_CHECKING:
    from pathlib import Path

    from costmodel.foundation.tables import Row

SHIPPED = "measurements/field_reports"
COLUMNS = Schema(
    "field reports",
    dict.fromkeys(("id", "scenario", "figure", "value", "unit", "source", "note"), TEXT),
    ("id", "scenario", "figure", "value", "unit", "source"),
)
"""Columns of `reports.csv`."""
UNITS = {
    "memory": "byte",
    "step_time": "s",
    "tokens_per_second": "token/s",
    "wall_time": "s",
    "gpu_hours": "hour",
    "cost": "USD",
    "energy": "J",
    "mfu": "1",
}
"""Figures with a value, with the unit of their fields."""
FITS = "fits"
"""The figure that is true or false: whether the run fits in memory."""
TIMES = ("step_time", "tokens_per_second", "wall_time", "gpu_hours")
"""Figures of speed: their errors are those of the predicted time."""
PLAIN = "speed, dense on NVIDIA without reinforcement learning"
"""Name of the group of such runs in the scores."""
CONFIDENT = 0.8
"""Probability beyond which a wrong answer to whether a run fits counts as contradicted [1]."""
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


class _Report(NamedTuple):
    """A report: the scored case of a figure with a value, or a probability to fit with its outcome."""

    case: Case
    figure: str
    basis: str = ""
    is_plain: bool = False
    """Whether a dense model is trained on NVIDIA accelerators without reinforcement learning."""
    probability: float | None = None
    fits: bool | None = None


def validate_reports(directory: Path | None = None) -> dict[str, Any]:
    """Score estimates on the field reports of a folder.

    Parameters
    ----------
    directory : Path, optional
        Folder with `reports.csv` and scenario files; default: the reports of the library.

    Returns
    -------
    dict
        In the format of `report`, over all figures with a value, families being kinds of runs. `figures` has the same
        scores for each figure; "fits" has `scored`, `brier` (mean squared error of the probability) and `contradicted`
        (wrong with a probability beyond 0.8). `groups` has the scores of all figures of speed together, by family and
        by basis of the speed. Each row has its `figure`, its `family` and its `basis`.

    Raises
    ------
    InputError
        If the folder has no `reports.csv`, or a column is missing or unknown.
    """
    place = folder() / SHIPPED if directory is None else directory
    file = place / "reports.csv"
    if not file.is_file():
        raise InputError(f"reports: give a folder with reports.csv and its scenario files; got {place}")
    table = read_csv(file)
    check_columns(table, COLUMNS)
    reports = [_scored(row, place) for row in table.rows]
    valued = [each for each in reports if each.figure != FITS]
    answered = [each for each in reports if each.figure == FITS]
    scored = report("reports", [each.case for each in valued])
    figures: dict[str, Any] = {
        name: scores(each.case for each in valued if each.figure == name and each.case.skipped is None)
        for name in UNITS
        if any(each.figure == name for each in valued)
    }
    figures |= {FITS: _fits(answered)} if answered else {}
    rows = [*scored.pop("rows"), *(_fits_row(each) for each in answered)]
    extra = [{"figure": each.figure, "family": each.case.family, "basis": each.basis} for each in (*valued, *answered)]
    return {
        **scored,
        "cases": len(reports),
        "scored": scored["scored"] + figures.get(FITS, {}).get("scored", 0),
        "figures": figures,
        "groups": _groups(valued),
        "rows": [row | more for row, more in zip(rows, extra, strict=True)],
    }


def _scored(row: Row, place: Path) -> _Report:
    """Return the report of a row; a row that cannot be estimated is skipped with the reason."""
    figure, identity = row["figure"], row["id"]
    group = ""
    try:
        if figure != FITS and figure not in UNITS:
            raise InputError(unknown("figure", figure, [*UNITS, FITS]))
        measured = _measured(row)
        scenario = Scenario.load(place / row["scenario"])
        group = _group(scenario)
        if figure == FITS:
            probability, basis = _fit_probability(scenario)
            return _Report(Case(identity, group), figure, basis, probability=probability, fits=bool(measured))
        case = _case(result := estimate(scenario), row, figure, float(measured), group)
        return _Report(case, figure, result.basis, _is_plain(scenario))
    except CostModelError as error:
        return _Report(Case(identity, group, skipped=str(error)), figure)


def _case(result: Estimate, row: Row, figure: str, measured: float, group: str) -> Case:
    """Return the predicted and the measured figure, both in the unit of `UNITS`."""
    unit = SI_FACTOR[UNITS[figure]]
    bounds = {level: result.bounds(figure, level) for level in LEVELS}  # raises if the figure is missing
    value = float(result.quantity(figure).to(UNITS[figure] if UNITS[figure] != "1" else "").magnitude)
    intervals = {level: (low / unit, high / unit) for level, (low, high) in bounds.items()}
    return Case(row["id"], group, value, measured, intervals)


def _measured(row: Row) -> float | bool:
    """Return the measured value, in the unit of its figure; whether the run fits is true or false."""
    text, figure = row["value"].strip(), row["figure"]
    if figure == FITS:
        if text.lower() not in _WORDS:
            raise InputError(f"value: must be true or false for fits; got {text!r}")
        return _WORDS[text.lower()]
    if figure == "tokens_per_second" and "gpu" in row["unit"].lower():
        raise InputError(f"unit: tokens per second must be of the whole cluster; got {row['unit']!r}")
    value = read(f"{text} {row['unit']}".strip(), UNITS[figure])
    if not isinstance(value, float) or not (math.isfinite(value) and value > 0):
        raise InputError(f"value: must be a number above 0; got {text!r}")
    if figure == "mfu" and value > 1:
        raise InputError(f"value: the MFU must be at most 1 (write 40 % or 0.4); got {text!r}")
    return value


def _group(scenario: Scenario) -> str:
    """Return the kind of a run: dense or mixture of experts, vendor class, and kind of job."""
    kind = "MoE" if scenario.architecture.kind == "moe" else "dense"
    job = max((recipe.job_kind for recipe in scenario.recipes), key=KINDS.index)
    return f"{kind} {job.replace('_', '-')} on {scenario.cluster.accelerator.vendor}"


def _is_plain(scenario: Scenario) -> bool:
    """Return whether a dense model is trained on NVIDIA accelerators without reinforcement learning."""
    rollouts = any(recipe.job_kind == "reinforcement" for recipe in scenario.recipes)
    return scenario.architecture.kind == "dense" and scenario.cluster.accelerator.vendor == "NVIDIA" and not rollouts


def _fit_probability(scenario: Scenario) -> tuple[float, str]:
    """Return the probability that a run fits; a run that is refused for its memory certainly does not."""
    try:
        result = estimate(scenario)
        return result.fit_probability, result.basis
    except TooLargeError:
        return 0.0, "layout" if scenario.layout is not None else "planned"


def _fits(answered: list[_Report]) -> dict[str, Any]:
    pairs = [
        (each.probability, each.fits) for each in answered if each.probability is not None and each.fits is not None
    ]
    brier = math.fsum((probability - fits) ** 2 for probability, fits in pairs) / len(pairs) if pairs else None
    contradicted = sum(abs(probability - fits) > CONFIDENT for probability, fits in pairs)
    return {"scored": len(pairs), "brier": brier, "contradicted": contradicted}


def _fits_row(each: _Report) -> dict[str, Any]:
    return {
        "id": each.case.id,
        "predicted": each.probability,
        "measured": each.fits,
        "low": None,
        "high": None,
        "skipped": each.case.skipped,
    }


def _groups(valued: list[_Report]) -> dict[str, Any]:
    """Return the scores of the figures of speed by family, and of dense models on NVIDIA without rollouts by basis."""
    timed = [each for each in valued if each.figure in TIMES and each.case.skipped is None]
    families = sorted({each.case.family for each in timed})
    groups = {f"speed, {name}": scores(each.case for each in timed if each.case.family == name) for name in families}
    plain = [each for each in timed if each.is_plain]
    groups[PLAIN] = scores(each.case for each in plain)
    for basis in sorted({each.basis for each in plain}):
        groups[f"{PLAIN}, {basis}"] = scores(each.case for each in plain if each.basis == basis)
    return groups
