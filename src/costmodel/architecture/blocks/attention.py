"""Multi-head, grouped-query and multi-query attention, full or within a sliding window."""

from typing import Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import GroupedQueryBlock
from costmodel.foundation.fields import Dimension


class Attention(GroupedQueryBlock):
    """Softmax attention whose query heads share keys and values in groups.

    References
    ----------
    Vaswani et al. 2017 (arXiv 1706.03762); Shazeer 2019 (arXiv 1911.02150); Ainslie et al. 2023
    (arXiv 2305.13245).
    """

    kind: Literal["attention"] = Field(default="attention", description=KIND)
    window: Dimension | None = Field(
        default=None,
        description="Sliding window: tokens that a query attends to, itself included (`sliding_window`) [token]; "
        "default: all tokens.",
    )
    chunk: Dimension | None = Field(
        default=None,
        description="Chunk length: a query attends only to tokens of its own chunk (`attention_chunk_size`) [token]; "
        "default: no chunks.",
    )
    qk_norm: Literal["none", "head", "width"] = Field(
        default="none",
        description='Norms of queries and keys: "none", "head" (over each head) or "width" (over all heads together).',
    )
    qk_norm_bias: bool = Field(default=False, description="Whether the norms of queries and keys have a bias.")
    sinks: bool = Field(
        default=False,
        description="Whether each head has an attention sink: a learned logit that takes probability from the keys.",
    )
    output_gate: bool = Field(
        default=False, description="Whether a gate, as wide as the queries, multiplies the output of the heads."
    )
    gate_bias: bool = Field(default=True, description="Whether the output gate has a bias too, if `qkv_bias` is true.")
    gate_numbers: bool = Field(
        default=False, description="Whether a learned number per head is added to the output gate."
    )
    head_gate: bool = Field(
        default=False, description="Whether a gate with one number per head multiplies the output of the heads."
    )
    input_width: Dimension | None = Field(
        default=None,
        description="Width that queries, keys and values are projected from; default: the hidden size.",
    )
    value_width: Dimension | None = Field(
        default=None, description="Width of a value head (`v_head_dim`); default: that of a query head."
    )
    causal: bool = Field(
        default=True, description="Whether a token attends only to itself and to the tokens before it."
    )

    @property
    def bidirectional(self) -> bool:
        return not self.causal

    def weights(self, width: int) -> list[Weight]:
        queries, keys = self.query_width, self.key_width
        listed = self.projections(width, self.input_width or width, self.value_width, self.input_width)
        if self.qk_norm != "none":
            whole = self.qk_norm == "width"
            listed += norm("query_norm", queries if whole else self.head_width, bias=self.qk_norm_bias)
            listed += norm("key_norm", keys if whole else self.head_width, bias=self.qk_norm_bias)
        if self.output_gate:
            listed += linear("output_gate", width, queries, bias=self.qkv_bias and self.gate_bias, split="columns")
        if self.gate_numbers:
            listed.append(Weight("gate_numbers", (self.heads,), "bias", split="heads"))
        if self.head_gate:
            listed += linear("head_gate", width, self.heads, split="columns")
        if self.sinks:
            listed.append(Weight("sinks", (self.heads,), "bias", split="heads"))
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        queries, keys = self.query_width, self.key_width
        shape = (tokens, context, self.head_width, self.heads, self.causal, self.window, self.chunk)
        value, inputs = self.value_width or self.head_width, self.input_width or width
        gates = [product("output_gate", tokens, width, queries)] if self.output_gate else []
        gates += [product("head_gate", tokens, width, self.heads)] if self.head_gate else []
        return [
            *gates,
            product("query", tokens, inputs, queries),
            product("key", tokens, inputs, keys),
            product("value", tokens, inputs, self.kv_heads * value),
            Operation("score", "score", *shape),
            Operation("attend", "value", tokens, context, value, *shape[3:]),
            product("output", tokens, self.heads * value, width),
        ]

    def cache(self, context: int) -> float:
        kept = min(context, self.window or context, self.chunk or context)
        return float(self.kv_heads * (self.head_width + (self.value_width or self.head_width)) * kept)
