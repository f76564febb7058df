"""Bytes and FLOPs of a decode step and of a prompt, per replica."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.counting import pairs, scan_flops
from costmodel.architecture.flops import count_decode_flops
from costmodel.architecture.listing import operations_by_part
from costmodel.architecture.structure import distinct_layers
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.serving.step.formats import (
    PLAIN_BYTES,
    Format,
    bytes_per_weight,
    cache_value_bytes,
    stored_weights,
)

if TYPE_CHECKING:
    from costmodel.architecture.blocks.block import Operation
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.arrays import FloatLike, N
    from costmodel.serving.step.replica import Replica

EXCHANGES = 2.0
"""All-reduces per layer under tensor parallelism: after the mixer and after the feed-forward block
(Shoeybi et al. 2019, arXiv 1909.08053)."""


STATE_BYTES_MOVED = 8.0
"""Bytes that a step moves per element of a recurrent state [byte]: it is read and written in 32 bits, the default of
`mamba_ssm_cache_dtype` in configs of hybrid models."""
BLOCKS_PER_LAYER = 2.0
"""Blocks of a layer whose overheads are counted: a mixer and a feed-forward block [1]. Layers of hybrid models that
hold one of both count half."""


class Workload(NamedTuple):
    """Requests that a replica serves: mean lengths, and how they arrive."""

    input_tokens: float
    """Mean tokens of a prompt, cached ones included [token]."""
    output_tokens: float
    """Mean output tokens of a request [token]."""
    cached_share: float = 0.0
    """Share of the prompt that is in the prefix cache [1]."""
    continuous: bool = True
    """Whether a new request starts when one ends, so that its prompt interrupts decoding (continuous batching); False
    for batches that start together."""

    def check(self) -> None:
        """Raise `InputError` with all problems of the lengths and the cached share."""
        problems = [
            f"{name}: must be finite and at least {least:g}; got {value!r}"
            for name, value, least in (("input_tokens", self.input_tokens, 0), ("output_tokens", self.output_tokens, 1))
            if not least <= value < math.inf
        ]
        if not 0 <= self.cached_share <= 1:
            problems.append(f"cached_share: must be between 0 and 1; got {self.cached_share!r}")
        if problems:
            raise InputError(problems)

    @property
    def context(self) -> float:
        """Mean tokens of a sequence while it is decoded: the prompt and half of the output [token]."""
        return self.input_tokens + self.output_tokens / 2


class Work(NamedTuple):
    """Bytes and FLOPs of a replica for its requests; numbers, or arrays over rows."""

    accelerators: FloatLike
    """Accelerators of the replica [1]."""
    pipeline: FloatLike
    """Pipeline stages [1]."""
    tensor: FloatLike
    """Accelerators that share a layer [1]."""
    layers: FloatLike
    """Number of layers of a mixer and a feed-forward block [1]."""
    moe_layers: FloatLike
    """Number of layers with routed experts [1]."""
    quantized_layers: FloatLike
    """Number of layers if weights have fewer than 16 bits, else 0 [1]."""
    dense_bytes: FloatLike
    """Bytes of all weights but routed experts that one accelerator of each stage reads for a token [byte]."""
    expert_bytes: FloatLike
    """Bytes of all routed experts on one accelerator of each stage [byte]."""
    expert_share: FloatLike
    """Active routed experts per token over all [1]."""
    dense_flops: FloatLike
    """FLOPs per output token of products with all weights but routed experts [FLOP]."""
    expert_flops: FloatLike
    """FLOPs per output token of products with routed experts [FLOP]."""
    score_flops: FloatLike
    """FLOPs of attention per output token at the mean context [FLOP]."""
    cache_bytes: FloatLike
    """Bytes of cached keys and values that one accelerator reads per sequence at the mean context [byte]."""
    state_bytes: FloatLike
    """Bytes of recurrent states that one accelerator reads and writes per sequence [byte]."""
    prompt_dense_flops: FloatLike
    """FLOPs of the prompt in products with all weights but routed experts [FLOP]."""
    prompt_expert_flops: FloatLike
    """FLOPs of the prompt in products with routed experts [FLOP]."""
    prompt_score_flops: FloatLike
    """FLOPs of attention in the prompt [FLOP]."""
    prompt_element_bytes: FloatLike
    """Bytes of activations that elementwise kernels of the prompt could move at most [byte]."""
    prompt_tokens: FloatLike
    """Tokens of a prompt that are not cached [token]."""
    exchanged: FloatLike
    """Bytes per token that an accelerator sends in the all-reduces of all layers [byte]."""
    output_tokens: FloatLike
    """Output tokens of a request [token]."""
    continuous: FloatLike
    """1 if prompts interrupt decoding, else 0 [1]."""


def coverage(share: N, batch: N) -> N:
    """Return the share of experts that are active for at least one token of a batch.

    Parameters
    ----------
    share : float or NDArray
        Active experts per token over all experts [1].
    batch : float or NDArray
        Number of tokens, shape (...) [token].

    Returns
    -------
    float or NDArray
        Share of the experts [1], if the tokens choose theirs independently.

    Examples
    --------
    >>> coverage(2 / 8, 1), round(coverage(2 / 8, 4), 4)
    (0.25, 0.6836)
    """
    inactive: N = (1.0 - share) ** batch
    return 1.0 - inactive


def cache_bytes(architecture: Architecture, context: float, precision: str = "bf16", ranks: int = 0) -> float:
    """Return the KV cache of a sequence, or the part of it that one of `ranks` tensor-parallel ranks holds.

    Sliding-window attention caches the window, latent attention caches the latent vector. State space models and linear
    attention keep a state of constant size, in bf16. A rank holds 1 / ranks of the heads, at least one KV head: the
    latent of latent attention lies whole on each rank.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    context : float
        Tokens of the sequence so far [token].
    precision : str
        Precision of cached keys and values, "bf16" or "fp8".
    ranks : int
        Tensor-parallel ranks that share the sequence; 0 for the whole cache.

    Returns
    -------
    float
        Bytes [byte].

    Raises
    ------
    MissingFactError
        If only the counts of the architecture are known.

    Examples
    --------
    >>> import costmodel as cm
    >>> cache_bytes(cm.load_architecture("llama-3.1-8b"), 4096) / 4096
    131072.0
    >>> cache_bytes(cm.load_architecture("deepseek-v3"), 1000, ranks=8) / 1000
    70272.0
    """
    if architecture.is_aggregate:
        raise MissingFactError(
            "architecture: the KV cache needs the shapes of the layers, but only counts are known; "
            "give a name of the catalog or a config"
        )
    keys, states = cache_elements(architecture, context, ranks)
    return keys * cache_value_bytes(precision) + states * PLAIN_BYTES


def cache_elements(architecture: Architecture, context: float, ranks: int = 0) -> tuple[float, float]:
    """Return the cached keys and values of a sequence and the elements of its recurrent states, on one rank.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    context : float
        Tokens of the sequence so far [token].
    ranks : int
        Tensor-parallel ranks that share the sequence; 0 for the whole cache.
    """
    if context < 0:
        raise InputError(f"context: must not be negative; got {context:g}")
    tokens: Any = context  # a mean number of tokens need not be whole
    keys = states = 0.0
    for layer, copies in distinct_layers(architecture.layers).items():
        for block in layer.blocks():
            elements = copies * block.cache(tokens)
            if block.attends:
                keys += elements / min(max(ranks, 1), block.cache_heads)
            else:
                states += elements / max(ranks, 1)
    return keys, states


def check_cache_precision(architecture: Architecture, precision: str) -> None:
    """Raise `InputError` if a precision of the KV cache is unknown, or does nothing for an architecture.

    Parameters
    ----------
    architecture : Architecture
        Architecture; one without attention has no keys and values.
    precision : str
        Precision of the KV cache.
    """
    value = cache_value_bytes(precision)
    if value < PLAIN_BYTES and not architecture.is_aggregate and cache_elements(architecture, 1.0)[0] == 0:
        raise InputError(
            f"cache_precision: {architecture.name} has no attention, so that {precision} does nothing; accepted: bf16"
        )


def work_of(
    architecture: Architecture, stored: Format, cache_precision: str, replica: Replica, workload: Workload
) -> Work:
    """Return the bytes and FLOPs of a replica that serves text requests.

    Towers of images and sound are not run for text.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its layers.
    stored : Format
        Storage format of the weights.
    cache_precision : str
        Precision of the KV cache, "bf16" or "fp8".
    replica : Replica
        Layout of the replica.
    workload : Workload
        Lengths of the requests.
    """
    read = _read(architecture, stored)
    prompt = _prompt_flops(architecture, float(workload.input_tokens))
    cached = _prompt_flops(architecture, float(workload.input_tokens * workload.cached_share))
    dense, experts, scores = (whole - part for whole, part in zip(prompt, cached, strict=True))
    decode_scores = count_decode_flops(architecture, workload.context) - read.dense_flops - read.expert_flops
    tensor, stages = replica.tensor, replica.pipeline
    own = replica.data_parallel_attention
    new = workload.input_tokens * (1 - workload.cached_share)
    width = architecture.width
    keys, states = cache_elements(architecture, workload.context, 1 if own else tensor)
    sharers = stages * (tensor if own else 1)
    layers, moe_layers = layer_equivalents(architecture), _moe_layers(architecture)
    return Work(
        accelerators=float(replica.accelerators),
        pipeline=float(stages),
        tensor=float(tensor),
        layers=layers,
        moe_layers=float(moe_layers),
        quantized_layers=layers if stored.is_quantized else 0.0,
        dense_bytes=read.dense_bytes / (1 if own else tensor),
        expert_bytes=read.expert_bytes / tensor,
        expert_share=read.share,
        dense_flops=read.dense_flops,
        expert_flops=read.expert_flops,
        score_flops=max(decode_scores, 0.0),
        cache_bytes=keys * cache_value_bytes(cache_precision) / sharers,
        state_bytes=states * STATE_BYTES_MOVED / sharers,
        prompt_dense_flops=dense,
        prompt_expert_flops=experts,
        prompt_score_flops=scores,
        prompt_element_bytes=2 * width * new * (10 * layers + 6 * read.top_k * moe_layers),
        prompt_tokens=new,
        exchanged=_exchanged(architecture, replica, read.top_k),
        output_tokens=float(workload.output_tokens),
        continuous=float(workload.continuous),
    )


class _Read(NamedTuple):
    """Weights that a decode step of text reads, and the FLOPs of its products per token."""

    dense_bytes: float
    expert_bytes: float
    share: float
    top_k: float
    dense_flops: float
    expert_flops: float


@lru_cache(maxsize=256)
def _read(architecture: Architecture, stored: Format) -> _Read:
    """Return what a decode step reads: without towers and without the input embedding; a tied head is read."""
    if architecture.is_aggregate:
        raise MissingFactError(
            "architecture: the serving model needs the shapes of the layers, but only counts are known; "
            "give a name of the catalog or a config"
        )
    towers = {stack.name for stack in architecture.stacks} | {"projector"}
    dense = experts = expert_flops = active = 0.0
    top_k = max((block.sharding().top_k for layer in architecture.layers for block in layer.blocks()), default=0)
    for part, copies, weight in stored_weights(architecture):
        if part in towers or (part == "embedding" and not (architecture.tied and weight.name == "embedding")):
            continue
        read = copies * weight.size * bytes_per_weight(part, weight, stored)
        if weight.active == 1:
            dense += read
        else:
            experts += read
            active += read * weight.active
            if len(weight.shape) > 1:
                expert_flops += 2.0 * copies * weight.size * weight.active
    products = 0.0
    for part, copies, operations in operations_by_part(architecture, 1.0, 1.0, decoding=True):
        if part not in towers:
            products += sum(_product_flops(work) for work in operations) * copies
    return _Read(dense, experts, active / experts if experts else 1.0, top_k, products - expert_flops, expert_flops)


@lru_cache(maxsize=4096)
def _prompt_flops(architecture: Architecture, tokens: float) -> tuple[float, float, float]:
    """Return the FLOPs of a prompt of text: dense products, products of experts, and attention."""
    if tokens <= 0:
        return 0.0, 0.0, 0.0
    keeps = any(block.reads_source for layer in architecture.layers for block in layer.blocks())
    towers = set() if keeps else {stack.name for stack in architecture.stacks} | {"projector"}
    products = scores = 0.0
    for part, copies, operations in operations_by_part(architecture, tokens, tokens):
        if part in towers or part == "prediction":
            continue
        for work in operations:
            if work.kind == "matmul":
                products += copies * _product_flops(work)
            elif work.kind == "scan" and work.chunk is not None:
                scores += copies * scan_flops(work)
            else:
                scores += copies * 2.0 * work.k * work.copies * _pairs(work)
    experts = tokens * _expert_flops(architecture)
    return products - experts, experts, scores


@lru_cache(maxsize=256)
def _expert_flops(architecture: Architecture) -> float:
    """Return the FLOPs per token of products with routed experts [FLOP]."""
    return sum(
        2.0 * copies * weight.size * weight.active
        for _, copies, weight in stored_weights(architecture)
        if weight.active < 1 and len(weight.shape) > 1
    )


def _product_flops(work: Operation) -> float:
    return 2.0 * work.m * work.n * work.k * work.copies if work.kind == "matmul" else 0.0


def _pairs(work: Operation) -> float:
    if work.kind != "scan" and (work.causal or work.window):  # compressed keys are fewer than queries
        return float(pairs(work.m, "causal", work.causal, work.window, work.chunk) * (work.n / work.m))
    return work.m * work.n


def _exchanged(architecture: Architecture, replica: Replica, top_k: float) -> float:
    """Return the bytes that an accelerator sends per token of the replica in all layers [byte].

    Tensor parallelism sums the hidden states of all tokens over the ranks, twice per layer. With data-parallel
    attention, each rank sends its own tokens to their experts, and takes them back.
    """
    width, tensor = architecture.width * PLAIN_BYTES, replica.tensor
    if replica.data_parallel_attention:
        return 2 * _moe_layers(architecture) * min(top_k, tensor - 1) * width / tensor
    return EXCHANGES * layer_equivalents(architecture) * 2 * width * (tensor - 1) / tensor


def _moe_layers(architecture: Architecture) -> int:
    return sum(
        layer.count for layer in architecture.layers if any(block.sharding().experts for block in layer.blocks())
    )


def layer_equivalents(architecture: Architecture) -> float:
    """Return the number of layers of a mixer and a feed-forward block that has as many blocks [1].

    Parameters
    ----------
    architecture : Architecture

    Examples
    --------
    >>> import costmodel as cm
    >>> [layer_equivalents(cm.load_architecture(name)) for name in ("llama-3.1-8b", "nemotron-nano-9b-v2")]
    [32.0, 28.0]
    """
    return sum(layer.count * len(layer.blocks()) for layer in architecture.layers) / BLOCKS_PER_LAYER
