"""Steady state of a replica: a constant number of concurrent requests, or requests that arrive at a rate.

At a rate λ, requests arrive at random (a Poisson process) and share the replica, with O output tokens each:

    p(n)       ∝ Π λ O E(k) / k over k = 1 to n       number of requests in the batch
    wait       M/M/c beyond the largest batch, by the variability of lengths; M/D/1 of prompts one after the other
    request    wait + O · mean E = TTFT + O · TPOT    Little's law: the requests present are λ times this

All depends on λ alone through λ times the time of the model, so that slower accelerators are a higher load.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.load.served import Served

    Array = NDArray[np.float64]

ALLOWED_LOAD = 0.85
"""Largest share of the capacity for which requests at a rate are planned [1], also by `compare_serving`. Up to it, the
formulas agree with a discrete-event simulation within 10 % (tests/serving/load/test_steady.py); beyond it, waiting
grows fast."""
_LOADS = 120
"""Loads at which latencies are computed to find the largest one within targets."""


class Steady(NamedTuple):
    """Steady state of a replica; numbers, or arrays over loads."""

    batch: FloatLike
    """Mean number of requests in the batch [1]."""
    requests_per_second: FloatLike
    """Finished requests per second [1]."""
    ttft: FloatLike
    """Mean time to the first token, waiting included [s]; infinite if requests come faster than they are served."""
    tpot: FloatLike
    """Mean time between two output tokens after the first [s]."""
    load: FloatLike
    """Requests per second over the most that the replica can serve [1]."""
    seen: FloatLike
    """Mean size of the batch that a request is in [1]."""
    busy: FloatLike
    """Share of the time with a request in the batch [1]."""
    wait: FloatLike
    """Part of the time to the first token that a request waits for a place in the batch and for other prompts [s]."""


def closed_loop(served: Served, concurrency: FloatLike) -> Steady:
    """Return the steady state of a constant number of requests: when one ends, another starts.

    Requests beyond the largest batch wait.

    Parameters
    ----------
    served : Served
        The model on a replica.
    concurrency : float or NDArray
        Requests at a time, at least 1 [1].
    """
    present: Array = np.asarray(concurrency, dtype=float)
    batch = np.minimum(present, served.most)
    seconds = served.seconds(batch)
    waiting = (present / batch - 1) * served.output_tokens * seconds
    rate = served.requests_per_second(batch)
    load = rate / served.capacity
    return Steady(
        batch, rate, served.first(batch) + waiting, served.between(batch), load, batch, np.ones_like(batch), waiting
    )


def open_loop(served: Served, requests_per_second: FloatLike) -> Steady:
    """Return the steady state of requests that arrive at random at a rate.

    The number of requests in the batch has the distribution of processor sharing, which depends on lengths by their
    mean alone. Requests beyond the largest batch wait for a place, and prompts for each other.

    Parameters
    ----------
    served : Served
        The model on a replica.
    requests_per_second : float or NDArray
        Requests that arrive per second, above 0, shape (...) [1].

    References
    ----------
    Little 1961, "A Proof for the Queuing Formula L = λW"; Kelly 1979, "Reversibility and Stochastic Networks",
    section 3.3 (processor sharing with a rate by the number present); Allen 1990, "Probability, Statistics, and
    Queueing Theory", section 5.3 (variability of M/G/c).
    """
    rate: Array = np.asarray(requests_per_second, dtype=float)
    stable = rate < served.capacity
    arriving = np.where(stable, rate, 0.5 * served.capacity)  # those that are not stable are replaced below
    present, growth, weights = _states(served)
    logs = np.log(arriving)[..., None] * present + growth
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True)) * weights
    ratio = arriving / float(served.requests_per_second(present[-1]))
    beyond = shares[..., -1] / weights[-1] * ratio / (1 - ratio)
    total = shares.sum(axis=-1) + beyond
    batch = (shares @ present + beyond * present[-1]) / total
    seen = (shares @ present**2 + beyond * present[-1] ** 2) / total / batch  # size of the batch that a request has
    places = beyond / (1 - ratio) / total / arriving * (1 + served.variability) / 2
    busy = arriving * served.prompt
    prompts = served.prompt * busy / (2 * (1 - busy))
    first = served.first(seen) + prompts
    tpot = np.maximum(batch / arriving / served.output_tokens - first / served.output_tokens, served.step(seen))
    most = served.most
    return Steady(
        batch=np.where(stable, batch, most),
        requests_per_second=np.minimum(rate, served.capacity),
        ttft=np.where(stable, first + places, np.inf),
        tpot=np.where(stable, tpot, served.between(most)),
        load=rate / served.capacity,
        seen=np.where(stable, seen, most),
        busy=np.where(stable, 1 - shares[..., 0] / total, 1.0),
        wait=np.where(stable, prompts + places, np.inf),
    )


def _states(served: Served) -> tuple[Array, Array, Array]:
    """Return numbers of requests in the batch, the logarithm of their weight at a rate of 1, and how many each is for.

    Large numbers stand for their neighbors: the distribution is wider than the square root of its mean.
    """
    count = np.arange(1.0, np.floor(served.most) + 1)
    growth = np.concatenate(
        [[0.0], np.cumsum(np.log(served.output_tokens * np.asarray(served.seconds(count)) / count))]
    )
    places = [0]
    while places[-1] < count[-1]:
        places.append(min(places[-1] + max(1, int(math.sqrt(places[-1]) / 2)), len(count)))
    gaps = np.diff(np.asarray([-1, *places, places[-1] + 1]))
    return np.asarray(places, dtype=float), growth[places], (gaps[1:] + gaps[:-1]) / 2


class Limits(NamedTuple):
    """Latencies of a replica by load, from which the largest load within targets follows."""

    loads: Array
    """Requests in the batch (closed loop) or requests per second (open loop), ascending."""
    ttft: Array
    """Largest time to the first token up to each load [s]."""
    tpot: Array
    """Largest time per output token up to each load [s]."""

    def within(self, ttft: FloatLike | None, tpot: FloatLike | None) -> Array:
        """Return the largest load within targets; 0 if there is none.

        Parameters
        ----------
        ttft, tpot : float or NDArray, optional
            Targets [s].
        """
        last = np.asarray(len(self.loads))
        for values, target in ((self.ttft, ttft), (self.tpot, tpot)):
            if target is not None:
                last = np.minimum(last, np.searchsorted(values, target, side="right"))
        most: Array = np.concatenate([[0.0], self.loads])[last]
        return most


def closed_limits(served: Served) -> Limits:
    """Return the latencies for each number of requests in the batch.

    Parameters
    ----------
    served : Served
    """
    count = np.arange(1.0, np.floor(served.most) + 1)
    return _limits(count, served.first(count), served.between(count))


def open_limits(served: Served, allowed_load: float = ALLOWED_LOAD) -> Limits:
    """Return the latencies for rates up to a share of the capacity.

    Parameters
    ----------
    served : Served
    allowed_load : float
        Largest share of the capacity [1].
    """
    rates = np.linspace(0, allowed_load * served.capacity, _LOADS + 1)[1:]
    steady = open_loop(served, rates)
    return _limits(rates, steady.ttft, steady.tpot)


def _limits(loads: Array, ttft: FloatLike, tpot: FloatLike) -> Limits:
    return Limits(loads, np.maximum.accumulate(np.asarray(ttft)), np.maximum.accumulate(np.asarray(tpot)))
