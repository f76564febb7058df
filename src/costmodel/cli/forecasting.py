"""The command `costmodel forecast`: what is left of a run, or of a budget, under way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.money import given_sum, in_currency
from costmodel.cli.output import emit, note
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.forecasting.budget import BudgetForecast


def forecast(
    file: Annotated[Path, typer.Argument(help="Scenario file of the run, or project file (.toml, .json).")],
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
    on: Annotated[str | None, typer.Option(help="Of a project: date of its actuals, such as 2026-12-31.")] = None,
    within: Annotated[
        str | None,
        typer.Option(
            help="Of a project: sum in the currency of --currency; print the probability of ending within it."
        ),
    ] = None,
    changes: Changes = None,
) -> None:
    """Forecast what is left of a run or of a project under way.

    Of a run: steps, time, dollars and energy, done and left, with 80 % intervals, and the date of the end. Of a project
    with actuals: spent, committed, cost at completion and variance by line, and the probability of staying within.
    """
    from costmodel.budget.project import Project
    from costmodel.estimation.scenario import Scenario
    from costmodel.forecasting.forecast import forecast as run_forecast

    values, problems = parsed_changes(changes)
    measured = {
        "step_time": step_time,
        "tokens_per_second": tokens_per_second,
        "steps": steps,
        "start": start,
        "now": now,
    }
    if _is_project(file):
        unused = {"log": log, **measured, "done": None if done == "0" else done}
        problems += [_belongs(name, "a run", "project") for name, value in unused.items() if value is not None]
        if problems:
            raise InputError(problems)
        budget = in_currency(Project.load(file, values).budget())
        _print_project(run_forecast(budget, on=on), within)
        return
    problems += [
        _belongs(name, "a project", "run") for name, value in {"on": on, "within": within}.items() if value is not None
    ]
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
    emit("forecast", result)


def _belongs(name: str, owner: str, kind: str) -> str:
    return f"--{name.replace('_', '-')}: belongs to {owner}; the file is a {kind}"


def _is_project(file: Path) -> bool:
    """Return whether a file holds a project: some of its fields, and none of a scenario alone."""
    from costmodel.budget.plan import ProjectPlan
    from costmodel.estimation import files
    from costmodel.estimation.scenario import Scenario

    try:
        fields = set(files.read(file))
    except InputError:  # reported when the scenario is read
        return False
    only = set(ProjectPlan.model_fields) - set(Scenario.model_fields)
    return bool(fields & only) and not fields & {"architecture", "recipe", "extends"}


def _print_project(result: BudgetForecast, within: str | None) -> None:
    given = None if within is None else given_sum("--within", within)
    limit = None if given is None else given.amount
    emit("budget-forecast", result, data=lambda: {**result.to_dict(), "within": result.within(limit)})
    if given is not None:
        chance = 100 * result.probability_within(given.amount)
        note(f"probability of ending within {given}: {chance:.1f} %")
