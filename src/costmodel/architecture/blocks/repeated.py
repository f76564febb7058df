"""A block that runs again with the weights of an equal block of an earlier layer."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, AnyBlock, Block, Operation, Sharding, Weight


class Repeated(Block):
    """Work and cache of a block, without its weights.

    References
    ----------
    Glorioso et al. 2024, "Zamba", section 2 (arXiv 2405.16712): one attention block shared by several layers.
    """

    attends: ClassVar[bool] = True
    kind: Literal["repeated"] = Field(default="repeated", description=KIND)
    block: AnyBlock = Field(description="Block whose weights an earlier layer has.")

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

    def cache(self, context: int) -> float:
        return self.block.cache(context)

    def sharding(self) -> Sharding:
        return self.block.sharding()

    def decode(self, width: int, context: float) -> list[Operation]:
        return self.block.decode(width, context)
