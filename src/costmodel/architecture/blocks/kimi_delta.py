"""Kimi delta attention: the gated delta rule with a decay per key channel."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class KimiDelta(HeadBlock):
    """Delta attention with a decay per channel of a key.

    The recurrence is counted as that of the gated delta rule: 8 FLOPs for each element of the state.

    References
    ----------
    Kimi Team 2025, "Kimi Linear", section 4 (arXiv 2510.26692).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["kimi_delta"] = Field(default="kimi_delta", description=KIND)
    kernel: Dimension = Field(description="Kernel size of the short convolutions (`short_conv_kernel_size`) [token].")

    low_rank: bool = Field(
        default=True,
        description="Whether the projections to the decays and to the output gate have the rank of a head width.",
    )

    def _projection(self, name: str, width: int) -> list[Weight]:
        inner = self.heads * self.head_width
        if not self.low_rank:
            return linear(name, width, inner, split="columns")
        down = linear(f"{name}_down", width, self.head_width, split="replicated")
        return [*down, *linear(f"{name}_up", self.head_width, inner, split="columns")]

    def _projected(self, name: str, width: int, tokens: float) -> list[Operation]:
        inner = self.heads * self.head_width
        if not self.low_rank:
            return [product(name, tokens, width, inner)]
        down = product(f"{name}_down", tokens, width, self.head_width)
        return [down, product(f"{name}_up", tokens, self.head_width, inner)]

    def weights(self, width: int) -> list[Weight]:
        inner = self.heads * self.head_width
        projections = [linear(name, width, inner, split="columns") for name in ("query", "key", "value")]
        return [
            *(weight for listed in projections for weight in listed),
            Weight("convolution", (3 * inner, self.kernel), split="heads"),
            *self._projection("decay", width),
            Weight("step_bias", (inner,), "bias", split="heads"),
            Weight("decay", (self.heads,), "bias", split="heads"),
            *linear("correction", width, self.heads, split="columns"),
            *self._projection("gate", width),
            *norm("gated_norm", self.head_width),
            *linear("output", inner, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner = self.heads * self.head_width
        return [
            *(product(name, tokens, width, inner) for name in ("query", "key", "value")),
            product("convolution", tokens, self.kernel, 3 * inner),
            *self._projected("decay", width, tokens),
            product("correction", tokens, width, self.heads),
            *self._projected("gate", width, tokens),
            Operation("recurrence", "scan", tokens, self.head_width, self.head_width, 4 * self.heads),
            product("output", tokens, inner, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.heads * self.head_width * (self.head_width + 3 * (self.kernel - 1)))
