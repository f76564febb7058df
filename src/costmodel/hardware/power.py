"""Wall power per accelerator in training, with its share of the server."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Range, between, median, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, default, table

if TYPE_CHECKING:
    from costmodel.hardware.accelerator import Accelerator


def training_power(accelerator: Accelerator) -> Figure:
    """Return the wall power per accelerator in training [W].

    Where measurements exist: the median of metered nodes, with the spread of all metered runs around their
    medians. Otherwise: thermal design power × server factor × load factor. Switches and cooling are not included.

    Parameters
    ----------
    accelerator : Accelerator

    Raises
    ------
    MissingFactError
        If neither a measurement nor a design power is known.

    References
    ----------
    MLPerf Training power results v4.0 to v5.0; Cottier et al. 2024 (arXiv 2405.21015), section on energy.

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> round(training_power(load_accelerator("H100-SXM")).value)
    858
    """
    measured = _measured().get(accelerator.name)
    if measured:
        middle, factor = median(measured), math.exp(_measured_sd() * normal_quantile(0.9))
        spread = between(middle / factor, middle * factor, "W").settled("lognormal")
        rows = [row for row in table("facts/measured_power").rows if row["accelerator"] == accelerator.name]
        source = " ; ".join(dict.fromkeys(row["source"].rsplit("/", 1)[0] for row in rows))
        note = f"wall power of {len(measured)} metered runs, nodes only"
        return Figure(middle, spread, Provenance("fitted", source, note=note))
    if accelerator.tdp is None:
        raise MissingFactError(
            f"no power of {accelerator.name} is known, neither measured nor TDP: give cluster.site.power_per_gpu"
        )
    row = _server(accelerator)
    share = float(row["server_multiplier"]) * float(row["load_factor"])
    assumed = default("server_power_factor")
    if isinstance(accelerator.tdp, Range):
        watts: Range = accelerator.tdp.scaled(share, "W")
    elif assumed.spread is None:
        raise MissingFactError("`server_power_factor` in data/assumptions/defaults.csv has no spread")
    else:
        watts = assumed.spread.scaled(accelerator.tdp * share, "W")
    note = f"TDP × {row['server_multiplier']} for the server × {row['load_factor']} load"
    return Figure(watts.median(), watts, Provenance("assumed", row["source"], note=note))


@lru_cache(maxsize=1)
def _measured() -> dict[str, list[float]]:
    by_name: dict[str, list[float]] = {}
    for row in table("facts/measured_power").rows:
        by_name.setdefault(row["accelerator"], []).append(float(row["watts_per_gpu"]))
    return by_name


@lru_cache(maxsize=1)
def _measured_sd() -> float:
    """Return the standard deviation of log(metered power / median of the accelerator) [1]."""
    residuals = [math.log(watts / median(runs)) for runs in _measured().values() for watts in runs]
    return math.sqrt(sum(residual**2 for residual in residuals) / (len(residuals) - len(_measured())))


def _server(accelerator: Accelerator) -> dict[str, str]:
    general = "tpu" if accelerator.name.upper().startswith("TPU") else "gpu"
    by_scope = {row["scope"]: row for row in table("facts/server_power").rows}
    return next(by_scope[scope] for scope in (accelerator.name, accelerator.generation, general) if scope in by_scope)
