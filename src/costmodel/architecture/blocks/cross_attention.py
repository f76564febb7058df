"""Attention of one stack to another: a decoder to its encoder, a pooling query to all places of an image."""

from typing import ClassVar, Literal

from costmodel.architecture.blocks.block import Block, Operation, Sharding, Weight, grouped_queries, linear, product
from costmodel.foundation.fields import Dimension


class CrossAttention(Block):
    """Softmax attention whose keys and values come from the tokens of a source.

    References
    ----------
    Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.3.
    """

    part_name: ClassVar[str] = "attention"
    reads_source: ClassVar[bool] = True
    attends: ClassVar[bool] = True
    kind: Literal["cross_attention"] = "cross_attention"
    heads: Dimension
    kv_heads: Dimension
    head_width: Dimension
    source_tokens: Dimension | None = None
    """Tokens of the source for each sequence; as many as the sequence has unless given."""
    source_width: Dimension | None = None
    """Hidden size of the source; that of the stack itself unless given."""
    queries: Dimension | None = None
    """Query tokens per sequence; all tokens by default (one query pools an image)."""
    qkv_bias: bool = False
    key_bias: bool = True
    """Whether the keys have a bias where queries and values have one."""
    output_bias: bool = False

    def sharding(self) -> Sharding:
        return grouped_queries(self.heads, self.kv_heads)

    def weights(self, width: int) -> list[Weight]:
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        source = self.source_width or width
        return [
            *linear("query", width, queries, bias=self.qkv_bias, split="columns"),
            *linear("key", source, keys, bias=self.qkv_bias and self.key_bias, split="columns"),
            *linear("value", source, keys, bias=self.qkv_bias, split="columns"),
            *linear("output", queries, width, bias=self.output_bias, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        keys, source = self.kv_heads * self.head_width, self._source(context)
        return [
            product("key", source, self.source_width or width, keys),
            product("value", source, self.source_width or width, keys),
            *self._query_operations(width, tokens, source),
        ]

    def decode(self, width: int, context: float) -> list[Operation]:
        """List the work of one more token: keys and values of the source are there."""
        return self._query_operations(width, 1.0, self._source(context))

    def cache(self, context: int) -> float:
        return 2.0 * self.kv_heads * self.head_width * self._source(context)

    def _source(self, context: float) -> float:
        return context if self.source_tokens is None else float(self.source_tokens)

    def _query_operations(self, width: int, tokens: float, source: float) -> list[Operation]:
        queries = tokens if self.queries is None else float(self.queries)
        inner = self.heads * self.head_width
        return [
            product("query", queries, width, inner),
            Operation("score", "score", queries, source, self.head_width, self.heads),
            Operation("attend", "value", queries, source, self.head_width, self.heads),
            product("output", queries, inner, width),
        ]
