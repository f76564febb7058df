"""Decoders with LayerNorm and a sequential attention and feed-forward block.

BLOOM, MPT, GPT-Neo, StarCoder2, Persimmon, GPT-NeoX Japanese, XGLM, CTRL, XLM, XLNet, CPM-Ant and the decoder form of
ModernBERT.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.pieces import Linear, Norm, Table
from costmodel.architecture.blocks.relative_scores import RelativeScores
from costmodel.architecture.families.classes import class_head
from costmodel.architecture.families.heads import grouped_query_attention, heads_of
from costmodel.architecture.families.reading import Reader, grouped, read_depth, uniform_decoder
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


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
    ratio = config.integer("expansion_ratio", default=4)
    config.require(ratio == 4, f"expansion_ratio: only 4 is read, because transformers ignores it; got {ratio}")
    block = FeedForward(inner_width=width * 4, gated=False)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=50368, norm_bias=False)


def _starcoder2(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "norm_type", "mlp_type")
    width, depth = config.integer("hidden_size", default=3072), read_depth(config, "num_hidden_layers")
    bias, window = config.flag("use_bias", default=True), config.optional("sliding_window")
    mixer = grouped_query_attention(config, width, heads=24, kv_heads=2, bias=bias, window=window, width_key="head_dim")
    block = FeedForward(inner_width=config.integer("intermediate_size", default=12288), gated=False, bias=bias)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=49152)


def _persimmon(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size", default=4096), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=64)
    mixer = Attention(
        heads=heads,
        kv_heads=heads,
        head_width=head_width,
        qkv_bias=True,
        output_bias=True,
        qk_norm="head" if config.flag("qk_layernorm", default=True) else "none",
        qk_norm_bias=True,
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=16384), gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=262144)


def _gpt_neox_japanese(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size", default=2560), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=32)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width)
    multiple = config.integer("intermediate_multiple_size", default=4)
    block = FeedForward(inner_width=multiple * width, gated=False)
    last_bias = Norm(extent=width, belongs_to="attention")  # only the last layer has an output bias
    decoder = uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=32000)
    return decoder.replace(extras=(last_bias,))


def _xglm(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width = config.integer("d_model", "hidden_size", default=1024)
    depth = read_depth(config, "num_layers", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "attention_heads", "num_attention_heads", default=16)
    crosses = config.flag("add_cross_attention", default=False)
    config.require(not crosses, "add_cross_attention: cross-attention to an encoder is not known here")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.integer("ffn_dim", default=4096), gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=256008)


def _ctrl(config: Config) -> Architecture:
    config.skip("n_positions", "max_position_embeddings")
    width = config.integer("n_embd", "hidden_size", default=1280)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_head", "num_attention_heads", default=16)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.integer("dff", default=8192), gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=246534, head_bias=True)


def _require_plain_head(config: Config) -> None:
    """Refuse classes whose heads have layers of their own before the labels."""
    known = class_head(config) not in ("sequence_classification", "question_answering")
    config.require(known, "architectures: heads of this family for sequences and answers are not known here")


def _xlm(config: Config) -> Architecture:
    """Read XLM: BERT with a norm after the embedding, causal or not, with embeddings of languages."""
    width = config.integer("emb_dim", "hidden_size", default=2048)
    depth = read_depth(config, "n_layers", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_heads", "num_attention_heads", default=16)
    config.require(not config.flag("asm", default=False), "asm: adaptive heads are not known here")
    _require_plain_head(config)
    languages = config.integer("n_langs", default=1)
    has_languages = config.flag("use_lang_emb", default=True) and languages > 1
    mixer = Attention(
        heads=heads,
        kv_heads=heads,
        head_width=head_width,
        qkv_bias=True,
        output_bias=True,
        causal=config.flag("causal", default=False),
    )
    config.skip("sinusoidal_embeddings")  # the table has the same rows
    block = FeedForward(inner_width=4 * width, gated=False, bias=True)
    positions = config.integer("max_position_embeddings", default=512)
    decoder = uniform_decoder(
        config, width, depth, mixer, block, tied=True, vocabulary=30145, positions=positions, head_bias=True
    )
    tables = (Table(rows=languages, columns=width),) if has_languages else ()
    return decoder.replace(final_norm=False, norm_bias=False, extras=(Norm(extent=width, bias=True), *tables))


def _xlnet(config: Config) -> Architecture:
    """Read XLNet: attention of Transformer-XL, with scores of relative positions and of segments."""
    config.skip("mem_len", "reuse_len", "clamp_len", "same_length", "bi_data", "use_mems_eval", "use_mems_train")
    config.skip("untie_r", "max_position_embeddings")
    _require_plain_head(config)
    width = config.integer("d_model", "hidden_size", default=1024)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_head", "num_attention_heads", default=16)
    head_width = config.optional("d_head") or head_width
    direction = config.value("attn_type")
    config.require(direction in (None, "bi", "uni"), "attn_type: must be 'bi' or 'uni'")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, causal=direction == "uni")
    # vectors that are added to queries: for content, positions and segments; and two embeddings of segments
    positions = RelativeScores(heads=heads, head_width=head_width, vectors=5)
    block = FeedForward(inner_width=config.integer("d_inner", default=4096), gated=False, bias=True)
    layer = Layer(mixer=mixer, also=(positions,), feed_forward=block, norm_bias=True, count=depth)
    return Architecture(
        width=width,
        layers=(layer,),
        vocabulary=config.integer("vocab_size", default=32000),
        tied=config.flag("tie_word_embeddings", default=True),
        head_bias=True,
        final_norm=False,
        extras=(Norm(extent=width),),  # embedding of masked tokens
    )


def _cpmant(config: Config) -> Architecture:
    """Read CPM-Ant: an embedding with rows for prompts, relative positions by bucket, and a head of its own."""
    config.skip("position_bias_max_distance", "tie_word_embeddings")
    width, depth = config.integer("hidden_size", default=4096), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads", default=32)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=config.integer("dim_head", default=128))
    block = FeedForward(inner_width=config.integer("dim_ff", default=10240), gated=True)
    prompts = config.integer("prompt_types", default=32) * config.integer("prompt_length", default=32)
    segments = config.integer("segment_types", default=32)
    buckets = segments**2 + config.integer("position_bias_num_buckets", default=512)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, count=depth),),
        vocabulary=config.integer("vocab_size", default=30720),
        tied=False,
        extras=(
            Table(rows=prompts + segments, columns=width),
            Norm(extent=buckets * heads, belongs_to="attention"),
        ),
    )


def _modernbert_decoder(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "sliding_window")
    width, depth = config.integer("hidden_size", default=768), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=12)
    bias, norm_bias = config.flag("attention_bias", default=False), config.flag("norm_bias", default=False)
    full = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=bias, output_bias=bias)
    reach = config.optional("local_attention", default=128)
    local = full if reach is None else full.replace(window=max(reach // 2, 1))
    period = config.integer("global_attn_every_n_layers", default=3)
    kinds = config.names("layer_types", depth, ("sliding_attention", "full_attention"))
    is_full = [index % period == 0 if kinds is None else kinds[index] == "full_attention" for index in range(depth)]
    mixers = [full if chosen else local for chosen in is_full]
    block = FeedForward(
        inner_width=config.integer("intermediate_size", default=1152),
        gated=True,
        bias=config.flag("mlp_bias", default=False),
    )
    first = Layer(mixer=mixers[0], feed_forward=block, norms=1, norm_bias=norm_bias)  # the embedding has its norm
    dense = Linear(inputs=width, outputs=width, bias=config.flag("classifier_bias", default=False), belongs_to="head")
    norm = Norm(extent=width, bias=norm_bias)
    return Architecture(
        width=width,
        layers=(first, *grouped(mixers[1:], [block] * (depth - 1), norm_bias=norm_bias)),
        vocabulary=config.integer("vocab_size", default=50368),
        tied=config.flag("tie_word_embeddings", default=True),
        head_bias=config.flag("decoder_bias", default=True),
        norm_bias=norm_bias,
        extras=(norm,) if class_head(config) == "none" else (norm, dense, norm),
    )


READERS: dict[str, Reader] = {
    "bloom": _bloom,
    "cpmant": _cpmant,
    "ctrl": _ctrl,
    "gpt_neo": _gpt_neo,
    "gpt_neox_japanese": _gpt_neox_japanese,
    "modernbert-decoder": _modernbert_decoder,
    "mpt": _mpt,
    "persimmon": _persimmon,
    "starcoder2": _starcoder2,
    "xglm": _xglm,
    "flaubert": _xlm,
    "xlm": _xlm,
    "xlnet": _xlnet,
}
"""Readers by the `model_type` of a config."""
