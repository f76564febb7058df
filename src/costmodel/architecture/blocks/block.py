"""Base of all blocks: weights, operations, cache and sharding of a block, without totals."""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, SerializeAsAny

from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import reported
from costmodel.foundation.specs import Spec

Role = Literal["matrix", "norm", "bias", "embedding", "router", "expert"]
Split = Literal["columns", "rows", "vocabulary", "heads", "replicated"]
Kind = Literal["matmul", "score", "value", "scan"]

KIND = "Kind of block, by which files name it."
"""Description of the field `kind` of all blocks."""


class Weight(NamedTuple):
    """One kind of trained tensor.

    `shape` of one tensor and `copies` of it; `active` is the share that works on a token (top_k /
    experts for routed experts); `split` says how tensor parallelism cuts it.
    """

    name: str
    shape: tuple[int, ...]
    role: Role = "matrix"
    copies: int = 1
    active: float = 1.0
    split: Split = "replicated"

    @property
    def size(self) -> int:
        """Number of parameters in all `copies`."""
        total = self.copies
        for extent in self.shape:
            total *= extent
        return total


class Operation(NamedTuple):
    """One kind of work in the forward pass over a sequence: `copies` products of (m, k) with (k, n).

    For "matmul", m rows (tokens) meet a weight of k × n. For "score" (query × key) and "value"
    (probabilities × value), m queries meet n keys over a head of width k, `copies` heads; how many of the
    m × n pairs are counted depends on `causal`, `window`, `chunk` and the convention, and is settled outside.
    For "scan", m steps of a recurrence over a state of k × n, which run on no matrix unit.
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


class Sharding(NamedTuple):
    """What limits tensor and expert parallelism of a block."""

    heads: int = 0
    """Heads, of attention or of a recurrent state; 0 if the block has none."""
    kv_heads: int = 0
    """KV heads if there are fewer than heads (grouped queries), else 0."""
    kv_weights: tuple[str, ...] = ()
    """Names of the weights that are sharded by KV heads."""
    experts: int = 0
    """Routed experts; 0 if the block has none."""


class Block(Spec):
    """A part of a layer, which lists its weights, operations and cache."""

    part_name: ClassVar[str] = "other"
    """Part of the model that its kind is counted in."""
    reads_source: ClassVar[bool] = False
    """Whether its keys and values come from an encoder."""
    attends: ClassVar[bool] = False
    """Whether context parallelism exchanges its keys and values between ranks."""

    @property
    def part(self) -> str:
        """Part of the model that the block is counted in, in tables."""
        return self.part_name

    def weights(self, width: int) -> list[Weight]:
        """List the trained tensors of the block in a model of hidden size `width`."""
        raise TypeError(f"{type(self).__name__} lists no weights")

    def operations(self, width: int, tokens: float, context: float) -> list[Operation]:
        """List the work of a forward pass over `tokens` tokens that each see up to `context` tokens."""
        raise TypeError(f"{type(self).__name__} lists no operations")

    def cache(self, context: int) -> float:
        """Return how many elements a decoder keeps for a sequence of `context` tokens; none unless it says so."""
        return 0.0

    def sharding(self) -> Sharding:
        """Return the heads, KV heads and experts that it can be sharded by."""
        return Sharding()

    def decode(self, width: int, context: float) -> list[Operation]:
        """List the work of one more token that sees `context` tokens."""
        return self.operations(width, 1.0, context)


KINDS: dict[str, str] = {
    "compressed_attention": "compressed_attention.CompressedAttention",
    "hyper_connection": "hyper_connection.HyperConnection",
    "attention": "attention.Attention",
    "latent_attention": "latent_attention.LatentAttention",
    "cross_attention": "cross_attention.CrossAttention",
    "window_attention": "window_attention.WindowAttention",
    "reused_attention": "reused_attention.ReusedAttention",
    "contrast": "contrast.Contrast",
    "feed_forward": "feed_forward.FeedForward",
    "experts": "experts.Experts",
    "aggregate": "aggregate.Aggregate",
    "linear": "pieces.Linear",
    "table": "pieces.Table",
    "norm": "pieces.Norm",
    "convolution": "pieces.Convolution",
    "mamba": "mamba.Mamba",
    "mamba2": "mamba2.Mamba2",
    "gated_delta": "gated_delta.GatedDelta",
    "kimi_delta": "kimi_delta.KimiDelta",
    "lightning_attention": "lightning_attention.LightningAttention",
    "time_mix": "rwkv.TimeMix",
    "channel_mix": "rwkv.ChannelMix",
}
"""Where each kind of block lives: a further kind is a further file, and its line here."""


def read_block(value: Any) -> Any:
    """Return the block that a mapping with its `kind` describes; a block is passed through."""
    if isinstance(value, Block):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if kind not in KINDS:
        raise InputError(unknown("kind of block", kind, KINDS))
    module, name = KINDS[kind].split(".")
    block = getattr(import_module(f"costmodel.architecture.blocks.{module}"), name)
    return block.from_data(value)


AnyBlock = Annotated[SerializeAsAny[Block], BeforeValidator(reported(read_block))]


def linear(name: str, inputs: int, outputs: int, *, bias: bool = False, split: Split) -> list[Weight]:
    """Return the weights of a linear layer: a matrix, and a bias if it has one."""
    matrix = Weight(name, (inputs, outputs), split=split)
    bias_split: Split = "columns" if split == "columns" else "replicated"
    return [matrix, Weight(f"{name}_bias", (outputs,), "bias", split=bias_split)] if bias else [matrix]


def product(name: str, tokens: float, inputs: int, outputs: int, copies: float = 1) -> Operation:
    """Return the operation of a linear layer on `tokens` rows."""
    return Operation(name, "matmul", tokens, outputs, inputs, copies)


def norm(name: str, extent: int, *, bias: bool = False) -> list[Weight]:
    """Return the weights of a norm over `extent` features: a scale, and a shift if it has one."""
    scale = Weight(name, (extent,), "norm")
    return [scale, Weight(f"{name}_bias", (extent,), "norm")] if bias else [scale]


def grouped_queries(heads: int, kv_heads: int) -> Sharding:
    """Return the sharding of an attention whose queries share their keys and values in groups."""
    if kv_heads >= heads:
        return Sharding(heads)
    return Sharding(heads, kv_heads, ("key", "value", "key_bias", "value_bias"))
