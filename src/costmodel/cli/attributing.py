"""The command `costmodel why`: why one run costs less than another, by factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from costmodel.cli.output import emit

if TYPE_CHECKING:
    from costmodel.market.rental import PriceConvention


def why(
    run_a: Annotated[str, typer.Argument(help="Published run (see `costmodel runs`) or scenario file.")],
    run_b: Annotated[str, typer.Argument(help="Run to compare with: published run or scenario file.")],
    price: Annotated[
        str, typer.Option(help="Price of published runs: on_demand, contract, or published (by the publication).")
    ] = "on_demand",
    scope: Annotated[str, typer.Option(help="Scope of both costs: final_run, development.")] = "final_run",
    scope_b: Annotated[str | None, typer.Option(help="Scope of the second cost, if it differs.")] = None,
) -> None:
    """Explain why run B costs less or more than run A: tokens, size, sparsity, precision, speed, price and scope.

    The factors multiply to the ratio of the costs; their parts in dollars add up to the difference.
    """
    from costmodel.comparison.attribution.attribute import attribute

    emit("why", attribute(run_a, run_b, cast("PriceConvention", price), scope, scope_b))
