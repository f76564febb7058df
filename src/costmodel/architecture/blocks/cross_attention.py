"""Cross-attention of a decoder to its encoder, or of a pooling query to an image."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, product
from costmodel.architecture.blocks.heads import GroupedQueryBlock
from costmodel.foundation.fields import Dimension


class CrossAttention(GroupedQueryBlock):
    """Softmax attention whose keys and values come from the tokens of a source.

    References
    ----------
    Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.3.
    """

    reads_source: ClassVar[bool] = True
    kind: Literal["cross_attention"] = Field(default="cross_attention", description=KIND)
    source_tokens: Dimension | None = Field(
        default=None, description="Tokens of the source per sequence [token]; default: as many as the sequence has."
    )
    source_width: Dimension | None = Field(
        default=None, description="Hidden size of the source; default: that of the stack itself."
    )
    queries: Dimension | None = Field(
        default=None,
        description="Query tokens per sequence [token]; default: all tokens. A query that pools an image is 1 token.",
    )

    def weights(self, width: int) -> list[Weight]:
        return self.projections(width, self.source_width or width)

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        keys, source = self.key_width, self._source(context)
        return [
            product("key", source, self.source_width or width, keys),
            product("value", source, self.source_width or width, keys),
            *self._query_operations(width, tokens, source),
        ]

    def decode(self, width: int, context: float) -> list[Operation]:
        """List the work of a decode step; keys and values of the source are cached."""
        return self._query_operations(width, 1.0, self._source(context))

    def cache(self, context: int) -> float:
        return 2.0 * self.key_width * self._source(context)

    def _source(self, context: float) -> float:
        return context if self.source_tokens is None else float(self.source_tokens)

    def _query_operations(self, width: int, tokens: float, source: float) -> list[Operation]:
        queries = tokens if self.queries is None else float(self.queries)
        inner = self.query_width
        return [
            product("query", queries, width, inner),
            Operation("score", "score", queries, source, self.head_width, self.heads),
            Operation("attend", "value", queries, source, self.head_width, self.heads),
            product("output", queries, inner, width),
        ]
