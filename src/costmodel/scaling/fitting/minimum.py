"""Coefficients of the lowest objective: descent from the best starting points, then Newton steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from costmodel.scaling.fitting.objective import (
    DELTA,
    LEAST_E,
    Array,
    Points,
    descend,
    gradient,
    objective,
    predicted,
    slopes,
    starts,
)

MOST_AT_START = 10_000
"""Points that choose the starting point of the Newton steps; these use all points [1]."""
FLAT = 1e-6
"""Gradient at a minimum, as a share of the largest possible one, at most [1]."""


def minimum(data: Points, weights: Array) -> Array:
    """Return the coefficients of the lowest objective, shape (5,).

    Descent from the best starting points is followed by Newton steps. Of many points, only some choose the starting
    point of the Newton steps, which use all. Where these end before the gradient is zero, as at the bound of E, BFGS
    searches from the same starting point.

    Parameters
    ----------
    data : Points
    weights : array
        Weight of each point [1], shape (points,).
    """
    every = math.ceil(len(weights) / MOST_AT_START)
    some = data._replace(x=data.x[::every], y=data.y[::every], log_loss=data.log_loss[::every])
    their_weights = weights[::every]
    initial = starts(some, their_weights)
    near = descend(initial, some, np.repeat(their_weights[None], len(initial), axis=0), iterations=60)
    start = near[np.argmin(objective(near, some, their_weights))]
    best = _polish(start, data, weights)
    if np.abs(gradient(best, data, weights)).max() > FLAT * DELTA * weights.sum():
        other = _bfgs(start, data, weights)
        best = min(best, other, key=lambda theta: float(objective(theta, data, weights)))
    return best


def _bfgs(start: Array, data: Points, weights: Array) -> Array:
    """Return the coefficients that BFGS finds from a starting point."""
    from scipy.optimize import minimize

    found: Any = minimize(  # type: ignore[call-overload]
        lambda theta: 1e3 * objective(theta, data, weights),
        start,
        method="BFGS",
        jac=lambda theta: 1e3 * gradient(theta, data, weights),
        options={"gtol": 1e-9, "maxiter": 500},
    )
    coefficients: Array = found.x
    return coefficients


def _polish(theta: Array, data: Points, weights: Array, iterations: int = 200) -> Array:
    """Return the minimum near coefficients, shape (5,), by damped Newton steps on the objective itself."""
    damping, value = 1e-6, float(objective(theta, data, weights))
    slope, curvature = _derivatives(theta, data, weights)
    for _ in range(iterations):
        scale = np.maximum(np.abs(np.diagonal(curvature)), 1e-12)
        values, vectors = np.linalg.eigh(curvature / np.sqrt(np.outer(scale, scale)))
        step = vectors @ (vectors.T @ (slope / np.sqrt(scale)) / (np.abs(values) + damping)) / np.sqrt(scale)
        moved = theta - step
        moved[2] = max(moved[2], LEAST_E)
        lower = float(objective(moved, data, weights))
        if lower >= value:
            damping *= 10
            if damping > 1e3:
                break
            continue
        gained, theta, value, damping = value - lower, moved, lower, max(damping / 10, 1e-12)
        slope, curvature = _derivatives(theta, data, weights)
        if gained <= 1e-15 * value:
            break
    return theta


def _derivatives(theta: Array, data: Points, weights: Array) -> tuple[Array, Array]:
    """Return the first and second derivatives of the objective, shapes (5,) and (5, 5).

    The logarithm of the loss is a log-sum-exp of three terms that are linear in the coefficients, so that its second
    derivatives are the covariances of the slopes of the terms under their shares.
    """
    logs, shares = predicted(theta, data)
    residuals = logs - data.log_loss
    jacobian = slopes(shares, data)
    clipped = weights * np.clip(residuals, -DELTA, DELTA)
    quadratic = weights * (np.abs(residuals) <= DELTA) - clipped
    total: Array = (jacobian * quadratic[:, None]).T @ jacobian
    pulled = clipped * shares
    total[0, 0] += pulled[0].sum()
    total[1, 1] += pulled[1].sum()
    total[2, 2] += pulled[2].sum()
    total[3, 3] += pulled[0] @ data.x**2
    total[4, 4] += pulled[1] @ data.y**2
    first, second = pulled[0] @ data.x, pulled[1] @ data.y
    total[0, 3] -= first
    total[3, 0] -= first
    total[1, 4] -= second
    total[4, 1] -= second
    return clipped @ jacobian, total
