"""The commands `costmodel route` and `costmodel cascade`: ways to a model, and models that answer one after another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.money import in_currency
from costmodel.cli.output import emit
from costmodel.foundation.rendering import cells, text

if TYPE_CHECKING:
    from costmodel.choosing.cascade_result import BreakEven

_FIGURES = Literal["usd_per_solved_task", "usd_per_task", "solved"]
_WORDS = {"usd_per_solved_task": "price per solved task", "usd_per_task": "price per task", "solved": "tasks solved"}
_TITLE = "Recall of the first detector from which the cascade is no worse than its last model alone, by precision"
_FOOTER = """low, high: 80 % interval of the recall
highest recall: that at which all right answers are escalated, at most 1"""


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
    if curve is None:
        emit("cascade", result)
        return
    points = [_point(each) for each in result.curve(curve)]
    shown = text([_cells(point) for point in points], f"{_TITLE}: {_WORDS[curve]}", _FOOTER)
    emit("cascade", result, shown, data=lambda: {**in_currency(result).to_dict(), "curve": points})


def _point(found: BreakEven) -> dict[str, Any]:
    """Return a break-even as a row, with the ends of its interval in two columns."""
    low, high = found.interval or (None, None)
    named = found._asdict()
    del named["interval"]
    return {**named, "recall_low": low, "recall_high": high}


def _cells(point: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a row of the curve."""
    names = {"precision": "precision", "recall": "recall", "recall_low": "low", "recall_high": "high"}
    names |= {"better": "no worse at recalls", "most": "highest recall"}
    return cells({title: point[name] for name, title in names.items()})
