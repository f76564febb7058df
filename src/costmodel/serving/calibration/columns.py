"""Columns of tables of measured serving, and the words of older files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from costmodel.foundation.columns import COUNT, SWITCH, TEXT, YES_NO, Column, Schema, words
from costmodel.foundation.errors import InputError
from costmodel.serving.engine.recipes import RECIPES
from costmodel.serving.step.formats import CACHE_BYTES, FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT_LENGTHS = {"gpqa": 250.0, "lm-arena-chat": 200.0, "sourcegraph-fim": 2000.0}
"""Prompt length by task of the ML.ENERGY benchmark [token]. Assumed, because the rows state only output lengths: a
multiple-choice question of a few sentences, one turn of a chat, and a source file around a gap."""
SOURCES = {
    "mlenergy": {"recipe": "default"},
    "inferencemax": {"recipe": "tuned"},
    "trtllm_pages": {"recipe": "tuned"},
    "argonne": {"recipe": "default"},
    "dstack": {"recipe": "default"},
    "mlperf": {"recipe": "tuned"},
    "inferencex_experimental": {"recipe": "default"},
}
"""Settings of the engines by kind of source, in files without the column `recipe`."""
SCORED, CHECKED, LEFT_OUT = ("fit", "fit_max", "check_rate"), "check", "no"
"""Values of the column `use`: rows that are scored, rows that are reported apart, and rows that are left out."""
LOADS = (
    "closed_loop", "offline_batch", "max_load", "disaggregated", "mlperf_server", "mlperf_offline",
    "mlperf_interactive",
)  # fmt: skip
"""How requests arrive. "closed_loop": a new request starts when one ends; "offline_batch": a batch starts together;
"max_load": as many requests as memory holds."""


def parallel_cells(cell: str) -> Mapping[str, str]:
    """Return the cells `tensor`, `expert` and `data_parallel_attention` from a cell `parallel` with JSON.

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
    numbers = {}
    for name in ("data", "tensor", "expert"):
        degree = degrees.get(f"{name}_parallel", 1)
        if not isinstance(degree, int) or degree < 0:
            raise InputError(f"{name}_parallel must be a whole number; got {degree!r}")
        numbers[name] = max(degree, 1)
    own = numbers["data"] > 1
    tensor = numbers["data"] if own else max(numbers["tensor"], numbers["expert"])
    return {
        "tensor": str(tensor),
        "expert": str(numbers["expert"]),
        "data_parallel_attention": "yes" if own else "no",
    }


def task_cells(cell: str) -> Mapping[str, str]:
    """Return the cells that a task of the ML.ENERGY benchmark implies: its prompt length, engine, recipe and date.

    Parameters
    ----------
    cell : str
        One of `PROMPT_LENGTHS`.

    Raises
    ------
    InputError
        If the task is unknown.
    """
    if cell.lower() not in PROMPT_LENGTHS:
        raise InputError(f"unknown word {cell!r}; accepted: {', '.join(PROMPT_LENGTHS)}")
    length = f"{PROMPT_LENGTHS[cell.lower()]:g}"
    return {
        "prompt_length": length, "engine": "vllm", "recipe": "default", "date": "2025-11", "load": "closed_loop",
        "benchmark": "mlenergy",
    }  # fmt: skip


def source_cells(cell: str) -> Mapping[str, str]:
    """Return the recipe of a kind of source, for files without the column `recipe`.

    Parameters
    ----------
    cell : str
        Kind of source, such as "mlenergy"; the recipe of any other is unknown.
    """
    return {"benchmark": cell, **SOURCES.get(cell.lower(), {"recipe": "unknown"})}


SERVED = Schema(
    kind="measured serving",
    columns={
        "model": TEXT,
        "precision": Column(
            words={**{name: name for name in FORMATS}, "bfloat16": "bf16", "float16": "fp16", "fp32": "bf16"}
        ),
        "cache_precision": Column(words={name: name for name in CACHE_BYTES}),
        "prompt_length": Column("token"),
        "output_length": Column("token"),
        "batch_size": Column("1"),
        "concurrency": Column("1"),
        "accelerator": TEXT,
        **dict.fromkeys(("count", "tensor", "pipeline", "expert"), COUNT),
        "data_parallel_attention": SWITCH,
        "prefill_count": Column("1", whole=True, least=0),
        "engine": TEXT,
        "recipe": words(*RECIPES),
        "date": TEXT,
        "load": words(*LOADS),
        "tokens_per_second": Column("token/s"),
        "ttft_s": Column("s"),
        "tpot_ms": Column("ms"),
        "power_w": Column("W"),
        "speculative": Column(words=YES_NO),
        "use": words(*SCORED, CHECKED, LEFT_OUT),
        **dict.fromkeys(("why", "id", "benchmark", "source", "url", "note"), TEXT),
    },
    required=("model", "precision", "accelerator", "count", "output_length", "tokens_per_second"),
    older={
        "weights_precision": "precision",
        "kv_precision": "cache_precision",
        "n_gpus": "count",
        "tp": "tensor",
        "pp": "pipeline",
        "ep": "expert",
        "dp_attention": "data_parallel_attention",
        "prefill_gpus": "prefill_count",
        "avg_batch": "batch_size",
        "avg_output_len": "output_length",
        "prompt_len": "prompt_length",
        "output_tok_per_s": "tokens_per_second",
        "avg_power_w_all_gpus": "power_w",
    },
    notations={"parallel": parallel_cells, "task": task_cells, "source_kind": source_cells},
    unread=frozenset(
        {"total_b", "active_b", "gpu", "max_num_seqs", "median_itl_ms", "joule_per_output_token", "family",
         "engine_version"}
    ),
)  # fmt: skip
"""Columns of measured serving; `batch_size` is the mean number of sequences decoded at a time, `concurrency` the number
of requests at a time, and `power_w` the power of all accelerators."""
