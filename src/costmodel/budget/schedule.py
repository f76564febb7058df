"""When can what begin? Tasks that wait for each other, each as early as possible."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.budget.lines import Task


def cycle(waits: Mapping[str, Iterable[str]]) -> list[str]:
    """Return names of which each waits for the next and the last is the first; empty if there are none.

    Parameters
    ----------
    waits : what each name waits for

    Examples
    --------
    >>> cycle({"labels": ["model"], "model": ["labels"], "report": ["model"]})
    ['labels', 'model', 'labels']
    """
    try:
        TopologicalSorter({name: list(others) for name, others in waits.items()}).prepare()
    except CycleError as error:
        found: list[str] = list(error.args[1])[::-1]
        least = found.index(min(found[:-1]))  # the same cycle is named the same way whatever the order
        return [*found[least:-1], *found[:least], found[least]]
    return []


def schedule(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the tasks with the earliest start of each [day]: when the last that it waits for has ended.

    Parameters
    ----------
    tasks : whose `after` name tasks among them, without a cycle
    """
    given = {task.name: task for task in tasks}
    ends: dict[str, float] = {}
    starts: dict[str, float] = {}
    for name in TopologicalSorter({name: task.after for name, task in given.items()}).static_order():
        starts[name] = max((ends[other] for other in given[name].after), default=0.0)
        ends[name] = starts[name] + given[name].days
    return tuple(task._replace(start=starts[name]) for name, task in given.items())
