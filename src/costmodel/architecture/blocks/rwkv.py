"""The two blocks of an RWKV-4 layer: time mixing, in place of attention, and channel mixing."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, product
from costmodel.foundation.fields import Dimension


def _shift(width: int, *names: str) -> list[Weight]:
    """Return the vectors that mix a token with the one before it, one per projection."""
    return [Weight(f"{name}_mix", (width,), "bias") for name in names]


class TimeMix(Block):
    """Time mixing: a weighted average of past values with a learned decay per channel.

    The average is elementwise and is not counted in FLOPs, as in the paper.

    References
    ----------
    Peng et al. 2023, "RWKV", section 3.1 and appendix B (arXiv 2305.13048).
    """

    part_name: ClassVar[str] = "time_mixing"
    kind: Literal["time_mix"] = Field(default="time_mix", description=KIND)
    inner_width: Dimension = Field(description="Channels of the average (`attention_hidden_size`).")
    input_width: Dimension = Field(description="Hidden size; the state holds the last token.")

    def weights(self, width: int) -> list[Weight]:
        inner = self.inner_width
        return [
            Weight("decay", (inner,), "bias", split="heads"),
            Weight("first", (inner,), "bias", split="heads"),
            *_shift(width, "key", "value", "receptance"),
            *linear("key", width, inner, split="columns"),
            *linear("value", width, inner, split="columns"),
            *linear("receptance", width, inner, split="columns"),
            *linear("output", inner, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [
            *(product(name, tokens, width, self.inner_width) for name in ("key", "value", "receptance")),
            product("output", tokens, self.inner_width, width),
        ]

    def cache(self, context: int) -> float:
        return float(3 * self.inner_width + self.input_width)


class ChannelMix(Block):
    """Channel mixing: a feed-forward block whose output is gated by a receptance.

    References
    ----------
    Peng et al. 2023, "RWKV", section 3.1 (arXiv 2305.13048).
    """

    part_name: ClassVar[str] = "feed_forward"
    kind: Literal["channel_mix"] = Field(default="channel_mix", description=KIND)
    inner_width: Dimension = Field(description="Inner width (`intermediate_size`).")
    input_width: Dimension = Field(description="Hidden size; the state holds the last token.")

    def weights(self, width: int) -> list[Weight]:
        return [
            *_shift(width, "key", "receptance"),
            *linear("key", width, self.inner_width, split="columns"),
            *linear("receptance", width, width, split="replicated"),
            *linear("value", self.inner_width, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [
            product("key", tokens, width, self.inner_width),
            product("receptance", tokens, width, width),
            product("value", tokens, self.inner_width, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.input_width)
