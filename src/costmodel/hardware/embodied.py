"""Embodied carbon of hardware: manufacturing of accelerators and servers, and the life that it is spread over."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import Field

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.fields import Emissions, Fraction, Years
from costmodel.foundation.ranges import middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Figure, Provenance, Row, default, table

if TYPE_CHECKING:
    from costmodel.foundation.fields import RangeLike
    from costmodel.hardware.accelerator import Accelerator


class Embodied(Spec):
    """Greenhouse gases of manufacturing the hardware, and its life. What is not given is looked up or assumed.

    Examples
    --------
    >>> Embodied(life="6 years", utilization=0.85).life
    6.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            accelerator_emissions: RangeLike | None = ...,
            server_emissions: RangeLike | None = ...,
            life: RangeLike | None = ...,
            utilization: RangeLike | None = ...,
        ) -> None: ...

    accelerator_emissions: Emissions | None = Field(
        default=None,
        description="Emissions of manufacturing an accelerator [kg]. Default: the figure of "
        "`data/facts/embodied_carbon.csv`, or an estimate by memory and design power.",
    )
    server_emissions: Emissions | None = Field(
        default=None,
        description="Emissions of manufacturing the rest of the server, per accelerator [kg]. Default: 190 to 750 kg.",
    )
    life: Years | None = Field(
        default=None,
        description="Years over which the emissions are written off [year]. Default: the "
        "life of given prices of ownership, else 4 to 6 years.",
    )
    utilization: Fraction | None = Field(
        default=None,
        description="Share of the hours of its life in which an accelerator is assigned to jobs [1]. Default: that of "
        "given prices of ownership, else 0.6 to 0.95.",
    )


def accelerator_emissions(accelerator: Accelerator) -> Figure:
    """Return the emissions of manufacturing an accelerator, cradle to gate [kg].

    An accelerator without a published figure has an estimate by its memory and its design power: the emissions per
    GB and per watt of an HGX H100 baseboard.

    Parameters
    ----------
    accelerator : Accelerator

    Raises
    ------
    MissingFactError
        If there is no figure, and memory or design power are not known.
    """
    row = _figures().get(accelerator.name)
    if row is not None:
        error = default("embodied_figure_factor")
        note = "; ".join(part for part in (row["boundary"], row["note"]) if part)
        return _spread(float(row["value"]), error, Provenance("looked up", row["source"], note=note))
    if accelerator.memory is None or accelerator.tdp is None:
        raise MissingFactError(
            f"no manufacturing emissions of {accelerator.name} are known, nor both its memory and "
            "its design power to estimate them"
        )
    memory, rest = (_method(name) for name in ("memory", "parts other than memory"))
    value = float(memory["value"]) * accelerator.memory + float(rest["value"]) * middle(accelerator.tdp)
    provenance = Provenance(
        "assumed",
        "data/facts/embodied_carbon.csv",
        note=f"{memory['value']} kg per GB of memory and {rest['value']} kg per W of design power, as of an HGX H100",
        caution=f"embodied carbon of {accelerator.name}: estimated by memory and design power, within a factor of 2",
    )
    return _spread(value, default("embodied_estimate_factor"), provenance)


def _spread(value: float, error: Figure, provenance: Provenance) -> Figure:
    assert error.spread is not None  # defaults have one
    return Figure(value, error.spread.scaled(value / error.value, "kg"), provenance)


def _method(item: str) -> Row:
    return next(row for row in table("facts/embodied_carbon").rows if row["item"] == item)


@lru_cache(maxsize=1)
def _figures() -> dict[str, Row]:
    """Return the rows of accelerators by their name."""
    rows = table("facts/embodied_carbon").rows
    return {row["accelerator"]: row for row in rows if row["kind"] == "accelerator"}
