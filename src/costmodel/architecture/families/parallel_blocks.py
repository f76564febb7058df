"""Decoders whose attention and feed-forward blocks run in parallel: Falcon, GPT-J, Phi, StableLM, Cohere.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from typing import Literal

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.heads import heads_of, kv_heads_of
from costmodel.architecture.families.reading import Reader, equal_layers, grouped, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _falcon(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "alibi", "apply_residual_connection_post_layernorm", "head_dim")
    width = config.integer("hidden_size", default=4544)
    depth = read_depth(config, "num_hidden_layers", "n_layer")
    heads, head = heads_of(config, width, "num_attention_heads", "n_head")
    new = config.flag("new_decoder_architecture", default=False)
    one_kv = config.flag("multi_query", default=True)
    given_kv = kv_heads_of(config, heads, "num_kv_heads")
    parallel, bias = config.flag("parallel_attn", default=True), config.flag("bias", default=False)
    norms_in_parallel = config.optional("num_ln_in_parallel_attn") or (2 if new else 1)
    config.require(norms_in_parallel in {1, 2}, "num_ln_in_parallel_attn: must be 1 or 2")
    kv_heads = given_kv if new else (1 if one_kv else heads)
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head, qkv_bias=bias, output_bias=bias)
    inner = config.optional("ffn_hidden_size") or 4 * width
    both = (new and norms_in_parallel == 2) or not (new or parallel)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, FeedForward(inner_width=inner, gated=False, bias=bias), depth, 2 if both else 1),
        vocabulary=config.integer("vocab_size", default=65024),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
    )


def _gptj(config: Config) -> Architecture:
    config.skip("n_positions", "n_ctx")
    width, depth = config.integer("n_embd", default=4096), read_depth(config, "n_layer")
    heads, head = heads_of(config, width, "n_head", default=16)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head)
    block = FeedForward(inner_width=config.optional("n_inner") or 4 * width, gated=False, bias=True)
    tied = config.flag("tie_word_embeddings", default=False)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, block, depth, 1),
        vocabulary=config.integer("vocab_size", default=50400),
        tied=tied,
        head_bias=True,
        norm_bias=True,
    )


def _phi(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "resid_pdrop")
    width, depth = config.integer("hidden_size", default=2048), read_depth(config, "num_hidden_layers")
    heads, head = heads_of(config, width, "num_attention_heads", default=32)
    norm: Literal["head", "none"] = "head" if config.flag("qk_layernorm", default=False) else "none"
    mixer = Attention(
        heads=heads, kv_heads=kv_heads_of(config, heads), head_width=head, qkv_bias=True, output_bias=True,
        qk_norm=norm, qk_norm_bias=True,
    )  # fmt: skip
    block = FeedForward(inner_width=config.integer("intermediate_size", default=8192), gated=False, bias=True)
    tied = config.flag("tie_word_embeddings", default=False)
    return Architecture(
        width=width,
        layers=equal_layers(mixer, block, depth, 1),
        vocabulary=config.integer("vocab_size", default=51200),
        tied=tied,
        head_bias=True,
        norm_bias=True,
    )


def _stablelm(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size", default=2560), read_depth(config, "num_hidden_layers")
    heads, head = heads_of(config, width, "num_attention_heads", default=32)
    norm: Literal["width", "none"] = "width" if config.flag("qk_layernorm", default=False) else "none"
    mixer = Attention(
        heads=heads, kv_heads=kv_heads_of(config, heads, default=32), head_width=head, qk_norm=norm,
        qkv_bias=config.flag("use_qkv_bias", default=False),
    )  # fmt: skip
    block = FeedForward(inner_width=config.integer("intermediate_size", default=6912), gated=True)
    norms = 1 if config.flag("use_parallel_residual", default=False) else 2
    return Architecture(
        width=width,
        layers=equal_layers(mixer, block, depth, norms),
        vocabulary=config.integer("vocab_size", default=50304),
        tied=config.flag("tie_word_embeddings", default=False),
        norm_bias=True,
    )


def _cohere(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size", default=8192), read_depth(config, "num_hidden_layers")
    heads, head = heads_of(config, width, "num_attention_heads", default=64)
    bias = config.flag("attention_bias", default=False)
    norm: Literal["width", "none"] = "width" if config.flag("use_qk_norm", default=False) else "none"
    mixer = Attention(
        heads=heads, kv_heads=kv_heads_of(config, heads), head_width=head, qkv_bias=bias, output_bias=bias, qk_norm=norm
    )
    block = FeedForward(inner_width=config.integer("intermediate_size", default=22528), gated=True)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, [block] * depth, norms=1),
        vocabulary=config.integer("vocab_size", default=256000),
        tied=config.flag("tie_word_embeddings", default=True),
    )


READERS: dict[str, Reader] = {
    "cohere": _cohere,
    "falcon": _falcon,
    "gptj": _gptj,
    "phi": _phi,
    "stablelm": _stablelm,
}
"""Readers by the `model_type` of a config."""
