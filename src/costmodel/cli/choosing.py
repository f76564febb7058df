"""The command `costmodel choose`: the cheapest mix of models for the workloads of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.money import in_currency, is_converted
from costmodel.cli.output import emit, note

_WRITERS = (".html", ".xlsx", ".csv")
"""Extensions of files that can be written."""


def choose(
    file: Annotated[Path, typer.Argument(help="File of workloads and options (.toml or .json).")],
    curve: Annotated[
        bool, typer.Option("--curve", help="Also print the cost by the cap on the share of a provider.")
    ] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help=f"Also write this file ({', '.join(_WRITERS)}); repeatable."),
    ] = None,
    changes: Changes = None,
) -> None:
    """Find the cheapest mix of hosted and self-hosted models under constraints, and its cost with price shocks.

    The file has the lists `workload` and `option`, and the tables `constraints` and `shocks`; `costmodel schema
    portfolio` describes them. If no mix meets all constraints, the command names those that conflict.
    """
    from costmodel.choosing.portfolio.portfolio import read_portfolio
    from costmodel.report.portfolio_files import write_portfolio

    outputs = output or []
    values, problems = parsed_changes(changes)
    problems += [
        f"--output: the extension of {path} is not supported; use {', '.join(_WRITERS)}"
        for path in outputs
        if path.suffix.lower() not in _WRITERS
    ]
    problems += [f"--output: the folder {path.parent} does not exist" for path in outputs if not path.parent.is_dir()]
    result = built(problems, lambda: read_portfolio(file, values))
    points = result.independence() if curve or outputs else None
    for path in outputs:
        write_portfolio(result, points, path)
    further = {} if points is None else {"independence": in_currency(points).to_dict()}
    shown = (result, points) if curve and points is not None else (result,)
    emit("choose", *shown, data=lambda: in_currency(result).to_dict() | further)
    for path in outputs:
        note(f"written to {path}{', in US dollars' if is_converted() else ''}")
