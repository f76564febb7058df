"""Cautions of a rental price: its region, and interruptions that the goodput does not contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.speed import Basis


def price_cautions(scenario: Scenario, basis: Basis) -> list[str]:
    """Return what limits the validity of the price of a scenario, one line each.

    Parameters
    ----------
    scenario : Scenario
    basis : Basis
        Origin of the speed.
    """
    prices = scenario.prices
    lines = [prices.caution(scenario.cluster)]
    if prices.interruptible and basis == "class" and scenario.goodput is None:
        lines.append(
            "the goodput is the default of the class of model and accelerator, without interruptions of spot instances "
            "(set goodput)"
        )
    return [line for line in lines if line]
