"""Kinds of files by their fields: a command that is given another kind names the right command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Kind(NamedTuple):
    """What a file is called, and the command that takes it."""

    title: str
    command: str


_KINDS = {
    "claims": _Kind("a file of claims", "costmodel claims FILE"),
    "portfolio": _Kind("a file of workloads and options to choose from", "costmodel choose FILE"),
    "routes": _Kind("routes to a model", "costmodel route FILE"),
    "cascade": _Kind("a cascade of models", "costmodel cascade FILE"),
    "comparison": _Kind("a comparison of hosted and self-hosted options", "costmodel serve compare FILE"),
    "serving": _Kind("a served model", "costmodel serve FILE"),
    "project": _Kind("a project", "costmodel budget FILE"),
    "scenario": _Kind("the scenario of a run", "costmodel estimate FILE"),
    "config": _Kind("the config of a model", "costmodel estimate FILE --tokens ... --gpu ... --gpus ..."),
    "trainer": _Kind("the settings of a trainer", "costmodel estimate FILE (--save run.toml writes its scenario)"),
    "log": _Kind("the log of a run", "costmodel forecast RUN.toml --log FILE"),
    "losses": _Kind("a table of runs with their losses", "costmodel fit FILE"),
    "prices": _Kind("a table of prices", "costmodel prices list --table FILE"),
}
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "estimate": ("scenario", "config", "trainer"),
    "finetune": ("config",),
    **dict.fromkeys(("compare", "sweep", "projection", "own", "why"), ("scenario",)),
    "price_run_everywhere": ("scenario",),
    "forecast": ("scenario", "project"),
    "budget": ("project", "scenario"),  # the project says how to list a scenario
    "serve": ("serving", "config"),
    "serve compare": ("comparison",),
    "choose": ("portfolio",),
    "route": ("routes",),
    "cascade": ("cascade",),
    "claims": ("claims",),
    "fit": ("losses",),
}
"""Kinds of files that a command takes, or reports itself."""
_ARGUMENTS = ("what", "file", "architecture", "scenario", "scenarios", "runs", "run_a", "run_b")
"""Arguments that name such files."""
_PROJECT = {"runs", "people", "data", "experiments", "evaluation", "storage", "serving", "contingency", "actuals"}


def check_kinds(command: str, arguments: Mapping[str, Any]) -> None:
    """Raise `InputError` if a file that a command is given is of a kind for another command.

    Parameters
    ----------
    command : str
        Name of the function of the command.
    arguments : Mapping
        Values by argument and option.
    """
    accepted = _ACCEPTED.get(command)
    if accepted is None:
        return
    problems = []
    for path in _paths(arguments):
        kind = file_kind(path)
        if kind is not None and kind not in accepted:
            title, use = _KINDS[kind]
            wanted = " or ".join(_KINDS[each].title for each in accepted)
            problems.append(f"{path} holds {title}, not {wanted}: use {use.replace('FILE', str(path))}")
    if problems:
        raise InputError(problems)


def file_kind(path: Path) -> str | None:
    """Return the kind of a file by its fields or columns; None if it is none of those known.

    Parameters
    ----------
    path : pathlib.Path
        File.
    """
    if path.suffix.lower() in {".csv", ".jsonl"}:
        return _kind_of_columns(path)
    from costmodel.estimation.trainers.reading import is_trainer_file
    from costmodel.foundation.plain_files import parsed

    if is_trainer_file(path):
        return "trainer"
    try:
        fields = set(parsed(path))
    except InputError:  # the command reports what is wrong
        return None
    if {"log_history", "global_step"} <= fields:
        return "log"
    if "claims" in fields:
        return "claims"
    if "workload" in fields and fields & {"option", "options"}:
        return "portfolio" if "option" in fields else "comparison"
    if "workload" in fields and fields & {"routes", "detectors"}:
        return "routes" if "routes" in fields else "cascade"
    if "architecture" in fields and fields & {"input_tokens", "output_tokens"}:
        return "serving"
    if fields & {"recipe", "extends"} or {"architecture", "cluster"} <= fields:
        return "scenario"
    if fields & {"model_type", "architectures"}:
        return "config"
    return "project" if len(fields & _PROJECT) > 0 and "name" in fields else None


def _kind_of_columns(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            line = file.readline(10_000)
        columns = set(json.loads(line)) if path.suffix.lower() == ".jsonl" else set(line.strip().lower().split(","))
    except (OSError, ValueError, TypeError):
        return None
    if "usd_per_gpu_hour" in columns:
        return "prices"
    if "step" in columns:
        return "log"
    return "losses" if "loss" in columns else None


def _paths(arguments: Mapping[str, Any]) -> Iterator[Path]:
    for name in _ARGUMENTS:
        value = arguments.get(name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, (str, Path)) and Path(each).suffix and Path(each).is_file():
                yield Path(each)
