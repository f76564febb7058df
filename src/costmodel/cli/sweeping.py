"""The command `costmodel sweep`: a scenario for all combinations of values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from costmodel.cli.printing import Json
from costmodel.foundation.errors import InputError


def sweep(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (.toml, .json).")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Values of a field: path=value,value, such as cluster.count=64,128; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate a scenario for all combinations of values.

    A combination that is not possible keeps its row; the reasons follow the table.
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
    result = run_sweep(Scenario.load(scenario), values)
    if as_json:
        print(json.dumps({"units": result.units, "level": result.level, "rows": result.rows()}, indent=2, default=str))
    else:
        print(result)


def _listed(option: str) -> tuple[str, list[Any]]:
    """Return the path and the values of an option such as `cluster.count=64,128`."""
    from costmodel.estimation.files import parse_change

    path, _ = parse_change(option)
    written = option.partition("=")[2]
    return path, [parse_change(f"{path}={value}")[1] for value in written.split(",")]
