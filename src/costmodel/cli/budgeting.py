"""What does a project cost? `costmodel budget`, as a table and as files to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costmodel.cli.changes import Changes, checked, parsed_changes
from costmodel.cli.printing import Json, print_json

_WRITERS = {".xlsx": "to_xlsx", ".html": "to_html", ".csv": "to_csv", ".md": "to_markdown"}
"""How a budget is written, by the ending of the file."""


def budget(
    file: Annotated[Path, typer.Argument(help="A project file (.toml, .json).")],
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help=f"Write it to a file too: {', '.join(_WRITERS)}; may be repeated."),
    ] = None,
    changes: Changes = None,
    as_json: Json = False,
) -> None:
    """Say what a project costs: runs, data, people and the rest, with a contingency."""
    from costmodel.budget.project import Project

    outputs = output or []
    values, problems = parsed_changes(changes)
    problems += [
        f"--output: {path} has none of the endings {', '.join(_WRITERS)}"
        for path in outputs
        if path.suffix.lower() not in _WRITERS
    ]
    problems += [f"--output: there is no folder {path.parent}" for path in outputs if not path.parent.is_dir()]
    project = checked(problems, lambda: Project.load(file, values))
    made = project.budget()
    for path in outputs:
        getattr(made, _WRITERS[path.suffix.lower()])(path)
    if as_json:
        print_json(made.to_dict())
    else:
        print("\n".join([str(made), *(f"written to {path}" for path in outputs)]))
