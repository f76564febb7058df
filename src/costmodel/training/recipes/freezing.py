"""Frozen parts of a model: which parameters are trained, and which parts need a backward pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.listing import operations_by_part, weights_by_part
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.architecture.specification import Architecture
    from costmodel.training.step.numerics import Numerics

_OUTSIDE = ("embedding", "head")
"""Parts whose parameters are counted apart from those of the layers."""


class _Work(NamedTuple):
    """Forward FLOPs of the matmuls of a part [FLOP], and the elements that they write [1]."""

    flops: float
    written: float


def parts_of(architecture: Architecture) -> dict[str, int]:
    """Return the parameters of each part of an architecture [1], such as "embedding", "attention" or "vision".

    Parameters
    ----------
    architecture : Architecture
    """
    sizes: Counter[str] = Counter()
    for part, copies, weights in weights_by_part(architecture):
        sizes[part] += copies * sum(weight.size for weight in weights)
    return {part: size for part, size in sizes.items() if size}


def check_parts(architecture: Architecture, frozen: Sequence[str]) -> None:
    """Raise `InputError` if a frozen part is no part of the architecture, or nothing is trained.

    Parameters
    ----------
    architecture : Architecture
    frozen : sequence of str
        Names of the frozen parts.
    """
    if architecture.is_aggregate:
        raise InputError("freeze: needs the layers of the model; only its counts are given")
    sizes = parts_of(architecture)
    problems = [f"freeze: {unknown('part', part, sizes)}" for part in frozen if part not in sizes]
    if not problems and set(sizes) <= set(frozen):
        problems.append(f"freeze: all parts of {architecture.name} are frozen; leave one of {', '.join(sizes)}")
    if problems:
        raise InputError(problems)


def frozen_numerics(numerics: Numerics, architecture: Architecture, frozen: Sequence[str], length: float) -> Numerics:
    """Return the numerics of full fine-tuning with frozen parts.

    Frozen parameters have no gradients and no optimizer states. A matmul takes one forward pass for the gradient of
    its input, if a part below it is trained, and one for that of its weights, if they are. Parts below the lowest
    trained one have no backward pass and save no activations. The towers and the embedding are below the layers.

    Parameters
    ----------
    numerics : Numerics
        Those without frozen parts.
    architecture : Architecture
    frozen : sequence of str
        Names of the frozen parts.
    length : float
        Tokens of a sequence [token].
    """
    if not frozen:
        return numerics
    check_parts(architecture, frozen)
    sizes = parts_of(architecture)
    of_layers = {part: size for part, size in sizes.items() if part not in _OUTSIDE}
    outside = {part: size for part, size in sizes.items() if part in _OUTSIDE}
    work = _work_by_part(architecture, length)
    trained = {part for part in sizes if part not in frozen}
    levels = {part: _level(part, architecture) for part in sizes}
    passes = {part: _passes(part, levels, trained) for part in work}
    forward = sum(part.flops for part in work.values())
    backward = sum(part.flops * (passes[name] + (name in trained)) for name, part in work.items())
    written = sum(part.written for part in work.values())
    saved = sum(part.written for name, part in work.items() if passes[name])
    return numerics._replace(
        trained=numerics.trained * _share(of_layers, trained),
        embedding_trained=numerics.embedding_trained * _share(outside, trained),
        backward=backward / forward if forward else numerics.backward,
        saved=saved / written if written else 1.0,
    )


def _passes(part: str, levels: dict[str, int], trained: set[str]) -> bool:
    """Return whether the gradient of the input of a part is needed: a part beside or below it is trained.

    Towers stand beside each other: one does not need the gradients of another.
    """
    level = levels.get(part, 2)
    if level == 0:
        return part in trained
    return any(levels[other] <= level for other in trained)


def _level(part: str, architecture: Architecture) -> int:
    """Return the level of a part: 0 towers and encoders, 1 projector, embedding and layers, 3 head."""
    if part in {stack.name for stack in architecture.stacks}:
        return 0
    return {"projector": 1, "embedding": 1, "head": 3}.get(part, 2)


def _share(sizes: dict[str, int], trained: set[str]) -> float:
    total = sum(sizes.values())
    return sum(size for part, size in sizes.items() if part in trained) / total if total else 1.0


def _work_by_part(architecture: Architecture, length: float) -> dict[str, _Work]:
    """Return the forward work of the parts other than the head."""
    flops: defaultdict[str, float] = defaultdict(float)
    written: defaultdict[str, float] = defaultdict(float)
    for part, copies, operations in operations_by_part(architecture, length, length):
        for operation in operations:
            if operation.kind == "matmul":
                elements = copies * operation.copies * operation.m * operation.n
                flops[part] += 2.0 * elements * operation.k
                written[part] += elements
    return {part: _Work(flops[part], written[part]) for part in flops if part != "head"}
