"""What is changed by `--set`? Values by dotted path; what is wrong with them is told with all else that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Changes = Annotated[list[str] | None, typer.Option("--set", help="path=value, such as cluster.count=512.")]
Made = TypeVar("Made")


def parsed_changes(written: Iterable[str] | None) -> tuple[dict[str, Any], list[str]]:
    """Return the values by path of changes such as "cluster.count=512", and what is wrong with the others."""
    from costmodel.estimation.files import parse_change

    found: dict[str, Any] = {}
    problems: list[str] = []
    for each in written or ():
        try:
            place, value = parse_change(each)
        except InputError as error:
            problems += error.problems
        else:
            found[place] = value
    return found, problems


def with_changes(data: Any, changes: Mapping[str, Any]) -> Any:
    """Return plain data with the values of `changes` at their paths."""
    from costmodel.estimation.paths import with_changes as changed

    return changed(data, changes)


def checked(problems: list[str], make: Callable[[], Made]) -> Made:
    """Return what `make` returns, or raise its problems together with those found before."""
    try:
        made = make()
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return made
