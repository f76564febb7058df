"""Gated delta rule: linear attention whose state forgets by a gate and is corrected by each key."""

from typing import ClassVar, Literal

from costmodel.architecture.blocks.block import Block, Operation, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension


class GatedDelta(Block):
    """Gated DeltaNet with a short convolution over queries, keys and values, as in Qwen3-Next.

    The recurrence takes 8 FLOPs for each element of the state of a value head, as Megatron-LM counts it.

    References
    ----------
    Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks" (arXiv 2412.06464).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["gated_delta"] = "gated_delta"
    key_heads: Dimension
    """Heads of the queries and of the keys."""
    value_heads: Dimension
    """Heads of the values; each has a state."""
    key_width: Dimension
    """Width of a query or key head."""
    value_width: Dimension
    """Width of a value head."""
    kernel: Dimension
    """Tokens that the convolution sees."""

    @property
    def convolved_width(self) -> int:
        """Width of queries, keys and values together: the channels of the convolution."""
        return 2 * self.key_heads * self.key_width + self.value_heads * self.value_width

    def weights(self, width: int) -> list[Weight]:
        values = self.value_heads * self.value_width
        return [
            *linear("query_key_value", width, self.convolved_width, split="columns"),
            *linear("gate", width, values, split="columns"),
            *linear("step", width, self.value_heads, split="columns"),
            *linear("correction", width, self.value_heads, split="columns"),
            Weight("convolution", (self.convolved_width, self.kernel), split="heads"),
            Weight("step_bias", (self.value_heads,), "bias", split="heads"),
            Weight("decay", (self.value_heads,), "bias", split="heads"),
            *norm("gated_norm", self.value_width),
            *linear("output", values, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        values = self.value_heads * self.value_width
        return [
            product("query_key_value", tokens, width, self.convolved_width),
            product("gate", tokens, width, values),
            product("step", tokens, width, self.value_heads),
            product("correction", tokens, width, self.value_heads),
            product("convolution", tokens, self.kernel, self.convolved_width),
            Operation("recurrence", "scan", tokens, self.value_width, self.key_width, 4 * self.value_heads),
            product("output", tokens, values, width),
        ]

    def cache(self, context: int) -> float:
        state = self.value_heads * self.key_width * self.value_width
        return float(state + self.convolved_width * (self.kernel - 1))
