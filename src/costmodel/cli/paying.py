"""The options `--own` and `--purchase-price`: owned accelerators in place of rented ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Own = Annotated[bool, typer.Option("--own", help="Own the accelerators instead of renting them.")]
PurchasePrice = Annotated[
    str | None, typer.Option(help="With owned accelerators: price of one, such as '$30k'; looked up by default.")
]
_RENTED = ("provider", "purchase_model", "convention", "price")


def owned_prices(options: Mapping[str, Any], own: bool, purchase_price: str | None) -> dict[str, Any]:
    """Return the options of a command with owned accelerators, if they are asked for.

    Parameters
    ----------
    options : Mapping
        Values by path of a scenario.
    own : bool
        Value of `--own`.
    purchase_price : str or None
        Value of `--purchase-price`, which implies `--own`.
    """
    if not own and purchase_price is None:
        return dict(options)
    rented = [name for name in _RENTED if f"prices.{name}" in options]
    if rented or "prices" in options:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in rented or ["price"])
        raise InputError(f"--own: has no rent, so {names} has no effect; leave one out")
    fields = {"kind": "owned", "purchase_price": purchase_price, "on": options.get("prices.on")}
    others = {path: value for path, value in options.items() if path != "prices.on"}
    return {**others, "prices": {name: value for name, value in fields.items() if value is not None}}
