"""Uncertain inputs of a serving estimate: errors of predictions, price, power and utilization, with their sources."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.estimation.chain import Missing
from costmodel.estimation.serving.figures import Errors, Prices
from costmodel.foundation.errors import MissingFactError, UnknownNameError
from costmodel.foundation.ranges import Range, between, draws, middle, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.hardware.power import power_at_load
from costmodel.hardware.site import grid_intensity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from costmodel.estimation.serving.scenario import Serving
    from costmodel.hardware.site import Site
    from costmodel.serving.engine.recipes import Recipe
    from costmodel.serving.load.served import Spreads

    Array = NDArray[np.float64]

_LEVEL = 0.8
POWERS = ("site.power_per_gpu", "site.idle_power")
"""Inputs that are not drawn: the error of the power is in that of the energy."""
_TIME = "fitted by costmodel refit serving on data/measurements/serving.csv"
_FIRST = "fitted by costmodel refit serving_latency on data/measurements/serving.csv"
_ENERGY = "fitted by costmodel refit serving_power on data/measurements/serving.csv"


class Named(NamedTuple):
    """An input: its figure, or the reason why it is not known, and its unit."""

    figure: Figure | Missing
    """Value, spread and provenance."""
    unit: str
    """Unit of the value."""


def inputs_of(serving: Serving, spreads: Spreads, recipe: Recipe) -> dict[str, Named]:
    """Return the uncertain inputs of a scenario by name.

    Parameters
    ----------
    serving : Serving
    spreads : Spreads
        Standard deviations of the predictions.
    recipe : Recipe
        Engine and its settings.
    """
    stack = f"engine {recipe.title}, {serving.cluster.accelerator.name}"
    site, card = serving.cluster.site, serving.cluster.accelerator
    given_power = site.power_per_gpu
    full, rest = (
        (lambda: _given(given_power), lambda: _given(given_power))
        if given_power is not None
        else (lambda: power_at_load(card, 1.0, "at the TDP"), lambda: power_at_load(card, 0.0, "server alone"))
    )
    time, first = serving.time_factor, serving.ttft_factor
    energy = 0.0 if given_power is not None else spreads.energy
    utilization = serving.utilization
    return {
        "time_factor": Named(
            _error(spreads.time, _TIME, f"factor on times per token of {stack}") if time is None else _given(time), "1"
        ),
        "ttft_factor": Named(
            _error(spreads.first, _FIRST, f"factor on times to the first token of {stack}")
            if first is None
            else _given(first),
            "1",
        ),
        "energy_factor": Named(_error(energy, _ENERGY, f"factor on energy per token of {card.generation}"), "1"),
        "prices.price": Named(_looked_up(lambda: serving.prices.price_of(serving.cluster)), "USD/hour"),
        "site.power_per_gpu": Named(_looked_up(full), "W"),
        "site.idle_power": Named(_looked_up(rest), "W"),
        "site.pue": Named(default("pue") if site.pue is None else _given(site.pue), "1"),
        "site.grid_intensity": Named(_grid(site), "kg/kWh"),
        "utilization": Named(
            Figure(1.0, None, Provenance("assumed", note="the load lasts all the time"))
            if utilization is None
            else _given(utilization),
            "1",
        ),
    }


def errors_and_prices(inputs: Mapping[str, Named], count: int, seed: int) -> tuple[Errors, Prices]:
    """Return draws of the inputs, or their medians for a count of 1.

    Parameters
    ----------
    inputs : mapping of Named
        Inputs by name.
    count : int
        Number of draws.
    seed : int
        Seed of the draws.
    """
    drawn = {name: _drawn(name, entry.figure, count, seed) for name, entry in inputs.items()}
    time, first, energy = (_known(drawn[name]) for name in ("time_factor", "ttft_factor", "energy_factor"))
    prices = Prices(
        drawn["prices.price"],
        drawn["site.power_per_gpu"],
        drawn["site.idle_power"],
        _known(drawn["site.pue"]),
        _known(drawn["utilization"]),
        drawn["site.grid_intensity"],
    )
    return Errors(time, first, energy), prices


def _drawn(name: str, figure: Figure | Missing, count: int, seed: int) -> Array | Missing:
    if isinstance(figure, Missing):
        return figure
    if count == 1 or figure.spread is None or name in POWERS:
        return np.full(count, float(figure.value))
    return draws(f"serving.{name}", figure.spread, count, seed)


def _known(value: Array | Missing) -> Array:
    assert not isinstance(value, Missing)  # errors, PUE and utilization have defaults
    return value


def _error(spread: float, source: str, note: str) -> Figure:
    """Return a factor with the median 1 and a standard deviation of its logarithm."""
    if not spread:
        return Figure(1.0, None, Provenance("given", note="the power is given"))
    end = math.exp(normal_quantile((1 + _LEVEL) / 2) * spread)
    return Figure(1.0, between(1 / end, end, "1").settled("lognormal"), Provenance("fitted", source, note=note))


def _given(value: float | Range) -> Figure:
    return Figure(middle(value), value if isinstance(value, Range) else None, Provenance("given"))


def _grid(site: Site) -> Figure | Missing:
    """Return the greenhouse gas emissions of the electricity of a site, location-based [kg/kWh]."""
    if site.grid_intensity is not None:
        return _given(site.grid_intensity)
    region = site.region
    return default("grid_intensity") if region is None else _looked_up(lambda: grid_intensity(region, site.year))


def _looked_up(look_up: Callable[[], Figure]) -> Figure | Missing:
    try:
        return look_up()
    except (MissingFactError, UnknownNameError) as error:
        return Missing(str(error))
