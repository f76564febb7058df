"""Contents of a project: runs, experiments, data, people and other purchases."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from costmodel.budget.actuals import ActualField
from costmodel.budget.items import (
    Experiments,
    Item,
    Name,
    Person,
    Run,
    ServedModel,
    ServingItem,
    Storage,
    StorageItem,
)
from costmodel.budget.lines import CONTINGENCY_LINE, Group
from costmodel.budget.schedule import cycle
from costmodel.estimation import files
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Date, Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.specs import Spec, changed
from costmodel.foundation.tables import constant
from costmodel.foundation.user_files import checked_path

MOST_LINES = 1000
"""Largest number of lines in a project [1]."""
CONTINGENCY = constant("contingency")
"""Default contingency, as a share of all other lines [1]. It is a convention, not a measurement; a budget that
uses it lists it among its assumptions."""

Contingency: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 10.0)]
Part: TypeAlias = Run | Experiments | Item | Storage | ServedModel | Person


class ProjectPlan(Spec):
    """Fields of a project, with their checks; `Project` adds the budget."""

    name: Name = Field(description="Name of the project.")
    currency_year: Annotated[int, Field(ge=2000, le=2100)] = Field(
        default=2026,
        description="Year of the dollars, 2000 to 2100 [year]. Prices of other years are not converted; the "
        "assumptions list them.",
    )
    start: Date | None = Field(
        default=None, description="First day of the project; default: the calendar counts days from the start."
    )
    runs: tuple[Run, ...] = Field(default=(), description="Training runs.")
    experiments: Experiments | None = Field(
        default=None,
        description="Trial runs before the final runs; `{}` takes the number and size that practitioners report; "
        "default: none.",
    )
    data: tuple[Item, ...] = Field(default=(), description="Data that are bought or labeled.")
    evaluation: tuple[Item, ...] = Field(default=(), description="Evaluation of the model.")
    people: tuple[Person, ...] = Field(default=(), description="Staff, by role.")
    storage: tuple[StorageItem, ...] = Field(default=(), description="Storage, by terabyte and month or by piece.")
    serving: tuple[ServingItem, ...] = Field(
        default=(), description="Serving of the model: a `Serving` scenario for a time or tokens, or by piece."
    )
    other: tuple[Item, ...] = Field(default=(), description="Other purchases.")
    contingency: Contingency = Field(
        default=CONTINGENCY,
        description="Reserve, as a share of the base of all other lines, 0 to 10 [1]; a range counts as the mean of "
        "its ends.",
    )
    actuals: dict[str, ActualField] = Field(
        default_factory=dict,
        description="What was spent and ordered so far, by line: an `Actual`, or the amount paid [USD].",
    )
    owner: str = Field(default="", description="Person responsible for lines without an owner of their own.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        default=0, description="Seed of the random draws, also of those of the runs; 0 to 2³² - 1."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [_detail(*problem) for problem in self._problems()]
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], Group, Part]]:
        """Yield the part behind each line, with its place in the project and its group, in the order of the groups."""
        for index, run in enumerate(self.runs):
            yield ("runs", index), "compute", run
        if self.experiments is not None:
            yield ("experiments",), "compute", self.experiments
        groups: tuple[tuple[Group, tuple[Part, ...]], ...] = (
            ("data", self.data),
            ("evaluation", self.evaluation),
            ("people", self.people),
            ("storage", self.storage),
            ("serving", self.serving),
            ("other", self.other),
        )
        for group, items in groups:
            for index, item in enumerate(items):
                yield (group, index), group, item

    @classmethod
    @checked("changes")
    def load(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Self:
        """Read a project from a TOML or JSON file.

        Parameters
        ----------
        path : str or Path
            Path of the file. Paths in the file (of a scenario, a config or a price table) are relative to it.
        changes : Mapping, optional
            Values by dotted path that override the file: `{"runs.0.scenario.cluster.count": 16}`.

        Raises
        ------
        InputError
            With all problems of the file.
        """
        data = files.read(path)
        folder = Path(path).parent
        if {"architecture", "recipe"} & data.keys() and not {"name", "runs", "people", "data"} <= data.keys():
            raise InputError(
                f"{path} holds the scenario of a run, not a project: use costmodel estimate, or list it in a "
                f"project as [[runs]] with name = 'final run' and scenario = {str(path)!r}"
            )
        _rewrite_paths(data, lambda value: str(folder / value) if (folder / value).exists() else value)
        for run in (*_runs(data), *_runs(data, "serving")):
            if isinstance(run.get("scenario"), str):
                try:
                    run["scenario"] = files.read(run["scenario"])
                except InputError:  # reported with all other problems when the scenario is validated
                    continue
        for field, value in (changes or {}).items():
            data = changed(data, field, value)
        return cls.from_data(data)

    def save(self, path: str | Path) -> None:
        """Write the project to a TOML or JSON file (by its ending), which `load` reads back.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; its ending, .toml or .json, is the format.
        """
        folder, data = checked_path(path).parent, self.to_data()
        _rewrite_paths(data, lambda value: files.relative(value, folder))
        files.write(path, data)

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
        """Yield the contradictions between the parts: place, reason, and the value given."""
        parts = list(self.parts())
        if not 1 <= len(parts) <= MOST_LINES:
            yield (), f"a project has 1 to {MOST_LINES} runs, items and people; got {len(parts)}", len(parts)
        names = [part.name for _, _, part in parts]
        counted = Counter([*names, CONTINGENCY_LINE])
        waits: dict[str, tuple[str, ...]] = {}
        for place, _, part in parts:
            if counted[part.name] > 1:
                where = (*place, "role" if isinstance(part, Person) else "name")
                yield where, f"names of lines must be unique; {part.name!r} occurs twice", part.name
            after = getattr(part, "after", ())
            for index, other in enumerate(after):
                if other not in names:
                    yield (*place, "after", index), unknown("line", other, names), other
            waits[part.name] = tuple(other for other in after if other in names)
        if circle := cycle(waits):
            path = " waits for ".join(repr(name) for name in circle)
            yield (), f"after: {path}: these lines wait for each other, so none can start", circle
        runs = [run.name for run in self.runs]
        if self.experiments is not None:
            if not runs:
                yield ("experiments",), "experiments need at least one run; the project has none", None
            for index, other in enumerate(self.experiments.of):
                if other not in runs:
                    yield ("experiments", "of", index), unknown("run", other, runs), other
        for name in self.actuals:
            if name not in counted:
                yield ("actuals", name), unknown("line", name, counted), name


def _detail(place: tuple[str | int, ...], reason: str, given: Any) -> InitErrorDetails:
    error = PydanticCustomError("costmodel", "{reason}", {"reason": reason})
    return InitErrorDetails(type=error, loc=place, input=given)


def _runs(data: Mapping[str, Any], field: str = "runs") -> list[dict[str, Any]]:
    """Return the runs, or the items of another field, in the data of a file that are tables."""
    runs = data.get(field)
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, (list, tuple)) else []


def _rewrite_paths(data: Mapping[str, Any], new: Callable[[str], str]) -> None:
    """Replace the paths in runs and served models: those of the scenario, its config and its price table."""
    for run in (*_runs(data), *_runs(data, "serving")):
        scenario = run.get("scenario")
        inner = scenario if isinstance(scenario, dict) else {}
        prices = inner.get("prices")
        for holder, key in ((run, "scenario"), (inner, "architecture"), (prices, "table")):
            if not isinstance(holder, dict):
                continue
            value = holder.get(key)
            if isinstance(value, str) and ("/" in value or value.endswith((".toml", ".json", ".csv"))):
                holder[key] = new(value)
