"""Wall power per accelerator: its own power by load, and its share of the server."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.fitted import read_constants, read_folds, read_priors
from costmodel.foundation.ranges import Range, between, middle, normal_quantile
from costmodel.foundation.rendering import percent
from costmodel.foundation.tables import Figure, Provenance, constant, default, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.hardware.accelerator import Accelerator

Cooling = Literal["air", "liquid"]
COOLINGS: dict[str, Cooling] = {"air": "air", "liquid": "liquid"}
"""Words for the cooling of a server: by fans of its own, or by liquid without them."""
PRIORS = read_priors("power")
"""Priors of the constants of the power model."""
METERED = "metered"
"""Name of the spread of accelerators with metered training runs."""
GENERATION_LOAD = constant("generation_load")
"""Power of an accelerator that generates tokens, over its design power [1]."""
LEVEL = 0.8
_METERS = (
    "fitted by costmodel refit power on data/measurements/measured_power.csv (mlcommons training results v4.0 to v5.0, "
    "power logs; arXiv 2104.10350)"
)


class PowerModel(NamedTuple):
    """Constants of the power model, by name, with the spread of its residuals."""

    values: Mapping[str, float]
    """`name:generation` is a factor on the constant for a generation, `accelerator:NAME` one on the power."""
    spread: float
    """Standard deviation of ln(predicted / measured) of runs left out of the fit [1]."""

    def load(self, utilization: float | None, generation: str) -> float:
        """Return the power of an accelerator in training over its design power [1]: idle + slope × utilization.

        Parameters
        ----------
        utilization : float or None
            Model FLOPs per second over the dense peak rate of the number format [1]. None for a busy accelerator.
        generation : str
            Of the accelerator, such as "hopper".
        """
        idle, busy = self.values["idle"], self.values["busy"]
        if utilization is None:
            return busy
        saturation = self.values["saturation"] * self.values.get(f"saturation:{generation}", 1.0)
        return idle + (busy - idle) * min(utilization / saturation, 1.0)

    def server_share(self, server: ServerPower, cooling: Cooling | None = None) -> float:
        """Return the power of the rest of the server over the design power of its accelerators [1].

        Parameters
        ----------
        server : ServerPower
        cooling : str, optional
            Default: that of the reference server.
        """
        return self.values[f"server:{cooling or server.cooling}"] * (server.multiplier - 1)

    def factor(self, accelerator: str) -> float:
        """Return the factor of an accelerator whose metered runs differ from the model [1].

        Parameters
        ----------
        accelerator : str
            Name in the catalog.
        """
        return self.values.get(f"accelerator:{accelerator}", 1.0)


class ServerPower(NamedTuple):
    """Design power of a server over that of its accelerators [1], and the cooling of the reference server."""

    multiplier: float
    cooling: Cooling
    source: str


@lru_cache(maxsize=1)
def power_model() -> PowerModel:
    """Return the constants of `data/fitted/power.csv`."""
    shipped = read_constants(table("fitted/power").rows)
    return PowerModel(shipped["value"], shipped["spread"][METERED])


@lru_cache(maxsize=1)
def folds() -> dict[str, PowerModel]:
    """Return the constants of the fits without each group of metered runs: `data/fitted/folds/power.csv`."""
    shipped = power_model()
    return {
        group: shipped._replace(values={**shipped.values, **values})
        for group, values in read_folds("fitted/folds/power").items()
    }


def training_power(
    accelerator: Accelerator, utilization: float | None = None, cooling: Cooling | None = None
) -> Figure:
    """Return the wall power per accelerator in training [W], with its share of the server.

    The accelerator draws idle + slope × utilization of its design power, up to the power of a busy one. The rest of
    the server (processors, memory, network cards, fans, conversion) draws a share of its own design power. Switches
    outside the servers and the cooling of the building are not included.

    Parameters
    ----------
    accelerator : Accelerator
    utilization : float, optional
        Model FLOPs per second over the dense peak rate of the number format [1]. Default: a busy accelerator, as in
        bf16 pretraining.
    cooling : str, optional
        "air" or "liquid". Default: that of the reference server.

    Raises
    ------
    MissingFactError
        If no design power is known.

    References
    ----------
    MLPerf Training power results v4.0 to v5.0; Patterson et al. 2021 (arXiv 2104.10350), Table 4; Cottier et al. 2024
    (arXiv 2405.21015), section on energy.

    Examples
    --------
    >>> from costmodel.hardware.accelerator import load_accelerator
    >>> busy, waiting = (training_power(load_accelerator("H100-SXM"), share).value for share in (0.4, 0.05))
    >>> 0.9 < busy / 1000 < 1.1, waiting < busy
    (True, True)
    """
    load = power_model().load(utilization, accelerator.generation)
    at = "busy" if utilization is None else f"utilization {percent(utilization)}"
    return power_at_load(accelerator, load, f"{at}: {percent(load)} of the TDP", cooling)


def power_at_load(accelerator: Accelerator, load: float, note: str, cooling: Cooling | None = None) -> Figure:
    """Return the wall power per accelerator at a load [W], with its share of the server.

    Parameters
    ----------
    accelerator : Accelerator
    load : float
        Power of the accelerator over its design power [1].
    note : str
        How the load was derived.
    cooling : str, optional
        "air" or "liquid". Default: that of the reference server.

    Raises
    ------
    MissingFactError
        If no design power is known.
    """
    if accelerator.tdp is None:
        raise MissingFactError(
            f"no power of {accelerator.name} is known, neither measured nor TDP: give cluster.site.power_per_gpu"
        )
    model, server = power_model(), server_power(accelerator)
    share = (load + model.server_share(server, cooling)) * model.factor(accelerator.name)
    is_metered = accelerator.name in metered_accelerators()
    if is_metered:
        provenance = Provenance("fitted", _METERS, note=f"{note}, with the server; metered runs")
    else:
        provenance = Provenance("assumed", server.source, note=f"{note}, with the server; no metered run")
    if isinstance(accelerator.tdp, Range):
        watts: Range = accelerator.tdp.scaled(share, "W")
        return Figure(watts.median(), watts, provenance)
    value = middle(accelerator.tdp) * share
    factor = math.exp(normal_quantile((1 + LEVEL) / 2) * power_spread(accelerator))
    return Figure(value, between(value / factor, value * factor, "W").settled("lognormal"), provenance)


def power_spread(accelerator: Accelerator) -> float:
    """Return the standard deviation of the logarithm of a predicted wall power [1].

    Parameters
    ----------
    accelerator : Accelerator
        Metered accelerators have the narrowest interval, those of a vendor without metered servers the widest.
    """
    if accelerator.name in metered_accelerators():
        return power_model().spread
    name = "server_power_factor" if accelerator.vendor.casefold() in _metered_vendors() else "vendor_power_factor"
    spread = default(name).spread
    assert spread is not None  # all rows of the table have an interval
    return math.log(spread.quantile((1 + LEVEL) / 2) / spread.median()) / normal_quantile((1 + LEVEL) / 2)


@lru_cache(maxsize=1)
def metered_accelerators() -> frozenset[str]:
    """Return the names of the accelerators with metered training runs."""
    return frozenset(row["accelerator"] for row in table("measurements/measured_power").rows)


@lru_cache(maxsize=1)
def _metered_vendors() -> frozenset[str]:
    """Return the vendors of GPUs with metered training runs; a TPU tells nothing of the next one."""
    rows = table("facts/accelerators").rows
    metered = [row for row in rows if row["name"] in metered_accelerators() and not _is_tpu(row["name"])]
    return frozenset(row["vendor"].casefold() for row in metered) | {""}


def _is_tpu(name: str) -> bool:
    return name.upper().startswith("TPU")


def server_power(accelerator: Accelerator) -> ServerPower:
    """Return the design power and the cooling of the reference server of an accelerator.

    Parameters
    ----------
    accelerator : Accelerator
    """
    general = "tpu" if _is_tpu(accelerator.name) else "gpu"
    by_scope = {row["scope"]: row for row in table("facts/server_power").rows}
    row = next(by_scope[scope] for scope in (accelerator.name, accelerator.generation, general) if scope in by_scope)
    return ServerPower(float(row["server_multiplier"]), COOLINGS[row["cooling"]], row["source"])
