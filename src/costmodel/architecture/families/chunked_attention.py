"""Decoders with attention within chunks: the text of Llama 4.

Defaults are those of the configuration class in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.experts import Experts
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.families.reading import Reader, grouped, read_depth
from costmodel.architecture.families.rotary import routed
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture


def _llama4_text(config: Config) -> Architecture:
    config.skip("max_position_embeddings", "use_qk_norm", "attn_temperature_tuning")  # the norm has no weights
    width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=8 if "num_key_value_heads" not in config.data else heads)
    config.require(heads % kv_heads == 0, f"num_key_value_heads: {kv_heads} does not divide the {heads} heads")
    bias = config.flag("attention_bias", default=False)
    full = Attention(
        heads=heads,
        kv_heads=min(kv_heads, heads),
        head_width=config.optional("head_dim", default=128) or max(width // heads, 1),
        qkv_bias=bias,
        output_bias=bias,
    )
    chunk = config.optional("attention_chunk_size", default=8192)
    chunked = full.replace(chunk=chunk) if chunk is not None else full
    return Architecture(
        width=width,
        layers=grouped(
            [chunked if is_chunked else full for is_chunked in _llama4_chunks(config, depth)],
            _llama4_blocks(config, depth),
        ),
        vocabulary=config.integer("vocab_size"),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _llama4_chunks(config: Config, depth: int) -> list[bool]:
    """Return which layers have chunked attention: those with rotary positions."""
    interval, rotary = config.integer("no_rope_layer_interval", default=4), config.numbers("no_rope_layers")
    config.require(len(rotary) in {0, depth}, f"no_rope_layers: must be {depth} of 0 and 1; got {len(rotary)}")
    if len(rotary) != depth:
        rotary = [int((index + 1) % interval != 0) for index in range(depth)]
    types = config.names("layer_types", depth, ("chunked_attention", "full_attention"))
    return [bool(flag) for flag in rotary] if types is None else [kind == "chunked_attention" for kind in types]


def _llama4_blocks(config: Config, depth: int) -> list[FeedForward | Experts]:
    inner = config.integer("intermediate_size")
    dense = FeedForward(inner_width=config.integer("intermediate_size_mlp"), gated=True)
    block = routed(
        config,
        config.integer("num_local_experts", default=16),
        config.integer("num_experts_per_tok", default=1),
        inner,
        shared=FeedForward(inner_width=inner, gated=True),
    )
    step, chosen = config.integer("interleave_moe_layer_step", default=1), config.numbers("moe_layers")
    if config.data.get("moe_layers") is None:
        chosen = list(range(step - 1, depth, step))
    return [block if index in chosen else dense for index in range(depth)]


READERS: dict[str, Reader] = {"llama4_text": _llama4_text}
"""Readers by the `model_type` of a config."""
