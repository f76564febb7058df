"""Owned accelerators: what they cost a run, in lines of a bill, from the purchase price to the staff."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import Field, model_validator

from costmodel.foundation.checks import seed_problems
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Date, Fraction, Measure, Power, Years
from costmodel.foundation.ranges import Range, between, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, Row, default, table
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.power import server_power
from costmodel.hardware.site import Site
from costmodel.market import owned_costs as costs
from costmodel.market.charges import Charges, CostLine
from costmodel.market.owned_costs import Depreciation, Part
from costmodel.market.purchase_prices import has_quotes, purchase_price, purchase_proxy

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from costmodel.foundation.fields import DateLike, RangeLike
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.hardware.cluster import Cluster
    from costmodel.market.levelized import Levelized

Convention = Literal["amortized", "acquisition"]
Hosting = Literal["data_center", "colocation"]

PurchasePrice: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e8)]
ServerFactor: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 100.0)]
ShareOrZero: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0, open_high=True)]
Age: TypeAlias = Annotated[float | Range, Measure("year", -10.0, 100.0)]
YearlyRate: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 10.0)]
PerMegawatt: TypeAlias = Annotated[float | Range, Measure("USD/MW", 0.0, 1e10)]
PerKilowattMonth: TypeAlias = Annotated[float | Range, Measure("USD/kW/month", 0.0, 1e6)]
PerYear: TypeAlias = Annotated[float | Range, Measure("USD/year", 0.0, 1e8)]

_UNITS = {
    "purchase_price": "USD",
    "life": "year",
    "age": "year",
    "data_center_capital": "USD/MW",
    "data_center_life": "year",
    "colocation": "USD/kW/month",
    "power_capacity": "W",
    "staff": "USD/year",
}
"""Units of the fields; those of the others are 1."""
_PARTS: tuple[tuple[Part, str], ...] = (
    ("accelerators", "accelerators"),
    ("servers", "other server parts"),
    ("network", "network"),
    ("storage", "storage"),
)
_PRICES = ("prices.purchase_price", "prices.server_factor", "prices.network_share", "prices.storage_share")
_TIME = ("gpu_hours", "prices.utilization")
_SPAN = 0.999
_LEAST_UTILIZATION = 1e-6
"""Least share of busy hours of the life that is accepted [1]; smaller ones are mistakes."""


class Ownership(Spec):
    """Owned accelerators: `Ownership()` looks up the purchase price and takes dated defaults for the rest.

    A run pays for the part of the life of the hardware that it uses, idle hours included: loss of value, interest,
    electricity, data center or colocation, staff and support, each a line of `Estimate.bill`.

    Examples
    --------
    >>> own = Ownership(purchase_price=30_000, life=5, residual_share=0.1)
    >>> own.purchase_price, own.depreciation
    (30000.0, 'straight_line')
    >>> 1.0 < Ownership().levelized("H100-SXM").usd_per_hour < 4.0
    True
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            convention: Convention = ...,
            on: DateLike | None = ...,
            purchase_price: RangeLike | None = ...,
            includes: Literal["accelerator", "server"] = ...,
            server_factor: RangeLike | None = ...,
            network_share: RangeLike | None = ...,
            storage_share: RangeLike | None = ...,
            depreciation: Depreciation = ...,
            life: RangeLike | None = ...,
            residual_share: RangeLike | None = ...,
            value_decline: RangeLike | None = ...,
            age: RangeLike = ...,
            cost_of_capital: RangeLike | None = ...,
            dollars: Literal["nominal", "real"] = ...,
            inflation: RangeLike | None = ...,
            utilization: RangeLike | None = ...,
            idle_power_share: RangeLike | None = ...,
            hosting: Hosting | None = ...,
            data_center_capital: RangeLike | None = ...,
            data_center_life: RangeLike | None = ...,
            colocation: RangeLike | None = ...,
            colocation_includes_electricity: bool = ...,
            power_capacity: RangeLike | None = ...,
            staff: RangeLike | None = ...,
            support_share: RangeLike | None = ...,
        ) -> None: ...

    kind: Literal["owned"] = Field(default="owned", description="Kind of the prices.")
    convention: Convention = Field(
        default="amortized",
        description='What a run is charged: "amortized", the part of the life of the hardware that it uses and its '
        'operation; "acquisition", the purchase of the whole cluster and nothing else.',
    )
    on: Date | None = Field(default=None, description="Day of purchase; by default that of the newest quote.")
    purchase_price: PurchasePrice | None = Field(
        default=None, description="Price per accelerator [USD]; looked up by accelerator and day by default."
    )
    includes: Literal["accelerator", "server"] = Field(
        default="accelerator",
        description='What `purchase_price` pays: the "accelerator" alone, or its share of a "server".',
    )
    server_factor: ServerFactor | None = Field(
        default=None,
        description="Price of a server per accelerator over that of the accelerator [1]. Default: by generation.",
    )
    network_share: ShareOrZero | None = Field(
        default=None, description="Share of the network in the price of the cluster [1]. Default: 0.13 to 0.26."
    )
    storage_share: ShareOrZero | None = Field(
        default=None, description="Share of the storage in the price of the cluster [1]. Default: 0.01 to 0.06."
    )
    depreciation: Depreciation = Field(
        default="straight_line",
        description='Loss of value: "straight_line", equal amounts over `life` down to `residual_share`; '
        '"price_performance", a share `value_decline` of the present value, which newer accelerators lower.',
    )
    life: Years | None = Field(
        default=None, description="Years over which the hardware is written off [year]. Default: 4 to 6."
    )
    residual_share: ShareOrZero | None = Field(
        default=None, description="Share of the price that is left at the end of life [1]. Default: 0.05 to 0.25."
    )
    value_decline: YearlyRate | None = Field(
        default=None,
        description="Yearly decline of ln(value) [1], with depreciation by price-performance. Default: 0.23 to 0.41.",
    )
    age: Age = Field(
        default=0.0,
        description="Years from the purchase to the start of the run [year], with depreciation by price-performance.",
    )
    cost_of_capital: YearlyRate | None = Field(
        default=None, description="Interest per year on the money in the hardware, nominal [1]. Default: 0.06 to 0.14."
    )
    dollars: Literal["nominal", "real"] = Field(
        default="nominal",
        description='Dollars of the cost: "nominal", the same amount in each year of the life; "real", in dollars of '
        "the year of purchase, so that the cost of capital counts above `inflation`.",
    )
    inflation: YearlyRate | None = Field(
        default=None, description="Inflation per year, with real dollars [1]. Default: assumed, with a spread."
    )
    utilization: Fraction | None = Field(
        default=None,
        description="Share of the hours of its life in which an accelerator is assigned to jobs [1]; runs pay for the "
        "idle hours too. Default: 0.5 to 0.9.",
    )
    idle_power_share: ShareOrZero | None = Field(
        default=None, description="Wall power without a job over that with one [1]. Default: 0.2 to 0.4."
    )
    hosting: Hosting | None = Field(
        default=None,
        description='Where the servers stand: "data_center", in a building of the owner; "colocation", at a rent per '
        "kW and month. Default: colocation if `colocation` is given, else data_center.",
    )
    data_center_capital: PerMegawatt | None = Field(
        default=None,
        description="Building, power and cooling per MW of servers [USD/MW]. Default: 8.3 to 14.5 million.",
    )
    data_center_life: Years | None = Field(
        default=None, description="Years over which the data center is written off [year]. Default: 10 to 20."
    )
    colocation: PerKilowattMonth | None = Field(
        default=None, description="Colocation per kW of design power [USD/kW/month]. Default: 150 to 260."
    )
    colocation_includes_electricity: bool = Field(
        default=False, description="Whether the colocation pays the electricity; wholesale colocation does not."
    )
    power_capacity: Power | None = Field(
        default=None,
        description="Design power reserved per accelerator [W]. Default: the TDP with its share of the server.",
    )
    staff: PerYear | None = Field(
        default=None, description="Operations staff per accelerator [USD/year]. Default: 250 to 1,050."
    )
    support_share: YearlyRate | None = Field(
        default=None,
        description="Support and spare parts per year, as a share of the price of the hardware [1]. "
        "Default: 0.01 to 0.08.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [*self._unused(), *self._too_large(), *self._too_small()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unused(self) -> list[str]:
        """Return the fields that have no effect beside others."""
        unused: list[tuple[str, set[str]]] = []
        if self.purchase_price is not None:
            unused.append(("purchase_price is given", {"on"}))
        else:
            unused.append(("purchase_price is not given", {"includes"}))
        if self.depreciation == "straight_line":
            unused.append(("depreciation is 'straight_line'", {"value_decline", "age"}))
        else:
            unused.append(("depreciation is 'price_performance'", {"life", "residual_share"}))
        if self.dollars == "nominal":
            unused.append(("dollars is 'nominal'", {"inflation"}))
        if self.is_colocated:
            unused.append(("the servers are in colocation", {"data_center_capital", "data_center_life"}))
        else:
            unused.append(("hosting is 'data_center'", {"colocation", "colocation_includes_electricity"}))
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        return [
            f"{reason}, so {', '.join(sorted(names & given))} has no effect; leave one out"
            for reason, names in unused
            if names & given
        ]

    def _too_large(self) -> list[str]:
        """Return the problem if network and storage can be the whole price."""
        shares = [value for value in (self.network_share, self.storage_share) if value is not None]
        total = sum(value.quantile(_SPAN) if isinstance(value, Range) else value for value in shares)
        if total < 1:
            return []
        return [f"network_share and storage_share must be below 1 together; got {total:.3g}"]

    def _too_small(self) -> list[str]:
        """Return the problem if the hours with a job are too few to bear the cost of the others."""
        if self.utilization is None or middle(self.utilization) >= _LEAST_UTILIZATION:
            return []
        return [f"utilization must be at least {_LEAST_UTILIZATION:g}; got {middle(self.utilization):.3g}"]

    @property
    def is_colocated(self) -> bool:
        """Whether the servers stand in a colocation."""
        return self.hosting == "colocation" or (self.hosting is None and self.colocation is not None)

    @property
    def includes_server(self) -> bool:
        """Whether the purchase price is that of a server per accelerator; looked-up prices are not."""
        return self.purchase_price is not None and self.includes == "server"

    @property
    def interruptible(self) -> bool:
        """Whether the accelerators are taken back at times, as spot instances are: never."""
        return False

    def caution(self, cluster: Cluster) -> str:
        """Return a caution about the prices for a cluster: none beside those of the inputs.

        Parameters
        ----------
        cluster : Cluster
            Accelerators and their site.
        """
        return ""

    def charges(self, cluster: Cluster) -> Charges:
        """Return the lines of the bill of a run on owned accelerators, and their inputs.

        Parameters
        ----------
        cluster : Cluster
            The accelerators.
        """
        lines = self._purchase() if self.convention == "acquisition" else self._amortized()
        needed = dict.fromkeys(path for line in lines for path in line.inputs if path.startswith("prices."))
        inputs: dict[str, tuple[str, Callable[[], Figure]]] = {}
        for path in needed:
            name = path.removeprefix("prices.")
            inputs[path] = (_UNITS.get(name, "1"), partial(self.input, name, cluster.accelerator))
        return Charges(lines, inputs)

    def _purchase(self) -> tuple[CostLine, ...]:
        formula = "accelerators × price"
        return tuple(
            CostLine(part, title, costs.purchase_line(part, self.includes_server), ("cluster.count", *_PRICES), formula)
            for part, title in _PARTS
        )

    def _amortized(self) -> tuple[CostLine, ...]:
        with_server, kind, owns = self.includes_server, self.depreciation, not self.is_colocated
        loss = ("prices.life", "prices.residual_share")
        said = "price × (1 - residual share) / life × GPU-hours / utilization"
        if kind == "price_performance":
            loss = ("prices.value_decline", "prices.age")
            said = "value at the start × yearly decline × GPU-hours / utilization"
        lines = [
            CostLine(part, title, costs.depreciation_line(part, with_server, kind), (*_TIME, *_PRICES, *loss), said)
            for part, title in _PARTS
        ]
        if owns or not self.colocation_includes_electricity:
            used = ("energy", "site.electricity", "prices.utilization", "prices.idle_power_share")
            formula = "energy × electricity price × (1 + idle power × idle hours)"
            lines.append(CostLine("electricity", "electricity", costs.electricity_line, used, formula))
        building: tuple[str, ...] = ()
        if owns:
            building = ("prices.data_center_capital", "prices.power_capacity", "prices.data_center_life")
            formula = "capital per MW × design power / life × GPU-hours / utilization"
            lines.append(CostLine("data_center", "data center", costs.data_center_line, (*_TIME, *building), formula))
        else:
            rented = (*_TIME, "prices.colocation", "prices.power_capacity")
            formula = "colocation per kW × design power × GPU-hours / utilization"
            lines.append(CostLine("colocation", "colocation", costs.colocation_line, rented, formula))
        formula = "staff per accelerator and year × GPU-hours / utilization"
        lines.append(CostLine("staff", "operations staff", costs.staff_line, (*_TIME, "prices.staff"), formula))
        supported = (*_TIME, "prices.support_share", *_PRICES)
        formula = "share per year × price × GPU-hours / utilization"
        lines.append(CostLine("support", "support", costs.support_line(with_server), supported, formula))
        real = self.dollars == "real"
        rates = ("prices.cost_of_capital", *(("prices.inflation",) if real else ()))
        tied = (*_TIME, *rates, *_PRICES, *loss, *building)
        formula = "interest on hardware and data center × GPU-hours / utilization"
        lines.append(CostLine("capital", "interest", costs.capital_line(with_server, kind, owns, real), tied, formula))
        return tuple(lines)

    def input(self, name: str, accelerator: Accelerator) -> Figure:
        """Return an input in the unit of its field: given, looked up, or a default with its spread and source.

        Parameters
        ----------
        name : str
            Name of a field with a number.
        accelerator : Accelerator
            The accelerator.

        Raises
        ------
        MissingFactError
            If no purchase price or no design power is known.
        """
        value = getattr(self, name)
        if value is not None:
            return Figure(middle(value), value if isinstance(value, Range) else None, Provenance("given"))
        if name == "purchase_price":
            factor = self.input("server_factor", accelerator).value
            return _looked_up(accelerator, self.on, factor)
        if name == "power_capacity":
            return _design_power(accelerator)
        if name == "inflation":
            return default("inflation")
        return owning_default(name, accelerator.generation)

    def levelized(
        self, accelerator: str | Accelerator | Mapping[str, Any], site: Site | None = None, seed: int = 0
    ) -> Levelized:
        """Return the cost of an hour of an accelerator that is assigned to a job, over its life, line by line.

        Parameters
        ----------
        accelerator : str, Accelerator or Mapping
            A name of the catalog, an `Accelerator`, or its fields.
        site : Site, optional
            Power per accelerator, PUE and electricity price. Default: a busy accelerator, and defaults.
        seed : int
            Seed of the draws.
        """
        from costmodel.market.levelized import Levelized

        problems, given_site = seed_problems(seed), cast("object", site)
        if given_site is not None and not isinstance(given_site, Site):
            problems.append(f"site: must be a Site; got {type(given_site).__name__}")
        if problems:
            raise InputError(problems)
        return Levelized(self, load_accelerator(accelerator), site, seed)

    def price_of(self, cluster: Cluster) -> Figure:
        """Return the levelized cost of an hour of an accelerator of a cluster [USD/hour], as a price of a GPU-hour.

        The electricity is that of a busy accelerator, unless the site gives its power.

        Parameters
        ----------
        cluster : Cluster
            Accelerators and their site.
        """
        return _hour(self, cluster.accelerator, cluster.site)


@lru_cache(maxsize=256)
def _hour(ownership: Ownership, accelerator: Accelerator, site: Site) -> Figure:
    return ownership.levelized(accelerator, site).figure()


def _looked_up(accelerator: Accelerator, on: dt.date | None, factor: float) -> Figure:
    """Return the purchase price of an accelerator alone, or a proxy where no quote is known at all [USD]."""
    try:
        return purchase_price(accelerator.name, on, factor)
    except MissingFactError:
        if has_quotes(accelerator.name):  # the day is too early
            raise
        return purchase_proxy(accelerator, on, factor)


def _design_power(accelerator: Accelerator) -> Figure:
    """Return the design power of an accelerator with its share of the server [W]."""
    if accelerator.tdp is None:
        raise MissingFactError(f"no design power of {accelerator.name} is known; give prices.power_capacity")
    server = server_power(accelerator)
    watts = accelerator.tdp
    note = f"TDP × {server.multiplier:.3g}, the design power of the server"
    provenance = Provenance("looked up", server.source, note=note)
    if isinstance(watts, Range):
        scaled: Range = watts.scaled(server.multiplier, "W")
        return Figure(scaled.median(), scaled, provenance)
    return Figure(watts * server.multiplier, None, provenance)


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Row]:
    return {row["name"]: row for row in table("assumptions/owning").rows}


@lru_cache(maxsize=64)
def owning_default(name: str, generation: str = "") -> Figure:
    """Return a default of `data/assumptions/owning.csv`, in the unit of its row.

    Parameters
    ----------
    name : str
        Name of a field of `Ownership`.
    generation : str
        Of the accelerator, such as "ampere", for defaults that differ between generations.
    """
    rows = _defaults()
    row = rows.get(f"{name}:{generation}", rows[name])
    interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
    shape: Any = row["shape"]
    spread = interval.settled(shape, 0.0 if shape == "logitnormal" else float(row["floor"]))
    return Figure(spread.median(), spread, Provenance("assumed", row["source"], row["as_of"], row["note"]))
