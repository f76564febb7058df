"""Tasks that a model is to solve: their tokens, retries, verification, and the price of what stays unsolved."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from pydantic import Field, model_validator

from costmodel.choosing.solved_task import MOST_ATTEMPTS
from costmodel.comparison.serving.options import Spread
from costmodel.comparison.serving.workload import Ratio, Requests, ServingWorkload
from costmodel.comparison.serving.workload import Share as FixedShare
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.foundation.fields import NumberLike, RangeLike

TokensPerRequest: TypeAlias = Annotated[float, Measure("token", 0.0, 1e9, open_low=True, uncertain=False)]
MoreTokens: TypeAlias = Annotated[float | Range, Measure("token", 0.0, 1e9)]
TaskCost: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e9)]


class Verifier(Spec):
    """A check that accepts or rejects an answer, such as a test suite, a rule or a second model.

    Examples
    --------
    >>> round(Verifier(recall=0.9, precision=0.95).false_acceptance_at(0.6), 4)
    0.0711
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            recall: NumberLike = ...,
            false_acceptance: NumberLike | None = ...,
            precision: NumberLike | None = ...,
            usd_per_answer: RangeLike = ...,
        ) -> None: ...

    recall: Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)] = Field(
        default=1.0, description="Share of the right answers that it accepts [1]."
    )
    false_acceptance: FixedShare | None = Field(
        default=None, description="Share of the wrong answers that it accepts [1]; default: 0."
    )
    precision: Annotated[float | None, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)] = Field(
        default=None,
        description="Share of the accepted answers that are right, at the first attempt of each model [1]; instead of "
        "false_acceptance, which then follows from the success rate.",
    )
    usd_per_answer: TaskCost = Field(default=0.0, description="Price of a check [USD].")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.precision is not None and self.false_acceptance is not None:
            raise InputError("false_acceptance and precision exclude each other; leave one out")
        return self

    def false_acceptance_at(self, success: float) -> float:
        """Return the share of the wrong answers that the verifier accepts [1].

        Parameters
        ----------
        success : float
            Success rate of the model, which turns a precision into this share [1].

        Raises
        ------
        InputError
            If the precision is below that of accepting every answer.
        """
        if self.precision is None:
            return self.false_acceptance or 0.0
        if not 0 < success < 1:
            return 0.0
        share = self.recall * success * (1 - self.precision) / (self.precision * (1 - success))
        if share > 1:
            raise InputError(
                f"precision: {self.precision:g} is below that of accepting every answer at a success rate of "
                f"{success:.2f}; give a higher precision, or false_acceptance"
            )
        return share


class TaskWorkload(Spec):
    """Tasks that a model is to solve, each with one or more requests.

    Examples
    --------
    >>> tickets = TaskWorkload(input_tokens=3000, output_tokens=400, attempts=2, verifier=Verifier(recall=0.95))
    >>> tickets.tokens
    3400.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            input_tokens: NumberLike,
            output_tokens: NumberLike,
            cached_share: NumberLike = ...,
            reasoning_tokens: Mapping[str, RangeLike] = ...,
            token_spread: NumberLike = ...,
            requests_per_task: NumberLike = ...,
            attempts: int = ...,
            correlation: NumberLike = ...,
            verifier: Verifier | Mapping[str, object] | None = ...,
            escalation_usd: RangeLike | None = ...,
            wrong_answer_usd: RangeLike = ...,
            tasks_per_month: RangeLike | None = ...,
            peak_to_mean: NumberLike = ...,
        ) -> None: ...

    input_tokens: TokensPerRequest = Field(description="Mean tokens of a prompt, cached ones included [token].")
    output_tokens: TokensPerRequest = Field(description="Mean tokens of an answer, without reasoning tokens [token].")
    cached_share: FixedShare = Field(
        default=0.0, description="Share of the input tokens that is read from a cache of prompts [1]."
    )
    reasoning_tokens: dict[str, MoreTokens] = Field(
        default_factory=dict,
        description="Mean reasoning tokens of an answer by name of the option [token]; they are billed as output.",
    )
    token_spread: Spread = Field(
        default=0.0,
        description="Standard deviation of the logarithm of the tokens of each option, and so of its price [1]: models "
        "differ in how many tokens a task takes.",
    )
    requests_per_task: Ratio = Field(default=1.0, description="Requests of one attempt at a task, as of an agent [1].")
    attempts: int = Field(
        default=1, ge=1, le=MOST_ATTEMPTS, description="Largest number of attempts at a task [1]; needs a verifier."
    )
    correlation: FixedShare = Field(
        default=0.0,
        description="Correlation of two attempts at the same task [1]: 0 if independent, 1 if a task that fails once "
        "fails always.",
    )
    verifier: Verifier | None = Field(
        default=None, description="Check of each answer; default: every answer is delivered unchecked."
    )
    escalation_usd: TaskCost | None = Field(
        default=None,
        description="Price of solving a task of which no answer is accepted in another way, such as by a person [USD]; "
        "default: it stays unsolved.",
    )
    wrong_answer_usd: TaskCost = Field(default=0.0, description="Damage of a wrong answer that is delivered [USD].")
    tasks_per_month: Requests | None = Field(
        default=None, description="Tasks in a month of 30.4 days [1]; needed for accelerators of one's own."
    )
    peak_to_mean: Ratio = Field(default=1.0, description="Requests per second at the peak over their mean [1].")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.attempts > 1 and self.verifier is None:
            problems.append("attempts: more than 1 needs a verifier, which tells when to try again")
        if self.escalation_usd is not None and self.verifier is None:
            problems.append("escalation_usd: needs a verifier, which tells what to hand on")
        if problems:
            raise InputError(problems)
        return self

    @property
    def tokens(self) -> float:
        """Input and output tokens of a request, without reasoning tokens [token]."""
        return self.input_tokens + self.output_tokens

    def served(self, output_tokens: float, requests_per_month: float | Range) -> ServingWorkload:
        """Return the requests that a model serves.

        Parameters
        ----------
        output_tokens : float
            Tokens of an answer with its reasoning [token].
        requests_per_month : float or Range
            Requests in a month [1].
        """
        return ServingWorkload(
            requests_per_month=requests_per_month,
            input_tokens=self.input_tokens,
            output_tokens=output_tokens,
            peak_to_mean=self.peak_to_mean,
            cached_share=self.cached_share,
        )

    def reasoning(self, option: str) -> float:
        """Return the reasoning tokens of an answer, the median of a range [token].

        Parameters
        ----------
        option : str
            Name of the option.
        """
        return middle(self.reasoning_tokens.get(option, 0.0))
