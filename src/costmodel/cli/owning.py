"""The command `costmodel own`: the cost of an owned hour, and from when owning costs less than renting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.cli.changes import Changes, built, parsed_changes, whole
from costmodel.cli.money import in_currency
from costmodel.cli.output import emit
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.planning.rent_or_own_result import RentOrOwn

_FILES = {".toml", ".json"}
_OWNED, _SITE = "prices.", ("site.", "cluster.site.")


def own(
    what: Annotated[str, typer.Argument(metavar="GPU|FILE", help="Accelerator, or scenario file (.toml, .json).")],
    gpus: Annotated[
        int | None, typer.Option(parser=whole, metavar="INTEGER", help="Number of accelerators; 8 by default.")
    ] = None,
    purchase_price: Annotated[
        str | None, typer.Option(help="Price of an accelerator, such as '$30k'; looked up by default.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="Day of the purchase and of the rent, such as 2025-01-01.")] = None,
    utilization: Annotated[str | None, typer.Option(help="Share of the hours with a job, such as 0.8.")] = None,
    life: Annotated[str | None, typer.Option(help="Years of life, such as 4.")] = None,
    colocation: Annotated[
        str | None, typer.Option(help="Colocation per kW and month, such as '$190/kW/month'.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="Rent of a GPU-hour, such as '$2.50/h'.")] = None,
    provider: Annotated[str | None, typer.Option(help="Provider of the rent, or 'market' for the median.")] = None,
    purchase_model: Annotated[str | None, typer.Option(help="Of the rent: on_demand, reserved_1y, ...")] = None,
    rent_decline: Annotated[str, typer.Option(help="Yearly decline of ln(rent), such as '0.1 to 0.3'.")] = "0",
    region: Annotated[str | None, typer.Option(help="Country, US state or cloud region.")] = None,
    changes: Changes = None,
) -> None:
    """Compare owned with rented accelerators: cost of an hour, break-even utilization, years to pay back.

    Prints the lines of an owned hour, then rent against own, each with an 80 % interval, and for a run its cost rented,
    owned (amortized) and purchased. `--set prices.FIELD=VALUE` sets a field of the ownership, `--set site.FIELD=VALUE`
    one of the site.
    """
    given = {"purchase_price": purchase_price, "utilization": utilization, "life": life, "colocation": colocation}
    if purchase_price is None:
        given["on"] = on
    rented = {"price": price, "provider": provider, "purchase_model": purchase_model, "on": None if price else on}
    options = {"gpus": gpus, "region": region, "rent_decline": rent_decline}
    values, problems = parsed_changes(changes)
    result = built(problems, lambda: _result(what, _filled(given), _filled(rented), options, values))
    hour, shown = (in_currency(each) for each in (result.owned, result))
    emit("own", hour, shown, data=shown.to_dict, rows=shown.rows)


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _result(
    what: str, owned: dict[str, Any], rented: dict[str, Any], options: dict[str, Any], values: dict[str, Any]
) -> RentOrOwn:
    """Return rent against own for an accelerator or a scenario file."""
    from costmodel.market.owned import Ownership
    from costmodel.market.rental import Rental
    from costmodel.planning.rent_or_own import rent_or_own

    owned |= {path.removeprefix(_OWNED): value for path, value in values.items() if path.startswith(_OWNED)}
    rest = {path: value for path, value in values.items() if not path.startswith(_OWNED)}
    owned.pop("kind", None)
    rent = Rental.from_data(rented) if rented else None
    decline = options["rent_decline"]
    if Path(what).suffix.lower() in _FILES:
        run = _run(Path(what), options, rest)
        base = run.prices if isinstance(run.prices, Ownership) else Ownership()
        return rent_or_own(run, rent=rent, own=base.replace(owned), rent_decline=decline)
    return rent_or_own(_fleet(what, options, rest), rent=rent, own=Ownership.from_data(owned), rent_decline=decline)


def _run(path: Path, options: dict[str, Any], rest: dict[str, Any]) -> Scenario:
    from costmodel.estimation.scenario import Scenario

    placed = {"cluster.count": options["gpus"], "cluster.site.region": options["region"]}
    return Scenario.load(path, {**_filled(placed), **rest})


def _fleet(name: str, options: dict[str, Any], rest: dict[str, Any]) -> Any:
    """Return the fields of a cluster."""
    site = {"region": options["region"]} if options["region"] else {}
    for path, value in rest.items():
        prefix = next((start for start in _SITE if path.startswith(start)), None)
        if prefix is None:
            raise InputError(f"--set: {path} is not a field of prices or site; give a scenario file to set others")
        site[path.removeprefix(prefix)] = value
    return {"accelerator": name, "count": 8 if options["gpus"] is None else options["gpus"], "site": site}
