"""Planned layout: the fastest of some thousand usual layouts, found quickly enough for every estimate.

The usual layouts have tensor parallelism within a node. `search_layouts` searches the whole space. All layouts are
compared whether or not smaller ones fit, so that more memory or a faster accelerator never makes a plan slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.arrays import Array
from costmodel.foundation.newest import Newest
from costmodel.foundation.tables import constant
from costmodel.foundation.units import GIB
from costmodel.training.layouts.columns import alike, columns_of, taken
from costmodel.training.layouts.division import division_warning, settled_batch
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError, step_fit_probability
from costmodel.training.layouts.space import (
    DEGREES,
    MOST_MOE_CHUNKS,
    divisors,
    moe_modules,
    most_context,
    most_replicas,
    software_options,
    stage_counts,
)
from costmodel.training.layouts.step_time import StepInputs, StepParts, step_parts
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    LOSS_IMPLEMENTATIONS,
    Kernel,
    Layouts,
    accumulation,
    infeasibility_reasons,
)
from costmodel.training.step.memory import host_bytes, memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Placed = tuple[Layouts[Array], tuple[int, ...]]

MOST_TENSOR = constant("most_tensor")
"""Largest tensor-parallel degree: a usual node [1]."""
MOST_EXPERT = constant("most_expert")
"""Largest expert-parallel degree [1]."""
CONTEXT_DEGREES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Context-parallel degrees [1]."""
MICRO_BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Largest micro-batch sizes: the sequences of a replica are divided into equal parts of at most this size [1]."""
FALLBACKS: tuple[dict[str, float], ...] = (
    {"loss": float(LOSS_IMPLEMENTATIONS.index("chunked"))},
    {"offload_optimizer": 1.0},
    {"offload_weights": 1.0},
    {"offload_activations": 1.0, "tiled_feed_forward": 1.0},
)
"""Options of the fallbacks, each in addition to those before."""
CHUNKS = (1.0, 2.0, 4.0, math.inf)
"""Chunks of layers per pipeline stage; infinity stands for one layer per chunk [1]."""
FIRST_ROWS = 32
"""Degrees and micro-batch sizes that are compared first, shared by the steps of an array [1]."""
LEAST_ROWS = 8
"""The same, at least for each step [1]."""
LAYER_COMPONENTS = (
    *("matmul", "attention", "elementwise", "launch", "adapters", "dequantize"),
    *("tensor_parallel", "context_parallel", "expert_parallel", "head"),
)
"""Components of the step time that lie in the layers and the LM head."""
ROUNDING = 1e-9
"""Relative error of a sum of times by rounding, at most [1]."""
TOGETHER = 32
"""Steps whose layouts are compared in one array: more take more memory than the caches of a CPU have [1]."""
MOST_KEPT = 1024
"""Plans that are kept [1]."""
AMPLE = 4.0
"""Memory / least memory needed without a fallback, above which the fallback is not compared [1]. States, weights
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
    parts: StepParts[float]
    """Time and memory of the step, by component."""
    compared: int
    """Number of layouts compared [1]."""
    warning: str
    """Numbers that divide badly, with better ones; empty if there are none."""


class _Compared(NamedTuple):
    """Result of a comparison; a layout is its array and its place there, or None."""

    fastest: _Placed | None
    """Fastest layout with at most the allowed memory."""
    seconds: float
    """Its step time per sequence [s]."""
    smallest: _Placed | None
    """Layout that needs least memory, of those seen."""
    memory: float
    """Its memory [byte]."""
    compared: int
    """Layouts whose step time was compared [1]."""


class _Block(NamedTuple):
    """Layouts of several steps; a row is a set of degrees and a micro-batch size of one step."""

    inputs: Any
    """Inputs of the steps; a number that differs between steps is an array of shape (rows, 1, 1, 1)."""
    layouts: Layouts[Array]
    """Axes: rows, sharding, interleaving, recomputation."""
    steps: NDArray[np.int_]
    """Place of the step of each row, ascending; shape (rows,)."""

    def taken(self, rows: NDArray[np.int_]) -> _Block:
        """Return the block of some rows."""
        return _Block(
            taken(self.inputs, rows, len(self.steps)), taken(self.layouts, rows, len(self.steps)), self.steps[rows]
        )

    def parts(self) -> dict[int, slice]:
        """Return the rows of each step."""
        import numpy as np

        steps, starts = np.unique(self.steps, return_index=True)
        ends = [*starts[1:].tolist(), len(self.steps)]
        return {step: slice(*ends) for step, *ends in zip(steps.tolist(), starts.tolist(), ends, strict=True)}


def plan(inputs: StepInputs, attention: Kernel = "latest") -> Plan:
    """Return the fastest of the usual layouts that fit with a high probability, or that of least memory if none does.

    The probability is `StepInputs.planned_fit_probability`; offloaded data need at most the memory of the host.
    Fallbacks are context parallelism of short sequences, a chunked loss, and offloading: such layouts are compared
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
    (planned,) = plans([inputs], attention)
    if isinstance(planned, TooLargeError):
        raise planned.with_traceback(None)
    return planned


def plans(listed: Sequence[StepInputs], attention: Kernel = "latest") -> list[Plan | TooLargeError]:
    """Return the plans of several steps: for each the layout of `plan`, or its error.

    The layouts of up to `TOGETHER` steps are compared in one array. The newest plans are kept.

    Parameters
    ----------
    listed : sequence of StepInputs
    attention : str
        Attention kernel.
    """
    planned = {inputs: _newest.get((inputs, attention)) for inputs in listed}
    kinds: dict[tuple[object, ...], list[StepInputs]] = {}
    for inputs, kept in planned.items():
        if kept is None:
            kinds.setdefault(_kind(inputs), []).append(inputs)
    for same_kind in kinds.values():
        for start in range(0, len(same_kind), TOGETHER):
            part = same_kind[start : start + TOGETHER]
            planned.update(zip(part, _planned(part, attention), strict=True))
    _newest.update({(inputs, attention): each for inputs, each in planned.items() if each is not None})
    return [each for inputs in listed if (each := planned[inputs]) is not None]


_newest = Newest[tuple[StepInputs, Kernel], Plan | TooLargeError](MOST_KEPT)
"""The newest plans."""


def forget() -> None:
    """Forget all plans that were kept."""
    _newest.clear()


def _kind(inputs: StepInputs) -> tuple[object, ...]:
    """Return what steps share whose layouts are compared in one array: options, and axes of the same length."""
    few = min(inputs.accelerators, 4.0)  # with fewer, flat or pipelined layouts have one data-parallel rank
    options = inputs.numerics, inputs.eager, inputs.finetune, inputs.free_batch, inputs.software
    return *options, few, len(_fallbacks(inputs)), alike(inputs)


def _planned(listed: list[StepInputs], attention: Kernel) -> list[Plan | TooLargeError]:
    """Return the plan or the error of each of several steps of one kind."""
    options = {**software_options(listed[0]), "attention": float(ATTENTION_KERNELS.index(attention))}
    fallbacks = [_fallbacks(inputs) for inputs in listed]
    best = [_Compared(None, math.inf, None, math.inf, 0)] * len(listed)
    limits = [inputs.planned_memory for inputs in listed]
    allowed = list(limits)
    undecided = list(range(len(listed)))
    for place in range(len(fallbacks[0])):
        if not undecided:
            break
        contexts = {step: fallbacks[step][place][0] for step in undecided}
        blocks = _blocks(listed, contexts, {**options, **fallbacks[undecided[0]][place][1]})
        for block in blocks:
            for step, fastest in _fastest(block, allowed, [compared.seconds for compared in best]).items():
                best[step] = _better(best[step], fastest)
        undecided = [step for step in undecided if limits[step] < AMPLE * best[step].memory]
        for block in blocks:
            for step, smallest in _smallest(block, undecided).items():
                best[step] = _better(best[step], smallest)
        for step in undecided:
            allowed[step] = min(allowed[step], best[step].memory)
        undecided = [step for step in undecided if limits[step] < AMPLE * best[step].memory]
    return [_plan(inputs, compared) for inputs, compared in zip(listed, best, strict=True)]


def _plan(inputs: StepInputs, best: _Compared) -> Plan | TooLargeError:
    """Return the plan of a step from the result of the comparison, or the error that no layout fits."""
    placed = best.fastest or best.smallest
    if placed is None:
        return _error(inputs, best.memory)
    layout = _layout(*placed)
    parts = step_parts(inputs, layout)
    needed = parts.memory.total
    if best.fastest is None and step_fit_probability(inputs, needed, parts.host_bytes) < LEAST_PROBABILITY:
        return _error(inputs, needed)
    seconds, warning = parts.breakdown.total, division_warning(inputs, layout)
    return Plan(layout, parts.batch, seconds, needed, parts, best.compared, warning)


def _better(first: _Compared, second: _Compared) -> _Compared:
    """Return the fastest layout and that of least memory of two comparisons; the first wins ties."""
    fastest = first if first.seconds <= second.seconds else second
    smallest = first if first.memory <= second.memory else second
    compared = first.compared + second.compared
    return _Compared(fastest.fastest, fastest.seconds, smallest.smallest, smallest.memory, compared)


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


def _fallbacks(inputs: StepInputs) -> list[tuple[float, dict[str, float]]]:
    """Return the largest context-parallel degree and the options to compare, in order, until a layout fits."""
    usual, most = most_context(inputs.work), 1.0 if inputs.eager else CONTEXT_DEGREES[-1]
    first: list[tuple[float, dict[str, float]]] = [(usual, {})] if usual < most else []
    options: dict[str, float] = {}
    fallbacks = [(most, options := {**options, **further}) for further in FALLBACKS]
    return [*first, (most, {}), *fallbacks]


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


def _blocks(listed: list[StepInputs], contexts: dict[int, float], options: dict[str, float]) -> list[_Block]:
    """Return all layouts with some options, those without pipeline stages first.

    `contexts` has the largest context-parallel degree by place of the steps to compare.
    """
    degrees = {step: _usual_degrees(listed[step], context) for step, context in contexts.items()}
    flat, staged = (
        [(step, *row) for step, rows in degrees.items() for row in rows if (row[2] > 1) == pipelined]
        for pipelined in (False, True)
    )
    columns, count = columns_of(listed), len(listed)
    return [_block(columns, count, rows, options, bool(rows is staged)) for rows in (flat, staged) if rows]


def _fastest(block: _Block, allowed: list[float], seconds_to_beat: list[float]) -> dict[int, _Compared]:
    """Return for each step the fastest layout of a block with at most the allowed memory [byte].

    Layouts that take at least the `seconds_to_beat` per sequence of their step are left out [s]. Of the layouts
    compared, the one of least memory is returned too.

    The rows of a step are compared in the order of lower bounds of their step time, until the bound exceeds the best
    step time so far.
    """
    import numpy as np

    bounds = _lower_bounds(block)
    order = np.lexsort((bounds, block.steps))
    orders = {step: order[part][np.isfinite(bounds[order[part]])] for step, part in block.parts().items()}
    best = dict.fromkeys(orders, _Compared(None, math.inf, None, math.inf, 0))
    limits, start, size = np.array(allowed), 0, max(FIRST_ROWS // len(orders), LEAST_ROWS)
    while True:
        chosen = []
        for step, left in orders.items():
            part = left[start : start + size]
            promising = part[bounds[part] < min(best[step].seconds, seconds_to_beat[step])]
            chosen += [promising] if len(promising) else []
        if not chosen:
            return best
        rows = block.taken(np.concatenate(chosen))
        used = _needed(rows)
        fits = used <= limits[rows.steps].reshape(-1, 1, 1, 1)
        seconds = np.full(used.shape, np.inf)
        if len(fitting := np.flatnonzero(fits.any(axis=(1, 2, 3)))):
            seconds[fitting] = np.where(fits[fitting], _seconds(rows.taken(fitting)), np.inf)
        for step, place in rows.parts().items():
            quick, least = _least(seconds, place), _least(used, place)
            fastest = (rows.layouts, quick) if np.isfinite(seconds[quick]) else None
            count = int(np.isfinite(seconds[place]).sum())
            compared = _Compared(fastest, float(seconds[quick]), (rows.layouts, least), float(used[least]), count)
            best[step] = _better(best[step], compared)
        start, size = start + size, 4 * size


def _lower_bounds(block: _Block) -> Array:
    """Return a lower bound of the step time per sequence of each row of a block [s]; infinite for impossible rows.

    Without pipeline stages it is the least step time without recomputation. With stages it is the time of the layers
    and the LM head, which interleaving and the ZeRO levels of pipelines only lengthen.
    """
    import numpy as np

    layouts = block.layouts._replace(
        recompute=block.layouts.recompute[..., :1], recompute_modules=block.layouts.recompute_modules[..., :1]
    )
    if (block.layouts.pipeline == 1).all():
        first = block._replace(layouts=layouts)
        least: Array = np.where(_possible(first), _seconds(first), np.inf).min(axis=(1, 2, 3))
        return least
    layouts = layouts._replace(
        zero=layouts.zero[:, -1:], shard=layouts.shard[:, -1:], interleave=layouts.interleave[:, :, :1]
    )
    inputs = block.inputs
    batch = settled_batch(inputs, layouts)
    parts = step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, layouts, inputs.constants)
    per_step = sum(getattr(parts, name) for name in LAYER_COMPONENTS)
    if inputs.free_batch:  # interleaving rounds a default batch to another multiple of the replicas
        per_sequence = per_step / accumulation(batch, layouts) / (layouts.micro_batch * layouts.data)
    else:
        per_sequence = per_step / batch
    return np.asarray(per_sequence * (1 - ROUNDING)).reshape(-1)


def _smallest(block: _Block, steps: list[int]) -> dict[int, _Compared]:
    """Return for each of some steps the layout of a block that needs least memory."""
    import numpy as np

    rows = block.taken(np.flatnonzero(np.isin(block.steps, steps)))
    if not len(rows.steps):
        return {}
    used = _needed(rows)
    places = {step: _least(used, part) for step, part in rows.parts().items()}
    return {
        step: _Compared(None, math.inf, (rows.layouts, place), float(used[place]), 0) for step, place in places.items()
    }


def _least(values: Array, part: slice) -> tuple[int, ...]:
    """Return the place of the first smallest value in some rows."""
    import numpy as np

    first, *others = np.unravel_index(int(values[part].argmin()), values[part].shape)
    return (part.start + int(first), *map(int, others))


def _possible(block: _Block) -> NDArray[np.bool_]:
    """Return which layouts of a block are possible."""
    import numpy as np

    inputs, possible = block.inputs, np.ones((1,) * 4, dtype=bool)
    batch = settled_batch(inputs, block.layouts)
    for applies in infeasibility_reasons(inputs.work, inputs.accelerators, batch, block.layouts).values():
        possible = possible & ~np.asarray(applies)
    return possible


def _needed(block: _Block) -> Array:
    """Return the peak memory of the layouts of a block [byte].

    It is infinite where a layout is not possible, or needs more host memory than there is.
    """
    import numpy as np

    inputs = block.inputs
    batch = settled_batch(inputs, block.layouts)
    used = memory(inputs.work, inputs.numerics, batch, block.layouts).total
    on_host = host_bytes(inputs.work, inputs.numerics, batch, block.layouts)
    return np.where(_possible(block) & (on_host <= inputs.hardware.host_memory), used, np.inf)


def _seconds(block: _Block) -> Array:
    """Return the step time per sequence of the layouts of a block [s]."""
    inputs = block.inputs
    batch = settled_batch(inputs, block.layouts)
    parts = step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, block.layouts, inputs.constants)
    seconds: Array = parts.total / batch
    return seconds


def _block(
    columns: Any, count: int, degrees: list[tuple[Any, ...]], options: dict[str, float], pipelined: bool
) -> _Block:
    """Return all layouts of some degrees.

    `columns` are the inputs of `count` steps, as `_columns` returns them. Each row of `degrees` starts with the place
    of its step.
    """
    import numpy as np

    def along(axis: int, values: Sequence[float] | Array) -> Array:
        return np.asarray(values, dtype=float).reshape([-1 if place == axis else 1 for place in range(4)])

    place, table = np.array([row[0] for row in degrees], dtype=int), np.array([row[1:] for row in degrees])
    batch = np.reshape(taken(columns.batch_size, place, count), (-1, 1))
    sequences = np.ceil(batch / table[:, :1])
    sizes = np.ceil(sequences / np.ceil(sequences / np.array(MICRO_BATCHES)))
    row, size = np.nonzero(np.diff(sizes, axis=1, prepend=0.0) > 0)  # each size once
    inputs = taken(columns, place[row], count)
    parallel = {name: along(0, table[row, column]) for column, name in enumerate(DEGREES)}
    ranks = parallel["data"] * parallel["context"]
    zero, hybrid = _sharding(inputs, pipelined, float(ranks.max()))
    in_node = np.maximum(inputs.hardware.gpus_per_node / parallel["tensor"], 1.0)
    divides = (in_node > 1) & (in_node < ranks) & (ranks % in_node == 0)
    experts = np.asarray(inputs.work.experts > 1) | np.zeros((1, 1, 1, 1), dtype=bool)
    most_chunks = np.clip(inputs.work.layers // parallel["pipeline"], 1.0, np.where(experts, MOST_MOE_CHUNKS, np.inf))
    modes = np.asarray((2.0,) if inputs.eager or options["offload_activations"] else (0.0, 1.0, 2.0))
    selective = experts & (modes == 1)  # an MoE recomputes modules that cost no time to speak of
    layouts = Layouts(
        **parallel,
        micro_batch=along(0, sizes[row, size]),
        interleave=np.minimum(along(2, CHUNKS if pipelined else (1.0,)), most_chunks),
        zero=along(1, zero),
        shard=np.where(divides & (along(1, hybrid) > 0), in_node, ranks),
        recompute=np.where(selective, 0.0, modes),
        recompute_modules=np.where(selective, moe_modules(np.asarray(inputs.work.up_projected)), 0.0),
        **{name: along(0, [value]) for name, value in options.items()},
    )
    return _Block(inputs, layouts, place[row])


def _sharding(inputs: StepInputs, pipelined: bool, ranks: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the ZeRO levels to compare, and for each whether it shards within a node only.

    General-purpose trainers use ZeRO-3, or ZeRO-2 if the weights are frozen. Pipeline stages need no ZeRO-3.
    """
    if ranks == 1:
        return (1.0,), (0.0,)
    if inputs.eager:
        return ((3.0,), (0.0,)) if inputs.numerics.trained > 0 else ((2.0, 3.0), (0.0, 0.0))
    return ((1.0, 2.0), (0.0, 0.0)) if pipelined else ((1.0, 2.0, 3.0, 3.0), (0.0, 0.0, 0.0, 1.0))


def _layout(block: Layouts[Array], place: tuple[int, ...]) -> Layouts:
    """Return the layout at a place of an array of layouts."""
    places = ([i if size > 1 else 0 for i, size in zip(place, field.shape, strict=True)] for field in block)
    return Layouts(*(float(field[tuple(each)]) for field, each in zip(block, places, strict=True)))
