"""Measured decode throughput: model, machine, lengths and rate of the rows of a table.

Every setting is read from a declared column (`DECODES`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.loading import catalog, load_architecture
from costmodel.foundation.columns import COUNT, TEXT, Cells, Column, Reader, Schema
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.hardware.cluster import Cluster
from costmodel.serving.decode import PRECISIONS, Machine, Work, machine, precision_of, work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row

PROMPT_LENGTHS = {"gpqa": 250.0, "lm-arena-chat": 200.0, "sourcegraph-fim": 2000.0}
"""Prompt length by task of the ML.ENERGY benchmark [token]; assumed, as the rows state only the outputs: questions of
a few sentences with four choices, one turn of a chat, and a source file around a gap."""
SAME_SHAPE = {
    "qwen3-coder-30b-a3b": "qwen3-30b-a3b",
    "deepseek-r1": "deepseek-v3",
    "gemma-3-12b": "gemma-3-12b-text",
}
"""Models with the shape of another model of the catalog (the last one: its text decoder)."""


def parallel_cells(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `parallel` stands for: JSON with degrees of parallelism within a replica.

    Parameters
    ----------
    cell : str
        Such as '{"data_parallel": 1, "expert_parallel": 8, "tensor_parallel": 1}'.

    Raises
    ------
    InputError
        If it is no JSON object, or a degree is no whole number.
    """
    try:
        degrees = json.loads(cell)
    except (ValueError, RecursionError):
        degrees = None
    if not isinstance(degrees, dict):
        raise InputError(f"must be a JSON object; got {cell[:80]!r}")
    cells = {}
    for name in ("data", "tensor", "expert"):
        degree = degrees.get(f"{name}_parallel", 1)
        if not isinstance(degree, int) or degree < 0:
            raise InputError(f"{name}_parallel must be a whole number; got {degree!r}")
        cells[name] = str(max(degree, 1))
    return cells


DECODES = Schema(
    kind="measured decode throughputs",
    columns={
        "model": TEXT,
        "precision": Column(words={**{name: name for name in PRECISIONS}, "bfloat16": "bf16", "float16": "fp16"}),
        "task": Column(words={name: name for name in PROMPT_LENGTHS}),
        "prompt_length": Column("token"),
        "output_length": Column("token"),
        "batch_size": Column("1"),
        "accelerator": TEXT,
        **dict.fromkeys(("count", "data", "tensor", "expert"), COUNT),
        "tokens_per_second": Column("token/s"),
        **dict.fromkeys(("id", "source", "url", "note"), TEXT),
    },
    required=("model", "precision", "accelerator", "count", "batch_size", "output_length", "tokens_per_second"),
    older={
        "n_gpus": "count",
        "avg_batch": "batch_size",
        "avg_output_len": "output_length",
        "prompt_len": "prompt_length",
        "output_tok_per_s": "tokens_per_second",
    },
    notations={"parallel": parallel_cells},
    unread=frozenset({
        "total_b", "active_b", "gpu", "max_num_seqs", "median_itl_ms", "avg_power_w_all_gpus", "joule_per_output_token",
    }),
)  # fmt: skip
"""Columns of measured decode throughputs; `batch_size` is the mean number of sequences decoded at a time."""


class MeasuredDecode(NamedTuple):
    """A measured throughput: `model` is the name in the catalog, `seconds` the mean time per output token [s]."""

    id: str
    model: str
    generation: str
    work: Work
    machine: Machine
    tokens_per_second: float
    seconds: float


def _name(row: Row) -> str:
    return f"{row.get('model')} on {row.get('count')} × {row.get('accelerator')}"


def architecture_of(model: str) -> Architecture:
    """Return the architecture of a published model; an owner and the last words of a release are left out.

    Raises `UnknownNameError` if no shorter name is in the catalog.

    Parameters
    ----------
    model : str
        Such as "Qwen/Qwen3-30B-A3B-Instruct-2507".

    Examples
    --------
    >>> architecture_of("meta-llama/Llama-3.1-8B-Instruct").name
    'llama-3.1-8b'
    """
    words = model.rpartition("/")[2].lower().split("-")
    for length in range(len(words), min(len(words), 2) - 1, -1):
        name = "-".join(words[:length])
        name = SAME_SHAPE.get(name, name)
        if catalog().proper(name):
            return load_architecture(name)
    raise UnknownNameError.of("architecture", model, catalog())


def _read(identity: str, cells: Cells) -> MeasuredDecode:
    cells.need(*DECODES.required)
    task = cells.words.get("task")
    prompt = cells.numbers.get("prompt_length", PROMPT_LENGTHS[task] if task else None)
    if prompt is None and not cells.problems:
        cells.problems.append(f"prompt_length or task is not given; accepted tasks: {', '.join(PROMPT_LENGTHS)}")
    if (cells.whole("data") or 1) > 1:
        cells.problems.append("data: attention in data parallel within a replica is not modeled")
    cells.check()
    assert prompt is not None  # or a problem was raised
    architecture = architecture_of(cells.text["model"])
    count = int(cells.numbers["count"])
    batch, output, rate = (cells.numbers[name] for name in ("batch_size", "output_length", "tokens_per_second"))
    cluster = Cluster(cells.text["accelerator"], count)
    stored = precision_of(architecture, cells.words["precision"])
    return MeasuredDecode(
        identity,
        architecture.name,
        cluster.accelerator.generation,
        work(architecture, stored, batch, prompt, output),
        machine(cluster, count, stored.peak),
        rate,
        batch / rate,
    )


READER = Reader(DECODES, _name, _read)
"""Reads tables of measured throughputs."""
read_decodes = READER.used
