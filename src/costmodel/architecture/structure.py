"""Fields of an architecture: stacks of layers of blocks, embedding and head, without any totals."""

from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.block import AnyBlock, Block, Weight, norm
from costmodel.foundation.fields import Dimension
from costmodel.foundation.specs import Spec

Number = Annotated[int, Field(ge=0, le=10**9)]


class Layer(Spec):
    """`count` equal consecutive layers: a mixer, a feed-forward block, and norms over the hidden state."""

    feed_forward: AnyBlock | None = None
    mixer: AnyBlock | None = None
    also: tuple[AnyBlock, ...] = ()
    """Further blocks: cross-attention, a second mixer in parallel with the first, ..."""
    norms: Number = 2
    norm_bias: bool = False
    count: Dimension = 1

    def blocks(self) -> list[Block]:
        """Return the blocks of one layer."""
        return [block for block in (self.mixer, *self.also, self.feed_forward) if block is not None]

    def norm_weights(self, width: int) -> list[Weight]:
        """List the norm weights of one layer."""
        norms = [norm(f"norm_{index}", width, bias=self.norm_bias) for index in range(self.norms)]
        return [weight for weights in norms for weight in weights]


Layers = Annotated[tuple[Layer, ...], Field(max_length=10_000)]


def distinct_layers(layers: tuple[Layer, ...]) -> dict[Layer, int]:
    """Return each distinct layer with the number of its copies."""
    distinct: dict[Layer, int] = {}
    for layer in layers:
        single = layer if layer.count == 1 else layer.model_copy(update={"count": 1})
        distinct[single] = distinct.get(single, 0) + layer.count
    return distinct


class Stack(Spec):
    """A stack of layers beside the main one: an encoder, or a tower for images or audio.

    `extras` are its blocks outside the layers. `tokens` is its number of tokens per sequence; it is that of the
    sequence if None.
    """

    name: str
    width: Dimension
    layers: Layers = ()
    extras: tuple[AnyBlock, ...] = ()
    tokens: Dimension | None = None


class Structure(Spec):
    """All fields of `Architecture`, which adds its totals, its table and its other constructors."""

    name: str = "unnamed"
    width: Dimension
    """Hidden size."""
    layers: Layers
    vocabulary: Dimension | None = None
    """Vocabulary size; None if only parameter counts are known."""
    tied: bool = False
    """Whether the head shares the weights of the embedding."""
    head: bool = True
    """Whether there is a head over the vocabulary; encoder-only models have none."""
    head_bias: bool = False
    embedding_width: Dimension | None = None
    """Width of the embedding if it differs from the hidden size; linear layers connect both."""
    positions: Number = 0
    """Rows of a learned position embedding; 0 for rotary or no positions."""
    final_norm: bool = True
    norm_bias: bool = False
    prediction_layers: Number = 0
    """Multi-token-prediction layers: trained, but listed apart."""
    prediction_layer: Layer | None = None
    extras: tuple[AnyBlock, ...] = ()
    """Blocks outside the layers, such as a pooler."""
    stacks: tuple[Stack, ...] = ()
    """Encoders and towers beside the main stack."""
    tokens: Dimension | None = None
    """Tokens of a sequence if the model fixes them (patches of an image)."""
    stored_bytes: Annotated[float, Field(gt=0)] | None = None
    """Size of the weights as the config stores them, quantized or not; None if unknown [byte]."""
    origin: str | dict[str, Any] | None = None
    """Catalog name, path or config that it was read from; files hold it in place of the fields."""
    source: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.prediction_layers) != (self.prediction_layer is not None):
            raise ValueError("prediction_layers and prediction_layer must be given together")
        return self

    def given(self) -> dict[str, Any]:
        """Return the fields without `origin`, because a changed copy differs from its origin."""
        return {name: value for name, value in super().given().items() if name != "origin"}

    def to_data(self) -> dict[str, Any]:
        """Return the whole description as plain data, which `from_data` reads back."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"origin"})

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, name) for name in type(self).model_fields if name != "origin"))

    @cached_property
    def depth(self) -> int:
        """Number of layers; 0 if unknown."""
        if self.is_aggregate:
            return int(getattr(self.layers[0].feed_forward, "attention_layers", 0))
        return sum(layer.count for layer in self.layers)

    @cached_property
    def has_source(self) -> bool:
        """Whether the decoder attends to an encoder with the length of its own input."""
        reads = any(block.reads_source for layer in self.layers for block in layer.blocks())
        return reads and any(stack.tokens is None for stack in self.stacks)

    @property
    def is_aggregate(self) -> bool:
        """Whether only parameter counts are known."""
        return bool(self.layers) and getattr(self.layers[0].feed_forward, "kind", "") == "aggregate"
