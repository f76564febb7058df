"""The option `--set`: values by dotted path, with all problems reported together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Set a field: path=value, such as cluster.count=512; repeatable.")
]


def whole(text: str | int) -> int:
    """Return a whole number that an option gives; 1,024 and 1_024 are read too."""
    digits = str(text).strip().replace(",", "").replace("_", "")
    if not digits.lstrip("-").isdecimal():
        raise typer.BadParameter(f"must be a whole number, such as 1024; got {text!r}")
    return int(digits)


Family = Annotated[
    str | None,
    typer.Option(
        help="model_type whose layout the config shares; the counts are then unverified. 'transformers' counts the "
        "model that transformers builds (extra hub)."
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--no-strict", help="Refuse keys of the config that are not understood, or list them."),
]
HeadOption = Annotated[
    str | None,
    typer.Option("--head", help="Head of the model if its class is not known: lm, none, sequence_classification, ..."),
]
Built = TypeVar("Built")


_OF_A_RUN = ("estimate", "compare", "finetune", "own", "projection", "forecast", "price_run_everywhere")
"""Commands that take one value of a field of a run, where `costmodel sweep` takes several."""
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,[1-9]\d\d)+")
"""A whole number with separators that may be several numbers as well; 1,024 may not."""


def several_values(command: str, options: Mapping[str, Any], problems: Iterable[str]) -> list[str]:
    """Return a hint for each `--set` with several values that is one of the problems: `costmodel sweep` takes them.

    Parameters
    ----------
    command : str
        Name of the command or of its function.
    options : mapping
        Values of its parameters.
    problems : iterable of str
        Problems of the input.
    """
    listed = [change.partition("=")[::2] for change in _written(command, options)]
    return [
        f"--set {path}={value}: takes one value here; 'costmodel sweep FILE --set {path}={value}' takes several"
        for path, value in listed
        if "," in value and not value.strip().startswith(("[", "{", '"', "'"))
        if any(problem.startswith(f"{path.strip()}:") for problem in problems)
    ]


def numbers_with_commas(command: str, options: Mapping[str, Any]) -> list[str]:
    """Return a caution for each `--set` with a number such as 64,128, which may be meant as two.

    Parameters
    ----------
    command, options : str, mapping
        As for `several_values`.
    """
    return [
        f"--set {change}: is read as one number, {change.partition('=')[2].replace(',', '')}; 'costmodel sweep FILE "
        f"--set {change}' takes several"
        for change in _written(command, options)
        if _THOUSANDS.fullmatch(change.partition("=")[2].strip())
    ]


def _written(command: str, options: Mapping[str, Any]) -> list[str]:
    return (options.get("changes") or options.get("change") or []) if command in _OF_A_RUN else []


def parsed_changes(options: Iterable[str] | None) -> tuple[dict[str, Any], list[str]]:
    """Return the values of `--set` options such as "cluster.count=512" by path, and the problems of the others."""
    from costmodel.estimation.files import parse_change

    values: dict[str, Any] = {}
    problems: list[str] = []
    for option in options or ():
        try:
            path, value = parse_change(option)
        except InputError as error:
            problems += error.problems
        else:
            values[path] = value
    return values, problems


def with_changes(data: Any, changes: Mapping[str, Any]) -> Any:
    """Return plain data with the values of `changes` at their paths."""
    from costmodel.estimation.paths import with_changes as changed

    return changed(data, changes)


def built(problems: list[str], build: Callable[[], Built]) -> Built:
    """Return the result of `build`, or raise its problems together with the earlier ones."""
    try:
        result = build()
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return result
