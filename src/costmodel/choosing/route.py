"""A way to a model that answers requests: an API as it is, a model that is fine-tuned, or one that is distilled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from costmodel.budget.project import Project
from costmodel.choosing.scores import Score
from costmodel.comparison.serving.compare import priced
from costmodel.comparison.serving.options import HostedAPI, Option, SelfHosted
from costmodel.comparison.serving.replicas import DRAWS, drawn
from costmodel.comparison.serving.workload import ServingWorkload
from costmodel.estimation.estimate import estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import MOST, Count, Measure, Share
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.market.hosted import HostedPrice, hosted_prices, trained_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.fields import CountLike, NumberLike, RangeLike

    Array = NDArray[np.float64]

Months: TypeAlias = Annotated[float, Measure("month", 0.0, 1200.0, open_low=True, uncertain=False)]
Amount: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e15)]
Tokens: TypeAlias = Annotated[float, Measure("token", 0.0, MOST, open_low=True, uncertain=False)]
PerExample: TypeAlias = Annotated[float, Measure("token", 0.0, 1e9, open_low=True, uncertain=False)]
Examples: TypeAlias = Annotated[float | Range, Measure("1", 0.0, MOST, open_low=True)]
Kept: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
FixedShare: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, uncertain=False)]
RouteKind: TypeAlias = Literal["api", "self-host", "fine-tune", "distill"]


class Drawn(NamedTuple):
    """An amount or a share at the medians of its inputs, and its draws."""

    value: float
    draws: Array
    """Shape (draws,)."""


class HostedTuning(Spec):
    """Fine-tuning by a service that bills trained tokens, and serves the tuned model by the token if it has a price.

    Examples
    --------
    >>> round(HostedTuning(provider="openai", model="gpt-4o-mini", tokens="2M", epochs=3).cost().value, 2)
    18.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            provider: str,
            model: str,
            tokens: NumberLike,
            method: str | None = ...,
            epochs: CountLike = ...,
            runs: CountLike = ...,
        ) -> None: ...

    provider: str = Field(description="Provider of the service.")
    model: str = Field(description="Model, or size class as the provider names it.")
    tokens: Tokens = Field(description="Tokens of the training data [token].")
    method: str | None = Field(default=None, description="Method; default: the first that the provider sells.")
    epochs: Count = Field(default=3, description="Passes over the training data [1].")
    runs: Count = Field(default=1, description="Training runs that are billed, trials included [1].")

    def price(self) -> HostedPrice:
        """Return the price of the service.

        Raises
        ------
        MissingFactError, UnknownNameError
            If it is not known.
        """
        found = {price.method: price for price in reversed(hosted_prices(self.provider, self.model))}
        if self.method is None:
            from costmodel.market.hosted import METHODS

            return next(found[name] for name in METHODS if name in found)
        if self.method not in found:
            raise MissingFactError(f"no price of {self.method} of {self.model} is known; known: {', '.join(found)}")
        return found[self.method]

    def cost(self, seed: int = 0) -> Drawn:
        """Return the price of all runs [USD].

        Parameters
        ----------
        seed : int
            Seed of the draws.
        """
        price, tokens = self.price(), self.runs * trained_tokens(self.tokens, self.epochs)
        rate = price.usd_per_million_tokens if price.interval is None else price.interval
        key = f"hosted.{price.provider}.{price.model}.{price.method}"
        return Drawn(float(price.cost(tokens)), drawn(key, rate, seed) * tokens / 1e6)

    def served(self, name: str) -> HostedAPI:
        """Return the tuned model behind the API of the provider.

        Parameters
        ----------
        name : str
            Name in tables.

        Raises
        ------
        MissingFactError
            If the provider has no price per token of the tuned model.
        """
        price = self.price()
        if price.usd_per_million_input is None or price.usd_per_million_output is None:
            raise MissingFactError(
                f"{price.provider} has no price per token of a tuned {price.model}; give serving, such as a SelfHosted"
            )
        return HostedAPI(
            name=name,
            usd_per_million_input=price.usd_per_million_input,
            usd_per_million_output=price.usd_per_million_output,
        )


class Teacher(Spec):
    """Answers that a larger model writes for the training data of a small one.

    Examples
    --------
    >>> teacher = Teacher(HostedAPI(model="gpt-4.1"), examples="20k", input_tokens=1000, output_tokens=500, kept=0.8)
    >>> round(teacher.cost().value)  # 25,000 answers at 0.006 USD
    150
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            option: HostedAPI | SelfHosted | Mapping[str, object],
            *,
            examples: RangeLike,
            input_tokens: NumberLike,
            output_tokens: NumberLike,
            kept: NumberLike = ...,
            months: NumberLike = ...,
        ) -> None: ...

    option: Option = Field(description="The teacher behind an API, or on accelerators of one's own.")
    examples: Examples = Field(description="Examples of the training data [1].")
    input_tokens: PerExample = Field(description="Mean tokens of a prompt of the teacher [token].")
    output_tokens: PerExample = Field(description="Mean tokens of its answer, reasoning included [token].")
    kept: Kept = Field(default=1.0, description="Share of the answers that becomes training data [1].")
    months: Months = Field(default=1.0, description="Time over which accelerators of one's own are paid [month].")

    def cost(self, seed: int = 0) -> Drawn:
        """Return the price of all answers [USD].

        Parameters
        ----------
        seed : int
            Seed of the draws.

        Raises
        ------
        MissingFactError
            If a price is not known.
        """
        answers = middle(self.examples) / self.kept
        workload = ServingWorkload(
            requests_per_month=answers / self.months,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            peak_to_mean=1.0,
        )
        each = priced(self.option, workload, seed)
        if each.missing:
            raise MissingFactError(f"teacher {self.option.title}: {each.missing}")
        monthly = drawn("route.teacher.examples", self.examples, seed) / self.kept / self.months
        usd = float(each.cost(answers / self.months)) * self.months
        return Drawn(usd, np.broadcast_to(each.cost(monthly, sampled=True) * self.months, (DRAWS,)))


class Route(Spec):
    """A way to serve requests: what it takes to get the model, to serve it, and the quality it reaches.

    Examples
    --------
    >>> Route("API", serving=HostedAPI(model="gpt-4.1-mini"), quality=0.8).kind
    'api'
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            *,
            serving: HostedAPI | SelfHosted | Mapping[str, object] | None = ...,
            project: Project | Mapping[str, object] | None = ...,
            training: Scenario | Mapping[str, object] | None = ...,
            tuning: HostedTuning | Mapping[str, object] | None = ...,
            teacher: Teacher | Mapping[str, object] | None = ...,
            setup_usd: RangeLike = ...,
            usd_per_month: RangeLike = ...,
            repeat_months: NumberLike | None = ...,
            repeat_share: NumberLike = ...,
            score: Score | Mapping[str, object] | None = ...,
            quality: RangeLike | None = ...,
        ) -> None: ...

    name: str = Field(min_length=1, description="Name in tables.")
    serving: Option | None = Field(
        default=None, description="How requests are served; default: by the service of `tuning`, at its price."
    )
    project: Project | None = Field(
        default=None, description="Project that makes the model: data, people, runs and evaluation. Its base counts."
    )
    training: Scenario | None = Field(default=None, description="Training run outside the project.")
    tuning: HostedTuning | None = Field(default=None, description="Fine-tuning by a service, outside the project.")
    teacher: Teacher | None = Field(
        default=None, description="Teacher whose answers are the training data, outside the project and its runs."
    )
    setup_usd: Amount = Field(default=0.0, description="Further cost before requests are served [USD].")
    usd_per_month: Amount = Field(default=0.0, description="Cost per month beside the serving, such as staff [USD].")
    repeat_months: Months | None = Field(
        default=None, description="Months after which the model is made again; default: it is made once [month]."
    )
    repeat_share: FixedShare = Field(default=1.0, description="Cost of making it again over the first time [1].")
    score: Score | None = Field(default=None, description="Measured quality of the model, with its error.")
    quality: Share | None = Field(
        default=None, description="Expected share of tasks solved [1], as a range for a model that does not exist yet."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.serving is None and self.tuning is None:
            problems.append("serving: give how requests are served, a HostedAPI or SelfHosted; or tuning by a service")
        if self.score is not None and self.quality is not None:
            problems.append("score and quality exclude each other; leave one out")
        if problems:
            raise InputError(problems)
        return self

    @property
    def kind(self) -> RouteKind:
        """Kind of the route, by what it contains."""
        recipe = None if self.training is None else getattr(self.training.recipe, "kind", None)
        if self.teacher is not None or recipe == "distillation":
            return "distill"
        if self.project is not None or self.training is not None or self.tuning is not None:
            return "fine-tune"
        return "api" if isinstance(self.serving, HostedAPI) else "self-host"

    @property
    def served_by(self) -> HostedAPI | SelfHosted:
        """How requests are served.

        Raises
        ------
        MissingFactError
            If the service of `tuning` has no price per token.
        """
        if self.serving is not None:
            return self.serving
        assert self.tuning is not None
        return self.tuning.served(self.name)

    def setup(self, seed: int = 0) -> Drawn:
        """Return the cost before requests are served [USD]: project, training, service, teacher and further cost.

        Parameters
        ----------
        seed : int
            Seed of the draws.

        Raises
        ------
        MissingFactError
            If a price is not known.
        """
        parts = [Drawn(middle(self.setup_usd), drawn(f"route.{self.name}.setup_usd", self.setup_usd, seed))]
        if self.project is not None:
            budget = self.project.budget()
            parts.append(Drawn(budget.value("base"), budget.draws()[:DRAWS]))
        if self.training is not None:
            run = estimate(self.training)
            usd = run.known_value("cost")
            parts.append(Drawn(usd, run.draws("cost", DRAWS)))
        parts += [part.cost(seed) for part in (self.tuning, self.teacher) if part is not None]
        return Drawn(sum(part.value for part in parts), np.sum([part.draws for part in parts], axis=0))

    def reached(self, seed: int = 0) -> Drawn | None:
        """Return the quality at its median and as draws [1]; None if it is not given.

        Parameters
        ----------
        seed : int
            Seed of the draws.
        """
        if self.score is not None:
            return Drawn(self.score.expected, self.score.draw(DRAWS, seed))
        if self.quality is None:
            return None
        return Drawn(middle(self.quality), drawn(f"route.{self.name}.quality", self.quality, seed))
