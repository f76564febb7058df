"""Decoders with gated recurrences: RecurrentGemma, xLSTM, RWKV-7.

Defaults are those of the configuration classes in Hugging Face transformers 5.24; the keys of RWKV-7 are those of
flash-linear-attention.
"""

from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.gated_recurrence import GatedRecurrence
from costmodel.architecture.blocks.matrix_memory import MatrixMemory
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.blocks.rwkv7 import DeltaMix
from costmodel.architecture.families.classes import read_number
from costmodel.architecture.families.reading import Reader, grouped, joined, read_depth
from costmodel.architecture.families.state_space import assemble, read_attention, require_untied
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def _recurrent_gemma(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    window = config.integer("attention_window_size", default=2048)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, None, head_width=None, qkv_bias=bias, output_bias=True, window=window)
    channels = config.optional("lru_width") or width
    config.require(channels % full.heads == 0, f"lru_width: {channels} is not a multiple of the {full.heads} heads")
    recurrence = GatedRecurrence(
        heads=full.heads,
        head_width=max(channels // full.heads, 1),
        channels=channels,
        kernel=config.integer("conv1d_width", default=4),
    )
    listed = config.value("block_types") or ["recurrent", "recurrent", "attention"]
    valid = isinstance(listed, list) and all(kind in ("recurrent", "attention") for kind in listed)
    config.require(valid, 'block_types: must list "recurrent" and "attention"')
    kinds = listed if valid else ["attention"]
    inner = config.integer("intermediate_size", default=7680, least=2)
    block = FeedForward(inner_width=inner // 2, gated=True, bias=True)
    mixers = [full if kinds[index % len(kinds)] == "attention" else recurrence for index in range(depth)]
    return assemble(config, width, grouped(mixers, [block] * depth), tied=True)


def _multiple(number: float, multiple: int) -> int:
    """Return a number rounded up to a multiple."""
    return int((number + multiple - 1) // multiple * multiple)


def _xlstm(config: Config) -> Architecture:
    config.skip("max_inference_chunksize", "mode", "weight_mode", "add_out_norm")
    require_untied(config)
    width = config.integer("hidden_size", "embedding_dim", default=4096)
    depth = read_depth(config, "num_blocks", "num_hidden_layers")
    for key, number in (("embedding_dim", width), ("num_hidden_layers", depth)):
        config.require(config.optional(key) in (None, number), f"{key}: must be {number}, as the other key says")
    heads, bias = config.integer("num_heads", default=8), config.flag("use_bias", default=False)
    keys = int(width * read_number(config, "qk_dim_factor", 0.5, least=1e-3, most=100))
    values = int(width * read_number(config, "v_dim_factor", 1.0, least=1e-3, most=100))
    config.require(keys % heads == 0 and values % heads == 0, f"num_heads: {heads} does not divide {keys} and {values}")
    mixer = MatrixMemory(heads=heads, key_width=max(keys // heads, 1), value_width=max(values // heads, 1), bias=bias)
    factor = read_number(config, "ffn_proj_factor", 2.667, least=1e-3, most=100)
    inner = _multiple(width * factor, config.integer("ffn_round_up_to_multiple_of", default=64))
    block = FeedForward(inner_width=inner, gated=True, bias=bias)
    return assemble(config, width, grouped([mixer] * depth, [block] * depth, norm_bias=bias))


def _rwkv7(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "hidden_ratio", "attn_mode", "norm_first", "fuse_norm")
    config.skip("fuse_cross_entropy", "use_l2warp")
    config.require(config.value("attn") is None, "attn: attention in some layers is not known here")
    config.require(config.flag("norm_bias", default=True), "norm_bias: must be true here")
    require_untied(config)
    width, depth = config.integer("hidden_size", default=2048), read_depth(config, "num_hidden_layers")
    head_width = config.integer("head_dim", default=64)
    config.require(width % head_width == 0, f"head_dim: {head_width} does not divide the hidden size ({width})")
    heads = max(width // head_width, 1)
    config.require(config.optional("num_heads") in (None, heads), f"num_heads: must be {heads} here")
    listed = config.value("value_dim")
    config.require(listed in (None, width, [width] * depth), f"value_dim: must be {width} in each layer")
    first = DeltaMix(
        heads=heads,
        head_width=head_width,
        decay_rank=config.integer("decay_low_rank_dim"),
        rate_rank=config.integer("a_low_rank_dim"),
        gate_rank=config.integer("gate_low_rank_dim"),
    )
    later = first.replace(value_rank=config.integer("v_low_rank_dim"))
    block = FeedForward(inner_width=config.optional("intermediate_size") or 4 * width, gated=False)
    shift = Norm(extent=width)
    layers = [Layer(mixer=mixer, feed_forward=block, also=(shift,), norm_bias=True) for mixer in (first, later)]
    stack = joined([layers[0], *[layers[1]] * (depth - 1)])
    return assemble(config, width, stack, norm_bias=True, extras=(Norm(extent=width, bias=True),))


READERS: dict[str, Reader] = {"recurrent_gemma": _recurrent_gemma, "xlstm": _xlstm, "rwkv7": _rwkv7}
"""Readers by the `model_type` of a config."""
