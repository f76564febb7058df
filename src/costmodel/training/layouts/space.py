"""Search space of layouts: all degrees of parallelism for a number of accelerators, and all other options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from costmodel.foundation.arrays import N, least_common_multiple, where
from costmodel.foundation.checks import is_finite
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.tables import constant
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    BOOLEAN_FIELDS,
    CATEGORICAL_FIELDS,
    LOSS_IMPLEMENTATIONS,
    MODULE_SETS,
    Layouts,
)

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs
    from costmodel.training.step.workload import Workload

DEGREES = ("data", "tensor", "pipeline", "context", "expert", "expert_tensor")
"""Fields of a layout that are degrees of parallelism."""
CONTEXT_TOKENS = constant("context_tokens")
"""Least tokens of a sequence on each context-parallel rank of a usual layout [token]."""
MOST_MOE_CHUNKS = constant("most_moe_chunks")
"""Largest number of chunks of a pipeline stage of an MoE [1]."""
MODULES_OF_MOE = float(MODULE_SETS.index("layernorm+moe_act"))
MODULES_OF_LATENT_MOE = float(MODULE_SETS.index("layernorm+mla_up_proj+moe_act"))
"""Modules that the planner recomputes in an MoE, without and with latent attention: those that recipes name."""
MOST_SEQUENCES = 512
"""Largest micro-batch size that is searched [1]."""

Choices = Mapping[str, tuple[float, ...]]
"""Allowed numbers by field of a layout."""


def read_choices(constraints: Mapping[str, Any]) -> Choices:
    """Return the numbers that constraints allow.

    Parameters
    ----------
    constraints : Mapping
        By field of `Layout`, a value or a sequence of values.

    Raises
    ------
    InputError
        With every problem of the constraints.
    """
    problems, choices = [], {}
    for name, given in constraints.items():
        values = list(given) if isinstance(given, (list, tuple, range, set, frozenset)) else [given]
        words = CATEGORICAL_FIELDS.get(name)
        if name not in Layouts._fields:
            problems.append(unknown("field of a layout", name, Layouts._fields))
        elif not values:
            problems.append(f"{name}: needs at least one value; got {given!r}")
        elif words is not None:
            if any(value not in words for value in values):
                problems.append(f"{name} must be one of {', '.join(words)}; got {given!r}")
            else:
                choices[name] = tuple(float(words.index(value)) for value in values)
        elif not all(_is_valid(name, value) for value in values):
            flag, level = name in BOOLEAN_FIELDS, name == "zero"
            allowed = "true or false" if flag else "0, 1, 2 or 3" if level else "a whole number above 0"
            problems.append(f"{name} must be {allowed}, or a list of such values; got {given!r}")
        else:
            choices[name] = tuple(float(value) for value in values)
    if problems:
        raise InputError(problems)
    return choices


def _is_valid(name: str, value: Any) -> bool:
    """Return whether a numeric or boolean field can have a value."""
    if not (isinstance(value, bool) or is_finite(value)) or value != int(value):
        return False
    low, high = (0, 1) if name in BOOLEAN_FIELDS else (0, 3) if name == "zero" else (1, math.inf)
    return bool(low <= value <= high)


def divisors(number: float) -> list[float]:
    """Return the divisors of a whole number, in ascending order.

    Parameters
    ----------
    number : float

    Examples
    --------
    >>> divisors(12)
    [1.0, 2.0, 3.0, 4.0, 6.0, 12.0]
    """
    whole = int(number)
    small = [divisor for divisor in range(1, math.isqrt(whole) + 1) if whole % divisor == 0]
    return sorted({float(value) for divisor in small for value in (divisor, whole // divisor)})


def degrees_within(count: float) -> list[float]:
    """Return the degrees of parallelism for a number of accelerators: its divisors and the smaller powers of two.

    A power of two that does not divide the number leaves some accelerators idle.

    Parameters
    ----------
    count : float

    Examples
    --------
    >>> degrees_within(6)
    [1.0, 2.0, 3.0, 4.0, 6.0]
    """
    powers = {2.0**exponent for exponent in range(int(count).bit_length())}
    return sorted(powers.union(divisors(count)))


def stage_counts(layers: float) -> list[float]:
    """Return the useful numbers of pipeline stages: powers of two, and the fewest for each number of layers per stage.

    Parameters
    ----------
    layers : float

    Examples
    --------
    >>> stage_counts(12)
    [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]
    """
    fewest = {float(math.ceil(layers / per_stage)) for per_stage in range(1, int(layers) + 1)}
    return sorted(fewest.union(2.0**exponent for exponent in range(int(layers).bit_length())))


def most_replicas(count: float, tensor: float, pipeline: float, context: float, expert_ranks: float = 1.0) -> float:
    """Return the largest data-parallel degree on a number of accelerators; 0 if there are too few.

    Expert parallelism needs tensor × context × data in multiples of its ranks.

    Parameters
    ----------
    count, tensor, pipeline, context : float
    expert_ranks : float
        expert × expert_tensor [1].

    Examples
    --------
    >>> most_replicas(100, tensor=8, pipeline=1, context=1), most_replicas(100, 8, 1, 1, expert_ranks=32)
    (12.0, 12.0)
    >>> most_replicas(120, 8, 1, 1, expert_ranks=32)
    12.0
    """
    step = least_common_multiple(tensor * context, expert_ranks) / (tensor * context)
    return count // (tensor * pipeline * context * step) * step


def most_context(work: Workload) -> float:
    """Return the largest usual context-parallel degree [1].

    Parameters
    ----------
    work : Workload
    """
    return max(work.sequence_length // CONTEXT_TOKENS, 1.0)


def parallel_degrees(inputs: StepInputs, choices: Choices) -> list[tuple[float, ...]]:
    """Return all degrees of parallelism, in the order of `DEGREES`, each with the most data-parallel replicas.

    General-purpose trainers use data parallelism only, and others divide sequences into parts of at least
    `CONTEXT_TOKENS`, unless a constraint names another degree.

    Parameters
    ----------
    inputs : StepInputs
    choices : Choices
    """
    count, experts = inputs.accelerators, inputs.work.experts
    contexts = tuple(degree for degree in degrees_within(count) if degree <= most_context(inputs.work))
    only = dict.fromkeys(DEGREES[1:], (1.0,)) if inputs.eager else {"context": contexts}
    allowed = [choices.get(name, only.get(name)) for name in DEGREES]
    combinations = []
    degrees = degrees_within(count)
    stages = sorted({*degrees, *stage_counts(inputs.work.layers)})
    for tensor, pipeline, context in product(degrees, stages, degrees):
        if tensor * pipeline * context > count:
            continue
        for expert in divisors(experts):
            for expert_tensor in sorted({1.0, tensor} if experts > 1 else {1.0}):
                data = most_replicas(count, tensor, pipeline, context, expert * expert_tensor)
                combinations.append((data, tensor, pipeline, context, expert, expert_tensor))

    def is_allowed(degrees: tuple[float, ...]) -> bool:
        return degrees[0] > 0 and all(
            values is None or degree in values for degree, values in zip(degrees, allowed, strict=True)
        )

    return [degrees for degrees in combinations if is_allowed(degrees)]


def software_options(inputs: StepInputs) -> dict[str, float]:
    """Return the fields of a layout that are not searched, because they depend on the software, with their values.

    Communication of data parallelism overlaps with compute, that of tensor parallelism does not. A general-purpose
    trainer (eager mode) converts all logits to fp32; others use a fused loss.

    Parameters
    ----------
    inputs : StepInputs
    """
    return {
        "sequence_parallel": 1.0,
        "attention": float(ATTENTION_KERNELS.index("latest")),
        "loss": float(LOSS_IMPLEMENTATIONS.index("whole" if inputs.eager else "fused")),
        "eager": float(inputs.eager),
        "overlap_tensor": 0.0,
        "overlap_data": 1.0,
        "offload_optimizer": 0.0,
        "offload_weights": 0.0,
        "offload_activations": 0.0,
        "tiled_feed_forward": 0.0,
        "step_in_backward": 0.0,
    }


def option_values(inputs: StepInputs, degrees: Sequence[float], choices: Choices) -> dict[str, list[float]]:
    """Return the values of all other fields for given degrees; an option without effect has one value.

    Parameters
    ----------
    inputs : StepInputs
    degrees : sequence of float
        Degrees of parallelism in the order of `DEGREES`.
    choices : Choices
    """
    data, tensor, pipeline, context = degrees[:4]
    most_chunks = max(inputs.work.layers // pipeline, 1.0)
    if inputs.work.experts > 1:
        most_chunks = min(most_chunks, MOST_MOE_CHUNKS)
    chunks = sorted({most_chunks, *(value for value in divisors(inputs.work.layers) if value <= most_chunks)})
    ranks, ranks_in_node = data * context, inputs.hardware.gpus_per_node / tensor
    within_node = [ranks_in_node] if 1 < ranks_in_node < ranks and ranks % ranks_in_node == 0 else []
    options: dict[str, list[float]] = {
        "micro_batch": micro_batches(math.ceil(inputs.batch_size / data)),
        "interleave": chunks if pipeline > 1 else [1.0],
        "zero": [0.0, 1.0, 2.0, 3.0] if ranks > 1 else [0.0],
        "shard": [ranks, *within_node],
        "recompute": [2.0] if inputs.eager else [0.0, 1.0, 2.0],
        "recompute_modules": [0.0, moe_modules(inputs.work.up_projected)]
        if inputs.work.experts > 1 and not inputs.eager
        else [0.0],
        **{name: [value] for name, value in software_options(inputs).items()},
    }
    return {name: list(choices.get(name, values)) for name, values in options.items()}


def moe_modules(up_projected: N) -> N:
    """Return the set of modules that the planner recomputes in an MoE, as its index in `MODULE_SETS`.

    Parameters
    ----------
    up_projected : float or ndarray
        Outputs of the up-projections of latent attention [1].
    """
    return where(up_projected > 0, MODULES_OF_LATENT_MOE, MODULES_OF_MOE)


def micro_batches(sequences: int) -> list[float]:
    """Return the micro-batch sizes for a number of sequences per replica: its equal parts, rounded up.

    Parameters
    ----------
    sequences : int

    Examples
    --------
    >>> micro_batches(12)
    [1.0, 2.0, 3.0, 4.0, 6.0, 12.0]
    >>> micro_batches(11)
    [1.0, 2.0, 3.0, 4.0, 6.0, 11.0]
    """
    sizes = {float(math.ceil(sequences / parts)) for parts in range(1, sequences + 1)}
    return sorted(size for size in sizes if size <= MOST_SEQUENCES)
