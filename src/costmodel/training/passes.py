"""What is a recipe made of? Passes: train, forward or generate so many tokens with an architecture.

Time, energy and money only ever see passes: a new method is a new function that returns them.
"""

from typing import Literal, NamedTuple

from costmodel.architecture.counting import count_flops
from costmodel.architecture.specification import Architecture

PassKind = Literal["train", "forward", "generate"]


class Pass(NamedTuple):
    """`tokens` tokens [token] in sequences of `sequence_length` [token] through `architecture`."""

    kind: PassKind
    architecture: Architecture
    tokens: float
    sequence_length: int


def pass_flops(one: Pass) -> float:
    """Return the model FLOPs of a pass [FLOP], core attention causal."""
    flops = count_flops(one.architecture, one.sequence_length)
    of_sequence = flops.training if one.kind == "train" else flops.forward
    return float(of_sequence * one.tokens / one.sequence_length)
