"""Speed of the fit of a scaling law: CPU time of a fit and of a bootstrap, compared with multistart searches.

Run: python benchmarks/fit.py [RUNS.csv] (columns of parameters, tokens and loss; synthetic runs by default). Where the
package `chinchilla` is installed, its fit of the same runs is timed too.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from costmodel.scaling.fitting.fit import fit_scaling_law
from costmodel.scaling.fitting.measurements import Measurements, read_measurements
from costmodel.scaling.fitting.objective import objective, points
from costmodel.scaling.laws.hoffmann import HoffmannLaw


def synthetic_runs() -> Measurements:
    """Return 240 synthetic runs of a law with a scatter of 0.5 %."""
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7.5, 10.2, 240), 10 ** rng.uniform(8.5, 11.5, 240)
    law = HoffmannLaw(E=1.817, A=478, B=2143, alpha=0.347, beta=0.367)
    return read_measurements(n, d, law.loss(n, d) * np.exp(rng.normal(0, 0.005, 240)))


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and its CPU time [s]."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def _peer(function: Callable[[Any], float], start: Any) -> float:
    result: Any = minimize(function, start, method="L-BFGS-B")
    return float(result.fun)


def multistart(runs: Measurements, starts: int = 60) -> float:
    """Return the lowest objective of L-BFGS-B with finite differences, from a grid of starting points."""
    data, ones = points(runs.parameters, runs.tokens, runs.loss), np.ones(len(runs.loss))
    grid = list(
        product(
            np.arange(0, 26, 5),
            np.arange(0, 26, 5),
            np.arange(-1, 1.1, 0.5),
            np.arange(0, 2.1, 0.5),
            np.arange(0, 2.1, 0.5),
        )
    )
    chosen = np.random.default_rng(0).choice(len(grid), starts, replace=False)
    best = np.inf
    for index in chosen:
        a, b, e, alpha, beta = grid[index]
        theta = np.array([a - alpha * data.mean_x, b - beta * data.mean_y, e, alpha, beta])
        best = min(best, float(_peer(lambda x: float(objective(x, data, ones)), theta)))
    return best


def main() -> None:
    """Print all measurements."""
    runs = synthetic_runs() if len(sys.argv) < 2 else read_measurements(sys.argv[1], None, None)
    n, d, loss = runs.parameters, runs.tokens, runs.loss
    fit_scaling_law(n, d, loss)  # loads scipy
    fit, seconds = timed(lambda: fit_scaling_law(n, d, loss))
    print(f"one fit: {seconds * 1e3:.0f} ms CPU (below 50), objective {fit.objective:.10g}")
    _, seconds = timed(lambda: fit_scaling_law(n, d, loss, bootstrap=4000))
    print(f"4,000 replicates of the bootstrap: {seconds:.1f} s CPU (below 10)")
    starts = 60
    best, seconds = timed(lambda: multistart(runs, starts))
    grid = seconds / starts * 4500
    print(
        f"finite differences: {seconds:.1f} s CPU for {starts} starts, {grid:.0f} s for the 4,500 of the published grid"
    )
    print(f"  objective {best:.10g}")
    peer(runs)


def peer(runs: Measurements) -> None:
    """Print the time of the package `chinchilla` on the same runs and the same objective, where it is installed."""
    try:
        package, metrics = import_module("chinchilla"), import_module("chinchilla._metrics")
    except ImportError:
        print("the package chinchilla is not installed; no comparison")
        return
    ranges = {"E": (1, 2), "a": (1, 10), "b": (1, 10), "alpha": (0.1, 0.7), "beta": (0.1, 0.7)}
    starts = {name: np.linspace(low, high, 3) for name, (low, high) in ranges.items()}
    with tempfile.TemporaryDirectory() as folder:
        other = package.Chinchilla(
            folder, param_grid=starts, loss_fn=partial(metrics.log_huber, delta=1e-3), log_level=40
        )
        for n, d, loss in zip(runs.parameters, runs.tokens, runs.loss, strict=True):
            other.database.append(C=6 * n * d, N=n, D=d, loss=loss)
        _, seconds = timed(lambda: other.fit(parallel=False))
        data = points(runs.parameters, runs.tokens, runs.loss)
        theta = [
            np.log(other.A) - other.alpha * data.mean_x,
            np.log(other.B) - other.beta * data.mean_y,
            np.log(other.E),
            other.alpha,
            other.beta,
        ]
        lowest = float(objective(np.array(theta, dtype=float), data, np.ones(len(runs.loss))))
    print(f"chinchilla, {3**5} starts: {seconds:.1f} s CPU; objective {lowest:.10g}")


if __name__ == "__main__":
    main()
