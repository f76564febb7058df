"""How long are the sequences of a data set? What padding wastes, and what attention sees, from their distribution."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from costmodel.foundation.fields import MOST, Measure
from costmodel.foundation.ranges import Range, Samples

POINTS = 512
"""Quantiles that stand for a distribution, or means of as many parts of a sample."""


def _spelled(value: Any) -> Any:
    """Return a text without the name of the distribution, which is that of every positive range."""
    if isinstance(value, str):
        return value.strip().removeprefix("lognormal").strip()
    if isinstance(value, (list, tuple)):
        return {"shape": "samples", "values": list(value), "unit": "token"}
    return value


Lengths: TypeAlias = Annotated[float | Range, Measure("token", 1.0, MOST), BeforeValidator(_spelled)]
"""Tokens of a sequence: a number, an interval ("lognormal 200 to 1500" holds 80 %), or a sample as a list."""


class Shape:
    """The lengths of a data set, cut at the longest that is trained on.

    Examples
    --------
    >>> shape = Shape(512.0, 2048)
    >>> shape.mean, shape.attended, shape.padded(4)
    (512.0, 512.0, 512.0)
    """

    def __init__(self, lengths: float | Range, most: int) -> None:
        self.quantiles = _quantiles(lengths, most)

    @property
    def mean(self) -> float:
        """Tokens of a sequence [token]."""
        return sum(self.quantiles) / len(self.quantiles)

    @property
    def attended(self) -> float:
        """Length of the sequence in which the mean token stands [token]: what core attention costs follows it."""
        return sum(one * one for one in self.quantiles) / sum(self.quantiles)

    @property
    def longest(self) -> float:
        """The longest of them [token]."""
        return self.quantiles[-1]

    def padded(self, batch: int) -> float:
        """Return the mean length to which each of `batch` sequences is padded [token]: that of their longest."""
        count = len(self.quantiles)
        total = 0.0
        for index, length in enumerate(self.quantiles):
            total += length * (((index + 1) / count) ** batch - (index / count) ** batch)
        return total


@lru_cache(maxsize=256)
def _quantiles(lengths: float | Range, most: int) -> tuple[float, ...]:
    if not isinstance(lengths, Range):
        return (min(lengths, float(most)),)
    if isinstance(lengths, Samples):
        listed = sorted(lengths.values)
        parts = min(len(listed), POINTS)
        ends = [len(listed) * index // parts for index in range(parts + 1)]
        found = [sum(listed[start:end]) / (end - start) for start, end in pairwise(ends)]
    else:
        found = [lengths.quantile((index + 0.5) / POINTS) for index in range(POINTS)]
    return tuple(min(max(one, 1.0), float(most)) for one in found)
