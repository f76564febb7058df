"""Tasks of the calendar of a project, from its runs, experiments, people and items."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from costmodel.budget.entries import WEEKS_PER_YEAR, Entry, RunCost
from costmodel.budget.items import Experiments, Item, Person, Run, ServedModel
from costmodel.budget.lines import Task
from costmodel.foundation.ranges import middle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.budget.plan import ProjectPlan


def tasks(project: ProjectPlan, runs: Mapping[str, RunCost], entries: Iterable[Entry]) -> list[Task]:
    """Return the tasks, all from day 0: runs, experiments, people, and items with a duration or a predecessor.

    Parameters
    ----------
    project : ProjectPlan
        Contents of the project.
    runs : Mapping
        Estimated runs by name.
    entries : Iterable
        Entries of the lines.
    """
    parts = [part for _, _, part in project.parts()]
    awaited = {name for part in parts for name in getattr(part, "after", ())}
    by_name = {entry.name: entry for entry in entries}
    return [
        _task(part, runs, by_name, project.owner)
        for part in parts
        if isinstance(part, (Run, Experiments, Person))
        or part.name in awaited
        or (isinstance(part, (Item, ServedModel)) and (part.days is not None or part.after))
    ]


def _task(part: Any, runs: Mapping[str, RunCost], entries: Mapping[str, Entry], owner: str) -> Task:
    shared = {"after": part.after, "owner": part.owner or owner} if hasattr(part, "after") else {}
    if isinstance(part, Run):
        run = runs[part.name]
        return Task(part.name, 0.0, run.days * part.repeats, **shared, gpus=run.gpus, accelerator=run.accelerator)
    if isinstance(part, Experiments):
        entry = entries[part.name]
        times = math.prod(factor.at() for factor in entry.factors)
        days = part.days if part.days is not None else times * math.fsum(run.days for run in entry.runs)
        kinds = ", ".join(sorted({run.accelerator for run in entry.runs}))
        return Task(part.name, 0.0, days, **shared, gpus=max(run.gpus for run in entry.runs), accelerator=kinds)
    if isinstance(part, Person):
        weeks = part.weeks if part.weeks is not None else middle(part.months or 0.0) * WEEKS_PER_YEAR / 12
        return Task(part.role, 0.0, middle(weeks) * 7, **shared)
    return Task(part.name, 0.0, getattr(part, "days", None) or 0.0, **shared)
