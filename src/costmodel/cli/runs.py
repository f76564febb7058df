"""The command `costmodel runs`: published training runs, and estimates of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from costmodel.cli.output import emit
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
        emit("runs", found, data=found.rows)
    elif show == "frontier":
        table = frontier_against_low_cost(found, price=convention)
        emit("runs-frontier", table, data=lambda: {"runs": table.rows(), "summary": table.summary()})
    elif show == "estimated":
        made = reestimates(found, convention)
        scores = {"scores": made.scores(), "skipped": made.skipped}
        emit("runs-estimated", made, data=lambda: {"rows": made.rows(), **scores})
    else:
        made = reestimates(found, convention)
        if not made:
            raise InputError([f"{run} cannot be estimated: {reason}" for run, reason in made.skipped.items()])
        rows = [row for one in made for row in one.unit_costs()]
        emit("runs-unit-costs", text([cells(row) for row in rows]), data=lambda: rows, rows=lambda: rows)
