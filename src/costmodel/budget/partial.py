"""A budget in which the cost of some lines is not known: they keep their place, and there is no total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from costmodel._version import __version__
from costmodel.budget.amounts import cents, sum_of
from costmodel.budget.entries import Entry, entry_of, run_costs
from costmodel.budget.items import Experiments, Run
from costmodel.estimation.results import DRAWS
from costmodel.foundation import rendering
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.exchange_rates import ExchangeRate, exchange_rate
from costmodel.foundation.tables import fingerprint

if TYPE_CHECKING:
    from costmodel.budget.lines import Group
    from costmodel.budget.plan import Part, ProjectPlan

UNKNOWN = "not known"
"""Amount of a line whose cost is not known."""


class PartialBudget(rendering.Shown):
    """Lines of a project, some of which have no known cost; `missing` has the reason by name of the line.

    Parameters
    ----------
    project : ProjectPlan
        Contents of the project.
    rate : ExchangeRate, optional
        Rate at which all amounts are converted; default: US dollars.
    """

    def __init__(self, project: ProjectPlan, rate: ExchangeRate | None = None) -> None:
        self.project, self.rate = project, rate
        self.missing: dict[str, str] = {}
        self._runs = run_costs(project, self.missing)
        self._lines = [self._row(part, group) for _, group, part in project.parts()]

    def in_currency(self, currency: str, *, rate: float | str | None = None, on: str | None = None) -> Self:
        """Return the lines in another currency.

        Parameters
        ----------
        currency : str
            "EUR", "GBP" or "CNY".
        rate : float, optional
            Amount of the currency for one US dollar; default: the listed rate.
        on : str, optional
            Day whose month's listed rate applies; default: the newest listed month.
        """
        return type(self)(self.project, exchange_rate(currency, on, rate=rate))

    def rows(self) -> list[dict[str, Any]]:
        """Return the lines as rows: name, group, quantity, unit, low, base, high [USD], missing (the reason)."""
        return [dict(row) for row in self._lines]

    def to_dict(self) -> dict[str, Any]:
        """Return the lines and the reasons as plain data; sums of all lines are None."""
        unknown = dict.fromkeys(("base", "contingency", "total", "quantiles"))
        return {
            "version": __version__,
            "data_hash": fingerprint(),
            "seed": self.project.seed,
            "project": self.project.to_data(),
            "currency": self.currency,
            "lines": self.rows(),
            **unknown,
            "known": self._known,
            "within": [],
            "missing": dict(self.missing),
        }

    @property
    def currency(self) -> str:
        """Currency of all amounts: "USD", or that of `in_currency`."""
        return "USD" if self.rate is None else self.rate.currency

    @property
    def _known(self) -> float:
        return sum_of(row["base"] for row in self._lines if row["base"] is not None)

    def _row(self, part: Part, group: Group) -> dict[str, Any]:
        name = part.role if hasattr(part, "role") else part.name
        row: dict[str, Any] = {"name": name, "group": group, "quantity": None, "unit": ""}
        row |= {"low": None, "base": None, "high": None, "missing": ""}
        reason = self._reason(part)
        if not reason:
            try:
                return row | self._amounts(entry_of(part, group, self._runs, self.project))
            except MissingFactError as error:
                reason = str(error)
        self.missing[name] = reason
        return row | {"missing": reason}

    def _reason(self, part: Part) -> str:
        """Return why the cost of a run, or of experiments with it, is not known."""
        if isinstance(part, Run):
            return self.missing.get(part.name, "")
        if not isinstance(part, Experiments):
            return ""
        runs = [run.name for run in self.project.runs if not part.of or run.name in part.of]
        unknown = [name for name in runs if name in self.missing]
        return f"the cost of {', '.join(map(repr, unknown))} is not known" if unknown else ""

    def _amounts(self, entry: Entry) -> dict[str, Any]:
        rate = 1.0 if self.rate is None else self.rate.per_usd
        base = cents(entry.quantity * entry.unit_price * rate)
        low = high = base
        if entry.keys:
            drawn = entry.draws(DRAWS, self.project.seed) * rate
            low, high = (cents(float(end)) for end in np.quantile(drawn, [0.1, 0.9]))
        return {"quantity": entry.quantity, "unit": entry.unit, "low": low, "base": base, "high": high}

    def _title(self) -> str:
        return f"{self.project.name}: total {UNKNOWN} (dollars of {self.project.currency_year})"

    def _cells(self) -> list[dict[str, str]]:
        titles = {end: f"{end} [{self.currency}]" for end in ("base", "low", "high")}
        base = titles["base"]
        rows = [
            {
                "group": row["group"],
                "line": row["name"],
                **{title: "" if row[end] is None else f"{row[end]:,.2f}" for end, title in titles.items()},
                "quantity": "" if row["quantity"] is None else f"{rendering.number(row['quantity'], 4)} {row['unit']}",
                "note": row["missing"],
            }
            for row in self._lines
        ]
        for row in rows:
            row[base] = row[base] or UNKNOWN
        empty = dict.fromkeys(rows[0], "")
        rows.append({**empty, "group": "known lines", base: f"{self._known:,.2f}"})
        return [*rows, {**empty, "group": "total", base: UNKNOWN}]

    def _footer(self) -> str:
        return f"amounts in {self.currency}; low and high: 80 % interval of the line"
