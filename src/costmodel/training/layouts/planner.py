"""Planned layout: the fastest of some thousand usual layouts, found quickly enough for every estimate.

The usual layouts have tensor parallelism within a node. `search_layouts` searches the whole space. All layouts are
compared whether or not smaller ones fit, so that more memory or a faster accelerator never makes a plan slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import Array
from costmodel.foundation.tables import constant
from costmodel.foundation.units import GIB
from costmodel.training.layouts.division import division_warning, settled_batch
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError, step_fit_probability
from costmodel.training.layouts.space import (
    DEGREES,
    divisors,
    most_context,
    most_replicas,
    software_options,
    stage_counts,
)
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    LOSS_IMPLEMENTATIONS,
    Kernel,
    Layouts,
    infeasibility_reasons,
)
from costmodel.training.step.memory import host_bytes, memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.training.layouts.step_time import StepInputs

MOST_TENSOR = constant("most_tensor")
"""Largest tensor-parallel degree: a usual node [1]."""
MOST_EXPERT = constant("most_expert")
"""Largest expert-parallel degree [1]."""
CONTEXT_DEGREES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Context-parallel degrees [1]."""
MICRO_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Largest micro-batch sizes: the sequences of a replica are divided into equal parts of at most this size [1]."""
LAST_RESORTS: tuple[dict[str, float], ...] = (
    {"loss": float(LOSS_IMPLEMENTATIONS.index("chunked"))},
    {"offload_optimizer": 1.0},
    {"offload_weights": 1.0},
    {"offload_activations": 1.0, "tiled_feed_forward": 1.0},
)
"""Options of the last resorts, each in addition to those before."""
CHUNKS = (1.0, 2.0, 4.0, math.inf)
"""Chunks of layers per pipeline stage; infinity stands for one layer per chunk [1]."""
FIRST_ROWS = 64
"""Degrees and micro-batch sizes that are compared first [1]."""
AMPLE = 4.0
"""Memory / least memory needed without a last resort, above which the last resort is not compared [1]. States, weights
and activations are each at most that least memory, so any layout with offloading then fits without it."""


class Plan(NamedTuple):
    """A planned layout."""

    layout: Layouts
    """Numbers of the layout."""
    batch_size: float
    """Sequences per step (global batch size) [1]."""
    seconds: float
    """Step time [s]."""
    memory: float
    """Predicted peak memory per GPU, without auxiliary models [byte]."""
    compared: int
    """Number of layouts compared [1]."""
    warning: str
    """Numbers that divide badly, with better ones; empty if there are none."""


class _Compared(NamedTuple):
    """Result of a comparison: rows of numbers in the order of `Layouts`, or None."""

    fastest: tuple[float, ...] | None
    """Fastest layout that fits."""
    seconds: float
    """Its step time per sequence [s]."""
    leanest: tuple[float, ...] | None
    """Layout that needs least memory, of those seen."""
    memory: float
    """Its memory [byte]."""
    compared: int
    """Layouts whose step time was compared [1]."""


@lru_cache(maxsize=1024)
def plan(inputs: StepInputs, attention: Kernel = "latest") -> Plan:
    """Return the fastest of the usual layouts that fit, or the one that needs least memory if none fits.

    Last resorts are context parallelism of short sequences, a chunked loss, and offloading: such layouts are compared
    where no others fit, or hardly. They count only with less memory than the others need.

    Parameters
    ----------
    inputs : StepInputs
    attention : str
        Attention kernel.

    Raises
    ------
    TooLargeError
        If the model certainly fits on no layout; the message gives the least memory needed.
    """
    available, limit = inputs.available_memory, math.inf
    options = {**software_options(inputs), "attention": float(ATTENTION_KERNELS.index(attention))}
    best = _Compared(None, math.inf, None, math.inf, 0)
    for context, resort in _resorts(inputs):
        blocks = _blocks(inputs, context, {**options, **resort})
        for block in blocks:
            best = _better(best, _fastest(inputs, block, min(available, limit)))
        if available >= AMPLE * best.memory:
            break
        for block in blocks:
            best = _better(best, _leanest(inputs, block))
        limit = min(limit, best.memory)
        if available >= AMPLE * limit:
            break
    row = best.fastest or best.leanest
    if row is None:
        raise _error(inputs, best.memory)
    layout: Layouts = Layouts(*row)
    batch = settled_batch(inputs, layout)
    breakdown = step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, layout, inputs.constants)
    needed = memory(inputs.work, inputs.numerics, batch, layout).total
    on_host = host_bytes(inputs.work, inputs.numerics, batch, layout)
    if best.fastest is None and step_fit_probability(inputs, needed, on_host) < LEAST_PROBABILITY:
        raise _error(inputs, needed)
    return Plan(layout, batch, breakdown.total, needed, best.compared, division_warning(inputs, layout))


def _better(first: _Compared, second: _Compared) -> _Compared:
    """Return the fastest and the leanest layout of two comparisons; the first wins ties."""
    fastest = first if first.seconds <= second.seconds else second
    leanest = first if first.memory <= second.memory else second
    compared = first.compared + second.compared
    return _Compared(fastest.fastest, fastest.seconds, leanest.leanest, leanest.memory, compared)


def _error(inputs: StepInputs, least_memory: float) -> TooLargeError:
    """Return the error that no layout fits."""
    auxiliary, capacity = inputs.auxiliary_bytes / GIB, inputs.hardware.memory / GIB
    if inputs.available_memory <= 0:
        return TooLargeError(
            f"layout: the auxiliary models do not fit: they need {auxiliary:.0f} of {capacity:.0f} GiB"
        )
    plural = "" if inputs.accelerators == 1 else "s"
    accelerators = f"{inputs.accelerators:,.0f} accelerator{plural} of {capacity:.0f} GiB"
    if inputs.auxiliary_bytes > 0:
        accelerators += f", {auxiliary:.1f} GiB of each used by auxiliary models"
    needed = f"the smallest needs {least_memory / GIB:.1f} GiB per accelerator"
    return TooLargeError(f"layout: the model fits on no layout of {accelerators}; {needed}")


def _resorts(inputs: StepInputs) -> list[tuple[float, dict[str, float]]]:
    """Return the largest context-parallel degree and the options to compare, in order, until a layout fits."""
    usual, most = most_context(inputs.work), 1.0 if inputs.eager else CONTEXT_DEGREES[-1]
    first: list[tuple[float, dict[str, float]]] = [(usual, {})] if usual < most else []
    options: dict[str, float] = {}
    resorts = [(most, options := {**options, **further}) for further in LAST_RESORTS]
    return [*first, (most, {}), *resorts]


def _usual_degrees(inputs: StepInputs, largest_context: float) -> list[tuple[float, ...]]:
    """Return the usual degrees of parallelism; general-purpose trainers use data parallelism only."""
    work, count, node = inputs.work, inputs.accelerators, inputs.hardware.gpus_per_node
    if inputs.eager:
        return [(count, 1.0, 1.0, 1.0, 1.0, 1.0)]
    tensors = [degree for degree in divisors(work.heads) if degree <= min(MOST_TENSOR, node)]
    pipelines = stage_counts(work.layers)
    contexts = [
        degree
        for degree in CONTEXT_DEGREES
        if degree == 1 or (degree <= largest_context and work.sequence_length % (2 * degree) == 0)
    ]
    experts = [degree for degree in divisors(work.experts) if degree <= MOST_EXPERT]
    degrees: list[tuple[float, ...]] = []
    for tensor, pipeline, context in product(tensors, pipelines, contexts):
        if tensor * pipeline * context > count:
            continue
        for expert, expert_tensor in product(experts, sorted({1.0, tensor}) if experts[-1] > 1 else (1.0,)):
            data = most_replicas(count, tensor, pipeline, context, expert * expert_tensor)
            if data > 0:
                degrees.append((data, tensor, pipeline, context, expert, expert_tensor))
    return degrees


def _blocks(inputs: StepInputs, largest_context: float, options: dict[str, float]) -> list[Layouts[Array]]:
    """Return all layouts with some options, those without pipeline stages first."""
    degrees = _usual_degrees(inputs, largest_context)
    flat, staged = ([row for row in degrees if (row[2] > 1) == pipelined] for pipelined in (False, True))
    return [_block(inputs, rows, options, bool(rows is staged)) for rows in (flat, staged) if rows]


def _fastest(inputs: StepInputs, block: Layouts[Array], allowed: float) -> _Compared:
    """Return the fastest layout of a block with at most the allowed memory [byte], and the leanest one seen.

    The rows of the block are compared in the order of their step time without recomputation, which is a lower bound,
    until it exceeds the best step time found.
    """
    import numpy as np

    first = block._replace(recompute=block.recompute[..., :1])
    bounds = np.where(_possible(inputs, first), _seconds(inputs, first), np.inf).min(axis=(1, 2, 3))
    order = np.argsort(bounds, kind="stable")
    order = order[np.isfinite(bounds[order])]
    best, start, size = _Compared(None, math.inf, None, math.inf, 0), 0, FIRST_ROWS
    while start < len(order) and bounds[order[start]] < best.seconds:
        rows = _rows(block, order[start : start + size], len(bounds))
        used = _needed(inputs, rows)
        seconds = np.where(used <= allowed, _seconds(inputs, rows), np.inf)
        quick, lean = (np.unravel_index(int(values.argmin()), used.shape) for values in (seconds, used))
        fastest = _row(rows, quick) if np.isfinite(seconds[quick]) else None
        count = int(np.isfinite(seconds).sum())
        found = _Compared(fastest, float(seconds[quick]), _row(rows, lean), float(used[lean]), count)
        best = _better(best, found)
        start, size = start + size, 4 * size
    return best


def _leanest(inputs: StepInputs, block: Layouts[Array]) -> _Compared:
    """Return the layout of a block that needs least memory."""
    import numpy as np

    used = _needed(inputs, block)
    place = np.unravel_index(int(used.argmin()), used.shape)
    return _Compared(None, math.inf, _row(block, place), float(used[place]), 0)


def _possible(inputs: StepInputs, block: Layouts[Array]) -> NDArray[np.bool_]:
    """Return which layouts of a block are possible."""
    import numpy as np

    possible = np.ones((1,) * 4, dtype=bool)
    batch = settled_batch(inputs, block)
    for applies in infeasibility_reasons(inputs.work, inputs.accelerators, batch, block).values():
        possible = possible & ~np.asarray(applies)
    return possible


def _needed(inputs: StepInputs, block: Layouts[Array]) -> Array:
    """Return the peak memory of the layouts of a block [byte].

    It is infinite where a layout is not possible, or needs more host memory than there is.
    """
    import numpy as np

    batch = settled_batch(inputs, block)
    used = memory(inputs.work, inputs.numerics, batch, block).total
    on_host = host_bytes(inputs.work, inputs.numerics, batch, block)
    return np.where(_possible(inputs, block) & (on_host <= inputs.hardware.host_memory), used, np.inf)


def _seconds(inputs: StepInputs, block: Layouts[Array]) -> Array:
    """Return the step time per sequence of the layouts of a block [s]."""
    batch = settled_batch(inputs, block)
    parts = step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, block, inputs.constants)
    return parts.total / batch


def _rows(block: Layouts[Array], rows: NDArray[np.int_], count: int) -> Layouts[Array]:
    """Return some of the `count` rows of a block: all layouts with some degrees and micro-batch sizes."""
    return Layouts(*(field[rows] if len(field) == count else field for field in block))


def _block(
    inputs: StepInputs, degrees: list[tuple[float, ...]], options: dict[str, float], pipelined: bool
) -> Layouts[Array]:
    """Return all layouts of some degrees; axes: degrees with micro-batch, sharding, interleaving, recomputation."""
    import numpy as np

    def along(axis: int, values: Sequence[float] | Array) -> Array:
        return np.asarray(values, dtype=float).reshape([-1 if place == axis else 1 for place in range(4)])

    table = np.array(degrees)
    sequences = np.ceil(inputs.batch_size / table[:, :1])
    sizes = np.ceil(sequences / np.ceil(sequences / np.array(MICRO_BATCHES)))
    row, size = np.nonzero(np.diff(sizes, axis=1, prepend=0.0) > 0)  # each size once
    columns = {name: along(0, table[row, place]) for place, name in enumerate(DEGREES)}
    ranks = columns["data"] * columns["context"]
    zero, hybrid = _sharding(inputs, pipelined, float(ranks.max()))
    in_node = np.maximum(inputs.hardware.gpus_per_node / columns["tensor"], 1.0)
    divides = (in_node > 1) & (in_node < ranks) & (ranks % in_node == 0)
    most_chunks = np.maximum(inputs.work.layers // columns["pipeline"], 1.0)
    return Layouts(
        **columns,
        micro_batch=along(0, sizes[row, size]),
        interleave=np.minimum(along(2, CHUNKS if pipelined else (1.0,)), most_chunks),
        zero=along(1, zero),
        shard=np.where(divides & (along(1, hybrid) > 0), in_node, ranks),
        recompute=along(3, (2.0,) if inputs.eager or options["offload_activations"] else (0.0, 1.0, 2.0)),
        **{name: along(0, [value]) for name, value in options.items()},
    )


def _sharding(inputs: StepInputs, pipelined: bool, ranks: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the ZeRO levels to compare, and for each whether it shards within a node only.

    General-purpose trainers use ZeRO-3, or ZeRO-2 if the weights are frozen. Pipeline stages need no ZeRO-3.
    """
    if ranks == 1:
        return (1.0,), (0.0,)
    if inputs.eager:
        return ((3.0,), (0.0,)) if inputs.numerics.trained > 0 else ((2.0, 3.0), (0.0, 0.0))
    return ((1.0, 2.0), (0.0, 0.0)) if pipelined else ((1.0, 2.0, 3.0, 3.0), (0.0, 0.0, 0.0, 1.0))


def _row(block: Layouts[Array], place: Sequence[int | np.integer]) -> tuple[float, ...]:
    """Return the numbers of the layout at a place of a block."""
    return tuple(
        float(field[tuple(index if size > 1 else 0 for index, size in zip(place, field.shape, strict=True))])
        for field in block
    )
