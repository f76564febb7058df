"""What do rows of measured steps say? Model, machine, layout and seconds, as far as the source tells."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import CostModelError, InputError
from costmodel.hardware.cluster import Cluster
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.step.layout import Kernel, Layout, Recompute, usual_kernel
from costmodel.training.step.memory import GIB
from costmodel.training.step.numerics import Numerics, numerics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row, Table
    from costmodel.training.step.adapters import Adapters

NEEDED = ("source", "model", "seq_len", "global_batch", "accelerator", "n_gpus", "tp", "pp")
HARMLESS = ("tokens/s rounded", "TFLOP/s 2-3 % below", "pipeline: ")
"""Beginnings of flags that say how to read a row, not that it is wrong."""
LORA_TRAINED = 0.003
"""Share of the parameters that adapters train, where a row does not tell [1]."""

_PRECISIONS = {
    "": "bf16", "fp16 mixed": "fp16", "amp_bf16": "bf16", "amp_fp16": "fp16", "amp_fp8": "fp8", "fp8-cs": "fp8",
    "fp8 tensorwise": "fp8", "fp8 linear": "fp8", "fp8 rowwise": "fp8-rowwise", "fp8-mx": "mxfp8",
    "fp8-ds": "fp8", "fp8-sc": "fp8-rowwise", "fp8 blockwise": "fp8-rowwise",
}  # fmt: skip


class MeasuredStep(NamedTuple):
    """One measured step: `seconds` [s] in `layout`, of which the source leaves the fields in `open` open.

    `family` is what shares its set-up, `year` when its software was current, `tuned` whether its layout was
    chosen with care by its framework's own authors.
    """

    id: str
    family: str
    architecture: Architecture
    sequence_length: int
    batch_size: int
    cluster: Cluster
    precision: str
    numbers: Numerics
    layout: Layout
    open: frozenset[str]
    year: float
    seconds: float
    memory: float | None
    """On the fullest accelerator [byte]."""
    tuned: bool = False
    adapters: Adapters | None = None


def read_steps(table: Table) -> tuple[list[MeasuredStep], dict[str, str]]:
    """Return the steps of a table that can be used, and why each other row cannot, by its id.

    Parameters
    ----------
    table : rows in the schema of measured steps: source, model, shapes, degrees of parallelism, and the
        step time [s], tokens per second or TFLOP/s of each accelerator

    Raises
    ------
    InputError
        If the table lacks a column that is needed.
    """
    missing = [name for name in NEEDED if table.rows and name not in table.rows[0]]
    if missing:
        raise InputError(f"a table of measured steps needs the columns {', '.join(NEEDED)}; missing: {missing}")
    steps, skipped = [], {}
    for number, row in enumerate(table.rows, start=2):
        identity = row_id(number, row)
        flag = row.get("flag") or ""
        if flag and not flag.startswith(HARMLESS):
            skipped[identity] = f"flagged: {flag}"
            continue
        try:
            steps.append(_step(identity, row))
        except CostModelError as error:
            skipped[identity] = str(error)
    return steps, skipped


def row_id(number: int, row: Row) -> str:
    """Return how a row is named in reports: its line, model and machine."""
    return f"{number}: {row.get('model')} on {row.get('n_gpus')} × {row.get('accelerator')}"


def _step(identity: str, row: Row) -> MeasuredStep:
    source = row["source"]
    architecture = architecture_of(row)
    length, batch, count = _length(row), _whole(row, "global_batch"), _whole(row, "n_gpus")
    accelerator = row["accelerator"]
    cluster = Cluster(accelerator, count, network_bandwidth=_network(row, accelerator, count))
    precision = _precision(row, cluster)
    adapters = "lora" in source.lower()
    numbers = numerics(precision)
    if adapters:
        numbers = numbers._replace(backward=1.0, trained=LORA_TRAINED, table_trained=LORA_TRAINED)
    layout, unknown = _layout(row, count, batch)
    held = _number(row, "memory_gib")
    return MeasuredStep(
        id=identity,
        family=_family(row, architecture),
        architecture=architecture,
        sequence_length=length,
        batch_size=batch,
        cluster=cluster,
        precision=precision,
        numbers=numbers,
        layout=layout,
        open=unknown,
        year=_year(source),
        seconds=_seconds(row, architecture, length, batch, count),
        memory=None if held is None else held * GIB,
        tuned=bool(re.search(r"megatron|narayanan|korthikanti", source, re.IGNORECASE)),
    )


def _number(row: Mapping[str, str], name: str) -> float | None:
    text = row.get(name) or ""
    try:
        value = float(text) if text else None
    except ValueError:
        raise InputError(f"{name} is a number; got {text!r}") from None
    if value is not None and not (0 < value < math.inf):
        raise InputError(f"{name} must be above 0 and finite; got {text!r}")
    return value


def _whole(row: Mapping[str, str], name: str) -> int:
    value = _number(row, name)
    if value is None:
        raise InputError(f"{name} is not given")
    return int(value)


def _length(row: Row) -> int:
    """Return the sequence length, from the convention of the FLOPs where the row has none of its own [token]."""
    stated = re.search(r"\bs (\d+)\b", row.get("flop_convention") or "")
    return int(stated[1]) if stated is not None and not row.get("seq_len") else _whole(row, "seq_len")


def _network(row: Row, accelerator: str, count: int) -> str | None:
    """Return the bandwidth per accelerator that the row states for a node, if it does."""
    text = f"{row['source']} {row.get('note') or ''}"
    stated = re.search(r"(\d+)\s*Gb(?:ps|/s)\s*(?:node|inter-node)", text)
    if stated is None:
        return None
    node = min(Cluster(accelerator, count).node_size, count)
    return f"{float(stated[1]) / 8 / node} GB/s"


def _precision(row: Row, cluster: Cluster) -> str:
    text = (row.get("precision") or "").strip().lower()
    if text.startswith("alt quantization"):
        return "mxfp8" if cluster.accelerator.generation == "blackwell" else "fp8-rowwise"
    if not text and "Megatron-Bridge" in row["source"]:
        return "fp8"
    precision = _PRECISIONS.get(text, text)
    if precision == "bf16" and cluster.accelerator.bf16 is None:
        return "fp16"
    return precision


def _layout(row: Row, count: int, batch: int) -> tuple[Layout, frozenset[str]]:
    """Return the layout of a row, and which fields its source leaves open."""
    source, sharding = row["source"], (row.get("dp_or_zero") or "").lower()
    tensor, stages = _whole(row, "tp"), _whole(row, "pp")
    context, expert = int(_number(row, "cp") or 1), int(_number(row, "ep") or 1)
    if count % (tensor * stages * context):
        raise InputError(f"tp × pp × cp ({tensor} × {stages} × {context}) does not divide {count} accelerators")
    data = count // (tensor * stages * context)
    unknown = set()
    micro_batch = _number(row, "micro_batch") or _noted_micro_batch(row, batch, data, stages)
    if micro_batch is None:
        unknown |= {"micro_batch", "interleave"} if stages > 1 else {"micro_batch"}
        micro_batch = 1
    interleave = int(_number(row, "interleave") or (2 if "interleaved" in (row.get("note") or "") else 1))
    recompute = _recompute(row)
    if recompute is None:
        unknown.add("recompute")
    if batch % (data * micro_batch):
        raise InputError(f"data × micro_batch ({data} × {micro_batch:g}) does not divide the batch of {batch}")
    stated = re.search(r"fsdp\s*=?\s*(\d+|full_shard)", sharding)
    fully = stated is not None and stated[1] != "0"
    year = _year(source)
    kernel: Kernel = "flash-2" if "torchtitan" in source else usual_kernel(year)
    early = kernel == "unfused"
    sequence_parallel = "+SP" in (row.get("recompute") or "") or not early
    return Layout(
        data=data, tensor=tensor, pipeline=stages, context=context, expert=expert, micro_batch=int(micro_batch),
        interleave=interleave if stages > 1 else 1, zero=3 if fully else 0 if early else 1,
        recompute=recompute or "none", sequence_parallel=sequence_parallel, attention=kernel,
        loss="whole" if "torchtitan" in source else "fused",
        overlap_tensor="asynctp" in (row.get("note") or "").lower() or "Bridge" in source, overlap_data=not early,
    ), frozenset(unknown)  # fmt: skip


def _noted_micro_batch(row: Row, batch: int, data: int, stages: int) -> int | None:
    """Return the micro-batch that a note gives as that of a replica; with stages, the framework cuts it by them."""
    stated = re.search(r"local batch (\d+)", row.get("note") or "")
    if stated is None:
        return None
    local = int(stated[1])
    return max(local // stages, 1) if stages > 1 else local


def _recompute(row: Row) -> Recompute | None:
    text = (row.get("recompute") or "").lower()
    if text.startswith("selective"):
        return "selective"
    if text in {"none", "full"}:
        return "none" if text == "none" else "full"
    return "full" if "Megatron-LM 2020" in row["source"] else None


def _year(source: str) -> float:
    """Return when the software was current: of a release such as 25.09, a year, or the newest."""
    release = re.search(r"\b(2\d)\.(\d\d)\b", source)
    if release is not None:
        return 2000 + int(release[1]) + (int(release[2]) - 0.5) / 12
    year = re.search(r"(20[12]\d)", source)
    if year is not None:
        return float(year[1]) + 0.5
    if "llm-foundry" in source:
        return 2023.5
    if "torchtitan" in source:
        return 2025.0
    return 2022.5 if "vTrain" in source else 2024.5


def _family(row: Row, architecture: Architecture) -> str:
    """Return what a row shares its set-up with: releases of one framework on one accelerator are one family."""
    source = re.sub(r"\b2\d\.\d\d(\.\d\d)?\b", "", row["source"])
    for name in ("Pre-Training Performance", "NeMo Container", "Performance", "with 1600 Gbps node-node interconnect"):
        source = source.replace(name, "")
    source = re.sub(r"\(.*?\)", "", source)
    kind = " mixture" if architecture.kind == "moe" else ""
    return " ".join(f"{source} {row['accelerator']}{kind}".split())


def _seconds(row: Row, architecture: Architecture, length: int, batch: int, count: int) -> float:
    rounded = (row.get("flag") or "").startswith("tokens/s rounded")
    rate, tokens = _number(row, "tflops_per_gpu"), _number(row, "tokens_per_s_per_gpu")
    flops = None
    if rate is not None:
        flops = _counted(row.get("flop_convention") or "", architecture, length, batch)
    if rounded and rate is not None and flops is not None:
        return flops / (rate * 1e12 * count)
    given = _number(row, "step_time_s")
    if given is not None:
        return given
    if tokens is not None:
        return batch * length / (tokens * count)
    if rate is not None and flops is not None:
        return flops / (rate * 1e12 * count)
    raise InputError("neither step time, tokens/s nor TFLOP/s with a known convention is given")


def _counted(convention: str, architecture: Architecture, length: int, batch: int) -> float | None:
    """Return the FLOPs of a step as a source counts them; None where its way is not known."""
    from costmodel.architecture.counting import flops_per_token

    tokens = float(batch * length)
    if convention.startswith("hardware, 96BsLd^2"):
        depth, width, vocabulary = architecture.depth, architecture.width, architecture.vocabulary or 51200
        each = 96 * depth * width**2
        return tokens * each * (1 + length / (6 * width) + vocabulary / (16 * depth * width))
    if convention.startswith("causal"):
        scan = 1.086 if architecture.name.lower().startswith("nemotron") else 1.0
        return tokens * scan * float(flops_per_token(architecture, length))
    if convention.startswith("full") or "full attention" in convention:
        return tokens * float(flops_per_token(architecture, length, "full"))
    if convention.startswith("llm-foundry"):
        return tokens * float(flops_per_token(architecture, length, "llm-foundry"))
    return None
