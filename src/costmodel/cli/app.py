"""Which commands are there, and how does the command line tell what is wrong?"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from costmodel.cli.budgeting import budget
from costmodel.cli.catalog import gpus, models
from costmodel.cli.data import data
from costmodel.cli.estimating import compare, estimate, schema
from costmodel.cli.finetuning import finetune
from costmodel.cli.fitting import fit
from costmodel.cli.layouts import layouts
from costmodel.cli.prices import prices
from costmodel.cli.projecting import claims, projection
from costmodel.cli.refitting import refit
from costmodel.cli.runs import runs
from costmodel.cli.validating import validate
from costmodel.foundation.errors import CostModelError, InputError

app = typer.Typer(
    help="What it costs to train a foundation model.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
for command in (
    estimate,
    finetune,
    budget,
    compare,
    schema,
    models,
    gpus,
    layouts,
    fit,
    projection,
    runs,
    claims,
    validate,
    refit,
):
    app.command()(command)
app.add_typer(prices, name="prices")
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line; bad input prints its problems and exits with code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except CostModelError as error:
        problems = error.problems if isinstance(error, InputError) else (str(error),)
        for problem in problems:
            print(f"costmodel: {problem}", file=sys.stderr)
        sys.exit(2)


def _version(asked: bool) -> None:
    if asked:
        from costmodel._version import __version__

        print(f"costmodel {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What it costs to train a foundation model."""
