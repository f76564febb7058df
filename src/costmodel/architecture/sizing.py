"""Fields of an architecture from its size: a typical decoder by a rule, or parameter counts alone."""

from typing import Any, Self

from pydantic import Field, model_validator

from costmodel.architecture.blocks.aggregate import Aggregate
from costmodel.architecture.blocks.attention import Attention
from costmodel.architecture.blocks.feed_forward import FeedForward
from costmodel.architecture.structure import Layer
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Parameters
from costmodel.foundation.specs import Spec

HEAD_WIDTH = 128
"""Head width of Llama 1 to 3, Mistral and Qwen 3 [1]."""
WIDTH_PER_LAYER = 128
"""Hidden size per layer of Llama 2 7B to Llama 3 405B (102 to 130); the loss depends weakly on it
(Kaplan et al. 2020, arXiv 2001.08361) [1]."""
LARGEST_ERROR = 0.25
"""Largest accepted distance of the nearest shape from the size, as a fraction of the size [1]."""
RULE = (
    "sized by rule: gated feed-forward of 8/3 of the width, heads of 128 with 8 key and value heads, "
    "a layer for each 128 of the width"
)


class _Counts(Spec):
    total: Parameters = Field(description="All parameters.")
    active: Parameters = Field(description="Parameters used per token, at most `total`.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.active > self.total:
            raise ValueError(f"active ({self.active:g}) must be at most total ({self.total:g})")
        return self


def counted_fields(
    total: Any,
    active: Any,
    *,
    layers: int | None,
    width: int | None,
    attention_width: int | None,
    vocabulary: int | None,
    tied: bool,
    name: str,
) -> dict[str, Any]:
    """Return the fields of an architecture from its counts; see `Architecture.from_counts`."""
    counts = _Counts(total=total, active=total if active is None else active)
    if vocabulary is not None and width is None:
        raise InputError("vocabulary: needs the width too, because the embedding has vocabulary × width parameters")
    table = (vocabulary or 0) * (width or 0)
    embeddings = table if tied else 2 * table
    all_parameters, active_parameters = round(counts.total), round(counts.active)
    if embeddings >= active_parameters:
        raise InputError(
            f"vocabulary: embedding and head ({embeddings:,}) must have fewer parameters than are active "
            f"({active_parameters:,})"
        )
    has_attention = layers is not None and width is not None
    body = Aggregate(
        parameters=all_parameters - embeddings,
        active=active_parameters - embeddings,
        attention_layers=(layers or 0) if has_attention else 0,
        attention_width=(attention_width or width or 0) if has_attention else 0,
    )
    origin: dict[str, Any] = {"total": all_parameters, "active": active_parameters, "layers": layers, "width": width}
    origin |= {"attention_width": attention_width, "vocabulary": vocabulary, "tied": tied or None, "name": name}
    return {
        "name": name,
        "width": width or 1,
        "layers": (Layer(feed_forward=body, norms=0),),
        "vocabulary": vocabulary,
        "tied": tied,
        "final_norm": False,
        "origin": {key: value for key, value in origin.items() if value is not None},
    }


def sized_fields(parameters: Any, vocabulary: int, tied: bool) -> dict[str, Any]:
    """Return the fields of the decoder by the rule that is nearest to a size; see `Architecture.sized`."""
    target = _Counts(total=parameters, active=parameters).total
    best: tuple[int, int, int] | None = None
    for width in range(HEAD_WIDTH, 400 * HEAD_WIDTH, HEAD_WIDTH):
        usual_depth = max(round(width / WIDTH_PER_LAYER), 1)
        fewest, most = max(round(0.75 * usual_depth), 1), round(1.3 * usual_depth)
        layer_size, outside = _layer_size(width), width + (1 if tied else 2) * vocabulary * width
        if best is not None and outside + fewest * layer_size > target:
            break
        nearest = int((target - outside) // layer_size)
        for depth in sorted({min(max(near, fewest), most) for near in (nearest, nearest + 1)}):
            total = outside + depth * layer_size
            if best is None or abs(total - target) < abs(best[0] - target):
                best = total, width, depth
    if best is None or abs(best[0] - target) > LARGEST_ERROR * target:
        raise InputError(
            f"parameters: no shape of the rule comes near {target:,.0f} with a vocabulary of {vocabulary:,}; "
            "a smaller vocabulary, or tied=True, makes room for layers"
        )
    size, width, depth = best
    heads = width // HEAD_WIDTH
    mixer = Attention(heads=heads, kv_heads=_kv_heads(heads), head_width=HEAD_WIDTH)
    layer = Layer(mixer=mixer, feed_forward=FeedForward(inner_width=_inner_width(width), gated=True), count=depth)
    shape: dict[str, Any] = {"width": width, "layers": (layer,), "vocabulary": vocabulary, "tied": tied}
    return {**shape, "name": f"sized {size / 1e9:.3g}B", "source": RULE}


def _layer_size(width: int) -> int:
    """Return the parameters of a layer; equal to those that its blocks list."""
    kv_width = _kv_heads(width // HEAD_WIDTH) * HEAD_WIDTH
    attention = 2 * width * width + 2 * width * kv_width
    return attention + 3 * width * _inner_width(width) + 2 * width


def _inner_width(width: int) -> int:
    return max(round(8 * width / 3 / 256), 1) * 256


def _kv_heads(heads: int) -> int:
    return next(count for count in (8, 4, 2, 1) if heads % count == 0)
