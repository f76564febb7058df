"""Does it fit? Bytes on the fullest accelerator, part by part; their sum, no maximum of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.training.arrays import largest, rounded_up, smallest, where

if TYPE_CHECKING:
    from costmodel.training.layout import Layouts
    from costmodel.training.numerics import Numerics
    from costmodel.training.workload import Parameters, Workload

GIB = 1024.0**3
FRAMEWORK = 3.0 * GIB
"""Device context, kernels, communication library and allocator [byte]; measured runs of torchtitan."""
WHOLE_LOGITS, FUSED_LOGITS = 12.0, 4.0
"""Bytes for each logit: 16-bit and 32-bit logits with their gradients; fused, 16-bit logits and gradient."""
SELECTIVE = 0.5
"""Share of the saved activations that selective recomputation keeps where attention is fused."""


class Memory(NamedTuple):
    """Bytes on the fullest accelerator by part, each of the broadcast shape."""

    weights: Any
    gradients: Any
    optimizer: Any
    activations: Any
    logits: Any
    communication: Any
    framework: Any

    @property
    def total(self) -> Any:
        """Sum of the parts [byte]."""
        return sum(self)


class Stage(NamedTuple):
    """Parameters of the fullest stage on one rank, before any sharing over data-parallel ranks."""

    dense: Any
    expert: Any
    table: Any
    layer: Any

    @property
    def total(self) -> Any:
        """All of them."""
        return self.dense + self.expert + self.table


def heaviest_layers(work: Workload, of: Layouts) -> Any:
    """Return the number of layers on the heaviest stage: layers that do not divide evenly make some heavier."""
    return rounded_up(work.layers / of.pipeline)


def stage_parameters(work: Workload, of: Layouts) -> Stage:
    """Return how many parameters one rank of the fullest stage holds.

    Tensor parallelism splits matrices, keys and values up to the number of their heads; norms and routers
    it leaves whole. Experts are split by their own degrees.
    """
    share = heaviest_layers(work, of) / work.layers
    counts: Parameters = work.parameters
    dense = counts.dense / of.tensor + counts.grouped / smallest(of.tensor, work.key_heads) + counts.whole
    expert = counts.expert / (of.expert * of.expert_tensor)
    ends = where(of.pipeline == 1, counts.embedding + counts.head, largest(counts.embedding, counts.head))
    ahead = work.prediction_share / work.layers * where(of.pipeline == 1, 1.0, 0.0)
    layer = (dense + expert) / work.layers
    return Stage(dense * (share + ahead), expert * (share + ahead), ends / of.tensor, layer)


def memory(work: Workload, numbers: Numerics, batch_size: Any, of: Layouts) -> Memory:
    """Return the memory of a step.

    Parameters
    ----------
    work : Workload
    numbers : Numerics
    batch_size : sequences of a step
    of : Layouts, each field of shape (...)

    Returns
    -------
    Memory
        Each part [byte], of the broadcast shape.

    References
    ----------
    Korthikanti et al. 2022 (arXiv 2205.05198), section 4; Rajbhandari et al. 2020 (arXiv 1910.02054),
    section 3.
    """
    stage = stage_parameters(work, of)
    world = of.data * of.tensor * of.context
    expert_ranks = world / (of.expert * of.expert_tensor)
    dense_shard, expert_shard = of.shard, smallest(of.shard, expert_ranks)
    table = stage.dense + stage.table
    shared = numbers.trained * (table / dense_shard + stage.expert / expert_shard)
    whole = numbers.trained * stage.total
    all_shared = table / dense_shard + stage.expert / expert_shard
    weights = numbers.weight * where(of.zero >= 3, all_shared, stage.total)
    gradients = numbers.gradient * where(of.zero >= 2, shared, whole)
    states = numbers.states(work.parameters.matrix_share) * where(of.zero >= 1, shared, whole)
    tokens = work.sequence_length * of.micro_batch / of.context
    between = where(of.sequence_parallel > 0, of.tensor, 1.0)
    logits = where(of.fused_loss > 0, FUSED_LOGITS, WHOLE_LOGITS) * tokens * work.vocabulary / of.tensor
    live = where(of.zero >= 3, _gathered(stage, numbers, of), 0.0)
    buffers = live + where(of.tensor > 1, 8.0 * tokens * work.width, 0.0)
    return Memory(
        weights, gradients, states * (1 - of.offload_optimizer),
        _activations(work, batch_size, of, between), logits, buffers, FRAMEWORK + 0 * logits,
    )  # fmt: skip


def _gathered(stage: Stage, numbers: Numerics, of: Layouts) -> Any:
    """Return the bytes of weights gathered for use: two layers and a table; with stages, all of the stage.

    A stage does not share its weights and gradients out again between micro-batches.
    """
    two = 2 * numbers.weight * stage.layer + numbers.weight * stage.table
    return where(of.pipeline > 1, (numbers.weight + numbers.gradient) * stage.total, two)


def _activations(work: Workload, batch_size: Any, of: Layouts, between: Any) -> Any:
    """Return the bytes of activations kept for the backward pass on the first stage, the fullest."""
    share = of.micro_batch / of.context
    split = of.tensor
    kept = (
        work.normed / between + work.residual / between
        + (work.dense.read_part + work.dense.written_part) / split
        + work.grouped.written_part / smallest(split, work.key_heads)
        + work.whole.written / between
        + (work.expert.read_part + work.expert.written_part + 2 * work.routed) / split
    )  # fmt: skip
    scores = where(of.attention > 0, 0.0, 2.5 * work.scores / split)  # softmax, its mask and dropout: 5 bytes
    per_layer = 2.0 * share / work.layers
    every = per_layer * (kept + where(of.recompute == 0, scores, 0.0))
    light = per_layer * kept * where(of.attention > 0, SELECTIVE, 1.0)
    stored = 2.0 * share * work.sequence_length * work.width / between
    mode = of.recompute
    of_layer = where(mode == 0, every, where(mode == 1, light, stored))
    in_flight = in_flight_layers(work, batch_size, of)
    again = where(mode == 2, per_layer * (kept + scores), where(mode == 1, per_layer * scores, 0.0))
    return of_layer * in_flight + again


def in_flight_layers(work: Workload, batch_size: Any, of: Layouts) -> Any:
    """Return how many layers' activations the first stage holds at once.

    1F1B holds the micro-batches of as many steps as there are stages; interleaving adds (p - 1) / (p v)
    of that.
    """
    waiting = smallest(of.pipeline, of.accumulation(batch_size))
    more = where(of.interleave > 1, 1 + (of.pipeline - 1) / (of.pipeline * of.interleave), 1.0)
    return heaviest_layers(work, of) * smallest(waiting * more, of.accumulation(batch_size))
