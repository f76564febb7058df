"""How long is a step? Roofline, overheads, communication, bubble: pure functions of numbers or arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.arrays import largest, smallest, where
from costmodel.training.step.memory import heaviest_layers, over_ranks, stage_parameters, state_bytes

if TYPE_CHECKING:
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.numerics import Numerics
    from costmodel.training.step.workload import Workload


class Machine(NamedTuple):
    """What the time of a step needs to know of a cluster; SI, numbers or arrays that broadcast.

    `matmul_peak` of the precision of the products, `peak` of 16-bit numbers [FLOP/s]; `bandwidth` of the
    device's memory, `link` within and `network` between nodes per device and direction, `host` [byte/s];
    `node` devices; `memory` [byte].
    """

    matmul_peak: Any
    peak: Any
    bandwidth: Any
    link: Any
    network: Any
    host: Any
    node: Any
    memory: Any


class Constants(NamedTuple):
    """What was fitted or assumed: the efficiencies of one kind of machine and software, or arrays of them."""

    matmul: Any
    """Share of the peak that a matrix product without end reaches [1]."""
    matmul_traffic: Any
    """Memory traffic of a matrix product over the least there is [1]."""
    attention: Any
    """Share of the 16-bit peak that fused attention reaches in long sequences at a head width of 128 [1]:
    without a factor for the generation, kernels of 2022 on ampere."""
    attention_flash_2: Any
    """The same of kernels of 2023 to 2024 [1]."""
    attention_flash_1: Any
    """The same of kernels of 2022 to 2023 [1]."""
    attention_length: Any
    """Length of a sequence at which fused attention reaches half of that [token]."""
    attention_unfused: Any
    """Share of the rate of large products that those over the scores reach where attention is not fused [1]."""
    softmax_traffic: Any
    """Passes over the score matrix where attention is not fused [1]."""
    elementwise: Any
    """Memory traffic of norms, activations and residuals over the listed [1]."""
    scan: Any
    """Share of the 16-bit peak that a scan reaches [1]."""
    quantize: Any
    """Memory traffic of casts to 8 and 4 bits over the operands [1]."""
    launch: Any
    """Host time of a layer, forward and backward [s]."""
    launch_experts: Any
    """Host time of a layer with experts beyond that [s]."""
    experts: Any
    """Share of the rate of dense products that those of experts reach [1]."""
    link: Any
    """Share of the bandwidth within a node that collectives reach [1]."""
    network: Any
    """Share of the bandwidth between nodes that collectives reach [1]."""
    exposed_tensor: Any
    """Share of overlapped tensor-parallel communication that is not hidden [1]."""
    exposed_experts: Any
    """Share of the exchange between experts that is not hidden [1]."""
    exposed_context: Any
    exposed_pipeline: Any
    exposed_data: Any
    """Share of data-parallel communication that slows the passes even where it is hidden [1]."""
    overlap: Any
    """Exponent of data-parallel overlap: 1 adds, infinity hides all but the longer."""
    latency: Any
    """Of a step of a collective [s]."""
    optimizer_traffic: Any
    """Memory traffic of the optimizer over its states [1]."""
    fixed: Any
    """Time of a step that nothing else explains [s]."""
    software: Any
    """Factor on the whole step: age of the software, or of a stack [1]."""
    launch_eager: Any
    """Host time of a layer over `launch` where operations are launched one by one [1]."""
    launch_sharded: Any
    """Host time of a layer beyond that where such a trainer gathers its weights [s]."""
    launch_quantized: Any
    """Host time of a layer beyond that where operations of the framework bring weights back to 16 bits [s]."""
    adapter_traffic: Any
    """Memory traffic of low-rank adapters over the elements that they read and write, launched one by one [1]."""
    adapter_fused: Any
    """Share of that which compiled or fused adapters move [1]."""
    adapter_matmul: Any
    """Share of the 16-bit peak that the narrow products of adapters reach [1]."""
    dequantize: Any
    """Memory traffic of bringing weights back to 16 bits over what is read and written, by the framework [1]."""
    dequantize_fused: Any
    """Share of that which kernels made for it move [1]."""
    loss_eager: Any
    """Memory traffic of the loss over that of a fused one where operations are launched one by one [1]."""
    host_memory: Any
    """Bandwidth of a node's host memory, with which it does the step of the optimizer [byte/s]."""


class Breakdown(NamedTuple):
    """Seconds of a step by cause, each of the broadcast shape; they add up to the step."""

    matmul: Any
    attention: Any
    elementwise: Any
    launch: Any
    adapters: Any
    dequantize: Any
    head: Any
    tensor: Any
    context: Any
    expert: Any
    pipeline: Any
    bubble: Any
    data: Any
    optimizer: Any
    fixed: Any

    @property
    def total(self) -> Any:
        """The step [s]."""
        return sum(self)


class _Layer(NamedTuple):
    """Seconds of one micro-batch in a mean layer."""

    matmul: Any
    attention: Any
    elementwise: Any
    launch: Any
    adapters: Any
    dequantize: Any
    tensor: Any
    context: Any
    expert: Any

    @property
    def total(self) -> Any:
        return sum(self)


SELECTIVE_AGAIN = 0.25
"""Share of the forward products that selective recomputation repeats where attention is fused: frameworks
repeat from none of them (norms and activations alone) to every second one."""
_LAUNCH_POWER = 4.0
"""How sharply a layer turns from bound by the device to bound by its host."""
_HEAD_POWER = 0.2
"""How attention gains with the width of its heads."""


def step_breakdown(
    work: Workload, numbers: Numerics, machine: Machine, batch_size: Any, of: Layouts, constants: Constants
) -> Breakdown:
    """Return the time of a step by cause.

    Parameters
    ----------
    work : Workload
    numbers : Numerics
    machine : Machine
    batch_size : sequences of a step
    of : Layouts
    constants : Constants

    Returns
    -------
    Breakdown
        Each part [s], of the broadcast shape.

    References
    ----------
    Narayanan et al. 2021 (arXiv 2104.04473), section 2; Williams et al. 2009, "Roofline".
    """
    stages, chunks = of.pipeline, of.interleave
    accumulation = of.accumulation(batch_size)
    layer = _layer(work, numbers, machine, of, constants)
    heaviest = heaviest_layers(work, of)
    lightest = work.layers // stages  # the last stage, where the head is, takes what does not divide evenly least
    head = _head(work, numbers, machine, of, constants)
    ahead = work.prediction_share * layer.total
    mean = heaviest * layer.total
    last = lightest * layer.total + head + ahead
    slow = largest(mean, last)
    boundary = where(stages > 1, _boundary(work, machine, of, constants), 0.0)
    layers_timed = where(last >= mean, lightest + work.prediction_share, heaviest)
    head_timed = where(last >= mean, head, 0.0)
    passed = accumulation * layers_timed
    bubble = (stages - 1) / chunks * (mean + boundary)
    compute = slow + boundary
    data = _data(work, numbers, machine, of, constants, compute, accumulation)
    scale = constants.software
    return Breakdown(
        matmul=scale * passed * layer.matmul,
        attention=scale * passed * layer.attention,
        elementwise=scale * passed * layer.elementwise,
        launch=scale * passed * layer.launch,
        adapters=scale * passed * layer.adapters,
        dequantize=scale * passed * layer.dequantize,
        head=scale * accumulation * head_timed,
        tensor=scale * passed * layer.tensor,
        context=scale * passed * layer.context,
        expert=scale * passed * layer.expert,
        pipeline=scale * accumulation * boundary,
        bubble=scale * bubble,
        data=scale * data,
        optimizer=scale * _optimizer(work, numbers, machine, of, constants),
        fixed=scale * constants.fixed + 0 * slow,
    )


def _layer(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> _Layer:
    """Return the time of one micro-batch in a mean layer, forward, backward and what is computed again."""
    light = where((of.recompute == 1) & (of.attention > 0), SELECTIVE_AGAIN, 0.0)
    times = 1 + numbers.backward + where(of.recompute == 2, 1.0, light)
    matmul, moved = _matmul(work, numbers, machine, of, constants)
    attention = _attention(work, numbers, machine, of, constants, times)
    elementwise = (1 + numbers.backward + where(of.recompute > 0, 1.0, 0.0)) * _elementwise(
        work, machine, of, constants
    )
    cast = where(numbers.operand < 2, 3 * 2 * constants.quantize * moved / machine.bandwidth, 0.0)
    again = where(of.recompute == 2, 1.0, 0.0)
    adapters = (3 + again) * _adapters(work, numbers, machine, of, constants)
    dequantize = (2 + again) * _dequantize(work, numbers, machine, of, constants)
    device = times * matmul + attention + elementwise + cast + adapters + dequantize
    host = times / 3 * constants.launch * where(of.eager > 0, constants.launch_eager, 1.0)
    host = host + where((of.eager > 0) & (of.zero >= 3), constants.launch_sharded, 0.0)
    host = host + where(numbers.quantized > 1, constants.launch_quantized, 0.0)
    host = host + constants.launch_experts * work.expert_layers / work.layers
    both = (device**_LAUNCH_POWER + host**_LAUNCH_POWER) ** (1 / _LAUNCH_POWER)
    return _Layer(
        times * matmul, attention, elementwise + cast, both - device, adapters, dequantize,
        *_exchanges(work, machine, of, constants),
    )  # fmt: skip


def _share(work: Workload, of: Layouts) -> Any:
    """Return the sequences of a micro-batch on one rank, for a mean layer: sums over all layers times this."""
    return of.micro_batch / of.context / work.layers


def _matmul(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> tuple[Any, Any]:
    """Return the time of the matrix products of a mean layer, forward, and the elements that they move.

    FLOPs at the rate of products without end, and traffic on top of it, which is what smaller ones lose.
    """
    tensor, grouped = of.tensor, smallest(of.tensor, work.key_heads)
    share, once = _share(work, of), 1 / work.layers
    dense = ((work.dense, tensor), (work.grouped, grouped), (work.whole, 1.0))
    flops = share * sum(each.flops / ranks for each, ranks in dense)
    read = share * sum(each.read + each.read_part / ranks for each, ranks in dense)
    read = read + once * sum(each.weights / ranks for each, ranks in dense)
    written = share * sum(each.written + each.written_part / ranks for each, ranks in dense)
    expert = work.expert  # its tokens are spread over all ranks, its weights over those that hold experts
    expert_read = share * (expert.read + expert.read_part) / tensor
    expert_read = expert_read + once * expert.weights / (of.expert * of.expert_tensor)
    expert_written = share * (expert.written + expert.written_part) / tensor
    rate, traffic = machine.matmul_peak * constants.matmul, constants.matmul_traffic / machine.bandwidth
    of_dense = flops / rate + traffic * (numbers.operand * read + 2 * written)
    of_experts = share * expert.flops / tensor / rate + traffic * (numbers.operand * expert_read + 2 * expert_written)
    return of_dense + of_experts / constants.experts, read + written + expert_read + expert_written


def _attention(
    work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants, times: Any
) -> Any:
    """Return the time of core attention and of scans in a mean layer, forward, backward and again.

    Always at the 16-bit peak. A fused backward pass computes the scores anew: 3.5 forward passes in all.
    """
    full = where(of.recompute == 2, 1.0, 0.0)
    kernel = where(of.attention == 2, constants.attention_flash_2, constants.attention)
    kernel = where(of.attention == 1, constants.attention_flash_1, kernel)
    reached = machine.peak * kernel * (work.head_width / 128.0) ** _HEAD_POWER
    reached = reached * work.sequence_length / (work.sequence_length + constants.attention_length)
    fused = (1 + where(numbers.backward > 0, 2.5, 0.0) + full) * work.attention_flops / reached
    products = 2 * work.attention_flops / (constants.attention_unfused * machine.peak * constants.matmul)
    softmax = constants.softmax_traffic * 2 * work.scores / machine.bandwidth
    unfused = (1 + where(numbers.backward > 0, 2.0, 0.0) + where(of.recompute > 0, 1.0, 0.0)) * (products + softmax)
    scan = times * work.scan_flops / (machine.peak * constants.scan)
    return _share(work, of) / of.tensor * (where(of.attention > 0, fused, unfused) + scan)


def _adapters(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the time of low-rank adapters in a mean layer, forward: hardly FLOPs, all of it traffic."""
    adapter, share = work.adapter, _share(work, of) / of.tensor
    traffic = constants.adapter_traffic * where(of.eager > 0, 1.0, constants.adapter_fused)
    moved = numbers.adapter_operand * share * (adapter.read + adapter.written)
    return traffic * moved / machine.bandwidth + share * adapter.flops / (constants.adapter_matmul * machine.peak)


def _dequantize(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the time in which the weights of a mean layer are brought back into 16 bits once."""
    split = of.expert * of.expert_tensor
    held = (work.dense.weights + work.grouped.weights) / of.tensor + work.whole.weights + work.expert.weights / split
    traffic = constants.dequantize * where(numbers.quantized > 1, 1.0, constants.dequantize_fused)
    moved = traffic * (numbers.weight + numbers.operand) * held / work.layers
    return where(numbers.quantized > 0, moved / machine.bandwidth, 0.0)


def _elementwise(work: Workload, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the time of norms, activations, residuals and the sorting of tokens in a mean layer, forward."""
    tensor = of.tensor
    moved = (
        4 * work.residual / where(of.sequence_parallel > 0, tensor, 1.0)
        + 2 * (work.dense.read_part + work.dense.written_part) / tensor
        + 2 * work.grouped.written_part / smallest(tensor, work.key_heads)
        + (4 * work.routed + 2 * (work.expert.read_part + work.expert.written_part)) / tensor
    )  # fmt: skip
    return constants.elementwise * 2 * _share(work, of) * moved / machine.bandwidth


def bandwidth(machine: Machine, constants: Constants, stride: Any, size: Any) -> Any:
    """Return what each rank of a group reaches in a collective [byte/s], by where the group lies.

    `size` ranks lie `stride` apart. Within a node it is the link; across nodes the network adapters of
    all members in a node work together, but no faster than the link.
    """
    inside = machine.link * constants.link
    members = largest(smallest(size, machine.node / stride), 1.0)
    across = smallest(inside, machine.network * constants.network * members)
    return where(stride * size <= machine.node, inside, across)


def _exchanges(work: Workload, machine: Machine, of: Layouts, constants: Constants) -> tuple[Any, Any, Any]:
    """Return the exposed tensor, context and expert communication of a micro-batch in a mean layer [s]."""
    share = _share(work, of)
    t, c, e = of.tensor, of.context, of.expert
    again = where(of.recompute == 2, 0.5, 0.0)
    rate = bandwidth(machine, constants, 1.0, t)
    blocks = work.reduced / (work.width * work.sequence_length)  # sums over the group, all layers
    volume = 2 * (t - 1) / t * 2 * share * work.reduced / rate
    delay = 2 * (t - 1) * constants.latency * blocks / work.layers
    hidden = where(of.overlap_tensor > 0, constants.exposed_tensor, 1.0)
    tensor = where(t > 1, 2 * (1 + again) * hidden * (volume + delay), 0.0)

    rate = bandwidth(machine, constants, t, c)
    context = 3 * 2 * (c - 1) * share * work.key_values / (smallest(t, work.key_heads) * rate)
    context = where(c > 1, constants.exposed_context * context, 0.0)

    group = e * of.expert_tensor
    away = 1 - smallest(machine.node / of.expert_tensor, e) / e  # share that leaves the node
    near = (e - 1) / e - away
    sent = 4 * 2 * share * work.routed / t
    slow = away / (machine.network * constants.network) + near / (machine.link * constants.link)
    among = sent * (of.expert_tensor - 1) / bandwidth(machine, constants, 1.0, of.expert_tensor)
    expert = where(group > 1, constants.exposed_experts * sent * slow, 0.0) + among
    return tensor, context, expert


def _head(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the time of head and loss for one micro-batch, forward and backward [s]."""
    share = of.micro_batch / of.context / of.tensor
    times = 1 + where(numbers.backward > 0, 1 + numbers.table_trained, 0.0)
    flops = times * share * work.head.flops / (machine.peak * constants.matmul)
    logits = share * work.head.written_part * (work.head.flops > 0)
    traffic = (1 + where(numbers.backward > 0, 2.0, 0.0)) * 4 * logits / machine.bandwidth
    return flops + traffic * where(of.eager > 0, constants.loss_eager, 1.0)


def _boundary(work: Workload, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the exposed time of handing a micro-batch on and its gradient back [s]."""
    between = where(of.sequence_parallel > 0, of.tensor, 1.0)
    sent = 2 * of.micro_batch / of.context * work.sequence_length * work.width / between
    rate = bandwidth(machine, constants, of.tensor * of.context * of.data, 2.0)
    return constants.exposed_pipeline * 2 * of.interleave * (sent / rate + constants.latency)


def _data(
    work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants, compute: Any,
    accumulation: Any,
) -> Any:  # fmt: skip
    """Return the exposed data-parallel communication [s].

    Fully sharded weights are gathered twice and their gradients scattered once for every micro-batch, with
    pipeline stages once a step; sharded gradients are scattered for every micro-batch.
    """
    stage = stage_parameters(work, of)
    ranks = of.data * of.context
    world = ranks * of.tensor
    expert_ranks = world / (of.expert * of.expert_tensor)
    stride, stages = of.tensor, of.pipeline
    rate = bandwidth(machine, constants, stride, of.shard)
    outer = bandwidth(machine, constants, stride * of.shard, ranks / of.shard)
    expert_rate = bandwidth(machine, constants, of.expert * of.expert_tensor, expert_ranks)
    trained = numbers.trained * stage.dense + numbers.table_trained * stage.table + stage.adapters
    part, expert_part = _ring(of.shard), _ring(expert_ranks)
    gradient = smallest(numbers.gradient, 4.0)

    nodes = of.shard / largest(smallest(of.shard, machine.node / stride), 1.0)
    delay = constants.latency * 3 * nodes * work.layers / stages

    def over_ranks(weight: Any, of_trained: Any) -> Any:
        dense = weight * (stage.dense + stage.table) + of_trained * trained
        expert = (weight + of_trained * numbers.trained) * stage.expert
        return dense * part / rate + expert * expert_part / expert_rate

    kept = (of.zero >= 3) & (of.pipeline > 1)  # stages do not share their weights out again within a step
    gathers = 1 + where(numbers.backward > 0, 1.0, 0.0)
    fully = over_ranks(gathers * numbers.weight, gradient) + delay
    of_batch = where(of.zero >= 3, where(kept, 0.0, fully), where(of.zero == 2, over_ranks(0.0, gradient), 0.0))
    gathered = where(of.zero == 2, 0.0, gradient) + numbers.weight
    at_end = where(of.zero >= 3, where(kept, fully, 0.0), over_ranks(0.0, where(of.zero >= 1, gathered, 2 * gradient)))
    at_end = at_end + 2 * gradient * trained / of.shard * _ring(ranks / of.shard) / outer

    def exposed(busy: Any) -> Any:
        power = constants.overlap
        beside = (compute**power + busy**power) ** (1 / power) - compute
        return where(of.overlap_data > 0, beside + constants.exposed_data * busy, busy)

    sent = (accumulation - 1) * exposed(of_batch) + exposed(of_batch + at_end)
    return where(ranks > 1, sent, 0.0)


def _optimizer(work: Workload, numbers: Numerics, machine: Machine, of: Layouts, constants: Constants) -> Any:
    """Return the time of the optimizer [s]: its states and gradients are read, its states and weights written."""
    stage = stage_parameters(work, of)
    layers, tables = (where(of.zero >= 1, one, whole) for one, whole in zip(
        over_ranks(stage, of), (stage.dense + stage.expert, stage.table), strict=True))  # fmt: skip
    passed = (numbers.gradient + numbers.weight) * (numbers.trained * layers + numbers.table_trained * tables)
    adapters = numbers.adapter * stage.adapters / where(of.zero >= 1, of.shard, 1.0)
    moved = 1.5 * (state_bytes(work, numbers, stage, of) + passed + adapters)
    by_host = moved / (constants.host_memory / machine.node) + passed / machine.host
    by_device = constants.optimizer_traffic * moved / machine.bandwidth
    return where(of.offload_optimizer > 0, by_host, by_device)


def _ring(ranks: Any) -> Any:
    return (ranks - 1) / ranks
