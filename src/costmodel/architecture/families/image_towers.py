"""Image towers that are more than a vision transformer: mergers, windows, tiles, or shapes of their own keys.

Towers with a merger return tokens of the width of the text; the merger is counted as the projector.
"""

from collections.abc import Callable

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.pieces import Convolution, Norm, Table
from costmodel.architecture.blocks.window_attention import WindowAttention
from costmodel.architecture.families.classes import read_number
from costmodel.architecture.families.towers import (
    NAME,
    PROJECTOR,
    QWEN2_VL_PIXELS,
    ROWS,
    Shape,
    Tower,
    grid,
    kv_heads_of,
    layer_of,
    linear_on,
    merger,
    norm_of,
    patch_embedding,
    read_shape,
    side,
    stack_of,
    transformer,
)
from costmodel.architecture.sources.config import Config
from costmodel.architecture.structure import Layer, Stack

TowerReader = Callable[[Config], Stack]


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
        patch_embedding(config, width, kernel, rows * merged),
        *merger(width, merged, outputs, rows, norm_width=width),
    ]
    return stack_of(config, shape, extras, rows * merged)


def qwen2_5_vl(config: Config, *, grouped: bool = False) -> Stack:
    """Read a tower of Qwen2.5-VL with its merger: attention within windows in all but a few layers.

    `grouped` is for the tower of EXAONE 4.5, whose heads share keys and values. The image is that of Qwen2-VL.
    """
    config.skip("in_chans", "spatial_patch_size", "tokens_per_second")
    shape = read_shape(config, Shape(3584, 3420, 16, 32))
    width, outputs = shape.width, config.integer("out_hidden_size", default=3584)
    patch, merged = config.integer("patch_size", default=14), config.integer("spatial_merge_size", default=2) ** 2
    kernel = patch**2 * config.integer("temporal_patch_size", default=2)
    window = max(config.integer("window_size", default=112) // patch, 1) ** 2
    rows = max(QWEN2_VL_PIXELS // (patch**2 * merged), 1)
    tokens = rows * merged
    full = layer_of(config, Tower(shape, gated=True, rms=True), shape)
    kv_heads = kv_heads_of(config, shape.heads) if not grouped else config.integer("num_key_value_heads", default=8)
    config.require(shape.heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the heads")
    mixer = full.mixer.replace(kv_heads=min(kv_heads, shape.heads)) if full.mixer is not None else None
    windowed = WindowAttention(
        heads=shape.heads,
        kv_heads=min(kv_heads, shape.heads),
        head_width=max(width // shape.heads, 1),
        window=min(window, tokens),
        places=tokens,
        offsets=None,
    )
    listed = config.numbers("fullatt_block_indexes") if "fullatt_block_indexes" in config.data else [7, 15, 23, 31]
    chosen = sum(1 for index in set(listed) if index < full.count)
    layers = [(mixer, chosen), (windowed, full.count - chosen)]
    extras = [
        patch_embedding(config, width, kernel, tokens),
        *merger(width, merged, outputs, rows, norm_width=width, norm_bias=False),
    ]
    return Stack(
        name=NAME,
        width=width,
        layers=tuple(full.replace(mixer=attention, count=count) for attention, count in layers if count),
        extras=tuple(extras),
        tokens=tokens,
    )


def qwen3_vl(config: Config) -> Stack:
    """Read a tower of Qwen3-VL with its mergers; its image fills the grid of its learned positions."""
    absent = config.data.get("deepstack_visual_indexes") is None
    return _qwen3(config, 3 if absent else len(config.numbers("deepstack_visual_indexes")))


def qwen3_5(config: Config) -> Stack:
    """Read a tower of Qwen3.5: that of Qwen3-VL without mergers of inner layers."""
    listed = config.numbers("deepstack_visual_indexes")
    config.require(not listed, "deepstack_visual_indexes: only none are known here")
    return _qwen3(config, 0)


def _qwen3(config: Config, taps: int) -> Stack:
    shape = read_shape(config, Shape(1152, 4304, 16, 27))
    width, outputs = shape.width, config.integer("out_hidden_size", default=3584)
    patches = config.integer("num_position_embeddings", default=2304)
    merged = config.integer("spatial_merge_size", default=2) ** 2
    kernel = config.integer("patch_size", default=16) ** 2 * config.integer("temporal_patch_size", default=2)
    rows = max(patches // merged, 1)
    extras = [
        patch_embedding(config, width, kernel, patches, bias=True),
        Table(rows=patches, columns=width),
        *merger(width, merged, outputs, rows, norm_width=width),
        *merger(width, merged, outputs, rows, norm_width=width * merged) * taps,
    ]
    return stack_of(config, shape, extras, patches)


def kimi(config: Config) -> Stack:
    """Read a tower of Kimi without its projector; its image fills the grid of its learned positions."""
    config.skip(
        "pos_emb_type", "pos_emb_time", "init_pos_emb_time", "video_attn_type", "merge_type", "merge_kernel_size"
    )
    shape = read_shape(config, Shape(1152, 4304, 16, 27), prefix="vt_")
    width = shape.width
    patches = config.integer("pos_emb_height", "init_pos_emb_height", default=64)
    patches *= config.integer("pos_emb_width", "init_pos_emb_width", default=64)
    extras = [
        patch_embedding(config, width, config.integer("patch_size", default=14) ** 2, patches, bias=True),
        Table(rows=patches, columns=width),
        Norm(extent=width, bias=True),
    ]
    return stack_of(config, shape, extras, patches)


def llama4(config: Config) -> Stack:
    """Read a tower of Llama 4: a class token, four patches shuffled into one, and an adapter to its output width."""
    config.skip("vision_feature_layer", "multi_modal_projector_bias", "vision_feature_select_strategy")
    shape = read_shape(config, Shape(768, 5632, 16, 34))
    width = shape.width
    patches, kernel = grid(config, image=448, patch=14)
    joined, outputs = (config.integer(key, default=4096) for key in ("projector_input_dim", "projector_output_dim"))
    ratio = config.value("pixel_shuffle_ratio") or 0.5
    config.require(ratio == 0.5, f"pixel_shuffle_ratio: only 0.5 is known here; got {ratio!r}")
    rows = max(patches // 4, 1)
    extras = [
        patch_embedding(config, width, kernel, patches),
        Table(rows=patches + 1, columns=width, belongs_to=NAME),
        Norm(extent=width),  # the class token
        Norm(extent=width, bias=True, copies=2),
        linear_on(shape.inner, joined, rows, part=NAME),
        linear_on(outputs, outputs, rows, part=NAME),
    ]
    return stack_of(config, shape, extras, patches + 1)


def internvl(config: Config, *, bias: bool = False) -> Stack:
    """Read a tower of InternVL: learned scales, and norms of one of two kinds; `bias` is that of queries to values."""
    shape = read_shape(config, Shape(1024, 4096, 16, 24))
    kind = config.value("norm_type") or "layer_norm"
    config.require(kind in ("layer_norm", "rms_norm"), f"norm_type: must be layer_norm or rms_norm; got {kind!r}")
    config.skip("use_mean_pooling")
    row = Tower(
        shape,
        scaled=True,
        rms=kind == "rms_norm",
        qkv_bias=bias,
        qkv_bias_key="attention_bias",
        qk_norm="width" if config.flag("use_qk_norm", default=False) else "none",
    )
    patches = (side(config, "image_size", 448) // side(config, "patch_size", 14)) ** 2
    config.require(patches > 0, "image_size: holds no patch")
    patches, width = max(patches, 1), shape.width
    positions = config.flag("use_absolute_position_embeddings", default=True)
    vectors = 2 if config.flag("use_mask_token", default=False) else 1
    extras: list[Block] = [
        patch_embedding(config, width, side(config, "patch_size", 14) ** 2, patches, bias=True),
        Norm(extent=width, copies=vectors),
    ]
    if positions:
        extras.append(Table(rows=patches + 1, columns=width))
    if not config.flag("use_mean_pooling", default=True):
        extras.append(Norm(extent=width, bias=True))
    layers = (layer_of(config, row, shape),)
    return Stack(name=NAME, width=width, layers=layers, extras=tuple(extras), tokens=patches + 1)


def glm4v(config: Config) -> Stack:
    """Read a tower of GLM-4V with its merger, whose width is that of the text."""
    outputs = config.integer("out_hidden_size", default=4096)
    shape = read_shape(config, Shape(1536, 13696, 12, 24))
    patches, kernel = grid(config, 336, 14)
    kernel *= config.integer("temporal_patch_size", default=2)
    row = Tower(
        shape,
        rms=True,
        gated=True,
        qkv_bias=False,
        output_bias=False,
        feed_forward_bias=False,
        qkv_bias_key="attention_bias",
    )
    layer = layer_of(config, row, shape._replace(inner=outputs))
    width = shape.width
    extras = [
        patch_embedding(config, width, kernel, patches, bias=True),
        Table(rows=patches, columns=width),
        Norm(extent=width, copies=2),
        *_glm_merger(config, width, outputs, shape.inner, patches),
    ]
    return Stack(name=NAME, width=width, layers=(layer,), extras=tuple(extras), tokens=patches)


def glm_ocr(config: Config) -> Stack:
    """Read a tower of GLM-OCR with its merger, three times as wide as the text."""
    outputs = config.integer("out_hidden_size", default=1536)
    shape = read_shape(config, Shape(1024, 4096, 16, 24))
    patches, kernel = grid(config, 336, 14)
    kernel *= config.integer("temporal_patch_size", default=2)
    row = Tower(
        shape,
        rms=True,
        gated=True,
        qkv_bias_key="attention_bias",
        output_bias_key=True,
        feed_forward_bias_key="attention_bias",
        qk_norm="head",
    )
    inner = outputs * config.integer("in_channels", default=3)
    extras = [
        patch_embedding(config, shape.width, kernel, patches, bias=True),
        Norm(extent=shape.width),
        *_glm_merger(config, shape.width, outputs, inner, patches),
    ]
    layers = (layer_of(config, row, shape),)
    return Stack(name=NAME, width=shape.width, layers=layers, extras=tuple(extras), tokens=patches)


def _glm_merger(config: Config, width: int, outputs: int, inner: int, patches: int) -> list[Block]:
    merged = config.integer("spatial_merge_size", default=2) ** 2
    rows = max(patches // merged, 1)
    return [
        Convolution(inputs=width, outputs=outputs, kernel=merged, places=rows, belongs_to=PROJECTOR),
        linear_on(outputs, outputs, rows),
        norm_of(outputs),
        linear_on(outputs, inner, rows),
        linear_on(outputs, inner, rows),
        linear_on(inner, outputs, rows),
    ]


def step3p5(config: Config) -> Stack:
    """Read a tower of Step-3: learned scales, and two convolutions that each join four patches."""
    config.skip("intermediate_size", "max_position_embeddings", "use_cls_token", "ues_cls_token")
    width = config.integer("width", "hidden_size", default=1536)
    inner = max(int(width * float(config.value("mlp_ratio") or 8960 / 1536)), 1)
    heads = config.integer("heads", "num_attention_heads", default=16)
    shape = Shape(width, inner, heads, config.integer("layers", "num_hidden_layers", default=47))
    patches, kernel = grid(config, 728, 14)
    layer = layer_of(config, Tower(shape, scaled=True), shape)
    extras = [
        patch_embedding(config, width, kernel, patches),
        Table(rows=patches, columns=width),
        Norm(extent=width, bias=True),
        Convolution(inputs=width, outputs=2 * width, kernel=9, places=max(patches // 4, 1)),
        Convolution(inputs=2 * width, outputs=4 * width, kernel=9, places=max(patches // 16, 1)),
    ]
    return Stack(name=NAME, width=width, layers=(layer,), extras=tuple(extras), tokens=patches)


def ovis2(config: Config) -> Stack:
    """Read a tower of Ovis 2: its head turns an image into weights of a visual vocabulary."""
    config.skip("tokenize_function")
    row = Tower(
        Shape(1024, 2816, 8, 24),
        patch=14,
        norms_before=1,
        rms=True,
        gated=True,
        qkv_bias=False,
        output_bias_key=True,
        qkv_bias_key="qkv_bias",
        feed_forward_bias=False,
        feed_forward_bias_key="mlp_bias",
    )
    tower = transformer(config, row)
    stride = config.integer("hidden_stride", default=1) ** 2
    indicators = config.integer("num_visual_indicator_tokens", default=5, least=0)
    vocabulary = max(config.integer("vocab_size", default=16384) - indicators, 1)
    rows = max((tower.tokens or 1) // stride, 1)
    head = [
        linear_on(tower.width * stride, vocabulary, rows, part=NAME),
        norm_of(vocabulary, part=NAME),
    ]
    return tower.replace(extras=(*tower.extras, *head))


def janus(config: Config) -> Stack:
    """Read a tower of Janus without its aligner."""
    config.skip("projection_dim", "depth", "num_image_tokens", "intermediate_size")
    config = _without(config, "depth")
    normed = config.flag("use_qk_norm", default=False)
    row = Tower(
        Shape(1024, 4096, 16, 24),
        image=384,
        ratio=4.0,
        qkv_bias_key="attention_bias",
        qk_norm="width" if normed else "none",
        qk_norm_bias=True,
    )
    return transformer(config, row)


def _without(config: Config, *keys: str) -> Config:
    """Take keys of another meaning out of a config."""
    config.skip(*keys)
    config.data = {key: value for key, value in config.data.items() if key not in keys}
    return config


def mllama(config: Config) -> Stack:
    """Read a tower of Llama 3.2 Vision: tiles of one image side by side, local layers, and gated global layers."""
    config.skip("intermediate_layers_indices", "vision_output_dim")
    shape = read_shape(config, Shape(1280, 5120, 16, 32))
    width = shape.width
    row = Tower(shape, qkv_bias=False, output_bias=False)
    local = layer_of(config, row, shape)
    gates = Norm(extent=1, copies=2)
    globals_ = config.integer("num_global_layers", default=8)
    patches, kernel = grid(config, 448, 14)
    tiles, places = config.integer("max_num_tiles", default=4), patches + 1
    listed = config.value("supported_aspect_ratios")
    ratios = (len(listed) if isinstance(listed, list) else 8) + 1
    extras = [
        patch_embedding(config, width, kernel, patches * tiles),
        Norm(extent=width),  # the class token
        Norm(extent=1, copies=3),
        Table(rows=places, columns=width, belongs_to=NAME),
        Table(rows=ratios, columns=tiles * places * width),
        Table(rows=ratios, columns=tiles * width),
        Table(rows=ratios, columns=tiles * width),
        Norm(extent=width, bias=True, copies=2),
    ]
    layers = (local, local.replace(also=(gates,), count=globals_))
    return Stack(name=NAME, width=width, layers=layers, extras=tuple(extras), tokens=places * tiles)


def minicpm(config: Config) -> Stack:
    """Read a tower of MiniCPM-V 4.6: SigLIP with a merger of windows after one of its layers."""
    config.skip("insert_layer_id")
    tower = transformer(config, Tower(Shape(768, 3072, 12, 12)))
    width, inner = tower.width, read_shape(config, Shape(768, 3072, 12, 12)).inner
    kernels = config.numbers("window_kernel_size") or [2, 2]
    merged = max(kernels[0] * kernels[-1], 1)
    patches = tower.tokens or 1
    rows = max(patches // merged, 1)
    merging = [
        *[linear_on(width, width, patches, bias=True, part=NAME)] * 4,
        norm_of(width, part=NAME),
        norm_of(width * merged, part=NAME),
        linear_on(width * merged, inner * merged, rows, bias=True, part=NAME),
        linear_on(inner * merged, width, rows, bias=True, part=NAME),
    ]
    return tower.replace(extras=(*tower.extras, *merging))


def segment_anything(config: Config) -> Stack:
    """Read a tower of SAM as OCR models have it: windows in most layers, relative positions, and a neck."""
    width = config.integer("hidden_size", default=768)
    inner = width * read_number(config, "mlp_ratio", 4.0, least=0.01, most=100.0)
    shape = Shape(
        width,
        config.integer("mlp_dim", default=3072 if config.model_type == "got_ocr2_vision" else max(int(inner), 1)),
        config.integer("num_attention_heads", default=12),
        config.integer("num_hidden_layers", default=12),
    )
    patches, kernel = grid(config, 1024, 16)
    edge = round(patches**0.5)
    outputs = config.integer("output_channels", default=256)
    full = layer_of(config, Tower(shape, qkv_bias_key="qkv_bias"), shape)
    window = config.integer("window_size", default=14)
    relative = config.flag("use_rel_pos", default=True)
    head_width = max(width // shape.heads, 1)
    chosen = config.numbers("global_attn_indexes") if "global_attn_indexes" in config.data else [2, 5, 8, 11]
    windowed = WindowAttention(
        heads=shape.heads,
        head_width=head_width,
        window=min(window, edge) ** 2,
        places=(-(-edge // min(window, edge)) * min(window, edge)) ** 2,
        offsets=None,
        qkv_bias=config.flag("qkv_bias", default=True),
    )
    layers: list[Layer] = []
    whole = sum(1 for index in set(chosen) if index < full.count)
    for mixer, reach, count in ((full.mixer, edge, whole), (windowed, window, full.count - whole)):
        if count:
            tables = (Norm(extent=(2 * reach - 1) * head_width, copies=2),) if relative else ()
            layers.append(full.replace(mixer=mixer, also=tables, count=count))
    extras: list[Block] = [patch_embedding(config, width, kernel, patches, bias=True)]
    if config.flag("use_abs_pos", default=True):
        extras.append(Table(rows=patches, columns=width))
    extras += [
        Convolution(inputs=width, outputs=outputs, kernel=1, bias=False, places=patches),
        Convolution(inputs=outputs, outputs=outputs, kernel=9, bias=False, places=patches),
        Norm(extent=outputs, bias=True, copies=2),
    ]
    return Stack(name=NAME, width=width, layers=tuple(layers), extras=tuple(extras), tokens=patches)


def hunyuan(config: Config) -> Stack:
    """Read a tower of HunyuanOCR with its merger; its image is the largest."""
    config.skip("interpolate_mode", "num_key_value_heads", "temporal_patch_size", "img_max_token_num")
    config.skip("min_image_size", "max_vit_seq_len", "out_hidden_size")
    shape = read_shape(config, Shape(1152, 4304, 16, 27))
    width, outputs = shape.width, config.integer("text_hidden_size", default=3072)
    patch, merged = config.integer("patch_size", default=16), config.integer("spatial_merge_size", default=2) ** 2
    patches = max(config.integer("max_image_size", default=2048) // patch, 1) ** 2
    rows = max(patches // merged, 1)
    extras = [
        patch_embedding(config, width, patch**2, patches, bias=True),
        Table(rows=patches + 1, columns=width),
        norm_of(width, bias=False),
        Convolution(inputs=width, outputs=2 * width, kernel=merged, places=rows, belongs_to=PROJECTOR),
        linear_on(2 * width, 4 * width, rows, bias=True),
        norm_of(4 * width, bias=False),  # ends a row of patches
        linear_on(4 * width, outputs, rows, bias=True),
        norm_of(outputs, bias=False, copies=4),  # begin, end and separator of an image, and a norm
    ]
    return stack_of(config, shape, extras, patches)


def _row_reader(row: Tower) -> TowerReader:
    return lambda config: transformer(config, row)


def exaone4_5(config: Config) -> Stack:
    """Read a tower of EXAONE 4.5: that of Qwen2.5-VL with grouped queries."""
    return qwen2_5_vl(config, grouped=True)


TOWERS: dict[str, TowerReader] = {
    **{kind: _row_reader(row) for kind, row in ROWS.items()},
    "qwen2_vl": qwen2_vl,
    "qwen2_vl_vision": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen2_5_vl_vision": qwen2_5_vl,
    "qwen2_5_omni_vision_encoder": qwen2_5_vl,
    "exaone4_5_vision": exaone4_5,
    "qwen3_vl": qwen3_vl,
    "qwen3_vl_vision": qwen3_vl,
    "qwen3_vl_moe": qwen3_vl,
    "qwen3_vl_moe_vision": qwen3_vl,
    "qwen3_omni_moe_vision_encoder": qwen3_vl,
    "qwen3_5": qwen3_5,
    "qwen3_5_vision": qwen3_5,
    "qwen3_5_moe": qwen3_5,
    "qwen3_5_moe_vision": qwen3_5,
    "kimi_k25_vision": kimi,
    "llama4_vision_model": llama4,
    "internvl_vision": internvl,
    "qianfan_ocr_vision": lambda config: internvl(config, bias=True),
    "glm4v_vision": glm4v,
    "glm4v_moe_vision": glm4v,
    "glm_ocr_vision": glm_ocr,
    "step3p5_vision": step3p5,
    "hunyuan_vl_vision": hunyuan,
    "ovis2_vision": ovis2,
    "janus_vision_model": janus,
    "mllama_vision_model": mllama,
    "minicpm_ocr_vision": minicpm,
    "minicpmv4_6_vision": minicpm,
    "minicpmv4_7_vision": minicpm,
    "got_ocr2_vision": segment_anything,
}
"""Readers of image towers by the `model_type` of `vision_config`."""
