"""Fitted constants of time to first token and of power: `data/fitted/serving_latency.csv` and `serving_power.csv`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import read_constants, read_folds
from costmodel.foundation.tables import table
from costmodel.serving.step.latency import LatencyConstants
from costmodel.serving.step.power import PowerConstants

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from costmodel.serving.calibration.constants import Stack
    from costmodel.serving.engine.recipes import Recipe

LATENCY = "latency:"
"""Prefix of the factors of a recipe on the time to the first token."""


class Figures(NamedTuple):
    """Constants by name, and the spreads of the figure."""

    values: Mapping[str, float]
    """Constants by name; `name:key` is a factor."""
    spreads: Mapping[str, float]
    """Standard deviations of ln(predicted / measured): of stacks with rows by their names, "known", and "other" [1]."""
    measured: Collection[str]
    """Names of recipes or generations with rows."""

    def spread(self, name: str) -> float:
        """Return the standard deviation of ln(predicted / measured) [1]: known or other.

        Parameters
        ----------
        name : str
            Recipe, of a time to first token, or generation, of a power.
        """
        return self.spreads["known" if name in self.measured else "other"]


def latency_of(values: Mapping[str, float], recipe: Recipe) -> LatencyConstants:
    """Return the constants of the time to the first token of a recipe.

    Parameters
    ----------
    values : mapping of float
        Constants by name.
    recipe : Recipe
        Engine and its settings.
    """
    engine = 1.0
    for factor in recipe.constants:
        if factor.startswith(LATENCY):
            engine *= values[f"engine:{factor.removeprefix(LATENCY)}"]
    return LatencyConstants(values["prompts"], values["queue"], values["layer"], values["step"], engine)


def power_of(values: Mapping[str, float], generation: str) -> PowerConstants:
    """Return the constants of the power of a generation of accelerators.

    Parameters
    ----------
    values : mapping of float
        Constants by name.
    generation : str
        Generation, such as "hopper".
    """
    factor = values.get(f"generation:{generation}", 1.0)
    return PowerConstants(values["idle"], values["memory"], values["exponent"], values["compute"], factor)


def latency_key(stack: Stack) -> str:
    """Return the name under which times to first token of a stack are known: generation and recipe.

    Parameters
    ----------
    stack : Stack
    """
    return f"{stack.generation} {stack.recipe.name}"


@lru_cache(maxsize=1)
def default_latency() -> Figures:
    """Return the constants of `data/fitted/serving_latency.csv`."""
    return _read("fitted/serving_latency")


@lru_cache(maxsize=1)
def default_power() -> Figures:
    """Return the constants of `data/fitted/serving_power.csv`."""
    return _read("fitted/serving_power")


@lru_cache(maxsize=1)
def power_folds() -> dict[str, Figures]:
    """Return the constants of the fits without the models of each shape: `data/fitted/folds/serving_power.csv`."""
    shipped = default_power()
    return {
        shape: shipped._replace(values={**shipped.values, **values})
        for shape, values in read_folds("fitted/folds/serving_power").items()
    }


def _read(name: str) -> Figures:
    shipped = read_constants(table(name).rows)
    return Figures(shipped["value"], shipped["spread"], frozenset(shipped["measured"]))
