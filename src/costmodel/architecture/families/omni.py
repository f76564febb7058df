"""Qwen2.5-Omni: a thinker that reads images and sound, a talker of its words, and a vocoder of its codes.

The talker works on each token; the vocoder works once on 30 s of sound, with one evaluation of its diffusion model.
Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families import FAMILIES
from costmodel.architecture.families.classes import read_class, read_lengths
from costmodel.architecture.families.multimodal import defaults_of, read_model
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.families.towers import linear_on, read_alone
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_FRAMES = 3000
"""Mel frames of 30 s."""
_PART = "token2wav"


def _omni(config: Config) -> Architecture:
    thinker = config.inner("thinker_config")
    thinker.model_type = "qwen2_5_omni_thinker"
    model = read_model(thinker, "qwen2_5_omni_thinker")
    if not config.flag("enable_audio_output", default=True):
        config.skip("talker_config", "token2wav_config")
        return model
    talker = config.inner("talker_config")
    talker.data = {**defaults_of("qwen2_5_omni_talker"), **talker.data}
    talker.model_type = "qwen2_5_omni_talker"
    return model.replace(stacks=(*model.stacks, _talker_stack(talker), *_token2wav(config.inner("token2wav_config"))))


def _talker(config: Config) -> Architecture:
    """Read the talker as a model of its own, with or without the layers that join it to thinker and vocoder."""
    name = read_class(config, ["Qwen2_5OmniTalkerModel", "Qwen2_5OmniTalkerForConditionalGeneration"])
    stack = _talker_stack(config, joins=not name.endswith("Model"))
    return Architecture(width=stack.width, layers=stack.layers, extras=stack.extras, final_norm=False)


def _talker_stack(config: Config, *, joins: bool = True) -> Stack:
    """Read the talker: a decoder of codes, whose embedding has the width of the thinker."""
    config.skip("spatial_merge_size", "position_id_per_seconds", "seconds_per_chunk")
    given = config if "head_dim" in config.data else config.changed({"head_dim": 128})
    inputs, decoder = config.integer("embedding_size", default=3584), FAMILIES["qwen2"](given)
    width, vocabulary = decoder.width, decoder.vocabulary or 1
    extras: list[Block] = [Table(rows=vocabulary, columns=inputs), Norm(extent=width)]
    if joins:
        extras += [Linear(inputs=inputs, outputs=width, bias=True), Linear(inputs=width, outputs=vocabulary)]
    return Stack(name="talker", width=width, layers=decoder.layers, extras=tuple(extras))


def _token2wav(config: Config) -> list[Stack]:
    return [diffusion(config.inner("dit_config")), vocoder(config.inner("bigvgan_config"))]


def diffusion(config: Config) -> Stack:
    """Read the diffusion transformer from codes to mel frames."""
    config.skip("max_position_embeddings", "block_size", "look_ahead_layers", "look_backward_layers", "repeats")
    width, depth = config.integer("hidden_size", default=1024), config.integer("num_hidden_layers", default=22)
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    heads, head_width = config.integer("num_attention_heads", default=16), config.integer("head_dim", default=64)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True, causal=False)
    inner = width * config.integer("ff_mult", default=2)
    modulation = linear_on(width, 6 * width, 1, bias=True, part=_PART)
    layer = Layer(
        mixer=mixer,
        also=(modulation,),
        feed_forward=FeedForward(inner_width=inner, gated=False, bias=True),
        norms=0,
        count=min(depth, 10_000),
    )
    mels, codes = config.integer("mel_dim", default=80), config.integer("emb_dim", default=512)
    speaker, embedded = config.integer("enc_dim", default=128), config.integer("enc_emb_dim", default=192)
    extras = [
        linear_on(256, width, 1, bias=True, part=_PART),  # time
        linear_on(width, width, 1, bias=True, part=_PART),
        Table(rows=config.integer("num_embeds", default=8193) + 1, columns=codes),
        linear_on(mels + speaker + embedded + codes, width, _FRAMES, bias=True, part=_PART),
        *_speaker(config, mels, speaker),
        linear_on(width, 2 * width, 1, bias=True, part=_PART),
        linear_on(width, mels, _FRAMES, bias=True, part=_PART),
    ]
    return Stack(name=_PART, width=width, layers=(layer,), extras=tuple(extras), tokens=_FRAMES)


def _speaker(config: Config, mels: int, outputs: int) -> list[Block]:
    """Return the encoder of the speaker (ECAPA-TDNN): convolutions over the mel frames of a sample."""
    config.skip("enc_dilations")
    channels = read_lengths(config, "enc_channels", (256, 256, 256, 256, 768))
    kernels = read_lengths(config, "enc_kernel_sizes", (5, 3, 3, 3, 1), len(channels))
    equal = len(channels) > 2 and len(set(channels[:-1])) == 1 and channels[-1] == sum(channels[1:-1])
    config.require(equal, f"enc_channels: must be equal numbers and their sum without the first; got {channels}")
    scale, squeezed = config.integer("enc_res2net_scale", default=2), config.integer("enc_se_channels", default=64)
    pooled = config.integer("enc_attention_channels", default=64)

    def conv(inputs: int, width: int, kernel: int, places: int = _FRAMES) -> Convolution:
        return Convolution(inputs=max(inputs, 1), outputs=max(width, 1), kernel=kernel, places=places)

    blocks: list[Block] = [conv(mels, channels[0], kernels[0])]
    for width, kernel in zip(channels[1:-1], kernels[1:-1], strict=True):
        blocks += [
            conv(width, width, 1),
            conv(width, width, 1),
            conv(width, squeezed, 1, 1),
            conv(squeezed, width, 1, 1),
        ]
        blocks += [conv(width // scale, width // scale, kernel)] * (min(scale, 100) - 1)
    last = channels[-1]
    return [
        *blocks,
        conv(last, last, kernels[-1]),
        conv(3 * last, pooled, 1),
        conv(pooled, last, 1),
        conv(2 * last, outputs, 1, 1),
    ]


def vocoder(config: Config) -> Stack:
    """Read the vocoder from mel frames to samples (BigVGAN): transposed convolutions and residual blocks."""
    mels, width = config.integer("mel_dim", default=80), config.integer("upsample_initial_channel", default=1536)
    rates = read_lengths(config, "upsample_rates", (5, 3, 2, 2, 2, 2))
    kernels = read_lengths(config, "upsample_kernel_sizes", (11, 7, 4, 4, 4, 4), len(rates))
    sizes = read_lengths(config, "resblock_kernel_sizes", (3, 7, 11))
    dilations = config.value("resblock_dilation_sizes")
    config.require(
        dilations is None or all(isinstance(listed, list) and len(listed) == 3 for listed in dilations),
        f"resblock_dilation_sizes: must list three numbers each; got {dilations!r}",
    )
    config.require(
        width % 2 ** len(rates) == 0 and len(rates) <= 20,
        f"upsample_initial_channel: {width} is not a multiple of 2^{len(rates)}",
    )
    places = _FRAMES
    extras: list[Block] = [Convolution(inputs=mels, outputs=width, kernel=7, places=places)]
    for rate, kernel in zip(rates[:20], kernels[:20], strict=True):
        places, half = min(places * rate, 10**9), max(width // 2, 1)
        extras.append(Convolution(inputs=width, outputs=half, kernel=kernel, places=places // rate, bias=False))
        extras.append(Norm(extent=half))
        width = half
        for size in sizes:
            extras += [Convolution(inputs=width, outputs=width, kernel=size, places=places)] * 6
        extras.append(Norm(extent=width, copies=12 * len(sizes)))
    extras += [Norm(extent=width, copies=2), Convolution(inputs=width, outputs=1, kernel=7, bias=False, places=places)]
    return Stack(name=_PART, width=max(width, 1), extras=tuple(extras), tokens=_FRAMES)


def _token2wav_alone(config: Config) -> Architecture:
    first, second = _token2wav(config)
    alone = read_alone(first)
    return alone.replace(stacks=(second,))


READERS: dict[str, Reader] = {
    "qwen2_5_omni": _omni,
    "qwen2_5_omni_bigvgan": lambda config: read_alone(vocoder(config)),
    "qwen2_5_omni_dit": lambda config: read_alone(diffusion(config)),
    "qwen2_5_omni_talker": _talker,
    "qwen2_5_omni_token2wav": _token2wav_alone,
}
"""Readers by the `model_type` of a config."""
