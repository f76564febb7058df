"""Throughput of token generation on a cluster, and the time per output token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError
from costmodel.serving.decode import (
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
"""Default maximum of concurrent sequences per replica; measured throughput hardly grows beyond it."""
FEWEST_SEQUENCES = 64
"""Concurrent sequences for which the number of accelerators of a replica is chosen; with fewer sequences, reading the
weights takes most of a step."""


class Generation(NamedTuple):
    """Throughput and times of a cluster in steady state.

    `tokens_per_second` is the output throughput of the cluster [token/s]; `batch` the number of concurrent sequences
    per replica; `gpu_seconds_per_token` the time of the cluster's accelerators, idle ones included, for an output
    token [s]; `time_per_output_token` the mean time between two tokens of a sequence [s]; `prefill_seconds` the time
    of a prompt on a replica [s]; `memory` that of weights and cache on an accelerator [byte]; `spread` the
    standard deviation of ln(predicted / measured) of a throughput of a model that was not in the fit [1].
    """

    tokens_per_second: float
    batch: float
    gpu_seconds_per_token: float
    time_per_output_token: float
    prefill_seconds: float
    replicas: int
    accelerators_per_replica: int
    memory: float
    spread: float


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
) -> Generation:
    """Return the throughput of a cluster that generates, sequences joining and leaving as they come and end.

    Parameters
    ----------
    architecture : Architecture, or what `load_architecture` takes
    cluster : accelerators, divided into equal replicas of the model
    prompt_length, output_length : tokens of a sequence, on average [token]
    concurrency : sequences at once on the whole cluster; those that do not fit wait. Unless given, as many as fit
        in the memory, 1024 for a replica at most
    precision : of the weights: bf16, fp16, fp8, int8, int4, mxfp4; a checkpoint that is smaller stays as it is
    replicas : copies of the model; unless given, as many as there are room for: a replica has the smallest power of
        two of accelerators that holds the weights and 64 sequences, or as many as a node holds
    efficiency : constants of the model; the shipped ones unless given

    Raises
    ------
    InputError
        If a number is not positive and finite, the architecture generates nothing, or the model does not fit; all
        that is wrong with the numbers at once.
    MissingFactError
        If only the counts of the architecture are known, or a fact of the accelerator is not.

    References
    ----------
    The form: `costmodel.serving.decode`; the constants: `data/fitted/decode.csv`.

    Examples
    --------
    >>> import costmodel as cm
    >>> found = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 8), prompt_length=500, output_length=500)
    >>> found.replicas, 40e3 < found.tokens_per_second < 120e3
    (8, True)
    """
    architecture = load_architecture(architecture)
    _check(architecture, cluster, prompt_length, output_length, concurrency, replicas)
    stored = precision_of(architecture, precision)
    known = efficiency or default_efficiency()
    weights, cache = weight_bytes(architecture, stored), cache_bytes(architecture, prompt_length + output_length / 2)
    machine(cluster, 1, stored.peak)
    memory = cluster.accelerator.usable_memory or 0.0
    if replicas is None:
        size = _accelerators(cluster, memory, weights, cache)
        replicas = cluster.count // size
    else:
        size = cluster.count // replicas
    fits = math.floor(largest_batch(size * memory, weights, cache))
    if fits < 1:
        raise InputError(
            f"cluster: {size} {cluster.accelerator.name} of a replica hold {size * memory / 1e9:.0f} GB, of which 90 % "
            f"are used; {architecture.name} takes {weights / 1e9:.0f} GB, and {cache / 1e9:.3g} GB for each sequence"
        )
    busy = replicas if concurrency is None else min(float(replicas), concurrency)
    batch = float(min(fits, MOST_SEQUENCES)) if concurrency is None else min(float(fits), concurrency / busy)
    return _steady(architecture, cluster, stored, known, batch, busy, replicas, size,
                   (prompt_length, output_length), (weights + batch * cache) / size)  # fmt: skip


def _steady(
    architecture: Architecture, cluster: Cluster, stored: Precision, known: Efficiency, batch: float, busy: float,
    replicas: int, size: int, lengths: tuple[float, float], memory: float,
) -> Generation:  # fmt: skip
    of, on = work(architecture, stored, batch, *lengths), machine(cluster, size, stored.peak)
    generation_name = cluster.accelerator.generation
    constants = known.constants(generation_name)
    between = float(time_per_token(of, on, constants))
    rate = busy * batch / between
    return Generation(
        tokens_per_second=rate,
        batch=batch,
        gpu_seconds_per_token=cluster.count / rate,
        time_per_output_token=between,
        prefill_seconds=float(prefill(of, on, constants)),
        replicas=replicas,
        accelerators_per_replica=size,
        memory=memory,
        spread=known.spread(generation_name),
    )


def _accelerators(cluster: Cluster, memory: float, weights: float, cache: float) -> int:
    """Return the smallest power of two that holds weights and some sequences; beyond a node, one will do."""
    size = 1
    while 2 * size <= cluster.count:
        asked = FEWEST_SEQUENCES if 2 * size <= cluster.node_size else 1
        if largest_batch(size * memory, weights, cache) >= asked:
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
            problems.append(f"{name}: is a number, at least 1 and finite; got {value!r}")
    if replicas is not None:
        whole = isinstance(replicas, int) and not isinstance(replicas, bool)
        if not whole or replicas < 1 or cluster.count % replicas:
            problems.append(f"replicas: is a whole number that divides {cluster.count} accelerators; got {replicas!r}")
    if not architecture.is_aggregate and not _generates(architecture):
        problems.append(f"architecture: {architecture.name} generates no tokens: it has no head or is no decoder")
    if problems:
        raise InputError(problems)


def _generates(architecture: Architecture) -> bool:
    both_ways = any(getattr(block, "causal", True) is False
                    for layer in architecture.layers for block in layer.blocks()
                    if block.part == "attention")  # fmt: skip
    return architecture.head and architecture.vocabulary is not None and not both_ways
