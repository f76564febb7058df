"""Forecast skill of rental prices: generations, providers or later dates left out of the fit.

Scores are averaged inside an offer and a horizon, then over the offers, then over the horizons, each with equal weight.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import cells, html_table, markdown
from costmodel.foundation.rendering import text as as_text
from costmodel.foundation.tables import Table
from costmodel.projection.rents.paths_fit import fit_paths
from costmodel.projection.rents.price_pairs import (
    CLASSES,
    HORIZONS,
    UNCHANGED,
    Pair,
    PricePairs,
    price_pairs,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SPLIT = dt.date(2025, 3, 1)
"""The time split fits pairs that end by this day and scores those that begin on it or later."""
WIDEST, CELLS = 4.0, 4000
"""The scores are integrals from -WIDEST to WIDEST over so many cells: 0.002 wide in ln price [1]."""
POOL = "pool"
"""The model that the library uses."""


class Forecast(Protocol):
    """A distribution of ln(price / price now) by horizon."""

    def cdf(self, change: Any, years: Any) -> Any:
        """Return the probability of at most that change."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of `rate` a year for sure (`walk` 0), or as the mean of a random walk."""

    rate: float
    walk: float = 0.0

    def cdf(self, change: Any, years: Any) -> Any:
        import numpy as np
        from scipy.special import ndtr

        y, h = np.broadcast_arrays(np.asarray(change, dtype=float), np.asarray(years, dtype=float))
        left = y - self.rate * h
        return ndtr(left / (self.walk * np.sqrt(h))) if self.walk else (left >= 0).astype(float)


class Scored(NamedTuple):
    """What became of one pair under a forecast."""

    pair: Pair
    crps: float
    """Continuous ranked probability score [1], in ln price; of a point the absolute error."""
    rank: float
    """Probability of less, plus half of that of the same price."""
    inside: tuple[bool, bool, bool]
    """Whether it lay within the central 50, 80 and 95 %."""
    bias: float
    """Median forecast minus what happened [1]."""


def class_fits(pairs: Sequence[Pair]) -> dict[str, dict[str, Forecast]]:
    """Return the forecasts that are compared, by model and class, fitted on pairs.

    Parameters
    ----------
    pairs : of all classes
    """
    import numpy as np

    pools = fit_paths(pairs)
    found: dict[str, dict[str, Forecast]] = {
        name: {} for name in ("no change", "-30 % a year", "fitted drift", "random walk", "sticky", POOL)
    }
    for name in CLASSES:
        own = PricePairs.of([pair for pair in pairs if pair.price_class == name] or pairs)
        pool = pools[name]
        by_time = own.weight / own.years
        drift = float((by_time * own.change * own.years).sum() / (by_time * own.years**2).sum())
        walk = float(np.sqrt(np.average(own.change**2 / own.years, weights=own.weight)))
        around = float(np.sqrt(np.average((own.change - drift * own.years) ** 2 / own.years, weights=own.weight)))
        found["no change"][name] = Drift(0.0)
        found["-30 % a year"][name] = Drift(float(np.log(0.7)))
        found["fitted drift"][name] = Drift(drift, around)
        found["random walk"][name] = Drift(0.0, walk)
        found["sticky"][name] = replace(pool, sticky_share=1.0)
        found[POOL][name] = pool
    return found


def score(forecast: Forecast, pairs: Sequence[Pair]) -> list[Scored]:
    """Return how well a forecast foresaw pairs of prices.

    Parameters
    ----------
    forecast : a distribution by horizon
    pairs : of prices
    """
    import numpy as np

    if not pairs:
        return []
    change = np.array([pair.change for pair in pairs])
    years = np.array([pair.years for pair in pairs])
    if isinstance(forecast, Drift) and not forecast.walk:
        middle = forecast.rate * years
        hit = np.abs(change - middle) <= UNCHANGED
        return [Scored(pair, float(abs(pair.change - at)), 0.5 if on else float(pair.change > at), (bool(on),) * 3,
                       float(at - pair.change)) for pair, at, on in zip(pairs, middle, hit, strict=True)]  # fmt: skip
    width = 2 * WIDEST / CELLS
    grid = -WIDEST + width * (np.arange(CELLS) + 0.5)
    table = np.asarray(forecast.cdf(grid, years[:, None]))
    crps = ((table - (grid >= change[:, None])) ** 2).sum(axis=1) * width
    low, high = np.asarray(forecast.cdf(change - UNCHANGED, years)), np.asarray(forecast.cdf(change + UNCHANGED, years))
    middle = grid[(table >= 0.5).argmax(axis=1)] - width / 2
    found = []
    for i, pair in enumerate(pairs):
        inside = tuple(bool(high[i] >= (1 - level) / 2 and low[i] <= (1 + level) / 2) for level in (0.5, 0.8, 0.95))
        found.append(Scored(pair, float(crps[i]), float((low[i] + high[i]) / 2), inside,  # type: ignore[arg-type]
                            float(middle[i] - pair.change)))  # fmt: skip
    return found


def average(scored: Sequence[Scored], value: Callable[[Scored], float]) -> float:
    """Return the mean of a score: inside an offer and a horizon, then over offers, then over horizons.

    Parameters
    ----------
    scored : at least one
    value : the score
    """
    by_cell: dict[tuple[str, tuple[str, str, str]], list[float]] = {}
    for each in scored:
        by_cell.setdefault((each.pair.horizon, each.pair.series), []).append(value(each))
    by_horizon: dict[str, list[float]] = {}
    for (horizon, _), values in by_cell.items():
        by_horizon.setdefault(horizon, []).append(sum(values) / len(values))
    means = [sum(values) / len(values) for values in by_horizon.values()]
    return sum(means) / len(means)


@dataclass(frozen=True)
class RentalBacktest:
    """Scores of forecasts of rental prices; see `backtest_rental`."""

    split: str
    """What was left out of the fit."""
    scored: Mapping[str, Mapping[str, Sequence[Scored]]]
    """By model and class."""

    def crps(self, price_class: str, model: str = POOL) -> float:
        """Return the mean score of a class [1], in ln price.

        Parameters
        ----------
        price_class : of the prices
        model : one of those compared
        """
        return average(self.scored[model][price_class], lambda each: each.crps)

    def coverage(self, price_class: str, level: float = 0.8, model: str = POOL) -> float:
        """Return the share of changes within the central interval [1].

        Parameters
        ----------
        price_class : of the prices
        level : 0.5, 0.8 or 0.95
        model : one of those compared
        """
        if level not in {0.5, 0.8, 0.95}:
            raise InputError(f"level is 0.5, 0.8 or 0.95; got {level!r}")
        place = (0.5, 0.8, 0.95).index(level)
        return average(self.scored[model][price_class], lambda each: float(each.inside[place]))

    def bias(self, price_class: str, model: str = POOL) -> float:
        """Return the mean of median forecast minus what happened [1], in ln price.

        Parameters
        ----------
        price_class : of the prices
        model : one of those compared
        """
        return average(self.scored[model][price_class], lambda each: each.bias)

    def skill(self, price_class: str, model: str = POOL, against: str = "no change") -> float:
        """Return by what share the score is below that of another model [1].

        Parameters
        ----------
        price_class : of the prices
        model, against : of those compared
        """
        return 1 - self.crps(price_class, model) / self.crps(price_class, against)

    def windows(self, price_class: str) -> int:
        """Return how many windows do not overlap: what a coverage rests on.

        Parameters
        ----------
        price_class : of the prices
        """
        pairs = [each.pair for each in self.scored[POOL][price_class]]
        return sum(windows([pair for pair in pairs if pair.horizon == horizon]) for horizon in HORIZONS)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per class and model."""
        return [
            {"class": name, "model": model, "crps": self.crps(name, model), "skill": self.skill(name, model),
             "within 50 %": self.coverage(name, 0.5, model), "within 80 %": self.coverage(name, 0.8, model),
             "within 95 %": self.coverage(name, 0.95, model), "bias": self.bias(name, model),
             "pairs": len(scored), "windows": self.windows(name)}
            for name in CLASSES for model, by_class in self.scored.items() if (scored := by_class[name])
        ]  # fmt: skip

    def horizon_rows(self, model: str = POOL) -> list[dict[str, Any]]:
        """Return one row per class and horizon of a model, with the windows and providers that it rests on.

        Parameters
        ----------
        model : one of those compared
        """
        found = []
        for name in CLASSES:
            for horizon in HORIZONS:
                own = [each for each in self.scored[model][name] if each.pair.horizon == horizon]
                if own:
                    pairs = [each.pair for each in own]
                    found.append({
                        "class": name, "horizon": horizon, "crps": average(own, lambda each: each.crps),
                        **{f"within {level} %": average(own, lambda each, place=place: float(each.inside[place]))  # type: ignore[misc]
                           for place, level in enumerate((50, 80, 95))},
                        "pairs": len(own), "windows": windows(pairs),
                        "providers": len({pair.provider for pair in pairs}),
                    })  # fmt: skip
        return found

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table."""
        return markdown([cells(row) for row in self.rows()], self._footer)

    @property
    def _footer(self) -> str:
        return "crps and bias in ln price; windows: those that do not overlap, fewer still are independent"

    def __str__(self) -> str:
        by_horizon = as_text([cells(row) for row in self.horizon_rows()], f"\nThe {POOL} by horizon")
        return as_text([cells(row) for row in self.rows()], self.split, self._footer) + "\n" + by_horizon

    def _repr_html_(self) -> str:
        return html_table([cells(row) for row in self.rows()], self.split, self._footer)


def backtest_rental(split: str = "generation", facts: Table | None = None) -> RentalBacktest:
    """Score forecasts of rental prices on what they were not fitted on.

    Parameters
    ----------
    split : "generation" fits all other generations of accelerators, "provider" all other providers, "time" the
        pairs that end by March 2025, scored on those that begin then or later
    facts : the price table of the library unless given

    Returns
    -------
    RentalBacktest
        `.rows()`, `.crps(price_class)`, `.coverage(price_class)`, ...

    Raises
    ------
    InputError
        If the split is not one of those.

    Examples
    --------
    >>> result = backtest_rental("time")
    >>> result.crps("neocloud") < result.crps("neocloud", "fitted drift") < result.crps("neocloud", "no change")
    True
    """
    return _backtest(split, facts)


@lru_cache(maxsize=8)
def _backtest(split: str, facts: Table | None) -> RentalBacktest:
    pairs = price_pairs(facts)
    if split == "time":
        folds = [([pair for pair in pairs if pair.end <= SPLIT], [pair for pair in pairs if pair.start >= SPLIT])]
        title = f"Fitted on pairs of prices up to {SPLIT}, scored on later ones"
    elif split in {"generation", "provider"}:
        group = attrgetter(split)
        folds = [([pair for pair in pairs if group(pair) != left], [pair for pair in pairs if group(pair) == left])
                 for left in dict.fromkeys(map(group, pairs))]  # fmt: skip
        title = f"Each {split} foreseen from the others"
    else:
        raise InputError(f"split is 'generation', 'provider' or 'time'; got {split!r}")
    scored: dict[str, dict[str, list[Scored]]] = {}
    for fitted_on, left_out in folds:
        for model, by_class in class_fits(fitted_on).items():
            of_model = scored.setdefault(model, {name: [] for name in CLASSES})
            for name, forecast in by_class.items():
                of_model[name] += score(forecast, [pair for pair in left_out if pair.price_class == name])
    return RentalBacktest(title, scored)
