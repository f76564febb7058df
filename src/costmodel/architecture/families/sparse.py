"""Mixture-of-experts decoders with rotary positions and grouped-query attention.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.expert_attention import ExpertAttention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.heads import grouped_query_attention, heads_of, kv_heads_of
from costmodel.architecture.families.mixtures import Mixture, read_mixture
from costmodel.architecture.families.reading import Reader, read_depth, uniform_decoder
from costmodel.architecture.families.rotary import OLMO2, Family, rotary, routed
from costmodel.architecture.families.routing import Routing
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

Blocks = Sequence[FeedForward | Experts]


def _olmoe_blocks(config: Config, depth: int) -> Blocks:
    experts, top_k = config.integer("num_experts", default=64), config.integer("num_experts_per_tok", default=8)
    return [routed(config, experts, top_k, config.integer("intermediate_size", default=2048))] * depth


def _minimax_m2_blocks(config: Config, depth: int) -> Blocks:
    experts, top_k = config.integer("num_local_experts", default=256), config.integer("num_experts_per_tok", default=8)
    config.skip("mlp_intermediate_size", "qk_norm_type", "shared_moe_mode", "use_routing_bias", "rotary_dim")
    config.skip("layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta")
    kinds = config.numbers("attn_type_list")
    config.require(set(kinds) <= {1}, "attn_type_list: only 1 (softmax attention) is known here")
    config.require(config.flag("use_qk_norm", default=True), "use_qk_norm: must be true here")
    shared = config.integer("shared_intermediate_size", default=0, least=0)
    config.require(shared == 0, "shared_intermediate_size: shared experts are not known here")
    return [routed(config, experts, top_k, config.integer("intermediate_size", default=1536))] * depth


def _phimoe(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "input_jitter_noise")
    width, depth = config.integer("hidden_size", default=4096), read_depth(config, "num_hidden_layers")
    bias, window = config.flag("attention_bias", default=False), config.optional("sliding_window")
    mixer = grouped_query_attention(config, width, heads=32, kv_heads=8, bias=bias, window=window)
    experts, top_k = config.integer("num_local_experts", default=16), config.integer("num_experts_per_tok", default=2)
    block = routed(config, experts, top_k, config.integer("intermediate_size", default=6400))
    head_bias = config.flag("lm_head_bias", default=False)
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=32064, head_bias=head_bias)


def _dbrx(config: Config) -> Architecture:
    config.skip("max_seq_len")
    width, depth = config.integer("d_model", default=2048), read_depth(config, "n_layers")
    heads, head_width = heads_of(config, width, "n_heads", default=16)
    attention, feed_forward = config.inner("attn_config"), config.inner("ffn_config")
    feed_forward.skip("moe_normalize_expert_weights", "hidden_size")
    kv_heads = kv_heads_of(attention, heads, "kv_n_heads", default=1)
    repeated = config.integer("num_key_value_heads", default=kv_heads)
    config.require(repeated == kv_heads, f"num_key_value_heads: {repeated} is not kv_n_heads ({kv_heads})")
    experts = feed_forward.integer("moe_num_experts", default=4)
    top_k = feed_forward.integer("moe_top_k", default=1)
    block = routed(config, experts, top_k, feed_forward.integer("ffn_hidden_size", default=3584))
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head_width)
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=32000, norm_bias=False)


def _ernie_blocks(config: Config, depth: int) -> Blocks:
    config.skip("moe_capacity", "moe_gate", "moe_use_aux_free", "moe_group", "moe_norm_min")
    bias, inner = config.flag("use_bias", default=False), config.integer("moe_intermediate_size", default=1536)
    shared = config.integer("moe_num_shared_experts", default=2, least=0)
    experts, top_k = config.integer("moe_num_experts", default=64), config.integer("moe_k", default=6)
    config.require(not bias, "use_bias: biases of experts are not known here")
    shared_experts = FeedForward(inner_width=inner * shared, gated=True) if shared else None
    block = routed(config, experts, top_k, inner, router_bias=True, shared=shared_experts)
    dense = FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=True)
    first, last = config.integer("moe_layer_start_index", default=1, least=0), config.value("moe_layer_end_index")
    if last is None or isinstance(last, bool) or not isinstance(last, int) or last < 0:
        config.require(last in (None, -1), "moe_layer_end_index: must be a layer, or -1 for the last")
        last = depth - 1
    interval = config.integer("moe_layer_interval", default=1)
    routes = [first <= index <= last and (index + 1) % interval == 0 for index in range(depth)]
    return [block if is_routed else dense for is_routed in routes]


_BAILING = Mixture(
    Routing(None, None, ("num_experts",), shared_key="num_shared_experts", shared=0, listed=False),
    bias_key="use_qkv_bias",
    output_bias=False,
    qk_norm_key="use_qk_norm",
)
"""Ling and Ring, versions 1 and 2 (arXiv 2503.05139; keys of their published code)."""
_GROK = Mixture(
    Routing(
        8,
        2,
        ("num_experts", "num_local_experts"),
        ("num_experts_per_tok", "num_selected_experts"),
        "intermediate_size",
        (),
        inner=32768,
        listed=False,
    ),
    kv_heads=8,
    bias_key="",
    norms=4,
    tied=True,
)
"""Grok-1 (github.com/xai-org/grok-1)."""


def _bailing(config: Config) -> Architecture:
    config.skip("moe_shared_expert_intermediate_size", "multi_gate", "score_function", "moe_router_enable_expert_bias")
    config.skip("use_rmsnorm", "norm_head", "norm_softmax", "max_window_layers")
    config.require(not config.flag("use_bias", default=False), "use_bias: only false is known here")
    return read_mixture(config, _BAILING)


def _grok(config: Config) -> Architecture:
    config.skip("attn_output_multiplier", "embedding_multiplier_scale", "output_multiplier_scale", "max_attn_value")
    return read_mixture(config, _GROK)


def _jetmoe(config: Config) -> Architecture:
    """Read JetMoE, whose attention is a mixture of experts too (arXiv 2404.07413)."""
    config.skip("max_position_embeddings", "num_attention_heads", "aux_loss_coef")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    experts, top_k = config.integer("num_local_experts", default=8), config.integer("num_experts_per_tok", default=2)
    block = routed(config, experts, top_k, config.integer("intermediate_size", default=5632))
    mixer = ExpertAttention(
        heads=config.integer("num_key_value_heads", default=16),
        head_width=config.integer("kv_channels", default=128),
        experts=experts,
        top_k=min(top_k, experts),
    )
    bias = Norm(extent=width, belongs_to="experts")
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, also=(bias,), feed_forward=block, count=depth),),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=True),
    )


READERS: dict[str, Reader] = {
    "bailing_moe": _bailing,
    "bailing_moe_v2": _bailing,
    "dbrx": _dbrx,
    "grok-1": _grok,
    "jetmoe": _jetmoe,
    "ernie4_5_moe": rotary(Family(kv_heads=4, tied=True, bias_key=False), _ernie_blocks),
    "minimax_m2": rotary(Family(kv_heads=8, head_width=128, qk_norm="width", bias_key=False), _minimax_m2_blocks),
    "olmoe": rotary(OLMO2, _olmoe_blocks),
    "phimoe": _phimoe,
}
"""Readers by the `model_type` of a config."""
