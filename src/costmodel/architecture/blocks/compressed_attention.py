"""Attention to a sliding window and to compressed tokens, with one KV head and a grouped output projection."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension

OVERLAPPING = 4
"""Compression ratio at which neighboring compressed tokens overlap and an indexer selects them [token]."""


class CompressedAttention(HeadBlock):
    """Attention of DeepSeek-V4: to a sliding window, and to one compressed token per `ratio` tokens.

    References
    ----------
    Shapes as in Hugging Face transformers 5.24, model type deepseek_v4.
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["compressed_attention"] = Field(default="compressed_attention", description=KIND)
    query_rank: Dimension = Field(description="Width of the query latent (`q_lora_rank`).")
    output_rank: Dimension = Field(
        description="Width to which each group of heads is projected before the output (`o_lora_rank`)."
    )
    output_groups: Dimension = Field(
        description="Groups of heads in the output projection (`o_groups`); must divide heads × head width."
    )
    window: Dimension = Field(
        description="Sliding window: uncompressed tokens that a query attends to, itself included (`sliding_window`) "
        "[token]."
    )
    ratio: Dimension | None = Field(
        default=None,
        description="Tokens per compressed token (`compress_ratios`) [token]; default: no compression. A ratio of 4 "
        "has an indexer.",
    )
    index_heads: Dimension = Field(default=64, description="Heads of the indexer (`index_n_heads`).")
    index_width: Dimension = Field(default=128, description="Width of a head of the indexer (`index_head_dim`).")
    index_top_k: Dimension = Field(
        default=512, description="Compressed tokens that the indexer selects for a query (`index_topk`)."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.heads * self.head_width % self.output_groups:
            raise ValueError(f"output_groups ({self.output_groups}) does not divide heads × head width")
        return self

    @property
    def _indexed(self) -> bool:
        return self.ratio == OVERLAPPING

    def weights(self, width: int) -> list[Weight]:
        queries = self.heads * self.head_width
        grouped = self.output_groups * self.output_rank
        return [
            Weight("sinks", (self.heads,), "bias", split="heads"),
            *linear("query_down", width, self.query_rank, split="replicated"),
            *norm("query_latent_norm", self.query_rank),
            *linear("query_up", self.query_rank, queries, split="columns"),
            *linear("key_value", width, self.head_width, split="replicated"),
            *norm("key_value_norm", self.head_width),
            *linear("output_down", queries // self.output_groups, grouped, split="columns"),
            *linear("output_up", grouped, width, split="rows"),
            *self._compressor(width, "compressor", self.head_width),
            *self._indexer(width),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        queries = self.heads * self.head_width
        grouped = self.output_groups * self.output_rank
        shape = (tokens, context, self.head_width, self.heads)
        listed = [
            product("query_down", tokens, width, self.query_rank),
            product("query_up", tokens, self.query_rank, queries),
            product("key_value", tokens, width, self.head_width),
            product("output_down", tokens, queries // self.output_groups, grouped),
            product("output_up", tokens, grouped, width),
            Operation("score", "score", *shape, True, self.window),
            Operation("attend", "value", *shape, True, self.window),
        ]
        if self.ratio is None:
            return listed
        wide = self.head_width * (2 if self._indexed else 1)
        compressed = (tokens, context / self.ratio, self.head_width, self.heads, True)
        listed += [
            product("compressor", tokens, width, 2 * wide),
            Operation("compressed_score", "score", *compressed),
            Operation("compressed_attend", "value", *compressed),
        ]
        if self._indexed:
            listed += [
                product("index_compressor", tokens, width, 4 * self.index_width),
                product("index_query", tokens, self.query_rank, self.index_heads * self.index_width),
                product("index_weight", tokens, width, self.index_heads),
                Operation("index_score", "score", *compressed[:2], self.index_width, self.index_heads, True),
            ]
        return listed

    @property
    def cache_heads(self) -> int:
        """1: all heads share one compressed key."""
        return 1

    def cache(self, context: int) -> float:
        compressed = 0.0 if self.ratio is None else context / self.ratio
        return self.head_width * (min(context, self.window) + compressed)

    def _compressor(self, width: int, name: str, extent: int) -> list[Weight]:
        if self.ratio is None:
            return []
        wide = extent * (2 if self._indexed else 1)
        return [
            Weight(f"{name}_positions", (self.ratio, wide), "bias"),
            *linear(f"{name}_value", width, wide, split="replicated"),
            *linear(f"{name}_gate", width, wide, split="replicated"),
            *norm(f"{name}_norm", extent),
        ]

    def _indexer(self, width: int) -> list[Weight]:
        if not self._indexed:
            return []
        return [
            *self._compressor(width, "index_compressor", self.index_width),
            *linear("index_query", self.query_rank, self.index_heads * self.index_width, split="replicated"),
            *linear("index_weight", width, self.index_heads, split="replicated"),
        ]
