"""Costs with scope, year and source. Costs of different scopes do not add."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.foundation.checks import check_draws, check_level, checked
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range, draws, samples
from costmodel.foundation.rendering import amount

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCOPES = ("final_run", "development")
"""Scopes of a cost: training cost of the final run; total development cost."""
DRAWS = 20_000
"""Default number of draws."""
DEVELOPMENT, FINAL_RUN = "development", "final_run"


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost in dollars with its scope; `published_runs` and `development_cost` return it.

    Costs of the same scope can be added and compared. Costs of different scopes cannot: convert a final run with
    `development_cost`, or call `ratio(other, across_scopes=True)`. Dollars are nominal, of their `year`.

    Examples
    --------
    >>> final = Cost(5.576e6, "final_run", by="DeepSeek", year=2024)
    >>> final + Cost(1e8, "development", by="OpenAI", year=2023)
    Traceback (most recent call last):
    ...
    costmodel.foundation.errors.InputError: costs of different scopes cannot be added: final_run and development; \
convert the final run with development_cost(...)
    """

    usd: float
    """Amount, or its median [USD]."""
    scope: str
    """"final_run" or "development"."""
    scope_reason: str = ""
    """Why the cost has this scope."""
    by: str = ""
    """Author of the amount."""
    basis: str = ""
    """How it was computed: rental, amortized, grant, stated, estimated."""
    year: int | None = None
    """Year of the dollars: the year of publication."""
    low: float | None = None
    """Lower bound, where the source gives one [USD]."""
    high: float | None = None
    """Upper bound, where the source gives one [USD]."""
    circular: bool = False
    """Whether the authors computed it from other figures, such as GPU-hours times an assumed price."""
    source: str = ""
    """Source of the amount."""
    spread: Range | None = None
    """Distribution of an estimated amount [USD]."""

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(f"scope: must be {' or '.join(SCOPES)}; got {self.scope!r}")
        if not (math.isfinite(self.usd) and self.usd >= 0):
            raise InputError(f"usd: must be a finite number of dollars, at least 0; got {self.usd!r}")

    def draws(self, count: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
        """Return draws of the amount.

        Parameters
        ----------
        count : int
            Number of draws of the amount.
        seed : int
            Seed of the draws.

        Returns
        -------
        NDArray
            Draws, shape (count,) [USD].
        """
        import numpy as np

        check_draws(count)
        if self.spread is None:
            return np.full(count, self.usd)
        return draws(f"cost of {self.by} {self.basis} {self.usd!r}", self.spread, count, seed)

    def interval(self, level: float = DEFAULT_LEVEL) -> tuple[float, float]:
        """Return the central interval of the amount.

        Parameters
        ----------
        level : float
            Probability inside the interval; above 0 and below 1 [1].

        Returns
        -------
        tuple[float, float]
            Lower and upper end [USD].
        """
        check_level(level)
        if self.spread is None:
            return self.usd, self.usd
        return self.spread.quantile((1 - level) / 2), self.spread.quantile((1 + level) / 2)

    @checked("other", "across_scopes")
    def ratio(self, other: Cost, across_scopes: bool = False) -> float:
        """Return this cost divided by another cost.

        Parameters
        ----------
        other : Cost
            Cost to compare with.
        across_scopes : bool
            Whether costs of different scopes may be compared.

        Returns
        -------
        float
            Ratio [1].

        Raises
        ------
        InputError
            If the scopes differ and `across_scopes` is False, or the other cost is 0.
        """
        if not across_scopes:
            check_scopes((self, other), "compared", "pass across_scopes=True to compare them")
        if not other.usd > 0:
            raise InputError(f"other: must be above 0 USD for a ratio; got {other.usd:g} USD")
        return self.usd / other.usd

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        check_scopes((self, other), "added", "convert the final run with development_cost(...)")
        usd = self.usd + other.usd
        spread = None
        if self.spread is not None or other.spread is not None:
            spread = samples((self.draws() + other.draws()).tolist())
            usd = spread.median()
        by = " and ".join(dict.fromkeys(cost.by for cost in (self, other) if cost.by))
        source = " ; ".join(dict.fromkeys(cost.source for cost in (self, other) if cost.source))
        year = self.year if self.year == other.year else None
        circular = self.circular or other.circular
        return Cost(usd, self.scope, by=by, basis="sum", year=year, circular=circular, source=source, spread=spread)

    def __radd__(self, other: Any) -> Cost:
        return self if other == 0 else NotImplemented  # sum() starts from 0

    def __lt__(self, other: Cost) -> bool:
        if not isinstance(other, Cost):
            return NotImplemented
        return self.ratio(other) < 1

    def __str__(self) -> str:
        return f"{self.shown()}, {self.scope.replace('_', ' ')}" + (f" ({self.by})" if self.by else "")

    def shown(self) -> str:
        """Return the amount as text, with its interval or its bound."""
        usd = amount(self.usd, "USD")
        if self.spread is not None:
            low, high = self.interval()
            return f"{usd} ({amount(low, 'USD')} to {amount(high, 'USD')})"
        if self.low is not None and self.high is None:
            return f"above {amount(self.low, 'USD')}"
        if self.high is not None and self.low is None:
            return f"below {amount(self.high, 'USD')}"
        return usd


def check_scopes(costs: tuple[Cost, ...], verb: str, remedy: str) -> None:
    """Check that all costs have the same scope.

    Parameters
    ----------
    costs : tuple[Cost, ...]
        Costs to check.
    verb : str
        Operation that needs one scope, for the message: "added" or "compared".
    remedy : str
        How to fix the call, for the message.

    Raises
    ------
    InputError
        If the costs have different scopes.
    """
    scopes = list(dict.fromkeys(cost.scope for cost in costs))
    if len(scopes) > 1:
        raise InputError(f"costs of different scopes cannot be {verb}: {' and '.join(scopes)}; {remedy}")
