"""A block that is applied again, with the weights of its first application."""

from typing import Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, AnyBlock, Block, Operation, Sharding, Weight


class Reapplied(Block):
    """A block of a recurrent-depth or looped model: its work and its cache count again, its weights do not.

    References
    ----------
    Dehghani et al. 2018, "Universal Transformers" (arXiv 1807.03819).
    """

    kind: Literal["reapplied"] = Field(default="reapplied", description=KIND)
    block: AnyBlock = Field(description="Block whose weights are used again.")

    @property
    def part(self) -> str:
        return self.block.part

    @property
    def bidirectional(self) -> bool:
        return self.block.bidirectional

    def weights(self, width: int) -> list[Weight]:
        return []

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return self.block.operations(width, tokens, context)

    def decode(self, width: int, context: float) -> list[Operation]:
        return self.block.decode(width, context)

    def cache(self, context: int) -> float:
        return self.block.cache(context)

    def sharding(self) -> Sharding:
        return self.block.sharding()
