"""Accelerators: peak rates, memory, bandwidths and power, from the catalog or given by the user."""

import datetime as dt
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.fields import Bandwidth, Bytes, Count, Date, Gigabytes, Measure, Power, Rate
from costmodel.foundation.limits import shown
from costmodel.foundation.names import name_key
from costmodel.foundation.registry import Catalog, Registry
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, table
from costmodel.foundation.units import GIB, written_unit
from costmodel.hardware.refused_names import refusal

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike, DateLike, NumberLike, RangeLike

PEAK_OF = {"fp8-rowwise": "fp8", "mxfp8": "fp8", "nvfp4": "fp4"}
"""The peak rate that a number format uses, where several formats share one."""
_VENDORS = ("nvidia", "amd", "intel", "google", "aws", "huawei", "tesla")
_PEAKS = ("fp32", "tf32", "fp16", "bf16", "fp8", "fp4")
_COLUMNS = {
    **{precision: f"{precision}_tflops" for precision in _PEAKS},
    "memory": "memory_gb",
    "memory_bandwidth": "memory_bandwidth_gb_per_s",
    "link_bandwidth": "link_bandwidth_gb_per_s",
    "tdp": "tdp_w",
}
_NETWORK_COLUMNS = {"network_bandwidth": "network_gb_per_s", "host_bandwidth": "host_gb_per_s"}


class _Capacity(NamedTuple):
    """Marketed memory [GB] and usable memory [byte]: a copy that replaces the first drops the second."""

    marketed: float
    usable: float


class Accelerator(Spec):
    """One accelerator as it is rented: dense peak rates, memory, bandwidths and power.

    Memory is stated twice. `memory` is the figure on the data sheet. `usable_memory` is what a program can
    allocate; checks whether a model fits use it. Give `memory` as a bare number for the figure on the data
    sheet: a card sold with 80 GB holds 80 GiB. Give it with a unit ("80 GB", "80 GiB") and the usable memory is
    exactly that.

    Examples
    --------
    >>> load_accelerator("H100 SXM5 80GB").peak("bf16")  # [FLOP/s]
    989400000000000.0
    >>> Accelerator("My-chip", bf16="500 TFLOP/s", tdp=600, memory="96 GB").usable_memory  # [byte]
    96000000000.0
    >>> Accelerator("My-chip", memory=96).usable_memory / 2**30  # [GiB]
    96.0
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            name: str,
            *,
            vendor: str = ...,
            generation: str = ...,
            release_date: DateLike | None = ...,
            fp32: NumberLike | None = ...,
            tf32: NumberLike | None = ...,
            fp16: NumberLike | None = ...,
            bf16: NumberLike | None = ...,
            fp8: NumberLike | None = ...,
            fp4: NumberLike | None = ...,
            memory: NumberLike | None = ...,
            memory_bandwidth: NumberLike | None = ...,
            link_bandwidth: NumberLike | None = ...,
            network_bandwidth: NumberLike | None = ...,
            host_bandwidth: NumberLike | None = ...,
            node_size: CountLike = ...,
            tdp: RangeLike | None = ...,
            source: str = ...,
            note: str = ...,
            usable_memory: NumberLike | None = ...,
        ) -> None: ...

    name: str = Field(description="Name, as in the catalog or of your own.")
    vendor: str = Field(default="", description='Vendor, such as "nvidia". Default: empty.')
    generation: str = Field(
        default="",
        description='Accelerators with the same behavior, such as "hopper"; selects the default MFU and server power.',
    )
    release_date: Date | None = Field(default=None, description="Day of release.")
    fp32: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    tf32: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    fp16: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    bf16: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    fp8: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    fp4: Rate | None = Field(default=None, description="Dense peak rate [TFLOP/s], without sparsity.")
    memory: Gigabytes | None = Field(default=None, description="Memory as marketed [GB].")
    memory_bandwidth: Bandwidth | None = Field(default=None, description="Bandwidth of the memory [GB/s].")
    link_bandwidth: Bandwidth | None = Field(
        default=None, description="Bandwidth to the other accelerators of a node, in one direction [GB/s]."
    )
    network_bandwidth: Bandwidth | None = Field(
        default=None,
        description="Bandwidth between nodes per accelerator, in one direction [GB/s], of the vendor's reference "
        "system.",
    )
    host_bandwidth: Bandwidth | None = Field(
        default=None, description="Bandwidth between accelerator and host memory, in one direction [GB/s]."
    )
    node_size: Count = Field(default=8, description="Accelerators in a typical node.")
    tdp: Power | None = Field(default=None, description="Thermal design power [W].")
    source: str = Field(default="", description="Source of the figures.")
    note: str = Field(default="", description="Remarks on the figures.")
    usable_memory: Bytes | None = Field(
        default=None,
        description="Memory that a program can allocate [byte]. Default: `memory` with its unit where one is written, "
        "else as many GiB as are marketed in GB.",
    )

    @model_validator(mode="before")
    @classmethod
    def _obey_the_unit_of_memory(cls, data: Any) -> Any:
        """Take a memory with a written unit as usable memory too."""
        if not isinstance(data, Mapping) or data.get("memory") is None:
            return data
        fields, memory = dict(data), data["memory"]
        if isinstance(memory, _Capacity):
            fields["memory"] = memory.marketed
            fields.setdefault("usable_memory", memory.usable)
        elif fields.get("usable_memory") is None and written_unit(memory):
            with suppress(InputError):  # the field `memory` reports it
                fields["usable_memory"] = Measure("byte").validate(memory)
        return fields

    @model_validator(mode="after")
    def _take_marketed_memory_in_gib(self) -> Self:
        """Take as many GiB as are marketed in GB where nothing else is known."""
        if self.usable_memory is None and self.memory is not None:
            self.__dict__["usable_memory"] = self.memory * GIB
        return self

    def given(self) -> dict[str, Any]:
        fields = super().given()
        usable = fields.pop("usable_memory", None)
        if usable is not None:
            fields |= {"usable_memory": usable} if self.memory is None else {"memory": _Capacity(self.memory, usable)}
        return fields

    def __repr_args__(self) -> Any:
        return super().given().items()

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` reads back: only what was given, no defaults."""
        data = super().to_data()
        if self.memory is not None and self.usable_memory is not None:
            if math.isclose(self.usable_memory, self.memory * GIB, rel_tol=1e-12):
                data.pop("usable_memory", None)
            elif math.isclose(self.usable_memory, self.memory * 1e9, rel_tol=1e-12):  # so a changed memory stays alone
                data["memory"] = f"{data.pop('usable_memory') / 1e9!r} GB"
        return data

    @cached_property
    def name_note(self) -> str:
        """Note on the name that it was loaded by, if several accelerators share it, such as "A100"; else ""."""
        return ""

    @property
    def usual_precision(self) -> Literal["bf16", "fp16"]:
        """Number format of mixed-precision training: bf16, or fp16 on accelerators without bf16 units."""
        return "fp16" if self.bf16 is None and self.fp16 is not None else "bf16"

    @checked("precision")
    def peak(self, precision: str | None = None) -> float:
        """Return the dense peak rate at a precision [FLOP/s].

        Parameters
        ----------
        precision : str, optional
            A number format; default: `usual_precision`, which MFU refers to.

        Raises
        ------
        InputError
            If the precision is not a number format of the library.
        MissingFactError
            If no peak rate at that precision is known.
        """
        precision = self.usual_precision if precision is None else precision
        name = PEAK_OF.get(precision, precision)
        if name not in _PEAKS:
            raise InputError(f"precision must be one of {', '.join((*_PEAKS, *PEAK_OF))}; got {shown(precision)}")
        rate = getattr(self, name)
        if rate is None and precision == "bf16" and self.usual_precision == "fp16":
            raise MissingFactError(f'{self.name} has no bf16 units; give precision = "fp16"')
        if rate is None:
            raise MissingFactError(f"no dense {precision} peak is known for {self.name}")
        return float(rate) * 1e12

    @checked("precision")
    def supports(self, precision: str) -> bool:
        """Return whether the dense peak rate at a precision is known.

        Parameters
        ----------
        precision : str
            A number format.
        """
        name = PEAK_OF.get(precision, precision)
        if name not in _PEAKS:
            raise InputError(f"precision must be one of {', '.join((*_PEAKS, *PEAK_OF))}; got {shown(precision)}")
        return getattr(self, name) is not None


def load_accelerator(source: str | Mapping[str, Any] | Accelerator) -> Accelerator:
    """Return an accelerator from a name, an alias or a mapping of fields.

    Parameters
    ----------
    source : str, Mapping or Accelerator
        A name or alias of the catalog, the fields of an own accelerator, or an `Accelerator` (returned as is).

    Raises
    ------
    UnknownNameError
        If the name is not in the catalog; the message lists the nearest names.

    Examples
    --------
    >>> load_accelerator("h100 80gb").name
    'H100-SXM'
    >>> load_accelerator("L40S").memory  # [GB]
    48.0
    """
    if isinstance(source, Accelerator):
        return source
    if isinstance(source, str):
        return _named(source)
    if not isinstance(source, Mapping):
        raise InputError(f"an accelerator must be a name, an Accelerator or its fields; got {type(source).__name__}")
    return Accelerator.from_data(source)


def _named(name: str) -> Accelerator:
    """Return the accelerator of a name or alias; a name that cannot be used is refused with the reason."""
    names = accelerator_names()
    if names.proper(name) is None and (
        reason := refusal(name, names, {key: row["generation"] for key, row in _rows().items()})
    ):
        raise UnknownNameError(reason)
    found = names.get(name, "'costmodel gpus' lists them.")
    if note := read_as(name):
        found = found.model_copy()
        found.__dict__["name_note"] = note
    return found


def read_as(name: str) -> str:
    """Return a note on a name that several accelerators share, such as "A100"; "" if it names one.

    Parameters
    ----------
    name : str
        Name or alias.

    Examples
    --------
    >>> read_as("H100")
    "'H100' is read as H100-SXM; others are H100-PCIe, H100-NVL, H100-96GB-500W"
    >>> read_as("h100 80gb")
    ''
    """
    names, key = accelerator_names(), name_key(name)
    proper = names.proper(name)
    others = [each for each in names.registry.own if _continues(name_key(each), key) and each != proper]
    if proper is None or name_key(proper) == key or not others:
        return ""
    return f"{name!r} is read as {proper}; others are {', '.join(others)}"


def _continues(name: str, start: str) -> bool:
    """Return whether a name has a further word or letter after its start: "a-100-40gb" after "a-100", not "a-10"."""
    return name.startswith(start) and not name[len(start) : len(start) + 1].isdigit()


def accelerators() -> rendering.RowTable:
    """Return the catalog as rows: name, vendor, peak rates [TFLOP/s], marketed memory [GB], power [W] and source.

    Examples
    --------
    >>> rows = accelerators()
    >>> next(row["memory"] for row in rows if row["name"] == "H200-SXM")  # [GB]
    141.0
    """
    shown = ("name", "vendor", "release_date", "bf16", "fp8", "memory", "memory_bandwidth", "tdp", "source")
    listed = accelerator_names().registry.working().values()
    rows = [{field: getattr(accelerator, field) for field in shown} for accelerator in listed]
    return rendering.RowTable(rows, "peaks in TFLOP/s, memory in GB, bandwidth in GB/s, power in W", "name")


@lru_cache(maxsize=1)
def accelerator_names() -> Catalog[Accelerator]:
    """Return the accelerators of `data/facts/accelerators.csv` and of installed packages, by name and alias."""
    aliases = {name: row["aliases"].split("|") for name, row in _rows().items() if row["aliases"]}
    taken = [alias for listed in aliases.values() for alias in listed]
    registry = Registry("accelerator", "costmodel.accelerators", _rows(), _load, _problem, taken)
    return Catalog(registry, aliases, _VENDORS)


def _problem(name: str, value: object) -> str:
    """Return what is wrong with an accelerator of a package, or ""."""
    if isinstance(value, Accelerator) and value.name == name:
        return ""
    return f"must be an Accelerator with the name {name!r}; got {value!r}"


@lru_cache(maxsize=1)
def _rows() -> dict[str, Row]:
    return {row["name"]: row for row in table("facts/accelerators").rows}


@lru_cache(maxsize=1)
def _networks() -> dict[str, Row]:
    return {row["accelerator"]: row for row in table("facts/networks").rows}


def _load(name: str) -> Accelerator:
    row, network = _rows()[name], _networks().get(name, {})
    numbers = {field: float(row[column]) for field, column in _COLUMNS.items() if row[column]}
    if row["usable_memory_gib"]:
        numbers["usable_memory"] = float(row["usable_memory_gib"]) * GIB
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
