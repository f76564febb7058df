"""Calendar: the longest chain of tasks decides; circles are refused."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.budget.lines import Task
from costmodel.budget.project import Project
from costmodel.budget.schedule import cycle, schedule


def starts(*tasks):
    return {task.name: task.start for task in schedule(tasks)}


def test_a_task_starts_at_the_end_of_its_last_predecessor():
    found = starts(
        Task("report", 0, 2, ("tune", "survey")),
        Task("tune", 0, 3, ("labels",)),
        Task("labels", 0, 10),
        Task("survey", 0, 4),
    )
    assert found == {"labels": 0, "survey": 0, "tune": 10, "report": 13}


def test_the_order_of_the_tasks_is_kept():
    assert [task.name for task in schedule([Task("b", 0, 1, ("a",)), Task("a", 0, 1)])] == ["b", "a"]


@given(st.lists(st.tuples(st.floats(0, 100), st.sets(st.integers(0, 9))), min_size=1, max_size=10))
def test_no_task_starts_before_its_predecessors_end(drawn):
    tasks = [
        Task(str(index), 0, days, tuple(str(other) for other in others if other < index))
        for index, (days, others) in enumerate(drawn)
    ]
    found = {task.name: task for task in schedule(reversed(tasks))}
    for task in found.values():
        ends = [found[other].start + found[other].days for other in task.after]
        assert task.start == max(ends, default=0)


def test_a_circle_has_one_name_for_every_order():
    waits = {"labels": ["model"], "model": ["judge"], "judge": ["labels"], "report": ["model"]}
    found = cycle(waits)
    assert found == ["judge", "labels", "model", "judge"]
    assert cycle(dict(reversed(waits.items()))) == found
    assert all(after in waits[before] for before, after in pairwise(found))
    assert cycle({"alone": ["alone"]}) == ["alone", "alone"]
    assert cycle({"a": [], "b": ["a"]}) == []


SCENARIO = {**tomllib.loads((Path(__file__).parent / "run.toml").read_text(encoding="utf-8")), "gpu_hours": 96}


def test_the_calendar_of_a_project():
    budget = Project(
        name="p",
        owner="research",
        runs=[{"name": "tune", "scenario": SCENARIO, "repeats": 4, "after": ["experiments"]}],
        experiments={"runs": 3, "share": 0.5, "after": ["labels"]},
        data=[{"name": "labels", "unit_price": 1, "days": 10, "owner": "data"}, {"name": "license", "unit_price": 1}],
        evaluation=[{"name": "report", "unit_price": 1, "days": "1 week", "after": ["tune"]}],
        people=[{"role": "engineer", "weeks": 2, "usd_per_year": 52_000}],
    ).budget()
    tasks = {task.name: task for task in budget.schedule}
    assert set(tasks) == {"tune", "experiments", "labels", "report", "engineer"}  # the license takes no time
    assert tasks["experiments"][1:3] == (10.0, pytest.approx(0.75))  # 3 x 0.5 x 12 hours
    assert tasks["tune"].days == pytest.approx(2.0)
    assert (tasks["tune"].gpus, tasks["tune"].accelerator) == (8, "A100-80GB-SXM")
    assert (tasks["labels"].owner, tasks["tune"].owner) == ("data", "research")
    assert tasks["engineer"].days == 14.0
    assert tasks["report"].start == pytest.approx(12.75)
    assert budget.days == pytest.approx(19.75)


def test_predecessors_are_in_the_calendar():
    budget = Project(
        name="p",
        data=[{"name": "license", "unit_price": 1}, {"name": "labels", "unit_price": 1, "after": ["license"]}],
        storage=[{"name": "disk", "terabytes": 1, "months": 1, "price": 1}],
    ).budget()
    assert [(task.name, task.start, task.days) for task in budget.schedule] == [("license", 0, 0), ("labels", 0, 0)]
