"""What a portfolio is asked for: workloads, options, constraints, and the shocks of scenarios."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from costmodel.choosing.scores import Score
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.comparison.serving.options import Option as ServedBy
from costmodel.comparison.serving.workload import Ratio, ServingWorkload, TokensPerRequest
from costmodel.comparison.serving.workload import Share as FixedShare
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import MOST, Count, Date, Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike, DateLike, NumberLike, RangeLike

RequestCount: TypeAlias = Annotated[float, Measure("1", 0.0, MOST, open_low=True, uncertain=False)]
Seconds: TypeAlias = Annotated[float, Measure("s", 0.0, 1e6, open_low=True, uncertain=False)]
USD: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e9, uncertain=False)]
UncertainUSD: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e9)]
Rate: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e3)]
Months: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e3)]
Horizon: TypeAlias = Annotated[float, Measure("1", 0.0, 600.0, open_low=True, uncertain=False)]
Factor: TypeAlias = Annotated[float, Measure("1", 0.0, 1e3, open_low=True, uncertain=False)]
Level: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_high=True, uncertain=False)]
Confidence: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, open_high=True, uncertain=False)]
_CODE = re.compile(r"[A-Z]{2,4}")
MOST_SCENARIOS = 100_000


def _codes(given: object) -> object:
    """Return codes of places in capitals; a single one may stand without brackets."""
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, Sequence):
        return given
    codes = tuple(code.strip().upper() if isinstance(code, str) else code for code in listed)
    if not all(isinstance(code, str) and _CODE.fullmatch(code) for code in codes):
        raise InputError("must be codes of countries or regions, such as EU or US")
    return codes


class PortfolioWorkload(Spec):
    """Requests of one kind per month, and what their answers need.

    Examples
    --------
    >>> chat = PortfolioWorkload(name="chat", requests_per_month="2M", input_tokens=1500, output_tokens=300)
    >>> chat.served.tokens
    1800.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            name: str,
            requests_per_month: NumberLike,
            input_tokens: NumberLike,
            output_tokens: NumberLike,
            peak_to_mean: NumberLike = ...,
            cached_share: NumberLike = ...,
            benchmark: str = ...,
            quality_floor: NumberLike | None = ...,
            mean_quality: NumberLike | None = ...,
            latency_limit: NumberLike | None = ...,
            locations: Sequence[str] | str = ...,
            unserved_usd: NumberLike | None = ...,
        ) -> None: ...

    name: str = Field(min_length=1, description="Name of the workload.")
    requests_per_month: RequestCount = Field(description="Requests in a month of 30.4 days [1].")
    input_tokens: TokensPerRequest = Field(description="Mean tokens of a prompt, cached ones included [token].")
    output_tokens: TokensPerRequest = Field(description="Mean tokens of an answer, reasoning tokens included [token].")
    peak_to_mean: Ratio = Field(
        default=1.0, description="Requests per second at the peak over their mean [1]; replicas are sized for it."
    )
    cached_share: FixedShare = Field(
        default=0.0, description="Share of the input tokens that is read from a cache of prompts [1]."
    )
    benchmark: str = Field(default="", description="Benchmark of the scores; default: the name of the workload.")
    quality_floor: FixedShare | None = Field(
        default=None, description="Least quality of every model that serves it [1]."
    )
    mean_quality: FixedShare | None = Field(default=None, description="Least mean quality of its answers [1].")
    latency_limit: Seconds | None = Field(default=None, description="Largest latency of a model that serves it [s].")
    locations: tuple[str, ...] = Field(
        default=(), description="Places in which its requests may be processed, such as EU; default: anywhere."
    )
    unserved_usd: USD | None = Field(
        default=None,
        description="Damage of a request that is not served [USD]; default: ten times the median price of the options.",
    )

    _read_codes = field_validator("locations", mode="before")(_codes)

    @property
    def served(self) -> ServingWorkload:
        """The requests, as `compare_serving` takes them."""
        return ServingWorkload(
            requests_per_month=self.requests_per_month,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            peak_to_mean=self.peak_to_mean,
            cached_share=self.cached_share,
        )


class PortfolioOption(Spec):
    """A model that can serve workloads, hosted or self-hosted, with its quality and where it runs.

    Examples
    --------
    >>> option = PortfolioOption(
    ...     serving=HostedAPI(model="mistral-medium", provider="mistral"), quality={"chat": 0.8}
    ... )
    >>> option.title
    'mistral mistral-medium'
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            serving: HostedAPI | SelfHosted | Mapping[str, object],
            quality: Mapping[str, Score | NumberLike | Mapping[str, object]] = ...,
            provider: str | None = ...,
            open_weights: bool = ...,
            seat: str | None = ...,
            location: str | None = ...,
            latency: NumberLike | None = ...,
            capacity: NumberLike | None = ...,
            most_replicas: CountLike | None = ...,
            retires: DateLike | None = ...,
        ) -> None: ...

    serving: ServedBy = Field(description="The model as an API (`HostedAPI`) or as replicas (`SelfHosted`).")
    quality: dict[str, FixedShare | Score] = Field(
        default_factory=dict, description="Quality by name of the workload: a share of good answers [1], or a score."
    )
    provider: str | None = Field(
        default=None,
        description="Provider for the cap on shares; default: that of the API; replicas without one count for none.",
    )
    open_weights: bool = Field(default=False, description="Whether the weights of the model can be downloaded.")
    seat: str | None = Field(
        default=None, description="Country of the seat of the company; default: looked up by provider."
    )
    location: str | None = Field(
        default=None,
        description="Place in which requests are processed; default: the region of the API, else where the provider "
        "processes requests by default.",
    )
    latency: Seconds | None = Field(default=None, description="Latency that is compared with the limits [s].")
    capacity: RequestCount | None = Field(default=None, description="Most requests per month, as by a quota [1].")
    most_replicas: Count | None = Field(default=None, description="Most self-hosted replicas [1].")
    retires: Date | None = Field(default=None, description="Day on which the provider retires the model.")

    @field_validator("quality", mode="before")
    @classmethod
    def _check_quality(cls, given: object) -> object:
        if isinstance(given, Score) or not isinstance(given, Mapping) or {"model", "value"} <= given.keys():
            raise InputError("must name the workload of each quality, as in quality = { chat = 0.8 }")
        return given

    @field_validator("seat", "location", mode="before")
    @classmethod
    def _read_code(cls, given: object) -> object:
        codes = _codes(given) if isinstance(given, str) else None
        return codes[0] if isinstance(codes, tuple) else given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most_replicas is not None and self.hosted:
            raise InputError("most_replicas: is for self-hosted options; capacity limits the requests of an API")
        return self

    @property
    def hosted(self) -> bool:
        """Whether the option is an API."""
        return isinstance(self.serving, HostedAPI)

    @property
    def title(self) -> str:
        """Name in tables."""
        return self.serving.title


class PortfolioConstraints(Spec):
    """Constraints on the whole portfolio.

    Examples
    --------
    >>> PortfolioConstraints(provider_cap=0.6, locations="EU").locations
    ('EU',)
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            provider_cap: NumberLike | None = ...,
            cap_of: Literal["requests", "cost"] = ...,
            open_weights_share: NumberLike | None = ...,
            locations: Sequence[str] | str = ...,
            seats: Sequence[str] | str = ...,
            barred_seats: Sequence[str] | str = ...,
            confidence: NumberLike = ...,
        ) -> None: ...

    provider_cap: FixedShare | None = Field(default=None, description="Largest share of any provider [1].")
    cap_of: Literal["requests", "cost"] = Field(
        default="requests", description="What the cap is a share of: all requests, or the cost per month."
    )
    open_weights_share: FixedShare | None = Field(
        default=None, description="Least share of the requests that models with open weights serve [1]."
    )
    locations: tuple[str, ...] = Field(
        default=(), description="Places in which all requests may be processed, such as EU; default: anywhere."
    )
    seats: tuple[str, ...] = Field(
        default=(), description="Countries in which a provider may have its seat; default: any. EU: its members."
    )
    barred_seats: tuple[str, ...] = Field(
        default=(), description="Countries in which neither a provider nor its parent may have its seat."
    )
    confidence: Confidence = Field(
        default=0.5, description="Probability with which the quality of a model with a score reaches its value [1]."
    )

    _read_codes = field_validator("locations", "seats", "barred_seats", mode="before")(_codes)


class PortfolioShocks(Spec):
    """What can change within the horizon: list prices, retirements, access, and what switching costs.

    Examples
    --------
    >>> PortfolioShocks(horizon_months=24, price_factors=(1.5, 2.0)).price_factors
    (1.5, 2.0)
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            horizon_months: NumberLike = ...,
            scenarios: CountLike = ...,
            price_changes_per_year: RangeLike | None = ...,
            price_factors: Sequence[NumberLike] = ...,
            retirements_per_year: RangeLike | None = ...,
            access_losses_per_year: RangeLike | None = ...,
            home_seats: Sequence[str] | str = ...,
            switching_usd: RangeLike | None = ...,
            switching_months: RangeLike | None = ...,
            recourse: bool = ...,
            level: NumberLike = ...,
            start: DateLike | None = ...,
        ) -> None: ...

    horizon_months: Horizon = Field(default=12.0, description="Months over which costs are added up [1].")
    scenarios: Annotated[Count, Field(le=MOST_SCENARIOS)] = Field(default=1000, description="Number of scenarios [1].")
    price_changes_per_year: Rate | None = Field(
        default=None, description="Changes of the list price of a hosted option per year [1]; default: 0.1 to 0.3."
    )
    price_factors: tuple[Factor, ...] = Field(
        default=(), description="Prices after a change over those before [1]; default: the measured changes."
    )
    retirements_per_year: Rate | None = Field(
        default=None,
        description="Retirements per year of a hosted option without a day of its own [1]; default: 0.2 to 0.6.",
    )
    access_losses_per_year: Rate | None = Field(
        default=None,
        description="Losses of access to all providers of a country per year [1]; default: 0.003 to 0.05.",
    )
    home_seats: tuple[str, ...] = Field(default=(), description="Countries whose providers are not lost that way.")
    switching_usd: UncertainUSD | None = Field(
        default=None,
        description="Cost of moving all requests of a workload to another model [USD]; default: 5 to 60 k$.",
    )
    switching_months: Months | None = Field(
        default=None, description="Months until moved requests are served elsewhere [1]; default: 0.5 to 3."
    )
    recourse: bool = Field(
        default=True, description="Whether the mix is optimized again after the shocks; otherwise it is held."
    )
    level: Level = Field(
        default=0.95, description="Level of the CVaR [1]: 0.95 is the mean of the dearest 5 % of the scenarios."
    )
    start: Date | None = Field(default=None, description="First day of the horizon; default: today.")

    _read_codes = field_validator("home_seats", mode="before")(_codes)


class PortfolioRequest(Spec):
    """What a file asks of a portfolio."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            workload: Sequence[PortfolioWorkload | Mapping[str, object]],
            option: Sequence[PortfolioOption | Mapping[str, object]],
            constraints: PortfolioConstraints | Mapping[str, object] = ...,
            shocks: PortfolioShocks | Mapping[str, object] = ...,
            seed: int = ...,
        ) -> None: ...

    workload: tuple[PortfolioWorkload, ...] = Field(min_length=1, description="The workloads.")
    option: tuple[PortfolioOption, ...] = Field(min_length=1, description="The options.")
    constraints: PortfolioConstraints = Field(
        default_factory=PortfolioConstraints, description="Constraints on the whole portfolio."
    )
    shocks: PortfolioShocks = Field(default_factory=PortfolioShocks, description="What can change within the horizon.")
    seed: int = Field(default=0, ge=0, description="Seed of the random draws.")
