"""Parameters, and forward FLOPs by part: totals of the weights and operations that the blocks list."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from costmodel.architecture.blocks.block import Operation
from costmodel.architecture.listing import operations_by_part, weights_by_part
from costmodel.architecture.structure import Structure
from costmodel.foundation.arrays import smallest

Attention = Literal["causal", "full"]
Scan = Literal["chunked", "plain"]


class ParameterCounts(NamedTuple):
    """Numbers of parameters of an architecture."""

    total: int
    """All parameters without the multi-token-prediction layers, as in published totals; tied weights count once."""
    active: int
    """Parameters used per token."""
    embedding: int
    """Parameters of the input embedding and of learned positions."""
    prediction: int
    """Parameters of the multi-token-prediction layers."""


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


def flops_by_part(
    architecture: Structure,
    sequence_length: Any,
    attention: Attention = "causal",
    source: Any = None,
    scan: Scan = "chunked",
) -> dict[str, Any]:
    """Return the forward FLOPs of one sequence by part of the model [FLOP], shape of `sequence_length`.

    Parameters
    ----------
    architecture : Architecture
        Model to count.
    sequence_length : float or array
        Tokens of a sequence [token].
    attention : {"causal", "full"}
        As in `count_flops`.
    source : float or array, optional
        Tokens of the input of the encoder; equal to `sequence_length` by default [token].
    scan : {"chunked", "plain"}
        As in `count_flops`.
    """
    if isinstance(sequence_length, float) and (source is None or isinstance(source, float)):
        return dict(_scalar_parts(architecture, sequence_length, attention, source, scan))
    return _parts(architecture, sequence_length, attention, source, scan)


def pairs(
    sequence_length: Any, attention: Attention, causal: bool, window: int | None, chunk: int | None = None
) -> Any:
    """Return the number of query-key pairs of a sequence that are counted, of the shape of `sequence_length`.

    Causal attention counts s²/2 pairs, and w·s - w²/2 within a window w; "full" counts all s². Bidirectional
    attention counts s², and w·s - w²/4 within a window that reaches w/2 to each side. A window that covers the
    sequence equals no window. Chunks are counted as separate sequences.

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
        reach = smallest(sequence_length, window / 2 if window else sequence_length)
        return 2 * reach * sequence_length - reach * reach
    if chunk is not None:
        rest = sequence_length % chunk
        whole = pairs(smallest(chunk, sequence_length), attention, True, window)
        return sequence_length // chunk * whole + pairs(rest, attention, True, window)
    reach = sequence_length if window is None else smallest(window, sequence_length)
    return reach * sequence_length - reach * reach / 2


def scan_flops(work: Operation, attention: Attention = "causal") -> Any:
    """Return the FLOPs of a scan in chunks [FLOP], of the shape of its tokens.

    Within a chunk of Q tokens, each output reads the inputs before it: Q² / 2 pairs of the chunk ("full": Q²), each
    with a score per group and a product per channel. Between chunks, each token writes the state and reads it.

    Parameters
    ----------
    work : Operation
        Operation of kind "scan" with a chunk.
    attention : {"causal", "full"}
        As in `count_flops`.

    References
    ----------
    Dao and Gu 2024, section 6 (arXiv 2405.21060).

    >>> scan_flops(Operation("scan", "scan", 10.0, 12, 5, 3.5, chunk=4, shared=10))
    3192.0
    """
    within = pairs(work.m, "causal", True, None, work.chunk) * (2 if attention == "full" else 1)
    return 2.0 * (2 * work.m * work.n * work.k + within * (work.n + work.shared))


def _parts(
    architecture: Structure, length: Any, attention: Attention, source: Any, scan: Scan = "chunked"
) -> dict[str, Any]:
    totals: dict[str, Any] = {}
    for part, copies, operations in operations_by_part(architecture, length, length, source):
        total = totals.get(part, 0.0)
        for work in operations:
            if work.kind == "scan" and work.chunk is not None and scan == "chunked":
                total = total + copies * scan_flops(work, attention)
                continue
            counted = work.m * work.n
            if work.kind != "matmul" and (work.causal or work.window):  # compressed keys are fewer than queries
                counted = pairs(work.m, attention, work.causal, work.window, work.chunk) * (work.n / work.m)
            total = total + 2.0 * copies * work.k * work.copies * counted
        totals[part] = total
    return totals


@lru_cache(maxsize=1024)
def _scalar_parts(
    architecture: Structure, length: float, attention: Attention, source: float | None, scan: Scan
) -> tuple[tuple[str, float], ...]:
    return tuple(_parts(architecture, length, attention, source, scan).items())
