"""The figures of an estimate, or of a sum of estimates: quantities, intervals, rows and tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from costmodel._version import __version__
from costmodel.estimation.chain import OUTPUTS, Missing, Output
from costmodel.foundation import rendering
from costmodel.foundation.arrays import quantiles
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.citations import Source
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.ghg import GHGReport
    from costmodel.foundation.units import Quantity

DRAWS = 20_000


class Result(Priced, ABC):
    """Figures with intervals; the base of `Estimate` and `Total`."""

    _index = "quantity"

    _money = ("value", "low", "high")

    scope: str
    seed: int

    @abstractmethod
    def value(self, name: str) -> float | Missing:
        """Return the SI value of a figure, or `Missing` with the reason.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        """

    @abstractmethod
    def draws(self, name: str, count: int = DRAWS) -> NDArray[np.float64]:
        """Return random draws of a figure, shape (count,), in SI units.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        count : int
            Number of draws [1].
        """

    @abstractmethod
    def notes(self) -> list[str]:
        """Return the notes below the table: assumptions, cautions, layout and date of the price."""

    def note(self, name: str) -> str:
        """Return the remark on a figure, or "": the input that it lacks, or the price proxy that it rests on.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        """
        return ""

    @property
    def missing_cost(self) -> str:
        """Why the cost is not known, or ""."""
        value = self.value("cost")
        return value.reason if isinstance(value, Missing) else ""

    @abstractmethod
    def sources(self) -> set[Source]:
        """Return the sources of all inputs that are not given."""

    @abstractmethod
    def estimates(self) -> list[Estimate]:
        """Return the estimates that are added; of an estimate, itself."""

    @abstractmethod
    def ghg(self) -> GHGReport:
        """Return the greenhouse gases by scope of the GHG Protocol, with boundary and source of each factor."""

    @checked("name")
    def figure_title(self, name: str) -> str:
        """Return the title of a figure in tables.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost".
        """
        title = _output(name).title
        return f"{title} ({self.scope.replace('_', ' ')})" if name == "cost" else title

    @checked("name")
    def quantity(self, name: str) -> Quantity:
        """Return a figure as a pint Quantity, or raise `MissingFactError` with the reason why it is not known.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        """
        from costmodel.foundation.units import quantity

        output = _output(name)
        return quantity(self.known_value(name), output.unit, output.shown)

    @checked("name")
    def known_value(self, name: str) -> float:
        """Return a figure in SI units, or raise `MissingFactError` with the reason why it is not known.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        """
        _output(name)
        value = self.value(name)
        if isinstance(value, Missing):
            raise MissingFactError(f"{name} is not known: {value.reason}")
        return value

    @checked("name", "level")
    def interval(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of a figure that holds the fraction `level` of the draws.

        Parameters
        ----------
        name : str
            Figure of the results, such as "cost"; see `Estimate.rows`.
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        from costmodel.foundation.units import quantity

        output = _output(name)
        low, high = self.bounds(name, level)
        return quantity(low, output.unit, output.shown), quantity(high, output.unit, output.shown)

    @checked("name")
    def bounds(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval in SI units.

        Parameters
        ----------
        name : str
            Figure, as for `interval`.
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        check_level(level)
        self.known_value(name)
        low, high = quantiles(self.draws(name), [(1 - level) / 2, (1 + level) / 2])
        return low, high

    @property
    def flops(self) -> Quantity:
        """Model FLOPs, with causal attention."""
        return self.quantity("flops")

    @property
    def gpu_hours(self) -> Quantity:
        """GPU-hours of all accelerators together."""
        return self.quantity("gpu_hours")

    @property
    def wall_time(self) -> Quantity:
        """Duration of the job."""
        return self.quantity("wall_time")

    @property
    def energy(self) -> Quantity:
        """Energy of the facility."""
        return self.quantity("energy")

    @property
    def carbon(self) -> Quantity:
        """Greenhouse gas emissions of the electricity, location-based."""
        return self.quantity("carbon")

    @property
    def market_carbon(self) -> Quantity:
        """Greenhouse gas emissions of the electricity, market-based: by the contracts of the site."""
        return self.quantity("market_carbon")

    @property
    def embodied_carbon(self) -> Quantity:
        """Share of the job in the greenhouse gas emissions of manufacturing its hardware."""
        return self.quantity("embodied_carbon")

    @property
    def water(self) -> Quantity:
        """Water consumed on site and at the power stations."""
        return self.quantity("water")

    @property
    def cost(self) -> Quantity:
        """Cost for the `scope` of the scenario."""
        return self.quantity("cost")

    @property
    def electricity_cost(self) -> Quantity:
        """Cost of the electricity; it is part of a rent."""
        return self.quantity("electricity_cost")

    @checked("level")
    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the known figures as rows: quantity, value, low, high, unit, level, note.

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        from costmodel.foundation.units import SI_FACTOR

        rows = []
        for name, output in OUTPUTS.items():
            value = self.value(name)
            if isinstance(value, Missing):
                continue
            factor = SI_FACTOR[output.unit] / SI_FACTOR[output.shown]
            low, high = (bound * factor for bound in self.bounds(name, level))
            unit = "" if output.shown == "1" else output.shown
            row = {"quantity": name, "value": value * factor, "low": low, "high": high, "unit": unit, "level": level}
            rows.append({**row, "note": self.note(name)})
        return rows

    def stamp(self) -> dict[str, Any]:
        """Return version, hash of the data and seed, which reproduce the figures."""
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.seed}

    def _cells(self) -> list[dict[str, str]]:
        rows = []
        for name, output in OUTPUTS.items():
            value = self.value(name)
            title = self.figure_title(name)
            note = self.note(name)
            if isinstance(value, Missing):
                if note:
                    rows.append({"": title, "value": "not known", "80 % interval": note})
                continue
            low, high = self.bounds(name)
            exact = "" if output.rendered == "probability" else "exact"
            ends = (rendering.amount(end, output.rendered) for end in (low, high))
            between = exact if rendering.is_exact(low, high) else rendering.between(*ends)
            between = "; ".join(part for part in (between, note) if part)
            rows.append({"": title, "value": rendering.amount(value, output.rendered), "80 % interval": between})
        return rows

    def _footer(self) -> str:
        stamp = self.stamp()
        stamp_line = f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}"
        shown = {self.note(name) for name in OUTPUTS}  # in the rows already
        return "\n".join([*(line for line in self.notes() if line not in shown), stamp_line])


def _output(name: str) -> Output:
    if name not in OUTPUTS:
        raise InputError(unknown("figure", name, OUTPUTS))
    return OUTPUTS[name]
