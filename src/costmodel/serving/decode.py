"""Time of a decode step from bytes read, FLOPs, communication and fixed overheads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.counting import count_decode_flops, count_flops
from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.quantization import BITS, stored_bytes
from costmodel.architecture.structure import distinct_layers
from costmodel.foundation.errors import InputError, MissingFactError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.architecture.blocks.block import Weight
    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.cluster import Cluster

PLAIN_BYTES = 2.0
"""Bytes of an unquantized weight, of a cached key or value, and of a state: bf16."""
MEMORY_SHARE = 0.9
"""Share of the memory for weights and cache: `gpu_memory_utilization`, as vLLM sets it by default."""
EXCHANGES = 2.0
"""All-reduces of a layer under tensor parallelism, after the mixer and after the feed-forward block
(Shoeybi et al. 2019, arXiv 1909.08053); an exchange of experts sends about as much."""


class Precision(NamedTuple):
    """Bits of a quantized weight with its scales, which roles are quantized, and the peak of the products."""

    bits: float
    roles: frozenset[str]
    peak: str


_MATRICES = frozenset({"matrix", "expert"})
PRECISIONS: dict[str, Precision] = {
    "bf16": Precision(16.0, _MATRICES, "bf16"),
    "fp16": Precision(16.0, _MATRICES, "fp16"),
    "fp8": Precision(BITS["fp8"], _MATRICES, "fp8"),
    "int8": Precision(8.0, _MATRICES, "bf16"),
    "int4": Precision(4.125, _MATRICES, "bf16"),
    "mxfp4": Precision(BITS["mxfp4"], frozenset({"expert"}), "bf16"),
}
"""Precisions of weights. "int4" has a 16-bit scale for 128 weights; "mxfp4" holds the experts alone; the products
of weights below 8 bits, and of "int8", run in bf16."""


class Machine(NamedTuple):
    """Rates of each accelerator of a replica [SI], and the number of accelerators."""

    peak: float
    bandwidth: float
    link: float
    memory: float
    accelerators: float


class Constants(NamedTuple):
    """Constants of a decode step, fitted on measured throughputs: `data/fitted/decode.csv`.

    `mfu` and `bandwidth` are the shares of the peak and of the bandwidths that are reached [1]; `layer` is the time
    of a layer besides its bytes and FLOPs, `exchange` what is added to it on several accelerators, and
    `sequence` the time of a sequence in a step (scheduling, sampling, attention over short pieces) [s].
    """

    mfu: Any
    bandwidth: Any
    layer: Any
    exchange: Any
    sequence: Any


class Work(NamedTuple):
    """What a batch asks: bytes and FLOPs of a step and of the prompts; numbers, or arrays over batches.

    `weights` and `cache` are read in a step [byte], `flops` done in it [FLOP]; `prompt` are the FLOPs of one
    prompt [FLOP]; `exchanged` bytes leave each accelerator in all-reduces, were there infinitely many [byte].
    """

    batch: Any
    weights: Any
    cache: Any
    flops: Any
    prompt: Any
    exchanged: Any
    layers: Any
    output: Any


def own_precision(architecture: Architecture) -> Precision:
    """Return the precision in which the weights are stored: that of the checkpoint, or bf16.

    Parameters
    ----------
    architecture : Architecture
    """
    stored = architecture.stored_bytes
    if stored is None or stored >= PLAIN_BYTES * architecture.parameters.total:
        return PRECISIONS["bf16"]
    if stored == stored_bytes(architecture, {"quant_method": "mxfp4"}):
        return PRECISIONS["mxfp4"]
    sizes = [(copies * weight.size, _is_quantized(part, weight, _MATRICES))
             for part, copies, weight in _weights(architecture)]  # fmt: skip
    quantized = sum(size for size, is_quantized in sizes if is_quantized)
    rest = PLAIN_BYTES * sum(size for size, is_quantized in sizes if not is_quantized)
    bits = 8 * (stored - rest) / max(quantized, 1)
    return Precision(bits, _MATRICES, "fp8" if math.isclose(bits, BITS["fp8"]) else "bf16")


def precision_of(architecture: Architecture, precision: str) -> Precision:
    """Return the precision asked for, or that of the checkpoint where it takes fewer bytes.

    Parameters
    ----------
    architecture : Architecture
    precision : a key of `PRECISIONS`

    Raises
    ------
    InputError
        If there is no such precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: {unknown('precision', precision, PRECISIONS)}")
    asked, own = PRECISIONS[precision], own_precision(architecture)
    if architecture.is_aggregate or own.bits == 16:
        return asked
    return min((own, asked), key=lambda one: weight_bytes(architecture, one))


def weight_bytes(architecture: Architecture, precision: Precision) -> float:
    """Return the bytes of all weights [byte], prediction layers left out.

    Parameters
    ----------
    architecture : Architecture
    precision : of `PRECISIONS`

    Examples
    --------
    >>> import costmodel as cm
    >>> weight_bytes(cm.load_architecture("llama-3.1-8b"), PRECISIONS["bf16"]) == 2 * 8030261248
    True
    """
    return sum(copies * weight.size * _bytes(part, weight, precision)
               for part, copies, weight in _weights(architecture))  # fmt: skip


def touched_bytes(architecture: Architecture, precision: Precision, batch: Any) -> Any:
    """Return the bytes of weights that a step of `batch` sequences reads [byte], shape of `batch`.

    Experts are read if any of the sequences chose them: a share 1 - (1 - k/E)^batch of them, were the choices
    independent. Looked-up embeddings and towers are not read; a head that shares the embedding is.

    Parameters
    ----------
    architecture : Architecture
    precision : of `PRECISIONS`
    batch : sequences, shape (...)
    """
    total: Any = 0.0
    towers = {stack.name for stack in architecture.stacks}
    for part, copies, weight in _weights(architecture):
        if part in towers or (part == "embedding" and not (architecture.tied and weight.name == "embedding")):
            continue
        read = copies * weight.size * _bytes(part, weight, precision)
        total = total + (read if weight.active == 1 else read * coverage(weight.active, batch))
    return total


def coverage(share: float, batch: Any) -> Any:
    """Return the share of experts that a batch of tokens touches [1], shape of `batch`.

    Parameters
    ----------
    share : experts that work on one token over all experts [1]
    batch : tokens, shape (...)

    Examples
    --------
    >>> coverage(2 / 8, 1), round(coverage(2 / 8, 4), 4)
    (0.25, 0.6836)
    """
    return 1.0 - (1.0 - share) ** batch


def cache_bytes(architecture: Architecture, context: float) -> float:
    """Return what a sequence of `context` tokens keeps in the cache [byte].

    Windows keep what they see, latent attention its latent, state space and linear attention a state of one size.

    Parameters
    ----------
    architecture : Architecture
    context : tokens so far [token]

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
            "the cache of a sequence needs the shapes of the layers; of this architecture only counts are known"
        )
    seen: Any = context  # a mean number of tokens need not be whole
    kept = 0.0
    for layer, copies in distinct_layers(architecture.layers).items():
        kept += copies * sum(block.cache(seen) for block in layer.blocks())
    return PLAIN_BYTES * kept


def largest_batch(memory: float, weights: float, cache: float) -> float:
    """Return how many sequences fit beside the weights; a number that need not be whole, 0 if none.

    Parameters
    ----------
    memory : of all accelerators of a replica [byte]
    weights : of the replica [byte]
    cache : of a sequence [byte]

    Examples
    --------
    >>> largest_batch(100e9, weights=16e9, cache=1e9)
    74.0
    """
    return max(MEMORY_SHARE * memory - weights, 0.0) / max(cache, 1.0)


def machine(cluster: Cluster, count: int, peak: str) -> Machine:
    """Return what a step needs to know of `count` accelerators of a cluster.

    Parameters
    ----------
    cluster : Cluster
    count : accelerators of a replica
    peak : precision of the products; bf16 where the accelerator has no such peak

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
        raise MissingFactError(f"of {accelerator.name} these are not known: {', '.join(missing)}")
    try:
        rate = accelerator.peak(peak)
    except MissingFactError:
        rate = accelerator.peak()
    return Machine(
        peak=rate, bandwidth=(accelerator.memory_bandwidth or 0.0) * 1e9, link=(link or 1.0) * 1e9,
        memory=accelerator.usable_memory or 0.0, accelerators=float(count),
    )  # fmt: skip


def work(architecture: Architecture, precision: Precision, batch: Any, prompt: float, output: float) -> Work:
    """Return what a batch asks whose sequences are spread evenly over their outputs: half of it is done.

    Parameters
    ----------
    architecture : Architecture
    precision : of `PRECISIONS`
    batch : sequences at once, shape (...)
    prompt, output : tokens of a sequence [token]
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


def decode_step(of: Work, on: Machine, constants: Constants) -> Any:
    """Return the time in which each sequence of a batch gets one token [s].

    t = max(bytes / (n · bandwidth), FLOPs / (n · peak · mfu)) + exchanged bytes / link
        + layers · (layer + exchange, on several accelerators) + batch · sequence

    Parameters
    ----------
    of : Work
    on : Machine
    constants : Constants

    References
    ----------
    The roofline: Williams et al. 2009, "Roofline", CACM 52(4).
    """
    read = (of.weights + of.cache) / (on.accelerators * on.bandwidth * constants.bandwidth)
    done = of.flops / (on.accelerators * on.peak * constants.mfu)
    several = (on.accelerators > 1) * 1.0
    sent = of.exchanged * (on.accelerators - 1) / on.accelerators / (on.link * constants.bandwidth)
    fixed = of.layers * (constants.layer + several * constants.exchange)
    return _larger(read, done) + sent + fixed + of.batch * constants.sequence


def prefill(of: Work, on: Machine, constants: Constants) -> Any:
    """Return the time that the prompt of one sequence takes among others [s]: FLOPs at a share of the peak.

    Parameters
    ----------
    of : Work
    on : Machine
    constants : Constants
    """
    return of.prompt / (on.accelerators * on.peak * constants.mfu)


def time_per_token(of: Work, on: Machine, constants: Constants) -> Any:
    """Return the mean time between two tokens of a sequence [s]: a step, and the prompts that come between.

    Every sequence that ends makes room for another, whose prompt all others wait for.

    Parameters
    ----------
    of : Work
    on : Machine
    constants : Constants
    """
    return decode_step(of, on, constants) + of.batch * prefill(of, on, constants) / of.output


def _weights(architecture: Architecture) -> Iterator[tuple[str, int, Weight]]:
    for part, copies, weights in weights_by_part(architecture):
        if part != "prediction":
            for weight in weights:
                yield part, copies, weight


def _is_quantized(part: str, weight: Weight, roles: frozenset[str]) -> bool:
    return weight.role in roles and part != "head" and len(weight.shape) > 1


def _bytes(part: str, weight: Weight, precision: Precision) -> float:
    return precision.bits / 8 if _is_quantized(part, weight, precision.roles) else PLAIN_BYTES


def _larger(first: Any, second: Any) -> Any:
    if isinstance(first, (int, float)) and isinstance(second, (int, float)):
        return max(first, second)
    import numpy as np

    return np.maximum(first, second)
