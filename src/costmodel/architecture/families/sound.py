"""Audio encoders: the tokens of a sequence are the frames of the encoder (20 ms each at 16 kHz)."""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm
from costmodel.architecture.families.classes import full_attention, read_class, read_lengths, read_number
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

_CTC, _PRETRAINING = "Wav2Vec2ForCTC", "Wav2Vec2ForPreTraining"


def _from_samples(config: Config) -> tuple[list[Block], int]:
    """Return the convolutions from samples to frames, and the channels of a frame.

    Output positions are those of the shortest sound with the given number of frames.
    """
    widths = read_lengths(config, "conv_dim", (512,) * 7)
    kernels = read_lengths(config, "conv_kernel", (10, 3, 3, 3, 3, 2, 2), len(widths))
    strides = read_lengths(config, "conv_stride", (5, 2, 2, 2, 2, 2, 2), len(widths))
    gaps = any(kernel < stride for kernel, stride in zip(kernels, strides, strict=True))
    config.require(not gaps, "conv_stride: must not exceed conv_kernel")
    kind = config.value("feat_extract_norm") or "group"
    config.require(kind in ("group", "layer"), f"feat_extract_norm: must be group or layer; got {kind!r}")
    bias = config.flag("conv_bias", default=False)
    named = config.integer("num_feat_extract_layers", default=len(widths))
    config.require(named == len(widths), f"num_feat_extract_layers: {named} but conv_dim lists {len(widths)}")
    blocks: list[Block] = []
    per_token, further = 1, 0
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


def _wav2vec2(config: Config) -> Architecture:
    name = read_class(config, ["Wav2Vec2Model", _CTC, _PRETRAINING])
    config.skip("output_hidden_size", "adapter_kernel_size", "adapter_stride", "num_adapter_layers")
    config.skip("tdnn_dim", "tdnn_kernel", "xvector_output_dim", "do_stable_layer_norm")
    config.skip("num_codevector_groups", "num_codevectors_per_group", "codevector_dim", "proj_codevector_dim")
    config.skip("vocab_size")
    config.require(not config.flag("add_adapter", default=False), "add_adapter: adapters are not read")
    config.require(config.value("adapter_attn_dim") is None, "adapter_attn_dim: adapters are not read")
    width = config.integer("hidden_size", default=768)
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12))
    block = FeedForward(inner_width=config.integer("intermediate_size", default=3072), gated=False, bias=True)
    convolutions, channels = _from_samples(config)
    kernel = config.integer("num_conv_pos_embeddings", default=128)
    groups = config.integer("num_conv_pos_embedding_groups", default=16)
    config.require(width % groups == 0, f"num_conv_pos_embedding_groups: {groups} does not divide the width {width}")
    positions = Convolution(
        inputs=width, outputs=width, kernel=kernel, groups=min(groups, width), further_places=1 - kernel % 2
    )
    heads: list[Block] = []
    if name == _CTC:
        heads = [Linear(inputs=width, outputs=config.integer("vocab_size", default=32), bias=True, belongs_to="head")]
    elif name == _PRETRAINING:
        heads = _quantizer(config, width, channels)
    masks = any(
        read_number(config, key, usual, least=0.0, most=1.0) > 0
        for key, usual in (("mask_time_prob", 0.05), ("mask_feature_prob", 0.0))
    )
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=read_depth(config, "num_hidden_layers")),),
        norm_bias=True,
        extras=(
            *convolutions,
            Norm(extent=channels, bias=True),
            Linear(inputs=channels, outputs=width, bias=True),
            positions,
            Norm(extent=kernel),
            *([Norm(extent=width)] if masks else []),
            *heads,
        ),
    )


READERS: dict[str, Reader] = {"wav2vec2": _wav2vec2}
"""Readers by the `model_type` of a config."""
