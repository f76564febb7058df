"""What can one accelerator do? Peaks, memory, bandwidth and power, from the catalog or the user."""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Bandwidth, Count, Date, Gigabytes, Power, Rate
from costmodel.foundation.names import Names
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, table

PEAK_OF = {"fp8-rowwise": "fp8", "mxfp8": "fp8", "nvfp4": "fp4"}
"""Peak to which a number format refers, where formats share one."""
_VENDORS = ("nvidia", "amd", "intel", "google", "aws", "huawei", "tesla")
_PEAKS = ("fp32", "tf32", "fp16", "bf16", "fp8", "fp4")
_COLUMNS = {
    "fp32": "fp32_tflops", "tf32": "tf32_tflops", "fp16": "fp16_tflops", "bf16": "bf16_tflops",
    "fp8": "fp8_tflops", "fp4": "fp4_tflops", "memory": "memory_gb", "memory_bandwidth": "memory_bandwidth_gbps",
    "link_bandwidth": "link_bandwidth_gbps", "tdp": "tdp_w",
}  # fmt: skip
_NETWORK_COLUMNS = {"network_bandwidth": "network_gbps", "host_bandwidth": "host_gbps"}


class Accelerator(Spec):
    """One accelerator as it is rented: dense peaks, per device.

    Examples
    --------
    >>> load_accelerator("H100 SXM5 80GB").peak("bf16")  # [FLOP/s]
    989400000000000.0
    >>> Accelerator("My-chip", bf16="500 TFLOP/s", tdp=600, memory="96 GB").bf16
    500.0
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    name: str
    vendor: str = ""
    generation: str = ""
    """Class of devices that behave alike, such as "hopper"; picks the default utilization."""
    release_date: Date | None = None
    fp32: Rate | None = None
    """Dense peak [TFLOP/s], without sparsity; so are the following."""
    tf32: Rate | None = None
    fp16: Rate | None = None
    bf16: Rate | None = None
    fp8: Rate | None = None
    fp4: Rate | None = None
    memory: Gigabytes | None = None
    """[GB], as marketed."""
    memory_bandwidth: Bandwidth | None = None
    """[GB/s]"""
    link_bandwidth: Bandwidth | None = None
    """To the other devices of a node, in one direction [GB/s]."""
    network_bandwidth: Bandwidth | None = None
    """Between nodes, per device, in one direction [GB/s]: that of the maker's reference system."""
    host_bandwidth: Bandwidth | None = None
    """Between the memories of device and host, in one direction [GB/s]."""
    node_size: Count = 8
    """Devices in a typical node."""
    tdp: Power | None = None
    """Thermal design power of the device [W]."""
    source: str = ""
    note: str = ""

    def peak(self, precision: str = "bf16") -> float:
        """Return the dense peak at `precision` ("bf16" falls back on fp16) [FLOP/s].

        Raises
        ------
        MissingFactError
            If no peak of that precision is known.
        """
        name = PEAK_OF.get(precision, precision)
        if name not in _PEAKS:
            raise InputError(f"precision is one of {', '.join((*_PEAKS, *PEAK_OF))}; got {precision!r}")
        rate = getattr(self, name)
        if rate is None and precision == "bf16":
            rate = self.fp16
        if rate is None:
            raise MissingFactError(f"no dense {precision} peak is known for {self.name}")
        return float(rate) * 1e12


def load_accelerator(source: str | Mapping[str, Any] | Accelerator) -> Accelerator:
    """Return the accelerator of a name or alias, of a mapping of fields, or as it is.

    Raises
    ------
    UnknownNameError
        If the name is not in the catalog; the message names the nearest.
    """
    if isinstance(source, Accelerator):
        return source
    if isinstance(source, str):
        return _load(accelerator_names().get(source)["name"])
    if not isinstance(source, Mapping):
        raise InputError(f"an accelerator is a name, an Accelerator or its fields; got {type(source).__name__}")
    return Accelerator.from_data(source)


def accelerators() -> list[dict[str, Any]]:
    """Return the catalog as rows: name, vendor, peaks [TFLOP/s], memory [GB], power [W] and source."""
    shown = ("name", "vendor", "release_date", "bf16", "fp8", "memory", "memory_bandwidth", "tdp", "source")
    found = [_load(name) for name in accelerator_names()]
    return [{field: getattr(each, field) for field in shown} for each in found]


@lru_cache(maxsize=1)
def accelerator_names() -> Names[Row]:
    """Return the rows of `data/facts/accelerators.csv` by name and alias."""
    rows = table("facts/accelerators").rows
    aliases = {row["name"]: row["aliases"].split("|") for row in rows if row["aliases"]}
    return Names("accelerator", {row["name"]: row for row in rows}, aliases, _VENDORS)


@lru_cache(maxsize=1)
def _networks() -> dict[str, Row]:
    return {row["accelerator"]: row for row in table("facts/networks").rows}


@lru_cache(maxsize=128)
def _load(name: str) -> Accelerator:
    row, network = accelerator_names().things[name], _networks().get(name, {})
    numbers = {field: float(row[column]) for field, column in _COLUMNS.items() if row[column]}
    numbers |= {field: float(network[column]) for field, column in _NETWORK_COLUMNS.items() if network.get(column)}
    return Accelerator(
        name=name,
        vendor=row["vendor"],
        generation=row["generation"],
        release_date=dt.date.fromisoformat(row["release_date"]) if row["release_date"] else None,
        node_size=int(row["node_size"] or 8),
        source=row["source"],
        note=row["note"],
        **numbers,
    )
