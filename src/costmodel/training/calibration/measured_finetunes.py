"""What do rows of measured fine-tunes say? Recipe, machine and layout, and time and memory of a step.

Settings that a table does not print (rank, recomputation, the way of the loss) are those of the scripts
behind it; they are set where the source is read, one function for each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from costmodel.foundation.errors import CostModelError, InputError
from costmodel.hardware.cluster import Cluster
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.measured_steps import MeasuredStep
from costmodel.training.layouts.planner import plan
from costmodel.training.layouts.step_time import problem
from costmodel.training.recipes.finetuning import FineTuning, FullFineTuning, LoRA, QLoRA
from costmodel.training.step.efficiency import NEWEST
from costmodel.training.step.layout import Layout, layout_of, layouts
from costmodel.training.step.memory import GIB, Held, default_held, memory
from costmodel.training.step.workload import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row, Table

NEEDED = (
    "method", "model", "n_gpus", "seq_len", "batch", "peak_memory_gb", "tokens_per_s", "time", "source", "accelerator",
)  # fmt: skip
ALLOCATOR = 0.3 * GIB
"""What "peak active" of the allocator counts beside tensors [byte]; the device context is not in it."""


Counted = Literal["allocator", "context", "engine"]


class Setup(NamedTuple):
    """How a source ran its fine-tunes: recipe, layout, micro-batches of a printed step, and what "memory" is.

    `unit` of the printed memory [byte], summed over accelerators or not; `counted` in it is the allocator alone,
    the device context, or that and the DeepSpeed engine; `paged` where the states of the optimizer wait in host
    memory. `untimed` and `unheld` say why time or memory is no measure of the model, where it is none.
    """

    recipe: FineTuning
    layout: Layout
    accumulation: int = 1
    counted: Counted = "context"
    unit: float = GIB
    summed: bool = False
    paged: bool = False
    untimed: str = ""
    unheld: str = ""


class MeasuredFineTune(NamedTuple):
    """A measured fine-tune: `seconds` of a step [s] and `memory` of an accelerator [byte], where they are known."""

    id: str
    model: str
    method: str
    architecture: Architecture
    cluster: Cluster
    setup: Setup
    seconds: float | None
    memory: float | None

    @property
    def step(self) -> MeasuredStep:
        """The fine-tune as a measured step, for what fits and scores those."""
        setup = self.setup
        recipe, layout = setup.recipe, setup.layout
        return MeasuredStep(
            id=self.id, family=self.model, architecture=self.architecture, sequence_length=recipe.sequence_length,
            batch_size=layout.micro_batch * layout.data * setup.accumulation, cluster=self.cluster,
            precision=recipe.precision, numbers=recipe.numerics(), layout=layout, open=frozenset(), year=NEWEST,
            seconds=self.seconds or 0.0, memory=self.memory, adapters=recipe.adapters,
        )  # fmt: skip

    def predicted_memory(self, held: Held | None = None) -> float:
        """Return what a memory model gives for what the source counts [byte]."""
        known, step = held or default_held(), self.step
        work = workload(step.architecture, step.sequence_length, step.adapters)
        found = memory(work, step.numbers, float(step.batch_size), layouts(step.layout), known)
        overhead = {"allocator": ALLOCATOR, "context": known.context, "engine": known.context + known.engine}
        paged = found.optimizer if self.setup.paged else 0.0
        return float(found.total - found.framework - paged + overhead[self.setup.counted])


def read_finetunes(table: Table) -> tuple[list[MeasuredFineTune], dict[str, str]]:
    """Return the fine-tunes of a table that can be used, and why each other row cannot, by its id.

    Parameters
    ----------
    table : rows in the schema of `data/measurements/finetunes.csv`: method, model, n_gpus, seq_len [token], batch,
        peak_memory_gb [GiB], tokens_per_s, time (s/it), source, accelerator

    Raises
    ------
    InputError
        If the table lacks a column that is needed.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise InputError(f"a table of fine-tunes needs the columns {', '.join(NEEDED)}; missing: {', '.join(missing)}")
    found, skipped = [], {}
    for number, row in enumerate(table.rows, start=2):
        identity = row_id(number, row)
        try:
            found.append(_read(identity, row))
        except CostModelError as error:
            skipped[identity] = str(error)
        except (ValueError, IndexError):
            skipped[identity] = f"batch cannot be read; got {row['batch']!r}"
    return found, skipped


def row_id(number: int, row: Row) -> str:
    """Return how a row is named in reports: its line, method, model and length."""
    length = row.get("seq_len") or "?"
    return f"{number}: {row.get('method')} of {row.get('model')} at {length.removesuffix('.0')}"


def _read(identity: str, row: Row) -> MeasuredFineTune:
    if not row["accelerator"]:
        raise InputError("the accelerator is not known")
    if not row["seq_len"]:
        raise InputError("the sequence length is not known")
    if "max ctx" in row["method"]:
        raise InputError("a maximum of the context, computed and not measured")
    count, length = _whole(row, "n_gpus"), _whole(row, "seq_len")
    architecture = architecture_of({**row, "seq_len": ""})
    cluster = Cluster(row["accelerator"], count)
    setup = next(read for mark, read in SOURCES.items() if mark in row["source"])(row, length, count)
    seconds, memory = _seconds(row, setup, length), _number(row, "peak_memory_gb")
    return MeasuredFineTune(
        identity, row["model"], row["method"], architecture, cluster, setup,
        None if setup.untimed else seconds,
        None if memory is None or setup.unheld else memory * setup.unit / (count if setup.summed else 1),
    )  # fmt: skip


def _qwen(row: Row, length: int, count: int) -> Setup:
    """Scripts of QwenLM/Qwen: Hugging Face Trainer, rank 64 on all matrices, recomputation, 8 micro-batches."""
    method = row["method"]
    common: dict[str, Any] = {"tokens": 1e9, "sequence_length": length}
    adapters = {**common, "rank": 64}
    layout = Layout(data=count, zero=0, recompute="full", attention="flash-2", eager=True)
    recipe: FineTuning = LoRA(**adapters, train_embeddings="emb" in method)
    accumulation = 8
    counted: Counted = "context"
    if method.startswith("Full"):
        recipe, layout = FullFineTuning(**common), layout.replace(zero=3, overlap_data=False)
        counted = "engine"
    elif method.startswith("Q-LoRA"):
        recipe = QLoRA(**adapters, quantization="gptq-int4", precision="fp16", master_weights=False)
        layout = layout.replace(zero=2, loss="half")
        counted = "engine"
    elif "multinode" in method:
        # an iteration takes twice that of one GPU at every length: 16 micro-batches, the scripts' default
        recipe, layout, accumulation = LoRA(**adapters, master_weights=False), layout.replace(zero=2), 16
        counted = "engine"
    elif "zero3" in method.lower().replace("-", ""):
        recipe, layout = LoRA(**adapters, master_weights=False), layout.replace(zero=3, overlap_data=False)
        counted = "engine"
    return Setup(recipe, layout, accumulation, counted, unit=1e9, summed=True)


def _torchtune_by_model(row: Row, length: int, count: int) -> Setup:
    """Recipes of meta-pytorch/torchtune: packed, compiled, bf16 throughout, recomputation, FSDP on several."""
    method, batch = row["method"], int(row["batch"].split()[0])
    common: dict[str, Any] = {"tokens": 1e9, "sequence_length": length, "master_weights": False}
    layout = Layout(data=count, zero=3 if count > 1 else 0, micro_batch=batch, recompute="full",
                    attention="flash-2", loss="chunked")  # fmt: skip
    away, paged = "offload" in method, method == "full" and count == 1
    if paged:
        common["optimizer"], layout = "adamw-8bit", layout.replace(step_in_backward=True)
    if away:
        layout = layout.replace(offload_optimizer=True, offload_weights=True)
    wrong = row["accelerator"] == "RTX-A6000"
    why = "faster than the peak with the recomputation of its recipe: device or recipe is misprinted" if wrong else ""
    return Setup(_tuned(method, common), layout, 1, "allocator", paged=paged, untimed=why, unheld=why)


def _torchtune_by_flag(row: Row, length: int, count: int) -> Setup:
    """The table of meta-pytorch/torchtune in which each line adds a flag; adapters have all before them."""
    method, batch = row["method"], int(row["batch"].split()[0])
    level = next((place for place, flag in enumerate(FLAGGED) if flag in method), FLAGGED.index("+act offload"))
    common: dict[str, Any] = {"tokens": 1e9, "sequence_length": length, "master_weights": False}
    if "8bit" in method:
        common["optimizer"] = "adamw-8bit"
    layout = Layout(
        micro_batch=batch, zero=0, attention="flash-2", eager=level < FLAGGED.index("+compile"),
        loss="chunked" if level >= FLAGGED.index("+chunked") else "whole",
        recompute="full" if level >= FLAGGED.index("+act ckpt") else "none",
        step_in_backward=level >= FLAGGED.index("+optim") and "LoRA" not in method,
        offload_activations=level >= FLAGGED.index("+act offload"),
    )  # fmt: skip
    why = "the length is a cap: the step has fewer tokens" if level == 0 else ""
    return Setup(_tuned(method, common), layout, 1, "allocator", untimed=why, unheld=why)


FLAGGED = ("full baseline", "+packed", "+compile", "+chunked", "+act ckpt", "+optim", "+act offload", "8bit")
"""Flags in the order in which the table adds them up."""


def _tuned(method: str, common: Mapping[str, Any], rank: int = 8) -> FineTuning:
    if "QLoRA" in method:
        return QLoRA(**common, rank=rank)
    return LoRA(**common, rank=rank) if "LoRA" in method else FullFineTuning(**common)


def _nemo(row: Row, length: int, count: int) -> Setup:
    """NVIDIA's performance summary: packed, FP8, 32 sequences of a step; data-parallel, or planned where that
    does not fit."""
    batch = int(row["batch"].removeprefix("GBS") or 32)
    common: dict[str, Any] = {"tokens": 1e9, "sequence_length": length, "precision": "fp8", "batch_size": batch}
    recipe = LoRA(**common, rank=32) if "LoRA" in row["method"] else FullFineTuning(**common)
    layout = Layout(data=count, micro_batch=1, zero=1, loss="fused")
    asked = problem(architecture_of({**row, "seq_len": ""}), Cluster(row["accelerator"], count), recipe, None)
    if batch % count or memory(asked.work, asked.numbers, float(batch), layouts(layout)).total > asked.room:
        layout = layout_of(list(plan(asked).layout))
    return Setup(recipe, layout, batch // (layout.data * layout.micro_batch))


def _other(row: Row, length: int, count: int) -> Setup:
    """Any other source, if it says in further columns what else decides: software, and if it likes rank,
    recompute, zero and accumulation."""
    if row.get("software") not in {"eager", "fused"}:
        raise InputError("the settings of its source are not known; a column 'software' (eager or fused) tells them")
    method, eager = row["method"], row["software"] == "eager"
    common: dict[str, Any] = {"tokens": 1e9, "sequence_length": length}
    zero = int(row.get("zero") or (0 if count == 1 else 3 if method.lower().startswith("full") else 2))
    layout = Layout(
        data=count, micro_batch=int(row["batch"].split()[0].rstrip("x") or 1), zero=zero, eager=eager,
        recompute=row.get("recompute") or "full", loss="whole" if eager else "fused", attention="flash-2",
    )  # fmt: skip
    recipe = _tuned(method, common, int(row.get("rank") or 16))
    return Setup(recipe, layout, int(row.get("accumulation") or 1))


SOURCES: dict[str, Callable[[Row, int, int], Setup]] = {
    "QwenLM/Qwen": _qwen, "optimisation-flags": _torchtune_by_flag, "torchtune": _torchtune_by_model, "nemo": _nemo,
    "": _other,
}  # fmt: skip
"""How each source is read, by what its name holds."""


def _seconds(row: Row, setup: Setup, length: int) -> float | None:
    """Return the time of a step [s]: as printed, or from tokens per second over all accelerators."""
    if stated := re.match(r"([\d.]+) s/it", row["time"]):
        return float(stated[1])
    speed = _number(row, "tokens_per_s")
    if speed is None:
        return None
    layout = setup.layout
    return length * layout.micro_batch * layout.data * setup.accumulation / speed


def _number(row: Row, column: str) -> float | None:
    try:
        value = float(row[column]) if row[column].strip() else None
    except ValueError:
        raise InputError(f"{column} must be a number; got {row[column]!r}") from None
    if value is not None and not 0 < value < 1e12:
        raise InputError(f"{column} must be above 0; got {row[column]!r}")
    return value


def _whole(row: Row, column: str) -> int:
    value = _number(row, column)
    if value is None or value % 1:
        raise InputError(f"{column} must be a whole number; got {row[column]!r}")
    return int(value)
