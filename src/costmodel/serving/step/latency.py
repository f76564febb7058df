"""Time to the first token of a request, and between its output tokens.

The equations, with B requests at a time, without a queue:

    TTFT  a · prompt · (1 + q (B - 1)) + (c · layers + d · step) · engine
    TPOT  time per token in steady state - TTFT / output tokens

A prompt waits for the steps that run and for prompts that came before; with an engine that schedules slowly, longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import largest
from costmodel.serving.step.timing import prompt_time, step_time, time_per_token

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.step.replica import Hardware
    from costmodel.serving.step.timing import Constants
    from costmodel.serving.step.work import Work


class LatencyConstants(NamedTuple):
    """Constants of the time to the first token; numbers, or arrays over rows."""

    prompts: FloatLike
    """Prompt times that a request waits for, its own included [1]."""
    queue: FloatLike
    """Further prompt times per other request, relative to `prompts` [1]."""
    layer: FloatLike
    """Overhead per layer [s]."""
    step: FloatLike
    """Decode steps that a request waits for [1]."""
    engine: FloatLike
    """Factor of the engine on overhead and steps [1]."""


def time_to_first_token(
    work: Work, hardware: Hardware, constants: Constants, latency: LatencyConstants, batch: FloatLike
) -> FloatLike:
    """Return the mean time to the first token of a request that finds `batch` - 1 others, without a queue [s].

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Constants of steps and prompts.
    latency : LatencyConstants
        Constants of the first token.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].
    """
    others = largest(batch - 1.0, 0.0 * batch)
    prompts = latency.prompts * prompt_time(work, hardware, constants) * (1 + latency.queue * others)
    waits = latency.layer * work.layers + latency.step * step_time(work, hardware, constants, batch).total
    return prompts + latency.engine * waits


def time_per_output_token(
    work: Work, hardware: Hardware, constants: Constants, latency: LatencyConstants, batch: FloatLike
) -> FloatLike:
    """Return the mean time between two output tokens after the first, TPOT [s].

    It is never below the time of a decode step without prompts.

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Constants of steps and prompts.
    latency : LatencyConstants
        Constants of the first token.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].
    """
    whole = time_per_token(work, hardware, constants, batch)
    first = time_to_first_token(work, hardware, constants, latency, batch)
    return largest(whole - first / work.output_tokens, step_time(work, hardware, constants, batch).total)
