"""A block for models of which only parameter counts are known."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, product

Total = Annotated[int, Field(ge=1, le=10**18)]
Number = Annotated[int, Field(ge=0, le=10**18)]


class Aggregate(Block):
    """All layers as one block with a number of parameters; see `Architecture.from_counts`.

    Core attention is counted only if its layers and width are given.
    """

    part_name: ClassVar[str] = "parameters"
    kind: Literal["aggregate"] = Field(default="aggregate", description=KIND)
    parameters: Total = Field(description="Parameters of all layers.")
    active: Total = Field(description="Parameters used per token; equal to `parameters` in a dense model.")
    attention_layers: Number = Field(
        default=0, description="Layers with core attention; 0 if unknown: core attention is not counted."
    )
    attention_width: Number = Field(
        default=0, description="Heads × head width of one layer; 0 if unknown: core attention is not counted."
    )

    @property
    def aggregated_layers(self) -> int:
        return self.attention_layers

    def weights(self, width: int) -> list[Weight]:
        return [Weight("parameters", (self.parameters,), active=self.active / self.parameters)]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        attention = (tokens, context, self.attention_width, self.attention_layers)
        return [
            product("parameters", tokens, self.active, 1),
            Operation("score", "score", *attention, causal=True),
            Operation("attend", "value", *attention, causal=True),
        ]

    def cache(self, context: int) -> float:
        return 2.0 * self.attention_layers * self.attention_width * context
