"""Result of a projection: cost by year with intervals, its parts, and the first year below a budget."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel._version import __version__
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_CLAIM = re.compile(r"\s*cost\s*(<=|<|>=|>)\s*(\S.*)")
_COMPARED: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Part(NamedTuple):
    """One reason why a cost changes: the mean decline of ln cost by year, and where it is from."""

    name: str
    declines: dict[int, float]
    source: str


class YearBelow(NamedTuple):
    """First year the cost falls below a budget: its probability by the end of each year."""

    amount: float
    chances: dict[int, float]

    def quantile(self, probability: float = 0.5) -> int | None:
        """Return the first year by whose end the chance is at least that; None if it is not in those projected."""
        return next((year for year, chance in self.chances.items() if chance >= probability), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return the chance by year: year, by then, in that year."""
        before, listed = 0.0, []
        for year, chance in self.chances.items():
            listed.append({"year": year, "by then": chance, "in that year": chance - before})
            before = chance
        return listed


class Projection(rendering.Shown):
    """Costs at the end of each year [USD]; see `project_cost`."""

    def __init__(
        self, *, title: str, question: str, account: str, scope: str, reference: dt.date, today: np.ndarray,
        costs: dict[int, np.ndarray], missing: dict[int, str], parts: tuple[Part, ...], seed: int,
    ) -> None:  # fmt: skip
        self.title, self.question, self.account, self.scope = title, question, account, scope
        self.reference, self.today, self.missing, self.parts, self.seed = reference, today, missing, parts, seed
        self._costs = costs

    @property
    def years(self) -> tuple[int, ...]:
        """The years that are told."""
        return tuple(self._costs)

    def draws(self, year: int) -> NDArray[np.float64]:
        """Return the draws of a year, shape (paths,) [USD]; the same path has the same place in every year."""
        try:
            return self._costs[year]
        except (KeyError, TypeError):
            told = f"projected are {', '.join(map(str, self.years))}, as numbers"
            reason = next((why for missed, why in self.missing.items() if missed == year), told)
            raise InputError(f"the cost of {year!r} is not known: {reason}") from None

    def median(self, year: int) -> float:
        """Return the median of a year [USD]."""
        return self.quantile(year, 0.5)

    def quantile(self, year: int, probability: float) -> float:
        """Return a quantile of a year [USD]."""
        import numpy as np

        if not (isinstance(probability, (int, float)) and 0 <= probability <= 1):
            raise InputError(f"a probability lies between 0 and 1; got {probability!r}")
        return float(np.quantile(self.draws(year), probability))

    def interval(self, year: int, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the central interval of a year [USD]."""
        from costmodel.estimation.results import check_level

        check_level(level)
        return self.quantile(year, (1 - level) / 2), self.quantile(year, (1 + level) / 2)

    def probability(self, claim: str, by: int) -> float:
        """Return the probability of a claim such as "cost < 1 MUSD" by the end of a year.

        "Below" means at the end of that year or of any before it that is projected; "above" at its end.

        Parameters
        ----------
        claim : "cost", one of < <= > >=, and a sum
        by : a year that is projected
        """
        found = _CLAIM.fullmatch(claim) if isinstance(claim, str) else None
        if found is None:
            raise InputError(f"a claim is written as 'cost < 1 MUSD'; got {claim!r}")
        amount, compare = _amount(found[2]), _COMPARED[found[1]]
        holds = compare(self.draws(by), amount)
        if found[1].startswith("<"):
            for year in self.years:
                holds = holds | (compare(self.draws(year), amount) if year < by else False)
        return float(holds.mean())

    def year_below(self, amount: float | str) -> YearBelow:
        """Return the first year the cost falls below a budget, as a distribution over the projected years.

        Parameters
        ----------
        amount : a number of USD, or such as "1 MUSD"
        """
        import numpy as np

        wanted = _amount(amount)
        reached, chances = np.zeros(len(self.today), dtype=bool), {}
        for year in self.years:
            reached = reached | (self._costs[year] <= wanted)
            chances[year] = float(reached.mean())
        return YearBelow(wanted, chances)

    def decomposition(self, year: int) -> list[dict[str, Any]]:
        """Return what makes the cost of a year differ from today's: part, mean decline of ln cost, factor, source."""
        import math

        self.draws(year)
        return [{"part": part.name, "decline": part.declines[year], "factor": math.exp(part.declines[year]),
                 "source": part.source} for part in self.parts if year in part.declines]  # fmt: skip

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the years as rows: year, median, low, high [USD], level."""
        listed = []
        for year in self.years:
            low, high = self.interval(year, level)
            listed.append({"year": year, "median": self.median(year), "low": low, "high": high, "level": level})
        return listed

    def notes(self) -> list[str]:
        """Return what a reader should know before using the figures."""
        lines = [f"{self.account}; from {self.reference}; {self.scope.replace('_', ' ')}; each year at its end"]
        lines += [f"{year}: {reason}" for year, reason in self.missing.items()]
        span = max(self.years) - self.reference.year
        if self.question == "capability" and span > 2:
            lines.append("beyond two years nothing tests the calibration: two windows of the past lie there")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "version": __version__, "data_hash": fingerprint(), "seed": self.seed, "title": self.title,
            "question": self.question, "account": self.account, "scope": self.scope,
            "reference": str(self.reference), "rows": self.rows(), "notes": self.notes(),
            "missing": {str(year): reason for year, reason in self.missing.items()},
            "decomposition": self.decomposition(max(self.years)),
        }  # fmt: skip

    def _title(self) -> str:
        return self.title

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                "year": str(row["year"]), "median": rendering.amount(row["median"], "USD"),
                "80 % interval": f"{rendering.amount(row['low'], 'USD')} to {rendering.amount(row['high'], 'USD')}",
            }
            for row in self.rows()
        ]  # fmt: skip

    def _footer(self) -> str:
        return "\n".join([*self.notes(), f"costmodel {__version__}, data {fingerprint()}, seed {self.seed}"])


def _amount(value: float | str) -> float:
    """Return a sum of money as a number of USD."""
    from costmodel.foundation.fields import MOST, Measure

    found = Measure("USD", 0.0, MOST, open_low=True, uncertain=False).validate(value)
    assert isinstance(found, float)
    return found
