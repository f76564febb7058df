"""Goodput of a training job: the share of the wall time in useful steps.

Failures come at random. Each costs a restart and the work since the last checkpoint. A checkpoint costs the time that
training waits for it. Planned stops, software faults and divergence are a residual overhead with a wide spread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from costmodel.foundation.arrays import N, exp, expm1, largest, silent, smallest, sqrt, where
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import GPUHours, Measure
from costmodel.foundation.limits import shown
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.foundation.units import SI_FACTOR

LEAST = 1e-12
"""Lower bound of the goodput, which keeps the wall time finite [1]."""

_DEFAULT_SOURCES = {
    "checkpoint_bytes_per_parameter": "bf16 weights, fp32 weights and two moments; BLOOM: 13.1 (stas00/ml-engineering)",
    "checkpoint_overlap": "a checkpoint that training waits for",
    "evaluation_share": "what is usual is part of residual_overhead",
}
"""Sources of the defaults of fields that are not in `data/assumptions/defaults.csv`."""

_UNITS = {
    "gpu_hours_per_failure": "hour",
    "gpu_hours_per_interruption": "hour",
    "restart_time": "s",
    "checkpoint_bandwidth": "GB/s",
    "checkpoint_bytes_per_parameter": "byte",
    "residual_overhead": "1",
    "evaluation_share": "1",
    "checkpoint_overlap": "1",
    "checkpoint_interval": "s",
}
"""Units of the fields of `Reliability`."""
_ARGUMENTS = {
    "gpu_hours_per_failure": "gpu_time_per_failure",
    "gpu_hours_per_interruption": "gpu_time_per_interruption",
    "checkpoint_interval": "interval",
}
"""Arguments of `job_goodput` that differ in name from their field of `Reliability`."""

if TYPE_CHECKING:
    from costmodel.foundation.fields import RangeLike

Seconds: TypeAlias = Annotated[float | Range, Measure("s", 0.0, 1e9, open_low=True)]
StorageBandwidth: TypeAlias = Annotated[float | Range, Measure("GB/s", 0.0, 1e9, open_low=True)]
BytesPerParameter: TypeAlias = Annotated[float | Range, Measure("byte", 0.0, 1e3, open_low=True)]
Overhead: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0, open_high=True)]


def failure_interval(count: float | N, gpu_time_per_failure: float | N) -> float | N:
    """Return the mean time between failures that stop a job [s].

    Parameters
    ----------
    count : float or ndarray
        Accelerators of the job [1].
    gpu_time_per_failure : float or ndarray
        Accelerator-time per failure [s].

    Raises
    ------
    InputError
        If an input is not positive and finite.

    Examples
    --------
    >>> round(failure_interval(16384, 50_677 * 3600) / 3600, 1)  # Llama 3, hours
    3.1
    """
    checked = _checked(_POSITIVE, count=count, gpu_time_per_failure=gpu_time_per_failure)
    with silent(*checked.values()):
        return _plain(checked["gpu_time_per_failure"] / checked["count"])


def checkpoint_interval(checkpoint_time: float | N, failure_interval: float | N) -> float | N:
    """Return the useful time between two checkpoints that minimizes the wall time [s].

    Daly's third term on top of Young's √(2δM): δ is the stall, M the time between failures; M itself
    where a stall takes 2 M or more. The time of a restart does not move the optimum.

    Parameters
    ----------
    checkpoint_time : float or ndarray
        Time for which training waits at a checkpoint [s].
    failure_interval : float or ndarray
        Mean time between failures [s].

    Raises
    ------
    InputError
        If an input is not positive and finite.

    References
    ----------
    Young, A first order approximation to the optimum checkpoint interval, 1974, doi:10.1145/361147.361115.
    Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, 2006,
    doi:10.1016/j.future.2004.11.016.

    Examples
    --------
    >>> round(checkpoint_interval(5 * 60, 24 * 3600) / 60)  # Daly's figure 3: 117 min
    117
    """
    checked = _checked(_POSITIVE, checkpoint_time=checkpoint_time, failure_interval=failure_interval)
    stall, mean = checked["checkpoint_time"], checked["failure_interval"]
    with silent(stall, mean):
        root = sqrt(smallest(stall / mean, 2.0) / 2)  # √(δ / 2M)
        young = sqrt(2 * stall) * sqrt(mean)
        estimate = young * (1 + root / 3 + root**2 / 9) - stall
        return _plain(where(stall < 2 * mean, estimate, mean))


def goodput(
    checkpoint_time: float | N,
    failure_interval: float | N,
    restart_time: float | N,
    interval: float | N | None = None,
    residual_overhead: float | N = 0.0,
    evaluation_share: float | N = 0.0,
) -> float | N:
    """Return the share of the wall time in useful steps [1], at least `LEAST`.

    Daly's complete model for failures that follow an exponential distribution and may strike during
    checkpoints and restarts too: wall time / useful time = M/τ e^(R/M) (e^((τ+δ)/M) - 1). The useful time is then
    reduced by the shares of evaluation and residual overhead.

    Parameters
    ----------
    checkpoint_time : float or ndarray
        Time δ for which training waits at a checkpoint [s].
    failure_interval : float or ndarray
        Mean time M between failures [s].
    restart_time : float or ndarray
        Time R from a failure to useful steps: detection, reload, warm-up [s].
    interval : float or ndarray
        Useful time τ between two checkpoints; default: the optimum [s].
    residual_overhead : float or ndarray
        Share of the time in planned stops, software faults and the like, 0 to below 1 [1].
    evaluation_share : float or ndarray
        Share of the time in evaluation, 0 to below 1 [1].

    Raises
    ------
    InputError
        If a time is not positive and finite (that of a restart may be 0), or a share not in [0, 1).

    References
    ----------
    Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, 2006,
    doi:10.1016/j.future.2004.11.016.

    Examples
    --------
    >>> round(goodput(40, 112 * 3600, 600, interval=10_500), 3)  # BLOOM without its other overhead
    0.982
    """
    if interval is None:
        interval = checkpoint_interval(checkpoint_time, failure_interval)
    times = {"checkpoint_time": checkpoint_time, "failure_interval": failure_interval, "interval": interval}
    checked = _checked(_POSITIVE, **times) | _checked(_NOT_NEGATIVE, restart_time=restart_time)
    checked |= _checked(_SHARE, residual_overhead=residual_overhead, evaluation_share=evaluation_share)
    stall, mean, useful = checked["checkpoint_time"], checked["failure_interval"], checked["interval"]
    restart = checked["restart_time"]
    with silent(*checked.values()):
        segment = _within((useful + stall) / mean, 1e-12, 700.0)  # inside these e^x - 1 is exact and finite
        share = segment / expm1(segment) * exp(-smallest(restart / mean, 700.0)) / (1 + stall / useful)
        share = share * (1 - checked["residual_overhead"]) * (1 - checked["evaluation_share"])
    return _plain(largest(share, LEAST))


def job_goodput(
    count: float | N,
    parameters: float | N,
    gpu_time_per_failure: float | N,
    restart_time: float | N,
    checkpoint_bandwidth: float | N,
    checkpoint_bytes_per_parameter: float | N,
    residual_overhead: float | N,
    evaluation_share: float | N = 0.0,
    checkpoint_overlap: float | N = 0.0,
    interval: float | N | None = None,
    gpu_time_per_interruption: float | N | None = None,
) -> float | N:
    """Return the share of the wall time in useful steps of a job [1], from its size and its reliability.

    An interruption, when a spot instance is taken back, is a further failure. A checkpoint written in the background
    costs no stall. The time between two checkpoints is at least that of one write, and a failure also loses the
    checkpoint that was being written.

    Parameters
    ----------
    count : float or ndarray
        Accelerators [1].
    parameters : float or ndarray
        Parameters that a checkpoint holds, which are those that are trained [1].
    gpu_time_per_failure : float or ndarray
        Accelerator-time per failure that stops the job [s].
    restart_time : float or ndarray
        Time from a failure to useful steps [s].
    checkpoint_bandwidth : float or ndarray
        Bandwidth of the whole job to its storage [byte/s].
    checkpoint_bytes_per_parameter : float or ndarray
        Size of a checkpoint per parameter [byte].
    residual_overhead : float or ndarray
        Share of the time in what failures and checkpoints do not explain [1].
    evaluation_share : float or ndarray
        Share of the time in evaluation beyond that [1].
    checkpoint_overlap : float or ndarray
        Share of a write that training does not wait for, 0 to below 1 [1].
    interval : float or ndarray
        Useful time between two checkpoints; default: the optimum [s].
    gpu_time_per_interruption : float or ndarray
        Accelerator-time per interruption of a spot instance; default: none [s].

    Raises
    ------
    InputError
        If an input is not positive and finite, or a share not in [0, 1).

    Examples
    --------
    >>> round(job_goodput(16384, 405e9, 50_677 * 3600, 600, 2e12, 14, 0.0), 3)  # Llama 3
    0.926
    """
    given = {"parameters": parameters, "checkpoint_bytes_per_parameter": checkpoint_bytes_per_parameter}
    checked = _checked(_POSITIVE, **given, checkpoint_bandwidth=checkpoint_bandwidth)
    checked |= _checked(_NOT_NEGATIVE, restart_time=restart_time) | _checked(
        _SHARE, checkpoint_overlap=checkpoint_overlap
    )
    if interval is not None:
        checked |= _checked(_POSITIVE, interval=interval)
    if gpu_time_per_interruption is not None:
        rates = _checked(_POSITIVE, failure=gpu_time_per_failure, gpu_time_per_interruption=gpu_time_per_interruption)
        with silent(*rates.values()):
            gpu_time_per_failure = 1 / (1 / rates["failure"] + 1 / rates["gpu_time_per_interruption"])
    with silent(*checked.values()):
        between = _within(failure_interval(count, gpu_time_per_failure), 1e-9, 1e30)
        size = checked["parameters"] * checked["checkpoint_bytes_per_parameter"]
        write = _within(size / checked["checkpoint_bandwidth"], 1e-9, 1e15)
        behind = write * checked["checkpoint_overlap"]
        stall = write - behind
        chosen = checkpoint_interval(stall, between) if interval is None else checked["interval"]
        lost = checked["restart_time"] + behind
    return goodput(stall, between, lost, largest(chosen, behind), residual_overhead, evaluation_share)


class Reliability(Spec):
    """Rate of failures and cost of a failure; a field that is not given has a default with a spread.

    Examples
    --------
    >>> 0.85 < Reliability().goodput(1024, 8e9) < 0.97
    True
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            gpu_hours_per_failure: RangeLike | None = ...,
            gpu_hours_per_interruption: RangeLike | None = ...,
            restart_time: RangeLike | None = ...,
            checkpoint_bandwidth: RangeLike | None = ...,
            checkpoint_bytes_per_parameter: RangeLike = ...,
            checkpoint_overlap: RangeLike = ...,
            checkpoint_interval: RangeLike | None = ...,
            evaluation_share: RangeLike = ...,
            residual_overhead: RangeLike | None = ...,
        ) -> None: ...

    gpu_hours_per_failure: GPUHours | None = Field(
        default=None, description="GPU-hours per failure that stops the job [hour]."
    )
    gpu_hours_per_interruption: GPUHours | None = Field(
        default=None,
        description="GPU-hours until a spot instance is taken back, which stops the job [hour]. Default: assumed for "
        'the purchase model "spot", none for others.',
    )
    restart_time: Seconds | None = Field(
        default=None, description="From a failure to useful steps: detection, reload, warm-up [s]."
    )
    checkpoint_bandwidth: StorageBandwidth | None = Field(
        default=None,
        description="Bandwidth of the whole job to its storage [GB/s]; grows with the cluster unless given.",
    )
    checkpoint_bytes_per_parameter: BytesPerParameter = Field(
        default=14.0,
        description="Size of a checkpoint per trained parameter [byte]: weights in bf16, weights and two moments in "
        "fp32 (BLOOM: 13.1).",
    )
    checkpoint_overlap: Overhead = Field(
        default=0.0,
        description="Share of a write that training does not wait for; ByteCheckpoint (arXiv 2407.20143) hides 0.98.",
    )
    checkpoint_interval: Seconds | None = Field(
        default=None, description="Useful time between two checkpoints; default: the optimum [s]."
    )
    evaluation_share: Overhead = Field(
        default=0.0, description="Share of the time in evaluation beyond what `residual_overhead` holds (BLOOM: 0.007)."
    )
    residual_overhead: Overhead | None = Field(
        default=None, description="Share of the time in what failures and checkpoints do not explain."
    )

    def figures(self, count: int, spot_instance: int | None = None) -> dict[str, tuple[str, Figure]]:
        """Return the inputs of `job_goodput` by its names, each with its unit.

        `interval` is only there where it is given, interruptions where they are given or instances are spot instances.

        Parameters
        ----------
        count : int
            Number of accelerators [1].
        spot_instance : int, optional
            Accelerators of a spot instance, which are taken back together; default: none is a spot instance [1].
        """
        per_gpu = default("checkpoint_bandwidth_per_gpu")
        note = f"{per_gpu.provenance.note}; times {count} accelerators"
        grown = per_gpu.spread.scaled(count, "") if per_gpu.spread is not None else None
        bandwidth = Figure(per_gpu.value * count, grown, per_gpu.provenance._replace(note=note))
        assumed = {name: default(name) for name in ("gpu_hours_per_failure", "restart_time", "residual_overhead")}
        figures: dict[str, tuple[str, Figure]] = {}
        for name, unit in _UNITS.items():
            value = getattr(self, name)
            if value is not None:
                given = name in self.model_fields_set
                provenance = (
                    Provenance("given")
                    if given
                    else Provenance("assumed", _DEFAULT_SOURCES[name], note=f"default of {name}")
                )
                figure = Figure(middle(value), value if isinstance(value, Range) else None, provenance)
            elif name == "gpu_hours_per_interruption" and spot_instance is not None:
                figure = interruptions(min(spot_instance, count))
            elif name in {"checkpoint_interval", "gpu_hours_per_interruption"}:
                continue
            else:
                figure = bandwidth if name == "checkpoint_bandwidth" else assumed[name]
            figures[_ARGUMENTS.get(name, name)] = unit, figure
        return figures

    @checked("count", "parameters")
    def goodput(self, count: int, parameters: float) -> float:
        """Return the share of the wall time in useful steps [1], at the medians of the inputs.

        Parameters
        ----------
        count : int
            Number of accelerators [1].
        parameters : float
            Parameters that a checkpoint holds, which are those that are trained [1].
        """
        if not (1 <= count <= 1e9 and 1 <= parameters <= 1e18):
            raise InputError(
                f"count must be from 1 to 1e9, parameters from 1 to 1e18; got {shown(count)}, {parameters!r}"
            )
        values = {name: figure.value * SI_FACTOR[unit] for name, (unit, figure) in self.figures(count).items()}
        return float(job_goodput(count, parameters, **values))


def interruptions(instance: int) -> Figure:
    """Return the assumed GPU-hours per interruption of a spot instance [hour].

    Parameters
    ----------
    instance : int
        Accelerators of an instance, which are taken back together [1].
    """
    assumed = default("instance_hours_per_interruption")
    note = f"{assumed.provenance.note}; times {instance} accelerators of an instance"
    assert assumed.spread is not None  # every default has one
    factor = assumed.spread.quantile(0.9) / assumed.value
    caution = (
        f"spot instances are taken back at an assumed rate that is uncertain by a factor of {factor:.0f} (set "
        "reliability.gpu_hours_per_interruption); waiting for capacity is not part of the wall time"
    )
    provenance = assumed.provenance._replace(note=note, caution=caution)
    return Figure(assumed.value * instance, assumed.spread.scaled(instance, ""), provenance)


def _numbers(name: str, value: float | N) -> float | N:
    """Return a number as a float, anything else as an array of floats."""
    if isinstance(value, (int, float)):
        return float(value)
    import numpy as np

    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} is a number or an array of numbers; got {_shown(value)}") from None


_POSITIVE = "above 0 and finite"
_NOT_NEGATIVE = "at least 0 and finite"
_SHARE = "a share from 0 to below 1"


def _checked(allowed: str, **values: float | N) -> dict[str, float | N]:
    """Return the values as floats or arrays, or raise with all that are not what is allowed."""
    numbers = {name: _numbers(name, value) for name, value in values.items()}
    top = 1.0 if allowed == _SHARE else math.inf
    problems = []
    for name, number in numbers.items():
        sound = ((number > 0) if allowed == _POSITIVE else (number >= 0)) & (number < top)
        if not (sound if isinstance(sound, bool) else sound.all()):
            problems.append(f"{name} is {allowed}; got {_shown(values[name])}")
    if problems:
        raise InputError(problems)
    return numbers


def _within(value: float | N, low: float, high: float) -> float | N:
    return smallest(largest(value, low), high)


def _plain(values: float | N) -> float | N:
    """Return a float for what has no dimensions."""
    return values if getattr(values, "ndim", 0) else float(values)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
