"""Cautions of a rental price: its region, interruptions that the goodput does not contain, and commitments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.rendering import amount
from costmodel.market.commitments import TERMS
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.speed import Basis


def price_cautions(scenario: Scenario, basis: Basis, wall_time: float | None) -> list[str]:
    """Return what limits the validity of the price of a scenario, one line each.

    Parameters
    ----------
    scenario : Scenario
    basis : Basis
        Origin of the speed.
    wall_time : float or None
        Duration of the run, if it is known [s].
    """
    prices = scenario.prices
    lines = [prices.caution(scenario.cluster)]
    if prices.interruptible and basis == "class" and scenario.goodput is None:
        lines.append(
            "the goodput is the default of the class of model and accelerator, without interruptions of spot instances "
            "(set goodput)"
        )
    if wall_time is not None and isinstance(prices, Rental):
        lines.append(_commitment(prices, wall_time))
    return [line for line in lines if line]


def _commitment(prices: Rental, wall_time: float) -> str:
    """Return a line where a run pays its own time of a longer commitment only."""
    term = TERMS.get(prices.looked_up_model)
    if term is None or prices.commitment is not None or wall_time >= term * 86_400:
        return ""
    years = "one year" if prices.looked_up_model == "reserved_1y" else "three years"
    return (
        f"the run takes {amount(wall_time, 's')} of a commitment of {years} and is billed its own time (set "
        "prices.commitment to bill all of it)"
    )
