"""How is a model tuned on preferences? Rewards, and the methods that do without: DPO, KTO, ORPO and SimPO."""

from typing import ClassVar, Literal

from costmodel.architecture.specification import Architecture
from costmodel.foundation.ranges import middle
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import Pass

BYTES_OF_AUXILIARY = 2.0
"""Bytes for each parameter of a model that lies beside the trained one, in 16 bits."""


class RewardModel(FineTuning):
    """A model learns which of two answers is preferred; tokens count both.

    References
    ----------
    Ouyang et al. 2022, section 3.5 (arXiv 2203.02155).
    """

    kind: Literal["reward_model"] = "reward_model"
    sequences_of_example: ClassVar[int] = 2


class _WithReference(FineTuning):
    """The answers are also read by the model as it was before."""

    precomputed_reference: bool = False
    """Whether the reference reads the data once, before the training, instead of in every epoch."""

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = middle(self.trained_tokens())
        read = tokens / self.times if self.precomputed_reference else tokens
        return [self.training(architecture, tokens), self.reading(architecture, read, "reference")]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        # with adapters the reference is the model without them; precomputed, it is gone
        if self.precomputed_reference or self.rank is not None:
            return 0.0
        return BYTES_OF_AUXILIARY * architecture.parameters.total


class DPO(_WithReference):
    """Pairs of a better and a worse answer, trained on with their likelihood under a reference; tokens count both.

    References
    ----------
    Rafailov et al. 2023 (arXiv 2305.18290).

    Examples
    --------
    >>> DPO(examples=60_000, lengths=400, sequence_length=1024).trained_tokens()
    48000000.0
    """

    kind: Literal["dpo"] = "dpo"
    sequences_of_example: ClassVar[int] = 2


class KTO(_WithReference):
    """Single answers, each good or bad, trained on with their likelihood under a reference.

    References
    ----------
    Ethayarajh et al. 2024 (arXiv 2402.01306).
    """

    kind: Literal["kto"] = "kto"


class ORPO(FineTuning):
    """Pairs of answers without a reference: instruction and preference in one; tokens count both answers.

    References
    ----------
    Hong et al. 2024 (arXiv 2403.07691).
    """

    kind: Literal["orpo"] = "orpo"
    sequences_of_example: ClassVar[int] = 2


class SimPO(FineTuning):
    """Pairs of answers without a reference, by their mean likelihood; tokens count both answers.

    References
    ----------
    Meng et al. 2024 (arXiv 2405.14734).
    """

    kind: Literal["simpo"] = "simpo"
    sequences_of_example: ClassVar[int] = 2
