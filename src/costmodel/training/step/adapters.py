"""Low-rank adapters (LoRA, DoRA) and virtual tokens: which matrices they are on, and their number of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.structure import distinct_layers
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.architecture.blocks.block import Weight
    from costmodel.architecture.specification import Architecture

ALL_LINEAR = "all-linear"
"""Target: every matrix of the layers, except routed experts, routers, LM head and embedding."""
HUGGING_FACE_NAMES = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "output",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
}
"""Name of a matrix by its usual name in Hugging Face models."""


class Adapters(NamedTuple):
    """Low-rank adapters on matrices, or virtual tokens of prompt tuning."""

    rank: int
    """Rank of the adapters [1]."""
    targets: tuple[str, ...] = (ALL_LINEAR,)
    """Names of the matrices with an adapter."""
    magnitude: bool = False
    """Whether each adapter has a magnitude vector (DoRA)."""
    virtual_tokens: int = 0
    """Trained virtual tokens [token]."""
    prefix: bool = False
    """Whether virtual tokens are keys and values of every layer (prefix tuning) instead of embeddings."""

    def targets_weight(self, weight: Weight) -> bool:
        """Return whether a weight gets an adapter.

        Parameters
        ----------
        weight : Weight
        """
        if len(weight.shape) != 2 or weight.role not in {"matrix", "expert"}:
            return False
        if ALL_LINEAR in self.targets and weight.role == "matrix":
            return True
        return weight.name in {HUGGING_FACE_NAMES.get(name, name) for name in self.targets}

    def size(self, weight: Weight) -> int:
        """Return the adapter parameters of a weight, all its copies: rank × (inputs + outputs) each [1].

        Parameters
        ----------
        weight : Weight
        """
        inputs, outputs = weight.shape
        return weight.copies * (self.rank * (inputs + outputs) + self.magnitude * outputs)


def adapter_parameters(architecture: Architecture, adapters: Adapters) -> int:
    """Return the number of adapter parameters of an architecture: Σ rank × (inputs + outputs) [1].

    Parameters
    ----------
    architecture : Architecture
    adapters : Adapters

    Raises
    ------
    InputError
        If a target is no matrix of the architecture.

    References
    ----------
    Hu et al. 2021, "LoRA" (arXiv 2106.09685); Liu et al. 2024, "DoRA" (arXiv 2402.09353).

    Examples
    --------
    >>> from costmodel.architecture.loading import load_architecture
    >>> adapter_parameters(load_architecture("llama-3.1-8b"), Adapters(16))
    41943040
    """
    matrices = list(_matrices(architecture))
    names = {weight.name for _, weight in matrices}
    wrong = [target for target in adapters.targets if target != ALL_LINEAR]
    wrong = [target for target in wrong if HUGGING_FACE_NAMES.get(target, target) not in names]
    if wrong:
        aliases = {alias for alias, name in HUGGING_FACE_NAMES.items() if name in names}
        choices = sorted({ALL_LINEAR, *names, *aliases})
        raise InputError([f"targets: {unknown('matrix', target, choices)}" for target in wrong])
    low_rank = sum(copies * adapters.size(weight) for copies, weight in matrices if adapters.targets_weight(weight))
    return int(low_rank + virtual_parameters(architecture, adapters))


def virtual_parameters(architecture: Architecture, adapters: Adapters) -> float:
    """Return the parameters of virtual tokens [1]: one embedding each, or keys and values of every layer.

    Parameters
    ----------
    architecture : Architecture
    adapters : Adapters
    """
    if not adapters.prefix:
        return float(adapters.virtual_tokens * architecture.width)
    layers = distinct_layers(tuple(architecture.layers)).items()
    per_token = sum(copies * block.cache(1) for layer, copies in layers for block in layer.blocks())
    return adapters.virtual_tokens * per_token


def _matrices(architecture: Architecture) -> Iterator[tuple[int, Weight]]:
    """Yield the matrices of all layers, each with its number of copies."""
    stacks = [
        (architecture.layers, architecture.width),
        *((stack.layers, stack.width) for stack in architecture.stacks),
    ]
    for layers, width in stacks:
        for layer, copies in distinct_layers(tuple(layers)).items():
            for block in layer.blocks():
                for weight in block.weights(width):
                    if len(weight.shape) == 2 and weight.role in {"matrix", "expert"}:
                        yield copies, weight
