"""Random draws of the steps of an estimate, in blocks, so that a million draws need little memory.

Draws depend on the path of an input and the seed only; they are the same whatever the size of the blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.estimation import chain
from costmodel.estimation.results import DRAWS
from costmodel.foundation.newest import Newest
from costmodel.foundation.parallel import mapped
from costmodel.foundation.ranges import generator
from costmodel.foundation.renamed import original

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.foundation.ranges import Range

BLOCK = DRAWS
"""Draws that are computed together: their arrays stay in the cache of a CPU [1]."""
SAMPLES_KEPT = 4
"""Estimates whose draws are kept: those of a comparison would take megabytes each [1]."""
_DEVELOPMENT_KEYS = {
    "other_costs.rd_multiplier": "development.multiplier",
    "other_costs.staff_share": "development.staff",
}
"""Keys of the draws of inputs that `development_cost` of a published cost draws too."""


def sample(estimate: Estimate, count: int, names: Sequence[str], executor: Executor | None = None) -> dict[str, Any]:
    """Return draws of figures, steps or inputs by name: arrays of shape (count,), or a number where all are equal.

    A name that is not known has `Missing`, or is absent.

    Parameters
    ----------
    estimate : Estimate
    count : int
        Number of draws [1].
    names : sequence of str
        Figures, steps or inputs.
    executor : concurrent.futures.Executor, optional
        Draws the inputs in parallel, each as a whole.
    """
    import numpy as np

    needed = {step.name for name in names for step in chain.ancestors(estimate.steps, name)}
    steps = [step for step in estimate.steps if step.name in needed]
    paths = {path for step in steps for path in step.inputs}.union(names)
    inputs = {path: entry for path, entry in estimate.inputs.items() if path in paths}
    certain = {path: entry.value for path, entry in inputs.items() if entry.spread is None} | estimate.missing
    spreads = {path: entry.spread for path, entry in inputs.items() if entry.spread is not None}
    generators = {path: generator(draw_key(path), estimate.seed) for path in spreads}
    whole: dict[str, Any] = {}
    if executor is not None:
        jobs = [(spread, generators[path], count) for path, spread in spreads.items()]
        whole = dict(zip(spreads, mapped(_drawn, jobs, executor), strict=True))
    sampled: dict[str, Any] = {}
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        drawn = {
            path: whole[path][start : start + size] if whole else spread.draw(generators[path], size)
            for path, spread in spreads.items()
        }
        results = chain.run(steps, certain | drawn)
        for name in names:
            if name not in results:
                continue
            value = results[name]
            if not isinstance(value, np.ndarray) or size == count:
                sampled[name] = value
            else:
                sampled.setdefault(name, np.empty(count))[start : start + size] = value
    return sampled


def _drawn(job: tuple[Range, np.random.Generator, int]) -> NDArray[np.float64]:
    spread, numbers, count = job
    return spread.draw(numbers, count)


_newest: Newest[int, tuple[Estimate, dict[str, Any]]] = Newest(SAMPLES_KEPT)


def newest_sample(estimate: Estimate) -> dict[str, Any]:
    """Return the draws of all steps and inputs of an estimate; those of the newest estimates are kept.

    Parameters
    ----------
    estimate : Estimate
    """
    kept = _newest.get(id(estimate))
    if kept is None or kept[0] is not estimate:
        names = [*estimate.inputs, *estimate.missing, *(step.name for step in estimate.steps)]
        kept = estimate, sample(estimate, DRAWS, names)
        _newest.update({id(estimate): kept})
    return kept[1]


def draw_key(path: str) -> str:
    """Return the key of the random draws of an input; all passes share those of MFU and realized efficiency."""
    if path in _DEVELOPMENT_KEYS:
        return _DEVELOPMENT_KEYS[path]
    if path.endswith(".rollout_efficiency"):  # who is slow at the update is slow at the rollout
        return original("realized_efficiency")
    shared = next((name for name in ("mfu", "realized_efficiency") if path.endswith(f".{name}")), None)
    return original(shared or path)
