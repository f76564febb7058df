"""Lightning attention: linear attention with a fixed decay for each head."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, norm, product
from costmodel.architecture.blocks.heads import HeadBlock


class LightningAttention(HeadBlock):
    """Linear attention with a norm and a gate over its output, as in MiniMax-01.

    It is counted in its linear form: each token updates and reads a state of head width × head width. The
    work of kernels within a chunk depends on their chunk size and is not counted.

    References
    ----------
    Qin et al. 2024, "Lightning Attention-2" (arXiv 2401.04658); MiniMax 2025, "MiniMax-01", section 2.2
    (arXiv 2501.08313).
    """

    part_name: ClassVar[str] = "linear_attention"
    kind: Literal["lightning_attention"] = Field(default="lightning_attention", description=KIND)

    def weights(self, width: int) -> list[Weight]:
        inner = self.heads * self.head_width
        return [
            *linear("query_key_value", width, 3 * inner, split="columns"),
            *linear("gate", width, inner, split="columns"),
            *norm("output_norm", inner),
            *linear("output", inner, width, split="rows"),
        ]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        inner = self.heads * self.head_width
        return [
            product("query_key_value", tokens, width, 3 * inner),
            product("gate", tokens, width, inner),
            product("update", tokens, self.head_width, self.head_width, self.heads),
            product("read", tokens, self.head_width, self.head_width, self.heads),
            product("output", tokens, inner, width),
        ]

    def cache(self, context: int) -> float:
        return float(self.heads * self.head_width**2)
