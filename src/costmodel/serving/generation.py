"""Throughput of token generation on a cluster, and the time per output token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError
from costmodel.serving.decode import (
    MEMORY_SHARE,
    Precision,
    cache_bytes,
    largest_batch,
    machine,
    precision_of,
    prefill,
    time_per_token,
    weight_bytes,
    work,
)
from costmodel.serving.efficiency import Efficiency, default_efficiency

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.cluster import Cluster

MOST_SEQUENCES = 1024
"""Default maximum of concurrent sequences per replica. Measured throughput hardly grows beyond it."""
FEWEST_SEQUENCES = 64
"""Concurrent sequences that the default number of accelerators per replica must hold. With fewer sequences, reading the
weights takes most of the step time."""


class Generation(NamedTuple):
    """Throughput, times and memory of a cluster that generates tokens in steady state."""

    tokens_per_second: float
    """Output throughput of the cluster [token/s]."""
    batch: float
    """Concurrent sequences per replica [1]."""
    gpu_seconds_per_token: float
    """Accelerator time per output token, idle accelerators included [s]."""
    time_per_output_token: float
    """Mean time between two output tokens of a sequence, TPOT [s]."""
    prefill_seconds: float
    """Time of the prefill of one prompt on a replica [s]."""
    replicas: int
    """Number of replicas of the model [1]."""
    accelerators_per_replica: int
    """Accelerators per replica [1]."""
    memory: float
    """Weights and KV cache per accelerator [byte]."""
    spread: float
    """Standard deviation of ln(predicted / measured) throughput for a model outside the fit [1]."""


def generation(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    *,
    prompt_length: float,
    output_length: float,
    concurrency: float | None = None,
    precision: str = "bf16",
    replicas: int | None = None,
    efficiency: Efficiency | None = None,
    gpu_memory_utilization: float = MEMORY_SHARE,
) -> Generation:
    """Return throughput, time per output token and memory of token generation with continuous batching.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Architecture, or an argument of `load_architecture`.
    cluster : Cluster
        Accelerators, divided into equal replicas of the model.
    prompt_length : float
        Mean prompt tokens per sequence [token].
    output_length : float
        Mean output tokens per sequence [token].
    concurrency : float, optional
        Concurrent sequences on the cluster [1]; sequences that do not fit in memory wait. Default: as many as fit, at
        most 1024 per replica.
    precision : str
        Precision of the weights: bf16, fp16, fp8, int8, int4, mxfp4. A checkpoint that is smaller keeps its precision.
    replicas : int, optional
        Replicas of the model [1]. By default, a replica has the smallest power of two of accelerators that holds the
        weights and 64 sequences; a replica of several nodes may hold a single sequence.
    efficiency : Efficiency, optional
        Constants of the decode model; default `default_efficiency()`.
    gpu_memory_utilization : float
        Share of the memory for weights and KV cache [1]: 0.9 by default, as in vLLM.

    Returns
    -------
    Generation
        Throughput and times in steady state.

    Raises
    ------
    InputError
        If a number is not positive and finite, the architecture does not generate tokens, or the model does not fit in
        memory. The message lists all problems of the numbers.
    MissingFactError
        If only counts of the architecture are known, or a fact of the accelerator is not known.

    References
    ----------
    Equations: `costmodel.serving.decode`. Constants: `data/fitted/decode.csv`.

    Examples
    --------
    >>> import costmodel as cm
    >>> result = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 8), prompt_length=500, output_length=500)
    >>> result.replicas, 40e3 < result.tokens_per_second < 120e3
    (8, True)
    """
    architecture = load_architecture(architecture)
    _check(architecture, cluster, prompt_length, output_length, concurrency, replicas)
    share = gpu_memory_utilization
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise InputError(f"gpu_memory_utilization: must be above 0 and at most 1; got {share!r}")
    stored = precision_of(architecture, precision)
    efficiency = efficiency or default_efficiency()
    weights, cache = weight_bytes(architecture, stored), cache_bytes(architecture, prompt_length + output_length / 2)
    machine(cluster, 1, stored.peak)
    memory = cluster.accelerator.usable_memory or 0.0
    if replicas is None:
        size = _accelerators(cluster, memory, weights, cache, share)
        replicas = cluster.count // size
    else:
        size = cluster.count // replicas
    fits = math.floor(largest_batch(size * memory, weights, cache, share))
    if fits < 1:
        raise InputError(
            f"cluster: the model does not fit in a replica of {size} {cluster.accelerator.name}: {share:.0%} of "
            f"{size * memory / 1e9:.0f} GB is usable; the weights of {architecture.name} take {weights / 1e9:.0f} GB, "
            f"and each sequence takes {cache / 1e9:.3g} GB; use more accelerators or fewer bits per weight"
        )
    busy = replicas if concurrency is None else min(float(replicas), concurrency)
    batch = float(min(fits, MOST_SEQUENCES)) if concurrency is None else min(float(fits), concurrency / busy)
    return _steady(
        architecture,
        cluster,
        stored,
        efficiency,
        batch,
        busy,
        replicas,
        size,
        (prompt_length, output_length),
        (weights + batch * cache) / size,
    )


def _steady(
    architecture: Architecture,
    cluster: Cluster,
    stored: Precision,
    efficiency: Efficiency,
    batch: float,
    busy: float,
    replicas: int,
    size: int,
    lengths: tuple[float, float],
    memory: float,
) -> Generation:
    batch_work, replica = work(architecture, stored, batch, *lengths), machine(cluster, size, stored.peak)
    generation_name = cluster.accelerator.generation
    constants = efficiency.constants(generation_name)
    time_per_output_token = float(time_per_token(batch_work, replica, constants))
    rate = busy * batch / time_per_output_token
    return Generation(
        tokens_per_second=rate,
        batch=batch,
        gpu_seconds_per_token=cluster.count / rate,
        time_per_output_token=time_per_output_token,
        prefill_seconds=float(prefill(batch_work, replica, constants)),
        replicas=replicas,
        accelerators_per_replica=size,
        memory=memory,
        spread=efficiency.spread(generation_name),
    )


def _accelerators(cluster: Cluster, memory: float, weights: float, cache: float, share: float) -> int:
    """Return the smallest power of two of accelerators that holds the weights and 64 sequences.

    Beyond one node, a single sequence suffices.
    """
    size = 1
    while 2 * size <= cluster.count:
        needed = FEWEST_SEQUENCES if 2 * size <= cluster.node_size else 1
        if largest_batch(size * memory, weights, cache, share) >= needed:
            break
        size *= 2
    return size


def _check(
    architecture: Architecture, cluster: Cluster, prompt: Any, output: Any, concurrency: Any, replicas: Any
) -> None:
    problems = []
    numbers = {"prompt_length": prompt, "output_length": output}
    numbers |= {} if concurrency is None else {"concurrency": concurrency}
    for name, value in numbers.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 1:
            problems.append(f"{name}: must be a finite number, at least 1; got {value!r}")
    if replicas is not None:
        whole = isinstance(replicas, int) and not isinstance(replicas, bool)
        if not whole or replicas < 1 or cluster.count % replicas:
            problems.append(
                f"replicas: must be a whole number that divides {cluster.count} accelerators; got {replicas!r}"
            )
    if not architecture.is_aggregate and not _generates(architecture):
        problems.append(
            f"architecture: must be a decoder with an output head to generate tokens; got {architecture.name}"
        )
    if problems:
        raise InputError(problems)


def _generates(architecture: Architecture) -> bool:
    """Return whether an architecture is a decoder with an output head and a vocabulary."""
    bidirectional = any(block.bidirectional for layer in architecture.layers for block in layer.blocks())
    return architecture.head and architecture.vocabulary is not None and not bidirectional
