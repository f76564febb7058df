"""Attention without some projections: keys are also the values, or both are those of an earlier layer."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight

_LEFT_OUT = {"key": {"value"}, "earlier": {"key", "value", "key_norm"}}


class ReusedAttention(Block):
    """Softmax attention without the projections whose results it reuses.

    References
    ----------
    Brandon et al. 2024, "Reducing Transformer Key-Value Cache Size with Cross-Layer Attention" (arXiv 2405.12981).
    """

    attends: ClassVar[bool] = True
    kind: Literal["reused_attention"] = Field(default="reused_attention", description=KIND)
    attention: Attention = Field(description="Attention with all of its projections.")
    reuses: Literal["key", "earlier"] = Field(
        description='Result in place of a projection: "key" (keys are also the values) or "earlier" (keys and values '
        "of an earlier layer)."
    )

    @property
    def part(self) -> str:
        return self.attention.part

    def weights(self, width: int) -> list[Weight]:
        left_out = _LEFT_OUT[self.reuses]
        return [weight for weight in self.attention.weights(width) if weight.name.removesuffix("_bias") not in left_out]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        left_out = _LEFT_OUT[self.reuses]
        return [work for work in self.attention.operations(width, tokens, context) if work.name not in left_out]

    def cache(self, context: int) -> float:
        return self.attention.cache(context) if self.reuses == "key" else 0.0
