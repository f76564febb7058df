"""Image encoders, alone or with a text encoder, one reader per layout.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. A sequence is one image of the
size in the config; for CLIP and SigLIP it is an image and a text of full length.
"""

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.contrast import Contrast
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Linear, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.classes import count_labels, full_attention, read_class, read_lengths, read_number
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack

_STAGES = ("out_features", "out_indices", "stage_names", "encoder_stride")


def _pair(config: Config, key: str, default: int) -> tuple[int, int]:
    """Return height and width at `key`: one number for both, or two."""
    if not isinstance(config.value(key), list):
        side = config.integer(key, default=default)
        return side, side
    listed = config.numbers(key)
    valid = len(listed) == 2 and min(listed) > 0
    config.require(valid, f"{key}: must be a number above 0, or two of them; got {listed}")
    return (listed[0], listed[1]) if valid else (default, default)


def _grid(config: Config, image: int, patch: int, *, padded: bool = False) -> tuple[tuple[int, int], int]:
    """Return the patches of an image along its height and width, and the elements of one patch."""
    (high, wide), (tall, broad) = _pair(config, "image_size", image), _pair(config, "patch_size", patch)
    config.require(high >= tall and wide >= broad, "image_size: must not be smaller than patch_size")
    if padded:
        return (-(-high // tall), -(-wide // broad)), tall * broad
    return (max(high // tall, 1), max(wide // broad, 1)), tall * broad


def _classifier(config: Config, width: int) -> Linear:
    return Linear(inputs=width, outputs=count_labels(config), bias=True, rows=1, belongs_to="head")


def _patches(config: Config, width: int, places: int, elements: int, *, bias: bool = True) -> Convolution:
    channels = config.integer("num_channels", default=3)
    return Convolution(inputs=channels, outputs=width, kernel=elements, places=places, bias=bias)


def _vit(config: Config) -> Architecture:
    name = read_class(config, ["ViTModel", "ViTForImageClassification"])
    config.skip("encoder_stride")
    width, (grid, elements) = config.integer("hidden_size", default=768), _grid(config, 224, 16)
    places = grid[0] * grid[1]
    bias = config.flag("qkv_bias", default=True)
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12), qkv_bias=bias)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=3072), gated=False, bias=True)
    pooled = config.optional("pooler_output_size") or width
    pooler = Linear(inputs=width, outputs=pooled, bias=True, rows=1, belongs_to="head")
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=read_depth(config, "num_hidden_layers")),),
        positions=places + 1,
        tokens=places + 1,
        norm_bias=True,
        extras=(
            _patches(config, width, places, elements),
            Norm(extent=width),
            pooler if name == "ViTModel" else _classifier(config, width),
        ),
    )


def _dinov2(config: Config) -> Architecture:
    name = read_class(config, ["Dinov2Model", "Dinov2ForImageClassification"])
    config.skip(*_STAGES, "reshape_hidden_states", "apply_layernorm", "layerscale_value")
    width, (grid, elements) = config.integer("hidden_size", default=768), _grid(config, 224, 14)
    places = grid[0] * grid[1]
    bias = config.flag("qkv_bias", default=True)
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=12), qkv_bias=bias)
    inner, gated = width * config.integer("mlp_ratio", default=4), config.flag("use_swiglu_ffn", default=False)
    if gated:
        inner = (inner * 2 // 3 + 7) // 8 * 8
    layer = Layer(
        mixer=mixer,
        also=(Norm(extent=width, copies=2),),
        feed_forward=FeedForward(inner_width=inner, gated=gated, bias=True),
        norm_bias=True,
        count=read_depth(config, "num_hidden_layers"),
    )
    vectors = 2 if config.flag("use_mask_token", default=True) else 1
    classifies = name == "Dinov2ForImageClassification"
    return Architecture(
        width=width,
        layers=(layer,),
        positions=places + 1,
        tokens=places + 1,
        norm_bias=True,
        extras=(
            _patches(config, width, places, elements),
            Norm(extent=width, copies=vectors),
            *([_classifier(config, 2 * width)] if classifies else []),
        ),
    )


def _tower_layer(config: Config, width: int, heads: int, inner: int, *, causal: bool = False) -> Layer:
    mixer = full_attention(config, width, config.integer("num_attention_heads", default=heads), causal=causal)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=inner), gated=False, bias=True)
    depth = 12 if config.value("num_hidden_layers") is None else read_depth(config, "num_hidden_layers")
    return Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth)


def _pooling(width: int, layer: Layer) -> list[Block]:
    """Return the pooling head of SigLIP for images: cross-attention of a learned query, and a feed-forward block."""
    block, mixer = layer.feed_forward, layer.mixer
    inner, heads = getattr(block, "inner_width", 1), getattr(mixer, "heads", 1)
    pooling = CrossAttention(
        heads=heads, kv_heads=heads, head_width=max(width // heads, 1), queries=1, qkv_bias=True, output_bias=True
    )
    up = Linear(inputs=width, outputs=inner, bias=True, rows=1)
    down = Linear(inputs=inner, outputs=width, bias=True, rows=1)
    return [Norm(extent=width), pooling, Norm(extent=width, bias=True), up, down]


def _text_and_image(config: Config, family: str) -> Architecture:
    """Read CLIP or SigLIP: the text encoder is the main stack, the image encoder a tower."""
    read_class(config, [f"{family}Model"])
    clip = family == "CLIP"
    text, image = (config.inner(_newest(config, key)) for key in ("text_config", "vision_config"))
    for side in (text, image):
        side.skip("projection_dim", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "tie_word_embeddings")
    joint = config.integer("projection_dim", default=512) if clip else 0
    width, wide = text.integer("hidden_size", default=512 if clip else 768), image.integer("hidden_size", default=768)
    length = text.integer("max_position_embeddings", default=77 if clip else 64)
    grid, elements = _grid(image, 224, 32 if clip else 16)
    places = grid[0] * grid[1]
    positions = places + 1 if clip else places
    tower = _tower_layer(image, wide, 12, 3072)
    norm = Norm(extent=wide, bias=True)
    outside: list[Block] = [_patches(image, wide, places, elements, bias=not clip), Table(rows=positions, columns=wide)]
    if clip:
        outside += [Norm(extent=wide), norm, norm, Linear(inputs=wide, outputs=joint, rows=1)]
        head = Linear(inputs=width, outputs=joint, rows=1, belongs_to="head")
        contrast = Contrast(encoding_width=joint)
    else:
        image.require(image.flag("vision_use_head", default=True), "vision_use_head: only true is read")
        outside += [norm, *_pooling(wide, tower)]
        outputs = text.optional("projection_size") or width
        text.require(outputs == wide, f"projection_size: {outputs} is not the width of the image tower ({wide})")
        contrast = Contrast(encoding_width=outputs, bias=True)
        head = Linear(inputs=width, outputs=outputs, bias=True, rows=1, belongs_to="head")
    return Architecture(
        width=width,
        layers=(_tower_layer(text, width, 8 if clip else 12, 2048 if clip else 3072, causal=clip),),
        vocabulary=text.integer("vocab_size", default=49408 if clip else 32000),
        positions=length,
        tokens=length,
        tied=True,
        head=False,
        norm_bias=True,
        extras=(head, contrast),
        stacks=(Stack(name="vision", width=wide, layers=(tower,), extras=tuple(outside), tokens=positions),),
    )


def _newest(config: Config, key: str) -> str:
    """Return the key of a tower: `KEY_dict` of older configs takes precedence."""
    older = f"{key}_dict"
    if config.value(older) is None:
        return key
    config.skip(key)
    return older


def _swin(config: Config) -> Architecture:
    name = read_class(config, ["SwinModel", "SwinForImageClassification"])
    config.skip(*_STAGES, "num_layers", "hidden_size", "path_norm")
    base, depths = config.integer("embed_dim", default=96), read_lengths(config, "depths", (2, 2, 6, 2))
    heads = read_lengths(config, "num_heads", (3, 6, 12, 24), len(depths))
    window, bias = config.integer("window_size", default=7), config.flag("qkv_bias", default=True)
    ratio = read_number(config, "mlp_ratio", 4.0, least=0.1, most=100.0)
    (high, wide), elements = _grid(config, 224, 4, padded=True)
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
            offsets=(2 * window - 1) ** 2,
            qkv_bias=bias,
        )
        config.require(side == window, f"window_size: {window} exceeds the {side} places of stage {stage + 1}")
        block = FeedForward(inner_width=int(width * ratio), gated=False, bias=True)
        extras: list[Block] = []
        tokens = high * wide
        if stage == 0:
            extras = [_patches(config, base, tokens, elements), Norm(extent=base, bias=True)]
            if config.flag("use_absolute_embeddings", default=False):
                extras.append(Table(rows=tokens, columns=base))
        if stage < len(depths) - 1:
            high, wide = -(-high // 2), -(-wide // 2)
            extras += [Norm(extent=4 * width, bias=True), Linear(inputs=4 * width, outputs=2 * width, rows=high * wide)]
        layer = Layer(mixer=mixer, feed_forward=block, norm_bias=True, count=depth)
        stacks.append(Stack(name="stages", width=width, layers=(layer,), extras=tuple(extras), tokens=tokens))
    return _from_stages(stacks, _classifier(config, width) if name == "SwinForImageClassification" else None)


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


def _convnext(config: Config) -> Architecture:
    name = read_class(config, ["ConvNextModel", "ConvNextForImageClassification"])
    config.skip(*_STAGES)
    widths = read_lengths(config, "hidden_sizes", (96, 192, 384, 768))
    depths = read_lengths(config, "depths", (3, 3, 9, 3), len(widths))
    stages = config.integer("num_stages", default=len(widths))
    config.require(stages == len(widths), f"num_stages: {stages} but hidden_sizes lists {len(widths)}")
    scaled = read_number(config, "layer_scale_init_value", 1e-6, least=0.0, most=1e9) > 0
    (high, wide), elements = _grid(config, 224, 4)
    stacks: list[Stack] = []
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        if stage == 0:
            extras = (_patches(config, width, high * wide, elements), Norm(extent=width, bias=True))
        else:
            high, wide, before = high // 2, wide // 2, widths[stage - 1]
            config.require(min(high, wide) > 0, "image_size: too small for the stages")
            places = max(high * wide, 1)
            merging = Convolution(inputs=before, outputs=width, kernel=4, places=places)
            extras = (merging, Norm(extent=before, bias=True))
        depthwise = Convolution(inputs=width, outputs=width, kernel=49, groups=width)
        layer = Layer(
            also=(depthwise, Norm(extent=width)) if scaled else (depthwise,),
            feed_forward=FeedForward(inner_width=4 * width, gated=False, bias=True),
            norms=1,
            norm_bias=True,
            count=depth,
        )
        tokens = max(high * wide, 1)
        stacks.append(Stack(name="stages", width=width, layers=(layer,), extras=extras, tokens=tokens))
    return _from_stages(stacks, _classifier(config, width) if name == "ConvNextForImageClassification" else None)


READERS: dict[str, Reader] = {
    "vit": _vit,
    "dinov2": _dinov2,
    "clip": lambda config: _text_and_image(config, "CLIP"),
    "siglip": lambda config: _text_and_image(config, "Siglip"),
    "swin": _swin,
    "convnext": _convnext,
}
"""Readers by the `model_type` of a config."""
