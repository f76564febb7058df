"""Multi-head latent attention: keys and values share a low-rank latent, rotary parts are separate."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Sharding, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension

Width = Annotated[int, Field(ge=0, le=10**9)]


class LatentAttention(Block):
    """Latent attention of DeepSeek-V2 and V3, with or without a query latent, an indexer and gates.

    References
    ----------
    DeepSeek-AI 2024, "DeepSeek-V2", section 2.1 (arXiv 2405.04434); the sparse indexer: DeepSeek-AI 2025,
    "DeepSeek-V3.2", section 2.1.
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["latent_attention"] = Field(default="latent_attention", description=KIND)
    heads: Dimension = Field(description="Attention heads (`num_attention_heads`).")
    query_rank: Dimension | None = Field(
        default=None,
        description="Width of the query latent (`q_lora_rank`); default: queries are projected from the hidden state.",
    )
    kv_rank: Dimension = Field(
        description="Width of the latent that keys and values share, which the KV cache holds (`kv_lora_rank`)."
    )
    nope_width: Dimension = Field(
        description="Width of the part of a query or key head without positions (`qk_nope_head_dim`)."
    )
    rope_width: Width = Field(
        description="Width of the rotary part of a query or key head (`qk_rope_head_dim`), whose key all heads share; "
        "0 without positions."
    )
    value_width: Dimension = Field(description="Width of a value head (`v_head_dim`).")
    bias: bool = Field(
        default=False,
        description="Whether the down-projections and the output projection have a bias (`attention_bias`).",
    )
    index_heads: Dimension | None = Field(
        default=None, description="Heads of the indexer of sparse attention (`index_n_heads`); default: no indexer."
    )
    index_width: Dimension = Field(default=128, description="Width of a head of the indexer (`index_head_dim`).")
    index_top_k: Dimension | None = Field(
        default=None, description="Keys that the indexer selects for a query (`index_topk`) [token]; default: all keys."
    )
    window: Dimension | None = Field(
        default=None,
        description="Sliding window: tokens that a query attends to, itself included (`sliding_window`) [token]; "
        "default: all tokens.",
    )
    output_gate: bool = Field(
        default=False, description="Whether a gate, as wide as the values, multiplies the output of the heads."
    )
    head_gate: bool = Field(
        default=False, description="Whether a gate with one number per head multiplies the output of the heads."
    )
    query_gate: bool = Field(
        default=False,
        description="Whether the query up-projection reads two latents, and gives a gate for the values too (A.X K2).",
    )
    rope_norm: bool = Field(default=False, description="Whether the rotary part of the key has a norm.")
    sinks: bool = Field(
        default=False,
        description="Whether each head has an attention sink: a learned logit that takes probability from the keys.",
    )
    causal: bool = Field(
        default=True, description="Whether a token attends only to itself and to the tokens before it."
    )

    @property
    def bidirectional(self) -> bool:
        return not self.causal

    def sharding(self) -> Sharding:
        return Sharding(self.heads)

    @property
    def _query_shape(self) -> tuple[int, int]:
        """Inputs and outputs of the query up-projection."""
        queries = self.heads * (self.nope_width + self.rope_width)
        rank = self.query_rank or 0
        return (2 * rank, queries + self.heads * self.value_width) if self.query_gate else (rank, queries)

    def weights(self, width: int) -> list[Weight]:
        queries = self.heads * (self.nope_width + self.rope_width)
        if self.query_rank is None:
            query = linear("query", width, queries, split="columns")
        else:
            query = [
                *linear("query_down", width, self.query_rank, bias=self.bias, split="replicated"),
                *norm("query_latent_norm", self.query_rank),
                *linear("query_up", *self._query_shape, split="columns"),
            ]
        keys_and_values = self.heads * (self.nope_width + self.value_width)
        return [
            *query,
            *linear("kv_down", width, self.kv_rank + self.rope_width, bias=self.bias, split="replicated"),
            *norm("kv_latent_norm", self.kv_rank),
            *linear("kv_up", self.kv_rank, keys_and_values, split="columns"),
            *linear("output", self.heads * self.value_width, width, bias=self.bias, split="rows"),
            *self._index_weights(width),
            *(linear("output_gate", width, self.heads * self.value_width, split="columns") if self.output_gate else []),
            *(linear("head_gate", width, self.heads, split="columns") if self.head_gate else []),
            *(norm("rope_norm", self.rope_width) if self.rope_norm else []),
            *([Weight("sinks", (self.heads,), "bias", split="heads")] if self.sinks else []),
        ]

    def _index_weights(self, width: int) -> list[Weight]:
        if self.index_heads is None:
            return []
        return [
            *linear("index_query", self.query_rank or width, self.index_heads * self.index_width, split="replicated"),
            *linear("index_key", width, self.index_width, split="replicated"),
            *norm("index_key_norm", self.index_width, bias=True),
            *linear("index_weight", width, self.index_heads, split="replicated"),
        ]

    def _index_operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        if self.index_heads is None:
            return []
        return [
            product("index_query", tokens, self.query_rank or width, self.index_heads * self.index_width),
            product("index_key", tokens, width, self.index_width),
            product("index_weight", tokens, width, self.index_heads),
            Operation("index_score", "score", tokens, context, self.index_width, self.index_heads, causal=self.causal),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        head = self.nope_width + self.rope_width
        if self.query_rank is None:
            query = [product("query", tokens, width, self.heads * head)]
        else:
            query = [
                product("query_down", tokens, width, self.query_rank),
                product("query_up", tokens, *self._query_shape),
            ]
        gates = [product("output_gate", tokens, width, self.heads * self.value_width)] if self.output_gate else []
        gates += [product("head_gate", tokens, width, self.heads)] if self.head_gate else []
        reach = self.index_top_k or self.window
        return [
            *query,
            *gates,
            product("kv_down", tokens, width, self.kv_rank + self.rope_width),
            product("kv_up", tokens, self.kv_rank, self.heads * (self.nope_width + self.value_width)),
            *self._index_operations(width, tokens, context),
            Operation("score", "score", tokens, context, head, self.heads, self.causal, reach),
            Operation("attend", "value", tokens, context, self.value_width, self.heads, self.causal, reach),
            product("output", tokens, self.heads * self.value_width, width),
        ]

    @property
    def cache_heads(self) -> int:
        """1: every rank reads the whole latent."""
        return 1

    def cache(self, context: int) -> float:
        index = self.index_width if self.index_heads is not None else 0
        return float(self.kv_rank + self.rope_width + index) * min(context, self.window or context)

    def decode(self, width: int, context: float) -> list[Operation]:
        """List the work of a decode step with absorbed up-projections: scores are computed in the latent."""
        replaced, reach = {"kv_up", "score", "attend"}, self.index_top_k or self.window
        operations = [work for work in self.operations(width, 1.0, context) if work.name not in replaced]
        return [
            *operations,
            product("absorbed_key", 1.0, self.nope_width, self.kv_rank, self.heads),
            Operation("score", "score", 1.0, context, self.kv_rank + self.rope_width, self.heads, False, reach),
            Operation("attend", "value", 1.0, context, self.kv_rank, self.heads, False, reach),
            product("absorbed_value", 1.0, self.kv_rank, self.value_width, self.heads),
        ]
