"""Exit code of commands whose result lacks a cost, and the option `--allow-missing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.output import print_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

MISSING = 3
"""Exit code of a command that prints its result without a cost; invalid input has code 2."""
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help=f"Exit with 0, not {MISSING}, where a cost is not known.")
]


def check_missing(reasons: Iterable[str], allowed: bool) -> None:
    """Exit with code 3 if costs are missing and that is not allowed; print each reason once.

    Parameters
    ----------
    reasons : iterable of str
        Why costs are not known; none if all are known.
    allowed : bool
        Value of `--allow-missing`.
    """
    lines = list(dict.fromkeys(reasons))
    if not lines or allowed:
        return
    for line in lines:
        print_problem(f"the cost is not known: {line}")
    print_problem("give a price (prices.price or --price), or --allow-missing to exit with 0")
    raise typer.Exit(MISSING)
