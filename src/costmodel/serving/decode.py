"""Time of a decode step from bytes read, FLOPs, communication and fixed overheads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from costmodel.architecture.flops import count_decode_flops, count_flops
from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.quantization import BITS, stored_bytes
from costmodel.architecture.structure import distinct_layers
from costmodel.foundation.arrays import N, N_co, largest
from costmodel.foundation.errors import InputError, MissingFactError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.architecture.blocks.block import Weight
    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.cluster import Cluster

PLAIN_BYTES = 2.0
"""Bytes of an unquantized weight, of a cached key or value, and of a recurrent state: bf16 [byte]."""
MEMORY_SHARE = 0.9
"""Share of the memory for weights and KV cache [1]: default of `gpu_memory_utilization` in vLLM."""
EXCHANGES = 2.0
"""All-reduces per layer under tensor parallelism: after the mixer and after the feed-forward block
(Shoeybi et al. 2019, arXiv 1909.08053). An all-to-all of experts sends about as many bytes."""


class Precision(NamedTuple):
    """Storage format of weights and precision of their matrix products."""

    bits: float
    """Bits per quantized weight, scales included [bit]."""
    roles: frozenset[str]
    """Roles of the weights that are quantized."""
    peak: str
    """Precision of the matrix products, which selects the peak of the accelerator."""


_MOST_FP8_BITS = 8.4
"""Bits below which a checkpoint has 8-bit floats: 8 and the scales of blocks of 32 values, up to Q8_0 of GGUF [bit]."""
_MATRICES = frozenset({"matrix", "expert"})
PRECISIONS: dict[str, Precision] = {
    "bf16": Precision(16.0, _MATRICES, "bf16"),
    "fp16": Precision(16.0, _MATRICES, "fp16"),
    "fp8": Precision(BITS["fp8"], _MATRICES, "fp8"),
    "int8": Precision(8.0, _MATRICES, "bf16"),
    "int4": Precision(4.125, _MATRICES, "bf16"),
    "mxfp4": Precision(BITS["mxfp4"], frozenset({"expert"}), "bf16"),
}
"""Precisions of weights. "int4" has a 16-bit scale per 128 weights. "mxfp4" applies to experts only. Products of "int8"
weights, and of weights below 8 bits, run in bf16."""


class Machine(NamedTuple):
    """Accelerators of a replica: rates per accelerator, and their number."""

    peak: float
    """Dense peak at the precision of the products [FLOP/s]."""
    bandwidth: float
    """Memory bandwidth [byte/s]."""
    link: float
    """Bandwidth between the accelerators of the replica [byte/s]."""
    memory: float
    """Usable memory [byte]."""
    accelerators: float
    """Number of accelerators [1]."""


class Constants(NamedTuple):
    """Constants of a decode step, fitted on measured throughputs: `data/fitted/decode.csv`."""

    mfu: float
    """Realized share of the peak [1]."""
    bandwidth: float
    """Realized share of the memory bandwidth and of the link bandwidth [1]."""
    layer: float
    """Fixed overhead per layer [s]."""
    exchange: float
    """Additional overhead per layer on several accelerators [s]."""
    sequence: float
    """Overhead per sequence in a step: scheduling, sampling, attention over short pieces [s]."""


class Work(NamedTuple, Generic[N_co]):
    """Bytes and FLOPs of a decode step and of a prefill; numbers, or arrays over batches."""

    batch: N_co
    """Concurrent sequences [1]."""
    weights: N_co
    """Weights read in a step [byte]."""
    cache: N_co
    """KV cache read in a step [byte]."""
    flops: N_co
    """FLOPs of a step [FLOP]."""
    prompt: float
    """FLOPs of the prefill of one prompt [FLOP]."""
    exchanged: N_co
    """Bytes that each accelerator sends in all-reduces of a step, in the limit of many accelerators [byte]."""
    layers: float
    """Number of layers [1]."""
    output: float
    """Output tokens per sequence [token]."""


def own_precision(architecture: Architecture) -> Precision:
    """Return the precision of the stored weights: the precision of the checkpoint, or bf16.

    Parameters
    ----------
    architecture : Architecture
        Architecture; `stored_bytes` is the size of its checkpoint.
    """
    stored = architecture.stored_bytes
    if stored is None or stored >= PLAIN_BYTES * architecture.parameters.total:
        return PRECISIONS["bf16"]
    if stored == stored_bytes(architecture, {"quant_method": "mxfp4"}):
        return PRECISIONS["mxfp4"]
    sizes = [
        (copies * weight.size, _is_quantized(part, weight, _MATRICES))
        for part, copies, weight in _weights(architecture)
    ]
    quantized = sum(size for size, is_quantized in sizes if is_quantized)
    rest = PLAIN_BYTES * sum(size for size, is_quantized in sizes if not is_quantized)
    bits = 8 * (stored - rest) / max(quantized, 1)
    if bits < 1:  # the embedding is quantized too
        bits = 8 * stored / architecture.parameters.total
    return Precision(bits, _MATRICES, "fp8" if BITS["fp8"] <= round(bits, 6) < _MOST_FP8_BITS else "bf16")


def precision_of(architecture: Architecture, precision: str) -> Precision:
    """Return the requested precision, or the precision of the checkpoint if its weights are smaller.

    Parameters
    ----------
    architecture : Architecture
        Architecture with the precision of its checkpoint.
    precision : str
        A key of `PRECISIONS`.

    Raises
    ------
    InputError
        If the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: {unknown('precision', precision, PRECISIONS)}")
    requested, own = PRECISIONS[precision], own_precision(architecture)
    if architecture.is_aggregate or own.bits == 16:
        return requested
    return min((own, requested), key=lambda option: weight_bytes(architecture, option))


def weight_bytes(architecture: Architecture, precision: Precision) -> float:
    """Return the bytes of all weights except multi-token prediction layers.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its weights.
    precision : Precision
        Storage precision, a value of `PRECISIONS`.

    Returns
    -------
    float
        Bytes of the weights [byte].

    Examples
    --------
    >>> import costmodel as cm
    >>> weight_bytes(cm.load_architecture("llama-3.1-8b"), PRECISIONS["bf16"]) == 2 * 8030261248
    True
    """
    return sum(
        copies * weight.size * _bytes(part, weight, precision) for part, copies, weight in _weights(architecture)
    )


def touched_bytes(architecture: Architecture, precision: Precision, batch: N) -> N:
    """Return the bytes of weights that a decode step reads.

    A step reads an expert if at least one sequence routes to it: a share 1 - (1 - k/E)^batch of the experts, if the
    sequences route independently. The input embedding and the towers are not read; a tied output head is read.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its experts.
    precision : Precision
        A value of `PRECISIONS`.
    batch : float or NDArray
        Concurrent sequences, shape (...) [1].

    Returns
    -------
    float or NDArray
        Bytes, shape of `batch` [byte].
    """
    total = 0.0 * batch
    towers = {stack.name for stack in architecture.stacks}
    for part, copies, weight in _weights(architecture):
        if part in towers or (part == "embedding" and not (architecture.tied and weight.name == "embedding")):
            continue
        read = copies * weight.size * _bytes(part, weight, precision)
        total = total + (read if weight.active == 1 else read * coverage(weight.active, batch))
    return total


def coverage(share: float, batch: N) -> N:
    """Return the share of experts that are active for at least one token of a batch.

    Parameters
    ----------
    share : float
        Active experts per token over all experts [1].
    batch : float or NDArray
        Number of tokens, shape (...) [token].

    Returns
    -------
    float or NDArray
        Share of the experts, shape of `batch` [1].

    Examples
    --------
    >>> coverage(2 / 8, 1), round(coverage(2 / 8, 4), 4)
    (0.25, 0.6836)
    """
    inactive: N = (1.0 - share) ** batch
    return 1.0 - inactive


def cache_bytes(architecture: Architecture, context: float) -> float:
    """Return the KV cache of a sequence.

    Sliding-window attention caches the window, latent attention caches the latent vector. State space models and linear
    attention keep a state of constant size.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    context : float
        Tokens of the sequence so far [token].

    Returns
    -------
    float
        Bytes of the cache [byte].

    Raises
    ------
    MissingFactError
        If only the counts of the architecture are known.

    Examples
    --------
    >>> import costmodel as cm
    >>> cache_bytes(cm.load_architecture("llama-3.1-8b"), 4096) / 4096
    131072.0
    """
    if architecture.is_aggregate:
        raise MissingFactError(
            "architecture: the KV cache needs the shapes of the layers, but only counts are known; "
            "give a name of the catalog or a config"
        )
    tokens: Any = context  # a mean number of tokens need not be whole
    elements = 0.0
    for layer, copies in distinct_layers(architecture.layers).items():
        elements += copies * sum(block.cache(tokens) for block in layer.blocks())
    return PLAIN_BYTES * elements


def largest_batch(memory: float, weights: float, cache: float, share: float = MEMORY_SHARE) -> float:
    """Return the number of sequences that fit in memory next to the weights.

    Parameters
    ----------
    memory : float
        Memory of all accelerators of a replica [byte].
    weights : float
        Weights of the replica [byte].
    cache : float
        KV cache per sequence [byte].
    share : float
        Share of the memory for weights and KV cache [1].

    Returns
    -------
    float
        Number of sequences, not rounded; 0 if no sequence fits [1].

    Examples
    --------
    >>> largest_batch(100e9, weights=16e9, cache=1e9)
    74.0
    """
    return max(share * memory - weights, 0.0) / max(cache, 1.0)


def machine(cluster: Cluster, count: int, peak: str) -> Machine:
    """Return the rates of a replica on `count` accelerators of a cluster.

    Parameters
    ----------
    cluster : Cluster
        Cluster with the accelerator and its network.
    count : int
        Accelerators per replica.
    peak : str
        Precision of the matrix products. bf16 is used if the accelerator has no peak for it.

    Raises
    ------
    MissingFactError
        If a peak, the memory or a bandwidth is not known.
    """
    accelerator = cluster.accelerator
    within = count <= cluster.node_size
    link = accelerator.link_bandwidth if within else (cluster.network or 0.0) / 1e9 or None
    needed = {"memory": accelerator.usable_memory, "memory_bandwidth": accelerator.memory_bandwidth}
    if count > 1:
        needed["link_bandwidth" if within else "network_bandwidth"] = link
    if missing := [name for name, value in needed.items() if value is None]:
        raise MissingFactError(
            f"accelerator: {accelerator.name} lacks {', '.join(missing)}, which decode needs; give these values"
        )
    try:
        rate = accelerator.peak(peak)
    except MissingFactError:
        rate = accelerator.peak()
    return Machine(
        peak=rate,
        bandwidth=(accelerator.memory_bandwidth or 0.0) * 1e9,
        link=(link or 1.0) * 1e9,
        memory=accelerator.usable_memory or 0.0,
        accelerators=float(count),
    )


def work(architecture: Architecture, precision: Precision, batch: N, prompt: float, output: float) -> Work[N]:
    """Return the bytes and FLOPs of a decode step and of a prefill.

    The sequences are at uniformly distributed positions of their outputs, so the mean context is the prompt and half
    of the output.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    precision : Precision
        A value of `PRECISIONS`.
    batch : float or NDArray
        Concurrent sequences, shape (...) [1].
    prompt : float
        Prompt tokens per sequence [token].
    output : float
        Output tokens per sequence [token].
    """
    context = prompt + output / 2
    return Work(
        batch=batch,
        weights=touched_bytes(architecture, precision, batch),
        cache=batch * cache_bytes(architecture, context),
        flops=batch * count_decode_flops(architecture, context),
        prompt=count_flops(architecture, prompt).forward,
        exchanged=batch * architecture.depth * EXCHANGES * 2 * architecture.width * PLAIN_BYTES,
        layers=architecture.depth,
        output=output,
    )


def decode_step(batch_work: Work[N], replica: Machine, constants: Constants) -> N:
    """Return the time of a decode step: one output token for each sequence of a batch.

    t = max(bytes / (n · bandwidth), FLOPs / (n · peak · mfu)) + exchanged bytes / link
        + layers · (layer + exchange, on several accelerators) + batch · sequence

    Parameters
    ----------
    batch_work : Work
        Bytes and FLOPs of the step.
    replica : Machine
        Rates of the replica.
    constants : Constants
        Fitted constants.

    Returns
    -------
    float or NDArray
        Time of a step [s].

    References
    ----------
    The roofline: Williams et al. 2009, "Roofline", CACM 52(4).
    """
    read = (batch_work.weights + batch_work.cache) / (replica.accelerators * replica.bandwidth * constants.bandwidth)
    compute = batch_work.flops / (replica.accelerators * replica.peak * constants.mfu)
    several = (replica.accelerators > 1) * 1.0
    sent = (
        batch_work.exchanged * (replica.accelerators - 1) / replica.accelerators / (replica.link * constants.bandwidth)
    )
    fixed = batch_work.layers * (constants.layer + several * constants.exchange)
    return largest(read, compute) + sent + fixed + batch_work.batch * constants.sequence


def prefill(batch_work: Work[N], replica: Machine, constants: Constants) -> float:
    """Return the time of the prefill of one prompt: its FLOPs at the realized share of the peak.

    Parameters
    ----------
    batch_work : Work
        FLOPs of the prompt.
    replica : Machine
        Peak and number of accelerators.
    constants : Constants
        Realized share of the peak.

    Returns
    -------
    float
        Time of a prefill [s].
    """
    return batch_work.prompt / (replica.accelerators * replica.peak * constants.mfu)


def time_per_token(batch_work: Work[N], replica: Machine, constants: Constants) -> N:
    """Return the mean time per output token (TPOT): a decode step and its share of prefills.

    Each finished sequence is replaced by a new sequence. All other sequences wait during the prefill of its prompt.

    Parameters
    ----------
    batch_work : Work
        Bytes and FLOPs of the step and of a prompt.
    replica : Machine
        Rates of the replica that runs prefill and decode.
    constants : Constants
        Constants for the generation of the accelerator.

    Returns
    -------
    float or NDArray
        Mean time between two tokens of a sequence [s].
    """
    return (
        decode_step(batch_work, replica, constants)
        + batch_work.batch * prefill(batch_work, replica, constants) / batch_work.output
    )


def _weights(architecture: Architecture) -> Iterator[tuple[str, int, Weight]]:
    for part, copies, weights in weights_by_part(architecture):
        if part != "prediction":
            for weight in weights:
                yield part, copies, weight


def _is_quantized(part: str, weight: Weight, roles: frozenset[str]) -> bool:
    return weight.role in roles and part != "head" and len(weight.shape) > 1


def _bytes(part: str, weight: Weight, precision: Precision) -> float:
    return precision.bits / 8 if _is_quantized(part, weight, precision.roles) else PLAIN_BYTES
