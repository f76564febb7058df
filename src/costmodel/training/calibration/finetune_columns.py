"""Columns of tables of measured fine-tunes, and how older files name and write them.

`FINE_TUNES` declares the columns of `data/measurements/finetunes.csv`. Older files write several settings into the
cells of `method`, `batch` and `time`; `method_cells`, `batch_cells` and `time_cells` read their notation, and raise
`InputError` for any other. Those files do not state what the scripts behind them set; the notation of the batch names
the scripts, and `with_preset` adds their settings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from costmodel.foundation.columns import COUNT, SWITCH, TEXT, Column, Schema, words
from costmodel.foundation.errors import InputError
from costmodel.training.calibration.columns import KERNELS, MODEL
from costmodel.training.step.layout import RECOMPUTE_MODES
from costmodel.training.step.numerics import MOMENTS, OPERAND_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLAGS = {
    "misprinted": "faster than the peak of the accelerator with the recomputation of its recipe: the accelerator or "
    "the recipe is misprinted",
    "padded": "the sequence length is an upper limit: the step has fewer tokens",
    "computed": "a computed maximum of the sequence length, not a measurement",
}
"""Flags of rows whose time and memory are not used, with what they mean."""

_METHODS = (
    (r"q-?lora", "qlora"),
    (r"lora|rs-?lora|dora", "lora"),
    (r"full[ _-]parameter|full[ _-]fine[ _-]?tuning|full|sft", "full_fine_tuning"),
)
_QUALIFIERS: tuple[tuple[str, dict[str, str]], ...] = (
    (r"\(emb\)", {"train_embeddings": "yes"}),
    # an iteration takes twice the time of one accelerator at every length: 16 micro-batches, the scripts' default
    (r"\(multinode\)", {"zero": "2", "accumulation": "16"}),
    (r"\+? ?\(?(?:deepspeed )?zero[ -]?2\)?", {"zero": "2"}),
    (r"\+? ?\(?(?:deepspeed )?zero[ -]?3\)?", {"zero": "3"}),
    (r"\+? ?cpu offload", {"offload_optimizer": "yes", "offload_weights": "yes"}),
    (r"\(max ctx\)", {"flag": "computed"}),
    (r"16[ -]?bit", {}),
    (r"8[ -]?bit", {"quantization": "int8"}),
    (r"4[ -]?bit", {"quantization": "nf4"}),
    *((name, {"precision": name}) for name in OPERAND_BYTES),
)
_FLAG_TABLE = (
    "full baseline (padded)",
    "+packed",
    "+compile",
    "+chunked ce",
    "+act ckpt",
    "+optim in bwd",
    "+act offload",
    "+8bit adamw",
)
"""Methods of a table in which each row adds a setting to those of the row before."""


def method_cells(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `method` stands for.

    Parameters
    ----------
    cell : str
        "LoRA", "rsLoRA", "DoRA", "QLoRA" or "Q-LoRA", "full", "Full-parameter" or "SFT", with further settings:
        "(emb)", "(multinode)", "+ DeepSpeed ZeRO-3", "+ CPU offload", a precision such as "FP8", "8bit" or "4bit"
        weights, or a rank such as "r32".

    Examples
    --------
    >>> method_cells("LoRA FP8")
    {'label': 'LoRA FP8', 'method': 'lora', 'precision': 'fp8'}
    """
    text = cell.lower()
    if text in _FLAG_TABLE:
        return {"label": cell, **_added_up(_FLAG_TABLE.index(text))}
    for pattern, method in _METHODS:
        if match := re.match(rf"(?:{pattern})(?![\w-])", text):
            cells, rest = {"label": cell, "method": method}, text[match.end() :].strip()
            if (variant := match.group().replace("-", "")) in {"rslora", "dora"}:
                cells["variant"] = variant
            break
    else:
        raise InputError(
            f"unknown notation {cell!r}; accepted: full_fine_tuning, lora or qlora, with settings such as "
            "r32, FP8, (emb), + DeepSpeed ZeRO-3 or + CPU offload"
        )
    while rest:
        rank = re.match(r"r(\d+)(?![\w-])", rest)
        match, added = rank, {"rank": rank[1]} if rank else {}
        if match is None:
            match, added = next(
                (
                    (match, added)
                    for pattern, added in _QUALIFIERS
                    if (match := re.match(rf"(?:{pattern})(?!\w)", rest))
                ),
                (None, {}),
            )
        if match is None:
            raise InputError(
                f"unknown setting {rest!r} in {cell!r}; accepted: a rank such as r32, a precision such as "
                "FP8, (emb), (multinode), + DeepSpeed ZeRO-2 or ZeRO-3, + CPU offload, (max ctx)"
            )
        cells |= added
        rest = rest[match.end() :].strip(" ,")
    return cells


def _added_up(level: int) -> dict[str, str]:
    """Return the settings of a row of the table of added settings (torchtune README, optimization flags)."""
    names = dict(
        zip(("packed", "compile", "chunked", "recompute", "in_backward", "offload", "8bit"), range(1, 8), strict=True)
    )

    def has(name: str) -> bool:
        return level >= names[name]

    cells = {
        "method": "full_fine_tuning",
        "scripts": "torchtune",
        "software": "fused" if has("compile") else "eager",
        "loss": "chunked" if has("chunked") else "whole",
        "recompute": "full" if has("recompute") else "none",
        "step_in_backward": "yes" if has("in_backward") else "no",
        "offload_activations": "yes" if has("offload") else "no",
        "optimizer": "adamw-8bit" if has("8bit") else "adamw",
        "optimizer_paged": "no",
        "zero": "0",
    }
    return cells if has("packed") else {**cells, "flag": "padded"}


def batch_cells(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `batch` stands for.

    Parameters
    ----------
    cell : str
        "2" or "2 packed" sequences of each accelerator, "1x ga8" (times 8 micro-batches), or "GBS32" of all.

    Examples
    --------
    >>> batch_cells("1x ga8")
    {'micro_batch': '1', 'accumulation': '8', 'scripts': 'qwen'}
    """
    text = cell.lower()
    if match := re.fullmatch(r"(\d+) ?x? ?ga ?(\d+)", text):
        return {"micro_batch": match[1], "accumulation": match[2], "scripts": "qwen"}
    if match := re.fullmatch(r"gbs ?(\d+)", text):
        return {"batch_size": match[1], "scripts": "nemo"}
    if match := re.fullmatch(r"(\d+) packed", text):
        return {"micro_batch": match[1], "scripts": "torchtune"}
    if match := re.fullmatch(r"(\d+)(?:\.0)?", text):
        return {"micro_batch": match[1]}
    raise InputError(f"unknown notation {cell!r}; accepted: 2, 2 packed, 1x ga8 or GBS32")


_NOT_A_STEP = r"~?[\d.]+ (?:h|min|gpu-h)(?: wall)?(?: \(.*\))?|[\d.]+ model tflop/s/gpu"


def time_cells(cell: str) -> Mapping[str, str]:
    """Return the step time [s] of a cell of `time`: "1.7 s/it" or "0.5 it/s"; times of whole runs have none."""
    text = cell.lower()
    if match := re.fullmatch(r"([\d.]+) ?(s/it|it/s)(?: \(.*\))?", text):
        return {"step_time": match[1] if match[2] == "s/it" else str(1 / float(match[1]))}
    if re.fullmatch(_NOT_A_STEP, text):
        return {}
    raise InputError(f"unknown notation {cell!r}; accepted: 1.7 s/it, 0.5 it/s, or the hours of a whole run")


def with_preset(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of a row with the settings of its scripts where the row states none.

    Parameters
    ----------
    cells : Mapping
        Cells of the row, under the names of today.
    """
    scripts = cells.get("scripts", "")
    settings = PRESETS[scripts](cells) if scripts in PRESETS else {}
    row = settings | {name: cell for name, cell in cells.items() if cell}
    if scripts == "torchtune" and "memory_gb" in row:  # prints GiB as GB
        row.setdefault("memory_gib", row.pop("memory_gb"))
    return row


def _qwen(cells: Mapping[str, str]) -> dict[str, str]:
    """Scripts of QwenLM/Qwen: Hugging Face Trainer with DeepSpeed, rank 64 on all matrices, memory over all GPUs."""
    method, zero = cells.get("method", ""), cells.get("zero", "")
    settings = {
        "software": "eager",
        "recompute": "full",
        "attention": "flash-2",
        "rank": "64",
        "loss": "whole",
        "copies_logits": "no",
        "memory_summed": "yes",
        "memory_counts": "engine",
    }
    if method == "full_fine_tuning":
        return {**settings, "zero": "3", "overlap_data": "no"}
    if method == "qlora":
        return {
            **settings,
            "zero": "2",
            "loss": "half",
            "quantization": "gptq-int4",
            "precision": "fp16",
            "master_weights": "no",
        }
    if zero:
        return {**settings, "master_weights": "no", "overlap_data": "no" if zero == "3" else "yes"}
    return {**settings, "zero": "0", "memory_counts": "context"}


def _torchtune(cells: Mapping[str, str]) -> dict[str, str]:
    """Recipes of meta-pytorch/torchtune: compiled, bf16 throughout; on one GPU, paged AdamW in the backward pass."""
    alone = cells.get("count", "").removesuffix(".0") == "1"
    settings = {
        "software": "fused",
        "recompute": "full",
        "attention": "flash-2",
        "rank": "8",
        "loss": "chunked",
        "copies_logits": "no",
        "master_weights": "no",
        "memory_counts": "allocator",
        "zero": "0" if alone else "3",
    }
    if not alone or cells.get("method") != "full_fine_tuning":
        return settings
    return {**settings, "optimizer": "adamw-8bit", "step_in_backward": "yes", "optimizer_paged": "yes"}


def _nemo(cells: Mapping[str, str]) -> dict[str, str]:
    """Performance summary of NVIDIA NeMo: packed sequences; a layout is planned where data-parallel does not fit."""
    return {"software": "fused", "rank": "32", "attention": "latest", "recompute": "none"}


PRESETS: dict[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "qwen": _qwen,
    "torchtune": _torchtune,
    "nemo": _nemo,
}
"""What the scripts behind a table set, by the word of the column `scripts`."""

FINE_TUNES = Schema(
    kind="measured fine-tunes",
    columns={
        **MODEL,
        "software": words("eager", "fused"),
        "scripts": words(*PRESETS),
        "label": TEXT,
        "family": TEXT,
        "method": words("full_fine_tuning", "lora", "qlora"),
        "rank": COUNT,
        "targets": TEXT,
        "variant": words("lora", "rslora", "dora"),
        "train_embeddings": SWITCH,
        "quantization": words("none", "nf4", "gptq-int4", "int8"),
        "precision": words(*OPERAND_BYTES),
        "optimizer": words(*MOMENTS),
        "master_weights": SWITCH,
        **dict.fromkeys(("micro_batch", "accumulation", "batch_size"), COUNT),
        "accelerator": TEXT,
        "count": COUNT,
        "zero": COUNT._replace(least=0),
        "recompute": words(*RECOMPUTE_MODES),
        **KERNELS,
        **dict.fromkeys(
            (
                "overlap_data",
                "step_in_backward",
                "offload_optimizer",
                "offload_weights",
                "offload_activations",
                "memory_summed",
                "optimizer_paged",
                "copies_logits",
            ),
            SWITCH,
        ),
        "step_time": Column("s"),
        "tokens_per_second": Column("token/s"),
        "memory_gb": Column("GB"),
        "memory_gib": Column("GiB"),
        "memory_counts": words("allocator", "context", "engine"),
        "flag": words(*FLAGS),
        "source": TEXT,
        "url": TEXT,
        "note": TEXT,
        "id": TEXT,
    },
    required=("method", "model", "count", "sequence_length", "accelerator"),
    older={
        "n_gpus": "count",
        "seq_len": "sequence_length",
        "tokens_per_s": "tokens_per_second",
        "peak_memory_gb": "memory_gb",
    },
    notations={"method": method_cells, "batch": batch_cells, "time": time_cells},
    unread=frozenset({"gpu", "tokens_or_samples", "cost_usd"}),
)
"""Columns of measured fine-tunes."""
