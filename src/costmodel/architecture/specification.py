"""What is an architecture? Vocabulary, width and layers of blocks: the description that all else counts."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.block import AnyBlock, Block, Operation, Weight, linear, norm, product
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Dimension, Parameters
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.architecture.summary import PartsTable

Number = Annotated[int, Field(ge=0, le=10**9)]
Part = tuple[str, int, list[Weight]]


class ParameterCounts(NamedTuple):
    """How many parameters an architecture has.

    `total` counts a tied weight once and leaves the multi-token-prediction layers out, as published
    totals do; `active` are those that work on a token; `embedding` is the input embedding with learned
    positions; `prediction` are the multi-token-prediction layers.
    """

    total: int
    active: int
    embedding: int
    prediction: int


class _Counts(Spec):
    total: Parameters
    active: Parameters

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.active > self.total:
            raise ValueError(f"active ({self.active:g}) is at most total ({self.total:g})")
        return self


class Layer(Spec):
    """`count` equal layers in a row: a mixer, a feed-forward block, and norms over the hidden state."""

    feed_forward: AnyBlock | None = None
    mixer: AnyBlock | None = None
    also: tuple[AnyBlock, ...] = ()
    """Further blocks: cross-attention, a second mixer beside the first, ..."""
    norms: Number = 2
    norm_bias: bool = False
    count: Dimension = 1

    def blocks(self) -> list[Block]:
        """Return the blocks of one layer."""
        return [block for block in (self.mixer, *self.also, self.feed_forward) if block is not None]

    def norm_weights(self, width: int) -> list[Weight]:
        """List the norms of one layer."""
        return [weight for index in range(self.norms) for weight in
                norm(f"norm_{index}", width, bias=self.norm_bias)]  # fmt: skip


Layers = Annotated[tuple[Layer, ...], Field(max_length=10_000)]


class Stack(Spec):
    """A stack of layers beside the main one: an encoder, or a tower for images or sound.

    `extras` are its blocks outside the layers. It works on `tokens` tokens for each sequence, or on as
    many as the sequence has.
    """

    name: str
    width: Dimension
    layers: Layers = ()
    extras: tuple[AnyBlock, ...] = ()
    tokens: Dimension | None = None


class Architecture(Spec):
    """A model as it is trained: frozen; `replace(...)` returns a changed copy.

    Examples
    --------
    >>> import costmodel as cm
    >>> cm.load_architecture("llama-3.1-8b").parameters.total
    8030261248
    """

    name: str = "unnamed"
    width: Dimension
    """Hidden size."""
    layers: Layers
    vocabulary: Dimension | None = None
    """Rows of the embedding; None where only counts are known."""
    tied: bool = False
    """Whether the head is the transposed embedding."""
    head: bool = True
    """Whether there is a head over the vocabulary; an encoder alone has none."""
    head_bias: bool = False
    embedding_width: Dimension | None = None
    """Width of the embedding where it differs from the hidden size (projections join them)."""
    positions: Number = 0
    """Rows of a learned position embedding; 0 for rotary or no positions."""
    final_norm: bool = True
    norm_bias: bool = False
    prediction_layers: Number = 0
    """Multi-token-prediction layers: listed apart, trained along."""
    prediction_layer: Layer | None = None
    extras: tuple[AnyBlock, ...] = ()
    """Blocks outside the layers, such as a pooler."""
    stacks: tuple[Stack, ...] = ()
    """Encoders and towers beside the main stack."""
    tokens: Dimension | None = None
    """Tokens of a sequence where the model fixes them (patches of an image)."""
    stored_bytes: Annotated[float, Field(gt=0)] | None = None
    """Bytes of the weights as the config stores them (quantized or not); None where that is not known."""
    origin: str | dict[str, Any] | None = None
    """The catalog name, path or config that it was read from; written in its place to files."""
    source: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.prediction_layers) != (self.prediction_layer is not None):
            raise ValueError("prediction_layers and prediction_layer go together")
        return self

    @classmethod
    def from_counts(
        cls,
        total: Any,
        active: Any = None,
        *,
        layers: int | None = None,
        width: int | None = None,
        attention_width: int | None = None,
        vocabulary: int | None = None,
        tied: bool = False,
        name: str = "from counts",
    ) -> Self:
        """Return an architecture of which only counts are known.

        Parameters
        ----------
        total, active : parameters in all, and those that work on a token [count or "7B"]; `active`
            defaults to `total`
        layers, width : number of layers and hidden size; core attention is left out of the FLOPs unless
            both are given
        attention_width : heads × head width, `width` unless given
        vocabulary, tied : rows of the embedding, and whether the head shares it; the lookup is left out
            of the matrix products if they are given

        Raises
        ------
        InputError
            If a count is not positive, or `active` exceeds `total`.

        Examples
        --------
        >>> Architecture.from_counts("7B").parameters
        ParameterCounts(total=7000000000, active=7000000000, embedding=0, prediction=0)
        """
        from costmodel.architecture.blocks.aggregate import Aggregate

        counts = _Counts(total=total, active=total if active is None else active)
        if vocabulary is not None and width is None:
            raise InputError("vocabulary: the width is needed with it, to know the size of the embedding")
        table = (vocabulary or 0) * (width or 0)
        apart = table if tied else 2 * table
        whole, working = round(counts.total), round(counts.active)
        if apart >= working:
            raise InputError(f"vocabulary: embedding and head ({apart:,}) leave none of the {working:,} active")
        known = layers is not None and width is not None
        body = Aggregate(
            parameters=whole - apart,
            active=working - apart,
            attention_layers=(layers or 0) if known else 0,
            attention_width=(attention_width or width or 0) if known else 0,
        )
        origin = {"total": whole, "active": working, "layers": layers, "width": width,
                  "attention_width": attention_width, "vocabulary": vocabulary, "tied": tied or None,
                  "name": name}  # fmt: skip
        return cls(
            name=name,
            width=width or 1,
            layers=(Layer(feed_forward=body, norms=0),),
            vocabulary=vocabulary,
            tied=tied,
            final_norm=False,
            origin={key: value for key, value in origin.items() if value is not None},
        )

    @classmethod
    def sized(cls, parameters: Any, *, vocabulary: int = 128_256, tied: bool = False) -> Self:
        """Return a sensible decoder of a size, for plans and scaling laws; `source` says by which rule.

        Parameters
        ----------
        parameters : total, embeddings included [count or "3B"]
        vocabulary : rows of the embedding
        tied : whether the head shares the embedding

        Raises
        ------
        InputError
            If no shape of the rule comes near.

        Examples
        --------
        >>> Architecture.sized("3B").parameters.total
        3002735616
        """
        from costmodel.architecture.sizing import sized

        total = _Counts(total=parameters, active=parameters).total
        return sized(cls, total, vocabulary, tied)

    def table(self, sequence_length: int = 4096) -> "PartsTable":
        """Return parameters, active parameters and forward FLOPs by part, as text and HTML.

        Parameters
        ----------
        sequence_length : tokens of a sequence, for the FLOPs [token]
        """
        from costmodel.architecture.summary import parts_table

        return parts_table(self, sequence_length)

    def given(self) -> dict[str, Any]:
        """Return the fields without `origin`: a changed copy is no longer what that names."""
        return {name: value for name, value in super().given().items() if name != "origin"}

    def to_data(self) -> dict[str, Any]:
        """Return the whole description as plain data, which `from_data` reads back."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"origin"})

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        named = (getattr(self, name) for name in type(self).model_fields if name != "origin")
        return hash(tuple(named))

    @cached_property
    def depth(self) -> int:
        """Number of layers; 0 where it is not known."""
        if self.is_aggregate:
            return int(getattr(self.layers[0].feed_forward, "attention_layers", 0))
        return sum(layer.count for layer in self.layers)

    @cached_property
    def has_source(self) -> bool:
        """Whether an encoder as long as its input stands beside a decoder that reads it."""
        reads = any(_reads_source(block) for layer in self.layers for block in layer.blocks())
        return reads and any(stack.tokens is None for stack in self.stacks)

    @property
    def is_aggregate(self) -> bool:
        """Whether only counts are known."""
        return bool(self.layers) and getattr(self.layers[0].feed_forward, "kind", "") == "aggregate"

    @property
    def kind(self) -> Literal["dense", "moe"]:
        """Whether it is a mixture of experts: "moe" where not all parameters work on a token, else "dense"."""
        return "moe" if self.parameters.active < self.parameters.total else "dense"

    def parts(self) -> Iterator[Part]:
        """Yield (name of the part, copies, weights of one copy), the prediction layers last."""
        inner = self.embedding_width or self.width
        if self.vocabulary is not None:
            table = Weight("embedding", (self.vocabulary, inner), "embedding", split="vocabulary")
            yield "embedding", 1, [table]
        if self.positions:
            yield "embedding", 1, [Weight("positions", (self.positions, self.width), "embedding")]
        if inner != self.width:
            projections = [*linear("project_in", inner, self.width, split="replicated"),
                           *linear("project_out", self.width, inner, split="replicated")]  # fmt: skip
            yield "projections", 1, projections
        for layer, copies in distinct_layers(self.layers).items():
            for block in layer.blocks():
                yield block.part, copies, block.weights(self.width)
            yield "norms", copies, layer.norm_weights(self.width)
        for block in self.extras:
            yield block.part, 1, block.weights(self.width)
        for stack in self.stacks:
            yield from _stack_parts(stack)
        if self.final_norm:
            yield "norms", 1, norm("final_norm", self.width, bias=self.norm_bias)
        if self.vocabulary is not None and self.head:
            head = [] if self.tied else [Weight("head", (inner, self.vocabulary), split="vocabulary")]
            bias = [Weight("head_bias", (self.vocabulary,), "bias", split="vocabulary")]
            yield "head", 1, head + (bias if self.head_bias else [])
        if self.prediction_layer is not None:
            joined = linear("prediction_join", 2 * self.width, self.width, split="replicated")
            norms = [weight for index in range(3) for weight in norm(f"prediction_norm_{index}", self.width)]
            blocks = [weight for block in self.prediction_layer.blocks() for weight in block.weights(self.width)]
            listed = [*joined, *norms, *blocks, *self.prediction_layer.norm_weights(self.width)]
            yield "prediction", self.prediction_layers, listed

    def work(
        self, tokens: Any, context: Any, source: Any = None, decoding: bool = False
    ) -> Iterator[tuple[str, int, list[Operation]]]:
        """Yield (name of the part, copies, operations of one copy) of a forward pass.

        Parameters
        ----------
        tokens : of the sequence; a model that fixes them works on its own number
        context : tokens that each of them sees at most
        source : tokens of the encoder, where it has not a number of its own; as many as `tokens` unless given
        decoding : the work of one more token that sees `context` tokens, instead; encoders stand still
        """
        if self.tokens is not None:
            tokens = context = float(self.tokens)
        inner = self.embedding_width or self.width
        if inner != self.width:
            yield "projections", 1, [product("project_in", tokens, inner, self.width),
                                     product("project_out", tokens, self.width, inner)]  # fmt: skip
        for layer, copies in distinct_layers(self.layers).items():
            for block in layer.blocks():
                seen = source if source is not None and _reads_source(block) else context
                listed = block.decode(self.width, seen) if decoding else None
                yield block.part, copies, listed or block.operations(self.width, tokens, seen)
        if not decoding:
            for block in self.extras:
                yield block.part, 1, block.operations(self.width, tokens, context)
            for stack in self.stacks:
                yield from _stack_work(stack, *((tokens, context) if source is None else (source, source)))
        head: list[Operation] = []
        if self.vocabulary is not None and self.head:
            head = [product("head", tokens, inner, self.vocabulary)]
        if head:
            yield "head", 1, head
        if self.prediction_layer is not None and not decoding:
            listed = [product("prediction_join", tokens, 2 * self.width, self.width), *head]
            for block in self.prediction_layer.blocks():
                listed += block.operations(self.width, tokens, context)
            yield "prediction", self.prediction_layers, listed

    @cached_property
    def parameters(self) -> ParameterCounts:
        """Numbers of parameters."""
        total = active = embedding = prediction = 0
        for part, copies, weights in self.parts():
            if part == "prediction":
                prediction += copies * sum(weight.size for weight in weights)
                continue
            total += copies * sum(weight.size for weight in weights)
            active += copies * sum(round(weight.size * weight.active) for weight in weights)
            if part == "embedding":
                embedding += sum(weight.size for weight in weights)
        return ParameterCounts(total, active, embedding, prediction)


def _reads_source(block: Block) -> bool:
    """Tell whether the keys of a block come from the encoder."""
    return getattr(block, "kind", "") == "cross_attention"


def distinct_layers(layers: tuple[Layer, ...]) -> dict[Layer, int]:
    """Return each different layer with how many there are of it."""
    distinct: dict[Layer, int] = {}
    for layer in layers:
        one = layer if layer.count == 1 else layer.model_copy(update={"count": 1})
        distinct[one] = distinct.get(one, 0) + layer.count
    return distinct


def _stack_parts(stack: Stack) -> Iterator[Part]:
    for layer, copies in distinct_layers(stack.layers).items():
        for block in layer.blocks():
            yield stack.name, copies, block.weights(stack.width)
        yield stack.name, copies, layer.norm_weights(stack.width)
    for block in stack.extras:
        yield "embedding" if block.part == "embedding" else stack.name, 1, block.weights(stack.width)


def _stack_work(stack: Stack, tokens: Any, context: Any) -> Iterator[tuple[str, int, list[Operation]]]:
    if stack.tokens is not None:
        tokens = context = float(stack.tokens)
    for layer, copies in distinct_layers(stack.layers).items():
        for block in layer.blocks():
            yield stack.name, copies, block.operations(stack.width, tokens, context)
    for block in stack.extras:
        yield stack.name, 1, block.operations(stack.width, tokens, context)
