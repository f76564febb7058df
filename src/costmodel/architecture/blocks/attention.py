"""Multi-head, grouped-query and multi-query attention, full or within a sliding window."""

from typing import ClassVar, Literal

from costmodel.architecture.blocks.block import (
    Block,
    Operation,
    Sharding,
    Weight,
    grouped_queries,
    linear,
    norm,
    product,
)
from costmodel.foundation.fields import Dimension


class Attention(Block):
    """Softmax attention whose queries share their keys and values in groups.

    References
    ----------
    Vaswani et al. 2017 (arXiv 1706.03762); Shazeer 2019 (arXiv 1911.02150); Ainslie et al. 2023
    (arXiv 2305.13245).
    """

    part_name: ClassVar[str] = "attention"
    attends: ClassVar[bool] = True
    kind: Literal["attention"] = "attention"
    heads: Dimension
    """Query heads."""
    kv_heads: Dimension
    """Key and value heads; equal to `heads` for multi-head, 1 for multi-query attention."""
    head_width: Dimension
    """Width of a head; `heads × head_width` need not equal the hidden size."""
    window: Dimension | None = None
    """Tokens that a query sees at most, itself included; None for all before it."""
    chunk: Dimension | None = None
    """Tokens of a chunk, where a query sees only what came before it in its own; None for one chunk."""
    qkv_bias: bool = False
    key_bias: bool = True
    """Whether the keys have a bias where queries and values have one."""
    output_bias: bool = False
    qk_norm: Literal["none", "head", "width"] = "none"
    """Norm of queries and keys: over each head, or over all heads together."""
    qk_norm_bias: bool = False
    sinks: bool = False
    """One learned logit per head that takes probability from the keys."""
    output_gate: bool = False
    """A gate over what the heads give, as wide as the queries and projected like them."""
    causal: bool = True

    def sharding(self) -> Sharding:
        return grouped_queries(self.heads, self.kv_heads)

    def weights(self, width: int) -> list[Weight]:
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        listed = [
            *linear("query", width, queries, bias=self.qkv_bias, split="columns"),
            *linear("key", width, keys, bias=self.qkv_bias and self.key_bias, split="columns"),
            *linear("value", width, keys, bias=self.qkv_bias, split="columns"),
            *linear("output", queries, width, bias=self.output_bias, split="rows"),
        ]
        if self.qk_norm != "none":
            whole = self.qk_norm == "width"
            listed += norm("query_norm", queries if whole else self.head_width, bias=self.qk_norm_bias)
            listed += norm("key_norm", keys if whole else self.head_width, bias=self.qk_norm_bias)
        if self.output_gate:
            listed += linear("output_gate", width, queries, bias=self.qkv_bias, split="columns")
        if self.sinks:
            listed.append(Weight("sinks", (self.heads,), "bias", split="heads"))
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        shape = (tokens, context, self.head_width, self.heads, self.causal, self.window, self.chunk)
        gate = [product("output_gate", tokens, width, queries)] if self.output_gate else []
        return [
            *gate,
            product("query", tokens, width, queries),
            product("key", tokens, width, keys),
            product("value", tokens, width, keys),
            Operation("score", "score", *shape),
            Operation("attend", "value", *shape),
            product("output", tokens, queries, width),
        ]

    def cache(self, context: int) -> float:
        kept = min(context, self.window or context, self.chunk or context)
        return 2.0 * self.kv_heads * self.head_width * kept
