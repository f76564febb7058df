"""Constants of the decode model, fitted on measured throughputs, and their spread.

`data/fitted/decode.csv` holds them; a name such as `layer:blackwell` is a factor on `layer` for a generation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import read_constants, read_folds, read_priors
from costmodel.foundation.tables import table
from costmodel.serving.decode import Constants

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER = "other"
"""Name of the spread of generations without measured throughputs."""
PRIORS = read_priors("decode")
"""Priors of the constants of H100, and of factors on them for another generation."""


class Efficiency(NamedTuple):
    """Fitted constants of the decode model and the spread of their residuals."""

    values: Mapping[str, float]
    """Constants by name; `name:generation` is a factor on the constant for a generation."""
    spreads: Mapping[str, float]
    """Standard deviation of ln(predicted / measured) by generation [1]."""

    def constants(self, generation: str) -> Constants:
        """Return the constants of a generation. Without factors they are the constants of H100.

        Parameters
        ----------
        generation : str
            Such as "hopper".
        """
        return Constants(
            *(self.values[name] * self.values.get(f"{name}:{generation}", 1.0) for name in Constants._fields)
        )

    def spread(self, generation: str) -> float:
        """Return the standard deviation of ln(predicted / measured) of throughputs on a generation [1].

        Parameters
        ----------
        generation : str
            Such as "hopper". A generation without measured throughputs has a wider spread.
        """
        return self.spreads.get(generation, self.spreads[OTHER])


@lru_cache(maxsize=1)
def default_efficiency() -> Efficiency:
    """Return the constants of `data/fitted/decode.csv`."""
    shipped = read_constants(table("fitted/decode").rows)
    return Efficiency(shipped["value"], shipped["spread"])


@lru_cache(maxsize=1)
def folds() -> dict[str, Efficiency]:
    """Return the constants of the fits without each model, by its name: `data/fitted/folds/decode.csv`."""
    shipped = default_efficiency()
    return {
        model: shipped._replace(values={**shipped.values, **values})
        for model, values in read_folds("fitted/folds/decode").items()
    }
