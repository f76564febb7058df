"""From frontier to small model: use an API, fine-tune a small model, or distill one, by cost over a horizon.

    total      setup × (1 + repetitions × repeat share) + months × (serving per month + cost per month beside it)
    reaches    probability that the quality of the route is at least the required one
    fallback   setup and serving of the fallback in place of the total, where the quality is missed

Serving is priced as in `compare_serving`, projects as by `Project.budget`, runs as by `estimate`, services as by
`hosted_prices`, teachers by the price of their requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from costmodel.choosing.route import FixedShare, Months, Route
from costmodel.choosing.routes_result import BreakEvenVolume, RouteComparison, RouteCost, quantiles
from costmodel.comparison.serving.compare import Priced, priced
from costmodel.comparison.serving.replicas import DRAWS, drawn
from costmodel.comparison.serving.workload import ServingWorkload
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, unknown
from costmodel.foundation.ranges import middle
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.choosing.route import Drawn
    from costmodel.foundation.arrays import FloatLike
    from costmodel.foundation.fields import NumberLike

    Array = NDArray[np.float64]

_SPAN = 1e6
"""Factor around the volume of the workload within which a break-even is sought [1]."""
_POINTS = 241
"""Volumes among which a change of order is sought [1]."""
_HALVINGS = 60
"""Halvings of the interval around a break-even [1]."""


class _Question(Spec):
    """Horizon and quality of a choice of routes."""

    if TYPE_CHECKING:

        def __init__(self, *, months: object, required_quality: object, confidence: object) -> None: ...

    months: Months = Field(description="Horizon [month].")
    required_quality: FixedShare | None = Field(description="Share of tasks that must be solved [1].")
    confidence: FixedShare = Field(description="Least probability of reaching it [1].")


class _Costed(NamedTuple):
    """A route with the prices from which its total follows at any volume."""

    route: Route
    serving: Priced
    setup: Drawn
    beside: Array
    """Draws of the cost per month beside the serving [USD]."""
    reached: Drawn | None
    months: float

    @property
    def repetitions(self) -> int:
        """How often the model is made again within the horizon [1]."""
        every = self.route.repeat_months
        return 0 if every is None else math.ceil(self.months / every - 1e-9) - 1

    def total(self, requests: FloatLike, sampled: bool = False) -> Array:
        """Return the cost over the horizon [USD].

        Parameters
        ----------
        requests : float or NDArray
            Requests per month [1].
        sampled : bool
            Whether to return draws instead of the value at the medians.
        """
        times = 1 + self.repetitions * self.route.repeat_share
        setup = self.setup.draws if sampled else self.setup.value
        beside = self.beside if sampled else middle(self.route.usd_per_month)
        return setup * times + self.months * (np.asarray(self.serving.cost(requests, sampled)) + beside)


@checked("seed", "fallback")
def choose_route(
    workload: ServingWorkload,
    routes: Sequence[Route],
    *,
    months: NumberLike,
    required_quality: NumberLike | None = None,
    confidence: NumberLike = 0.5,
    fallback: str | None = None,
    seed: int = 0,
) -> RouteComparison:
    """Compare ways to a model that serves a workload: an API, a small model that is fine-tuned, or one distilled.

    A route without a price keeps its row with the reason.

    Parameters
    ----------
    workload : ServingWorkload
        Requests per month, their tokens, and their peak.
    routes : sequence of Route
        The routes, with distinct names.
    months : float
        Months over which costs are added up [1]; later money counts as money of today.
    required_quality : float, optional
        Share of tasks that must be solved [1]; default: any.
    confidence : float
        Least probability of reaching the required quality with which a route can be chosen [1].
    fallback : str, optional
        Name of the route that serves if the quality of another is missed, after its setup was paid.
    seed : int
        Seed of the random draws.

    Returns
    -------
    RouteComparison
        `.best`, `.rows()`, `.break_evens`, `.curve(volumes)`; it prints as a table.

    Raises
    ------
    InputError
        If an argument is wrong; the message lists all problems.

    References
    ----------
    Break-even of a cost paid once against a lower price per request: the volume at which both totals are equal.

    Examples
    --------
    >>> from costmodel.comparison.serving.options import HostedAPI
    >>> workload = ServingWorkload(requests_per_month=1e6, input_tokens=1000, output_tokens=1000, peak_to_mean=2)
    >>> large = Route("API", serving=HostedAPI(usd_per_million_input=5, usd_per_million_output=5))
    >>> small = HostedAPI(usd_per_million_input=1, usd_per_million_output=1)
    >>> tuned = Route("tuned", serving=small, setup_usd=48_000)
    >>> result = choose_route(workload, [large, tuned], months=12)
    >>> result.best, result["API"].usd, result["tuned"].usd
    ('tuned', 120000.0, 72000.0)
    >>> round(result.break_even("tuned", "API").requests_per_month)  # 48,000 / 12 / 0.008
    500000
    """
    question = _checked(workload, routes, months, required_quality, confidence, fallback)
    volume = middle(workload.requests_per_month)
    requests = drawn("serving.requests_per_month", workload.requests_per_month, seed)
    costed: dict[str, _Costed] = {}
    missing: dict[str, str] = {}
    for route in routes:
        try:
            costed[route.name] = _costed(route, workload, question.months, seed)
        except CostModelError as error:
            missing[route.name] = str(error)
    floor = question.required_quality
    totals = {name: each.total(requests, sampled=True) for name, each in costed.items()}
    reaches = {name: _reaches(each, floor) for name, each in costed.items()}
    best = _probability_best(totals, reaches)
    found = {}
    for route in routes:
        if route.name in missing:
            found[route.name] = RouteCost(route.name, route.kind, missing=missing[route.name])
            continue
        each, draws = costed[route.name], totals[route.name]
        expected = _with_fallback(each, reaches, totals, fallback)
        found[route.name] = RouteCost(
            name=route.name,
            kind=route.kind,
            setup_usd=each.setup.value,
            setup_usd_interval=quantiles(each.setup.draws),
            repetitions=each.repetitions,
            usd_per_month=float(each.serving.cost(volume)) + middle(route.usd_per_month),
            usd=float(each.total(volume)),
            usd_interval=quantiles(draws),
            quality=None if each.reached is None else each.reached.value,
            quality_interval=None if each.reached is None else quantiles(each.reached.draws),
            probability_reaches=None if floor is None or each.reached is None else float(reaches[route.name].mean()),
            probability_best=best[route.name],
            expected_usd=None if expected is None else float(expected.mean()),
            note=each.serving.note,
        )
    pairs = [_break_even(one, other, volume) for one, other in combinations(costed.values(), 2)]
    functions = {name: each.total for name, each in costed.items()}
    return RouteComparison(
        workload, question.months, floor, question.confidence, fallback, found, tuple(pairs), functions, seed
    )


def _checked(
    workload: object, routes: object, months: object, required_quality: object, confidence: object, fallback: object
) -> _Question:
    """Return the question, or raise every problem of the arguments at once."""
    problems = []
    if not isinstance(workload, ServingWorkload):
        problems.append(f"workload: must be a ServingWorkload; got {type(workload).__name__}")
    listed = list(routes) if isinstance(routes, Sequence) and not isinstance(routes, str) else []
    named = [route for route in listed if isinstance(route, Route)]
    if not named or len(named) < len(listed):
        problems.append(f"routes: must be a list of Route; got {type(routes).__name__}")
    names = [route.name for route in named]
    problems += [
        f"routes: two are named {name!r}; give each a name" for name in sorted(set(names)) if names.count(name) > 1
    ]
    if fallback is not None and fallback not in names:
        problems.append(f"fallback: {unknown('route', fallback, names)}")
    if required_quality is None and fallback is not None:
        problems.append("fallback: has no effect without required_quality")
    if required_quality is not None:
        problems += [
            f"routes: {route.name} needs score or quality, as required_quality is given"
            for route in named
            if route.score is None and route.quality is None
        ]
    if benchmarks := _mixed(named):
        problems.append(f"routes: scores must be of one benchmark and evaluator; got {', '.join(benchmarks)}")
    try:
        question = _Question(months=months, required_quality=required_quality, confidence=confidence)
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return question


def _mixed(routes: Sequence[Route]) -> list[str]:
    """Return the benchmarks and evaluators of the scores if there are several."""
    kinds = sorted({f"{route.score.benchmark} by {route.score.evaluator}" for route in routes if route.score})
    return kinds if len(kinds) > 1 else []


def _costed(route: Route, workload: ServingWorkload, months: float, seed: int) -> _Costed:
    """Return a route with its prices, or raise why they are not known."""
    serving = priced(route.served_by, workload, seed)
    if serving.missing:
        raise InputError(serving.missing)
    beside = drawn(f"route.{route.name}.usd_per_month", route.usd_per_month, seed)
    return _Costed(route, serving, route.setup(seed), beside, route.reached(seed), months)


def _reaches(each: _Costed, floor: float | None) -> NDArray[np.bool_]:
    """Return whether the quality of a route reaches the floor, in draws."""
    if floor is None or each.reached is None:
        return np.ones(DRAWS, dtype=bool)
    return np.broadcast_to(each.reached.draws >= floor, (DRAWS,))


def _probability_best(totals: dict[str, Array], reaches: dict[str, NDArray[np.bool_]]) -> dict[str, float]:
    """Return the probability that a route is the cheapest of those that reach the quality, by name [1]."""
    if not totals:
        return {}
    costs = np.stack([np.where(reaches[name], totals[name], np.inf) for name in totals])
    lowest = (costs == costs.min(axis=0)) & np.isfinite(costs)
    shares = lowest / np.maximum(lowest.sum(axis=0), 1)
    return dict(zip(totals, shares.mean(axis=1).tolist(), strict=True))


def _with_fallback(
    each: _Costed, reaches: dict[str, NDArray[np.bool_]], totals: dict[str, Array], fallback: str | None
) -> Array | None:
    """Return draws of the total, with setup and fallback in its place where the quality is missed [USD]."""
    if fallback is None or fallback not in totals:
        return None
    name = each.route.name
    if name == fallback:
        return totals[name]
    return np.where(reaches[name], totals[name], each.setup.draws + totals[fallback])


def _break_even(one: _Costed, other: _Costed, volume: float) -> BreakEvenVolume:
    """Return the smallest volume at which the order of two routes by total cost changes."""
    at, higher = _crossing(one, other, volume, sampled=False)
    draws, _ = _crossing(one, other, volume, sampled=True)
    below, above = (other, one) if higher else (one, other)
    known = bool(np.isfinite(at).all())
    return BreakEvenVolume(
        below=below.route.name,
        above=above.route.name,
        requests_per_month=float(at) if known else None,
        interval=quantiles(draws),
        probability=float(np.isfinite(draws).mean()),
    )


def _crossing(one: _Costed, other: _Costed, volume: float, sampled: bool) -> tuple[Array, bool]:
    """Return the volumes at which the cheaper of two routes changes, infinite if none; and whether `one` costs more
    at the lowest volume."""

    def difference(requests: FloatLike) -> Array:
        return one.total(requests, sampled) - other.total(requests, sampled)

    volumes = volume * np.geomspace(1 / _SPAN, _SPAN, _POINTS)
    start = np.asarray(difference(float(volumes[0])))
    sign = np.where(start > 0, 1.0, -1.0)
    low, high = np.full(start.shape, np.nan), np.full(start.shape, np.inf)
    for before, after in pairwise(volumes.tolist()):
        crossed = np.isinf(high) & (sign * difference(after) < 0)
        low, high = np.where(crossed, before, low), np.where(crossed, after, high)
    found = np.isfinite(high)
    low, high = np.where(found, low, volumes[0]), np.where(found, high, volumes[0])
    for _ in range(_HALVINGS):
        half = (low + high) / 2
        still = sign * difference(half) >= 0
        low, high = np.where(still, half, low), np.where(still, high, half)
    return np.where(found, (low + high) / 2, np.inf), bool(np.all(sign > 0))
