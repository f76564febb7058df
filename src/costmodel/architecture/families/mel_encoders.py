"""Encoders of sound as that of Whisper, as models of their own, and Moonshine, which reads samples.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families.classes import full_attention, read_class, read_number
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.families.sequence_to_sequence import cross_attention
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack


class Frames(NamedTuple):
    """An encoder of the layout of Whisper: its class, and the keys of its sizes."""

    name: str
    keys: tuple[str, str, str, str] = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


ENCODERS: dict[str, Frames] = {
    "qwen2_audio_encoder": Frames(
        "Qwen2AudioEncoder", ("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim")
    ),
    "voxtral_encoder": Frames("VoxtralEncoder"),
    "audioflamingo3_encoder": Frames("AudioFlamingo3Encoder"),
}
"""Encoders by `model_type`."""


def read_frames(config: Config, frames: Frames) -> Architecture:
    """Return an encoder of the layout of Whisper: two convolutions, and a table of positions."""
    read_class(config, [frames.name])
    config.skip("vocab_size", "scale_embedding")
    wide, deep, headed, inner = frames.keys
    width, length = config.integer(wide, default=1280), config.integer("max_source_positions", default=1500)
    bands = config.integer("num_mel_bins", default=128)
    mixer = full_attention(config, width, config.integer(headed, default=20), key_bias=False)
    block = FeedForward(inner_width=config.integer(inner, default=5120), gated=False, bias=True)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=read_depth(config, deep, default=32)),),
        tokens=length,
        norm_bias=True,
        extras=(
            Convolution(inputs=bands, outputs=width, kernel=3, places=2 * length),
            Convolution(inputs=width, outputs=width, kernel=3, places=length),
            Table(rows=length, columns=width),
        ),
    )


def _moonshine(config: Config) -> Architecture:
    """Read Moonshine: three convolutions read samples, the decoder has gated feed-forward blocks."""
    name = read_class(config, ["MoonshineForConditionalGeneration", "MoonshineModel"])
    config.skip("pad_head_dim_to_multiple_of", "max_position_embeddings")
    width, inner = config.integer("hidden_size", default=288), config.integer("intermediate_size", default=1152)
    bias = config.flag("attention_bias", default=False)
    layers: list[Layer] = []
    mixers: list[Attention] = []
    for side in ("encoder", "decoder"):
        decodes = side == "decoder"
        heads, usual = heads_of(config, width, f"{side}_num_attention_heads", default=8)
        mixer = Attention(
            heads=heads,
            kv_heads=kv_heads_of(config, heads, f"{side}_num_key_value_heads"),
            head_width=config.integer("head_dim", default=usual),
            qkv_bias=bias,
            causal=decodes,
        )
        block = FeedForward(inner_width=inner, gated=decodes, bias=True)
        depth = read_depth(config, f"{side}_num_hidden_layers", default=6)
        also: tuple[Block, ...] = (cross_attention(mixer),) if decodes else ()
        layers.append(Layer(mixer=mixer, feed_forward=block, also=also, norms=3 if decodes else 2, count=depth))
        mixers.append(mixer)
    encoder, decoder = mixers
    config.require(
        (encoder.heads, encoder.kv_heads) == (decoder.heads, decoder.kv_heads),
        "decoder_num_attention_heads: the reference gives the decoder the heads and KV heads of the encoder; only "
        f"equal ones are read; got {decoder.heads} and {decoder.kv_heads}, and {encoder.heads} and {encoder.kv_heads}",
    )
    samples: tuple[Block, ...] = (
        Convolution(inputs=1, outputs=width, kernel=127, bias=False, places_per_token=6),
        Convolution(inputs=width, outputs=2 * width, kernel=7, places_per_token=2),
        Convolution(inputs=2 * width, outputs=width, kernel=3),
        Norm(extent=width, bias=True),
        Norm(extent=width),
    )
    return Architecture(
        width=width,
        layers=(layers[1],),
        vocabulary=config.integer("vocab_size", default=32768),
        tied=config.flag("tie_word_embeddings", default=True),
        head=name == "MoonshineForConditionalGeneration",
        stacks=(Stack(name="encoder", width=width, layers=(layers[0],), extras=samples),),
    )


def _glm(config: Config) -> Architecture:
    """Read the encoder of GLM-ASR: Whisper with rotary positions."""
    read_class(config, ["GlmAsrEncoder"])
    width, heads = config.integer("hidden_size", default=1280), config.integer("num_attention_heads", default=20)
    length, bands = (
        config.integer("max_position_embeddings", default=1500),
        config.integer("num_mel_bins", default=128),
    )
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads),
        head_width=config.integer("head_dim", default=max(width // heads, 1)),
        qkv_bias=True,
        key_bias=False,
        output_bias=True,
        causal=False,
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=5120), gated=False, bias=True)
    depth = read_depth(config, "num_hidden_layers", default=32)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth),),
        tokens=length,
        norm_bias=True,
        extras=(
            Convolution(inputs=bands, outputs=width, kernel=3, places=2 * length),
            Convolution(inputs=width, outputs=width, kernel=3, places=length),
        ),
    )


def _streaming_encoder(config: Config) -> Stack:
    """Return the encoder of Moonshine Streaming: frames of samples, two convolutions, and windows in each layer."""
    width, depth = config.integer("hidden_size", default=320), read_depth(config, "num_hidden_layers", default=6)
    heads, usual = heads_of(config, width, "num_attention_heads", default=8)
    bias = config.flag("attention_bias", default=False)
    config.skip("max_position_embeddings")
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads, default=8),
        head_width=config.integer("head_dim", default=usual),
        qkv_bias=bias,
        output_bias=bias,
        causal=False,
    )
    windows = config.value("sliding_windows")
    valid = windows is None or (isinstance(windows, list) and all(_is_window(window) for window in windows))
    config.require(valid, "sliding_windows: must be a list of pairs: tokens to the left and to the right")
    listed = windows if valid and windows else [[16, 4]]
    config.require(windows is None or len(listed) == depth, f"sliding_windows: must list {depth} pairs")
    block = FeedForward(inner_width=config.integer("intermediate_size", default=1280), gated=False, bias=True)
    reach = [max(sum(listed[index % len(listed)]), 1) for index in range(depth)]
    layers = [Layer(mixer=mixer.replace(window=window), feed_forward=block) for window in reach]
    rate = config.integer("sample_rate", default=16000)
    frame = round(rate * read_number(config, "frame_ms", 5.0, least=0.001, most=1e6) / 1000)
    extras: tuple[Block, ...] = (
        Norm(extent=1),  # the scale of the compression of samples
        Convolution(inputs=max(frame, 1), outputs=width, kernel=1, bias=False, places_per_token=4),
        Convolution(inputs=width, outputs=2 * width, kernel=5, places_per_token=2),
        Convolution(inputs=2 * width, outputs=width, kernel=5),
        Norm(extent=width),
    )
    return Stack(name="encoder", width=width, layers=tuple(layers), extras=extras)


def _is_window(window: object) -> bool:
    """Tell whether an entry of `sliding_windows` is a pair of numbers."""
    return (
        isinstance(window, (list, tuple))
        and len(window) == 2
        and all(isinstance(side, int) and 0 <= side <= 10**9 for side in window)
    )


def _streaming_alone(config: Config) -> Architecture:
    read_class(config, ["MoonshineStreamingEncoder"])
    stack = _streaming_encoder(config)
    return Architecture(width=stack.width, layers=stack.layers, extras=stack.extras, final_norm=False)


def _streaming(config: Config) -> Architecture:
    """Read Moonshine Streaming: an encoder with windows, and the decoder of Moonshine with a table of positions."""
    name = read_class(config, ["MoonshineStreamingForConditionalGeneration", "MoonshineStreamingModel"])
    config.skip("pad_head_dim_to_multiple_of")
    encoder = _streaming_encoder(config.inner("encoder_config"))
    width, wide = config.integer("hidden_size", default=320), encoder.width
    heads, usual = heads_of(config, width, "num_attention_heads", default=8)
    mixer = Attention(
        heads=heads,
        kv_heads=kv_heads_of(config, heads),
        head_width=config.integer("head_dim", default=usual),
        qkv_bias=config.flag("attention_bias", default=False),
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=1280), gated=True, bias=True)
    depth = read_depth(config, "num_hidden_layers", default=6)
    layer = Layer(mixer=mixer, feed_forward=block, also=(cross_attention(mixer),), norms=3, count=depth)
    extras: list[Block] = [Table(rows=config.integer("max_position_embeddings", default=4096), columns=wide)]
    if wide != width:
        extras.append(Linear(inputs=wide, outputs=width))
    return Architecture(
        width=width,
        layers=(layer,),
        vocabulary=config.integer("vocab_size", default=32768),
        tied=config.flag("tie_word_embeddings", default=False),
        head=name == "MoonshineStreamingForConditionalGeneration",
        extras=tuple(extras),
        stacks=(encoder,),
    )


def _reads(frames: Frames) -> Reader:
    return lambda config: read_frames(config, frames)


READERS: dict[str, Reader] = {
    **{name: _reads(frames) for name, frames in ENCODERS.items()},
    "glmasr_encoder": _glm,
    "moonshine": _moonshine,
    "moonshine_streaming": _streaming,
    "moonshine_streaming_encoder": _streaming_alone,
}
"""Readers by the `model_type` of a config."""
