"""Which layout is fastest? The whole space, block by block in numpy; memory first, then time.

A block is one set of degrees of parallelism with all other options on axes of their own: what depends on
few options is computed few times, and only the sums have the size of the block.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError
from costmodel.hardware.cluster import Cluster
from costmodel.training.efficiency import Efficiency, default_efficiency
from costmodel.training.layout import KERNELS, RECOMPUTE, Layout, Layouts, layout_of, layouts, obstacles
from costmodel.training.memory import GIB, memory
from costmodel.training.steps import Problem, StepTime, problem, timed, too_large
from costmodel.training.timing import step_breakdown

if TYPE_CHECKING:
    import numpy as np

    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes import Recipe

DEGREES = ("data", "tensor", "pipeline", "context", "expert", "expert_tensor")
OPTIONS = tuple(name for name in Layouts._fields if name not in DEGREES)
_FLAGS = ("sequence_parallel", "fused_loss", "overlap_tensor", "overlap_data", "offload_optimizer")
TOO_LARGE = "needs more memory than an accelerator has"
KEPT = 100
"""Layouts of a block that are kept, the fastest; and how many `LayoutSearch.rows` shows unless asked."""
BLOCKS_PER_TASK = 8

Choices = Mapping[str, tuple[float, ...]]


class LayoutSearch(NamedTuple):
    """What a search found.

    `best` is the fastest that fits, `ranked` the fastest ones in order, `pareto` those than which none is
    faster and needs less memory, `by_count` the fastest for each number of accelerators; `considered`
    layouts in the space, `evaluated` of them in memory and time, and `rejected` for each reason.
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

        Parameters
        ----------
        count : rows at most
        """
        return [_row(one) for one in self.ranked[:count]]

    def curve(self) -> list[dict[str, Any]]:
        """Return time against cost: for each number of accelerators the fastest step [s], and its GPU-seconds."""
        return [{"accelerators": count, **_row(one), "gpu_seconds": one.seconds * count}
                for count, one in sorted(self.by_count.items())]  # fmt: skip


def _row(one: StepTime) -> dict[str, Any]:
    given = {name: getattr(one.layout, name) for name in (*DEGREES[:5], "micro_batch", "interleave", "zero", "recompute")}
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


def search_layouts(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: Recipe,
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
    >>> found = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=128))
    >>> found.best.layout.accelerators, found.evaluated > 1000
    (8, True)
    """
    architecture = load_architecture(architecture)
    known = efficiency or default_efficiency()
    choices = _choices(constraints)
    clusters = [cluster if count == cluster.count else cluster.replace(count=count) for count in counts or (cluster.count,)]
    experts = architecture.kind == "moe"
    ranked: list[StepTime] = []
    pareto: list[StepTime] = []
    by_count: dict[int, StepTime] = {}
    considered = evaluated = 0
    rejected: Counter[str] = Counter()
    least = (math.inf, None)
    for each in clusters:
        asked = problem(architecture, each, recipe, known)
        if memory_limit is not None:
            asked = asked._replace(machine=asked.machine._replace(memory=min(memory_limit, asked.machine.memory)))
        found = _search(asked, choices, executor)
        considered, evaluated = considered + found.considered, evaluated + found.evaluated
        rejected.update(found.rejected)
        if not len(found.seconds):
            least = min(least, (found.least, asked), key=lambda pair: pair[0])
            continue
        steps = [_timed(asked, values, each, experts, known) for values in found.layouts[:KEPT]]
        by_count[each.count] = steps[0]
        ranked += steps
        pareto += [_timed(asked, found.layouts[index], each, experts, known) for index in _frontier(found)]
    if not ranked:
        raise InputError(_nothing(least, rejected))
    ranked.sort(key=lambda one: one.seconds)
    return LayoutSearch(ranked[0], tuple(ranked), tuple(pareto), by_count, considered, evaluated, dict(rejected))


def _timed(asked: Problem, values: Any, cluster: Cluster, experts: bool, efficiency: Efficiency) -> StepTime:
    layout = layout_of(values)
    return timed(asked, layouts(layout), layout, cluster, experts, efficiency)


def _nothing(least: tuple[float, Problem | None], rejected: Mapping[str, int]) -> str:
    needs, asked = least
    if asked is not None and needs < math.inf:
        return (f"layout: the model fits on no layout of {asked.count:g} accelerators of "
                f"{asked.machine.memory / GIB:.0f} GiB; the smallest needs {needs / GIB:.1f} GiB")  # fmt: skip
    reasons = "; ".join(f"{reason} ({number:,})" for reason, number in sorted(rejected.items()))
    return f"layout: none is possible: {reasons}"


def _choices(constraints: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the numbers that each constraint allows, or raise `InputError` with all that is wrong."""
    problems, choices = [], {}
    coded = {"recompute": RECOMPUTE, "attention": KERNELS}
    for name, given in constraints.items():
        listed = [given] if isinstance(given, (str, bool, int, float)) else list(given)
        if name not in Layouts._fields:
            problems.append(f"{name} is no field of a layout; fields: {', '.join(Layouts._fields)}")
        elif name in coded and any(one not in coded[name] for one in listed):
            problems.append(f"{name} is one of {', '.join(coded[name])}; got {given!r}")
        elif name not in coded and not all(isinstance(one, (int, float)) and one >= 0 and one == int(one) for one in listed):
            problems.append(f"{name} is a whole number, or several; got {given!r}")
        elif not listed:
            problems.append(f"{name}: at least one value is needed")
        else:
            choices[name] = tuple(float(coded[name].index(one) if name in coded else one) for one in listed)
    if problems:
        raise InputError("; ".join(problems))
    return choices


def _divisors(number: float) -> list[float]:
    whole = int(number)
    small = [one for one in range(1, math.isqrt(whole) + 1) if whole % one == 0]
    return sorted({float(each) for one in small for each in (one, whole // one)})


def degrees(asked: Problem, choices: Choices) -> list[tuple[float, ...]]:
    """Return all degrees of parallelism whose product is the number of accelerators, in the order of `DEGREES`."""
    listed = []
    count, experts = asked.count, asked.work.experts
    for tensor, pipeline in product(_divisors(count), _divisors(count)):
        if count % (tensor * pipeline):
            continue
        for context in _divisors(count / (tensor * pipeline)):
            data = count / (tensor * pipeline * context)
            ranks = tensor * context * data
            for expert in [one for one in _divisors(experts) if ranks % one == 0]:
                for inner in sorted({1.0, tensor} if experts > 1 else {1.0}):
                    if ranks % (expert * inner) == 0:
                        listed.append((data, tensor, pipeline, context, expert, inner))
    return [one for one in listed if all(
        value in choices.get(name, (value,)) for name, value in zip(DEGREES, one, strict=True))]  # fmt: skip


def options(asked: Problem, one: Sequence[float], choices: Choices) -> dict[str, list[float]]:
    """Return the values of every other option for a set of degrees; what makes no difference is tried once."""
    data, tensor, pipeline, context = one[:4]
    depth = asked.work.layers / pipeline
    chunks = [v for v in _divisors(asked.work.layers) if v <= max(depth, 1)] if pipeline > 1 else [1.0]
    ranks, node = data * context, asked.machine.node / tensor
    within = [node] if 1 < node < ranks and ranks % node == 0 else []
    flags = {name: [0.0, 1.0] for name in _FLAGS}
    tried: dict[str, list[float]] = {
        "micro_batch": _divisors(asked.batch_size),
        "interleave": chunks,
        "zero": [0.0, 1.0, 2.0, 3.0] if ranks > 1 else [0.0],
        "shard": [ranks, *within],
        "recompute": [0.0, 1.0, 2.0],
        "attention": [2.0],
        **flags,
    }
    if tensor == 1:
        tried["sequence_parallel"] = tried["overlap_tensor"] = [1.0]
    if ranks == 1:
        tried["overlap_data"] = [1.0]
    return {name: list(choices.get(name, values)) if name != "shard" else values for name, values in tried.items()}


def _search(asked: Problem, choices: Choices, executor: Executor | None) -> Found:
    every = degrees(asked, choices)
    if not every:
        return Found(_empty(), _empty()[0], _empty()[0], math.inf, 0, 0, {})
    tasks = [every[first : first + BLOCKS_PER_TASK] for first in range(0, len(every), BLOCKS_PER_TASK)]
    jobs = ((asked, task, dict(choices)) for task in tasks)
    results = map(_task, jobs) if executor is None else executor.map(_task, jobs)
    return reduce(_joined, results)


def _empty() -> Any:
    import numpy as np

    return np.empty((0, len(Layouts._fields)))


def _task(job: tuple[Problem, Sequence[tuple[float, ...]], Choices]) -> Found:
    asked, blocks, choices = job
    return reduce(_joined, (_block(asked, one, choices) for one in blocks))


def _joined(first: Found, second: Found) -> Found:
    """Return two findings as one: the fastest, and those on the frontier of time and memory."""
    import numpy as np

    rejected = Counter(first.rejected)
    rejected.update(second.rejected)
    return _kept(
        np.concatenate([first.layouts.reshape(-1, len(Layouts._fields)), second.layouts]),
        np.concatenate([first.seconds, second.seconds]),
        np.concatenate([first.memory, second.memory]),
    )._replace(
        least=min(first.least, second.least), considered=first.considered + second.considered,
        evaluated=first.evaluated + second.evaluated, rejected=dict(rejected),
    )  # fmt: skip


def _kept(rows: np.ndarray, seconds: np.ndarray, held: np.ndarray) -> Found:
    """Return the fastest rows and the frontier, in order of time, memory and then of the layout itself."""
    import numpy as np

    order = np.lexsort((*rows.T[::-1], held, seconds))
    rows, seconds, held = rows[order], seconds[order], held[order]
    lowest = np.minimum.accumulate(held) if len(held) else held
    frontier = np.ones(len(held), dtype=bool)
    frontier[1:] = held[1:] < lowest[:-1]
    chosen = frontier | (np.arange(len(held)) < KEPT)
    return Found(rows[chosen], seconds[chosen], held[chosen], math.inf, 0, 0, {})


def _frontier(found: Found) -> list[int]:
    indices, lowest = [], math.inf
    for index, held in enumerate(found.memory):
        if held < lowest:
            indices.append(index)
            lowest = held
    return indices


def _block(asked: Problem, one: tuple[float, ...], choices: Choices) -> Found:
    """Return what one set of degrees holds: all its options at once, on axes of their own."""
    import numpy as np

    tried = options(asked, one, choices)
    shape = tuple(len(values) for values in tried.values())
    size = math.prod(shape)
    axes = {
        name: np.array(values).reshape([-1 if index == axis else 1 for index in range(len(shape))])
        for axis, (name, values) in enumerate(tried.items())
    }
    of = Layouts(**dict(zip(DEGREES, one, strict=True)), **axes)
    rejected: dict[str, int] = {}
    possible: Any = np.ones((1,) * len(shape), dtype=bool)
    for reason, holds in obstacles(asked.work, asked.count, asked.batch_size, of).items():
        before = possible
        possible = before & ~np.asarray(holds)
        fallen = _share(before, possible, shape) - _share(possible, possible, shape)
        if fallen:
            rejected[reason] = fallen
    number = _share(possible, possible, shape)
    if not number:
        return Found(_empty(), _empty()[:, 0], _empty()[:, 0], math.inf, size, 0, rejected)
    held = memory(asked.work, asked.numbers, asked.batch_size, of).total
    fits = possible & (held <= asked.machine.memory)
    fitting = _share(fits, fits, shape)
    if number > fitting:
        rejected[TOO_LARGE] = number - fitting
    least = float(np.min(np.where(possible, held, np.inf)))
    if not fitting:
        return Found(_empty(), _empty()[:, 0], _empty()[:, 0], least, size, number, rejected)
    seconds = step_breakdown(
        asked.work, asked.numbers, asked.machine, asked.batch_size, of, asked.constants
    ).total
    timed_ones = np.where(fits, seconds, np.inf)
    flat, flat_held = _flat(timed_ones, shape), _flat(held, shape)
    chosen = _promising(flat, flat_held)
    rows = np.empty((len(chosen), len(Layouts._fields)))
    indices = np.unravel_index(chosen, shape)
    for column, name in enumerate(Layouts._fields):
        rows[:, column] = one[DEGREES.index(name)] if name in DEGREES else np.array(tried[name])[indices[list(tried).index(name)]]
    return _kept(rows, flat[chosen], flat_held[chosen])._replace(
        least=least, considered=size, evaluated=number, rejected=rejected
    )


def _flat(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np

    return np.broadcast_to(values, shape).reshape(-1)


def _share(mask: Any, like: Any, shape: tuple[int, ...]) -> int:
    """Return how many elements of the whole block a mask of fewer axes stands for."""
    import numpy as np

    mask = np.broadcast_to(mask, np.broadcast_shapes(mask.shape, like.shape))
    return int(mask.sum()) * (math.prod(shape) // mask.size)


def _promising(seconds: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return the indices of the fastest elements and of the frontier of time and memory."""
    import numpy as np

    finite = np.flatnonzero(np.isfinite(seconds))
    if len(finite) > KEPT:
        fastest = finite[np.argpartition(seconds[finite], KEPT - 1)[:KEPT]]
        limit = seconds[fastest].max()
        fastest = finite[seconds[finite] <= limit] if np.count_nonzero(seconds[finite] <= limit) < 50 * KEPT else fastest
    else:
        fastest = finite
    order = finite[np.lexsort((held[finite], seconds[finite]))]
    lowest = np.minimum.accumulate(held[order])
    frontier = np.ones(len(order), dtype=bool)
    frontier[1:] = held[order][1:] < lowest[:-1]
    return np.union1d(fastest, order[frontier])


def _unused(_: Iterable[Any], __: Any = too_large, ___: Any = Layout) -> None: ...
