"""Model class of a config (`architectures`), and its labels, attention and lengths."""

from collections.abc import Sequence

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.sources.config import Config


def read_class(config: Config, accepted: Sequence[str]) -> str:
    """Return the model class in `architectures`, which determines poolers and heads; one of the accepted classes."""
    listed = config.value("architectures")
    name = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
    config.require(name in accepted, f"architectures: must be a list of one out of {tuple(accepted)}; got {listed!r}")
    return str(name) if name in accepted else accepted[0]


def count_labels(config: Config, default: int = 2) -> int:
    """Return the number of classes of a classifier: `num_labels`, or the entries of `id2label`."""
    named = config.value("id2label")
    listed = len(named) if isinstance(named, dict) and named else None
    given = config.optional("num_labels")
    config.require(given is None or listed in (None, given), f"num_labels: {given} but id2label names {listed}")
    return given or listed or default


def full_attention(
    config: Config, width: int, heads: int, *, qkv_bias: bool = True, key_bias: bool = True, causal: bool = False
) -> Attention:
    """Return multi-head attention whose heads divide the hidden size."""
    config.require(width % heads == 0, f"hidden size: {width} is not a multiple of the {heads} heads")
    return Attention(
        heads=heads,
        kv_heads=heads,
        head_width=max(width // heads, 1),
        qkv_bias=qkv_bias,
        key_bias=key_bias,
        output_bias=True,
        causal=causal,
    )


def read_lengths(config: Config, key: str, default: Sequence[int], length: int | None = None) -> list[int]:
    """Return the list of numbers above 0 at `key`, `length` of them if it is given."""
    listed = config.numbers(key) or list(default)
    valid = min(listed) > 0 and len(listed) <= 1000 and length in (None, len(listed))
    config.require(valid, f"{key}: must list {length or 'up to 1000'} numbers above 0; got {listed}")
    return listed if valid else [1] * (length or 1)


def read_number(config: Config, key: str, default: float, *, least: float, most: float) -> float:
    """Return the number at `key`, from `least` to `most`."""
    value = config.value(key)
    if value is None:
        return default
    valid = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    config.require(valid, f"{key}: must be a number from {least:g} to {most:g}; got {value!r}")
    return float(value) if valid else default
