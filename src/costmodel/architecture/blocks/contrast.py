"""Comparison of two encodings of a sequence, such as a text and its image."""

from typing import ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, product
from costmodel.foundation.fields import Dimension


class Contrast(Block):
    """Scaled similarity of a text and its image; other pairs of a batch are not counted.

    References
    ----------
    Radford et al. 2021 (arXiv 2103.00020), figure 3; Zhai et al. 2023 (arXiv 2303.15343), algorithm 1.
    """

    part_name: ClassVar[str] = "head"
    kind: Literal["contrast"] = Field(default="contrast", description=KIND)
    encoding_width: Dimension = Field(description="Width of the two encodings (`projection_dim`).")
    bias: bool = Field(default=False, description="Whether the scaled similarity has a learned shift, as in SigLIP.")

    def weights(self, width: int) -> list[Weight]:
        scale = Weight("scale", (1,), "bias")
        return [scale, scale._replace(name="shift")] if self.bias else [scale]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [product("similarity", 1.0, self.encoding_width, 1)]
