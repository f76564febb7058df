"""Dense decoders with latent attention (MLA) and without experts: MiniCPM3 and Youtu.

Defaults are those of the configuration classes in Hugging Face transformers 5.24.
"""

from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.blocks.latent_attention import LatentAttention
from costmodel.architecture.families.reading import Reader, read_depth
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.architecture.structure import Layer


def _reader(
    heads: int, *, query_rank: int, kv_rank: int, nope: int, rope: int, value: int | None, mlp_bias: bool
) -> Reader:
    """Return the reader of a family; the numbers are its defaults, and a `value` of None means width / heads."""

    def read(config: Config) -> Architecture:
        config.skip("max_position_embeddings", "head_dim", "qk_head_dim", "num_key_value_heads", "scale_emb")
        config.skip("scale_depth", "dim_model_base")
        width, depth = config.integer("hidden_size"), read_depth(config, "num_hidden_layers")
        count = config.integer("num_attention_heads", default=heads)
        mixer = LatentAttention(
            heads=count,
            query_rank=config.optional("q_lora_rank", default=query_rank),
            kv_rank=config.integer("kv_lora_rank", default=kv_rank),
            nope_width=config.integer("qk_nope_head_dim", default=nope),
            rope_width=config.integer("qk_rope_head_dim", default=rope),
            value_width=config.integer("v_head_dim", default=max(width // count, 1) if value is None else value),
            bias=config.flag("attention_bias", default=False),
        )
        bias = mlp_bias and config.flag("mlp_bias", default=False)
        block = FeedForward(inner_width=config.integer("intermediate_size"), gated=True, bias=bias)
        return Architecture(
            width=width,
            layers=(Layer(mixer=mixer, feed_forward=block, count=depth),),
            vocabulary=config.integer("vocab_size"),
            tied=config.flag("tie_word_embeddings", default=True),
        )

    return read


READERS: dict[str, Reader] = {
    "minicpm3": _reader(40, query_rank=768, kv_rank=256, nope=64, rope=32, value=None, mlp_bias=True),
    "youtu": _reader(16, query_rank=1536, kv_rank=512, nope=128, rope=64, value=128, mlp_bias=False),
}
"""Readers by the `model_type` of a config."""
