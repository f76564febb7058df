"""Attention heads and KV heads of a config, with a check of their widths."""

from typing import Literal

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.sources.config import Config


def heads_of(config: Config, width: int, *keys: str, default: int | None = None) -> tuple[int, int]:
    """Return the heads, from the first of `keys` that the config has, and their width: hidden size / heads."""
    heads = config.integer(*keys, default=default)
    config.require(width % heads == 0, f"{keys[0]}: the width {width} is not a multiple of the {heads} heads")
    return heads, max(width // heads, 1)


def kv_heads_of(config: Config, heads: int, key: str = "num_key_value_heads", default: int | None = None) -> int:
    """Return the KV heads; null means as many as heads, an absent key the default."""
    absent = key not in config.data
    kv_heads = config.integer(key, default=default if absent and default is not None else heads)
    config.require(heads % kv_heads == 0, f"{key}: {kv_heads} does not divide the {heads} heads")
    return min(kv_heads, heads)


def grouped_query_attention(
    config: Config,
    width: int,
    *,
    heads: int | None = None,
    kv_heads: int | None = None,
    bias: bool = False,
    qkv_bias: bool = False,
    qk_norm: Literal["none", "head", "width"] = "none",
    qk_norm_bias: bool = False,
    window: int | None = None,
    width_key: str = "",
) -> Attention:
    """Return attention with `num_attention_heads` and `num_key_value_heads`, whose heads divide the hidden size.

    `heads` and `kv_heads` are the defaults of the family. `bias` is for all four projections. A value at `width_key`,
    where a family has such a key, replaces the width of a head.
    """
    given = config.optional(width_key) if width_key else None
    if given is None:
        count, head_width = heads_of(config, width, "num_attention_heads", default=heads)
    else:
        count, head_width = config.integer("num_attention_heads", default=heads), given
    return Attention(
        heads=count,
        kv_heads=kv_heads_of(config, count, default=kv_heads),
        head_width=head_width,
        qkv_bias=bias or qkv_bias,
        output_bias=bias,
        qk_norm=qk_norm,
        qk_norm_bias=qk_norm_bias,
        window=window,
    )
