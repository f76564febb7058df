"""Layout of a replica, and the rates of its accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.serving.step.formats import has_experts

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.arrays import FloatLike
    from costmodel.hardware.cluster import Cluster


class Replica(NamedTuple):
    """Layout of one copy of a model on `tensor` × `pipeline` accelerators."""

    tensor: int = 1
    """Accelerators that share each layer: tensor parallelism, or with `data_parallel_attention` the ranks of it."""
    pipeline: int = 1
    """Pipeline stages."""
    expert: int = 1
    """Groups over which whole experts are spread; 1: tensor parallelism shards each expert. Time per token does not
    depend on it: the balance of experts is in the fitted constants."""
    data_parallel_attention: bool = False
    """Whether each accelerator holds all attention weights and its own share of the sequences, while the experts are
    sharded over all."""

    @property
    def accelerators(self) -> int:
        """Number of accelerators."""
        return self.tensor * self.pipeline

    def check(self, architecture: Architecture) -> None:
        """Raise `InputError` if a degree is wrong or does nothing for an architecture.

        Parameters
        ----------
        architecture : Architecture
        """
        problems = [
            f"{name}: must be a whole number, at least 1; got {degree!r}"
            for name, degree in self._asdict().items()
            if name != "data_parallel_attention"
            and (isinstance(degree, bool) or not isinstance(degree, int) or degree < 1)
        ]
        if not problems:
            problems = self._useless(architecture)
        if problems:
            raise InputError(problems)

    def _useless(self, architecture: Architecture) -> list[str]:
        problems = []
        if self.pipeline > max(architecture.depth, 1):
            problems.append(f"pipeline: at most the number of layers, {architecture.depth}; got {self.pipeline}")
        if self.expert > 1 and not has_experts(architecture):
            problems.append(f"expert: {architecture.name} has no experts; got {self.expert}, accepted is 1")
        if self.expert > 1 and self.accelerators % self.expert:
            problems.append(f"expert: must divide the {self.accelerators} accelerators of a replica; got {self.expert}")
        if self.data_parallel_attention and self.tensor == 1:
            problems.append("data_parallel_attention: needs tensor above 1; got 1")
        if self.data_parallel_attention and not has_experts(architecture):
            problems.append(f"data_parallel_attention: {architecture.name} has no experts; use more replicas instead")
        return problems


def head_counts(architecture: Architecture) -> list[int]:
    """Return the numbers of heads of the blocks of a model, each once.

    Parameters
    ----------
    architecture : Architecture
    """
    blocks = [block for layer in architecture.layers for block in layer.blocks()]
    return sorted({heads for block in blocks if isinstance(heads := getattr(block, "heads", None), int)})


def divides_heads(architecture: Architecture, layout: Replica) -> bool:
    """Return whether engines can run a layout: tensor parallelism must divide the heads.

    Parameters
    ----------
    architecture : Architecture
    layout : Replica
    """
    return layout.data_parallel_attention or not any(heads % layout.tensor for heads in head_counts(architecture))


class Hardware(NamedTuple):
    """Rates of one accelerator of a replica; numbers, or arrays over rows."""

    peak: FloatLike
    """Dense peak at the precision of the products [FLOP/s]."""
    attention_peak: FloatLike
    """Dense peak at 16 bits, in which attention scores are computed [FLOP/s]."""
    bandwidth: FloatLike
    """Memory bandwidth [byte/s]."""
    link: FloatLike
    """Bandwidth between the accelerators of the replica, in one direction [byte/s]."""
    memory: FloatLike
    """Usable memory [byte]."""


def hardware_of(cluster: Cluster, accelerators: int, product: str) -> tuple[Hardware, str]:
    """Return the rates of an accelerator of a replica, and the precision of its products.

    Products run in bf16, or fp16, where the accelerator has no peak at the precision asked for.

    Parameters
    ----------
    cluster : Cluster
        Cluster with the accelerator and its network.
    accelerators : int
        Accelerators per replica.
    product : str
        Precision of the matrix products, such as "fp8".

    Raises
    ------
    MissingFactError
        If a peak, the memory or a bandwidth is not known.
    """
    accelerator = cluster.accelerator
    within = accelerators <= cluster.node_size
    link = accelerator.link_bandwidth if within else (cluster.network or 0.0) / 1e9 or None
    needed = {"memory": accelerator.usable_memory, "memory_bandwidth": accelerator.memory_bandwidth}
    if accelerators > 1:
        needed["link_bandwidth" if within else "network_bandwidth"] = link
    if missing := [name for name, value in needed.items() if value is None]:
        spans = "" if within else f" for a replica of {accelerators}, which spans nodes of {cluster.node_size}"
        raise MissingFactError(
            f"accelerator: {accelerator.name} lacks {', '.join(missing)}, which the serving model needs{spans}; give "
            "these values"
        )
    plain = accelerator.peak()
    if not accelerator.supports(product):
        product = "bf16"
    rates = Hardware(
        peak=plain if product in {"bf16", "fp16"} else accelerator.peak(product),
        attention_peak=plain,
        bandwidth=(accelerator.memory_bandwidth or 0.0) * 1e9,
        link=(link or 1.0) * 1e9,
        memory=accelerator.usable_memory or 0.0,
    )
    return rates, product
