"""How does a model learn from another? From its probabilities, or from what it writes, here or behind an API."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from costmodel.architecture.specification import Architecture
from costmodel.foundation.ranges import middle
from costmodel.foundation.tables import Figure, Provenance
from costmodel.market.api_prices import api_price
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import Pass
from costmodel.training.recipes.preference import BYTES_OF_AUXILIARY
from costmodel.training.recipes.reinforcement import OtherModel, Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence


class Distillation(FineTuning):
    """A student is trained on a teacher: on its probabilities ("logits") or on what it writes ("sequences").

    References
    ----------
    Hinton et al. 2015 (arXiv 1503.02531); Kim and Rush 2016 (arXiv 1606.07947).

    Examples
    --------
    >>> taught = Distillation(examples=17_000, lengths="1000 to 12000", sequence_length=16_384, teacher="qwen2.5-32b")
    >>> [one.name for one in taught.passes(taught.teacher)]
    ['teacher', 'train']
    """

    kind: Literal["distillation"] = "distillation"
    learn_from: Literal["sequences", "logits"] = "sequences"
    """What the teacher gives: text that it writes once, or its probabilities for each token."""
    teacher: OtherModel = None
    """A model that runs on the same accelerators."""
    api: str | None = None
    """A model behind an API instead, by its name in the table of API prices; its price is part of the cost."""
    api_provider: str | None = None
    """Who offers it, where several do."""
    api_batch: bool = False
    """Whether the API is asked in batches, at their price."""
    prompt_length: Prompt = 256.0
    """Tokens that the teacher reads for each example, on average [token]."""
    cached: bool = False
    """Whether the probabilities are computed once and kept, instead of in every epoch."""

    @model_validator(mode="after")
    def _teacher(self) -> Self:
        if (self.teacher is None) == (self.api is None):
            raise ValueError("teacher is a model that runs here, or api one behind an API: one of the two is given")
        if self.api is not None and self.learn_from == "logits":
            raise ValueError("api: no API gives the probabilities of all tokens; learn from sequences")
        if self.api is not None:
            api_price(self.api, self.api_provider).cost(0.0, 0.0, self.api_batch)
        return self

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = middle(self.trained_tokens())
        return [*self._taught(tokens), self.training(architecture, tokens)]

    def _taught(self, tokens: float) -> "Sequence[Pass]":
        if self.teacher is None:
            return ()
        if self.learn_from == "logits":
            return (self.reading(self.teacher, tokens / self.times if self.cached else tokens, "teacher"),)
        mean = max(round(self.shape.mean), 1)
        return (Pass("generate", self.teacher, tokens / self.times, mean, "teacher", prompt_length=self.prompt_length),)

    def purchases(self) -> Figure | None:
        """Return what the API is paid for [USD]; None where the teacher runs here."""
        if self.api is None:
            return None
        price = api_price(self.api, self.api_provider)
        written = middle(self.trained_tokens()) / self.times
        paid = price.cost(written / self.shape.mean * self.prompt_length, written, self.api_batch)
        note = f"{self.api} at {price.provider}{', batch' if self.api_batch else ''}: all that the teacher writes, once"
        return Figure(float(paid), None, Provenance("looked up", price.source, str(price.as_of), note))

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        if self.teacher is None or self.learn_from == "sequences" or self.cached:
            return 0.0
        return BYTES_OF_AUXILIARY * self.teacher.parameters.total
