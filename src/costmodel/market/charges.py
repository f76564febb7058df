"""Cost lines: what a way of paying charges for a run, each line with its formula and its inputs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from costmodel.foundation.tables import Figure


class CostLine(NamedTuple):
    """A line of a bill [USD]: a function of figures and inputs of an estimate."""

    name: str
    """Name in paths, such as "rent"; the figure of the line is `cost.rent`."""
    title: str
    """Title in tables."""
    function: Callable[..., Any]
    """Amount [USD] from the values of `inputs`, numbers or arrays in SI units."""
    inputs: tuple[str, ...]
    """Figures of the estimate, such as "gpu_hours", and inputs by path."""
    formula: str
    """The function in words."""


class Charges(NamedTuple):
    """The lines of a bill and the inputs that they need beside the figures of an estimate."""

    lines: tuple[CostLine, ...]
    """Lines, in the order of the bill."""
    inputs: Mapping[str, tuple[str, Callable[[], Figure]]]
    """Unit and figure of each input by path. The function raises `MissingFactError` where the figure is not known."""


def rent(gpu_seconds: Any, price: Any) -> Any:
    """Return the rent of accelerators [USD].

    Parameters
    ----------
    gpu_seconds : float or ndarray
        GPU time [s].
    price : float or ndarray
        Price of a GPU-second [USD/s].
    """
    return gpu_seconds * price
