"""Which layout is fastest? The whole space, block by block in numpy; memory first, then time.

A block is one set of degrees of parallelism with all other options on axes of their own: what depends on
few options is computed few times, and only the sums have the size of the block.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError
from costmodel.foundation.units import GIB
from costmodel.hardware.cluster import Cluster
from costmodel.training.layouts.space import DEGREES, Choices, degrees, options, read_choices
from costmodel.training.layouts.step_time import StepInputs, StepTime, feasible_step_time, training_step_inputs
from costmodel.training.step.efficiency import Efficiency, default_efficiency
from costmodel.training.step.layout import Layouts, infeasibility_reasons, layout_of, layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    import numpy as np

    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes.registry import AnyRecipe

TOO_LARGE = "needs more memory than an accelerator has"
KEPT = 100
"""Layouts that are kept of a search, the fastest; those on the frontier of time and memory are kept beside."""
BLOCKS_PER_TASK = 8
_SHOWN = ("data", "tensor", "pipeline", "context", "expert", "micro_batch", "interleave", "zero", "recompute")


class LayoutSearch(NamedTuple):
    """What a search found.

    `best` is the fastest that fits, `ranked` the fastest ones in order, `pareto` those than which none is
    faster and needs less memory, `by_count` the fastest for each number of accelerators. Of the
    `considered` layouts of the space `evaluated` are possible, and `rejected` counts the others, and those
    that are too large, each under the first reason that holds.
    """

    best: StepTime
    ranked: tuple[StepTime, ...]
    pareto: tuple[StepTime, ...]
    by_count: dict[int, StepTime]
    considered: int
    evaluated: int
    rejected: dict[str, int]

    def rows(self, count: int = KEPT) -> list[dict[str, Any]]:
        """Return the fastest layouts as rows: degrees, options, step time [s], MFU [1], memory [GiB].

        Layouts that differ in nothing shown are one row.

        Parameters
        ----------
        count : rows at most
        """
        distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in self.ranked:
            row = _row(one)
            distinct.setdefault(tuple(row[name] for name in _SHOWN), row)
        return list(distinct.values())[:count]

    def curve(self) -> list[dict[str, Any]]:
        """Return time against cost: for each number of accelerators the fastest step [s], and its GPU-seconds."""
        return [
            {"accelerators": count, **_row(one), "gpu_seconds": one.seconds * count}
            for count, one in sorted(self.by_count.items())
        ]


def _row(one: StepTime) -> dict[str, Any]:
    given = {name: getattr(one.layout, name) for name in _SHOWN}
    return {**given, "seconds": one.seconds, "mfu": one.mfu, "memory_gib": one.memory.total / GIB}


class Found(NamedTuple):
    """The layouts of some blocks that may matter, one row each, and what became of the rest."""

    layouts: np.ndarray
    seconds: np.ndarray
    memory: np.ndarray
    least: float
    considered: int
    evaluated: int
    rejected: dict[str, int]

    @classmethod
    def nothing(cls) -> Found:
        """Return what a search of nothing finds."""
        import numpy as np

        return cls(np.empty((0, len(Layouts._fields))), np.empty(0), np.empty(0), math.inf, 0, 0, {})


def search_layouts(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    *,
    efficiency: Efficiency | None = None,
    counts: Sequence[int] | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
    **constraints: Any,
) -> LayoutSearch:
    """Return the fastest layouts of a training step.

    Parameters
    ----------
    architecture : Architecture, or what `load_architecture` takes
    cluster : accelerators
    recipe : sequence length, batch and precision
    efficiency : constants of the time model; the shipped ones unless given
    counts : numbers of accelerators to search in place of that of the cluster
    memory_limit : of an accelerator, where less than all may be used [byte]
    executor : spreads blocks of the space, such as a `ProcessPoolExecutor`; the result does not depend on it
    constraints : by field of `Layout`, a value or a sequence of them, such as `tensor=8` or
        `recompute=("none", "selective")`; everything is tried for what is not named, except other kernels
        of attention

    Returns
    -------
    LayoutSearch

    Raises
    ------
    InputError
        If a constraint is not known, or no layout fits; the message says what the smallest needs.
    MissingFactError
        If the accelerator is not known well enough.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=128)
    >>> found = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe)
    >>> found.best.layout.accelerators, found.evaluated > 1000
    (8, True)
    """
    import numpy as np

    architecture = load_architecture(architecture)
    known, choices = efficiency or default_efficiency(), read_choices(constraints)
    ranked: list[StepTime] = []
    pareto: list[StepTime] = []
    by_count: dict[int, StepTime] = {}
    whole = Found.nothing()
    for count in counts or (cluster.count,):
        one = cluster if count == cluster.count else cluster.replace(count=count)
        asked = training_step_inputs(architecture, one, recipe, known)
        if memory_limit is not None:
            asked = asked._replace(hardware=asked.hardware._replace(memory=min(memory_limit, asked.hardware.memory)))
        found = search_space(asked, choices, executor)
        whole = _joined(whole, found)
        steps = [_timed(asked, values, one, architecture.kind == "moe", known) for values in found.layouts]
        if steps:
            by_count[one.count] = steps[0]
        ranked += steps[:KEPT]
        pareto += [steps[index] for index in _frontier(found.memory)]
    if not ranked:
        raise InputError(_nothing(whole, cluster, counts))
    ranked.sort(key=lambda step: step.seconds)
    pareto.sort(key=lambda step: (step.seconds, step.memory.total))
    frontier = _frontier(np.array([step.memory.total for step in pareto]))
    return LayoutSearch(
        ranked[0],
        tuple(ranked[:KEPT]),
        tuple(pareto[index] for index in frontier),
        by_count,
        whole.considered,
        whole.evaluated,
        whole.rejected,
    )


def _timed(asked: StepInputs, values: Any, cluster: Cluster, experts: bool, efficiency: Efficiency) -> StepTime:
    layout = layout_of(values)
    return feasible_step_time(asked, layouts(layout), layout, cluster, experts, efficiency)


def _nothing(whole: Found, cluster: Cluster, counts: Sequence[int] | None) -> str:
    """Return why a search found nothing: what the smallest layout needs, or what stands against all."""
    number = " or ".join(f"{count:,}" for count in counts or (cluster.count,))
    where = f"{number} {cluster.accelerator.name} ({cluster.accelerator.memory:g} GB each)"
    if whole.least < math.inf:
        return f"layout: the model fits on no layout of {where}; the smallest needs {whole.least / GIB:.1f} GiB on one"
    reasons = "; ".join(f"{reason} ({times:,})" for reason, times in sorted(whole.rejected.items()))
    return f"layout: none of {where} is possible: {reasons or 'the constraints leave none'}"


def search_space(asked: StepInputs, choices: Choices, executor: Executor | None = None) -> Found:
    """Return what the space of a question holds within choices: the fastest layouts and the frontier."""
    every = degrees(asked, choices)
    tasks = [every[first : first + BLOCKS_PER_TASK] for first in range(0, len(every), BLOCKS_PER_TASK)]
    jobs = [(asked, task, dict(choices)) for task in tasks]
    results = map(_task, jobs) if executor is None else executor.map(_task, jobs)
    return reduce(_joined, results, Found.nothing())


def _task(job: tuple[StepInputs, Sequence[tuple[float, ...]], Choices]) -> Found:
    asked, blocks, choices = job
    return reduce(_joined, (_block(asked, one, choices) for one in blocks))


def _joined(first: Found, second: Found) -> Found:
    """Return two findings as one: the fastest, and those on the frontier of time and memory."""
    import numpy as np

    rows = np.concatenate([first.layouts, second.layouts])
    seconds = np.concatenate([first.seconds, second.seconds])
    held = np.concatenate([first.memory, second.memory])
    chosen = _worth_keeping(seconds, held, rows)
    return Found(
        rows[chosen],
        seconds[chosen],
        held[chosen],
        min(first.least, second.least),
        first.considered + second.considered,
        first.evaluated + second.evaluated,
        dict(Counter(first.rejected) + Counter(second.rejected)),
    )


def _worth_keeping(seconds: np.ndarray, held: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the indices of the fastest and of the frontier, by time, memory and then the layout itself."""
    import numpy as np

    ties = () if rows is None else tuple(rows.T[::-1])
    order = np.lexsort((*ties, held, seconds))
    on_frontier = np.zeros(len(order), dtype=bool)
    on_frontier[_frontier(held[order])] = True
    return order[on_frontier | (np.arange(len(order)) < KEPT)]


def _frontier(held: np.ndarray) -> np.ndarray:
    """Return which of the layouts, the fastest first, need less memory than every faster one."""
    import numpy as np

    if not len(held):
        return np.empty(0, dtype=int)
    lowest = np.minimum.accumulate(held)
    return np.flatnonzero(np.concatenate([[True], held[1:] < lowest[:-1]]))


def _block(asked: StepInputs, one: tuple[float, ...], choices: Choices) -> Found:
    """Return what one set of degrees holds: all its options at once, on axes of their own."""
    import numpy as np

    tried = options(asked, one, choices)
    shape = tuple(len(values) for values in tried.values())
    size = math.prod(shape)
    axes = dict(zip(tried, np.ix_(*tried.values()), strict=True))
    of = Layouts(**dict(zip(DEGREES, one, strict=True)), **axes)
    possible: np.ndarray = np.ones((1,) * len(shape), dtype=bool)
    number, rejected = size, {}
    for reason, holds in infeasibility_reasons(asked.work, asked.accelerators, asked.batch_size, of).items():
        possible = possible & ~np.asarray(holds)
        left = _elements(possible, size)
        if left < number:
            rejected[reason], number = number - left, left
    nothing = Found.nothing()._replace(considered=size, evaluated=number, rejected=rejected)
    if not number:
        return nothing
    held = memory(asked.work, asked.numerics, asked.batch_size, of).total
    fits = possible & (held <= asked.available_memory)
    fitting = _elements(fits, size)
    if fitting < number:
        rejected[TOO_LARGE] = number - fitting
    least = float(np.min(np.where(possible, held, np.inf)))
    if not fitting:
        return nothing._replace(least=least)
    seconds = step_breakdown(asked.work, asked.numerics, asked.hardware, asked.batch_size, of, asked.constants).total
    inside = np.flatnonzero(np.broadcast_to(fits, shape))
    flat, flat_held = (
        np.broadcast_to(seconds, shape).reshape(-1)[inside],
        np.broadcast_to(held, shape).reshape(-1)[inside],
    )
    chosen = _worth_keeping(flat, flat_held)
    places = dict(zip(tried, np.unravel_index(inside[chosen], shape), strict=True))
    columns = {name: np.full(len(chosen), value) for name, value in zip(DEGREES, one, strict=True)}
    columns |= {name: np.array(tried[name])[places[name]] for name in tried}
    rows = np.column_stack([columns[name] for name in Layouts._fields])
    return Found(rows, flat[chosen], flat_held[chosen], least, size, number, rejected)


def _elements(mask: np.ndarray, size: int) -> int:
    """Return how many elements of a block of `size` a mask of fewer axes stands for."""
    return int(mask.sum()) * (size // mask.size)
