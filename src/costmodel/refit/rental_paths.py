"""Refit of the paths of rental prices to pairs of dated prices: `costmodel refit rental_paths`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.projection.rents.paths_fit import fit_paths
from costmodel.projection.rents.price_pairs import Pair, price_pairs
from costmodel.refit.result import Refitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Row


def refit() -> Refitted:
    """Return the table of the paths of rental prices, fitted on the prices of the library."""
    pairs = price_pairs()
    offers = {pair.series for pair in pairs}
    return Refitted(
        {"fitted/rental_paths": path_rows(pairs)}, [f"{len(pairs)} pairs of prices of {len(offers)} offers"]
    )


def path_rows(pairs: Sequence[Pair]) -> list[Row]:
    """Return the fitted parameters by price class, rounded to two digits.

    Parameters
    ----------
    pairs : sequence of Pair
        Of all price classes.

    Raises
    ------
    InputError
        If a price class has no pair.
    """
    rows = []
    for name, path in fit_paths(pairs).items():
        own = [pair for pair in pairs if pair.price_class == name]
        if not own:
            raise InputError(f"{name}: there are no pairs of prices to fit")
        offers, providers = {pair.series for pair in own}, {pair.provider for pair in own}
        span = f"{min(pair.start for pair in own)} to {max(pair.end for pair in own)}"
        step = round(path.step, 2) + 0.0  # no "-0.00"
        rows.append({
            "price_class": name, "changes_per_year": f"{path.changes_per_year:.2g}", "step": f"{step:.2f}",
            "step_scale": f"{path.step_scale:.2g}", "walk": f"{path.walk:.2g}", "walk_years": f"{path.walk_years:g}",
            "sticky_share": f"{path.sticky_share:g}",
            "source": f"fitted by costmodel refit rental_paths on data/gpu_prices.csv, {len(own)} pairs of prices of "
                      f"{len(offers)} offers at {len(providers)} providers, {span}",
        })  # fmt: skip
    return rows
