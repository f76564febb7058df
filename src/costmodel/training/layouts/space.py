"""Which layouts are there? All degrees of parallelism for a number of accelerators, and all other options."""

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
_SETTLED = ("eager", "offload_weights", "offload_activations", "step_in_backward")
"""Flags that are tried where they are asked for alone."""

Choices = Mapping[str, tuple[float, ...]]
"""By field of a layout, the numbers that it may have."""


def read_choices(constraints: Mapping[str, Any]) -> Choices:
    """Return the numbers that constraints allow, or raise `InputError` with all that is wrong.

    Parameters
    ----------
    constraints : by field of `Layout`, a value or a sequence of them
    """
    problems, choices = [], {}
    for name, given in constraints.items():
        listed = list(given) if isinstance(given, (list, tuple, range, set, frozenset)) else [given]
        if name not in Layouts._fields:
            problems.append(unknown("field of a layout", name, Layouts._fields))
        elif not listed:
            problems.append(f"{name}: at least one value is needed")
        elif name in CATEGORICAL_FIELDS and any(one not in CATEGORICAL_FIELDS[name] for one in listed):
            problems.append(f"{name} is one of {', '.join(CATEGORICAL_FIELDS[name])}; got {given!r}")
        elif name not in CATEGORICAL_FIELDS and not all(_possible(name, one) for one in listed):
            allowed = (
                "true or false" if name in BOOLEAN_FIELDS else "0 to 3" if name == "zero" else "a whole number above 0"
            )
            problems.append(f"{name} is {allowed}, or several; got {given!r}")
        else:
            choices[name] = tuple(
                float(CATEGORICAL_FIELDS[name].index(one) if name in CATEGORICAL_FIELDS else one) for one in listed
            )
    if problems:
        raise InputError(problems)
    return choices


def _possible(name: str, value: Any) -> bool:
    """Tell whether a field can have a value: flags are true or false, `zero` 0 to 3, all else counts."""
    if not isinstance(value, (bool, int, float)) or not math.isfinite(value) or value != int(value):
        return False
    low, high = (0, 1) if name in BOOLEAN_FIELDS else (0, 3) if name == "zero" else (1, math.inf)
    return low <= value <= high


def divisors(number: float) -> list[float]:
    """Return the divisors of a whole number in ascending order.

    >>> divisors(12)
    [1.0, 2.0, 3.0, 4.0, 6.0, 12.0]
    """
    whole = int(number)
    small = [one for one in range(1, math.isqrt(whole) + 1) if whole % one == 0]
    return sorted({float(each) for one in small for each in (one, whole // one)})


def degrees(asked: StepInputs, choices: Choices) -> list[tuple[float, ...]]:
    """Return all degrees of parallelism whose product is the number of accelerators, in the order of `DEGREES`."""
    listed = []
    for tensor, pipeline in product(divisors(asked.accelerators), divisors(asked.accelerators)):
        if asked.accelerators % (tensor * pipeline):
            continue
        for context in divisors(asked.accelerators / (tensor * pipeline)):
            data = asked.accelerators / (tensor * pipeline * context)
            listed += [
                (data, tensor, pipeline, context, expert, inner)
                for expert in divisors(asked.work.experts)
                for inner in sorted({1.0, tensor} if asked.work.experts > 1 else {1.0})
                if tensor * context * data % (expert * inner) == 0
            ]
    allowed = [choices.get(name) for name in DEGREES]
    return [
        one
        for one in listed
        if all(values is None or value in values for value, values in zip(one, allowed, strict=True))
    ]


def options(asked: StepInputs, one: Sequence[float], choices: Choices) -> dict[str, list[float]]:
    """Return the values of every other option for a set of degrees; what makes no difference is tried once."""
    data, tensor, pipeline, context = one[:4]
    most_chunks = max(asked.work.layers // pipeline, 1.0)
    chunks = sorted({most_chunks, *(v for v in divisors(asked.work.layers) if v <= most_chunks)})
    ranks, of_node = data * context, asked.hardware.gpus_per_node / tensor
    within = [of_node] if 1 < of_node < ranks and ranks % of_node == 0 else []
    tried: dict[str, list[float]] = {
        "micro_batch": divisors(asked.batch_size),
        "interleave": chunks if pipeline > 1 else [1.0],
        "zero": [0.0, 1.0, 2.0, 3.0] if ranks > 1 else [0.0],
        "shard": [ranks, *within],
        "recompute": [0.0, 1.0, 2.0],
        "attention": [float(ATTENTION_KERNELS.index("latest"))],
        "loss": [float(LOSS_IMPLEMENTATIONS.index(one)) for one in ("whole", "fused")],
        **{name: [0.0] if name in _SETTLED else [0.0, 1.0] for name in BOOLEAN_FIELDS},
    }
    tried["eager"] = [float(asked.eager)]
    if tensor == 1:
        tried |= {"sequence_parallel": [1.0], "overlap_tensor": [1.0]}
    if ranks == 1:
        tried |= {"overlap_data": [1.0]}
    return {name: list(choices.get(name, values)) for name, values in tried.items()}
