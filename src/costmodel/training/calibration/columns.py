"""Columns of tables of measured training steps, and how older files name and write them.

`STEPS` declares the columns of `data/measurements/step_times.csv` and of the rows that `calibrate` takes. Older
files have other names (`OLDER_STEPS`) and other words (`PRECISIONS`, `FLAGS`, `FLOP_CONVENTIONS`, the notation of
`dp_or_zero`); this module is the only place that knows them. `source`, `note` and `url` are for readers alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from costmodel.foundation.columns import COUNT, SWITCH, TEXT, Column, Schema, words
from costmodel.foundation.errors import InputError
from costmodel.training.step.features import DISPATCHERS, GRAPHS, OVERLAPS
from costmodel.training.step.layout import ATTENTION_KERNELS, LOSS_IMPLEMENTATIONS, RECOMPUTE_MODES
from costmodel.training.step.numerics import OPERAND_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPE = ("n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "vocab")
"""Columns that state the shape of a dense decoder."""
STYLES = ("gpt", "llama", "qwen2", "qwen3", "nemotron")
"""Kinds of blocks that a shape may have."""
MODEL: dict[str, Column] = {
    "model": TEXT,
    "architecture": TEXT,
    "prediction_layers": COUNT._replace(least=0),
    "style": words(*STYLES),
    **dict.fromkeys(SHAPE, COUNT),
    "tied": SWITCH,
    "positions": COUNT._replace(least=0),
    "software": TEXT,
    "sequence_length": COUNT._replace(unit="token"),
}
"""Columns that say which architecture a row is about."""

ALTERNATIVE_FP8 = "alternative-fp8"
"""The finer FP8 scaling of an accelerator: in blocks of 32 on Blackwell, row by row before."""
PRECISIONS: dict[str, str] = {
    **{name: name for name in OPERAND_BYTES},
    "fp16 mixed": "fp16",
    "amp_bf16": "bf16",
    "amp_fp16": "fp16",
    "amp_fp8": "fp8",
    "fp8-cs": "fp8",
    "fp8 tensorwise": "fp8",
    "fp8 linear": "fp8",
    "fp8 rowwise": "fp8-rowwise",
    "fp8-mx": "mxfp8",
    "fp8-ds": "fp8",
    "fp8-sc": "fp8-rowwise",
    "fp8 blockwise": "fp8-rowwise",
    ALTERNATIVE_FP8: ALTERNATIVE_FP8,
    "alt quantization granularity (in parentheses in source)": ALTERNATIVE_FP8,
}
"""Precisions as frameworks write them, with the name in the API."""

HARMLESS = {
    "rounded_tokens": "tokens per second are rounded: TFLOP/s are finer",
    "low_tflops": "TFLOP/s are 2 to 3 % below those of the stated convention: tokens per second count",
    "default_micro_batch": "the micro-batch is the default of the framework, not the batch of a replica",
}
"""Flags that say how to read a row, with what they mean."""
WRONG = {
    "slow_pair": "slower than its neighbors without an explanation",
    "slump": "slower than at half the sequence length",
    "near_limit": "near out of memory, or bound by the network",
    "software_changed": "the same layout in another release is about twice as fast",
    "no_batch": "the batch size is not published",
    "no_layout": "neither layout nor batch size is published",
    "layout_in_doubt": "the published layout cannot have been run",
    "copied_tokens": "tokens per second are those of the row before",
    "not_compiled": "kernels were not compiled though the software does so by default",
    "thrashing": "the allocator ran out of memory and retried",
}
"""Flags of rows that are not used, with what they mean."""
UNTUNED = "untuned"
"""Flag of rows of software that its developers had not tuned yet: they give the spread of untuned software."""
FLAGS: dict[str, str] = {
    **{name: name for name in (*HARMLESS, *WRONG, UNTUNED)},
    "not compiled": "not_compiled",
    "memory thrashing": "thrashing",
    "layout not seen": "no_layout",
    "layout in the recipe script, not transcribed": "no_layout",
    "tokens/s rounded to multiples of 16: tflop/s is finer": "rounded_tokens",
    "tflop/s 2-3 % below 6n+12lds: use tokens/s": "low_tflops",
    "pipeline: 8 micro-batches of 4 (framework default), not 32 x 1": "default_micro_batch",
    "unexplained slow tp=2 pair": "slow_pair",
    "measurement slump: slower than s=2048": "slump",
    "near out of memory or network: slower than on twice the gpus": "near_limit",
    **{
        f"same layout as another release, {factor}x apart: software, not layout": "software_changed"
        for factor in ("1.8", "1.9", "2.0")
    },
    "no batch given": "no_batch",
    "no layout, no batch": "no_layout",
    "layout in doubt: tp1 pp1 without sharding cannot hold 70b": "layout_in_doubt",
    "layout in doubt: interleave lost in the source, speed equals the row with vp 5, b=1": "layout_in_doubt",
    "tokens/s copied from the row before; tflop/s says about 1266 instead": "copied_tokens",
}
"""Flags as older files write them, in lower case, with their codes."""

CONVENTIONS = {
    "hardware_full_recompute": "96 B s L d² (1 + s / 6 d + V / 16 L d): the FLOPs done, with full recomputation",
    "model_gpt": "72 B s L d² (1 + s / 6 d + V / 12 L d): the FLOPs of the model, full attention",
    "model_causal": "products of matrices, causal attention, output head included",
    "model_full": "products of matrices, full attention",
    "llm_foundry": "6 N + 12 L d s",
}
"""How TFLOP/s were counted."""
_OLDER_CONVENTIONS: dict[str, dict[str, str]] = {
    "hardware, 96BsLd^2(1+s/6d+V/16Ld), full recompute in": {"flop_convention": "hardware_full_recompute"},
    "hardware, 96BsLd^2(...)": {"flop_convention": "hardware_full_recompute"},
    "hardware, 96BsLd^2(...), s 1024, V 51200": {
        "flop_convention": "hardware_full_recompute",
        "sequence_length": "1024",
        "vocab": "51200",
    },
    "model, 72BsLd^2(1+s/6d+V/12Ld)": {"flop_convention": "model_gpt"},
    "causal, head in (Nemotron rows 8.6 % high: Megatron takes d_in = 2d)": {"flop_convention": "model_causal"},
    "causal, head in": {"flop_convention": "model_causal"},
    "full: 6M + 12 L a h s": {"flop_convention": "model_full"},
    "model FLOPs as Megatron counts them (2024: full attention)": {"flop_convention": "model_full"},
    "llm-foundry: 6N + 12 L d s": {"flop_convention": "llm_foundry"},
}
_OLDER_RECOMPUTE: dict[str, dict[str, str]] = {
    "selective op": {"recompute": "selective"},
    "selective+SP": {"recompute": "selective", "sequence_parallel": "yes"},
}


_MODULE_NAMES = {"norm": "layernorm", "act": "moe_act", "shared_expert": "mlp"}
"""Modules of selective recomputation under other names."""
_CAPTURED = {"attn", "mamba", "moe_router", "shared", "mlp", "moe_preprocess"}
"""Modules that a CUDA graph of a part of a layer captures, as recipes name them."""


def recomputation(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `recompute` stands for; "selective" may be followed by modules.

    Parameters
    ----------
    cell : str

    Examples
    --------
    >>> recomputation("selective mlp+mla_up_proj")
    {'recompute': 'none', 'recompute_modules': 'mlp+mla_up_proj'}
    """
    mode, _, modules = cell.strip().partition(" ")
    if modules and mode == "selective" and cell not in _OLDER_RECOMPUTE:
        named = [_MODULE_NAMES.get(name, name) for name in modules.split("+")]
        return {"recompute": "none", "recompute_modules": "+".join(named)}
    return _OLDER_RECOMPUTE.get(cell, {"recompute": cell})


def graphs(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `cuda_graph` stands for; older files list the captured modules.

    Parameters
    ----------
    cell : str

    Examples
    --------
    >>> graphs("attn+moe_router"), graphs("drop")
    ({'cuda_graph': 'partial'}, {'cuda_graph': 'none', 'token_drop': 'yes'})
    """
    if cell == "drop":
        return {"cuda_graph": "none", "token_drop": "yes"}
    captured = set(cell.split("+"))
    return {"cuda_graph": "partial" if captured <= _CAPTURED and captured else cell}


_SHARDING: tuple[tuple[str, str], ...] = (
    (r"dp ?=? ?\d+|ddp|fsdp ?=? ?0|(?:fsdp )?no_shard", ""),
    (r"zero[ -]?0", "0"),
    (r"zero[ -]?1|dist(?:ributed)?[ _-]?opt(?:imizer)?", "1"),
    (r"zero[ -]?2|(?:fsdp )?shard_grad_op", "2"),
    (r"zero[ -]?3|(?:fsdp )?full_shard|fsdp(?: ?=? ?[1-9]\d*)?", "3"),
)
"""Notation of `dp_or_zero` in older files, with the value of `zero`; empty where the software decides."""


def sharding(cell: str) -> Mapping[str, str]:
    """Return the cells that a cell of `dp_or_zero` stands for.

    Parameters
    ----------
    cell : str
        One or more of "dp32", "ddp", "fsdp", "fsdp=8", "fsdp8", "fsdp=0", "fsdp full_shard", "fsdp shard_grad_op",
        "fsdp no_shard", "distributed optimizer" and "zero0" to "zero3", with spaces, commas or "+" between them.

    Raises
    ------
    InputError
        If the cell is not in this notation, or states two degrees of sharding.

    Examples
    --------
    >>> sharding("fsdp=8"), sharding("zero3"), sharding("dp32 zero1")
    ({'zero': '3'}, {'zero': '3'}, {'zero': '1'})
    """
    rest, degrees = cell.strip().lower(), set()
    while rest:
        matches = ((re.match(rf"(?:{pattern})(?![\w-])", rest), zero) for pattern, zero in _SHARDING)
        match, zero = max(
            ((match, zero) for match, zero in matches if match), key=lambda pair: pair[0].end(), default=(None, "")
        )
        if match is None:
            raise InputError(
                f"unknown notation {cell!r}; accepted: dp32, ddp, fsdp=8, fsdp8, fsdp=0, fsdp full_shard, "
                "fsdp shard_grad_op, fsdp no_shard, distributed optimizer, zero0 to zero3, or several"
            )
        degrees.add(zero)
        rest = rest[match.end() :].lstrip(" ,+;/")
    stated = sorted(degrees - {""})
    if len(stated) > 1:
        raise InputError(f"states more than one degree of sharding: {cell!r}")
    return {"zero": stated[0]} if stated else {}


OLDER_STEPS = {
    "seq_len": "sequence_length",
    "global_batch": "batch_size",
    "n_gpus": "count",
    "tp": "tensor",
    "pp": "pipeline",
    "cp": "context",
    "ep": "expert",
    "etp": "expert_tensor",
    "date": "software_date",
    "step_time_s": "step_time",
    "tokens_per_s_per_gpu": "tokens_per_second_per_gpu",
}
"""Names of columns in older files of steps, with the name of today."""

KERNELS = {"attention": words(*ATTENTION_KERNELS), "loss": words(*LOSS_IMPLEMENTATIONS)}
"""Columns of the kernels."""

STEPS = Schema(
    kind="measured steps",
    columns={
        **MODEL,
        "family": TEXT,
        "batch_size": COUNT,
        "accelerator": TEXT,
        "count": COUNT,
        **dict.fromkeys(("tensor", "pipeline", "context", "expert", "expert_tensor"), COUNT),
        **dict.fromkeys(("micro_batch", "interleave", "shard"), COUNT),
        "zero": COUNT._replace(least=0),
        "recompute": words(*RECOMPUTE_MODES),
        "recompute_modules": TEXT,
        "dispatcher": words(*DISPATCHERS),
        "a2a_overlap": Column(words={**{name: name for name in OVERLAPS}, "0": "none", "1": "1f1b"}),
        "cuda_graph": words(*GRAPHS),
        "fused_grouped_mlp": SWITCH,
        "token_drop": SWITCH,
        "sequence_parallel": SWITCH,
        **KERNELS,
        "overlap_tensor": SWITCH,
        "overlap_data": SWITCH,
        "precision": Column(words=PRECISIONS),
        "method": words("pretraining", "full_fine_tuning", "lora"),
        "software_version": TEXT,
        "software_date": TEXT,
        "network_bandwidth_gb_per_s": Column("GB/s"),
        "step_time": Column("s"),
        "tokens_per_second_per_gpu": Column("token/s"),
        "tflops_per_gpu": Column("TFLOP/s"),
        "flop_convention": words(*CONVENTIONS),
        "memory_gib": Column("GiB"),
        "tuned": SWITCH,
        "flag": Column(words=FLAGS),
        "source": TEXT,
        "url": TEXT,
        "note": TEXT,
        "id": TEXT,
    },
    required=("model", "sequence_length", "batch_size", "accelerator", "count", "tensor", "pipeline"),
    older=OLDER_STEPS,
    notations={
        "dp_or_zero": sharding,
        "flop_convention": lambda cell: _OLDER_CONVENTIONS.get(cell, {"flop_convention": cell}),
        "recompute": recomputation,
        "cuda_graph": graphs,
    },
    unread=frozenset(
        {
            "params_b",
            "gpu",
            "mfu",
            "hfu",
            "recipe",
            "match",
            "routing",
            "confidence",
            "split",
        }
    ),
)
"""Columns of measured steps."""
