"""How much longer than the mean does a batch of outputs take, that waits for its longest?"""

from __future__ import annotations

import math

from costmodel.foundation.errors import InputError

_STEPS = 2000
_REACH = 9.0


def tail_factor(variation: float, sequences: float, slots: float | None = None, *, refilled: bool = True) -> float:
    """Return the time of a synchronous batch over that of outputs of equal length [1].

    Lengths are lognormal. If all sequences start at once, the batch takes as long as the longest: the factor is
    the mean of their maximum over the mean length. With fewer slots than sequences there are waves: without
    refilling each wave waits for its longest; with refilling (continuous batching) only the last one does, an
    approximation that leaves out that a long output may come early.

    Parameters
    ----------
    variation : coefficient of variation of the lengths, their standard deviation over their mean [1]
    sequences : of the batch
    slots : sequences at once; all of them unless given
    refilled : whether a slot takes the next sequence as soon as its own ends

    Raises
    ------
    InputError
        If a number is negative or not finite, or a count is below 1.

    Examples
    --------
    >>> tail_factor(0.0, 512)
    1.0
    >>> round(tail_factor(0.5, 512), 2), round(tail_factor(0.5, 512, slots=64), 2)
    (3.83, 1.22)
    """
    slots = sequences if slots is None else slots
    problems = [] if _finite(variation) and 0 <= variation <= 10 else [f"variation: is 0 to 10; got {variation!r}"]
    problems += [f"{name}: is at least 1 and finite; got {value!r}"
                 for name, value in (("sequences", sequences), ("slots", slots))
                 if not _finite(value) or value < 1]  # fmt: skip
    if problems:
        raise InputError(problems)
    longest = _mean_of_maximum(variation, min(slots, sequences))
    waves = max(sequences / slots, 1.0)
    return (waves - 1 + longest) / waves if refilled else longest


def _mean_of_maximum(variation: float, count: float) -> float:
    """Integrate the maximum of `count` lognormal lengths of mean 1 over the normal deviate (midpoint rule)."""
    if variation == 0 or count == 1:
        return 1.0
    sigma = math.sqrt(math.log1p(variation**2))
    low, high = -_REACH, _REACH + sigma
    step = (high - low) / _STEPS
    total = 0.0
    for index in range(_STEPS):
        z = low + (index + 0.5) * step
        below = math.erfc(-z / math.sqrt(2)) / 2
        density = count * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * below ** (count - 1)
        total += math.exp(sigma * z - sigma**2 / 2) * density * step
    return total


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
