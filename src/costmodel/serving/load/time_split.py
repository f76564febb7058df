"""Shares of new input, cached input and output in the time of a replica, by which its bill is divided.

A request takes O · step / B + prompt seconds of a replica. Output is billed for the first part. New input is billed for
a prompt of the new tokens alone, cached input for what the attention of new tokens to cached ones adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.serving.step.timing import prompt_time

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.load.served import Served


class TimeSplit(NamedTuple):
    """Time of a replica for one request; numbers, or arrays over batches."""

    new_input: FloatLike
    """Prompt tokens that are not cached [s]."""
    cached_input: FloatLike
    """Cached prompt tokens [s]."""
    output: FloatLike
    """Output tokens [s]."""

    @property
    def total(self) -> FloatLike:
        """Time of the request [s]."""
        return self.new_input + self.cached_input + self.output


def time_split(served: Served, batch: FloatLike) -> TimeSplit:
    """Return the time of a replica for one request, by kind of token.

    Parameters
    ----------
    served : Served
        The model on a replica.
    batch : float or NDArray
        Concurrent requests of the replica [1].

    Notes
    -----
    The room of cached tokens in the KV cache lowers the batch, and so raises the price of output.
    """
    alone = float(prompt_time(served.uncached, served.hardware, served.constants))
    new = min(alone, served.prompt)
    output = served.output_tokens * served.step(batch) / batch
    return TimeSplit(new, served.prompt - new, output)
