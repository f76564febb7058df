"""Pretraining: training on text from scratch, or one stage of it."""

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from costmodel.architecture.specification import Architecture
from costmodel.foundation.fields import Dimension, GPUHours, Tokens
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import constant
from costmodel.training.recipes.passes import KIND, Pass
from costmodel.training.recipes.recipe import Recipe
from costmodel.training.step.numerics import Numerics, Optimizer, Precision, numerics
from costmodel.training.step.software import SoftwareName

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike, RangeLike

BATCH_TOKENS = constant("batch_tokens")
"""Default tokens per step, as at the start of Llama 2 and 3 (arXiv 2307.09288, 2407.21783) [token]."""
TOKENS_PER_ACCELERATOR = constant("tokens_per_accelerator")
"""Least default tokens per step and accelerator: 16 M on 16,384 (arXiv 2407.21783) [token]."""
LEAST_STEPS = constant("least_steps")
"""Least number of steps of a run with the default batch size [1]."""


class Pretraining(Recipe):
    """Training on text from scratch, or one stage of it.

    Examples
    --------
    >>> Pretraining(tokens="15T", sequence_length=8192).tokens
    15000000000000.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            tokens: RangeLike,
            *,
            sequence_length: CountLike = ...,
            batch_size: CountLike | None = ...,
            precision: Precision = ...,
            optimizer: Optimizer = ...,
            master_weights: bool = ...,
            extend_positions: bool = ...,
            software: str | None = ...,
            gpu_hours: RangeLike | None = ...,
        ) -> None: ...

    kind: Literal["pretraining"] = Field(default="pretraining", description=KIND)
    tokens: Tokens = Field(description="Training tokens, repetitions included [token].")
    sequence_length: Dimension = Field(default=4096, description="Tokens per sequence [token].")
    batch_size: Dimension | None = Field(
        default=None, description="Global batch size: sequences per step; default: about 4 million tokens [1]."
    )
    precision: Precision = Field(
        default="bf16", description="Number format of the matmuls. MFU always refers to the bf16 peak."
    )
    optimizer: Optimizer = Field(
        default="adamw", description="Optimizer; determines the memory of the optimizer states."
    )
    master_weights: bool = Field(
        default=True, description="Whether an fp32 copy of the weights exists, with fp32 gradients and moments."
    )
    extend_positions: bool = Field(
        default=False,
        description="Whether a model with learned positions gets further ones for longer sequences, which are trained "
        "too.",
    )
    software: SoftwareName = Field(
        default=None,
        description='Training software, such as "torchtitan" or "Megatron-LM 2021"; a year alone; or only the kind of '
        'its kernels: "fused" (fused or compiled) or "eager" (launched one by one). Features for mixtures of experts '
        'may follow: "Megatron-LM 2025, dispatcher deepep". Default: unknown, with fused kernels.',
    )
    gpu_hours: GPUHours | None = Field(
        default=None, description="GPU-hours of this stage, if known [hour]; they replace the step-time model."
    )

    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe: one training pass.

        Parameters
        ----------
        architecture : Architecture
            The model.
        """
        return [Pass("train", architecture, middle(self.tokens), self.sequence_length, numerics=self.numerics())]

    def trained_tokens(self) -> float | Range:
        """Return the training tokens [token]."""
        return self.tokens

    def numerics(self) -> Numerics:
        """Return the bytes of weights, gradients, optimizer states and matmul operands."""
        return numerics(self.precision, self.optimizer, self.master_weights)

    def sequences(self, count: int) -> int:
        """Return the sequences per step: the batch size, or by default a power of two [1].

        Parameters
        ----------
        count : int
            Accelerators [1].
        """
        if self.batch_size is not None:
            return self.batch_size
        tokens = max(BATCH_TOKENS, TOKENS_PER_ACCELERATOR * count)
        tokens = min(tokens, middle(self.tokens) / LEAST_STEPS)
        return int(2 ** round(math.log2(max(tokens / self.sequence_length, 1.0))))
