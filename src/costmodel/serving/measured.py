"""Measured decode throughputs: the columns of their tables and a reader of the rows.

The reader reads each setting from a declared column (`DECODES`).
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
"""Prompt length by task of the ML.ENERGY benchmark [token]. Assumed, because the rows state only output lengths: a
multiple-choice question of a few sentences, one turn of a chat, and a source file around a gap."""
SAME_SHAPE = {
    "qwen3-coder-30b-a3b": "qwen3-30b-a3b",
    "deepseek-r1": "deepseek-v3",
    "gemma-3-12b": "gemma-3-12b-text",
}
"""Models with the shape of another model of the catalog. For gemma-3-12b, the shape of its text decoder."""


def parallel_cells(cell: str) -> Mapping[str, str]:
    """Return the cells `data`, `tensor` and `expert` from a cell `parallel` with JSON.

    Parameters
    ----------
    cell : str
        Degrees of parallelism in a replica, such as '{"data_parallel": 1, "expert_parallel": 8, "tensor_parallel": 1}'.

    Raises
    ------
    InputError
        If the cell is not a JSON object, or a degree is not a whole number.
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
    unread=frozenset(
        {
            "total_b",
            "active_b",
            "gpu",
            "max_num_seqs",
            "median_itl_ms",
            "avg_power_w_all_gpus",
            "joule_per_output_token",
        }
    ),
)
"""Columns of measured decode throughputs; `batch_size` is the mean number of sequences decoded at a time."""


class MeasuredDecode(NamedTuple):
    """A measured decode throughput with the work and the accelerators of its replica."""

    id: str
    """Name of the row."""
    model: str
    """Name of the model in the catalog."""
    generation: str
    """Generation of the accelerator, such as "hopper"."""
    work: Work
    """Bytes and FLOPs of a step."""
    machine: Machine
    """Rates of the replica."""
    tokens_per_second: float
    """Measured output throughput [token/s]."""
    seconds: float
    """Mean time per output token, batch size / throughput [s]."""


def _name(row: Row) -> str:
    return f"{row.get('model')} on {row.get('count')} × {row.get('accelerator')}"


def architecture_of(model: str) -> Architecture:
    """Return the architecture of a published model. The owner and the last words of the name are ignored.

    Parameters
    ----------
    model : str
        Name of the release, such as "Qwen/Qwen3-30B-A3B-Instruct-2507".

    Raises
    ------
    UnknownNameError
        If neither the name nor a shorter form of it is in the catalog.

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
        cells.problems.append("data: must be 1; data-parallel attention in a replica is not modeled")
    cells.check()
    assert prompt is not None  # cells.check() raised an error otherwise
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
