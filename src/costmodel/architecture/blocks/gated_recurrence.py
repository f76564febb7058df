"""Real-gated linear recurrent unit (RG-LRU) with a short convolution."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.foundation.fields import Dimension


class GatedRecurrence(HeadBlock):
    """Recurrent block of Griffin: a gate beside a convolution and a recurrence with one state per channel.

    The gates of the recurrence are block-diagonal: one matrix per head. The recurrence itself is elementwise and is
    not counted.

    References
    ----------
    De et al. 2024, "Griffin", section 2 (arXiv 2402.19427).
    """

    part_name: ClassVar[str] = "recurrence"
    kind: Literal["gated_recurrence"] = Field(default="gated_recurrence", description=KIND)
    kernel: Dimension = Field(description="Kernel size of the convolution (`conv1d_width`) [token].")
    channels: Dimension = Field(description="Channels of the recurrence (`lru_width`).")

    def weights(self, width: int) -> list[Weight]:
        gates = [Weight(name, (self.heads, self.head_width, self.head_width)) for name in ("input_gate", "decay_gate")]
        biases = [Weight(f"{gate.name}_bias", (self.heads, self.head_width), "bias") for gate in gates]
        return [
            *linear("gate", width, self.channels, bias=True, split="columns"),
            *linear("input", width, self.channels, bias=True, split="columns"),
            *linear("output", self.channels, width, bias=True, split="rows"),
            Weight("convolution", (self.channels, self.kernel), split="heads"),
            Weight("convolution_bias", (self.channels,), "bias", split="heads"),
            Weight("decay", (self.channels,), "bias", split="heads"),
            *gates,
            *biases,
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [
            product("gate", tokens, width, self.channels),
            product("input", tokens, width, self.channels),
            product("convolution", tokens, self.kernel, self.channels),
            product("input_gate", tokens, self.head_width, self.head_width, self.heads),
            product("decay_gate", tokens, self.head_width, self.head_width, self.heads),
            product("output", tokens, self.channels, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.channels * self.kernel)
