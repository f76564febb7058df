"""`rent_or_own`: from which utilization, and after how many years, owned accelerators cost less than rented ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.checks import seed_problems
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Range
from costmodel.foundation.tables import Figure
from costmodel.hardware.cluster import Cluster
from costmodel.market.levelized import Levelized
from costmodel.market.owned import Ownership
from costmodel.market.rental import Rental
from costmodel.planning.rent_or_own_result import RentOrOwn

if TYPE_CHECKING:
    from costmodel.foundation.fields import RangeLike

_DECLINE = Measure("1")
_STEEPEST = 5.0
"""Largest yearly change of ln(rent) that is accepted [1]."""


def rent_or_own(
    of: Scenario | Cluster | Mapping[str, object],
    *,
    rent: Rental | Mapping[str, object] | None = None,
    own: Ownership | Mapping[str, object] | None = None,
    rent_decline: RangeLike = 0.0,
    seed: int = 0,
) -> RentOrOwn:
    """Compare renting with owning: an hour of an accelerator, the break-even utilization, and the years to pay back.

    Rented accelerators are paid while they are used. Owned ones are paid for their whole life, and their idle hours
    are borne by the others (`Ownership.utilization`).

    Parameters
    ----------
    of : Scenario, Cluster or Mapping
        A run, or a fleet of accelerators at a site. Of a run, its accelerators and site, the power of its job, and
        its prices as `rent` or `own`.
    rent : Rental or Mapping, optional
        The price of a GPU-hour. Default: that of the run, or the market price on demand.
    own : Ownership or Mapping, optional
        What owning costs. Default: that of the run, or dated defaults.
    rent_decline : float, Range or str
        Yearly decline of ln(rental price) over the life of the hardware [1]. Default: prices stay.
    seed : int
        Seed of the draws.

    Returns
    -------
    RentOrOwn
        Figures with intervals, and curves by utilization and by years of life.

    Raises
    ------
    InputError
        If an argument is invalid.
    MissingFactError
        If a price is not known.

    Examples
    --------
    >>> import costmodel as cm
    >>> fleet = cm.Cluster("H100-SXM", 512)
    >>> result = cm.rent_or_own(fleet, rent=cm.Rental(price=3), own=cm.Ownership(purchase_price=30_000))
    >>> 0.3 < result.break_even_utilization < 1.0
    True
    """
    if not isinstance(of, (Scenario, Cluster, Mapping)):
        raise InputError(f"of: must be a Scenario, a Cluster or its fields; got {type(of).__name__}")
    run = of if isinstance(of, Scenario) else None
    cluster = of.cluster if isinstance(of, Scenario) else of if isinstance(of, Cluster) else Cluster.from_data(of)
    rental = _rental(rent, run)
    ownership = _ownership(own, run)
    try:
        decline = _DECLINE.validate(rent_decline)
    except InputError as error:
        raise InputError([f"rent_decline: {problem}" for problem in error.problems]) from None
    ends = (decline.quantile(0.01), decline.quantile(0.99)) if isinstance(decline, Range) else (decline,)
    if max(map(abs, ends)) > _STEEPEST:
        raise InputError(f"rent_decline: must be at most {_STEEPEST:g} a year up or down; got {rent_decline!r}")
    if problems := seed_problems(seed):
        raise InputError(problems)
    result = None if run is None else estimate(run.replace(seed=seed))
    power = None if result is None else _power(result)
    owned = Levelized(ownership, cluster.accelerator, cluster.site, seed, power)
    costs = {} if run is None else _conventions(run.replace(seed=seed), rental, ownership)
    return RentOrOwn(cluster, owned, rental.price_of(cluster), decline, costs)


def _rental(rent: Any, run: Scenario | None) -> Rental:
    if isinstance(rent, Rental):
        return rent
    if isinstance(rent, Mapping):
        return Rental.from_data(rent)
    if rent is not None:
        raise InputError(f"rent: must be a Rental or its fields; got {type(rent).__name__}")
    return run.prices if run is not None and isinstance(run.prices, Rental) else Rental()


def _ownership(own: Any, run: Scenario | None) -> Ownership:
    if isinstance(own, Ownership):
        return own
    if isinstance(own, Mapping):
        return Ownership.from_data(own)
    if own is not None:
        raise InputError(f"own: must be an Ownership or its fields; got {type(own).__name__}")
    return run.prices if run is not None and isinstance(run.prices, Ownership) else Ownership()


def _power(result: Estimate) -> Figure | None:
    """Return the wall power per accelerator of a job [W], if it is known."""
    entry = result.inputs.get("site.power_per_gpu")
    if entry is None:
        return None
    spread: Range | None = entry.spread
    return Figure(entry.value, spread, entry.provenance)


def _conventions(run: Scenario, rental: Rental, ownership: Ownership) -> dict[str, Estimate]:
    """Return the estimates of a run in the three conventions of Cottier et al. 2024."""
    return {
        "run_rented": estimate(run.replace(prices=rental)),
        "run_amortized": estimate(run.replace(prices=ownership.replace(convention="amortized"))),
        "run_acquisition": estimate(run.replace(prices=ownership.replace(convention="acquisition"))),
    }
