"""Objective of a fit, the Huber loss on the log loss, and its minimization for many resamples at once.

The law in logarithms is LSE(a - alpha x, b - beta y, e), with x and y the logarithms of parameters and
tokens about their means: centered, the coefficients hardly depend on each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DELTA = 1e-3
"""Residual of the log loss at which the Huber loss turns from quadratic to linear (arXiv 2203.15556)."""
COEFFICIENTS = 5
LEAST_E = -30.0
"""Logarithm of the smallest E."""


class Points(NamedTuple):
    """Centered logarithms of parameters and tokens, and of the loss, each of shape (points,)."""

    x: Array
    y: Array
    log_loss: Array
    mean_x: float
    mean_y: float


def points(parameters: Array, tokens: Array, loss: Array) -> Points:
    """Return the centered logarithms of measurements.

    Parameters
    ----------
    parameters : array
        Parameters N of each run [1], shape (points,).
    tokens : array
        Training tokens D of each run [token], shape (points,).
    loss : array
        Loss of each run [nat/token], shape (points,).
    """
    x, y = np.log(parameters), np.log(tokens)
    return Points(x - x.mean(), y - y.mean(), np.log(loss), float(x.mean()), float(y.mean()))


def predicted(theta: Array, data: Points) -> tuple[Array, Array]:
    """Return the logarithm of the loss, shape (..., points), and the share of each term, shape (..., 3, points).

    Parameters
    ----------
    theta : array
        Centered coefficients a, b, e, alpha, beta, shape (..., 5).
    data : Points
    """
    a, b, e, alpha, beta = (theta[..., index, None] for index in range(COEFFICIENTS))
    terms = np.stack([a - alpha * data.x, b - beta * data.y, e + 0 * data.x], axis=-2)
    top = terms.max(axis=-2)
    shares = np.exp(terms - top[..., None, :])
    total = shares.sum(axis=-2)
    return top + np.log(total), shares / total[..., None, :]


def huber(residuals: Array) -> Array:
    """Return the Huber loss of each residual."""
    size = np.abs(residuals)
    return np.where(size <= DELTA, 0.5 * size**2, DELTA * (size - 0.5 * DELTA))


def objective(theta: Array, data: Points, weights: Array) -> Array:
    """Return the sum of weighted Huber losses, shape of the leading axes of `theta`."""
    logs, _ = predicted(theta, data)
    total: Array = (weights * huber(logs - data.log_loss)).sum(axis=-1)
    return total


def slopes(shares: Array, data: Points) -> Array:
    """Return the derivatives of the logarithm by the coefficients, shape (..., points, 5)."""
    first, second, third = shares[..., 0, :], shares[..., 1, :], shares[..., 2, :]
    return np.stack([first, second, third, -first * data.x, -second * data.y], axis=-1)


def gradient(theta: Array, data: Points, weights: Array) -> Array:
    """Return the derivatives of the objective, shape (..., 5)."""
    logs, shares = predicted(theta, data)
    clipped = weights * np.clip(logs - data.log_loss, -DELTA, DELTA)
    total: Array = (slopes(shares, data) * clipped[..., None]).sum(axis=-2)
    return total


def starts(data: Points, weights: Array, count: int = 2) -> Array:
    """Return the best starting points, shape (count, 5): the other coefficients are linear for fixed exponents.

    Variable projection (Golub and Pereyra 1973): with the exponents fixed, E, A and B follow from least
    squares on the loss, weighted so that errors are relative. The exponents come from a grid.
    """
    grid = np.linspace(0.05, 1.1, 16)
    alpha, beta = (axis.reshape(-1) for axis in np.meshgrid(grid, grid))
    basis = np.stack(
        [np.exp(-alpha[:, None] * data.x), np.exp(-beta[:, None] * data.y), np.ones((len(alpha), len(data.x)))], axis=-1
    )
    loss = np.exp(data.log_loss)
    scaled = basis * (np.sqrt(weights) / loss)[:, None]
    normal = np.einsum("gpi,gpj->gij", scaled, scaled) + 1e-12 * np.eye(3)
    right = np.einsum("gpi,p->gi", scaled, np.sqrt(weights))
    linear = np.linalg.solve(normal, right[..., None])[..., 0]
    linear = np.maximum(linear, 1e-3 * loss.min())
    theta = np.column_stack([np.log(linear), alpha, beta])
    return theta[np.argsort(objective(theta, data, weights))[:count]]


def descend(theta: Array, data: Points, weights: Array, iterations: int = 80) -> Array:
    """Return coefficients of lower objective, by damped Gauss-Newton steps on reweighted squares.

    Parameters
    ----------
    theta : array
        Starting points, shape (replicates, 5).
    data : Points
    weights : array
        Weight of each point in each replicate [1], shape (replicates, points).
    iterations : int
        Largest number of steps.
    """
    theta = theta.copy()
    value = objective(theta, data, weights)
    damping = np.full(len(theta), 1e-3)
    moving = np.arange(len(theta))
    for _ in range(iterations):
        logs, shares = predicted(theta[moving], data)
        residuals = logs - data.log_loss
        reweighted = weights[moving] * np.minimum(1.0, DELTA / np.maximum(np.abs(residuals), 1e-300))
        jacobian = slopes(shares, data)
        scaled = jacobian * reweighted[..., None]
        normal = np.swapaxes(scaled, -1, -2) @ jacobian
        right = (scaled * residuals[..., None]).sum(axis=-2)
        scale = np.maximum(np.diagonal(normal, axis1=-2, axis2=-1), 1e-12)
        damped = normal + (damping[moving, None] * scale)[..., None] * np.eye(COEFFICIENTS)
        step = np.linalg.solve(damped, right[..., None])[..., 0]
        moved = theta[moving] - step
        moved[:, 2] = np.maximum(moved[:, 2], LEAST_E)
        objectives = objective(moved, data, weights[moving])
        better = objectives < value[moving]
        gained = np.where(better, value[moving] - objectives, 0.0)
        theta[moving[better]], value[moving[better]] = moved[better], objectives[better]
        damping[moving] = np.clip(np.where(better, damping[moving] / 5, damping[moving] * 4), 1e-9, 1e9)
        still = ~better | (gained > 1e-9 * value[moving])
        moving = moving[still & (damping[moving] < 1e8)]
        if not len(moving):
            break
    return theta
