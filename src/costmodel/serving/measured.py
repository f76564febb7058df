"""What was measured of decoding? Rows of throughputs, read into what the model takes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.loading import catalog, load_architecture
from costmodel.foundation.errors import CostModelError, InputError, UnknownNameError
from costmodel.hardware.cluster import Cluster
from costmodel.serving.decode import Machine, Work, machine, precision_of, work

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row, Table

PROMPT_LENGTHS = {"gpqa": 250.0, "lm-arena-chat": 200.0, "sourcegraph-fim": 2000.0}
"""Tokens of a prompt by task of the ML.ENERGY benchmark [token]; assumed, as the rows tell only the outputs:
questions of a few sentences with four choices, one turn of a chat, and a source file around a gap."""
SAME_SHAPE = {"qwen3-coder-30b-a3b": "qwen3-30b-a3b", "deepseek-r1": "deepseek-v3", "gemma-3-12b": "gemma-3-12b-text"}
"""Models that share the shape of another in the catalog (of the text alone, in the last)."""
_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16"}
_NEEDED = ("model", "precision", "accelerator", "n_gpus", "avg_batch", "avg_output_len", "output_tok_per_s")


class MeasuredDecode(NamedTuple):
    """One measured throughput: `model` is the name in the catalog, `seconds` the mean time between tokens [s]."""

    id: str
    model: str
    generation: str
    work: Work
    machine: Machine
    tokens_per_second: float
    seconds: float


def row_id(number: int, row: Row) -> str:
    """Return how a row is named in reports: its line, model and machine."""
    return f"{number}: {row.get('model')} on {row.get('n_gpus')} × {row.get('accelerator')}"


def read_decodes(rows: Table) -> tuple[list[MeasuredDecode], dict[str, str]]:
    """Return the measured throughputs of a table, and why each other row could not be read, by its id.

    Parameters
    ----------
    rows : with model, precision, accelerator, n_gpus, avg_batch, avg_output_len [token], output_tok_per_s
        [token/s]; also task or prompt_len [token], and parallel, the layout as JSON
    """
    if missing := [name for name in _NEEDED if name not in rows.columns]:
        raise InputError(f"columns are missing: {', '.join(missing)}")
    found, skipped = [], {}
    for number, row in enumerate(rows.rows, start=2):
        identity = row_id(number, row)
        try:
            found.append(_read(identity, row))
        except CostModelError as error:
            skipped[identity] = str(error)
    return found, skipped


def architecture_of(model: str) -> Architecture:
    """Return the architecture of a model as published: an owner and trailing words of a release are dropped.

    Parameters
    ----------
    model : such as "Qwen/Qwen3-30B-A3B-Instruct-2507"

    Raises
    ------
    UnknownNameError
        If no shorter name is in the catalog.

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


def _read(identity: str, row: Row) -> MeasuredDecode:
    architecture = architecture_of(row["model"])
    layout = _layout(row.get("parallel", ""))
    if layout.get("data_parallel", 1) not in {0, 1}:
        raise InputError("parallel: attention in data parallel within a replica is not modeled")
    batch, output, rate, count = (
        _number(row, name) for name in ("avg_batch", "avg_output_len", "output_tok_per_s", "n_gpus")
    )
    cluster = Cluster(row["accelerator"], int(count))
    stored = precision_of(architecture, _PRECISIONS.get(row["precision"], row["precision"]))
    return MeasuredDecode(
        identity,
        architecture.name,
        cluster.accelerator.generation,
        work(architecture, stored, batch, _prompt(row), output),
        machine(cluster, int(count), stored.peak),
        rate,
        batch / rate,
    )


def _prompt(row: Row) -> float:
    if row.get("prompt_len"):
        return _number(row, "prompt_len")
    task = row.get("task", "")
    if task not in PROMPT_LENGTHS:
        raise UnknownNameError.of("task", task, PROMPT_LENGTHS, "Give prompt_len.")
    return PROMPT_LENGTHS[task]


def _layout(cell: str) -> dict[str, object]:
    try:
        layout = json.loads(cell or "{}")
    except (ValueError, RecursionError):
        layout = None
    if not isinstance(layout, dict):
        raise InputError(f"parallel: is a JSON object; got {cell[:80]!r}")
    return layout


def _number(row: Row, name: str) -> float:
    try:
        number = float(row[name])
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{name}: is a number above 0 and finite; got {row[name]!r}")
    return number
