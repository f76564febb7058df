"""How many accelerators, of which kind, where?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from costmodel.foundation.fields import Count, reported
from costmodel.foundation.specs import Spec
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.hardware.site import Site


def _accelerator(value: Any) -> Accelerator:
    try:
        return load_accelerator(value)
    except KeyError as error:
        raise ValueError(str(error)) from None


AcceleratorField = Annotated[Accelerator, BeforeValidator(reported(_accelerator))]


class Cluster(Spec):
    """A number of equal accelerators at a site.

    Examples
    --------
    >>> Cluster("H100-SXM", 1024).nodes
    128
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    accelerator: AcceleratorField
    """A name of the catalogue, an `Accelerator`, or its fields."""
    count: Count
    """Accelerators."""
    site: Site = Site()
    gpus_per_node: Count | None = None
    """Accelerators in a node; the typical number of the accelerator unless given."""

    @property
    def node_size(self) -> int:
        """Accelerators in a node."""
        return self.gpus_per_node or self.accelerator.node_size

    @property
    def nodes(self) -> int:
        """Number of nodes, the last one perhaps not full."""
        return -(-self.count // self.node_size)

    def to_data(self) -> dict[str, Any]:
        data = super().to_data()
        if self.accelerator.source:
            data["accelerator"] = self.accelerator.name
        return data
