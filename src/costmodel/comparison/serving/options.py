"""Ways to serve a model: an API that bills tokens, or accelerators that are rented or owned and billed by the hour."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from costmodel.comparison.serving.workload import HOURS_PER_MONTH, ServingWorkload, Share
from costmodel.estimation.serving.scenario import Serving
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Count, Date, Measure, PricePerGPUHour
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.market.api_prices import LONG_PROMPT, APIPrice, api_price
from costmodel.market.dated import today
from costmodel.market.owned import Ownership
from costmodel.serving.load.steady import ALLOWED_LOAD

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike, DateLike, NumberLike, RangeLike

HOURS_PER_YEAR = 12 * HOURS_PER_MONTH
"""Mean length of a year [hour]."""

PricePerMillion: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e6, uncertain=False)]
Amount: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e12, uncertain=False)]
RequestRate: TypeAlias = Annotated[float, Measure("1", 0.0, 1e9, open_low=True, uncertain=False)]
TokenRate: TypeAlias = Annotated[float, Measure("token/s", 0.0, 1e12, open_low=True, uncertain=False)]
Spread: TypeAlias = Annotated[float, Measure("1", 0.0, 3.0, uncertain=False)]
Load: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
Life: TypeAlias = Annotated[float, Measure("year", 0.0, 100.0, open_low=True, uncertain=False)]


_LOADS = ("concurrency", "requests_per_second", "users")
_LENGTHS = ("input_tokens", "output_tokens")


def _with_requests(scenario: object) -> object:
    """Return the data of a scenario with requests and a load if it has none: those of a workload replace them."""
    if not isinstance(scenario, Mapping):
        return scenario
    load = {} if any(name in scenario for name in _LOADS) else {"concurrency": 1}
    return {**dict.fromkeys(_LENGTHS, 1), **load, **scenario}


class _OfWorkload:
    """Makes the requests of a scenario optional in JSON schemas, as those of the workload replace them."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        for choice in described["anyOf"]:
            if "$ref" in choice:
                scenario = handler.resolve_ref_schema(choice)
                scenario["required"] = [name for name in scenario["required"] if name not in _LENGTHS]
        return described


class Bill(NamedTuple):
    """The price of one request of an API."""

    usd_per_request: float
    """[USD]"""
    note: str
    """Where the price comes from, and what was assumed."""


class HostedAPI(Spec):
    """A model behind an API that bills input and output tokens.

    Examples
    --------
    >>> workload = ServingWorkload(requests_per_month=1e6, input_tokens=1000, output_tokens=100, peak_to_mean=2)
    >>> round(HostedAPI(model="claude-sonnet-4-5").bill(workload).usd_per_request, 6)
    0.0045
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            model: str = ...,
            provider: str | None = ...,
            name: str = ...,
            batch: bool = ...,
            region: str | None = ...,
            speed: str | None = ...,
            discount: NumberLike = ...,
            on: DateLike | None = ...,
            usd_per_million_input: NumberLike | None = ...,
            usd_per_million_output: NumberLike | None = ...,
            usd_per_million_cached_input: NumberLike | None = ...,
        ) -> None: ...

    kind: Literal["hosted"] = Field(default="hosted", description="Kind of the option.")
    model: str = Field(default="", description="Model of the price table, such as claude-sonnet-4-5.")
    provider: str | None = Field(
        default=None, description="Provider of the API; default: the maker of the model, or its single provider."
    )
    name: str = Field(default="", description="Name in tables; default: model and provider.")
    batch: bool = Field(default=False, description="Whether requests are batch jobs, which may take a day.")
    region: str | None = Field(default=None, description='Region at a price of its own, such as "eu".')
    speed: str | None = Field(default=None, description='Speed at a price of its own, such as "fast".')
    discount: Share = Field(default=0.0, description="Discount of a contract on all rates [1].")
    on: Date | None = Field(default=None, description="Day of the price; by default the newest.")
    usd_per_million_input: PricePerMillion | None = Field(
        default=None, description="Given price of input tokens [USD per million tokens]; default: looked up."
    )
    usd_per_million_output: PricePerMillion | None = Field(
        default=None, description="Given price of output tokens [USD per million tokens]; default: looked up."
    )
    usd_per_million_cached_input: PricePerMillion | None = Field(
        default=None, description="Given price of cached input tokens [USD per million tokens]; default: looked up."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {"usd_per_million_input", "usd_per_million_output"} & self.model_fields_set
        if len(given) == 1:
            raise ValueError("usd_per_million_input and usd_per_million_output go together; got one of them")
        unused = {"provider", "batch", "region", "speed", "on"} & self.model_fields_set
        if given and unused:
            raise ValueError(f"the price is given, so {', '.join(sorted(unused))} has no effect; leave one out")
        if not given and not self.model:
            raise ValueError("model: give a model of the price table, or usd_per_million_input and _output")
        return self

    @property
    def title(self) -> str:
        """Name in tables."""
        where = f"{self.provider} " if self.provider else ""
        return self.name or f"{where}{self.model or 'API'}{', batch' if self.batch else ''}"

    def price(self) -> APIPrice:
        """Return the price with region, speed and discount.

        Raises
        ------
        MissingFactError, UnknownNameError
            If the price is not known.
        """
        if self.usd_per_million_input is not None and self.usd_per_million_output is not None:
            price = APIPrice(
                "given", self.model, self.usd_per_million_input, self.usd_per_million_output, today(), "given"
            )
        else:
            price = api_price(self.model, self.provider, self.on, region=self.region, speed=self.speed)
        if self.usd_per_million_cached_input is not None:
            price = price._replace(usd_per_million_cached_input=self.usd_per_million_cached_input)
        return price.times(1 - self.discount) if self.discount else price

    def bill(self, workload: ServingWorkload) -> Bill:
        """Return the price of a request.

        Cached tokens are billed as new ones where the price of cached tokens is not known.

        Parameters
        ----------
        workload : ServingWorkload
            Tokens of a request.

        Raises
        ------
        MissingFactError, UnknownNameError
            If the price is not known.
        """
        price = self.price()
        day = "" if price.source == "given" else f" of {price.as_of}"
        notes = [f"{price.usd_per_million_input:g} / {price.usd_per_million_output:g} USD per Mtok{day}"]
        cached = workload.input_tokens * workload.cached_share
        if price.usd_per_million_input_above_200k is not None and workload.input_tokens > LONG_PROMPT:
            price = price._replace(usd_per_million_input=price.usd_per_million_input_above_200k)
            others = "output and cached input" if cached else "output"
            notes.append(
                f"{price.usd_per_million_input:g} for input, as prompts exceed 200,000 tokens ({others} at the price "
                "of shorter prompts; that of longer ones is not known)"
            )
        if cached and price.usd_per_million_cached_input is None:
            notes.append("cached tokens billed as new ones: their price is not known")
            cached = 0.0
        elif cached:
            notes.append(f"{price.usd_per_million_cached_input:g} for cached input")
        usd = price.cost(workload.input_tokens - cached, workload.output_tokens, self.batch, cached_tokens=cached)
        return Bill(float(usd), ", ".join(notes))


class OwnedGPU(Spec):
    """The price of an hour of an accelerator that is owned: straight-line depreciation and operation.

    This is the simple case of `Ownership`, to which `ownership` converts it.

    Examples
    --------
    >>> round(OwnedGPU(purchase_price=35_000, life=4, operating_cost=0.35).usd_per_hour, 3)
    1.348
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            purchase_price: NumberLike,
            life: NumberLike,
            operating_cost: NumberLike,
            residual_share: NumberLike = ...,
        ) -> None: ...

    purchase_price: Amount = Field(
        description="Price of an accelerator with its share of server, network and installation [USD]."
    )
    life: Life = Field(description="Time over which the price is written off [year].")
    operating_cost: Amount = Field(
        description="Electricity, space, staff and support per accelerator and hour, idle or not [USD]."
    )
    residual_share: Share = Field(default=0.0, description="Share of the price that is left at the end [1].")

    @property
    def usd_per_hour(self) -> float:
        """Cost of an hour of an accelerator, idle or not [USD]."""
        return self.purchase_price * (1 - self.residual_share) / (self.life * HOURS_PER_YEAR) + self.operating_cost

    def ownership(self) -> Ownership:
        """Return the same as an `Ownership`: the operation as staff, without interest and without idle hours.

        Its hour costs the same where the electricity of the site is 0, as the operation contains it.
        """
        return Ownership(
            purchase_price=self.purchase_price,
            includes="server",
            server_factor=1.0,
            network_share=0.0,
            storage_share=0.0,
            life=self.life,
            residual_share=self.residual_share,
            cost_of_capital=0.0,
            utilization=1.0,
            idle_power_share=0.0,
            data_center_capital=0.0,
            data_center_life=1.0,
            staff=self.operating_cost * HOURS_PER_YEAR,
            support_share=0.0,
        )


def _owner(value: Any) -> str:
    """Return the tag of the cost of owned accelerators: in full with `kind = "owned"`, else the simple case."""
    full = value.get("kind") == "owned" if isinstance(value, Mapping) else isinstance(value, Ownership)
    return "in full" if full else "simple case"


Owned: TypeAlias = Annotated[
    Annotated[Ownership, Tag("in full")] | Annotated[OwnedGPU, Tag("simple case")], Discriminator(_owner)
]


class SelfHosted(Spec):
    """Replicas of a model on accelerators that are billed by the hour, whether they serve or not.

    The throughput of a replica is measured, or that of a `Serving` scenario within its latency targets.

    Examples
    --------
    >>> option = SelfHosted(name="8B on H100", gpus_per_replica=1, requests_per_second=6.938, usd_per_gpu_hour=2.5)
    >>> option.allowed_load
    0.85
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            name: str = ...,
            serving: Serving | dict[str, object] | None = ...,
            gpus_per_replica: CountLike | None = ...,
            requests_per_second: NumberLike | None = ...,
            output_tokens_per_second: NumberLike | None = ...,
            spread: NumberLike = ...,
            usd_per_gpu_hour: RangeLike | None = ...,
            owned: Ownership | OwnedGPU | dict[str, object] | None = ...,
            allowed_load: NumberLike = ...,
            spare_replicas: int = ...,
            fixed_usd_per_month: NumberLike = ...,
            note: str = ...,
        ) -> None: ...

    kind: Literal["self_hosted"] = Field(default="self_hosted", description="Kind of the option.")
    name: str = Field(default="", description="Name in tables; default: that of the serving scenario.")
    serving: Annotated[Serving | None, BeforeValidator(_with_requests), _OfWorkload] = Field(
        default=None,
        description="Scenario from which a replica and its throughput follow, with the price of its accelerators. Its "
        "requests and their load are those of the workload, at the peak; its latency targets hold.",
    )
    gpus_per_replica: Count | None = Field(
        default=None, description="Accelerators of a replica [1]; given with its throughput."
    )
    requests_per_second: RequestRate | None = Field(
        default=None, description="Requests that a replica can serve per second within the latency targets [1]."
    )
    output_tokens_per_second: TokenRate | None = Field(
        default=None,
        description="Output tokens that a replica can generate per second within the latency targets, for the requests "
        "of the workload [token/s]; instead of requests_per_second.",
    )
    spread: Spread = Field(
        default=0.0, description="Standard deviation of the logarithm of the throughput; 0: measured [1]."
    )
    usd_per_gpu_hour: PricePerGPUHour | None = Field(
        default=None, description="Price of an hour of a rented accelerator [USD/hour]; instead of owned."
    )
    owned: Owned | None = Field(
        default=None,
        description="Cost of owned accelerators: an `Ownership`, which needs serving, or an `OwnedGPU`; instead of "
        "usd_per_gpu_hour.",
    )
    allowed_load: Load = Field(
        default=ALLOWED_LOAD, description="Load of the replicas at the peak over their capacity [1]."
    )
    spare_replicas: int = Field(default=0, ge=0, le=10**6, description="Replicas reserved beyond those needed [1].")
    fixed_usd_per_month: Amount = Field(
        default=0.0, description="Cost per month that does not depend on the number of replicas, such as staff [USD]."
    )
    note: str = Field(default="", description="Remark shown under tables, such as the source of the throughput.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        rates = (self.serving, self.requests_per_second, self.output_tokens_per_second)
        if sum(rate is not None for rate in rates) != 1:
            problems.append("give one of serving, requests_per_second and output_tokens_per_second of a replica")
        elif self.serving is None and (self.gpus_per_replica is None or not self.name):
            problems.append("name and gpus_per_replica are needed with the throughput of a replica")
        unused = {"gpus_per_replica", "spread"} & self.model_fields_set
        if self.serving is not None and unused:
            problems.append(f"serving is given, so {', '.join(sorted(unused))} has no effect; leave one out")
        if self.usd_per_gpu_hour is not None and self.owned is not None:
            problems.append("usd_per_gpu_hour and owned exclude each other; leave one out")
        if self.serving is None and isinstance(self.owned, Ownership):
            problems.append("owned: an Ownership needs serving, from which the accelerator follows; else give OwnedGPU")
        if problems:
            raise InputError(problems)
        return self

    @property
    def title(self) -> str:
        """Name in tables."""
        if self.serving is None or self.name:
            return self.name
        precision = f" {self.serving.precision}" if self.serving.precision else ""
        return self.serving.name or (
            f"{self.serving.architecture.name}{precision} on {self.serving.cluster.accelerator.name}"
        )

    @property
    def hourly_price(self) -> float | Range | None:
        """Given price of an hour of an accelerator [USD]; None if that of the scenario is taken."""
        return self.owned.usd_per_hour if isinstance(self.owned, OwnedGPU) else self.usd_per_gpu_hour

    @property
    def is_owned(self) -> bool:
        """Whether the accelerators are owned."""
        priced = self.usd_per_gpu_hour is not None
        served = self.serving is not None and isinstance(self.serving.prices, Ownership)
        return self.owned is not None or (served and not priced)


Option: TypeAlias = Annotated[HostedAPI | SelfHosted, Field(discriminator="kind")]
