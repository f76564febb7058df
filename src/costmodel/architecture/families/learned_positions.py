"""Decoders of the GPT-2 layout: LayerNorm, plain feed-forward blocks and biases.

GPT, GPT-2, StarCoder, GPT-NeoX, OPT and BioGPT.
Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.heads import heads_of
from costmodel.architecture.families.reading import Reader, read_depth, uniform_decoder
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def _gpt2_layout(config: Config, *, multi_query: bool) -> Architecture:
    width = config.integer("n_embd", "hidden_size", default=768)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_head", "num_attention_heads", default=12)
    kv_heads = 1 if multi_query else heads
    mixer = Attention(heads=heads, kv_heads=kv_heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.optional("n_inner") or 4 * width, gated=False, bias=True)
    positions = config.integer("n_positions", "max_position_embeddings", default=1024)
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=50257, positions=positions)


def _gpt2(config: Config) -> Architecture:
    config.skip("n_ctx")
    return _gpt2_layout(config, multi_query=False)


def _gpt_bigcode(config: Config) -> Architecture:
    config.skip("attention_softmax_in_fp32", "runner_max_sequence_length", "max_sequence_length", "max_batch_size")
    config.skip("inference_runner", "pre_allocate_kv_cache", "validate_runner_input", "pad_key_length")
    config.skip("attention_head_type", "num_key_value_heads")
    return _gpt2_layout(config, multi_query=config.flag("multi_query", default=True))


def _gpt_neox(config: Config) -> Architecture:
    config.skip("max_position_embeddings")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads")
    bias = config.flag("attention_bias", default=True)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=config.integer("intermediate_size"), gated=False, bias=True)
    return uniform_decoder(config, width, depth, mixer, block, tied=False)


def _opt(config: Config) -> Architecture:
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads")
    bias = config.flag("enable_bias", default=True)
    affine = config.flag("layer_norm_elementwise_affine", default=True)
    before = config.flag("do_layer_norm_before", default=True)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=bias, output_bias=bias)
    block = FeedForward(inner_width=config.integer("ffn_dim"), gated=False, bias=bias)
    layer = Layer(mixer=mixer, feed_forward=block, norms=2 if affine else 0, norm_bias=True, count=depth)
    embedding_width = config.integer("word_embed_proj_dim", default=width)
    final_norm = before and affine and not config.flag("_remove_final_layer_norm", default=False)
    return Architecture(
        width=width,
        layers=(layer,),
        vocabulary=config.integer("vocab_size"),
        embedding_width=embedding_width if embedding_width != width else None,
        positions=config.integer("max_position_embeddings", default=2048) + 2,  # OPT offsets positions by 2
        tied=config.flag("tie_word_embeddings", default=True),
        final_norm=final_norm,
        norm_bias=True,
    )


def _gpt(config: Config) -> Architecture:
    config.skip("afn")
    width = config.integer("n_embd", "hidden_size", default=768)
    depth = read_depth(config, "n_layer", "num_hidden_layers")
    heads, head_width = heads_of(config, width, "n_head", "num_attention_heads", default=12)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=4 * width, gated=False, bias=True)
    positions = config.integer("n_positions", "max_position_embeddings", default=512)
    decoder = uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=40478, positions=positions)
    return decoder.replace(final_norm=False, norm_bias=False)


def _biogpt(config: Config) -> Architecture:
    width, depth = config.integer("hidden_size", default=1024), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads", default=16)
    mixer = Attention(heads=heads, kv_heads=heads, head_width=head_width, qkv_bias=True, output_bias=True)
    block = FeedForward(inner_width=config.integer("intermediate_size", default=4096), gated=False, bias=True)
    positions = config.integer("max_position_embeddings", default=1024) + 2  # positions have the offset of OPT
    return uniform_decoder(config, width, depth, mixer, block, tied=True, vocabulary=42384, positions=positions)


READERS: dict[str, Reader] = {
    "biogpt": _biogpt,
    "gpt2": _gpt2,
    "gpt_bigcode": _gpt_bigcode,
    "gpt_neox": _gpt_neox,
    "openai-gpt": _gpt,
    "opt": _opt,
}
"""Readers by the `model_type` of a config."""
