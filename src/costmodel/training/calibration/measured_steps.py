"""Measured training steps: model, cluster, layout and step time of the rows of a table.

Every setting is read from a declared column (`columns.STEPS`). A setting that a row does not state is the default of
its software at its date (`software.SOFTWARE`), or stays open where several are possible.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.blocks.mamba2 import Mamba2
from costmodel.foundation.columns import Cells, FlaggedRowError, Reader
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import constant
from costmodel.foundation.units import GIB
from costmodel.hardware.cluster import Cluster
from costmodel.training.calibration.columns import ALTERNATIVE_FP8, HARMLESS, STEPS, UNTUNED
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.software import defaults_of, year_of
from costmodel.training.step.features import NOT_KNOWN, Features
from costmodel.training.step.layout import Layout, infeasibility_reasons, layouts, usual_kernel
from costmodel.training.step.measured_setup import SOFTWARE_FIELDS
from costmodel.training.step.memory import memory
from costmodel.training.step.numerics import Numerics, numerics
from costmodel.training.step.workload import workload

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row
    from costmodel.training.calibration.software import Software
    from costmodel.training.step.adapters import Adapters
    from costmodel.training.step.layout import Recompute
    from costmodel.training.step.workload import Workload

LORA_TRAINED = constant("adapter_trained_share")
"""Share of the parameters that adapters train, where a row does not state it [1]."""
ADAPTER_WORK = constant("adapter_work")
"""Published FLOPs of a token, over those of training all weights, below which adapters were trained [1].

Training adapters needs 4 FLOPs per weight and token instead of 6, since frozen weights have no gradients; TFLOP/s and
tokens per second of one row give the ratio.
"""
SCAN_FLOPS = constant("scan_flops")
"""FLOPs that Megatron counts for hybrid models with state-space layers, over those of the products [1]."""


class MeasuredStep(NamedTuple):
    """A measured training step: `seconds` [s] in `layout`.

    The source does not state the fields in `open`; `layout` has the first of their possible values (`candidates`).

    Steps of one `family` share their set-up and are left out of a fit together. `year` is when the software was
    current. `tuned` says whether the developers of the software chose the layout.
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
    """Peak memory per GPU [byte]."""
    tuned: bool = False
    untuned: bool = False
    """Whether the developers of the software had not tuned it for the model yet; such rows are part of no fit."""
    adapters: Adapters | None = None
    software: str = ""
    """Name of the training software, as the row states it."""
    features: Features = NOT_KNOWN
    """Features of the software for mixtures of experts, as the row states them."""
    stated: frozenset[str] = frozenset()
    """Kernels and overlaps that the row states (`SOFTWARE_FIELDS`)."""


def _name(row: Row) -> str:
    return f"{row.get('model')} on {row.get('count')} × {row.get('accelerator')}"


def family_stack(family: str) -> str:
    """Return the software stack of a family: the first word of its name."""
    return family.split(maxsplit=1)[0]


def _step(identity: str, cells: Cells) -> MeasuredStep:
    row, flag = cells.text, cells.words.get("flag", "")
    if flag and flag not in {*HARMLESS, UNTUNED}:
        raise FlaggedRowError(f"flagged: {flag}")
    cells.need(*STEPS.required)
    cells.check()
    software = row.get("software", "").strip()
    defaults = defaults_of(software)
    architecture = architecture_of(row)
    length, batch, count = (int(cells.numbers[name]) for name in ("sequence_length", "batch_size", "count"))
    network = cells.numbers.get("network_bandwidth_gb_per_s")
    cluster = Cluster(row["accelerator"], count, network_bandwidth=None if network is None else f"{network} GB/s")
    year = year_of(row.get("software_date", ""), software, cluster.accelerator.generation)
    precision = _precision(cells, cluster, defaults)
    features = _features(cells)
    layout, unknown = _layout(cells, defaults, year, count, batch)
    numbers = numerics(precision)
    if _trains_adapters(cells, architecture, length):
        numbers = numbers._replace(backward=1.0, trained=LORA_TRAINED, embedding_trained=LORA_TRAINED)
    memory = cells.numbers.get("memory_gib")
    step = MeasuredStep(
        id=identity,
        family=row.get("family", "").strip() or _family(software, cluster, architecture),
        architecture=architecture,
        sequence_length=length,
        batch_size=batch,
        cluster=cluster,
        precision=precision,
        numbers=numbers,
        layout=layout,
        open=unknown,
        year=year,
        seconds=_seconds(cells, architecture, length, batch, count),
        memory=None if memory is None else memory * GIB,
        tuned=cells.switch("tuned") or False,
        software=software,
        features=features,
        untuned=flag == UNTUNED,
        stated=frozenset(name for name in SOFTWARE_FIELDS if row.get(name, "").strip()),
    )
    return step._replace(layout=candidates(step)[0]) if step.open else step


def _features(cells: Cells) -> Features:
    """Return the features of the software that a row states."""
    return Features(
        dispatcher=cells.words.get("dispatcher"),  # type: ignore[arg-type]
        a2a_overlap=cells.words.get("a2a_overlap"),  # type: ignore[arg-type]
        cuda_graph=cells.words.get("cuda_graph"),  # type: ignore[arg-type]
        fused_grouped_mlp=cells.switch("fused_grouped_mlp"),
        token_drop=cells.switch("token_drop"),
    )


def _family(software: str, cluster: Cluster, architecture: Architecture) -> str:
    """Return the family of a row that states none: one framework on one accelerator, mixtures of experts apart."""
    mixture = " MoE" if architecture.kind == "moe" else ""
    return f"{software or 'unnamed'} {cluster.accelerator.name}{mixture}"


def _precision(cells: Cells, cluster: Cluster, defaults: Software) -> str:
    precision = cells.words.get("precision", defaults.precision)
    if precision == ALTERNATIVE_FP8:
        return "mxfp8" if cluster.accelerator.generation == "blackwell" else "fp8-rowwise"
    return cluster.accelerator.usual_precision if precision == "bf16" else precision


def _layout(cells: Cells, defaults: Software, year: float, count: int, batch: int) -> tuple[Layout, frozenset[str]]:
    """Return the layout of a row, and the fields that its source does not state."""
    tensor, pipeline, context = (cells.whole(name) or 1 for name in ("tensor", "pipeline", "context"))
    if count % (tensor * pipeline * context):
        raise InputError(
            f"tensor × pipeline × context ({tensor} × {pipeline} × {context}) does not divide {count} accelerators"
        )
    data = count // (tensor * pipeline * context)
    unknown = set()
    micro_batch = cells.whole("micro_batch")
    if micro_batch is None and not defaults.accumulates:
        micro_batch = max(batch // data // pipeline, 1)
    if micro_batch is None:
        unknown |= {"micro_batch", "interleave"} if pipeline > 1 else {"micro_batch"}
        micro_batch = 1
    if batch % (data * micro_batch):
        raise InputError(f"data × micro_batch ({data} × {micro_batch}) does not divide the batch of {batch}")
    recompute: Recompute | None = cells.words.get("recompute")  # type: ignore[assignment]
    if recompute is None and year < defaults.recomputes_before:
        recompute = "full"
    if recompute is None and not cells.text.get("recompute_modules"):
        unknown.add("recompute")
    kernel = cells.words.get("attention") or defaults.attention or usual_kernel(year)
    early, zero = kernel == "unfused", cells.whole("zero")
    sequence_parallel, overlap_tensor, overlap_data = (
        cells.switch(name) for name in ("sequence_parallel", "overlap_tensor", "overlap_data")
    )
    layout = Layout.from_data(
        {
            "data": data,
            "tensor": tensor,
            "pipeline": pipeline,
            "context": context,
            "expert": cells.whole("expert") or 1,
            "expert_tensor": cells.whole("expert_tensor") or 1,
            "micro_batch": micro_batch,
            "interleave": (cells.whole("interleave") or 1) if pipeline > 1 else 1,
            "zero": (0 if early else 1) if zero is None else zero,
            "shard": cells.whole("shard"),
            "recompute": recompute or "none",
            "recompute_modules": cells.text.get("recompute_modules", ""),
            "sequence_parallel": not early if sequence_parallel is None else sequence_parallel,
            "attention": kernel,
            "loss": cells.words.get("loss") or defaults.loss,
            "overlap_tensor": defaults.overlap_tensor if overlap_tensor is None else overlap_tensor,
            "overlap_data": not early if overlap_data is None else overlap_data,
        }
    )
    return layout, frozenset(unknown)


def _trains_adapters(cells: Cells, architecture: Architecture, length: int) -> bool:
    """Tell whether adapters were trained: as the row states, or by the FLOPs of a token that its rates give."""
    if method := cells.words.get("method"):
        return method == "lora"
    rate, tokens = (cells.numbers.get(name) for name in ("tflops_per_gpu", "tokens_per_second_per_gpu"))
    if rate is None or tokens is None or cells.words.get("flag"):
        return False
    counted = _flops_per_token(cells.words.get("flop_convention", ""), architecture, length)
    return counted is not None and rate * 1e12 / tokens < ADAPTER_WORK * counted


def _seconds(cells: Cells, architecture: Architecture, length: int, batch: int, count: int) -> float:
    """Return the step time [s]: as stated, from tokens per second, or from TFLOP/s."""
    rate, tokens = (cells.numbers.get(name) for name in ("tflops_per_gpu", "tokens_per_second_per_gpu"))
    flops = _flops_per_token(cells.words.get("flop_convention", ""), architecture, length)
    by_rate = None
    if rate is not None and flops is not None:
        by_rate = batch * length * flops / (rate * 1e12 * count)
    if by_rate is not None and cells.words.get("flag") == "rounded_tokens":
        return by_rate
    if stated := cells.numbers.get("step_time"):
        return stated
    if tokens is not None:
        return batch * length / (tokens * count)
    if by_rate is not None:
        return by_rate
    raise InputError(
        "the row gives neither step_time, tokens_per_second_per_gpu, nor tflops_per_gpu with a flop_convention"
    )


def _flops_per_token(convention: str, architecture: Architecture, length: int) -> float | None:
    """Return the training FLOPs of a token as a source counts them; None where its convention is not known."""
    from costmodel.architecture.flops import flops_per_token

    if convention in {"hardware_full_recompute", "model_gpt"}:
        depth, width, vocabulary = architecture.depth, architecture.width, architecture.vocabulary or 0
        passes = 4 if convention == "hardware_full_recompute" else 3
        head = vocabulary / (4 * passes * depth * width)
        return float(24 * passes * depth * width**2 * (1 + length / (6 * width) + head))
    if convention == "model_causal":
        hybrid = any(isinstance(layer.mixer, Mamba2) for layer in architecture.layers)
        return (SCAN_FLOPS if hybrid else 1.0) * float(flops_per_token(architecture, length, scan="plain"))
    if convention == "model_full":
        return float(flops_per_token(architecture, length, "full"))
    if convention == "llm_foundry":
        return float(flops_per_token(architecture, length, "llm-foundry"))
    return None


def candidates(step: MeasuredStep) -> list[Layout]:
    """Return the possible layouts of a measured step.

    An open micro-batch or interleaving takes every possible value. Open recomputation is the least recomputation
    with which the step fits in memory.
    """
    work = workload(step.architecture, step.sequence_length)
    stated = [step.layout]
    if "micro_batch" in step.open:
        depth = int(work.layers) // step.layout.pipeline
        chunks = [v for v in range(1, depth + 1) if depth % v == 0] if "interleave" in step.open else [1]
        stated = [step.layout.replace(micro_batch=batch, interleave=v) for batch in (1, 2, 4, 8) for v in chunks]
        possible = [layout for layout in stated if _is_possible(step, work, layout)]
        stated = possible or [step.layout]
    capacity = step.cluster.accelerator.usable_memory or math.inf
    fitting = []
    for layout in stated:
        modes = ("none", "selective", "full") if "recompute" in step.open else (layout.recompute,)
        for mode in modes:
            candidate = layout.replace(recompute=mode)
            if memory(work, step.numbers, step.batch_size, layouts(candidate)).total <= capacity:
                fitting.append(candidate)
                break
    return fitting or [stated[0].replace(recompute="full") if "recompute" in step.open else stated[0]]


def _is_possible(step: MeasuredStep, work: Workload, layout: Layout) -> bool:
    return not any(infeasibility_reasons(work, step.cluster.count, step.batch_size, layouts(layout)).values())


READER = Reader(STEPS, _name, _step)
"""Reads tables of measured steps."""
read_steps = READER.used
