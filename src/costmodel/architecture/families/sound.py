"""Encoders of sound whose convolutions read samples; the tokens of a sequence are their frames (20 ms at 16 kHz).

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence
from typing import NamedTuple

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.families.classes import (
    count_labels,
    full_attention,
    read_class,
    read_lengths,
    read_number,
)
from costmodel.architecture.families.masked_language import dense
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_CTC, _CLASSIFIES = "ForCTC", "ForSequenceClassification"
_FRAMES, _SPEAKERS, _PRETRAINING = "ForAudioFrameClassification", "ForXVector", "ForPreTraining"


class Waves(NamedTuple):
    """A family of the layout of wav2vec 2.0, and what differs."""

    prefix: str
    endings: tuple[str, ...] = ("Model", _CTC, _CLASSIFIES)
    """Endings of the names of its classes."""
    vocabulary: int | None = 32
    always_masked: bool = False
    """Whether there is a learned vector of masked frames, whatever share is masked."""
    several_positions: bool = False
    """Whether the positions are several convolutions without weight norm."""


_ALL = ("Model", _CTC, _CLASSIFIES, _FRAMES, _SPEAKERS)
FAMILIES: dict[str, Waves] = {
    "wav2vec2": Waves("Wav2Vec2", (*_ALL, _PRETRAINING)),
    "hubert": Waves("Hubert"),
    "wavlm": Waves("WavLM", _ALL),
    "unispeech": Waves("UniSpeech"),
    "unispeech-sat": Waves("UniSpeechSat", _ALL, always_masked=True),
    "data2vec-audio": Waves("Data2VecAudio", _ALL, several_positions=True),
}
"""Families of the layout of wav2vec 2.0 by `model_type`."""


def from_samples(config: Config, *, always_normed: bool = False, per_token: int = 1) -> tuple[list[Block], int]:
    """Return the convolutions from samples to frames, and the channels of a frame.

    `per_token` frames are one token. `always_normed` tells that a norm follows every convolution.
    Output positions are those of the shortest sound with the given number of frames.
    """
    widths = read_lengths(config, "conv_dim", (512,) * 7)
    kernels = read_lengths(config, "conv_kernel", (10, 3, 3, 3, 3, 2, 2), len(widths))
    strides = read_lengths(config, "conv_stride", (5, 2, 2, 2, 2, 2, 2), len(widths))
    gaps = any(kernel < stride for kernel, stride in zip(kernels, strides, strict=True))
    config.require(not gaps, "conv_stride: must not exceed conv_kernel")
    kind = "layer" if always_normed else config.value("feat_extract_norm") or "group"
    config.require(kind in ("group", "layer"), f"feat_extract_norm: must be group or layer; got {kind!r}")
    bias = config.flag("conv_bias", default=False)
    named = config.integer("num_feat_extract_layers", default=len(widths))
    config.require(named == len(widths), f"num_feat_extract_layers: {named} but conv_dim lists {len(widths)}")
    blocks: list[Block] = []
    further = 0
    for index in reversed(range(len(widths))):
        blocks.append(
            Convolution(
                inputs=widths[index - 1] if index else 1,
                outputs=widths[index],
                kernel=kernels[index],
                bias=bias,
                places_per_token=per_token,
                further_places=max(further, 0),
            )
        )
        if kind == "layer" or index == 0:
            blocks.append(Norm(extent=widths[index], bias=True))
        per_token, further = per_token * strides[index], (further - 1) * strides[index] + kernels[index]
    config.require(per_token <= 10**6, "conv_stride: a frame of more than a million samples is not read")
    return blocks, widths[-1]


def _quantizer(config: Config, width: int, channels: int) -> list[Block]:
    """Return the blocks that pretraining adds: a codebook, and projections of both sides."""
    groups, entries = (
        config.integer("num_codevector_groups", default=2),
        config.integer("num_codevectors_per_group", default=320),
    )
    codes, joint = config.integer("codevector_dim", default=256), config.integer("proj_codevector_dim", default=256)
    config.require(codes % groups == 0, f"codevector_dim: {codes} is not a multiple of the {groups} groups")
    return [
        Norm(extent=max(codes // groups, 1), copies=groups * entries),
        Linear(inputs=channels, outputs=groups * entries, bias=True, belongs_to="head"),
        Linear(inputs=width, outputs=joint, bias=True, belongs_to="head"),
        Linear(inputs=codes, outputs=joint, bias=True, belongs_to="head"),
    ]


def sound_head(
    config: Config, ending: str, width: int, vocabulary: int | None = 32, projected: int = 256
) -> list[Block]:
    """Return the head of a class; `vocabulary`, and `projected` for a classifier, are defaults of the family."""
    config.skip("vocab_size", "classifier_proj_size", "tdnn_dim", "tdnn_kernel", "tdnn_dilation", "xvector_output_dim")
    config.skip("use_weighted_layer_sum", "mask_time_min_masks", "mask_feature_min_masks")
    if ending == _CTC:
        return [dense(width, outputs=config.integer("vocab_size", default=vocabulary))]
    if ending not in (_CLASSIFIES, _FRAMES, _SPEAKERS):
        return []
    head: list[Block] = []
    if config.flag("use_weighted_layer_sum", default=False):
        head.append(Norm(extent=config.integer("num_hidden_layers", default=12) + 1, belongs_to="head"))
    if ending == _FRAMES:
        return [*head, dense(width, outputs=count_labels(config))]
    if ending == _CLASSIFIES:
        outputs = config.integer("classifier_proj_size", default=projected)
        return [*head, dense(width, outputs=outputs), dense(outputs, 1, outputs=count_labels(config))]
    widths = read_lengths(config, "tdnn_dim", (512, 512, 512, 512, 1500))
    kernels = read_lengths(config, "tdnn_kernel", (5, 3, 3, 1, 1), len(widths))
    vector = config.integer("xvector_output_dim", default=512)
    head.append(dense(width, outputs=widths[0]))
    for index, (outputs, kernel) in enumerate(zip(widths, kernels, strict=True)):
        head.append(dense(widths[max(index - 1, 0)] * kernel, outputs=outputs))
    labels = count_labels(config)
    return [
        *head,
        dense(2 * widths[-1], 1, outputs=vector),
        dense(vector, 1),
        dense(vector, 1, outputs=labels, bias=False),
    ]


def masking(config: Config, width: int) -> list[Block]:
    """Return the learned vector of masked frames, if the config masks any."""
    masks = any(
        read_number(config, key, usual, least=-1e9, most=1e9) > 0
        for key, usual in (("mask_time_prob", 0.05), ("mask_feature_prob", 0.0))
    )
    return [Norm(extent=width)] if masks else []


def front(config: Config, width: int, *, several: bool = False, idle: bool = False) -> list[Block]:
    """Return what stands before the layers: convolutions of samples, their projection, and those of positions.

    `several` is for several convolutions of positions without weight norm; `idle` tells that they have weights, but do
    not run.
    """
    convolutions, channels = from_samples(config, always_normed=several)
    kernel = config.integer("num_conv_pos_embeddings", default=5 if several else 128)
    copies = 1
    if several:
        copies, kernel = kernel, config.integer("conv_pos_kernel_size", default=19)
        config.require(copies <= 1000, "num_conv_pos_embeddings: at most 1,000 are read")
    groups = config.integer("num_conv_pos_embedding_groups", default=16)
    config.require(width % groups == 0, f"num_conv_pos_embedding_groups: {groups} does not divide the width {width}")
    positions = Convolution(
        inputs=width,
        outputs=width,
        kernel=kernel,
        groups=min(groups, width),
        places=0 if idle else None,
        further_places=1 - kernel % 2,
    )
    normed = config.flag("feat_proj_layer_norm", default=True)
    batch = config.flag("conv_pos_batch_norm", default=False)
    weight_norm: list[Block] = [] if several else [Norm(extent=width, bias=True) if batch else Norm(extent=kernel)]
    return [
        *convolutions,
        *([Norm(extent=channels, bias=True)] if normed else []),
        Linear(inputs=channels, outputs=width, bias=True),
        *[positions] * min(copies, 1000),
        *weight_norm,
    ]


def refuse_adapters(config: Config) -> None:
    """Note a problem if a config has adapters after its layers or inside them."""
    config.skip("output_hidden_size", "adapter_kernel_size", "adapter_stride", "num_adapter_layers", "adapter_act")
    config.require(not config.flag("add_adapter", default=False), "add_adapter: adapters are not read")
    config.require(config.value("adapter_attn_dim") is None, "adapter_attn_dim: adapters are not read")


def _waves(config: Config, family: Waves, also: Sequence[Block] = (), extras: Sequence[Block] = ()) -> Architecture:
    ending = read_class(config, [family.prefix + ending for ending in family.endings]).removeprefix(family.prefix)
    refuse_adapters(config)
    config.skip("do_stable_layer_norm", "num_codevector_groups", "num_codevectors_per_group", "codevector_dim")
    config.skip("proj_codevector_dim", "num_ctc_classes", "num_clusters", "replace_prob", "num_negatives")
    width = config.integer("hidden_size", default=768)
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12))
    block = FeedForward(inner_width=config.integer("intermediate_size", default=3072), gated=False, bias=True)
    depth = read_depth(config, "num_hidden_layers", default=12)
    channels = read_lengths(config, "conv_dim", (512,) * 7)[-1]
    quantizer = _quantizer(config, width, channels) if ending == _PRETRAINING else []
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, also=tuple(also), norm_bias=True, count=depth),),
        norm_bias=True,
        extras=(
            *front(config, width, several=family.several_positions),
            *([Norm(extent=width)] if family.always_masked else masking(config, width)),
            *extras,
            *quantizer,
            *sound_head(config, ending, width, family.vocabulary),
        ),
    )


def _wavlm(config: Config) -> Architecture:
    """Read WavLM: gated relative positions, with one table for all layers."""
    width, heads = config.integer("hidden_size", default=768), config.integer("num_attention_heads", default=12)
    config.skip("max_bucket_distance")
    gate = Convolution(
        inputs=max(width // heads, 1), outputs=8, kernel=1, places_per_token=heads, belongs_to="attention"
    )
    table = Table(rows=config.integer("num_buckets", default=320), columns=heads)
    return _waves(config, FAMILIES["wavlm"], also=(Norm(extent=heads, belongs_to="attention"), gate), extras=(table,))


def _sew(config: Config) -> Architecture:
    """Read SEW: several frames are one token of the layers, and a linear layer makes frames of tokens again."""
    family = Waves("SEW")
    ending = read_class(config, [family.prefix + ending for ending in family.endings]).removeprefix(family.prefix)
    refuse_adapters(config)
    width, squeeze = config.integer("hidden_size", default=768), config.integer("squeeze_factor", default=2)
    config.require(squeeze <= 1000, f"squeeze_factor: at most 1,000 is read; got {squeeze}")
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12))
    block = FeedForward(inner_width=config.integer("intermediate_size", default=3072), gated=False, bias=True)
    depth = read_depth(config, "num_hidden_layers", default=12)
    listed = all(config.value(key) is not None for key in ("conv_dim", "conv_kernel", "conv_stride"))
    config.require(listed, "conv_dim, conv_kernel, conv_stride: are required of this family")
    convolutions, channels = from_samples(config, per_token=min(squeeze, 1000))
    kernel = config.integer("num_conv_pos_embeddings", default=128)
    groups = config.integer("num_conv_pos_embedding_groups", default=16)
    config.require(width % groups == 0, f"num_conv_pos_embedding_groups: {groups} does not divide the width {width}")
    project = [Linear(inputs=channels, outputs=width, bias=True)] if channels != width else []
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth),),
        norm_bias=True,
        extras=(
            *convolutions,
            Norm(extent=channels, bias=True),
            *project,
            Convolution(inputs=width, outputs=width, kernel=kernel, groups=min(groups, width)),
            Norm(extent=kernel),
            Linear(inputs=width, outputs=width * squeeze, bias=True),
            *masking(config, width),
            *sound_head(config, ending, width),
        ),
    )


def _reads(family: Waves) -> Reader:
    return lambda config: _waves(config, family)


READERS: dict[str, Reader] = {
    **{name: _reads(family) for name, family in FAMILIES.items()},
    "wavlm": _wavlm,
    "sew": _sew,
}
"""Readers by the `model_type` of a config."""
