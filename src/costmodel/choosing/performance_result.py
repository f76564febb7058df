"""The result of a comparison by price per solved task: a table, probabilities, and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.choosing.workload import TaskWorkload

    Array = NDArray[np.float64]

Ends: TypeAlias = tuple[float, float]
_NAME = 20
"""Width of a name in the table [character]; longer names are cut."""


class Performance(NamedTuple):
    """What a model costs per task and per solved task; a figure that is not known is None.

    Intervals are the 10 % and 90 % quantiles.
    """

    name: str
    kind: str
    """"hosted" or "self_hosted"."""
    benchmark: str = ""
    evaluator: str = ""
    score: float | None = None
    """Success rate of one attempt: the score without the assumed contamination [1]."""
    score_interval: Ends | None = None
    """[1]"""
    attempts: float | None = None
    """Attempts per task [1]."""
    usd_per_attempt: float | None = None
    """Price of the tokens of an attempt [USD]."""
    usd_per_task: float | None = None
    """Attempts, checks, wrong answers and escalations of a task [USD]."""
    usd_per_task_interval: Ends | None = None
    """[USD]"""
    solved: float | None = None
    """Share of the tasks that end solved, those handed on included [1]."""
    solved_interval: Ends | None = None
    """[1]"""
    wrong: float | None = None
    """Share of the tasks with a wrong answer that is delivered [1]."""
    not_accepted: float | None = None
    """Share of the tasks of which no answer is accepted [1]."""
    usd_per_solved_task: float | None = None
    """Price of a task over the share solved [USD]; infinite if none is solved."""
    usd_per_solved_task_interval: Ends | None = None
    """[USD]"""
    usd_per_point: float | None = None
    """Price of a task over the percentage points solved [USD]."""
    usd_per_million_tokens: float | None = None
    """Price of an attempt over its input and output tokens, reasoning included [USD/1e6 token]."""
    tokens_per_task: float | None = None
    """Input and output tokens of all attempts at a task [token]."""
    note: str = ""
    missing: str = ""
    """Reason why there are no figures."""


class Compared(NamedTuple):
    """The figures of an option, and draws of its price of a task [USD] and its share solved [1], shape (draws,)."""

    figures: Performance
    usd: Array | None
    solved: Array | None


class PerformanceComparison(rendering.Shown):
    """Models side by side by the price of a solved task; see `performance_per_dollar`."""

    _width = rendering.WIDTH

    _index = index = "name"

    def __init__(
        self, workload: TaskWorkload, found: Mapping[str, Compared], seed: int, run_tokens: bool = False
    ) -> None:
        self.workload = workload
        self.seed = seed
        self.run_tokens = run_tokens
        self._found = dict(found)

    def __getitem__(self, name: str) -> Performance:
        return self._compared(name).figures

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def _compared(self, name: str) -> Compared:
        if name not in self._found:
            raise InputError(unknown("option", name, self._found))
        return self._found[name]

    @property
    def known(self) -> list[str]:
        """The options with figures, the cheapest per solved task first."""
        costs = {name: each.figures.usd_per_solved_task for name, each in self._found.items()}
        return sorted((name for name in costs if costs[name] is not None), key=lambda name: costs[name] or 0.0)

    @property
    def cheapest(self) -> str | None:
        """The option with the lowest price per solved task; None if no price is known."""
        return next(iter(self.known), None)

    @checked("name")
    def draws(self, name: str) -> Array:
        """Return draws of the price per solved task of an option, shape (draws,) [USD].

        Parameters
        ----------
        name : str
            Name of the option.

        Raises
        ------
        MissingFactError
            If its price or its score is not known.
        """
        import numpy as np

        each = self._compared(name)
        if each.usd is None or each.solved is None:
            raise MissingFactError(f"{name}: {each.figures.missing}")
        with np.errstate(divide="ignore"):
            return np.where(each.solved > 0, each.usd / np.maximum(each.solved, 1e-300), np.inf)

    @checked("name", "other")
    def probability_cheaper(self, name: str, other: str) -> float:
        """Return the probability that an option solves a task for less than another; ties count half [1].

        Parameters
        ----------
        name, other : str
            Names of options.
        """
        import numpy as np

        first, second = self.draws(name), self.draws(other)
        return float(np.mean(first < second) + np.mean(first == second) / 2)

    def probabilities(self) -> dict[str, dict[str, float]]:
        """Return the probability that each option solves a task for less than each other, by both names [1]."""
        return {
            name: {other: self.probability_cheaper(name, other) for other in self.known if other != name}
            for name in self.known
        }

    def probability_cheapest(self) -> dict[str, float]:
        """Return the probability of the lowest price per solved task, by option; they add up to 1 [1]."""
        import numpy as np

        if not self.known:
            return {}
        costs = np.stack([self.draws(name) for name in self.known])
        lowest = costs == costs.min(axis=0)
        return dict(zip(self.known, (lowest / lowest.sum(axis=0)).mean(axis=1).tolist(), strict=True))

    @property
    def front(self) -> list[str]:
        """The Pareto front at the medians: no other option costs less per task and solves as many, or the reverse."""
        points = {name: (self[name].usd_per_task or 0.0, self[name].solved or 0.0) for name in self.known}
        on_front = [
            name
            for name, (usd, solved) in points.items()
            if not any(
                u <= usd and s >= solved and (u, s) != (usd, solved)
                for other, (u, s) in points.items()
                if other != name
            )
        ]
        return sorted(on_front, key=lambda name: points[name])

    def probability_on_front(self) -> dict[str, float]:
        """Return the probability that an option is on the Pareto front of price per task and share solved [1]."""
        return dict(self._front_probabilities)

    @cached_property
    def _front_probabilities(self) -> dict[str, float]:
        import numpy as np

        listed = [(name, self._found[name].usd, self._found[name].solved) for name in self.known]
        usd = np.stack([each for _, each, _ in listed if each is not None]) if listed else np.zeros((0, 1))
        solved = np.stack([each for *_, each in listed if each is not None]) if listed else np.zeros((0, 1))
        found = {}
        for place, (name, *_) in enumerate(listed):
            no_worse = (usd <= usd[place]) & (solved >= solved[place])
            better = no_worse & ((usd < usd[place]) | (solved > solved[place]))
            found[name] = float(np.mean(~better.any(axis=0)))
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per option: the fields of `Performance`, intervals in two columns, and its probabilities."""
        cheapest, front = self.probability_cheapest(), self.probability_on_front()
        rows = []
        for name, each in self._found.items():
            row = rendering.interval_columns(each.figures._asdict())
            rows.append(row | {"probability_cheapest": cheapest.get(name), "probability_on_front": front.get(name)})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data; infinite prices are None."""
        rows = [
            {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in row.items()}
            for row in self.rows()
        ]
        return {
            "workload": self.workload.model_dump(mode="json"),
            "cheapest": self.cheapest,
            "front": self.front,
            "level": DEFAULT_LEVEL,
            "options": rows,
            "probabilities": self.probabilities(),
        }

    def _title(self) -> str:
        task, kinds = self.workload, {(each.figures.benchmark, each.figures.evaluator) for each in self._found.values()}
        score = ", ".join(sorted(f"{benchmark} by {evaluator}" for benchmark, evaluator in kinds if benchmark))
        tries = f", at most {task.attempts} attempts" if task.attempts > 1 else ""
        tokens = f"{task.input_tokens:,.0f} input and {task.output_tokens:,.0f} output tokens"
        return (
            f"Price per solved task: {'tokens of the scored runs' if self.run_tokens else tokens}"
            f"{tries}; success: {score or 'no score'}"
        )

    def _cells(self) -> list[dict[str, str]]:
        cheapest, front = self.probability_cheapest(), self.probability_on_front()
        unknown_ones = [name for name in self if name not in self.known]
        return [_row(self[name], cheapest.get(name), front.get(name)) for name in [*self.known, *unknown_ones]]

    def _footer(self) -> str:
        lines = [f"{name}: no figures: {self[name].missing}" for name in self if self[name].missing]
        lines += [f"{name}: {self[name].note}" for name in self.known if self[name].note]
        lines.append(
            f"in brackets: {DEFAULT_LEVEL:.0%} intervals; cheapest, front: probability of the lowest price per solved "
            f"task, and of the Pareto front of price per task and share solved; seed {self.seed}"
        )
        return "\n".join(lines)


_COLUMNS = ("option", "solved", "$/task", "$/solved task", "cheapest", "front")


def _row(each: Performance, cheapest: float | None, front: float | None) -> dict[str, str]:
    """Return the cells of an option."""
    name = rendering.shortened(each.name, _NAME)
    if each.usd_per_task is None or each.usd_per_solved_task is None or each.solved is None:
        return dict.fromkeys(_COLUMNS, "-") | {"option": name}
    return {
        "option": name,
        "solved": f"{each.solved:.0%}",
        "$/task": rendering.number(each.usd_per_task),
        "$/solved task": _price(each.usd_per_solved_task) + _span(each.usd_per_solved_task_interval),
        "cheapest": rendering.percent(cheapest or 0.0),
        "front": rendering.percent(front or 0.0),
    }


def _price(usd: float) -> str:
    return "none solved" if math.isinf(usd) else rendering.number(usd)


def _span(ends: Ends | None) -> str:
    """Return an interval in brackets, or "" if its ends are the same."""
    if ends is None or ends[0] == ends[1]:
        return ""
    return f" ({_price(ends[0])} to {_price(ends[1])})"
