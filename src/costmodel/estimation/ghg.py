"""Greenhouse gases of a run by the scopes of the GHG Protocol, with the boundary and source of each factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.estimation.chain import Missing, add
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.hardware.site import grid_boundary, grid_name
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.inputs import Input


class Emission(NamedTuple):
    """A line of the summary: the figures that it adds up, and the scopes of those who report it."""

    name: str
    """Name in rows, such as "electricity_location"."""
    title: str
    """Title in tables."""
    figures: tuple[str, ...]
    """Figures or steps of an estimate [kg]."""
    operator: str
    """Scope of the owner and operator of the hardware; "" for a total."""
    tenant: str
    """Scope of a tenant who rents it; "" for a total."""


_SERVICE = "3 (cat. 1)"
EMISSIONS: tuple[Emission, ...] = (
    Emission("electricity_location", "electricity, location-based", ("carbon",), "2", _SERVICE),
    Emission("electricity_market", "electricity, market-based", ("market_carbon",), "2", _SERVICE),
    Emission("electricity_hourly", "electricity, hourly matching", ("hourly_market_carbon",), "2", _SERVICE),
    Emission("hardware", "hardware, embodied", ("embodied_carbon",), "3 (cat. 2)", _SERVICE),
    Emission("total_location", "total, location-based", ("carbon", "embodied_carbon"), "", ""),
    Emission("total_market", "total, market-based", ("market_carbon", "embodied_carbon"), "", ""),
)
"""Lines of the summary. Location- and market-based electricity are two accounts of the same energy."""
FACTORS: dict[str, tuple[str, ...]] = {
    "electricity_location": ("site.grid_intensity",),
    "electricity_market": (
        "site.market_intensity",
        "site.residual_intensity",
        "site.hourly_matched",
        "site.yearly_matched",
    ),
    "hardware": (
        "cluster.embodied.accelerator_emissions",
        "cluster.embodied.server_emissions",
        "cluster.embodied.life",
        "cluster.embodied.utilization",
    ),
}
"""Inputs that are factors of a line."""
_CATEGORIES = {
    "rented": "scopes: 2 purchased electricity; 3 value chain, of the tenant category 1 (purchased services; category "
    "8 where servers are leased), of the operator category 2 (capital goods)",
    "owned": "scopes: 2 purchased electricity; 3 value chain, category 2 (capital goods)",
}


class GHGReport(rendering.Shown):
    """Greenhouse gases of an estimate, or of a sum of estimates, by scope; see `Estimate.ghg`.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture={"total": "7B"},
    ...     recipe=cm.Pretraining(tokens="2T"),
    ...     cluster=cm.Cluster("A100-80GB-SXM", 512, site=cm.Site(region="FRA", yearly_matched=1)),
    ...     gpu_hours=180_000,
    ... )
    >>> cm.estimate(run).ghg().rows()[1]["kg"]
    0.0
    """

    _index = "emission"

    _width = rendering.WIDTH

    def __init__(self, estimates: Sequence[Estimate], title: str, repeats: Sequence[int] = ()) -> None:
        self._estimates, self._name = tuple(estimates), title
        self._repeats = tuple(repeats) or (1,) * len(self._estimates)
        rented = {isinstance(estimate.scenario.prices, Rental) for estimate in self._estimates}
        self.rented: bool = True in rented
        """Whether hardware is rented, so that tenant and operator report different scopes."""

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per line: emission, title, kg, low, high, level, operator, tenant, note.

        Figures are in kg; None where one is not known, with the reason as the note. `operator` and `tenant` are the
        scopes of who owns and operates the hardware, and of who rents it ("" if nobody does, and of totals).

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].
        """
        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        rows = []
        for emission in EMISSIONS:
            if not all(self._has(figure) for figure in emission.figures):
                continue
            tenant = emission.tenant if self.rented else ""
            row = {"emission": emission.name, "title": emission.title, "kg": None, "low": None, "high": None}
            scopes = {"level": level, "operator": emission.operator, "tenant": tenant}
            value = self._value(emission.figures)
            if isinstance(value, Missing):
                rows.append({**row, **scopes, "note": value.reason})
                continue
            low, high = np.quantile(self._draws(emission.figures), ends)
            rows.append({**row, "kg": value, "low": float(low), "high": float(high), **scopes, "note": ""})
        return rows

    def factors(self) -> list[dict[str, Any]]:
        """Return one row per factor: emission, input, value, unit, interval, kind, boundary, as_of, source."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for estimate in self._estimates:
            for emission, paths in FACTORS.items():
                for path in paths:
                    if (entry := estimate.inputs.get(path)) is not None:
                        row = {"emission": emission, "input": path, **_factor(path, entry, estimate)}
                        rows.setdefault((path, row["value"], row["source"]), row)
        return list(rows.values())

    @property
    def sentence(self) -> str:
        """The summary in words, for a report."""
        rows = {row["emission"]: row for row in self.rows()}
        energy, hours = self._value(("energy",)), self._value(("gpu_hours",))
        what = f"{self._name}: {_amount(hours, 'GPU-s')}, {_amount(energy, 'J')}."
        regions = [estimate.scenario.cluster.site.region for estimate in self._estimates]
        place = sorted({grid_name(region) if region else "an unstated place" for region in regions})
        electricity = f"The electricity emits {_stated(rows['electricity_location'])} location-based"
        market = rows["electricity_market"]
        by_contract = (
            f"market-based emissions are not stated ({market['note']})"
            if market["kg"] is None
            else f"{_stated(market)} market-based"
        )
        stamp = "costmodel {version}, data {data_hash}".format(**self._estimates[0].stamp())
        return (
            f"{what} {electricity} (grid of {' and '.join(place)}); {by_contract}. Manufacturing the hardware emits "
            f"{_stated(rows['hardware'])}, by its share of the life of the hardware. Intervals are 80 %; {stamp}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return lines, factors, notes and sentence as plain data, with version, hash of the data and seed."""
        return {
            **self._estimates[0].stamp(),
            "scope": self._estimates[0].scope,
            "title": self._name,
            "rented": self.rented,
            "emissions": self.rows(),
            "factors": self.factors(),
            "notes": self.notes(),
            "sentence": self.sentence,
        }

    def notes(self) -> list[str]:
        """Return the notes below the table: scopes, boundaries and sources of the factors, and what is left out."""
        lines = list(dict.fromkeys(f"{row['title']}: {row['note']}" for row in self.rows() if row["note"]))
        lines.append(_CATEGORIES["rented" if self.rented else "owned"])
        for row in self.factors():
            dated = ", ".join(part for part in (row["as_of"], row["source"]) if part)
            parts = [f"{row['input']} {rendering.number(row['value'])} {row['unit']}".strip(), row["kind"]]
            lines.append("; ".join([*parts, *(part for part in (row["boundary"], dated) if part)]))
        lines += dict.fromkeys(_grid_note(estimate) for estimate in self._estimates)
        idle = all("site.idle_energy" in estimate.inputs for estimate in self._estimates)
        servers = "" if idle else "idle and reserved servers (cluster.site.idle_energy); "
        rest = "buildings, networks, end of life, travel and staff (scope 3)"
        lines.append(f"left out: experiments and failed runs; {servers}{rest}")
        return [line for line in lines if line]

    def _has(self, figure: str) -> bool:
        """Return whether a line is shown: hourly matching only where all estimates state it."""
        return figure != "hourly_market_carbon" or all(
            "site.hourly_matched" in estimate.inputs for estimate in self._estimates
        )

    def _value(self, figures: tuple[str, ...]) -> float | Missing:
        """Return the sum of figures over the estimates in SI units, or the reason why it is not known."""
        total = 0.0
        for estimate, repeats in zip(self._estimates, self._repeats, strict=True):
            for figure in figures:
                value = estimate.value(figure)
                if isinstance(value, Missing):
                    return value
                total += repeats * value
        return total

    def _draws(self, figures: tuple[str, ...]) -> NDArray[np.float64]:
        parts = zip(self._estimates, self._repeats, strict=True)
        total: NDArray[np.float64] = add(
            *(repeats * estimate.draws(figure) for estimate, repeats in parts for figure in figures)
        )
        return total

    def _title(self) -> str:
        return f"{self._name}: greenhouse gases"

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows():
            shown = {"": row["title"], "CO2e": "not known", "80 % interval": ""}
            if row["kg"] is not None:
                shown["CO2e"] = rendering.amount(row["kg"], "kg")
                shown["80 % interval"] = _interval(row)
            scopes = {"scope": row["operator"]}
            if self.rented:
                scopes = {"tenant": row["tenant"], "operator": row["operator"]}
            cells.append({**shown, **scopes})
        return cells

    def _footer(self) -> str:
        return "\n".join([*self.notes(), self.sentence])


def _factor(path: str, entry: Input, estimate: Estimate) -> dict[str, Any]:
    """Return the value, boundary and source of an input."""
    value, unit = entry.shown()
    provenance, site = entry.provenance, estimate.scenario.cluster.site
    boundary = provenance.note
    if path == "site.grid_intensity" and site.grid_intensity is None and site.region is not None:
        boundary = grid_boundary(site.region, site.year)
    origin = {"kind": provenance.kind, "boundary": boundary, "as_of": provenance.as_of, "source": provenance.source}
    return {"value": value, "unit": unit, "interval": entry.interval(), **origin}


def _grid_note(estimate: Estimate) -> str:
    """Return what the boundary of the grid leaves out or contains beside the generation."""
    site = estimate.scenario.cluster.site
    if site.region is None or site.grid_intensity is not None or "site.grid_intensity" not in estimate.inputs:
        return ""
    if grid_boundary(site.region, site.year).startswith("life-cycle"):
        return "the grid intensity is of the life cycle: it contains upstream fuel and plants (scope 3, category 3)"
    return "the grid intensity is of generation: upstream fuel and plants (scope 3, category 3) are left out"


def _interval(row: dict[str, Any]) -> str:
    ends = [rendering.amount(row[end], "kg") for end in ("low", "high")]
    return "exact" if row["low"] == row["high"] else rendering.between(*ends)


def _stated(row: dict[str, Any]) -> str:
    if row["kg"] is None:
        return f"an amount that is not known ({row['note']})"
    between = "" if row["low"] == row["high"] else f" ({_interval(row)})"
    return f"{rendering.amount(row['kg'], 'kg')} CO2e{between}"


def _amount(value: float | Missing, unit: str) -> str:
    return value.reason if isinstance(value, Missing) else rendering.amount(value, unit)
