"""Sound towers that are conformers: layers of attention and of convolution over time, between two feed-forward blocks.

A tower processes 30 s of sound. Attention is within windows; the numbers of its relative positions are left out of the
FLOPs. Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

import math

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.towers import linear_on
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

_PART = "audio"
_FRAMES = 3000
"""Mel frames of 30 s."""


def _depth(config: Config, key: str, default: int) -> int:
    depth = config.integer(key, default=default)
    config.require(depth <= 10_000, f"{key}: at most 10,000 layers are read; got {depth:,}")
    return min(depth, 10_000)


def _channels(config: Config, key: str) -> tuple[int, int]:
    """Return the channels of the two convolutions before the layers."""
    listed = config.numbers(key) or [128, 32]
    valid = len(listed) == 2 and min(listed) > 0
    config.require(valid, f"{key}: must be two numbers above 0; got {listed}")
    return (listed[0], listed[1]) if valid else (128, 32)


def _stem(channels: tuple[int, int], mels: int, width: int, inputs: int) -> list[Block]:
    """Return two convolutions over frames and mels with a stride of two, and the layer to the width."""
    first, second = channels
    tokens = _FRAMES // 4
    return [
        Convolution(inputs=1, outputs=first, kernel=9, bias=False, places=2 * tokens * mels // 2),
        Norm(extent=first),
        Convolution(inputs=first, outputs=second, kernel=9, bias=False, places=tokens * mels // 4),
        Norm(extent=second),
        linear_on(inputs, width, tokens, part=_PART),
    ]


def _gemma_layer(width: int, heads: int, kernel: int, tokens: int, window: int, depth: int) -> Layer:
    """Return the layers of the towers of Gemma: nine norms, and a matrix and a scale for relative positions."""
    half = FeedForward(inner_width=4 * width, gated=False)
    head_width = max(width // heads, 1)
    mixer = WindowAttention(
        heads=heads, head_width=head_width, window=window, places=tokens, qkv_bias=False, output_bias=False
    )
    also: tuple[Block, ...] = (
        half,
        linear_on(width, width, 2 * window, part=_PART),  # relative positions
        Norm(extent=head_width),
        linear_on(width, 2 * width, tokens, part=_PART),
        Convolution(inputs=width, outputs=width, kernel=kernel, groups=width, bias=False, places=tokens),
        linear_on(width, width, tokens, part=_PART),
    )
    return Layer(mixer=mixer, also=also, feed_forward=half, norms=9, count=depth)


def gemma4(config: Config) -> Stack:
    """Read the sound tower of Gemma 4."""
    config.skip("use_clipped_linears", "residual_weight")
    width, heads = config.integer("hidden_size", default=1024), config.integer("num_attention_heads", default=8)
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    channels, tokens = _channels(config, "subsampling_conv_channels"), _FRAMES // 4
    window = _context(config, "")
    depth = _depth(config, "num_hidden_layers", 12)
    layer = _gemma_layer(width, heads, config.integer("conv_kernel_size", default=5), tokens, window, depth)
    outputs = config.integer("output_proj_dims", default=1536)
    extras = [
        *_stem(channels, 128, width, channels[0] // 4 * channels[1]),
        linear_on(width, outputs, tokens, bias=True, part=_PART),
    ]
    return Stack(name=_PART, width=width, layers=(layer,), extras=tuple(extras), tokens=tokens)


def _context(config: Config, prefix: str) -> int:
    """Return the tokens that a token attends to: its chunk, and tokens before and after the chunk."""
    chunk = config.integer(f"{prefix}attention_chunk_size", default=12)
    before = config.integer(f"{prefix}attention_context_left", default=13)
    after = config.integer(f"{prefix}attention_context_right", default=0, least=0)
    return chunk + before - 1 + after


def gemma3n(config: Config) -> Stack:
    """Read the sound tower of Gemma 3n, without the layers to the text."""
    config.skip("vocab_size", "vocab_offset", "conf_residual_weight", "conf_reduction_factor")
    width = config.integer("hidden_size", default=1536)
    heads = config.integer("conf_num_attention_heads", default=8)
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    mels = config.integer("input_feat_size", default=128)
    for key, usual in (("sscp_conv_kernel_size", [[3, 3]] * 2), ("sscp_conv_stride_size", [[2, 2]] * 2)):
        given = config.value(key)
        config.require(given in (None, usual), f"{key}: only {usual} is known here; got {given!r}")
    channels, tokens = _channels(config, "sscp_conv_channel_size"), _FRAMES // 4
    kernel = config.integer("conf_conv_kernel_size", default=5)
    depth = _depth(config, "conf_num_hidden_layers", 12)
    layer = _gemma_layer(width, heads, kernel, tokens, _context(config, "conf_"), depth)
    sizes = (mels - 1) // 2 + 1
    inputs = ((sizes - 1) // 2 + 1) * channels[1]
    extras = _stem(channels, mels, width, inputs)
    return Stack(name=_PART, width=width, layers=(layer,), extras=tuple(extras), tokens=tokens)


def phi4(config: Config) -> Stack:
    """Read the sound tower of Phi-4 multimodal, without the layers to the text; attention is over all tokens."""
    config.skip("left_chunk", "chunk_size", "feature_layer", "downsample_rate")
    width, depth = config.integer("hidden_size", default=1024), _depth(config, "num_blocks", 24)
    heads, inner = config.integer("num_attention_heads", default=16), config.integer("intermediate_size", default=1536)
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    outputs = config.integer("ext_pw_out_channel", default=1024)
    separable = config.integer("depthwise_separable_out_channel", default=1024)
    factor = config.integer("depthwise_multiplier", default=1)
    reduction, mels = config.integer("time_reduction", default=8), config.integer("input_size", default=80)
    channels = config.integer("nemo_conv_channels", default=1024)
    tokens, times = max(_FRAMES // reduction, 1), int(math.log2(reduction))
    half = FeedForward(inner_width=inner, gated=True, bias=True)
    convolution: tuple[Block, ...] = (
        linear_on(width, 2 * outputs, tokens, bias=True, part=_PART),
        Norm(extent=outputs, copies=2),
        Convolution(
            inputs=width,
            outputs=width * factor,
            kernel=config.integer("kernel_size", default=3),
            groups=width,
            places=tokens,
        ),
        linear_on(width * factor, separable, tokens, bias=True, part=_PART),
        linear_on(width, outputs, tokens, bias=True, part=_PART),
    )
    mixer = Attention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=True,
        output_bias=True,
        causal=False,
    )
    layer = Layer(mixer=mixer, also=(half, *convolution), feed_forward=half, norms=5, norm_bias=True, count=depth)
    extras: list[Block] = []
    size = mels
    for index in range(times):
        size = (size - 1) // 2 + 1
        places = tokens * 2 ** (times - 1 - index) * size
        if index:
            extras.append(Convolution(inputs=channels, outputs=channels, kernel=9, groups=channels, places=places))
            extras.append(Convolution(inputs=channels, outputs=channels, kernel=1, places=places))
        else:
            extras.append(Convolution(inputs=1, outputs=channels, kernel=9, places=places))
    size = config.integer("nemo_final_size", default=size)
    symmetric = config.flag("bias_symmetric", default=False)
    distances = config.integer("bias_max_distance", default=1000) * (1 if symmetric else 2)
    extras += [
        linear_on(channels * size, width, tokens, bias=True, part=_PART),
        Table(rows=distances, columns=heads),
    ]
    return Stack(name=_PART, width=width, layers=(layer,), extras=tuple(extras), tokens=tokens)
