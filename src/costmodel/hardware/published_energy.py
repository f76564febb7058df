"""Published energies of training runs: the columns of their tables, and a reader of the rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.foundation.columns import SWITCH, TEXT, Cells, Column, Reader, Schema, words
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.tables import default
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.power import COOLINGS, Cooling, power_spread, server_power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.tables import Row
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.hardware.power import PowerModel

Boundary = Literal["gpu", "node", "facility"]
BOUNDARIES: dict[str, Boundary] = {"gpu": "gpu", "node": "node", "facility": "facility"}
"""What an energy contains: the accelerators alone, the servers, or the facility with its cooling (PUE)."""
_SCOPES: dict[str, Boundary] = {
    "gpu energy": "gpu",
    "dynamic gpu energy": "gpu",
    "ac node energy": "node",
    "datacenter energy": "facility",
    "location-based incl pue": "facility",
}
"""First words of a cell `scope` of older files, with the boundary."""
_PUE = re.compile(r"pue (\d+\.?\d*)(?:;.*)?")
_COUNTED = re.compile(r"(.+?)(?: x\d+| \(.*\))?")
_USUAL = {"A100": "A100-80GB-SXM", "H100": "H100-SXM", "V100": "V100-32GB-SXM2"}
"""Form of an accelerator that a name without one stands for: that of training clusters."""


def scope_cells(cell: str) -> Mapping[str, str]:
    """Return the cells `boundary` and `pue` from a cell `scope` in words.

    Parameters
    ----------
    cell : str
        Such as "PUE 1.1" or "GPU energy (secondary)".

    Raises
    ------
    InputError
        If the words do not name a boundary.

    Examples
    --------
    >>> scope_cells("PUE 1.12")
    {'boundary': 'facility', 'pue': '1.12'}
    """
    text = cell.casefold()
    if match := _PUE.fullmatch(text):
        return {"boundary": "facility", "pue": match[1]}
    for start, boundary in _SCOPES.items():
        if text.startswith(start):
            return {"boundary": boundary}
    raise InputError(f"{cell!r} names no boundary; give the column boundary: {', '.join(BOUNDARIES)}")


def hardware_cells(cell: str) -> Mapping[str, str]:
    """Return the cell `accelerator` from a cell `hardware` with a number of accelerators or a remark.

    Parameters
    ----------
    cell : str
        Such as "V100 x512" or "A100 (0.4 kW)".

    Examples
    --------
    >>> hardware_cells("V100 x512")
    {'accelerator': 'V100-32GB-SXM2'}
    """
    match = _COUNTED.fullmatch(cell)
    name = match[1] if match else cell
    return {"accelerator": _USUAL.get(name, name)}


ENERGIES = Schema(
    kind="published energies",
    columns={
        **dict.fromkeys(("model", "accelerator", "group"), TEXT),
        "gpu_hours": Column("hour"),
        "energy_mwh": Column("MWh"),
        "boundary": words(*BOUNDARIES),
        "pue": Column("1", least=1.0),
        "cooling": words(*COOLINGS),
        "utilization": Column("1"),
        "arithmetic": SWITCH,
        **dict.fromkeys(("source", "note"), TEXT),
    },
    required=("model",),
    notations={"scope": scope_cells, "hardware": hardware_cells},
    unread=frozenset({"tco2e", "gco2e_per_kwh", "water_kl"}),
)
"""Columns of published energies; `arithmetic` marks what its authors computed from a design power."""


class PublishedEnergy(NamedTuple):
    """A training run with published accelerator-hours and energy."""

    id: str
    model: str
    accelerator: Accelerator
    gpu_hours: float
    energy: float
    """Published energy [MWh]."""
    boundary: Boundary
    pue: float
    """Energy of the facility over that of the servers [1]; 1 unless the boundary is the facility."""
    group: str
    """Group of metered runs that a fit leaves out to predict the run."""
    cooling: Cooling | None
    utilization: float | None
    """Model FLOPs per second over the dense peak rate of the number format [1]; None if not known."""

    def predicted(self, model: PowerModel) -> float:
        """Return the energy by a model [MWh].

        Parameters
        ----------
        model : PowerModel
        """
        share = model.load(self.utilization, self.accelerator.generation)
        if self.boundary != "gpu":
            share += model.server_share(server_power(self.accelerator), self.cooling)
        watts = float(self.accelerator.tdp) * share * model.factor(self.accelerator.name)  # type: ignore[arg-type]
        return self.gpu_hours * watts * self.pue / 1e6

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm of the predicted energy [1]."""
        return power_spread(self.accelerator)


def _read(identity: str, cells: Cells) -> PublishedEnergy:
    cells.need("accelerator", "gpu_hours", "energy_mwh", "boundary")
    cells.check()
    if cells.switch("arithmetic"):
        raise InputError("its authors computed the energy from a design power")
    accelerator = load_accelerator(cells.text["accelerator"])
    if accelerator.tdp is None:
        raise MissingFactError(f"no design power of {accelerator.name} is known")
    boundary = BOUNDARIES[cells.words["boundary"]]
    pue = cells.numbers.get("pue", default("pue").value) if boundary == "facility" else 1.0
    return PublishedEnergy(
        identity,
        cells.text["model"],
        accelerator,
        cells.numbers["gpu_hours"],
        cells.numbers["energy_mwh"],
        boundary,
        pue,
        cells.text.get("group", "").strip(),
        COOLINGS.get(cells.words.get("cooling", "")),
        cells.numbers.get("utilization"),
    )


def _name(row: Row) -> str:
    return row.get("model", "")


READER = Reader(ENERGIES, _name, _read)
"""Reads tables of published energies."""
