"""Distillation: training of a student on logits or generated text of a teacher, local or behind an API."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from costmodel.architecture.specification import Architecture
from costmodel.foundation.ranges import middle
from costmodel.foundation.tables import Figure, Provenance
from costmodel.market.api_prices import api_price
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import KIND, Pass
from costmodel.training.recipes.preference import AUXILIARY_WEIGHT_BYTES
from costmodel.training.recipes.reinforcement import AuxiliaryModel, PromptLength

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.foundation.fields import NumberLike
    from costmodel.training.recipes.finetuning import FineTuningFields


class Distillation(FineTuning):
    """Training of a student on the logits of a teacher, or on text that the teacher generates ("sequences").

    References
    ----------
    Hinton et al. 2015 (arXiv 1503.02531); Kim and Rush 2016 (arXiv 1606.07947).

    Examples
    --------
    >>> recipe = Distillation(examples=17_000, lengths="1000 to 12000", sequence_length=16_384, teacher="qwen2.5-32b")
    >>> [step.name for step in recipe.passes(recipe.teacher)]
    ['teacher', 'train']
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            learn_from: Literal["sequences", "logits"] = ...,
            teacher: ArchitectureLike | None = ...,
            api: str | None = ...,
            api_provider: str | None = ...,
            api_batch: bool = ...,
            prompt_length: NumberLike = ...,
            cached: bool = ...,
            **fields: Unpack[FineTuningFields],
        ) -> None: ...

    kind: Literal["distillation"] = Field(default="distillation", description=KIND)
    learn_from: Literal["sequences", "logits"] = Field(
        default="sequences",
        description="Training signal: text that the teacher generates once, or its logits for each token.",
    )
    teacher: AuxiliaryModel = Field(default=None, description="Teacher model on the same accelerators.")
    api: str | None = Field(
        default=None,
        description="Teacher behind an API instead, by its name in the API prices; its price is part of the cost.",
    )
    api_provider: str | None = Field(default=None, description="API provider, if several offer the model.")
    api_batch: bool = Field(default=False, description="Whether the batch price of the API applies.")
    prompt_length: PromptLength = Field(
        default=256.0, description="Mean prompt tokens of the teacher per example [token]."
    )
    cached: bool = Field(
        default=False, description="Whether the logits are computed once and stored, instead of in every epoch."
    )

    @model_validator(mode="after")
    def _teacher(self) -> Self:
        if (self.teacher is None) == (self.api is None):
            raise ValueError(
                "teacher (a model on the same accelerators) or api (a model behind an API): give exactly one of the two"
            )
        if self.api is not None and self.learn_from == "logits":
            raise ValueError("api: no API returns the logits of all tokens; use learn_from='sequences'")
        if self.api is not None:
            api_price(self.api, self.api_provider).cost(0.0, 0.0, self.api_batch)
        return self

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = middle(self.trained_tokens())
        return [*self._teacher_passes(tokens), self.training_pass(architecture, tokens)]

    def _teacher_passes(self, tokens: float) -> "Sequence[Pass]":
        if self.teacher is None:
            return ()
        if self.learn_from == "logits":
            return (self.scoring_pass(self.teacher, tokens / self.total_epochs if self.cached else tokens, "teacher"),)
        mean = max(round(self.length_distribution.mean), 1)
        return (
            Pass(
                "generate", self.teacher, tokens / self.total_epochs, mean, "teacher", prompt_length=self.prompt_length
            ),
        )

    def purchases(self) -> Figure | None:
        """Return the cost of the API [USD]; None if the teacher runs on the same accelerators."""
        if self.api is None:
            return None
        price = api_price(self.api, self.api_provider)
        generated = middle(self.trained_tokens()) / self.total_epochs
        paid = price.cost(generated / self.length_distribution.mean * self.prompt_length, generated, self.api_batch)
        note = f"{self.api} at {price.provider}{', batch' if self.api_batch else ''}: all teacher text, generated once"
        return Figure(float(paid), None, Provenance("looked up", price.source, str(price.as_of), note))

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        if self.teacher is None or self.learn_from == "sequences" or self.cached:
            return 0.0
        return AUXILIARY_WEIGHT_BYTES * self.teacher.parameters.total
