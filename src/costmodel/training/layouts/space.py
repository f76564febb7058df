"""Search space of layouts: all degrees of parallelism for a number of accelerators, and all other options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError, unknown
from costmodel.training.step.layout import (
    ATTENTION_KERNELS,
    BOOLEAN_FIELDS,
    CATEGORICAL_FIELDS,
    LOSS_IMPLEMENTATIONS,
    Layouts,
)

if TYPE_CHECKING:
    from costmodel.training.layouts.step_time import StepInputs

DEGREES = ("data", "tensor", "pipeline", "context", "expert", "expert_tensor")
"""Fields of a layout that are degrees of parallelism."""
_ONLY_ON_REQUEST = ("eager", "offload_weights", "offload_activations", "tiled_feed_forward", "step_in_backward")
"""Boolean options that are searched only if a constraint names them."""

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
    if not isinstance(value, (bool, int, float)) or not math.isfinite(value) or value != int(value):
        return False
    low, high = (0, 1) if name in BOOLEAN_FIELDS else (0, 3) if name == "zero" else (1, math.inf)
    return low <= value <= high


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


def parallel_degrees(inputs: StepInputs, choices: Choices) -> list[tuple[float, ...]]:
    """Return all degrees of parallelism whose product is the number of accelerators, in the order of `DEGREES`.

    Parameters
    ----------
    inputs : StepInputs
    choices : Choices
    """
    count, experts = inputs.accelerators, inputs.work.experts
    combinations = []
    for tensor, pipeline in product(divisors(count), divisors(count)):
        if count % (tensor * pipeline):
            continue
        for context in divisors(count / (tensor * pipeline)):
            data = count / (tensor * pipeline * context)
            combinations += [
                (data, tensor, pipeline, context, expert, expert_tensor)
                for expert in divisors(experts)
                for expert_tensor in sorted({1.0, tensor} if experts > 1 else {1.0})
                if tensor * context * data % (expert * expert_tensor) == 0
            ]
    allowed = [choices.get(name) for name in DEGREES]

    def is_allowed(degrees: tuple[float, ...]) -> bool:
        return all(values is None or degree in values for degree, values in zip(degrees, allowed, strict=True))

    return [degrees for degrees in combinations if is_allowed(degrees)]


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
    chunks = sorted({most_chunks, *(value for value in divisors(inputs.work.layers) if value <= most_chunks)})
    ranks, ranks_in_node = data * context, inputs.hardware.gpus_per_node / tensor
    within_node = [ranks_in_node] if 1 < ranks_in_node < ranks and ranks % ranks_in_node == 0 else []
    options: dict[str, list[float]] = {
        "micro_batch": divisors(inputs.batch_size),
        "interleave": chunks if pipeline > 1 else [1.0],
        "zero": [0.0, 1.0, 2.0, 3.0] if ranks > 1 else [0.0],
        "shard": [ranks, *within_node],
        "recompute": [0.0, 1.0, 2.0],
        "attention": [float(ATTENTION_KERNELS.index("latest"))],
        "loss": [float(LOSS_IMPLEMENTATIONS.index(loss)) for loss in ("whole", "fused")],
        **{name: [0.0] if name in _ONLY_ON_REQUEST else [0.0, 1.0] for name in BOOLEAN_FIELDS},
    }
    options["eager"] = [float(inputs.eager)]
    if tensor == 1:
        options |= {"sequence_parallel": [1.0], "overlap_tensor": [1.0]}
    if ranks == 1:
        options |= {"overlap_data": [1.0]}
    return {name: list(choices.get(name, values)) for name, values in options.items()}
