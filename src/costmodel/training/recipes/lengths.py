"""Lengths of the sequences of a data set: mean, padded length, and the length that attention sees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from costmodel.foundation.fields import MOST, Measure, OrJson, RangeLike
from costmodel.foundation.ranges import Range, Samples

POINTS = 512
"""Quantiles that represent a distribution, or parts into which a sample is averaged [1]."""


def _without_shape_name(value: Any) -> Any:
    """Return a text without the word "lognormal", the distribution of every positive range; read a list as samples."""
    if isinstance(value, str):
        return value.strip().removeprefix("lognormal").strip()
    if isinstance(value, (list, tuple)):
        return {"shape": "samples", "values": list(value), "unit": "token"}
    return value


Lengths: TypeAlias = Annotated[
    float | Range, Measure("token", 1.0, MOST), BeforeValidator(_without_shape_name), OrJson(("array",))
]
"""Tokens per sequence: a number, an interval that holds 80 % ("lognormal 200 to 1500"), or a list of lengths."""

LengthsLike: TypeAlias = RangeLike | Sequence[float]
"""What lengths accept."""


class LengthDistribution:
    """Distribution of the lengths of a data set, truncated to a longest length.

    Parameters
    ----------
    lengths : float or Range
        Tokens per sequence [token].
    longest : int
        Length to which sequences are truncated [token].

    Examples
    --------
    >>> lengths = LengthDistribution(512.0, 2048)
    >>> lengths.mean, lengths.attended, lengths.padded(4)
    (512.0, 512.0, 512.0)
    """

    def __init__(self, lengths: float | Range, longest: int) -> None:
        self.quantiles = _quantiles(lengths, longest)

    @property
    def mean(self) -> float:
        """Mean length [token]."""
        return sum(self.quantiles) / len(self.quantiles)

    @property
    def attended(self) -> float:
        """Mean length of the sequence of a token, Σ L² / Σ L: determines the cost of core attention [token]."""
        return sum(length * length for length in self.quantiles) / sum(self.quantiles)

    @property
    def longest(self) -> float:
        """Longest length [token]."""
        return self.quantiles[-1]

    def padded(self, batch: int) -> float:
        """Return the mean length of the longest of some sequences, to which all of them are padded [token].

        Parameters
        ----------
        batch : int
            Sequences that are padded to the same length [1].
        """
        count = len(self.quantiles)
        total = 0.0
        for index, length in enumerate(self.quantiles):
            total += length * (((index + 1) / count) ** batch - (index / count) ** batch)
        return total


@lru_cache(maxsize=256)
def _quantiles(lengths: float | Range, longest: int) -> tuple[float, ...]:
    if not isinstance(lengths, Range):
        return (min(lengths, float(longest)),)
    if isinstance(lengths, Samples):
        ordered = sorted(lengths.values)
        parts = min(len(ordered), POINTS)
        ends = [len(ordered) * index // parts for index in range(parts + 1)]
        quantiles = [sum(ordered[start:end]) / (end - start) for start, end in pairwise(ends)]
    else:
        quantiles = [lengths.quantile((index + 0.5) / POINTS) for index in range(POINTS)]
    return tuple(min(max(length, 1.0), float(longest)) for length in quantiles)
