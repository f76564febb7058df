"""Error of the total time of a run, forecast from the first part of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.forecasting.pace import Prior, draws_left, overheads_of, pace_of
from costmodel.forecasting.run_log import RunLog, read_log
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Row, folder, table
from costmodel.training.jobs.goodput import Reliability
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.tables import Table

CUTS = (0.05, 0.2, 0.5)
"""Shares of the steps after which the rest is forecast [1]."""
DRAWS = 20_000
_LOGS = "measurements/run_logs"
_USUAL = (8, 7e9)
"""Accelerators and parameters of a run that does not state them: a small one."""


def validate_forecast(rows: Table) -> dict[str, Any]:
    """Score forecasts of the total time of runs from their logs, cut at 5, 20 and 50 % of the steps.

    The forecast knows the part of the log before the cut, the steps of the run, and the default goodput of a run of
    its size; no prediction of the step time. Families are the cuts.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/run_log_steps.csv`.
    """
    missing = [name for name in ("log", "step", "seconds") if name not in rows.columns]
    if missing:
        raise InputError(f"{rows.name}: logs need the columns log, step, seconds; missing: {', '.join(missing)}")
    logs: dict[str, list[Row]] = {}
    for row in rows.rows:
        logs.setdefault(row["log"], []).append(row)
    sizes = _sizes()
    cases = []
    for seed, (name, entries) in enumerate(logs.items()):
        for cut in CUTS:
            try:
                cases.append(_case(name, entries, cut, sizes.get(name, _USUAL), seed))
            except InputError as error:
                cases.append(Case(_identity(name, cut), _family(cut), skipped=str(error)))
    return report("forecast", cases)


def _sizes() -> dict[str, tuple[int, float]]:
    """Return accelerators and parameters of the logs of the library; none in an installed package."""
    if not (folder() / f"{_LOGS}.csv").is_file():
        return {}
    return {
        row["log"]: (int(row["count"] or _USUAL[0]), float(row["parameters"] or _USUAL[1])) for row in table(_LOGS).rows
    }


def _case(name: str, rows: list[Row], cut: float, size: tuple[int, float], seed: int) -> Case:
    import numpy as np

    whole = read_log(_columns(rows))
    total = max(whole.steps)
    before = next(index for index, row in enumerate(rows) if float(row["step"]) > cut * total)
    if not before:
        raise InputError(f"no row in the first {cut:.0%} of the steps")
    log: RunLog = read_log(_columns(rows[:before]))
    pace = pace_of(log, total)
    prior = Prior(overheads_of(Reliability(), *size, DRAWS, seed))
    totals = log.times[-1] + draws_left(pace, prior, total - pace.done, DRAWS, seed)
    intervals = {}
    for level in LEVELS:
        low, high = np.quantile(totals, [(1 - level) / 2, (1 + level) / 2])
        intervals[level] = float(low), float(high)
    return Case(_identity(name, cut), _family(cut), float(np.median(totals)), whole.times[-1], intervals)


def _columns(rows: list[Row]) -> list[Mapping[str, Any]]:
    return [{"step": row["step"], "elapsed": row["seconds"]} for row in rows]


def _identity(name: str, cut: float) -> str:
    return f"{name}, {_family(cut)}"


def _family(cut: float) -> str:
    return f"cut at {cut:.0%}"
