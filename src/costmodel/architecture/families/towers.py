"""Vision towers: shape and number of patches of each kind.

A tower processes one image per sequence, of the size in its config; if the config has none, the docstring of the
reader states the size. Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

NAME = "vision"
"""Name of the stack, and of the part of the model that its parameters and FLOPs are counted in."""
PROJECTOR = "projector"
"""Part of the model that projectors are counted in."""
QWEN2_VL_PIXELS = 28 * 28 * 1280
"""Pixels of the largest image of the default image processor of Qwen2-VL [1]."""


class Shape(NamedTuple):
    """Width, inner width of the feed-forward blocks, heads and number of layers of a tower."""

    width: int
    inner: int
    heads: int
    depth: int


def read_shape(config: Config, default: Shape, prefix: str = "") -> Shape:
    """Return the shape of a tower from its usual keys, or from these keys with a prefix."""
    return Shape(
        config.integer("hidden_size", f"{prefix}hidden_size", default=default.width),
        config.integer("intermediate_size", f"{prefix}intermediate_size", default=default.inner),
        config.integer("num_attention_heads", "num_heads", f"{prefix}num_attention_heads", default=default.heads),
        config.integer("num_hidden_layers", "depth", f"{prefix}num_hidden_layers", default=default.depth),
    )


def linear_on(inputs: int, outputs: int, rows: int, *, bias: bool = False, part: str = PROJECTOR) -> Linear:
    """Return a linear layer of a projector or a tower, applied to `rows` rows per image."""
    return Linear(inputs=inputs, outputs=outputs, rows=rows, bias=bias, belongs_to=part)


def merger(width: int, merged: int, outputs: int, rows: int, *, norm_width: int) -> list[Block]:
    """Return the blocks that merge `merged` patches of `width` into one token of the text: a norm and two layers."""
    inner = width * merged
    return [
        Norm(extent=norm_width, bias=True, belongs_to=PROJECTOR),
        linear_on(inner, inner, rows, bias=True),
        linear_on(inner, outputs, rows, bias=True),
    ]


def stack_of(
    config: Config, shape: Shape, extras: Sequence[Block], tokens: int, *, bias: bool = True, gated: bool = False
) -> Stack:
    """Return a vision transformer; `bias` applies to all linear layers and norms."""
    width, inner, heads, depth = shape
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    config.require(depth <= 10_000, f"num_hidden_layers: at most 10,000 layers are read; got {depth:,}")
    head_width = max(width // heads, 1)
    layer = Layer(
        mixer=Attention(
            heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=bias, output_bias=bias, causal=False
        ),
        feed_forward=FeedForward(inner_width=inner, gated=gated, bias=bias),
        norm_bias=bias,
        count=depth,
    )
    return Stack(name=NAME, width=width, layers=(layer,), extras=tuple(extras), tokens=tokens)


def _grid(config: Config, image: int, patch: int) -> tuple[int, int]:
    """Return the patches of an image, and the elements of a patch in one channel."""
    image, patch = config.integer("image_size", default=image), config.integer("patch_size", default=patch)
    config.require(image >= patch, f"image_size: {image} holds no patch of {patch}")
    return max(image // patch, 1) ** 2, patch * patch


def _patches(config: Config, width: int, kernel: int, places: int, *, bias: bool = False) -> Block:
    channels = config.integer("num_channels", "in_channels", default=3)
    return Convolution(inputs=channels, outputs=width, kernel=kernel, bias=bias, places=places, belongs_to=NAME)


def clip(config: Config) -> Stack:
    """Read a tower of CLIP: a class token before the patches, and norms before and after the layers."""
    config.skip("projection_dim", "vocab_size")
    shape = read_shape(config, Shape(768, 3072, 12, 12))
    patches, kernel = _grid(config, image=224, patch=32)
    extras = [
        _patches(config, shape.width, kernel, patches),
        Table(rows=patches + 1, columns=shape.width),
        Norm(extent=shape.width),  # the class token
        Norm(extent=shape.width, bias=True, copies=2),
    ]
    return stack_of(config, shape, extras, patches + 1)


def siglip(config: Config) -> Stack:
    """Read a tower of SigLIP without its pooling head."""
    shape = read_shape(config, Shape(768, 3072, 12, 12))
    head = config.flag("vision_use_head", default=True)
    config.require(not head, "vision_use_head: the pooling head is not known here; only false is read")
    patches, kernel = _grid(config, image=224, patch=16)
    extras = [
        _patches(config, shape.width, kernel, patches, bias=True),
        Table(rows=patches, columns=shape.width),
        Norm(extent=shape.width, bias=True),
    ]
    return stack_of(config, shape, extras, patches)


def pixtral(config: Config) -> Stack:
    """Read a tower of Pixtral: rotary positions, gated feed-forward blocks, no biases."""
    config.skip("head_dim", "vocab_size")
    shape = read_shape(config, Shape(1024, 4096, 16, 24))
    patches, kernel = _grid(config, image=1024, patch=16)
    extras = [_patches(config, shape.width, kernel, patches), Norm(extent=shape.width)]
    return stack_of(config, shape, extras, patches, bias=False, gated=True)


def qwen2_vl(config: Config) -> Stack:
    """Read a tower of Qwen2-VL with its merger; its image is the largest of the default image processor."""
    config.skip("in_chans", "spatial_patch_size")  # some configs have it, but no model of the family reads it
    width, outputs = config.integer("embed_dim", default=1280), config.integer("hidden_size", default=3584)
    inner = width * config.integer("mlp_ratio", default=4)
    shape = Shape(width, inner, config.integer("num_heads", default=16), config.integer("depth", default=32))
    patch, merged = config.integer("patch_size", default=14), config.integer("spatial_merge_size", default=2) ** 2
    kernel = patch**2 * config.integer("temporal_patch_size", default=2)
    rows = max(QWEN2_VL_PIXELS // (patch**2 * merged), 1)
    extras = [
        _patches(config, width, kernel, rows * merged),
        *merger(width, merged, outputs, rows, norm_width=width),
    ]
    return stack_of(config, shape, extras, rows * merged)


def qwen3_vl(config: Config) -> Stack:
    """Read a tower of Qwen3-VL with its mergers; its image fills the grid of its learned positions."""
    shape = read_shape(config, Shape(1152, 4304, 16, 27))
    width, outputs = shape.width, config.integer("out_hidden_size", default=3584)
    patches = config.integer("num_position_embeddings", default=2304)
    merged = config.integer("spatial_merge_size", default=2) ** 2
    kernel = config.integer("patch_size", default=16) ** 2 * config.integer("temporal_patch_size", default=2)
    rows = max(patches // merged, 1)
    absent = config.data.get("deepstack_visual_indexes") is None
    taps = 3 if absent else len(config.numbers("deepstack_visual_indexes"))
    extras = [
        _patches(config, width, kernel, patches, bias=True),
        Table(rows=patches, columns=width),
        *merger(width, merged, outputs, rows, norm_width=width),
        *merger(width, merged, outputs, rows, norm_width=width * merged) * taps,
    ]
    return stack_of(config, shape, extras, patches)


def kimi(config: Config, outputs: int) -> Stack:
    """Read a tower of Kimi with its projector to `outputs`; its image fills the grid of its learned positions."""
    config.skip("pos_emb_type", "pos_emb_time", "init_pos_emb_time", "video_attn_type", "merge_type")
    shape = read_shape(config, Shape(1152, 4304, 16, 27), prefix="vt_")
    width = shape.width
    patches = config.integer("pos_emb_height", "init_pos_emb_height", default=64)
    patches *= config.integer("pos_emb_width", "init_pos_emb_width", default=64)
    kind = config.value("mm_projector_type") or "patchmerger"
    config.require(kind == "patchmerger", f"mm_projector_type: only 'patchmerger' is known here; got {kind!r}")
    for key, expected in (("mm_hidden_size", width), ("text_hidden_size", outputs)):
        value = config.integer(key, default=expected)
        config.require(value == expected, f"{key}: {value} is not the width of the tower or text ({expected})")
    kernels = config.numbers("merge_kernel_size") or [2, 2]
    config.require(len(kernels) == 2 and all(kernels), f"merge_kernel_size: must be two numbers; got {kernels}")
    merged = max(kernels[0] * kernels[-1], 1)
    extras = [
        _patches(config, width, config.integer("patch_size", default=14) ** 2, patches, bias=True),
        Table(rows=patches, columns=width),
        Norm(extent=width, bias=True),
        *merger(width, merged, outputs, max(patches // merged, 1), norm_width=width),
    ]
    return stack_of(config, shape, extras, patches)


def llama4(config: Config, outputs: int) -> Stack:
    """Read a tower of Llama 4 with its projector to `outputs`: a class token, and four patches shuffled into one."""
    config.skip(
        "vision_feature_layer", "multi_modal_projector_bias"
    )  # some configs have it, but no model of the family reads it
    shape = read_shape(config, Shape(768, 5632, 16, 34))
    width = shape.width
    patches, kernel = _grid(config, image=448, patch=14)
    joined = config.integer("projector_input_dim", default=4096)
    for key, default in (("projector_output_dim", 4096), ("vision_output_dim", 7680)):
        value = config.integer(key, default=default)
        config.require(value == joined, f"{key}: {value} is not projector_input_dim ({joined})")
    ratio = config.value("pixel_shuffle_ratio") or 0.5
    config.require(ratio == 0.5, f"pixel_shuffle_ratio: only 0.5 is known here; got {ratio!r}")
    config.require(
        shape.inner == 4 * width, f"intermediate_size: {shape.inner} is not 4 × hidden_size, the width of four patches"
    )
    rows = max(patches // 4, 1)
    extras = [
        _patches(config, width, kernel, patches),
        Table(rows=patches + 1, columns=width, belongs_to=NAME),
        Norm(extent=width),  # the class token
        Norm(extent=width, bias=True, copies=2),
        linear_on(4 * width, joined, rows, part=NAME),
        linear_on(joined, joined, rows, part=NAME),
        linear_on(joined, outputs, rows),
    ]
    return stack_of(config, shape, extras, patches + 1)


TOWERS: dict[str, Callable[[Config], Stack]] = {
    "clip_vision_model": clip,
    "pixtral": pixtral,
    "siglip_vision_model": siglip,
}
"""Readers of towers by the `model_type` of `vision_config`."""
