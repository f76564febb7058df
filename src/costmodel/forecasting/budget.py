"""Forecast of a budget under way: spent, committed, cost at completion with its interval, and variance."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from costmodel.budget.actuals import Actual
from costmodel.budget.amounts import amount_of, cents, checked_probability
from costmodel.budget.lines import Within
from costmodel.budget.plan import ProjectPlan
from costmodel.budget.result import BudgetResult
from costmodel.estimation.results import DRAWS
from costmodel.forecasting.result import Forecast
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import Range, draws, middle, samples
from costmodel.foundation.units import money
from costmodel.market.dated import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.budget.lines import Line
    from costmodel.foundation.fields import NumberLike
    from costmodel.foundation.units import Quantity

    Array = NDArray[np.float64]

ForecastFigure: TypeAlias = Literal["spent", "committed", "completion", "variance"]
"""Name of a figure of a budget under way."""
_QUANTILES = 199
"""Quantiles that stand for the draws of the forecast of a run."""
BASES = {
    "left": "own estimate of the rest",
    "done": "budget and rate so far, weighted by the share done",
    "spent": "budgeted cost, at least what is spent and committed",
    "none": "budgeted cost",
    "reserve": "what was spent outside the lines",
}
"""How the rest of a line is forecast."""


class LineForecast(NamedTuple):
    """A line of a budget under way [USD]; `variance` is `completion` - `budget`, positive if overspent."""

    name: str
    budget: float
    spent: float
    committed: float
    completion: float
    """Cost at completion: spent, committed and what is still to be ordered."""
    low: float
    """10 % quantile of the cost at completion."""
    high: float
    """90 % quantile of the cost at completion."""
    variance: float
    basis: str
    """How the rest is forecast; a key of `BASES`."""


class BudgetForecast(rendering.Shown):
    """Cost at completion of a budget under way; see `forecast`.

    The lines and the total do not contain the contingency: it is the reserve that the overspending draws on.
    """

    _index = "name"

    _width = rendering.WIDTH

    def __init__(self, budget: BudgetResult, on: dt.date | None) -> None:
        import numpy as np

        self.budget, self.on = budget, on
        actuals = {name: _converted(actual, budget) for name, actual in budget.project.actuals.items()}
        rest = [_rest(line, actuals.get(line.name), budget) for line in budget.lines]
        kept = [index for index, line in enumerate(budget.lines[:-1])] + [len(rest) - 1] * (rest[-1].point > 0)
        self.lines: tuple[LineForecast, ...] = tuple(_line(budget.lines[index], actuals, rest[index]) for index in kept)
        """Lines with their cost at completion; the contingency is among them if something was spent from it."""
        self._draws: Array = np.sum([rest[index].drawn for index in kept], axis=0)

    @checked("name")
    def value(self, name: ForecastFigure) -> float:
        """Return a figure as a plain number in the currency of the budget.

        Parameters
        ----------
        name : str
            "spent", "committed", "completion" or "variance".
        """
        if name not in get_args(ForecastFigure):
            raise InputError(unknown("figure", name, get_args(ForecastFigure)))
        if name == "variance":
            return cents(self.value("completion") - self.budget.value("base"))
        return cents(sum(getattr(line, name) for line in self.lines))

    def at_quantile(self, p: float) -> float:
        """Return the quantile of the cost at completion, as a plain number in the currency of the budget.

        Parameters
        ----------
        p : float
            Probability that the cost is at most the result, 0 to 1 [1].
        """
        import numpy as np

        return float(np.quantile(self._draws, checked_probability("p", p)))

    @property
    def spent(self) -> Quantity:
        """Amount paid so far."""
        return money(self.value("spent"), self.budget.currency)

    @property
    def committed(self) -> Quantity:
        """Amount ordered and not yet paid."""
        return money(self.value("committed"), self.budget.currency)

    @property
    def completion(self) -> Quantity:
        """Cost at completion: the sum of the lines."""
        return money(self.value("completion"), self.budget.currency)

    @property
    def variance(self) -> Quantity:
        """Cost at completion - base of the budget; positive if overspent."""
        return money(self.value("variance"), self.budget.currency)

    def quantile(self, p: float) -> Quantity:
        """Return the quantile of the cost at completion.

        Parameters
        ----------
        p : float
            Probability that the cost is at most the result, 0 to 1 [1].
        """
        return money(self.at_quantile(p), self.budget.currency)

    def draws(self) -> Array:
        """Return draws of the cost at completion [USD]; shape (20000,)."""
        return self._draws.copy()

    def probability_within(self, amount: NumberLike) -> float:
        """Return the probability that the cost at completion is at most an amount [1].

        Parameters
        ----------
        amount : float or str
            Amount [USD], such as 75_000 or "75k".
        """
        import numpy as np

        return float(np.mean(self._draws <= amount_of("amount", amount, self.budget.currency) + 0.005))

    def within(self, amount: NumberLike | None = None) -> tuple[Within, ...]:
        """Return the probabilities of ending within the base, within base and contingency, and within an amount.

        Parameters
        ----------
        amount : float or str, optional
            A further amount [USD].
        """
        return tuple(
            Within(each.name, each.amount, self.probability_within(each.amount)) for each in self.budget.within(amount)
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per line: name, budget, spent, committed, completion, low, high, variance [USD], basis."""
        return [line._asdict() for line in self.lines]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: lines, sums, quantiles, probabilities, notes, version, hash and seed."""
        return {
            **self.budget.stamp(),
            "name": self.budget.name,
            "currency": self.budget.currency,
            "on": None if self.on is None else self.on.isoformat(),
            "lines": self.rows(),
            "base": self.budget.value("base"),
            "contingency": self.budget.value("contingency"),
            "spent": self.value("spent"),
            "committed": self.value("committed"),
            "completion": self.value("completion"),
            "variance": self.value("variance"),
            "quantiles": {str(p): self.at_quantile(p) for p in (0.1, 0.5, 0.9)},
            "within": [each._asdict() for each in self.within()],
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """Return notes: how the rest of each line is forecast, and lines that should have ended by the date."""
        notes = []
        for basis, meaning in BASES.items():
            names = [line.name for line in self.lines if line.basis == basis]
            if names:
                notes.append(f"rest of {', '.join(names)}: {meaning}")
        if self.budget.rate is not None:
            notes.append(f"exchange rate: {self.budget.rate.described()}")
        actuals, start = self.budget.project.actuals, self.budget.start
        if self.on is None or start is None:
            return notes
        for task in self.budget.schedule:
            end = start + dt.timedelta(days=task.start + task.days)
            actual = actuals.get(task.name)
            if end <= self.on and task.days and (actual is None or (actual.done or 0.0) < 1):
                notes.append(f"{task.name}: planned to end on {end}; give done = 1 if it has")
        return notes

    def _title(self) -> str:
        on = f" on {self.on}" if self.on else ""
        return f"{self.budget.name}{on}: {self.value('completion'):,.2f} {self.budget.currency} at completion"

    def _cells(self) -> list[dict[str, str]]:
        rows = [
            {
                "line": line.name,
                "budget": f"{line.budget:,.0f}",
                "spent": f"{line.spent:,.0f}",
                "committed": f"{line.committed:,.0f}",
                "at completion": f"{line.completion:,.0f}",
                "80 % interval": "exact" if line.low == line.high else f"{line.low:,.0f} to {line.high:,.0f}",
                "variance": f"{line.variance:+,.0f}",
            }
            for line in self.lines
        ]
        total = {
            "line": "total",
            "budget": f"{self.budget.value('base'):,.0f}",
            "spent": f"{self.value('spent'):,.0f}",
            "committed": f"{self.value('committed'):,.0f}",
            "at completion": f"{self.value('completion'):,.0f}",
            "80 % interval": f"{self.at_quantile(0.1):,.0f} to {self.at_quantile(0.9):,.0f}",
            "variance": f"{self.value('variance'):+,.0f}",
        }
        return [*rows, total]

    def _footer(self) -> str:
        stamp, currency = self.budget.stamp(), self.budget.currency
        lines = [
            f"contingency {self.budget.value('contingency'):,.0f} {currency}, "
            f"P50 at completion {self.at_quantile(0.5):,.0f} {currency}",
            *(
                f"probability of ending within {each.name}, {each.amount:,.0f} {currency}: "
                f"{rendering.number(100 * each.probability)} %"
                for each in self.within()
            ),
            *self.notes(),
            f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}",
        ]
        return "\n".join(lines)


class _Rest(NamedTuple):
    """Cost of a line at completion: its central value and draws [USD], and how the rest is forecast."""

    point: float
    drawn: Array
    basis: str


def forecast_budget(
    project: ProjectPlan | BudgetResult,
    actuals: Mapping[str, Any] | None = None,
    on: dt.date | str | None = None,
) -> BudgetForecast:
    """Return the forecast of a budget; see `costmodel.forecast`.

    Parameters
    ----------
    project : Project or Budget
        The budget, with or without actuals.
    actuals : Mapping, optional
        Amount paid, `Actual`, or forecast of a run, by line; added to those of the project.
    on : date or str, optional
        Date of the actuals.
    """
    plan, rate = (project.project, project.rate) if isinstance(project, BudgetResult) else (project, None)
    if actuals is not None:
        if not hasattr(actuals, "items"):
            raise InputError(f"actuals: must be amounts by the name of the line; got {type(actuals).__name__}")
        known = {name: actual.to_data() for name, actual in plan.actuals.items()}
        plan = plan.replace(actuals=known | {name: _actual(value) for name, value in actuals.items()})
        project = BudgetResult(plan, rate)
    return BudgetForecast(project if isinstance(project, BudgetResult) else BudgetResult(plan), day_of(on))


def _actual(value: Any) -> Any:
    """Return the fields of an actual; the forecast of a run gives what is spent and left."""
    if not isinstance(value, Forecast):
        return value.to_data() if isinstance(value, Actual) else value
    import numpy as np

    steps = np.linspace(0.0, 1.0, 2 * _QUANTILES + 1)[1::2]
    left = samples(np.quantile(value.draws("cost"), steps), "USD")
    return {"spent": float(value.done("cost").magnitude), "left": left}


def _converted(actual: Actual, budget: BudgetResult) -> Actual:
    """Return an actual in the currency of a budget."""
    if budget.rate is None:
        return actual
    factor, left = budget.rate.per_usd, actual.left
    converted = left.scaled(factor, left.unit) if isinstance(left, Range) else left and left * factor
    return Actual(actual.spent * factor, committed=actual.committed * factor, done=actual.done, left=converted)


def _line(line: Line, actuals: Mapping[str, Actual], rest: _Rest) -> LineForecast:
    import numpy as np

    actual = actuals.get(line.name, Actual())
    low, high = (cents(float(end)) for end in np.quantile(rest.drawn, [0.1, 0.9]))
    budget = 0.0 if rest.basis == "reserve" else line.base
    point = cents(rest.point)
    certain = bool(rest.drawn.min() == rest.drawn.max())
    ends = (point, point) if certain else (low, high)
    return LineForecast(
        line.name, budget, actual.spent, actual.committed, point, *ends, cents(point - budget), rest.basis
    )


def _rest(line: Line, actual: Actual | None, budget: BudgetResult) -> _Rest:
    """Return the cost of a line at completion."""
    import numpy as np

    sure = 0.0 if actual is None else actual.spent + actual.committed
    if line.group == "contingency":
        return _Rest(sure, np.full(DRAWS, sure), "reserve")
    planned = budget.line_draws(line.name)
    if actual is None or (not sure and actual.done is None and actual.left is None):
        return _Rest(line.base, planned, "none")
    if actual.left is not None:
        left = actual.left
        drawn = draws(f"{line.name}: left", left, DRAWS, budget.project.seed) if isinstance(left, Range) else left
        point = actual.spent + max(middle(left), actual.committed)
        return _Rest(point, actual.spent + np.maximum(np.full(DRAWS, drawn), actual.committed), "left")
    if actual.done is not None:
        point, drawn = _by_rate(actual, line.base), _by_rate(actual, planned)
        return _Rest(float(point), np.asarray(drawn), "done")
    return _Rest(*_at_least(sure, line.base, planned), "spent")


def _by_rate(actual: Actual, planned: Any) -> Any:
    """Return the cost at completion of a line of which a share is done.

    The rest costs its share of a whole, which is the geometric mean of the planned cost and of the cost so far over
    the share done, weighted by that share: at the start the plan counts, at the end the rate so far.
    """
    import numpy as np

    share = actual.done or 0.0
    rate = actual.spent / share if share else 0.0
    whole = planned ** (1 - share) * rate**share if rate > 0 else planned
    return actual.spent + np.maximum((1 - share) * whole, actual.committed)


def _at_least(sure: float, base: float, planned: Array) -> tuple[float, Array]:
    """Return the planned cost, central value and draws, given that it is at least an amount; draws keep their order."""
    import numpy as np

    ordered = np.sort(planned)
    below = float(np.searchsorted(ordered, sure, side="left")) / len(ordered)
    if below == 0:
        return base, planned
    if below >= 1 or ordered[0] == ordered[-1]:
        return max(base, sure), np.maximum(planned, sure)
    ranks = np.empty(len(ordered))
    ranks[np.argsort(planned, kind="stable")] = np.linspace(0.0, 1.0, len(ordered))
    central = float(np.searchsorted(ordered, base)) / len(ordered)
    moved = np.quantile(ordered, below + (1 - below) * np.append(ranks, central))
    return max(float(moved[-1]), base, sure), np.maximum(moved[:-1], sure)
