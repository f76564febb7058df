"""Fit of `RentalPath` to pairs of rental prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.fitted import Values, fit_posterior_mode, read_priors
from costmodel.foundation.tables import constant
from costmodel.projection.rents.outlook import RentalPath
from costmodel.projection.rents.price_pairs import CLASSES, UNCHANGED, Pair, PricePairs

if TYPE_CHECKING:
    from collections.abc import Sequence

WALK_YEARS = constant("walk_years")
"""Horizon beyond which the spread of prices stops growing [year]. Chosen: the standard deviation of ln(price / price
before) at neoclouds is 0.12, 0.25, 0.27, 0.29 and 0.31 at the horizons of `HORIZONS`."""
STICKY_SHARE = constant("sticky_share")
"""Weight of the sticky model in the pool [1]: chosen, not fitted."""
PRIORS = read_priors("rental_paths")
"""Priors of the fitted fields of `RentalPath`."""


def fit_walk(pairs: PricePairs) -> float:
    """Return the standard deviation of a random walk without drift after one year [1].

    Parameters
    ----------
    pairs : PricePairs
        Of all price classes.
    """
    import numpy as np

    scaled = pairs.change**2 / np.minimum(pairs.years, WALK_YEARS)
    return float(np.sqrt(np.average(scaled, weights=pairs.weight)))


def fit_path(name: str, pairs: PricePairs, walk: float) -> RentalPath:
    """Return the path of a price class with the parameters of maximum posterior density.

    Parameters
    ----------
    name : str
        Price class.
    pairs : PricePairs
        Of the class.
    walk : float
        Standard deviation of the random walk after one year [1].
    """
    import numpy as np

    change = np.where(np.abs(pairs.change) < UNCHANGED, 0.0, pairs.change)

    def log_likelihood(values: Values) -> float:
        path = _path(name, values, walk, 1.0)
        likelihood = np.asarray(path.cdf(change + UNCHANGED, pairs.years) - path.cdf(change - UNCHANGED, pairs.years))
        return float((pairs.weight * np.log(np.maximum(likelihood, 1e-300))).sum())

    mode = fit_posterior_mode(log_likelihood, PRIORS, xatol=1e-3, fatol=1e-5, iterations=600)
    return _path(name, mode, walk, STICKY_SHARE)


def _path(name: str, values: Values, walk: float, sticky_share: float) -> RentalPath:
    changes, step, scale = (values[field] for field in PRIORS)
    return RentalPath(name, changes, step, scale, walk, WALK_YEARS, sticky_share)


def fit_paths(pairs: Sequence[Pair]) -> dict[str, RentalPath]:
    """Return the path of each price class; a class without pairs gets the priors.

    Parameters
    ----------
    pairs : sequence of Pair
        Of all price classes.
    """
    walk = fit_walk(PricePairs.of(pairs))
    return {
        name: fit_path(name, PricePairs.of([pair for pair in pairs if pair.price_class == name]), walk)
        for name in CLASSES
    }
