"""Vision-language models: a decoder, read as its own family, and a tower with a projector.

A sequence consists of the tokens of one image, after the projector, and of text; its length counts both.
Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Callable
from typing import Any

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families import FAMILIES, towers
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Stack
from costmodel.foundation.errors import InputError, unknown

_LIKE = {
    "kimi_k2": "deepseek_v3",
    "qwen2_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
}
"""Families by the `model_type` of `text_config`, where both differ."""


def _shape(width: int, inner: int, depth: int, heads: int, kv_heads: int | None, vocabulary: int, **more: int) -> Any:
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    return {**dict(zip(names, (width, inner, depth, heads, kv_heads), strict=True)), "vocab_size": vocabulary, **more}


_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": _shape(4096, 11008, 32, 32, None, 32000),
    "mistral": _shape(4096, 14336, 32, 32, 8, 32000),
    "qwen2": _shape(4096, 22016, 32, 32, 32, 151936),
    "gemma3_text": _shape(2304, 9216, 26, 8, 4, 262208),
    "gemma4_text": _shape(2304, 9216, 30, 8, 4, 262144),
    "qwen2_vl_text": _shape(8192, 29568, 80, 64, 8, 152064, max_window_layers=80),
    "qwen3_vl_text": _shape(4096, 22016, 32, 32, 32, 151936),
    "qwen3_vl_moe_text": _shape(
        2048, 5632, 24, 16, 16, 151936, moe_intermediate_size=1408, num_experts=60, num_experts_per_tok=4
    ),
    "llama4_text": _shape(5120, 8192, 48, 40, 8, 202048, head_dim=128, intermediate_size_mlp=16384),
}
"""Defaults of `text_config` by its `model_type`."""


def _part(config: Config, key: str, model_type: str) -> tuple[Config, str]:
    """Return the config at `key`, and its `model_type`, which defaults to the given one."""
    config.require(config.data.get(key) is not None, f"{key}: is required and missing")
    part = config.inner(key)
    part.skip("is_composition")
    return part, str(part.data.get("model_type") or model_type)


def _tied(config: Config, text: Config, default: bool, either: bool) -> bool:
    """Return whether the LM head is tied: from the top level or, with `either`, also from `text_config`."""
    outside = config.flag("tie_word_embeddings", default=default)
    inside = text.flag("tie_word_embeddings", default=outside)
    config.require(
        either or inside == outside, f"tie_word_embeddings: is {outside} here, but {inside} in text_config; say one"
    )
    return outside or (either and inside)


def read_text(
    config: Config, model_type: str, *, tied: bool = False, either: bool = False, reader: Reader | None = None
) -> Architecture:
    """Read `text_config` with the reader of its family, or with `reader`.

    `model_type` is the family if the config names none. `tied` is the default of `tie_word_embeddings`; with
    `either`, `text_config` may set it too.
    """
    text, named = _part(config, "text_config", model_type)
    text.data = {**_DEFAULTS.get(named, {}), **text.data, "tie_word_embeddings": _tied(config, text, tied, either)}
    if reader is None:
        family = _LIKE.get(named, named)
        if family not in FAMILIES:
            raise InputError(f"text_config.model_type: {unknown('family', named, [*FAMILIES, *_LIKE])}")
        return FAMILIES[family](text)
    text.require(named == model_type, f"model_type: only {model_type!r} is known here; got {named!r}")
    return reader(text)


def read_tower(config: Config, model_type: str) -> Stack:
    """Read `vision_config` as the kind of tower that it names (`model_type` unless it names one)."""
    vision, named = _part(config, "vision_config", model_type)
    if named not in towers.TOWERS:
        raise InputError(f"vision_config.model_type: {unknown('tower', named, towers.TOWERS)}")
    return towers.TOWERS[named](vision)


def joined(text: Architecture, tower: Stack, *projector: Block) -> Architecture:
    """Return the text model with a tower and its projector, which are parts of the model."""
    return text.replace(stacks=(tower.replace(extras=(*tower.extras, *projector)),))


def _llava(config: Config) -> Architecture:
    text, tower = read_text(config, "llama", either=True), read_tower(config, "clip_vision_model")
    vocabulary = config.integer("vocab_size", default=text.vocabulary)
    config.require(
        vocabulary == text.vocabulary, f"vocab_size: {vocabulary} is not that of text_config ({text.vocabulary})"
    )
    strategy = config.value("vision_feature_select_strategy") or "default"
    strategies = ("default", "full")
    problem = f"vision_feature_select_strategy: {unknown('strategy', strategy, strategies)}"
    config.require(strategy in strategies, problem)
    rows = max((tower.tokens or 1) - (strategy == "default"), 1)
    bias = config.flag("multimodal_projector_bias", default=True)
    return joined(
        text,
        tower,
        towers.linear_on(tower.width * _feature_layers(config), text.width, rows, bias=bias),
        towers.linear_on(text.width, text.width, rows, bias=bias),
    )


def _mistral3(config: Config) -> Architecture:
    said = config.data.get("tie_word_embeddings") is not None
    config.require(said, "tie_word_embeddings: is required for mistral3, whose configs and checkpoints differ")
    text, tower = read_text(config, "mistral", either=True), read_tower(config, "pixtral")
    merged = config.integer("spatial_merge_size", default=2) ** 2
    rows, bias = max((tower.tokens or 1) // merged, 1), config.flag("multimodal_projector_bias", default=False)
    return joined(
        text,
        tower,
        Norm(extent=tower.width, belongs_to=towers.PROJECTOR),
        towers.linear_on(tower.width * merged, tower.width, rows),
        towers.linear_on(tower.width * _feature_layers(config), text.width, rows, bias=bias),
        towers.linear_on(text.width, text.width, rows, bias=bias),
    )


def _feature_layers(config: Config) -> int:
    """Return the number of layers of the tower whose outputs are concatenated for the projector."""
    chosen = config.value("vision_feature_layer")
    return len(chosen) if isinstance(chosen, list) and chosen else 1


def _gemma3(config: Config) -> Architecture:
    text, tower = read_text(config, "gemma3_text", tied=True), read_tower(config, "siglip_vision_model")
    rows = config.integer("mm_tokens_per_image", default=256)
    norm = Norm(extent=tower.width, belongs_to=towers.PROJECTOR)
    return joined(text, tower, norm, towers.linear_on(tower.width, text.width, rows))


def _qwen2_vl(config: Config) -> Architecture:
    if config.data.get("text_config") is None:
        text = FAMILIES["qwen2"](config)  # older configs have the keys of the text at the top level
    else:
        text = read_text(config, "qwen2_vl_text", either=True)
    return _merged(config, text, "hidden_size", 3584, towers.qwen2_vl)


def _qwen3_vl(model_type: str) -> Reader:
    def read(config: Config) -> Architecture:
        return _merged(config, read_text(config, model_type), "out_hidden_size", 3584, towers.qwen3_vl)

    return read


def _merged(
    config: Config, text: Architecture, key: str, default: int, read: Callable[[Config], Stack]
) -> Architecture:
    vision, _ = _part(config, "vision_config", "")
    outputs = vision.integer(key, default=default)
    vision.require(outputs == text.width, f"{key}: {outputs} is not the hidden_size of the text ({text.width})")
    return joined(text, read(vision))


def _kimi_k25(config: Config) -> Architecture:
    text = read_text(config, "deepseek_v3", tied=True)
    vision, _ = _part(config, "vision_config", "")
    tower = towers.kimi(vision, text.width)
    norm_width = config.integer("projection_hidden_size", default=tower.width)
    config.require(norm_width == tower.width, f"projection_hidden_size: {norm_width} is not that of the tower")
    return joined(text, tower)


def _llama4(config: Config) -> Architecture:
    text = read_text(config, "llama4_text", reader=_llama4_text)
    vision, _ = _part(config, "vision_config", "")
    return joined(text, towers.llama4(vision, text.width))


def _llama4_text(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "use_qk_norm", "attn_temperature_tuning")  # the norm has no weights
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=heads)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=config.optional("head_dim") or max(width // heads, 1),
        qkv_bias=bias,
        output_bias=bias,
    )
    chunk = config.optional("attention_chunk_size", default=8192)
    chunked = full.replace(chunk=chunk) if chunk is not None else full
    return Architecture(
        width=width,
        layers=grouped(
            [chunked if is_chunked else full for is_chunked in _llama4_chunks(config, depth)],
            _llama4_blocks(config, depth),
        ),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _llama4_chunks(config: Config, depth: int) -> list[bool]:
    """Return which layers have chunked attention: those with rotary positions."""
    interval, rotary = config.integer("no_rope_layer_interval", default=4), config.numbers("no_rope_layers")
    config.require(len(rotary) in {0, depth}, f"no_rope_layers: must be {depth} of 0 and 1; got {len(rotary)}")
    if len(rotary) != depth:
        rotary = [int((index + 1) % interval != 0) for index in range(depth)]
    types = config.names("layer_types", depth, ("chunked_attention", "full_attention"))
    return [bool(flag) for flag in rotary] if types is None else [kind == "chunked_attention" for kind in types]


def _llama4_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=config.integer("intermediate_size_mlp"), gated=True)
    block = routed(
        config,
        config.integer("num_local_experts", default=16),
        config.integer("num_experts_per_tok", default=1),
        inner,
        shared=FeedForward(inner_width=inner, gated=True),
    )
    step, chosen = config.integer("interleave_moe_layer_step", default=1), config.numbers("moe_layers")
    if config.data.get("moe_layers") is None:
        chosen = list(range(step - 1, depth, step))
    return [block if index in chosen else dense for index in range(depth)]


READERS: dict[str, Reader] = {
    "gemma3": _gemma3,
    "kimi_k25": _kimi_k25,
    "llama4": _llama4,
    "llama4_text": _llama4_text,
    "llava": _llava,
    "mistral3": _mistral3,
    "qwen2_vl": _qwen2_vl,
    "qwen3_vl": _qwen3_vl("qwen3_vl_text"),
    "qwen3_vl_moe": _qwen3_vl("qwen3_vl_moe_text"),
}
"""Readers by the `model_type` of a config."""
