"""Projectors: the blocks between a tower and the text model.

A projector is a function of the parts of a model that returns its blocks; `rows` are the tokens that it hands to the
text model.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.cross_attention import CrossAttention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Convolution, Table
from costmodel.architecture.families.towers import PROJECTOR, linear_on, merger, norm_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer, Stack
from costmodel.foundation.errors import unknown


class Parts(NamedTuple):
    """What a projector joins."""

    config: Config
    """The whole config."""
    inside: Config
    """The config of the tower inside it."""
    tower: Stack
    text: Architecture


Projector = Callable[[Parts], Sequence[Block | Stack]]


def none(parts: Parts) -> list[Block]:
    """Return no blocks: the tower ends with a merger of its own."""
    return []


def two_layers(inputs: int, inner: int, outputs: int, rows: int, *, bias: bool = True) -> list[Block]:
    """Return two linear layers with an activation between them."""
    return [linear_on(inputs, inner, rows, bias=bias), linear_on(inner, outputs, rows, bias=bias)]


def patches_of(parts: Parts, default: str = "default") -> int:
    """Return the patches that are projected: without the class token unless the config keeps it."""
    strategy = parts.config.value("vision_feature_select_strategy") or default
    strategies = ("default", "full")
    problem = f"vision_feature_select_strategy: {unknown('strategy', strategy, strategies)}"
    parts.config.require(strategy in strategies, problem)
    return max((parts.tower.tokens or 1) - (strategy == "default"), 1)


def feature_layers(parts: Parts, default: int = 1) -> int:
    """Return the number of layers of the tower whose outputs are concatenated for the projector."""
    chosen = parts.config.value("vision_feature_layer")
    if isinstance(chosen, list) and chosen:
        return len(chosen)
    return default if chosen is None else 1


def llava(parts: Parts) -> list[Block]:
    """Read the projector of LLaVA: two layers on each patch."""
    vocabulary = parts.config.integer("vocab_size", default=parts.text.vocabulary)
    problem = f"vocab_size: {vocabulary} is not that of text_config ({parts.text.vocabulary})"
    parts.config.require(vocabulary == parts.text.vocabulary, problem)
    rows, bias = patches_of(parts), parts.config.flag("multimodal_projector_bias", default=True)
    return two_layers(parts.tower.width * feature_layers(parts), parts.text.width, parts.text.width, rows, bias=bias)


def llava_next(parts: Parts) -> list[Block]:
    """Read the projector of LLaVA-NeXT: that of LLaVA, and a learned vector that ends a row of patches."""
    parts.config.skip("image_grid_pinpoints", "spatial_pool_mode", "spatial_pool_stride", "video_seq_length")
    return [*llava(parts), norm_of(parts.text.width, bias=False)]


def vipllava(parts: Parts) -> list[Block]:
    """Read the projector of ViP-LLaVA: a norm and two layers on the outputs of five layers of the parts.tower."""
    inputs, rows = parts.tower.width * feature_layers(parts, 5), max((parts.tower.tokens or 1) - 1, 1)
    return [norm_of(inputs), *two_layers(inputs, parts.text.width, parts.text.width, rows)]


def mistral3(parts: Parts) -> list[Block]:
    """Read the projector of Mistral 3: a norm, a merger of patches, and two layers."""
    merged = parts.config.integer("spatial_merge_size", default=2) ** 2
    rows, bias = (
        max((parts.tower.tokens or 1) // merged, 1),
        parts.config.flag("multimodal_projector_bias", default=False),
    )
    return [
        norm_of(parts.tower.width, bias=False),
        linear_on(parts.tower.width * merged, parts.tower.width, rows),
        *two_layers(parts.tower.width * feature_layers(parts), parts.text.width, parts.text.width, rows, bias=bias),
    ]


def gemma3(parts: Parts) -> list[Block]:
    """Read the projector of Gemma 3: a norm and one layer on pooled patches."""
    rows = parts.config.integer("mm_tokens_per_image", default=256)
    return [norm_of(parts.tower.width, bias=False), linear_on(parts.tower.width, parts.text.width, rows)]


def paligemma(parts: Parts) -> list[Block]:
    """Read the projector of PaliGemma: one layer on each patch."""
    parts.config.skip("hidden_size", "vocab_size")
    outputs = parts.config.integer("projection_dim", default=2048)
    return [linear_on(parts.tower.width, outputs, parts.tower.tokens or 1, bias=True)]


def deepseek_vl(parts: Parts) -> list[Block]:
    """Read the aligner of DeepSeek-VL: two layers on each patch."""
    return two_layers(parts.tower.width, parts.text.width, parts.text.width, parts.tower.tokens or 1)


def internvl(parts: Parts) -> list[Block]:
    """Read the projector of InternVL: four patches shuffled into one, a norm, and two layers."""
    parts.config.skip("vision_feature_layer", "image_seq_length")
    ratio = parts.config.value("downsample_ratio") or 0.5
    parts.config.require(ratio == 0.5, f"downsample_ratio: only 0.5 is known here; got {ratio!r}")
    rows, inputs = max(patches_of(parts) // 4, 1), parts.tower.width * 4
    return [norm_of(inputs), *two_layers(inputs, parts.text.width, parts.text.width, rows)]


def idefics3(parts: Parts) -> list[Block]:
    """Read the connector of Idefics 3: patches shuffled into one, and one layer."""
    merged = parts.config.integer("scale_factor", default=2) ** 2
    return [linear_on(parts.tower.width * merged, parts.text.width, max((parts.tower.tokens or 1) // merged, 1))]


def cohere2_vision(parts: Parts) -> list[Block]:
    """Read the projector of Command A Vision: patches shuffled into one, and a gated layer."""
    merged = parts.config.integer("downsample_factor", default=2) ** 2
    rows, inner = (
        max((parts.tower.tokens or 1) // merged, 1),
        parts.config.integer("alignment_intermediate_size", default=36864, least=2),
    )
    return [
        linear_on(parts.tower.width * merged, inner, rows, bias=True),
        linear_on(inner // 2, parts.text.width, rows, bias=True),
    ]


def aya_vision(parts: Parts) -> list[Block]:
    """Read the projector of Aya Vision: that of Command A Vision after a norm."""
    parts.config.skip("adapter_layer_norm_eps")
    inputs = parts.tower.width * parts.config.integer("downsample_factor", default=2) ** 2
    inner = parts.config.integer("alignment_intermediate_size", default=parts.text.width, least=2)
    rows = max((parts.tower.tokens or 1) // parts.config.integer("downsample_factor", default=2) ** 2, 1)
    return [
        norm_of(inputs),
        linear_on(inputs, inner, rows, bias=True),
        linear_on(inner // 2, parts.text.width, rows, bias=True),
    ]


def lfm2_vl(parts: Parts) -> list[Block]:
    """Read the projector of LFM2-VL: patches shuffled into one, a norm, and two layers."""
    merged = parts.config.integer("downsample_factor", default=2) ** 2
    rows, inputs = max((parts.tower.tokens or 1) // merged, 1), parts.tower.width * merged
    inner, bias = (
        parts.config.integer("projector_hidden_size", default=2560),
        parts.config.flag("projector_bias", default=True),
    )
    normed = parts.config.flag("projector_use_layernorm", default=True)
    return [*([norm_of(inputs)] if normed else []), *two_layers(inputs, inner, parts.text.width, rows, bias=bias)]


def paddleocr_vl(parts: Parts) -> list[Block]:
    """Read the projector of PaddleOCR-VL: a norm and two layers on four patches."""
    merged = parts.inside.integer("spatial_merge_size", default=2) ** 2
    return merger(
        parts.tower.width,
        merged,
        parts.text.width,
        max((parts.tower.tokens or 1) // merged, 1),
        norm_width=parts.tower.width,
    )


def minimax_m3(parts: Parts) -> list[Block]:
    """Read the projector of MiniMax M3: two layers on each patch, and two on four patches."""
    inner, patches = parts.config.integer("projector_hidden_size", default=6144), parts.tower.tokens or 1
    expected = parts.text.width * parts.inside.integer("spatial_merge_size", default=2) ** 2
    merged = parts.config.integer("merged_hidden_size", default=expected)
    parts.config.require(merged == expected, f"merged_hidden_size: {merged} is not that of the text ({expected})")
    return [
        *two_layers(parts.tower.width, inner, parts.text.width, patches),
        *two_layers(merged, inner, parts.text.width, max(patches * parts.text.width // merged, 1)),
    ]


def step3p7(parts: Parts) -> list[Block]:
    """Read the projector of Step-3: one layer on sixteen patches."""
    bias = parts.config.flag("projector_bias", default=False)
    return [linear_on(parts.tower.width * 4, parts.text.width, max((parts.tower.tokens or 1) // 16, 1), bias=bias)]


def kimi(parts: Parts) -> list[Block]:
    """Read the projector of Kimi K2.5: a norm and two layers on four patches."""
    width = parts.tower.width
    vision = parts.inside
    kind = vision.value("mm_projector_type") or "patchmerger"
    vision.require(kind == "patchmerger", f"mm_projector_type: only 'patchmerger' is known here; got {kind!r}")
    for key, expected in (("mm_hidden_size", width), ("text_hidden_size", parts.text.width)):
        value = vision.integer(key, default=expected)
        vision.require(value == expected, f"{key}: {value} is not the width of the tower or text ({expected})")
    norm_width = parts.config.integer("projection_hidden_size", default=width)
    parts.config.require(norm_width == width, f"projection_hidden_size: {norm_width} is not that of the tower")
    kernels = vision.numbers("merge_kernel_size") or [2, 2]
    vision.require(len(kernels) == 2 and all(kernels), f"merge_kernel_size: must be two numbers; got {kernels}")
    merged = max(kernels[0] * kernels[-1], 1)
    return merger(width, merged, parts.text.width, max((parts.tower.tokens or 1) // merged, 1), norm_width=width)


def ovis2(parts: Parts) -> list[Block]:
    """Read the table of the visual vocabulary of Ovis 2."""
    parts.config.skip("visual_indicator_token_ids")
    vocabulary = parts.config.integer("vocab_size", default=151643)
    problem = f"vocab_size: {vocabulary} is not that of text_config ({parts.text.vocabulary}), and the head is not tied"
    parts.config.require(parts.text.tied or vocabulary == parts.text.vocabulary, problem)
    width = parts.config.integer("hidden_size", default=1536)
    problem = f"hidden_size: {width} is not that of text_config ({parts.text.width}), and the head is not tied"
    parts.config.require(parts.text.tied or width == parts.text.width, problem)
    return [Table(rows=parts.inside.integer("vocab_size", default=16384), columns=width)]


def llama4(parts: Parts) -> list[Block]:
    """Read the projector of Llama 4: one layer on four patches."""
    inputs = parts.inside.integer("vision_output_dim", default=7680)
    outputs = parts.inside.integer("projector_output_dim", default=4096)
    usual = inputs in (outputs, 7680)  # the default tower has outputs of another width
    parts.inside.require(usual, f"vision_output_dim: {inputs} is not projector_output_dim ({outputs})")
    return [linear_on(inputs, parts.text.width, max((parts.tower.tokens or 1) // 4, 1))]


def mllama(parts: Parts) -> list[Block]:
    """Read the projector of Llama 3.2 Vision: one layer on the outputs of several layers of the tower."""
    chosen = parts.inside.numbers("intermediate_layers_indices") or [3, 7, 15, 23, 30]
    inputs = parts.inside.integer("vision_output_dim", default=parts.tower.width * (len(chosen) + 1))
    return [linear_on(inputs, parts.text.width, parts.tower.tokens or 1, bias=True)]


def ernie4_5_vl(parts: Parts) -> list[Block]:
    """Read the resampler of ERNIE 4.5 VL: two layers on four patches, two on two frames, one to the text."""
    merged = parts.inside.integer("spatial_merge_size", default=2) ** 2
    frames = parts.inside.integer("temporal_merge_size", default=2)
    rows, inner = max((parts.tower.tokens or 1) // merged, 1), parts.tower.width * merged
    return [
        *two_layers(inner, inner, inner, rows),
        *two_layers(inner * frames, inner, inner, rows),
        norm_of(inner, copies=2),
        linear_on(inner, parts.text.width, rows, bias=True),
        norm_of(parts.text.width, bias=False),
    ]


def got_ocr2(parts: Parts) -> list[Block]:
    """Read the projector of GOT-OCR 2: two convolutions that each join four patches, and one layer."""
    outputs = parts.inside.integer("output_channels", default=256)
    patches, width = parts.tower.tokens or 1, parts.text.width
    parts.config.skip("image_seq_length")
    return [
        Convolution(
            inputs=outputs, outputs=2 * outputs, kernel=9, bias=False, places=patches // 4, belongs_to=PROJECTOR
        ),
        Convolution(
            inputs=2 * outputs, outputs=width, kernel=9, bias=False, places=patches // 16, belongs_to=PROJECTOR
        ),
        linear_on(width, width, max(patches // 16, 1), bias=True),
    ]


def minicpm(parts: Parts) -> list[Block]:
    """Read the merger of MiniCPM-V 4.6: norms and two layers, once for each time that four tokens become one."""
    parts.config.skip("insert_layer_id", "image_size", "drop_vision_last_layer", "downsample_mode", "patch_size")
    kernels = parts.config.numbers("merge_kernel_size") or [2, 2]
    parts.config.require(kernels == [2, 2], f"merge_kernel_size: only [2, 2] is read; got {kernels}")
    merged, times = 4, parts.config.integer("merger_times", default=1)
    inner, rows = parts.tower.width * merged, max((parts.tower.tokens or 1) // merged, 1)
    blocks: list[Block] = []
    for index in range(min(times, 8)):
        rows = max(rows // merged, 1)
        outputs = parts.text.width if index == times - 1 else parts.tower.width
        blocks += [norm_of(inner), *two_layers(inner, inner, outputs, rows)]
    return blocks


def idefics2(parts: Parts) -> list[Block | Stack]:
    """Read the connector of Idefics 2: a gated block, and a resampler whose latents read the patches."""
    width, patches = parts.text.width, parts.tower.tokens or 1
    inner = getattr(parts.text.layers[0].feed_forward, "inner_width", 1)
    return [
        linear_on(parts.tower.width, inner, patches),
        linear_on(parts.tower.width, inner, patches),
        linear_on(inner, width, patches),
        resampler(parts.config.inner("perceiver_config"), width, patches),
    ]


def resampler(config: Config, width: int, patches: int) -> Stack:
    """Read a resampler: latents that attend to themselves and to the patches."""
    config.skip("hidden_size")
    latents, depth = config.integer("resampler_n_latents", default=64), config.integer("resampler_depth", default=3)
    heads = config.integer("resampler_n_heads", default=16)
    kv_heads = config.integer("num_key_value_heads", default=4)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    mixer = CrossAttention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=config.integer("resampler_head_dim", default=96),
        source_tokens=patches + latents,
    )
    layer = Layer(mixer=mixer, feed_forward=FeedForward(inner_width=4 * width, gated=True), norms=3, count=depth)
    extras = (norm_of(width, bias=False, copies=latents + 1),)
    return Stack(name=PROJECTOR, width=width, layers=(layer,), extras=extras, tokens=latents)


def audio_layers(parts: Parts) -> list[Block]:
    """Read the projector of Audio Flamingo 3: two layers on pairs of tokens."""
    bias = parts.config.flag("projector_bias", default=True)
    parts.config.skip("audio_frame_step", "max_position_embeddings", "head_dim")
    return two_layers(parts.tower.width, parts.text.width, parts.text.width, _pairs(parts), bias=bias)


def moss(parts: Parts) -> list[Block]:
    """Read the projector of MOSS Transcribe: two layers on four tokens, and a norm."""
    parts.config.skip("audio_chunk_size")
    merged, bias = (
        parts.config.integer("audio_merge_size", default=4),
        parts.config.flag("projector_bias", default=True),
    )
    rows, width = max((parts.tower.tokens or 1) // merged, 1), parts.text.width
    return [*two_layers(parts.tower.width * merged, width, width, rows, bias=bias), norm_of(width)]


def qwen2_audio(parts: Parts) -> list[Block]:
    """Read the projector of Qwen2-Audio: one layer on pairs of tokens."""
    return [linear_on(parts.tower.width, parts.text.width, _pairs(parts), bias=True)]


def _pairs(parts: Parts) -> int:
    """Return the tokens of a sound after pooling by two."""
    return max((parts.tower.tokens or 1) // 2, 1)


def voxtral(parts: Parts) -> list[Block]:
    """Read the projector of Voxtral: two layers without biases on four tokens."""
    parts.config.skip("hidden_size", "audio_length_per_tok", "default_num_delay_tokens")
    inner = parts.inside.integer("intermediate_size", default=5120)
    joined = inner
    if parts.config.data.get("downsample_factor") is not None:
        joined = parts.tower.width * parts.config.integer("downsample_factor")
    rows = max((parts.tower.tokens or 1) * parts.tower.width // joined, 1)
    return two_layers(joined, parts.text.width, parts.text.width, rows, bias=False)


def glm_asr(parts: Parts) -> list[Block]:
    """Read the projector of GLM-ASR: two layers on four tokens, the first twice as wide as the text."""
    inner = parts.inside.integer("intermediate_size", default=5120)
    rows = max((parts.tower.tokens or 1) * parts.tower.width // inner, 1)
    return two_layers(inner, 2 * parts.text.width, parts.text.width, rows)


def qwen3_asr(parts: Parts) -> list[Block]:
    """Read the projector of Qwen3-ASR: two layers on each token."""
    outputs = parts.inside.integer("output_dim", default=3584)
    return two_layers(parts.tower.width, parts.tower.width, outputs, parts.tower.tokens or 1)


def video_llama3(parts: Parts) -> list[Block]:
    """Read the projector of VideoLLaMA 3: two layers on each patch."""
    return two_layers(parts.tower.width, parts.text.width, parts.text.width, parts.tower.tokens or 1)


def linear_after(parts: Parts) -> list[Block]:
    """Read the projector of HyperCLOVA X Vision: one layer after the merger of the tower."""
    outputs = parts.inside.integer("out_hidden_size", default=3584)
    merged = parts.inside.integer("spatial_merge_size", default=2) ** 2
    rows = max((parts.tower.tokens or 1) // merged, 1)
    return [linear_on(outputs, parts.text.width, rows, bias=True)]
