"""The bill of an estimate: the lines that add up to its cost, in the central value and in every draw."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import Missing, Step, add
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level
from costmodel.foundation.currencies import Priced
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.market.charges import CostLine

if TYPE_CHECKING:
    from costmodel.estimation.estimate import Estimate


def purchases_line(paths: tuple[str, ...]) -> CostLine:
    """Return the line of what recipes buy, such as tokens of an API.

    Parameters
    ----------
    paths : tuple of str
        Inputs with the amounts [USD].
    """
    return CostLine("purchases", "purchases of the recipe", add, paths, "sum over the recipes")


@lru_cache(maxsize=256)
def line_steps(lines: tuple[CostLine, ...]) -> tuple[Step, ...]:
    """Return the steps that compute the lines of a bill.

    Parameters
    ----------
    lines : tuple of CostLine
        Lines with different names.
    """
    return tuple(Step(f"cost.{line.name}", "USD", line.function, line.inputs, line.formula) for line in lines)


class Bill(Priced):
    """The lines of the cost of an estimate; see `Estimate.bill`.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture={"total": "7B"},
    ...     recipe=cm.Pretraining(tokens="2T"),
    ...     cluster=cm.Cluster("A100-80GB-SXM", 512),
    ...     prices=cm.Rental(price="2 USD/hour"),
    ...     gpu_hours=180_000,
    ... )
    >>> [(row["line"], row["usd"]) for row in cm.estimate(run).bill().rows()]
    [('rent', 360000.0), ('total', 360000.0)]
    """

    _index = "line"

    _money = ("usd", "low", "high")

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per line and the total: line, title, usd, low, high, share, level, formula, note.

        Amounts are in USD; None where a line is not known, with the reason as the note. Lines add up to the total in
        `usd`; ends of intervals do not, as lines are not all high at once. `share` is the part of the total [1].

        Parameters
        ----------
        level : float
            Probability inside the intervals, between 0 and 1 [1].
        """
        import numpy as np

        check_level(level)
        ends = [(1 - level) / 2, (1 + level) / 2]
        estimate = self._estimate
        named = {f"cost.{line.name}": (line.name, line.title, line.formula) for line in estimate.lines}
        named["cost"] = ("total", "total", "sum of the lines")
        total = estimate.value("cost")
        rows = []
        for figure, (name, title, formula) in named.items():
            value = estimate.value(figure)
            row = {"line": name, "title": title, "usd": None, "low": None, "high": None, "share": None, "level": level}
            if isinstance(value, Missing):
                rows.append({**row, "formula": formula, "note": value.reason})
                continue
            low, high = (float(end) for end in np.quantile(estimate.draws(figure), ends))
            share = None if isinstance(total, Missing) or total == 0 else value / total
            amounts = {"usd": value, "low": low, "high": high, "share": share}
            rows.append({**row, **amounts, "formula": formula, "note": estimate.note(figure)})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the lines and the total as plain data, with version, hash of the data and seed."""
        return {**self._estimate.stamp(), "scope": self._estimate.scope, "lines": self.rows()}

    def _title(self) -> str:
        return f"{self._estimate.title()}: bill ({self._estimate.scope.replace('_', ' ')})"

    def _cells(self) -> list[dict[str, str]]:
        cells = []
        for row in self.rows():
            shown = {"line": row["title"], "cost": "not known", "80 % interval": "", "share": ""}
            if row["usd"] is not None:
                low, high = (rendering.amount(row[end], "USD") for end in ("low", "high"))
                shown["cost"] = rendering.amount(row["usd"], "USD")
                shown["80 % interval"] = "exact" if row["low"] == row["high"] else rendering.between(low, high)
                shown["share"] = "" if row["share"] is None else rendering.percent(row["share"])
            cells.append(shown)
        return cells

    def _footer(self) -> str:
        return "\n".join(dict.fromkeys(f"{row['title']}: {row['note']}" for row in self.rows() if row["note"]))
