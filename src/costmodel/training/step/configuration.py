"""Inputs of the step-time model: hardware rates, fitted constants, and the configuration of a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N_co, Value_co, equal, where
from costmodel.training.step.layout import recomputes

if TYPE_CHECKING:
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.numerics import Numerics
    from costmodel.training.step.workload import Workload


class HardwareRates(NamedTuple, Generic[Value_co]):
    """Peaks and bandwidths of a cluster, in SI units; numbers or arrays that broadcast."""

    matmul_peak: Value_co
    """Dense peak in the precision of the matmuls [FLOP/s]."""
    peak: Value_co
    """Dense 16-bit peak [FLOP/s]."""
    memory_bandwidth: Value_co
    """Memory bandwidth of an accelerator [byte/s]."""
    link_bandwidth: Value_co
    """Bandwidth within a node (NVLink), per accelerator and direction [byte/s]."""
    network_bandwidth: Value_co
    """Bandwidth between nodes, per accelerator and direction [byte/s]."""
    host_bandwidth: Value_co
    """Bandwidth between accelerator and host memory (PCIe) [byte/s]."""
    gpus_per_node: Value_co
    """Accelerators per node [1]."""
    memory: Value_co
    """Memory of an accelerator [byte]."""
    host_memory: float | Value_co = math.inf
    """Host memory per accelerator of the job [byte]."""
    host_memory_spread: float | Value_co = 0.0
    """Standard deviation of the logarithm of the host memory [1]."""


class TimeConstants(NamedTuple, Generic[Value_co]):
    """Fitted and assumed constants of the step-time model, for one accelerator and software; numbers or arrays.

    Values and sources are in `data/fitted/efficiency.csv` and `data/fitted/finetune_efficiency.csv`.
    """

    matmul: Value_co
    """Asymptotic GEMM efficiency: rate of very large matmuls over the peak [1]."""
    matmul_traffic: Value_co
    """Memory traffic of a matmul over the minimum (operands read once, result written once) [1]."""
    attention: Value_co
    """Fused attention: rate over the 16-bit peak for long sequences and head width 128, latest kernel of the
    accelerator [1]."""
    attention_flash_2: Value_co
    """The same with FlashAttention-2 (software of 2023 to 2024) [1]."""
    attention_flash_1: Value_co
    """The same with FlashAttention-1 (software of 2022 to 2023) [1]."""
    attention_length: Value_co
    """Sequence length at which fused attention has half of that rate [token]."""
    attention_unfused: Value_co
    """Unfused attention: rate of the two batched matmuls over that of large matmuls [1]."""
    softmax_traffic: Value_co
    """Unfused attention: passes over the score matrix [1]."""
    elementwise: Value_co
    """Memory traffic of norms, activation functions and residual additions over the listed elements [1]."""
    scan: Value_co
    """State-space scan: rate over the 16-bit peak [1]."""
    quantize: Value_co
    """Memory traffic of casts to 8 and 4 bits over the operands [1]."""
    launch: Value_co
    """Host time to launch the kernels of a layer, forward and backward [s]."""
    launch_router: Value_co
    """Additional host time of an MoE layer for its router [s]."""
    launch_experts: Value_co
    """Additional host time of an MoE layer for its routed experts and their exchange [s]."""
    launch_captured: Value_co
    """Share of the host time that remains with CUDA graphs [1]."""
    launch_cast: Value_co
    """Factor on the host time of mixtures of experts for matmuls with operands below 16 bits [1]."""
    expert_wait: Value_co
    """Time that an MoE layer waits for the host to read the number of tokens of each expert [s]."""
    expert_tile: Value_co
    """Tokens by which the matmuls of an expert are padded on average: half a tile [token]."""
    expert_traffic: Value_co
    """Elementwise memory traffic of the routed experts over that of separate kernels (fused grouped MLP) [1]."""
    expert_sort: Value_co
    """Passes over the tokens of the routed experts to sort them by expert and back [1]."""
    exchange_link: Value_co
    """Realized share of the bandwidth within a node in the exchange between experts [1]."""
    exchange_network: Value_co
    """Realized share of the bandwidth between nodes in the exchange between experts [1]."""
    exchange_merged: Value_co
    """1 if a token is sent once to each node and rank of its experts, 0 if it is sent once for each expert [1]."""
    link: Value_co
    """Realized share of the bandwidth within a node in collectives [1]."""
    network: Value_co
    """Realized share of the bandwidth between nodes in collectives [1]."""
    exposed_tensor: Value_co
    """Exposed (not overlapped) share of tensor-parallel communication with overlap [1]."""
    exposed_experts: Value_co
    """Exposed share of the exchange between experts [1]."""
    exposed_context: Value_co
    """Exposed share of context-parallel communication [1]."""
    exposed_pipeline: Value_co
    """Exposed share of pipeline send/recv [1]."""
    exposed_data: Value_co
    """Slowdown of the passes by overlapped data-parallel communication, as a share of its time [1]."""
    overlap: Value_co
    """Exponent p of data-parallel overlap, (compute^p + communication^p)^(1/p): 1 no overlap, infinity full [1]."""
    latency: Value_co
    """Latency of one step of a collective [s]."""
    optimizer_traffic: Value_co
    """Memory traffic of the optimizer step over its minimum [1]."""
    fixed: Value_co
    """Fixed per-step overhead [s]."""
    software: Value_co
    """Factor on the whole step time: age of the software, or a calibrated stack [1]."""
    launch_eager: Value_co
    """Factor on `launch` for kernels launched one by one by a general-purpose trainer (eager mode) [1]."""
    launch_sharded: Value_co
    """Additional host time of a layer in eager mode with ZeRO-3 [s]."""
    launch_quantized: Value_co
    """Additional host time of a layer whose weights are dequantized by framework operations [s]."""
    adapter_traffic: Value_co
    """Memory traffic of low-rank adapters over the elements that they read and write, in eager mode [1]."""
    adapter_fused: Value_co
    """Memory traffic of fused or compiled adapters over that in eager mode [1]."""
    adapter_matmul: Value_co
    """Rate of adapter matmuls over the 16-bit peak [1]."""
    dequantize: Value_co
    """Memory traffic of dequantization by framework operations over the elements read and written [1]."""
    dequantize_fused: Value_co
    """Memory traffic of fused dequantization kernels over that of framework operations [1]."""
    loss_eager: Value_co
    """Memory traffic of the loss in eager mode over that of a fused loss [1]."""
    host_memory: Value_co
    """Host memory bandwidth of a node, used by an optimizer step on the CPU [byte/s]."""


class StepConfiguration(NamedTuple, Generic[N_co]):
    """Model, number formats, hardware, layout and constants of a step."""

    work: Workload[float | N_co]
    numerics: Numerics[float | N_co]
    hardware: HardwareRates[float | N_co]
    layout: Layouts[N_co]
    constants: TimeConstants[float | N_co]

    @property
    def sequences_per_layer(self) -> N_co:
        """Sequences of a micro-batch per rank, divided by the layers: turns a sum over layers into the mean layer."""
        return self.layout.micro_batch / self.layout.context / self.work.layers

    @property
    def full_recompute(self) -> N_co:
        """1 with full recomputation, else 0."""
        return where(equal(self.layout.recompute, 2), 1.0, 0.0)

    @property
    def experts_again(self) -> N_co:
        """1 if the routed experts are computed again for the backward pass, without all of the layer, else 0."""
        return where(equal(self.layout.recompute, 2), 0.0, recomputes(self.layout, "moe"))

    @property
    def feed_forward_again(self) -> N_co:
        """1 if the dense feed-forward block is computed again for the backward pass, else 0."""
        return where(equal(self.layout.recompute, 2), 0.0, recomputes(self.layout, "mlp"))

    @property
    def attention_again(self) -> N_co:
        """1 if core attention is computed again for the backward pass, else 0."""
        return where(equal(self.layout.recompute, 2), 0.0, recomputes(self.layout, "core_attn"))

    @property
    def has_backward(self) -> float | N_co:
        """1 if there is a backward pass, else 0."""
        return where(self.numerics.backward > 0, 1.0, 0.0)
