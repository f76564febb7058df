"""How much did rental prices move? Pairs of prices of one offer, and the fit of `RentalPath` to them.

`python -m costmodel.projection.rents.paths_fit` fits the facts of `data/gpu_prices.csv` anew, writes
`data/fitted/rental_paths.csv` and prints how well the fit foresees generations that it did not see.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, folder, write_rows
from costmodel.hardware.accelerator import load_accelerator
from costmodel.market.gpu_prices import traced_prices
from costmodel.projection.rents.outlook import YEAR, RentalPath, price_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CLASSES = ("hyperscaler", "neocloud", "marketplace")
HORIZONS = {"3 months": 0.125, "6 months": 0.375, "1 year": 0.75, "2 years": 1.5, "3 years or more": 2.5}
"""Pairs of a horizon are at least so far apart, up to the next [year]."""
UNCHANGED = 0.01
"""Prices whose logarithms differ by less are the same [1]."""
NO_HOST = "GPU-only price"
"""Note of the facts that are a price of the accelerator without its host, which others include."""
FOREIGN = ("europe", "eu-", "asia-", "ap-", "FIN")
"""How the names of regions outside of the United States begin."""
WALK_YEARS = 1.5
"""The spread of prices grows no longer [year]: chosen, as it is .12, .25, .27, .29, .31 at the horizons above."""
STICKY_SHARE = 0.5
"""Share of the sticky view in the pool [1]: chosen, not fitted."""
PRIORS = {"changes_per_year": (1.0, 1.0), "step": (0.0, 0.05), "step_scale": (0.28, 0.3)}
"""Middle and spread of what was known before: of the logarithm but for `step`. Few changes were seen of a class."""


class Pair(NamedTuple):
    """Two prices of one offer: what the second is to the first."""

    price_class: str
    accelerator: str
    generation: str
    provider: str
    purchase_model: str
    start: dt.date
    end: dt.date
    change: float
    """ln(second / first) [1]"""

    @property
    def years(self) -> float:
        """Time between the two [year]."""
        return (self.end - self.start).days / YEAR

    @property
    def series(self) -> tuple[str, str, str]:
        """The offer."""
        return self.accelerator, self.provider, self.purchase_model

    @property
    def horizon(self) -> str:
        """The name of its horizon."""
        return [name for name, least in HORIZONS.items() if least <= self.years][-1]


@dataclass(frozen=True, slots=True)
class PricePairs:
    """Pairs as arrays, with weights such that each offer counts alike, and each horizon of an offer."""

    pairs: tuple[Pair, ...]
    change: Array
    years: Array
    weight: Array

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> PricePairs:
        """Return pairs with their weights, which add up to the number of offers."""
        import numpy as np

        cells: dict[tuple[tuple[str, str, str], str], int] = {}
        for pair in pairs:
            cells[pair.series, pair.horizon] = cells.get((pair.series, pair.horizon), 0) + 1
        horizons: dict[tuple[str, str, str], int] = {}
        for series, _ in cells:
            horizons[series] = horizons.get(series, 0) + 1
        weight = [1 / (cells[pair.series, pair.horizon] * horizons[pair.series]) for pair in pairs]
        return cls(tuple(pairs), np.array([pair.change for pair in pairs]), np.array([pair.years for pair in pairs]),
                   np.array(weight))  # fmt: skip


def price_pairs(facts: Table | None = None) -> list[Pair]:
    """Return all pairs of prices of one offer (accelerator, provider, on demand, spot or marketplace).

    Of each day the cheapest instance in the United States, or where no region is named; prices without a host and
    reserved ones are left out, and pairs nearer than six weeks.

    Parameters
    ----------
    facts : the price table of the library unless given
    """
    cheapest: dict[tuple[str, str, str], dict[dt.date, float]] = {}
    for row in traced_prices(facts).rows:
        model, day = row["purchase_model"], dt.date.fromisoformat(row["as_of"])
        if model.startswith("reserved") or row["region"].startswith(FOREIGN) or row["note"].startswith(NO_HOST):
            continue
        of_day = cheapest.setdefault((row["accelerator"], row["provider"], model), {})
        of_day[day] = min(of_day.get(day, math.inf), float(row["usd_per_gpu_hour"]))
    least = min(HORIZONS.values())
    return [
        Pair(price_class(provider, model), accelerator, load_accelerator(accelerator).generation, provider, model,
             first, second, math.log(of_day[second] / of_day[first]))
        for (accelerator, provider, model), of_day in sorted(cheapest.items())
        for first, second in itertools.combinations(sorted(of_day), 2)
        if (second - first).days / YEAR >= least
    ]  # fmt: skip


def windows(pairs: Sequence[Pair]) -> int:
    """Return how many windows of the pairs do not overlap: of each offer, the most that follow one another.

    Parameters
    ----------
    pairs : of one horizon
    """
    last: dict[tuple[str, str, str], dt.date] = {}
    found = 0
    for pair in sorted(pairs, key=lambda pair: pair.end):
        if pair.series not in last or pair.start >= last[pair.series]:
            last[pair.series] = pair.end
            found += 1
    return found


def fit_walk(pairs: PricePairs) -> float:
    """Return the standard deviation of a year [1] of a walk without drift, from the pairs of all classes.

    Parameters
    ----------
    pairs : PricePairs
    """
    import numpy as np

    scaled = pairs.change**2 / np.minimum(pairs.years, WALK_YEARS)
    return float(np.sqrt(np.average(scaled, weights=pairs.weight)))


def fit_path(name: str, pairs: PricePairs, walk: float) -> RentalPath:
    """Return the path that fits the pairs of a class: the most likely one, with what was known before.

    Parameters
    ----------
    name : of the class
    pairs : of the class
    walk : standard deviation of the walk [1]
    """
    import numpy as np
    from scipy.optimize import minimize

    still = np.abs(pairs.change) < UNCHANGED
    at = np.where(still, 0.0, pairs.change)
    middle = np.array([math.log(PRIORS["changes_per_year"][0]), PRIORS["step"][0], math.log(PRIORS["step_scale"][0])])
    spread = np.array([scale for _, scale in PRIORS.values()])

    def path(values: Array) -> RentalPath:
        changes, step, scale = float(np.exp(values[0])), float(values[1]), float(np.exp(values[2]))
        return RentalPath(name, changes, step, scale, walk, WALK_YEARS, 1.0)

    def surprise(values: Array) -> float:
        found = path(values)
        likelihood = np.asarray(found.cdf(at + UNCHANGED, pairs.years) - found.cdf(at - UNCHANGED, pairs.years))
        return float(-(pairs.weight * np.log(np.maximum(likelihood, 1e-300))).sum()
                     + 0.5 * (((values - middle) / spread) ** 2).sum())  # fmt: skip

    best = minimize(surprise, middle, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-5, "maxiter": 600}).x
    fitted = path(best)
    return RentalPath(name, fitted.changes_per_year, fitted.step, fitted.step_scale, walk, WALK_YEARS, STICKY_SHARE)


def fit_paths(pairs: Sequence[Pair]) -> dict[str, RentalPath]:
    """Return the path of each class; one without pairs gets what was known before.

    Parameters
    ----------
    pairs : of all classes
    """
    walk = fit_walk(PricePairs.of(pairs))
    return {name: fit_path(name, PricePairs.of([pair for pair in pairs if pair.price_class == name]), walk)
            for name in CLASSES}  # fmt: skip


def path_rows(pairs: Sequence[Pair]) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/rental_paths.csv`: the fitted parameters, rounded to two digits.

    Parameters
    ----------
    pairs : of all classes
    """
    rows = []
    for name, path in fit_paths(pairs).items():
        own = [pair for pair in pairs if pair.price_class == name]
        if not own:
            raise InputError(f"{name}: there are no pairs of prices to fit")
        offers, providers = {pair.series for pair in own}, {pair.provider for pair in own}
        step = round(path.step, 2) + 0.0  # no "-0.00"
        seen = f"{min(pair.start for pair in own)} to {max(pair.end for pair in own)}"
        rows.append({
            "price_class": name, "changes_per_year": f"{path.changes_per_year:.2g}", "step": f"{step:.2f}",
            "step_scale": f"{path.step_scale:.2g}", "walk": f"{path.walk:.2g}", "walk_years": f"{path.walk_years:g}",
            "sticky_share": f"{path.sticky_share:g}",
            "source": f"fitted by costmodel.projection.rents.paths_fit on data/gpu_prices.csv: {len(own)} pairs of "
                      f"prices of {len(offers)} offers at {len(providers)} providers, {seen}",
        })  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the paths, write their table and print the backtest."""
    from costmodel.projection.backtests.rents import backtest_rental

    parser = argparse.ArgumentParser(prog="python -m costmodel.projection.rents.paths_fit", description=__doc__)
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    given = parser.parse_args(arguments)
    write_rows((given.to or folder()) / "fitted/rental_paths.csv", path_rows(price_pairs()))
    print(backtest_rental())


if __name__ == "__main__":
    main()
