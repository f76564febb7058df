"""The cost of an hour of an owned accelerator: the lines of its bill for one hour that is assigned to a job."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, check_level, checked
from costmodel.foundation.currencies import Priced
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, between, draws, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.foundation.units import SI_FACTOR, quantity
from costmodel.hardware.cluster import Cluster
from costmodel.hardware.power import training_power
from costmodel.hardware.site import Site, electricity_price

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.units import Quantity
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.market.charges import Charges
    from costmodel.market.owned import Ownership

    Array = NDArray[np.float64]

DRAWS = 20_000
HOUR = 3600.0


class Levelized(Priced):
    """The cost of an hour of an owned accelerator that is assigned to a job, line by line, with intervals.

    See `Ownership.levelized`. The hours without a job are part of the cost of the others.

    Examples
    --------
    >>> from costmodel.market.owned import Ownership
    >>> hour = Ownership(purchase_price=30_000, utilization=0.8).levelized("H100-SXM")
    >>> round(sum(row["usd"] for row in hour.rows()[:-1]) - hour.usd_per_hour, 12)
    0.0
    """

    _money = ("usd", "low", "high")
    _index = "line"

    def __init__(
        self,
        ownership: Ownership,
        accelerator: Accelerator,
        site: Site | None = None,
        seed: int = 0,
        power: Figure | None = None,
    ) -> None:
        self.ownership, self.accelerator, self.seed = ownership, accelerator, seed
        amortized = ownership.replace(convention="amortized") if ownership.convention != "amortized" else ownership
        self._charges: Charges = amortized.charges(Cluster(accelerator, 1))
        needed = {path for line in self._charges.lines for path in line.inputs}
        figures = {path: (unit, look_up()) for path, (unit, look_up) in self._charges.inputs.items()}
        if "energy" in needed:
            figures |= _site_figures(accelerator, site or Site(), power)
        self.inputs: dict[str, tuple[str, Figure]] = figures
        """Unit and figure of each input by path."""

    @property
    def cost(self) -> Quantity:
        """Cost of an hour at the medians of the inputs."""
        return quantity(self.usd_per_hour, "USD/hour", "USD/hour")

    @property
    def usd_per_hour(self) -> float:
        """Cost of an hour at the medians of the inputs [USD/hour]."""
        return float(sum(self._point.values()))

    @checked("count")
    def draws(self, count: int = DRAWS) -> Array:
        """Return random draws of the cost of an hour [USD], shape (count,).

        Parameters
        ----------
        count : int
            Number of draws [1].
        """
        import numpy as np

        check_draws(count)
        lines = self.lines_of(self.drawn(count))
        return np.broadcast_to(np.asarray(sum(lines.values()), dtype=float), (count,)).copy()

    def interval(self, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of the cost of an hour.

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        low, high = self.bounds(level)
        return quantity(low, "USD/hour", "USD/hour"), quantity(high, "USD/hour", "USD/hour")

    def bounds(self, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval of the cost of an hour [USD/hour].

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        import numpy as np

        check_level(level)
        low, high = np.quantile(self.draws(), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def figure(self) -> Figure:
        """Return the cost of an hour as the price of a GPU-hour [USD/hour], with its interval and source."""
        low, high = self.bounds()
        price = self.inputs["prices.purchase_price"][1].provenance
        note = f"owned, levelized; accelerator: {price.note or price.kind}"
        provenance = Provenance("looked up", price.source, price.as_of, note, price.caution)
        if price.kind == "given":
            provenance = Provenance("given", note="owned, levelized")
        spread = between(low, high, "USD/hour").settled("lognormal") if high > low > 0 else None
        return Figure(self.usd_per_hour, spread, provenance)

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per line and the total: line, title, usd (per hour), low, high, share, formula.

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].
        """
        import numpy as np

        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        drawn = self.lines_of(self.drawn(DRAWS))
        total = self.usd_per_hour
        rows = []
        for line in self._charges.lines:
            low, high = (float(end) for end in np.quantile(drawn[line.name], ends))
            usd = self._point[line.name]
            share = usd / total if total else None
            row = {"line": line.name, "title": line.title, "usd": usd, "low": low, "high": high, "share": share}
            rows.append({**row, "level": level, "formula": line.formula})
        low, high = self.bounds(level)
        row = {
            "line": "total",
            "title": "total",
            "usd": total,
            "low": low,
            "high": high,
            "share": 1.0 if total else None,
        }
        return [*rows, {**row, "level": level, "formula": "sum of the lines"}]

    def to_dict(self) -> dict[str, Any]:
        """Return lines, total and inputs with their sources as plain data."""
        inputs = {
            path: {"value": figure.value, "unit": unit, **figure.provenance._asdict()}
            for path, (unit, figure) in self.inputs.items()
        }
        return {"accelerator": self.accelerator.name, "lines": self.rows(), "inputs": inputs}

    @cached_property
    def _point(self) -> dict[str, float]:
        values = {path: figure.value * SI_FACTOR[unit] for path, (unit, figure) in self.inputs.items()}
        return {name: float(value) for name, value in self.lines_of(values).items()}

    def drawn(self, count: int) -> dict[str, Any]:
        """Return draws of the inputs in SI units by path; inputs without a spread are numbers.

        Parameters
        ----------
        count : int
            Number of draws [1].
        """
        values: dict[str, Any] = {}
        for path, (unit, figure) in self.inputs.items():
            factor = SI_FACTOR[unit]
            drawn = figure.value if figure.spread is None else draws(path, figure.spread, count, self.seed)
            values[path] = drawn * factor
        return values

    def lines_of(self, values: dict[str, Any], seconds: float = HOUR) -> dict[str, Any]:
        """Return the lines for the GPU time of one accelerator [USD] by name.

        Parameters
        ----------
        values : dict
            Inputs in SI units by path, numbers or arrays.
        seconds : float
            GPU time that is assigned to a job [s].
        """
        known = {**values, "gpu_hours": seconds}
        if "site.power_per_gpu" in values:
            known["energy"] = values["site.power_per_gpu"] * values["site.pue"] * seconds
        return {line.name: line.function(*(known[path] for path in line.inputs)) for line in self._charges.lines}

    def _title(self) -> str:
        return f"{self.accelerator.name}, owned: cost of an hour with a job"

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows():
            low, high = (rendering.amount(row[end], "USD") for end in ("low", "high"))
            between_ends = "exact" if row["low"] == row["high"] else rendering.between(low, high)
            share = "" if row["share"] is None else rendering.percent(row["share"])
            cells.append(
                {
                    "line": row["title"],
                    "per hour": rendering.amount(row["usd"], "USD"),
                    "80 % interval": between_ends,
                    "share": share,
                }
            )
        return cells

    def _footer(self) -> str:
        return "\n".join(self.notes())

    @checked("assumed")
    def notes(self, assumed: bool = True) -> list[str]:
        """Return the notes below tables: the purchase price, cautions, and the assumed inputs.

        Parameters
        ----------
        assumed : bool
            Whether the assumed inputs are listed.
        """
        price = self.inputs["prices.purchase_price"][1]
        figures = {path: figure.provenance for path, (_, figure) in self.inputs.items()}
        lines = [f"purchase price: {price.value:,.0f} USD, {price.provenance.note or price.provenance.kind}"]
        lines += dict.fromkeys(provenance.caution for provenance in figures.values() if provenance.caution)
        paths = [path for path, provenance in figures.items() if provenance.kind == "assumed"]
        if assumed and paths:
            lines.append(f"assumed (set with --set): {', '.join(paths)}")
        return lines


def _site_figures(accelerator: Accelerator, site: Site, power: Figure | None) -> dict[str, tuple[str, Figure]]:
    """Return power, PUE and electricity price at a site."""

    def given(value: float | Range) -> Figure:
        return Figure(middle(value), value if isinstance(value, Range) else None, Provenance("given"))

    if site.power_per_gpu is not None:
        power = given(site.power_per_gpu)
    if site.electricity is not None:
        electricity = given(site.electricity)
    else:
        electricity = default("electricity") if site.region is None else electricity_price(site.region)
    return {
        "site.power_per_gpu": ("W", power or training_power(accelerator)),
        "site.pue": ("1", default("pue") if site.pue is None else given(site.pue)),
        "site.electricity": ("USD/kWh", electricity),
    }
