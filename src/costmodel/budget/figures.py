"""Amounts of a budget: base, contingency, total, mean and quantiles, as quantities and as plain numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, TypeAlias

from costmodel.budget.amounts import amount_of, cents, checked_probability, sum_of
from costmodel.budget.lines import Line, Within
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.units import money

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fields import NumberLike
    from costmodel.foundation.units import Quantity

BudgetFigure: TypeAlias = Literal["base", "contingency", "total", "expected", "p10", "p50", "p90"]
"""Name of a figure of a budget."""
_QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


class BudgetFigures(rendering.Shown, ABC):
    """Amounts that follow from the lines and the draws of a budget."""

    @property
    @abstractmethod
    def _spent_draws(self) -> NDArray[np.float64]:
        """Draws of the cost of the lines without the contingency [USD]; shape (20000,)."""

    @property
    @abstractmethod
    def currency(self) -> str:
        """Currency of all amounts."""

    @property
    @abstractmethod
    def lines(self) -> tuple[Line, ...]:
        """Lines in the order of their groups; the last one is the contingency."""

    def draws(self) -> NDArray[np.float64]:
        """Return draws of the cost of the lines without the contingency [USD]; shape (20000,)."""
        return self._spent_draws.copy()

    @checked("name")
    def value(self, name: BudgetFigure) -> float:
        """Return a figure as a plain number in the currency.

        Parameters
        ----------
        name : str
            "base", "contingency", "total", "expected", "p10", "p50" or "p90".
        """
        if name in _QUANTILES:
            return self.at_quantile(_QUANTILES[name])
        if name == "expected":
            return sum_of(line.expected for line in self.lines[:-1])
        base, contingency = self.lines[-1].quantity, self.lines[-1].base
        known = {"base": base, "contingency": contingency, "total": sum_of((base, contingency))}
        if name not in known:
            raise InputError(unknown("figure", name, (*known, "expected", *_QUANTILES)))
        return known[name]

    def at_quantile(self, p: float) -> float:
        """Return the quantile of the cost of the lines without the contingency, as a plain number in the currency.

        Parameters
        ----------
        p : float
            Probability that the cost is at most the result, 0 to 1 [1].
        """
        import numpy as np

        return float(np.quantile(self._spent_draws, checked_probability("p", p)))

    @property
    def base(self) -> Quantity:
        """Sum of the base of the lines without the contingency."""
        return money(self.value("base"), self.currency)

    @property
    def contingency(self) -> Quantity:
        """Reserve on top of the base; no figure counts it as spent."""
        return money(self.value("contingency"), self.currency)

    @property
    def total(self) -> Quantity:
        """Base and contingency, to the cent: the sum to be approved."""
        return money(self.value("total"), self.currency)

    @property
    def expected(self) -> Quantity:
        """Mean cost of the lines without the contingency: the sum of the expected costs of the lines."""
        return money(self.value("expected"), self.currency)

    def quantile(self, p: float) -> Quantity:
        """Return the quantile of the cost of the lines without the contingency.

        Parameters
        ----------
        p : float
            Probability that the cost is at most the result, 0 to 1 [1].
        """
        return money(self.at_quantile(p), self.currency)

    @property
    def p10(self) -> Quantity:
        """10 % quantile of the cost of the lines without the contingency."""
        return self.quantile(0.1)

    @property
    def p50(self) -> Quantity:
        """50 % quantile of the cost of the lines without the contingency."""
        return self.quantile(0.5)

    @property
    def p90(self) -> Quantity:
        """90 % quantile of the cost of the lines without the contingency."""
        return self.quantile(0.9)

    def probability_within(self, amount: NumberLike | Quantity) -> float:
        """Return the probability that the lines without the contingency cost at most an amount [1].

        Parameters
        ----------
        amount : float, str or Quantity
            Amount [USD], such as 75_000 or "75k".
        """
        import numpy as np

        return float(np.mean(self._spent_draws <= amount_of("amount", amount, self.currency) + 0.005))

    def within(self, amount: NumberLike | Quantity | None = None) -> tuple[Within, ...]:
        """Return the probabilities of staying within the base, within base and contingency, and within an amount.

        Parameters
        ----------
        amount : float, str or Quantity, optional
            A further amount [USD].
        """
        sums = {"base": self.value("base"), "base and contingency": self.value("total")}
        if amount is not None:
            sums["given sum"] = amount_of("amount", amount, self.currency)
        return tuple(Within(name, limit, self.probability_within(limit)) for name, limit in sums.items())

    def contingency_for(self, probability: float) -> Quantity:
        """Return the contingency with which base and contingency suffice with a probability; at least 0.

        Parameters
        ----------
        probability : float
            Between 0 and 1 [1].
        """
        needed = self.at_quantile(checked_probability("probability", probability)) - self.value("base")
        return money(cents(max(needed, 0.0)), self.currency)
