"""The commands of the command line, their examples, and the printing of errors."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from costmodel.cli.attributing import why
from costmodel.cli.budgeting import budget
from costmodel.cli.catalog import gpus, models, providers, regions
from costmodel.cli.choosing import choose
from costmodel.cli.completing import completion
from costmodel.cli.data import data
from costmodel.cli.estimating import compare, estimate, schema
from costmodel.cli.finetuning import finetune
from costmodel.cli.fitting import fit
from costmodel.cli.forecasting import forecast
from costmodel.cli.layouts import layouts
from costmodel.cli.missing import MISSING
from costmodel.cli.output import flush, print_problem, stoppable, with_output
from costmodel.cli.owning import own
from costmodel.cli.prices import prices
from costmodel.cli.projecting import claims, projection
from costmodel.cli.refitting import refit
from costmodel.cli.routing import cascade, route
from costmodel.cli.runs import runs
from costmodel.cli.serving import ServeCommand, serve
from costmodel.cli.sweeping import sweep
from costmodel.cli.validating import validate
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.registry import Registry

_COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {
    estimate: (
        "estimate llama-3.1-8b --tokens 15T --gpu H100-SXM --gpus 1024",
        "estimate run.toml --set cluster.count=2048 --explain cost",
        "estimate run.toml --json > estimate.json",
        "estimate axolotl.yml --gpu H100 --gpus 8 --tokens 18M",
    ),
    forecast: (
        "forecast run.toml --log trainer_log.jsonl",
        "forecast run.toml --step-time '9.5 s' --done 12000 --now 2026-09-01",
        "forecast project.toml --on 2026-12-31 --within 75k",
    ),
    finetune: (
        "finetune llama-3.1-8b --method qlora --tokens 20M --gpu RTX-4090",
        "finetune llama-3.1-70b --method lora --tokens 20M",
    ),
    serve: (
        "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --precision fp8 --concurrency 64",
        "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --requests-per-second 5 --set cached_share=0.5",
        "serve llama-3.1-70b --users 200 --rate 20 --size",
        "serve serving.toml --set cluster.count=16",
        "serve compare workload.toml",
    ),
    own: (
        "own H100-SXM --gpus 512 --purchase-price '$30k' --price '$2.50/h'",
        "own run.toml --set prices.life=4 --set prices.utilization=0.8",
    ),
    choose: (
        "choose workload.toml --curve",
        "choose workload.toml --set constraints.provider_cap=0.6 --output portfolio.html",
    ),
    route: ("route routes.toml", "route routes.toml --set months=12 --set workload.requests_per_month=200k"),
    cascade: ("cascade cascade.toml --curve solved", "cascade cascade.toml --set detectors.0.recall=0.9"),
    budget: (
        "budget project.toml --output budget.xlsx --within 75k",
        "budget project.toml --currency EUR --rate 0.9",
    ),
    compare: ("compare run.toml other_run.toml",),
    sweep: ("sweep run.toml --set cluster.count=64,128,256 --set recipe.batch_size=512,1024",),
    schema: ("schema project > project.schema.json",),
    models: ("models mixtral-8x7b", "models --search llama"),
    gpus: ("gpus H100-SXM", "gpus --vendor NVIDIA --memory 80"),
    regions: ("regions --country DE", "regions frankfurt"),
    providers: ("providers --gpu H100-SXM", "providers lambda"),
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
        "projection run.toml --years 2026-2030",
        "projection run.toml --dollars real --base-year 2026 --currency EUR",
    ),
    runs: ("runs --organization DeepSeek", "runs estimated --since 2024"),
    why: ("why gpt-4 deepseek-v3 --price published", "why llama3-8b run.toml"),
    claims: ("claims claims.toml",),
    validate: ("validate step_times", "validate finetune measured.csv --json"),
    refit: ("refit utilization --check",),
    completion: ("completion bash >> ~/.bashrc", "completion fish > ~/.config/fish/completions/costmodel.fish"),
}
"""Examples of each command, in the order in which the help lists the commands."""
_PLAIN = (schema, completion)
"""Commands whose output is a file of a format of its own, without options of output."""
_GROUPS = {"prices": prices, "data": data}
"""Groups of commands by name."""

_HELP = """Estimate what it costs to train a foundation model: FLOPs, GPU-hours, days, energy, carbon and dollars.

Exit codes: 0 success; 1 a check found a difference; 2 invalid input; 3 a cost or another figure is not known; 130
interrupted.
"""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command, examples in _COMMANDS.items():
    lines = "\n".join(f"  costmodel {example}" for example in examples)
    shown = stoppable(command) if command in _PLAIN else with_output(command)
    app.command(epilog=f"\b\nExamples:\n{lines}", cls=ServeCommand if command is serve else None)(shown)
for name, group in _GROUPS.items():
    app.add_typer(group, name=name)


def _problem(_: str, value: object) -> str:
    """Return what is wrong with a command of a package, or ""."""
    return "" if callable(value) else f"must be a function or a typer.Typer; got {value!r}"


_OWN: dict[str, Callable[..., None] | typer.Typer] = {function.__name__: function for function in _COMMANDS} | _GROUPS
COMMANDS = Registry("command", "costmodel.commands", _OWN, _OWN.__getitem__, _problem)
"""Functions with the annotations of typer, or groups of commands, by name."""


def _add_commands_of_packages() -> None:
    """Add the commands of installed packages; print what is wrong with those that cannot be used."""
    try:
        new = COMMANDS.added.keys() - {command.name for command in app.registered_commands}
    except InputError as error:
        _print_problems(error)
        return
    for name in sorted(new - {group.name for group in app.registered_groups}):
        try:
            command = COMMANDS[name]
        except InputError as error:
            _print_problems(error)
            continue
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)


def main() -> None:
    """Run the command line; problems are printed on stderr, and the exit code says which kind they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if next((word for word in sys.argv[1:] if not word.startswith("-")), "") not in COMMANDS.own:
        _add_commands_of_packages()
    try:
        app()
    except CostModelError as error:
        _print_problems(error)
        sys.exit(MISSING if isinstance(error, MissingFactError) else 2)
    finally:
        flush()


def _print_problems(error: CostModelError) -> None:
    problems = error.problems if isinstance(error, InputError) else (str(error),)
    for problem in problems:
        print_problem(problem)


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
    """Estimate what it costs to train a foundation model."""
