"""Search of the whole space of layouts for the fastest one that fits.

The space is evaluated in numpy blocks. A block is one set of degrees of parallelism, with an array axis for each other
option, so that a term is computed only for the options on which it depends.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.parallel import check_executor, mapped
from costmodel.foundation.units import GIB
from costmodel.hardware.cluster import Cluster
from costmodel.training.layouts.division import settled_batch
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, below
from costmodel.training.layouts.space import DEGREES, Choices, option_values, parallel_degrees, read_choices
from costmodel.training.layouts.step_result import StepTime
from costmodel.training.layouts.step_time import StepInputs, feasible_step_time, training_step_inputs
from costmodel.training.step.efficiency import Efficiency, default_efficiency
from costmodel.training.step.layout import Layouts, infeasibility_reasons, layout_of, layouts
from costmodel.training.step.memory import memory
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    import numpy as np

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.arrays import FloatLike
    from costmodel.training.recipes.registry import AnyRecipe

TOO_LARGE = "needs too much memory"
PRINTED = 10
"""Layouts that a search prints [1]."""
KEPT = 100
"""Fastest layouts that a search keeps; the Pareto front is kept in addition [1]."""
BLOCKS_PER_TASK = 8
"""Blocks that an executor gets at a time [1]."""
_SHOWN = (
    "data",
    "tensor",
    "pipeline",
    "context",
    "expert",
    "micro_batch",
    "interleave",
    "zero",
    "recompute",
    "recompute_modules",
)


@dataclass(frozen=True, repr=False)
class LayoutSearch(rendering.Shown):
    """Result of a search of layouts; it prints the ten fastest, `rows` has a hundred."""

    best: StepTime
    """Fastest layout that fits with at least `fit_probability`, or the one that needs least memory if none does."""
    ranked: tuple[StepTime, ...]
    """Fastest layouts, in ascending order of step time."""
    pareto: tuple[StepTime, ...]
    """Pareto front of step time and memory."""
    by_count: dict[int, StepTime]
    """Fastest layout by number of accelerators."""
    considered: int
    """Layouts in the search space [1]."""
    evaluated: int
    """Possible layouts [1]."""
    rejected: dict[str, int]
    """Rejected layouts by the first reason that applies [1]."""
    fit_probability: float = SAFE_PROBABILITY
    """Least probability to fit in memory that was asked for [1]."""

    @property
    def caution(self) -> str:
        """What to know where no layout fits with the least probability; empty otherwise."""
        if (fits := float(self.best.fit_probability)) >= self.fit_probability:
            return ""
        asked, likely = rendering.percent(self.fit_probability), below(fits, self.fit_probability)
        text = f"no layout of this search fits with a probability of {asked}"
        return f"{text}; the one that needs least memory fits with {likely}"

    @checked("count")
    def rows(self, count: int = KEPT) -> list[dict[str, Any]]:
        """Return the fastest layouts as rows: degrees, options, step time [s], MFU [1], memory [GiB].

        Layouts with the same shown fields are one row.

        Parameters
        ----------
        count : int
            Rows at most [1].
        """
        distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
        for step in self.ranked:
            row = _row(step)
            distinct.setdefault(tuple(row[name] for name in _SHOWN), row)
        return list(distinct.values())[:count]

    def curve(self) -> list[dict[str, Any]]:
        """Return step time against cost: the fastest layout per number of accelerators, with its GPU-seconds."""
        return [
            {"accelerators": count, **_row(step), "gpu_seconds": step.seconds * count}
            for count, step in sorted(self.by_count.items())
        ]

    def _title(self) -> str:
        counts = " or ".join(f"{count:,}" for count in sorted(self.by_count))
        return f"fastest layouts of {counts} accelerators"

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows(PRINTED):
            degrees = ", ".join(f"{name} {row[name]}" for name in DEGREES if row.get(name, 1) != 1) or "data 1"
            recompute = row["recompute"] + (f" ({row['recompute_modules']})" if row["recompute_modules"] else "")
            shown = {"layout": degrees, "micro-batch": str(row["micro_batch"]), "ZeRO": str(row["zero"])}
            timed = {"step time": rendering.amount(row["seconds"], "s"), "MFU": rendering.number(row["mfu"])}
            memory_text = rendering.amount(row["memory_gib"] * GIB, "byte")
            cells.append({**shown, "recompute": recompute, **timed, "memory": memory_text})
        return cells

    def _footer(self) -> str:
        reasons = sorted(self.rejected.items(), key=lambda item: -item[1])
        lines = [f"{self.considered:,} layouts considered, {self.evaluated:,} of them possible"]
        lines += [f"rejected: {count:,}: {reason}" for reason, count in reasons]
        distinct = len(self.rows())
        hidden = distinct - PRINTED
        lines += [f"{hidden:,} more layouts: rows() has {distinct:,}"] if hidden > 0 else []
        return "\n".join([*lines, *([self.caution] if self.caution else [])])


def _row(step: StepTime) -> dict[str, Any]:
    shown, found = {name: getattr(step.layout, name) for name in _SHOWN}, step.si
    return {**shown, "seconds": found.seconds, "mfu": found.mfu, "memory_gib": found.memory.total / GIB}


class SearchedBlocks(NamedTuple):
    """Result of some blocks: layouts that may be among the best, and counts of the others."""

    layouts: np.ndarray
    """Numbers of the layouts, shape (layouts, fields of `Layouts`)."""
    seconds: np.ndarray
    """Step times, for as many sequences as the batch size of the recipe, shape (layouts,) [s]."""
    memory: np.ndarray
    """Peak memory, shape (layouts,) [byte]."""
    smallest: np.ndarray
    """Numbers of the layout that needs least memory, of the blocks where none has at most the memory that is allowed;
    shape (fields of `Layouts`,), empty if there are none."""
    least_memory: float
    """Least memory of any possible layout [byte]."""
    considered: int
    evaluated: int
    rejected: dict[str, int]

    @classmethod
    def empty(cls) -> SearchedBlocks:
        """Return the result of no blocks."""
        import numpy as np

        return cls(np.empty((0, len(Layouts._fields))), np.empty(0), np.empty(0), np.empty(0), math.inf, 0, 0, {})


@checked("cluster", "recipe", "efficiency", "counts", "memory_limit", "fit_probability")
def search_layouts(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    *,
    efficiency: Efficiency | None = None,
    counts: Sequence[int] | None = None,
    memory_limit: float | None = None,
    fit_probability: float = SAFE_PROBABILITY,
    executor: Executor | None = None,
    **constraints: Any,
) -> LayoutSearch:
    """Return the fastest layouts of a training step.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    cluster : Cluster
        Accelerators and their site.
    recipe : recipe
        Method and data of the training, such as `Pretraining`.
    efficiency : Efficiency, optional
        Constants of the step-time model; default: the shipped ones.
    counts : sequence of int, optional
        Numbers of accelerators to search; default: that of the cluster [1].
    memory_limit : float, optional
        Predicted memory that may be used on each accelerator, auxiliary models included; default: all [byte].
    fit_probability : float
        Least probability to fit in memory. If no layout reaches it, the result is the layout that needs least memory,
        with a caution, if it fits at all: with a probability of 50 % [1].
    executor : concurrent.futures.Executor, optional
        Evaluates blocks in parallel, such as a `ProcessPoolExecutor`; the result does not depend on it.
    constraints : value or sequence of values
        By field of `Layout`, a value or a sequence of values, such as `tensor=8` or
        `recompute=("none", "selective")`. Fields without a constraint are searched, except those that depend on the
        software: kernels, the loss, `eager`, sequence parallelism, overlap, offloading and `step_in_backward` have the
        values of planned layouts.

    Returns
    -------
    LayoutSearch

    Raises
    ------
    InputError
        If a constraint is unknown, or no layout fits; the message gives the least memory needed.
    MissingFactError
        If a fact of the accelerator is unknown, or no step was measured on its generation.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=128)
    >>> search = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe)
    >>> search.best.layout.accelerators, search.evaluated > 1000
    (8, True)
    """
    import numpy as np

    check_executor(executor)
    sizes = (cluster.count,) if counts is None else tuple(counts)
    problems = [] if sizes else [f"counts: must have one number of accelerators or more; got {counts!r}"]
    if not 0 < fit_probability < 1:
        problems.append(f"fit_probability: must be above 0 and below 1; got {fit_probability!r}")
    if memory_limit is not None and memory_limit <= 0:
        problems.append(f"memory_limit: must be above 0 byte; got {memory_limit!r}")
    if problems:
        raise InputError(problems)
    architecture = load_architecture(architecture)
    calibrated, choices = efficiency or default_efficiency(), read_choices(constraints)
    ranked: list[tuple[float, StepTime]] = []
    pareto: list[tuple[float, StepTime]] = []
    by_count: dict[int, StepTime] = {}
    total = SearchedBlocks.empty()
    least: list[tuple[float, float, int, StepTime]] = []
    for count in sizes:
        sized = cluster if count == cluster.count else cluster.replace(count=count)
        inputs = training_step_inputs(architecture, sized, recipe, calibrated)
        inputs = inputs._replace(planned_fit_probability=fit_probability)
        limit = math.inf if memory_limit is None else memory_limit - inputs.auxiliary_bytes
        result = search_space(inputs, choices, executor, limit)
        total = _merged(total, result)
        kept = [*result.layouts, *([result.smallest] if len(result.smallest) else [])]
        steps = [_step_time(inputs, row, sized, architecture.kind == "moe", calibrated) for row in kept]
        if len(result.smallest):
            step = steps.pop()
            batch = settled_batch(inputs, layouts(layout_of(list(result.smallest))))
            least.append((result.least_memory, step.si.seconds * inputs.batch_size / batch, count, step))
        timed = list(zip(result.seconds.tolist(), steps, strict=True))
        if timed:
            by_count[sized.count] = timed[0][1]
        ranked += timed[:KEPT]
        pareto += [timed[index] for index in _pareto_front(result.memory)]
    if not ranked and least:
        _, seconds, count, step = min(least, key=lambda each: each[0])
        if step.fits:
            ranked, pareto, by_count = [(seconds, step)], [(seconds, step)], {count: step}
    if not ranked:
        raise InputError(_no_result(total, cluster, sizes, memory_limit, inputs.auxiliary_bytes))
    ranked.sort(key=lambda timed: timed[0])
    pareto.sort(key=lambda timed: (timed[0], timed[1].si.memory.total))
    front = _pareto_front(np.array([step.si.memory.total for _, step in pareto]))
    return LayoutSearch(
        best=ranked[0][1],
        ranked=tuple(step for _, step in ranked[:KEPT]),
        pareto=tuple(pareto[index][1] for index in front),
        by_count=by_count,
        considered=total.considered,
        evaluated=total.evaluated,
        rejected=total.rejected,
        fit_probability=fit_probability,
    )


def _step_time(inputs: StepInputs, row: Any, cluster: Cluster, experts: bool, efficiency: Efficiency) -> StepTime:
    layout = layout_of(row)
    return StepTime(feasible_step_time(inputs, layouts(layout), layout, cluster, experts, efficiency))


def _no_result(
    total: SearchedBlocks, cluster: Cluster, counts: Sequence[int], memory_limit: float | None, auxiliary: float
) -> str:
    """Return why a search has no result: the least memory needed, or the reasons of infeasibility.

    `memory_limit` is the memory that may be used, and `auxiliary` that of auxiliary models [byte].
    """
    number = " or ".join(f"{count:,}" for count in counts)
    usable, marketed = cluster.accelerator.usable_memory or 0.0, cluster.accelerator.memory
    each = f"{usable / GIB:.1f} GiB usable" if marketed is None else f"{marketed:g} GB each"
    accelerators = f"{number} {cluster.accelerator.name} ({each})"
    if total.least_memory < math.inf:
        needed = f"the smallest needs {(total.least_memory + auxiliary) / GIB:.1f} GiB per accelerator"
        if memory_limit is not None and memory_limit < (usable or math.inf):
            accelerators += f" within the memory_limit of {memory_limit / GIB:.1f} GiB"
        return f"layout: the model fits on no layout of {accelerators}; {needed}"
    reasons = "; ".join(f"{reason} ({times:,})" for reason, times in sorted(total.rejected.items()))
    return f"layout: none of {accelerators} is possible: {reasons or 'the constraints allow none'}"


def search_space(
    inputs: StepInputs, choices: Choices, executor: Executor | None = None, limit: float = math.inf
) -> SearchedBlocks:
    """Return the fastest layouts and the Pareto front of the search space.

    Parameters
    ----------
    inputs : StepInputs
    choices : Choices
        Allowed values by field; see `read_choices`.
    executor : concurrent.futures.Executor, optional
        Evaluates blocks in parallel.
    limit : float
        Predicted memory that may be used per GPU, without auxiliary models, if less than that of `planned_memory`
        [byte].
    """
    blocks = parallel_degrees(inputs, choices)
    tasks = [blocks[first : first + BLOCKS_PER_TASK] for first in range(0, len(blocks), BLOCKS_PER_TASK)]
    jobs = [(inputs, task, dict(choices), limit) for task in tasks]
    return reduce(_merged, mapped(_search_blocks, jobs, executor), SearchedBlocks.empty())


def _search_blocks(job: tuple[StepInputs, Sequence[tuple[float, ...]], Choices, float]) -> SearchedBlocks:
    inputs, blocks, choices, limit = job
    return reduce(_merged, (_search_block(inputs, degrees, choices, limit) for degrees in blocks))


def _merged(first: SearchedBlocks, second: SearchedBlocks) -> SearchedBlocks:
    """Return two results as one, reduced to the fastest layouts and the Pareto front."""
    import numpy as np

    rows = np.concatenate([first.layouts, second.layouts])
    seconds = np.concatenate([first.seconds, second.seconds])
    used = np.concatenate([first.memory, second.memory])
    kept = _best_indices(seconds, used, rows)
    return SearchedBlocks(
        layouts=rows[kept],
        seconds=seconds[kept],
        memory=used[kept],
        smallest=np.empty(0) if len(kept) else min(first, second, key=lambda each: each.least_memory).smallest,
        least_memory=min(first.least_memory, second.least_memory),
        considered=first.considered + second.considered,
        evaluated=first.evaluated + second.evaluated,
        rejected=dict(Counter(first.rejected) + Counter(second.rejected)),
    )


def _best_indices(seconds: np.ndarray, used: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the indices of the fastest layouts and of the Pareto front, by time, memory and layout."""
    import numpy as np

    ties = () if rows is None else tuple(rows.T[::-1])
    order = np.lexsort((*ties, used, seconds))
    on_front = np.zeros(len(order), dtype=bool)
    on_front[_pareto_front(used[order])] = True
    return order[on_front | (np.arange(len(order)) < KEPT)]


def _pareto_front(used: np.ndarray) -> np.ndarray:
    """Return the indices of layouts, sorted by time, that need less memory than every faster one."""
    import numpy as np

    if not len(used):
        return np.empty(0, dtype=int)
    lowest = np.minimum.accumulate(used)
    return np.flatnonzero(np.concatenate([[True], used[1:] < lowest[:-1]]))


def _search_block(inputs: StepInputs, degrees: tuple[float, ...], choices: Choices, limit: float) -> SearchedBlocks:
    """Return the result of one set of degrees: all combinations of the other options, each on its own axis."""
    import numpy as np

    options = option_values(inputs, degrees, choices)
    shape = tuple(len(values) for values in options.values())
    size = math.prod(shape)
    axes = dict(zip(options, np.ix_(*options.values()), strict=True))
    block: Layouts[FloatLike] = Layouts(**dict(zip(DEGREES, degrees, strict=True)), **axes)
    possible: np.ndarray = np.ones((1,) * len(shape), dtype=bool)
    remaining, rejected = size, {}
    batch = settled_batch(inputs, block)
    reasons = infeasibility_reasons(inputs.work, inputs.accelerators, batch, block)
    for reason, applies in reasons.items():
        possible = possible & ~np.asarray(applies)
        left = _count(possible, size)
        if left < remaining:
            rejected[reason], remaining = remaining - left, left
    nothing = SearchedBlocks.empty()._replace(considered=size, evaluated=remaining, rejected=rejected)
    if not remaining:
        return nothing
    used = memory(inputs.work, inputs.numerics, batch, block).total
    fits = possible & (used <= min(inputs.planned_memory, limit))
    fitting = _count(fits, size)
    if fitting < remaining:
        rejected[TOO_LARGE] = remaining - fitting
    needed = np.where(possible, used, np.inf)
    least_memory = float(needed.min())
    if not fitting:
        if least_memory > limit:
            return nothing._replace(least_memory=least_memory)
        place = np.unravel_index(int(needed.argmin()), needed.shape)
        chosen = {name: values[at] for (name, values), at in zip(options.items(), place, strict=True)}
        smallest = dict(zip(DEGREES, degrees, strict=True)) | chosen
        row = np.array([smallest[name] for name in Layouts._fields])
        return nothing._replace(smallest=row, least_memory=least_memory)
    breakdown = step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, block, inputs.constants)
    inside = np.flatnonzero(np.broadcast_to(fits, shape))
    seconds = np.broadcast_to(breakdown.total * (inputs.batch_size / batch), shape).reshape(-1)[inside]
    used_inside = np.broadcast_to(used, shape).reshape(-1)[inside]
    kept = _best_indices(seconds, used_inside)
    places = dict(zip(options, np.unravel_index(inside[kept], shape), strict=True))
    columns = {name: np.full(len(kept), value) for name, value in zip(DEGREES, degrees, strict=True)}
    columns |= {name: np.array(options[name])[places[name]] for name in options}
    rows = np.column_stack([columns[name] for name in Layouts._fields])
    used_kept, nowhere = used_inside[kept], np.empty(0)
    return SearchedBlocks(rows, seconds[kept], used_kept, nowhere, least_memory, size, remaining, rejected)


def _count(mask: np.ndarray, size: int) -> int:
    """Return how many layouts of a block of `size` a mask with fewer axes selects."""
    return int(mask.sum()) * (size // mask.size)
