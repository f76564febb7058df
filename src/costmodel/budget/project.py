"""What is the project? Runs, experiments, data, people and the rest: what a budget is made for."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from costmodel.budget.items import Experiments, Item, Name, Person, Run, Storage, StorageItem
from costmodel.budget.lines import Group
from costmodel.budget.schedule import cycle
from costmodel.estimation import files
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Date, Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec, changed

if TYPE_CHECKING:
    from costmodel.budget.budget import Budget

MOST_LINES = 1000
CONTINGENCY = 0.15
"""Share of the lines that is set aside where none is given [1]: a convention, not a measurement, and every
budget that uses it says so among its assumptions."""
CONTINGENCY_LINE = "contingency"

Contingency: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 10.0)]
Money: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e15, uncertain=False)]
Part: TypeAlias = Run | Experiments | Item | Storage | Person


class Project(Spec):
    """A project around some runs: what it will cost in all, and when it is done.

    Examples
    --------
    >>> project = Project(
    ...     name="ticket classifier",
    ...     data=[{"name": "labels", "quantity": "20k", "unit": "example", "unit_price": 0.5}],
    ...     people=[{"role": "engineer", "weeks": 10, "usd_per_year": 104_000, "overhead": 1.3}],
    ...     contingency=0.1,
    ... )
    >>> print(f"{project.budget().total:,.2f~P}")  # (20,000 x 0.5 + 10 x 104,000 x 1.3 / 52) x 1.1
    39,600.00 USD
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: Name
    currency_year: Annotated[int, Field(ge=2000, le=2100)] = 2026
    """Of the dollars; prices of other years are taken as they are, and said."""
    start: Date | None = None
    runs: tuple[Run, ...] = ()
    experiments: Experiments | None = None
    """Trials before the runs; `{}` takes what practitioners report."""
    data: tuple[Item, ...] = ()
    evaluation: tuple[Item, ...] = ()
    people: tuple[Person, ...] = ()
    storage: tuple[StorageItem, ...] = ()
    serving: tuple[Item, ...] = ()
    other: tuple[Item, ...] = ()
    contingency: Contingency = CONTINGENCY
    """Share of all lines that is set aside [1]."""
    actuals: dict[str, Money] = Field(default_factory=dict)
    """What was paid [USD], by the name of the line."""
    owner: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the draws behind the intervals, those of the runs included."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        wrong = list(self._mistakes())
        if wrong:
            raise ValidationError.from_exception_data(type(self).__name__, [_detail(*each) for each in wrong])
        return self

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], Group, Part]]:
        """Yield what makes a line, with its place in the project and its group, in the order of the groups."""
        for index, run in enumerate(self.runs):
            yield ("runs", index), "compute", run
        if self.experiments is not None:
            yield ("experiments",), "compute", self.experiments
        groups: tuple[tuple[Group, tuple[Part, ...]], ...] = (
            ("data", self.data), ("evaluation", self.evaluation), ("people", self.people),
            ("storage", self.storage), ("serving", self.serving), ("other", self.other),
        )  # fmt: skip
        for group, items in groups:
            for index, item in enumerate(items):
                yield (group, index), group, item

    def budget(self) -> "Budget":
        """Return what the project costs, line by line, with its spread and its calendar.

        Raises
        ------
        InputError, MissingFactError
            If a run cannot be estimated, or its price is not known; the message names it.
        """
        from costmodel.budget.budget import Budget

        return Budget(self)

    @classmethod
    def load(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Self:
        """Read a project from a TOML or JSON file.

        Parameters
        ----------
        path : of the file; a path of a scenario, a config or a price table in it is relative to the file
        changes : values by dotted path, which win over the file: `{"runs.0.scenario.cluster.count": 16}`

        Raises
        ------
        InputError
            With all problems of the file at once.
        """
        place = Path(path)
        data = files.read(place, {})
        _rewrite_paths(data, lambda value: str(place.parent / value) if (place.parent / value).exists() else value)
        for run in _runs(data):
            if isinstance(run.get("scenario"), str):
                try:
                    run["scenario"] = files.read(Path(run["scenario"]), {})
                except InputError:  # told with all others when the scenario is read once more
                    continue
        for at, value in (changes or {}).items():
            data = changed(data, at, value)
        return cls.from_data(data)

    def save(self, path: str | Path) -> None:
        """Write the project to a TOML or JSON file (by its ending), which `load` reads back."""
        folder, data = Path(path).parent, self.to_data()
        _rewrite_paths(data, lambda value: os.path.relpath(value, folder) if Path(value).exists() else value)
        files.write(Path(path), data)

    def _mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
        """Yield what is wrong between the parts: place, reason, and what was given."""
        parts = list(self.parts())
        if not 1 <= len(parts) <= MOST_LINES:
            yield (), f"a project has 1 to {MOST_LINES} runs, items and people; got {len(parts)}", len(parts)
        names = [part.name for _, _, part in parts]
        counted = Counter([*names, CONTINGENCY_LINE])
        waits: dict[str, tuple[str, ...]] = {}
        for place, _, part in parts:
            if counted[part.name] > 1:
                where = (*place, "role" if isinstance(part, Person) else "name")
                yield where, f"a name stands for one line of the budget; {part.name!r} is taken twice", part.name
            after = getattr(part, "after", ())
            for index, other in enumerate(after):
                if other not in names:
                    yield (*place, "after", index), unknown("line", other, names), other
            waits[part.name] = tuple(other for other in after if other in names)
        if found := cycle(waits):
            path = " waits for ".join(repr(name) for name in found)
            yield (), f"after: {path}: none of them can begin", found
        runs = [run.name for run in self.runs]
        if self.experiments is not None:
            if not runs:
                yield ("experiments",), "there are no runs to try", None
            for index, other in enumerate(self.experiments.of):
                if other not in runs:
                    yield ("experiments", "of", index), unknown("run", other, runs), other
        for name in self.actuals:
            if name not in counted:
                yield ("actuals", name), unknown("line", name, counted), name


def _detail(place: tuple[str | int, ...], reason: str, given: Any) -> InitErrorDetails:
    error = PydanticCustomError("costmodel", "{reason}", {"reason": reason})
    return InitErrorDetails(type=error, loc=place, input=given)


def _runs(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs in the data of a file, as far as they are tables."""
    runs = data.get("runs")
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, (list, tuple)) else []


def _rewrite_paths(data: Mapping[str, Any], new: Callable[[str], str]) -> None:
    """Replace the paths of files within the runs: of a scenario, its config and its price table."""
    for run in _runs(data):
        scenario = run.get("scenario")
        inner = scenario if isinstance(scenario, dict) else {}
        prices = inner.get("prices")
        for holder, key in ((run, "scenario"), (inner, "architecture"), (prices, "table")):
            if not isinstance(holder, dict):
                continue
            value = holder.get(key)
            if isinstance(value, str) and ("/" in value or value.endswith((".toml", ".json", ".csv"))):
                holder[key] = new(value)
