"""Power of the accelerators of a replica, from how busy their memory and their products are.

    power / TDP = min(1, (idle + memory · u_m^exponent + compute · √u_c) · generation)

u_m and u_c are the bytes and the FLOPs of a step over what bandwidth and peak allow in its time. The power of the
server and of cooling comes on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import smallest, sqrt
from costmodel.serving.step.work import coverage

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.step.replica import Hardware
    from costmodel.serving.step.work import Work


class PowerConstants(NamedTuple):
    """Constants of the power of accelerators; numbers, or arrays over rows."""

    idle: FloatLike
    """Power over TDP of an accelerator that holds a model and waits [1]."""
    memory: FloatLike
    """Further power over TDP if the memory is busy all the time [1]."""
    exponent: FloatLike
    """Exponent of the utilization of the memory [1]."""
    compute: FloatLike
    """Further power over TDP if the products run at their peak [1]."""
    generation: FloatLike
    """Factor of the generation of accelerators [1]."""


def power_share(
    work: Work, hardware: Hardware, power: PowerConstants, batch: FloatLike, seconds: FloatLike
) -> FloatLike:
    """Return the mean power of the accelerators over their TDP [1].

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    power : PowerConstants
        Fitted constants.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].
    seconds : float or NDArray
        Time per output token of a request, prompts included [s].
    """
    experts = work.expert_bytes * coverage(work.expert_share, batch / work.pipeline)
    read = work.dense_bytes + experts + batch * (work.cache_bytes + work.state_bytes)
    per_prompt = work.prompt_dense_flops + work.prompt_expert_flops + work.prompt_score_flops
    flops = batch * (work.dense_flops + work.expert_flops + work.score_flops + per_prompt / work.output_tokens)
    memory = smallest(read / (hardware.bandwidth * seconds), 1.0 + 0.0 * seconds)
    compute = flops / (work.accelerators * hardware.peak * seconds)
    share = power.idle + power.memory * memory**power.exponent + power.compute * sqrt(compute)
    return smallest(power.generation * share, 1.0 + 0.0 * seconds)
