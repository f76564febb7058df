"""Image encoders whose stages have falling resolution, one reader per layout.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. A sequence is one image of the
size in the config.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.classes import read_class, read_lengths, read_number
from costmodel.architecture.families.image_encoders import classifier, grid, patch_embedding
from costmodel.architecture.families.image_towers import segment_anything
from costmodel.architecture.families.reading import Reader
from costmodel.architecture.families.towers import read_alone
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_STAGES = ("out_features", "out_indices", "stage_names", "encoder_stride")


def _swin(config: Config, prefix: str = "Swin", *, second: bool = False) -> Architecture:
    """Read Swin, or with `second` its version 2, which computes the bias of relative positions by a small network."""
    name = read_class(config, [f"{prefix}Model", f"{prefix}ForImageClassification"])
    config.skip(*_STAGES, "num_layers", "hidden_size", "path_norm", "pretrained_window_sizes")
    base, depths = config.integer("embed_dim", default=96), read_lengths(config, "depths", (2, 2, 6, 2))
    heads = read_lengths(config, "num_heads", (3, 6, 12, 24), len(depths))
    window, bias = config.integer("window_size", default=7), config.flag("qkv_bias", default=True)
    ratio = read_number(config, "mlp_ratio", 4.0, least=0.1, most=100.0)
    (high, wide), elements = grid(config, 224, 4, padded=True)
    stacks: list[Stack] = []
    for stage, (depth, stage_heads) in enumerate(zip(depths, heads, strict=True)):
        width = base * 2**stage
        config.require(width % stage_heads == 0, f"num_heads: {stage_heads} does not divide the width {width}")
        side = min(window, high, wide)
        places = -(-high // side) * side * (-(-wide // side) * side)
        mixer = WindowAttention(
            heads=stage_heads,
            head_width=max(width // stage_heads, 1),
            window=side * side,
            places=places,
            offsets=None if second else (2 * window - 1) ** 2,
            qkv_bias=bias,
            key_bias=not second,
        )
        config.require(
            second or side == window, f"window_size: {window} exceeds the {side} places of stage {stage + 1}"
        )
        block = FeedForward(inner_width=int(width * ratio), gated=False, bias=True)
        extras: list[Block] = []
        tokens = high * wide
        if stage == 0:
            extras = [patch_embedding(config, base, tokens, elements), Norm(extent=base, bias=True)]
            if config.flag("use_absolute_embeddings", default=False):
                extras.append(Table(rows=tokens + (prefix != "Swin"), columns=base))
        if stage < len(depths) - 1:
            high, wide = -(-high // 2), -(-wide // 2)
            extras += [
                Norm(extent=(2 if second else 4) * width, bias=True),
                Linear(inputs=4 * width, outputs=2 * width, rows=high * wide),
            ]
        network = _position_network(stage_heads, (2 * side - 1) ** 2) if second else ()
        layer = Layer(mixer=mixer, feed_forward=block, also=network, norm_bias=True, count=depth)
        stacks.append(Stack(name="stages", width=width, layers=(layer,), extras=tuple(extras), tokens=tokens))
    return _from_stages(stacks, classifier(config, width) if name.endswith("ForImageClassification") else None)


def _position_network(heads: int, offsets: int) -> tuple[Block, ...]:
    """Return the temperatures of the heads, and the network from relative positions to their biases."""
    hidden = Linear(inputs=2, outputs=512, bias=True, rows=offsets, belongs_to="attention")
    return Norm(extent=heads), hidden, Linear(inputs=512, outputs=heads, rows=offsets, belongs_to="attention")


def _from_stages(stacks: list[Stack], head: Linear | None) -> Architecture:
    """Return an architecture whose last stage is the main stack; earlier stages are further stacks."""
    last = stacks[-1]
    return Architecture(
        width=last.width,
        layers=last.layers,
        tokens=last.tokens,
        norm_bias=True,
        extras=last.extras if head is None else (*last.extras, head),
        stacks=tuple(stacks[:-1]),
    )


def _convnext(config: Config, prefix: str = "ConvNext") -> Architecture:
    """Read ConvNeXt; version 2 normalizes responses instead of scaling each block."""
    second, dino = prefix == "ConvNextV2", prefix == "DINOv3ConvNext"
    name = read_class(config, [f"{prefix}Model", *([] if dino else [f"{prefix}ForImageClassification"])])
    config.skip(*_STAGES)
    widths = read_lengths(config, "hidden_sizes", (96, 192, 384, 768))
    depths = read_lengths(config, "depths", (3, 3, 9, 3), len(widths))
    stages = config.integer("num_stages", default=len(widths))
    config.require(stages == len(widths), f"num_stages: {stages} but hidden_sizes lists {len(widths)}")
    scaled = dino or (not second and read_number(config, "layer_scale_init_value", 1e-6, least=0.0, most=1e9) > 0)
    (high, wide), elements = grid(config, 224, 4)
    stacks: list[Stack] = []
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage == 0:
            extras = (patch_embedding(config, width, high * wide, elements), Norm(extent=width, bias=True))
        else:
            high, wide, before = high // 2, wide // 2, widths[stage - 1]
            config.require(min(high, wide) > 0, "image_size: too small for the stages")
            places = max(high * wide, 1)
            merging = Convolution(inputs=before, outputs=width, kernel=4, places=places)
            extras = (merging, Norm(extent=before, bias=True))
        depthwise = Convolution(inputs=width, outputs=width, kernel=49, groups=width)
        response = [Norm(extent=4 * width, bias=True)] if second else []
        layer = Layer(
            also=(depthwise, *([Norm(extent=width)] if scaled else []), *response),
            feed_forward=FeedForward(inner_width=4 * width, gated=False, bias=True),
            norms=1,
            norm_bias=True,
            count=depth,
        )
        tokens = max(high * wide, 1)
        stacks.append(Stack(name="stages", width=width, layers=(layer,), extras=extras, tokens=tokens))
    return _from_stages(stacks, classifier(config, width) if name.endswith("ForImageClassification") else None)


def _donut(config: Config) -> Architecture:
    """Read the encoder of Donut: Swin without a last norm."""
    return _swin(config, "DonutSwin").replace(final_norm=False)


def _resnet(config: Config) -> Architecture:
    """Read ResNet of images of 224 × 224."""
    name = read_class(config, ["ResNetModel", "ResNetForImageClassification"])
    config.skip(*_STAGES)
    widths = read_lengths(config, "hidden_sizes", (256, 512, 1024, 2048))
    depths = read_lengths(config, "depths", (3, 4, 6, 3), len(widths))
    kind = config.value("layer_type") or "bottleneck"
    config.require(kind in ("basic", "bottleneck"), f"layer_type: must be basic or bottleneck; got {kind!r}")
    early = config.flag("downsample_in_bottleneck", default=False)
    before, side = config.integer("embedding_size", default=64), 112
    channels = config.integer("num_channels", default=3)
    stem: list[Block] = [
        Convolution(inputs=channels, outputs=before, kernel=49, bias=False, places=side * side),
        Norm(extent=before, bias=True),
    ]
    side //= 2
    stacks: list[Stack] = []
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        config.require(kind == "basic" or width >= 4, f"hidden_sizes: {width} is below 4")
        halves = stage > 0 or config.flag("downsample_in_first_stage", default=False)
        inside, side = side, -(-side // 2) if halves else side
        first = _residual(before, width, kind, (inside if halves and not early else side) ** 2, side * side)
        if before != width or halves:
            first += _normalized(before, width, 1, side * side)
        layers = [Layer(also=tuple(first), norms=0)]
        if depth > 1:
            rest = _residual(width, width, kind, side * side, side * side)
            layers.append(Layer(also=tuple(rest), norms=0, count=min(depth - 1, 10_000)))
        extras = () if stage else tuple(stem)
        stacks.append(Stack(name="stages", width=width, layers=tuple(layers), extras=extras, tokens=side * side))
        before = width
    read = _from_stages(stacks, classifier(config, before) if name == "ResNetForImageClassification" else None)
    return read.replace(final_norm=False)


def _normalized(inputs: int, outputs: int, kernel: int, places: int) -> list[Block]:
    """Return a convolution and its batch norm."""
    convolution = Convolution(inputs=inputs, outputs=outputs, kernel=kernel, bias=False, places=places)
    return [convolution, Norm(extent=outputs, bias=True)]


def _residual(inputs: int, outputs: int, kind: str, before: int, after: int) -> list[Block]:
    """Return the convolutions of a residual block with `before` places at its start and `after` at its end."""
    if kind == "basic":
        return _normalized(inputs, outputs, 9, after) + _normalized(outputs, outputs, 9, after)
    narrow = max(outputs // 4, 1)
    first = _normalized(inputs, narrow, 1, before)
    return first + _normalized(narrow, narrow, 9, after) + _normalized(narrow, outputs, 1, after)


def _segformer(config: Config) -> Architecture:
    """Read SegFormer: attention to keys of reduced resolution, and a convolution inside the feed-forward blocks."""
    name = read_class(config, ["SegformerModel", "SegformerForImageClassification"])
    config.skip(
        *_STAGES, "decoder_hidden_size", "semantic_loss_ignore_index", "reshape_last_stage", "downsampling_rates"
    )
    widths = read_lengths(config, "hidden_sizes", (32, 64, 160, 256))
    count = len(widths)
    named = config.integer("num_encoder_blocks", default=count)
    config.require(named == count, f"num_encoder_blocks: {named} but hidden_sizes lists {count}")
    depths, reductions = (
        read_lengths(config, key, usual, count)
        for key, usual in (("depths", (2, 2, 2, 2)), ("sr_ratios", (8, 4, 2, 1)))
    )
    heads, ratios = (
        read_lengths(config, key, usual, count)
        for key, usual in (("num_attention_heads", (1, 2, 5, 8)), ("mlp_ratios", (4, 4, 4, 4)))
    )
    kernels, strides = (
        read_lengths(config, key, usual, count)
        for key, usual in (("patch_sizes", (7, 3, 3, 3)), ("strides", (4, 2, 2, 2)))
    )
    before, side = config.integer("num_channels", default=3), config.integer("image_size", default=224)
    stacks: list[Stack] = []
    for stage, width in enumerate(widths):
        config.require(width % heads[stage] == 0, f"hidden_sizes: {width} is not a multiple of {heads[stage]} heads")
        side = max(side // strides[stage], 1)
        reduction = reductions[stage]
        keys = max(side // reduction, 1) ** 2
        mixer = CrossAttention(
            heads=heads[stage],
            kv_heads=heads[stage],
            head_width=max(width // heads[stage], 1),
            source_tokens=keys,
            qkv_bias=True,
            output_bias=True,
        )
        inner = width * ratios[stage]
        also: list[Block] = [Convolution(inputs=inner, outputs=inner, kernel=9, groups=inner)]
        if reduction > 1:
            also += [
                Convolution(inputs=width, outputs=width, kernel=reduction**2, places=keys),
                Norm(extent=width, bias=True),
            ]
        block = FeedForward(inner_width=inner, gated=False, bias=True)
        layer = Layer(mixer=mixer, also=tuple(also), feed_forward=block, norm_bias=True, count=depths[stage])
        norm = Norm(extent=width, bias=True)
        last = [norm] if stage < count - 1 else []
        patches = Convolution(inputs=before, outputs=width, kernel=kernels[stage] ** 2, places=side * side)
        stacks.append(
            Stack(name="stages", width=width, layers=(layer,), extras=(patches, norm, *last), tokens=side * side)
        )
        before = width
    return _from_stages(stacks, classifier(config, before) if name == "SegformerForImageClassification" else None)


def _sam(config: Config) -> Architecture:
    """Read the encoder of images of SAM."""
    read_class(config, ["SamVisionModel", "SamVisionEncoder"])
    config.skip("num_pos_feats", "scale")
    return read_alone(segment_anything(config))


READERS: dict[str, Reader] = {
    "swin": _swin,
    "convnext": _convnext,
    "convnextv2": lambda config: _convnext(config, "ConvNextV2"),
    "dinov3_convnext": lambda config: _convnext(config, "DINOv3ConvNext"),
    "donut-swin": _donut,
    "maskformer-swin": lambda config: _swin(config, "MaskFormerSwin"),
    "resnet": _resnet,
    "sam_vision_model": _sam,
    "segformer": _segformer,
    "swinv2": lambda config: _swin(config, "Swinv2", second=True),
}
"""Readers by the `model_type` of a config."""
