"""The command `costmodel layouts`: the fastest parallel layouts of a training step."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from costmodel.cli.changes import whole
from costmodel.cli.output import emit
from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import cells, text

_FIRST = {
    "accelerators": "accelerators",
    "seconds": "step [s]",
    "mfu": "MFU",
    "memory_gib": "memory [GiB]",
    "gpu_seconds": "GPU-s per step",
}
"""Columns that stand first, and their titles."""


def layouts(
    model: Annotated[str, typer.Argument(help="Model name, or config.json.")],
    gpu: Annotated[str, typer.Option(help="Accelerator.")],
    gpus: Annotated[str, typer.Option(help="Number of accelerators, or several: 64,128,256.")],
    batch_size: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="INTEGER", help="Global batch size [sequence]; default: about 4M tokens."),
    ] = None,
    sequence_length: Annotated[
        int, typer.Option(parser=whole, metavar="INTEGER", help="Sequence length [token].")
    ] = 4096,
    precision: Annotated[str, typer.Option(help="Precision of the matrix products.")] = "bf16",
    fixed: Annotated[
        list[str] | None, typer.Option("--set", help="Restrict a field of the layout: tensor=8, zero=1,3.")
    ] = None,
    top: Annotated[int, typer.Option(parser=whole, metavar="INTEGER", help="Number of layouts to show.")] = 10,
) -> None:
    """Search for the fastest parallel layouts.

    With several numbers of --gpus it prints the fastest layout for each number.
    """
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.layouts.search import search_layouts
    from costmodel.training.recipes.pretraining import Pretraining

    try:
        counts = [int(number) for number in gpus.split(",")]
    except ValueError:
        raise InputError(f"--gpus must be one or more comma-separated numbers; got {gpus!r}") from None
    fields = {"sequence_length": sequence_length, "batch_size": batch_size, "precision": precision}
    recipe = Pretraining.from_data({"tokens": 1e12, **fields})  # the tokens only bound the batch
    constraints: dict[str, Any] = dict(_constraint(one) for one in fixed or [])
    found = search_layouts(model, Cluster(gpu, counts[0]), recipe, counts=counts, **constraints)
    rows = found.rows(top) if len(counts) == 1 else found.curve()
    summary = {
        "considered": found.considered,
        "evaluated": found.evaluated,
        "rejected": found.rejected,
        "caution": found.caution,
    }
    low, high = found.best.bounds()
    footer = [f"{found.considered:,} layouts considered, {found.evaluated:,} evaluated; the best takes "
              f"{low:.3g} to {high:.3g} s a step (80 %)"]  # fmt: skip
    footer += [f"  {number:,}: {reason}" for reason, number in found.rejected.items()]
    footer += [f"caution: {found.caution}"] if found.caution else []
    shown = text([_cells(row) for row in rows], footer="\n".join(footer))
    emit("layouts", shown, data=lambda: {"layouts": rows, **summary}, rows=lambda: rows)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a layout: its speed and memory first, then its degrees."""
    first = {title: row[name] for name, title in _FIRST.items() if name in row}
    return cells({**first, **{name: value for name, value in row.items() if name not in _FIRST}})


def _constraint(written: str) -> tuple[str, list[Any]]:
    """Return the field and the values of a restriction such as `recompute=none,full`."""
    name, separator, values = written.partition("=")
    if not separator or not values:
        raise InputError(f"--set must be FIELD=VALUE or FIELD=VALUE,VALUE; got {written!r}")
    words = {"true": True, "false": False}
    return name, [int(one) if one.isdigit() else words.get(one, one) for one in values.split(",")]
