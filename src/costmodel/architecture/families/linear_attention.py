"""Models with linear attention in most layers: Qwen3-Next, Qwen3.5, MiniMax, Kimi Linear.

Defaults are those of the family's configuration class in Hugging Face transformers 5.24.
"""

from collections.abc import Callable, Sequence
from typing import Any

from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.gated_delta import GatedDelta
from costmodel.architecture.blocks.kimi_delta import KimiDelta
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.blocks.lightning_attention import LightningAttention
from costmodel.architecture.families.latent_attention import Latent, latent_attention, latent_routing
from costmodel.architecture.families.reading import Reader, grouped
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.families.routing import Routing, blocks_of
from costmodel.architecture.families.state_space import (
    FULL,
    LINEAR,
    assemble,
    read_attention,
    read_size,
    read_top_k,
    require_untied,
)
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

SLIDING = "sliding_attention"
Blocks = Callable[[Config, int], Sequence[FeedForward | Experts]]


def _mixers(config: Config, depth: int, linear: Any, full: Any, is_full: Callable[[int], bool]) -> list[Any]:
    """Return the mixer of each layer from `layer_types`; without it, from `is_full`."""
    listed = config.names("layer_types", depth, (LINEAR, FULL))
    if listed is None:
        return [full if is_full(index) else linear for index in range(depth)]
    return [full if kind == FULL else linear for kind in listed]


def _qwen_text(config: Config, kv_heads: int, blocks: Blocks, **options: Any) -> Architecture:
    """Read the text model of Qwen3-Next and Qwen3.5.

    `kv_heads` is the default of the family; `blocks(config, depth)` returns the feed-forward block of each layer.
    """
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    config.require(config.flag("attn_output_gate", default=True), "attn_output_gate: only true is known")
    full = read_attention(
        config, width, kv_heads, head_width=256, qk_norm="head", qkv_bias=bias, output_bias=bias, output_gate=True
    )
    linear = GatedDelta(
        key_heads=config.integer("linear_num_key_heads", default=16),
        value_heads=config.integer("linear_num_value_heads", default=32),
        key_width=config.integer("linear_key_head_dim", default=128),
        value_width=config.integer("linear_value_head_dim", default=128),
        kernel=config.integer("linear_conv_kernel_dim", default=4),
    )
    config.require(
        linear.value_heads % linear.key_heads == 0,
        f"linear_num_key_heads: {linear.key_heads} does not divide the {linear.value_heads} value heads",
    )
    period = config.integer("full_attention_interval", default=4)
    mixers = _mixers(config, depth, linear, full, lambda index: (index + 1) % period == 0)
    feed_forwards = blocks(config, depth)
    if predicted := config.integer("mtp_num_hidden_layers", default=0, least=0):
        options |= {
            "prediction_layers": predicted,
            "prediction_layer": Layer(mixer=full, feed_forward=feed_forwards[-1]),
        }
    return assemble(config, width, grouped(mixers, feed_forwards), **options)


def _qwen_experts(config: Config, experts: int, top_k: int) -> Experts:
    shared = FeedForward(inner_width=config.integer("shared_expert_intermediate_size", default=512), gated=True)
    return routed(
        config,
        config.integer("num_experts", default=experts),
        read_top_k(config, top_k),
        config.integer("moe_intermediate_size", default=512),
        shared=shared,
        shared_gate=True,
    )


def _qwen3_next_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    sparse = _qwen_experts(config, 512, 10)
    dense = FeedForward(inner_width=config.integer("intermediate_size", default=5632), gated=True)
    step, dense_layers = config.integer("decoder_sparse_step", default=1), config.numbers("mlp_only_layers")
    return [dense if index in dense_layers or (index + 1) % step else sparse for index in range(depth)]


def _qwen3_5_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    return [FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=True)] * depth


def _qwen3_5_experts(config: Config, depth: int) -> list[FeedForward | Experts]:
    config.skip("intermediate_size")
    return [_qwen_experts(config, 256, 8)] * depth


def _qwen3_next(config: Config) -> Architecture:
    return _qwen_text(config, 2, _qwen3_next_blocks)


def _minimax(config: Config) -> Architecture:
    config.skip(
        "block_size",
        "full_attn_alpha_factor",
        "full_attn_beta_factor",
        "linear_attn_alpha_factor",
        "linear_attn_beta_factor",
        "mlp_alpha_factor",
        "mlp_beta_factor",
    )
    width, depth = read_size(config)
    full = read_attention(config, width, kv_heads=8, window=config.optional("sliding_window"))
    linear = LightningAttention(heads=full.heads, head_width=full.head_width)
    experts = config.integer("num_local_experts", "num_experts", default=8)
    block = routed(config, experts, read_top_k(config, 2), config.integer("intermediate_size"))
    mixers = _mixers(config, depth, linear, full, lambda index: index % 2 == 0)
    return assemble(config, width, grouped(mixers, [block] * depth))


def _kimi_linear(config: Config) -> Architecture:
    config.skip("head_dim", "qk_head_dim", "moe_renormalize", "num_expert_group", "model_max_length")
    width, depth = read_size(config)
    heads = config.integer("num_attention_heads", default=32)
    kv_heads = config.optional("num_key_value_heads", default=heads) or heads
    config.require(kv_heads == heads, f"num_key_value_heads: latent attention has as many as heads ({heads})")
    full = LatentAttention(
        heads=heads,
        query_rank=config.optional("q_lora_rank"),
        kv_rank=config.integer("kv_lora_rank", default=512),
        nope_width=config.integer("qk_nope_head_dim", default=128),
        rope_width=config.integer("qk_rope_head_dim", default=64),
        value_width=config.integer("v_head_dim", default=128),
        bias=config.flag("attention_bias", default=False),
    )
    inside = config.inner("linear_attn_config")
    linear = KimiDelta(
        heads=inside.integer("num_heads", default=config.integer("linear_num_heads", default=32)),
        head_width=inside.integer("head_dim", default=config.integer("linear_head_dim", default=128)),
        kernel=inside.integer("short_conv_kernel_size", default=config.integer("linear_conv_kernel_dim", default=4)),
    )
    chosen, others = inside.numbers("full_attn_layers"), inside.numbers("kda_layers")
    if chosen or others:
        inside.require(
            sorted([*chosen, *others]) == list(range(1, depth + 1)),
            f"full_attn_layers: with kda_layers, they are not the layers 1 to {depth}",
        )
    mixers = _mixers(
        config,
        depth,
        linear,
        full,
        lambda index: index + 1 in chosen if chosen or others else index > 0 and index % 4 == 0,
    )
    require_untied(config)
    return assemble(config, width, grouped(mixers, _kimi_blocks(config, depth)))


def _kimi_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    inner = config.integer("moe_intermediate_size", default=1024)
    shared = config.integer("num_shared_experts", "n_shared_experts", default=1, least=0)
    sparse = routed(
        config,
        config.integer("num_experts", "num_local_experts", default=256),
        read_top_k(config, 8),
        inner,
        shared=FeedForward(inner_width=inner * shared, gated=True) if shared else None,
    )
    dense = FeedForward(inner_width=config.integer("intermediate_size", default=9216), gated=True)
    first = config.integer("first_k_dense_replace", default=1, least=0)
    period = config.integer("moe_layer_freq", default=1)
    config.require(period == 1, "moe_layer_freq: only 1 (all later layers) is known")
    listed = config.names("mlp_layer_types", depth, ("dense", "sparse"))
    if listed is None:
        return [dense if index < first else sparse for index in range(depth)]
    return [dense if kind == "dense" else sparse for kind in listed]


def _delta(config: Config, keys: int, values: int, key_width: int, value_width: int) -> GatedDelta:
    """Return the gated delta rule; the numbers are the defaults of the family."""
    linear = GatedDelta(
        key_heads=config.optional("linear_num_key_heads") or keys,
        value_heads=config.optional("linear_num_value_heads") or values,
        key_width=config.optional("linear_key_head_dim") or key_width,
        value_width=config.optional("linear_value_head_dim") or value_width,
        kernel=config.integer("linear_conv_kernel_dim", default=4),
    )
    config.require(
        linear.value_heads % linear.key_heads == 0,
        f"linear_num_key_heads: {linear.key_heads} does not divide the {linear.value_heads} value heads",
    )
    return linear


def _olmo_hybrid(config: Config) -> Architecture:
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, None, qk_norm="width", qkv_bias=bias, output_bias=bias)
    heads = full.heads
    key_width = max(int(0.75 * width / (config.optional("linear_num_key_heads") or heads)), 1)
    given = config.optional("linear_key_head_dim") or key_width
    linear = _delta(config, heads, heads, key_width, 2 * given)
    mixers = _mixers(config, depth, linear, full, lambda index: index % 4 == 3 or (depth < 4 and index == depth - 1))
    block = FeedForward(inner_width=config.integer("intermediate_size", default=11008), gated=True)
    return assemble(config, width, grouped(mixers, [block] * depth))


_LARA_KINDS = (LINEAR, SLIDING, LINEAR, FULL, SLIDING)
_LARA = Routing(
    128,
    4,
    ("num_experts",),
    dense_keys=(),
    shared_width_key="shared_expert_intermediate_size",
    shared=512,
    listed=False,
    inner=512,
)


def _lara_mini(config: Config) -> Architecture:
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, 4, head_width=128, qk_norm="head", qkv_bias=bias, output_bias=bias)
    sliding = full.replace(window=config.integer("sliding_window", default=512))
    kinds = config.names("layer_types", depth, (LINEAR, SLIDING, FULL))
    kinds = kinds or [_LARA_KINDS[index % 5] for index in range(depth)]
    mixer_of: dict[str, Block] = {LINEAR: _delta(config, 8, 16, 128, 128), SLIDING: sliding, FULL: full}
    mixers = [mixer_of[kind] for kind in kinds]
    return assemble(config, width, grouped(mixers, blocks_of(config, _LARA, depth)), tied=True)


_BAILING = latent_routing(
    experts=512,
    experts_keys=("num_local_experts", "num_experts"),
    shared_key="num_shared_experts",
    group_key="num_expert_group",
    inner=768,
    first=2,
    group_defaults=(8, 4),
)


def _bailing_hybrid(config: Config) -> Architecture:
    """Read Ling 3: Kimi delta attention, and latent attention in every sixth layer."""
    config.skip("head_dim", "qk_head_dim", "moe_renormalize", "model_max_length", "kda_safe_gate", "kda_lower_bound")
    config.skip("mtp_loss_scaling_factor", "n_group", "n_shared_experts")
    require_untied(config)
    width, depth = read_size(config)
    full = latent_attention(config, Latent(_BAILING, query_rank=None, options={"head_gate": True}))
    linear = KimiDelta(
        heads=config.integer("linear_num_heads", default=full.heads),
        head_width=config.integer("linear_head_dim", "head_dim", default=128),
        kernel=config.integer("linear_conv_kernel_dim", "short_conv_kernel_size", default=4),
        low_rank=False,
    )
    period = config.integer("layer_group_size", default=6)
    mixers = _mixers(config, depth, linear, full, lambda index: (index + 1) % period == 0)
    blocks = blocks_of(config, _BAILING, depth)
    predicted = config.integer("num_nextn_predict_layers", "num_mtp_layers", default=1, least=0)
    last = Layer(mixer=full, feed_forward=blocks[-1]) if predicted else None
    layers = grouped(mixers, blocks)
    return assemble(config, width, layers, prediction_layers=predicted, prediction_layer=last)


READERS: dict[str, Reader] = {
    "qwen3_next": _qwen3_next,
    "minimax": _minimax,
    "kimi_linear": _kimi_linear,
    "olmo_hybrid": _olmo_hybrid,
    "lara_mini": _lara_mini,
    "bailing_hybrid": _bailing_hybrid,
    "qwen3_5_text": lambda config: _qwen_text(config, 4, _qwen3_5_blocks),
    "qwen3_5_moe_text": lambda config: _qwen_text(config, 2, _qwen3_5_experts),
}
"""Readers by the `model_type` of a config."""
