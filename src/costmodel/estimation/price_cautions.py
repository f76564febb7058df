"""Cautions of a rental price: its region, interruptions of spot accelerators, and commitments."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario


def price_cautions(scenario: Scenario) -> list[str]:
    """Return what limits the validity of the price of a scenario, one line each.

    Parameters
    ----------
    scenario : Scenario
    """
    caution = scenario.prices.caution(scenario.cluster)
    return [caution] if caution else []
