"""Parameters and FLOPs of an architecture: totals of the weights and operations that its blocks list."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from costmodel.architecture.listing import operations_by_part, weights_by_part
from costmodel.architecture.structure import Structure
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence


Attention = Literal["causal", "full"]
Convention = Literal["causal", "full", "6n", "llm-foundry"]
CONVENTIONS: tuple[Convention, ...] = ("causal", "full", "6n", "llm-foundry")


class ParameterCounts(NamedTuple):
    """Numbers of parameters of an architecture.

    `total` counts tied weights once and leaves out the multi-token-prediction layers, as published totals do.
    `active` are the parameters used per token. `embedding` is the input embedding with learned positions.
    `prediction` are the multi-token-prediction layers.
    """

    total: int
    active: int
    embedding: int
    prediction: int


def count_parameters(architecture: Structure) -> ParameterCounts:
    """Count the parameters of an architecture.

    Parameters
    ----------
    architecture : Architecture
        Model to count.
    """
    total = active = embedding = prediction = 0
    for part, copies, weights in weights_by_part(architecture):
        size = sum(weight.size for weight in weights)
        if part == "prediction":
            prediction += copies * size
            continue
        total += copies * size
        active += copies * sum(round(weight.size * weight.active) for weight in weights)
        embedding += size if part == "embedding" else 0
    return ParameterCounts(total, active, embedding, prediction)


class Flops(NamedTuple):
    """Model FLOPs of a batch [FLOP]; 2 per multiply-add.

    `forward` and `backward` (twice the forward) of the model, `recompute` (one more forward of the
    layers, without the head: hardware FLOPs if all activations are recomputed), `prediction` (forward
    and backward of the multi-token-prediction layers), and `training` = forward + backward + prediction.
    """

    forward: Any
    backward: Any
    recompute: Any
    prediction: Any
    training: Any


def count_flops(
    architecture: Structure,
    sequence_length: Any,
    batch_size: Any = 1,
    attention: Attention = "causal",
    packing: Sequence[int] | None = None,
) -> Flops:
    """Count the FLOPs of a batch of sequences.

    Parameters
    ----------
    architecture : Architecture
    sequence_length : tokens of a sequence [token], shape (...); for an encoder and a decoder that many on
        both sides, or the pair (of the source, of the target) as a tuple
    batch_size : sequences, shape (...)
    attention : "causal" counts half the score matrix (s²/2 pairs; w·s - w²/2 within a window w), "full"
        the whole
    packing : lengths of the documents packed into each sequence, which do not see each other; their sum
        is the sequence length [token]

    Returns
    -------
    Flops
        Each [FLOP], of the broadcast shape.

    References
    ----------
    Narayanan et al. 2021 (arXiv 2104.04473), equation 3 and its appendix, without the recomputation.

    Examples
    --------
    >>> import costmodel as cm
    >>> flops = cm.count_flops(cm.load_architecture("llama-3.1-8b"), sequence_length=8192)
    >>> f"{flops.training / 8192:.6e}"  # per token
    '5.147040e+10'
    """
    if attention not in {"causal", "full"}:
        raise InputError(unknown("attention", attention, ("causal", "full")))
    source = None
    if isinstance(sequence_length, tuple):
        source, sequence_length = _pair(architecture, sequence_length)
    sequence_length, batch_size = _positive("sequence_length", sequence_length), _positive("batch_size", batch_size)
    if packing is None:
        parts = flops_by_part(architecture, sequence_length, attention, source)
    else:
        parts = _packed(architecture, sequence_length, attention, packing)
    one = sum(parts.values()) - parts.get("prediction", 0.0)
    head, prediction = parts.get("head", 0.0), parts.get("prediction", 0.0)
    forward, ahead = one * batch_size, 3 * prediction * batch_size
    return Flops(forward, 2 * forward, (one - head) * batch_size, ahead, 3 * forward + ahead)


def flops_by_part(
    architecture: Structure, sequence_length: Any, attention: Attention = "causal", source: Any = None
) -> dict[str, Any]:
    """Return the forward FLOPs of one sequence by part of the model [FLOP], shape of `sequence_length`.

    Parameters
    ----------
    architecture : Architecture
    sequence_length : tokens of a sequence [token]
    attention : "causal" or "full", as in `count_flops`
    source : tokens of the encoder's input, where they are another number [token]
    """
    if isinstance(sequence_length, float) and (source is None or isinstance(source, float)):
        return dict(_scalar_parts(architecture, sequence_length, attention, source))
    return _parts(architecture, sequence_length, attention, source)


def _pair(architecture: Structure, lengths: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the lengths of source and target, or raise `InputError` if there are no two sides."""
    if len(lengths) != 2 or not architecture.has_source:
        raise InputError(
            "sequence_length: a pair (source, target) is for an encoder and a decoder; several lengths are an array"
        )
    return _positive("sequence_length", lengths[0]), lengths[1]


def _packed(
    architecture: Structure, sequence_length: Any, attention: Attention, packing: Sequence[int]
) -> dict[str, Any]:
    """Return the forward FLOPs by part of a sequence of documents: attention by the sum of squares."""
    lengths = [_positive("packing", float(length)) for length in packing]
    if not isinstance(sequence_length, float) or sum(lengths) != sequence_length:
        raise InputError(f"packing: the lengths must add up to sequence_length; got {sum(lengths):g}")
    totals: dict[str, Any] = {}
    for length in lengths:
        for part, flops in flops_by_part(architecture, length, attention).items():
            totals[part] = totals.get(part, 0.0) + flops
    return totals


def count_decode_flops(architecture: Structure, context: Any, batch_size: Any = 1) -> Any:
    """Return the FLOPs of decoding one more token for each of `batch_size` sequences [FLOP].

    Parameters
    ----------
    architecture : Architecture
    context : tokens that the new one sees, those of a window at most [token]
    batch_size : sequences

    Returns
    -------
    float or array of the broadcast shape; encoders and towers, which have run before, are not in it

    Examples
    --------
    >>> import costmodel as cm
    >>> f"{cm.count_decode_flops(cm.load_architecture('llama-3.1-8b'), context=1000):.3e}"
    '1.553e+10'
    """
    context, batch_size = _positive("context", context), _positive("batch_size", batch_size)
    total: Any = 0.0
    for _, copies, operations in operations_by_part(architecture, 1.0, context, decoding=True):
        for one in operations:
            seen = one.n if one.kind == "matmul" else _seen_by_next(one.n, one.window, one.chunk)
            total = total + 2.0 * copies * one.copies * one.m * one.k * seen
    return total * batch_size


def flops_per_token(architecture: Structure, sequence_length: Any, convention: Convention = "causal") -> Any:
    """Return the FLOPs of training on one token [FLOP/token], as the field counts them.

    Parameters
    ----------
    architecture : Architecture
    sequence_length : tokens of a sequence [token], shape (...)
    convention : "causal" (Megatron: half the score matrix), "full" (PaLM, nanoGPT, torchtitan: all of
        it), "6n" (six times the active parameters, embeddings included), or "llm-foundry" (6 N + 12 L d s)

    Returns
    -------
    float or array of the shape of `sequence_length`

    References
    ----------
    Chowdhery et al. 2022 (arXiv 2204.02311), appendix B; Kaplan et al. 2020 (arXiv 2001.08361), section
    2.1; MosaicML llm-foundry, scripts/train/benchmarking/README.md.

    Examples
    --------
    >>> import costmodel as cm
    >>> gpt3 = cm.Architecture.from_counts("175B")
    >>> f"{flops_per_token(gpt3, 2048, '6n'):.3e}"
    '1.050e+12'
    """
    if convention not in CONVENTIONS:
        raise InputError(unknown("convention", convention, CONVENTIONS))
    if convention in {"causal", "full"}:
        attention: Attention = "causal" if convention == "causal" else "full"
        return count_flops(architecture, sequence_length, 1, attention).training / _positive("", sequence_length)
    sequence_length = _positive("sequence_length", sequence_length)
    six_n = 6.0 * count_parameters(architecture).active
    if convention == "6n":
        return six_n + 0 * sequence_length
    return six_n + 12.0 * architecture.depth * architecture.width * sequence_length


def pairs(
    sequence_length: Any, attention: Attention, causal: bool, window: int | None, chunk: int | None = None
) -> Any:
    """Return how many query-key pairs of a sequence are counted, shape of `sequence_length`.

    The field's convention: s²/2 below the diagonal, w·s - w²/2 within a window of w, all s² in "full".
    Attention in both directions counts s², and w·s - w²/4 within a window that reaches w/2 to each side.
    A window that covers the sequence equals no window. Chunks are sequences of their own.

    >>> pairs(1024, "causal", True, None), pairs(1024, "causal", True, 2048), pairs(1024, "causal", True, 256)
    (524288.0, 524288.0, 229376.0)
    >>> pairs(1024, "causal", True, None, 512), pairs(640, "causal", True, None, 512)
    (262144.0, 139264.0)
    >>> pairs(1024, "causal", False, 256), pairs(1024, "causal", False, 2048)
    (245760.0, 1048576.0)
    """
    if attention == "full" or not (causal or window):
        return sequence_length * sequence_length * 1.0
    if not causal:
        reach = _least(window / 2 if window else sequence_length, sequence_length)
        return 2 * reach * sequence_length - reach * reach
    if chunk is not None:
        rest = sequence_length % chunk
        whole = pairs(_least(chunk, sequence_length), attention, True, window)
        return sequence_length // chunk * whole + pairs(rest, attention, True, window)
    seen = sequence_length if window is None else _least(window, sequence_length)
    return seen * sequence_length - seen * seen / 2


def _positive(name: str, value: Any) -> Any:
    """Return a number or an array as floats, or raise `InputError` unless all are finite and above 0."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number: Any = float(value)
        sound = 0 < number < math.inf
    else:
        import numpy as np

        try:
            number = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            raise InputError(f"{name} must be a number or an array of numbers; got {value!r}") from None
        sound = isinstance(value, (list, tuple, np.ndarray, np.number)) and bool(
            np.all(np.isfinite(number) & (number > 0))
        )
    if not sound:
        raise InputError(f"{name} must be above 0 and finite; got {value!r}")
    return number


def _seen_by_next(context: Any, window: int | None, chunk: int | None) -> Any:
    seen = context if chunk is None else context - (-(-context // chunk) - 1) * chunk
    return seen if window is None else _least(window, seen)


def _least(window: float, length: Any) -> Any:
    if isinstance(length, (int, float)):
        return min(window, length)
    import numpy as np

    return np.minimum(window, length)


def _parts(architecture: Structure, length: Any, attention: Attention, source: Any) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for part, copies, operations in operations_by_part(architecture, length, length, source):
        total = totals.get(part, 0.0)
        for one in operations:
            counted = one.m * one.n
            if one.kind != "matmul" and (one.causal or one.window):  # keys may be fewer than queries: compressed ones
                counted = pairs(one.m, attention, one.causal, one.window, one.chunk) * (one.n / one.m)
            total = total + 2.0 * copies * one.k * one.copies * counted
        totals[part] = total
    return totals


@lru_cache(maxsize=1024)
def _scalar_parts(
    architecture: Structure, length: float, attention: Attention, source: float | None
) -> tuple[tuple[str, float], ...]:
    return tuple(_parts(architecture, length, attention, source).items())
