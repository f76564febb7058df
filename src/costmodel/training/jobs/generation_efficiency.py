"""MFU of accelerators without a step-time model, by generation, fitted on published throughput.

The logit of the MFU is a mean plus effects of vendor, generation, accelerator and source, of mixtures of experts, of
8-bit formats and of small models, all with normal priors (`data/assumptions/priors.csv`). Generations with few rows are
drawn toward those of their vendor, and generations without rows have the spread between generations.
`costmodel refit generation_efficiency` writes `data/fitted/generation_efficiency.csv`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.arrays import expit, logit
from costmodel.foundation.fitted import read_priors
from costmodel.foundation.ranges import between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, Row, constant, table
from costmodel.training.jobs.throughput import Throughput
from costmodel.training.jobs.utilization import default_mfu, has_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.accelerator import Accelerator

TABLE = "fitted/generation_efficiency"
FULL_SIZE = constant("full_efficiency_parameters")
"""Active parameters from which the efficiency no longer grows with the model [1]."""
PRIORS = read_priors("generation_efficiency")
"""Mean and effects of the fit: factors on the odds MFU / (1 - MFU), with their spread."""
EFFECTS = ("vendor", "generation", "accelerator", "source")
"""Effects of which each name has its own."""
_NEW = "new"
"""Stands for a name that no row has."""
ALL = "all"
"""Name of the row for accelerators of vendors without rows."""


class Features(NamedTuple):
    """What the MFU depends on; an empty name stands for one that no row has."""

    vendor: str
    generation: str
    accelerator: str
    source: str
    moe: float
    eight_bit: float
    smaller: float
    """ln(active parameters / `FULL_SIZE`) of smaller models, 0 of others [1]."""

    @classmethod
    def of(cls, row: Throughput) -> Features:
        """Return the features of a measured throughput."""
        own = row.accelerator
        return cls(
            own.vendor, own.generation, own.name, row.group, float(row.moe), float(row.eight_bit), smaller(row.active)
        )


class EfficiencyFit(NamedTuple):
    """A fit on measured throughput: a Gaussian process with the priors as covariance."""

    rows: tuple[Features, ...]
    inverse: NDArray[np.float64]
    """Inverse of the covariance of the rows."""
    weights: NDArray[np.float64]
    """Inverse covariance × (logit of the measured MFU - prior mean)."""

    def predict(self, target: Features) -> tuple[float, float]:
        """Return mean and standard deviation of the logit of the MFU of a new source.

        Parameters
        ----------
        target : Features
        """
        import numpy as np

        shared = np.array([_covariance(target, row) for row in self.rows])
        names: dict[str, Any] = {name: _NEW for name in EFFECTS if not getattr(target, name)}
        named = target._replace(**names)
        own = _covariance(named, named)
        variance = own + PRIORS["row"].spread ** 2 - shared @ self.inverse @ shared
        return _mean(target) + float(shared @ self.weights), math.sqrt(float(variance))

    @property
    def smaller(self) -> float:
        """Change of the logit of the MFU with ln(active parameters) below `FULL_SIZE` [1]."""
        import numpy as np

        prior = PRIORS["smaller"]
        sizes = np.array([row.smaller for row in self.rows])
        return math.log(prior.value) + prior.spread**2 * float(sizes @ self.weights)


def smaller(active: float) -> float:
    """Return ln(active parameters / `FULL_SIZE`), at most 0 [1].

    Parameters
    ----------
    active : float
        Parameters that a token uses [1].
    """
    return min(math.log(active / FULL_SIZE), 0.0)


def fit_efficiency(rows: Sequence[Throughput]) -> EfficiencyFit:
    """Fit the efficiency of generations to measured throughput.

    Parameters
    ----------
    rows : sequence of Throughput
    """
    import numpy as np

    listed = tuple(Features.of(row) for row in rows)
    covariance = np.array([[_covariance(one, other) for other in listed] for one in listed])
    inverse = np.linalg.inv(covariance + PRIORS["row"].spread ** 2 * np.eye(len(listed)))
    residual: NDArray[np.float64] = np.array(
        [logit(row.mfu) - _mean(own) for row, own in zip(rows, listed, strict=True)]
    )
    weights: NDArray[np.float64] = inverse @ residual
    return EfficiencyFit(listed, inverse.astype(float), weights)


def _mean(target: Features) -> float:
    """Return the prior mean of the logit of the MFU."""
    factors: float = sum(
        math.log(PRIORS[name].value) * getattr(target, name) for name in ("moe", "eight_bit", "smaller")
    )
    return logit(PRIORS["mfu"].value) + factors


def _covariance(one: Features, other: Features) -> float:
    """Return the prior covariance of the logits of two MFUs, without the spread between rows."""
    total = PRIORS["mfu"].spread ** 2
    for name in ("moe", "eight_bit", "smaller"):
        total += PRIORS[name].spread ** 2 * getattr(one, name) * getattr(other, name)
    for name in EFFECTS:
        if getattr(one, name) and getattr(one, name) == getattr(other, name):
            total += PRIORS[name].spread ** 2
    if one.source and one.source == other.source:
        total += PRIORS["moe_source"].spread ** 2 * one.moe * other.moe
    return total


@lru_cache(maxsize=1)
def _rows() -> dict[tuple[str, str, str, str], Row]:
    return {(row["scope"], row["name"], row["kind"], row["precision"]): row for row in table(TABLE).rows}


def efficiency_row(moe: bool, accelerator: Accelerator, eight_bit: bool = False) -> Row:
    """Return the row of the nearest scope: the accelerator, its generation, its vendor, or all accelerators.

    Parameters
    ----------
    moe : bool
        Whether the model is a mixture of experts.
    accelerator : Accelerator
    eight_bit : bool
        Whether matrix products run in 8 bits, at a peak above that of bf16.
    """
    kind, precision = "moe" if moe else "dense", "8-bit" if eight_bit else "16-bit"
    scopes = ("accelerator", accelerator.name), ("generation", accelerator.generation), ("vendor", accelerator.vendor)
    rows = _rows()
    for scope, name in scopes:
        if (scope, name, kind, precision) in rows:
            return rows[scope, name, kind, precision]
    return rows[ALL, ALL, kind, precision]


def is_measured(accelerator: Accelerator) -> bool:
    """Return whether an accelerator or its generation has published throughput in the fit.

    Parameters
    ----------
    accelerator : Accelerator
    """
    return efficiency_row(False, accelerator)["scope"] in {"accelerator", "generation"}


def interval(row: Row, active: float, level: float) -> tuple[float, float]:
    """Return the central interval of the MFU of a row, for the size of a model [1].

    Parameters
    ----------
    row : Row
        As `efficiency_row` returns it.
    active : float
        Parameters that a token uses [1].
    level : float
        Probability of the interval [1].
    """
    low, high = (logit(float(row[end])) for end in ("low", "high"))
    width = normal_quantile((1 + level) / 2) / normal_quantile((1 + float(row["level"])) / 2)
    center, half = (low + high) / 2 + float(row["smaller"]) * smaller(active), (high - low) / 2 * width
    return expit(center - half), expit(center + half)


def class_mfu(architecture: Architecture, accelerator: Accelerator, eight_bit: bool, of_bf16: float = 1.0) -> Figure:
    """Return the MFU of a class of model and accelerator, where the step-time model does not apply [1].

    It is fitted on published throughput of the generation where there is some. NVIDIA accelerators, and generations
    with published runs only, have the default of those runs.

    Parameters
    ----------
    architecture : Architecture
    accelerator : Accelerator
    eight_bit : bool
        Whether matrix products run in 8 bits, at a peak above that of bf16.
    of_bf16 : float
        Peak of the precision relative to that of bf16, at most 1 [1].

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> from costmodel.architecture.loading import load_architecture
    >>> 0.5 < class_mfu(load_architecture("llama-2-70b"), load_accelerator("TPU-v5p"), False).value < 0.7
    True
    """
    moe = architecture.kind == "moe"
    if not is_measured(accelerator) and (accelerator.vendor == "NVIDIA" or has_class(accelerator.generation)):
        return default_mfu(moe, accelerator, of_bf16)
    row = efficiency_row(moe, accelerator, eight_bit)
    level = float(row["level"])
    low, high = (end * of_bf16 for end in interval(row, float(architecture.parameters.active), level))
    spread = between(low, high, level=level).settled("logitnormal")
    return Figure(spread.median(), spread, Provenance("fitted", row["source"], note=_note(row, accelerator)))


def _note(row: Row, accelerator: Accelerator) -> str:
    """Return where the MFU comes from, as text."""
    generation = accelerator.generation or "unknown"
    if row["scope"] in {"accelerator", "generation"}:
        of = "" if row["scope"] == "generation" else f", {row['name']}"
        sources = f"{row['sources']} source{'s' if int(row['sources']) > 1 else ''}"
        return f"efficiency of generation {generation}{of} from {row['rows']} published rows ({sources})"
    of = f"of generation {accelerator.generation}" if accelerator.generation else "of it: its generation is not given"
    return f"no measurement {of}; wide interval, from other generations"
