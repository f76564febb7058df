"""Items of a project: runs, experiments, purchases, storage and people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from costmodel.budget.facts import ANNOTATION_OVERRUN, priced_kind, priced_kinds
from costmodel.estimation import files
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.serving.scenario import Serving
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.fields import MOST, Count, Date, Fraction, Measure, OrJson, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance
from costmodel.market.api_prices import api_price

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypedDict, Unpack

    from costmodel.foundation.fields import CountLike, DateLike, NumberLike, RangeLike

    class LineFields(TypedDict, total=False):
        """Fields of all lines, with the types that a constructor accepts."""

        owner: str
        note: str

    class ScheduledFields(LineFields, total=False):
        """Fields of all lines in the calendar."""

        after: Sequence[str]


Name: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Amount: TypeAlias = Annotated[float | Range, Measure("1", 0.0, MOST)]
Price: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e15)]
Factor: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 1e3)]
Days: TypeAlias = Annotated[float, Measure("day", 0.0, 1e5, uncertain=False)]
Weeks: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e4)]
PerPiece: TypeAlias = Annotated[float, Measure("token", 0.0, 1e12, uncertain=False)]
After: TypeAlias = Annotated[
    tuple[Name, ...], Field(description="Names of the lines that must end before this one starts; default: none.")
]
Owner: TypeAlias = Annotated[str, Field(description="Person responsible for the line; default: that of the project.")]
Note: TypeAlias = Annotated[str, Field(description="Remark, printed beside the line.")]
PriceSource: TypeAlias = Annotated[str, Field(description="Source of the price.")]
PriceDate: TypeAlias = Annotated[Date | None, Field(description="Date of the price.")]
Rework: TypeAlias = Annotated[
    Annotated[Literal["annotation overrun"], Tag("a fact")] | Annotated[Factor, Tag("a number")],
    Discriminator(lambda value: "a fact" if value == ANNOTATION_OVERRUN else "a number"),
]


def _kind(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"must be one of {', '.join(priced_kinds())}; got {value!r}")
    return priced_kind(value)


def _scenario(value: Any) -> Any:
    return files.read(value) if isinstance(value, (str, Path)) else value


def _final(scenario: Scenario) -> Scenario:
    if scenario.scope != "final_run":
        raise InputError(
            f"scope: must be 'final_run', because the project lists the development itself; got {scenario.scope!r}"
        )
    if scenario.other_costs is not None:
        raise InputError(
            "other_costs: must be left out, because the project lists storage, experiments and staff itself"
        )
    return scenario


class Run(Spec):
    """A training run. Its line is GPU-hours × price, from `estimate`."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            scenario: Scenario | str | Path | Mapping[str, object],
            *,
            repeats: CountLike = ...,
            **fields: Unpack[ScheduledFields],
        ) -> None: ...

    name: Name = Field(description="Name of the line.")
    scenario: Annotated[
        Scenario, BeforeValidator(reported(_scenario)), AfterValidator(reported(_final)), OrJson(("string",))
    ] = Field(description='Scenario of the run, or the path of its TOML or JSON file; its scope must be "final_run".')
    repeats: Count = Field(default=1, description="Number of repetitions, for example one per seed or per country.")
    after: After = ()
    owner: Owner = ""
    note: Note = ""


class Experiments(Spec):
    """Trial runs before the final runs: their number, and the share of a full run that each takes."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            name: str = ...,
            runs: RangeLike | None = ...,
            share: RangeLike | None = ...,
            of: Sequence[str] = ...,
            days: NumberLike | None = ...,
            **fields: Unpack[ScheduledFields],
        ) -> None: ...

    name: Name = Field(default="experiments", description="Name of the line.")
    runs: Amount | None = Field(
        default=None, description="Number of trials; default: the number that practitioners report."
    )
    share: Fraction | None = Field(
        default=None,
        description="Share of a full run per trial, above 0 and at most 1 [1]; default: the share that practitioners "
        "report.",
    )
    of: Annotated[
        tuple[Name, ...], BeforeValidator(lambda value: () if value == "all" else value), OrJson(("string",))
    ] = Field(default=(), description="Names of the runs that are tried; default: all runs.")
    days: Days | None = Field(
        default=None,
        description="Duration of all trials [day]; default: one after the other on the cluster of the run.",
    )
    after: After = ()
    owner: Owner = ""
    note: Note = ""


class Calls(Spec):
    """API calls per piece: by a teacher that writes it, or a judge that grades it."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            model: str,
            input_tokens: NumberLike,
            output_tokens: NumberLike,
            *,
            provider: str | None = ...,
            batch: bool = ...,
            on: DateLike | None = ...,
        ) -> None: ...

    model: str = Field(description="Name of the model at the provider.")
    input_tokens: PerPiece = Field(description="Input tokens per piece [token].")
    output_tokens: PerPiece = Field(description="Output tokens per piece, reasoning included [token].")
    provider: str | None = Field(
        default=None, description="Provider of the API; may be omitted if only one serves the model."
    )
    batch: bool = Field(default=False, description="Whether the calls are batch jobs, at the batch price.")
    on: Date | None = Field(default=None, description="Date of the price; default: the newest known price.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self.figure()
        except CostModelError as error:
            raise ValueError(str(error)) from None
        return self

    def figure(self) -> Figure:
        """Return the cost per piece [USD], with the date and source of the price."""
        price = api_price(self.model, self.provider, self.on)
        cost = float(price.cost(self.input_tokens, self.output_tokens, self.batch))
        note = f"{price.model} at {price.provider}{', batch price' if self.batch else ''}"
        return Figure(cost, None, Provenance("looked up", price.source, str(price.as_of), note))


class Item(Spec):
    """A purchase by the piece: examples, preference pairs, hours, tokens.

    Examples
    --------
    >>> Item("labels", quantity="20k", kind="sft example").kind
    'sft example'
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            quantity: RangeLike = ...,
            *,
            unit: str = ...,
            unit_price: RangeLike | None = ...,
            kind: str | None = ...,
            api: Calls | Mapping[str, object] | None = ...,
            rework: RangeLike | None = ...,
            days: NumberLike | None = ...,
            source: str = ...,
            as_of: DateLike | None = ...,
            **fields: Unpack[ScheduledFields],
        ) -> None: ...

    name: Name = Field(description="Name of the line.")
    quantity: Amount = Field(default=1.0, description="Number of pieces, in `unit` [1].")
    unit: str = Field(default="", description='Unit of the quantity, such as "pair", "hour" or "Mtoken".')
    unit_price: Price | None = Field(
        default=None, description="Price per unit [USD]; give one of `unit_price`, `kind` and `api`."
    )
    kind: Annotated[str, BeforeValidator(reported(_kind))] | None = Field(
        default=None,
        description='Kind of data whose price is looked up, such as "preference pair"; replaces `unit_price`.',
    )
    api: Calls | None = Field(
        default=None, description="API calls per piece, by which a model writes or grades it; replaces `unit_price`."
    )
    rework: Rework | None = Field(
        default=None,
        description='Pieces paid per piece kept, at least 1 [1]; "annotation overrun" takes the figure that '
        "practitioners report; default: 1.",
    )
    days: Days | None = Field(default=None, description="Duration [day]; default: 0.")
    after: After = ()
    owner: Owner = ""
    source: PriceSource = ""
    as_of: PriceDate = None
    note: Note = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [self.unit_price, self.kind, self.api].count(None) != 2:
            raise ValueError("give exactly one of unit_price, kind and api")
        if self.kind is not None and self.unit not in {"", priced_kinds()[self.kind]}:
            raise ValueError(f"unit: the price of {self.kind!r} is per {priced_kinds()[self.kind]}, not {self.unit!r}")
        if self.unit_price is None and (self.source or self.as_of):
            raise ValueError("source and as_of need a unit_price; a looked-up price has its own source and date")
        return self


class Storage(Spec):
    """Storage by terabyte and month."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            *,
            terabytes: RangeLike,
            months: RangeLike,
            price: RangeLike,
            source: str = ...,
            as_of: DateLike | None = ...,
            **fields: Unpack[LineFields],
        ) -> None: ...

    name: Name = Field(description="Name of the line.")
    terabytes: Amount = Field(description="Amount stored [TB].")
    months: Amount = Field(description="Duration [month].")
    price: Price = Field(description="Price per terabyte and month [USD].")
    owner: Owner = ""
    source: PriceSource = ""
    as_of: PriceDate = None
    note: Note = ""


class Person(Spec):
    """Staff of one role: number, working time and pay."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            role: str,
            *,
            count: RangeLike = ...,
            weeks: RangeLike | None = ...,
            months: RangeLike | None = ...,
            usd_per_year: RangeLike | None = ...,
            overhead: RangeLike | None = ...,
            **fields: Unpack[ScheduledFields],
        ) -> None: ...

    role: Name = Field(description='Role, such as "engineer"; it names the line.')
    count: Amount = Field(default=1.0, description="Full-time equivalents [1].")
    weeks: Weeks | None = Field(
        default=None, description="Working time per full-time equivalent [week]; give `weeks` or `months`."
    )
    months: Weeks | None = Field(
        default=None, description="Working time per full-time equivalent [month]; replaces `weeks`."
    )
    usd_per_year: Price | None = Field(
        default=None, description="Salary [USD/year]; default: that of frontier laboratories."
    )
    overhead: Factor | None = Field(
        default=None, description="Employer cost per dollar of salary, at least 1 [1]; default: looked up."
    )
    after: After = ()
    owner: Owner = ""
    note: Note = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.weeks is None) == (self.months is None):
            raise ValueError("give either weeks or months")
        return self

    @property
    def name(self) -> str:
        """Name of the line: the role."""
        return self.role


class ServedModel(Spec):
    """A model that is served for a time, or for a number of tokens. Its line is the estimate of a `Serving`.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.Serving("llama-3.1-8b", cm.Cluster("L40S", 2), input_tokens=500, output_tokens=300, concurrency=16)
    >>> ServedModel("first quarter", chat, months=3).months
    3.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            scenario: Serving | str | Path | Mapping[str, object],
            *,
            months: RangeLike | None = ...,
            tokens: RangeLike | None = ...,
            days: NumberLike | None = ...,
            **fields: Unpack[ScheduledFields],
        ) -> None: ...

    name: Name = Field(description="Name of the line.")
    scenario: Annotated[Serving, BeforeValidator(reported(_scenario)), OrJson(("string",))] = Field(
        description="Scenario of the served model, or the path of its TOML or JSON file."
    )
    months: Amount | None = Field(
        default=None, description="Time for which all accelerators are paid [month]; give `months` or `tokens`."
    )
    tokens: Amount | None = Field(
        default=None,
        description="Input and output tokens served [token], at the cost per token of the load; replaces `months`.",
    )
    days: Days | None = Field(default=None, description="Duration in the calendar [day]; default: 0.")
    after: After = ()
    owner: Owner = ""
    note: Note = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.months is None) == (self.tokens is None):
            raise ValueError("give either months or tokens")
        return self


ServingItem: TypeAlias = Annotated[
    Annotated[ServedModel, Tag("a model")] | Annotated[Item, Tag("by piece")],
    Discriminator(lambda value: "a model" if _is_served(value) else "by piece"),
]


def _is_served(value: Any) -> bool:
    return isinstance(value, ServedModel) or (isinstance(value, dict) and "scenario" in value)


StorageItem: TypeAlias = Annotated[
    Annotated[Storage, Tag("by terabyte")] | Annotated[Item, Tag("by piece")],
    Discriminator(lambda value: "by terabyte" if _by_terabyte(value) else "by piece"),
]


def _by_terabyte(value: Any) -> bool:
    return isinstance(value, Storage) or (
        isinstance(value, dict) and bool({"terabytes", "months", "price"} & set(value))
    )
