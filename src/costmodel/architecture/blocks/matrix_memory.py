"""Matrix memory (mLSTM): linear attention with an exponential input gate and a forget gate."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Sharding, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension


class MatrixMemory(Block):
    """Block of xLSTM 7B: queries and keys narrower than the values, with a state of key × value width per head.

    It is counted in its linear form: each token updates and reads the state.

    References
    ----------
    Beck et al. 2025, "xLSTM 7B", section 3 (arXiv 2503.13427).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["matrix_memory"] = Field(default="matrix_memory", description=KIND)
    heads: Dimension = Field(description="Heads, each with a state (`num_heads`).")
    key_width: Dimension = Field(description="Width of a query or key head.")
    value_width: Dimension = Field(description="Width of a value head.")
    bias: bool = Field(default=False, description="Whether the projections have a bias (`use_bias`).")

    def sharding(self) -> Sharding:
        return Sharding(self.heads)

    def weights(self, width: int) -> list[Weight]:
        keys, values = self.heads * self.key_width, self.heads * self.value_width
        return [
            *linear("query", width, keys, bias=self.bias, split="columns"),
            *linear("key", width, keys, bias=self.bias, split="columns"),
            *linear("value", width, values, bias=self.bias, split="columns"),
            *linear("output_gate", width, values, bias=self.bias, split="columns"),
            *linear("input_gate", width, self.heads, bias=True, split="columns"),
            *linear("forget_gate", width, self.heads, bias=True, split="columns"),
            *norm("head_norm", values, bias=self.bias),
            *linear("output", values, width, bias=self.bias, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        keys, values = self.heads * self.key_width, self.heads * self.value_width
        return [
            product("query", tokens, width, keys),
            product("key", tokens, width, keys),
            product("value", tokens, width, values),
            product("output_gate", tokens, width, values),
            product("input_gate", tokens, width, self.heads),
            product("forget_gate", tokens, width, self.heads),
            product("update", tokens, self.key_width, self.value_width, self.heads),
            product("read", tokens, self.key_width, self.value_width, self.heads),
            product("output", tokens, values, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.heads * self.key_width * (self.value_width + 1))
