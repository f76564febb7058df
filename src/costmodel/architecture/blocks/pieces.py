"""Blocks outside the layers or beside their blocks: linear layers, tables, norms and convolutions."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from costmodel.architecture.blocks.block import Block, Operation, Weight, linear, norm, product
from costmodel.foundation.fields import Dimension

Rows = Annotated[int, Field(ge=0, le=10**9)]


class Linear(Block):
    """A linear layer, such as a pooler, a projector or a classifier."""

    kind: Literal["linear"] = "linear"
    inputs: Dimension
    outputs: Dimension
    bias: bool = False
    rows: Rows | None = None
    """Rows that it works on for each sequence; as many as there are tokens unless given."""
    belongs_to: str = "projections"

    @property
    def part(self) -> str:
        return self.belongs_to

    def weights(self, width: int) -> list[Weight]:
        return linear("linear", self.inputs, self.outputs, bias=self.bias, split="replicated")

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return [product("linear", tokens if self.rows is None else float(self.rows), self.inputs, self.outputs)]


class Table(Block):
    """A table that is looked up: token types, learned positions, relative biases."""

    kind: Literal["table"] = "table"
    rows: Dimension
    columns: Dimension
    belongs_to: str = "embedding"

    @property
    def part(self) -> str:
        return self.belongs_to

    def weights(self, width: int) -> list[Weight]:
        return [Weight("table", (self.rows, self.columns), "embedding")]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return []


class Norm(Block):
    """A norm, or any other vector of `extent` learned numbers: `copies` of it."""

    part_name: ClassVar[str] = "norms"
    kind: Literal["norm"] = "norm"
    extent: Dimension
    bias: bool = False
    copies: Dimension = 1

    def weights(self, width: int) -> list[Weight]:
        return [weight._replace(copies=self.copies) for weight in norm("norm", self.extent, bias=self.bias)]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        return []


class Convolution(Block):
    """A convolution as the matrix product that it is: `outputs` places, each over a patch of the inputs."""

    kind: Literal["convolution"] = "convolution"
    inputs: Dimension
    """Channels in."""
    outputs: Dimension
    """Channels out."""
    kernel: Dimension
    """Elements of the kernel: 16 × 16 = 256 for a patch of an image."""
    groups: Dimension = 1
    bias: bool = True
    places: Rows | None = None
    """Places where it is applied for each sequence; as many as there are tokens unless given."""
    places_per_token: Dimension = 1
    """Places for each token, where a later convolution strides over several of them."""
    further_places: Rows = 0
    """Places beyond those of the tokens, where kernels overlap at the end."""
    belongs_to: str = "convolution"

    @property
    def part(self) -> str:
        return self.belongs_to

    def weights(self, width: int) -> list[Weight]:
        kernel = Weight("kernel", (self.outputs, self.inputs // self.groups, self.kernel))
        bias = [Weight("bias", (self.outputs,), "bias")] if self.bias else []
        return [kernel, *bias]

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        places = float(self.places) if self.places is not None else tokens * self.places_per_token + self.further_places
        return [product("convolution", places, self.inputs // self.groups * self.kernel, self.outputs)]
