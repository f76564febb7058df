"""The rows of a table of prices, and the table; see `costmodel.planning.price_everywhere`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from costmodel.estimation.estimate import estimate
from costmodel.foundation import currencies, markup, rendering
from costmodel.foundation.errors import MissingFactError

if TYPE_CHECKING:
    from typing import Any

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.scenario import Scenario
    from costmodel.foundation.tables import Provenance
    from costmodel.market.gpu_prices import GPUPrice

SHOWN = 60
"""Rows that are printed; `rows` and `to_frame` have all [1]."""
_NEAREST_WIDTH = 17
"""Largest width of a nearest price with its provider [character]."""
SHORT_PURCHASE_MODELS = {
    "on_demand": "on demand",
    "spot": "spot",
    "reserved_short": "< 1 year",
    "reserved_1y": "1 year",
    "reserved_3y": "3 years",
    "marketplace": "marketplace",
}
"""Purchase models in the printed table."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A run at a provider, in a region, by a purchase model."""

    provider: str
    """Provider, or "market"."""
    region: str
    """Region as the provider spells it; "" for a price without a region."""
    purchase_model: str
    """Purchase model."""
    on: dt.date
    """Day of the prices."""
    scenario: Scenario | None = None
    """The run with this rental, in the region where its place is known; None without a price."""
    usd_per_gpu_hour: float | None = None
    """Price of a GPU-hour, idle accelerators of a whole instance included [USD/hour]."""
    cost: float | None = None
    """Cost of the run [USD]."""
    interval: tuple[float, float] | None = None
    """Interval of the cost [USD]."""
    wall_time: float | None = None
    """Duration [s]."""
    gpu_time: float | None = None
    """GPU time [s]."""
    carbon: float | None = None
    """Greenhouse gas emissions of the electricity [kg]; None where the grid of the region is not known."""
    price: Provenance | None = None
    """Source, date and note of the price."""
    reason: str = ""
    """Why no price is known, or ""."""
    nearest: GPUPrice | None = None
    """Where no price is known, the nearest price of the accelerator that is."""
    unplaced: bool = False
    """Whether there is a price, in a region that is not known, where only some regions are asked for."""

    @property
    def estimate(self) -> Estimate:
        """The estimate, with its bill, sources and notes."""
        if self.scenario is None:
            raise MissingFactError(self.reason)
        return estimate(self.scenario)

    @property
    def age(self) -> int | None:
        """Age of the price [day]."""
        return None if self.price is None else (self.on - dt.date.fromisoformat(self.price.as_of)).days

    def row(self) -> dict[str, Any]:
        """Return the offer as a row; see `PriceTable.rows`."""
        low, high = self.interval or (None, None)
        return {
            "provider": self.provider,
            "region": self.region,
            "purchase_model": self.purchase_model,
            "usd_per_gpu_hour": self.usd_per_gpu_hour,
            "cost": self.cost,
            "cost_low": low,
            "cost_high": high,
            "days": None if self.wall_time is None else self.wall_time / 86_400,
            "gpu_hours": None if self.gpu_time is None else self.gpu_time / 3600,
            "carbon": None if self.carbon is None else self.carbon / 1000,
            "as_of": None if self.price is None else self.price.as_of,
            "age_days": self.age,
            "note": "" if self.price is None else self.price.note,
            "missing": self.reason,
            "nearest": "" if self.nearest is None else _said(self.nearest),
            "source": "" if self.price is None else self.price.source,
        }


def priced(offer: Priced, scenario: Scenario, located: bool, level: float) -> Priced:
    """Return an offer with the figures of its estimate.

    Parameters
    ----------
    offer : Priced
        Provider, region, purchase model and day.
    scenario : Scenario
        The run at this offer.
    located : bool
        Whether the grid of its region is known or given.
    level : float
        Probability inside the interval of the cost, between 0 and 1 [1].
    """
    result = estimate(scenario)
    cost = _number(result, "cost")
    return replace(
        offer,
        scenario=scenario,
        usd_per_gpu_hour=result.inputs["prices.price"].shown()[0],
        cost=cost,
        interval=None if cost is None else result.bounds("cost", level),
        wall_time=_number(result, "wall_time"),
        gpu_time=_number(result, "gpu_hours"),
        carbon=_number(result, "carbon") if located else None,
        price=result.inputs["prices.price"].provenance,
        reason=result.missing_cost,
    )


class PriceTable(currencies.Priced, Sequence[Priced]):
    """What a run costs at every provider, in every region and purchase model; see `price_everywhere`."""

    _index = ("provider", "region", "purchase_model")
    _money = ("usd_per_gpu_hour", "cost", "cost_low", "cost_high")

    _width = rendering.WIDTH

    def __init__(self, run: Scenario, on: dt.date, rows: Sequence[Priced], level: float) -> None:
        self.run = run
        """The run, with its own prices."""
        self.on = on
        """Day of the prices."""
        self.level = level
        """Probability inside the intervals [1]."""
        self._rows = tuple(sorted(rows, key=_order))

    def __getitem__(self, which: Any) -> Any:
        return self._rows[which]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Priced]:
        return iter(self._rows)

    @property
    def priced(self) -> tuple[Priced, ...]:
        """The rows with a price, in ascending order of cost."""
        return tuple(row for row in self if row.scenario is not None)

    @property
    def missing(self) -> tuple[Priced, ...]:
        """The rows without a price."""
        return tuple(row for row in self if row.scenario is None)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per provider, region and purchase model.

        Price [USD/hour], cost with its interval [USD], days, GPU-hours, carbon [tonne], date and age of the price, note
        and source. Figures are None where they are not known: `missing` has the reason, `nearest` the nearest price.
        Carbon is that of the region, so it is None where the place of the region is not known.
        """
        return [row.row() for row in self]

    def to_dict(self) -> dict[str, Any]:
        """Return the day, the run and all rows as plain data."""
        return {"on": str(self.on), "scenario": self.run.to_data(), "rows": self.rows()}

    def _title(self) -> str:
        cluster = self.run.cluster
        return f"{self.run.architecture.name} on {cluster.count:,} × {cluster.accelerator.name}, prices of {self.on}"

    def to_markdown(self) -> str:
        """Return the table with all columns and rows as Markdown."""
        return markup.markdown(self._all_cells(len(self)), self._footer(len(self)))

    def _repr_html_(self) -> str:
        return markup.html_table(self._all_cells(SHOWN), self._title(), self._footer().splitlines())

    def _all_cells(self, most: int) -> list[dict[str, str]]:
        return [{name: cell(row) for name, cell in _columns(self.level).items()} for row in self[:most]]

    def _cells(self) -> list[dict[str, str]]:
        """Return the cells of as many columns as the width allows."""
        rows = self._all_cells(SHOWN)
        for count in range(len(_columns(self.level)), 0, -1):
            shown = [dict(list(row.items())[:count]) for row in rows]
            if max(map(len, rendering.text(shown).splitlines()), default=0) <= rendering.WIDTH:
                return shown
        return rows

    def _footer(self, most: int = SHOWN) -> str:
        lines = []
        if len(self) > most:
            lines.append(f"... and {len(self) - most:,} more rows: rows() has all")
        if any(map(_is_derived, self)):
            lines.append("*: derived from the price on demand; see the note of the row")
        if self.missing:
            lines.append(
                f"no price is known in {len(self.missing):,} of {len(self):,} rows; the nearest one is in parentheses"
            )
        if unplaced := dict.fromkeys(f"{row.provider} {row.region}" for row in self if row.unplaced):
            lines.append(
                f"regions that are not known: {', '.join(unplaced)} ('costmodel regions' lists the known ones)"
            )
        if self.priced:
            lines.append(
                f"{rendering.money_code()}/h: per accelerator in use; idle ones of a whole instance are paid with it"
            )
        lines.append("days, carbon, age, notes, reasons and sources: rows(), to_frame()")
        return "\n".join(lines)


def _order(row: Priced) -> tuple[bool, float, str, str, str]:
    """Return the key of the order: cost, then names; rows without a price at the end."""
    cost = row.cost
    return cost is None, cost or 0.0, row.provider, row.region, row.purchase_model


def _number(result: Estimate, figure: str) -> float | None:
    """Return a figure in SI units, or None if it is not known."""
    value = result.value(figure)
    return value if isinstance(value, float) else None


def _said(price: GPUPrice) -> str:
    """Return a price in words."""
    model = price.purchase_model.replace("_", " ")
    where = f"{price.provider} {price.region}".strip()
    return f"{where} {model}, {price.usd_per_gpu_hour:g} USD/h of {price.as_of}"


def _is_derived(row: Priced) -> bool:
    return row.price is not None and row.price.kind == "assumed"


def _rate(row: Priced) -> str:
    if row.usd_per_gpu_hour is None:
        return "-"
    return f"{rendering.in_money(row.usd_per_gpu_hour):.2f}{'*' if _is_derived(row) else ''}"


def _interval(row: Priced) -> str:
    """Return the interval of the cost, with the unit once where both ends have the same, or the nearest price."""
    if row.interval is None:
        return _nearest(row)
    low, high = (rendering.amount(end, "USD") for end in row.interval)
    return "exact" if low == high else rendering.between(low, high)


def _nearest(row: Priced) -> str:
    """Return the nearest price [USD/hour] in parentheses, with what is different: its purchase model or provider."""
    if row.nearest is None:
        return "-"
    usd, same = f"{rendering.in_money(row.nearest.usd_per_gpu_hour):.2f}", row.nearest.provider == row.provider
    other = row.nearest.purchase_model != row.purchase_model
    if same:
        return f"({usd} {SHORT_PURCHASE_MODELS[row.nearest.purchase_model]})" if other else f"({usd})"
    named = f"({usd} {row.nearest.provider})"
    return named if len(named) <= _NEAREST_WIDTH else f"({usd})"


def _date(row: Priced) -> str:
    if row.price is not None:
        return row.price.as_of
    return "-" if row.nearest is None else str(row.nearest.as_of)


def _shown(value: float | None, unit: str) -> str:
    return "-" if value is None else rendering.amount(value, unit)


def _columns(level: float) -> dict[str, Callable[[Priced], str]]:
    """Return the columns of the printed table by title."""
    return {
        "where": lambda row: f"{row.provider} {row.region}".strip(),
        "purchase": lambda row: SHORT_PURCHASE_MODELS[row.purchase_model],
        f"{rendering.money_code()}/h": _rate,
        "cost": lambda row: _shown(row.cost, "USD"),
        f"{100 * level:g} % interval": _interval,
        "price of": _date,
        "days": lambda row: "-" if row.wall_time is None else rendering.number(row.wall_time / 86_400),
        "carbon": lambda row: _shown(row.carbon, "kg"),
        "age": lambda row: "-" if row.age is None else f"{row.age:,} days",
        "not known": lambda row: row.reason,
    }
