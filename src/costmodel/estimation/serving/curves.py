"""Curves of serving: throughput per GPU against speed per user, and cost against load."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.estimation.serving.figures import MILLION, SECONDS_PER_HOUR
from costmodel.foundation.checks import is_whole
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown
from costmodel.serving.load.steady import Steady, closed_loop, open_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.estimation.serving.figures import Deployment

    Array = NDArray[np.float64]

HIGHEST_LOAD = 0.98
"""Highest load of a curve over the request rate [1]."""
LOWEST_LOAD = 0.01
"""Lowest load of that curve [1]."""


class ServingCurve(NamedTuple):
    """Figures of a cluster over its load, each an array."""

    requests: Array
    """Requests at a time on the cluster."""
    requests_per_second: Array
    """Requests per second of the cluster."""
    load: Array
    """Requests per second over the most that the cluster can serve [1]."""
    tokens_per_second_per_gpu: Array
    """Output tokens per second and accelerator [token/s]."""
    tokens_per_second_per_user: Array
    """Output tokens per second of a request, 1 / TPOT [token/s]."""
    ttft: Array
    """Mean time to the first token [s]."""
    tpot: Array
    """Mean time per output token [s]."""
    cost: Array
    """Cost of a million tokens, input and output [USD]; not a number without a price."""


class Factors(NamedTuple):
    """Factors on predicted times."""

    time: float = 1.0
    """Factor on times per token [1]."""
    first: float = 1.0
    """Factor on times to the first token [1]."""


def speed_curve(deployment: Deployment, price: float | None, points: int, factors: Factors) -> ServingCurve:
    """Return the curve over the number of requests in the batch, from one per replica to the most.

    Parameters
    ----------
    deployment : Deployment
        Replicas of a model.
    price : float, optional
        Price of a GPU-hour [USD/hour].
    points : int
        Number of points.
    factors : Factors
        Factors on predicted times.
    """
    check_points(points)
    batch = np.geomspace(1.0, deployment.served.most, points)
    return _curve(deployment, price, closed_loop(deployment.served, batch), factors)


def load_curve(deployment: Deployment, price: float | None, points: int, factors: Factors) -> ServingCurve:
    """Return the curve over the requests that arrive per second, up to 98 % of the capacity.

    Parameters
    ----------
    deployment : Deployment
        Replicas of a model.
    price : float, optional
        Price of a GPU-hour [USD/hour].
    points : int
        Number of points.
    factors : Factors
        Factors on predicted times.
    """
    check_points(points)
    rates = np.linspace(LOWEST_LOAD, HIGHEST_LOAD, points) * deployment.served.capacity
    return _curve(deployment, price, open_loop(deployment.served, rates), factors)


MOST_POINTS = 100_000
"""Most points of a curve [1]."""


def check_points(points: int) -> None:
    """Raise `InputError` unless the number of points of a curve is a whole number from 2 to 100,000.

    Parameters
    ----------
    points : int
    """
    if not is_whole(points) or not 2 <= points <= MOST_POINTS:
        raise InputError(f"points: must be a whole number, at least 2 and at most {MOST_POINTS:,}; got {shown(points)}")


def _curve(deployment: Deployment, price: float | None, steady: Steady, factors: Factors) -> ServingCurve:
    """Return the curve of a cluster from steady states of a replica."""
    requests, replicas = deployment.requests, deployment.replicas
    cluster = np.asarray(steady.requests_per_second) * replicas / factors.time
    tokens = cluster * (requests.input_tokens + requests.output_tokens)
    second = (np.nan if price is None else price) * deployment.accelerators / SECONDS_PER_HOUR
    tpot, wait = np.asarray(steady.tpot) * factors.time, np.asarray(steady.wait)
    return ServingCurve(
        requests=np.asarray(steady.batch) * replicas,
        requests_per_second=cluster,
        load=np.asarray(steady.load),
        tokens_per_second_per_gpu=cluster * requests.output_tokens / deployment.accelerators,
        tokens_per_second_per_user=1 / tpot,
        ttft=(np.asarray(steady.ttft) - wait) * factors.first + wait * factors.time,
        tpot=tpot,
        cost=second / tokens * MILLION,
    )
