"""Rotary decoders of the layout of Llama whose configs use other keys: Qwen (the first) and ChatGLM 2 to GLM-4.

Their models are in the remote code of their checkpoints, whose defaults hold here.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.heads import heads_of
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def _qwen(config: Config) -> Architecture:
    """Read Qwen: `intermediate_size` is twice the inner width, and only queries, keys and values have biases."""
    config.skip("seq_length", "max_position_embeddings", "scale_attn_weights", "use_dynamic_ntk", "use_logn_attn")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads, head_width = heads_of(config, width, "num_attention_heads")
    channels = config.integer("kv_channels", default=head_width)
    bias = not config.flag("no_bias", default=True)
    inner = config.integer("intermediate_size")
    config.require(inner % 2 == 0, f"intermediate_size: must be even in this family; got {inner}")
    mixer = Attention(heads=heads, kv_heads=heads, head_width=channels, qkv_bias=True, output_bias=bias)
    block = FeedForward(inner_width=max(inner // 2, 1), gated=True, bias=bias)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, count=depth),),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _chatglm(config: Config) -> Architecture:
    """Read ChatGLM 2 and 3, and GLM-4 before it became a family of its own."""
    config.skip("seq_length", "vocab_size", "original_rope", "interleaved_qkv", "fp32_residual_connection")
    config.skip("apply_query_key_layer_scaling", "apply_residual_connection_post_layernorm")
    width, depth = config.integer("hidden_size"), read_depth(config, "num_layers")
    heads = config.integer("num_attention_heads")
    grouped = config.flag("multi_query_attention", default=False)
    groups = config.integer("multi_query_group_num", default=1)
    config.require(heads % groups == 0, f"multi_query_group_num: {groups} does not divide the {heads} heads")
    for key in ("rmsnorm", "post_layer_norm"):
        config.require(config.flag(key, default=True), f"{key}: only true is known of this family")
    prefix = config.optional("pre_seq_len")
    config.require(prefix is None, "pre_seq_len: a prefix encoder is not known here")
    bias = config.flag("add_bias_linear", default=False)
    mixer = Attention(
        heads=heads,
        kv_heads=min(groups, heads) if grouped else heads,
        head_width=config.integer("kv_channels", default=128),
        qkv_bias=config.flag("add_qkv_bias", default=False) or bias,
        output_bias=bias,
    )
    block = FeedForward(inner_width=config.integer("ffn_hidden_size"), gated=True, bias=bias)
    return Architecture(
        width=width,
        layers=(Layer(mixer=mixer, feed_forward=block, count=depth),),
        vocabulary=config.integer("padded_vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


READERS: dict[str, Reader] = {"chatglm": _chatglm, "qwen": _qwen}
"""Readers by the `model_type` of a config."""
