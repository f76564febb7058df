"""Requests that a model serves: lengths as numbers or as distributions over requests."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.ranges import Range, Samples
from costmodel.serving.step.work import Work, Workload, work_of

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.serving.step.formats import Format
    from costmodel.serving.step.replica import Replica

VARIABILITY = 1.0
"""Squared coefficient of variation of output lengths whose distribution is not given [1]: that of an exponential
distribution, as published traces of chats have about (BurstGPT, arXiv 2401.17644)."""
_PROMPTS = 8
"""Prompt lengths that stand for a distribution: the middles of as many equally likely parts."""
_QUANTILES = 1000
"""Quantiles from which the moments of a distribution are computed."""


class Requests(NamedTuple):
    """Lengths of requests."""

    input_tokens: float
    """Mean tokens of a prompt, cached ones included [token]."""
    output_tokens: float
    """Mean output tokens [token]."""
    cached_share: float
    """Share of the prompt that is in the prefix cache [1]."""
    prompts: tuple[float, ...]
    """Equally likely tokens of a prompt [token]."""
    decoded: float
    """Mean output tokens of a request that is being decoded: long answers are decoded longer [token]."""
    variability: float
    """Squared coefficient of variation of the output tokens [1]."""

    @property
    def new_tokens(self) -> float:
        """Mean tokens of a prompt that are not cached [token]."""
        return self.input_tokens * (1 - self.cached_share)

    @property
    def cached_tokens(self) -> float:
        """Mean tokens of a prompt that are cached [token]."""
        return self.input_tokens * self.cached_share


def requests_of(input_tokens: float | Range, output_tokens: float | Range, cached_share: float = 0.0) -> Requests:
    """Return requests of given lengths.

    Parameters
    ----------
    input_tokens : float or Range
        Tokens of a prompt: their mean, or their distribution over requests [token].
    output_tokens : float or Range
        Output tokens of a request: their mean, or their distribution over requests [token].
    cached_share : float
        Share of the prompt that is in the prefix cache [1].

    Examples
    --------
    >>> import costmodel as cm
    >>> requests_of(1000, cm.samples([100, 300])).decoded
    250.0
    """
    prompts = _values(input_tokens, _PROMPTS)
    outputs = _values(output_tokens, _QUANTILES)
    mean = math.fsum(outputs) / len(outputs)
    second = math.fsum(value**2 for value in outputs) / len(outputs)
    given = isinstance(output_tokens, Range)
    return Requests(
        input_tokens=math.fsum(prompts) / len(prompts),
        output_tokens=mean,
        cached_share=cached_share,
        prompts=prompts,
        decoded=second / mean if given else mean,
        variability=max(second / mean**2 - 1, 0.0) if given else VARIABILITY,
    )


@lru_cache(maxsize=1024)
def mean_work(
    architecture: Architecture, stored: Format, cache_precision: str, replica: Replica, requests: Requests
) -> Work:
    """Return the mean bytes and FLOPs of a replica over its requests.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    stored : Format
        Storage format of the weights.
    cache_precision : str
        Precision of the KV cache.
    replica : Replica
        Layout of the replica.
    requests : Requests
        Lengths of the requests.
    """
    works = [
        work_of(
            architecture, stored, cache_precision, replica, Workload(prompt, requests.decoded, requests.cached_share)
        )
        for prompt in requests.prompts
    ]
    means = (sum(values) / len(works) for values in zip(*works, strict=True))
    return Work(*means)._replace(output_tokens=requests.output_tokens)


def _values(length: float | Range, parts: int) -> tuple[float, ...]:
    """Return the length, or the middles of equally likely parts of its distribution; samples are taken as they are."""
    if not isinstance(length, Range):
        return (float(length),)
    if isinstance(length, Samples) and len(length.values) <= parts:
        return length.values
    return tuple(length.quantile((index + 0.5) / parts) for index in range(parts))
