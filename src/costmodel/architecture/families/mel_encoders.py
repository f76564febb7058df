"""Encoders of sound as that of Whisper, as models of their own, and Moonshine, which reads samples.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.families.classes import full_attention, read_class
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


def _reads(frames: Frames) -> Reader:
    return lambda config: read_frames(config, frames)


READERS: dict[str, Reader] = {**{name: _reads(frames) for name, frames in ENCODERS.items()}, "moonshine": _moonshine}
"""Readers by the `model_type` of a config."""
