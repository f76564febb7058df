"""A block in a stream of another width than that of its layer."""

from typing import Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, AnyBlock, Block, Operation, Sharding, Weight
from costmodel.foundation.fields import Dimension


class AtWidth(Block):
    """A block whose input and output have another width than the layer, such as the inside of a bottleneck.

    References
    ----------
    Sun et al. 2020, "MobileBERT" (arXiv 2004.02984), section 3.
    """

    kind: Literal["at_width"] = Field(default="at_width", description=KIND)
    block: AnyBlock = Field(description="The block itself.")
    width: Dimension = Field(description="Width of the input and the output of the block.")

    @property
    def part(self) -> str:
        return self.block.part

    @property
    def bidirectional(self) -> bool:
        return self.block.bidirectional

    def weights(self, width: int) -> list[Weight]:
        return self.block.weights(self.width)

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return self.block.operations(self.width, tokens, context)

    def decode(self, width: int, context: float) -> list[Operation]:
        return self.block.decode(self.width, context)

    def cache(self, context: int) -> float:
        return self.block.cache(context)

    def sharding(self) -> Sharding:
        return self.block.sharding()
