"""The command `costmodel budget`: the budget of a project as a table, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.missing import AllowMissing, check_missing
from costmodel.cli.money import given_sum, in_currency
from costmodel.cli.output import emit, note, print_problem
from costmodel.foundation.errors import InputError, MissingFactError

if TYPE_CHECKING:
    from costmodel.budget.partial import PartialBudget
    from costmodel.cli.money import GivenSum

_WRITERS = {".xlsx": "to_xlsx", ".html": "to_html", ".csv": "to_csv", ".md": "to_markdown"}
"""Method of a budget that writes a file, by the extension of the file."""


def budget(
    file: Annotated[Path, typer.Argument(help="Project file (.toml or .json).")],
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help=f"Also write this file ({', '.join(_WRITERS)}); repeatable."),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(
            help="Sum in the currency of --currency, such as 75k: print the probability of staying within it."
        ),
    ] = None,
    changes: Changes = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Compute the budget of a project.

    The budget covers training runs, data, people and all other items of the file. The contingency is a reserve on top.
    A line whose cost is not known keeps its place with the reason; there is then no total, and the exit code is 3.
    """
    from costmodel.budget.partial import PartialBudget
    from costmodel.budget.project import Project

    outputs = output or []
    values, problems = parsed_changes(changes)
    problems += [
        f"--output: the extension of {path} is not supported; use {', '.join(_WRITERS)}"
        for path in outputs
        if path.suffix.lower() not in _WRITERS
    ]
    problems += [f"--output: the folder {path.parent} does not exist" for path in outputs if not path.parent.is_dir()]
    given: GivenSum | None = None
    if within is not None:
        try:
            given = given_sum("--within", within)
        except InputError as error:
            problems += error.problems
    project = built(problems, lambda: Project.load(file, values))
    try:
        result = in_currency(project.budget())
    except MissingFactError:
        _print_known_lines(in_currency(PartialBudget(project)), outputs, within, allow_missing)
        return
    for path in outputs:
        getattr(result, _WRITERS[path.suffix.lower()])(path)
    limit = None if given is None else given.amount
    emit("budget", result, data=lambda: {**result.to_dict(), "within": result.within(limit)})
    if given is not None:
        chance = 100 * result.probability_within(given.amount)
        note(f"probability of staying within {given}: {chance:.1f} %")
    for path in outputs:
        note(f"written to {path}")


def _print_known_lines(partial: PartialBudget, outputs: list[Path], within: str | None, allow_missing: bool) -> None:
    """Print a budget without a total, and what cannot be done without one."""
    emit("budget", partial)
    for path in outputs:
        print_problem(f"--output: {path} is not written, because the total is not known")
    if within is not None:
        print_problem("--within: has no probability, because the total is not known")
    check_missing([f"{name}: {reason}" for name, reason in partial.missing.items()], allow_missing)
