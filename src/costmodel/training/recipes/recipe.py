"""Base of all recipes: passes, memory of auxiliary models, purchases, and what other packages ask of a recipe."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from costmodel.architecture.specification import Architecture
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, constant
from costmodel.training.recipes.passes import Pass
from costmodel.training.step.adapters import Adapters
from costmodel.training.step.software import Software, load_software

SEPARATE_MEMORY_SHARE = constant("separate_memory_share")
"""Default share of the memory of an engine that has no training beside it [1]."""
JobKind = Literal["pretraining", "fine_tuning", "reinforcement"]
"""Kinds of jobs, each with a realized efficiency of its own. Methods of fine-tuning share one, so that they compare."""


class Recipe(Spec):
    """Base of all recipes. A recipe has a field `kind`, and the fields and methods of `Pretraining` or `FineTuning`."""

    if TYPE_CHECKING:
        kind: str

    hosted_loss: ClassVar[Literal["sft", "dpo", "other"] | None] = None
    """Loss by which hosted services price the recipe: "sft" (supervised fine-tuning), "dpo", or "other" (a loss without
    a price of its own); None if no service offers the recipe."""

    @property
    def job_kind(self) -> JobKind:
        """Kind of job, which selects the realized efficiency."""
        return "pretraining"

    @property
    def memory_share(self) -> float:
        """Share of the memory that an engine for generation passes takes [1]."""
        return SEPARATE_MEMORY_SHARE

    @property
    def colocates(self) -> bool:
        """Whether generation and training take turns on the same accelerators."""
        return False

    @property
    def generates_at_once(self) -> bool:
        """Whether generation runs during the training, on accelerators of its own."""
        return False

    @property
    def adapters(self) -> Adapters | None:
        """Trained adapters; None if all weights are trained."""
        return None

    @property
    def trainer(self) -> Software:
        """The training software: that of the field `software`, or unknown software with fused kernels."""
        return load_software(getattr(self, "software", None))

    @property
    def eager(self) -> bool:
        """Whether the trainer launches kernels one by one instead of fused or compiled."""
        return self.trainer.kernels == "eager"

    @abstractmethod
    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe.

        Parameters
        ----------
        architecture : Architecture
            The model.
        """

    def batch_tokens(self, batch_size: int, training_pass: Pass) -> float:
        """Return the tokens of the data in a global batch, without padding [token].

        Parameters
        ----------
        batch_size : int
            Sequences per step [1].
        training_pass : Pass
            Training pass of the recipe.
        """
        data = middle(self.trained_tokens())
        return batch_size * training_pass.sequence_length * data / training_pass.tokens

    @abstractmethod
    def trained_tokens(self) -> float | Range:
        """Return the tokens of the data that are trained on, repetitions included [token]."""

    @abstractmethod
    def sequences(self, count: int) -> int:
        """Return the sequences per step (global batch size) [1].

        Parameters
        ----------
        count : int
            Accelerators [1].
        """

    def training_gpus(self, count: int) -> int:
        """Return the accelerators that score and update: all, unless some only generate rollouts [1].

        Parameters
        ----------
        count : int
            All accelerators of the job [1].
        """
        return count

    def purchases(self) -> Figure | None:
        """Return the cost of purchases beside the accelerators, such as an API [USD]; None if there are none."""
        return None

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        """Return the memory of auxiliary models (reference, reward, critic, teacher) on all accelerators [byte].

        Parameters
        ----------
        architecture : Architecture
            The model.
        """
        return 0.0
