"""Sound towers of models that hear: encoders of Whisper with other ends, and convolutional ones.

A tower processes one sound per sequence, as long as the learned positions of Whisper: 1500 tokens (30 s). Defaults are
those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Callable

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families import conformer_towers
from costmodel.architecture.families.towers import Shape, linear_on
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

NAME = "audio"
"""Name of the stack, and of the part of the model that its parameters and FLOPs are counted in."""
_WHISPER = Shape(1280, 5120, 20, 32)
TOKENS = 1500
"""Tokens of 30 s: two mel frames of 10 ms each."""


def _shape(config: Config, default: Shape) -> Shape:
    shape = Shape(
        config.integer("d_model", "hidden_size", default=default.width),
        config.integer("encoder_ffn_dim", "intermediate_size", default=default.inner),
        config.integer("encoder_attention_heads", "num_attention_heads", default=default.heads),
        config.integer("encoder_layers", "num_hidden_layers", default=default.depth),
    )
    config.require(shape.depth <= 10_000, f"encoder_layers: at most 10,000 layers are read; got {shape.depth:,}")
    return shape._replace(depth=min(shape.depth, 10_000))


def _stem(config: Config, width: int, tokens: int, default: int = 128) -> list[Block]:
    """Return the convolutions from mel frames to tokens, of which the second joins two frames."""
    mels = config.integer("num_mel_bins", default=default)
    return [
        Convolution(inputs=mels, outputs=width, kernel=3, places=2 * tokens),
        Convolution(inputs=width, outputs=width, kernel=3, places=tokens),
    ]


def _layer(config: Config, shape: Shape, *, key_bias: bool = False) -> Layer:
    width, inner, heads, depth = shape
    config.require(width % heads == 0, f"d_model: {width} is not a multiple of the {heads} heads")
    mixer = Attention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=True,
        key_bias=key_bias,
        output_bias=True,
        causal=False,
    )
    block = FeedForward(inner_width=inner, gated=False, bias=True)
    return Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth)


def _windowed(layer: Layer, shape: Shape, tokens: int, window: int, *, key_bias: bool = False) -> Layer:
    """Return a layer whose attention is within windows."""
    mixer = WindowAttention(
        heads=shape.heads,
        head_width=max(shape.width // shape.heads, 1),
        window=min(window, tokens),
        places=tokens,
        key_bias=key_bias,
    )
    return layer.replace(mixer=mixer)


def _stack(shape: Shape, layer: Layer, extras: list[Block], tokens: int) -> Stack:
    return Stack(name=NAME, width=shape.width, layers=(layer,), extras=tuple(extras), tokens=tokens)


def whisper(config: Config, default: Shape = _WHISPER, mels: int = 128) -> Stack:
    """Read an encoder of Whisper."""
    config.skip("vocab_size", "encoder_layerdrop")
    shape = _shape(config, default)
    tokens = config.integer("max_source_positions", default=TOKENS)
    extras = [
        *_stem(config, shape.width, tokens, mels),
        Table(rows=tokens, columns=shape.width),
        Norm(extent=shape.width, bias=True),
    ]
    return _stack(shape, _layer(config, shape), extras, tokens)


def moss(config: Config) -> Stack:
    """Read an encoder of MOSS Transcribe: that of Whisper medium."""
    return whisper(config, Shape(1024, 4096, 16, 24), 80)


def glm_asr(config: Config) -> Stack:
    """Read an encoder of GLM-ASR: that of Whisper with rotary positions and grouped queries."""
    shape = _shape(config, _WHISPER)
    tokens = config.integer("max_position_embeddings", default=TOKENS)
    layer = _layer(config, shape)
    kv_heads = config.integer("num_key_value_heads", default=shape.heads)
    config.require(shape.heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the heads")
    mixer = layer.mixer.replace(kv_heads=min(kv_heads, shape.heads)) if layer.mixer is not None else None
    extras = [*_stem(config, shape.width, tokens), Norm(extent=shape.width, bias=True)]
    return _stack(shape, layer.replace(mixer=mixer), extras, tokens)


def qwen2_5_omni(config: Config) -> Stack:
    """Read an encoder of Qwen2.5-Omni: that of Whisper in windows of `n_window` tokens, pooled by two and projected."""
    shape = _shape(config, _WHISPER)
    tokens = config.integer("max_source_positions", default=TOKENS)
    outputs = config.integer("output_dim", default=3584)
    layer = _windowed(_layer(config, shape), shape, tokens, config.integer("n_window", default=100))
    extras = [
        *_stem(config, shape.width, tokens),
        Table(rows=2, columns=outputs),
        Norm(extent=shape.width, bias=True),
        linear_on(shape.width, outputs, max(tokens // 2, 1), bias=True),
    ]
    return _stack(shape, layer, extras, tokens)


def qwen3_omni(config: Config, *, default: Shape = _WHISPER, projected: bool = True) -> Stack:
    """Read an encoder of Qwen3-Omni: three convolutions over frames and mels, windows, and two layers to the text.

    A chunk of 100 frames becomes 13 tokens; a window of attention has `n_window_infer` frames.
    """
    config.skip("max_source_positions", "max_position_embeddings", "conv_chunksize", "n_window")
    shape = _shape(config, default)
    width, channels = shape.width, config.integer("downsample_hidden_size", default=480)
    mels, outputs = config.integer("num_mel_bins", default=128), config.integer("output_dim", default=3584)
    tokens, sizes = 2 * TOKENS // 100 * 13, [mels]
    for _ in range(3):
        sizes.append((sizes[-1] + 1) // 2)
    window = max(config.integer("n_window_infer", default=800) // 100 * 13, 1)
    layer = _windowed(_layer(config, shape), shape, tokens, window, key_bias=True)
    extras: list[Block] = [
        Convolution(
            inputs=1 if index == 0 else channels, outputs=channels, kernel=9, places=tokens * 2 ** (2 - index) * size
        )
        for index, size in enumerate(sizes[1:])
    ]
    extras += [linear_on(channels * sizes[-1], width, tokens, part=NAME), Norm(extent=width, bias=True)]
    if projected:
        extras += [linear_on(width, width, tokens, bias=True), linear_on(width, outputs, tokens, bias=True)]
    return _stack(shape, layer, extras, tokens)


def qwen3_asr(config: Config) -> Stack:
    """Read an encoder of Qwen3-ASR: that of Qwen3-Omni without the layers to the text."""
    return qwen3_omni(config, default=Shape(1024, 4096, 16, 24), projected=False)


def voxtral_realtime(config: Config) -> Stack:
    """Read an encoder of Voxtral Realtime: causal, with a sliding window, rotary positions and a gated block."""
    config.skip("vocab_size")
    shape = _shape(config, Shape(1280, 5120, 32, 32))
    tokens = config.integer("max_position_embeddings", default=TOKENS)
    mixer = Attention(
        heads=shape.heads,
        kv_heads=shape.heads,
        head_width=config.integer("head_dim", default=64),
        qkv_bias=True,
        key_bias=False,
        output_bias=True,
        window=config.integer("sliding_window", default=750),
    )
    layer = Layer(
        mixer=mixer,
        also=(Norm(extent=shape.width),),  # the bias of the last layer of the feed-forward block
        feed_forward=FeedForward(inner_width=shape.inner, gated=True),
        count=shape.depth,
    )
    return _stack(shape, layer, [*_stem(config, shape.width, tokens), Norm(extent=shape.width)], tokens)


def granite_speech(config: Config) -> Stack:
    """Read an encoder of Granite Speech: a conformer with attention within windows, and a head of characters."""
    config.require(not config.value("cat_hidden_layers"), "cat_hidden_layers: only none are read")
    width, depth = config.integer("hidden_dim", default=1024), config.integer("num_layers", default=10)
    config.require(depth <= 10_000, f"num_layers: at most 10,000 layers are read; got {depth:,}")
    heads = config.integer("num_heads", default=8)
    head_width = config.integer("dim_head", default=max(width // heads, 1))
    outputs, inputs = config.integer("output_dim", default=42), config.integer("input_dim", default=160)
    inner = width * config.integer("feedforward_mult", default=4)
    channels = width * config.integer("conv_expansion_factor", default=2)
    mixer = WindowAttention(
        heads=heads,
        head_width=head_width,
        window=min(config.integer("context_size", default=200), TOKENS),
        places=TOKENS,
        qkv_bias=False,
    )
    half = FeedForward(inner_width=inner, gated=False, bias=True)
    convolution: tuple[Block, ...] = (
        linear_on(width, 2 * channels, TOKENS, bias=True, part=NAME),
        Convolution(
            inputs=channels,
            outputs=channels,
            kernel=config.integer("conv_kernel_size", default=15),
            groups=channels,
            bias=False,
            places=TOKENS,
        ),
        Norm(extent=channels, bias=True),
        linear_on(channels, width, TOKENS, bias=True, part=NAME),
    )
    layer = Layer(
        mixer=mixer,
        also=(half, *convolution),
        feed_forward=half,
        norms=5,
        norm_bias=True,
        count=min(depth, 10_000),
    )
    distances = 2 * config.integer("max_pos_emb", default=512) + 1
    extras: list[Block] = [
        Table(rows=distances * depth, columns=head_width),
        linear_on(inputs, width, TOKENS, bias=True, part=NAME),
        linear_on(width, outputs, TOKENS, bias=True, part=NAME),
        linear_on(outputs, width, TOKENS, bias=True, part=NAME),
    ]
    return Stack(name=NAME, width=width, layers=(layer,), extras=tuple(extras), tokens=TOKENS)


SOUND_TOWERS: dict[str, Callable[[Config], Stack]] = {
    "audioflamingo3_encoder": whisper,
    "gemma3n_audio": conformer_towers.gemma3n,
    "gemma4_audio": conformer_towers.gemma4,
    "glmasr_encoder": glm_asr,
    "granite_speech_encoder": granite_speech,
    "granite_speech_plus_encoder": granite_speech,
    "moss_transcribe_diarize_audio": moss,
    "phi4_multimodal_audio": conformer_towers.phi4,
    "qwen2_5_omni_audio_encoder": qwen2_5_omni,
    "qwen2_audio_encoder": whisper,
    "qwen3_asr_encoder": qwen3_asr,
    "qwen3_omni_moe_audio_encoder": qwen3_omni,
    "voxtral_encoder": whisper,
    "voxtral_realtime_encoder": voxtral_realtime,
}
"""Readers of sound towers by the `model_type` of `audio_config`."""
