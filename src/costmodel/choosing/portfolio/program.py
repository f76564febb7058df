"""The cheapest mix as a mixed-integer linear program: shares are continuous, replicas are whole.

    least  Σ V u x + Σ P N + Σ F y      u price of a request, P of a replica, F fixed cost of an option that is used
    with   Σ x + z = 1                  of each workload; z is not served, 0 unless a price for it is given
           Σ n x ≤ N ≤ M y              n replicas that the whole workload needs
           and the inequalities of the rules

In a scenario each share splits into what the present mix serves already and what moves, which costs more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.choosing.portfolio.offers import Offers
    from costmodel.choosing.portfolio.rules import Rule

    Array = NDArray[np.float64]
    Marks = NDArray[np.bool_]

_GAP = 1e-9
"""Relative gap between the best mix and its bound at which the search ends [1]."""
_SMALL = 1e-9
"""Shares below this are rounding [1]."""


class Mix(NamedTuple):
    """Shares of workloads by option, shape (workloads, options), replicas, shape (options,), and their cost."""

    shares: Array
    replicas: Array
    usd_per_month: float

    def cost(self, offers: Offers, factors: Array | float = 1.0) -> Array:
        """Return the cost per month by option, with the prices of requests times factors, shape (options,) [USD].

        Parameters
        ----------
        offers : Offers
        factors : NDArray or float
            Price of a request over that of the offers, by option [1].
        """
        requests: Array = (offers.volumes[:, None] * self.shares * offers.usd_per_request).sum(axis=0) * factors
        used = self.replicas > 0
        return requests + self.replicas * offers.usd_per_replica + used * offers.usd_fixed


class Move(NamedTuple):
    """What a new mix starts from: prices, options that are lost or retired, and the mix that is served already."""

    present: Mix
    factors: Array
    """Prices of requests over those of the offers, shape (options,) [1]."""
    lost: Marks
    """Options that are gone, shape (options,)."""
    retired: Marks
    """Options whose successors cost as much to move to as any other, shape (options,)."""
    months: float
    """Months over which the new mix is paid [1]."""
    switching_usd: float
    """Cost of moving a whole workload [USD]."""
    unserved_usd: Array
    """Damage of a request that is not served, by workload [USD]."""


class Program:
    """The program of a set of offers and rules, solved for the mix of today or for a scenario."""

    def __init__(self, offers: Offers, rules: Sequence[Rule]) -> None:
        self.offers = offers
        barred = offers.missing.copy()
        for rule in rules:
            barred |= rule.bars
        self.allowed = ~barred
        rows = [inequality for rule in rules for inequality in rule.inequalities]
        count = len(offers.options)
        self._own = np.flatnonzero(~offers.hosted)
        self._fixed = np.flatnonzero(~offers.hosted & (offers.usd_fixed > 0))
        owned = [self._own_row(int(place)) for place in self._own]
        self._shares = (
            np.stack([*(row.shares for row in rows), *owned]) if rows or owned else np.zeros((0, *self.allowed.shape))
        )
        replicas = np.zeros((len(rows) + len(owned), count))
        used = np.zeros_like(replicas)
        limits = np.zeros(len(rows) + len(owned))
        for place, row in enumerate(rows):
            replicas[place], used[place], limits[place] = row.replicas, row.used, row.limit
        for place, option in enumerate(self._own, start=len(rows)):
            replicas[place, option] = -1.0
        self._replicas, self._used, self._limits = replicas, used, limits
        self._groups = self._alike()
        self._most = np.ceil(offers.full_replicas.sum(axis=0)) + 1

    def _own_row(self, place: int) -> Array:
        shares = np.zeros(self.offers.full_replicas.shape)
        shares[:, place] = self.offers.full_replicas[:, place]
        return shares

    def cheapest(self) -> Mix | None:
        """Return the cheapest mix at the prices of the offers, or None if there is none."""
        pairs = np.argwhere(self.allowed)
        if len(np.unique(pairs[:, 0])) < len(self.offers.workloads):
            return None
        usd = self.offers.volumes[pairs[:, 0]] * self.offers.usd_per_request[pairs[:, 0], pairs[:, 1]]
        found = self._solved(pairs, usd, np.ones(len(pairs)), None, 1.0)
        return None if found is None else self._mix(pairs, found)

    def after(self, move: Move, unserved: bool = False) -> tuple[Mix, float] | None:
        """Return the best mix after shocks and its cost with that of moving [USD], or None if there is none.

        Parameters
        ----------
        move : Move
        unserved : bool
            Whether requests may stay unserved, at their damage.
        """
        allowed = self.allowed & ~move.lost
        if not unserved and not allowed.any(axis=1).all():
            return None
        usd = move.months * self.offers.volumes[:, None] * self.offers.usd_per_request * move.factors
        kept = np.argwhere(allowed & ~move.retired & (move.present.shares > _SMALL))
        new = self._undominated(np.argwhere(allowed), usd)
        pairs = np.concatenate([kept, new])
        prices = usd[pairs[:, 0], pairs[:, 1]]
        prices[len(kept) :] += move.switching_usd
        most = np.ones(len(pairs))
        most[: len(kept)] = move.present.shares[kept[:, 0], kept[:, 1]]
        damage = move.months * self.offers.volumes * move.unserved_usd if unserved else None
        found = self._solved(pairs, prices, most, damage, move.months)
        return None if found is None else (self._mix(pairs, found), found.usd)

    def _undominated(self, pairs: NDArray[np.int64], usd: Array) -> NDArray[np.int64]:
        """Return the pairs without those that cost more than another with the same coefficients in all rows."""
        groups, prices = self._groups[pairs[:, 0], pairs[:, 1]], usd[pairs[:, 0], pairs[:, 1]]
        order = np.lexsort((prices, groups))
        _, first = np.unique(groups[order], return_index=True)
        return pairs[np.sort(order[first])]

    def _alike(self) -> NDArray[np.int64]:
        """Return a number for each pair of workload and option: the same if the coefficients in all rows are."""
        rows, columns = self.allowed.shape
        numbers: dict[tuple[int, bytes], int] = {}
        groups = np.zeros((rows, columns), dtype=np.int64)
        for row in range(rows):
            for column in range(columns):
                key = (row, self._shares[:, row, column].tobytes())
                groups[row, column] = numbers.setdefault(key, len(numbers))
        return groups

    def _solved(
        self, pairs: NDArray[np.int64], usd: Array, most: Array, unserved: Array | None, months: float
    ) -> _Solution | None:
        """Return the solution over columns of shares, unserved shares, replicas and uses."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csc_array

        offers, own, fixed = self.offers, self._own, self._fixed
        count, workloads = len(pairs), len(offers.workloads)
        idle = 0 if unserved is None else workloads
        width = count + idle + len(own) + len(fixed)
        cost = np.concatenate([
            usd,
            np.zeros(0) if unserved is None else unserved,
            months * offers.usd_per_replica[own],
            months * offers.usd_fixed[fixed],
        ])  # fmt: skip
        first = count + idle
        matrix = np.zeros((workloads + len(self._limits) + len(fixed), width))
        matrix[pairs[:, 0], np.arange(count)] = 1.0
        if idle:
            matrix[np.arange(workloads), count + np.arange(workloads)] = 1.0
        body = slice(workloads, workloads + len(self._limits))
        matrix[body, :count] = self._shares[:, pairs[:, 0], pairs[:, 1]] if len(self._limits) else 0.0
        matrix[body, first : first + len(own)] = self._replicas[:, own]
        matrix[body, first + len(own) :] = self._used[:, fixed]
        for place, option in enumerate(fixed):
            matrix[body.stop + place, first + int(np.flatnonzero(own == option)[0])] = 1.0
            matrix[body.stop + place, first + len(own) + place] = -self._most[option]
        scale = np.maximum(np.abs(matrix).max(axis=1), 1e-300)
        high = np.concatenate([np.ones(workloads), self._limits, np.zeros(len(fixed))])
        low = np.concatenate([np.ones(workloads), np.full(len(high) - workloads, -np.inf)])
        upper = np.concatenate([most, np.ones(idle), self._most[own], np.ones(len(fixed))])
        whole = np.concatenate([np.zeros(first), np.ones(len(own) + len(fixed))])
        size = max(float(np.abs(cost).max(initial=0.0)), 1e-300)
        found = milp(
            cost / size,
            constraints=LinearConstraint(csc_array(matrix / scale[:, None]), low / scale, high / scale),
            bounds=Bounds(0, upper),
            integrality=whole,
            options={"mip_rel_gap": _GAP},
        )
        if found.x is None:
            return None
        replicas = np.zeros(len(offers.options))
        replicas[own] = np.round(found.x[first : first + len(own)])
        shares = np.where(found.x[:count] > _SMALL, found.x[:count], 0.0)
        return _Solution(shares, replicas, float(cost @ found.x))

    def _mix(self, pairs: NDArray[np.int64], found: _Solution) -> Mix:
        shares = np.zeros(self.allowed.shape)
        np.add.at(shares, (pairs[:, 0], pairs[:, 1]), found.shares)
        mix = Mix(shares, found.replicas, math.nan)
        return mix._replace(usd_per_month=float(mix.cost(self.offers).sum()))


class _Solution(NamedTuple):
    """Shares of the pairs, replicas of the options, and the cost that was minimized."""

    shares: Array
    replicas: Array
    usd: float
