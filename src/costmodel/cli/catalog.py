"""What does the catalog hold? `costmodel models` and `gpus`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from costmodel.cli.printing import Json, print_rows
from costmodel.foundation.rendering import cells, text


def models(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, as_json: Json = False
) -> None:
    """List the architectures of the catalog, or show one."""
    from costmodel.architecture.counting import CONVENTIONS, flops_per_token
    from costmodel.architecture.loading import architectures, load_architecture

    if name is None:
        print_rows(architectures(), as_json)
        return
    architecture = load_architecture(name)
    counts = architecture.parameters._asdict()
    flops = {f"FLOP/token, {each}": flops_per_token(architecture, 4096, each) for each in CONVENTIONS}
    shown = {"name": architecture.name, **counts, **flops, "source": architecture.source}
    if as_json:
        print(json.dumps({**shown, "parts": architecture.table().rows()}, indent=2))
        return
    print(text([{"": key, "value": value} for key, value in cells(shown).items()], footer="FLOPs at 4,096 tokens"))
    print(f"\n{architecture.table()}")


def gpus(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None, as_json: Json = False
) -> None:
    """List the accelerators of the catalog, or show one."""
    from costmodel.hardware.accelerator import accelerators, load_accelerator

    if name is None:
        print_rows(accelerators(), as_json)
        return
    data = load_accelerator(name).to_data()
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        print(text([{"": key, "value": value} for key, value in cells(data).items()], footer="peaks in TFLOP/s, dense"))
