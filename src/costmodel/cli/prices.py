"""The command `costmodel prices`: list, check and merge tables of rental prices, and price a run at all of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costmodel.cli.changes import Changes, built, parsed_changes
from costmodel.cli.missing import AllowMissing, check_missing
from costmodel.cli.output import emit, wants_text, with_output
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.foundation.tables import Table as PriceTable

prices = typer.Typer(
    help="List, check and merge rental prices, and price a run at all of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_NEEDED = "each row needs accelerator, provider, purchase_model, usd_per_gpu_hour, as_of and source_url"
TableFile = Annotated[Path | None, typer.Option("--table", help="A price CSV; by default that of the library.")]


_SHOWN = (
    *("accelerator", "provider", "purchase_model", "region", "instance_type", "usd_per_gpu_hour", "as_of"),
    "source_url",
)
"""Columns of the JSON and the CSV."""
_OPTION_OF = {
    "prices.provider": "--provider",
    "prices.purchase_model": "--purchase-model",
    "prices.region": "--region",
    "prices.published_discount": "--published-discount",
}
"""Options that choose what `prices everywhere` looks up, by the field that it replaces."""
_KEPT = {"prices.on", "prices.table"}
"""Fields of prices that `prices everywhere` uses."""


@prices.command("list")
@with_output
def list_prices(
    gpu: Annotated[str | None, typer.Option(help="Filter by accelerator.")] = None,
    provider: Annotated[str | None, typer.Option(help="Filter by provider.")] = None,
    table: TableFile = None,
    with_untraced: Annotated[
        bool, typer.Option("--all", help="Also untraced prices: their source cannot be found, so they are never used.")
    ] = False,
) -> None:
    """List rental prices by accelerator, newest last."""
    from costmodel.hardware.accelerator import load_accelerator
    from costmodel.market.gpu_prices import UNTRACED, named_provider, traced_prices
    from costmodel.market.price_table import check_columns

    accelerator = None if gpu is None else load_accelerator(gpu).name
    provider = provider if provider is None or table is not None else named_provider(provider)
    facts = _prices(table)
    if wrong := check_columns(facts):
        raise InputError(wrong)
    facts = facts if with_untraced else traced_prices(facts)
    rows = [row for row in facts.rows if accelerator in (None, row["accelerator"])]
    rows = [row for row in rows if provider is None or provider.lower() == row["provider"]]
    if not rows:
        raise InputError("no such price; 'costmodel prices list' shows all prices")
    ordered = sorted(rows, key=lambda row: (row["accelerator"], row["as_of"]))
    listed = [{key: row[key] for key in _SHOWN} for row in ordered]
    shown = [
        {
            "accelerator": row["accelerator"],
            "USD/GPU-hour": row["usd_per_gpu_hour"],
            "as of": row["as_of"],
            "where": f"{row['provider']} {row['region']}".strip(),
            "purchase": row["purchase_model"].replace("_", " "),
        }
        | ({"": UNTRACED * (row["source_url"] == UNTRACED)} if with_untraced else {})
        | {"instance type": row["instance_type"], "source": row["source_url"]}
        for row in ordered
    ]
    emit("prices-list", text(shown), data=lambda: listed, rows=lambda: listed)


@prices.command("everywhere")
@partial(with_output, priced=True)
def price_run_everywhere(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (.toml, .json).")],
    provider: Annotated[list[str] | None, typer.Option(help="Only this provider; repeatable.")] = None,
    purchase_model: Annotated[
        list[str] | None, typer.Option(help="Only this purchase model, such as spot; repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Only this region of a provider, country or US state; repeatable.")
    ] = None,
    max_age: Annotated[float | None, typer.Option(help="Largest age of a price [days]; default 365.")] = None,
    on: Annotated[str | None, typer.Option(help="Date of the prices, such as 2026-09-01.")] = None,
    published_discount: Annotated[
        bool, typer.Option("--published-discount", help="Derive missing prices of commitments from those on demand.")
    ] = False,
    changes: Changes = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Price a run at every provider, in every region and purchase model, on a day.

    The cheapest comes first. A price that is missing keeps its row with the nearest known price; the exit code is 3 if
    all are missing.
    """
    from costmodel.estimation.scenario import Scenario
    from costmodel.planning.price_everywhere import price_everywhere

    values, problems = parsed_changes(changes)
    if replaced := _replaced(values):
        raise InputError([*problems, *replaced])
    run = built(problems, lambda: Scenario.load(scenario, values))
    ages = {} if max_age is None else {"max_age": max_age}
    table = price_everywhere(
        run,
        on=on,
        providers=provider,
        purchase_models=purchase_model,
        regions=region,
        published_discount=published_discount,
        **ages,
    )
    if len(table) or not wants_text():
        emit("prices-everywhere", table)
    accelerator = run.cluster.accelerator.name
    where = f" in {', '.join(region)}" if region else ""
    missing = f"no such price of {accelerator} is known{where} on {table.on}"
    check_missing([] if table.priced else [missing], allow_missing)


@prices.command("check")
@with_output
def check_price_table(
    file: Annotated[Path | None, typer.Argument(help="A price CSV; by default that of the library.")] = None,
) -> None:
    """Check a price table: columns, names, dates, duplicates, order; without a network."""
    from costmodel.hardware.accelerator import accelerator_names
    from costmodel.market.dated import today
    from costmodel.market.gpu_prices import vintage
    from costmodel.market.places import unknown_regions
    from costmodel.market.price_table import check_columns, check_prices, stale_offers

    facts = _prices(file)
    if not facts.rows and not check_columns(facts):
        raise InputError(f"{facts.name}: holds no prices: a header alone; {_NEEDED}")
    if problems := check_prices(facts, list(accelerator_names()), today()):
        raise InputError(problems)
    stale, unknown = stale_offers(facts, vintage(facts)), unknown_regions(facts)
    sound = "1 price is" if len(facts.rows) == 1 else f"{len(facts.rows)} prices are"
    lines = [f"{facts.name}: {sound} sound; newest {vintage(facts)}"]
    if stale:
        seen = "1 offer was" if len(stale) == 1 else f"{len(stale)} offers were"
        lines += [f"{seen} last seen more than a year before:", *(f"  {offer}" for offer in stale)]
    lines += [f"warning: {line}" for line in unknown]
    found = {"table": facts.name, "prices": len(facts.rows), "newest": vintage(facts), "stale": list(stale)}
    found["unknown_regions"] = unknown
    emit("prices-check", "\n".join(lines), data=lambda: found, rows=lambda: [{"offer": offer} for offer in stale])


@prices.command("merge")
def merge_price_table(
    new: Annotated[Path, typer.Argument(help="A CSV with further prices, in the same columns.")],
    into: Annotated[Path | None, typer.Option(help="The table to append to; by default that of the library.")] = None,
) -> None:
    """Append new prices to a price table; a price that contradicts the table is refused."""
    from costmodel.foundation.tables import folder
    from costmodel.hardware.accelerator import accelerator_names
    from costmodel.market.dated import today
    from costmodel.market.price_table import merge_prices

    target = into or folder() / "gpu_prices.csv"
    added = merge_prices(target, new, list(accelerator_names()), today())
    print(f"{added} prices added to {target}")


def _replaced(values: Iterable[str]) -> list[str]:
    """Return what is wrong with changes of fields that `prices everywhere` replaces."""
    unused = "has no effect here, where each price of the table is used;"
    return [
        f"--set {path}: {unused} {f'{_OPTION_OF[path]} keeps some of them' if path in _OPTION_OF else 'leave it out'}"
        for path in values
        if path.startswith("prices.") and path not in _KEPT
    ]


def _prices(table: Path | None) -> PriceTable:
    """Return a price table, the library's unless a file is given."""
    from costmodel.foundation.tables import read_csv
    from costmodel.foundation.tables import table as shipped

    return shipped("gpu_prices") if table is None else read_csv(table)
