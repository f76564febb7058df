"""The option `--set`: values by dotted path, with all problems reported together."""

from __future__ import annotations

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
