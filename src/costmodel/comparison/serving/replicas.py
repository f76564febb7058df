"""Capacity and price of the replicas of a self-hosted option: measured, or from the serving model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.comparison.serving.workload import HOURS_PER_MONTH, SECONDS_PER_MONTH
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import estimate
from costmodel.estimation.serving.inputs import errors_and_prices
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Range, between, draws, middle, normal_quantile
from costmodel.market.owned import Ownership
from costmodel.serving.load.steady import open_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.comparison.serving.arithmetic import Reserved
    from costmodel.comparison.serving.options import SelfHosted
    from costmodel.comparison.serving.workload import ServingWorkload
    from costmodel.estimation.serving.estimate import ServingEstimate

    Array = NDArray[np.float64]

DRAWS = 10_000
"""Random draws of the workload, the throughputs and the prices [1]."""


class Replicas(NamedTuple):
    """Throughput and price of the replicas of an option; the medians, and draws, shape (draws,)."""

    gpus: int
    """Accelerators of a replica [1]."""
    capacity: float
    """Requests that a replica can serve per second [1]."""
    allowed: float
    """Requests per second that a replica may serve at the peak, within load and latency targets [1]."""
    allowed_draws: Array
    """[1]"""
    slowness_draws: Array
    """Factor on the times of the replica [1]."""
    price: float
    """Price of an hour of an accelerator [USD]."""
    price_draws: Array
    """[USD]"""
    note: str

    def reserved(self, option: SelfHosted, workload: ServingWorkload, drawn: bool = False) -> Reserved:
        """Return the prices per month and the requests per month of a replica.

        Parameters
        ----------
        option : SelfHosted
        workload : ServingWorkload
        drawn : bool
            Whether to return draws instead of the medians.
        """
        from costmodel.comparison.serving.arithmetic import Reserved

        price, allowed = (self.price_draws, self.allowed_draws) if drawn else (self.price, self.allowed)
        return Reserved(
            self.gpus * HOURS_PER_MONTH * price,
            allowed / workload.peak_to_mean * SECONDS_PER_MONTH,
            option.fixed_usd_per_month,
            option.spare_replicas,
        )


def drawn(key: str, value: float | Range, seed: int) -> Array:
    """Return random draws of a number or a range.

    Parameters
    ----------
    key : str
        Name of the input.
    value : float or Range
        The number, or its distribution.
    seed : int
        Seed of the draws.
    """
    return draws(key, value, DRAWS, seed) if isinstance(value, Range) else np.full(DRAWS, float(value))


def replicas_of(option: SelfHosted, workload: ServingWorkload, seed: int) -> Replicas:
    """Return the throughput and the price of the replicas of an option.

    Parameters
    ----------
    option : SelfHosted
    workload : ServingWorkload
        Requests, which the replicas serve.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        If the model does not fit, or an option does nothing for it.
    MissingFactError
        If a price or a fact is not known, or no load meets the latency targets.
    """
    if option.serving is not None:
        return _modeled(option, workload, seed)
    price = option.hourly_price
    if price is None:
        raise MissingFactError("no price of an accelerator: give usd_per_gpu_hour or owned")
    capacity = option.requests_per_second or (option.output_tokens_per_second or 0.0) / workload.output_tokens
    slowness = np.ones(DRAWS)
    if option.spread:
        factor = math.exp(option.spread * normal_quantile(0.9))
        slowness = drawn(f"serving.{option.title}.time", between(1 / factor, factor).settled("lognormal"), seed)
    allowed = option.allowed_load * capacity
    prices = drawn(f"serving.{option.title}.price", price, seed)
    gpus = option.gpus_per_replica or 1
    return Replicas(gpus, capacity, allowed, allowed / slowness, slowness, middle(price), prices, option.note)


def served_estimate(option: SelfHosted, workload: ServingWorkload) -> ServingEstimate:
    """Return the estimate of the scenario of an option with the requests of a workload at its peak.

    Parameters
    ----------
    option : SelfHosted
        Option with a scenario.
    workload : ServingWorkload
        Requests, whose lengths and peak rate replace those of the scenario.
    """
    scenario = option.serving
    assert scenario is not None
    speed = scenario.tokens_per_second_per_user
    load = {"concurrency": None, "users": None, "tokens_per_second_per_user": None}
    lengths = {name: getattr(workload, name) for name in ("input_tokens", "output_tokens", "cached_share")}
    rate = workload.requests_per_second * workload.peak_to_mean
    target = scenario.target_tpot if speed is None else 1 / speed
    if isinstance(option.owned, Ownership):
        scenario = scenario.replace(prices=option.owned)
    return estimate(scenario.replace({**load, **lengths, "requests_per_second": rate, "target_tpot": target}))


def _modeled(option: SelfHosted, workload: ServingWorkload, seed: int) -> Replicas:
    """Return the replicas of a scenario: the largest rate within its targets and the allowed load."""
    result = served_estimate(option, workload)
    deployment = result.deployment
    limits = open_limits(deployment.served, option.allowed_load)
    errors, _ = errors_and_prices(result.inputs, DRAWS, seed)
    ttft, tpot = deployment.ttft, deployment.tpot
    most = float(limits.within(ttft, tpot))
    if not most:
        result.value("gpus_needed")  # raises with the target that is missed
        raise MissingFactError("no load meets the latency targets; use more accelerators per replica (tensor)")
    allowed = limits.within(None if ttft is None else ttft / errors.first, None if tpot is None else tpot / errors.time)
    allowed = np.maximum(np.broadcast_to(allowed, errors.time.shape), limits.loads[0]) / errors.time
    gpus = deployment.served.layout.accelerators
    price = option.hourly_price
    if price is None:
        figure = result.inputs["prices.price"].figure
        if isinstance(figure, Missing):
            raise MissingFactError(figure.reason)
        price = figure.value if figure.spread is None else figure.spread
        best, source = figure.value, figure.provenance.caution or figure.provenance.note
    else:
        best, source = middle(price), ""
    prices = drawn(f"serving.{option.title}.price", price, seed)
    parts = [
        f"{deployment.served.output_tokens * most:,.0f} output tokens/s per replica of {gpus} at its peak, "
        f"engine {result.recipe.title}",
        f"{best:.3g} USD per GPU-hour{f': {source}' if source else ''}",
        option.note,
    ]
    note = "; ".join(part for part in parts if part)
    capacity = deployment.served.capacity
    return Replicas(gpus, capacity, most, allowed, errors.time, float(best), prices, note)
