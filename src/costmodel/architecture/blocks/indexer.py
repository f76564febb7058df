"""Indexer of block-sparse attention: few narrow heads that select blocks of keys."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock


class Indexer(HeadBlock):
    """Scores of all keys for each query, from query heads and one key head with norms; it has no values.

    References
    ----------
    Shapes as in Hugging Face transformers 5.24, model type minimax_m3_vl.
    """

    part_name: ClassVar[str] = "attention"
    kind: Literal["indexer"] = Field(default="indexer", description=KIND)

    def weights(self, width: int) -> list[Weight]:
        return [
            *linear("index_query", width, self.heads * self.head_width, split="replicated"),
            *linear("index_key", width, self.head_width, split="replicated"),
            *norm("index_query_norm", self.head_width),
            *norm("index_key_norm", self.head_width),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [
            product("index_query", tokens, width, self.heads * self.head_width),
            product("index_key", tokens, width, self.head_width),
            Operation("index_score", "score", tokens, context, self.head_width, self.heads, causal=True),
        ]

    @property
    def cache_heads(self) -> int:
        """1: all heads share one key."""
        return 1

    def cache(self, context: int) -> float:
        return float(self.head_width) * context
