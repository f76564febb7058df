"""Curves of serving: throughput per GPU against speed per user, and cost against load."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.estimation.serving.figures import MILLION, SECONDS_PER_HOUR
from costmodel.foundation.errors import InputError
from costmodel.serving.load.steady import closed_loop, open_loop

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


def speed_curve(deployment: Deployment, price: float | None, points: int = 200) -> ServingCurve:
    """Return the curve over the number of requests in the batch, from one per replica to the most.

    Parameters
    ----------
    deployment : Deployment
        Replicas of a model.
    price : float, optional
        Price of a GPU-hour [USD/hour].
    points : int
        Number of points.
    """
    check_points(points)
    batch = np.geomspace(1.0, deployment.served.most, points)
    steady = closed_loop(deployment.served, batch)
    return _curve(
        deployment,
        price,
        batch,
        np.asarray(steady.requests_per_second),
        np.asarray(steady.ttft),
        np.asarray(steady.tpot),
    )


def load_curve(deployment: Deployment, price: float | None, points: int = 200) -> ServingCurve:
    """Return the curve over the requests that arrive per second, up to 98 % of the capacity.

    Parameters
    ----------
    deployment : Deployment
        Replicas of a model.
    price : float, optional
        Price of a GPU-hour [USD/hour].
    points : int
        Number of points.
    """
    check_points(points)
    rates = np.linspace(LOWEST_LOAD, HIGHEST_LOAD, points) * deployment.served.capacity
    steady = open_loop(deployment.served, rates)
    return _curve(deployment, price, np.asarray(steady.batch), rates, np.asarray(steady.ttft), np.asarray(steady.tpot))


def check_points(points: int) -> None:
    """Raise `InputError` unless the number of points of a curve is a whole number, at least 2.

    Parameters
    ----------
    points : int
    """
    if isinstance(points, bool) or not isinstance(points, int) or points < 2:
        raise InputError(f"points: must be a whole number, at least 2; got {points!r}")


def _curve(
    deployment: Deployment, price: float | None, batch: Array, rates: Array, ttft: Array, tpot: Array
) -> ServingCurve:
    """Return the curve of a cluster from figures of a replica."""
    requests, replicas = deployment.requests, deployment.replicas
    cluster = rates * replicas
    tokens = cluster * (requests.input_tokens + requests.output_tokens)
    second = (np.nan if price is None else price) * deployment.accelerators / SECONDS_PER_HOUR
    return ServingCurve(
        requests=batch * replicas,
        requests_per_second=cluster,
        load=rates / deployment.served.capacity,
        tokens_per_second_per_gpu=cluster * requests.output_tokens / deployment.accelerators,
        tokens_per_second_per_user=1 / tpot,
        ttft=ttft,
        tpot=tpot,
        cost=second / tokens * MILLION,
    )
