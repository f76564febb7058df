"""The pace of a run under way: what its log says of the step time and of stops, and draws of what is left.

The logarithm of the step time, averaged over blocks of a fixed share of the run, is autocorrelated noise: its variance
and autocorrelation start from a prior and follow the log as blocks come in. Stops (restarts with lost work, planned
stops) come at random at an unknown rate. The prior of their share of the time is the goodput of the estimate, and each
hour of the log without a stop lowers it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import draws as sampled
from costmodel.foundation.tables import constant
from costmodel.foundation.units import SI_FACTOR
from costmodel.training.jobs.goodput import job_goodput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.forecasting.run_log import RunLog
    from costmodel.training.jobs.goodput import Reliability

    Array = NDArray[np.float64]

BLOCK_SHARE = constant("forecast_block_share")
"""Length of a block, as a share of the steps of the run [1]."""
BLOCK_SPREAD = constant("forecast_block_spread")
"""Prior of the standard deviation of ln step time between blocks [1]."""
BLOCK_WEIGHT = constant("forecast_block_weight")
"""Weight of this prior [block]."""
BLOCK_CORRELATION = constant("forecast_block_correlation")
"""Prior of the correlation of ln step time between neighboring blocks [1]."""
MEAN_STOP = constant("forecast_mean_stop")
"""Prior of the mean time that a stop costs, lost work included [s]."""
STOP_WEIGHT = constant("forecast_stop_weight")
"""Weight of this prior [stop]; above 1."""
MOST_EXPOSURE = constant("forecast_most_exposure")
"""Most weight of the prior of the rate of stops, as hours of a log [hour]; a given goodput without a spread has this
weight."""
STOP_INTERVALS = constant("forecast_stop_intervals")
"""A stop exceeds the usual time between two rows by more than this factor [1]."""
LEAST_STOP = constant("forecast_least_stop")
"""Least excess time of a stop [s]; shorter delays are part of the step time."""
_MOST_CORRELATION = 0.97


class Pace(NamedTuple):
    """What a log says of the pace of a run."""

    done: int
    """Steps done [1]."""
    share: float
    """Share of the steps of the run that is done [1]."""
    wall: float
    """Wall time so far [s]."""
    useful: float
    """Wall time without stops [s], lost work included."""
    step_time: float
    """Mean wall time of a step without stops [s]."""
    blocks: tuple[float, ...]
    """ln step time of each block of the log."""
    stops: tuple[float, ...]
    """Cost of each stop, lost work included [s]."""
    restarts: int
    """Restarts that repeat steps or begin the time again [1]."""
    lost_steps: int
    """Steps that restarts repeated [1]."""
    lost: float = 0.0
    """Time of these steps [s]."""
    spread: float = 0.0
    """Standard deviation of ln step time where a single figure is given as a range [1]."""


class Prior(NamedTuple):
    """What the estimate of the run says before its log."""

    overheads: Array
    """Draws of the time in stops / the time in steps [1]."""
    log_step_time: float | None = None
    """Logarithm of the median of the step time in seconds [1]; None where it is not predicted."""
    spread: float = math.inf
    """Standard deviation of ln step time [1]."""


def pace_of(log: RunLog, total: float) -> Pace:
    """Return the pace of a log.

    Parameters
    ----------
    log : RunLog
    total : float
        Steps of the whole run [1].
    """
    import numpy as np

    begin = ([0], [0.0]) if log.from_start or log.steps[0] == 0 else ([log.steps[0]], [log.times[0]])
    steps = np.array([*begin[0], *log.steps], dtype=float)
    times = np.array([*begin[1], *log.times])
    restarted = np.zeros(len(steps), dtype=bool)
    restarted[[index + 1 for index in log.restarts]] = True
    highest = np.maximum.accumulate(steps)
    new_steps = np.diff(steps)
    new_steps[restarted[1:]] = 0.0
    progress, seconds = np.diff(highest), np.diff(times)
    ran = new_steps > 0
    warm = np.flatnonzero(ran)[1:] if ran.sum() > 1 else np.flatnonzero(ran)
    done = int(steps[-1])
    if not len(warm):
        return Pace(done, done / total, float(times[-1]), 0.0, math.nan, (), (), len(log.restarts), 0)
    usual = float(np.median(seconds[warm] / new_steps[warm]))
    row_time = float(np.median(seconds[warm]))
    excess = seconds - new_steps * usual
    stopped = (excess > max(STOP_INTERVALS * row_time, LEAST_STOP)) | restarted[1:]
    stopped[: warm[0]] = False
    useful = np.where(stopped, new_steps * usual, seconds)
    repeated = np.where(new_steps > 0, np.clip(new_steps - progress, 0.0, None), 0.0)
    lost = useful * repeated / np.where(ran, new_steps, 1.0)
    costs = _stop_costs(stopped, np.clip(excess, 0.0, None), lost)
    executed = np.concatenate([[0.0], np.cumsum(new_steps[warm])])
    spent = np.concatenate([[0.0], np.cumsum(useful[warm])])
    share = min(done / total, 1.0)
    count = int(np.clip(math.floor(share / BLOCK_SHARE + 1e-9), 1, len(warm)))
    edges = np.linspace(0.0, executed[-1], count + 1)
    means = np.diff(np.interp(edges, executed, spent)) / np.diff(edges)
    if not (means > 0).all():
        raise InputError(
            f"measured: {np.diff(edges).min():,.0f} steps in a row take no time; the times of a log must rise with "
            "its steps"
        )
    return Pace(
        done=done,
        share=share,
        wall=float(times[-1]),
        useful=float(useful.sum()),
        step_time=float(spent[-1] / executed[-1]),
        blocks=tuple(np.log(means).tolist()),
        stops=costs,
        restarts=len(log.restarts),
        lost_steps=int(repeated.sum() + highest[-1] - steps[-1]),
        lost=float(lost.sum()),
    )


def _stop_costs(stopped: NDArray[np.bool_], excess: Array, lost: Array) -> tuple[float, ...]:
    """Return the cost of each stop [s]: its excess time, and the repeated work after it."""
    costs: list[float] = []
    for is_stop, extra, repeated in zip(stopped.tolist(), excess.tolist(), lost.tolist(), strict=True):
        if is_stop:
            costs.append(extra + repeated)
        elif costs:
            costs[-1] += repeated
    return tuple(costs)


class Noise(NamedTuple):
    """Noise of the mean ln step time: variances relative to that of a block, and the t distribution of its scale."""

    scale: float
    """Standard deviation of a block [1]."""
    past: float
    """Variance of the mean of the past, relative to that of a block [1]."""
    rest: float
    """Variance of the mean of the rest [1]."""
    shared: float
    """Their covariance [1]."""
    freedom: float
    """Degrees of freedom [1]."""


def noise_of(blocks: tuple[float, ...], share: float) -> Noise:
    """Return the noise of the step time between the blocks of a log and the rest of the run.

    Parameters
    ----------
    blocks : tuple of float
        ln step time of each block; none where only a single figure is known.
    share : float
        Share of the run that is done [1].
    """
    import numpy as np

    values = np.array(blocks or (0.0,))
    count = len(values)
    prior = BLOCK_WEIGHT * BLOCK_SPREAD**2
    deviations = values - values.mean()
    squares = float((deviations**2).sum())
    correlation = (prior * BLOCK_CORRELATION + float((deviations[:-1] * deviations[1:]).sum())) / (prior + squares)
    if count > 2:  # the correlation of a short series is estimated too low, by (1 + 4 ρ) / n
        correlation += (1 + 4 * correlation) / count * squares / (prior + squares)
    correlation = min(max(correlation, 0.0), _MOST_CORRELATION)
    past = _variance_of_mean(float(count), correlation)
    left = max((1 - share) / BLOCK_SHARE, 1.0)
    shared = correlation * (1 - correlation**count) * (1 - correlation**left) / ((1 - correlation) ** 2 * count * left)
    if count > 1:  # deviations from the mean of the blocks are smaller than those from the true mean
        squares *= (count - 1) / count / max(1 - past, 1 / count)
    freedom = BLOCK_WEIGHT + count - 1
    return Noise(math.sqrt((prior + squares) / freedom), past, _variance_of_mean(left, correlation), shared, freedom)


def _variance_of_mean(count: float, correlation: float) -> float:
    """Return the variance of the mean of an autoregressive series, relative to that of one value [1]."""
    if count <= 1:
        return 1.0
    free = 1 - correlation
    return float((1 + correlation) / free - 2 * correlation * (1 - correlation**count) / (count * free**2)) / count


def draws_left(pace: Pace, prior: Prior, steps: float, count: int, seed: int) -> Array:
    """Return draws of the wall time of the rest of a run [s].

    Parameters
    ----------
    pace : Pace
    prior : Prior
    steps : float
        Steps left [1].
    count : int
        Number of draws [1].
    seed : int
        Seed of the draws.
    """
    import numpy as np

    random = np.random.default_rng([seed, 7])
    useful = steps * np.exp(log_step_times(pace, prior, count, random))
    return np.asarray(useful + _stop_draws(pace, prior, useful, random))


def log_step_times(pace: Pace, prior: Prior, count: int, random: np.random.Generator) -> Array:
    """Return draws of ln mean step time of the rest [1], from the log and the prediction weighted by precision."""
    import numpy as np

    noise = noise_of(pace.blocks, pace.share)
    past = noise.scale**2 * noise.past + pace.spread**2
    weight = 0.0 if prior.log_step_time is None else past / (past + prior.spread**2)
    center = math.log(pace.step_time)
    if prior.log_step_time is not None:
        center += weight * (prior.log_step_time - center)
    variance = past * (1 - weight) + noise.scale**2 * (noise.rest - 2 * noise.shared * (1 - weight))
    return np.asarray(center + math.sqrt(max(variance, 0.0)) * random.standard_t(noise.freedom, count))


def _stop_draws(pace: Pace, prior: Prior, useful: Array, random: np.random.Generator) -> Array:
    """Return draws of the time in stops during the rest [s]: a random number of stops, each of a random cost."""
    import numpy as np

    mean, variance = float(prior.overheads.mean()), float(prior.overheads.var())
    exposure = min(MEAN_STOP * mean / variance if variance > 0 else math.inf, 3600 * MOST_EXPOSURE)
    shape = exposure * mean / MEAN_STOP
    found, time = len(pace.stops), sum(pace.stops)
    rates = random.gamma(shape + found, 1 / (exposure + pace.useful), len(useful))
    stops = random.poisson(np.minimum(rates * useful, 1e9))
    known = STOP_WEIGHT + found
    costs = (MEAN_STOP * (STOP_WEIGHT - 1) + time) / random.gamma(known, 1.0, len(useful))
    return np.asarray(random.gamma(np.maximum(stops, 1e-12)) * costs * (stops > 0))


def overheads_of(
    reliability: Reliability, count: int, parameters: float, draws: int, seed: int, spot_instance: int | None = None
) -> Array:
    """Return draws of the time in stops / the time in steps that failures and checkpoints predict [1].

    Parameters
    ----------
    reliability : Reliability
    count : int
        Accelerators [1].
    parameters : float
        Parameters of the model [1].
    draws : int
        Number of draws [1].
    seed : int
        Seed of the draws.
    spot_instance : int, optional
        Accelerators of a spot instance; default: none is a spot instance [1].
    """
    import numpy as np

    values = {
        name: (figure.value if figure.spread is None else sampled(f"reliability.{name}", figure.spread, draws, seed))
        * SI_FACTOR[unit]
        for name, (unit, figure) in reliability.figures(count, spot_instance).items()
    }
    return np.asarray(1 / np.asarray(job_goodput(float(count), parameters, **values)) - 1) * np.ones(draws)
