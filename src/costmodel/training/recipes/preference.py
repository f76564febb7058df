"""Preference optimization: reward models, DPO, KTO, ORPO and SimPO.

For methods that compare pairs of answers, tokens count both answers.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from costmodel.architecture.specification import Architecture
from costmodel.foundation.ranges import middle
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import KIND, Pass

if TYPE_CHECKING:
    from typing import Unpack

    from costmodel.training.recipes.finetuning import FineTuningFields

    class ReferenceFields(FineTuningFields, total=False):
        """Fields of methods with a reference model, with the types that a constructor accepts."""

        precomputed_reference: bool


AUXILIARY_WEIGHT_BYTES = 2.0
"""Bytes per parameter of an auxiliary model, in 16 bits [byte]."""


class RewardModel(FineTuning):
    """Training of a reward model on pairs of answers (Ouyang et al. 2022, section 3.5, arXiv 2203.02155).

    Examples
    --------
    >>> RewardModel(examples=10_000, lengths=300, sequence_length=512).trained_tokens()  # two answers per example
    6000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    kind: Literal["reward_model"] = Field(default="reward_model", description=KIND)
    sequences_of_example: ClassVar[int] = 2


class _WithReference(FineTuning):
    """Base of methods with a reference model, which scores the same answers."""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReferenceFields]) -> None: ...

    precomputed_reference: bool = Field(
        default=False,
        description="Whether the reference model scores the data once before the training, instead of in every epoch.",
    )

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = middle(self.trained_tokens())
        scored = tokens / self.total_epochs if self.precomputed_reference else tokens
        reference = self.scoring_pass(architecture, scored, "reference")
        return [self.training_pass(architecture, tokens), reference]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        # with adapters, the reference is the model without them
        if self.precomputed_reference or self.rank is not None:
            return 0.0
        return AUXILIARY_WEIGHT_BYTES * architecture.parameters.total


class DPO(_WithReference):
    """Direct preference optimization: pairs of answers and a reference model; tokens count both answers.

    References
    ----------
    Rafailov et al. 2023 (arXiv 2305.18290).

    Examples
    --------
    >>> DPO(examples=60_000, lengths=400, sequence_length=1024).trained_tokens()
    48000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReferenceFields]) -> None: ...

    hosted_loss: ClassVar = "dpo"
    kind: Literal["dpo"] = Field(default="dpo", description=KIND)
    sequences_of_example: ClassVar[int] = 2


class KTO(_WithReference):
    """Kahneman-Tversky optimization: single answers, each desirable or undesirable, and a reference model.

    References
    ----------
    Ethayarajh et al. 2024 (arXiv 2402.01306).

    Examples
    --------
    >>> KTO(examples=10_000, lengths=300, sequence_length=512).trained_tokens()  # one answer per example
    3000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReferenceFields]) -> None: ...

    hosted_loss: ClassVar = "other"
    kind: Literal["kto"] = Field(default="kto", description=KIND)


class ORPO(FineTuning):
    """Odds ratio preference optimization of answer pairs, without a reference (Hong et al. 2024, arXiv 2403.07691).

    Examples
    --------
    >>> ORPO(examples=10_000, lengths=300, sequence_length=512).trained_tokens()  # two answers per example
    6000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    hosted_loss: ClassVar = "other"
    kind: Literal["orpo"] = Field(default="orpo", description=KIND)
    sequences_of_example: ClassVar[int] = 2


class SimPO(FineTuning):
    """Simple preference optimization of answer pairs, without a reference (Meng et al. 2024, arXiv 2405.14734).

    Examples
    --------
    >>> SimPO(examples=10_000, lengths=300, sequence_length=512, epochs=2).trained_tokens()
    12000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    hosted_loss: ClassVar = "other"
    kind: Literal["simpo"] = Field(default="simpo", description=KIND)
    sequences_of_example: ClassVar[int] = 2
