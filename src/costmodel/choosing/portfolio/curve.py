"""The price of independence: cost by the cap on the share of a provider, the share of open weights, or places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation import rendering
from costmodel.foundation.currencies import Priced

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.choosing.portfolio.question import PortfolioShocks


_TITLES = {
    "provider_cap": "cap on the share of any provider",
    "open_weights_share": "least share of open weights",
    "locations": "places in which requests may be processed",
    "seats": "countries in which providers may have their seat",
    "barred_seats": "countries in which no provider may have its seat",
}
_NAME = 20
"""Width of a value in the table [character]; longer ones are cut."""


class IndependencePoint(NamedTuple):
    """The cheapest mix at a value of a constraint; None where there is no mix, or no scenarios."""

    value: float | tuple[str, ...]
    """Cap or share [1], or codes of places."""
    usd_per_month: float | None
    """Cost at the prices of today [USD]."""
    expected_usd: float | None
    """Expected cost over the horizon [USD]."""
    cvar_usd: float | None
    """Mean cost over the horizon in the dearest scenarios [USD]."""
    largest_share: float | None
    """Largest share of a provider of the requests, without replicas that have none [1]."""
    missing: str
    """Why there is no mix."""

    @property
    def label(self) -> str:
        """The value as text."""
        if isinstance(self.value, tuple):
            return ", ".join(self.value) or "none"
        return f"{self.value:.0%}"


class IndependenceCurve(Priced):
    """Cost by the value of a constraint; see `Portfolio.independence`."""

    _width = rendering.WIDTH
    _money = ("usd_per_month", "expected_usd", "cvar_usd", "price_usd_per_month")

    def __init__(self, field: str, points: tuple[IndependencePoint, ...], shocks: PortfolioShocks, cap_of: str) -> None:
        self.field = field
        self.points = points
        self.shocks = shocks
        self.cap_of = cap_of

    @property
    def cheapest_usd(self) -> float | None:
        """Lowest cost per month of all points [USD]; None if none has a mix."""
        return min((each.usd_per_month for each in self.points if each.usd_per_month is not None), default=None)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per value: the fields of `IndependencePoint`, and the price above the cheapest point."""
        least = self.cheapest_usd
        return [
            point._asdict()
            | {
                "value": point.label if isinstance(point.value, tuple) else point.value,
                "price_usd_per_month": None
                if point.usd_per_month is None or least is None
                else _above(point.usd_per_month, least),
            }
            for point in self.points
        ]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows` as a pandas DataFrame, indexed by the value."""
        return rendering.data_frame(self.rows(), index="value")

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain data."""
        return {
            "field": self.field,
            "cap_of": self.cap_of,
            "horizon_months": self.shocks.horizon_months,
            "cvar_level": self.shocks.level,
            "points": self.rows(),
        }

    def title(self) -> str:
        """Return the headline."""
        return f"The price of independence: cost by the {_TITLES[self.field]}"

    def _cells(self) -> list[dict[str, str]]:
        return [
            {
                self.field: rendering.shortened(point.label, _NAME),
                f"{rendering.money_sign()}/month": _usd(row["usd_per_month"]),
                "price/month": _usd(row["price_usd_per_month"]),
                "expected": _usd(row["expected_usd"]),
                f"CVaR {self.shocks.level:.0%}": _usd(row["cvar_usd"]),
                "largest share": "-" if row["largest_share"] is None else f"{row['largest_share']:.0%}",
            }
            for point, row in zip(self.points, self.rows(), strict=True)
        ]

    def notes(self) -> list[str]:
        """Return what the columns mean, and for which values there is no mix."""
        lines = [f"{point.label}: no mix: {point.missing}" for point in self.points if point.missing]
        about = ["price: above the cheapest row"]
        if any(point.expected_usd is not None for point in self.points):
            months, scenarios = self.shocks.horizon_months, self.shocks.scenarios
            about.append(f"expected, CVaR: over {months:g} months, {scenarios:,} scenarios")
        if self.field == "provider_cap":
            about.append(f"the cap is a share of {self.cap_of}; replicas count for their provider, if they have one")
        return [*lines, "; ".join(about)]

    def _title(self) -> str:
        return self.title()

    def _footer(self) -> str:
        return "\n".join(self.notes())


def _above(usd: float, least: float) -> float:
    """Return the excess over the lowest cost; 0 where it is rounding [USD]."""
    return usd - least if usd > least * (1 + 1e-9) else 0.0


def _usd(value: float | None) -> str:
    return "-" if value is None else rendering.amount(value, "USD") if value else "0"
