"""The commands `costmodel projection` and `costmodel claims`: future costs, and claims about cost or quality."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from costmodel.cli.changes import Changes, parsed_changes, whole
from costmodel.cli.money import given_sum, in_currency
from costmodel.cli.output import emit, note
from costmodel.foundation.errors import InputError

_YEARS = re.compile(r"\s*([0-9]{4})\s*(?:-\s*([0-9]{4})\s*)?")


def projection(
    what: Annotated[str, typer.Argument(help="Scenario file, or a capability such as 'GPT-4 class'.")],
    years: Annotated[str, typer.Option(help="First and last year, or one year.")] = "2025-2030",
    question: Annotated[str | None, typer.Option(help="run (repeat the same run) or capability.")] = None,
    method: Annotated[str | None, typer.Option(help="For a capability: end-to-end or factors.")] = None,
    regime: Annotated[str | None, typer.Option(help="Algorithmic progress, with factors: fast, slow, mixture.")] = None,
    hardware: Annotated[
        str | None, typer.Option(help="For a run: best (cheapest of the year, the default), or same.")
    ] = None,
    dollars: Annotated[str, typer.Option(help="nominal (of each year), or real (of --base-year).")] = "nominal",
    base_year: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="INTEGER", help="Year of real dollars; default: that of the prices of the run."
        ),
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(help="Budget in the currency of --currency, such as 1M: print when the cost falls below it."),
    ] = None,
    change: Changes = None,
) -> None:
    """Project the cost of a run or a capability by year.

    Of a run: the cheapest way to do it in each year, beside the same hardware. Each cost holds for the end of the year.
    """
    from costmodel.estimation.scenario import Scenario
    from costmodel.projection.project import project_cost

    changes, problems = parsed_changes(change)
    span = _years(years)
    if span is None:
        problems.append(f"--years must be FIRST-LAST such as 2025-2030, or one year; got {years!r}")
    path = Path(what)
    is_file = path.suffix in {".toml", ".json"} or path.is_file()
    if changes and not is_file:
        problems.append("--set needs a scenario file; a capability has no fields to set")
    if problems or span is None:
        raise InputError(problems)
    budget = None if below is None else given_sum("--below", below)
    of: Any = Scenario.load(path, changes) if is_file else what
    options: Any = {"question": question, "method": method, "regime": regime, "hardware": hardware, "dollars": dollars}
    found = project_cost(of, span, base_year=base_year, **options)
    shown = in_currency(found)
    when = None if budget is None else found.year_below(budget.usd)
    fallen = None if when is None or budget is None else {**budget._asdict(), "rows": when.rows()}
    emit("projection", shown, data=lambda: {**shown.to_dict(), "below": fallen})
    if when is not None:
        chances = ", ".join(f"{year} {chance:.2f}" for year, chance in when.chances.items())
        note(f"probability that the cost is below {budget} by the end of the year: {chances}")


def claims(
    file: Annotated[Path, typer.Argument(help="Claims file (.toml, .json), such as examples/claims.toml.")],
) -> None:
    """Compute the probability of claims about cost or quality.

    Prints the probability under each set of assumptions, and the least favorable one.
    """
    from costmodel.claims.check import check_claim
    from costmodel.claims.claim import load_claims

    verdicts = [check_claim(claim) for claim in load_claims(file)]
    emit(
        "claims",
        *verdicts,
        data=lambda: {"claims": [verdict.to_dict() for verdict in verdicts]},
        rows=lambda: [{"claim": verdict.claim.text, **row} for verdict in verdicts for row in verdict.rows()],
    )


def _years(written: str) -> range | None:
    found = _YEARS.fullmatch(written)
    return (range(int(found[1]), int(found[2] or found[1]) + 1) or None) if found else None
