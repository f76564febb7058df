"""FLOPs of training and of decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from costmodel.architecture.counting import Attention, Scan, count_parameters, flops_by_part
from costmodel.architecture.listing import operations_by_part
from costmodel.architecture.loading import ArchitectureLike, load_architecture
from costmodel.foundation.arrays import smallest
from costmodel.foundation.checks import checked, is_finite
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.limits import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.architecture.structure import Structure

Convention = Literal["causal", "full", "6n", "llm-foundry"]
CONVENTIONS: tuple[Convention, ...] = ("causal", "full", "6n", "llm-foundry")


class Flops(NamedTuple):
    """Model FLOPs of a batch; a multiply-add is 2 FLOPs."""

    forward: Any
    """Forward pass [FLOP]."""
    backward: Any
    """Backward pass: twice the forward pass [FLOP]."""
    recompute: Any
    """One more forward pass without the head, if all activations are recomputed: hardware FLOPs [FLOP]."""
    prediction: Any
    """Forward and backward pass of the multi-token-prediction layers [FLOP]."""
    training: Any
    """Sum of `forward`, `backward` and `prediction` [FLOP]."""


@checked("attention", "packing", "scan")
def count_flops(
    architecture: ArchitectureLike,
    sequence_length: Any,
    batch_size: Any = 1,
    attention: Attention = "causal",
    packing: Sequence[int] | None = None,
    scan: Scan = "chunked",
) -> Flops:
    """Count the FLOPs of a batch of sequences.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    sequence_length : float, array or tuple
        Tokens of a sequence, shape (...) [token]. An encoder and a decoder have as many each, or those of a tuple
        (source, target).
    batch_size : float or array
        Sequences of the batch, shape (...) [1].
    attention : {"causal", "full"}
        "causal" counts half of the score matrix: s²/2 pairs, w·s - w²/2 within a window w. "full" counts all of it.
    packing : sequence of int, optional
        Lengths of the documents in each sequence, which do not attend to each other; their sum is the sequence
        length [token].
    scan : {"chunked", "plain"}
        How scans of Mamba-2 are counted: "chunked" as kernels run them, in products within and between chunks of the
        sequence, "plain" as a recurrence with 7 FLOPs per channel and state element (Megatron-LM).

    Returns
    -------
    Flops
        Figures of the broadcast shape [FLOP].

    References
    ----------
    Narayanan et al. 2021 (arXiv 2104.04473), equation 3 and its appendix, without the recomputation; for scans Dao and
    Gu 2024, section 6 (arXiv 2405.21060).

    Examples
    --------
    >>> import costmodel as cm
    >>> flops = cm.count_flops("llama-3.1-8b", sequence_length=8192)
    >>> f"{flops.training / 8192:.6e}"  # per token
    '5.147040e+10'
    """
    if attention not in {"causal", "full"}:
        raise InputError(unknown("attention", attention, ("causal", "full")))
    if scan not in {"chunked", "plain"}:
        raise InputError(unknown("scan", scan, ("chunked", "plain")))
    architecture, source = load_architecture(architecture), None
    if isinstance(sequence_length, tuple):
        source, sequence_length = _pair(architecture, sequence_length)
    sequence_length, batch_size = _positive("sequence_length", sequence_length), _positive("batch_size", batch_size)
    if packing is None:
        parts = flops_by_part(architecture, sequence_length, attention, source, scan)
    else:
        parts = _packed(architecture, sequence_length, attention, packing, scan)
    head, prediction = parts.get("head", 0.0), parts.get("prediction", 0.0)
    model = sum(parts.values()) - prediction
    forward, prediction = model * batch_size, 3 * prediction * batch_size
    return Flops(forward, 2 * forward, (model - head) * batch_size, prediction, 3 * forward + prediction)


def count_decode_flops(architecture: ArchitectureLike, context: Any, batch_size: Any = 1) -> Any:
    """Return the FLOPs of one decode step for a batch of sequences [FLOP].

    Encoders and towers run before the first decode step and are not counted.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    context : float or array
        Tokens that the new token attends to; a sliding window limits them [token].
    batch_size : float or array
        Sequences of the batch [1].

    Returns
    -------
    float or array
        FLOPs, of the broadcast shape [FLOP].

    Examples
    --------
    >>> import costmodel as cm
    >>> f"{cm.count_decode_flops('llama-3.1-8b', context=1000):.3e}"
    '1.553e+10'
    """
    architecture = load_architecture(architecture)
    context, batch_size = _positive("context", context), _positive("batch_size", batch_size)
    total: Any = 0.0
    for _, copies, operations in operations_by_part(architecture, 1.0, context, decoding=True):
        for work in operations:
            columns = work.n if work.kind == "matmul" else _keys_of_next(work.n, work.window, work.chunk)
            total = total + 2.0 * copies * work.copies * work.m * work.k * columns
    return total * batch_size


@checked("convention", "scan")
def flops_per_token(
    architecture: ArchitectureLike, sequence_length: Any, convention: Convention = "causal", scan: Scan = "chunked"
) -> Any:
    """Return the training FLOPs per token by a convention of the field [FLOP/token].

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    sequence_length : float or array
        Tokens of a sequence, shape (...) [token].
    convention : {"causal", "full", "6n", "llm-foundry"}
        "causal" counts half of the score matrix (Megatron), "full" all of it (PaLM, nanoGPT, torchtitan), "6n" six
        FLOPs per active parameter, embeddings included, and "llm-foundry" 6 N + 12 L d s.
    scan : {"chunked", "plain"}
        As in `count_flops`; "6n" and "llm-foundry" count no scans.

    Returns
    -------
    float or array
        FLOPs per token, of the shape of `sequence_length` [FLOP/token].

    References
    ----------
    Chowdhery et al. 2022 (arXiv 2204.02311), appendix B; Kaplan et al. 2020 (arXiv 2001.08361), section
    2.1; MosaicML llm-foundry, scripts/train/benchmarking/README.md.

    Examples
    --------
    >>> f"{flops_per_token({'total': '175B'}, 2048, '6n'):.3e}"
    '1.050e+12'
    """
    if convention not in CONVENTIONS:
        raise InputError(unknown("convention", convention, CONVENTIONS))
    architecture = load_architecture(architecture)
    if convention in {"causal", "full"}:
        attention: Attention = "causal" if convention == "causal" else "full"
        return count_flops(architecture, sequence_length, 1, attention, scan=scan).training / _positive(
            "", sequence_length
        )
    sequence_length = _positive("sequence_length", sequence_length)
    six_n = 6.0 * count_parameters(architecture).active
    if convention == "6n":
        return six_n + 0 * sequence_length
    return six_n + 12.0 * architecture.depth * architecture.width * sequence_length


def _pair(architecture: Structure, lengths: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the lengths of source and target, or raise `InputError` if the model has no encoder."""
    if len(lengths) != 2 or not architecture.has_source:
        raise InputError(
            "sequence_length: a pair (source, target) is for an encoder and a decoder; several lengths are an array"
        )
    return _positive("sequence_length", lengths[0]), lengths[1]


def _packed(
    architecture: Structure, sequence_length: Any, attention: Attention, packing: Sequence[int], scan: Scan
) -> dict[str, Any]:
    """Return the forward FLOPs by part of a sequence of documents; attention is counted per document."""
    lengths = [_positive("packing", float(length)) for length in packing]
    if not isinstance(sequence_length, float) or sum(lengths) != sequence_length:
        raise InputError(f"packing: the lengths must add up to sequence_length; got {sum(lengths):g}")
    totals: dict[str, Any] = {}
    for length in lengths:
        for part, flops in flops_by_part(architecture, length, attention, scan=scan).items():
            totals[part] = totals.get(part, 0.0) + flops
    return totals


def _positive(name: str, value: Any) -> Any:
    """Return a number or an array as floats, or raise `InputError` unless all are finite and above 0."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        valid = is_finite(value) and value > 0
        number: Any = float(value) if valid else value
    else:
        import numpy as np

        try:
            number = np.asarray(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{name} must be a number or an array of numbers; got {shown(value)}") from None
        valid = isinstance(value, (list, tuple, np.ndarray, np.number)) and bool(
            np.all(np.isfinite(number) & (number > 0))
        )
    if not valid:
        raise InputError(f"{name} must be above 0 and finite; got {shown(value)}")
    return number


def _keys_of_next(context: Any, window: int | None, chunk: int | None) -> Any:
    """Return how many keys the next token attends to."""
    keys = context if chunk is None else context - (-(-context // chunk) - 1) * chunk
    return keys if window is None else smallest(window, keys)
