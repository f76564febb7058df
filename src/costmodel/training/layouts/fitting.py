"""Whether a training step fits in memory: a probability, from the error of the memory model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import normal_probability, normal_quantile
from costmodel.foundation.tables import constant

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs

MEMORY_ERROR = constant("memory_error")
"""Factor around the predicted peak memory that holds 80 % of the measured peaks [1]."""
MEMORY_SPREAD = math.log(MEMORY_ERROR) / normal_quantile(0.9)
"""Standard deviation of ln(predicted / measured) of a peak memory [1]."""
LEAST_PROBABILITY = constant("least_fit_probability")
"""Probability to fit below which a layout is refused [1]."""


class TooLargeError(InputError):
    """A model that certainly does not fit: its probability to fit is below `LEAST_PROBABILITY`."""


def fit_probability(needed: float, usable: float) -> float:
    """Return the probability that a step fits in memory [1]: 1/2 where the predicted peak is the usable memory.

    Parameters
    ----------
    needed : float
        Predicted peak memory per GPU, auxiliary models included [byte].
    usable : float
        Usable memory of an accelerator [byte].

    Examples
    --------
    >>> fit_probability(80e9, 80e9), round(fit_probability(72e9, 80e9), 2)
    (0.5, 0.87)
    """
    if needed <= 0:
        return 1.0
    if usable <= 0:
        return 0.0
    return normal_probability(math.log(usable / needed) / MEMORY_SPREAD)


def step_fit_probability(inputs: StepInputs, needed: float) -> float:
    """Return the probability that a step with a predicted peak memory of the trained model fits [1].

    Parameters
    ----------
    inputs : StepInputs
        Hardware and auxiliary models.
    needed : float
        Predicted peak memory per GPU, without auxiliary models [byte].
    """
    return fit_probability(needed + inputs.auxiliary_bytes, float(inputs.hardware.memory))
