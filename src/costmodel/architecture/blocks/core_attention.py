"""Core attention without projections, for layers whose matrices are listed as blocks of their own."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Sharding, Weight
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class CoreAttention(HeadBlock):
    """Scores and weighted sums of softmax attention; linear layers beside it hold the projections.

    References
    ----------
    Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.1.
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["core_attention"] = Field(default="core_attention", description=KIND)
    kv_heads: Dimension = Field(description="Key/value heads, shared by groups of query heads (`num_key_value_heads`).")
    window: Dimension | None = Field(
        default=None,
        description="Sliding window: tokens that a query attends to, itself included (`sliding_window`) [token]; "
        "default: all tokens.",
    )
    causal: bool = Field(
        default=True, description="Whether a token attends only to itself and to the tokens before it."
    )

    @property
    def bidirectional(self) -> bool:
        return not self.causal

    def sharding(self) -> Sharding:
        return Sharding(self.heads, self.kv_heads if self.kv_heads < self.heads else 0)

    def weights(self, width: int) -> list[Weight]:
        return []

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        shape = (tokens, context, self.head_width, self.heads, self.causal, self.window)
        return [Operation("score", "score", *shape), Operation("attend", "value", *shape)]

    def cache(self, context: int) -> float:
        return 2.0 * self.kv_heads * self.head_width * min(context, self.window or context)
