"""The commands of the command line, their examples, and the printing of errors."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
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

_COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {
    estimate: (
        "estimate llama-3.1-8b --tokens 15T --gpu H100-SXM --gpus 1024",
        "estimate run.toml --set cluster.count=2048 --explain cost",
    ),
    finetune: (
        "finetune llama-3.1-8b --method qlora --tokens 20M --gpu RTX-4090",
        "finetune llama-3.1-70b --method lora --tokens 20M",
    ),
    budget: ("budget project.toml --output budget.xlsx",),
    compare: ("compare run.toml other_run.toml",),
    schema: ("schema project > project.schema.json",),
    models: ("models mixtral-8x7b",),
    gpus: ("gpus H100-SXM",),
    layouts: (
        "layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512",
        "layouts llama-3.1-8b --gpu H100-SXM --gpus 64,128 --set tensor=1,2",
    ),
    fit: (
        "fit runs.csv --holdout 10",
        "fit --law besiroglu-2024 --compute 1e24",
        "fit --allocate '1M USD' --gpu H100-SXM --gpus 256",
    ),
    projection: (
        "projection 'GPT-4 class' --below '1M USD'",
        "projection run.toml --years 2026-2028 --hardware best",
    ),
    runs: ("runs --organization DeepSeek", "runs estimated --since 2024"),
    claims: ("claims claims.toml",),
    validate: ("validate step_times", "validate finetune measured.csv --json"),
    refit: ("refit utilization --check",),
}
"""Examples of each command, in the order in which the help lists the commands."""

app = typer.Typer(
    help="Estimate what it costs to train a foundation model: FLOPs, GPU-hours, days, energy, carbon and dollars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command, examples in _COMMANDS.items():
    lines = "\n".join(f"  costmodel {example}" for example in examples)
    app.command(epilog=f"\b\nExamples:\n{lines}")(command)
app.add_typer(prices, name="prices")
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line; invalid input prints its problems and exits with code 2."""
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


def _print_version(requested: bool) -> None:
    if requested:
        from costmodel._version import __version__

        print(f"costmodel {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Estimate what it costs to train a foundation model: FLOPs, GPU-hours, days, energy, carbon and dollars."""
