"""How the price of a GPU-hour is chosen: given, or looked up for a provider or the market on a day."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.fields import Date, Measure, PricePerGPUHour, reported
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, Table, read_csv
from costmodel.hardware.accelerator import accelerator_names
from costmodel.hardware.cluster import Cluster
from costmodel.market.charges import Charges, CostLine, rent
from costmodel.market.commitments import TERMS, discounted, given_discount, published_discount, unused_commitment
from costmodel.market.gpu_prices import (
    MARKET,
    GPUPrice,
    PurchaseModel,
    gpu_price,
    named_provider,
    named_purchase_model,
    traced_prices,
)
from costmodel.market.places import Placed, at_site, larger_instances
from costmodel.market.price_proxies import price_proxy
from costmodel.market.published_prices import published_price

if TYPE_CHECKING:
    from costmodel.foundation.fields import DateLike, RangeLike

PriceConvention = Literal["on_demand", "contract", "published"]
CONVENTIONS: dict[str, tuple[PurchaseModel, ...]] = {
    "on_demand": ("on_demand",),
    "contract": ("reserved_1y", "reserved_3y"),
    "published": (),
}
"""Purchase models that a price convention uses, the default first; a published price has none."""


_LOOKED_UP = frozenset(
    {"provider", "convention", "purchase_model", "on", "region", "table", "discount", "published_discount"}
)
"""Fields of a rental that decide a price which is looked up."""
Days: TypeAlias = Annotated[float | Range, Measure("day", 0.0, 1e5, open_low=True)]
Discounted: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0, open_high=True)]
UnusedShare: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0)]


class Rental(Spec):
    """Rented accelerators: `Rental()` is the market price on demand, from the newest prices.

    A market price that is not known gets a proxy, which names what it was taken from; see
    `costmodel.market.price_proxies`.

    Examples
    --------
    >>> Rental(price="$2.99/h").price
    2.99
    >>> Rental(provider="lambda", on="2026-10-01").figure("H100-SXM", count=8, node_size=8).value
    3.99
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            provider: str = ...,
            convention: PriceConvention | None = ...,
            purchase_model: PurchaseModel = ...,
            on: DateLike | None = ...,
            region: str | None = ...,
            price: RangeLike | None = ...,
            per: Literal["gpu", "instance"] = ...,
            table: str | None = ...,
            discount: RangeLike | None = ...,
            published_discount: bool = ...,
            commitment: RangeLike | None = ...,
            unused_share: RangeLike = ...,
        ) -> None: ...

    provider: str = Field(
        default=MARKET,
        description='A provider of the price table, or "market": the median of all providers but hyperscalers.',
    )
    convention: PriceConvention | None = Field(
        default=None,
        description='What the price is said in: "on_demand", the list price of a GPU-hour without commitment; '
        '"contract", the price of a commitment of one year (of three with `purchase_model`), as large laboratories '
        'pay; "published", the price per GPU-hour by which the newest publication about a run on the accelerator '
        "turned its GPU-hours into dollars. Default: that of `purchase_model`.",
    )
    purchase_model: Annotated[PurchaseModel, BeforeValidator(reported(named_purchase_model))] = Field(
        default="on_demand",
        description='Kind of contract: "on_demand", "spot", "reserved_short", "reserved_1y", "reserved_3y" or '
        '"marketplace"; other names are known too, such as "preemptible" or "3-year". Spot instances are interrupted, '
        "also at a given price.",
    )
    on: Date | None = Field(default=None, description="Day of the price; by default the newest day of the table.")
    region: str | None = Field(
        default=None,
        description='Region as the provider names it; "" for prices without a region. Default: that of '
        "`cluster.site.region`, where the table has a price of the provider there.",
    )
    price: PricePerGPUHour | None = Field(
        default=None, description="A given price [USD/hour], per GPU or per instance; looked up by default."
    )
    per: Literal["gpu", "instance"] = Field(default="gpu", description="Whether `price` is per GPU or per instance.")
    table: str | None = Field(
        default=None,
        description="Path of a CSV file in the columns of data/gpu_prices.csv; its prices are added to those of the "
        "library.",
    )
    discount: Discounted | None = Field(
        default=None,
        description="Share off the price on demand by a contract [1]; the price is then derived from that on demand.",
    )
    published_discount: bool = Field(
        default=False,
        description="Whether a commitment of one year or three at a provider without a price of it is derived from the "
        "price on demand and the mean discount of the provider (data/facts/commitment_discounts.csv).",
    )
    commitment: Days | None = Field(
        default=None,
        description="Length of a commitment that is billed whole, also where the run is shorter [day]. Default: the "
        "run is billed its own time.",
    )
    unused_share: UnusedShare = Field(
        default=1.0, description="Share of the unused part of `commitment` that the run is billed [1]."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        looked_up = _LOOKED_UP & self.model_fields_set
        looked_up -= {name for name in ("convention", "discount", "published_discount") if not getattr(self, name)}
        if self.purchase_model == "spot":  # it brings interruptions
            looked_up -= {"purchase_model"}
        if self.price is not None and looked_up:
            raise ValueError(f"price is given, so {', '.join(sorted(looked_up))} has no effect; leave one out")
        if self.price is None and self.per == "instance":
            raise ValueError("per='instance' needs a given price")
        if self.convention is not None:
            self._check_convention(self.convention)
        if problems := self._commitment_problems():
            raise ValueError("; ".join(problems))
        return self

    def _commitment_problems(self) -> list[str]:
        """Return what is wrong with the discounts and the commitment."""
        problems, model = [], self.looked_up_model
        reserved = model in TERMS
        if self.discount is not None and not (reserved or model in {"on_demand", "reserved_short"}):
            problems.append(f"discount is for prices on demand and reserved ones; purchase_model is {model!r}")
        if self.published_discount and (not reserved or self.provider.lower() == MARKET):
            listed = " or ".join(repr(name) for name in TERMS)
            problems.append(f"published_discount needs a provider and purchase_model {listed}")
        if self.discount is not None and self.published_discount:
            problems.append("discount and published_discount are both given; leave one out")
        if self.commitment is not None and model in {"spot", "marketplace"}:
            problems.append(f"commitment is for prices on demand and reserved ones; purchase_model is {model!r}")
        if self.commitment is None and "unused_share" in self.model_fields_set:
            problems.append("unused_share needs a commitment")
        return problems

    def _check_convention(self, convention: PriceConvention) -> None:
        """Raise ValueError if other fields contradict the convention or have no effect with it."""
        models = CONVENTIONS[convention]
        if convention == "published":
            unused = (_LOOKED_UP - {"convention", "on"}) & self.model_fields_set
            if unused:
                raise ValueError(f"convention is 'published', so {', '.join(sorted(unused))} has no effect")
        elif "purchase_model" in self.model_fields_set and self.purchase_model not in models:
            listed = " or ".join(repr(model) for model in models)
            raise ValueError(
                f"purchase_model {self.purchase_model!r} contradicts convention {convention!r}, which is {listed}; "
                "leave one out"
            )

    @property
    def looked_up_model(self) -> PurchaseModel:
        """The purchase model whose price is looked up: the given one, or else that of the convention."""
        if self.convention is None or "purchase_model" in self.model_fields_set:
            return self.purchase_model
        return next(iter(CONVENTIONS[self.convention]), self.purchase_model)

    @property
    def interruptible(self) -> bool:
        """Whether the accelerators are those of spot instances, which are taken back at times."""
        return self.looked_up_model == "spot"

    def figure(self, accelerator: str, count: int, node_size: int) -> Figure:
        """Return the price of one accelerator [USD/hour]; see `choose_price`.

        Parameters
        ----------
        accelerator : str
            Name of the catalog.
        count : int
            Number of accelerators [1].
        node_size : int
            Accelerators per instance [1].
        """
        return choose_price(self, accelerator, count, node_size)

    def at_site(self, site: str | None, accelerator: str, count: int) -> Placed:
        """Return the rental in the region of a site, and a caution where no price of that region is known.

        Parameters
        ----------
        site : str or None
            Region of the site: country, US state or cloud region.
        accelerator : str
            Name of the catalog.
        count : int
            Number of accelerators [1].
        """
        return at_site(self, site, accelerator, count)

    def price_of(self, cluster: Cluster) -> Figure:
        """Return the price of an hour of an accelerator of a cluster [USD/hour], in the region of its site if known.

        Parameters
        ----------
        cluster : Cluster
            Accelerators and their site.
        """
        name, count = cluster.accelerator.name, cluster.count
        return self.at_site(cluster.site.region, name, count).rental.figure(name, count, cluster.node_size)

    def caution(self, cluster: Cluster) -> str:
        """Return a caution about the price for a cluster, such as an unknown price of its region, or "".

        Parameters
        ----------
        cluster : Cluster
            Accelerators and their site.
        """
        name, count = cluster.accelerator.name, cluster.count
        cautions = (self.at_site(cluster.site.region, name, count).caution, larger_instances(self, name, count))
        return "; ".join(caution for caution in cautions if caution)

    def charges(self, cluster: Cluster) -> Charges:
        """Return the lines of the bill of a run on rented accelerators: the rent.

        Parameters
        ----------
        cluster : Cluster
            The accelerators, and the site in whose region a provider's price is looked up where the table has one.
        """
        lines = [CostLine("rent", "rent", rent, ("gpu_hours", "prices.price"), "GPU-hours × price")]
        inputs: dict[str, tuple[str, Callable[[], Figure]]] = {
            "prices.price": ("USD/hour", lambda: self.price_of(cluster))
        }
        if self.commitment is not None:
            names = ("gpu_hours", "cluster.count", "prices.commitment", "prices.unused_share", "prices.price")
            formula = "(count × commitment - GPU-hours, at least 0) × billed share × price"
            lines.append(CostLine("unused_commitment", "unused commitment", unused_commitment, names, formula))
            length, share = self.commitment, self.unused_share
            inputs["prices.commitment"] = "day", lambda: _given(length)
            inputs["prices.unused_share"] = "1", lambda: _given(share)
        return Charges(tuple(lines), inputs)

    @property
    def priced_models(self) -> tuple[PurchaseModel, ...]:
        """The purchase models from whose prices the price comes, in the order in which they are looked up."""
        if self.discount is not None:
            return ("on_demand",)
        return (self.looked_up_model, "on_demand") if self.published_discount else (self.looked_up_model,)

    @checked("accelerator", "count")
    def lookup(self, accelerator: str, count: int | None = None) -> GPUPrice:
        """Return the price of one accelerator from the price table, before instances are rounded up.

        Parameters
        ----------
        accelerator : str
            Name of the catalog.
        count : int, optional
            Number of accelerators, for prices that depend on the size of the instance [1].
        """
        return _price(self, accelerator, count, self.facts())

    def proxy(self, accelerator: str, count: int | None = None) -> GPUPrice:
        """Return the proxy of the market price of one accelerator, for a price that is not known.

        Parameters
        ----------
        accelerator : str
            Name of the catalog.
        count : int, optional
            Number of accelerators, for prices that depend on the size of the instance [1].
        """
        return _proxy(self, accelerator, count, self.facts())

    def lookup_or_proxy(self, accelerator: str, count: int | None = None) -> GPUPrice:
        """Return the price of the table, or else a proxy where the price of the market was looked for.

        Parameters
        ----------
        accelerator : str
            Name of the catalog.
        count : int, optional
            Number of accelerators, for prices that depend on the size of the instance [1].

        Raises
        ------
        MissingFactError, UnknownNameError
            If neither is known.
        """
        try:
            return self.lookup(accelerator, count)
        except UnknownNameError:
            if accelerator_names().proper(accelerator) is not None:
                raise
            reason = f"no rental price of {accelerator} is known; give prices.price, or prices.table with it"
            raise MissingFactError(reason) from None
        except MissingFactError as error:
            if self.provider.lower() != MARKET or self.convention == "published":
                raise
            try:
                return self.proxy(accelerator, count)
            except MissingFactError as without:
                raise MissingFactError(f"{error}; no proxy: {without}") from None

    def facts(self) -> Table | None:
        """Return the price table with the prices of `table`; None where that of the library is used."""
        return _with_library(self.table) if self.table else None


def choose_price(rental: Rental, accelerator: str, count: int, node_size: int) -> Figure:
    """Return the price of one accelerator that an estimate uses [USD/hour], with its uncertainty and source.

    A given price comes first (`Rental.price`). Otherwise `gpu_price` looks it up: the newest price of a provider on
    or before a day, or the median of the market. A market price that is not known gets a proxy (`price_proxy`), which
    the note of the figure names. Instances are rented whole: the price includes idle accelerators.

    Parameters
    ----------
    rental : Rental
        The given price, or provider, purchase model, day and region.
    accelerator : str
        Name in the catalog.
    count : int
        Accelerators needed.
    node_size : int
        Accelerators per node, for prices per instance.

    Raises
    ------
    MissingFactError, UnknownNameError
        If no such price is known.
    """
    if rental.price is not None:
        size = node_size if rental.per == "instance" else 1
        factor = billed(count, size) / (count * size)
        price = rental.price.scaled(factor, "USD/hour") if isinstance(rental.price, Range) else rental.price * factor
        note = f"per instance of {size}, {billed(count, size)} of {count} billed" if size > 1 else ""
        return Figure(middle(price), price if isinstance(price, Range) else None, Provenance("given", note=note))
    looked_up = rental.lookup_or_proxy(accelerator, count)
    factor = billed(count, looked_up.gpus_per_instance or 1) / count
    if looked_up.proxy:
        note = f"{looked_up.proxy}, for {looked_up.on}"
        caution = f"prices.price: {looked_up.proxy}"
        provenance = Provenance("assumed", _source(looked_up), str(looked_up.as_of), note, caution)
    else:
        old = f"prices.price: the price of {looked_up.as_of} is older than a year" if looked_up.stale else ""
        provenance = Provenance("looked up", _source(looked_up), str(looked_up.as_of), _note(looked_up, count), old)
    return Figure(looked_up.usd_per_gpu_hour * factor, looked_up.spread, provenance)


@lru_cache(maxsize=256)
def _price(rental: Rental, accelerator: str, count: int | None, facts: Table | None) -> GPUPrice:
    if rental.convention == "published":
        return published_price(accelerator, rental.on)
    model = rental.looked_up_model

    def price(purchase_model: PurchaseModel) -> GPUPrice:
        where = {"count": count, "region": rental.region, "facts": facts}
        return gpu_price(accelerator, rental.provider, purchase_model, rental.on, **where)  # type: ignore[arg-type]

    if rental.discount is not None:
        return discounted(price("on_demand"), model, given_discount(rental.discount))
    try:
        return price(model)
    except MissingFactError:
        if not rental.published_discount:
            raise
    return discounted(price("on_demand"), model, published_discount(named_provider(rental.provider, facts), model))


@lru_cache(maxsize=256)
def _proxy(rental: Rental, accelerator: str, count: int | None, facts: Table | None) -> GPUPrice:
    model = rental.looked_up_model
    if rental.discount is None:
        return price_proxy(accelerator, model, rental.on, count=count, facts=facts)
    demand = price_proxy(accelerator, "on_demand", rental.on, count=count, facts=facts)
    return discounted(demand, model, given_discount(rental.discount))


def _given(value: float | Range) -> Figure:
    return Figure(middle(value), value if isinstance(value, Range) else None, Provenance("given"))


def billed(count: int, size: int) -> int:
    """Return how many accelerators are billed if instances of `size` are rented whole.

    Parameters
    ----------
    count, size : int
        Accelerators needed, and accelerators per instance.
    """
    return -(-count // size) * size


def _source(price: GPUPrice) -> str:
    """Return the source of a price; of a market price, the sources of all its prices."""
    if not price.facts:
        return price.source
    listed = (f"{fact.provider} {fact.usd_per_gpu_hour:g} ({fact.as_of}): {fact.source}" for fact in price.facts)
    return " ; ".join(listed)


def _note(price: GPUPrice, count: int) -> str:
    parts = [price.provider, price.purchase_model.replace("_", " "), price.instance_type, price.region]
    if price.facts:  # the source names them
        parts.append(f"median of {len(price.facts)} provider{'s'[: len(price.facts) > 1]}")
    whole = billed(count, price.gpus_per_instance or 1)
    if whole != count:
        parts.append(f"{whole} billed for {count}")
    if price.on is not None:
        parts.append(f"for {price.on}")
    return ", ".join(part for part in parts if part)


def _with_library(path: str) -> Table:
    try:
        stamp = Path(path).stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"prices.table: {path} cannot be read: {reason}") from None
    return _joined(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=8)
def _joined(path: str, _changed: int, _size: int) -> Table:
    """Return the library's prices with those of a file, which win where both have a price of an offer and day."""
    from costmodel.market.price_table import COLUMNS, check_prices, offer

    own, library = read_csv(Path(path)), traced_prices()
    accelerators = {row["accelerator"] for row in (*library.rows, *own.rows)}
    if wrong := check_prices(own, accelerators, ordered=False):
        raise InputError([f"{own.name}: {each}" for each in wrong])
    taken = {offer(row) for row in own.rows}
    kept = tuple(row for row in library.rows if offer(row) not in taken)
    origin = f"(in {Path(path).name}, {own.sha256[:12]})"
    rows = tuple({**row, "source_url": f"{row['source_url']} {origin}"} for row in traced_prices(own).rows)
    return Table(f"gpu_prices and {own.name}", (*kept, *rows), COLUMNS, own.sha256)
