"""Reinforcement learning on rewards (GRPO, PPO): rollout, scoring and policy update as passes."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Count, Measure, OrJson, reported
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import constant
from costmodel.training.recipes.finetuning import FineTuning
from costmodel.training.recipes.passes import KIND, Pass
from costmodel.training.recipes.preference import AUXILIARY_WEIGHT_BYTES
from costmodel.training.recipes.recipe import SEPARATE_MEMORY_SHARE, JobKind
from costmodel.training.step.numerics import optimizer_bytes_per_parameter

if TYPE_CHECKING:
    from typing import Unpack

    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.foundation.fields import CountLike, NumberLike
    from costmodel.training.recipes.finetuning import FineTuningFields

ROLLOUT_QUANTILES = 16
"""Quantiles that represent the lengths of the answers [1]."""


def _to_data(architecture: Architecture | None) -> Any:
    if architecture is None:
        return None
    return architecture.origin if architecture.origin is not None else architecture.to_data()


def _read(value: Any) -> Any:
    return None if value is None else load_architecture(value)


AuxiliaryModel = Annotated[
    Architecture | None,
    BeforeValidator(reported(_read)),
    PlainSerializer(_to_data),
    OrJson(("string", "object")),
]
"""Auxiliary model: a name of the catalog, a path, a config, counts, or an `Architecture`."""
PromptLength = Annotated[float, Measure("token", 0.0, 1e8, uncertain=False)]
MemoryShare = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
COLOCATED_MEMORY_SHARE = constant("colocated_memory_share")
"""Default share of the memory of a rollout engine beside training [1]."""


if TYPE_CHECKING:

    class ReinforcementFields(FineTuningFields, total=False):
        """Fields of all reinforcement learning recipes, with the types that a constructor accepts."""

        group_size: CountLike
        prompt_length: NumberLike
        iterations: CountLike
        asynchronous: bool
        rollout_gpus: CountLike | None
        gpu_memory_utilization: NumberLike | None
        reference: bool
        reward_model: ArchitectureLike | None


class Reinforcement(FineTuning):
    """Base of methods that train on answers of the model itself.

    `examples` are prompts, `lengths` are those of the answers, `tokens` are the tokens of all answers of one epoch, and
    `batch_size` counts answers.
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReinforcementFields]) -> None: ...

    group_size: Count = Field(default=8, description="Answers per prompt [1].")
    prompt_length: PromptLength = Field(default=256.0, description="Mean tokens per prompt [token].")
    iterations: Count = Field(default=1, description="Policy updates on the same answers before the next rollout [1].")
    asynchronous: bool = Field(
        default=False,
        description="Whether rollouts are asynchronous: separate accelerators generate answers during the policy "
        "update. Steps then do not wait for stragglers. Without `rollout_gpus`, the split of the accelerators is "
        "assumed to be balanced.",
    )
    rollout_gpus: Count | None = Field(
        default=None,
        description="Accelerators of the cluster that only generate; the others score and update. Default: rollouts "
        "and updates are colocated, in turns on all accelerators; asynchronous ones have a balanced split [1].",
    )
    gpu_memory_utilization: MemoryShare | None = Field(
        default=None,
        description="Share of the memory of an accelerator that the rollout engine takes for weights and KV cache "
        "during the rollout. Default: 0.6 where rollouts and updates are colocated, 0.9 elsewhere [1].",
    )
    reference: bool = Field(default=True, description="Whether a reference model scores the answers, for a KL penalty.")
    reward_model: AuxiliaryModel = Field(
        default=None, description="Reward model; default of GRPO: verifiable rewards (RLVR), without a model."
    )

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.prompt_length >= self.sequence_length:
            raise ValueError(
                f"prompt_length: {self.prompt_length:,.0f} tokens leave no room for an answer in sequences of "
                f"{self.sequence_length:,}; give a longer sequence_length"
            )
        return self

    @property
    def colocates(self) -> bool:
        return not self.asynchronous and self.rollout_gpus is None

    @property
    def generates_at_once(self) -> bool:
        return self.asynchronous

    @property
    def memory_share(self) -> float:
        if self.gpu_memory_utilization is not None:
            return self.gpu_memory_utilization
        return COLOCATED_MEMORY_SHARE if self.colocates else SEPARATE_MEMORY_SHARE

    @property
    def job_kind(self) -> JobKind:
        return "reinforcement"

    def training_gpus(self, count: int) -> int:
        if self.rollout_gpus is None:
            return count
        if self.rollout_gpus >= count:
            raise InputError(
                f"recipe.rollout_gpus: must leave accelerators for the policy update; got {self.rollout_gpus:,} of "
                f"{count:,}"
            )
        return count - self.rollout_gpus

    @property
    def prompt_tokens(self) -> float:
        return self.prompt_length

    def trained_tokens(self) -> float | Range:
        """Return the tokens of all answers [token]."""
        tokens = super().trained_tokens()
        if self.tokens is not None:
            return tokens
        return tokens.scaled(self.group_size, "token") if isinstance(tokens, Range) else tokens * self.group_size

    def sequences(self, count: int) -> int:
        return self.batch_size or super().sequences(count) * self.group_size

    def batch_tokens(self, batch_size: int, training_pass: Pass) -> float:
        return batch_size * self.length_distribution.mean

    @property
    def sequences_per_epoch(self) -> int:
        return max(
            math.ceil(
                middle(self.trained_tokens()) / self.total_epochs / self.length_distribution.mean / self.group_size
            ),
            1,
        )

    def generation_pass(self, architecture: Architecture) -> Pass:
        """Return the generation pass of the rollout.

        Parameters
        ----------
        architecture : Architecture
            The model.
        """
        distribution = self.length_distribution
        every = max(len(distribution.quantiles) // ROLLOUT_QUANTILES, 1)
        lengths = () if self.asynchronous else distribution.quantiles[every // 2 :: every]
        tokens, mean = middle(self.trained_tokens()), max(round(distribution.mean), 1)
        return Pass(
            "generate", architecture, tokens, mean, "rollout", prompt_length=self.prompt_length, lengths=lengths
        )

    def sequence_tokens(self) -> float:
        """Return the tokens of prompts and answers together, each counted once [token]."""
        return middle(self.trained_tokens()) * (1 + self.prompt_length / self.length_distribution.mean)


class GRPO(Reinforcement):
    """Group relative policy optimization: groups of answers per prompt, verifiable rewards or a reward model.

    References
    ----------
    Shao et al. 2024, "DeepSeekMath" (arXiv 2402.03300); DeepSeek-AI 2025 (arXiv 2501.12948).

    Examples
    --------
    >>> GRPO(examples=1000, lengths=500, group_size=8).trained_tokens()
    4000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[ReinforcementFields]) -> None: ...

    hosted_loss: ClassVar = "other"
    kind: Literal["grpo"] = Field(default="grpo", description=KIND)

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens = self.sequence_tokens()
        passes = [self.generation_pass(architecture)]
        if self.reward_model is not None:
            passes.append(self.scoring_pass(self.reward_model, tokens, "reward"))
        if self.iterations > 1:  # with one iteration, the training pass gives these likelihoods
            passes.append(self.scoring_pass(architecture, tokens, "old"))
        if self.reference:
            passes.append(self.scoring_pass(architecture, tokens, "reference"))
        return [*passes, self.training_pass(architecture, tokens * self.iterations)]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        count = architecture.parameters.total if self.reference and self.rank is None else 0
        reward = self.reward_model.parameters.total if self.reward_model is not None else 0
        return AUXILIARY_WEIGHT_BYTES * (count + reward)


class PPO(Reinforcement):
    """Proximal policy optimization: a reward model, and a critic that is trained beside the policy.

    References
    ----------
    Schulman et al. 2017 (arXiv 1707.06347); Ouyang et al. 2022 (arXiv 2203.02155).

    Examples
    --------
    >>> PPO(examples=20_000, prompt_length=200, lengths=500).iterations
    4
    """

    if TYPE_CHECKING:

        def __init__(self, *, critic: ArchitectureLike | None = ..., **fields: Unpack[ReinforcementFields]) -> None: ...

    kind: Literal["ppo"] = Field(default="ppo", description=KIND)
    group_size: Count = Field(default=1, description="Answers per prompt [1].")
    iterations: Count = Field(default=4, description="Policy updates on the same answers before the next rollout [1].")
    critic: AuxiliaryModel = Field(default=None, description="Critic (value model); default: as large as the policy.")

    def passes(self, architecture: Architecture) -> list[Pass]:
        tokens, critic = self.sequence_tokens(), self.critic or architecture
        reward = self.reward_model or architecture
        passes = [self.generation_pass(architecture), self.scoring_pass(reward, tokens, "reward")]
        passes += [self.scoring_pass(architecture, tokens, "old"), self.scoring_pass(critic, tokens, "value")]
        if self.reference:
            passes.append(self.scoring_pass(architecture, tokens, "reference"))
        trained = tokens * self.iterations
        critic_training = self.training_pass(critic, trained)._replace(name="critic")
        return [*passes, self.training_pass(architecture, trained), critic_training]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        policy, numbers = architecture.parameters.total, self.numerics()
        reward = self.reward_model.parameters.total if self.reward_model is not None else policy
        critic = self.critic.parameters.total if self.critic is not None else policy
        reference = policy if self.reference and self.rank is None else 0
        critic_bytes = numbers.weight + numbers.trained * (
            numbers.gradient + optimizer_bytes_per_parameter(numbers, 1.0)
        )
        return float(AUXILIARY_WEIGHT_BYTES * (reward + reference) + critic_bytes * critic)
