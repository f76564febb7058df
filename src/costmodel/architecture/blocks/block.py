"""Base of all blocks: weights, operations, cache and sharding of a block, without totals."""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import core_schema

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import JsonSchema, any_kind, reported
from costmodel.foundation.registry import Registry, references
from costmodel.foundation.specs import Spec, kind_problem

Role = Literal["matrix", "norm", "bias", "embedding", "router", "expert"]
Split = Literal["columns", "rows", "vocabulary", "heads", "replicated"]
Kind = Literal["matmul", "score", "value", "scan"]

KIND = "Kind of block, by which files name it."
"""Description of the field `kind` of all blocks."""


class Weight(NamedTuple):
    """A trained tensor, or equal copies of it."""

    name: str
    shape: tuple[int, ...]
    """Shape of one copy."""
    role: Role = "matrix"
    copies: int = 1
    active: float = 1.0
    """Share of the parameters used per token: top_k / experts for routed experts, else 1."""
    split: Split = "replicated"
    """Dimension that tensor parallelism shards."""

    @property
    def size(self) -> int:
        """Number of parameters in all `copies`."""
        total = self.copies
        for extent in self.shape:
            total *= extent
        return total


class Operation(NamedTuple):
    """An operation of the forward pass over a sequence: `copies` products of (m, k) with (k, n).

    "matmul" multiplies m rows (tokens) by a weight of k × n. "score" (query × key) and "value" (probabilities ×
    value) multiply m queries by n keys with a head width of k, for `copies` heads; `causal`, `window`, `chunk` and
    the convention of `count_flops` determine how many of the m × n pairs count. "scan" is m steps of a recurrence
    with a state of k × n. With a `chunk`, kernels run it in chunks: products within a chunk, in which `shared` is
    the width of the inputs and outputs of the states that heads share, and products with the states between chunks.
    """

    name: str
    kind: Kind
    m: float
    n: float
    k: float
    copies: float = 1
    causal: bool = False
    window: int | None = None
    chunk: int | None = None
    shared: float = 0.0


class Sharding(NamedTuple):
    """Limits of tensor and expert parallelism of a block."""

    heads: int = 0
    """Heads, of attention or of a recurrent state; 0 if the block has none."""
    kv_heads: int = 0
    """KV heads if there are fewer than heads (grouped queries), else 0."""
    kv_weights: tuple[str, ...] = ()
    """Names of the weights that are sharded by KV heads."""
    experts: int = 0
    """Routed experts; 0 if the block has none."""
    top_k: int = 0
    """Routed experts of a token."""
    groups: int = 1
    """Groups of routed experts."""
    top_groups: int = 1
    """Groups to which a token may be routed."""


class Block(Spec):
    """A block of a layer, which lists its weights, operations and cache."""

    part_name: ClassVar[str] = "other"
    """Part of the model that blocks of this kind are counted in."""
    reads_source: ClassVar[bool] = False
    """Whether keys and values come from an encoder."""
    attends: ClassVar[bool] = False
    """Whether context parallelism exchanges keys and values between ranks."""

    @property
    def part(self) -> str:
        """Part of the model that the block is counted in, in tables."""
        return self.part_name

    @property
    def bidirectional(self) -> bool:
        """Whether a token attends to later tokens, so that the block cannot generate tokens one by one."""
        return False

    @property
    def aggregated_layers(self) -> int | None:
        """Layers that the block stands for, 0 if unknown; None unless only parameter counts are known."""
        return None

    def weights(self, width: int) -> list[Weight]:
        """List the trained tensors of the block in a model of hidden size `width`."""
        raise TypeError(f"{type(self).__name__} lists no weights")

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        """List the work of a forward pass over `tokens` tokens, each of which attends to at most `context` tokens."""
        raise TypeError(f"{type(self).__name__} lists no operations")

    def cache(self, context: int) -> float:
        """Return the cached elements of a sequence of `context` tokens: keys and values, or a state; 0 by default."""
        return 0.0

    def sharding(self) -> Sharding:
        """Return the heads, KV heads and experts over which the block can be sharded."""
        return Sharding()

    @property
    def cache_heads(self) -> int:
        """Most tensor-parallel ranks over which the KV cache is sharded; further ranks hold copies."""
        sharding = self.sharding()
        return sharding.kv_heads or sharding.heads or 1

    def decode(self, width: int, context: float) -> list[Operation]:
        """List the work of a decode step: one token that attends to `context` tokens."""
        return self.operations(width, 1.0, context)


BLOCKS: Registry[type[Block]] = references(
    "kind of block",
    "costmodel.blocks",
    {
        "compressed_attention": "costmodel.architecture.blocks.compressed_attention:CompressedAttention",
        "hyper_connection": "costmodel.architecture.blocks.hyper_connection:HyperConnection",
        "attention": "costmodel.architecture.blocks.attention:Attention",
        "latent_attention": "costmodel.architecture.blocks.latent_attention:LatentAttention",
        "cross_attention": "costmodel.architecture.blocks.cross_attention:CrossAttention",
        "window_attention": "costmodel.architecture.blocks.window_attention:WindowAttention",
        "core_attention": "costmodel.architecture.blocks.core_attention:CoreAttention",
        "reused_attention": "costmodel.architecture.blocks.reused_attention:ReusedAttention",
        "differential_attention": "costmodel.architecture.blocks.differential_attention:DifferentialAttention",
        "reapplied": "costmodel.architecture.blocks.reapplied:Reapplied",
        "relative_scores": "costmodel.architecture.blocks.relative_scores:RelativeScores",
        "at_width": "costmodel.architecture.blocks.at_width:AtWidth",
        "contrast": "costmodel.architecture.blocks.contrast:Contrast",
        "feed_forward": "costmodel.architecture.blocks.feed_forward:FeedForward",
        "experts": "costmodel.architecture.blocks.experts:Experts",
        "aggregate": "costmodel.architecture.blocks.aggregate:Aggregate",
        "linear": "costmodel.architecture.blocks.pieces:Linear",
        "table": "costmodel.architecture.blocks.pieces:Table",
        "norm": "costmodel.architecture.blocks.pieces:Norm",
        "convolution": "costmodel.architecture.blocks.pieces:Convolution",
        "mamba": "costmodel.architecture.blocks.mamba:Mamba",
        "mamba2": "costmodel.architecture.blocks.mamba2:Mamba2",
        "gated_delta": "costmodel.architecture.blocks.gated_delta:GatedDelta",
        "kimi_delta": "costmodel.architecture.blocks.kimi_delta:KimiDelta",
        "lightning_attention": "costmodel.architecture.blocks.lightning_attention:LightningAttention",
        "indexer": "costmodel.architecture.blocks.indexer:Indexer",
        "short_convolution": "costmodel.architecture.blocks.short_convolution:ShortConvolution",
        "gated_recurrence": "costmodel.architecture.blocks.gated_recurrence:GatedRecurrence",
        "matrix_memory": "costmodel.architecture.blocks.matrix_memory:MatrixMemory",
        "expert_attention": "costmodel.architecture.blocks.expert_attention:ExpertAttention",
        "fast_weights": "costmodel.architecture.blocks.fast_weights:FastWeights",
        "delta_mix": "costmodel.architecture.blocks.rwkv7:DeltaMix",
        "time_mix": "costmodel.architecture.blocks.rwkv:TimeMix",
        "channel_mix": "costmodel.architecture.blocks.rwkv:ChannelMix",
    },
    partial(kind_problem, Block),
)
"""Classes of blocks by kind. A new block is a module of this folder and a line here, or an entry point of a package."""


def read_block(value: Any) -> Any:
    """Return the block described by a mapping with `kind`; a block is returned unchanged."""
    if isinstance(value, Block):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in BLOCKS:
        raise InputError(unknown("kind of block", kind, BLOCKS))
    return BLOCKS[kind].from_data(value)


class _BlockJson:
    """Metadata of a field that holds any block: its JSON schema lists all of them, but not inside a block."""

    _inside: ContextVar[bool] = ContextVar("inside the list of blocks", default=False)

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        if self._inside.get():
            return {"type": "object", "description": "A block, of any kind."}
        token = self._inside.set(True)
        try:
            return any_kind("Block", BLOCKS.working().values(), handler)
        finally:
            self._inside.reset(token)


AnyBlock = Annotated[SerializeAsAny[Block], BeforeValidator(reported(read_block)), _BlockJson()]


def linear(name: str, inputs: int, outputs: int, *, bias: bool = False, split: Split) -> list[Weight]:
    """Return the weights of a linear layer: a matrix and, with `bias`, a vector."""
    matrix = Weight(name, (inputs, outputs), split=split)
    bias_split: Split = "columns" if split == "columns" else "replicated"
    return [matrix, Weight(f"{name}_bias", (outputs,), "bias", split=bias_split)] if bias else [matrix]


def product(name: str, tokens: float, inputs: int, outputs: int, copies: float = 1) -> Operation:
    """Return the matmul of a linear layer on `tokens` rows."""
    return Operation(name, "matmul", tokens, outputs, inputs, copies)


def norm(name: str, extent: int, *, bias: bool = False) -> list[Weight]:
    """Return the weights of a norm over `extent` features: a scale and, with `bias`, a shift."""
    scale = Weight(name, (extent,), "norm")
    return [scale, Weight(f"{name}_bias", (extent,), "norm")] if bias else [scale]


def grouped_queries(heads: int, kv_heads: int) -> Sharding:
    """Return the sharding of grouped-query attention."""
    if kv_heads >= heads:
        return Sharding(heads)
    return Sharding(heads, kv_heads, ("key", "value", "key_bias", "value_bias"))
