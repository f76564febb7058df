"""Base of all recipes: passes, memory of auxiliary models, purchases, and what other packages ask of a recipe."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from costmodel.architecture.specification import Architecture
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure
from costmodel.training.recipes.passes import Pass
from costmodel.training.step.adapters import Adapters

JobKind = Literal["full", "adapters", "reinforcement"]
"""Kinds of fine-tuning jobs: training of all weights, of adapters, and reinforcement learning."""


class Recipe(Spec):
    """Base of all recipes. A recipe has a field `kind`, and the fields and methods of `Pretraining` or `FineTuning`."""

    if TYPE_CHECKING:
        kind: str

    hosted_loss: ClassVar[Literal["sft", "dpo", "other"] | None] = None
    """Loss by which hosted services price the recipe: "sft" (supervised fine-tuning), "dpo", or "other" (a loss without
    a price of its own); None if no service offers the recipe."""

    @property
    def job_kind(self) -> JobKind | None:
        """Kind of job, which selects the realized efficiency; None for pretraining, which has its own."""
        return None

    @property
    def adapters(self) -> Adapters | None:
        """Trained adapters; None if all weights are trained."""
        return None

    @property
    def eager(self) -> bool:
        """Whether the trainer launches kernels one by one instead of fused or compiled."""
        return False

    @abstractmethod
    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe.

        Parameters
        ----------
        architecture : Architecture
        """

    def purchases(self) -> Figure | None:
        """Return the cost of purchases beside the accelerators, such as an API [USD]; None if there are none."""
        return None

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        """Return the memory of auxiliary models (reference, reward, critic, teacher) on all accelerators [byte].

        Parameters
        ----------
        architecture : Architecture
        """
        return 0.0
