"""Figures of a serving estimate: from errors of the model, prices and power to throughput, latency, cost and energy.

The same function runs on the medians, as arrays of one element, and on random draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.estimation.chain import Missing, Output
from costmodel.serving.load.steady import Limits, Steady, closed_limits, closed_loop, open_limits, open_loop
from costmodel.serving.load.time_split import time_split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from costmodel.estimation.serving.scenario import Serving
    from costmodel.serving.load.requests import Requests
    from costmodel.serving.load.served import Served

    Array = NDArray[np.float64]
    Figures = dict[str, "Array | Missing"]

MILLION = 1e6
"""Tokens for which prices are given [token]."""
SECONDS_PER_HOUR = 3600.0
JOULES_PER_KWH = 3.6e6
_MTOK, _RATE = "USD per M tokens", "token/s"
FIGURES: dict[str, Output] = {
    "output_tokens_per_second": Output(_RATE, _RATE, _RATE, "output throughput", more_is_better=True),
    "input_tokens_per_second": Output(_RATE, _RATE, _RATE, "input throughput", more_is_better=True),
    "tokens_per_second_per_gpu": Output(_RATE, _RATE, _RATE, "output per GPU", more_is_better=True),
    "tokens_per_second_per_user": Output(_RATE, _RATE, _RATE, "output per user", more_is_better=True),
    "requests_per_second": Output("1", "req/s", "1", "requests", more_is_better=True),
    "ttft": Output("s", "s", "s", "time to first token (TTFT)"),
    "tpot": Output("s", "ms", "s", "time per output token (TPOT)"),
    "request_time": Output("s", "s", "s", "time of a request"),
    "batch": Output("1", "", "1", "requests per replica"),
    "max_batch": Output("1", "count", "1", "largest number per replica", more_is_better=True),
    "load": Output("1", "probability", "1", "load over capacity"),
    "gpus_needed": Output("1", "count", "1", "GPUs needed"),
    "memory": Output("byte", "byte", "GiB", "memory per GPU"),
    "energy_per_token": Output("J", "J/token", "J", "energy per output token"),
    "carbon_per_million_tokens": Output("kg", "kg per M tokens", "kg", "carbon of output tokens"),
    "cost_per_hour": Output("USD", "USD", "USD", "cost per hour"),
    "cost_per_request": Output("USD", "USD", "USD", "cost per request"),
    "input_cost": Output("USD", _MTOK, "USD", "input"),
    "cached_input_cost": Output("USD", _MTOK, "USD", "cached input"),
    "output_cost": Output("USD", _MTOK, "USD", "output"),
    "blended_cost": Output("USD", _MTOK, "USD", "all tokens"),
    "full_load_cost": Output("USD", _MTOK, "USD", "all tokens, at full load"),
}
"""The figures, in the order in which they are printed. Costs and carbon of tokens are for a million."""
COSTS = ("cost_per_hour", "cost_per_request", "input_cost", "cached_input_cost", "output_cost", "blended_cost")


class Errors(NamedTuple):
    """Factors on predictions and values of inputs: medians, or draws."""

    time: Array
    """Factor on the time per token [1]."""
    first: Array
    """Factor on the time to the first token [1]."""
    energy: Array
    """Factor on the energy per token [1]."""


class Prices(NamedTuple):
    """Prices and power: medians, or draws; a `Missing` holds the reason."""

    price: Array | Missing
    """Price of a GPU-hour [USD/hour]."""
    power: Array | Missing
    """Wall power per GPU with its share of the server at a load of 1 [W]."""
    idle_power: Array | Missing
    """The same for a load of 0 [W]; equal to `power` if the power is given."""
    pue: Array
    """Power usage effectiveness [1]."""
    utilization: Array
    """Mean load of the billed time over the given load [1]."""
    grid_intensity: Array | Missing
    """Greenhouse gas emissions of the electricity, location-based [kg/kWh]."""


class Deployment(NamedTuple):
    """Replicas of a model on a cluster, and their load."""

    served: Served
    """The model on a replica."""
    requests: Requests
    """Lengths of the requests."""
    replicas: int
    """Replicas on the cluster."""
    accelerators: int
    """Accelerators of the cluster, idle ones included."""
    concurrency: float | None
    """Requests at a time on the cluster."""
    rate: float | None
    """Requests that arrive per second at the cluster."""
    ttft: float | None
    """Target of the time to the first token [s]."""
    tpot: float | None
    """Target of the time per output token [s]."""

    @property
    def busy(self) -> float:
        """Replicas with requests, in the mean [1]."""
        return float(self.replicas) if self.concurrency is None else min(float(self.replicas), self.concurrency)


def deployment_of(serving: Serving, served: Served, requests: Requests) -> Deployment:
    """Return the replicas of a scenario and their load.

    Parameters
    ----------
    serving : Serving
    served : Served
    requests : Requests
    """
    rate = serving.tokens_per_second_per_user
    return Deployment(
        served=served,
        requests=requests,
        replicas=serving.cluster.count // served.layout.accelerators,
        accelerators=serving.cluster.count,
        concurrency=serving.concurrency if serving.users is None else serving.users,
        rate=serving.requests_per_second,
        ttft=serving.target_ttft,
        tpot=serving.target_tpot if rate is None else 1 / rate,
    )


def steady_state(deployment: Deployment, time: Array) -> Steady:
    """Return the steady state of a busy replica whose times are `time` as long as predicted.

    Parameters
    ----------
    deployment : Deployment
    time : NDArray
        Factor on all times, shape (draws,) [1].
    """
    served = deployment.served
    if deployment.concurrency is not None:
        steady = closed_loop(served, np.full(1, deployment.concurrency / deployment.busy))
        wide = Steady(*(np.broadcast_to(np.asarray(value), time.shape) for value in steady))
    else:
        rates = (deployment.rate or 0.0) / deployment.replicas * time
        few = rates if len(rates) == 1 else _between(rates, served.capacity)
        steady = open_loop(served, few)
        if len(rates) == 1:
            wide = steady
        else:
            wide = Steady(*(np.interp(rates, few, np.asarray(value)) for value in steady))
            over = rates >= served.capacity
            most = served.most
            wide = wide._replace(
                batch=np.where(over, most, wide.batch),
                seen=np.where(over, most, wide.seen),
                busy=np.where(over, 1.0, wide.busy),
                load=rates / served.capacity,
                ttft=np.where(over, np.inf, wide.ttft),
                wait=np.where(over, np.inf, wide.wait),
                tpot=np.where(over, served.between(most), wide.tpot),
                requests_per_second=np.minimum(rates, served.capacity),
            )
    return wide._replace(
        requests_per_second=wide.requests_per_second / time,
        ttft=wide.ttft * time,
        tpot=wide.tpot * time,
        wait=wide.wait * time,
    )


def _between(rates: Array, capacity: float) -> Array:
    """Return rates between which steady states are interpolated for random draws: closer near the capacity."""
    low, high = float(rates.min()), float(rates.max())
    near = capacity * (1 - np.geomspace(0.1, 1e-6, 80))
    wide = np.minimum(np.geomspace(low, high, 161), near[-1])
    return np.unique(np.concatenate([wide, near[(near > low) & (near < high)]]))


def limits_of(deployment: Deployment) -> Limits:
    """Return the latencies of a replica by its load.

    Parameters
    ----------
    deployment : Deployment
    """
    return closed_limits(deployment.served) if deployment.rate is None else open_limits(deployment.served)


def figures(deployment: Deployment, limits: Limits, errors: Errors, prices: Prices) -> Figures:
    """Return all figures in SI units, each an array or the reason why it is not known.

    Parameters
    ----------
    deployment : Deployment
        Replicas and load.
    limits : Limits
        Latencies of a replica by its load.
    errors : Errors
        Factors on predictions.
    prices : Prices
        Prices and power.
    """
    served, requests = deployment.served, deployment.requests
    steady = steady_state(deployment, errors.time)
    endless = np.isinf(steady.ttft)
    waiting = np.where(endless, 0.0, steady.wait)
    prefill = (np.where(endless, 0.0, steady.ttft) - waiting) / errors.time * errors.first
    ttft = np.where(endless, np.inf, prefill + waiting)
    rate = deployment.busy * np.asarray(steady.requests_per_second)
    output = rate * requests.output_tokens
    memory = (served.weights + np.asarray(steady.batch) * served.cache) / served.layout.accelerators
    found: Figures = {
        "output_tokens_per_second": output,
        "input_tokens_per_second": rate * requests.input_tokens,
        "tokens_per_second_per_gpu": output / deployment.accelerators,
        "tokens_per_second_per_user": 1 / np.asarray(steady.tpot),
        "requests_per_second": rate,
        "ttft": ttft,
        "tpot": np.asarray(steady.tpot),
        "request_time": ttft + requests.output_tokens * np.asarray(steady.tpot),
        "batch": np.asarray(steady.batch),
        "max_batch": np.full_like(errors.time, served.most),
        "load": np.asarray(steady.load) * deployment.busy / deployment.replicas,
        "memory": memory,
    }
    found |= _capacity(deployment, limits, errors, prices)
    found |= _energy(deployment, steady, output, errors, prices)
    found |= _costs(deployment, steady, rate, prices)
    return {name: found[name] for name in FIGURES if name in found}


def _capacity(deployment: Deployment, limits: Limits, errors: Errors, prices: Prices) -> Figures:
    """Return the accelerators that the load needs within its targets, and the cost of tokens if all are full."""
    ttft = None if deployment.ttft is None else deployment.ttft / errors.first
    tpot = None if deployment.tpot is None else deployment.tpot / errors.time
    most = np.broadcast_to(limits.within(ttft, tpot), errors.time.shape)
    if len(most) == 1 and not most[0]:
        missing = Missing(out_of_reach(deployment, limits))
        return {"gpus_needed": missing, "full_load_cost": missing}
    served, size = deployment.served, deployment.served.layout.accelerators
    with np.errstate(divide="ignore"):
        if deployment.concurrency is not None:
            replicas = np.ceil(np.where(most > 0, deployment.concurrency / most, np.inf) - 1e-9)
            rate = np.where(most > 0, served.requests_per_second(np.maximum(most, 1.0)), 0.0) / errors.time
        else:
            replicas = np.ceil(np.where(most > 0, (deployment.rate or 0.0) * errors.time / most, np.inf) - 1e-9)
            rate = most / errors.time
        tokens = deployment.requests.input_tokens + deployment.requests.output_tokens
        full: Array | Missing = prices.price
        if not isinstance(full, Missing):
            full = full * size / SECONDS_PER_HOUR / rate / tokens * MILLION
    return {"gpus_needed": replicas * size, "full_load_cost": full}


def out_of_reach(deployment: Deployment, limits: Limits) -> str:
    """Return which target a replica misses at its lowest load.

    Parameters
    ----------
    deployment : Deployment
    limits : Limits
        Latencies of a replica by its load.
    """
    for name, values, target in (("ttft", limits.ttft, deployment.ttft), ("tpot", limits.tpot, deployment.tpot)):
        if target is not None and values[0] > target:
            return (
                f"{name} is {values[0] * 1e3:.3g} ms at the lowest load, above the target of {target * 1e3:.3g} ms; "
                "use more accelerators per replica (tensor), fewer bits per weight, or a faster accelerator"
            )
    return "no load meets the targets"


def _energy(deployment: Deployment, steady: Steady, output: Array, errors: Errors, prices: Prices) -> Figures:
    """Return energy and carbon of the facility per output token, idle accelerators included."""
    power, idle = prices.power, prices.idle_power
    if isinstance(power, Missing) or isinstance(idle, Missing):
        missing = power if isinstance(power, Missing) else Missing("power")
        return {"energy_per_token": missing, "carbon_per_million_tokens": missing}
    served = deployment.served
    seconds = np.asarray(served.seconds(steady.seen))
    share = served.power_share(np.asarray(steady.seen), seconds)
    resting = min(float(served.power.idle) * float(served.power.generation), 1.0)
    busy = np.asarray(steady.busy) * deployment.busy / deployment.replicas
    load = busy * share + (1 - busy) * resting
    watts = (idle + load * (power - idle)) * prices.pue * deployment.accelerators
    energy = watts / (output * errors.time) * errors.energy
    carbon: Array | Missing = prices.grid_intensity
    if not isinstance(carbon, Missing):
        carbon = energy / JOULES_PER_KWH * carbon * MILLION
    return {"energy_per_token": energy, "carbon_per_million_tokens": carbon}


def _costs(deployment: Deployment, steady: Steady, rate: Array, prices: Prices) -> Figures:
    """Return the bill of the cluster, per request and by kind of token in proportion to their time."""
    if isinstance(prices.price, Missing):
        cached = deployment.requests.cached_tokens
        return {name: prices.price for name in COSTS if cached or name != "cached_input_cost"}
    requests = deployment.requests
    hour = prices.price * deployment.accelerators
    request = hour / SECONDS_PER_HOUR / (rate * prices.utilization)
    split = time_split(deployment.served, np.maximum(np.asarray(steady.seen), 1.0))
    shared = request / split.total * MILLION
    found: Figures = {
        "cost_per_hour": hour,
        "cost_per_request": request,
        "input_cost": shared * split.new_input / requests.new_tokens,
        "output_cost": shared * split.output / requests.output_tokens,
        "blended_cost": request / (requests.input_tokens + requests.output_tokens) * MILLION,
    }
    if requests.cached_tokens:
        found["cached_input_cost"] = shared * split.cached_input / requests.cached_tokens
    return found


def known(values: Mapping[str, Array | Missing]) -> dict[str, Array]:
    """Return the figures that are known.

    Parameters
    ----------
    values : mapping
        Figures by name.
    """
    return {name: value for name, value in values.items() if not isinstance(value, Missing)}
