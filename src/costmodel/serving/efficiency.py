"""How much of the machine does a decode step reach? Constants fitted on measured throughputs, and their spread.

`data/fitted/decode.csv` holds them; a name such as `layer:blackwell` is a factor on `layer` for a generation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import Prior
from costmodel.foundation.tables import table
from costmodel.serving.decode import Constants

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER = "other"
"""The spread of generations of which no throughput was measured."""


PRIORS: dict[str, Prior] = {
    "mfu": Prior(0.55, 0.15, "1", "large products reach 0.7 on H100, those of a decode step are thin"),
    "bandwidth": Prior(0.8, 0.0, "1", "not identified by the rows; copies reach 0.8 to 0.9 of the memory bandwidth"),
    "layer": Prior(6e-5, 0.5, "s", "some ten kernels of a layer, of 5 to 10 us each"),
    "exchange": Prior(4e-5, 1.0, "s", "two all-reduces of a layer, of 10 to 30 us each"),
    "sequence": Prior(6e-5, 1.0, "s", "scheduling, sampling and detokenizing of a sequence on the host"),
    "mfu:blackwell": Prior(1.0, 0.05, "1", "no difference known before the fit"),
    "layer:blackwell": Prior(1.0, 0.3, "1", "no difference known before the fit"),
    "exchange:blackwell": Prior(1.0, 0.3, "1", "no difference known before the fit"),
    "sequence:blackwell": Prior(1.0, 0.3, "1", "no difference known before the fit"),
}
"""Every constant before the fit: those of H100, and factors on them for another generation."""


class Efficiency(NamedTuple):
    """Constants by name, factors on them as `name:generation`, and the spread of ln(predicted / measured) by
    generation."""

    values: Mapping[str, float]
    spreads: Mapping[str, float]

    def constants(self, generation: str) -> Constants:
        """Return the constants of a generation: those of H100 where it has no factor.

        Parameters
        ----------
        generation : such as "hopper"
        """
        return Constants(*(self.values[name] * self.values.get(f"{name}:{generation}", 1.0)
                           for name in Constants._fields))  # fmt: skip

    def spread(self, generation: str) -> float:
        """Return the standard deviation of ln(predicted / measured) of throughputs on a generation [1].

        Parameters
        ----------
        generation : of which throughputs were measured, or any other, with a wider spread
        """
        return self.spreads.get(generation, self.spreads[OTHER])


@lru_cache(maxsize=1)
def default_efficiency() -> Efficiency:
    """Return the constants of `data/fitted/decode.csv`."""
    rows = table("fitted/decode").rows
    values = {row["name"]: float(row["value"]) for row in rows if row["kind"] != "spread"}
    return Efficiency(values, {row["name"]: float(row["value"]) for row in rows if row["kind"] == "spread"})


@lru_cache(maxsize=1)
def folds() -> dict[str, Efficiency]:
    """Return the constants fitted without each model, by its name: `data/fitted/folds/decode.csv`."""
    whole = default_efficiency()
    return {
        row["model"]: whole._replace(values={**whole.values, **{name: float(value) for name, value in row.items()
                                                                if name not in {"model", "source"}}})
        for row in table("fitted/folds/decode").rows
    }  # fmt: skip
