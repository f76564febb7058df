"""The constraints of a portfolio one by one: pairs of workload and option that they bar, and inequalities.

The unknowns are the share of each workload that each option serves, x, and the replicas of each option, N, and whether
it is used. With V requests of a workload, an inequality is Σ shares·x + Σ replicas·N + Σ used·y ≤ limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.portfolio.offers import within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.choosing.portfolio.offers import Offers
    from costmodel.choosing.portfolio.question import PortfolioConstraints

    Array = NDArray[np.float64]
    Marks = NDArray[np.bool_]


SHARES = ("provider_cap", "open_weights_share")
"""Constraints on shares, which are given up where requests would not be served otherwise."""


_IDLE = 1e-4
"""Least load of the last replica of an option [1]."""


class Inequality(NamedTuple):
    """Coefficients of shares, shape (workloads, options), of replicas and uses, shape (options,), and a limit."""

    shares: Array
    replicas: Array
    used: Array
    limit: float


class Rule(NamedTuple):
    """A constraint: its name as in the question, what it requires, pairs that it bars, and inequalities."""

    name: str
    text: str
    bars: Marks
    inequalities: tuple[Inequality, ...] = ()


def rules_of(offers: Offers, constraints: PortfolioConstraints) -> list[Rule]:
    """Return the constraints of a question, one by one.

    Parameters
    ----------
    offers : Offers
    constraints : PortfolioConstraints
    """
    return [
        *_of_workloads(offers),
        *_of_options(offers),
        *_places(offers, constraints),
        *_shares(offers, constraints),
    ]


def _nothing(offers: Offers) -> Marks:
    return np.zeros((len(offers.workloads), len(offers.options)), dtype=bool)


def _of_workloads(offers: Offers) -> list[Rule]:
    """Return floors of quality, limits of latency and places of single workloads."""
    rules = []
    latency = np.array([np.nan if option.latency is None else option.latency for option in offers.options])
    for row, workload in enumerate(offers.workloads):
        name, quality = workload.name, offers.quality[row]
        if workload.quality_floor is not None:
            text = f"every model for {name} has a quality of at least {workload.quality_floor:g}"
            rules.append(_barring(offers, f"{name}.quality_floor", text, row, ~(quality >= workload.quality_floor)))
        if workload.mean_quality is not None:
            text = f"the mean quality of {name} is at least {workload.mean_quality:g}"
            rule = _barring(offers, f"{name}.mean_quality", text, row, np.isnan(quality))
            shares = np.zeros(offers.quality.shape)
            shares[row] = workload.mean_quality - np.nan_to_num(quality)
            rules.append(rule._replace(inequalities=(_only_shares(shares, 0.0),)))
        if workload.latency_limit is not None:
            text = f"every model for {name} has a latency of at most {workload.latency_limit:g} s"
            rules.append(_barring(offers, f"{name}.latency_limit", text, row, ~(latency <= workload.latency_limit)))
        if workload.locations:
            text = f"requests of {name} are processed in {', '.join(workload.locations)}"
            wrong = np.array([not within(place.location, workload.locations) for place in offers.places])
            rules.append(_barring(offers, f"{name}.locations", text, row, wrong))
    return rules


def _barring(offers: Offers, name: str, text: str, row: int, wrong: Marks) -> Rule:
    bars = _nothing(offers)
    bars[row] = wrong
    return Rule(name, text, bars)


def _only_shares(shares: Array, limit: float) -> Inequality:
    none = np.zeros(shares.shape[1])
    return Inequality(shares, none, none, limit)


def _of_options(offers: Offers) -> list[Rule]:
    """Return the limits of capacity."""
    rules = []
    for place, option in enumerate(offers.options):
        if option.capacity is not None:
            shares = np.zeros(offers.quality.shape)
            shares[:, place] = offers.volumes
            text = f"{option.title} serves at most {option.capacity:,.0f} requests per month"
            rules.append(
                Rule(f"{option.title}.capacity", text, _nothing(offers), (_only_shares(shares, option.capacity),))
            )
        if option.most_replicas is not None:
            none = np.zeros(len(offers.options))
            replicas = none.copy()
            replicas[place] = 1.0
            text = f"{option.title} has at most {option.most_replicas} replicas"
            limit = Inequality(np.zeros(offers.quality.shape), replicas, none, option.most_replicas)
            rules.append(Rule(f"{option.title}.most_replicas", text, _nothing(offers), (limit,)))
    return rules


def _places(offers: Offers, constraints: PortfolioConstraints) -> list[Rule]:
    """Return the rules on places and seats of the whole portfolio; replicas have no seat."""
    rules = []
    hosted = offers.hosted
    if constraints.locations:
        wrong = [not within(place.location, constraints.locations) for place in offers.places]
        text = f"all requests are processed in {', '.join(constraints.locations)}"
        rules.append(Rule("locations", text, _nothing(offers) | np.array(wrong)))
    if constraints.seats:
        wrong = [not within(place.seat, constraints.seats) for place in offers.places]
        text = f"providers have their seat in {', '.join(constraints.seats)}"
        rules.append(Rule("seats", text, _nothing(offers) | (np.array(wrong) & hosted)))
    if constraints.barred_seats:
        wrong = [
            not place.seat
            or within(place.seat, constraints.barred_seats)
            or within(place.parent_seat, constraints.barred_seats)
            for place in offers.places
        ]
        text = f"no provider or its parent has its seat in {', '.join(constraints.barred_seats)}"
        rules.append(Rule("barred_seats", text, _nothing(offers) | (np.array(wrong) & hosted)))
    return rules


def _shares(offers: Offers, constraints: PortfolioConstraints) -> list[Rule]:
    """Return the cap on the share of a provider, and the least share of open weights."""
    rules, volumes = [], offers.volumes[:, None]
    if constraints.provider_cap is not None:
        cap = constraints.provider_cap
        names = [name for name in dict.fromkeys(offers.providers) if name]
        rows = [np.array([each == name for each in offers.providers]) for name in names]
        capped = [_capped(offers, mine, cap, constraints.cap_of) for mine in rows]
        if constraints.cap_of == "cost":  # paying for what is idle would lower the share of others
            for place in np.flatnonzero(~offers.hosted):
                capped += _busy(offers, int(place))
        what = "the requests" if constraints.cap_of == "requests" else "the cost per month"
        text = f"no provider has more than {cap:.0%} of {what}"
        rules.append(Rule("provider_cap", text, _nothing(offers), tuple(capped)))
    if constraints.open_weights_share is not None:
        share = constraints.open_weights_share
        is_open = np.array([option.open_weights for option in offers.options])
        text = f"models with open weights serve at least {share:.0%} of the requests"
        least = _only_shares(volumes * (share - is_open), 0.0)
        rules.append(Rule("open_weights_share", text, _nothing(offers), (least,)))
    return rules


def _busy(offers: Offers, place: int) -> list[Inequality]:
    """Return that no replica of an option is idle, N < Σ n x + 1, and that only a replica makes it used, y ≤ N."""
    none, one = np.zeros(len(offers.options)), np.zeros(len(offers.options))
    one[place] = 1.0
    shares = np.zeros(offers.quality.shape)
    shares[:, place] = -offers.full_replicas[:, place]
    return [Inequality(shares, one, none, 1 - _IDLE), Inequality(np.zeros_like(shares), -one, one, 0.0)]


def _capped(offers: Offers, mine: Marks, cap: float, what: str) -> Inequality:
    """Return the cap on the share of the options of a provider."""
    volumes = offers.volumes[:, None]
    if what == "requests":
        return _only_shares(volumes * mine, cap * float(volumes.sum()))
    weight = mine - cap
    return Inequality(
        volumes * offers.usd_per_request * weight, offers.usd_per_replica * weight, offers.usd_fixed * weight, 0.0
    )
