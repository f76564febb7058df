"""Time, utilization and memory of a training step, as text and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol

from costmodel.foundation import rendering
from costmodel.foundation.arrays import BoolLike, N, N_co, Value_co, exp
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.plain_data import plain
from costmodel.foundation.ranges import DEFAULT_LEVEL, normal_quantile
from costmodel.foundation.units import GIB, quantity
from costmodel.training.step.layout import Layout
from costmodel.training.step.memory import Memory
from costmodel.training.step.timing import Breakdown

if TYPE_CHECKING:
    from costmodel.foundation.units import Quantity


@dataclass(frozen=True, slots=True)
class StepFigures(Generic[N_co]):
    """Figures of a training step as plain numbers in SI units, or arrays of shape (layouts,)."""

    layout: Any
    """The layout, or the sequence of layouts."""
    seconds: N_co
    """Step time [s]."""
    breakdown: Breakdown[N_co]
    """Step time by component [s]."""
    memory: Memory[N_co]
    """Peak memory per GPU, by component [byte]."""
    mfu: N_co
    """Model FLOPs utilization, of the dense bf16 peak [1]."""
    hfu: N_co
    """Hardware FLOPs utilization: recomputed FLOPs included, of the dense bf16 peak [1]."""
    flops: N_co
    """Model FLOPs per second and accelerator [FLOP/s]."""
    fits: BoolLike
    """Whether the predicted memory is at most the usable memory, of the accelerators and of the host."""
    fit_probability: N_co
    """Probability that the step fits in the memory of accelerators and host, from the error of the memory model [1]."""
    host_bytes: N_co
    """Host memory per GPU that offloading needs [byte]."""
    spread: N_co
    """Standard deviation of ln(step time) [1]."""


class _TimeAndSpread(Protocol[Value_co]):
    """A step time and its spread."""

    @property
    def seconds(self) -> Value_co: ...
    @property
    def spread(self) -> Value_co: ...


def time_bounds(figures: _TimeAndSpread[N], level: float = DEFAULT_LEVEL) -> tuple[N, N]:
    """Return the ends of the central interval of a step time [s].

    Parameters
    ----------
    figures : StepFigures
    level : float
        Probability of the interval [1].
    """
    check_level(level)
    factor = exp(normal_quantile((1 + level) / 2) * figures.spread)
    return figures.seconds / factor, figures.seconds * factor


@dataclass(frozen=True, repr=False, eq=False)
class StepTime(rendering.Shown, Generic[N_co]):
    """A training step in steady state: numbers for one layout, arrays of shape (layouts,) for several.

    Figures with a unit are pint quantities; `si` has them as plain numbers.
    """

    si: StepFigures[N_co]
    """The figures as plain numbers in SI units."""

    @property
    def layout(self) -> Any:
        """The layout, or the sequence of layouts."""
        return self.si.layout

    @property
    def step_time(self) -> Quantity:
        """Step time."""
        return quantity(self.si.seconds, "s", "s")

    @property
    def seconds(self) -> N_co:
        """Step time [s]."""
        return self.si.seconds

    @property
    def breakdown(self) -> Breakdown[Any]:
        """Step time by component."""
        return Breakdown(*(quantity(part, "s", "s") for part in self.si.breakdown))

    @property
    def memory(self) -> Memory[Any]:
        """Peak memory per GPU, by component."""
        return Memory(*(quantity(part, "byte", "GiB") for part in self.si.memory))

    @property
    def host_memory(self) -> Quantity:
        """Host memory per GPU that offloading needs."""
        return quantity(self.si.host_bytes, "byte", "GiB")

    @property
    def mfu(self) -> N_co:
        """Model FLOPs utilization, of the dense bf16 peak [1]."""
        return self.si.mfu

    @property
    def hfu(self) -> N_co:
        """Hardware FLOPs utilization: recomputed FLOPs included, of the dense bf16 peak [1]."""
        return self.si.hfu

    @property
    def flops(self) -> Quantity:
        """Model FLOPs per second and accelerator."""
        return quantity(self.si.flops, "FLOP/s", "TFLOP/s")

    @property
    def fits(self) -> BoolLike:
        """Whether the predicted memory is at most the usable memory, of the accelerators and of the host."""
        return self.si.fits

    @property
    def fit_probability(self) -> N_co:
        """Probability that the step fits in the memory of accelerators and host [1]."""
        return self.si.fit_probability

    @property
    def spread(self) -> N_co:
        """Standard deviation of ln(step time) [1]."""
        return self.si.spread

    @checked("level")
    def interval(self, level: float = DEFAULT_LEVEL) -> tuple[Quantity, Quantity]:
        """Return the ends of the central interval of the step time.

        Parameters
        ----------
        level : float
            Probability of the interval [1].
        """
        low, high = self.bounds(level)
        return quantity(low, "s", "s"), quantity(high, "s", "s")

    @checked("level")
    def bounds(self, level: float = DEFAULT_LEVEL) -> tuple[N_co, N_co]:
        """Return the ends of the central interval of the step time [s].

        Parameters
        ----------
        level : float
            Probability of the interval [1].
        """
        bounds: Any = time_bounds(self.si, level)
        low, high = bounds
        return low, high

    def rows(self) -> list[dict[str, Any]]:
        """Return the components of the step time as rows: part, seconds [s], share [1].

        Of several layouts, return one row per layout: layout, seconds [s], mfu [1], memory_gib, fits.
        """
        if isinstance(self.layout, Layout):
            return [
                {"part": name, "seconds": float(value), "share": float(value / self.si.seconds)}
                for name, value in self.si.breakdown._asdict().items()
            ]
        memory_gib = self.si.memory.total / GIB
        columns = {"seconds": self.si.seconds, "mfu": self.mfu, "memory_gib": memory_gib, "fits": self.fits}
        return [
            {"layout": layout.brief(), **{name: _at(values, place) for name, values in columns.items()}}
            for place, layout in enumerate(self.layout)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return step time, utilization and memory of one layout or of several as plain data."""
        figures = {
            "seconds": self.si.seconds,
            "mfu": self.mfu,
            "hfu": self.hfu,
            "flops_per_second": self.si.flops,
            "fits": self.fits,
            "fit_probability": self.fit_probability,
            "host_bytes": self.si.host_bytes,
            "spread": self.spread,
            "breakdown_seconds": self.si.breakdown,
            "memory_bytes": self.si.memory,
        }
        layouts = [self.layout] if isinstance(self.layout, Layout) else self.layout
        listed: dict[str, Any] = plain({"layouts": [layout.brief() for layout in layouts], **figures})
        return listed

    def _title(self) -> str:
        if not isinstance(self.layout, Layout):
            return f"{len(self.layout):,} layouts"
        low, high = (rendering.amount(float(end), "s") for end in self.bounds())
        return f"step time {rendering.amount(float(self.si.seconds), 's')} (80 %: {low} to {high})"

    def _cells(self) -> list[dict[str, str]]:
        if not isinstance(self.layout, Layout):
            return [rendering.cells(row) for row in self.rows()]
        return [
            {
                "part": row["part"].replace("_", " "),
                "time": rendering.amount(row["seconds"], "s"),
                "share": rendering.percent(row["share"]),
            }
            for row in self.rows()
            if row["seconds"]
        ]

    def _footer(self) -> str:
        if not isinstance(self.layout, Layout):
            return ""
        used = rendering.amount(float(self.si.memory.total), "byte")
        fits = f"fits with a probability of {rendering.percent(float(self.fit_probability))}"
        rate = rendering.amount(float(self.si.flops), "FLOP/s")
        speed = f"MFU {rendering.number(float(self.mfu))}, {rate} per accelerator"
        return f"{speed}\npeak memory {used} per accelerator; {fits}\nlayout: {self.layout.brief()}"


def _at(values: Any, place: int) -> Any:
    """Return a value of an array of layouts, or the value that all layouts share, as a Python number."""
    value = values[place] if getattr(values, "ndim", 0) else values
    return plain(value)
