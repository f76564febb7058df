"""Result of a budget: lines, total with its interval, drivers, assumptions and calendar."""

from __future__ import annotations

import math
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from costmodel._version import __version__
from costmodel.budget.amounts import cents, mean_of_ends, sum_of
from costmodel.budget.assumptions import assumptions
from costmodel.budget.calendar_tasks import tasks
from costmodel.budget.entries import Entry, Factor, RunCost, entries, run_costs
from costmodel.budget.facts import fact
from costmodel.budget.figures import BudgetFigures
from costmodel.budget.lines import CONTINGENCY_LINE, Assumption, Driver, Line, Subtotal, Task
from costmodel.budget.plan import ProjectPlan
from costmodel.budget.schedule import schedule
from costmodel.estimation.cautions import unverified
from costmodel.estimation.ghg import GHGReport
from costmodel.estimation.results import DRAWS
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, unknown
from costmodel.foundation.exchange_rates import ExchangeRate, exchange_rate
from costmodel.foundation.ranges import Interval
from costmodel.foundation.tables import Figure, Provenance, fingerprint
from costmodel.foundation.units import quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.units import Quantity

    Array = NDArray[np.float64]

_HOURS_PER_WEEK = 168.0
_SHARES = {"data": "data share", "compute": "compute share"}
"""Groups whose share of a fine-tuning project is known from practitioners, with the name of the fact."""


class BudgetResult(BudgetFigures):
    """Cost of a project, line by line. It does not change after it was made.

    Money is in USD of the project's `currency_year`, rounded to the cent. `base` is the sum of the lines at the
    medians of their inputs, `contingency` a reserve on top, and `total` their sum. Amounts are pint quantities in the
    currency; those of rows and lines, and draws, are plain numbers. Quantiles, draws and probabilities are those of the
    lines without the contingency.

    Parameters
    ----------
    project : ProjectPlan
        Contents of the project.
    rate : ExchangeRate, optional
        Rate at which all amounts are converted; default: US dollars.
    """

    def __init__(self, project: ProjectPlan, rate: ExchangeRate | None = None) -> None:
        if not isinstance(project, ProjectPlan):
            raise InputError(
                f"a budget is made from a Project; got {type(project).__name__}. Project.load reads one from a file"
            )
        self.project, self.rate = project, rate
        self._per_usd = 1.0 if rate is None else rate.per_usd
        self._runs: dict[str, RunCost] = run_costs(project)
        self._entries: tuple[Entry, ...] = entries(project, self._runs)
        given, share = "contingency" in project.model_fields_set, project.contingency
        origin = Provenance("given") if given else Provenance("assumed", note="a convention, not a measurement")
        reserve = round(mean_of_ends(share), 12)
        self._contingency = Factor("share", CONTINGENCY_LINE, Figure(reserve, None, origin))
        if project.start is not None and self.days >= (date.max - project.start).days:
            raise InputError(f"start: the project takes {self.days:,.0f} days, so it ends after the year 9999")

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

    @property
    def currency(self) -> str:
        """Currency of all amounts: "USD", or that of `in_currency`."""
        return "USD" if self.rate is None else self.rate.currency

    @property
    def money_of(self) -> str:
        """Currency, and year of the dollars."""
        if self.rate is None:
            return f"US dollars of {self.currency_year}"
        return f"{self.currency} at {self.rate.per_usd:g} {self.currency}/USD, from US dollars of {self.currency_year}"

    def in_currency(self, currency: str, *, rate: float | str | None = None, on: date | str | None = None) -> Self:
        """Return the budget in another currency. Prices and actuals are read as US dollars and converted.

        Parameters
        ----------
        currency : str
            "EUR", "GBP" or "CNY".
        rate : float, optional
            Amount of the currency for one US dollar [currency/USD]; default: the listed rate.
        on : date or str, optional
            Day whose month's listed rate applies; default: the newest listed month.
        """
        return type(self)(self.project, exchange_rate(currency, on, rate=rate))

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Lines in the order of their groups. The last one is the contingency, a share of the base of those above."""
        lines = [self._line(entry) for entry in self._entries]
        share, base = self._contingency, sum_of(line.base for line in lines)
        reserve, given = cents(share.at() * base), self.project.contingency
        note = "reserve, a share of the base of the lines above"
        if isinstance(given, Interval):
            note += f"; mean of {rendering.number(100 * given.low)} % and {rendering.number(100 * given.high)} %"
        last = Line(
            CONTINGENCY_LINE,
            "contingency",
            base,
            self.currency,
            share.at(),
            *(reserve,) * 4,
            source=_source(share.figure.provenance),
            owner=self.project.owner,
            note=note,
            actual=self._paid(CONTINGENCY_LINE),
        )
        return (*lines, last)

    def subtotals(self) -> tuple[Subtotal, ...]:
        """Return the sums of the groups without the contingency; quantiles are those of the sum of the lines."""
        import numpy as np

        listed = []
        for group in dict.fromkeys(line.group for line in self.lines[:-1]):
            lines = [line for line in self.lines if line.group == group]
            draws = sum(self._draws[name] for name in sorted(line.name for line in lines))
            low, high = (cents(float(end)) for end in np.quantile(draws, [0.1, 0.9]))
            base, expected = (sum_of(getattr(line, column) for line in lines) for column in ("base", "expected"))
            if not any(line.low < line.high for line in lines):
                low = high = base
            listed.append(Subtotal(group, low, base, high, expected))
        return tuple(listed)

    @checked("name")
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
    def days(self) -> float:
        """Time from the start of the project to the end of the last task [day]."""
        return max((task.start + task.days for task in self.schedule), default=0.0)

    @property
    def duration(self) -> Quantity:
        """Time from the start of the project to the end of the last task."""
        return quantity(self.days, "day", "day")

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
        """Return one row per line: line, budget, actual, committed, difference [USD] and the share done [1].

        Actual is None if nothing was entered; `costmodel.forecast` gives the cost at completion.
        """
        actuals = self.project.actuals
        return [
            {
                "line": line.name,
                "budget": line.base,
                "actual": line.actual,
                "committed": cents(actuals[line.name].committed * self._per_usd) if line.name in actuals else None,
                "done": actuals[line.name].done if line.name in actuals else None,
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
            "currency": self.currency,
            "exchange_rate": None if self.rate is None else self.rate._asdict(),
            "lines": self.rows(),
            "subtotals": [subtotal._asdict() for subtotal in self.subtotals()],
            "base": self.value("base"),
            "contingency": self.value("contingency"),
            "total": self.value("total"),
            "expected": self.value("expected"),
            "quantiles": {f"{p:g}": self.at_quantile(p) for p in (0.1, 0.5, 0.9)},
            "within": [each._asdict() for each in self.within()],
            "drivers": [driver._asdict() for driver in self.drivers()],
            "assumptions": [assumption._asdict() for assumption in self.assumptions],
            "schedule": [{**task._asdict(), "after": list(task.after)} for task in self.schedule],
            "duration_days": self.days,
            "gpu_weeks": self.gpu_weeks,
            "actuals": self.against_actuals(),
            "notes": self.notes(),
        }

    def stamp(self) -> dict[str, Any]:
        """Return the version, the hash of the data and the seed, which make the figures reproducible."""
        return {"version": __version__, "data_hash": fingerprint(), "seed": self.project.seed}

    def notes(self) -> list[str]:
        """Return notes on the figures: the exchange rate, those of the runs, and unusual shares."""
        notes = [] if self.rate is None else [f"exchange rate: {self.rate.described()}"]
        notes += [f"run {run.run.name!r}: {note}" for run in self._runs.values() if (note := run.estimate.note("cost"))]
        for run in self._runs.values():
            notes += [f"run {run.run.name!r}: unverified: {reason}" for reason in unverified(run.estimate.scenario)]
        if unpaid := [person.role for person in self.project.people if person.usd_per_year is None]:
            pay = fact("staff compensation").spread
            assert pay is not None
            notes.append(
                f"{', '.join(unpaid)}: no usd_per_year is given; that of frontier laboratories with equity is taken, "
                f"{pay.quantile(0.05):,.0f} to {pay.quantile(0.95):,.0f} USD"
            )
        if self.value("p50") > 1.02 * self.value("base"):
            notes.append(
                "the base takes each input at its median; it is below the P50 and the expected cost because high costs "
                "are farther from the median than low ones"
            )
        lines = self.value("base") if self._fine_tunes() else 0.0
        for group, name in _SHARES.items() if lines else ():
            share = sum_of(line.base for line in self.lines if line.group == group) / lines if lines else 0.0
            spread = fact(name).spread
            assert spread is not None
            low, high = spread.quantile(0.1), spread.quantile(0.9)
            if not low <= share <= high:
                notes.append(
                    f"{group}: {rendering.number(100 * share, 2)} % of the lines; practitioners report "
                    f"{100 * low:.0f} to {100 * high:.0f} % for fine-tuning projects ({fact(name).provenance.source})"
                )
        return notes

    def _fine_tunes(self) -> bool:
        """Return whether some run is no pretraining, so that the shares of fine-tuning projects apply."""
        kinds = {recipe.kind for run in self.project.runs for recipe in run.scenario.recipes}
        return not kinds or kinds != {"pretraining"}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.project, self.rate)

    def _line(self, entry: Entry) -> Line:
        import numpy as np

        quantity, price = entry.quantity, entry.unit_price * self._per_usd
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

    def ghg(self) -> GHGReport:
        """Return the greenhouse gases of the runs by scope; experiments, serving, storage and data are left out."""
        if not self._runs:
            raise MissingFactError("the project has no runs, whose greenhouse gases could be estimated")
        runs = self._runs.values()
        return GHGReport([run.estimate for run in runs], f"{self.name}, runs", [run.run.repeats for run in runs])

    @cached_property
    def _draws(self) -> dict[str, Array]:
        return {entry.name: entry.draws(DRAWS, self.project.seed) * self._per_usd for entry in self._entries}

    @cached_property
    def _spent_draws(self) -> Array:
        import numpy as np

        total = np.zeros(DRAWS)
        for name in sorted(self._draws):  # sorted, so that the order of the lines does not change the last digit
            total = total + self._draws[name]
        return total

    def _base_at(self, key: str, probability: float) -> float:
        """Return the base [USD] with one input at a quantile."""
        return self._per_usd * math.fsum(entry.cost(key, probability) for entry in self._entries)

    def _paid(self, line: str) -> float | None:
        actual = self.project.actuals.get(line)
        return None if actual is None else cents(actual.spent * self._per_usd)

    def _title(self) -> str:
        amount = f"{self.total.magnitude:,.2f} {self.currency}"
        return f"{self.project.name}: {amount} with contingency (dollars of {self.project.currency_year})"

    def _cells(self) -> list[dict[str, str]]:
        money = f"[{self.currency}]"
        low, base, high, price = (f"{name} {money}" for name in ("low", "base", "high", "unit price"))
        rows = [
            {
                "group": line.group,
                "line": line.name,
                base: f"{line.base:,.2f}",
                low: f"{line.low:,.2f}",
                high: f"{line.high:,.2f}",
                "quantity": f"{_quantity(line.quantity)} {line.unit}".strip(),
                price: rendering.number(line.unit_price, 4),
                "owner": line.owner,
            }
            for line in self.lines[:-1]
        ]
        empty = dict.fromkeys(("line", base, low, high, "quantity", price, "owner"), "")
        ends = {low: f"{self.value('p10'):,.2f}", high: f"{self.value('p90'):,.2f}"}
        rows.append({"group": "base", **empty, **ends, base: f"{self.value('base'):,.2f}"})
        share = f"{rendering.number(100 * self._contingency.at())} %"
        reserve = f"{self.value('contingency'):,.2f}"
        rows.append({"group": CONTINGENCY_LINE, **empty, "line": "reserve", "quantity": share, base: reserve})
        return [*rows, {"group": "total", **empty, base: f"{self.total.magnitude:,.2f}"}]

    def _footer(self) -> str:
        stamp = self.stamp()
        drivers = ", ".join(f"{driver.name} {100 * driver.share:.0f} %" for driver in self.drivers()[:3])
        weeks = ", ".join(f"{rendering.number(weeks)} on {name}" for name, weeks in self.gpu_weeks.items())
        quantiles = ", ".join(f"P{100 * p:g} {self.at_quantile(p):,.0f}" for p in (0.1, 0.5, 0.9))
        parts = [
            f"without contingency: {quantiles}, expected {self.value('expected'):,.0f} {self.currency}",
            *(
                f"probability of staying within {each.name}, {each.amount:,.0f} {self.currency}: "
                f"{rendering.number(100 * each.probability)} %"
                for each in self.within()
            ),
            f"contingency for 80 %: {self.contingency_for(0.8).magnitude:,.0f} {self.currency}",
            f"largest drivers of the interval: {drivers}" if drivers else "",
            f"{rendering.number(self.days)} days" + (f", GPU-weeks: {weeks}" if weeks else ""),
            *self.notes(),
            f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}",
        ]
        return "\n".join(part for part in parts if part)


def _quantity(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and value < 1e9 else rendering.number(value, 4)


def _source(origin: Provenance) -> str:
    return origin.source or origin.kind
