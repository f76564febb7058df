"""Claims about cost and quality as data: quantity, bounds, and date."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from costmodel.estimation import files
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import CostModelError, InputError, unknown
from costmodel.foundation.fields import Date, Dollars, Measure
from costmodel.foundation.specs import Spec
from costmodel.market.rental import PriceConvention
from costmodel.projection.capability import Capability

if TYPE_CHECKING:
    from costmodel.foundation.fields import DateLike, NumberLike

Year = Annotated[int, Field(ge=2012, le=2050)]
"""Calendar year [year]."""
Span = Annotated[float, Measure("1", 0.0, 50.0, open_low=True, uncertain=False)]
"""Number of years, above 0 and at most 50 [year]."""

Portion: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
"""Share above 0 and at most 1 [1]."""

_FILES = (".toml", ".json")
KIND = "Kind of claim, by which files name it."
"""Description of the field `kind` of all claims."""


class CostClaim(Spec):
    """The cost of a capability is below a bound by the end of a year.

    Examples
    --------
    >>> CostClaim(text="cheap by 2027", reference="GPT-4 class", below="1 MUSD", by=2027).below
    1000000.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            text: str,
            reference: str | Capability | Scenario | Mapping[str, object],
            below: NumberLike,
            by: int,
        ) -> None: ...

    kind: Literal["cost"] = Field(default="cost", description=KIND)
    text: str = Field(description="Claim in words.")
    reference: Annotated[
        Annotated[str, Tag("a name")] | Annotated[Capability, Tag("a capability")] | Annotated[Scenario, Tag("a run")],
        Discriminator(lambda value: "a name" if isinstance(value, str) else _tag(value)),
    ] = Field(
        description="What the cost is of: the name of a series of `data/measurements/cost_decline.csv`, a capability "
        "with its cost and date, or a scenario. In a claims file also the path of a scenario file."
    )
    below: Dollars = Field(description="Upper bound of the cost [USD].")
    by: Year = Field(description="Year by whose end the bound holds, 2012 to 2050 [year].")


class DeclineClaim(Spec):
    """The cost of a capability falls by a factor within a span of years.

    Examples
    --------
    >>> DeclineClaim(text="ten times cheaper in two to three years", factor=10, soonest=2, latest=3).factor
    10.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            text: str,
            factor: float = ...,
            soonest: NumberLike = ...,
            latest: NumberLike = ...,
        ) -> None: ...

    kind: Literal["decline"] = Field(default="decline", description=KIND)
    text: str = Field(description="Claim in words.")
    factor: Annotated[float, Field(gt=1, le=1e6)] = Field(
        default=10.0, description="Factor of the decline, above 1 [1]."
    )
    soonest: Span = Field(
        default=2.0, description="Shortest time span of the claim, above 0 and at most `latest` [year]."
    )
    latest: Span = Field(
        default=3.0, description="Longest time span of the claim, at most 50 [year]; the probability is for this span."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.soonest > self.latest:
            raise ValueError(f"soonest must not exceed latest; got {self.soonest:g} and {self.latest:g} years")
        return self


class GroupClaim(Spec):
    """The cost and the number of accelerators of the runs of a group are within bounds.

    Examples
    --------
    >>> claim = GroupClaim(text="they cost 5 to 10 M$", group="low_cost", cost_from="5 MUSD", cost_to="10 MUSD")
    >>> claim.cost_to
    10000000.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            text: str,
            group: Literal["frontier", "low_cost"],
            cost_from: NumberLike | None = ...,
            cost_to: NumberLike | None = ...,
            count_from: int | None = ...,
            count_to: int | None = ...,
            price: PriceConvention = ...,
        ) -> None: ...

    kind: Literal["group"] = Field(default="group", description=KIND)
    text: str = Field(description="Claim in words.")
    group: Literal["frontier", "low_cost"] = Field(
        description="Group of runs: column `group` of `data/measurements/published_runs.csv`, assigned by training "
        "compute."
    )
    cost_from: Dollars | None = Field(default=None, description="Lower bound of the cost [USD]; default: no bound.")
    cost_to: Dollars | None = Field(default=None, description="Upper bound of the cost [USD]; default: no bound.")
    count_from: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Lower bound of the number of accelerators [1]; default: no bound."
    )
    count_to: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Upper bound of the number of accelerators [1]; default: no bound."
    )
    price: PriceConvention = Field(
        default="on_demand",
        description='What the costs of the claim are said in: "on_demand", "contract" or "published" (the price that '
        "the publication of the run itself used).",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = {"cost": (self.cost_from, self.cost_to), "count": (self.count_from, self.count_to)}
        if all(end is None for ends in bounds.values() for end in ends):
            raise ValueError("at least one bound is required: cost_from, cost_to, count_from or count_to")
        reversed_bounds = [
            name for name, (low, high) in bounds.items() if low is not None and high is not None and low > high
        ]
        if reversed_bounds:
            raise ValueError("; ".join(f"{name}_from must not exceed {name}_to" for name in reversed_bounds))
        return self


class QualityClaim(Spec):
    """The score of a model, or the best score of a group, is near that of other models, among the best, or closing in.

    Examples
    --------
    >>> claim = QualityClaim(
    ...     text="low-cost models are within 10 % of the best",
    ...     benchmark="GPQA diamond",
    ...     evaluator="Epoch AI",
    ...     group="low_cost",
    ...     gap_to=0.1,
    ... )
    >>> claim.gap_to
    0.1
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            text: str,
            benchmark: str,
            evaluator: str,
            model: str | None = ...,
            group: Literal["low_cost", "open_weights"] | None = ...,
            against: str | None = ...,
            on: DateLike | None = ...,
            gap_to: NumberLike | None = ...,
            top_share: NumberLike | None = ...,
            closing_since: DateLike | None = ...,
            closing_rate: NumberLike | None = ...,
        ) -> None: ...

    kind: Literal["quality"] = Field(default="quality", description=KIND)
    text: str = Field(description="Claim in words.")
    benchmark: str = Field(min_length=1, description="Benchmark of `data/facts/benchmark_scores.csv`.")
    evaluator: str = Field(min_length=1, description="Evaluator of the scores; those of others are not mixed in.")
    model: str | None = Field(default=None, description="Model, with its reasoning effort, that the claim is about.")
    group: Literal["low_cost", "open_weights"] | None = Field(
        default=None,
        description="Group that the claim is about instead, by the weights of a model: those of a low-cost run of "
        "`data/measurements/published_runs.csv`, or any with an architecture in the catalog.",
    )
    against: str | None = Field(
        default=None, description="Model to compare with; default: the best of all models outside the group."
    )
    on: Date | None = Field(
        default=None, description="Day of the comparison: models released until then; default: all models."
    )
    gap_to: Portion | None = Field(
        default=None, description="Largest shortfall, 1 − score / score of the others [1]; default: no bound."
    )
    top_share: Portion | None = Field(
        default=None, description="Share of the models, the best ones, to which it belongs [1]; default: no bound."
    )
    closing_since: Date | None = Field(
        default=None, description="Day since which the shortfall became smaller; default: no statement."
    )
    closing_rate: Portion | None = Field(
        default=None, description="Least fall of the shortfall per year since that day [1]; default: any; needs on."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if (self.model is None) == (self.group is None):
            problems.append("give one of model and group, which the claim is about")
        if self.gap_to is None and self.top_share is None and self.closing_since is None:
            problems.append("at least one statement is required: gap_to, top_share or closing_since")
        if self.on is not None and self.closing_since is not None and self.closing_since >= self.on:
            problems.append(f"closing_since must be before on; got {self.closing_since} and {self.on}")
        if self.closing_rate is not None and (self.on is None or self.closing_since is None):
            problems.append("closing_rate needs on and closing_since, between which the shortfall falls")
        if problems:
            raise InputError(problems)
        return self


def _tag(value: Any) -> str:
    if isinstance(value, Scenario) or (isinstance(value, dict) and "architecture" in value):
        return "a run"
    return "a capability"


Claim: TypeAlias = CostClaim | DeclineClaim | GroupClaim | QualityClaim
"""Any kind of claim."""
_KINDS: dict[str, type[CostClaim] | type[DeclineClaim] | type[GroupClaim] | type[QualityClaim]] = {
    "cost": CostClaim,
    "decline": DeclineClaim,
    "group": GroupClaim,
    "quality": QualityClaim,
}


def read_claim(value: Any) -> Claim:
    """Return a claim from data with a `kind`; a claim is returned unchanged.

    Parameters
    ----------
    value : Claim or Mapping
        Claim, or its fields.

    Returns
    -------
    Claim
        Checked claim.

    Raises
    ------
    InputError
        If the kind is unknown or a field is not valid; the message lists all problems.
    """
    if isinstance(value, (CostClaim, DeclineClaim, GroupClaim, QualityClaim)):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"a claim must be a table with kind, text and its bounds; got {value!r:.80}")
    kind = value.get("kind", "cost")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"kind: {unknown('kind of claim', kind, _KINDS)}")
    return _KINDS[kind].from_data(value)


def _with_run(value: Any, folder: Path) -> Any:
    """Return a claim of a file, with the scenario in place of the path of its file."""
    reference = value.get("reference") if isinstance(value, Mapping) else None
    if not isinstance(reference, str) or not reference.endswith(_FILES):
        return value
    try:
        return {**value, "reference": Scenario.load(folder / reference)}
    except CostModelError as error:
        raise InputError([f"reference: {problem}" for problem in getattr(error, "problems", [str(error)])]) from None


def load_claims(path: str | Path) -> list[Claim]:
    """Read claims from a TOML or JSON file with a list of tables `claims`.

    The `reference` of a claim about cost may be the path of a scenario file, relative to the folder of the claims.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list[Claim]
        Checked claims, in the order of the file.

    Raises
    ------
    InputError
        If a claim or a field is not valid; the message lists all problems of the file.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> claim = {"kind": "decline", "text": "ten times cheaper", "factor": 10, "soonest": 2, "latest": 3}
    >>> path = Path(mkdtemp()) / "claims.json"
    >>> characters = path.write_text(json.dumps({"claims": [claim]}))
    >>> [claim.text for claim in load_claims(path)]
    ['ten times cheaper']
    """
    data = files.read(path)
    tables = data.get("claims")
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{path}: claims: must be a list of at least one table; got {tables!r:.80}")
    claims: list[Claim] = []
    problems = [unknown("field", key, ["claims"]) for key in data if key != "claims"]
    for number, value in enumerate(tables):
        try:
            claims.append(read_claim(_with_run(value, Path(path).parent)))
        except InputError as error:
            problems += [
                f"claims.{number}{'.' if isinstance(value, Mapping) else ': '}{problem}" for problem in error.problems
            ]
    if problems:
        raise InputError(problems)
    return claims
