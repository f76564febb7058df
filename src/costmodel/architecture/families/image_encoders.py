"""Vision transformers of one resolution, one row of data per family.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. A sequence is one image, or one
video, of the size in the config.
"""

from collections.abc import Sequence
from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.classes import (
    count_labels,
    full_attention,
    read_class,
    read_number,
)
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

BACKBONE = (
    "out_features",
    "out_indices",
    "stage_names",
    "encoder_stride",
    "reshape_hidden_states",
    "apply_layernorm",
    "pooler_act",
)
"""Keys of outputs, which change no count."""
_MODEL, _IMAGES, _VIDEOS = "Model", "ForImageClassification", "ForVideoClassification"


def pair(config: Config, key: str, default: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width at `key`: one number for both, or two."""
    usual = default if isinstance(default, tuple) else (default, default)
    if config.value(key) is None:
        return usual
    if not isinstance(config.value(key), list):
        side = config.integer(key)
        return side, side
    listed = config.numbers(key)
    valid = len(listed) == 2 and min(listed) > 0
    config.require(valid, f"{key}: must be a number above 0, or two of them; got {listed}")
    return (listed[0], listed[1]) if valid else usual


def grid(
    config: Config, image: int | tuple[int, int], patch: int, *, padded: bool = False
) -> tuple[tuple[int, int], int]:
    """Return the patches of an image along its height and width, and the elements of one patch."""
    (high, wide), (tall, broad) = pair(config, "image_size", image), pair(config, "patch_size", patch)
    config.require(high >= tall and wide >= broad, "image_size: must not be smaller than patch_size")
    if padded:
        return (-(-high // tall), -(-wide // broad)), tall * broad
    return (max(high // tall, 1), max(wide // broad, 1)), tall * broad


def classifier(config: Config, width: int) -> Linear:
    """Return a classifier of images."""
    return Linear(inputs=width, outputs=count_labels(config), bias=True, rows=1, belongs_to="head")


def patch_embedding(config: Config, width: int, places: int, elements: int, *, bias: bool = True) -> Convolution:
    """Return the convolution that makes a token of each patch."""
    channels = config.integer("num_channels", default=3)
    return Convolution(inputs=channels, outputs=width, kernel=elements, places=places, bias=bias)


class Plain(NamedTuple):
    """A family of vision transformers of one resolution: the defaults of its config, and what differs."""

    prefix: str
    width: int = 768
    depth: int = 12
    heads: int = 12
    inner: int = 3072
    patch: int = 16
    image: int | tuple[int, int] = 224
    beside: int = 1
    """Tokens beside the patches: class token, distillation token."""
    positioned: bool = True
    """Whether a table holds the position of each token."""
    pooler: bool = False
    """Whether the model without a head has a pooler."""
    final_norm: bool = True
    classes: tuple[str, ...] = (_MODEL, _IMAGES)
    """Endings of the names of its classes."""


class Parts(NamedTuple):
    """The parts of a vision transformer that its config says."""

    ending: str
    width: int
    places: int
    """Patches of an image or a video."""
    elements: int
    """Elements of a patch in one channel."""
    layer: Layer


def read_parts(
    config: Config, family: Plain, *, mixer: Attention | None = None, inner: int | None = None, frames: bool = False
) -> Parts:
    """Return the parts of a config of a family; `frames` is for videos, whose patches are tubes of frames."""
    ending = read_class(config, [family.prefix + ending for ending in family.classes]).removeprefix(family.prefix)
    config.skip(*BACKBONE, "pooler_output_size")
    width = config.integer("hidden_size", default=family.width)
    if mixer is None:
        heads = config.integer("num_attention_heads", default=family.heads)
        mixer = full_attention(config, width, heads, qkv_bias=config.flag("qkv_bias", default=True))
    if inner is None:
        inner = config.integer("intermediate_size", default=family.inner)
    layer = Layer(
        mixer=mixer,
        feed_forward=FeedForward(inner_width=inner, gated=False, bias=True),
        norm_bias=True,
        count=read_depth(config, "num_hidden_layers", default=family.depth),
    )
    if frames:
        return Parts(ending, width, 1, 1, layer)
    (high, wide), elements = grid(config, family.image, family.patch)
    return Parts(ending, width, high * wide, elements, layer)


def assemble(
    config: Config,
    family: Plain,
    parts: Parts,
    *,
    extras: Sequence[Block] = (),
    unpositioned: int = 0,
    vectors: int = 0,
    head: Sequence[Block] | None = None,
) -> Architecture:
    """Return a vision transformer.

    Parameters
    ----------
    config : Config
    family : Plain
        Row of the family.
    parts : Parts
        What `read_parts` read, or a changed copy.
    extras : sequence of Block
        Further blocks outside the layers.
    unpositioned : int
        Further learned tokens, without a position.
    vectors : int
        Further learned vectors that are no tokens, such as that of masked patches.
    head : sequence of Block, optional
        Head of the class, where it is not a linear layer.
    """
    width, tokens = parts.width, parts.places + family.beside
    learned = family.beside + unpositioned + vectors
    if head is None:
        pooled = config.optional("pooler_output_size") or width
        pooler = Linear(inputs=width, outputs=pooled, bias=True, rows=1, belongs_to="head")
        head = ([pooler] if family.pooler else []) if parts.ending == _MODEL else [classifier(config, width)]
    return Architecture(
        width=width,
        layers=(parts.layer,),
        positions=tokens if family.positioned else 0,
        tokens=tokens + unpositioned,
        final_norm=family.final_norm,
        norm_bias=True,
        extras=(
            patch_embedding(config, width, parts.places, parts.elements),
            *([Norm(extent=width, copies=learned)] if learned else []),
            *extras,
            *head,
        ),
    )


FAMILIES: dict[str, Plain] = {
    "vit": Plain("ViT", pooler=True),
    "vit_msn": Plain("ViTMSN"),
    "vit_mae": Plain("ViTMAE", classes=(_MODEL,)),
    "ijepa": Plain("IJepa", beside=0),
}
"""Families without peculiarities by `model_type`."""
_DEIT = Plain("DeiT", beside=2, pooler=True, classes=(_MODEL, _IMAGES, "ForImageClassificationWithTeacher"))
_DINOV2 = Plain("Dinov2", patch=14)
_REGISTERS = Plain("Dinov2WithRegisters", patch=16)
_TIPS = Plain("Tipsv2Vision", patch=14, image=448, classes=(_MODEL,))
_PIXIO = Plain("Pixio", 1280, 32, 16, image=256, classes=(_MODEL,))
_BLIP = Plain("BlipVision", image=384, classes=(_MODEL,))
_FLAVA = Plain("FlavaImage", pooler=True, classes=(_MODEL,))
_DINOV3 = Plain("DINOv3ViT", 384, 12, 6, 1536, positioned=False, classes=(_MODEL, "Backbone", "Encoder"))
_BEIT = Plain("Beit", positioned=False, final_norm=False)
_DATA2VEC = Plain("Data2VecVision", positioned=False, final_norm=False)
_VIDEOMAE = Plain("VideoMAE", beside=0, positioned=False, final_norm=False, classes=(_MODEL, _VIDEOS))
_VIVIT = Plain("Vivit", pooler=True, classes=(_MODEL, _VIDEOS))
_YOLOS = Plain("Yolos", image=(512, 864), pooler=True, classes=(_MODEL,))
_AST = Plain("AST", beside=2, classes=(_MODEL, "ForAudioClassification"))


def _reads(family: Plain) -> Reader:
    return lambda config: assemble(config, family, read_parts(config, family))


def _deit(config: Config) -> Architecture:
    """Read DeiT: a distillation token, and with a teacher a classifier of it."""
    parts = read_parts(config, _DEIT)
    taught = parts.ending == "ForImageClassificationWithTeacher"
    head = [classifier(config, parts.width)] * 2 if taught else None
    return assemble(config, _DEIT, parts, head=head)


def _vit_mae(config: Config) -> Architecture:
    """Read the encoder of ViTMAE, whose layers see the patches that are not masked; its decoder is no part of it."""
    config.skip(*(f"decoder_{key}" for key in ("hidden_size", "num_attention_heads", "num_hidden_layers")))
    config.skip("decoder_intermediate_size")
    family = FAMILIES["vit_mae"]
    parts = read_parts(config, family)
    masked = read_number(config, "mask_ratio", 0.75, least=0.0, most=1.0)
    read = assemble(config, family, parts)
    return read.replace(tokens=int(parts.places * (1 - masked)) + 1)


def _dino_layer(config: Config, parts: Parts) -> Parts:
    """Return parts with the feed-forward blocks of DINOv2, and a scale after each block."""
    width = parts.width
    inner, gated = width * config.integer("mlp_ratio", default=4), config.flag("use_swiglu_ffn", default=False)
    if gated:
        inner = (inner * 2 // 3 + 7) // 8 * 8
    block = FeedForward(inner_width=inner, gated=gated, bias=True)
    return parts._replace(layer=parts.layer.replace(feed_forward=block, also=(Norm(extent=width, copies=2),)))


def _dinov2(config: Config) -> Architecture:
    config.skip("layerscale_value")
    parts = _dino_layer(config, read_parts(config, _DINOV2, inner=1))
    masks = config.flag("use_mask_token", default=True)
    head = [classifier(config, 2 * parts.width)] if parts.ending == _IMAGES else []
    return assemble(config, _DINOV2, parts, vectors=int(masks), head=head)


def _with_registers(config: Config, family: Plain, registers: int) -> Architecture:
    """Read DINOv2 with registers: tokens without a position; `registers` is the default of their number."""
    config.skip("layerscale_value")
    parts = _dino_layer(config, read_parts(config, family, inner=1))
    registers = config.integer("num_register_tokens", default=registers, least=0)
    head = [classifier(config, 2 * parts.width)] if parts.ending == _IMAGES else []
    return assemble(config, family, parts, unpositioned=registers, vectors=1, head=head)


def _pixio(config: Config) -> Architecture:
    """Read Pixio: several class tokens."""
    width = config.integer("hidden_size", default=_PIXIO.width)
    parts = read_parts(config, _PIXIO, inner=width * config.integer("mlp_ratio", default=4))
    return assemble(config, _PIXIO._replace(beside=config.integer("n_cls_tokens", default=8)), parts)


def _vitdet(config: Config) -> Architecture:
    """Read ViTDet without windows, relative positions and residual blocks; positions are those of its pretraining."""
    for key in ("window_block_indices", "residual_block_indices"):
        config.require(not config.value(key), f"{key}: only an empty list is read")
    relative = config.flag("use_relative_position_embeddings", default=False)
    config.require(not relative, "use_relative_position_embeddings: only false is read")
    config.skip("window_size")
    family = Plain("VitDet", beside=0, positioned=False, final_norm=False, classes=(_MODEL,))
    width = config.integer("hidden_size", default=768)
    ratio = read_number(config, "mlp_ratio", 4.0, least=0.01, most=1000.0)
    parts = read_parts(config, family, inner=max(int(width * ratio), 1))
    (high, wide), (tall, broad) = pair(config, "pretrain_image_size", 224), pair(config, "patch_size", 16)
    table = Table(rows=(high // tall) * (wide // broad) + 1, columns=width)
    return assemble(
        config, family, parts, extras=[table] if config.flag("use_absolute_position_embeddings", default=True) else []
    )


def _timesformer(config: Config) -> Architecture:
    """Read TimeSformer: attention over time and over space, divided or joint, or over space alone."""
    family = Plain("Timesformer", classes=(_MODEL, _VIDEOS))
    kind = config.value("attention_type") or "divided_space_time"
    kinds = ("divided_space_time", "space_only", "joint_space_time")
    config.require(kind in kinds, f"attention_type: must be one of {kinds}; got {kind!r}")
    frames = config.integer("num_frames", default=8)
    parts = read_parts(config, family)
    width, places, layer = parts.width, parts.places, parts.layer
    heads = getattr(layer.mixer, "heads", 1)
    bias = config.flag("qkv_bias", default=True)
    over_space, over_time = (
        WindowAttention(
            heads=heads,
            head_width=max(width // heads, 1),
            window=window,
            places=count,
            qkv_bias=bias,
        )
        for window, count in ((places + 1, (places + 1) * frames), (frames, places * frames))
    )
    if kind == "divided_space_time":
        also = (over_time, Linear(inputs=width, outputs=width, bias=True, rows=places * frames))
        layer = layer.replace(mixer=over_space, also=also, norms=3)
    elif kind == "space_only":
        layer = layer.replace(mixer=over_space)
    times: list[Block] = [] if kind == "space_only" else [Norm(extent=width, copies=frames)]
    read = assemble(config, family, parts._replace(layer=layer), extras=times)
    patches = read.extras[0].replace(places=places * frames)
    return read.replace(tokens=places * frames + 1, extras=(patches, *read.extras[1:]))


def _dpt(config: Config) -> Architecture:
    """Read the encoder of DPT: a plain vision transformer; other backbones and the decoder are not read."""
    config.require(not config.flag("is_hybrid", default=False), "is_hybrid: only false is read")
    config.require(config.value("backbone_config") is None, "backbone_config: only null is read")
    family = Plain("DPT", image=384, pooler=True, classes=(_MODEL,))
    return assemble(config, family, read_parts(config, family))


def _flava(config: Config) -> Architecture:
    """Read the encoder of images of FLAVA: a vector of masked patches."""
    config.skip("vocab_size")
    masks = config.flag("mask_token", default=True)
    return assemble(config, _FLAVA, read_parts(config, _FLAVA), vectors=int(masks))


def _dinov3(config: Config) -> Architecture:
    """Read DINOv3: rotary positions, registers, and a switch for each bias."""
    width, heads = config.integer("hidden_size", default=384), config.integer("num_attention_heads", default=6)
    queries, keys, values = (
        config.flag(f"{name}_bias", default=usual) for name, usual in (("query", True), ("key", False), ("value", True))
    )
    config.require(queries == values, "value_bias: only equal to query_bias is read")
    config.require(queries or not keys, "key_bias: only false is read where query_bias is false")
    mixer = full_attention(config, width, heads, qkv_bias=queries, key_bias=keys)
    mixer = mixer.replace(output_bias=config.flag("proj_bias", default=True))
    config.skip("layerscale_value", "pos_embed_rescale", "pos_embed_shift", "pos_embed_jitter")
    parts = read_parts(config, _DINOV3, mixer=mixer)
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=_DINOV3.inner),
        gated=config.flag("use_gated_mlp", default=False),
        bias=config.flag("mlp_bias", default=True),
    )
    config.require(parts.ending == _MODEL, f"architectures: only DINOv3ViTModel is read; got DINOv3ViT{parts.ending}")
    layer = parts.layer.replace(feed_forward=block, also=(Norm(extent=width, copies=2),))
    registers = config.integer("num_register_tokens", default=0, least=0)
    return assemble(config, _DINOV3, parts._replace(layer=layer), unpositioned=registers, vectors=1)


def _beit(config: Config, family: Plain, *, pools: bool) -> Architecture:
    """Read BEiT or data2vec for images; `pools` tells whether the model without a head has a pooler."""
    width, heads = config.integer("hidden_size", default=768), config.integer("num_attention_heads", default=12)
    config.skip("vocab_size", "pool_scales", "auxiliary_channels", "auxiliary_num_convs", "auxiliary_concat_input")
    config.skip("use_auxiliary_head", "add_fpn")
    parts = read_parts(config, family, mixer=full_attention(config, width, heads, key_bias=False))
    (high, wide), _ = grid(config, family.image, family.patch)
    table = Table(rows=(2 * high - 1) * (2 * wide - 1) + 3, columns=heads)
    also: list[Block] = []
    if read_number(config, "layer_scale_init_value", 0.1, least=-1e9, most=1e9) > 0:
        also.append(Norm(extent=width, copies=2))
    if config.flag("use_relative_position_bias", default=False):
        also.append(Norm(extent=table.rows * heads, belongs_to="attention"))  # a table of relative positions per layer
    extras: list[Block] = [table] if config.flag("use_shared_relative_position_bias", default=False) else []
    means = config.flag("use_mean_pooling", default=True)
    if not means or pools or parts.ending != _MODEL:
        extras.append(Norm(extent=width, bias=True))
    family = family._replace(positioned=config.flag("use_absolute_position_embeddings", default=False))
    parts = parts._replace(layer=parts.layer.replace(also=tuple(also)))
    return assemble(config, family, parts, extras=extras, vectors=int(config.flag("use_mask_token", default=False)))


def _tubes(config: Config, parts: Parts, frames: int, tube: Sequence[int]) -> Parts:
    """Return parts whose patches are tubes of an image size over some frames."""
    high, wide = pair(config, "image_size", 224)
    count = config.integer("num_frames", default=frames)
    fits = count >= tube[0] and high >= tube[1] and wide >= tube[2]
    config.require(fits, f"tubelet_size: {list(tube)} exceeds {count} frames of {high} × {wide}")
    places = max(count // tube[0], 1) * max(high // tube[1], 1) * max(wide // tube[2], 1)
    return parts._replace(places=places, elements=tube[0] * tube[1] * tube[2])


def _videomae(config: Config) -> Architecture:
    """Read VideoMAE: fixed positions, and no bias of keys."""
    width, heads = config.integer("hidden_size", default=768), config.integer("num_attention_heads", default=12)
    bias = config.flag("qkv_bias", "qv_bias", default=True)
    config.skip(*(f"decoder_{key}" for key in ("hidden_size", "num_attention_heads", "num_hidden_layers")))
    config.skip("decoder_intermediate_size", "norm_pix_loss", "qv_bias", "qkv_bias")
    mixer = full_attention(config, width, heads, qkv_bias=bias, key_bias=False)
    parts = read_parts(config, _VIDEOMAE, mixer=mixer, frames=True)
    patch, tube = pair(config, "patch_size", 16), config.integer("tubelet_size", default=2)
    parts = _tubes(config, parts, 16, (tube, *patch))
    means = config.flag("use_mean_pooling", default=True)
    norms: list[Block] = [] if means and parts.ending == _MODEL else [Norm(extent=width, bias=True)]
    return assemble(config, _VIDEOMAE, parts, extras=norms)


def _vivit(config: Config) -> Architecture:
    """Read ViViT: tubes of frames with a position each."""
    config.skip("patch_size")
    tube = config.numbers("tubelet_size") or [2, 16, 16]
    valid = len(tube) == 3 and min(tube) > 0
    config.require(valid, f"tubelet_size: must be three numbers above 0; got {tube}")
    parts = read_parts(config, _VIVIT, frames=True)
    return assemble(config, _VIVIT, _tubes(config, parts, 32, tube if valid else [2, 16, 16]))


def _yolos(config: Config) -> Architecture:
    """Read YOLOS: tokens for detections, and positions added before every layer but the first."""
    config.skip("auxiliary_loss", "class_cost", "bbox_cost", "giou_cost")
    detections = config.integer("num_detection_tokens", default=100)
    parts = read_parts(config, _YOLOS)
    tokens = parts.places + 1 + detections
    extras: list[Block] = []
    if config.flag("use_mid_position_embeddings", default=True) and parts.layer.count > 1:
        (high, wide), (tall, broad) = pair(config, "image_size", (512, 864)), pair(config, "patch_size", 16)
        rows = tokens - parts.places + high * wide // (tall * broad)
        extras.append(Table(rows=rows * (parts.layer.count - 1), columns=parts.width))
    return assemble(config, _YOLOS._replace(beside=1 + detections), parts, extras=extras)


def _spectrogram(config: Config) -> Architecture:
    """Read the audio spectrogram transformer: overlapping patches of bands and frames."""
    config.skip("pooler_output_size")
    bands, length = config.integer("num_mel_bins", default=128), config.integer("max_length", default=1024)
    patch = config.integer("patch_size", default=16)
    strides = [config.integer(f"{axis}_stride", default=10) for axis in ("frequency", "time")]
    config.require(min(bands, length) >= patch, f"patch_size: {patch} exceeds the bands or the frames of a spectrogram")
    places = max((bands - patch) // strides[0] + 1, 1) * max((length - patch) // strides[1] + 1, 1)
    parts = read_parts(config, _AST, frames=True)
    norm = Norm(extent=parts.width, bias=True)
    head = [] if parts.ending == _MODEL else [norm, classifier(config, parts.width)]
    read = assemble(config, _AST, parts._replace(places=places, elements=patch * patch), head=head)
    first = read.extras[0].replace(inputs=1)
    return read.replace(extras=(first, *read.extras[1:]))


READERS: dict[str, Reader] = {
    **{name: _reads(family) for name, family in FAMILIES.items()},
    "vit_mae": _vit_mae,
    "deit": _deit,
    "dinov2": _dinov2,
    "dinov2_with_registers": lambda config: _with_registers(config, _REGISTERS, 4),
    "tipsv2_vision_model": lambda config: _with_registers(config, _TIPS, 1),
    "dpt": _dpt,
    "timesformer": _timesformer,
    "pixio": _pixio,
    "vitdet": _vitdet,
    "flava_image_model": _flava,
    "blip_vision_model": _reads(_BLIP),
    "dinov3_vit": _dinov3,
    "beit": lambda config: _beit(config, _BEIT, pools=True),
    "data2vec-vision": lambda config: _beit(config, _DATA2VEC, pools=False),
    "videomae": _videomae,
    "vivit": _vivit,
    "yolos": _yolos,
    "audio-spectrogram-transformer": _spectrogram,
}
"""Readers by the `model_type` of a config."""
