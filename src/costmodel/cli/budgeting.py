"""The command `costmodel budget`: the budget of a project as a table, and as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.missing import MISSING
from costmodel.cli.printing import Json, print_json
from costmodel.foundation.errors import MissingFactError

_WRITERS = {".xlsx": "to_xlsx", ".html": "to_html", ".csv": "to_csv", ".md": "to_markdown"}
"""Method of a budget that writes a file, by the extension of the file."""


def budget(
    file: Annotated[Path, typer.Argument(help="Project file (.toml or .json).")],
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help=f"Also write this file ({', '.join(_WRITERS)}); repeatable."),
    ] = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Compute the budget of a project.

    The budget covers training runs, data, people and all other items of the file, with a contingency. The exit code is
    3, without a table, if the cost of a run is not known.
    """
    from costmodel.budget.project import Project

    outputs = output or []
    values, problems = parsed_changes(changes)
    problems += [
        f"--output: the extension of {path} is not supported; use {', '.join(_WRITERS)}"
        for path in outputs
        if path.suffix.lower() not in _WRITERS
    ]
    problems += [f"--output: the folder {path.parent} does not exist" for path in outputs if not path.parent.is_dir()]
    project = built(problems, lambda: Project.load(file, values))
    try:
        result = project.budget()
    except MissingFactError as error:
        print(f"costmodel: {error}", file=sys.stderr)
        raise typer.Exit(MISSING) from None
    for path in outputs:
        getattr(result, _WRITERS[path.suffix.lower()])(path)
    if as_json:
        print_json(result.to_dict())
    else:
        print("\n".join([str(result), *(f"written to {path}" for path in outputs)]))
