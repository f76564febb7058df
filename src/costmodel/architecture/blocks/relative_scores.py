"""Attention scores between tokens and learned relative positions."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Operation, Weight, linear, product
from costmodel.architecture.blocks.heads import HeadBlock
from costmodel.architecture.blocks.pieces import Rows
from costmodel.foundation.fields import Dimension


class RelativeScores(HeadBlock):
    """Scores of queries or keys with projected relative positions, which are added to those of attention.

    References
    ----------
    He et al. 2020, "DeBERTa" (arXiv 2006.03654), section 3.1; Dai et al. 2019, "Transformer-XL" (arXiv 1901.02860),
    section 3.3.
    """

    part_name: ClassVar[str] = "attention"
    kind: Literal["relative_scores"] = Field(default="relative_scores", description=KIND)
    rows: Dimension | None = Field(
        default=None, description="Relative positions of a sequence; default: 2 × its tokens - 1."
    )
    directions: Dimension = Field(
        default=1, description="Products with relative positions: 1 for queries, 2 for queries and keys."
    )
    projections: tuple[bool, ...] = Field(
        default=(False,),
        description="Projections of relative positions with weights of their own: for each, whether it has a bias.",
    )
    vectors: Rows = Field(
        default=0, description="Learned vectors, as wide as the queries, that are added to them (content, position)."
    )

    def weights(self, width: int) -> list[Weight]:
        inner = self.heads * self.head_width
        listed = [Weight("vectors", (inner,), "bias", copies=self.vectors, split="heads")] if self.vectors else []
        for index, bias in enumerate(self.projections):
            listed += linear(f"relative_{index}", width, inner, bias=bias, split="columns")
        return listed

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        rows = 2 * context - 1 if self.rows is None else float(self.rows)
        return [
            product("relative", rows, width, self.heads * self.head_width, self.directions),
            Operation("relative_score", "score", tokens, rows, self.head_width, self.heads * self.directions),
        ]
