"""The result of a choice of routes: total cost, quality, and the volumes at which their order changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked, positive_numbers
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL, middle

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from costmodel.comparison.serving.workload import ServingWorkload

    Array = NDArray[np.float64]

Ends: TypeAlias = tuple[float, float]
_NAME = 16
"""Width of a name in the table [character]; longer names are cut."""


class RouteCost(NamedTuple):
    """What a route costs over the horizon; a figure that is not known is None.

    Intervals are the 10 % and 90 % quantiles.
    """

    name: str
    kind: str
    """"api", "self-host", "fine-tune" or "distill"."""
    setup_usd: float | None = None
    """Cost before requests are served, the first time [USD]."""
    setup_usd_interval: Ends | None = None
    """[USD]"""
    repetitions: int = 0
    """How often the model is made again [1]."""
    usd_per_month: float | None = None
    """Serving and what is beside it [USD]."""
    usd: float | None = None
    """Total over the horizon [USD]."""
    usd_interval: Ends | None = None
    """[USD]"""
    quality: float | None = None
    """Share of tasks solved [1]."""
    quality_interval: Ends | None = None
    """[1]"""
    probability_reaches: float | None = None
    """Probability that the quality reaches the required one [1]; None if none is required."""
    probability_best: float | None = None
    """Probability of the lowest total among the routes that reach the quality [1]."""
    expected_usd: float | None = None
    """Mean total, with the fallback where the quality is missed [USD]; None without a fallback."""
    note: str = ""
    missing: str = ""
    """Reason why there is no cost."""


class BreakEvenVolume(NamedTuple):
    """The smallest volume at which the cheaper of two routes changes."""

    below: str
    """Name of the route that is cheaper below."""
    above: str
    """Name of the route that is cheaper above, or never if there is no such volume."""
    requests_per_month: float | None
    """[1]; None if one route is cheaper at any volume."""
    interval: Ends
    """10 % and 90 % quantiles of the draws [1]; infinite where there is none."""
    probability: float
    """Share of the draws with such a volume [1]."""


class RouteComparison(Priced):
    """Routes side by side; see `choose_route`."""

    _width = rendering.WIDTH

    _index = index = "name"
    _money = (
        "setup_usd",
        "setup_usd_low",
        "setup_usd_high",
        "usd_per_month",
        "usd",
        "usd_low",
        "usd_high",
        "expected_usd",
    )

    def __init__(
        self,
        workload: ServingWorkload,
        months: float,
        required_quality: float | None,
        confidence: float,
        fallback: str | None,
        routes: Mapping[str, RouteCost],
        break_evens: tuple[BreakEvenVolume, ...],
        functions: Mapping[str, Callable[..., Array]],
        seed: int,
    ) -> None:
        self.workload, self.months, self.required_quality = workload, months, required_quality
        self.confidence, self.fallback, self.seed = confidence, fallback, seed
        self._routes, self.break_evens, self._functions = dict(routes), break_evens, dict(functions)

    def __getitem__(self, name: str) -> RouteCost:
        if name not in self._routes:
            raise InputError(unknown("route", name, self._routes))
        return self._routes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def best(self) -> str | None:
        """The cheapest route that reaches the required quality with the given confidence; None if there is none."""
        can = [each for each in self._routes.values() if each.usd is not None and self._can(each)]
        return min(can, key=lambda each: each.usd or 0.0).name if can else None

    def _can(self, each: RouteCost) -> bool:
        return each.probability_reaches is None or each.probability_reaches >= self.confidence

    @checked("name", "other")
    def break_even(self, name: str, other: str) -> BreakEvenVolume:
        """Return the smallest volume at which the cheaper of two routes changes.

        Parameters
        ----------
        name, other : str
            Names of two routes with a cost.
        """
        for each in self.break_evens:
            if {each.below, each.above} == {name, other}:
                return each
        known = sorted({end for each in self.break_evens for end in (each.below, each.above)})
        raise InputError(f"no break-even of {name!r} and {other!r}; routes with a cost: {', '.join(known) or 'none'}")

    def curve(self, volumes: ArrayLike) -> dict[str, Array]:
        """Return the total over the horizon by volume, by name of the route [USD].

        Parameters
        ----------
        volumes : array
            Requests per month [1].
        """
        requests = positive_numbers("volumes", volumes)
        return {name: np.asarray(total(requests)) for name, total in self._functions.items()}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per route: the fields of `RouteCost`, with intervals in two columns."""
        return [rendering.interval_columns(each._asdict()) for each in self._routes.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data; infinite volumes are None."""
        pairs = [
            {**each._asdict(), "interval": [None if math.isinf(end) else end for end in each.interval]}
            for each in self.break_evens
        ]
        return {
            "workload": self.workload.model_dump(mode="json"),
            "months": self.months,
            "required_quality": self.required_quality,
            "confidence": self.confidence,
            "fallback": self.fallback,
            "best": self.best,
            "level": DEFAULT_LEVEL,
            "routes": self.rows(),
            "break_evens": pairs,
        }

    def _title(self) -> str:
        volume = rendering.amount(middle(self.workload.requests_per_month), "")
        floor = "" if self.required_quality is None else f"; required quality {self.required_quality:.0%}"
        return f"Routes over {self.months:g} months at {volume} requests per month{floor}"

    def _cells(self) -> list[dict[str, str]]:
        ordered = sorted(self._routes.values(), key=lambda each: math.inf if each.usd is None else each.usd)
        return [_row(each) for each in ordered]

    def _footer(self) -> str:
        if self.best is None:
            first = "choice: no route reaches the quality with a probability of " + f"{self.confidence:.0%}"
        else:
            first = f"choice: {self.best}, the cheapest that reaches the quality with {self.confidence:.0%} or more"
            if self.required_quality is None:
                first = f"choice: {self.best}, the cheapest"
        lines = [first]
        lines += [f"{each.name}: no cost: {each.missing}" for each in self._routes.values() if each.missing]
        if self.fallback is not None:
            means = [
                f"{each.name} {rendering.amount(each.expected_usd, 'USD')}"
                for each in self._routes.values()
                if each.expected_usd is not None
            ]
            lines.append(f"mean total with {self.fallback} where the quality is missed: {', '.join(means)}")
        lines += [_words(each) for each in self.break_evens]
        lines += [f"{each.name}: {each.note}" for each in self._routes.values() if each.note]
        lines.append(
            f"reaches, best: probability of the required quality, and of the lowest total of those that reach it; in "
            f"brackets: {DEFAULT_LEVEL:.0%} intervals; seed {self.seed}"
        )
        return "\n".join(lines)


def quantiles(values: Array) -> Ends:
    """Return the 10 % and 90 % quantiles; infinite values stay infinite.

    Parameters
    ----------
    values : NDArray
        Draws.
    """
    low, high = np.quantile(values, [0.1, 0.9], method="inverted_cdf")
    return float(low), float(high)


def _words(each: BreakEvenVolume) -> str:
    """Return a break-even in words."""
    if each.requests_per_month is None:
        return f"{each.below} costs less than {each.above} at any volume"
    low, high = ("none" if math.isinf(end) else rendering.amount(end, "") for end in each.interval)
    span = "" if low == high else f" ({low} to {high})"
    return (
        f"{each.above} costs less than {each.below} from {rendering.amount(each.requests_per_month, '')} requests per "
        f"month{span}"
    )


def _row(each: RouteCost) -> dict[str, str]:
    """Return the cells of a route."""
    columns = ("route", "setup", "per month", "total", "reaches", "best")
    name = rendering.shortened(each.name, _NAME)
    if each.usd is None or each.usd_interval is None:
        return dict.fromkeys(columns, "-") | {"route": name}
    low, high = (rendering.amount(end, "USD", 2) for end in each.usd_interval)
    cells = (
        name,
        rendering.amount(each.setup_usd or 0.0, "USD"),
        rendering.amount(each.usd_per_month or 0.0, "USD"),
        f"{rendering.amount(each.usd, 'USD')}{'' if low == high else f' ({low} to {high})'}",
        "-" if each.probability_reaches is None else rendering.percent(each.probability_reaches),
        "-" if each.probability_best is None else rendering.percent(each.probability_best),
    )
    return dict(zip(columns, cells, strict=True))
