"""The minimum of the objective of a fit."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from costmodel.scaling.fitting import minimum as module
from costmodel.scaling.fitting.minimum import minimum
from costmodel.scaling.fitting.objective import Points, gradient, objective, points


def runs(count: int, scatter: float = 0.005) -> tuple[Points, np.ndarray]:
    """Return runs of a law with a scatter, and their weights."""
    rng = np.random.default_rng(count)
    n, d = 10 ** rng.uniform(7.5, 10.2, count), 10 ** rng.uniform(8.5, 11.5, count)
    loss = (1.8 + 480 / n**0.35 + 2100 / d**0.37) * np.exp(rng.normal(0, scatter, count))
    return points(n, d, loss), rng.uniform(0.5, 1.5, count)


def test_second_derivatives_are_those_of_the_gradient():
    data, weights = runs(50)
    theta = np.array([-0.9, -0.9, 0.6, 0.34, 0.37])
    slope, curvature = module._derivatives(theta, data, weights)
    assert slope == pytest.approx(gradient(theta, data, weights), rel=1e-12)
    numeric = [
        approx_fprime(theta, lambda moved, row=row: gradient(moved, data, weights)[row], 1e-8) for row in range(5)
    ]
    assert curvature == pytest.approx(np.array(numeric), rel=1e-4, abs=1e-5 * np.abs(curvature).max())


@pytest.mark.parametrize("count", [12, 240, 2000])
def test_newton_steps_find_the_minimum_of_bfgs(count):
    data, weights = runs(count)
    best = minimum(data, weights)
    other = minimize(lambda theta: 1e3 * objective(theta, data, weights), best + 1e-3, method="BFGS", tol=1e-10)
    assert float(objective(best, data, weights)) <= other.fun / 1e3 * (1 + 1e-9)
    assert best == pytest.approx(other.x, rel=1e-4)


def test_minimum_of_many_points_does_not_depend_on_those_it_starts_from(monkeypatch):
    data, weights = runs(12_000)
    some = minimum(data, weights)
    monkeypatch.setattr(module, "MOST_AT_START", 500)
    assert minimum(data, weights) == pytest.approx(some, rel=1e-6)
