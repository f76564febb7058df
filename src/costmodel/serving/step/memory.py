"""Memory of a replica: weights, KV cache, and the largest batch that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.serving.step.formats import PLAIN_BYTES, Format, bytes_per_weight, stored_weights
from costmodel.serving.step.work import cache_bytes

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.serving.step.replica import Replica

MEMORY_SHARE = 0.9
"""Share of the memory for weights and KV cache [1]: default of `gpu_memory_utilization` in vLLM."""


def replica_weight_bytes(architecture: Architecture, stored: Format, replica: Replica) -> float:
    """Return the bytes of weights on all accelerators of a replica.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its weights, towers included.
    stored : Format
        Storage format of the weights.
    replica : Replica
        Layout; data-parallel attention keeps all weights but routed experts on each accelerator.
    """
    copies_of_dense = replica.tensor if replica.data_parallel_attention else 1
    total = 0.0
    for part, copies, weight in stored_weights(architecture):
        held = copies_of_dense if weight.active == 1 else 1
        total += held * copies * weight.size * bytes_per_weight(part, weight, stored)
    return total


def replica_cache_bytes(architecture: Architecture, context: float, cache_precision: str, replica: Replica) -> float:
    """Return the KV cache of a sequence on all accelerators of a replica, copies included [byte].

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    context : float
        Tokens of the sequence [token].
    cache_precision : str
        Precision of the KV cache, "bf16" or "fp8".
    replica : Replica
        Layout: grouped-query attention is copied beyond one rank per KV head, latent attention on each rank.
    """
    ranks = 1 if replica.data_parallel_attention else replica.tensor
    return ranks * cache_bytes(architecture, context, cache_precision, ranks)


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
    return max(share * memory - weights, 0.0) / max(cache, PLAIN_BYTES)
