"""Fields of an architecture: stacks of layers of blocks, embedding and head, without any totals."""

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.block import AnyBlock, Block, Weight, norm
from costmodel.foundation.fields import Dimension
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.foundation.fields import CountLike

Number = Annotated[int, Field(ge=0, le=10**9)]


class Layer(Spec):
    """Equal consecutive layers: a token mixer, a feed-forward block, and norms over the hidden state."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            feed_forward: Block | Mapping[str, object] | None = ...,
            mixer: Block | Mapping[str, object] | None = ...,
            also: Sequence[Block | Mapping[str, object]] = ...,
            norms: int = ...,
            norm_bias: bool = ...,
            count: CountLike = ...,
        ) -> None: ...

    feed_forward: AnyBlock | None = Field(
        default=None, description="Feed-forward block, dense or a mixture of experts; default: none."
    )
    mixer: AnyBlock | None = Field(
        default=None, description="Token mixer: attention or a recurrent block; default: none."
    )
    also: tuple[AnyBlock, ...] = Field(
        default=(), description="Further blocks, such as cross-attention or a second mixer in parallel with the first."
    )
    norms: Number = Field(default=2, description="Norms over the hidden state.")
    norm_bias: bool = Field(default=False, description="Whether these norms have a bias.")
    count: Dimension = Field(default=1, description="Number of equal consecutive layers.")

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
    """A stack of layers beside the main one: an encoder, or a tower for images or audio."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            name: str,
            width: CountLike,
            layers: Sequence[Layer | Mapping[str, object]] = ...,
            extras: Sequence[Block | Mapping[str, object]] = ...,
            tokens: CountLike | None = ...,
        ) -> None: ...

    name: str = Field(description="Name of the stack: the part of the model that its blocks are counted in.")
    width: Dimension = Field(description="Hidden size.")
    layers: Layers = Field(default=(), description="Layers of the stack, in groups of equal consecutive layers.")
    extras: tuple[AnyBlock, ...] = Field(
        default=(), description="Blocks outside the layers, such as a patch embedding or a projector."
    )
    tokens: Dimension | None = Field(
        default=None, description="Tokens of the stack per sequence [token]; default: those of the sequence."
    )


class Structure(Spec):
    """All fields of `Architecture`, which adds its totals, its table and its other constructors."""

    name: str = Field(default="unnamed", description="Name of the model.")
    width: Dimension = Field(description="Hidden size (`hidden_size`, d_model).")
    layers: Layers = Field(description="Layers of the main stack, in groups of equal consecutive layers.")
    vocabulary: Dimension | None = Field(
        default=None, description="Vocabulary size (`vocab_size`); None if only parameter counts are known."
    )
    tied: bool = Field(
        default=False, description="Whether the LM head shares the weights of the embedding (`tie_word_embeddings`)."
    )
    head: bool = Field(default=True, description="Whether the model has an LM head; encoder-only models have none.")
    head_bias: bool = Field(default=False, description="Whether the LM head has a bias.")
    embedding_width: Dimension | None = Field(
        default=None,
        description="Width of the embedding (`word_embed_proj_dim`); default: the hidden size. If it differs, linear "
        "layers connect both.",
    )
    embedding_projections: bool = Field(
        default=True,
        description="Whether two linear layers without biases connect the embedding and the layers if their widths "
        "differ; false if `extras` hold what connects them.",
    )
    positions: Number = Field(
        default=0,
        description="Rows of a learned position embedding (`max_position_embeddings`); 0 for rotary or no positions.",
    )
    context_length: Dimension | None = Field(
        default=None,
        description="Longest sequence that the config states (`max_position_embeddings`) [token]; None if it states "
        "none. A model with learned positions cannot run longer ones.",
    )
    final_norm: bool = Field(default=True, description="Whether a norm follows the last layer.")
    norm_bias: bool = Field(default=False, description="Whether the final norm has a bias.")
    prediction_layers: Number = Field(
        default=0,
        description="Number of multi-token-prediction layers (`num_nextn_predict_layers`); they are trained, but not "
        "part of the total.",
    )
    prediction_layer: Layer | None = Field(
        default=None, description="Layer of multi-token prediction; required if `prediction_layers` is above 0."
    )
    extras: tuple[AnyBlock, ...] = Field(default=(), description="Blocks outside the layers, such as a pooler.")
    stacks: tuple[Stack, ...] = Field(default=(), description="Encoders and towers beside the main stack.")
    tokens: Dimension | None = Field(
        default=None,
        description="Tokens per sequence if the model fixes them, as an image model fixes its patches [token]; "
        "default: those of the data.",
    )
    stored_bytes: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Size of the weights as stored, quantized or not [byte]; None if unknown."
    )
    training_precision: Literal["fp8"] | None = Field(
        default=None,
        description="Number format of the matmuls that the model was trained in, where its config or the catalog says "
        "so; the default of estimates of its pretraining.",
    )
    unverified: tuple[str, ...] = Field(
        default=(),
        description="Reasons why the counts are unverified, such as keys of the config that are not understood; "
        "estimates list them.",
    )
    origin: str | dict[str, Any] | None = Field(
        default=None,
        description="Catalog name, path or config from which the model was read; files hold it in place of the other "
        "fields.",
    )
    source: str = Field(default="", description="Source of the fields.")

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

    @property
    def most_positions(self) -> int | None:
        """Longest sequence of a model with learned positions [token]; None for rotary or no positions."""
        return (self.context_length or self.positions) if self.positions else None

    @property
    def projects_embedding(self) -> bool:
        """Whether two linear layers connect an embedding of another width with the layers."""
        return self.embedding_projections and self.embedding_width not in (None, self.width)

    @cached_property
    def depth(self) -> int:
        """Number of layers; 0 if unknown."""
        aggregated = self._aggregated_layers
        return sum(layer.count for layer in self.layers) if aggregated is None else aggregated

    @cached_property
    def has_source(self) -> bool:
        """Whether the decoder attends to an encoder with the length of its own input."""
        reads = any(block.reads_source for layer in self.layers for block in layer.blocks())
        return reads and any(stack.tokens is None for stack in self.stacks)

    @property
    def is_aggregate(self) -> bool:
        """Whether only parameter counts are known."""
        return self._aggregated_layers is not None

    @property
    def _aggregated_layers(self) -> int | None:
        block = self.layers[0].feed_forward if self.layers else None
        return None if block is None else block.aggregated_layers
