"""What does an estimate hand out? Quantities with intervals, rows, exports; the same for sums of estimates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel._version import __version__
from costmodel.estimation.chain import Missing
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.foundation.units import Quantity

DRAWS = 20_000


class Output(NamedTuple):
    """A figure of an estimate: its SI unit, how it is rendered, the unit of its Quantity, and its title."""

    unit: str
    rendered: str
    shown: str
    title: str


OUTPUTS: dict[str, Output] = {
    "flops": Output("FLOP", "FLOP", "FLOP", "compute"),
    "step_time": Output("s", "s", "s", "step time"),
    "mfu": Output("1", "share", "1", "MFU in steady state"),
    "goodput": Output("1", "share", "1", "goodput of the job"),
    "memory": Output("byte", "byte", "GiB", "memory of the fullest accelerator"),
    "utilization": Output("1", "share", "1", "utilization of the job"),
    "gpu_hours": Output("s", "GPU-s", "hour", "GPU time"),
    "wall_time": Output("s", "s", "day", "wall time"),
    "energy": Output("J", "J", "MWh", "energy"),
    "carbon": Output("kg", "kg", "tonne", "carbon (CO2e)"),
    "water": Output("m**3", "m**3", "m**3", "water"),
    "electricity_cost": Output("USD", "USD", "USD", "electricity, within the rent"),
    "cost": Output("USD", "USD", "USD", "cost"),
}


class Result(rendering.Shown, ABC):
    """Figures with intervals: what `Estimate` and `Total` share."""

    scope: str
    seed: int

    @abstractmethod
    def value(self, name: str) -> float | Missing:
        """Return the SI value of a figure, or why it is missing."""

    @abstractmethod
    def draws(self, name: str, count: int = DRAWS) -> NDArray[np.float64]:
        """Return draws of a figure, shape (count,), in SI units."""

    @abstractmethod
    def notes(self) -> list[str]:
        """Return what a reader should know before using the figures."""

    @abstractmethod
    def cite(self) -> str:
        """Return the sources of all that was not given, one per line, and how to cite the library."""

    def quantity(self, name: str) -> Quantity:
        """Return a figure as a pint Quantity, or raise `MissingFactError` with the reason."""
        from costmodel.foundation.units import quantity

        output = _output(name)
        return quantity(self._known(name), output.unit, output.shown)

    def interval(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of a figure that holds the share `level` of the draws."""
        from costmodel.foundation.units import quantity

        output = _output(name)
        low, high = self.bounds(name, level)
        return quantity(low, output.unit, output.shown), quantity(high, output.unit, output.shown)

    def bounds(self, name: str, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval as plain SI numbers."""
        import numpy as np

        check_level(level)
        self._known(name)
        low, high = np.quantile(self.draws(name), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    @property
    def flops(self) -> Quantity:
        """Model FLOPs, core attention causal."""
        return self.quantity("flops")

    @property
    def gpu_hours(self) -> Quantity:
        """Time of all accelerators together."""
        return self.quantity("gpu_hours")

    @property
    def wall_time(self) -> Quantity:
        """Duration from start to end."""
        return self.quantity("wall_time")

    @property
    def energy(self) -> Quantity:
        """Energy of the facility."""
        return self.quantity("energy")

    @property
    def carbon(self) -> Quantity:
        """Greenhouse gases of the electricity, location-based."""
        return self.quantity("carbon")

    @property
    def water(self) -> Quantity:
        """Water consumed on site and at the power stations."""
        return self.quantity("water")

    @property
    def cost(self) -> Quantity:
        """Dollars of the run, of the `scope` of the scenario."""
        return self.quantity("cost")

    @property
    def electricity_cost(self) -> Quantity:
        """What the electricity costs; part of a rent."""
        return self.quantity("electricity_cost")

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the known figures as rows: quantity, value, low, high, unit, level."""
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
            rows.append(row)
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame, indexed by quantity."""
        try:
            import pandas
        except ImportError:
            raise MissingFactError("to_frame needs pandas: pip install 'costmodel[pandas]'") from None
        return pandas.DataFrame(self.rows()).set_index("quantity")

    def stamp(self) -> dict[str, Any]:
        """Return what makes the figures reproducible: version, hash of the data, seed."""
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.seed}

    def _cells(self) -> list[dict[str, str]]:
        rows = []
        for name, output in OUTPUTS.items():
            value = self.value(name)
            if isinstance(value, Missing):
                continue
            low, high = self.bounds(name)
            between = "exact" if low == high else (
                f"{rendering.amount(low, output.rendered)} to {rendering.amount(high, output.rendered)}")  # fmt: skip
            title = f"{output.title} ({self.scope.replace('_', ' ')})" if name == "cost" else output.title
            rows.append({"": title, "value": rendering.amount(value, output.rendered), "80 % interval": between})
        return rows

    def _footer(self) -> str:
        stamp = self.stamp()
        made = f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}"
        return "\n".join([*self.notes(), made])

    def _known(self, name: str) -> float:
        if name not in OUTPUTS:
            raise InputError(unknown("figure", name, OUTPUTS))
        value = self.value(name)
        if isinstance(value, Missing):
            raise MissingFactError(f"{name} is not known: {value.reason}")
        return value


def check_level(level: float) -> None:
    """Raise `InputError` unless `level` is a share between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise InputError(f"level is a share between 0 and 1; got {level!r}")


def _output(name: str) -> Output:
    if name not in OUTPUTS:
        raise InputError(unknown("figure", name, OUTPUTS))
    return OUTPUTS[name]
