"""Clusters: the number and kind of accelerators, their nodes, network and site."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer

from costmodel.foundation.fields import Bandwidth, Count, Gigabytes, OrJson, reported
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import constant
from costmodel.hardware.accelerator import Accelerator, accelerator_names, load_accelerator
from costmodel.hardware.embodied import Embodied
from costmodel.hardware.site import Site

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike, NumberLike


HOST_MEMORY_RATIO = constant("host_memory_ratio")
"""Host memory of a node over the memory of its accelerators [1]."""
HOST_MEMORY_SPREAD = constant("host_memory_spread")
"""Standard deviation of the logarithm of that ratio over servers [1]."""


def _named(value: Any) -> Any:
    """Return the accelerator of a name; fields of an own accelerator are validated by pydantic."""
    return value if isinstance(value, Mapping) else load_accelerator(value)


def _written(accelerator: Accelerator) -> Any:
    """Return the name of an accelerator of the catalog, or the fields of any other."""
    in_catalog = accelerator_names().proper(accelerator.name) == accelerator.name
    same = in_catalog and load_accelerator(accelerator.name) == accelerator
    return accelerator.name if same else accelerator.to_data()


AcceleratorLike: TypeAlias = str | Accelerator | Mapping[str, object]
"""What names an accelerator: a name of the catalog, an `Accelerator`, or its fields."""
AcceleratorField = Annotated[
    Accelerator, BeforeValidator(reported(_named)), PlainSerializer(_written), OrJson(("string",))
]


class Cluster(Spec):
    """A number of identical accelerators at a site.

    Examples
    --------
    >>> Cluster("H100-SXM", 1024).nodes
    128
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            accelerator: AcceleratorLike,
            count: CountLike,
            *,
            site: Site | Mapping[str, object] = ...,
            gpus_per_node: CountLike | None = ...,
            network_bandwidth: NumberLike | None = ...,
            host_memory: NumberLike | None = ...,
            embodied: Embodied | Mapping[str, object] = ...,
        ) -> None: ...

    accelerator: AcceleratorField = Field(description="A name of the catalog, an `Accelerator`, or its fields.")
    count: Count = Field(description="Number of accelerators.")
    site: Site = Field(default=Site(), description="Power, cooling, water and grid.")
    gpus_per_node: Count | None = Field(
        default=None, description="Accelerators per node. Default: a typical node of the accelerator."
    )
    network_bandwidth: Bandwidth | None = Field(
        default=None,
        description="Bandwidth between nodes per accelerator, in one direction [GB/s]. Default: that of the "
        "accelerator.",
    )

    host_memory: Gigabytes | None = Field(
        default=None,
        description="Host memory per node [GB]. Default: three times the memory of its accelerators, within a factor "
        "of 1.6; a job on a part of a node may have its share of it only.",
    )
    embodied: Embodied = Field(default=Embodied(), description="Embodied carbon of the hardware, and its life.")

    @property
    def node_size(self) -> int:
        """Accelerators per node."""
        return self.gpus_per_node or self.accelerator.node_size

    @property
    def nodes(self) -> int:
        """Number of nodes; the last node may be partly used."""
        return -(-self.count // self.node_size)

    @property
    def network(self) -> float | None:
        """Bandwidth between nodes per accelerator, in one direction [byte/s]; None if it is not known."""
        given = self.network_bandwidth
        bandwidth = self.accelerator.network_bandwidth if given is None else given
        return None if bandwidth is None else bandwidth * 1e9

    @property
    def host_memory_per_accelerator(self) -> tuple[float, float]:
        """Host memory per accelerator of the job [byte], and the standard deviation of its logarithm [1].

        A job on a part of a node has between the share of its accelerators and the memory of the whole node.
        """
        used = min(self.count, self.node_size)
        if self.host_memory is not None:
            return self.host_memory * 1e9 / used, 0.0
        share = HOST_MEMORY_RATIO * (self.accelerator.usable_memory or 0.0)
        unknown = math.log(self.node_size / used) / 2
        return share * math.exp(unknown), math.hypot(HOST_MEMORY_SPREAD, unknown)
