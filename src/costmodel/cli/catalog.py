"""The commands `costmodel models` and `costmodel gpus`: the catalogs of architectures and accelerators."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from costmodel.cli.changes import Family, HeadOption, Strict
from costmodel.cli.printing import Json, fields_table, print_rows

_CATALOG_LENGTH = 4096
"""Sequence length at which the FLOPs of a model of the catalog are shown [token]."""


def models(
    name: Annotated[str | None, typer.Argument(help="Show this model, or that of a config.json, in full.")] = None,
    family: Family = None,
    strict: Strict = None,
    head: HeadOption = None,
    as_json: Json = False,
) -> None:
    """List the models of the catalog, or show one."""
    from costmodel.architecture.flops import CONVENTIONS, flops_per_token
    from costmodel.architecture.loading import architectures, load_architecture

    if name is None:
        print_rows(architectures(), as_json, only_in_json=("source",))
        return
    architecture = load_architecture(name, family, strict=strict, head=head)
    counts = architecture.parameters._asdict()
    flops = {
        f"FLOP/token, {convention}": flops_per_token(architecture, _CATALOG_LENGTH, convention)
        for convention in CONVENTIONS
    }
    fields = {"name": architecture.name, **counts, **flops, "source": architecture.source}
    fields |= {"unverified": list(architecture.unverified)} if architecture.unverified else {}
    if as_json:
        print(json.dumps({**fields, "parts": architecture.table().rows()}, indent=2))
        return
    print(fields_table(fields, f"forward and backward FLOPs at a sequence length of {_CATALOG_LENGTH:,} tokens"))
    print(f"\n{architecture.table()}")


def gpus(
    name: Annotated[str | None, typer.Argument(help="Show this accelerator in full.")] = None, as_json: Json = False
) -> None:
    """List the accelerators of the catalog, or show one."""
    from costmodel.hardware.accelerator import accelerators, load_accelerator

    if name is None:
        print_rows(accelerators(), as_json, only_in_json=("source",))
        return
    data = load_accelerator(name).to_data()
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        print(fields_table(data, "peak rates in TFLOP/s, dense; bandwidths in GB/s; tdp in W"))
