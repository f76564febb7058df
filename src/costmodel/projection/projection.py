"""Result of a projection: cost by year with intervals, its parts, and the first year below a budget."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel._version import __version__
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.currencies import Priced
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
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Part(NamedTuple):
    """One component of the change of the cost."""

    name: str
    """Name of the component."""
    declines: dict[int, float]
    """Mean decline of ln cost since the reference date, by year [1]."""
    source: str
    """Source of the rate."""


class YearBelow(NamedTuple):
    """Distribution of the first year the cost falls below a budget."""

    amount: float
    """Budget [USD]."""
    chances: dict[int, float]
    """Probability that the cost is below the budget by the end of each projected year [1]."""

    def quantile(self, probability: float = 0.5) -> int | None:
        """Return the first year with at least this probability; None if no projected year reaches it.

        Parameters
        ----------
        probability : float
            Probability that the cost is below the budget by the end of the year [1].
        """
        return next((year for year, chance in self.chances.items() if chance >= probability), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return rows by year: the probability by the end of the year ("by then") and in the year ("in that year")."""
        before, rows = 0.0, []
        for year, chance in self.chances.items():
            rows.append({"year": year, "by then": chance, "in that year": chance - before})
            before = chance
        return rows


class Projection(Priced):
    """Costs at the end of each year [USD]; see `project_cost`."""

    _money = ("median", "low", "high", "same_hardware")

    def __init__(
        self,
        *,
        title: str,
        question: str,
        account: str,
        scope: str,
        reference: dt.date,
        today: np.ndarray,
        costs: dict[int, np.ndarray],
        missing: dict[int, str],
        parts: tuple[Part, ...],
        seed: int,
    ) -> None:
        self.title, self.question, self.account, self.scope = title, question, account, scope
        self.reference, self.today, self.missing, self.parts, self.seed = reference, today, missing, parts, seed
        self._costs = costs
        self.hardware: dict[int, str] = {}
        """Accelerators of a run by year; from the newest prices on, those that the price-performance starts from."""
        self.same_hardware: Projection | None = None
        """The same run on its own accelerators, beside the cheapest ones."""
        self.base_year: int | None = None
        """Year of real dollars; None for nominal dollars, those of each year."""

    @property
    def dollars(self) -> str:
        """Kind of the dollars, in words."""
        return "nominal dollars of each year" if self.base_year is None else f"real dollars of {self.base_year}"

    @checked("base_year")
    def in_real_dollars(self, base_year: int | None = None) -> Projection:
        """Return the projection of nominal dollars in dollars of one year; draws are divided by the deflator.

        Parameters
        ----------
        base_year : int, optional
            Year of the dollars; default: that of the reference date.
        """
        from copy import copy

        from costmodel.market.inflation import deflator

        if self.base_year is not None:
            raise InputError(f"base_year: the projection is in dollars of {self.base_year} already")
        real, base, count = copy(self), base_year or self.reference.year, len(self.today)
        real._costs = {year: costs / deflator(year, base, count, self.seed) for year, costs in self._costs.items()}
        real.today = self.today / deflator(self.reference.year, base, count, self.seed)
        real.base_year = base
        if self.same_hardware is not None:
            real.same_hardware = self.same_hardware.in_real_dollars(base)
        return real

    @property
    def years(self) -> tuple[int, ...]:
        """Projected years, ascending."""
        return tuple(self._costs)

    def draws(self, year: int) -> NDArray[np.float64]:
        """Return the draws of the cost at the end of a year; a path has the same index in every year.

        Parameters
        ----------
        year : int
            A projected year.

        Returns
        -------
        numpy.ndarray
            Cost, shape (paths,) [USD].

        Raises
        ------
        InputError
            If the year is not projected.
        """
        try:
            return self._costs[year]
        except (KeyError, TypeError):
            accepted = f"projected years are {', '.join(map(str, self.years))}"
            reason = next((why for absent, why in self.missing.items() if absent == year), accepted)
            raise InputError(f"year: no cost is projected for {year!r}: {reason}") from None

    def median(self, year: int) -> float:
        """Return the median cost at the end of a year [USD].

        Parameters
        ----------
        year : int
            A projected year.
        """
        return self.quantile(year, 0.5)

    def quantile(self, year: int, probability: float) -> float:
        """Return a quantile of the cost at the end of a year [USD].

        Parameters
        ----------
        year : int
            A projected year.
        probability : float
            Between 0 and 1 [1].
        """
        import numpy as np

        if not (isinstance(probability, (int, float)) and 0 <= probability <= 1):
            raise InputError(f"probability must be between 0 and 1; got {probability!r}")
        return float(np.quantile(self.draws(year), probability))

    def interval(self, year: int, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval of the cost at the end of a year [USD].

        Parameters
        ----------
        year : int
            A projected year.
        level : float
            Probability inside the interval [1].
        """
        check_level(level)
        return self.quantile(year, (1 - level) / 2), self.quantile(year, (1 + level) / 2)

    def probability(self, claim: str, by: int) -> float:
        """Return the probability of a claim such as "cost < 1 MUSD" by the end of a year.

        A claim with `<` holds if the cost is below the amount at the end of any projected year up to `by`. A claim
        with `>` holds if the cost is above the amount at the end of `by`.

        Parameters
        ----------
        claim : str
            "cost", then one of < <= > >=, then an amount [USD].
        by : int
            A projected year.

        Returns
        -------
        float
            Share of the paths on which the claim holds [1].
        """
        parsed = _CLAIM.fullmatch(claim) if isinstance(claim, str) else None
        if parsed is None:
            raise InputError(f"claim must be written as 'cost < 1 MUSD'; got {claim!r}")
        amount, compare = _amount(parsed[2]), _COMPARED[parsed[1]]
        holds = compare(self.draws(by), amount)
        if parsed[1].startswith("<"):
            for year in self.years:
                holds = holds | (compare(self.draws(year), amount) if year < by else False)
        return float(holds.mean())

    def year_below(self, amount: float | str) -> YearBelow:
        """Return the first year the cost falls below a budget, as a distribution over the projected years.

        Parameters
        ----------
        amount : float or str
            Budget [USD], such as 1e6 or "1 MUSD".
        """
        import numpy as np

        budget = _amount(amount)
        below, chances = np.zeros(len(self.today), dtype=bool), {}
        for year in self.years:
            below = below | (self._costs[year] <= budget)
            chances[year] = float(below.mean())
        return YearBelow(budget, chances)

    def decomposition(self, year: int) -> list[dict[str, Any]]:
        """Return the components of the change of the cost up to a year.

        Parameters
        ----------
        year : int
            As for `draws`.

        Returns
        -------
        list of dict
            part, decline (mean decline of ln cost [1]), factor (exp of it [1]), source.
        """
        import math

        self.draws(year)
        return [
            {
                "part": part.name,
                "decline": part.declines[year],
                "factor": math.exp(part.declines[year]),
                "source": part.source,
            }
            for part in self.parts
            if year in part.declines
        ]

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per year: year, median, low, high [USD], level; of a run also hardware and same_hardware.

        `same_hardware` is the median cost on the accelerators of the run [USD], None where it is not known.

        Parameters
        ----------
        level : float
            Probability inside the interval [1].
        """
        rows = []
        for year in self.years:
            low, high = self.interval(year, level)
            row: dict[str, Any] = {"year": year, "median": self.median(year), "low": low, "high": high, "level": level}
            if self.same_hardware is not None:
                same = self.same_hardware
                row["hardware"] = self.hardware.get(year, "")
                row["same_hardware"] = same.median(year) if year in same.years else None
            rows.append(row)
        return rows

    def notes(self) -> list[str]:
        """Return the assumptions and limits of the figures, one per line."""
        lines = [
            f"{self.account}; from {self.reference}; {self.scope.replace('_', ' ')}; costs at the end of each year",
            self._of_dollars(),
        ]
        if self.same_hardware is not None:
            lines.append(f"same hardware: {self.same_hardware.account}")
        lines += [f"{year}: {reason}" for year, reason in self.missing.items()]
        span = max(self.years) - self.reference.year
        if self.question == "capability" and span > 2:
            lines.append("intervals beyond two years are not validated: only two past periods are that long")
        return lines

    def _of_dollars(self) -> str:
        """Return the kind of dollars with the inflation that it assumes."""
        from costmodel.foundation.tables import default
        from costmodel.market.inflation import price_index

        if self.base_year is None:
            return self.dollars
        newest = max(price_index())
        spread = default("inflation").spread
        assert spread is not None
        low, high = (100 * spread.quantile(p) for p in (0.1, 0.9))
        return f"{self.dollars}: CPI-U to {newest}, then {low:.1f} to {high:.1f} % inflation a year (80 %, assumed)"

    def to_dict(self) -> dict[str, Any]:
        """Return all figures and notes as plain data for JSON."""
        return {
            "version": __version__,
            "data_hash": fingerprint(),
            "seed": self.seed,
            "title": self.title,
            "question": self.question,
            "account": self.account,
            "scope": self.scope,
            "reference": str(self.reference),
            "dollars": "nominal" if self.base_year is None else "real",
            "base_year": self.base_year,
            "hardware": {str(year): name for year, name in self.hardware.items()},
            "rows": self.rows(),
            "notes": self.notes(),
            "missing": {str(year): reason for year, reason in self.missing.items()},
            "decomposition": self.decomposition(max(self.years)),
        }

    def _title(self) -> str:
        return self.title

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows():
            low, high = (rendering.amount(row[end], "USD") for end in ("low", "high"))
            cell = {"year": str(row["year"]), "median": rendering.amount(row["median"], "USD")}
            cell["80 % interval"] = rendering.between(low, high)
            if self.same_hardware is not None:
                same = row["same_hardware"]
                ahead = any(row["year"] in part.declines for part in self.parts)
                cell["cheapest hardware"] = f"after {row['hardware']}" if ahead else row["hardware"]
                cell["same hardware"] = "-" if same is None else rendering.amount(same, "USD")
            cells.append(cell)
        return cells

    def _footer(self) -> str:
        return "\n".join([*self.notes(), f"costmodel {__version__}, data {fingerprint()}, seed {self.seed}"])


def _amount(value: float | str) -> float:
    """Return an amount of money [USD]."""
    from costmodel.foundation.fields import MOST, Measure

    amount = Measure("USD", 0.0, MOST, open_low=True, uncertain=False).validate(value)
    assert isinstance(amount, float)
    return amount
