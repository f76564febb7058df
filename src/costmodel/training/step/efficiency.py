"""How much of the machine does a step reach? TimeConstants that were fitted on measured steps, and their spread.

`data/fitted/efficiency.csv` holds them; a name such as `matmul:hopper` is a factor on `matmul` for what the key
says: a generation, a precision, or one accelerator.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, table
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.step.configuration import HardwareRates, TimeConstants

NEWEST_SOFTWARE = 2026.5
"""Year of the newest software in the measurements."""
OLDEST = 1.0
"""Years over which the age of the software was seen to count."""
HOST_BANDWIDTH = 32.0
"""Between device and host where nothing is known: PCIe 4.0 [GB/s]."""
LAUNCH_BOUND = 0.1
"""Share of a step that waits for the host above which it counts as bound by it [1]."""


def age(year: float) -> float:
    """Return the age of software beside the newest measured, as far as age was seen to count [year].

    Parameters
    ----------
    year : when the software was current
    """
    return min(max(NEWEST_SOFTWARE - year, 0.0), OLDEST)


class Efficiency(Spec):
    """Constants of the time model, and the spread of what it predicts.

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> shipped = default_efficiency()
    >>> 0.4 < shipped.constants(load_accelerator("H100-SXM"), "bf16").matmul < 1
    True
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    values: dict[str, float]
    """Each constant by its name in `TimeConstants`, and the factors on it as `name:key`."""
    spreads: dict[str, float]
    """Spread of ln(predicted / measured) by what is known; see `spread`."""
    measured: tuple[str, ...] = ()
    """Accelerators on which steps were measured."""
    calibrated: bool = False
    """Whether steps of the user's own stack were fitted."""
    source: str = ""

    def factor(self, name: str, *keys: str) -> float:
        """Return a constant for what the keys name: its value, times each factor there is."""
        if name not in self.values:
            raise UnknownNameError(f"unknown constant {name!r} of the time model; known: {', '.join(self.values)}")
        value = self.values[name]
        for key in keys:
            value *= self.values.get(f"{name}:{key}", 1.0)
        return value

    def constants(
        self, accelerator: Accelerator, precision: str, experts: bool = False, year: float = NEWEST_SOFTWARE
    ) -> TimeConstants:
        """Return the constants for an accelerator and a precision.

        Parameters
        ----------
        accelerator : Accelerator
        precision : of the matrix products
        experts : whether it is a mixture of experts, which gained most from newer software
        year : when the software was current
        """
        keys = (accelerator.generation, accelerator.name, precision)
        listed = {name: self.factor(name, *keys) for name in TimeConstants._fields if name != "software"}
        aged = self.values["age_experts"] ** age(year) if experts else 1.0
        return TimeConstants(**listed, software=self.factor("software", *keys) * aged)

    @property
    def generations(self) -> tuple[str, ...]:
        """Generations of accelerators of which there are measured steps."""
        return tuple(sorted({load_accelerator(name).generation for name in self.measured}))

    def check(self, accelerator: Accelerator) -> None:
        """Raise `MissingFactError` if no step was measured on the generation of an accelerator."""
        if accelerator.name not in self.measured and accelerator.generation not in self.generations:
            raise MissingFactError(
                f"no step was measured on {accelerator.name}, nor on any of its generation "
                f"({accelerator.generation or 'unknown'}); known: {', '.join(self.generations)}"
            )

    def spread(
        self,
        accelerator: Accelerator,
        experts: bool,
        *,
        launch_share: float = 0.0,
        known_stack: bool = False,
        known_layout: bool = True,
        finetune: bool = False,
    ) -> float:
        """Return the standard deviation of ln(predicted / measured) of a step time [1].

        Parameters
        ----------
        accelerator : known to the fit, or new to it
        experts : whether it is a mixture of experts
        launch_share : share of the step that waits for the host; above a tenth it is bound by it
        known_stack : whether the software was among what was fitted; what is left of its spread after
            `calibrate` counts unless it was
        known_layout : whether the layout is the one that runs
        finetune : whether a trained model is tuned
        """
        terms = [self.spreads["experts" if experts else "dense"]]
        if launch_share > LAUNCH_BOUND and not experts:
            terms = [max(self.spreads["launch"], terms[0])]
        if finetune:
            terms = [max(self.spreads["finetune_launch" if launch_share > LAUNCH_BOUND else "finetune"], terms[0])]
        terms += [] if accelerator.name in self.measured else [self.spreads["accelerator"]]
        terms += [] if known_stack else [self.spreads["stack"]]
        terms += [] if known_layout else [self.spreads["layout"]]
        return math.hypot(*terms)


@lru_cache(maxsize=1)
def default_efficiency() -> Efficiency:
    """Return the constants of `fitted/efficiency.csv` and, for fine-tunes, `fitted/finetune_efficiency.csv`."""
    return from_rows((*table("fitted/efficiency").rows, *table("fitted/finetune_efficiency").rows))


def from_rows(rows: Iterable[Row]) -> Efficiency:
    """Return the efficiency that rows of name, kind and value describe."""
    by_kind: dict[str, dict[str, float]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], {})[row["name"]] = float(row["value"])
    return Efficiency(
        values={**by_kind.get("fixed", {}), **by_kind.get("fitted", {})},
        spreads=by_kind.get("spread", {}),
        measured=tuple(sorted(by_kind.get("measured", {}))),
        source="fitted on measured steps by costmodel.training.calibration.calibrate",
    )


def hardware_rates(cluster: Cluster, precision: str) -> HardwareRates:
    """Return what the time model needs to know of a cluster [SI].

    Raises
    ------
    MissingFactError
        If a peak, the memory, a bandwidth or, beyond one node, the network is not known.
    InputError
        If the accelerator has no such precision.
    """
    accelerator = cluster.accelerator
    needed = {
        "memory": accelerator.usable_memory,
        "memory_bandwidth": accelerator.memory_bandwidth,
        "link_bandwidth": accelerator.link_bandwidth,
    }
    network = cluster.network
    missing = [name for name, value in needed.items() if value is None]
    if network is None and cluster.nodes > 1:
        missing.append("network_bandwidth")
    if missing:
        raise MissingFactError(f"of {accelerator.name} these are not known: {', '.join(missing)}")
    peak = accelerator.peak()
    try:
        fastest = accelerator.peak(precision)
    except MissingFactError as error:
        raise InputError(f"precision: {error}") from None
    memory, bandwidth, link = (value for value in needed.values() if value is not None)
    host = HOST_BANDWIDTH if accelerator.host_bandwidth is None else accelerator.host_bandwidth
    return HardwareRates(
        matmul_peak=fastest,
        peak=peak,
        memory_bandwidth=bandwidth * 1e9,
        link_bandwidth=link * 1e9,
        network_bandwidth=link * 1e9 if network is None else network,
        host_bandwidth=host * 1e9,
        gpus_per_node=float(min(cluster.node_size, cluster.count)),
        memory=memory,
    )
