"""Dense feed-forward blocks, plain (two matrices) or gated (three)."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, product
from costmodel.foundation.fields import Dimension


class FeedForward(Block):
    """Two linear layers with an activation between them, which can be gated.

    References
    ----------
    Shazeer 2020, "GLU Variants Improve Transformer" (arXiv 2002.05202).
    """

    part_name: ClassVar[str] = "feed_forward"
    kind: Literal["feed_forward"] = Field(default="feed_forward", description=KIND)
    inner_width: Dimension = Field(description="Inner width (`intermediate_size`, d_ff).")
    gated: bool = Field(description="Whether the activation is gated, as in SwiGLU: three matrices instead of two.")
    bias: bool = Field(default=False, description="Whether the linear layers have a bias (`mlp_bias`).")

    def weights(self, width: int) -> list[Weight]:
        gate = linear("gate", width, self.inner_width, bias=self.bias, split="columns") if self.gated else []
        return [
            *gate,
            *linear("up", width, self.inner_width, bias=self.bias, split="columns"),
            *linear("down", self.inner_width, width, bias=self.bias, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        gate = [product("gate", tokens, width, self.inner_width)] if self.gated else []
        return [
            *gate,
            product("up", tokens, width, self.inner_width),
            product("down", tokens, self.inner_width, width),
        ]
