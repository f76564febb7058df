"""The price that was used, in a line, and its cautions: age, region, interruptions, commitments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from costmodel.foundation.rendering import amount
from costmodel.market.commitments import TERMS
from costmodel.market.dated import today
from costmodel.market.gpu_prices import NOTED_AFTER, vintage
from costmodel.market.owned import Ownership
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.estimation.speed import Basis
    from costmodel.foundation.tables import Figure, Provenance


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


def price_line(prices: object, price: Figure) -> str:
    """Return which price of a GPU-hour was used, in a line: amount, day and origin, or that it is given or owned.

    Parameters
    ----------
    prices : object
        Prices of the scenario.
    price : Figure
        The price [USD/hour].
    """
    provenance, said = price.provenance, f"price {amount(price.value, 'USD')} per GPU-hour"
    if isinstance(prices, Ownership):
        return f"{said}: {provenance.note}"
    if provenance.kind == "given":
        how = "given" if price.spread is None else "median of the given range"
        return f"{said}: {', '.join(filter(None, (how, provenance.note)))}"
    said += f" of {provenance.as_of}" if provenance.as_of else ""
    proxy = provenance.kind == "assumed" and provenance.caution  # the caution names the origin
    said += ": proxy" if proxy else f": {provenance.note}" if provenance.note else ""
    if not isinstance(prices, Rental) or prices.convention == "published":
        return said
    return f"{said}; newest price in the table: {vintage(prices.facts())}"


def age_caution(prices: object, provenance: Provenance) -> str:
    """Return a line if a price of the table is more than 90 days older than the day of pricing, or "".

    Parameters
    ----------
    prices : object
        Prices of the scenario; a rental may give the day, which is today otherwise.
    provenance : Provenance
        Origin of the price. One that has a caution already, such as an age above a year, needs no further line.
    """
    if provenance.kind != "looked up" or provenance.caution or not isinstance(prices, Rental):
        return ""
    day = prices.on or today()
    age = day - dt.date.fromisoformat(provenance.as_of)
    if age <= NOTED_AFTER:
        return ""
    old = f"the newest price is of {provenance.as_of}, {age.days:,} days before {day}"
    return f"{old} (costmodel data refresh adds newer prices)"


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
