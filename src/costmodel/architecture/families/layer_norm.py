"""Decoders with LayerNorm and a sequential attention and feed-forward block: BLOOM, MPT, GPT-Neo, StarCoder.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Norm
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.reading import Reader, equal_layers, grouped, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _bloom(config: Config) -> Architecture:
    config.skip(
        "apply_residual_connection_post_layernorm", "seq_length", "offset_alibi", "slow_but_exact", "skip_bias_add"
    )
    width = config.integer("hidden_size", "n_embed", default=64)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head = heads_of(config, width, "n_head", "num_attention_heads")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head, qkv_bias=True, output_bias=True)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, FeedForward(inner_width=4 * width, gated=False, bias=True), depth, 2),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
        extras=(Norm(extent=width, bias=True),),  # of the embedding
    )


def _gpt_neo(config: Config) -> Architecture:
    width, depth = config.integer("hidden_size", default=2048), read_depth(config, "num_layers")
    heads, head = heads_of(config, width, "num_heads", default=16)
    full = Attention(heads=heads, kv_heads=heads, head_width=head, output_bias=True)
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
    sound = len(kinds) == depth and set(kinds) <= {"global", "local"}
    config.require(sound, f"attention_types: must list 'global' or 'local' for {depth} layers")
    return kinds if sound else ["global"] * depth


def _gpt_bigcode(config: Config) -> Architecture:
    config.skip("attention_softmax_in_fp32", "runner_max_sequence_length", "max_sequence_length", "max_batch_size")
    config.skip(
        "inference_runner", "pre_allocate_kv_cache", "validate_runner_input", "pad_key_length", "attention_head_type"
    )
    width, depth = (
        config.integer("n_embd", "hidden_size", default=768),
        read_depth(config, "n_layer", "num_hidden_layers"),
    )
    heads, head = heads_of(config, width, "n_head", "num_attention_heads", default=12)
    kv_heads = 1 if config.flag("multi_query", default=True) else heads
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.optional("n_inner") or 4 * width, gated=False, bias=True)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, block, depth, 2),
        vocabulary=config.integer("vocab_size", default=50257),
        positions=config.integer("n_positions", "max_position_embeddings", default=1024),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
    )


def _mpt(config: Config) -> Architecture:
    config.skip(
        "max_seq_len", "learned_pos_emb", "embedding_fraction", "init_config", "norm_type", "no_bias", "init_device"
    )
    width, depth = (
        config.integer("d_model", "hidden_size", default=2048),
        read_depth(config, "n_layers", "num_hidden_layers"),
    )
    heads, head = heads_of(config, width, "n_heads", "num_attention_heads", default=16)
    attention = config.inner("attn_config")
    attention.skip("alibi", "alibi_bias_max", "attn_impl", "attn_uses_sequence_id", "prefix_lm", "softmax_scale")
    kind = attention.value("attn_type")
    config.require(kind in (None, "multihead_attention"), f"attn_config.attn_type: {kind!r} is not known here")
    config.require(not attention.flag("qk_ln", default=False), "attn_config.qk_ln: norms of queries are not known here")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head)
    inner = width * config.integer("expansion_ratio", default=4)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, [FeedForward(inner_width=inner, gated=False)] * depth),
        vocabulary=config.integer("vocab_size", default=50368),
        tied=config.flag("tie_word_embeddings", default=True),
    )


def _starcoder2(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "norm_type", "mlp_type")
    width, depth = config.integer("hidden_size", default=3072), read_depth(config, "num_hidden_layers")
    heads, head = heads_of(config, width, "num_attention_heads", default=24)
    bias = config.flag("use_bias", default=True)
    mixer = Attention(
        heads=heads, kv_heads=kv_heads_of(config, heads, default=2), head_width=head, qkv_bias=bias, output_bias=bias,
        window=config.optional("sliding_window"),
    )  # fmt: skip
    block = FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=False, bias=bias)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, block, depth, 2),
        vocabulary=config.integer("vocab_size", default=49152),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
    )


READERS: dict[str, Reader] = {
    "bloom": _bloom,
    "gpt_bigcode": _gpt_bigcode,
    "gpt_neo": _gpt_neo,
    "mpt": _mpt,
    "starcoder2": _starcoder2,
}
"""Readers by the `model_type` of a config."""
