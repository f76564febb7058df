"""Decoders with latent attention (MLA) and experts, one row of data for each family.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.blocks.pieces import Linear
from costmodel.architecture.families.hyper_connections import final_mixing, mixing_of
from costmodel.architecture.families.reading import Reader, by_layer, joined, layer_configs, note_read, read_depth
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

INDEXED, SLIDING, FULL = "indexed_attention", "sliding_attention", "full_attention"
_CHANGING = (
    "num_attention_heads",
    "num_key_value_heads",
    "q_lora_rank",
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "head_dim",
)
"""Keys that `per_layer_config` may change."""
Indexes = Callable[[Config, int], list[bool]]
Change = Callable[[Config, int, list[Layer]], list[Layer]]


@dataclass(frozen=True, slots=True)
class Latent:
    """A decoder with latent attention: keys and defaults of its config."""

    routing: Routing
    query_rank: int | None = 1536
    """Default of `q_lora_rank`."""
    kv_rank: int = 512
    nope: int = 128
    rope: int = 64
    value: int = 128
    indexer: bool = False
    """Whether an indexer selects keys."""
    index_heads: int = 64
    kinds: tuple[str, ...] = ()
    """Accepted `layer_types`: layers of sliding windows, with an indexer, and with neither."""
    indexes: Indexes | None = None
    """Which layers have an indexer of their own if `indexer_types` is absent; None for all."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further fields of the attention of all layers."""
    window: int | None = None
    """Default of `sliding_window`."""
    slides: Callable[[int], bool] | None = None
    """Whether a layer has a sliding window if `layer_types` is absent."""
    sliding: dict[str, int] = field(default_factory=dict)
    """Keys that `swa_` precedes for the layers with a sliding window, and their defaults."""
    change: Change | None = None
    """Changes single layers."""
    streams: bool = False
    """Whether hyper-connections mix several residual streams (`hc_mult`)."""


def latent_attention(config: Config, family: Latent) -> LatentAttention:
    """Return latent attention with the ranks and widths of a config; the indexer is that of the family."""
    heads = config.integer("num_attention_heads")
    kv_heads = config.optional("num_key_value_heads", default=heads) or heads
    config.require(kv_heads == heads, f"num_key_value_heads: latent attention has as many as heads ({heads})")
    query_rank, options = config.optional("q_lora_rank", default=family.query_rank), dict(family.options)
    if family.indexer:
        config.require(query_rank is not None, "q_lora_rank: the indexer needs the query latent")
        query_rank = query_rank or 1
        options["index_heads"] = config.integer("index_n_heads", default=family.index_heads)
        options["index_width"] = config.integer("index_head_dim", default=128)
        options["index_top_k"] = config.integer("index_topk", default=2048)
    return LatentAttention(
        heads=heads,
        query_rank=query_rank,
        kv_rank=config.integer("kv_lora_rank", default=family.kv_rank),
        nope_width=config.integer("qk_nope_head_dim", default=family.nope),
        rope_width=config.integer("qk_rope_head_dim", default=family.rope),
        value_width=config.integer("v_head_dim", default=family.value),
        bias=config.flag("attention_bias", default=False),
        **options,
    )


def _mixers(config: Config, family: Latent, depth: int) -> list[LatentAttention]:
    """Return the attention of each layer, by its kind."""
    kinds = _kinds(config, family, depth)
    configs = layer_configs(config, depth, _CHANGING)
    if family.sliding and config.data.get("per_layer_config") is None:
        configs = by_layer(lambda kind: _sliding_config(config, family) if kind == SLIDING else config, kinds)
    mixers = by_layer(lambda layer: latent_attention(layer, family), configs)
    owns = own_indexers(config, depth, family.indexes) if family.indexer and family.indexes else [True] * depth
    window = config.optional("sliding_window", default=family.window) if SLIDING in family.kinds else None

    def changed(mixer: LatentAttention, kind: str, own: bool) -> LatentAttention:
        if kind == SLIDING:
            return mixer.replace(window=window or family.window, index_heads=None, index_top_k=None)
        if kind == FULL and family.indexer:
            return mixer.replace(index_heads=None, index_top_k=None)
        return mixer if own else mixer.replace(index_heads=None)

    return by_layer(changed, mixers, kinds, owns)


def _sliding_config(config: Config, family: Latent) -> Config:
    """Return the config of a layer with a sliding window, from the keys that `swa_` precedes."""
    changes = {key: config.integer(f"swa_{key}", default=number) for key, number in family.sliding.items()}
    rotary = max(changes.pop("head_dim") - changes["qk_nope_head_dim"], 1)
    return config.changed(changes | {"qk_rope_head_dim": config.integer("swa_qk_rope_head_dim", default=rotary)})


def _kinds(config: Config, family: Latent, depth: int) -> list[str]:
    """Return the kind of attention of each layer."""
    usual = INDEXED if family.indexer else FULL
    if family.slides is None:
        return (config.names("layer_types", depth, family.kinds) if family.kinds else None) or [usual] * depth
    indexed, slides = config.flag("use_dsa", default=True), config.flag("use_sliding_window", default=True)
    listed = config.names("layer_types", depth, family.kinds)
    kinds = listed or [SLIDING if slides and family.slides(index) else usual for index in range(depth)]
    if not indexed:
        return [FULL if kind == INDEXED else kind for kind in kinds]
    older = config.value("per_layer_config") is None or config.value("use_dsa") is not None
    return [INDEXED if kind == FULL and older else kind for kind in kinds]  # older configs call all of them full


def by_frequency(config: Config, depth: int) -> list[bool]:
    """Return which layers have an indexer: those of `index_topk_pattern`, or every `index_topk_freq`-th."""
    pattern = config.value("index_topk_pattern")
    period = config.integer("index_topk_freq", default=1)
    offset = config.integer("index_skip_topk_offset", default=2, least=0)
    if pattern is None:
        return [max(index - offset + 1, 0) % period == 0 for index in range(depth)]
    names = [{"F": "full", "S": "shared"}.get(name, name) for name in pattern] if isinstance(pattern, str) else pattern
    valid = isinstance(names, list) and len(names) == depth and all(name in ("full", "shared") for name in names)
    config.require(valid, f"index_topk_pattern: must give F or S for each of the {depth} layers")
    return [name == "full" for name in names] if valid else [True] * depth


def own_indexers(config: Config, depth: int, default: Indexes = by_frequency) -> list[bool]:
    """Return which layers have an indexer of their own; others reuse the keys that an earlier one selected."""
    listed = config.names("indexer_types", depth, ("full", "shared"))
    if listed is None:
        return default(config, depth)
    note_read(config, default, depth)
    return [kind == "full" for kind in listed]


def _by_four(_: Config, depth: int) -> list[bool]:
    return [index == 0 or index % 4 == 1 for index in range(depth)]


def read_latent(config: Config, family: Latent) -> Architecture:
    """Read a decoder with latent attention."""
    config.skip("max_position_embeddings", "head_dim", "qk_head_dim")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    mixers, blocks = _mixers(config, family, depth), blocks_of(config, family.routing, depth)
    streams = config.integer("hc_mult", default=4) if family.streams else 0
    also = (mixing_of(streams, streams * 2, 2),) if streams else ()
    layers = by_layer(lambda mixer, block: Layer(mixer=mixer, feed_forward=block, also=also), mixers, blocks)
    layers = family.change(config, width, layers) if family.change else layers
    predicted = config.integer("num_nextn_predict_layers", "num_mtp_layers", default=0, least=0)
    return Architecture(
        width=width,
        layers=joined(layers),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        prediction_layers=predicted,
        prediction_layer=layers[-1] if predicted else None,
        extras=(final_mixing(streams),) if streams else (),
    )


def latent(family: Latent) -> Reader:
    """Return the reader of a family."""
    return lambda config: read_latent(config, family)


def routes(layer: Layer) -> bool:
    """Tell whether a layer has routed experts."""
    return isinstance(layer.feed_forward, Experts)


def _norm_after_experts(config: Config, width: int, layers: list[Layer]) -> list[Layer]:
    """Return layers with one more norm in those that route."""
    return by_layer(lambda layer: layer.replace(norms=3) if routes(layer) else layer, layers)


def _gated_norms(config: Config, width: int, layers: list[Layer]) -> list[Layer]:
    """Return layers whose norms have a low-rank gate: the first norm of each, and the second of those that route."""
    rank = config.integer("gated_norm_rank", default=16)
    gate = (
        Linear(inputs=width, outputs=rank, belongs_to="norms"),
        Linear(inputs=rank, outputs=width, belongs_to="norms"),
    )
    return by_layer(lambda layer: layer.replace(also=gate * (2 if routes(layer) else 1)), layers)


_USUAL = Routing(
    256,
    8,
    ("n_routed_experts", "num_local_experts", "num_experts"),
    shared_key="n_shared_experts",
    shared=1,
    first=3,
    period_key="moe_layer_freq",
    groups=True,
    inner=2048,
)


def latent_routing(**options: Any) -> Routing:
    """Return the routing of DeepSeek-V3 with other defaults."""
    return replace(_USUAL, **options)


_V3 = replace(_USUAL, group_defaults=(8, 4))

FAMILIES: dict[str, Latent] = {
    "axk1": Latent(replace(_V3, experts=192, first=1), change=_norm_after_experts),
    "axk2": Latent(
        replace(_USUAL, experts=128, inner=512, first=1),
        query_rank=384,
        kv_rank=128,
        nope=64,
        rope=32,
        value=64,
        indexer=True,
        index_heads=16,
        kinds=(INDEXED,),
        options={"query_gate": True},
        change=_gated_norms,
    ),
    "deepseek_v2": Latent(
        replace(_USUAL, experts=64, top_k=None, inner=1407, shared=2, first=0, listed=False, mlp_bias_key="mlp_bias"),
    ),
    "deepseek_v3": Latent(replace(_V3, listed=False)),
    "deepseek_v32": Latent(_V3, indexer=True, kinds=(INDEXED,)),
    "dots3_note_text": Latent(
        replace(_USUAL, inner=1536, first=1, inner_of_shared_key="shared_experts_intermediate_size"),
        query_rank=1024,
        indexer=True,
        kinds=(INDEXED, SLIDING, FULL),
        options={"head_gate": True, "rope_norm": True},
        window=512,
        sliding={
            "num_attention_heads": 64,
            "num_key_value_heads": 64,
            "q_lora_rank": 1024,
            "kv_lora_rank": 1024,
            "head_dim": 256,
            "qk_nope_head_dim": 192,
            "v_head_dim": 128,
        },
        slides=lambda index: index >= 2 and index % 4 != 1,
    ),
    "glm4_moe_lite": Latent(
        replace(_USUAL, experts=64, top_k=4, inner=1536, first=1),
        query_rank=768,
        nope=192,
        value=256,
    ),
    "glm_moe_dsa": Latent(
        _USUAL,
        query_rank=2048,
        nope=192,
        value=256,
        indexer=True,
        index_heads=32,
        kinds=(INDEXED,),
        indexes=by_frequency,
    ),
    "hy_v4": Latent(
        replace(_USUAL, inner=None, first=1),
        nope=192,
        value=256,
        indexer=True,
        index_heads=16,
        kinds=(INDEXED,),
        indexes=_by_four,
        options={"output_gate": True, "sinks": True},
        streams=True,
    ),
    "mistral4": Latent(
        replace(_USUAL, experts=128, top_k=4, first=0, listed=False),
        query_rank=1024,
        kv_rank=256,
        nope=64,
    ),
    "sarvam_mla": Latent(replace(_USUAL, experts=128, first=1, listed=False), query_rank=None),
}
"""Families by `model_type`."""
FAMILIES["hy_v4_vl_text"] = replace(FAMILIES["hy_v4"], query_rank=2048, index_heads=32)
FAMILIES["kimi_k2"] = FAMILIES["deepseek_v3"]

READERS: dict[str, Reader] = {model_type: latent(family) for model_type, family in FAMILIES.items()}
"""Readers by the `model_type` of a config."""
