"""Gated short convolution, in place of attention."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, product
from costmodel.foundation.fields import Dimension


class ShortConvolution(Block):
    """Convolution over the last few tokens, per channel, with gates before and after it, as in LFM2.

    References
    ----------
    Liquid AI 2025, "LFM2 Technical Report", section 2 (arXiv 2511.23404).
    """

    part_name: ClassVar[str] = "short_convolution"
    kind: Literal["short_convolution"] = Field(default="short_convolution", description=KIND)
    kernel: Dimension = Field(description="Kernel size of the convolution (`conv_L_cache`) [token].")
    input_width: Dimension = Field(description="Hidden size; the cache holds the last tokens.")
    bias: bool = Field(
        default=False, description="Whether the convolution and both projections have a bias (`conv_bias`)."
    )

    def weights(self, width: int) -> list[Weight]:
        bias = [Weight("convolution_bias", (width,), "bias", split="heads")] if self.bias else []
        return [
            *linear("input", width, 3 * width, bias=self.bias, split="columns"),
            Weight("convolution", (width, self.kernel), split="heads"),
            *bias,
            *linear("output", width, width, bias=self.bias, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [
            product("input", tokens, width, 3 * width),
            product("convolution", tokens, self.kernel, width),
            product("output", tokens, width, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.input_width * (self.kernel - 1))
