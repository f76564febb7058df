"""Prices, qualities and places of every option for every workload of a portfolio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.matching import evaluator_offsets, with_score
from costmodel.choosing.scores import Score
from costmodel.comparison.serving.compare import priced
from costmodel.comparison.serving.options import HostedAPI
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.ranges import middle
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.choosing.portfolio.question import PortfolioOption, PortfolioWorkload

    Array = NDArray[np.float64]
    Marks = NDArray[np.bool_]

EU = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"}
    | {"IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)
"""Members of the EU in 2026."""
_DRAWS = 2000
"""Draws of a score of which a quantile is its quality [1]."""
_PLACES = {"ap": "APAC", "regional": "", "global": ""}


class Place(NamedTuple):
    """Where the company of an option has its seat, and where requests are processed; "" if not known."""

    seat: str
    parent_seat: str
    location: str
    note: str


class Offers(NamedTuple):
    """Options for workloads as arrays of shape (workloads, options) or (options,)."""

    workloads: tuple[PortfolioWorkload, ...]
    options: tuple[PortfolioOption, ...]
    usd_per_request: Array
    """Price of a request at an API [USD]; 0 for replicas, which are paid as such."""
    full_replicas: Array
    """Replicas, not rounded, that all requests of a workload need [1]; 0 for an API."""
    usd_per_replica: Array
    """Price of a replica per month [USD], shape (options,)."""
    usd_fixed: Array
    """Cost per month of an option that is used: fixed cost and spare replicas [USD], shape (options,)."""
    quality: Array
    """Quality [1]; NaN if it is not known."""
    missing: Marks
    """Whether there is no price."""
    places: tuple[Place, ...]
    notes: tuple[str, ...]

    @property
    def volumes(self) -> Array:
        """Requests of each workload per month [1]."""
        return np.array([workload.requests_per_month for workload in self.workloads])

    @property
    def hosted(self) -> Marks:
        """Whether each option is an API."""
        return np.array([option.hosted for option in self.options])

    @property
    def providers(self) -> tuple[str, ...]:
        """Provider of each option; "" for replicas without one."""
        return tuple(provider_of(option) for option in self.options)


def offers_of(
    workloads: Sequence[PortfolioWorkload],
    options: Sequence[PortfolioOption],
    scores: Iterable[Score],
    confidence: float,
    seed: int,
) -> Offers:
    """Return the prices, qualities and places of options for workloads.

    Parameters
    ----------
    workloads : sequence of PortfolioWorkload
    options : sequence of PortfolioOption
    scores : iterable of Score
        Scores by model, for qualities that an option does not give.
    confidence : float
        Probability with which a quality with an error reaches the value that is used [1].
    seed : int
        Seed of the random draws.
    """
    shape = (len(workloads), len(options))
    usd, full = np.zeros(shape), np.zeros(shape)
    replica, fixed = np.zeros(len(options)), np.zeros(len(options))
    missing = np.zeros(shape, dtype=bool)
    notes = []
    for place, option in enumerate(options):
        for row, workload in enumerate(workloads):
            try:
                each = priced(option.serving, workload.served, seed)
                reason = each.missing
            except CostModelError as error:  # such as a provider that does not serve the model
                reason = str(error)
            if reason:
                missing[row, place] = True
                notes.append(f"{option.title}: no price for {workload.name}: {reason}")
            elif each.reserved is None:
                usd[row, place] = each.usd_per_request
            else:
                full[row, place] = workload.requests_per_month / float(each.reserved.requests_per_replica)
                replica[place] = float(each.reserved.usd_per_replica)
                fixed[place] = each.reserved.fixed + each.reserved.spare * replica[place]
    places = tuple(place_of(option) for option in options)
    quality = _qualities(workloads, options, list(scores), confidence, seed)
    notes += [f"{option.title}: {place.note}" for option, place in zip(options, places, strict=True) if place.note]
    return Offers(
        tuple(workloads),
        tuple(options),
        usd,
        full,
        replica,
        fixed,
        quality,
        missing,
        places,
        tuple(dict.fromkeys(notes)),
    )


def provider_of(option: PortfolioOption) -> str:
    """Return the provider of an option in lower case; "" for replicas without one.

    Parameters
    ----------
    option : PortfolioOption
    """
    if option.provider is not None:
        return option.provider.strip().lower()
    if not isinstance(option.serving, HostedAPI):
        return ""
    try:
        provider = option.serving.price().provider
    except CostModelError:  # the price is reported as missing
        provider = option.serving.provider or ""
    return option.title.lower() if provider == "given" else provider


def place_of(option: PortfolioOption) -> Place:
    """Return where an option is served from: as given, by its region, or as its provider states.

    Parameters
    ----------
    option : PortfolioOption
    """
    row = _residency().get(provider_of(option)) if option.hosted else None
    region = option.serving.region if isinstance(option.serving, HostedAPI) else None
    chosen = option.location or _location(region or "")
    seat, parent = (row["seat"], row["parent_seat"]) if row else ("", "")
    location = chosen or (row["default_location"] if row else "")
    note = ""
    if row and chosen and chosen != row["default_location"]:
        offered = row["offered_locations"].split("|")
        if chosen not in offered and not (chosen in EU and "EU" in offered):
            note = (
                f"{row['provider']} is not known to offer {chosen}; known: {', '.join(filter(None, offered)) or 'none'}"
            )
        elif row["price_factor"] and region is None:
            note = f"list price; a request in a chosen place can cost {row['price_factor']} times as much"
    if option.seat:
        seat, parent = option.seat, parent if option.seat == seat else ""
    return Place(seat, parent, location, note)


def within(code: str, codes: Sequence[str]) -> bool:
    """Return whether a country or region is one of those, or in the EU if that is one of them.

    Parameters
    ----------
    code : str
        Code; "" if it is not known.
    codes : sequence of str
        Accepted codes.
    """
    return code in codes or ("EU" in codes and code in EU)


def _location(region: str) -> str:
    """Return the place of a region of an API: EU for "eu" and "eu-west-1"."""
    first = region.split("-", maxsplit=1)[0].lower()
    return _PLACES.get(first, first.upper())


@lru_cache(maxsize=1)
def _residency() -> dict[str, Row]:
    return {row["provider"]: row for row in table("facts/provider_residency").rows}


def _qualities(
    workloads: Sequence[PortfolioWorkload],
    options: Sequence[PortfolioOption],
    scores: list[Score],
    confidence: float,
    seed: int,
) -> Array:
    """Return the quality of each option for each workload; NaN if it is neither given nor scored."""
    quality = np.full((len(workloads), len(options)), np.nan)
    for row, workload in enumerate(workloads):
        benchmark = workload.benchmark or workload.name
        fitting = [score for score in scores if score.benchmark == benchmark]
        found: dict[int, Score | float] = {}
        for place, option in enumerate(options):
            given = option.quality.get(workload.name)
            score = given if given is not None else with_score(option.serving, fitting).score
            if score is not None:
                found[place] = score
        used = [score for score in found.values() if isinstance(score, Score)]
        try:
            evaluator_offsets(used, None, seed)  # raises if evaluators would be mixed
        except InputError as error:
            raise InputError([f"{workload.name}: {problem}" for problem in error.problems]) from None
        for place, score in found.items():
            quality[row, place] = _reached(score, confidence, seed) if isinstance(score, Score) else middle(score)
    return quality


def _reached(score: Score, confidence: float, seed: int) -> float:
    """Return the quality that a score reaches with a probability; its expected value at one half."""
    if confidence == 0.5:
        return score.expected
    return float(np.quantile(score.draw(_DRAWS, seed), 1 - confidence))
