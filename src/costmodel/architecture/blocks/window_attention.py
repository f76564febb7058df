"""Attention within the windows of an image."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class WindowAttention(HeadBlock):
    """Softmax attention of each position of an image to those of its window.

    References
    ----------
    Liu et al. 2021, "Swin Transformer" (arXiv 2103.14030), section 3.2.
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["window_attention"] = Field(default="window_attention", description=KIND)
    window: Dimension = Field(description="Positions per window (`window_size` squared): 7 × 7 = 49.")
    places: Dimension = Field(description="Positions of all windows of an image, padding included.")
    offsets: Dimension | None = Field(
        default=None, description="Rows of the table of relative positions: (2 × 7 - 1)² = 169; default: no table."
    )
    kv_heads: Dimension | None = Field(
        default=None, description="Key/value heads (`num_key_value_heads`); default: as many as heads."
    )
    qkv_bias: bool = Field(
        default=True, description="Whether the query, key and value projections have a bias (`qkv_bias`)."
    )
    key_bias: bool = Field(
        default=True, description="Whether the key projection has a bias too, if `qkv_bias` is true."
    )
    output_bias: bool = Field(default=True, description="Whether the output projection has a bias.")

    def weights(self, width: int) -> list[Weight]:
        inner, keys = self.heads * self.head_width, (self.kv_heads or self.heads) * self.head_width
        table = (
            []
            if self.offsets is None
            else [Weight("relative_positions", (self.offsets, self.heads), "bias", split="heads")]
        )
        return [
            *linear("query", width, inner, bias=self.qkv_bias, split="columns"),
            *linear("key", width, keys, bias=self.qkv_bias and self.key_bias, split="columns"),
            *linear("value", width, keys, bias=self.qkv_bias, split="columns"),
            *linear("output", inner, width, bias=self.output_bias, split="rows"),
            *table,
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner, places = self.heads * self.head_width, float(self.places)
        keys = (self.kv_heads or self.heads) * self.head_width
        return [
            product("query", places, width, inner),
            product("key", places, width, keys),
            product("value", places, width, keys),
            Operation("score", "score", places, self.window, self.head_width, self.heads),
            Operation("attend", "value", places, self.window, self.head_width, self.heads),
            product("output", places, inner, width),
        ]
