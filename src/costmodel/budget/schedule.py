"""Calendar of tasks with predecessors: each task starts as early as possible."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.budget.lines import Task


def cycle(waits: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a circle of names, in which each waits for the next; empty if there is none. The first is repeated last.

    Parameters
    ----------
    waits : Mapping
        Names that each name waits for.

    Examples
    --------
    >>> cycle({"labels": ["model"], "model": ["labels"], "report": ["model"]})
    ['labels', 'model', 'labels']
    """
    try:
        TopologicalSorter({name: list(others) for name, others in waits.items()}).prepare()
    except CycleError as error:
        circle: list[str] = list(error.args[1])[::-1]
        first = circle.index(min(circle[:-1]))  # start at the least name, so that the order of input has no effect
        return [*circle[first:-1], *circle[:first], circle[first]]
    return []


def schedule(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the tasks with their earliest start [day]: the end of their last predecessor.

    Parameters
    ----------
    tasks : Iterable
        Tasks whose `after` names other tasks, without a circle.
    """
    given = {task.name: task for task in tasks}
    ends: dict[str, float] = {}
    starts: dict[str, float] = {}
    for name in TopologicalSorter({name: task.after for name, task in given.items()}).static_order():
        starts[name] = max((ends[other] for other in given[name].after), default=0.0)
        ends[name] = starts[name] + given[name].days
    return tuple(task._replace(start=starts[name]) for name, task in given.items())
