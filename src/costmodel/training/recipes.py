"""What is done with the model? Recipes, each a list of passes."""

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from costmodel.architecture.specification import Architecture
from costmodel.foundation.fields import Dimension, GPUHours, Tokens
from costmodel.foundation.ranges import middle
from costmodel.foundation.specs import Spec
from costmodel.training.passes import Pass

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "fp4"]


class Pretraining(Spec):
    """Training on text from scratch, or one stage of it.

    Examples
    --------
    >>> Pretraining(tokens="15T", sequence_length=8192).tokens
    15000000000000.0
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    kind: Literal["pretraining"] = "pretraining"
    tokens: Tokens
    """Tokens trained on, repetitions included [token]."""
    sequence_length: Dimension = 4096
    """Tokens of a sequence [token]."""
    batch_size: Dimension | None = None
    """Sequences of a step; gives the step time."""
    precision: Precision = "bf16"
    """Number format of the matrix products; utilisation refers to the bf16 peak whatever it is."""
    gpu_hours: GPUHours | None = None
    """GPU-hours of this stage where they are known [hour]; the time model is skipped then."""

    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe."""
        return [Pass("train", architecture, middle(self.tokens), self.sequence_length)]


Recipe: TypeAlias = Pretraining
"""Any recipe; a further one joins the union here."""
