"""Communication time of a training step: tensor, context, expert and data parallelism, pipeline send/recv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.arrays import N, equal, largest, rounded_up, smallest, where
from costmodel.training.step.memory import layers_of_largest_stage, sharded_from, stage_parameters

if TYPE_CHECKING:
    from costmodel.training.step.configuration import HardwareRates, StepConfiguration, TimeConstants


def bandwidth(
    hardware: HardwareRates[float | N], constants: TimeConstants[float | N], stride: float | N, size: float | N
) -> float | N:
    """Return the realized bandwidth per rank of a collective [byte/s], from the placement of its group.

    Within a node it is that of the link. Between nodes, the network adapters of all members in a node work together;
    the result is at most the link bandwidth.

    Parameters
    ----------
    hardware : HardwareRates
    constants : TimeConstants
    stride : float or ndarray
        Distance between neighboring ranks of the group [1].
    size : float or ndarray
        Ranks of the group [1].
    """
    inside = hardware.link_bandwidth * constants.link
    members_per_node = largest(smallest(size, hardware.gpus_per_node / stride), 1.0)
    across = smallest(inside, hardware.network_bandwidth * constants.network * members_per_node)
    return where(stride * size <= hardware.gpus_per_node, inside, across)


def tensor_parallel(step: StepConfiguration[N]) -> N:
    """Return the exposed tensor-parallel communication of a micro-batch in the mean layer [s].

    One all-reduce (or reduce-scatter and all-gather) of the hidden state per block, forward and backward.

    References
    ----------
    Shoeybi et al. 2019, section 3 (arXiv 1909.08053); Korthikanti et al. 2022, section 4.2.2 (arXiv 2205.05198).
    """
    work, layout, constants = step.work, step.layout, step.constants
    ranks = layout.tensor
    rate = bandwidth(step.hardware, constants, 1.0, ranks)
    all_reduces = work.all_reduced / (work.width * work.sequence_length)  # of all layers
    transfer = 2 * (ranks - 1) / ranks * 2 * step.sequences_per_layer * work.all_reduced / rate
    latency = 2 * (ranks - 1) * constants.latency * all_reduces / work.layers
    exposed = where(layout.overlap_tensor > 0, constants.exposed_tensor, 1.0)
    return where(ranks > 1, 2 * (1 + step.full_recompute / 2) * exposed * (transfer + latency), 0.0)


def context_parallel(step: StepConfiguration[N]) -> N:
    """Return the exposed context-parallel communication of a micro-batch in the mean layer [s].

    Keys and values circulate once in the forward pass and twice in the backward pass.

    References
    ----------
    Liu et al. 2023, "Ring Attention" (arXiv 2310.01889).
    """
    work, layout = step.work, step.layout
    rate = bandwidth(step.hardware, step.constants, layout.tensor, layout.context)
    elements = (
        (layout.context - 1) * step.sequences_per_layer * work.key_values / smallest(layout.tensor, work.key_heads)
    )
    return where(layout.context > 1, step.constants.exposed_context * 3 * 2 * elements / rate, 0.0)


def expert_parallel(step: StepConfiguration[N]) -> N:
    """Return the exposed exchange of a micro-batch in the mean layer [s]: dispatch and combine, forward and backward.

    An all-to-all sends one copy of a token for each of its experts, first within the node, then between nodes. A merged
    exchange sends one copy to each node and one to each rank of its experts, and both tiers overlap.

    References
    ----------
    Lepikhin et al. 2020, "GShard", section 3.2 (arXiv 2006.16668); DeepSeek-AI 2024, "DeepSeek-V3", section 3.2.2
    (arXiv 2412.19437): one copy per node, and tokens that go to a limited number of nodes.
    """
    work, layout, hardware, constants = step.work, step.layout, step.hardware, step.constants
    ranks, inner, choices = layout.expert, layout.expert_tensor, work.top_k
    nodes = rounded_up(ranks * inner / hardware.gpus_per_node)
    ranks_of_node = ranks / nodes
    token_bytes = 2 * step.sequences_per_layer * work.routed / choices / layout.tensor
    link = hardware.link_bandwidth * constants.exchange_link
    network = hardware.network_bandwidth * constants.exchange_network

    between_nodes = choices * (1 - 1 / nodes)
    all_to_all = (choices * (1 - 1 / ranks) - between_nodes) / link + between_nodes / network
    reachable = work.top_groups * largest(nodes / work.expert_groups, 1.0)
    to_nodes = smallest(_places(nodes, choices), reachable) * (1 - 1 / nodes)
    to_ranks = _places(ranks, choices) * (1 - 1 / ranks_of_node)
    merged = largest(to_ranks / link, to_nodes / network)
    seconds_per_byte = where(constants.exchange_merged > 0, merged, all_to_all)
    exchanges = 2 * (1 + step.has_backward + step.full_recompute + step.experts_again)
    exchange = constants.exposed_experts * exchanges * token_bytes * seconds_per_byte
    gather = exchanges * choices * token_bytes * (inner - 1) / bandwidth(hardware, constants, 1.0, inner)
    return where(ranks > 1, exchange, 0.0) + gather


def _places(places: N, choices: float | N) -> N:
    """Return the expected number of distinct places that random choices of a place hit [1]."""
    missed: N = (1 - 1 / places) ** choices
    return places * (1 - missed)


def pipeline_send_recv(step: StepConfiguration[N]) -> N:
    """Return the exposed pipeline send/recv of one micro-batch: activations forward, gradients backward [s].

    All stages send at the same time, so the slowest link decides: that of the network, unless all stages of a pipeline
    are in one node. The adapter of an accelerator serves that accelerator only.

    References
    ----------
    Narayanan et al. 2021, section 2.2 (arXiv 2104.04473): interleaving multiplies the volume by the chunks.
    """
    work, layout, constants = step.work, step.layout, step.constants
    hidden_shards = where(layout.sequence_parallel > 0, layout.tensor, 1.0)
    sent = 2 * layout.micro_batch / layout.context * work.sequence_length * work.width / hidden_shards
    inside = step.hardware.link_bandwidth * constants.link
    across = smallest(inside, step.hardware.network_bandwidth * constants.network)
    rate = where(layout.accelerators <= step.hardware.gpus_per_node, inside, across)
    return constants.exposed_pipeline * 2 * layout.interleave * (sent / rate + constants.latency)


def host_transfer(step: StepConfiguration[N], compute: N) -> N:
    """Return the exposed transfers between host memory and accelerator for a micro-batch [s].

    Offloaded weights are copied to the accelerator in each pass through the layers, and their gradients back. Offloaded
    layer inputs are copied to the host and back. The transfers overlap with `compute`, the time of a micro-batch [s].

    References
    ----------
    Rajbhandari et al. 2021, "ZeRO-Infinity", section 4 (arXiv 2104.07857).
    """
    work, numerics, layout = step.work, step.numerics, step.layout
    stage = stage_parameters(work, layout)
    weight_layers, weight_embeddings = sharded_from(3, stage, layout)
    gradient_layers, gradient_embeddings = sharded_from(2, stage, layout)
    trained = numerics.trained * gradient_layers + numerics.embedding_trained * gradient_embeddings
    passes = 1 + step.has_backward
    weights = passes * (numerics.weight * weight_layers + numerics.embedding_weight * weight_embeddings)
    weights = layout.offload_weights * (weights + numerics.gradient * trained)
    hidden_shards = where(layout.sequence_parallel > 0, layout.tensor, 1.0)
    inputs = 2 * layout.micro_batch / layout.context * work.sequence_length * work.width / hidden_shards
    inputs = 2 * layout.offload_activations * step.full_recompute * inputs * layers_of_largest_stage(work, layout)
    seconds = (weights + inputs) / step.hardware.host_bandwidth
    power = step.constants.overlap
    exposed: N = (compute**power + seconds**power) ** (1 / power) - compute
    return exposed


def data_parallel(step: StepConfiguration[N], compute: N, micro_batches: N) -> N:
    """Return the exposed data-parallel communication of a step [s].

    ZeRO-3 gathers the weights twice and reduce-scatters the gradients for every micro-batch; with pipeline stages once
    per step. ZeRO-2 reduce-scatters the gradients for every micro-batch. `compute` is the time of a micro-batch on the
    slowest stage [s].

    References
    ----------
    Rajbhandari et al. 2020, "ZeRO", section 7 (arXiv 1910.02054).
    """
    work, numerics, layout, constants = step.work, step.numerics, step.layout, step.constants
    stage = stage_parameters(work, layout)
    ranks = layout.data * layout.context
    expert_ranks = ranks * layout.tensor / (layout.expert * layout.expert_tensor)
    stride, stages, shard = layout.tensor, layout.pipeline, layout.shard
    rate = bandwidth(step.hardware, constants, stride, shard)
    replica_rate = bandwidth(step.hardware, constants, stride * shard, ranks / shard)
    expert_rate = bandwidth(step.hardware, constants, layout.expert * layout.expert_tensor, expert_ranks)
    trained = numerics.trained * stage.dense + numerics.embedding_trained * stage.embeddings + stage.adapters
    gradient = smallest(numerics.gradient, 4.0)
    nodes = shard / largest(smallest(shard, step.hardware.gpus_per_node / stride), 1.0)
    latency = constants.latency * 3 * nodes * work.layers / stages

    def collective(weight_bytes: float | N, gradient_bytes: float | N) -> N:
        dense = weight_bytes * (stage.dense + stage.embeddings) + gradient_bytes * trained
        expert = (weight_bytes + gradient_bytes * numerics.trained) * stage.expert
        return dense * _ring(shard) / rate + expert * _ring(expert_ranks) / expert_rate

    once_per_step = (layout.zero >= 3) & (stages > 1)
    gathers = 1 + step.has_backward
    zero_3 = collective(gathers * numerics.weight, gradient) + latency
    zero_2 = where(equal(layout.zero, 2), collective(0.0, gradient), 0.0)
    per_micro_batch = where(layout.zero >= 3, where(once_per_step, 0.0, zero_3), zero_2)
    reduce_and_gather = where(equal(layout.zero, 2), 0.0, gradient) + numerics.weight
    all_reduce = collective(0.0, where(layout.zero >= 1, reduce_and_gather, 2 * gradient))
    at_end = where(layout.zero >= 3, where(once_per_step, zero_3, 0.0), all_reduce)
    at_end = at_end + 2 * gradient * trained / shard * _ring(ranks / shard) / replica_rate

    power = constants.overlap
    compute_power = compute**power

    def exposed(communication: N) -> N:
        excess = (compute_power + communication**power) ** (1 / power) - compute
        return where(layout.overlap_data > 0, excess + constants.exposed_data * communication, communication)

    seconds = (micro_batches - 1) * exposed(per_micro_batch) + exposed(per_micro_batch + at_end)
    return where(ranks > 1, seconds, 0.0)


def _ring(ranks: N) -> N:
    """Return the share of the data that each rank sends in a ring all-gather or reduce-scatter [1]."""
    return (ranks - 1) / ranks
