"""Result of a budget: lines, total with its interval, drivers, assumptions and calendar."""

from __future__ import annotations

import math
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel._version import __version__
from costmodel.budget.assumptions import assumptions
from costmodel.budget.calendar_tasks import tasks
from costmodel.budget.entries import Entry, Factor, RunCost, entries, run_costs
from costmodel.budget.facts import fact
from costmodel.budget.lines import CONTINGENCY_LINE, Assumption, Driver, Line, Subtotal, Task, Within
from costmodel.budget.plan import ProjectPlan
from costmodel.budget.schedule import schedule
from costmodel.estimation.cautions import unverified
from costmodel.estimation.results import DRAWS
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Interval, Range, middle
from costmodel.foundation.tables import Figure, Provenance, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fields import NumberLike
    from costmodel.foundation.units import Quantity

    Array = NDArray[np.float64]

_HOURS_PER_WEEK = 168.0
_NO_CENTS = 1e15
"""Amounts from which a 64-bit float cannot hold cents [USD]."""
_MONEY = Measure("USD", 0.0, 1e18, uncertain=False)
_SHARES = {"data": "data share", "compute": "compute share"}
"""Groups whose share of a fine-tuning project is known from practitioners, with the name of the fact."""


class BudgetResult(rendering.Shown):
    """Cost of a project, line by line. It does not change after it was made.

    Money is in USD of the project's `currency_year`, rounded to the cent. `base` is the sum of the lines at the
    medians of their inputs, `contingency` a reserve on top, and `total`, a pint Quantity, their sum. Quantiles, draws
    and probabilities are those of the lines without the contingency.

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
        reserve = round(_mean_of_ends(share), 12)
        self._contingency = Factor("share", CONTINGENCY_LINE, Figure(reserve, None, origin))
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
        """Lines in the order of their groups. The last one is the contingency, a share of the base of those above."""
        lines = [self._line(entry) for entry in self._entries]
        share, base = self._contingency, _sum(line.base for line in lines)
        reserve, given = cents(share.at() * base), self.project.contingency
        note = "reserve, a share of the base of the lines above"
        if isinstance(given, Interval):
            note += f"; mean of {rendering.number(100 * given.low)} % and {rendering.number(100 * given.high)} %"
        last = Line(
            CONTINGENCY_LINE,
            "contingency",
            base,
            "USD",
            share.at(),
            *(reserve,) * 4,
            source=_source(share.figure.provenance),
            owner=self.project.owner,
            note=note,
            actual=self._paid(CONTINGENCY_LINE),
        )
        return (*lines, last)

    @property
    def base(self) -> float:
        """Sum of the base of the lines without the contingency [USD]."""
        return self.lines[-1].quantity

    @property
    def contingency(self) -> float:
        """Reserve on top of the base [USD]; no figure counts it as spent."""
        return self.lines[-1].base

    @property
    def total(self) -> Quantity:
        """Base and contingency, to the cent: the sum to be approved."""
        from costmodel.foundation.units import quantity

        return quantity(_sum((self.base, self.contingency)), "USD", "USD")

    @property
    def expected(self) -> float:
        """Mean cost of the lines without the contingency [USD]: the sum of the expected costs of the lines."""
        return _sum(line.expected for line in self.lines[:-1])

    def quantile(self, p: float) -> float:
        """Return the quantile of the cost of the lines without the contingency [USD].

        Parameters
        ----------
        p : float
            Probability that the cost is at most the result, 0 to 1.
        """
        import numpy as np

        return float(np.quantile(self._spent_draws, _probability("p", p)))

    @property
    def p10(self) -> float:
        """10 % quantile of the cost of the lines without the contingency [USD]."""
        return self.quantile(0.1)

    @property
    def p50(self) -> float:
        """50 % quantile of the cost of the lines without the contingency [USD]."""
        return self.quantile(0.5)

    @property
    def p90(self) -> float:
        """90 % quantile of the cost of the lines without the contingency [USD]."""
        return self.quantile(0.9)

    def probability_within(self, amount: NumberLike) -> float:
        """Return the probability that the lines without the contingency cost at most an amount [1].

        Parameters
        ----------
        amount : float or str
            Amount [USD], such as 75_000 or "75k".
        """
        import numpy as np

        return float(np.mean(self._spent_draws <= usd("amount", amount) + 0.005))

    def within(self, amount: NumberLike | None = None) -> tuple[Within, ...]:
        """Return the probabilities of staying within the base, within base and contingency, and within an amount.

        Parameters
        ----------
        amount : float or str, optional
            A further amount [USD].
        """
        sums = {"base": self.base, "base and contingency": float(self.total.magnitude)}
        if amount is not None:
            sums["given sum"] = usd("amount", amount)
        return tuple(Within(name, limit, self.probability_within(limit)) for name, limit in sums.items())

    def contingency_for(self, probability: float) -> float:
        """Return the contingency with which base and contingency suffice with a probability [USD]; at least 0.

        Parameters
        ----------
        probability : float
            Between 0 and 1 [1].
        """
        return cents(max(self.quantile(_probability("probability", probability)) - self.base, 0.0))

    def subtotals(self) -> tuple[Subtotal, ...]:
        """Return the sums of the groups without the contingency; quantiles are those of the sum of the lines."""
        import numpy as np

        listed = []
        for group in dict.fromkeys(line.group for line in self.lines[:-1]):
            lines = [line for line in self.lines if line.group == group]
            draws = sum(self._draws[name] for name in sorted(line.name for line in lines))
            low, high = (cents(float(end)) for end in np.quantile(draws, [0.1, 0.9]))
            base, expected = (_sum(getattr(line, column) for line in lines) for column in ("base", "expected"))
            if not any(line.low < line.high for line in lines):
                low = high = base
            listed.append(Subtotal(group, low, base, high, expected))
        return tuple(listed)

    def draws(self) -> Array:
        """Return draws of the cost of the lines without the contingency [USD]; shape (20000,)."""
        return self._spent_draws.copy()

    def line_draws(self, name: str) -> Array:
        """Return draws of the cost of a line without the contingency [USD]; shape (20000,).

        Parameters
        ----------
        name : str
            Name of the line.
        """
        if name not in self._draws:
            raise InputError(unknown("line", name, self._draws))
        return self._draws[name].copy()

    def drivers(self) -> list[Driver]:
        """Return the uncertain inputs of the base, the largest first; each moves alone, the others stay at medians."""
        keys = {key: name for entry in self._entries for key, name in entry.keys.items()}
        ends = {name: (self._base_at(key, 0.1), self._base_at(key, 0.9)) for key, name in keys.items()}
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
        return schedule(tasks(self.project, self._runs, self._entries))

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
            "subtotals": [subtotal._asdict() for subtotal in self.subtotals()],
            "base": self.base,
            "contingency": self.contingency,
            "total": float(self.total.magnitude),
            "expected": self.expected,
            "quantiles": {"0.1": self.p10, "0.5": self.p50, "0.9": self.p90},
            "within": [each._asdict() for each in self.within()],
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
        """Return notes on the figures: those of the runs, and unusual shares."""
        notes = [f"run {run.run.name!r}: {note}" for run in self._runs.values() if (note := run.estimate.note("cost"))]
        for run in self._runs.values():
            notes += [f"run {run.run.name!r}: unverified: {reason}" for reason in unverified(run.estimate.scenario)]
        if self.p50 > 1.02 * self.base:
            notes.append(
                "the base takes each input at its median; it is below the P50 and the expected cost because high costs "
                "are farther from the median than low ones"
            )
        lines = self.base
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
        low = high = expected = base
        if entry.keys:
            low, high = (cents(float(end)) for end in np.quantile(self._draws[entry.name], [0.1, 0.9]))
            expected = cents(float(self._draws[entry.name].mean()))
        return Line(
            entry.name,
            entry.group,
            quantity,
            entry.unit,
            price,
            low,
            base,
            high,
            expected,
            source=_source(entry.origin),
            as_of=entry.origin.as_of,
            owner=entry.owner,
            note=entry.note,
            actual=self._paid(entry.name),
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

    def _base_at(self, key: str, probability: float) -> float:
        """Return the base [USD] with one input at a quantile."""
        return math.fsum(entry.cost(key, probability) for entry in self._entries)

    def _paid(self, line: str) -> float | None:
        actual = self.project.actuals.get(line)
        return None if actual is None else actual.spent

    def _title(self) -> str:
        total = float(self.total.magnitude)
        return f"{self.project.name}: {total:,.2f} USD with contingency (dollars of {self.project.currency_year})"

    def _cells(self) -> list[dict[str, str]]:
        rows = [
            {
                "group": line.group,
                "line": line.name,
                "unit price": rendering.number(line.unit_price, 4),
                "quantity": f"{_quantity(line.quantity)} {line.unit}".strip(),
                "low": f"{line.low:,.2f}",
                "base": f"{line.base:,.2f}",
                "high": f"{line.high:,.2f}",
                "owner": line.owner,
            }
            for line in self.lines[:-1]
        ]
        empty = dict.fromkeys(("line", "unit price", "quantity", "low", "high", "owner"), "")
        ends = {"low": f"{self.p10:,.2f}", "high": f"{self.p90:,.2f}"}
        rows.append({**empty, "group": "base", **ends, "base": f"{self.base:,.2f}"})
        share = f"{rendering.number(100 * self._contingency.at())} %"
        reserve = f"{self.contingency:,.2f}"
        rows.append({**empty, "group": CONTINGENCY_LINE, "line": "reserve", "quantity": share, "base": reserve})
        return [*rows, {**empty, "group": "total", "base": f"{self.total.magnitude:,.2f}"}]

    def _footer(self) -> str:
        stamp = self.stamp()
        drivers = ", ".join(f"{driver.name} {100 * driver.share:.0f} %" for driver in self.drivers()[:3])
        weeks = ", ".join(f"{rendering.number(weeks)} on {name}" for name, weeks in self.gpu_weeks.items())
        parts = [
            f"without contingency: P10 {self.p10:,.0f}, P50 {self.p50:,.0f}, P90 {self.p90:,.0f}, "
            f"expected {self.expected:,.0f} USD",
            *(
                f"probability of staying within {each.name}, {each.amount:,.0f} USD: "
                f"{rendering.number(100 * each.probability)} %"
                for each in self.within()
            ),
            f"contingency for 80 %: {self.contingency_for(0.8):,.0f} USD",
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


def usd(name: str, amount: NumberLike) -> float:
    """Return an amount in USD of a number or a text.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    amount : float or str
        Amount [USD], such as 75_000 or "75k".
    """
    try:
        value = _MONEY.validate(amount)
    except InputError as error:
        raise InputError([f"{name}: {problem}" for problem in error.problems]) from None
    assert isinstance(value, float)
    return value


def _probability(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name} must be a probability between 0 and 1; got {value!r}")
    return value


def _mean_of_ends(share: float | Range) -> float:
    """Return a share, or the arithmetic mean of the ends of its range."""
    return (share.low + share.high) / 2 if isinstance(share, Interval) else middle(share)


def _quantity(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and value < 1e9 else rendering.number(value, 4)


def _sum(amounts: Iterable[float]) -> float:
    """Return a sum, rounded to the cent [USD]."""
    return cents(math.fsum(amounts))


def _source(origin: Provenance) -> str:
    return origin.source or origin.kind
