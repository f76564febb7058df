"""Decoders whose attention and feed-forward blocks run in parallel: Falcon, GPT-J, CodeGen, Phi, StableLM, Cohere.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.heads import grouped_query_attention, heads_of, kv_heads_of
from costmodel.architecture.families.reading import Reader, grouped, read_depth, uniform_decoder
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _falcon(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "alibi", "apply_residual_connection_post_layernorm", "head_dim")
    width = config.integer("hidden_size", default=4544)
    depth = read_depth(config, "num_hidden_layers", "n_layer")
    heads, head_width = heads_of(config, width, "num_attention_heads", "n_head")
    new = config.flag("new_decoder_architecture", default=False)
    multi_query = config.flag("multi_query", default=True)
    grouped_kv_heads = kv_heads_of(config, heads, "num_kv_heads")
    parallel, bias = config.flag("parallel_attn", default=True), config.flag("bias", default=False)
    norms_in_parallel = config.optional("num_ln_in_parallel_attn") or (2 if new else 1)
    config.require(norms_in_parallel in {1, 2}, "num_ln_in_parallel_attn: must be 1 or 2")
    kv_heads = grouped_kv_heads if new else (1 if multi_query else heads)
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head_width, qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=config.optional("ffn_hidden_size") or 4 * width, gated=False, bias=bias)
    two_norms = norms_in_parallel == 2 or not parallel
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=65024, norms=2 if two_norms else 1)


def _gptj(config: Config) -> Architecture:
    config.skip("n_positions", "n_ctx")
    width, depth = config.integer("n_embd", default=4096), read_depth(config, "n_layer")
    heads, head_width = heads_of(config, width, "n_head", default=16)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width)
    block = FeedForward(inner_width=config.optional("n_inner") or 4 * width, gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=50400, head_bias=True, norms=1)


def _phi(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "resid_pdrop")
    width, depth = config.integer("hidden_size", default=2048), read_depth(config, "num_hidden_layers")
    normalized = config.flag("qk_layernorm", default=False)
    mixer = grouped_query_attention(
        config,
        width,
        heads=32,
        bias=True,
        qk_norm="head" if normalized else "none",
        qk_norm_bias=True,
        width_key="head_dim",
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=8192), gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=51200, head_bias=True, norms=1)


def _stablelm(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "head_dim")
    width, depth = config.integer("hidden_size", default=2560), read_depth(config, "num_hidden_layers")
    qkv_bias, normalized = config.flag("use_qkv_bias", default=False), config.flag("qk_layernorm", default=False)
    mixer = grouped_query_attention(
        config, width, heads=32, kv_heads=32, qkv_bias=qkv_bias, qk_norm="width" if normalized else "none"
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=6912), gated=True)
    norms = 1 if config.flag("use_parallel_residual", default=False) else 2
    return uniform_decoder(config, width, depth, mixer, block, tied=False, vocabulary=50304, norms=norms)


def _cohere(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size", default=8192), read_depth(config, "num_hidden_layers")
    bias, normalized = config.flag("attention_bias", default=False), config.flag("use_qk_norm", default=False)
    mixer = grouped_query_attention(
        config, width, heads=64, bias=bias, qk_norm="width" if normalized else "none", width_key="head_dim"
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=22528), gated=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=256000, norms=1, norm_bias=False)


def _cohere2(config: Config, *, slides: bool = True) -> Architecture:
    """Read Cohere 2; unless the config lists the layers, three of four have a sliding window if it `slides`."""
    config.skip("max_position_embeddings", "logit_scale", "pooling")
    width, depth = config.integer("hidden_size", default=8192), read_depth(config, "num_hidden_layers")
    bias = config.flag("attention_bias", default=False)
    full = grouped_query_attention(config, width, heads=64, bias=bias, width_key="head_dim")
    window = config.optional("sliding_window", default=4096)
    sliding = full if window is None else full.replace(window=window)
    period = config.integer("sliding_window_pattern", default=4)
    kinds = config.names("layer_types", depth, ("sliding_attention", "full_attention"))
    if kinds is None:
        is_sliding = [slides and bool((index + 1) % period) for index in range(depth)]
    else:
        is_sliding = [kind == "sliding_attention" for kind in kinds]
    block = FeedForward(inner_width=config.integer("intermediate_size", default=22528), gated=True)
    return Architecture(
        width=width,
        layers=grouped([sliding if chosen else full for chosen in is_sliding], [block] * depth, norms=1),
        vocabulary=config.integer("vocab_size", default=256000),
        tied=config.flag("tie_word_embeddings", default=True),
    )


def _cohere_compass(config: Config) -> Architecture:
    return _cohere2(config, slides=False)


READERS: dict[str, Reader] = {
    "cohere": _cohere,
    "cohere2": _cohere2,
    "cohere_compass_text": _cohere_compass,
    "falcon": _falcon,
    "gptj": _gptj,
    "phi": _phi,
    "stablelm": _stablelm,
}
"""Readers by the `model_type` of a config."""
