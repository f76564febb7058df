"""Result of a budget: lines, total with its interval, drivers, assumptions and calendar."""

from __future__ import annotations

import math
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel._version import __version__
from costmodel.budget.assumptions import assumptions
from costmodel.budget.entries import WEEKS_PER_YEAR, Entry, Factor, RunCost, entries, run_costs
from costmodel.budget.facts import fact
from costmodel.budget.items import Experiments, Item, Person, Run
from costmodel.budget.lines import CONTINGENCY_LINE, Assumption, Driver, Line, Task
from costmodel.budget.plan import ProjectPlan
from costmodel.budget.schedule import schedule
from costmodel.estimation.cautions import unverified
from costmodel.estimation.results import DRAWS
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import Figure, Provenance, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.units import Quantity

    Array = NDArray[np.float64]

_HOURS_PER_WEEK = 168.0
_NO_CENTS = 1e15
"""Amounts from which a 64-bit float cannot hold cents [USD]."""
_SHARES = {"data": "data share", "compute": "compute share"}
"""Groups whose share of a fine-tuning project is known from practitioners, with the name of the fact."""


class BudgetResult(rendering.Shown):
    """Cost of a project, line by line. It does not change after it was made.

    Money is in USD of the project's `currency_year`. Lines are rounded to the cent; `total` is a pint Quantity.

    Parameters
    ----------
    project : ProjectPlan
        Contents of the project.
    """

    def __init__(self, project: ProjectPlan) -> None:
        if not isinstance(project, ProjectPlan):
            raise InputError(
                f"a budget is made from a Project; got {type(project).__name__}. Project.load reads one from a file"
            )
        self.project = project
        self._runs: dict[str, RunCost] = run_costs(project)
        self._entries: tuple[Entry, ...] = entries(project, self._runs)
        given, share = "contingency" in project.model_fields_set, project.contingency
        origin = Provenance("given") if given else Provenance("assumed", note="a convention, not a measurement")
        spread = share if isinstance(share, Range) else None
        self._contingency = Factor("share", CONTINGENCY_LINE, Figure(middle(share), spread, origin))
        if project.start is not None and self.duration >= (date.max - project.start).days:
            raise InputError(f"start: the project takes {self.duration:,.0f} days, so it ends after the year 9999")

    def __setattr__(self, name: str, value: Any) -> None:
        if "_contingency" in self.__dict__:
            raise AttributeError(f"{name}: a budget does not change; make another one from a changed Project")
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.project.name

    @property
    def currency_year(self) -> int:
        """Year of the dollars."""
        return self.project.currency_year

    @property
    def start(self) -> date | None:
        """First day of the project, or None if it was not given."""
        return self.project.start

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Lines in the order of their groups. The last one is the contingency, a share of each column above it."""
        lines = [self._line(entry) for entry in self._entries]
        share, origin = self._contingency, self._contingency.figure.provenance
        low, base, high = (_sum(getattr(line, column) for line in lines) for column in ("low", "base", "high"))
        last = Line(
            CONTINGENCY_LINE,
            "contingency",
            base,
            "USD",
            share.at(),
            cents(share.at(CONTINGENCY_LINE, 0.1) * low),
            cents(share.at() * base),
            cents(share.at(CONTINGENCY_LINE, 0.9) * high),
            source=_source(origin),
            owner=self.project.owner,
            note="share of the lines above",
            actual=self.project.actuals.get(CONTINGENCY_LINE),
        )
        return (*lines, last)

    @property
    def total(self) -> Quantity:
        """Sum of the base of all lines, contingency included, to the cent."""
        from costmodel.foundation.units import quantity

        return quantity(self.base, "USD", "USD")

    @property
    def low(self) -> float:
        """Sum of the low of all lines [USD]. All lines are low at once in fewer than one of ten cases."""
        return _sum(line.low for line in self.lines)

    @property
    def base(self) -> float:
        """Sum of the base of all lines [USD]."""
        return _sum(line.base for line in self.lines)

    @property
    def high(self) -> float:
        """Sum of the high of all lines [USD]. All lines are high at once in fewer than one of ten cases."""
        return _sum(line.high for line in self.lines)

    def quantile(self, p: float) -> float:
        """Return the quantile of the total [USD], with the whole contingency spent.

        Parameters
        ----------
        p : float
            Probability that the total is at most the result, 0 to 1.
        """
        import numpy as np

        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
            raise InputError(f"p must be a probability between 0 and 1; got {p!r}")
        return float(np.quantile(self._total_draws, p))

    @property
    def p10(self) -> float:
        """10 % quantile of the total [USD]."""
        return self.quantile(0.1)

    @property
    def p50(self) -> float:
        """50 % quantile of the total [USD]."""
        return self.quantile(0.5)

    @property
    def p90(self) -> float:
        """90 % quantile of the total [USD]."""
        return self.quantile(0.9)

    @property
    def covered(self) -> float:
        """Probability that the lines without the contingency cost at most the total [1]."""
        import numpy as np

        return float(np.mean(self._spent_draws <= self.base + 0.005))

    def draws(self) -> Array:
        """Return draws of the total [USD], with the whole contingency spent; shape (20000,)."""
        return self._total_draws.copy()

    def drivers(self) -> list[Driver]:
        """Return the uncertain inputs of the total, the largest first; each moves alone, the others stay at medians."""
        keys = {key: name for entry in self._entries for key, name in entry.keys.items()}
        if self._contingency.figure.spread is not None:
            keys[CONTINGENCY_LINE] = CONTINGENCY_LINE
        ends = {name: (self._total_at(key, 0.1), self._total_at(key, 0.9)) for key, name in keys.items()}
        squares = math.fsum((high - low) ** 2 for low, high in ends.values())
        drivers = [
            Driver(name, cents(low), cents(high), (high - low) ** 2 / squares if squares else 0.0)
            for name, (low, high) in ends.items()
        ]
        return sorted(drivers, key=lambda driver: (-driver.share, driver.name))

    @cached_property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Inputs that the user did not give: looked up, fitted or assumed, each with its source and date."""
        return assumptions(self._runs, self._entries, self._contingency, self.currency_year)

    @cached_property
    def schedule(self) -> tuple[Task, ...]:
        """Runs, experiments, people, and items with a duration or a predecessor; each starts as early as possible."""
        parts = [part for _, _, part in self.project.parts()]
        awaited = {name for part in parts for name in getattr(part, "after", ())}
        return schedule(
            self._task(part)
            for part in parts
            if isinstance(part, (Run, Experiments, Person))
            or part.name in awaited
            or (isinstance(part, Item) and (part.days is not None or part.after))
        )

    @property
    def duration(self) -> float:
        """Time from the start of the project to the end of the last task [day]."""
        return max((task.start + task.days for task in self.schedule), default=0.0)

    @property
    def gpu_weeks(self) -> dict[str, float]:
        """GPU time by accelerator [GPU-week], experiments and repeats included."""
        weeks: dict[str, list[float]] = {}
        for entry in self._entries:
            times = math.prod(factor.at() for factor in entry.factors)
            for run in entry.runs:
                weeks.setdefault(run.accelerator, []).append(times * run.hours / _HOURS_PER_WEEK)
        return {accelerator: math.fsum(parts) for accelerator, parts in weeks.items()}

    def against_actuals(self) -> list[dict[str, Any]]:
        """Return one row per line: line, budget, actual, difference [USD]. Actual is None if nothing was paid yet."""
        return [
            {
                "line": line.name,
                "budget": line.base,
                "actual": line.actual,
                "difference": None if line.actual is None else round(line.actual - line.base, 2),
            }
            for line in self.lines
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return the lines as rows: name, group, quantity, unit, unit_price, low, base, high and the other fields."""
        return [line._asdict() for line in self.lines]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: project, lines, quantiles, drivers, assumptions, calendar, version."""
        return {
            **self.stamp(),
            "project": self.project.to_data(),
            "currency_year": self.project.currency_year,
            "lines": self.rows(),
            "total": self.base,
            "low": self.low,
            "high": self.high,
            "quantiles": {"0.1": self.p10, "0.5": self.p50, "0.9": self.p90},
            "covered": self.covered,
            "drivers": [driver._asdict() for driver in self.drivers()],
            "assumptions": [assumption._asdict() for assumption in self.assumptions],
            "schedule": [{**task._asdict(), "after": list(task.after)} for task in self.schedule],
            "duration_days": self.duration,
            "gpu_weeks": self.gpu_weeks,
            "actuals": self.against_actuals(),
            "notes": self.notes(),
        }

    def stamp(self) -> dict[str, Any]:
        """Return the version, the hash of the data and the seed, which make the figures reproducible."""
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.project.seed}

    def notes(self) -> list[str]:
        """Return notes on the figures: probability within the total, and unusual shares."""
        chance = rendering.number(100 * self.covered)
        notes = [f"the lines stay within the total, contingency included, with a probability of {chance} %"]
        notes += [f"run {run.run.name!r}: {note}" for run in self._runs.values() if (note := run.estimate.note("cost"))]
        for run in self._runs.values():
            notes += [f"run {run.run.name!r}: unverified: {reason}" for reason in unverified(run.estimate.scenario)]
        lines = _sum(line.base for line in self.lines[:-1])
        for group, name in _SHARES.items():
            share = _sum(line.base for line in self.lines if line.group == group) / lines if lines else 0.0
            spread = fact(name).spread
            assert spread is not None
            low, high = spread.quantile(0.1), spread.quantile(0.9)
            if not low <= share <= high:
                notes.append(
                    f"{group}: {rendering.number(100 * share, 2)} % of the lines; practitioners report "
                    f"{100 * low:.0f} to {100 * high:.0f} % for fine-tuning projects ({fact(name).provenance.source})"
                )
        return notes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.project,)

    def _line(self, entry: Entry) -> Line:
        import numpy as np

        quantity, price = entry.quantity, entry.unit_price
        base = cents(quantity * price)
        low, high = base, base
        if entry.keys:
            low, high = (cents(float(end)) for end in np.quantile(self._draws[entry.name], [0.1, 0.9]))
        return Line(
            entry.name,
            entry.group,
            quantity,
            entry.unit,
            price,
            low,
            base,
            high,
            source=_source(entry.origin),
            as_of=entry.origin.as_of,
            owner=entry.owner,
            note=entry.note,
            actual=self.project.actuals.get(entry.name),
        )

    @cached_property
    def _draws(self) -> dict[str, Array]:
        return {entry.name: entry.draws(DRAWS, self.project.seed) for entry in self._entries}

    @cached_property
    def _spent_draws(self) -> Array:
        import numpy as np

        total = np.zeros(DRAWS)
        for name in sorted(self._draws):  # sorted, so that the order of the lines does not change the last digit
            total = total + self._draws[name]
        return total

    @cached_property
    def _total_draws(self) -> Array:
        return self._spent_draws * (1 + self._contingency.draws(DRAWS, self.project.seed))

    def _total_at(self, key: str, probability: float) -> float:
        """Return the total [USD] with one input at a quantile."""
        spent = math.fsum(entry.cost(key, probability) for entry in self._entries)
        return spent * (1 + self._contingency.at(key, probability))

    def _task(self, part: Any) -> Task:
        shared = {"after": part.after, "owner": part.owner or self.project.owner} if hasattr(part, "after") else {}
        if isinstance(part, Run):
            run = self._runs[part.name]
            return Task(part.name, 0.0, run.days * part.repeats, **shared, gpus=run.gpus, accelerator=run.accelerator)
        if isinstance(part, Experiments):
            entry = next(entry for entry in self._entries if entry.name == part.name)
            times = math.prod(factor.at() for factor in entry.factors)
            days = part.days if part.days is not None else times * math.fsum(run.days for run in entry.runs)
            kinds = ", ".join(sorted({run.accelerator for run in entry.runs}))
            return Task(part.name, 0.0, days, **shared, gpus=max(run.gpus for run in entry.runs), accelerator=kinds)
        if isinstance(part, Person):
            weeks = part.weeks if part.weeks is not None else middle(part.months or 0.0) * WEEKS_PER_YEAR / 12
            return Task(part.role, 0.0, middle(weeks) * 7, **shared)
        return Task(part.name, 0.0, getattr(part, "days", None) or 0.0, **shared)

    def _title(self) -> str:
        return f"{self.project.name}: {self.base:,.2f} USD (dollars of {self.project.currency_year})"

    def _cells(self) -> list[dict[str, str]]:
        rows = [
            {
                "group": line.group,
                "line": line.name,
                "unit price": rendering.number(line.unit_price, 4),
                "quantity": f"{rendering.number(line.quantity, 4)} {line.unit}".strip(),
                "low": f"{line.low:,.2f}",
                "base": f"{line.base:,.2f}",
                "high": f"{line.high:,.2f}",
                "owner": line.owner,
            }
            for line in self.lines
        ]
        total = {"low": f"{self.low:,.2f}", "base": f"{self.base:,.2f}", "high": f"{self.high:,.2f}", "owner": ""}
        return [*rows, {"group": "total", "line": "", "unit price": "", "quantity": "", **total}]

    def _footer(self) -> str:
        stamp = self.stamp()
        drivers = ", ".join(f"{driver.name} {100 * driver.share:.0f} %" for driver in self.drivers()[:3])
        weeks = ", ".join(f"{rendering.number(weeks)} on {name}" for name, weeks in self.gpu_weeks.items())
        parts = [
            f"P10 {self.p10:,.0f}, P50 {self.p50:,.0f}, P90 {self.p90:,.0f} USD, with the whole contingency spent",
            f"largest drivers of the interval: {drivers}" if drivers else "",
            f"{rendering.number(self.duration)} days" + (f", GPU-weeks: {weeks}" if weeks else ""),
            *self.notes(),
            f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}",
        ]
        return "\n".join(part for part in parts if part)


def cents(amount: float) -> float:
    """Return an amount rounded to the cent [USD]; half a cent is rounded up, as in a spreadsheet.

    >>> cents(1.005), cents(2.675)
    (1.01, 2.68)
    """
    if abs(amount) >= _NO_CENTS:
        return amount
    return float(Decimal(f"{amount:.15g}").quantize(Decimal("0.01"), ROUND_HALF_UP))


def _sum(amounts: Iterable[float]) -> float:
    """Return a sum, rounded to the cent [USD]."""
    return cents(math.fsum(amounts))


def _source(origin: Provenance) -> str:
    return origin.source or origin.kind
