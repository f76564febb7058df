"""Image towers in stages of fewer and wider patches: DaViT of Florence-2.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.classes import read_lengths, read_number
from costmodel.architecture.families.towers import NAME, PROJECTOR, linear_on, norm_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

EDGE = 768
"""Edge of an image of the default image processor of Florence-2 [pixel]."""


def davit(config: Config) -> list[Stack]:
    """Read DaViT, one stack per stage; a layer has attention within windows, and attention among channels.

    The scores among channels are left out of the FLOPs: they are those of groups of few channels.
    """
    config.skip("projection_dim", "max_temporal_embeddings", "max_position_embeddings", "drop_path_rate")
    widths = read_lengths(config, "embed_dim", (128, 256, 512, 1024))
    depths = read_lengths(config, "depths", (1, 1, 9, 1), len(widths))
    heads = read_lengths(config, "num_heads", (4, 8, 16, 32), len(widths))
    read_lengths(config, "num_groups", (4, 8, 16, 32), len(widths))
    kernels = read_lengths(config, "patch_size", (7, 3, 3, 3), len(widths))
    strides = read_lengths(config, "patch_stride", (4, 2, 2, 2), len(widths))
    paddings = config.numbers("patch_padding") or [3, 1, 1, 1]
    first = config.value("patch_prenorm")
    normed = first if isinstance(first, list) and len(first) == len(widths) else [False, *[True] * (len(widths) - 1)]
    config.require(len(paddings) == len(widths), f"patch_padding: must list {len(widths)} numbers; got {paddings}")
    ratio = read_number(config, "mlp_ratio", 4.0, least=0.01, most=100.0)
    bias, window = config.flag("qkv_bias", default=True), config.integer("window_size", default=12)
    edge, inputs = EDGE, config.integer("in_channels", default=3)
    stacks = []
    for stage, width in enumerate(widths):
        edge = max(
            (edge + 2 * (paddings[stage] if stage < len(paddings) else 0) - kernels[stage]) // strides[stage] + 1, 1
        )
        places = edge**2
        config.require(width % heads[stage] == 0, f"embed_dim: {width} is not a multiple of the {heads[stage]} heads")
        conv = Convolution(inputs=inputs, outputs=width, kernel=kernels[stage] ** 2, places=places)
        norm = Norm(extent=inputs if normed[stage] else width, bias=True)
        layer = _layer(width, heads[stage], max(int(width * ratio), 1), edge, window, bias=bias)
        layer = layer.replace(count=depths[stage])
        stacks.append(Stack(name=NAME, width=width, layers=(layer,), extras=(conv, norm), tokens=places))
        inputs = width
    return stacks


def _layer(width: int, heads: int, inner: int, edge: int, window: int, *, bias: bool) -> Layer:
    """Return a layer: a block of windows and a block of channels, each with two depthwise convolutions."""
    places = edge**2
    size = min(window, edge)
    mixer = WindowAttention(
        heads=heads,
        head_width=max(width // heads, 1),
        window=size**2,
        places=(-(-edge // size) * size) ** 2,
        qkv_bias=bias,
    )
    depthwise = Convolution(inputs=width, outputs=width, kernel=9, groups=width, places=places)
    block = FeedForward(inner_width=inner, gated=False, bias=True)
    channels: tuple[Block, ...] = (
        linear_on(width, 3 * width, places, bias=bias, part=NAME),
        linear_on(width, width, places, bias=True, part=NAME),
        block,
    )
    return Layer(mixer=mixer, also=(*[depthwise] * 4, *channels), feed_forward=block, norms=4, norm_bias=True)


def florence_projector(config: Config, width: int, outputs: int, tokens: int) -> list[Block]:
    """Return the projector of Florence-2: positions by row and by column, one layer, and a norm."""
    rows = config.integer("max_position_embeddings", default=50)
    return [
        linear_on(width, outputs, tokens, part=PROJECTOR),
        norm_of(outputs),
        Table(rows=rows, columns=width),
    ]
