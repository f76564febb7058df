"""The result of `rent_or_own`: figures with intervals, curves by utilization and by years, tables and notes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import numpy as np

from costmodel.estimation.chain import Missing
from costmodel.estimation.results import DRAWS
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, draws, middle
from costmodel.foundation.units import SI_FACTOR
from costmodel.market.levelized import HOUR
from costmodel.market.owned_costs import YEAR, hardware_price, interest_of_life, real_rate
from costmodel.planning.break_even import LONGEST, Hour, levelized_rent

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.foundation.tables import Figure
    from costmodel.hardware.cluster import Cluster
    from costmodel.market.levelized import Levelized

    Array = NDArray[np.float64]

Curve = Literal["utilization", "years"]
_HARDWARE = ("accelerators", "servers", "network", "storage")
_FIGURES: dict[str, tuple[str, str]] = {
    "rented": ("rented hour", "USD/hour"),
    "owned": ("owned hour", "USD/hour"),
    "year_rented": ("a year of the fleet, rented", "USD"),
    "year_owned": ("a year of the fleet, owned", "USD"),
    "purchase": ("purchase of the fleet", "USD"),
    "break_even_utilization": ("break-even utilization", "1"),
    "break_even_years": ("years to pay back", "year"),
}
_RUN = {
    "run_rented": "the run, rented",
    "run_amortized": "the run, owned: amortized",
    "run_acquisition": "the run, owned: acquisition",
}
_UTILIZATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_YEARS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


class RentOrOwn(Priced):
    """Renting against owning; see `rent_or_own`."""

    _money = ("value", "low", "high")

    def __init__(
        self,
        cluster: Cluster,
        owned: Levelized,
        rent: Figure,
        decline: float | Range,
        costs: Mapping[str, Estimate],
    ) -> None:
        self.cluster, self.owned, self.rent, self.decline = cluster, owned, rent, decline
        self.costs: Mapping[str, Estimate] = costs
        """Estimates of a run by name: run_rented, run_amortized and run_acquisition."""

    @property
    def break_even_utilization(self) -> float:
        """Utilization from which owning costs less [1]; above 1, or infinite, if renting always does."""
        return self.value("break_even_utilization")

    @property
    def break_even_years(self) -> float:
        """Years after which the saved rent has paid the hardware, at the utilization of `own` [year]."""
        return self.value("break_even_years")

    @property
    def probability_own(self) -> float:
        """Probability that an owned hour costs less than a rented one, at the utilization of `own` [1]."""
        sample = self._sample
        return float(np.mean(sample["owned"] < sample["rented"]))

    def value(self, name: str) -> float:
        """Return a figure at the medians of the inputs.

        Parameters
        ----------
        name : str
            "rented" or "owned" [USD/hour], "year_rented" or "year_owned" (the hours of a year with a job, of all
            accelerators) [USD], "purchase" (of all accelerators, with servers, network and storage) [USD],
            "break_even_utilization" [1], "break_even_years" [year].
        """
        return float(self._point[self._known(name)][0])

    def draws(self, name: str) -> Array:
        """Return random draws of a figure.

        Parameters
        ----------
        name : str
            As for `value`.
        """
        return self._sample[self._known(name)]

    def interval(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval of a figure; infinite ends mean never.

        Parameters
        ----------
        name : str
            As for `value`.
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(self.draws(name), ends, method="inverted_cdf")
        return float(low), float(high)

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per figure: figure, value, low, high, unit, level; None stands for never.

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        rows = []
        for name, (_, unit) in _FIGURES.items():
            value, ends = self.value(name), self.interval(name, level)
            low, high = (None if np.isinf(end) else end for end in ends)
            known = None if np.isinf(value) else value
            rows.append({"figure": name, "value": known, "low": low, "high": high, "unit": unit, "level": level})
        blank: dict[str, Any] = {"value": None, "low": None, "high": None}
        rows.append({"figure": "probability_own", **blank, "value": self.probability_own, "unit": "1", "level": level})
        for name, result in self.costs.items():
            row = {"figure": name, **blank, "unit": "USD", "level": level}
            cost = result.value("cost")
            if not isinstance(cost, Missing):
                low, high = result.bounds("cost", level)
                row |= {"value": cost, "low": low, "high": high}
            rows.append(row)
        return rows

    @checked("over", "at")
    def curve(
        self, over: Curve = "utilization", at: Iterable[float] | None = None, level: float = DEFAULT_LEVEL
    ) -> list[dict[str, Any]]:
        """Return the cost of an owned and a rented hour by utilization, or by years of life.

        Parameters
        ----------
        over : {"utilization", "years"}
            What varies; the other inputs keep their spread.
        at : iterable of float, optional
            Utilizations [1] or years. Default: 0.1 to 1, or 1 to 8.
        level : float
            Probability inside the interval, between 0 and 1 [1].

        Returns
        -------
        list of dict
            The value of `over`, owned, owned_low, owned_high, rented, rented_low and rented_high [USD/hour], and the
            probability that owning costs less.
        """
        check_level(level)
        if over not in ("utilization", "years"):
            raise InputError(f"over: {unknown('curve', over, ('utilization', 'years'))}")
        if over == "years" and "prices.life" not in self.owned.inputs:
            raise InputError("over: 'years' needs depreciation='straight_line'; the other has no life")
        default = _UTILIZATIONS if over == "utilization" else _YEARS
        values = default if at is None else _points(at, 1.0 if over == "utilization" else 100.0)
        ends = [(1 - level) / 2, (1 + level) / 2]
        path, unit = ("prices.utilization", 1.0) if over == "utilization" else ("prices.life", YEAR)
        rows = []
        for value in values:
            point, sample = (self._figures(count, {path: value * unit}) for count in (1, DRAWS))
            row: dict[str, Any] = {over: value}
            for name in ("owned", "rented"):
                low, high = (float(end) for end in np.quantile(sample[name], ends))
                row |= {name: float(point[name][0]), f"{name}_low": low, f"{name}_high": high}
            rows.append({**row, "probability_own": float(np.mean(sample["owned"] < sample["rented"]))})
        return rows

    @checked("over")
    def to_frame(self, over: Curve | None = None) -> pd.DataFrame:
        """Return `rows()`, or the curve by utilization or years, as a pandas DataFrame.

        Parameters
        ----------
        over : {"utilization", "years"}, optional
            Which curve. Default: the figures.
        """
        if over is None:
            return rendering.data_frame(self.rows(), "figure")
        return rendering.data_frame(self.curve(over), over)

    def to_dict(self) -> dict[str, Any]:
        """Return figures, curves, lines and inputs with their sources as plain data."""
        curves = {"utilization": self.curve("utilization")}
        if "prices.life" in self.owned.inputs:
            curves["years"] = self.curve("years")
        rent = {"value": self.rent.value, "unit": "USD/hour", **self.rent.provenance._asdict()}
        return {
            "count": self.cluster.count,
            "figures": self.rows(),
            "curves": curves,
            **self.owned.to_dict(),
            "rent": rent,
        }

    def _known(self, name: str) -> str:
        if not isinstance(name, str) or name not in _FIGURES:
            raise InputError(unknown("figure", name, _FIGURES))
        return name

    @cached_property
    def _point(self) -> dict[str, Array]:
        return self._figures(1, {})

    @cached_property
    def _sample(self) -> dict[str, Array]:
        return self._figures(DRAWS, {})

    def _figures(self, count: int, given: Mapping[str, float]) -> dict[str, Array]:
        """Return all figures with some inputs given in SI units: at the medians for a count of 1, else draws."""
        values = {**self._values(count), **given}
        hour, utilization, years = self._hour(values, count), self._wide(values["prices.utilization"], count), None
        if "prices.life" in values:
            years = self._wide(values["prices.life"], count) / YEAR
        first = self._wide(values["rent"], count)
        decline = self._wide(values["decline"], count)
        rent = first if years is None else levelized_rent(first, decline, hour.growth, years)
        owned = hour.owned(utilization)
        busy_hours = YEAR / HOUR * utilization * self.cluster.count
        return {
            "rented": rent,
            "owned": owned,
            "year_rented": rent * busy_hours,
            "year_owned": owned * busy_hours,
            "purchase": hour.hardware * self.cluster.count,
            "break_even_utilization": hour.break_even(rent),
            "break_even_years": hour.payback(first, utilization, decline),
        }

    def _values(self, count: int) -> dict[str, Any]:
        """Return the inputs in SI units by path, the rent per hour, and its decline."""
        if count == 1:
            values = {path: figure.value * SI_FACTOR[unit] for path, (unit, figure) in self.owned.inputs.items()}
            return {**values, "rent": self.rent.value, "decline": middle(self.decline)}
        values = self.owned.drawn(count)
        seed = self.owned.seed
        rent = self.rent.value if self.rent.spread is None else draws("prices.price", self.rent.spread, count, seed)
        decline: Any = self.decline
        if isinstance(decline, Range):
            decline = draws("rent_decline", decline, count, seed)
        return {**values, "rent": rent, "decline": decline}

    def _hour(self, values: Mapping[str, Any], count: int) -> Hour:
        """Return the cost of owning an accelerator for an hour."""
        utilization = values["prices.utilization"]
        lines = self.owned.lines_of(dict(values), HOUR)
        electricity = 0.0
        if "site.power_per_gpu" in values:
            watts = values["site.power_per_gpu"] * values["site.pue"]
            electricity = watts * HOUR * values["site.electricity"]
        fixed = sum(usd for name, usd in lines.items() if name != "electricity") * utilization
        rate = values["prices.cost_of_capital"]
        if "prices.inflation" in values:
            rate = real_rate(rate, values["prices.inflation"])
        operation = sum(usd for name, usd in lines.items() if name not in {*_HARDWARE, "electricity", "capital"})
        operation = operation * utilization
        if "prices.data_center_capital" in values:
            building = values["prices.data_center_capital"] * values["prices.power_capacity"]
            operation = operation + building * interest_of_life(rate, values["prices.data_center_life"], 0.0) * HOUR
        prices = ("purchase_price", "server_factor", "network_share", "storage_share")
        hardware = hardware_price(self.owned.ownership.includes_server, *(values[f"prices.{name}"] for name in prices))
        idle = values.get("prices.idle_power_share", 0.0)
        amounts = (fixed, electricity, idle, hardware, operation, np.log1p(rate))
        return Hour(*(self._wide(amount, count) for amount in amounts))

    def _wide(self, value: Any, count: int) -> Array:
        return np.broadcast_to(np.asarray(value, dtype=float), (count,))

    def _title(self) -> str:
        utilization = self.owned.inputs["prices.utilization"][1].value
        return (
            f"{self.cluster.count:,} × {self.cluster.accelerator.name}: rent or own, "
            f"at a utilization of {rendering.percent(utilization)}"
        )

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows():
            name, unit = row["figure"], row["unit"]
            title = _RUN.get(name) or _FIGURES.get(name, ("",))[0]
            if name == "probability_own":
                cells.append({"": "owning costs less", "value": rendering.percent(row["value"]), "80 % interval": ""})
                continue
            if unit == "USD" and row["value"] is None:
                cells.append({"": title, "value": "not known", "80 % interval": ""})
                continue
            value, low, high = (_shown(row[end], unit) for end in ("value", "low", "high"))
            exact = "" if row["low"] is None else "exact"
            between = exact if row["low"] == row["high"] else rendering.between(low, high)
            cells.append({"": title, "value": value, "80 % interval": between})
        return cells

    def _footer(self) -> str:
        lines = []
        break_even = self.break_even_utilization
        if break_even > 1:
            lines.append("renting costs less at any utilization, at the medians of the inputs")
        if np.isinf(self.break_even_years):
            lines.append(f"never: the saved rent does not pay the hardware within {LONGEST:.0f} years")
        rent = self.rent.provenance
        lines.append(f"rent: {rendering.number(self.rent.value)} USD/hour, {rent.note or rent.kind}")
        if rent.caution:
            lines.append(rent.caution)
        return "\n".join([*lines, *self.owned.notes(assumed=False)])


def _points(at: object, highest: float) -> tuple[float, ...]:
    """Return the points of a curve, or raise `InputError`."""
    if isinstance(at, str) or not isinstance(at, Iterable):
        raise InputError(f"at: must be a list of numbers; got {at!r:.80}")
    points = []
    for value in at:
        number = float(value) if isinstance(value, SupportsFloat) and not isinstance(value, bool) else 0.0
        if not 0 < number <= highest:
            raise InputError(f"at: must be above 0 and at most {highest:g}; got {value!r:.80}")
        points.append(number)
    return tuple(points)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "never"
    if unit == "1":
        return f"{100 * value:.0f} %" + (" (never)" if value > 1 else "")
    if unit == "year":
        return f"{rendering.number(value, 2)} years"
    return rendering.amount(value, "USD") + ("/hour" if unit == "USD/hour" else "")
