"""Bases of blocks with heads: heads of one width, and query heads that share keys and values in groups."""

from typing import ClassVar

from pydantic import Field

from costmodel.architecture.blocks.block import Block, Sharding, Weight, grouped_queries, linear
from costmodel.foundation.fields import Dimension


class HeadBlock(Block):
    """A block of heads that have one width."""

    heads: Dimension = Field(description="Heads, of attention (`num_attention_heads`) or of a recurrent state.")
    head_width: Dimension = Field(description="Width of a head (`head_dim`).")

    def sharding(self) -> Sharding:
        return Sharding(self.heads)


class GroupedQueryBlock(HeadBlock):
    """Softmax attention whose query heads share keys and values in groups."""

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kv_heads: Dimension = Field(
        description="Key/value heads, shared by groups of query heads (`num_key_value_heads`); `heads` for multi-head "
        "attention, 1 for multi-query attention."
    )
    qkv_bias: bool = Field(
        default=False, description="Whether the query, key and value projections have a bias (`attention_bias`)."
    )
    key_bias: bool = Field(
        default=True, description="Whether the key projection has a bias too, if `qkv_bias` is true."
    )
    output_bias: bool = Field(default=False, description="Whether the output projection has a bias.")

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_width

    @property
    def key_width(self) -> int:
        """Width of all key heads together, equal to that of the value heads."""
        return self.kv_heads * self.head_width

    def sharding(self) -> Sharding:
        return grouped_queries(self.heads, self.kv_heads)

    def projections(
        self, width: int, source_width: int, value_width: int | None = None, query_width: int | None = None
    ) -> list[Weight]:
        """List the query, key, value and output projections; keys and values read a source of `source_width`.

        `value_width` is the width of a value head, if it differs from that of a query head; queries read an input of
        `query_width`, if it is not the hidden size.
        """
        value = value_width or self.head_width
        return [
            *linear("query", query_width or width, self.query_width, bias=self.qkv_bias, split="columns"),
            *linear("key", source_width, self.key_width, bias=self.qkv_bias and self.key_bias, split="columns"),
            *linear("value", source_width, self.kv_heads * value, bias=self.qkv_bias, split="columns"),
            *linear("output", self.heads * value, width, bias=self.output_bias, split="rows"),
        ]
