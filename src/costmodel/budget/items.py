"""What is a project made of? Runs, experiments, things that are bought, and people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, StringConstraints, Tag, model_validator

from costmodel.budget.facts import ANNOTATION_OVERRUN, priced_kind, priced_kinds
from costmodel.estimation import files
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.fields import MOST, Count, Date, Fraction, Measure, reported
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance
from costmodel.market.api_prices import api_price

Name: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Amount: TypeAlias = Annotated[float | Range, Measure("1", 0.0, MOST)]
Price: TypeAlias = Annotated[float | Range, Measure("USD", 0.0, 1e15)]
Factor: TypeAlias = Annotated[float | Range, Measure("1", 1.0, 1e3)]
Days: TypeAlias = Annotated[float, Measure("day", 0.0, 1e5, uncertain=False)]
Weeks: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1e4)]
PerPiece: TypeAlias = Annotated[float, Measure("token", 0.0, 1e12, uncertain=False)]
Rework: TypeAlias = Annotated[
    Annotated[Literal["annotation overrun"], Tag("a fact")] | Annotated[Factor, Tag("a number")],
    Discriminator(lambda value: "a fact" if value == ANNOTATION_OVERRUN else "a number"),
]


def _kind(value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"must be one of {', '.join(priced_kinds())}; got {value!r}")
    return priced_kind(value)


def _scenario(value: Any) -> Any:
    return files.read(Path(value), {}) if isinstance(value, (str, Path)) else value


def _final(scenario: Scenario) -> Scenario:
    if scenario.scope != "final_run":
        raise InputError(
            f"scope: must be 'final_run', for the project adds the development itself; got {scenario.scope!r}"
        )
    return scenario


class Run(Spec):
    """A training run: its line is GPU-hours × price, as `estimate` finds them."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: Name
    scenario: Annotated[Scenario, BeforeValidator(reported(_scenario)), AfterValidator(reported(_final))]
    """A scenario, or the path of its file."""
    repeats: Count = 1
    """How often it is done, such as once per seed or per country."""
    after: tuple[Name, ...] = ()
    """Names of the lines that it waits for."""
    owner: str = ""
    note: str = ""


class Experiments(Spec):
    """The trials before the final runs: how many, and how much of a full run each takes."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: Name = "experiments"
    runs: Amount | None = None
    """Number of trials; what practitioners report unless given."""
    share: Fraction | None = None
    """Share of a full run that a trial takes; what practitioners report unless given."""
    of: Annotated[tuple[Name, ...], BeforeValidator(lambda value: () if value == "all" else value)] = ()
    """Names of the runs that are tried; all unless given."""
    days: Days | None = None
    """How long the trials take [day]; one after the other on the run's cluster unless given."""
    after: tuple[Name, ...] = ()
    owner: str = ""
    note: str = ""


class Calls(Spec):
    """What a piece takes at a model's API: a teacher that writes it, a judge that grades it."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    model: str
    """As the provider names it."""
    input_tokens: PerPiece
    """Read by the model, for each piece [token]."""
    output_tokens: PerPiece
    """Written by it, thoughts included, for each piece [token]."""
    provider: str | None = None
    """Who serves the model; may be left out where one alone does."""
    batch: bool = False
    """Whether the calls go as batch jobs."""
    on: Date | None = None
    """Day of the price; the newest fact unless given."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self.figure()
        except CostModelError as error:
            raise ValueError(str(error)) from None
        return self

    def figure(self) -> Figure:
        """Return what a piece costs [USD], with the date and source of the price."""
        found = api_price(self.model, self.provider, self.on)
        cost = float(found.cost(self.input_tokens, self.output_tokens, self.batch))
        note = f"{found.model} at {found.provider}{', as a batch' if self.batch else ''}"
        return Figure(cost, None, Provenance("looked up", found.source, str(found.as_of), note))


class Item(Spec):
    """Something that is bought by the piece: examples, pairs, hours, tokens.

    Examples
    --------
    >>> Item("labels", quantity="20k", kind="sft example").kind
    'sft example'
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: Name
    quantity: Amount = 1.0
    unit: str = ""
    """What is counted: "pair", "hour", "Mtoken"."""
    unit_price: Price | None = None
    """[USD] per unit."""
    kind: Annotated[str, BeforeValidator(reported(_kind))] | None = None
    """Instead of a price: the kind of data whose price is looked up, such as "preference pair"."""
    api: Calls | None = None
    """Instead of a price: the model that is called for each piece, and how many tokens that takes."""
    rework: Rework | None = None
    """How many are paid for each that is kept; "annotation overrun" is what practitioners report."""
    days: Days | None = None
    """How long it takes [day]."""
    after: tuple[Name, ...] = ()
    owner: str = ""
    source: str = ""
    """Where the price comes from."""
    as_of: Date | None = None
    """Day of the price."""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [self.unit_price, self.kind, self.api].count(None) != 2:
            raise ValueError("one of unit_price, kind and api says what a piece costs")
        if self.kind is not None and self.unit not in {"", priced_kinds()[self.kind]}:
            raise ValueError(f"unit: the price of {self.kind!r} is per {priced_kinds()[self.kind]}, not {self.unit!r}")
        if self.unit_price is None and (self.source or self.as_of):
            raise ValueError("source and as_of go with a given unit_price; what is looked up brings its own")
        return self


class Storage(Spec):
    """Storage by terabyte and month."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: Name
    terabytes: Amount
    """[TB]."""
    months: Amount
    price: Price
    """[USD] per terabyte and month."""
    owner: str = ""
    source: str = ""
    as_of: Date | None = None
    note: str = ""


class Person(Spec):
    """People of one role: how many, for how long, at what pay."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    role: Name
    count: Amount = 1.0
    """Full-time equivalents: 0.5 is half of one's time."""
    weeks: Weeks | None = None
    """Working time of each [week]."""
    months: Weeks | None = None
    """Instead of weeks."""
    usd_per_year: Price | None = None
    """Salary [USD per year]; that of frontier laboratories unless given."""
    overhead: Factor | None = None
    """What the employer pays per dollar of salary; looked up unless given."""
    after: tuple[Name, ...] = ()
    owner: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.weeks is None) == (self.months is None):
            raise ValueError("either weeks or months says for how long")
        return self

    @property
    def name(self) -> str:
        """The role, which names the line."""
        return self.role


StorageItem: TypeAlias = Annotated[
    Annotated[Storage, Tag("by terabyte")] | Annotated[Item, Tag("by piece")],
    Discriminator(lambda value: "by terabyte" if _by_terabyte(value) else "by piece"),
]


def _by_terabyte(value: Any) -> bool:
    return isinstance(value, Storage) or (
        isinstance(value, dict) and bool({"terabytes", "months", "price"} & set(value))
    )
