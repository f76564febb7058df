"""Claims as data: quantity, bound, scope and date."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from costmodel.estimation import files
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Dollars, Measure
from costmodel.foundation.specs import Spec
from costmodel.projection.capability import Capability

Year = Annotated[int, Field(ge=2012, le=2050)]
Span = Annotated[float, Measure("1", 0.0, 50.0, open_low=True, uncertain=False)]


class CostClaim(Spec):
    """The same capability costs less than a sum by the end of a year.

    Examples
    --------
    >>> CostClaim(text="cheap by 2027", reference="GPT-4 class", below="1 MUSD", by=2027).below
    1000000.0
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    kind: Literal["cost"] = "cost"
    text: str
    """The sentence as it is said."""
    reference: Annotated[
        Annotated[str, Tag("a name")] | Annotated[Capability, Tag("a capability")] | Annotated[Scenario, Tag("a run")],
        Discriminator(lambda value: "a name" if isinstance(value, str) else _described(value)),
    ]
    """A series of `data/measurements/cost_decline.csv`, a capability with its cost and date, or a run."""
    below: Dollars
    by: Year


class DeclineClaim(Spec):
    """The cost of a capability falls by a factor within some years."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    kind: Literal["decline"] = "decline"
    text: str
    factor: Annotated[float, Field(gt=1, le=1e6)] = 10.0
    soonest: Span = 2.0
    """Years within which it would fall at the fastest that the sentence allows [year]."""
    latest: Span = 3.0
    """Years by which it has fallen at the slowest [year]."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.soonest > self.latest:
            raise ValueError(f"soonest comes before latest; got {self.soonest:g} and {self.latest:g} years")
        return self


class GroupClaim(Spec):
    """Runs of a group cost sums, and take numbers of accelerators, between bounds."""

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    kind: Literal["group"] = "group"
    text: str
    group: Literal["frontier", "low_cost"]
    """As the column `group` of `data/measurements/published_runs.csv` has it, by compute and not by cost."""
    cost_from: Dollars | None = None
    cost_to: Dollars | None = None
    count_from: Annotated[int, Field(ge=1)] | None = None
    count_to: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        bounds = {"cost": (self.cost_from, self.cost_to), "count": (self.count_from, self.count_to)}
        if all(end is None for ends in bounds.values() for end in ends):
            raise ValueError("cost_from, cost_to, count_from or count_to is needed: a claim bounds something")
        turned = [name for name, (low, high) in bounds.items() if low is not None and high is not None and low > high]
        if turned:
            raise ValueError("; ".join(f"{name}_from is above {name}_to" for name in turned))
        return self


def _described(value: Any) -> str:
    if isinstance(value, Scenario) or (isinstance(value, dict) and "architecture" in value):
        return "a run"
    return "a capability"


Claim: TypeAlias = CostClaim | DeclineClaim | GroupClaim
"""Any claim; a further kind joins here."""
_KINDS: dict[str, type[CostClaim] | type[DeclineClaim] | type[GroupClaim]] = {
    "cost": CostClaim, "decline": DeclineClaim, "group": GroupClaim,
}  # fmt: skip


def read_claim(value: Any) -> Claim:
    """Return the claim that data describe by their `kind`; a claim is passed through.

    Raises
    ------
    InputError
        If there is no such kind, with every other problem of the data.
    """
    if isinstance(value, (CostClaim, DeclineClaim, GroupClaim)):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"a claim is a table with kind, text and what it says; got {value!r:.80}")
    kind = value.get("kind", "cost")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"kind: {unknown('kind of claim', kind, _KINDS)}")
    return _KINDS[kind].from_data(value)


def load_claims(path: str | Path) -> list[Claim]:
    """Read claims from a TOML or JSON file: a list of tables under `claims`.

    Raises
    ------
    InputError
        With all problems of the file at once.
    """
    data = files.read(Path(path), {})
    listed = data.get("claims")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path}: claims: a list of tables is needed")
    found: list[Claim] = []
    problems = [unknown("field", key, ["claims"]) for key in data if key != "claims"]
    for place, each in enumerate(listed):
        try:
            found.append(read_claim(each))
        except InputError as error:
            problems += [
                f"claims.{place}{'.' if isinstance(each, Mapping) else ': '}{problem}" for problem in error.problems
            ]
    if problems:
        raise InputError(problems)
    return found
