"""Forecast skill of rental prices: generations, providers or later dates left out of the fit.

Scores are averaged within an offer and a horizon, then over offers, then over horizons, with equal weights.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.parallel import check_executor, mapped
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
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SPLIT = dt.date(2025, 3, 1)
"""Date of the time split: pairs that end by this date are fitted, pairs that start on it or later are scored."""
WIDEST, CELLS = 4.0, 4000
"""Range (-WIDEST to WIDEST) and number of cells of the CRPS integral: cells of 0.002 in ln price [1]."""
POOL = "pool"
"""Name of the forecast used by the library: mixture of the sticky model and the random walk."""


class Forecast(Protocol):
    """Distribution of ln(price / price now) by horizon."""

    def cdf(self, change: Any, years: Any) -> Any:
        """Return the probability that ln(price / price now) is at most `change` [1]."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Constant drift of ln price, without uncertainty (`walk` 0) or with a random walk."""

    rate: float
    """Drift of ln price [1/year]."""
    walk: float = 0.0
    """Standard deviation of the random walk after one year [1]."""

    def cdf(self, change: Any, years: Any) -> Any:
        import numpy as np
        from scipy.special import ndtr

        y, h = np.broadcast_arrays(np.asarray(change, dtype=float), np.asarray(years, dtype=float))
        residual = y - self.rate * h
        return ndtr(residual / (self.walk * np.sqrt(h))) if self.walk else (residual >= 0).astype(float)


class Scored(NamedTuple):
    """Scores of a forecast of one pair."""

    pair: Pair
    """The two prices."""
    crps: float
    """Continuous ranked probability score in ln price [1]; the absolute error of a point forecast."""
    rank: float
    """Probability of a lower price than the outcome, plus half that of an equal price [1]."""
    inside: tuple[bool, bool, bool]
    """Whether the outcome lies inside the central 50, 80 and 95 % intervals."""
    bias: float
    """Median forecast minus outcome in ln price [1]."""


def class_fits(pairs: Sequence[Pair]) -> dict[str, dict[str, Forecast]]:
    """Return the fitted forecasts by model and price class.

    Parameters
    ----------
    pairs : sequence of Pair
        Pairs of all price classes.
    """
    import numpy as np

    pools = fit_paths(pairs)
    forecasts: dict[str, dict[str, Forecast]] = {
        name: {} for name in ("no change", "-30 % a year", "fitted drift", "random walk", "sticky", POOL)
    }
    for name in CLASSES:
        own = PricePairs.of([pair for pair in pairs if pair.price_class == name] or pairs)
        pool = pools[name]
        by_time = own.weight / own.years
        drift = float((by_time * own.change * own.years).sum() / (by_time * own.years**2).sum())
        walk = float(np.sqrt(np.average(own.change**2 / own.years, weights=own.weight)))
        around = float(np.sqrt(np.average((own.change - drift * own.years) ** 2 / own.years, weights=own.weight)))
        forecasts["no change"][name] = Drift(0.0)
        forecasts["-30 % a year"][name] = Drift(float(np.log(0.7)))
        forecasts["fitted drift"][name] = Drift(drift, around)
        forecasts["random walk"][name] = Drift(0.0, walk)
        forecasts["sticky"][name] = replace(pool, sticky_share=1.0)
        forecasts[POOL][name] = pool
    return forecasts


def score(forecast: Forecast, pairs: Sequence[Pair]) -> list[Scored]:
    """Return the scores of a forecast on pairs of prices.

    Parameters
    ----------
    forecast : Forecast
        Distribution of ln(price / price now) by horizon.
    pairs : sequence of Pair
        Observed pairs.
    """
    import numpy as np

    if not pairs:
        return []
    change = np.array([pair.change for pair in pairs])
    years = np.array([pair.years for pair in pairs])
    if isinstance(forecast, Drift) and not forecast.walk:
        middle = forecast.rate * years
        hit = np.abs(change - middle) <= UNCHANGED
        return [
            Scored(
                pair,
                float(abs(pair.change - median)),
                0.5 if tied else float(pair.change > median),
                (bool(tied),) * 3,
                float(median - pair.change),
            )
            for pair, median, tied in zip(pairs, middle, hit, strict=True)
        ]
    width = 2 * WIDEST / CELLS
    grid = -WIDEST + width * (np.arange(CELLS) + 0.5)
    table = np.asarray(forecast.cdf(grid, years[:, None]))
    crps = ((table - (grid >= change[:, None])) ** 2).sum(axis=1) * width
    low, high = np.asarray(forecast.cdf(change - UNCHANGED, years)), np.asarray(forecast.cdf(change + UNCHANGED, years))
    middle = grid[(table >= 0.5).argmax(axis=1)] - width / 2
    scores = []
    for i, pair in enumerate(pairs):
        inside = tuple(bool(high[i] >= (1 - level) / 2 and low[i] <= (1 + level) / 2) for level in (0.5, 0.8, 0.95))
        rank, bias = float((low[i] + high[i]) / 2), float(middle[i] - pair.change)
        scores.append(Scored(pair, float(crps[i]), rank, inside, bias))  # type: ignore[arg-type]
    return scores


def average(scored: Sequence[Scored], value: Callable[[Scored], float]) -> float:
    """Return the mean of a score within an offer and a horizon, then over offers, then over horizons.

    Parameters
    ----------
    scored : sequence of Scored
        At least one.
    value : callable
        Function that returns the score of a pair.
    """
    by_cell: dict[tuple[str, tuple[str, str, str]], list[float]] = {}
    for result in scored:
        by_cell.setdefault((result.pair.horizon, result.pair.series), []).append(value(result))
    by_horizon: dict[str, list[float]] = {}
    for (horizon, _), values in by_cell.items():
        by_horizon.setdefault(horizon, []).append(sum(values) / len(values))
    means = [sum(values) / len(values) for values in by_horizon.values()]
    return sum(means) / len(means)


@dataclass(frozen=True, repr=False)
class RentalBacktest(rendering.Shown):
    """Scores of forecasts of rental prices; see `backtest_rental`."""

    split: str
    """Description of the data left out of the fit."""
    scored: Mapping[str, Mapping[str, Sequence[Scored]]]
    """Scores of each pair, by model and price class."""

    def _results(self, price_class: str, model: str) -> Sequence[Scored]:
        """Return the scores of a forecast in a price class, or raise `UnknownNameError`."""
        if model not in self.scored:
            raise UnknownNameError.of("forecast", model, self.scored)
        if price_class not in self.scored[model]:
            raise UnknownNameError.of("price class", price_class, self.scored[model])
        return self.scored[model][price_class]

    @checked("price_class", "model")
    def crps(self, price_class: str, model: str = POOL) -> float:
        """Return the mean CRPS of a price class in ln price [1].

        Parameters
        ----------
        price_class : str
            Price class.
        model : str
            Name of the forecast.
        """
        return average(self._results(price_class, model), lambda result: result.crps)

    @checked("price_class", "level", "model")
    def coverage(self, price_class: str, level: float = 0.8, model: str = POOL) -> float:
        """Return the share of outcomes inside the central interval [1].

        Parameters
        ----------
        price_class, model : str
            As for `crps`.
        level : float
            0.5, 0.8 or 0.95 [1].
        """
        if level not in {0.5, 0.8, 0.95}:
            raise InputError(f"level must be 0.5, 0.8 or 0.95; got {level!r}")
        place = (0.5, 0.8, 0.95).index(level)
        return average(self._results(price_class, model), _inside(place))

    @checked("price_class", "model")
    def bias(self, price_class: str, model: str = POOL) -> float:
        """Return the mean of median forecast minus outcome in ln price [1].

        Parameters
        ----------
        price_class, model : str
            As for `crps`.
        """
        return average(self._results(price_class, model), lambda result: result.bias)

    @checked("price_class", "model", "against")
    def skill(self, price_class: str, model: str = POOL, against: str = "no change") -> float:
        """Return the forecast skill, 1 - CRPS / CRPS of another forecast [1].

        Parameters
        ----------
        price_class, model : str
            As for `crps`.
        against : str
            Name of the baseline forecast.
        """
        return 1 - self.crps(price_class, model) / self.crps(price_class, against)

    @checked("price_class")
    def windows(self, price_class: str) -> int:
        """Return the number of windows that do not overlap, an upper bound of independent observations.

        Parameters
        ----------
        price_class : str
            Price class.
        """
        pairs = [result.pair for result in self._results(price_class, POOL)]
        return sum(windows([pair for pair in pairs if pair.horizon == horizon]) for horizon in HORIZONS)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per price class and forecast."""
        return [
            {
                "class": name,
                "model": model,
                "crps": self.crps(name, model),
                "skill": self.skill(name, model),
                "within 50 %": self.coverage(name, 0.5, model),
                "within 80 %": self.coverage(name, 0.8, model),
                "within 95 %": self.coverage(name, 0.95, model),
                "bias": self.bias(name, model),
                "pairs": len(scored),
                "windows": self.windows(name),
            }
            for name in CLASSES
            for model, by_class in self.scored.items()
            if (scored := by_class[name])
        ]

    @checked("model")
    def horizon_rows(self, model: str = POOL) -> list[dict[str, Any]]:
        """Return one row per price class and horizon of a forecast, with the number of windows and providers.

        Parameters
        ----------
        model : str
            Name of the forecast.
        """
        rows = []
        for name in CLASSES:
            for horizon in HORIZONS:
                own = [result for result in self._results(name, model) if result.pair.horizon == horizon]
                if own:
                    pairs = [result.pair for result in own]
                    rows.append(
                        {
                            "class": name,
                            "horizon": horizon,
                            "crps": average(own, lambda result: result.crps),
                            **{
                                f"within {level} %": average(own, _inside(place))
                                for place, level in enumerate((50, 80, 95))
                            },
                            "pairs": len(own),
                            "windows": windows(pairs),
                            "providers": len({pair.provider for pair in pairs}),
                        }
                    )
        return rows

    @checked("width")
    def to_text(self, width: int | None = None) -> str:
        """Return the scores, and those of the pool by horizon, as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the notes are wrapped; default: they are not wrapped [character].
        """
        by_horizon = rendering.text([rendering.cells(row) for row in self.horizon_rows()], f"\nThe {POOL} by horizon")
        return f"{rendering.Shown.to_text(self, width)}\n{by_horizon}"

    def _title(self) -> str:
        return self.split

    def _footer(self) -> str:
        return "crps and bias in ln price; windows do not overlap, but are not all independent"


def _inside(place: int) -> Callable[[Scored], float]:
    """Return a measure: 1 if the outcome lies inside the interval at an index of `Scored.inside`, else 0."""
    return lambda result: float(result.inside[place])


def backtest_rental(
    split: str = "generation", facts: Table | None = None, executor: Executor | None = None
) -> RentalBacktest:
    """Score forecasts of rental prices on prices left out of the fit.

    Parameters
    ----------
    split : {"generation", "provider", "time"}
        Prices left out: each generation of accelerators, each provider, or all from March 2025 on.
    facts : Table, optional
        Prices; the table of the library by default.
    executor : concurrent.futures.Executor, optional
        Scores the folds in parallel, such as a `ProcessPoolExecutor`; the result does not depend on it.

    Returns
    -------
    RentalBacktest
        `.rows()`, `.crps(price_class)`, `.coverage(price_class)`, ...

    Raises
    ------
    InputError
        If the split is unknown.

    Examples
    --------
    >>> result = backtest_rental("time")
    >>> result.crps("neocloud") < result.crps("neocloud", "fitted drift") < result.crps("neocloud", "no change")
    True
    """
    return _backtest(split, facts) if executor is None else _scored(split, facts, executor)


@lru_cache(maxsize=8)
def _backtest(split: str, facts: Table | None) -> RentalBacktest:
    return _scored(split, facts, None)


def _scored(split: str, facts: Table | None, executor: Executor | None) -> RentalBacktest:
    check_executor(executor)
    pairs = price_pairs(facts)
    if split == "time":
        folds = [([pair for pair in pairs if pair.end <= SPLIT], [pair for pair in pairs if pair.start >= SPLIT])]
        title = f"Fitted on pairs of prices up to {SPLIT}, scored on later ones"
    elif split in {"generation", "provider"}:
        group = attrgetter(split)
        folds = [
            ([pair for pair in pairs if group(pair) != left], [pair for pair in pairs if group(pair) == left])
            for left in dict.fromkeys(map(group, pairs))
        ]
        title = f"Each {split} predicted from the others"
    else:
        raise InputError(f"split must be 'generation', 'provider' or 'time'; got {split!r}")
    scored: dict[str, dict[str, list[Scored]]] = {}
    for by_model in mapped(_scores_of_fold, folds, executor):
        for model, by_class in by_model.items():
            by_name = scored.setdefault(model, {name: [] for name in CLASSES})
            for name, scores in by_class.items():
                by_name[name] += scores
    return RentalBacktest(title, scored)


def _scores_of_fold(fold: tuple[list[Pair], list[Pair]]) -> dict[str, dict[str, list[Scored]]]:
    """Return the scores by forecast and price class of pairs left out, fitted on the others."""
    fitted_on, left_out = fold
    return {
        model: {
            name: score(forecast, [pair for pair in left_out if pair.price_class == name])
            for name, forecast in by_class.items()
        }
        for model, by_class in class_fits(fitted_on).items()
    }
