"""Scenarios of a portfolio: shocks drawn from measured price changes, retirements and losses of access.

Until the day of a scenario the mix of today runs at the prices of today. On that day all its shocks arrive: list prices
change, models are retired, and all providers of a country can be lost. After the time of switching the mix is optimized
again where this pays: requests that move to another model cost the price of switching.

A retired model has a successor at its price and quality, but moving to it costs as much as to any other. Retirements
have notice, so no request waits. Requests of a lost provider are not served until they move; each does a damage. Where
the caps on shares would leave requests unserved, they are given up. Without recourse nothing moves but to successors.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.portfolio.program import Mix, Move, Program
from costmodel.foundation.ranges import Range, beta, draws
from costmodel.foundation.tables import constant, default, table
from costmodel.market.dated import today

_DAYS_PER_MONTH = 365.25 / 12
_SMALL = 1e-6
"""Shares below this are rounding [1]."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.choosing.portfolio.offers import Offers
    from costmodel.choosing.portfolio.question import PortfolioShocks

    Array = NDArray[np.float64]
    Marks = NDArray[np.bool_]


class Scenarios(NamedTuple):
    """Shocks by scenario, shape (scenarios,) or (scenarios, options)."""

    months: Array
    """Month of the shocks, from the start of the horizon [1]."""
    factors: Array
    """Prices of requests after the shocks over those before [1]."""
    retired: Marks
    lost: Marks
    switching_usd: Array
    """[USD]"""
    switching_months: Array
    """[1]"""

    def at(self, place: int) -> Scenarios:
        """Return a single scenario.

        Parameters
        ----------
        place : int
            Its number, from 0.
        """
        return Scenarios(*(each[place] for each in self))


class Outcomes(NamedTuple):
    """Costs over the horizon by scenario [USD], and the share of its requests that is not served [1]."""

    usd: Array
    held_usd: Array
    """Cost if the plan is held."""
    unserved: Array
    moved: Array
    """Share of the requests that moves to another option [1]."""


@lru_cache(maxsize=1)
def measured_factors() -> tuple[float, ...]:
    """Return the measured changes of list prices, new price over old [1]: the geometric mean of input and output.

    Names that may stand for another model are left out, and models of a provider that change alike count once.
    """
    found = {}
    for row in table("prices/api_changes").rows:
        ratios = [float(row[f"{kind}_after"]) / float(row[f"{kind}_before"]) for kind in ("input", "output")]
        key = (row["provider"], row["from_version"], row["to_version"], *(round(ratio, 3) for ratio in ratios))
        if row["alias"] == "no":
            found[key] = math.sqrt(ratios[0] * ratios[1])
    return tuple(sorted(found.values()))


def retirement_months(offers: Offers, shocks: PortfolioShocks) -> Array:
    """Return the month in which each option retires on a known day; infinite for others [1].

    Parameters
    ----------
    offers : Offers
    shocks : PortfolioShocks
    """
    start = shocks.start or today()
    days = [None if option.retires is None else (option.retires - start).days for option in offers.options]
    return np.array([np.inf if each is None else each / _DAYS_PER_MONTH for each in days])


def drawn_scenarios(offers: Offers, shocks: PortfolioShocks, seed: int) -> Scenarios:
    """Return the shocks of all scenarios.

    Draws depend on the seed and the names of options and countries only, so two questions share their scenarios.

    Parameters
    ----------
    offers : Offers
    shocks : PortfolioShocks
    seed : int
    """
    count, years = shocks.scenarios, shocks.horizon_months / 12
    steps = np.array(shocks.price_factors or measured_factors())
    shape = (count, len(offers.options))
    factors, retired, lost = np.ones(shape), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    changing, retiring, losing = (
        1 - np.exp(-_drawn(shocks, name, count, seed) * years)
        for name in ("price_changes_per_year", "retirements_per_year", "access_losses_per_year")
    )
    for place, option in enumerate(offers.options):
        if not option.hosted:
            continue
        changes = _uniform(f"{option.title}.change", count, seed) < changing
        drawn = steps[(_uniform(f"{option.title}.factor", count, seed) * len(steps)).astype(int)]
        factors[:, place] = np.where(changes, drawn, 1.0)
        if option.retires is None:
            retired[:, place] = _uniform(f"{option.title}.retired", count, seed) < retiring
        seat = offers.places[place].seat or offers.providers[place]
        if seat not in shocks.home_seats:
            lost[:, place] = _uniform(f"{seat}.lost", count, seed) < losing
    return Scenarios(
        months=_uniform("month", count, seed) * shocks.horizon_months,
        factors=factors,
        retired=retired,
        lost=lost,
        switching_usd=_drawn(shocks, "switching_usd", count, seed),
        switching_months=_drawn(shocks, "switching_months", count, seed),
    )


def _uniform(key: str, count: int, seed: int) -> Array:
    """Return uniform draws from 0 to 1."""
    return np.minimum(draws(f"portfolio.{key}", beta(1.0, 1.0), count, seed), 1 - 1e-12)


def _drawn(shocks: PortfolioShocks, name: str, count: int, seed: int) -> Array:
    """Return draws of a rate, a time or a cost: as given, or of its default."""
    value = getattr(shocks, name)
    spread = default(name).spread if value is None else value
    return (
        draws(f"portfolio.{name}", spread, count, seed)
        if isinstance(spread, Range)
        else np.full(count, float(spread or 0.0))
    )


def unserved_usd(offers: Offers) -> Array:
    """Return the damage of a request that is not served, by workload [USD].

    Parameters
    ----------
    offers : Offers
    """
    replicas = offers.full_replicas * offers.usd_per_replica / offers.volumes[:, None]
    typical = np.nanmedian(np.where(offers.missing, np.nan, offers.usd_per_request + replicas), axis=1)
    factor = constant("unserved_request_factor")
    given = [workload.unserved_usd for workload in offers.workloads]
    return np.array([
        factor * price if usd is None else usd for usd, price in zip(given, typical, strict=True)
    ])  # fmt: skip


def outcomes_of(
    mix: Mix, programs: Sequence[Program], scenarios: Scenarios, shocks: PortfolioShocks, retirements: Array
) -> Outcomes:
    """Return the cost over the horizon in every scenario.

    Parameters
    ----------
    mix : Mix
        The mix of today.
    programs : sequence of Program
        Programs after the shocks: the first that serves all requests counts, else the last.
    scenarios : Scenarios
    shocks : PortfolioShocks
    retirements : NDArray
        Month of the known retirement of each option; infinite for others, shape (options,) [1].
    """
    count = len(scenarios.months)
    usd, held, unserved, moved = (np.zeros(count) for _ in range(4))
    damage = unserved_usd(programs[0].offers)
    for place in range(count):
        each = _Scenario(mix, programs, scenarios.at(place), shocks.horizon_months, damage, retirements)
        held[place], unserved[place] = each.held()
        usd[place] = held[place]
        if shocks.recourse and each.changes:
            new, missing, share = each.moved()
            if new < held[place]:
                usd[place], unserved[place], moved[place] = new, missing, share
    return Outcomes(usd, held, unserved, moved)


class _Scenario:
    """One scenario: the mix of today until its shocks, the time of switching, and what follows."""

    def __init__(
        self,
        mix: Mix,
        programs: Sequence[Program],
        shock: Scenarios,
        horizon: float,
        damage: Array,
        retirements: Array,
    ) -> None:
        self.mix, self.programs, self.shock, self.horizon, self.damage = mix, programs, shock, horizon, damage
        self.offers = programs[0].offers
        self.month = float(shock.months)
        self.end = min(self.month + float(shock.switching_months), horizon)
        self.early = ~shock.lost & (retirements <= self.end)
        self.retired = ~shock.lost & ~self.early & (shock.retired | (retirements < horizon))

    @property
    def changes(self) -> bool:
        """Whether anything happens that can make another mix better, in time to move."""
        return self.end < self.horizon and bool(
            (self.shock.factors != 1).any() or self.shock.lost.any() or self.retired.any()
        )

    def held(self) -> tuple[float, float]:
        """Return the cost of the mix until the end of the horizon, and the share of requests not served."""
        usd, waiting = self._first()
        later, idle = self._months(self.horizon - self.end)
        successors = float(self.mix.shares[:, self.retired].sum()) if self.end < self.horizon else 0.0
        usd += later + float(self.shock.switching_usd) * successors
        return usd, (waiting + idle) / self.horizon

    def moved(self) -> tuple[float, float, float]:
        """Return the cost with the best mix after switching, the share not served, and the share that moves."""
        usd, waiting = self._first()
        months = self.horizon - self.end
        shock = self.shock
        move = Move(self.mix, shock.factors, shock.lost, self.retired, months, float(shock.switching_usd), self.damage)
        mix, later = self._best(move)
        volumes = self.offers.volumes
        idle = float((volumes * np.maximum(1 - mix.shares.sum(axis=1), 0.0)).sum() / volumes.sum())
        idle = idle if idle > _SMALL else 0.0
        new = np.maximum(mix.shares - self.mix.shares, 0.0).sum(axis=1)
        share = float((volumes * new).sum() / volumes.sum())
        return usd + later, (waiting + idle * months) / self.horizon, share

    def _best(self, move: Move) -> tuple[Mix, float]:
        for program in self.programs:
            if (found := program.after(move)) is not None:
                return found
        found = self.programs[-1].after(move, unserved=True)
        assert found is not None  # leaving all requests unserved is allowed
        return found

    def _first(self) -> tuple[float, float]:
        """Return the cost until the end of switching, and the months of requests not served."""
        waited, idle = self._months(self.end - self.month)
        successors = float(self.mix.shares[:, self.early].sum())
        return self.month * self.mix.usd_per_month + waited + float(self.shock.switching_usd) * successors, idle

    def _months(self, months: float) -> tuple[float, float]:
        """Return the cost of the mix of today at the new prices, and the months of requests not served.

        A request that is not served costs its damage, or its price if that is higher.
        """
        lost, factors = self.shock.lost, self.shock.factors
        usd = float(self.mix.cost(self.offers, factors).sum())
        if not lost.any():
            return months * usd, 0.0
        volumes = self.offers.volumes
        requests = volumes[:, None] * self.mix.shares[:, lost]
        billed = requests * self.offers.usd_per_request[:, lost] * factors[lost]
        damage = float(np.maximum(requests * self.damage[:, None] - billed, 0.0).sum())
        return months * (usd + damage), months * float(requests.sum() / volumes.sum())


def cvar(usd: Array, level: float) -> float:
    """Return the conditional value at risk: the mean of the dearest share 1 − level of the scenarios [USD].

    Parameters
    ----------
    usd : NDArray
        Cost by scenario [USD].
    level : float
        Level [1].

    References
    ----------
    Rockafellar and Uryasev 2000, Optimization of conditional value-at-risk. The
    scenario at the quantile counts in part.

    Examples
    --------
    >>> cvar(np.array([1.0, 2.0, 3.0, 4.0]), 0.5), cvar(np.array([1.0, 2.0, 3.0, 4.0]), 0.0)
    (3.5, 2.5)
    """
    ordered = np.sort(usd)[::-1]
    share = (1 - level) * len(ordered)
    weights = np.clip(share - np.arange(len(ordered)), 0.0, 1.0)
    return float((ordered * weights).sum() / weights.sum())
