"""The commands `costmodel route` and `costmodel cascade`: ways to a model, and models that answer one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.output import emit
from costmodel.foundation.rendering import cells, interval_columns, text

_FIGURES = Literal["usd_per_solved_task", "usd_per_task", "solved"]


def route(
    file: Annotated[Path, typer.Argument(help="File of a workload and routes (.toml or .json).")],
    changes: Changes = None,
) -> None:
    """Compare ways to a model that serves a workload: an API, a fine-tuned model, or a distilled one.

    Prints the total cost of each route over a horizon, the probability that it reaches the required quality, and the
    volumes at which the cheaper route changes. The file has the table `workload`, the list `routes` and the field
    `months`; `costmodel schema route` describes them.
    """
    from costmodel.choosing.requests import read_routes

    values, problems = parsed_changes(changes)
    emit("route", built(problems, lambda: read_routes(file, values)))


def cascade(
    file: Annotated[Path, typer.Argument(help="File of a workload, models and detectors (.toml or .json).")],
    curve: Annotated[
        _FIGURES | None,
        typer.Option(
            help="Also print the recall of the first detector from which the cascade is no worse in this figure."
        ),
    ] = None,
    changes: Changes = None,
) -> None:
    """Compare a cascade with its models alone: a cheap model answers first, and a detector escalates to a better one.

    Prints the tasks solved, the price of a task and of a solved task, and the time of an answer. The file has the table
    `workload`, the lists `models` and `detectors`, and the list `scores` or a `benchmark`; `costmodel schema cascade`
    describes them.
    """
    from costmodel.choosing.requests import read_cascade

    values, problems = parsed_changes(changes)
    result = built(problems, lambda: read_cascade(file, values))
    points = [] if curve is None else [interval_columns(each._asdict()) for each in result.curve(curve)]
    shown = text(
        [cells(point) for point in points], f"Break-even recall of the first detector by its precision: {curve}"
    )
    more = {} if curve is None else {"curve": points}
    emit("cascade", *([result, shown] if points else [result]), data=lambda: result.to_dict() | more)
