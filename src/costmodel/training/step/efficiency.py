"""Fitted efficiencies of the step-time model: which constants apply to an accelerator, and the spread of predictions.

The constants are in `data/fitted/efficiency.csv`. A name such as `matmul:hopper` is a factor on `matmul` for a
generation, a precision or one accelerator. This is the only module of the package, besides the memory constants, that
reads files.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, constant, table
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.features import NOT_KNOWN, Features
from costmodel.training.step.measured_setup import MeasuredSetup
from costmodel.training.step.numerics import OPERAND_BYTES

NEWEST_SOFTWARE = constant("newest_software")
"""Year of the newest software in the measurements."""
MOST_SOFTWARE_AGE = constant("most_software_age")
"""Age of software above which the measurements show no further effect [year]."""
HOST_BANDWIDTH = constant("host_bandwidth")
"""Default bandwidth between accelerator and host memory: PCIe 4.0 [GB/s]."""
LAUNCH_BOUND = constant("launch_bound")
"""Share of launch overhead in the step time above which a step counts as launch-bound [1]."""

TABLES = ("fitted/efficiency", "fitted/finetune_efficiency", "fitted/software_efficiency")
"""Tables of the shipped constants."""


MoeCase = Literal["known", "new", "untuned"]
"""What is known of the speed of an MoE: "known" if steps of the model were measured on tuned software, "new" if
those of other models with its operations were, "untuned" if its operations or mixtures of experts on its software were
not."""
_MOE_SPREADS: dict[MoeCase, str] = {"known": "experts", "new": "experts_model", "untuned": "experts_stack"}


def age(year: float) -> float:
    """Return the age of software relative to the newest measured, at most `MOST_SOFTWARE_AGE` [year].

    Parameters
    ----------
    year : float
        Year of the software [year].
    """
    return min(max(NEWEST_SOFTWARE - year, 0.0), MOST_SOFTWARE_AGE)


class Efficiency(Spec):
    """Constants of the step-time model, and the spread of its predictions.

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> shipped = default_efficiency()
    >>> 0.4 < shipped.constants(load_accelerator("H100-SXM"), "bf16").matmul < 1
    True
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            values: Mapping[str, float],
            spreads: Mapping[str, float],
            measured: Sequence[str] = ...,
            measured_moe: Sequence[str] = ...,
            calibrated: bool = ...,
            calibrated_moe: bool = ...,
            setups: Sequence[MeasuredSetup | Mapping[str, object]] = ...,
            source: str = ...,
        ) -> None: ...

    values: dict[str, float] = Field(
        description="Constants by their names in `TimeConstants`, and factors on them as `name:key`."
    )
    spreads: dict[str, float] = Field(
        description="Standard deviations of ln(predicted / measured) by case [1]; see `spread`."
    )
    measured: tuple[str, ...] = Field(default=(), description="Accelerators with measured steps.")
    measured_moe: tuple[str, ...] = Field(
        default=(), description="Mixtures of experts with measured steps, by their names in the catalog."
    )
    calibrated: bool = Field(
        default=False, description="Whether the constants were fitted to measured steps of the user."
    )
    calibrated_moe: bool = Field(
        default=False, description="Whether mixtures of experts were among the measured steps of the user."
    )
    setups: tuple[MeasuredSetup, ...] = Field(
        default=(),
        description="Setups with step times of the user, as `calibrate` reads them: the prediction for the same model, "
        "batch size, accelerators and layout is the measurement, weighted with the model by their variances.",
    )
    source: str = Field(default="", description="Origin of the constants.")

    def factor(self, name: str, *keys: str) -> float:
        """Return a constant for some keys: its value times the factor of each key that has one.

        Parameters
        ----------
        name : str
            Field of `TimeConstants`.
        keys : str
            Generation, accelerator, precision.
        """
        if name not in self.values:
            raise UnknownNameError(f"unknown constant {name!r} of the step-time model; known: {', '.join(self.values)}")
        value = self.values[name]
        for key in keys:
            value *= self.values.get(f"{name}:{key}", 1.0)
        return value

    def constants(
        self,
        accelerator: Accelerator,
        precision: str,
        experts: bool = False,
        year: float = NEWEST_SOFTWARE,
        software: str = "",
        features: Features = NOT_KNOWN,
        moe_case: MoeCase = "known",
    ) -> TimeConstants:
        """Return the constants for an accelerator and a precision.

        Parameters
        ----------
        accelerator : Accelerator
            The accelerator.
        precision : str
            Number format of the matmuls.
        experts : bool
            Whether the model is an MoE; older software is slower for MoE models.
        year : float
            Year of the software [year].
        software : str
            Key of the software (`Software.key`); its factor is not used after a calibration. Default: no factor.
        features : Features
            Features of the software for mixtures of experts; those that are not known are as usual in `year`.
        moe_case : MoeCase
            What is known of an MoE: an untuned stack is slower than the fit.
        """
        usual = features.or_usual(year, accelerator.generation, OPERAND_BYTES[precision] < 2)
        keys = (accelerator.generation, accelerator.name, precision, *(usual.keys if experts else ()))
        values = {name: self.factor(name, *keys) for name in TimeConstants._fields if name != "software"}
        of_stack = software and not self.calibrated
        if not experts:
            stack = (software,) if of_stack else ()
            return TimeConstants(**values, software=self.factor("software", *keys, *stack))
        untuned = self.values.get("untuned", 1.0) if moe_case == "untuned" else 1.0
        aged = self.values["age_experts"] ** age(year)
        return TimeConstants(**values, software=self.factor("software", *keys) * aged * untuned)

    def moe_case(self, architecture: Architecture, tuned_stack: bool) -> MoeCase:
        """Return what is known of the speed of an MoE.

        Parameters
        ----------
        architecture : Architecture
            The model.
        tuned_stack : bool
            Whether mixtures of experts were measured on the software.
        """
        if self.calibrated_moe:
            return "known"
        if not tuned_stack:
            return "untuned"
        layers, operations = _measured_layers(self.measured_moe)
        own = {layer.model_copy(update={"count": 1}) for layer in architecture.layers}
        if any(own <= known for known in layers):
            return "known"
        return "new" if _operations(architecture) <= operations else "untuned"

    @property
    def generations(self) -> tuple[str, ...]:
        """Accelerator generations with measured steps."""
        return _generations(self.measured)

    def check(self, accelerator: Accelerator) -> None:
        """Raise `MissingFactError` if neither an accelerator nor its generation has measured steps.

        Parameters
        ----------
        accelerator : Accelerator
            The accelerator.
        """
        if accelerator.name not in self.measured and accelerator.generation not in self.generations:
            raise MissingFactError(
                f"no step was measured on {accelerator.name}, nor on its generation "
                f"({accelerator.generation or 'not given'}); measured generations: {', '.join(self.generations)}"
            )

    def spread(
        self,
        accelerator: Accelerator,
        experts: bool,
        *,
        launch_share: float = 0.0,
        software: str | None = None,
        known_layout: bool = True,
        finetune: bool = False,
        moe_case: MoeCase = "known",
        features_known: bool = True,
    ) -> float:
        """Return the standard deviation of ln(predicted / measured) of a step time [1].

        Parameters
        ----------
        accelerator : Accelerator
            Accelerators without measured steps add to the spread.
        experts : bool
            Whether the model is an MoE.
        launch_share : float
            Share of launch overhead in the step time; above `LAUNCH_BOUND` the step is launch-bound [1].
        software : str, optional
            Key of the software (`Software.key`); without a spread of its own that of a stack counts.
            Default: software of the fit.
        known_layout : bool
            Whether the layout is that of the run; otherwise its spread counts.
        finetune : bool
            Whether the step is part of fine-tuning.
        moe_case : MoeCase
            What is known of an MoE.
        features_known : bool
            Whether the features of the software are known; counts for an MoE.
        """
        if experts:
            terms = [self.spreads.get(_MOE_SPREADS[moe_case], self.spreads["dense"])]
            terms += [] if features_known else [self.spreads.get("features", 0.0)]
        else:
            terms = [self.spreads["dense"]]
        if launch_share > LAUNCH_BOUND and not experts:
            terms = [max(self.spreads["launch"], terms[0])]
        if finetune:
            terms = [max(self.spreads["finetune_launch" if launch_share > LAUNCH_BOUND else "finetune"], terms[0])]
        terms += [] if accelerator.name in self.measured else [self.spreads["accelerator"]]
        if software is not None and (self.calibrated or not experts):
            name = "stack" if self.calibrated else f"software:{software}"
            terms.append(self.spreads.get(name, self.spreads["stack"]))
        terms += [] if known_layout else [self.spreads["layout"]]
        return math.hypot(*terms)

    def measurement(self, rows: int) -> tuple[float, float]:
        """Return the weight of a measured setup against the model, and the spread of ln step time at it [1].

        Parameters
        ----------
        rows : int
            Measured rows of the setup [1].
        """
        between, repeat = self.spreads["setup"] ** 2, self.spreads["repeat"] ** 2
        left = 1 / (1 / between + rows / repeat)
        return 1 - left / between, math.sqrt(left + repeat)


@lru_cache(maxsize=64)
def _generations(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the generations of some accelerators."""
    return tuple(sorted({load_accelerator(name).generation for name in names}))


@lru_cache(maxsize=4)
def _measured_layers(models: tuple[str, ...]) -> tuple[list[set[Layer]], set[str]]:
    """Return the layers of each measured MoE, and the operations of all."""
    architectures = [load_architecture(name) for name in models]
    layers = [{layer.model_copy(update={"count": 1}) for layer in each.layers} for each in architectures]
    return layers, set().union(*(_operations(each) for each in architectures))


def _operations(architecture: Architecture) -> set[str]:
    """Return the kinds of the blocks of all layers."""
    blocks = [block for layer in architecture.layers for block in layer.blocks()]
    indexed = {"index" for block in blocks if getattr(block, "index_heads", None)}  # sparse attention
    return indexed | {type(block).__name__ for block in blocks}


@lru_cache(maxsize=1)
def default_efficiency() -> Efficiency:
    """Return the constants of `data/fitted/efficiency.csv`, `finetune_efficiency.csv` and `software_efficiency.csv`."""
    return from_rows(row for name in TABLES for row in table(name).rows)


def from_rows(rows: Iterable[Row]) -> Efficiency:
    """Return the efficiency described by table rows.

    Parameters
    ----------
    rows : iterable of Row
        Rows with the columns name, kind ("fixed", "fitted", "spread" or "measured") and value.
    """
    by_kind: dict[str, dict[str, float]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], {})[row["name"]] = float(row["value"])
    return Efficiency(
        values={**by_kind.get("fixed", {}), **by_kind.get("fitted", {})},
        spreads=by_kind.get("spread", {}),
        measured=tuple(sorted(by_kind.get("measured", {}))),
        measured_moe=tuple(sorted(by_kind.get("measured_moe", {}))),
        source="fitted by costmodel refit step_times on measured steps",
    )


def hardware_rates(cluster: Cluster, precision: str) -> HardwareRates:
    """Return the peaks and bandwidths of a cluster, in SI units.

    Parameters
    ----------
    cluster : Cluster
        Accelerators and their site.
    precision : str
        Number format of the matmuls.

    Raises
    ------
    MissingFactError
        If a peak, the memory, a bandwidth or, with several nodes, the network bandwidth is unknown.
    InputError
        If the accelerator does not support the precision.
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
        raise MissingFactError(f"unknown facts of {accelerator.name}: {', '.join(missing)}")
    peak = accelerator.peak()
    try:
        matmul_peak = accelerator.peak(precision)
    except MissingFactError as error:
        raise InputError(f"precision: {error}") from None
    memory, bandwidth, link = (value for value in needed.values() if value is not None)
    host_memory, host_memory_spread = cluster.host_memory_per_accelerator
    host = HOST_BANDWIDTH if accelerator.host_bandwidth is None else accelerator.host_bandwidth
    return HardwareRates(
        matmul_peak=matmul_peak,
        peak=peak,
        memory_bandwidth=bandwidth * 1e9,
        link_bandwidth=link * 1e9,
        network_bandwidth=link * 1e9 if network is None else network,
        host_bandwidth=host * 1e9,
        gpus_per_node=float(min(cluster.node_size, cluster.count)),
        memory=memory,
        host_memory=host_memory,
        host_memory_spread=host_memory_spread,
    )
