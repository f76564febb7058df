"""Hyper-connections: residual streams that are mixed before and after a block by weights computed from them."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, product
from costmodel.foundation.fields import Dimension


class HyperConnection(Block):
    """Mixing of residual streams.

    References
    ----------
    Zhu et al. 2024, "Hyper-Connections" (arXiv 2409.19606).
    """

    part_name: ClassVar[str] = "hyper_connections"
    kind: Literal["hyper_connection"] = Field(default="hyper_connection", description=KIND)
    streams: Dimension = Field(description="Residual streams (`hc_mult`).")
    outputs: Dimension = Field(description="Mixing weights that are computed from all streams of a token.")
    scales: Dimension = Field(description="Learned scales of the mixing weights.")
    copies: Dimension = Field(default=1, description="Equal copies: one for each block of the layer.")

    def weights(self, width: int) -> list[Weight]:
        return [
            Weight("mixing", (self.streams * width, self.outputs), copies=self.copies),
            Weight("base", (self.outputs,), "bias", copies=self.copies),
            Weight("scale", (self.scales,), "norm", copies=self.copies),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [product("mixing", tokens, self.streams * width, self.outputs, self.copies)]
