"""Amounts of money with scope, year and source; costs of two scopes do not add up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.estimation.results import check_level
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, draws, samples
from costmodel.foundation.rendering import amount

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCOPES = ("final_run", "development")
DRAWS = 20_000
DEVELOPMENT, FINAL_RUN = "development", "final_run"


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars with their scope: what `published_runs` and `development_cost` hand out.

    Costs of one scope add up and compare; of two scopes they do not: `development_cost` converts a final
    run, and `ratio(other, across_scopes=True)` compares all the same. Dollars are nominal, of their `year`.

    Examples
    --------
    >>> final = Cost(5.576e6, "final_run", by="DeepSeek", year=2024)
    >>> final + Cost(1e8, "development", by="OpenAI", year=2023)
    Traceback (most recent call last):
    ...
    costmodel.foundation.errors.InputError: costs of two scopes are not added: final_run and development; \
development_cost(...) converts a final run
    """

    usd: float
    """The sum, or its median [USD]."""
    scope: str
    """"final_run" or "development"."""
    scope_reason: str = ""
    by: str = ""
    """Who says so."""
    basis: str = ""
    """How it was reckoned: rental, amortized, grant, stated, estimated."""
    year: int | None = None
    """Year of the dollars: that of the publication."""
    low: float | None = None
    """At least so much, where the source says it [USD]."""
    high: float | None = None
    """At most so much, where the source says it [USD]."""
    circular: bool = False
    """Whether it is arithmetic of its authors, such as hours times a price that they assume."""
    source: str = ""
    spread: Range | None = None
    """Of a sum that was estimated [USD]."""

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(f"scope: is {' or '.join(SCOPES)}; got {self.scope!r}")
        if not (math.isfinite(self.usd) and self.usd >= 0):
            raise InputError(f"usd: is a number of dollars, at least 0; got {self.usd!r}")

    def draws(self, count: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
        """Return draws of the sum, shape (count,) [USD]."""
        import numpy as np

        if self.spread is None:
            return np.full(count, self.usd)
        return draws(f"cost of {self.by} {self.basis} {self.usd!r}", self.spread, count, seed)

    def interval(self, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the ends of the central interval that holds the share `level` [USD]."""
        check_level(level)
        if self.spread is None:
            return self.usd, self.usd
        return self.spread.quantile((1 - level) / 2), self.spread.quantile((1 + level) / 2)

    def ratio(self, other: Cost, across_scopes: bool = False) -> float:
        """Return this cost as a multiple of another [1].

        Parameters
        ----------
        other : the cost to compare with
        across_scopes : compare a final run with a development all the same

        Raises
        ------
        InputError
            If the scopes differ and nobody asked for it, or the other cost is 0.
        """
        if not across_scopes:
            check_scopes((self, other), "compared", "across_scopes=True compares them all the same")
        if not other.usd > 0:
            raise InputError(f"there is no ratio to a cost of {other.usd:g} USD")
        return self.usd / other.usd

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        check_scopes((self, other), "added", "development_cost(...) converts a final run")
        whole = self.usd + other.usd
        spread = None
        if self.spread is not None or other.spread is not None:
            spread = samples((self.draws() + other.draws()).tolist())
            whole = spread.median()
        by = " and ".join(dict.fromkeys(one.by for one in (self, other) if one.by))
        source = " ; ".join(dict.fromkeys(one.source for one in (self, other) if one.source))
        year = self.year if self.year == other.year else None
        circular = self.circular or other.circular
        return Cost(
            whole, self.scope, by=by, basis="sum", year=year, circular=circular, source=source, spread=spread
        )  # fmt: skip

    def __radd__(self, other: Any) -> Cost:
        return self if other == 0 else NotImplemented  # sum() begins with 0

    def __lt__(self, other: Cost) -> bool:
        if not isinstance(other, Cost):
            return NotImplemented
        return self.ratio(other) < 1

    def __str__(self) -> str:
        return f"{self.shown()}, {self.scope.replace('_', ' ')}" + (f" ({self.by})" if self.by else "")

    def shown(self) -> str:
        """Return the sum as text, with its interval or its bound."""
        usd = amount(self.usd, "USD")
        if self.spread is not None:
            low, high = self.interval()
            return f"{usd} ({amount(low, 'USD')} to {amount(high, 'USD')})"
        if self.low is not None and self.high is None:
            return f"above {amount(self.low, 'USD')}"
        if self.high is not None and self.low is None:
            return f"below {amount(self.high, 'USD')}"
        return usd


def check_scopes(costs: tuple[Cost, ...], verb: str, instead: str) -> None:
    """Raise `InputError` if costs have more than one scope."""
    found = list(dict.fromkeys(cost.scope for cost in costs))
    if len(found) > 1:
        raise InputError(f"costs of two scopes are not {verb}: {' and '.join(found)}; {instead}")
