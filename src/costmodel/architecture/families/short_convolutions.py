"""Decoders with short convolutions in most layers: LFM2, LFM2-MoE, LFM3.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.short_convolution import ShortConvolution
from costmodel.architecture.families.classes import read_number
from costmodel.architecture.families.reading import Reader, grouped
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.families.state_space import assemble, read_attention, read_size
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture

CONVOLUTION, SLIDING, FULL = "conv", "sliding_attention", "full_attention"
_EXPERTS = Routing(32, 4, inner=1792, dense=7168, listed=False, first_key="num_dense_layers", first=2)


def _convolution(config: Config, width: int, kernel: int) -> ShortConvolution:
    bias = config.flag("conv_bias", default=False)
    return ShortConvolution(kernel=config.integer("conv_L_cache", default=kernel), input_width=width, bias=bias)


def _kinds(config: Config, depth: int) -> list[str]:
    """Return the kinds of layers: those of `layer_types`, or attention at `full_attn_idxs`."""
    listed = config.names("layer_types", depth, (CONVOLUTION, FULL))
    chosen = config.numbers("full_attn_idxs")
    if listed is not None:
        return listed
    if config.data.get("full_attn_idxs") is None:
        chosen = list(range(depth))
    return [FULL if index in chosen else CONVOLUTION for index in range(depth)]


def _inner_width(config: Config) -> int:
    """Return the inner width: two thirds of the one given, times a factor, rounded up to a multiple."""
    inner = config.integer("block_ff_dim", "intermediate_size", default=12288)
    factor = read_number(config, "block_ffn_dim_multiplier", 1.0, least=1e-6, most=1e6)
    multiple = config.integer("block_multiple_of", default=256)
    if not config.flag("block_auto_adjust_ff_dim", default=True):
        return inner
    inner = int(2 * inner / 3)
    if config.data.get("block_ffn_dim_multiplier", 1.0) is None:
        return max(inner, 1)
    return -(-int(factor * inner) // multiple) * multiple


def _lfm2(config: Config) -> Architecture:
    config.skip(
        "block_dim", "block_mlp_init_scale", "block_out_init_scale", "block_use_swiglu", "block_use_xavier_init"
    )
    config.skip("block_norm_eps", "conv_dim", "conv_dim_out", "conv_use_xavier_init", "num_heads", "use_pos_enc")
    width, depth = read_size(config)
    full = read_attention(config, width, kv_heads=8, qk_norm="head")
    convolution = _convolution(config, width, 3)
    block = FeedForward(inner_width=_inner_width(config), gated=True)
    mixers = [full if kind == FULL else convolution for kind in _kinds(config, depth)]
    tied = config.flag("tie_embedding", default=True)
    return assemble(config, width, grouped(mixers, [block] * depth), tied=tied)


def _lfm2_moe(config: Config) -> Architecture:
    config.skip("use_expert_bias")
    width, depth = read_size(config)
    full = read_attention(config, width, kv_heads=8, qk_norm="head")
    convolution = _convolution(config, width, 3)
    kinds = config.names("layer_types", depth, (CONVOLUTION, FULL))
    config.require(kinds is not None, "layer_types: is required and missing")
    mixers = [full if kind == FULL else convolution for kind in kinds or [FULL] * depth]
    tied = config.flag("tie_embedding", default=True)
    return assemble(config, width, grouped(mixers, blocks_of(config, _EXPERTS, depth)), tied=tied)


def _lfm3(config: Config) -> Architecture:
    width, depth = read_size(config)
    bias, gate = config.flag("attention_bias", default=False), config.flag("use_attention_gate", default=True)
    full = read_attention(
        config, width, kv_heads=4, head_width=128, qk_norm="head", qkv_bias=bias, output_bias=bias, head_gate=gate
    )
    window = config.optional("sliding_window", default=256)
    sliding = full.replace(window=window) if window is not None else full
    kinds = config.names("layer_types", depth, (CONVOLUTION, SLIDING, FULL)) or [
        FULL if index % 4 == 2 else SLIDING if index % 4 == 0 and index else CONVOLUTION for index in range(depth)
    ]
    mixer_of = {CONVOLUTION: _convolution(config, width, 7), SLIDING: sliding, FULL: full}
    block = FeedForward(inner_width=config.integer("intermediate_size", default=7680), gated=True)
    norms = 4 if config.flag("use_sandwich_norm", default=True) else 2
    layers = grouped([mixer_of[kind] for kind in kinds], [block] * depth, norms=norms)
    return assemble(config, width, layers, tied=True)


READERS: dict[str, Reader] = {"lfm2": _lfm2, "lfm2_moe": _lfm2_moe, "lfm3": _lfm3}
"""Readers by the `model_type` of a config."""
