"""Gated delta rule: linear attention with a decay gate, whose state each key corrects."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension


class GatedDelta(Block):
    """Gated DeltaNet with a short convolution over queries, keys and values, as in Qwen3-Next.

    The recurrence takes 8 FLOPs for each element of the state of a value head, as Megatron-LM counts it.

    References
    ----------
    Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks" (arXiv 2412.06464).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["gated_delta"] = Field(default="gated_delta", description=KIND)
    key_heads: Dimension = Field(description="Query heads, and as many key heads (`linear_num_key_heads`).")
    value_heads: Dimension = Field(description="Value heads, each with a state (`linear_num_value_heads`).")
    key_width: Dimension = Field(description="Width of a query or key head (`linear_key_head_dim`).")
    value_width: Dimension = Field(description="Width of a value head (`linear_value_head_dim`).")
    kernel: Dimension = Field(description="Kernel size of the short convolution (`linear_conv_kernel_dim`) [token].")

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
