"""The command `costmodel finetune`: a fine-tuning job on own or rented accelerators, and at hosted services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.cli.changes import Changes, Family, HeadOption, Strict, built, parsed_changes, whole, with_changes
from costmodel.cli.missing import AllowMissing, check_missing
from costmodel.cli.money import cells_in_currency, in_currency
from costmodel.cli.output import emit, emit_explanation
from costmodel.cli.paying import Own, PurchasePrice, owned_prices
from costmodel.foundation.page import current_page
from costmodel.foundation.rendering import amount, between, text
from costmodel.training.recipes.table import SHORT_KINDS, methods

if TYPE_CHECKING:
    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.scenario import Scenario
    from costmodel.planning.what_fits import Fits

_WITHOUT_GPU = ("family", "strict", "head", "recipe", "prices", "cluster.count", "cluster.site")
"""Fields, or their prefixes, that may be set without an accelerator."""
_STAND_IN = "H100-SXM"
"""Accelerator with which the other options are checked if --gpu is not given."""


def finetune(
    architecture: Annotated[str, typer.Argument(help="Model name, or config.json.")],
    method: Annotated[str, typer.Option(help=f"Recipe: {', '.join(methods())}.")] = "lora",
    tokens: Annotated[str | None, typer.Option(help="Tokens of one epoch, such as 20M.")] = None,
    examples: Annotated[str | None, typer.Option(help="Examples of one epoch; needs --lengths.")] = None,
    lengths: Annotated[str | None, typer.Option(help="Tokens per example: 512 or 'lognormal 200 to 1500'.")] = None,
    epochs: Annotated[str | None, typer.Option(help="Number of epochs.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Accelerator; without it, all that can run the job are listed.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(parser=whole, metavar="INTEGER", help="Number of accelerators.")] = None,
    sequence_length: Annotated[
        int | None, typer.Option(parser=whole, metavar="INTEGER", help="Maximum sequence length [token].")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "--batch", parser=whole, metavar="INTEGER", help="Global batch size [sequence]."),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(parser=whole, metavar="INTEGER", help="Rank of the LoRA adapters.")
    ] = None,
    software: Annotated[
        str | None, typer.Option(help="Training software, such as axolotl, or its kernels: fused or eager.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Precision of the matrix products, such as bf16.")] = None,
    no_packing: Annotated[bool, typer.Option("--no-packing", help="Pad examples instead of packing them.")] = False,
    provider: Annotated[str | None, typer.Option(help="Cloud provider, or 'market' for the median price.")] = None,
    purchase_model: Annotated[str | None, typer.Option(help="on_demand, spot, reserved_1y, ...")] = None,
    convention: Annotated[
        str | None, typer.Option(help="What the price is said in: on_demand, contract, published.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="Price per GPU-hour, such as '$0.40/h'.")] = None,
    on: Annotated[str | None, typer.Option(help="Date of the price, such as 2026-09-01.")] = None,
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    pue: Annotated[str | None, typer.Option(help="Power usage effectiveness of the data center.")] = None,
    own: Own = False,
    purchase_price: PurchasePrice = None,
    family: Family = None,
    strict: Strict = None,
    head: HeadOption = None,
    explain: Annotated[
        str | None, typer.Option(help="Show the steps and sources of this figure, such as cost; needs --gpu.")
    ] = None,
    changes: Changes = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Estimate the cost of a fine-tuning job.

    Compares it with hosted fine-tuning services. Without --gpu it lists the accelerators that can run the job.
    The exit code is 3 if the cost is not known.
    """
    kind = method.lower().replace("-", "_")
    values = {
        "family": family, "strict": strict, "head": head,
        "recipe.kind": SHORT_KINDS.get(kind, kind), "recipe.tokens": tokens, "recipe.examples": examples,
        "recipe.lengths": lengths, "recipe.epochs": epochs, "recipe.sequence_length": sequence_length,
        "recipe.batch_size": batch_size, "recipe.rank": rank, "recipe.software": software,
        "recipe.precision": precision, "recipe.packing": False if no_packing else None,
        "cluster.accelerator": gpu, "cluster.count": gpus, "prices.provider": provider,
        "prices.purchase_model": purchase_model, "prices.convention": convention, "prices.price": price,
        "prices.on": on, "cluster.site.region": region, "cluster.site.pue": pue,
    }  # fmt: skip
    given: dict[str, Any] = {path: value for path, value in values.items() if value is not None}
    given = owned_prices(given, own, purchase_price)
    more, problems = parsed_changes(changes)
    given |= more
    if not given.keys() & {"cluster", "cluster.accelerator"}:
        problems += [f"{place}: needs --gpu" for place in given if not place.startswith(_WITHOUT_GPU)]
        problems += [] if explain is None else ["--explain: needs --gpu"]
        stand_in = {"cluster.accelerator": _STAND_IN, **given}
        run = built(problems, lambda: _scenario(architecture, stand_in))
        _print_fits(run, run.cluster.count if "cluster.count" in given else None, allow_missing)
        return
    from costmodel.estimation.estimate import estimate
    from costmodel.training.layouts.fitting import TooLargeError

    run = built(problems, lambda: _scenario(architecture, given))
    try:
        result = estimate(run)
    except TooLargeError as error:
        raise TooLargeError(
            f"{error}; without --gpu, 'costmodel finetune' lists the accelerators that can run the job"
        ) from None
    if explain is not None:
        emit_explanation(result.explain(explain))
        return
    memory, jobs = _memory(run), _jobs(run, result)
    layout = None if result.layout is None else result.layout.to_data()
    parts: list[Any] = [result]
    if memory:
        whole = sum(memory.values())
        rows = [{"memory": part, "size": amount(size, "byte"), "share": f"{size / whole:.0%}"}
                for part, size in {**memory, "all": whole}.items() if size]  # fmt: skip
        parts.append(text(rows))
    emit(
        "finetune",
        *parts,
        _jobs_table(jobs),
        data=lambda: {"estimate": in_currency(result).to_dict(), "memory": memory, "layout": layout, "jobs": jobs},
    )
    check_missing([result.missing_cost] if result.missing_cost else [], allow_missing)


def _print_fits(run: Scenario, count: int | None, allow_missing: bool) -> None:
    """Print the accelerators that can run a job, the cheapest first, and the prices of hosted services."""
    from costmodel.planning.what_fits import what_fits

    found = what_fits(run.architecture, run.recipe, count=count, prices=run.prices, site=run.cluster.site)
    fewest = _fewest(found)
    jobs = _jobs(run, None) if not len(fewest) else _jobs(fewest.best.scenario, fewest.best.estimate)
    how = " + ".join(recipe.kind.replace("_", " ") for recipe in run.recipes)
    title = f"{run.architecture.name}, {how}: smallest number of each accelerator that can run it, cheapest first"
    with cells_in_currency():
        table = f"{title}\n{fewest}" if current_page().notes else str(fewest)
    emit(
        "fits",
        table,
        _jobs_table(jobs),
        data=lambda: {"fits": found.rows(), "jobs": jobs},
        rows=found.rows,
    )
    if len(fewest) and all(one.si.cost is None for one in fewest.possible):
        reason = fewest.possible[0].estimate.missing_cost
        check_missing([f"{fewest.possible[0].accelerator}: {reason}"], allow_missing)


def _fewest(found: Fits) -> Fits:
    """Return the smallest possible number of each accelerator, in the order of `found`."""
    least: dict[str, int] = {}
    for one in found.possible:
        least[one.accelerator] = min(one.count, least.get(one.accelerator, one.count))
    possible = tuple(one for one in found.possible if one.count == least[one.accelerator])
    return type(found)(possible, tuple(one for one in found.rejected if one.accelerator not in least))


def _scenario(architecture: str, given: dict[str, Any]) -> Scenario:
    from costmodel.estimation.scenario import Scenario

    return Scenario.from_data(with_changes({"architecture": architecture}, {"cluster.count": 1, **given}))


def _memory(run: Scenario) -> dict[str, float]:
    """Return the peak memory per GPU by component [byte]; empty if the speed does not come from a layout."""
    from costmodel.estimation.speed import speed

    held = speed(run).memory
    return {name: float(size) for name, size in held[0]._asdict().items()} if held else {}


def _jobs(run: Scenario, result: Estimate | None) -> list[dict[str, Any]]:
    """Return the cost of a job on the given accelerators, if estimated, and at hosted services, the cheapest first."""
    from costmodel.foundation.ranges import middle
    from costmodel.planning.offers import hosted_offers

    own = [] if result is None else [_own(result)]
    offers = hosted_offers(run.architecture, run.recipes[0]) if len(run.recipes) == 1 else []
    hosted = [{"where": offer.pop("provider"), **offer} for offer in offers]
    millions = sum(middle(recipe.trained_tokens()) for recipe in run.recipes) / 1e6
    return [{**job, "usd_per_million_tokens": None if job["usd"] is None else job["usd"] / millions}
            for job in (*own, *hosted)]  # fmt: skip


def _own(result: Estimate) -> dict[str, Any]:
    """Return the cost of an estimate in the fields of a hosted offer."""
    from costmodel.estimation.chain import Missing

    run, usd, price = result.scenario, result.value("cost"), result.inputs.get("prices.price")
    known = not isinstance(usd, Missing)
    low, high = result.bounds("cost") if known else (None, None)
    return {
        "where": f"{run.cluster.count:,} × {run.cluster.accelerator.name}", "model": run.architecture.name,
        "method": " + ".join(recipe.kind.replace("_", " ") for recipe in run.recipes),
        "usd": usd if known else None, "low": low, "high": high,
        "as_of": price.provenance.as_of if price else "", "source": price.provenance.source if price else "",
        "note": "",
    }  # fmt: skip


def _jobs_table(jobs: list[dict[str, Any]]) -> str:
    with cells_in_currency():
        return _jobs_text(jobs)


def _jobs_text(jobs: list[dict[str, Any]]) -> str:
    rows = [
        {"where the job runs": job["where"], "model": job["model"], "method": job["method"],
         "cost": "-" if job["usd"] is None else amount(job["usd"], "USD"),
         "80 % interval": _interval(job["low"], job["high"]),
         "per million tokens": "-" if job["usd"] is None else amount(job["usd_per_million_tokens"], "USD"),
         "price of": job["as_of"] or "-"}
        for job in jobs
    ]  # fmt: skip
    billed = "hosted services charge for tokens × epochs; check that the service offers the model"
    hosted = [job for job in jobs if job["note"]]
    lines = [billed, *(f"{job['where']}: {job['note']}" for job in hosted)]
    return text(rows, footer="\n".join(lines) if hosted else "no price of a hosted service is known for this job")


def _interval(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "-"
    return "exact" if low == high else between(amount(low, "USD"), amount(high, "USD"))
