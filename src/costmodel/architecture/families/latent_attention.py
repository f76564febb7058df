"""Decoders with latent attention (MLA) and experts: DeepSeek V2 to V3.2 and GLM-5.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import Any

from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def read_latent_decoder(
    config: Config,
    experts: int = 256,
    top_k: int | None = 8,
    inner: int = 2048,
    shared: int = 1,
    first: int = 3,
    groups: int = 1,
    top_groups: int = 1,
    indexer: bool = False,
) -> Architecture:
    """Read a decoder with latent attention and experts; the numbers are the defaults of the family."""
    config.skip("max_position_embeddings", "head_dim", "qk_head_dim")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    mixer = _latent_attention(config, indexer)
    inner = config.integer("moe_intermediate_size", default=inner)
    shared = config.integer("n_shared_experts", default=shared, least=0)
    count = config.integer("n_routed_experts", default=experts)
    shared_experts = FeedForward(inner_width=inner * shared, gated=True) if shared else None
    groups = config.integer("n_group", default=groups)
    block = routed(
        config,
        count,
        config.integer("num_experts_per_tok", default=top_k),
        inner,
        shared=shared_experts,
        groups=groups,
        top_groups=min(config.integer("topk_group", default=top_groups), groups),
    )
    dense = FeedForward(inner_width=config.integer("intermediate_size"), gated=True)
    first = config.integer("first_k_dense_replace", default=first, least=0)
    period = config.integer("moe_layer_freq", default=1)
    config.require(period == 1, "moe_layer_freq: only 1 (all later layers) is known")
    blocks = [dense if index < first else block for index in range(depth)]
    predicted = config.integer("num_nextn_predict_layers", default=0, least=0)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, blocks),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        prediction_layers=predicted,
        prediction_layer=Layer(mixer=mixer, feed_forward=blocks[-1]) if predicted else None,
    )


def _latent_attention(config: Config, indexer: bool) -> LatentAttention:
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=heads)
    config.require(kv_heads == heads, f"num_key_value_heads: latent attention has as many as heads ({heads})")
    query_rank = config.optional("q_lora_rank", default=1536)
    options: dict[str, Any] = {}
    if indexer:
        config.require(query_rank is not None, "q_lora_rank: the indexer needs the query latent")
        options = {
            "index_heads": config.integer("index_n_heads", default=64),
            "index_width": config.integer("index_head_dim", default=128),
            "index_top_k": config.integer("index_topk", default=2048),
        }
    return LatentAttention(
        heads=heads,
        query_rank=query_rank or (1 if indexer else None),
        kv_rank=config.integer("kv_lora_rank", default=512),
        nope_width=config.integer("qk_nope_head_dim", default=128),
        rope_width=config.integer("qk_rope_head_dim", default=64),
        value_width=config.integer("v_head_dim", default=128),
        bias=config.flag("attention_bias", default=False),
        **options,
    )


def _deepseek_v2(config: Config) -> Architecture:
    return read_latent_decoder(config, experts=64, top_k=None, inner=1407, shared=2, first=0)


def _deepseek_v3(config: Config) -> Architecture:
    return read_latent_decoder(config, groups=8, top_groups=4)


def _deepseek_v32(config: Config) -> Architecture:
    return read_latent_decoder(config, groups=8, top_groups=4, indexer=True)


def _with_indexer(config: Config) -> Architecture:
    return read_latent_decoder(config, indexer=True)


READERS: dict[str, Reader] = {
    "deepseek_v2": _deepseek_v2,
    "deepseek_v3": _deepseek_v3,
    "deepseek_v32": _deepseek_v32,
    "glm_moe_dsa": _with_indexer,
}
"""Readers by the `model_type` of a config."""
