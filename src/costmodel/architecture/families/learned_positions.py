"""Decoders of the GPT-2 layout: LayerNorm, plain feed-forward blocks and biases (GPT-2, GPT-NeoX, OPT).

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _gpt2(config: Config) -> Architecture:
    config.skip("n_ctx")
    width, depth = (
        config.integer("n_embd", "hidden_size", default=768),
        read_depth(config, "n_layer", "num_hidden_layers"),
    )
    heads = config.integer("n_head", "num_attention_heads", default=12)
    config.require(width % heads == 0, f"n_embd: {width} is not a multiple of the {heads} heads")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=max(width // heads, 1), qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.optional("n_inner") or 4 * width, gated=False, bias=True)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, [block] * depth, norm_bias=True),
        vocabulary=config.integer("vocab_size", default=50257),
        positions=config.integer("n_positions", "max_position_embeddings", default=1024),
        tied=config.flag("tie_word_embeddings", default=True),
        norm_bias=True,
    )


def _gpt_neox(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    bias = config.flag("attention_bias", default=True)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=max(width // heads, 1), qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=config.integer("intermediate_size"), gated=False, bias=True)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, [block] * depth, norm_bias=True),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
        norm_bias=True,
    )


def _opt(config: Config) -> Architecture:
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    config.require(width % heads == 0, f"hidden_size: {width} is not a multiple of the {heads} heads")
    bias = config.flag("enable_bias", default=True)
    affine = config.flag("layer_norm_elementwise_affine", default=True)
    before = config.flag("do_layer_norm_before", default=True)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=max(width // heads, 1), qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=config.integer("ffn_dim"), gated=False, bias=bias)
    inner = config.integer("word_embed_proj_dim", default=width)
    final = before and affine and not config.flag("_remove_final_layer_norm", default=False)
    return Architecture(
        width=width,
        layers=grouped([mixer] * depth, [block] * depth, norms=2 if affine else 0, norm_bias=True),
        vocabulary=config.integer("vocab_size"),
        embedding_width=inner if inner != width else None,
        positions=config.integer("max_position_embeddings", default=2048) + 2,  # OPT offsets positions by 2
        tied=config.flag("tie_word_embeddings", default=True),
        final_norm=final,
        norm_bias=True,
    )


READERS: dict[str, Reader] = {
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "opt": _opt,
}
"""Readers by the `model_type` of a config."""
