"""The commands of the command line, their examples, and the printing of errors."""

from __future__ import annotations

import atexit
import gc
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Annotated, Any

import typer

from costmodel.cli.output import flush, print_problem, stoppable, with_output
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.registry import Registry

_COMMANDS: dict[str, tuple[str, ...]] = {
    "estimating:estimate": (
        "estimate llama-3.1-8b --tokens 15T --gpu H100-SXM --gpus 1024",
        "estimate run.toml --set cluster.count=2048 --explain cost",
        "estimate run.toml --json > estimate.json",
        "estimate axolotl.yml --gpu H100 --gpus 8 --tokens 18M",
    ),
    "forecasting:forecast": (
        "forecast run.toml --log trainer_log.jsonl",
        "forecast run.toml --step-time '9.5 s' --done 12000 --now 2026-09-01",
        "forecast project.toml --on 2026-12-31 --within 75k",
    ),
    "finetuning:finetune": (
        "finetune llama-3.1-8b --method qlora --tokens 20M --gpu RTX-4090",
        "finetune llama-3.1-70b --method lora --tokens 20M",
    ),
    "serving:serve": (
        "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --precision fp8 --concurrency 64",
        "serve llama-3.1-70b --gpu H100-SXM --gpus 8 --requests-per-second 5 --set cached_share=0.5",
        "serve llama-3.1-70b --users 200 --rate 20 --size",
        "serve serving.toml --set cluster.count=16",
        "serve compare workload.toml",
    ),
    "owning:own": (
        "own H100-SXM --gpus 512 --purchase-price '$30k' --price '$2.50/h'",
        "own run.toml --set prices.life=4 --set prices.utilization=0.8",
    ),
    "choosing:choose": (
        "choose workload.toml --curve",
        "choose workload.toml --set constraints.provider_cap=0.6 --output portfolio.html",
    ),
    "routing:route": (
        "route routes.toml",
        "route routes.toml --set months=12 --set workload.requests_per_month=200k",
    ),
    "routing:cascade": ("cascade cascade.toml --curve solved", "cascade cascade.toml --set detectors.0.recall=0.9"),
    "budgeting:budget": (
        "budget project.toml --output budget.xlsx --within 75k",
        "budget project.toml --currency EUR --rate 0.9",
    ),
    "estimating:compare": ("compare run.toml other_run.toml",),
    "sweeping:sweep": ("sweep run.toml --set cluster.count=64,128,256 --set recipe.batch_size=512,1024",),
    "estimating:schema": ("schema project > project.schema.json",),
    "catalog:models": ("models mixtral-8x7b", "models qwen"),
    "catalog:gpus": ("gpus H100-SXM", "gpus --vendor NVIDIA --memory 80"),
    "catalog:regions": ("regions --country DE", "regions frankfurt"),
    "catalog:providers": ("providers --gpu H100-SXM", "providers lambda"),
    "layouts:layouts": (
        "layouts llama-3.1-8b --gpu H100-SXM --gpus 64 --batch-size 512",
        "layouts llama-3.1-8b --gpu H100-SXM --gpus 64,128 --set tensor=1,2",
    ),
    "fitting:fit": (
        "fit runs.csv --holdout 10",
        "fit --law besiroglu-2024 --compute 1e24",
        "fit --allocate '1M USD' --gpu H100-SXM --gpus 256",
    ),
    "projecting:projection": (
        "projection 'GPT-4 class' --below '1M USD'",
        "projection run.toml --years 2026-2030",
        "projection run.toml --dollars real --base-year 2026 --currency EUR",
    ),
    "runs:runs": ("runs --organization DeepSeek", "runs estimated --since 2024"),
    "attributing:why": ("why gpt-4 deepseek-v3 --price published", "why llama3-8b run.toml"),
    "projecting:claims": ("claims claims.toml",),
    "validating:validate": ("validate step_times", "validate finetune measured.csv --json"),
    "refitting:refit": ("refit utilization --check",),
    "completing:completion": (
        "completion bash >> ~/.bashrc",
        "completion fish > ~/.config/fish/completions/costmodel.fish",
    ),
}
"""Module and function of each command, with examples, in the order in which the help lists the commands."""
_PRICED = (
    *("estimate", "forecast", "finetune", "serve", "own", "budget", "compare", "sweep", "projection"),
    *("choose", "route", "cascade", "fit"),
)
"""Commands whose amounts are printed in the currency of `--currency`."""
_PLAIN = ("schema", "completion")
"""Commands whose output is a file of a format of its own, without options of output."""
_GROUPS = ("prices:prices", "data:data")
"""Module and object of each group of commands."""
_ALL_WORDS = "completion"
"""The command that lists the words of all others."""
_OBJECTS = 100_000
"""New objects between two searches for cycles, many because a command ends before cycles fill the memory [1]."""

_HELP = """Estimate what it costs to train a foundation model: FLOPs, GPU-hours, days, energy, carbon and dollars.

Exit codes: 0 success; 1 a check found a difference; 2 invalid input; 3 a cost or another figure is not known; 130
interrupted.
"""


def application(command: str | None = None) -> typer.Typer:
    """Return the command line with one command or group, whose module alone is imported, or with all.

    Parameters
    ----------
    command : str, optional
        Name of a command or group of the library.
    """
    app = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for path, examples in _COMMANDS.items():
        name = _name(path)
        if command in (None, name):
            lines = "\n".join(f"  costmodel {example}" for example in examples)
            shown = stoppable(COMMANDS[name]) if name in _PLAIN else with_output(COMMANDS[name], name in _PRICED)
            kind = _object("serving:ServeCommand") if name == "serve" else None
            app.command(epilog=f"\b\nExamples:\n{lines}", cls=kind)(shown)
    for path in _GROUPS:
        if command in (None, _name(path)):
            app.add_typer(_object(path), name=_name(path))
    return app


def __getattr__(name: str) -> Any:
    """Return `app`, the command line with all commands, at its first use."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = app = application()
    return app


def _name(path: str) -> str:
    return path.partition(":")[2]


def _object(path: str) -> Any:
    """Return the object of a path such as "estimating:estimate"."""
    return resolve_name(f"costmodel.cli.{path}")


def _problem(_: str, value: object) -> str:
    """Return what is wrong with a command of a package, or ""."""
    return "" if callable(value) else f"must be a function or a typer.Typer; got {value!r}"


_OWN = {_name(path): path for path in (*_COMMANDS, *_GROUPS)}
COMMANDS: Registry[Any] = Registry("command", "costmodel.commands", _OWN, lambda name: _object(_OWN[name]), _problem)
"""Functions with the annotations of typer, or groups of commands, by name."""


def _add_commands_of_packages(app: typer.Typer) -> None:
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
    word = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    alone = word in COMMANDS.own and word == sys.argv[1] != _ALL_WORDS
    try:
        with _rare_collections():
            app = application(word if alone else None)
            if word not in COMMANDS.own:
                _add_commands_of_packages(app)
            app()
    except CostModelError as error:
        _print_problems(error)
        sys.exit(_exit_code(error))
    finally:
        flush()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Search for cycles of objects rarely: the many imports of a command leave none, and the searches cost a fifth."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _exit_code(error: CostModelError) -> int:
    from costmodel.cli.missing import MISSING

    return MISSING if isinstance(error, MissingFactError) else 2


def _print_problems(error: CostModelError) -> None:
    problems = error.problems if isinstance(error, InputError) else (str(error),)
    for problem in problems:
        print_problem(problem)


def _print_version(requested: bool) -> None:
    if requested:
        from costmodel._version import __version__

        print(f"costmodel {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Estimate what it costs to train a foundation model."""


atexit.register(gc.freeze)  # the end of the process searches no object for cycles
