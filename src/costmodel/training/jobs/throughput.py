"""Measured training throughput of accelerators without a step-time model: rows, and their MFU in one convention.

A row states tokens per second, a step time with the tokens of a step, TFLOP/s, or an MFU. All become model FLOPs with
causal attention over the dense bf16 peak of the catalog, the convention of the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.flops import Convention, flops_per_token
from costmodel.architecture.loading import load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.foundation.columns import COUNT, TEXT, Cells, Column, Reader, Schema, words
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.hardware.accelerator import load_accelerator

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row
    from costmodel.hardware.accelerator import Accelerator

TABLE = "measurements/accelerator_throughput"
_CONVENTIONS: dict[str, Convention] = {"model_causal": "causal", "model_full": "full", "llm_foundry": "llm-foundry"}
THROUGHPUT = Schema(
    kind="measured throughput",
    columns={
        **dict.fromkeys(("id", "group", "model", "architecture", "accelerator", "software", "date"), TEXT),
        **dict.fromkeys(("parameters", "active_parameters"), Column("1")),
        **dict.fromkeys(("n_layers", "attention_width", "count", "sequence_length"), COUNT),
        "precision": words("bf16", "fp16", "fp8"),
        "tokens_per_second_per_gpu": Column("token/s"),
        "step_time": Column("s"),
        "batch_tokens": Column("token"),
        "tflops_per_gpu": Column("TFLOP/s"),
        "mfu": Column("1"),
        "flop_convention": words(*_CONVENTIONS),
    },
    required=("id", "group", "accelerator", "precision", "sequence_length"),
    unread=frozenset({"source", "note"}),
)
"""Columns of `data/measurements/accelerator_throughput.csv`."""


class Throughput(NamedTuple):
    """A measured training throughput."""

    id: str
    group: str
    """Publisher of the row; its rows share software and tuning."""
    accelerator: Accelerator
    moe: bool
    """Whether the model is a mixture of experts."""
    eight_bit: bool
    """Whether matrix products run in 8 bits, at a peak above that of bf16."""
    active: float
    """Parameters that a token uses [1]."""
    mfu: float
    """Model FLOPs with causal attention / (bf16 peak × time) [1]."""


def _name(row: Row) -> str:
    return row.get("id", "")


def _read(identity: str, cells: Cells) -> Throughput:
    cells.need("id", "group", "accelerator", "precision", "sequence_length")
    cells.check()
    accelerator = load_accelerator(cells.text["accelerator"])
    architecture = _architecture(cells)
    mfu = _mfu(cells, architecture, accelerator)
    if mfu >= 1:
        raise InputError(f"the MFU must be below 1; got {mfu:.3f}, in the convention of the library")
    return Throughput(
        id=cells.text["id"],
        group=cells.text["group"],
        accelerator=accelerator,
        moe=architecture.kind == "moe",
        eight_bit=runs_in_eight_bits(accelerator, cells.words["precision"]),
        active=float(architecture.parameters.active),
        mfu=mfu,
    )


READER = Reader(THROUGHPUT, _name, _read)
"""Reads tables of measured throughput."""


def runs_in_eight_bits(accelerator: Accelerator, precision: str) -> bool:
    """Return whether a number format has a higher peak than bf16 on an accelerator; False where a peak is not known.

    Parameters
    ----------
    accelerator : Accelerator
    precision : str
        Number format of the matrix products.
    """
    try:
        return accelerator.peak(precision) > accelerator.peak()
    except MissingFactError:
        return False


def _architecture(cells: Cells) -> Architecture:
    """Return the named architecture, or one with the counts of the row."""
    if name := cells.text.get("architecture", ""):
        return load_architecture(name)
    total = cells.numbers.get("parameters")
    if total is None:
        raise InputError("architecture or parameters: one is needed; both are empty")
    layers, width = cells.whole("n_layers"), cells.whole("attention_width")
    return Architecture.from_counts(
        total, cells.numbers.get("active_parameters"), layers=layers, width=width, name=cells.text["id"]
    )


def _mfu(cells: Cells, architecture: Architecture, accelerator: Accelerator) -> float:
    """Return the MFU in the convention of the library [1]; one that is not stated is taken for that of the library."""
    length, peak = cells.numbers["sequence_length"], accelerator.peak()
    counted = float(flops_per_token(architecture, length))
    rate, seconds = (cells.numbers.get(name) for name in ("tokens_per_second_per_gpu", "step_time"))
    if rate is not None:
        return rate * counted / peak
    if seconds is not None:
        cells.need("batch_tokens", "count")
        cells.check()
        return cells.numbers["batch_tokens"] * counted / (seconds * cells.numbers["count"] * peak)
    flops, stated = cells.numbers.get("tflops_per_gpu"), cells.numbers.get("mfu")
    if flops is None and stated is None:
        raise InputError(
            "the row gives neither tokens_per_second_per_gpu, step_time with batch_tokens, tflops_per_gpu, nor mfu"
        )
    utilization = flops * 1e12 / peak if flops is not None else stated or 0.0
    convention = _CONVENTIONS[cells.words.get("flop_convention", "model_causal")]
    return utilization * counted / float(flops_per_token(architecture, length, convention))
