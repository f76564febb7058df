"""The cheapest accelerators for a run on a day: listed prices, and speeds of the calibrated step-time model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.foundation.errors import CostModelError
from costmodel.market.gpu_prices import traced_by_accelerator
from costmodel.market.owned import Ownership

if TYPE_CHECKING:
    import datetime as dt

    from costmodel.estimation.scenario import Scenario

FIXED_SPEED = ("gpu_hours", "step_time", "tokens_per_second")
"""Fields that state the speed of a run on its own accelerators."""
_PREDICTED = {"mfu": None, "realized_efficiency": None, "layout": None}


class Choice(NamedTuple):
    """A run on the accelerators that cost least on a day."""

    estimate: Estimate
    considered: int
    """Accelerators that were compared."""


def comparable(scenario: Scenario) -> str:
    """Return why other accelerators cannot be compared for a run, or "".

    Parameters
    ----------
    scenario : Scenario
        The run.
    """
    if isinstance(scenario.prices, Ownership):
        return "the hardware is owned"
    if scenario.prices.price is not None:
        return "prices.price is given, so prices of other accelerators are not comparable"
    given = [name for name in FIXED_SPEED if getattr(scenario, name) is not None]
    return f"{given[0]} is given for these accelerators only" if given else ""


def cheapest(scenario: Scenario, on: dt.date) -> Choice:
    """Return the run on the accelerators with the lowest cost on a day.

    Other accelerators count if their price on that day is listed, not a proxy, and the calibrated step-time model plans
    a layout for the same number of them. The comparison is at the medians.

    Parameters
    ----------
    scenario : Scenario
        The run on its own accelerators, at the prices of the day.
    on : datetime.date
        Day of the prices.

    Raises
    ------
    CostModelError
        If the cost on the own accelerators is not known, and no others count.
    """
    own, problem = _own(scenario)
    found = [] if own is None else [own]
    if not comparable(scenario):
        names = sorted(traced_by_accelerator().keys() - {scenario.cluster.accelerator.name})
        found += [other for name in names if (other := _on(scenario, name, on)) is not None]
    if not found:
        assert problem is not None
        raise problem
    return Choice(min(found, key=lambda each: float(each.cost.magnitude)), len(found))


def _own(scenario: Scenario) -> tuple[Estimate | None, CostModelError | None]:
    """Return the run on its own accelerators, or why its cost is not known."""
    try:
        own = estimate(scenario)
        own.draws("cost", 100)
    except CostModelError as error:
        return None, error
    return own, None


def worded(scenario: Scenario, same: bool, considered: int) -> tuple[str, str]:
    """Return the title of a projection of a run, which says its question, and what its costs rest on.

    Parameters
    ----------
    scenario : Scenario
        The run.
    same : bool
        Whether the hardware stays the same.
    considered : int
        Largest number of accelerators that were compared [1].
    """
    name, owned = scenario.name or scenario.architecture.name, isinstance(scenario.prices, Ownership)
    if same:
        title = f"{name}: the same run on the same hardware, at the {'purchase' if owned else 'rental'} prices "
        ahead_by = "trend of purchase prices" if owned else "rental price forecast"
        return title + "of each year", f"published prices to date, then {ahead_by}"
    title = f"{name}: the cheapest way to do this run in each year"
    if reason := comparable(scenario):
        return title, f"same hardware to date ({reason}), then hardware price-performance"
    if considered < 2:
        return title, "no other accelerators with a listed price to date, then hardware price-performance"
    account = f"cheapest of up to {considered} kinds of accelerators with a listed price to date, then hardware "
    return title, account + "price-performance"


def _on(scenario: Scenario, accelerator: str, on: dt.date) -> Estimate | None:
    """Return the run on other accelerators, or None if they do not count."""
    moved = {"cluster.accelerator": accelerator, "prices.on": on, "layout": None}
    try:
        if estimate(scenario.replace({**moved, **_PREDICTED})).basis != "planned":
            return None
        other = estimate(scenario.replace(moved))
        other.draws("cost", 100)
    except CostModelError:
        return None
    return None if other.note("cost") else other
