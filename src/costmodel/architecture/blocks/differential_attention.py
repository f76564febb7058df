"""Differential attention: the difference of two softmax attentions over the same values."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import KIND, Block, Operation, Sharding, Weight

_VECTORS = 4
"""Learned vectors, of the width of a head, that give the weight of the second attention."""


class DifferentialAttention(Block):
    """Softmax attention whose heads come in pairs: each head reads the values of both heads of its pair.

    References
    ----------
    Ye et al. 2024, "Differential Transformer", section 2.1 (arXiv 2410.05258).
    """

    attends: ClassVar[bool] = True
    kind: Literal["differential_attention"] = Field(default="differential_attention", description=KIND)
    attention: Attention = Field(description="Attention of all heads, of which an even number must exist.")

    @property
    def part(self) -> str:
        return self.attention.part

    def weights(self, width: int) -> list[Weight]:
        vectors = Weight("second_attention", (self.attention.head_width,), "norm", copies=_VECTORS)
        return [*self.attention.weights(width), vectors]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        listed = self.attention.operations(width, tokens, context)
        values = 2 * self.attention.head_width
        return [work._replace(k=values) if work.name == "attend" else work for work in listed]

    def cache(self, context: int) -> float:
        return self.attention.cache(context)

    def sharding(self) -> Sharding:
        return self.attention.sharding()
