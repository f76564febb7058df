"""Formulas of renting against owning: break-even utilization, levelized rent and payback of a purchase.

All take numbers or arrays over draws, per accelerator. With F the cost of a calendar hour without electricity, e the
electricity of an hour with a job, s the share of it that an idle hour draws, and R the rent of an hour:

    owned hour with a job    F / u + e (1 + s (1 - u) / u)
    break-even utilization   (F + e s) / (R - e (1 - s)), none if R ≤ e (1 - s)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.market.owned_costs import YEAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HOURS_PER_YEAR = YEAR / 3600
LONGEST = 50.0
"""Years after which a purchase that has not paid back counts as never doing so [year]."""
_STEPS = 60
_TINY = 1e-9


class Hour(NamedTuple):
    """The cost of owning an accelerator, arrays over draws."""

    fixed: Array
    """Cost of a calendar hour without electricity [USD]."""
    electricity: Array
    """Electricity of an hour with a job [USD]."""
    idle_share: Array
    """Electricity of an idle hour over that of an hour with a job [1]."""
    hardware: Array
    """Purchase of the hardware [USD]."""
    operation: Array
    """Cost of a calendar hour without the hardware and its interest, and without electricity [USD]."""
    growth: Array
    """Cost of capital as a continuous rate per year [1]."""

    def owned(self, utilization: Array | float) -> Array:
        """Return the cost of an hour with a job [USD].

        Parameters
        ----------
        utilization : float or array
            Share of the hours with a job [1].
        """
        idle = self.idle_share * (1 - utilization) / utilization
        return self.fixed / utilization + self.electricity * (1 + idle)

    def break_even(self, rent: Array) -> Array:
        """Return the utilization from which owning costs less than renting [1]; infinite if there is none.

        Parameters
        ----------
        rent : array
            Rent of an hour [USD].
        """
        saved = rent - self.electricity * (1 - self.idle_share)
        needed = self.fixed + self.electricity * self.idle_share
        return np.where(saved > 0, needed / np.where(saved > 0, saved, 1.0), np.inf)

    def payback(self, rent: Array, utilization: Array, decline: Array) -> Array:
        """Return the years after which the saved rent has paid the hardware with interest; infinite if never.

        The value that the hardware still has is not counted.

        Parameters
        ----------
        rent : array
            Rent of an hour at the start [USD].
        utilization : array
            Share of the hours with a job [1].
        decline : array
            Yearly decline of ln(rent) [1].
        """
        idle = self.idle_share * (1 - utilization)
        paid = HOURS_PER_YEAR * (self.operation + self.electricity * (utilization + idle))
        avoided = HOURS_PER_YEAR * utilization * rent

        def saved(years: Array) -> Array:
            return avoided * annuity(self.growth + decline, years) - paid * annuity(self.growth, years)

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            last = np.where((decline > 0) & (avoided > paid), np.log(avoided / paid) / decline, LONGEST)
        high = np.where(avoided > paid, np.clip(np.nan_to_num(last, nan=LONGEST), 0, LONGEST), 0.0)
        reached = saved(high) >= self.hardware
        low = np.zeros_like(high)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            enough = saved(middle) >= self.hardware
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(reached, high, np.inf)


def annuity(rate: Array | float, years: Array | float) -> Array:
    """Return the present value of 1 a year, paid continuously, at a continuous rate [year].

    Parameters
    ----------
    rate : float or array
        Rate per year [1].
    years : float or array
        Duration [year].
    """
    rate, years = np.asarray(rate, dtype=float), np.asarray(years, dtype=float)
    small = np.abs(rate) < _TINY
    safe = np.where(small, 1.0, rate)
    return np.asarray(np.where(small, years, -np.expm1(-safe * years) / safe))


def levelized_rent(rent: Array, decline: Array, growth: Array, years: Array) -> Array:
    """Return the constant rent with the present value of a falling one [USD].

    Parameters
    ----------
    rent : array
        Rent of an hour at the start [USD].
    decline : array
        Yearly decline of ln(rent) [1].
    growth : array
        Cost of capital as a continuous rate per year [1].
    years : array
        Life of the hardware [year].
    """
    return rent * annuity(growth + decline, years) / annuity(growth, years)
