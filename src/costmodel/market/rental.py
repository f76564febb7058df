"""What is paid per GPU-hour? A given price, or that of a provider or the market on a day."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Date, PricePerGPUHour
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, Table, read_csv, table
from costmodel.market.gpu_prices import MARKET, GPUPrice, PurchaseModel, gpu_price
from costmodel.market.price_table import COLUMNS, check_prices


class Rental(Spec):
    """Rented accelerators: `Rental()` is the market, on demand, at the newest facts.

    Examples
    --------
    >>> Rental(price="$2.99/h").price
    2.99
    >>> Rental(provider="lambda", on="2026-10-01").figure("H100-SXM", count=8, node_size=8).value
    3.99
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    provider: str = MARKET
    """A provider of the price table, or "market": the median of those that are no hyperscalers."""
    purchase_model: PurchaseModel = "on_demand"
    on: Date | None = None
    """Day of the price; the newest day of the table unless given."""
    region: str | None = None
    price: PricePerGPUHour | None = None
    """Given instead of looked up [USD/hour] per GPU, or per instance."""
    per: Literal["gpu", "instance"] = "gpu"
    table: str | None = None
    """Path of a price CSV in the schema of data/gpu_prices.csv, whose facts are added to the library's."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        looked_up = {"provider", "purchase_model", "on", "region", "table"} & self.model_fields_set
        if self.price is not None and looked_up:
            raise ValueError(f"price is given, so {', '.join(sorted(looked_up))} has nothing to look up; leave one out")
        if self.price is None and self.per == "instance":
            raise ValueError("per='instance' goes with a given price")
        return self

    def figure(self, accelerator: str, count: int, node_size: int) -> Figure:
        """Return the price of one accelerator [USD/hour], with its spread and provenance.

        Raises
        ------
        MissingFactError, UnknownNameError
            If no such price is known.
        """
        if self.price is not None:
            share = 1 / node_size if self.per == "instance" else 1.0
            spread = self.price.scaled(share, "USD/hour") if isinstance(self.price, Range) else None
            value = spread.median() if spread is not None else float(self.price) * share  # type: ignore[arg-type]
            note = f"per instance of {node_size}" if self.per == "instance" else ""
            return Figure(value, spread, Provenance("given", note=note))
        found = self.lookup(accelerator, count)
        return Figure(
            found.usd_per_gpu_hour, found.spread, Provenance("looked up", found.source, str(found.as_of), _note(found))
        )

    def lookup(self, accelerator: str, count: int | None = None) -> GPUPrice:
        """Return the price fact of one accelerator."""
        facts = _with_library(self.table) if self.table else None
        return gpu_price(
            accelerator, self.provider, self.purchase_model, self.on, count=count, region=self.region, facts=facts
        )


def _note(price: GPUPrice) -> str:
    parts = [price.provider, price.purchase_model.replace("_", " "), price.instance_type, price.region]
    if price.on is not None:
        parts.append(f"for {price.on}")
    if price.stale:
        parts.append("older than a year")
    return ", ".join(part for part in parts if part)


@lru_cache(maxsize=8)
def _with_library(path: str) -> Table:
    own, library = read_csv(Path(path)), table("gpu_prices")
    accelerators = {row["accelerator"] for row in (*library.rows, *own.rows)}
    wrong = [each for each in check_prices(own, accelerators) if "is not sorted" not in each]
    if wrong:
        raise InputError(wrong)
    return Table(f"gpu_prices and {own.name}", (*library.rows, *own.rows), COLUMNS, own.sha256)
