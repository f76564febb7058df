"""The command `costmodel runs`: published training runs, and estimates of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from costmodel.cli.printing import Json, print_json
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.market.rental import PriceConvention

_PLAIN = "published"
_SHOWN = (_PLAIN, "estimated", "unit-costs", "frontier")


def runs(
    show: Annotated[str, typer.Argument(help=f"Table to show: {', '.join(_SHOWN)}.")] = _PLAIN,
    organization: Annotated[
        str | None, typer.Option("--organization", "--organisation", help="Filter by organization.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Filter by kind: pretrain, finetune, rl, benchmark, ...")] = None,
    since: Annotated[str | None, typer.Option(help="Earliest date: 2024 or 2024-07.")] = None,
    scope: Annotated[str | None, typer.Option(help="Filter by scope of the cost: final_run, development.")] = None,
    price: Annotated[
        str, typer.Option(help="What the costs are said in: on_demand, contract, or published (by the publication).")
    ] = "on_demand",
    as_json: Json = False,
) -> None:
    """List published training runs and their costs.

    Other tables compare them with estimates, per unit, or frontier runs with low-cost runs.
    """
    from costmodel.comparison.frontier import frontier_against_low_cost
    from costmodel.comparison.rates import check_convention
    from costmodel.comparison.reestimation import reestimates
    from costmodel.comparison.runs import published_runs
    from costmodel.foundation.errors import unknown
    from costmodel.foundation.rendering import cells, text

    problems = [] if show in _SHOWN else [unknown("table of runs", show, _SHOWN)]
    convention = cast("PriceConvention", price)
    try:
        check_convention(price)
    except InputError as error:
        problems += error.problems
    try:
        found = published_runs(organization, kind, since, scope)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    if not found:
        raise InputError("no published run matches these filters; 'costmodel runs' shows all")
    if show == _PLAIN:
        _print(found, found.rows(), as_json)
    elif show == "frontier":
        table = frontier_against_low_cost(found, price=convention)
        _print(table, {"runs": table.rows(), "summary": table.summary()}, as_json)
    elif show == "estimated":
        made = reestimates(found, convention)
        _print(made, {"rows": made.rows(), "scores": made.scores(), "skipped": made.skipped}, as_json)
    else:
        made = reestimates(found, convention)
        if not made:
            raise InputError([f"{run} cannot be estimated: {reason}" for run, reason in made.skipped.items()])
        rows = [row for one in made for row in one.unit_costs()]
        _print(text([cells(row) for row in rows]), rows, as_json)


def _print(shown: object, data: Any, as_json: bool) -> None:
    if as_json:
        print_json(data)
    else:
        print(shown)
