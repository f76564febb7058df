"""Decoders of Mamba layers with attention in some of them: Bamba, Granite 4, Zamba, Zamba 2.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence
from typing import Any

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.block import Block
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.mamba import Mamba
from costmodel.architecture.blocks.mamba2 import Mamba2
from costmodel.architecture.blocks.pieces import Linear, Norm
from costmodel.architecture.blocks.reapplied import Reapplied
from costmodel.architecture.families.reading import Reader, grouped, joined
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.families.state_space import (
    FULL,
    LINEAR,
    assemble,
    current_kinds,
    groups_of,
    read_attention,
    read_size,
    step_rank,
)
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer

HYBRID = "hybrid"


def _require_tied(config: Config) -> None:
    """Note a problem if the config does not tie embedding and LM head; the family has no such models."""
    tied = config.flag("tie_word_embeddings", default=True)
    config.require(tied, "tie_word_embeddings: only true is known for this model_type")


def _mamba2(config: Config, width: int) -> Mamba2:
    """Return the Mamba-2 block of Bamba and Granite 4."""
    inner = config.integer("mamba_expand", default=2) * width
    heads = config.integer("mamba_n_heads", default=128)
    automatic = config.value("mamba_d_head") in (None, "auto")
    head_width = max(inner // heads, 1) if automatic else config.integer("mamba_d_head")
    config.require(heads * head_width == inner, f"mamba_d_head: {heads} heads of {head_width} are not {inner} wide")
    bias = config.flag("mamba_proj_bias", default=False)
    return Mamba2(
        heads=heads,
        head_width=head_width,
        state_width=config.integer("mamba_d_state", default=256),
        groups=groups_of(config, heads, "mamba_n_groups", default=1),
        kernel=config.integer("mamba_d_conv", default=4),
        chunk=config.integer("mamba_chunk_size", default=256),
        input_bias=bias,
        output_bias=bias,
        convolution_bias=config.flag("mamba_conv_bias", default="mamba_conv_bias" not in config.data),  # null is false
    )


def _bamba(config: Config) -> Architecture:
    width, depth = read_size(config)
    bias, mlp_bias = config.flag("attention_bias", default=False), config.flag("mlp_bias", default=False)
    full = read_attention(config, width, kv_heads=8, qkv_bias=bias, output_bias=bias)
    mamba, chosen = _mamba2(config, width), config.numbers("attn_layer_indices")
    block = FeedForward(inner_width=config.integer("intermediate_size", default=14336), gated=True, bias=mlp_bias)
    mixers = [full if index in chosen else mamba for index in range(depth)]
    return assemble(config, width, grouped(mixers, [block] * depth))


def _granite_hybrid(config: Config) -> Architecture:
    config.skip("attention_multiplier", "embedding_multiplier", "position_embedding_type")
    width, depth = read_size(config)
    bias = config.flag("attention_bias", default=False)
    full = read_attention(config, width, kv_heads=None, qkv_bias=bias, output_bias=bias)
    kinds = _listed(config, depth, (LINEAR, FULL)) or [LINEAR] * depth
    mamba = _mamba2(config, width)
    shared = FeedForward(inner_width=config.integer("shared_intermediate_size", default=1024), gated=True)
    experts = config.integer("num_local_experts", default=8, least=0)
    config.skip("num_experts_per_tok", "intermediate_size")
    block: Block = shared
    if experts:
        null = "num_experts_per_tok" in config.data and config.data["num_experts_per_tok"] is None
        top_k = config.integer("num_experts_per_tok", default=experts if null else 2)
        block = routed(config, experts, top_k, config.integer("intermediate_size", default=11008), shared=shared)
    return assemble(config, width, grouped([full if kind == FULL else mamba for kind in kinds], [block] * depth))


def _listed(config: Config, depth: int, accepted: Sequence[str]) -> list[str]:
    """Return the kinds of layers at `layer_types` or `layers_block_type`, empty if neither is there."""
    key = "layer_types" if config.value("layer_types") is not None else "layers_block_type"
    listed = config.value(key)
    if listed is None:
        return []
    kinds = current_kinds(listed) if isinstance(listed, list) else []
    valid = len(kinds) == depth and set(kinds) <= set(accepted)
    config.require(valid, f"{key}: must list {depth} kinds of layer out of {', '.join(accepted)}")
    return kinds if valid else []


def _shared_attention(config: Config, width: int, kv_default: int | None = None, **options: Any) -> Attention:
    """Return attention that reads the hidden state and the embedding together, twice the hidden size.

    `kv_default` is the default of the KV heads, None for as many as heads.
    """
    heads = config.integer("num_attention_heads", default=16)
    kv_heads = config.optional("num_key_value_heads", default=kv_default) or heads
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    inputs = config.optional("attention_hidden_size") or 2 * width
    head_width = config.optional("attention_head_dim") or max(2 * width // heads, 1)
    return Attention(heads=heads, kv_heads=min(kv_heads, heads), head_width=head_width, input_width=inputs, **options)


def _hybrid_layers(
    width: int, kinds: Sequence[str], mamba: Block, shared: Sequence[Block], copies: int, each: Sequence[Block] = ()
) -> tuple[Layer, ...]:
    """Return layers of Mamba, and before some of them one of `copies` shared blocks in turn."""
    plain = Layer(mixer=mamba, norms=1)
    join = Linear(inputs=width, outputs=width)
    repeated = [Reapplied(block=block) for block in shared if not isinstance(block, Norm)]
    first = Layer(mixer=mamba, also=(*shared, join, *each), norms=1)
    later = Layer(mixer=mamba, also=(*repeated, join, *each), norms=1)
    layers, hybrids = [], 0
    for kind in kinds:
        layers.append(plain if kind == LINEAR else first if hybrids < copies else later)
        hybrids += kind == HYBRID
    return joined(layers)


def _zamba(config: Config) -> Architecture:
    _require_tied(config)
    width, depth = read_size(config)
    heads = config.integer("n_mamba_heads", default=2)
    inner = config.integer("mamba_expand", default=2) * width
    config.require(inner % heads == 0, f"n_mamba_heads: {heads} does not divide the {inner} channels")
    mamba = Mamba(
        inner_width=inner,
        state_width=config.integer("mamba_d_state", default=16),
        step_rank=step_rank(config, "mamba_dt_rank", width),
        kernel=config.integer("mamba_d_conv", default=4),
        bias=config.flag("mamba_proj_bias", default=False),
        convolution_bias=config.flag("mamba_conv_bias", default=True),
    )
    attention = _shared_attention(config, width, kv_default=16)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=14848), gated=True)
    period, offset = config.integer("attn_layer_period", default=6), config.integer("attn_layer_offset", default=4)
    kinds = _listed(config, depth, (LINEAR, HYBRID)) or [
        HYBRID if index == 2 or (index > 2 and (index - 3) % period == offset) else LINEAR for index in range(depth)
    ]
    shared = (attention, block, Norm(extent=attention.input_width or width), Norm(extent=width))
    return assemble(config, width, _hybrid_layers(width, kinds, mamba, shared, 1), tied=True)


def _zamba2(config: Config) -> Architecture:
    config.skip("kv_channels", "num_query_groups", "hybrid_layer_ids", "use_mem_rope", "use_mem_eff_path")
    config.skip("mamba_headdim", "use_conv_bias")
    _require_tied(config)
    width, depth = read_size(config)
    bias = config.flag("add_bias_linear", default=False)
    heads = config.integer("n_mamba_heads", default=8)
    inner = config.integer("mamba_expand", default=2) * width
    config.require(inner % heads == 0, f"n_mamba_heads: {heads} does not divide the {inner} channels")
    mamba = Mamba2(
        heads=heads,
        head_width=max(inner // heads, 1),
        state_width=config.integer("mamba_d_state", default=64),
        groups=groups_of(config, heads, "mamba_ngroups", default=1),
        kernel=config.integer("mamba_d_conv", default=4),
        chunk=config.integer("chunk_size", default=256),
        input_bias=bias,
        output_bias=bias,
    )
    attention = _shared_attention(config, width)
    feed_forward = config.optional("intermediate_size") or 4 * width
    rank, wide = config.integer("adapter_rank", default=128), 2 * width
    adapters = [Linear(inputs=width, outputs=rank), Linear(inputs=rank, outputs=2 * feed_forward)]
    if config.flag("use_shared_attention_adapter", default=False):
        adapters += [Linear(inputs=wide, outputs=rank), Linear(inputs=rank, outputs=wide)] * 3
    kinds = _listed(config, depth, (LINEAR, HYBRID)) or _zamba2_kinds(config, depth)
    shared = (
        attention,
        FeedForward(inner_width=feed_forward, gated=True, bias=bias),
        Norm(extent=attention.input_width or width),
        Norm(extent=width),
    )
    copies = config.integer("num_mem_blocks", default=1)
    return assemble(config, width, _hybrid_layers(width, kinds, mamba, shared, copies, adapters), tied=True)


def _zamba2_kinds(config: Config, depth: int) -> list[str]:
    hybrids = (6, 12, 18, 24, 30, 36, 42, 47, 51)
    config.require(depth == 54, "layers_block_type: is required and missing, unless there are 54 layers")
    return [HYBRID if index in hybrids else LINEAR for index in range(depth)]


READERS: dict[str, Reader] = {
    "bamba": _bamba,
    "granitemoehybrid": _granite_hybrid,
    "zamba": _zamba,
    "zamba2": _zamba2,
}
"""Readers by the `model_type` of a config."""
