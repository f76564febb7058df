"""Image towers as rows of data: a vision transformer is its default shape and a few options.

A tower processes one image per sequence, of the size in its config; a kind whose config has none processes the
largest image of the default image processor of Qwen2-VL. Defaults are those of the configuration classes in Hugging
Face transformers 5.24.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

NAME = "vision"
"""Name of the stack, and of the part of the model that its parameters and FLOPs are counted in."""
PROJECTOR = "projector"
"""Part of the model that projectors are counted in."""
QWEN2_VL_PIXELS = 28 * 28 * 1280
"""Pixels of the largest image of the default image processor of Qwen2-VL (`max_pixels`)."""


class Shape(NamedTuple):
    """Width, inner width of the feed-forward blocks, heads and number of layers of a tower."""

    width: int
    inner: int
    heads: int
    depth: int


@dataclass(frozen=True, slots=True)
class Tower:
    """Row of the table of image towers: defaults of a kind, and how it differs from SigLIP."""

    shape: Shape
    image: int | None = 224
    """Default of `image_size`; None if the number of patches comes from `places` or from `QWEN2_VL_PIXELS`."""
    patch: int = 16
    places: tuple[str, int] | None = None
    """Key with the number of learned positions, and its default; None for one position per patch."""
    frames: int = 1
    """Default of `temporal_patch_size`; 1 for kinds without this key."""
    patch_bias: bool = True
    embeds: bool = True
    """Whether the tower embeds the patches; False if it reads the output of another tower."""
    class_token: bool = False
    positions: Literal["table", "vector", "none"] = "table"
    """Learned positions: a lookup table, a parameter that is added as a whole, or none (rotary)."""
    norms_before: int = 0
    norms_after: int = 1
    rms: bool = False
    """Whether norms have no bias."""
    gated: bool = False
    qkv_bias: bool = True
    output_bias: bool = True
    feed_forward_bias: bool = True
    qkv_bias_key: str = ""
    """Key for the biases of queries, keys and values; their default is `qkv_bias`."""
    output_bias_key: bool = False
    """Whether `qkv_bias_key` is also for the output projection."""
    feed_forward_bias_key: str = ""
    ratio: float = 0.0
    """Default of `mlp_ratio`, inner width / width; 0 for kinds with `intermediate_size`."""
    qk_norm: Literal["none", "head", "width"] = "none"
    qk_norm_bias: bool = False
    scaled: bool = False
    """Whether the results of attention and of the feed-forward block have learned scales."""
    pooled: Literal["no", "yes", "key"] = "no"
    """Whether a head pools the image; "key" for the key `vision_use_head`, whose default is true."""
    head_keys: bool = False
    """Whether the kind reads `head_dim` and `num_key_value_heads`."""
    skipped: tuple[str, ...] = ()
    """Keys that some configs have, but no model of the kind reads."""


def read_shape(config: Config, default: Shape, prefix: str = "") -> Shape:
    """Return the shape of a tower from its usual keys, or from these keys with a prefix."""
    return Shape(
        config.integer("hidden_size", f"{prefix}hidden_size", default=default.width),
        config.integer("intermediate_size", f"{prefix}intermediate_size", default=default.inner),
        config.integer(
            "num_attention_heads",
            "num_heads",
            "attention_heads",
            f"{prefix}num_attention_heads",
            default=default.heads,
        ),
        config.integer("num_hidden_layers", "depth", f"{prefix}num_hidden_layers", default=default.depth),
    )


def linear_on(inputs: int, outputs: int, rows: int, *, bias: bool = False, part: str = PROJECTOR) -> Linear:
    """Return a linear layer of a projector or a tower, applied to `rows` rows per image."""
    return Linear(inputs=inputs, outputs=outputs, rows=rows, bias=bias, belongs_to=part)


def norm_of(extent: int, *, bias: bool = True, copies: int = 1, part: str = PROJECTOR) -> Norm:
    """Return a norm, or another learned vector, of a projector."""
    return Norm(extent=extent, bias=bias, copies=copies, belongs_to=part)


def merger(width: int, merged: int, outputs: int, rows: int, *, norm_width: int, norm_bias: bool = True) -> list[Block]:
    """Return the blocks that merge `merged` patches of `width` into one token of the text: a norm and two layers."""
    inner = width * merged
    return [
        norm_of(norm_width, bias=norm_bias),
        linear_on(inner, inner, rows, bias=True),
        linear_on(inner, outputs, rows, bias=True),
    ]


def stack_of(
    config: Config, shape: Shape, extras: Sequence[Block], tokens: int, *, bias: bool = True, gated: bool = False
) -> Stack:
    """Return a vision transformer; `bias` applies to all linear layers and norms."""
    row = Tower(shape, qkv_bias=bias, output_bias=bias, feed_forward_bias=bias, gated=gated, rms=not bias)
    return Stack(
        name=NAME, width=shape.width, layers=(layer_of(config, row, shape),), extras=tuple(extras), tokens=tokens
    )


def layer_of(config: Config, row: Tower, shape: Shape) -> Layer:
    """Return the equal layers of a tower."""
    width, inner, heads, depth = shape
    usual = row.shape.width // row.shape.heads
    head_width = config.optional("head_dim", default=usual) if row.head_keys else None
    if head_width is None:
        config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
        head_width = max(width // heads, 1)
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    bias = config.flag(row.qkv_bias_key, default=row.qkv_bias) if row.qkv_bias_key else row.qkv_bias
    mlp_bias = row.feed_forward_bias
    if row.feed_forward_bias_key:
        mlp_bias = config.flag(row.feed_forward_bias_key, default=mlp_bias)
    return Layer(
        mixer=Attention(
            heads=heads,
            kv_heads=kv_heads_of(config, heads, row.shape.heads) if row.head_keys else heads,
            head_width=head_width,
            qkv_bias=bias,
            output_bias=bias if row.output_bias_key else row.output_bias,
            qk_norm=row.qk_norm,
            qk_norm_bias=row.qk_norm_bias,
            causal=False,
        ),
        also=(Norm(extent=width, copies=2),) if row.scaled else (),
        feed_forward=FeedForward(inner_width=inner, gated=row.gated, bias=mlp_bias),
        norm_bias=not row.rms,
        count=min(depth, 10_000),
    )


def kv_heads_of(config: Config, heads: int, default: int | None = None) -> int:
    """Return the KV heads of a tower; without `num_key_value_heads` the default, or as many as heads."""
    kv_heads = config.integer("num_key_value_heads", default=default or heads)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    return min(kv_heads, heads)


def side(config: Config, key: str, default: int) -> int:
    """Return the edge at `key`: a number, or a list of two equal ones."""
    listed = config.value(key)
    if not isinstance(listed, list):
        return config.integer(key, default=default)
    square = len(listed) == 2 and listed[0] == listed[1] and isinstance(listed[0], int) and listed[0] > 0
    config.require(square, f"{key}: must be a whole number, or two equal ones; got {listed}")
    return int(listed[0]) if square else default


def grid(config: Config, image: int, patch: int) -> tuple[int, int]:
    """Return the patches of an image, and the elements of a patch in one channel."""
    image, patch = config.integer("image_size", default=image), config.integer("patch_size", default=patch)
    config.require(image >= patch, f"image_size: {image} holds no patch of {patch}")
    return max(image // patch, 1) ** 2, patch * patch


def patch_embedding(config: Config, width: int, kernel: int, places: int, *, bias: bool = False) -> Block:
    """Return the convolution from the pixels of a patch to the width of a tower."""
    channels = config.integer("num_channels", "in_channels", default=3)
    return Convolution(inputs=channels, outputs=width, kernel=kernel, bias=bias, places=places, belongs_to=NAME)


def transformer(config: Config, row: Tower) -> Stack:
    """Read the vision transformer of a row."""
    config.skip(*row.skipped)
    shape = read_shape(config, row.shape)
    if row.ratio:
        shape = shape._replace(inner=max(int(shape.width * float(config.value("mlp_ratio") or row.ratio)), 1))
    patches, kernel = _patches(config, row)
    width = shape.width
    tokens = patches + row.class_token
    layer = layer_of(config, row, shape)
    config.skip("num_channels")
    extras = [
        *([patch_embedding(config, width, kernel, patches, bias=row.patch_bias)] if row.embeds else []),
        *_positions(config, row, tokens, width),
        *([Norm(extent=width)] if row.class_token else []),
    ]
    if norms := row.norms_before + row.norms_after:
        extras.append(Norm(extent=width, bias=not row.rms, copies=norms))
    if row.pooled == "yes" or (row.pooled == "key" and config.flag("vision_use_head", default=True)):
        extras += pooling_head(width, shape)
    return Stack(name=NAME, width=width, layers=(layer,), extras=tuple(extras), tokens=tokens)


def _patches(config: Config, row: Tower) -> tuple[int, int]:
    """Return the patches of the image, and the elements of a patch in one channel and all frames."""
    frames = config.integer("temporal_patch_size", default=row.frames) if row.frames > 1 else 1
    if row.places is not None:
        config.skip("image_size")
        patches = config.integer(row.places[0], default=row.places[1])
        return patches, side(config, "patch_size", row.patch) ** 2 * frames
    if row.image is None:
        patch = side(config, "patch_size", row.patch)
        return max(QWEN2_VL_PIXELS // patch**2, 1), patch**2 * frames
    patches, kernel = grid(config, row.image, row.patch)
    return patches, kernel * frames


def _positions(config: Config, row: Tower, tokens: int, width: int) -> list[Block]:
    if row.positions == "none":
        return []
    return [Table(rows=tokens, columns=width, belongs_to="" if row.positions == "table" else NAME)]


def pooling_head(width: int, shape: Shape) -> list[Block]:
    """Return the pooling head of SigLIP: cross-attention of a learned query, and a feed-forward block."""
    heads = shape.heads
    pooling = CrossAttention(
        heads=heads, kv_heads=heads, head_width=max(width // heads, 1), queries=1, qkv_bias=True, output_bias=True
    )
    up = linear_on(width, shape.inner, 1, bias=True, part=NAME)
    down = linear_on(shape.inner, width, 1, bias=True, part=NAME)
    return [Norm(extent=width), pooling, Norm(extent=width, bias=True), up, down]


def read_alone(tower: Stack) -> Architecture:
    """Return a tower as a model of its own."""
    return Architecture(
        width=tower.width, layers=tower.layers, tokens=tower.tokens, extras=tower.extras, final_norm=False
    )


_SIGLIP = Tower(Shape(768, 3072, 12, 12), pooled="key", skipped=("projection_dim", "vocab_size"))
_CLIP = Tower(
    Shape(768, 3072, 12, 12),
    patch=32,
    patch_bias=False,
    class_token=True,
    norms_before=1,
    skipped=("projection_dim", "vocab_size"),
)
_BLIP = Tower(
    Shape(1408, 6144, 16, 39),
    patch=14,
    class_token=True,
    qkv_bias_key="qkv_bias",
)
_IDEFICS3 = Tower(Shape(1152, 3072, 16, 12), patch=32)
ROWS: dict[str, Tower] = {
    "clip_vision_model": _CLIP,
    "siglip_vision_model": _SIGLIP,
    "siglip2_vision_model": replace(_SIGLIP, image=None, places=("num_patches", 256)),
    "idefics2_vision": Tower(Shape(768, 3072, 12, 12), patch=32),
    "idefics3_vision": _IDEFICS3,
    "smolvlm_vision": _IDEFICS3,
    "paddleocr_vl_vision": Tower(
        Shape(1152, 4304, 16, 27), image=384, patch=14, skipped=("spatial_merge_size", "temporal_patch_size")
    ),
    "phi4_multimodal_vision": Tower(
        Shape(1152, 4304, 16, 27), image=448, patch=14, pooled="yes", skipped=("crop_size", "feature_layer")
    ),
    "kosmos_2_vision_model": replace(_CLIP, shape=Shape(1024, 4096, 16, 24), patch=14),
    "blip_2_vision_model": _BLIP,
    "instructblip_vision_model": _BLIP,
    "instructblipvideo_vision_model": _BLIP,
    "pixtral": Tower(  # its class ignores `head_dim`
        Shape(1024, 4096, 16, 24),
        image=1024,
        patch_bias=False,
        positions="none",
        norms_before=1,
        norms_after=0,
        rms=True,
        gated=True,
        qkv_bias=False,
        output_bias=False,
        feed_forward_bias=False,
        skipped=("vocab_size", "head_dim"),
    ),
    "video_llama_3_vision": Tower(Shape(768, 3072, 12, 12), image=None, positions="none"),
    "minimax_m3_vl_vision": Tower(
        Shape(1280, 5120, 16, 32),
        image=2016,
        patch=14,
        frames=2,
        patch_bias=False,
        positions="none",
        norms_before=1,
        norms_after=0,
        skipped=("spatial_merge_size",),
    ),
    "ernie4_5_vl_moe_vision": Tower(
        Shape(1280, 5120, 16, 32),
        image=None,
        patch=14,
        patch_bias=False,
        positions="none",
        skipped=("spatial_merge_size", "temporal_merge_size"),
    ),
    "molmo2_vision": Tower(
        Shape(1152, 4304, 16, 25),
        image=378,
        patch=14,
        places=("num_position_embeddings", 729),
        positions="vector",
        norms_after=0,
        qkv_bias_key="attention_bias",
        output_bias_key=True,
        head_keys=True,
    ),
}
"""Image towers that are vision transformers of one shape, by the `model_type` of `vision_config`."""
