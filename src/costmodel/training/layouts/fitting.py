"""Whether a training step fits in memory: a probability, from the error of the memory model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from costmodel.foundation.arrays import N, largest, log
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import normal_probability, normal_quantile
from costmodel.foundation.rendering import percent
from costmodel.foundation.tables import constant

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs
    from costmodel.training.step.configuration import HardwareRates

MEMORY_ERROR = constant("memory_error")
"""Factor around the predicted peak memory that holds 80 % of the measured peaks [1]."""
MEMORY_SPREAD = math.log(MEMORY_ERROR) / normal_quantile(0.9)
"""Standard deviation of ln(predicted / measured) of a peak memory [1]."""
LEAST_PROBABILITY = constant("least_fit_probability")
"""Probability to fit below which a layout is refused [1]."""
SAFE_PROBABILITY = constant("safe_fit_probability")
"""Probability to fit from which a layout counts as safe and is planned [1]."""
TINY = 1e-9
"""Stands for no memory, whose logarithm does not exist [byte]."""


class TooLargeError(InputError):
    """A model that certainly does not fit: its probability to fit is below `LEAST_PROBABILITY`."""


def fit_probability(needed: N, usable: float) -> N:
    """Return the probability that a step fits in memory [1]: 1/2 where the predicted peak is the usable memory.

    Parameters
    ----------
    needed : float or ndarray
        Predicted peak memory per GPU, auxiliary models included [byte].
    usable : float
        Usable memory of an accelerator [byte].

    Examples
    --------
    >>> fit_probability(80e9, 80e9), round(fit_probability(72e9, 80e9), 2)
    (0.5, 0.87)
    """
    positive = largest(needed, TINY)
    return normal_probability((log(max(usable, TINY)) - log(positive)) / MEMORY_SPREAD)


def most_memory(usable: float, probability: float) -> float:
    """Return the largest predicted peak memory that fits with a probability [byte].

    Parameters
    ----------
    usable : float
        Usable memory of an accelerator [byte].
    probability : float
        Probability to fit, between 0 and 1 [1].

    Examples
    --------
    >>> round(most_memory(80e9, 0.9) / 1e9, 1), round(fit_probability(most_memory(80e9, 0.9), 80e9), 3)
    (70.8, 0.9)
    """
    return usable * math.exp(-MEMORY_SPREAD * normal_quantile(probability))


def below(probability: float, limit: float) -> str:
    """Return a probability below a limit in percent, with a decimal where the whole percent of both is the same.

    Parameters
    ----------
    probability : float
        Probability [1].
    limit : float
        Probability above it [1].

    Examples
    --------
    >>> below(0.62, 0.9), below(0.896, 0.9)
    ('62 %', '89.6 %')
    """
    text = percent(probability)
    return text if text != percent(limit) else f"{math.floor(1000 * probability) / 10:.1f} %"


def host_fit_probability(hardware: HardwareRates, needed: N) -> N:
    """Return the probability that offloaded data fit in the memory of the host [1].

    Parameters
    ----------
    hardware : HardwareRates
    needed : float or ndarray
        Host memory per accelerator that a layout needs [byte].
    """
    spread = math.hypot(MEMORY_SPREAD, hardware.host_memory_spread)
    return normal_probability((math.log(max(hardware.host_memory, TINY)) - log(largest(needed, TINY))) / spread)


def step_fit_probability(inputs: StepInputs, needed: N, on_host: N) -> N:
    """Return the probability that a step fits in the memory of the accelerators and of the host [1].

    Parameters
    ----------
    inputs : StepInputs
        Hardware and auxiliary models.
    needed : float or ndarray
        Predicted peak memory per GPU, without auxiliary models [byte].
    on_host : float or ndarray
        Host memory per GPU [byte].
    """
    on_accelerator = fit_probability(needed + inputs.auxiliary_bytes, float(inputs.hardware.memory))
    return on_accelerator * host_fit_probability(inputs.hardware, on_host)
