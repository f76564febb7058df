"""Rotary decoders with grouped-query attention and routed experts, one row of data for each family.

Defaults are those of the configuration classes in Hugging Face transformers 5.24. Keys without a default are required.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.families.reading import Reader, by_layer, grouped, layer_configs, note_read, read_depth
from costmodel.architecture.families.routing import Routing, blocks_of, dense_between, dense_by_frequency
from costmodel.architecture.families.sliding import above, every, everywhere, nowhere, shifted
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

SLIDING, REFERENCE, FULL = "sliding_attention", "reference_sliding_attention", "full_attention"
_INERT = (
    "max_position_embeddings",
    "attention_multiplier",
    "embedding_multiplier",
    "expert_selection_fn",
    "shared_expert_combination_strategy",
    "prefix_dense_sliding_window_pattern",
    "moe_router_scaling_factor",
)
"""Keys that change no count in any family here."""
Slides = Callable[[Config, int], Sequence[bool]]
Change = Callable[[Config, int, list[Attention], list[bool]], list[Attention]]


@dataclass(frozen=True, slots=True)
class Mixture:
    """A decoder with routed experts: differences from Llama, keys and defaults."""

    routing: Routing
    kv_heads: int | None = None
    """Default of `num_key_value_heads`; None for as many as heads."""
    head_width: int | None = None
    """Default of `head_dim`; None for hidden size / heads, rounded down."""
    bias_key: str = "attention_bias"
    """Key of the biases of queries, keys and values; "" if there are none."""
    bias: bool = False
    """Default of these biases."""
    output_bias: bool = True
    """Whether `bias_key` also applies to the output projection."""
    qk_norm_key: str = ""
    """Key that switches norms of queries and keys over each head on; "" if `options` tell."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further fields of the attention of all layers."""
    window: int | None = None
    """Default of `sliding_window`."""
    slides: Slides | None = None
    """Which layers have a sliding window if `layer_types` is absent; None for a family without windows."""
    change: Change | None = None
    """Changes the attention of single layers."""
    norms: int = 2
    tied: bool = False


def _attentions(config: Config, family: Mixture, width: int, depth: int) -> list[Attention]:
    """Return the attention of each layer."""
    bias = config.flag(family.bias_key, default=family.bias) if family.bias_key else family.bias
    options = {**family.options, "qkv_bias": bias, "output_bias": bias and family.output_bias}
    if family.qk_norm_key and config.flag(family.qk_norm_key, default=False):
        options["qk_norm"] = "head"
    accepted = ("num_attention_heads", "num_key_value_heads", "head_dim")
    configs = layer_configs(config, depth, accepted)
    layers = by_layer(lambda layer: _attention(layer, family, width, options), configs)
    sliding = _sliding_layers(config, family, depth)
    window = _window(config, family)
    if window is not None:
        layers = by_layer(lambda layer, slides: layer.replace(window=window) if slides else layer, layers, sliding)
    return family.change(config, width, layers, sliding) if family.change else layers


def _attention(config: Config, family: Mixture, width: int, options: dict[str, Any]) -> Attention:
    heads = config.integer("num_attention_heads")
    absent = "num_key_value_heads" not in config.data
    kv_heads = config.optional("num_key_value_heads", default=family.kv_heads if absent else None) or heads
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    head_width = config.optional("head_dim") or family.head_width or max(width // heads, 1)
    return Attention(heads=heads, kv_heads=min(kv_heads, heads), head_width=head_width, **options)


def _window(config: Config, family: Mixture) -> int | None:
    """Return the sliding window; null and 0 mean none."""
    config.skip("sliding_window")
    if family.slides is None or config.data.get("sliding_window") == 0:
        return None
    return config.optional("sliding_window", default=family.window)


def _sliding_layers(config: Config, family: Mixture, depth: int) -> list[bool]:
    """Return which layers have a sliding window."""
    if family.slides is None:
        return [False] * depth
    listed = config.names("layer_types", depth, (SLIDING, REFERENCE, FULL))
    if listed is None:
        return list(family.slides(config, depth))
    note_read(config, family.slides, depth)
    return [kind != FULL for kind in listed]


def read_mixture(config: Config, family: Mixture) -> Architecture:
    """Read a decoder with routed experts."""
    config.skip(*_INERT)
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    mixers, blocks = _attentions(config, family, width, depth), blocks_of(config, family.routing, depth)
    predicted = config.integer("num_nextn_predict_layers", "num_mtp_layers", default=0, least=0)
    last = Layer(mixer=mixers[-1], feed_forward=blocks[-1], norms=family.norms)
    return Architecture(
        width=width,
        layers=grouped(mixers, blocks, norms=family.norms),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=family.tied),
        prediction_layers=predicted,
        prediction_layer=last if predicted else None,
    )


def mixture(family: Mixture) -> Reader:
    """Return the reader of a family."""
    return lambda config: read_mixture(config, family)


def _flint_slides(_: Config, depth: int) -> list[bool]:
    return [index >= 2 and index % 4 != 1 and index != depth - 1 for index in range(depth)]


def _qwen2_slides(config: Config, depth: int) -> list[bool]:
    slides = config.flag("use_sliding_window", default=False)
    last = config.integer("max_window_layers", default=28, least=0) if slides else 0
    config.skip("max_window_layers")
    return [index % 2 == 0 and index < last for index in range(depth)]


def _qwen3_slides(config: Config, depth: int) -> list[bool]:
    config.skip("max_window_layers")
    return [config.flag("use_sliding_window", default=False)] * depth


def _mimo_slides(config: Config, depth: int) -> list[bool]:
    listed = config.numbers("hybrid_layer_pattern")
    if not listed:
        return [index > 0 and (index + 1) % 6 != 0 for index in range(depth)]
    config.require(len(listed) == depth, f"hybrid_layer_pattern: must list {depth} of 0 and 1; got {len(listed)}")
    return [bool(number) for number in listed] if len(listed) == depth else [False] * depth


def _mimo_attention(config: Config, width: int, layers: list[Attention], sliding: list[bool]) -> list[Attention]:
    """Return attention whose sliding layers have twice the KV heads, and sinks."""
    config.skip("sliding_window_size", "moe_layer_freq")  # transformers 5 keeps them beside the keys that it reads
    config.require(
        config.flag("add_swa_attention_sink_bias", default=True), "add_swa_attention_sink_bias: must be true"
    )
    full_sinks = config.flag("add_full_attention_sink_bias", default=False)
    config.require(not full_sinks, "add_full_attention_sink_bias: must be false")
    full, value = layers[0], config.integer("v_head_dim", default=128)
    kv_heads = 2 * full.kv_heads
    config.require(full.heads % kv_heads == 0, f"num_key_value_heads: twice of it does not divide {full.heads} heads")
    expected = {
        "swa_num_attention_heads": full.heads,
        "swa_num_key_value_heads": kv_heads,
        "swa_head_dim": full.head_width,
        "swa_v_head_dim": value,
    }
    for key, number in expected.items():
        config.require(config.integer(key, default=number) == number, f"{key}: must be {number} here")
    changes = {"kv_heads": min(kv_heads, full.heads), "sinks": True}
    narrow = by_layer(lambda layer: layer.replace(value_width=value), layers)
    return by_layer(lambda layer, slides: layer.replace(**changes) if slides else layer, narrow, sliding)


def _laguna_attention(config: Config, width: int, layers: list[Attention], sliding: list[bool]) -> list[Attention]:
    """Return attention with its own number of heads in each layer, and a gate per head or per element."""
    gating = config.data.get("gating", True)
    config.skip("gating")
    per_head = gating is True or gating == "per-head"
    heads = config.numbers("num_attention_heads_per_layer") or [layers[0].heads] * len(layers)
    valid = len(heads) == len(layers) and all(number and number % layers[0].kv_heads == 0 for number in heads)
    config.require(valid, f"num_attention_heads_per_layer: must list {len(layers)} multiples of the KV heads")
    gates = {"head_gate": per_head, "output_gate": not per_head}
    heads = heads if valid else [layers[0].heads] * len(layers)
    return by_layer(lambda layer, number: layer.replace(heads=number, **gates), layers, heads)


def _step_attention(config: Config, width: int, layers: list[Attention], sliding: list[bool]) -> list[Attention]:
    """Return attention whose sliding layers have their own number of heads."""
    other = config.inner("attention_other_setting")
    other.skip(*other.data)
    heads = config.optional("num_sliding_attention_heads") or other.optional("num_attention_heads")
    if heads is None or config.data.get("per_layer_config") is not None:
        return layers
    config.require(heads % layers[0].kv_heads == 0, f"num_sliding_attention_heads: {heads} is no multiple of KV heads")
    return by_layer(lambda layer, slides: layer.replace(heads=heads) if slides else layer, layers, sliding)


def _privacy_attention(config: Config, width: int, layers: list[Attention], sliding: list[bool]) -> list[Attention]:
    """Return attention to tokens before and after, within the window to each side."""
    return by_layer(lambda layer: layer.replace(window=2 * layer.window) if layer.window else layer, layers)


def _divided_attention(config: Config, width: int, layers: list[Attention], sliding: list[bool]) -> list[Attention]:
    """Return attention whose heads divide the hidden size; the reference takes no other `head_dim`."""
    first = layers[0]
    config.require(width % first.heads == 0, f"num_attention_heads: {first.heads} does not divide the width {width}")
    config.require(
        first.head_width == max(width // first.heads, 1),
        f"head_dim: only hidden size / heads, {width // first.heads}, is read; got {first.head_width}",
    )
    return layers


_ROUTED = ("n_routed_experts", "num_local_experts", "num_experts")
_GLM = Routing(
    128,
    8,
    _ROUTED,
    shared_key="n_shared_experts",
    shared=1,
    first=1,
    listed=False,
    groups=True,
    inner=1408,
    dense=10944,
)
_GRANITE = Routing(8, 2, ("num_local_experts",), inner_key="intermediate_size", dense_keys=(), listed=False)
_GRANITE_SHARED = replace(_GRANITE, shared_width_key="shared_intermediate_size", shared=0)
_GATED = {"qk_norm": "head", "output_gate": True, "gate_bias": False}

_QWEN3 = Routing(128, 8, listed=False, dense_layers=dense_between, inner=768, dense=6144)
_QWEN2 = replace(
    _QWEN3, experts=60, top_k=4, inner=1408, dense=5632, shared_width_key="shared_expert_intermediate_size", shared=5632
)

FAMILIES: dict[str, Mixture] = {
    "afmoe": Mixture(
        Routing(
            64,
            6,
            shared_key="num_shared_experts",
            shared=2,
            router_bias=True,
            listed=False,
            first=1,
            first_key="num_dense_layers",
        ),
        head_width=128,
        options=_GATED,
        window=1024,
        slides=every(4, "global_attn_every_n_layers"),
        norms=4,
    ),
    "aria_text": Mixture(
        Routing(
            8,
            2,
            ("moe_num_experts",),
            ("moe_topk",),
            "intermediate_size",
            (),
            "moe_num_shared_experts",
            2,
            mlp_bias_key="mlp_bias",
            listed=False,
        ),
    ),
    "beam": Mixture(
        Routing(256, 8, first=3, first_key=""),
        kv_heads=8,
        head_width=128,
        options={**_GATED, "gate_numbers": True},
        window=512,
        slides=every(6, last=True),
        norms=4,
    ),
    "cohere2_moe": Mixture(
        Routing(
            8,
            2,
            inner_key="intermediate_size",
            dense_keys=("prefix_dense_intermediate_size", "intermediate_size"),
            shared_key="num_shared_experts",
            shared=0,
        ),
        head_width=128,
        window=4096,
        slides=every(4, "sliding_window_pattern"),
        norms=1,
        tied=True,
    ),
    "dots1": Mixture(
        Routing(None, None, _ROUTED, shared_key="n_shared_experts", listed=False, groups=True),
        options={"qk_norm": "head"},
        window=4096,
        slides=above("max_window_layers", 62),
    ),
    "exaone_moe": Mixture(
        Routing(64, 8, shared_key="num_shared_experts", shared=1, first=1, groups=True),
        kv_heads=32,
        bias_key="",
        options={"qk_norm": "head"},
        window=4096,
        slides=every(4, "sliding_window_pattern"),
    ),
    "flex_olmo": Mixture(
        Routing(7, 5, inner_key="intermediate_size", dense_keys=(), listed=False),
        options={"qk_norm": "width"},
    ),
    "flint": Mixture(
        Routing(
            256,
            6,
            shared_width_key="shared_expert_intermediate_size",
            shared=1024,
            listed=False,
            dense_layers=partial(dense_between, only=(0, 1)),
        ),
        kv_heads=4,
        head_width=128,
        options={"qk_norm": "head", "sinks": True},
        window=513,
        slides=_flint_slides,
    ),
    "glm4_moe": Mixture(_GLM, kv_heads=8, output_bias=False, qk_norm_key="use_qk_norm"),
    "glm4v_moe_text": Mixture(_GLM, kv_heads=8, output_bias=False, bias=True),
    "granitemoe": Mixture(_GRANITE),
    "granitemoeshared": Mixture(_GRANITE_SHARED),
    "granitemoe_swa": Mixture(
        _GRANITE_SHARED,
        options={"sinks": True},
        window=128,
        slides=shifted(4, 0),
    ),
    "hunyuan_v1_moe": Mixture(
        Routing(
            1,
            1,
            ("num_experts", "num_local_experts"),
            ("moe_topk", "num_experts_per_tok"),
            "intermediate_size",
            (),
            "num_shared_expert",
            1,
            listed=False,
        ),
        options={"qk_norm": "head"},
    ),
    "hy_v3": Mixture(
        Routing(192, 8, shared_key="num_shared_experts", shared=1, mlp_bias_key="mlp_bias", first=1, first_key=""),
        kv_heads=8,
        head_width=128,
        options={"qk_norm": "head"},
    ),
    "kolibri1": Mixture(
        Routing(384, 6, dense_keys=(), shared_width_key="shared_expert_intermediate_size", shared=512, listed=False),
        kv_heads=4,
        head_width=128,
        bias_key="",
        options={"qk_norm": "head"},
        window=513,
        slides=every(5),
        norms=4,
    ),
    "laguna": Mixture(
        Routing(
            256,
            8,
            shared_width_key="shared_expert_intermediate_size",
            shared=512,
            router_bias=True,
            first=1,
            first_key="",
        ),
        kv_heads=8,
        head_width=128,
        options={"qk_norm": "head", "gate_bias": False},
        window=512,
        slides=nowhere,
        change=_laguna_attention,
    ),
    "mellum": Mixture(
        Routing(64, 8),
        kv_heads=4,
        head_width=128,
        options={"qk_norm": "head"},
        window=1024,
        slides=nowhere,
    ),
    "mimo_v2_flash": Mixture(
        Routing(256, 8, _ROUTED, dense_layers=partial(dense_by_frequency, first=1), groups=True),
        kv_heads=4,
        head_width=192,
        output_bias=False,
        window=129,
        slides=_mimo_slides,
        change=_mimo_attention,
    ),
    "openai_privacy_filter": Mixture(
        Routing(
            128,
            4,
            ("num_local_experts",),
            inner_key="intermediate_size",
            dense_keys=(),
            bias=True,
            router_bias=True,
            listed=False,
        ),
        kv_heads=2,
        head_width=64,
        bias=True,
        options={"sinks": True, "causal": False},
        window=128,
        slides=everywhere,
        change=_privacy_attention,
    ),
    "qwen2_moe": Mixture(
        replace(_QWEN2, shared_gate=True),
        kv_heads=16,
        bias_key="qkv_bias",
        bias=True,
        output_bias=False,
        window=4096,
        slides=_qwen2_slides,
    ),
    "qwen3_moe": Mixture(_QWEN3, kv_heads=4, options={"qk_norm": "head"}, window=4096, slides=_qwen3_slides),
    "qwen3_omni_moe_text": Mixture(
        Routing(128, 8, listed=False, dense_layers=dense_between),
        kv_heads=4,
        options={"qk_norm": "head"},
    ),
    "qwen3_vl_moe_text": Mixture(
        Routing(60, 4, listed=False, dense_layers=dense_between),
        kv_heads=16,
        options={"qk_norm": "head"},
        tied=True,
    ),
    "sarvam_moe": Mixture(
        replace(_GLM, top_k=6, inner=1024, dense=8192),
        kv_heads=4,
        head_width=64,
        output_bias=False,
        qk_norm_key="use_qk_norm",
    ),
    "solar_open": Mixture(
        replace(_GLM, first=0, first_key="", dense_keys=(), inner=1280),
        kv_heads=8,
        head_width=128,
        output_bias=False,
    ),
    "step3p5": Mixture(
        Routing(
            288,
            8,
            ("n_routed_experts", "moe_num_experts", "num_local_experts"),
            ("num_experts_per_tok", "moe_top_k"),
            shared_width_key="share_expert_dim",
            shared=1280,
            mlp_bias_key="mlp_bias",
            first=3,
            first_key="",
        ),
        kv_heads=8,
        head_width=128,
        options={"qk_norm": "head", "head_gate": True},
        slides=nowhere,
        change=_step_attention,
    ),
    "unlimited_ocr_text": Mixture(
        Routing(
            64,
            6,
            _ROUTED,
            shared_key="n_shared_experts",
            shared=2,
            mlp_bias_key="mlp_bias",
            first=1,
            first_key="",
            groups=True,
        ),
        window=128,
        slides=everywhere,
        change=_divided_attention,
    ),
}
"""Families by `model_type`."""

READERS: dict[str, Reader] = {model_type: mixture(family) for model_type, family in FAMILIES.items()}
"""Readers by the `model_type` of a config."""
