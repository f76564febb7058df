"""Optimal model size by compute budget from IsoFLOP runs, and its power law (approaches 1 and 2)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.scaling.fitting.measurements import read_measurements
from costmodel.scaling.laws.broadcast import power
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER

if TYPE_CHECKING:
    from costmodel.foundation.arrays import Array, N

LEAST_RUNS = 3
"""Least number of runs per budget, for a parabola."""


class PowerLaw(NamedTuple):
    """value = coefficient × compute^exponent, with the standard error of the exponent."""

    coefficient: float
    exponent: float
    standard_error: float

    def __call__(self, compute: N) -> N:
        """Return the value at a compute [FLOP], of the same shape."""
        return self.coefficient * power(compute, self.exponent)


class ComputeOptimum(NamedTuple):
    """Optimal runs by budget, and the power laws through them.

    `compute` [FLOP], `parameters`, `tokens` and `loss` at the optimum of each budget, shape (budgets,);
    `parameter_law` and `token_law` of compute.
    """

    compute: Array
    parameters: Array
    tokens: Array
    loss: Array
    parameter_law: PowerLaw
    token_law: PowerLaw


def fit_isoflops(parameters: Any, tokens: Any = None, loss: Any = None, compute: Any = None) -> ComputeOptimum:
    """Return the optimum of each budget from a parabola of the loss in the logarithm of tokens (approach 2).

    Parameters
    ----------
    parameters, tokens, loss : sequence of float, optional
        Parameters [1], tokens [token] and loss [nat/token] of each run, shape (runs,); or a table or a path as
        `parameters`, as in `fit_scaling_law`.
    compute : sequence of float, optional
        Compute budget of each run [FLOP], shape (runs,); by default 6 N D, rounded to two digits.

    Returns
    -------
    ComputeOptimum

    Raises
    ------
    InputError
        If fewer than two budgets have three runs and an optimum inside them.

    References
    ----------
    Hoffmann et al. 2022, section 3.2 (arXiv 2203.15556); Grattafiori et al. 2024, section 3.2.1 (arXiv 2407.21783).
    """
    import numpy as np

    runs = read_measurements(parameters, tokens, loss, least=LEAST_RUNS)
    budgets = _budgets(runs.compute) if compute is None else np.asarray(compute, dtype=float)
    optima: list[tuple[float, float, float, float]] = []
    for budget in np.unique(budgets):
        chosen = budgets == budget
        if np.count_nonzero(chosen) < LEAST_RUNS:
            continue
        logs = np.log(runs.tokens[chosen])
        middle = float(np.mean(logs))
        curve, slope, level = np.polyfit(logs - middle, runs.loss[chosen], 2)
        if curve <= 0:
            continue
        best = -slope / (2 * curve)
        if logs.min() <= best + middle <= logs.max():
            d = float(np.exp(best + middle))
            optima.append((budget, budget / FLOPS_PER_PARAMETER / d, d, level - slope**2 / (4 * curve)))
    return _optimum(optima, "budgets with three runs or more and an optimum inside them")


def fit_envelope(parameters: Any, tokens: Any = None, loss: Any = None, bins: int = 12) -> ComputeOptimum:
    """Return the run of least loss in each of `bins` ranges of compute, and the power laws through them (approach 1).

    Parameters
    ----------
    parameters, tokens, loss : sequence of float, optional
        Runs, as in `fit_isoflops`.
    bins : int
        Number of ranges of compute, equally wide in the logarithm; at least two must contain a run.

    Returns
    -------
    ComputeOptimum

    References
    ----------
    Hoffmann et al. 2022, section 3.1 (arXiv 2203.15556).
    """
    import numpy as np

    runs = read_measurements(parameters, tokens, loss, least=2)
    logs = np.log(runs.compute)
    edges = np.linspace(logs.min(), logs.max() + 1e-9, bins + 1)
    optima: list[tuple[float, float, float, float]] = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero((logs >= low) & (logs < high))
        if len(inside):
            best = int(inside[np.argmin(runs.loss[inside])])
            columns = (runs.compute, runs.parameters, runs.tokens, runs.loss)
            compute, size, seen, lowest = (float(column[best]) for column in columns)
            optima.append((compute, size, seen, lowest))
    return _optimum(optima, "ranges of compute that hold a run")


def _budgets(compute: Array) -> Array:
    """Return compute rounded to two digits: 6 N D of runs with the same budget differs slightly."""
    import numpy as np

    scale = 10.0 ** np.floor(np.log10(compute) - 1)
    rounded: Array = np.round(compute / scale) * scale
    return rounded


def _optimum(optima: list[tuple[float, float, float, float]], what: str) -> ComputeOptimum:
    import numpy as np

    if len(optima) < 2:
        raise InputError(f"at least two {what} are needed; there are {len(optima)}")
    compute, parameters, tokens, loss = (np.array(column, dtype=np.float64) for column in zip(*optima, strict=True))
    return ComputeOptimum(
        compute, parameters, tokens, loss, _power_law(compute, parameters), _power_law(compute, tokens)
    )


def _power_law(compute: Array, values: Array) -> PowerLaw:
    import numpy as np

    x, y = np.log(compute), np.log(values)
    mean_x, mean_y = float(np.mean(x)), float(np.mean(y))
    run, rise = x - mean_x, y - mean_y
    exponent = float(np.sum(run * rise) / np.sum(run**2))
    free = max(len(x) - 2, 1)
    error = math.sqrt(np.sum((rise - exponent * run) ** 2) / free / np.sum(run**2))
    return PowerLaw(float(np.exp(mean_y - exponent * mean_x)), exponent, error)
