"""Which layout would one take? The best of a few hundred by rule, in plain floats: quick enough for every estimate.

Tensor parallelism within a node, stages that divide the layers, one way to interleave, the least
recomputation that fits. `search_layouts` looks at the whole space instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.units import GIB
from costmodel.training.layouts.space import divisors
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    LOSS_IMPLEMENTATIONS,
    Kernel,
    Layouts,
    infeasibility_reasons,
)
from costmodel.training.step.memory import memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs

MOST_TENSOR = 8.0
"""Ranks that share a product at most: a node of most accelerators."""
LONG = 16_384
"""Sequence length from which context parallelism is tried [token]."""
MICRO_BATCHES = (1.0, 2.0, 4.0, 8.0)
EXPERT_RANKS = (1.0, 8.0, 16.0, 32.0, 64.0)
"""Degrees that are tried of each."""


class TooLargeError(InputError):
    """A model fits on no layout."""


class Plan(NamedTuple):
    """The layout taken: its numbers, the sequences of a step, the time of that [s], and how many were compared."""

    layout: Layouts
    batch_size: float
    seconds: float
    compared: int


@lru_cache(maxsize=1024)
def plan(asked: StepInputs, free_batch: bool = False, attention: Kernel = "latest") -> Plan:
    """Return the fastest of the layouts that one would try first.

    Parameters
    ----------
    asked : the numbers of the question
    free_batch : whether the sequences of a step may be rounded to what a layout needs
    attention : kernel of the attention

    Raises
    ------
    InputError
        If none is possible, or none fits in the memory; the message says what the smallest needs.
    """
    kernel = float(ATTENTION_KERNELS.index(attention))
    least = math.inf
    for offload in (0.0, 1.0) if asked.eager else (0.0,):  # general trainers offload where nothing else fits
        best, needed = _best(asked, free_batch, kernel, offload)
        least = min(least, needed)
        if best is not None:
            return best
    raise _refusal(asked, least)


def _best(asked: StepInputs, free_batch: bool, kernel: float, offload: float) -> tuple[Plan | None, float]:
    """Return the fastest, None if none is possible or fits, and what the smallest needs [byte]."""
    best: Plan | None = None
    least, compared = math.inf, 0
    for degrees, zero in ((one, zero) for one in _degrees(asked) for zero in _sharing(asked, one)):
        for of, batch in _layouts(asked, degrees, zero, free_batch, kernel):
            fitting, needed = _least_recompute(asked, of._replace(offload_optimizer=offload), batch)
            least = min(least, needed)
            if fitting is None:
                break  # larger micro-batches need more
            for one in _schedules(asked, fitting, batch):
                seconds = float(
                    step_breakdown(asked.work, asked.numerics, asked.hardware, batch, one, asked.constants).total
                )
                compared += 1
                if best is None or seconds / batch < best.seconds / best.batch_size:
                    best = Plan(one, batch, seconds, compared)
    return None if best is None else best._replace(compared=compared), least


def _refusal(asked: StepInputs, least: float) -> InputError:
    """Return why there is no plan: all need too much memory, or none is possible at all."""
    if asked.available_memory <= 0:
        beside, held = asked.auxiliary_bytes / GIB, asked.hardware.memory / GIB
        return TooLargeError(
            f"layout: the models beside the trained one do not fit: they take {beside:.0f} of {held:.0f} GiB"
        )
    count = f"{asked.accelerators:,.0f} accelerator{'' if asked.accelerators == 1 else 's'}"
    count += f" of {asked.hardware.memory / GIB:.0f} GiB"
    if asked.auxiliary_bytes > 0:
        count += f", on each of which the models beside the trained one take {asked.auxiliary_bytes / GIB:.1f} GiB"
    if least < math.inf:
        needed = f"the smallest needs {least / GIB:.1f} GiB on one"
        return TooLargeError(f"layout: the model fits on no layout of {count}; {needed}")
    return InputError(f"layout: none is possible on {count} with {asked.batch_size:g} sequences of a step")


def _degrees(asked: StepInputs) -> Iterator[tuple[float, ...]]:
    """Yield data, tensor, pipeline, context and expert degrees worth a look: of a general trainer data alone."""
    work, count = asked.work, asked.accelerators
    if asked.eager:
        yield count, 1.0, 1.0, 1.0, 1.0
        return
    contexts = (1.0, 2.0, 4.0, 8.0, 16.0) if work.sequence_length >= LONG else (1.0,)
    experts = [one for one in EXPERT_RANKS if work.experts % one == 0]
    tensors = [
        one
        for one in divisors(count)
        if one <= min(MOST_TENSOR, asked.hardware.gpus_per_node) and work.heads % one == 0
    ]
    for tensor in tensors:
        for pipeline in divisors(count / tensor):
            if pipeline > work.layers or (pipeline > 1 and not _divides_well(work.layers, pipeline)):
                continue
            for context in contexts:
                data = count / (tensor * pipeline * context)
                if data < 1 or data % 1:
                    continue
                ranks = tensor * context * data
                for expert in experts:
                    if ranks % expert == 0:
                        yield data, tensor, pipeline, context, expert


def _divides_well(layers: float, stages: float) -> bool:
    """Tell whether the heaviest stage is at most a tenth heavier than the mean."""
    return math.ceil(layers / stages) * stages <= 1.1 * layers


def _sharing(asked: StepInputs, degrees: tuple[float, ...]) -> tuple[float, ...]:
    """Return what the data-parallel ranks may share: with stages, the states of the optimizer alone.

    General trainers share all that is trained, and the weights too unless they stand still.
    """
    data, _, pipeline, context, _ = degrees
    if asked.eager and data > 1:
        return (3.0,) if asked.numerics.trained > 0 else (2.0, 3.0)
    return (1.0, 2.0, 3.0) if pipeline == 1 and data * context > 1 else (1.0,)


def _layouts(
    asked: StepInputs, degrees: tuple[float, ...], zero: float, free_batch: bool, kernel: float
) -> Iterator[tuple[Layouts, float]]:
    """Yield the layouts of ascending micro-batches, each with the sequences of its step."""
    data, tensor, pipeline, context, expert = degrees
    loss = float(LOSS_IMPLEMENTATIONS.index("whole" if asked.eager else "fused"))
    for micro_batch in MICRO_BATCHES:
        unit = data * micro_batch * (pipeline if free_batch else 1.0)
        batch = max(round(asked.batch_size / unit), 1.0) * unit if free_batch else asked.batch_size
        if micro_batch > 1 and batch > 2 * asked.batch_size:
            return
        of = Layouts(
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
            eager=float(asked.eager),
            overlap_tensor=0.0,
            overlap_data=1.0,
            offload_optimizer=0.0,
            offload_weights=0.0,
            offload_activations=0.0,
            step_in_backward=0.0,
        )
        if not any(infeasibility_reasons(asked.work, asked.accelerators, batch, of).values()):
            yield of, batch


def _least_recompute(asked: StepInputs, of: Layouts, batch: float) -> tuple[Layouts | None, float]:
    """Return the layout with the least recomputation that fits, and what the leanest needs [byte].

    General trainers have a switch for all of it, which is on in their recipes.
    """
    needed = math.inf
    for mode in (2.0,) if asked.eager else (0.0, 1.0, 2.0):
        one = of._replace(recompute=mode)
        needed = float(memory(asked.work, asked.numerics, batch, one).total)
        if needed <= asked.available_memory:
            return one, needed
    return None, needed


def _schedules(asked: StepInputs, of: Layouts, batch: float) -> Iterator[Layouts]:
    """Yield the plain schedule, and the finest interleaving that is possible and fits."""
    yield of
    chunks = asked.work.layers // of.pipeline
    if of.pipeline > 1 and chunks > 1 and of.accumulation(batch) % of.pipeline == 0:
        fine = of._replace(interleave=chunks)
        if memory(asked.work, asked.numerics, batch, fine).total <= asked.available_memory:
            yield fine
