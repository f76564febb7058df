"""Single linear layers, tables, norms and convolutions, outside the layers or in addition to their blocks."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import KIND, Block, Operation, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension

Rows = Annotated[int, Field(ge=0, le=10**9)]


class Piece(Block):
    """A block that can be counted in any part of the model."""

    belongs_to: str = Field(default="", description="Part of the model that the block is counted in; default: by kind.")

    @property
    def part(self) -> str:
        return self.belongs_to or self.part_name


class Linear(Piece):
    """A linear layer, such as a pooler, a projector or a classifier."""

    part_name: ClassVar[str] = "projections"
    kind: Literal["linear"] = Field(default="linear", description=KIND)
    inputs: Dimension = Field(description="Input features.")
    outputs: Dimension = Field(description="Output features.")
    bias: bool = Field(default=False, description="Whether the layer has a bias.")
    rows: Rows | None = Field(
        default=None, description="Rows per sequence that the layer is applied to; default: one per token."
    )
    repeats: Dimension = Field(default=1, description="Times that the layer is applied to each row.")

    def weights(self, width: int) -> list[Weight]:
        return linear("linear", self.inputs, self.outputs, bias=self.bias, split="replicated")

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        rows = tokens if self.rows is None else float(self.rows)
        return [product("linear", rows * self.repeats, self.inputs, self.outputs)]


class Table(Piece):
    """A lookup table: token types, learned positions or relative biases."""

    part_name: ClassVar[str] = "embedding"
    kind: Literal["table"] = Field(default="table", description=KIND)
    rows: Dimension = Field(description="Rows of the table: entries.")
    columns: Dimension = Field(description="Columns of the table: width of an entry.")

    def weights(self, width: int) -> list[Weight]:
        return [Weight("table", (self.rows, self.columns), "embedding")]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return []


class Norm(Piece):
    """A norm, or another learned vector."""

    part_name: ClassVar[str] = "norms"
    kind: Literal["norm"] = Field(default="norm", description=KIND)
    extent: Dimension = Field(description="Learned numbers of one norm: the features that it scales.")
    bias: bool = Field(default=False, description="Whether the norm has a bias: a learned shift per feature.")
    copies: Dimension = Field(default=1, description="Number of equal norms.")

    def weights(self, width: int) -> list[Weight]:
        return [weight._replace(copies=self.copies) for weight in norm("norm", self.extent, bias=self.bias)]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return []


class Convolution(Piece):
    """A convolution, counted as a matrix product: each output position reads a patch of the input."""

    part_name: ClassVar[str] = "convolution"
    kind: Literal["convolution"] = Field(default="convolution", description=KIND)
    inputs: Dimension = Field(description="Input channels.")
    outputs: Dimension = Field(description="Output channels.")
    kernel: Dimension = Field(description="Elements of the kernel: 16 × 16 = 256 for an image patch.")
    groups: Dimension = Field(
        default=1, description="Groups of channels (grouped convolution); 1 for a dense convolution."
    )
    bias: bool = Field(default=True, description="Whether the convolution has a bias.")
    places: Rows | None = Field(
        default=None,
        description="Output positions per sequence; default: `places_per_token` for each token, and `further_places`.",
    )
    places_per_token: Dimension = Field(
        default=1, description="Output positions per token; above 1 if a later convolution has a stride."
    )
    further_places: Rows = Field(
        default=0,
        description="Output positions per sequence beside those of the tokens, where kernels overlap at the end.",
    )

    def weights(self, width: int) -> list[Weight]:
        kernel = Weight("kernel", (self.outputs, self.inputs // self.groups, self.kernel))
        bias = [Weight("bias", (self.outputs,), "bias")] if self.bias else []
        return [kernel, *bias]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        places = float(self.places) if self.places is not None else tokens * self.places_per_token + self.further_places
        return [product("convolution", places, self.inputs // self.groups * self.kernel, self.outputs)]
