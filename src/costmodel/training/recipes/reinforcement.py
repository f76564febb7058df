"""How is a model tuned on rewards of what it writes? It writes, others read, and it is trained on the best of it."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, PlainSerializer, model_validator

from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.foundation.fields import Count, Measure, reported
from costmodel.foundation.ranges import Range, middle
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import Pass
from costmodel.training.recipes.preference import BYTES_OF_AUXILIARY

LENGTHS = 16
"""Quantiles of what is written that stand for all of it."""


def _written(architecture: Architecture | None) -> Any:
    if architecture is None:
        return None
    return architecture.origin if architecture.origin is not None else architecture.to_data()


def _read(value: Any) -> Any:
    return None if value is None else load_architecture(value)


OtherModel = Annotated[Architecture | None, BeforeValidator(reported(_read)), PlainSerializer(_written)]
"""A further model: a name of the catalog, a path, a config, counts, or an `Architecture`."""
Prompt = Annotated[float, Measure("token", 0.0, 1e8, uncertain=False)]


class Reinforcement(FineTuning):
    """What methods share that train on answers of the model itself: `examples` are prompts, `lengths` answers.

    `tokens` are those of all answers of one epoch. `batch_size` counts answers.
    """

    group_size: Count = 8
    """Answers for each prompt."""
    prompt_length: Prompt = 256.0
    """Tokens of a prompt, on average [token]."""
    iterations: Count = 1
    """How often answers are trained on before the next are written."""
    asynchronous: bool = False
    """Whether answers are written while others are trained on, by copies on accelerators of their own: no step
    waits for its longest answer, and the share of accelerators for each is taken as balanced."""
    reference: bool = True
    """Whether a reference reads the answers, for a penalty on what drifts from it."""
    reward_model: OtherModel = None
    """Model that judges the answers; rules or tests (RLVR) unless given."""

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.prompt_length >= self.sequence_length:
            raise ValueError(
                f"prompt_length: {self.prompt_length:,.0f} tokens leave no room for an answer in sequences of "
                f"{self.sequence_length:,}; give a longer sequence_length"
            )
        return self

    @property
    def beside(self) -> float:
        return self.prompt_length

    def trained_tokens(self) -> float | Range:
        """Return the tokens of all answers [token]."""
        whole = super().trained_tokens()
        if self.tokens is not None:
            return whole
        return whole.scaled(self.group_size, "token") if isinstance(whole, Range) else whole * self.group_size

    def sequences(self, count: int) -> int:
        return self.batch_size or super().sequences(count) * self.group_size

    @property
    def available(self) -> int:
        return max(math.ceil(middle(self.trained_tokens()) / self.times / self.shape.mean / self.group_size), 1)

    def rollout(self, architecture: Architecture) -> Pass:
        """Return the pass in which the answers are written."""
        shape = self.shape
        every = max(len(shape.quantiles) // LENGTHS, 1)
        lengths = () if self.asynchronous else shape.quantiles[every // 2 :: every]
        tokens, mean = middle(self.trained_tokens()), max(round(shape.mean), 1)
        return Pass(
            "generate", architecture, tokens, mean, "rollout", prompt_length=self.prompt_length, lengths=lengths
        )

    def sequence_tokens(self) -> float:
        """Return the tokens of prompts and answers together, once each [token]."""
        return middle(self.trained_tokens()) * (1 + self.prompt_length / self.shape.mean)


class GRPO(Reinforcement):
    """Groups of answers to a prompt, judged by rules or a reward model, compared with each other.

    References
    ----------
    Shao et al. 2024, "DeepSeekMath" (arXiv 2402.03300); DeepSeek-AI 2025 (arXiv 2501.12948).

    Examples
    --------
    >>> GRPO(examples=1000, lengths=500, group_size=8).trained_tokens()
    4000000.0
    """

    kind: Literal["grpo"] = "grpo"

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = self.sequence_tokens()
        listed = [self.rollout(architecture)]
        if self.reward_model is not None:
            listed.append(self.reading(self.reward_model, tokens, "reward"))
        if self.iterations > 1:  # with one iteration the likelihoods of the training pass itself serve
            listed.append(self.reading(architecture, tokens, "old"))
        if self.reference:
            listed.append(self.reading(architecture, tokens, "reference"))
        return [*listed, self.training(architecture, tokens * self.iterations)]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        count = architecture.parameters.total if self.reference and self.rank is None else 0
        judge = self.reward_model.parameters.total if self.reward_model is not None else 0
        return BYTES_OF_AUXILIARY * (count + judge)


class PPO(Reinforcement):
    """Answers judged by a reward model, with a critic as large as the policy that is trained beside it.

    References
    ----------
    Schulman et al. 2017 (arXiv 1707.06347); Ouyang et al. 2022 (arXiv 2203.02155).
    """

    kind: Literal["ppo"] = "ppo"
    group_size: Count = 1
    iterations: Count = 4
    critic: OtherModel = None
    """Model that values the answers; as large as the policy unless given."""

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens, critic = self.sequence_tokens(), self.critic or architecture
        judge = self.reward_model or architecture
        listed = [self.rollout(architecture), self.reading(judge, tokens, "reward")]
        listed += [self.reading(architecture, tokens, "old"), self.reading(critic, tokens, "value")]
        if self.reference:
            listed.append(self.reading(architecture, tokens, "reference"))
        trained = tokens * self.iterations
        return [*listed, self.training(architecture, trained), self.training(critic, trained, "critic")]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        total, numbers = architecture.parameters.total, self.numerics()
        judge = self.reward_model.parameters.total if self.reward_model is not None else total
        critic = self.critic.parameters.total if self.critic is not None else total
        reference = total if self.reference and self.rank is None else 0
        of_critic = numbers.weight + numbers.trained * (numbers.gradient + numbers.optimizer_state_bytes(1.0))
        return float(BYTES_OF_AUXILIARY * (judge + reference) + of_critic * critic)
