"""Linear-attention models of flash-linear-attention: GLA, RetNet, HGRN2, DeltaNet, Gated DeltaNet and others.

Defaults are those of the configuration classes in flash-linear-attention 0.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.fast_weights import FastWeights
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.gated_delta import GatedDelta
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.classes import read_number
from costmodel.architecture.families.reading import Reader, grouped
from costmodel.architecture.families.state_space import assemble, read_size
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture

_INERT = (
    "attn_mode",
    "allow_neg_eigval",
    "clamp_min",
    "fuse_cross_entropy",
    "fuse_norm",
    "fuse_swiglu",
    "gate_logit_normalizer",
    "norm_feature_map",
    "qk_activation",
    "qk_norm",
    "use_l2warp",
)
_PLAIN_MAPS = ("relu", "elu", "identity", None)
"""Feature maps without weights."""


@dataclass(frozen=True, slots=True)
class Fast:
    """A linear-attention family: defaults of its config."""

    heads: int
    keys: float = 1.0
    """Default of `expand_k`."""
    values: float = 1.0
    """Default of `expand_v`."""
    ratio: int = 4
    """Default of `hidden_ratio`."""
    gate_key: str = ""
    """Key of the output gate; "" for none."""
    gate: bool = False
    decays: bool = False
    correction: bool = False
    convolution: bool | None = None
    """Default of `use_short_conv`; None if the family has no short convolutions."""
    maps: str | None = None
    """Default of `feature_map`."""


def _feed_forward(config: Config, width: int, ratio: int) -> FeedForward:
    """Return the gated block: as wide as given, or two thirds of a ratio of the hidden size, in steps of 256."""
    given = config.optional("intermediate_size")
    inner = int(width * config.integer("hidden_ratio", default=ratio) * 2 / 3)
    return FeedForward(inner_width=given or -(-inner // 256) * 256, gated=True)


def _size(config: Config) -> tuple[int, int]:
    """Return hidden size and number of layers; refuse what is not known for these families."""
    config.skip(*_INERT)
    for key in ("attn", "attnres_block_size"):
        config.require(config.value(key) is None, f"{key}: only null is known for this model_type")
    config.require(config.flag("elementwise_affine", default=True), "elementwise_affine: only true is known")
    return read_size(config)


def _kernel(config: Config, default: bool | None) -> int | None:
    """Return the kernel size of the short convolutions, None without them."""
    size = config.integer("conv_size", default=4)
    config.require(not config.flag("conv_bias", default=False), "conv_bias: only false is known")
    convolves = config.flag("use_short_conv", default=bool(default))
    config.require(not convolves or default is not None, "use_short_conv: only false is known for this model_type")
    return size if convolves else None


def _decoder(
    config: Config, width: int, depth: int, mixer: Block, ratio: int, extras: Sequence[Block] = ()
) -> Architecture:
    block = _feed_forward(config, width, ratio)
    return assemble(config, width, grouped([mixer] * depth, [block] * depth), extras=tuple(extras))


def _divided(config: Config, key: str, extent: int, heads: int) -> int:
    """Return the width of a head."""
    config.require(extent % heads == 0 and extent > 0, f"{key}: {extent} channels are no multiple of {heads} heads")
    return max(extent // heads, 1)


def _decay_rank(config: Config) -> int:
    """Return the rank of the decays of GLA, which is fixed."""
    given = config.integer("gate_low_rank_dim", default=16)
    config.require(given == 16, f"gate_low_rank_dim: only 16 is known here; got {given}")
    return 16


def _read(config: Config, family: Fast) -> Architecture:
    width, depth = _size(config)
    heads = config.integer("num_heads", default=family.heads)
    config.require(config.optional("num_kv_heads") in (None, heads), f"num_kv_heads: only {heads} is known here")
    keys = int(width * read_number(config, "expand_k", family.keys, least=1e-3, most=100))
    values = int(width * read_number(config, "expand_v", family.values, least=1e-3, most=100))
    maps = config.value("feature_map") if "feature_map" in config.data else family.maps
    config.require(maps in (*_PLAIN_MAPS, family.maps), f"feature_map: {maps!r} is not known here")
    for key in ("norm_q", "norm_k", "tie_feature_map_qk", "use_gv"):
        config.require(not config.flag(key, default=False), f"{key}: only false is known here")
    for key in ("use_beta", "use_gk", "use_output_norm"):
        config.require(config.flag(key, default=True), f"{key}: only true is known here")
    mixer = FastWeights(
        heads=heads,
        key_width=_divided(config, "expand_k", keys, heads),
        value_width=_divided(config, "expand_v", values, heads),
        output_gate=config.flag(family.gate_key, default=family.gate) if family.gate_key else family.gate,
        decay_rank=_decay_rank(config) if family.decays else None,
        correction=family.correction,
        kernel=_kernel(config, family.convolution),
        feature_maps=maps not in _PLAIN_MAPS,
    )
    return _decoder(config, width, depth, mixer, family.ratio)


def _hgrn2(config: Config) -> Architecture:
    width, depth = _size(config)
    ratio = config.optional("expand_ratio") or 128
    heads = config.optional("num_heads") or max(width // ratio, 1)
    _kernel(config, default=None)
    values = _divided(config, "num_heads", width, heads)
    mixer = FastWeights(heads=heads, key_width=values, value_width=values, wide_norm=True)
    bounds = config.flag("use_lower_bound", default=True)
    return _decoder(config, width, depth, mixer, 4, (Norm(extent=width, copies=depth),) if bounds else ())


def _gated_deltanet(config: Config) -> Architecture:
    width, depth = _size(config)
    heads, head = config.integer("num_heads", default=6), config.integer("head_dim", default=256)
    value_heads = config.optional("num_v_heads") or heads
    config.require(value_heads % heads == 0, f"num_v_heads: {value_heads} is no multiple of the {heads} heads")
    config.require(config.flag("use_gate", default=True), "use_gate: only true is known here")
    kernel = _kernel(config, default=True)
    config.require(kernel is not None, "use_short_conv: only true is known here")
    mixer = GatedDelta(
        key_heads=heads,
        value_heads=value_heads,
        key_width=head,
        value_width=max(int(head * read_number(config, "expand_v", 2.0, least=1e-3, most=100)), 1),
        kernel=kernel or 1,
    )
    return _decoder(config, width, depth, mixer, 4)


FAMILIES: dict[str, Fast] = {
    "delta_net": Fast(16, gate_key="use_gate", correction=True, convolution=True),
    "gla": Fast(4, keys=0.5, gate_key="use_output_gate", gate=True, decays=True, convolution=False),
    "linear_attn": Fast(4, maps="elementwise_product"),
    "retnet": Fast(8, values=2.0, ratio=2, gate_key="use_output_gate", gate=True),
}
"""Families by `model_type`."""


def _reader(family: Fast) -> Reader:
    return lambda config: _read(config, family)


READERS: dict[str, Reader] = {
    **{model_type: _reader(family) for model_type, family in FAMILIES.items()},
    "gated_deltanet": _gated_deltanet,
    "hgrn2": _hgrn2,
}
"""Readers by the `model_type` of a config."""
