"""What do low-rank adapters add? Two narrow matrices beside each matrix that they are put on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.specification import distinct_layers
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.architecture.blocks.block import Weight
    from costmodel.architecture.specification import Architecture

ALL_LINEAR = "all-linear"
"""Every matrix in the layers; routed experts and routers, head and embedding are none of them."""
SPELLINGS = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "output",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
}
"""Names of matrices as Hugging Face spells them in most models."""


class Adapters(NamedTuple):
    """Adapters of one rank on matrices by their names; `magnitude` adds a vector for each (DoRA).

    Or no adapters but `virtual_tokens` that are learned, with `prefix` as keys and values of every layer.
    """

    rank: int
    targets: tuple[str, ...] = (ALL_LINEAR,)
    magnitude: bool = False
    virtual_tokens: int = 0
    prefix: bool = False

    def targets_weight(self, weight: Weight) -> bool:
        """Tell whether a weight gets an adapter."""
        if len(weight.shape) != 2 or weight.role not in {"matrix", "expert"}:
            return False
        if ALL_LINEAR in self.targets and weight.role == "matrix":
            return True
        return weight.name in {SPELLINGS.get(name, name) for name in self.targets}

    def size(self, weight: Weight) -> int:
        """Return the parameters of the adapter of a weight, in all its copies."""
        inputs, outputs = weight.shape
        return weight.copies * (self.rank * (inputs + outputs) + self.magnitude * outputs)


def adapter_parameters(architecture: Architecture, adapters: Adapters) -> int:
    """Return how many parameters adapters have on an architecture: Σ rank × (inputs + outputs).

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
    listed = list(_matrices(architecture))
    known = {weight.name for _, weight in listed}
    wrong = [name for name in adapters.targets if name != ALL_LINEAR and SPELLINGS.get(name, name) not in known]
    if wrong:
        choices = sorted({ALL_LINEAR, *known, *(name for name, other in SPELLINGS.items() if other in known)})
        raise InputError([f"targets: {unknown('matrix', name, choices)}" for name in wrong])
    return int(
        sum(copies * adapters.size(weight) for copies, weight in listed if adapters.targets_weight(weight))
        + virtual_parameters(architecture, adapters)
    )


def virtual_parameters(architecture: Architecture, adapters: Adapters) -> float:
    """Return how many parameters virtual tokens have: an embedding each, or keys and values in every layer."""
    if not adapters.prefix:
        return float(adapters.virtual_tokens * architecture.width)
    listed = distinct_layers(tuple(architecture.layers)).items()
    of_token = sum(copies * block.cache(1) for layer, copies in listed for block in layer.blocks())
    return adapters.virtual_tokens * of_token


def _matrices(architecture: Architecture) -> Iterator[tuple[int, Weight]]:
    for layers, width in (
        (architecture.layers, architecture.width),
        *((stack.layers, stack.width) for stack in architecture.stacks),
    ):
        for layer, copies in distinct_layers(tuple(layers)).items():
            for block in layer.blocks():
                for weight in block.weights(width):
                    if len(weight.shape) == 2 and weight.role in {"matrix", "expert"}:
                        yield copies, weight
