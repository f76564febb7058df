"""Decoders with LayerNorm and a sequential attention and feed-forward block: BLOOM, MPT, GPT-Neo, StarCoder2.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.heads import grouped_query_attention, heads_of
from costmodel.architecture.families.reading import Reader, grouped, read_depth, uniform_decoder
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _bloom(config: Config) -> Architecture:
    config.skip(
        "apply_residual_connection_post_layernorm", "seq_length", "offset_alibi", "slow_but_exact", "skip_bias_add"
    )
    width = config.integer("hidden_size", "n_embed", default=64)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_head", "num_attention_heads")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=4 * width, gated=False, bias=True)
    embedding_norm = Norm(extent=width, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=True).replace(extras=(embedding_norm,))


def _gpt_neo(config: Config) -> Architecture:
    width, depth = config.integer("hidden_size", default=2048), read_depth(config, "num_layers")
    heads, head_width = heads_of(config, width, "num_heads", default=16)
    full = Attention(heads=heads, kv_heads=heads, head_width=head_width, output_bias=True)
    local = full.replace(window=config.integer("window_size", default=256))
    kinds = _neo_kinds(config, depth)
    block = FeedForward(inner_width=config.optional("intermediate_size") or 4 * width, gated=False, bias=True)
    mixers = [local if kind == "local" else full for kind in kinds]
    return Architecture(
        width=width,
        layers=grouped(mixers, [block] * depth, norm_bias=True),
        vocabulary=config.integer("vocab_size", default=50257),
        positions=config.integer("max_position_embeddings", default=2048),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
    )


def _neo_kinds(config: Config, depth: int) -> Sequence[str]:
    """Return "global" or "local" for each layer, from `attention_types`: [[[kinds], repeats], ...]."""
    config.skip("attention_layers")
    given = config.value("attention_types")
    if given is None:
        return [("global", "local")[index % 2] for index in range(depth)]
    try:
        kinds = [str(kind) for pattern, repeats in given for kind in list(pattern) * min(int(repeats), depth)]
    except (TypeError, ValueError):
        kinds = []
    valid = len(kinds) == depth and set(kinds) <= {"global", "local"}
    config.require(valid, f"attention_types: must list 'global' or 'local' for {depth} layers")
    return kinds if valid else ["global"] * depth


def _mpt(config: Config) -> Architecture:
    config.skip(
        "max_seq_len", "learned_pos_emb", "embedding_fraction", "init_config", "norm_type", "no_bias", "init_device"
    )
    width = config.integer("d_model", "hidden_size", default=2048)
    depth = read_depth(config, "n_layers", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_heads", "num_attention_heads", default=16)
    attention = config.inner("attn_config")
    attention.skip("alibi", "alibi_bias_max", "attn_impl", "attn_uses_sequence_id", "prefix_lm", "softmax_scale")
    kind = attention.value("attn_type")
    config.require(kind in (None, "multihead_attention"), f"attn_config.attn_type: {kind!r} is not known here")
    config.require(not attention.flag("qk_ln", default=False), "attn_config.qk_ln: norms of queries are not known here")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width)
    block = FeedForward(inner_width=width * config.integer("expansion_ratio", default=4), gated=False)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=50368, norm_bias=False)


def _starcoder2(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "norm_type", "mlp_type")
    width, depth = config.integer("hidden_size", default=3072), read_depth(config, "num_hidden_layers")
    bias, window = config.flag("use_bias", default=True), config.optional("sliding_window")
    mixer = grouped_query_attention(config, width, heads=24, kv_heads=2, bias=bias, window=window)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=False, bias=bias)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=49152)


READERS: dict[str, Reader] = {
    "bloom": _bloom,
    "gpt_neo": _gpt_neo,
    "mpt": _mpt,
    "starcoder2": _starcoder2,
}
"""Readers by the `model_type` of a config."""
