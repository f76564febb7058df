"""What is a recipe made of? Passes: train, forward or generate so many tokens with an architecture.

Time, energy and money only ever see passes: a new method is a new function that returns them.
"""

from typing import Literal, NamedTuple

from costmodel.architecture.counting import count_flops
from costmodel.architecture.specification import Architecture
from costmodel.training.step.adapters import Adapters, adapter_parameters
from costmodel.training.step.numerics import Numerics
from costmodel.training.step.workload import workload

MIXED = Numerics()
"""Of a model that is trained in mixed precision."""
PassKind = Literal["train", "forward", "generate"]


class Pass(NamedTuple):
    """`tokens` tokens [token] in sequences of `sequence_length` [token] through `architecture`.

    `numerics` and `adapters` say what is trained; a forward pass trains nothing. A sequence may hold
    documents of `document_length` [token] that do not see each other. `slowdown` is the time of the pass over
    what the time model gives [1].

    A generate pass reads a prompt of `prompt_length` [token] and writes `sequence_length` on average; `lengths`
    are quantiles of what it writes [token] where steps wait for their last sequence; all weights are handed over
    to the generating copies before each of those.
    """

    kind: PassKind
    architecture: Architecture
    tokens: float
    sequence_length: int
    name: str = "train"
    numerics: Numerics = MIXED
    adapters: Adapters | None = None
    document_length: float | None = None
    slowdown: float = 1.0
    prompt_length: float = 0.0
    lengths: tuple[float, ...] = ()


def pass_flops(one: Pass) -> float:
    """Return the model FLOPs of a pass [FLOP], core attention causal."""
    if one.kind == "generate":
        return generation_flops(one.architecture, one.prompt_length, one.sequence_length) * one.tokens
    length = one.document_length or one.sequence_length
    return sequence_flops(one.architecture, length, one.numerics, one.adapters) * one.tokens / length


def sequence_flops(
    architecture: Architecture, length: float, numerics: Numerics = MIXED, adapters: Adapters | None = None
) -> float:
    """Return the model FLOPs of one sequence, forward and backward [FLOP], core attention causal.

    Where weights stand still, a matrix product has one product in its backward pass instead of two: 4 FLOPs
    for each of its parameters and tokens instead of 6. Core attention has no weights: always three times the
    forward pass. Adapters add 6 for each of their parameters.

    Parameters
    ----------
    architecture : Architecture
    length : of the sequence [token]
    numerics : what is trained
    adapters : that are trained
    """
    counted = count_flops(architecture, length)
    if numerics.backward == 2:
        whole = counted.training
    elif numerics.backward == 0:
        whole = counted.forward
    else:
        work = workload(architecture, length)
        attention = work.attention_flops + work.scan_flops
        head = work.head.flops * numerics.embedding_trained
        whole = counted.forward + (counted.forward - attention) + 2 * attention + head
    added = 0.0 if adapters is None else 6.0 * adapter_parameters(architecture, adapters) * length
    return float(whole + added)


def generation_flops(architecture: Architecture, prompt_length: float, output_length: float) -> float:
    """Return the model FLOPs for each token that is written [FLOP/token], reading the prompt included.

    The whole of prompt and output passes through the model once.

    Parameters
    ----------
    architecture : Architecture
    prompt_length : tokens read before [token]
    output_length : tokens written [token]
    """
    return float(count_flops(architecture, prompt_length + output_length).forward) / output_length
