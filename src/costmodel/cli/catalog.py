"""The commands `costmodel models`, `gpus`, `regions` and `providers`: what can be named in a scenario."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from costmodel.cli.changes import Family, HeadOption, Strict
from costmodel.cli.output import emit
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.names import name_key
from costmodel.foundation.rendering import cells, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_WORD = re.compile(r"[^\W_]+")
_FILES = (".json", ".toml", ".safetensors", ".gguf")
"""Ends of names of files."""
_CATALOG_LENGTH = 4096
"""Sequence length at which the FLOPs of a model of the catalog are shown [token]."""
Search = Annotated[str | None, typer.Option("--search", "-s", help="Only rows that contain this text.")]
_GPU_UNITS = {
    "fp32": "TFLOP/s", "tf32": "TFLOP/s", "fp16": "TFLOP/s", "bf16": "TFLOP/s", "fp8": "TFLOP/s", "fp4": "TFLOP/s",
    "memory": "GB", "usable_memory": "byte", "memory_bandwidth": "GB/s", "link_bandwidth": "GB/s",
    "network_bandwidth": "GB/s", "host_bandwidth": "GB/s", "tdp": "W", "node_size": "GPU",
}  # fmt: skip
"""Units of the fields of an accelerator."""
_GPU_TITLES = {
    "name": "name", "vendor": "vendor", "memory": "memory [GB]", "bf16": "bf16 [TFLOP/s]", "fp8": "fp8 [TFLOP/s]",
    "memory_bandwidth": "bandwidth [GB/s]", "tdp": "TDP [W]", "release_date": "released", "source": "source",
}  # fmt: skip
"""Columns of the list of accelerators, and their titles."""


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show this model, or that of a config.json, in full; or list those of this family, such as qwen."
        ),
    ] = None,
    search: Search = None,
    family: Family = None,
    strict: Strict = None,
    head: HeadOption = None,
) -> None:
    """List the models of the catalog, or show one; a part of a name, or a family, lists those that have it.

    In the list, --family keeps the models of a family.
    """
    from costmodel.architecture.flops import CONVENTIONS, flops_per_token
    from costmodel.architecture.loading import architectures, load_architecture

    if name is None:
        rows = _matching(architectures(), search, {"family": family})
        _print_list("models", rows, {each: each for each in rows[0]}, {})
        return
    if search is not None:
        raise InputError(f"--search: is for the list; leave out {name}")
    try:
        architecture = load_architecture(name, family, strict=strict, head=head)
    except UnknownNameError:
        rows = [] if (family, strict, head) != (None, None, None) else _found(architectures(), name)
        if not rows:
            raise
        _print_list("models", rows, {each: each for each in rows[0]}, {})
        return
    counts = architecture.parameters._asdict()
    flops = {
        f"FLOP/token, {convention}": flops_per_token(architecture, _CATALOG_LENGTH, convention)
        for convention in CONVENTIONS
    }
    fields = {"name": architecture.name, **counts, **flops, "source": architecture.source}
    fields |= {"unverified": list(architecture.unverified)} if architecture.unverified else {}
    length = f"forward and backward FLOPs at a sequence length of {_CATALOG_LENGTH:,} tokens"
    emit(
        "model",
        _fields(fields, {}, length),
        architecture.table(),
        data=lambda: {**fields, "parts": architecture.table().rows()},
        rows=architecture.table().rows,
    )


def gpus(
    name: Annotated[
        str | None,
        typer.Argument(help="Show this accelerator in full; or list those with this in their names, such as RTX."),
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="Only this vendor, such as NVIDIA.")] = None,
    memory: Annotated[str | None, typer.Option(help="Least memory [GB], such as 80.")] = None,
    precision: Annotated[str | None, typer.Option(help="Only those with this number format: fp8, bf16, ...")] = None,
    search: Search = None,
) -> None:
    """List the accelerators of the catalog, or show one.

    Rates are dense peaks, memory is the marketed figure.
    """
    from costmodel.foundation.units import GIB
    from costmodel.hardware.accelerator import accelerators, load_accelerator

    if name is not None:
        if given := [f"--{each}" for each, value in _filters(vendor, memory, precision, search).items() if value]:
            raise InputError(f"{', '.join(given)}: for the list; leave out {name}")
        try:
            data = load_accelerator(name).to_data()
        except UnknownNameError:
            rows = _found(accelerators(), name)
            if not rows:
                raise
            _print_list("gpus", rows, _GPU_TITLES, _GPU_UNITS)
            return
        shown = data | {"usable_memory": data["usable_memory"] / GIB} if "usable_memory" in data else data
        emit(
            "gpu",
            _fields(shown, _GPU_UNITS | {"usable_memory": "GiB"}),
            data=lambda: {**data, "units": _GPU_UNITS},
            rows=lambda: [data],
        )
        return
    rows = _matching(accelerators(), search, {"vendor": vendor})
    if memory is not None:
        least = _number("--memory", memory.lower().removesuffix("gb"))
        rows = [row for row in rows if (row["memory"] or 0) >= least]
    if precision is not None:
        rows = [row for row in rows if _supports(row["name"], precision)]
    _print_list("gpus", _some(rows), _GPU_TITLES, _GPU_UNITS)


def regions(
    search: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="Only regions with these words, or in this place.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="Only this country: DE, DEU or Germany.")] = None,
    cloud: Annotated[str | None, typer.Option("--provider", help="Only regions of this cloud: aws, gcp, ...")] = None,
) -> None:
    """List the regions: countries, US states and regions of clouds, with the carbon intensity of their grid.

    A region can be given by its name, its code, a region of a cloud, or the city of a data center.
    """
    from costmodel.hardware.site import find_place, is_within, resolve_country, resolve_region
    from costmodel.hardware.site import regions as listed

    rows = [dict(row) for row in listed()]
    if search is not None:
        key = find_place(search)
        rows = [
            row
            for row in rows
            if (row["region"] == key or (key is not None and is_within(row["region"], key)))
            or _has_words(row["name"] if key is not None else _searched(row), search)
        ]
        if not rows:
            resolve_region(search)  # raises with the nearest names
    if country is not None:
        key = resolve_country(country)
        rows = [row for row in rows if row["country"] == key]
    if cloud is not None:
        rows = [row for row in rows if any(each.startswith(f"{cloud.lower()}:") for each in row["cloud_regions"])]
    titles = {"region": "region", "name": "name", "grid_intensity": "grid [kg CO2e/kWh]", "year": "year"}
    shown = [row | {"cloud_regions": ", ".join(row["cloud_regions"]), "year": str(row["year"])} for row in _some(rows)]
    titles |= {"cloud_regions": "regions of clouds", "source": "source"}
    _print_list("regions", shown, titles, {"grid_intensity": "kg/kWh"}, lambda: rows)


def providers(
    name: Annotated[str | None, typer.Argument(help="Show the accelerators of this provider.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Only providers of this accelerator.")] = None,
    country: Annotated[str | None, typer.Option(help="Only providers with prices in this country.")] = None,
    search: Search = None,
) -> None:
    """List the providers of rented accelerators: what they offer, where, and how new their prices are."""
    from costmodel.hardware.accelerator import load_accelerator
    from costmodel.hardware.site import resolve_country
    from costmodel.market.gpu_prices import named_provider
    from costmodel.market.offered import offered, providers_offered

    accelerator = None if gpu is None else load_accelerator(gpu).name
    place = None if country is None else resolve_country(country)
    if name is not None:
        rows = _matching(offered(named_provider(name), accelerator, place), search, {})
        titles = {"accelerator": "accelerator", "usd_per_gpu_hour": "lowest [USD/GPU-hour]", "as_of": "as of"}
        titles |= {"purchase_models": "purchase models", "regions": "regions"}
        _print_list("provider", _some(rows), titles, {"usd_per_gpu_hour": "USD/GPU-hour"})
        return
    rows = _matching(providers_offered(accelerator, place), search, {})
    titles = {"provider": "provider", "accelerators": "accelerators", "regions": "regions", "prices": "prices"}
    titles |= {"newest": "newest", "purchase_models": "purchase models"}
    _print_list("providers", _some(rows), titles, {})


def _filters(
    vendor: str | None, memory: str | None, precision: str | None, search: str | None
) -> dict[str, str | None]:
    return {"vendor": vendor, "memory": memory, "precision": precision, "search": search}


def _supports(name: str, precision: str) -> bool:
    from costmodel.hardware.accelerator import PEAK_OF, load_accelerator

    accelerator, known = load_accelerator(name), ("fp32", "tf32", "fp16", "bf16", "fp8", "fp4")
    if precision not in (*known, *PEAK_OF):
        raise InputError(f"--precision: must be one of {', '.join(known)}; got {precision!r}")
    return accelerator.supports(precision)


def _number(option: str, written: str) -> float:
    try:
        return float(written)
    except ValueError:
        raise InputError(f"{option}: must be a number; got {written!r}") from None


def _matching(
    rows: Iterable[Mapping[str, Any]], search: str | None, fields: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """Return the rows that contain a text and have the given values, in any case; an error if there is none."""
    kept = [dict(row) for row in rows]
    for name, value in fields.items():
        if value is None:
            continue
        known = sorted({str(row[name]) for row in kept})
        kept = [row for row in kept if str(row[name]).lower() == value.lower()]
        if not kept:
            from costmodel.foundation.errors import unknown

            raise InputError(f"--{name}: {unknown(name, value, known)}")
    if search is not None:
        words = search.lower().split()
        kept = [row for row in kept if all(word in _searched(row) for word in words)]
    return _some(kept)


def _found(rows: Iterable[Mapping[str, Any]], written: str) -> list[dict[str, Any]]:
    """Return the rows whose name, family or vendor has a text; none for a text that names a file."""
    key = name_key(written)
    if not key or "/" in written or written.endswith(_FILES):
        return []
    named = ("name", "family", "vendor")
    return [dict(row) for row in rows if any(key in name_key(str(row.get(name, ""))) for name in named)]


def _has_words(text: str, written: str) -> bool:
    """Return whether a text has each of some words as a whole: us-east is in us-east-1, se-1 is not in sanjose-1."""
    words = _words(text)
    return all(f" {_words(word).strip()} " in words for word in written.split())


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _searched(row: Mapping[str, Any]) -> str:
    return " ".join(str(value) for name, value in row.items() if name != "source").lower()


def _some(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        raise InputError("no row matches these filters; leave one out")
    return rows


def _print_list(
    kind: str,
    rows: list[dict[str, Any]],
    titles: Mapping[str, str],
    units: Mapping[str, str],
    data: Callable[[], list[dict[str, Any]]] | None = None,
) -> None:
    """Print rows under titles with their units; JSON and CSV have the names of the fields."""
    shown = [cells({title: _listed(row[name]) for name, title in titles.items()}) for row in rows]
    listed = data or (lambda: rows)
    emit(kind, text(shown), data=lambda: {"units": dict(units), "rows": listed()}, rows=listed)


def _listed(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _fields(fields: Mapping[str, Any], units: Mapping[str, str], footer: str = "") -> str:
    """Return a table of names with units and values; the source only if sources are asked for."""
    from costmodel.foundation.page import current_page

    rows = [
        {"": f"{name} [{units[name]}]" if name in units else name, "value": cell}
        for name, cell in cells(fields).items()
        if name != "source" or current_page().sources
    ]
    return text(rows, footer=footer)
