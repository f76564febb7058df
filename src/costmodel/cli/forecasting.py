"""The command `costmodel forecast`: what is left of a run under way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.printing import Json, print_json, print_result


def forecast(
    file: Annotated[Path, typer.Argument(help="Scenario file of the run (.toml, .json).")],
    log: Annotated[
        Path | None, typer.Option(help="Log: trainer_state.json, or CSV or JSON lines with a step and a time.")
    ] = None,
    step_time: Annotated[str | None, typer.Option(help="Measured step time instead of a log, such as '9.5 s'.")] = None,
    tokens_per_second: Annotated[
        str | None, typer.Option(help="Measured tokens per second of all GPUs instead of a log, such as 630k.")
    ] = None,
    done: Annotated[str, typer.Option(help="Steps done so far, with a single figure.")] = "0",
    steps: Annotated[str | None, typer.Option(help="Steps of the whole run.")] = None,
    start: Annotated[str | None, typer.Option(help="Start of the run, such as 2026-09-01T12:00.")] = None,
    now: Annotated[str | None, typer.Option(help="Present time; default: last timestamp of the log.")] = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Forecast what is left of a run under way.

    Prints steps, time, dollars and energy, done and left, with 80 % intervals, and the date of the end.
    """
    from costmodel.estimation.scenario import Scenario
    from costmodel.forecasting.forecast import forecast as run_forecast

    values, problems = parsed_changes(changes)
    run = built(problems, lambda: Scenario.load(file, values))
    result = run_forecast(
        run,
        log,
        step_time=step_time,
        tokens_per_second=tokens_per_second,
        done=done,
        steps=steps,
        start=start,
        now=now,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(result)
