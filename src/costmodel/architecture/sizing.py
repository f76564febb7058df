"""Which shape suits a size? A plain rule for a decoder of so many parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.specification import Layer
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture

    Kind = TypeVar("Kind", bound=Architecture)

HEAD_WIDTH = 128
"""As in Llama 1 to 3, Mistral and Qwen 3."""
WIDTH_PER_LAYER = 128
"""Of Llama 2 7B to Llama 3 405B (102 to 130); loss depends weakly on it (Kaplan et al. 2020, arXiv 2001.08361)."""
RULE = (
    "sized by rule: gated feed-forward of 8/3 of the width, heads of 128 with 8 key and value heads, "
    "a layer for each 128 of the width"
)


def sized(cls: type[Kind], parameters: float, vocabulary: int, tied: bool) -> Kind:
    """Return the decoder of the rule whose total is nearest to `parameters` [1]; see `Architecture.sized`."""
    best: Kind | None = None
    for width in range(HEAD_WIDTH, 100 * HEAD_WIDTH * 4, HEAD_WIDTH):
        around = max(round(width / WIDTH_PER_LAYER), 1)
        smallest = _size(width, max(round(0.75 * around), 1), vocabulary, tied)
        if best is not None and smallest > parameters:
            break
        for depth in range(max(round(0.75 * around), 1), round(1.3 * around) + 1):
            error = abs(_size(width, depth, vocabulary, tied) - parameters)
            if best is None or error < abs(best.parameters.total - parameters):
                best = _built(cls, width, depth, vocabulary, tied)
    if best is None or abs(best.parameters.total - parameters) > 0.25 * parameters:
        raise InputError(
            f"parameters: no shape of the rule comes near {parameters:,.0f} with a vocabulary of {vocabulary:,}; "
            "a smaller vocabulary, or tied=True, makes room for layers"
        )
    return best


def _inner(width: int) -> int:
    return max(round(8 * width / 3 / 256), 1) * 256


def _size(width: int, depth: int, vocabulary: int, tied: bool) -> float:
    heads = width // HEAD_WIDTH
    attention = 2 * width * width + 2 * width * _kv_heads(heads) * HEAD_WIDTH
    layer = attention + 3 * width * _inner(width) + 2 * width
    return depth * layer + width + (1 if tied else 2) * vocabulary * width


def _kv_heads(heads: int) -> int:
    return next(count for count in (8, 4, 2, 1) if heads % count == 0)


def _built(cls: type[Kind], width: int, depth: int, vocabulary: int, tied: bool) -> Kind:
    heads = width // HEAD_WIDTH
    mixer = Attention(heads=heads, kv_heads=_kv_heads(heads), head_width=HEAD_WIDTH)
    layer = Layer(mixer=mixer, feed_forward=FeedForward(inner_width=_inner(width), gated=True), count=depth)
    fields: dict[str, Any] = {"width": width, "layers": (layer,), "vocabulary": vocabulary, "tied": tied}
    built = cls(**fields)
    return built.replace(name=f"sized {built.parameters.total / 1e9:.3g}B", source=RULE)
