"""Time of a decode step, of a prompt, and per output token in steady state.

The equations, with B sequences on a replica of n accelerators:

    step       (t_w³ + t_c³)^(1/3) + attention + exchange + launches + host
    prompt     products + attention + elementwise kernels + exchange + launches
    per token  step + B / O · prompt

Each share of a peak is at most 1, so no time is below the roofline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import largest, log, where
from costmodel.serving.step.work import coverage

if TYPE_CHECKING:
    from costmodel.foundation.arrays import FloatLike
    from costmodel.serving.step.replica import Hardware
    from costmodel.serving.step.work import Work


class Constants(NamedTuple):
    """Constants of a stack of accelerator and engine; numbers, or arrays over rows."""

    bandwidth: FloatLike
    """Realized share of the memory bandwidth for weights [1]."""
    cache_bandwidth: FloatLike
    """Realized share of the memory bandwidth for the KV cache [1]."""
    state_bandwidth: FloatLike
    """Factor on it for recurrent states [1]."""
    mfu: FloatLike
    """Realized share of the peak of products [1]."""
    expert_mfu: FloatLike
    """Factor on it for products with experts in a decode step [1]."""
    prompt_expert_mfu: FloatLike
    """Factor on it for products with experts in a prompt [1]."""
    expert_balance: FloatLike
    """Mean over largest number of experts that an accelerator reads [1]."""
    attention_mfu: FloatLike
    """Realized share of the 16-bit peak of attention in a decode step [1]."""
    prompt_attention_mfu: FloatLike
    """Realized share of the 16-bit peak of attention in a prompt [1]."""
    element_share: FloatLike
    """Bytes that elementwise kernels of a prompt move, over those of ten unfused kernels per layer [1]."""
    link: FloatLike
    """Realized share of the link bandwidth [1]."""
    software: FloatLike
    """Factor on all overheads of the software [1]."""
    exchange: FloatLike
    """Latency of the all-reduces of a layer on two accelerators, half of it more for each doubling [s]."""
    layer: FloatLike
    """Overhead per layer of a step [s]."""
    moe_layer: FloatLike
    """Further overhead per layer with routed experts [s]."""
    quantized_layer: FloatLike
    """Further overhead per layer with weights of fewer than 16 bits [s]."""
    step: FloatLike
    """Overhead of the host per step and pipeline stage [s]."""
    sequence: FloatLike
    """Overhead of the host per sequence in a step: scheduling, sampling, detokenizing [s]."""
    prompt_layer: FloatLike
    """Overhead per layer of a prompt that interrupts decoding [s]."""


class StepTime(NamedTuple):
    """Time of a decode step by component; numbers, or arrays over batches."""

    weights: FloatLike
    """Reading weights, without overlap [s]."""
    products: FloatLike
    """Products, without overlap [s]."""
    gemm: FloatLike
    """Reading weights and products, overlapped [s]."""
    attention: FloatLike
    """Reading the KV cache, or the FLOPs of attention if they take longer, and moving recurrent states [s]."""
    exchange: FloatLike
    """Exchange between accelerators [s]."""
    launches: FloatLike
    """Fixed overhead per layer [s]."""
    host: FloatLike
    """Scheduling, sampling and detokenizing on the host [s]."""

    @property
    def total(self) -> FloatLike:
        """Time of the step [s]."""
        return self.gemm + self.attention + self.exchange + self.launches + self.host

    @property
    def software_share(self) -> FloatLike:
        """Share of the step that launches and the host take [1]."""
        return (self.launches + self.host) / self.total


def step_time(work: Work, hardware: Hardware, constants: Constants, batch: FloatLike) -> StepTime:
    """Return the time of a decode step: one output token for each of `batch` sequences, by component.

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Fitted constants.
    batch : float or NDArray
        Sequences of the replica, shape (...) [1].

    References
    ----------
    The roofline: Williams et al. 2009, "Roofline", CACM 52(4).
    """
    stage_batch = batch / work.pipeline
    experts = work.expert_bytes * coverage(work.expert_share, stage_batch) / constants.expert_balance
    weights = (work.dense_bytes + experts) / (constants.bandwidth * hardware.bandwidth)
    products = (
        batch
        * (work.dense_flops + work.expert_flops / constants.expert_mfu)
        / (work.accelerators * hardware.peak * constants.mfu)
    )
    read = batch * work.cache_bytes / (constants.cache_bandwidth * hardware.bandwidth)
    states = batch * work.state_bytes / (constants.cache_bandwidth * constants.state_bandwidth * hardware.bandwidth)
    scores = batch * work.score_flops / (constants.attention_mfu * work.accelerators * hardware.attention_peak)
    latency: FloatLike = work.layers * constants.exchange * constants.software * (1 + log(work.tensor) / log(2.0))
    sent = stage_batch * work.exchanged / (constants.link * hardware.link)
    launches = constants.software * (
        work.layers * constants.layer
        + work.moe_layers * constants.moe_layer
        + work.quantized_layers * constants.quantized_layer
    )
    host = constants.software * (constants.step * work.pipeline + constants.sequence * batch)
    return StepTime(
        weights=weights,
        products=products,
        gemm=(weights**3 + products**3) ** (1 / 3),
        attention=largest(read, scores) + states,
        exchange=where(work.tensor > 1, sent + latency, 0.0 * sent),
        launches=launches,
        host=host,
    )


def prompt_time(work: Work, hardware: Hardware, constants: Constants) -> FloatLike:
    """Return the time that the prompt of a request takes from a replica [s].

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Fitted constants.
    """
    products = (work.prompt_dense_flops + work.prompt_expert_flops / constants.prompt_expert_mfu) / (
        work.accelerators * hardware.peak * constants.mfu
    )
    scores = work.prompt_score_flops / (constants.prompt_attention_mfu * work.accelerators * hardware.attention_peak)
    elements = constants.element_share * work.prompt_element_bytes / (constants.bandwidth * hardware.bandwidth)
    sent = work.prompt_tokens * work.exchanged / (work.pipeline * constants.link * hardware.link)
    launches = work.continuous * constants.software * constants.prompt_layer * work.layers
    total: FloatLike = products + scores + elements + sent + where(work.prompt_tokens > 0, launches, 0.0 * launches)
    return total


def time_per_token(work: Work, hardware: Hardware, constants: Constants, batch: FloatLike) -> FloatLike:
    """Return the mean time per output token of a sequence in steady state, prompts included [s].

    Each finished request is replaced by a new one, whose prompt is mixed into the decode steps of the others in chunks:
    the weights are read once for both. `batch` requests over this time are the output tokens per second.

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    constants : Constants
        Fitted constants.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].
    """
    step = step_time(work, hardware, constants, batch).total
    return step + batch / work.output_tokens * prompt_time(work, hardware, constants)


def roofline(work: Work, hardware: Hardware, batch: FloatLike) -> FloatLike:
    """Return the least time per output token: all bytes at the bandwidth, or all FLOPs at the peak [s].

    Parameters
    ----------
    work : Work
        Bytes and FLOPs of the replica.
    hardware : Hardware
        Rates of one accelerator.
    batch : float or NDArray
        Concurrent requests of the replica, shape (...) [1].
    """
    experts = work.expert_bytes * coverage(work.expert_share, batch / work.pipeline)
    read = (work.dense_bytes + experts + batch * (work.cache_bytes + work.state_bytes)) / hardware.bandwidth
    rate = work.accelerators * hardware.peak
    compute = batch * (work.dense_flops + work.expert_flops + work.score_flops) / rate
    prompt = (work.prompt_dense_flops + work.prompt_expert_flops + work.prompt_score_flops) / rate
    return largest(read, compute) + batch / work.output_tokens * prompt
