"""Does it fit? Bytes on the fullest accelerator, part by part, at the moment when they are most."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.arrays import largest, rounded_up, smallest, where
from costmodel.foundation.tables import table
from costmodel.foundation.units import GIB

if TYPE_CHECKING:
    from costmodel.training.step.layout import Layouts
    from costmodel.training.step.numerics import Numerics
    from costmodel.training.step.workload import Parameters, Workload

GATHERED = 8.0
"""Bytes for each element of the hidden state that tensor-parallel ranks gather: two 16-bit copies, two gradients."""
SCORES = 5.0
"""Bytes for each score that an unfused kernel keeps: softmax and dropout in 16 bits, and a mask (arXiv 2205.05198)."""
SELECTIVE = 0.5
"""Share of the saved activations that selective recomputation keeps where attention is fused."""
FUSED_LOGITS = 4.0
"""Bytes for each logit of a fused loss: 16-bit logits and their gradient."""
SUB_GROUP = 1e9
"""Parameters of which ZeRO-3 of DeepSpeed does the step at a time: its default `sub_group_size`."""
FRAMEWORK = 3.0 * GIB
"""Device context, kernels, communication library and allocator on one of several [byte]; runs of torchtitan."""


class Held(NamedTuple):
    """What was measured of memory beyond what follows from shapes; `data/fitted/memory.csv`."""

    context: float
    """Device context, kernels and allocator of a process [byte]."""
    engine: float
    """Buffers of the DeepSpeed engine [byte]."""
    whole_logits: float
    """Bytes for each logit where all of them are turned into 32 bits, with gradients."""
    half_logits: float
    """The same where they stay in 16 bits beside a 32-bit softmax."""
    chunked_logits: float
    """The same where a part of the sequence is held at a time."""
    eager_activations: float
    """Saved activations over those that the backward pass needs, where operations are launched one by one [1]."""
    foreach: float
    """Bytes for each trained parameter that such an optimizer takes aside in its step."""
    sub_group: float
    """Bytes for each parameter of a sub-group in the step of ZeRO-3 of DeepSpeed."""


@lru_cache(maxsize=1)
def default_held() -> Held:
    """Return the constants of `data/fitted/memory.csv`."""
    return Held(**{row["name"]: float(row["value"]) for row in table("fitted/memory").rows})


class Memory(NamedTuple):
    """Bytes on the fullest accelerator by part, each of the broadcast shape."""

    weights: Any
    gradients: Any
    optimizer: Any
    adapters: Any
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
    adapters: Any

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
    counts: Parameters = work.parameters
    dense = counts.dense / of.tensor + counts.grouped / smallest(of.tensor, work.key_heads) + counts.whole
    expert = counts.expert / (of.expert * of.expert_tensor)
    layer = (dense + expert) / work.layers
    in_layers = counts.dense + counts.grouped + counts.whole + counts.expert
    ahead = counts.prediction * work.layers / largest(in_layers, 1.0)
    last = work.layers // of.pipeline + ahead  # prediction layers stand on the last stage, as so many mean layers
    share = largest(heaviest_layers(work, of), last) / work.layers
    ends = where(of.pipeline == 1, counts.embedding + counts.head, largest(counts.embedding, counts.head))
    return Stage(dense * share, expert * share, ends / of.tensor, layer, work.adapter.weights / of.tensor * share)


def memory(work: Workload, numbers: Numerics, batch_size: Any, of: Layouts, held: Held | None = None) -> Memory:
    """Return the memory of a step.

    Parameters
    ----------
    work : Workload
    numbers : Numerics
    batch_size : sequences of a step
    of : Layouts, each field of shape (...)
    held : what was measured of memory; the shipped constants unless given

    Returns
    -------
    Memory
        Each part [byte], of the broadcast shape.

    References
    ----------
    Korthikanti et al. 2022 (arXiv 2205.05198), section 4; Rajbhandari et al. 2020 (arXiv 1910.02054),
    section 3.
    """
    known = held or default_held()
    stage = stage_parameters(work, of)
    layers, tables = over_ranks(stage, of)
    held_layers, held_tables = (
        where(of.zero >= 3, layers, stage.dense + stage.expert),
        where(of.zero >= 3, tables, stage.table),
    )
    weights = numbers.weight * held_layers + numbers.table_weight * held_tables
    of_layers = numbers.trained * where(of.zero >= 2, layers, stage.dense + stage.expert)
    of_tables = numbers.table_trained * where(of.zero >= 2, tables, stage.table)
    in_backward = where(of.step_in_backward + of.offload_weights > 0, 0.0, 1.0)
    gradients = numbers.gradient * (of_layers + of_tables) * in_backward
    states = state_bytes(work, numbers, stage, of)
    adapters = numbers.adapter * stage.adapters / where(of.zero >= 1, of.shard, 1.0)
    tokens = work.sequence_length * of.micro_batch / of.context
    between = where(of.sequence_parallel > 0, of.tensor, 1.0)
    logits = _bytes_of_a_logit(of, known) * tokens * work.vocabulary / of.tensor
    live = where((of.zero >= 3) | (of.offload_weights > 0), _gathered(stage, numbers, of), 0.0)
    buffers = live + where(of.tensor > 1, GATHERED * tokens * work.width, 0.0)
    framework = where(of.accelerators > 1, FRAMEWORK, known.context)
    activations = _activations(work, batch_size, of, between, known)
    waiting = where(_keeps_gradients(batch_size, of), gradients, 0.0)  # beside the forward pass
    aside = where(
        of.zero >= 3,
        known.sub_group * smallest(SUB_GROUP, of_layers + of_tables),
        known.foreach * (of_layers + of_tables),
    )
    in_step = gradients + where(of.eager > 0, aside, 0.0)
    room = activations + logits  # taken over as those go
    return Memory(
        weights * (1 - of.offload_weights), largest(waiting, in_step - room), states * (1 - of.offload_optimizer),
        adapters,
        activations, logits, buffers, framework + 0 * logits,
    )  # fmt: skip


def _bytes_of_a_logit(of: Layouts, known: Held) -> Any:
    lean = where(of.loss == 2, FUSED_LOGITS, known.chunked_logits)
    return where(of.loss == 0, known.whole_logits, where(of.loss == 1, known.half_logits, lean))


def _keeps_gradients(batch_size: Any, of: Layouts) -> Any:
    """Tell whether gradients are there during a forward pass: from one micro-batch to the next, or as buffers."""
    return (of.accumulation(batch_size) > 1) | (of.accelerators > 1)


def over_ranks(stage: Stage, of: Layouts) -> tuple[Any, Any]:
    """Return the parameters of layers and of tables for each rank where data-parallel ranks share them.

    Those of experts are shared by fewer ranks: the ones that hold the same experts.
    """
    alike = of.data * of.tensor * of.context / (of.expert * of.expert_tensor)
    return stage.dense / of.shard + stage.expert / smallest(of.shard, alike), stage.table / of.shard


def state_bytes(work: Workload, numbers: Numerics, stage: Stage, of: Layouts) -> Any:
    """Return the bytes of master weights and moments of one rank."""
    layers, tables = over_ranks(stage, of)
    layers = where(of.zero >= 1, layers, stage.dense + stage.expert)
    tables = where(of.zero >= 1, tables, stage.table)
    of_layers = numbers.trained * numbers.states(work.parameters.matrix_share) * layers
    return of_layers + numbers.table_trained * numbers.states(0.0) * tables


def _gathered(stage: Stage, numbers: Numerics, of: Layouts) -> Any:
    """Return the bytes of weights gathered for use: two layers and a table; with stages, all of the stage.

    A stage does not share its weights and gradients out again between micro-batches.
    """
    two = 2 * numbers.weight * stage.layer + numbers.table_weight * stage.table
    return where(of.pipeline > 1, (numbers.weight + numbers.gradient) * stage.total, two)


def _activations(work: Workload, batch_size: Any, of: Layouts, between: Any, known: Held) -> Any:
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
    scores = where(of.attention > 0, 0.0, SCORES / 2 * work.scores / split)
    per_layer = 2.0 * share / work.layers
    every = per_layer * (kept + scores)
    light = per_layer * kept * where(of.attention > 0, SELECTIVE, 1.0)
    stored = 2.0 * share * work.sequence_length * work.width / between * (1 - of.offload_activations)
    of_layer = where(
        of.recompute == 0,
        every * where(of.eager > 0, known.eager_activations, 1.0),
        where(of.recompute == 1, light, stored),
    )
    again = every - of_layer  # the layer whose backward pass runs has all of it again
    return of_layer * in_flight_layers(work, batch_size, of) + largest(again, 0.0)


def in_flight_layers(work: Workload, batch_size: Any, of: Layouts) -> Any:
    """Return how many layers' activations the first stage holds at once.

    1F1B holds the micro-batches of as many steps as there are stages; interleaving adds (p - 1) / (p v)
    of that.
    """
    waiting = smallest(of.pipeline, of.accumulation(batch_size))
    more = where(of.interleave > 1, 1 + (of.pipeline - 1) / (of.pipeline * of.interleave), 1.0)
    return heaviest_layers(work, of) * smallest(waiting * more, of.accumulation(batch_size))
