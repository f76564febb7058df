"""The command `costmodel sweep`: a scenario for all combinations of values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.cli.missing import AllowMissing, check_missing
from costmodel.cli.money import in_currency
from costmodel.cli.output import emit
from costmodel.cli.progress import end_progress
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.planning.sweep import Sweep

LEAST_SHOWN = 300
"""Rows from which a sweep shows its progress on a terminal [1]."""


def sweep(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (.toml, .json).")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Values of a field: path=value,value, such as cluster.count=64,128; repeatable."),
    ] = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Estimate a scenario for all combinations of values.

    A combination that is not possible keeps its row; the reasons follow the table. The exit code is 2 if none is
    possible, and 3 if the cost of one is not known.
    """
    from costmodel.estimation.scenario import Scenario
    from costmodel.planning.sweep import sweep as run_sweep

    if not changes:
        raise InputError("--set: give the values of a field, such as --set cluster.count=64,128")
    problems: list[str] = []
    values: dict[str, list[Any]] = {}
    for option in changes:
        try:
            path, listed = _listed(option)
        except InputError as error:
            problems += error.problems
        else:
            values[path] = listed
    if problems:
        raise InputError(problems)
    result = run_sweep(Scenario.load(scenario), values, progress=_show_progress if sys.stderr.isatty() else None)
    shown = in_currency(result)
    emit("sweep", shown, data=lambda: {"units": _units(result, shown), "level": result.level, "rows": shown.rows()})
    if not result.possible:
        raise InputError(f"--set: none of the {len(result):,} combinations is possible; see their reasons")
    rows = result.rows()
    check_missing([row["note"] for row in rows if row["cost"] is None and not row["reason"]], allow_missing)


def _units(result: Sweep, shown: Any) -> dict[str, str]:
    """Return the unit of each figure, in the currency of the printed amounts."""
    rate = getattr(shown, "rate", None)
    code = "USD" if rate is None else rate.currency
    return {name: unit.replace("USD", code) for name, unit in result.units.items()}


def _show_progress(done: int, count: int) -> None:
    """Print the progress of a large sweep on one line of stderr; the line is cleared at the end."""
    if count < LEAST_SHOWN:
        return
    end_progress()
    line = f"{done:,} of {count:,} scenarios"
    cleared = f"\r{' ' * len(line)}\r" if done == count else ""
    print(f"\r{line}{cleared}", end="", file=sys.stderr, flush=True)


def _listed(option: str) -> tuple[str, list[Any]]:
    """Return the path and the values of an option such as `cluster.count=64,128`."""
    from costmodel.estimation.files import parse_change

    path, _ = parse_change(option)
    written = option.partition("=")[2]
    return path, [parse_change(f"{path}={value}")[1] for value in written.split(",")]
