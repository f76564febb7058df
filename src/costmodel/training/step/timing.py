"""Time of a training step, by component: roofline, kernel launches, communication and the pipeline bubble.

`step_breakdown` is the entry point. All functions are pure and take numbers or arrays that broadcast. MFU follows
from the step time in `costmodel.training.layouts.step_time`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple

from costmodel.foundation.arrays import N, N_co, equal, largest, rounded_up, smallest, where
from costmodel.foundation.tables import constant
from costmodel.training.step.communication import (
    context_parallel,
    data_parallel,
    expert_parallel,
    host_transfer,
    pipeline_send_recv,
    tensor_parallel,
)
from costmodel.training.step.configuration import StepConfiguration
from costmodel.training.step.layout import accumulation
from costmodel.training.step.memory import (
    optimizer_state_bytes,
    sharded_from,
    stage_parameters,
)

if TYPE_CHECKING:
    from costmodel.training.step.configuration import HardwareRates, TimeConstants
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.numerics import Numerics
    from costmodel.training.step.workload import Workload


class Breakdown(NamedTuple, Generic[N_co]):
    """Time of a step by component [s]; each has the broadcast shape. The components add up to the step time."""

    matmul: N_co
    attention: N_co
    """Core attention and state-space scans."""
    elementwise: N_co
    """Norms, activation functions, residual additions, casts to 8 and 4 bits."""
    launch: N_co
    """Waiting for the host to launch kernels."""
    adapters: N_co
    """Low-rank adapters."""
    dequantize: N_co
    """Dequantization of frozen weights."""
    head: N_co
    """LM head and loss."""
    tensor_parallel: N_co
    """Exposed tensor-parallel communication."""
    context_parallel: N_co
    """Exposed context-parallel communication."""
    expert_parallel: N_co
    """Exposed all-to-all between experts."""
    pipeline_send_recv: N_co
    """Exposed pipeline send/recv."""
    pipeline_bubble: N_co
    """Idle time of the pipeline schedule."""
    data_parallel: N_co
    """Exposed data-parallel communication."""
    host_transfer: N_co
    """Exposed transfers of offloaded weights, gradients and layer inputs."""
    optimizer: N_co
    """Optimizer step."""
    fixed_overhead: N_co
    """Fixed per-step overhead."""

    @property
    def total(self) -> N_co:
        """Step time [s]."""
        return sum(self[1:], self[0])


SELECTIVE_RECOMPUTED_SHARE = constant("selective_recomputed_share")
"""Share of the forward matmuls that selective recomputation repeats with fused attention [1]. Frameworks repeat
between none (only norms and activation functions) and one half."""
_LAUNCH_EXPONENT = constant("launch_exponent")
"""Exponent p of (device^p + host^p)^(1/p), the time of a layer from its kernel time and its launch time [1]."""
_ATTENTION_BACKWARD = constant("attention_backward")
"""FLOPs of the backward pass of fused attention, divided by those of the forward pass [1]."""
_OPTIMIZER_PASSES = constant("optimizer_passes")
"""Times that an optimizer step moves the bytes of states, gradients and weights [1]."""
_HEAD_WIDTH_EXPONENT = constant("head_width_exponent")
"""Exponent with which the rate of fused attention grows with the head width [1]."""


def step_breakdown(
    work: Workload[float | N],
    numerics: Numerics[float | N],
    hardware: HardwareRates[float | N],
    batch_size: float | N,
    layout: Layouts[N],
    constants: TimeConstants[float | N],
) -> Breakdown[N]:
    """Return the time of a training step, by component.

    With m micro-batches, p stages, v chunks per stage and time t per micro-batch on the slowest stage, the step takes
    t (m + (p - 1) / v), plus exposed data-parallel communication, optimizer step and fixed overhead.

    Parameters
    ----------
    work : Workload
    numerics : Numerics
    hardware : HardwareRates
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts
        Each field of shape (...).
    constants : TimeConstants

    Returns
    -------
    Breakdown
        Each component [s], of the broadcast shape.

    References
    ----------
    Narayanan et al. 2021, section 2 (arXiv 2104.04473); Williams et al. 2009, "Roofline"
    (doi 10.1145/1498765.1498785).
    """
    step = StepConfiguration(work, numerics, hardware, layout, constants)
    stages, chunks = layout.pipeline, layout.interleave
    micro_batches = accumulation(batch_size, layout)
    layer = _layer(step)
    layer_time = sum(layer.values())
    head = _head(step)
    layers_of_slowest, head_share = _slowest_stage(step, layer_time, head)
    slowest_stage = layers_of_slowest * layer_time + head_share * head
    send_recv = where(stages > 1, pipeline_send_recv(step), 0.0)
    layer_passes = micro_batches * layers_of_slowest
    head_time = head_share * head
    bubble = (stages - 1) / chunks * (rounded_up(work.layers / stages) * layer_time + send_recv)
    data = data_parallel(step, slowest_stage + send_recv, micro_batches)
    scale = constants.software
    passes = scale * layer_passes
    per_layer = {name: passes * seconds for name, seconds in layer.items()}
    return Breakdown(
        **per_layer,
        head=scale * micro_batches * head_time,
        pipeline_send_recv=scale * micro_batches * send_recv,
        pipeline_bubble=scale * bubble,
        data_parallel=scale * data,
        host_transfer=scale * micro_batches * host_transfer(step, slowest_stage + send_recv + data / micro_batches),
        optimizer=scale * _optimizer(step),
        fixed_overhead=scale * constants.fixed + 0 * slowest_stage,
    )


def _slowest_stage(step: StepConfiguration[N], layer_time: N, head: N) -> tuple[N, N]:
    """Return the layers of the slowest pipeline stage, and the share of the LM head that is on it (0 or 1) [1].

    The last stage has the head and the layers of multi-token prediction, so it gets the fewest layers. Recipes of
    mixtures of experts place the layers one by one: the last stage gets as many as make the slowest stage fastest.
    """
    work, stages = step.work, step.layout.pipeline
    most = rounded_up(work.layers / stages)
    layers, share = _stage(step, most, work.layers // stages, layer_time, head)
    for more in range(3):
        on_last = largest(work.layers - (most + more) * (stages - 1), 0.0)
        placed, placed_share = _stage(step, most + more, on_last, layer_time, head)
        faster = placed * layer_time + placed_share * head < layers * layer_time + share * head
        faster = faster & (stages > 1) & (work.expert_layers > 0)
        layers, share = where(faster, placed, layers), where(faster, placed_share, share)
    return layers, share


def _stage(step: StepConfiguration[N], most: N, on_last: N, layer_time: N, head: N) -> tuple[N, N]:
    """Return the same for at most `most` layers on a stage, and `on_last` on the last one."""
    on_last = on_last + step.work.prediction_share
    last_is_slowest = on_last * layer_time + head >= most * layer_time
    return where(last_is_slowest, on_last, most), where(last_is_slowest, 1.0, 0.0)


def _layer(step: StepConfiguration[N]) -> dict[str, N]:
    """Return the time of one micro-batch in the mean layer, by component of `Breakdown` [s].

    It is the time of forward, backward and recomputation.
    """
    work, numerics, layout, constants = step.work, step.numerics, step.layout, step.constants
    selective = where(equal(layout.recompute, 1) & (layout.attention > 0), SELECTIVE_RECOMPUTED_SHARE, 0.0)
    forward_equivalents = 1 + numerics.backward + where(equal(layout.recompute, 2), 1.0, selective)
    dense_forward, dense_elements = _dense_matmul(step)
    expert_forward, expert_elements = _expert_matmul(step)
    matmul_forward, elements = dense_forward + expert_forward, dense_elements + expert_elements
    feed_forward_again = where(layout.tiled_feed_forward + step.feed_forward_again > 0, 1.0, 0.0)
    again = feed_forward_again * work.feed_forward_flops / largest(_matmul_flops(work), 1.0)
    matmul = (forward_equivalents + again) * matmul_forward + step.experts_again * expert_forward
    attention = _attention(step, forward_equivalents)
    elementwise_passes = 1 + numerics.backward + where(layout.recompute > 0, 1.0, 0.0)
    cast = 3 * 2 * constants.quantize * elements / step.hardware.memory_bandwidth
    elementwise = elementwise_passes * _elementwise(step) + where(numerics.operand < 2, cast, 0.0)
    adapters = (3 + step.full_recompute) * _adapters(step)
    dequantize = (2 + step.full_recompute) * _dequantize(step)
    device = matmul + attention + elementwise + adapters + dequantize
    host = forward_equivalents / 3 * constants.launch * where(layout.eager > 0, constants.launch_eager, 1.0)
    host = host + where((layout.eager > 0) & (layout.zero >= 3), constants.launch_sharded, 0.0)
    host = host + where(numerics.quantized > 1, constants.launch_quantized, 0.0)
    expert_layers = work.expert_layers / work.layers
    host = host + (constants.launch_router + constants.launch_experts) * expert_layers
    host = host * constants.launch_captured
    host = host * where((numerics.operand < 2) & (expert_layers > 0), constants.launch_cast, 1.0)
    exchange = expert_parallel(step)
    busy = device + exchange
    kernels_and_launch = (busy**_LAUNCH_EXPONENT + host**_LAUNCH_EXPONENT) ** (1 / _LAUNCH_EXPONENT)
    return {
        "matmul": matmul,
        "attention": attention,
        "elementwise": elementwise,
        "launch": kernels_and_launch - busy + constants.expert_wait * expert_layers,
        "adapters": adapters,
        "dequantize": dequantize,
        "tensor_parallel": tensor_parallel(step),
        "context_parallel": context_parallel(step),
        "expert_parallel": exchange,
    }


def _matmul_flops(work: Workload[float | N]) -> float | N:
    """Return the forward FLOPs of the matmuls of all layers [FLOP]."""
    return work.dense.flops + work.grouped.flops + work.replicated.flops + work.expert.flops


def _dense_matmul(step: StepConfiguration[N]) -> tuple[N, N]:
    """Return the forward time of the matmuls of the mean layer without routed experts [s], and their elements [1].

    The time is FLOPs over the asymptotic rate plus memory traffic over the bandwidth. The second term is the loss of
    small matmuls.
    """
    work, numerics, layout, constants = step.work, step.numerics, step.layout, step.constants
    tensor = layout.tensor
    sequences, per_layer = step.sequences_per_layer, 1 / work.layers
    dense = ((work.dense, tensor), (work.grouped, smallest(tensor, work.key_heads)), (work.replicated, 1.0))
    flops = sequences * sum(group.flops / ranks for group, ranks in dense)
    read = sequences * sum(group.read + group.read_sharded / ranks for group, ranks in dense)
    read = read + per_layer * sum(group.weights / ranks for group, ranks in dense)
    written = sequences * sum(group.written + group.written_sharded / ranks for group, ranks in dense)
    rate = step.hardware.matmul_peak * constants.matmul
    traffic = constants.matmul_traffic / step.hardware.memory_bandwidth
    return flops / rate + traffic * (numerics.operand * read + 2 * written), read + written


def _expert_matmul(step: StepConfiguration[N]) -> tuple[N, N]:
    """Return the forward time of the matmuls of the routed experts of the mean layer [s], and their elements [1].

    All ranks share the tokens; only expert-parallel ranks share the weights. Half a tile of tokens is padded for each
    expert. A fused grouped MLP reads and writes fewer elements outside of the matmuls.
    """
    work, numerics, layout, constants = step.work, step.numerics, step.layout, step.constants
    sequences, tensor, expert = step.sequences_per_layer, layout.tensor, work.expert
    expert_read = sequences * (expert.read + expert.read_sharded) / tensor
    expert_read = expert_read + 1 / work.layers * expert.weights / (layout.expert * layout.expert_tensor)
    expert_written = sequences * (expert.written + expert.written_sharded) / tensor
    rate = step.hardware.matmul_peak * constants.matmul
    traffic = constants.matmul_traffic / step.hardware.memory_bandwidth
    expert_traffic = traffic * (numerics.operand * expert_read + 2 * expert_written)
    tokens_per_expert = sequences * work.layers * work.sequence_length * work.top_k / work.experts
    tokens_per_expert = tokens_per_expert * layout.expert / where(layout.expert_tensor > 1, 1.0, tensor)
    padding = 1 + constants.expert_tile / largest(tokens_per_expert, 1.0)
    expert_time = padding * sequences * expert.flops / tensor / rate + expert_traffic
    return expert_time, constants.expert_traffic * (expert_read + expert_written)


def _attention(step: StepConfiguration[N], forward_equivalents: N) -> N:
    """Return the time of core attention and scans in the mean layer: forward, backward and recomputation [s].

    The rate is a share of the 16-bit peak. The fused backward pass recomputes the scores: forward and backward are
    3.5 forward passes.

    References
    ----------
    Dao 2023, "FlashAttention-2", section 4.1 (arXiv 2307.08691).
    """
    work, layout, hardware, constants = step.work, step.layout, step.hardware, step.constants
    kernel = where(equal(layout.attention, 2), constants.attention_flash_2, constants.attention)
    kernel = where(equal(layout.attention, 1), constants.attention_flash_1, kernel)
    rate = hardware.peak * kernel * (work.head_width / 128.0) ** _HEAD_WIDTH_EXPONENT
    rate = rate * work.sequence_length / (work.sequence_length + constants.attention_length)
    again = step.full_recompute + step.attention_again
    fused = (1 + _ATTENTION_BACKWARD * step.has_backward + again) * work.attention_flops / rate
    matmuls = 2 * work.attention_flops / (constants.attention_unfused * hardware.peak * constants.matmul)
    softmax = constants.softmax_traffic * 2 * work.scores / hardware.memory_bandwidth
    unfused = (1 + 2 * step.has_backward + where(layout.recompute > 0, 1.0, 0.0)) * (matmuls + softmax)
    scan = forward_equivalents * work.scan_flops / (hardware.peak * constants.scan)
    return step.sequences_per_layer / layout.tensor * (where(layout.attention > 0, fused, unfused) + scan)


def _adapters(step: StepConfiguration[N]) -> N:
    """Return the forward time of low-rank adapters in the mean layer [s]; memory traffic dominates.

    An engine that shards gradients or weights (DeepSpeed, FSDP) casts the adapters to 16 bits.
    """
    adapter, constants, hardware = step.work.adapter, step.constants, step.hardware
    sequences = step.sequences_per_layer / step.layout.tensor
    traffic = constants.adapter_traffic * where(step.layout.eager > 0, 1.0, constants.adapter_fused)
    operand = where(step.layout.zero >= 2, smallest(step.numerics.adapter_operand, 2.0), step.numerics.adapter_operand)
    moved = operand * sequences * (adapter.read + adapter.written)
    flops = sequences * adapter.flops
    return traffic * moved / hardware.memory_bandwidth + flops / (constants.adapter_matmul * hardware.peak)


def _dequantize(step: StepConfiguration[N]) -> N:
    """Return the time to dequantize the weights of the mean layer to 16 bits once [s]."""
    work, numerics, layout, constants = step.work, step.numerics, step.layout, step.constants
    experts = work.expert.weights / (layout.expert * layout.expert_tensor)
    weights = (work.dense.weights + work.grouped.weights) / layout.tensor + work.replicated.weights + experts
    traffic = constants.dequantize * where(numerics.quantized > 1, 1.0, constants.dequantize_fused)
    moved = traffic * (numerics.weight + numerics.operand) * weights / work.layers
    return where(numerics.quantized > 0, 1.0, 0.0) * moved / step.hardware.memory_bandwidth


def _elementwise(step: StepConfiguration[N]) -> N:
    """Return the forward time of norms, activation functions, residuals and MoE permutation in the mean layer [s]."""
    work, layout = step.work, step.layout
    tensor = layout.tensor
    constants = step.constants
    activations = 2 * (work.expert.read_sharded + work.expert.written_sharded)
    elements = (
        4 * work.residual / where(layout.sequence_parallel > 0, tensor, 1.0)
        + 2 * (work.dense.read_sharded + work.dense.written_sharded) / tensor
        + 2 * work.grouped.written_sharded / smallest(tensor, work.key_heads)
        + constants.expert_traffic * (4 * constants.expert_sort * work.routed + activations) / tensor
    )
    moved = step.constants.elementwise * 2 * step.sequences_per_layer * elements
    return moved / step.hardware.memory_bandwidth


def _head(step: StepConfiguration[N]) -> N:
    """Return the time of LM head and loss for one micro-batch, forward and backward [s]."""
    work, numerics, layout = step.work, step.numerics, step.layout
    sequences = layout.micro_batch / layout.context / layout.tensor
    forward_equivalents = 1 + where(numerics.backward > 0, 1 + numerics.embedding_trained, 0.0)
    flops = forward_equivalents * sequences * work.head.flops
    matmul = flops / (step.hardware.peak * step.constants.matmul)
    logits = sequences * work.head.written_sharded * where(work.head.flops > 0, 1.0, 0.0)
    loss = (1 + 2 * step.has_backward) * 4 * logits / step.hardware.memory_bandwidth
    return matmul + loss * where(layout.eager > 0, step.constants.loss_eager, 1.0)


def _optimizer(step: StepConfiguration[N]) -> N:
    """Return the time of the optimizer step [s]: it reads states and gradients, and writes states and weights."""
    work, numerics, layout, hardware = step.work, step.numerics, step.layout, step.hardware
    stage = stage_parameters(work, layout)
    layers, embeddings = sharded_from(1, stage, layout)
    trained = numerics.trained * layers + numerics.embedding_trained * embeddings
    gradients_and_weights = (numerics.gradient + numerics.weight) * trained
    adapters = numerics.adapter * stage.adapters / where(layout.zero >= 1, layout.shard, 1.0)
    moved = _OPTIMIZER_PASSES * (
        optimizer_state_bytes(work, numerics, stage, layout) + gradients_and_weights + adapters
    )
    on_host = moved / (step.constants.host_memory / hardware.gpus_per_node)
    on_host = on_host + gradients_and_weights / hardware.host_bandwidth
    on_accelerator = step.constants.optimizer_traffic * moved / hardware.memory_bandwidth
    return where(layout.offload_optimizer > 0, on_host, on_accelerator)
