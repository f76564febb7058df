"""Planned layout: the fastest of a few hundred usual layouts, found quickly enough for every estimate.

The usual layouts have tensor parallelism within a node, pipeline stages that divide the layers evenly, at most one
interleaved schedule, and the least recomputation that fits. `search_layouts` searches the whole space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import constant
from costmodel.foundation.units import GIB
from costmodel.training.layouts.fitting import TooLargeError
from costmodel.training.layouts.space import divisors
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    LOSS_IMPLEMENTATIONS,
    Kernel,
    Layouts,
    accumulation,
    infeasibility_reasons,
)
from costmodel.training.step.memory import memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs

MOST_TENSOR = constant("most_tensor")
"""Largest tensor-parallel degree: a usual node [1]."""
LONG = constant("context_parallel_length")
"""Least sequence length for context parallelism [token]."""
CONTEXT_DEGREES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Context-parallel degrees of long sequences [1]."""
MICRO_BATCHES = (1.0, 2.0, 4.0, 8.0)
"""Micro-batch sizes [1]."""
EXPERT_DEGREES = (1.0, 8.0, 16.0, 32.0, 64.0)
"""Expert-parallel degrees [1]."""
MOST_IMBALANCE = constant("most_imbalance")
"""Largest pipeline stage over the mean stage, at most [1]."""


class Plan(NamedTuple):
    """A planned layout."""

    layout: Layouts
    """Numbers of the layout."""
    batch_size: float
    """Sequences per step (global batch size) [1]."""
    seconds: float
    """Step time [s]."""
    compared: int
    """Number of layouts compared [1]."""


@lru_cache(maxsize=1024)
def plan(inputs: StepInputs, free_batch: bool = False, attention: Kernel = "latest") -> Plan:
    """Return the fastest of the usual layouts.

    Parameters
    ----------
    inputs : StepInputs
    free_batch : bool
        Whether the batch size may be rounded to a multiple that a layout needs.
    attention : str
        Attention kernel.

    Raises
    ------
    TooLargeError
        If the model fits on no layout; the message gives the least memory needed.
    InputError
        If no layout is possible.
    """
    kernel = float(ATTENTION_KERNELS.index(attention))
    least_memory = math.inf
    for offload in (0.0, 1.0) if inputs.eager else (0.0,):  # general-purpose trainers offload as a last resort
        best, needed = _fastest(inputs, free_batch, kernel, offload)
        least_memory = min(least_memory, needed)
        if best is not None:
            return best
    raise _error(inputs, least_memory)


def _fastest(inputs: StepInputs, free_batch: bool, kernel: float, offload: float) -> tuple[Plan | None, float]:
    """Return the fastest layout, None if none is possible or fits, and the least memory needed [byte]."""
    best: Plan | None = None
    least_memory, compared = math.inf, 0
    combinations = ((degrees, zero) for degrees in _degrees(inputs) for zero in _zero_levels(inputs, degrees))
    for degrees, zero in combinations:
        for layout, batch in _layouts(inputs, degrees, zero, free_batch, kernel):
            fitting, needed = _least_recompute(inputs, layout._replace(offload_optimizer=offload), batch)
            least_memory = min(least_memory, needed)
            if fitting is None:
                break  # larger micro-batches need more memory
            for scheduled in _schedules(inputs, fitting, batch):
                breakdown = step_breakdown(
                    inputs.work, inputs.numerics, inputs.hardware, batch, scheduled, inputs.constants
                )
                seconds = float(breakdown.total)
                compared += 1
                if best is None or seconds / batch < best.seconds / best.batch_size:
                    best = Plan(scheduled, batch, seconds, compared)
    return None if best is None else best._replace(compared=compared), least_memory


def _error(inputs: StepInputs, least_memory: float) -> InputError:
    """Return the error that no layout fits or is possible."""
    auxiliary, capacity = inputs.auxiliary_bytes / GIB, inputs.hardware.memory / GIB
    if inputs.available_memory <= 0:
        return TooLargeError(
            f"layout: the auxiliary models do not fit: they need {auxiliary:.0f} of {capacity:.0f} GiB"
        )
    plural = "" if inputs.accelerators == 1 else "s"
    accelerators = f"{inputs.accelerators:,.0f} accelerator{plural} of {capacity:.0f} GiB"
    if inputs.auxiliary_bytes > 0:
        accelerators += f", {auxiliary:.1f} GiB of each used by auxiliary models"
    if least_memory < math.inf:
        needed = f"the smallest needs {least_memory / GIB:.1f} GiB per accelerator"
        return TooLargeError(f"layout: the model fits on no layout of {accelerators}; {needed}")
    return InputError(f"layout: none is possible on {accelerators} with {inputs.batch_size:g} sequences per step")


def _degrees(inputs: StepInputs) -> Iterator[tuple[float, ...]]:
    """Yield (data, tensor, pipeline, context, expert) degrees; general-purpose trainers use data parallelism only."""
    work, count = inputs.work, inputs.accelerators
    if inputs.eager:
        yield count, 1.0, 1.0, 1.0, 1.0
        return
    contexts = CONTEXT_DEGREES if work.sequence_length >= LONG else (1.0,)
    experts = [degree for degree in EXPERT_DEGREES if work.experts % degree == 0]
    most_tensor = min(MOST_TENSOR, inputs.hardware.gpus_per_node)
    tensors = [degree for degree in divisors(count) if degree <= most_tensor and work.heads % degree == 0]
    for tensor in tensors:
        for pipeline in divisors(count / tensor):
            if pipeline > work.layers or (pipeline > 1 and not _is_balanced(work.layers, pipeline)):
                continue
            for context in contexts:
                data = count / (tensor * pipeline * context)
                if data < 1 or data % 1:
                    continue
                ranks = tensor * context * data
                for expert in experts:
                    if ranks % expert == 0:
                        yield data, tensor, pipeline, context, expert


def _is_balanced(layers: float, stages: float) -> bool:
    """Return whether the largest pipeline stage is at most `MOST_IMBALANCE` times the mean."""
    return math.ceil(layers / stages) * stages <= MOST_IMBALANCE * layers


def _zero_levels(inputs: StepInputs, degrees: tuple[float, ...]) -> tuple[float, ...]:
    """Return the ZeRO levels to compare: 1 with pipeline stages.

    General-purpose trainers use ZeRO-3, or ZeRO-2 if the weights are frozen.
    """
    data, _, pipeline, context, _ = degrees
    if inputs.eager and data > 1:
        return (3.0,) if inputs.numerics.trained > 0 else (2.0, 3.0)
    return (1.0, 2.0, 3.0) if pipeline == 1 and data * context > 1 else (1.0,)


def _layouts(
    inputs: StepInputs, degrees: tuple[float, ...], zero: float, free_batch: bool, kernel: float
) -> Iterator[tuple[Layouts, float]]:
    """Yield possible layouts by ascending micro-batch size, each with its batch size."""
    data, tensor, pipeline, context, expert = degrees
    loss = float(LOSS_IMPLEMENTATIONS.index("whole" if inputs.eager else "fused"))
    for micro_batch in MICRO_BATCHES:
        multiple = data * micro_batch * (pipeline if free_batch else 1.0)
        rounded = max(round(inputs.batch_size / multiple), 1.0) * multiple
        batch = rounded if free_batch else inputs.batch_size
        if micro_batch > 1 and batch > 2 * inputs.batch_size:
            return
        layout = Layouts(
            data=data,
            tensor=tensor,
            pipeline=pipeline,
            context=context,
            expert=expert,
            expert_tensor=1.0,
            micro_batch=micro_batch,
            interleave=1.0,
            zero=zero,
            shard=data * context,
            recompute=0.0,
            sequence_parallel=1.0,
            attention=kernel,
            loss=loss,
            eager=float(inputs.eager),
            overlap_tensor=0.0,
            overlap_data=1.0,
            offload_optimizer=0.0,
            offload_weights=0.0,
            offload_activations=0.0,
            tiled_feed_forward=0.0,
            step_in_backward=0.0,
        )
        if not any(infeasibility_reasons(inputs.work, inputs.accelerators, batch, layout).values()):
            yield layout, batch


def _least_recompute(inputs: StepInputs, layout: Layouts, batch: float) -> tuple[Layouts | None, float]:
    """Return the layout with the least recomputation that fits, and the memory of the last one tried [byte].

    General-purpose trainers use full recomputation.
    """
    needed = math.inf
    for mode in (2.0,) if inputs.eager else (0.0, 1.0, 2.0):
        recomputing = layout._replace(recompute=mode)
        needed = float(memory(inputs.work, inputs.numerics, batch, recomputing).total)
        if needed <= inputs.available_memory:
            return recomputing, needed
    return None, needed


def _schedules(inputs: StepInputs, layout: Layouts, batch: float) -> Iterator[Layouts]:
    """Yield the 1F1B schedule, and the interleaved one with most chunks if it is possible and fits."""
    yield layout
    chunks = inputs.work.layers // layout.pipeline
    if layout.pipeline > 1 and chunks > 1 and accumulation(batch, layout) % layout.pipeline == 0:
        interleaved = layout._replace(interleave=chunks)
        if memory(inputs.work, inputs.numerics, batch, interleaved).total <= inputs.available_memory:
            yield interleaved
