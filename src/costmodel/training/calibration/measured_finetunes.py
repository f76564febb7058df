"""Measured fine-tunes: recipe, cluster, layout, step time and peak memory of the rows of a table.

Every setting is read from a declared column (`finetune_columns.FINE_TUNES`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.columns import Cells, Reader
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import constant
from costmodel.foundation.tables import table as shipped_table
from costmodel.foundation.units import GIB
from costmodel.hardware.cluster import Cluster
from costmodel.training.calibration.finetune_columns import FINE_TUNES, FLAGS, with_preset
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.measured_steps import MeasuredStep
from costmodel.training.layouts.planner import plan
from costmodel.training.layouts.step_time import training_step_inputs
from costmodel.training.recipes.finetuning import FullFineTuning, LoRA, QLoRA
from costmodel.training.step.efficiency import NEWEST_SOFTWARE
from costmodel.training.step.layout import Layout, layout_of, layouts
from costmodel.training.step.memory import Memory, MemoryConstants, default_memory_constants, memory
from costmodel.training.step.workload import workload

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.tables import Row

ALLOCATOR = constant("allocator_memory") * GIB
"""Memory beside tensors in the "peak active" memory of the PyTorch allocator, without the device context [byte]."""
TABLE = "measurements/finetunes"
RECIPES: dict[str, type[FullFineTuning | LoRA | QLoRA]] = {
    "full_fine_tuning": FullFineTuning,
    "lora": LoRA,
    "qlora": QLoRA,
}
"""Recipes by the word of the column `method`."""


class Setup(NamedTuple):
    """Settings of a measured fine-tune.

    `accumulation` micro-batches make the measured step. `counts` is what the measured memory includes beside tensors:
    the "allocator" alone, the device "context", or also the buffers of the DeepSpeed "engine". `paged` says that the
    states of the optimizer wait in host memory, `copies_logits` that the trainer holds one more fp32 copy of the
    logits. `unused` says why time and memory are not used, if they are not.
    """

    recipe: FullFineTuning | LoRA | QLoRA
    layout: Layout
    accumulation: int
    counts: str
    paged: bool
    copies_logits: bool
    unused: str


class MeasuredFineTune(NamedTuple):
    """A measured fine-tune: `seconds` of a step [s] and `memory` of an accelerator [byte], where they are known.

    `method` is the name of its row for people, `model` the family: fine-tunes of one model are left out of a fit
    together.
    """

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
        """The fine-tune as a measured step; a paged optimizer runs on the accelerator."""
        setup = self.setup
        recipe, layout = setup.recipe, setup.layout
        if setup.paged:
            layout = layout.replace(offload_optimizer=False)
        return MeasuredStep(
            id=self.id,
            family=self.model,
            architecture=self.architecture,
            sequence_length=recipe.sequence_length,
            batch_size=layout.micro_batch * layout.data * setup.accumulation,
            cluster=self.cluster,
            precision=recipe.precision,
            numbers=recipe.numerics(),
            layout=layout,
            open=frozenset(),
            year=NEWEST_SOFTWARE,
            seconds=self.seconds or 0.0,
            memory=self.memory,
            adapters=recipe.adapters,
        )

    def step_memory(self, constants: MemoryConstants) -> Memory:
        """Return the predicted peak memory by component, as in an estimate [byte]."""
        step = self.step
        if not self.setup.copies_logits:
            constants = constants._replace(copied_logits=0.0)
        work = workload(step.architecture, step.sequence_length, step.adapters)
        return memory(work, step.numbers, float(step.batch_size), layouts(step.layout), constants)

    def predicted_memory(self, held: MemoryConstants | None = None) -> float:
        """Return the predicted peak memory, of the same parts as the measured one [byte]."""
        constants = held or default_memory_constants()
        predicted = self.step_memory(constants)
        framework = {
            "allocator": ALLOCATOR,
            "context": constants.context,
            "engine": constants.context + constants.engine,
        }
        paged = predicted.optimizer_states if self.setup.paged else 0.0
        return float(predicted.total - predicted.framework - paged + framework[self.setup.counts])


def _name(row: Row) -> str:
    length = row.get("sequence_length", "") or "?"
    return f"{row.get('label') or row.get('method') or '?'} of {row.get('model')} at {length.removesuffix('.0')}"


def _read(identity: str, cells: Cells) -> MeasuredFineTune:
    """Return the fine-tune of a row; one that repeats a shipped measurement takes the settings of the shipped row."""
    stated = _checked(cells.text, cells.problems)
    shipped = _shipped().get(_key(stated))
    label = cells.text.get("label") or cells.text["method"]
    return _tune(identity, stated if shipped is None else _checked({**shipped, "label": label}, []))


def _checked(row: Row, problems: list[str]) -> Cells:
    cells = Cells(with_preset(row), FINE_TUNES.columns)
    cells.problems = list(dict.fromkeys([*problems, *cells.problems]))
    cells.need(*FINE_TUNES.required)
    if cells.words.get("flag") == "computed":
        cells.problems.append(FLAGS["computed"])
    cells.check()
    return cells


@lru_cache(maxsize=1)
def _shipped() -> dict[tuple[object, ...], Row]:
    """Return the shipped rows by what identifies a measurement."""
    rows = [row for row, _ in FINE_TUNES.translate(shipped_table(TABLE))]
    return {_key(_checked(row, [])): row for row in rows}


def _key(cells: Cells) -> tuple[object, ...]:
    """Return what identifies a measurement: the settings that every source states, and the printed figures."""
    printed = tuple(cells.numbers.get(name) for name in ("count", "sequence_length", "tokens_per_second"))
    memory = cells.numbers.get("memory_gb", cells.numbers.get("memory_gib"))
    model = cells.text["model"].strip().lower()
    return (model, cells.words["method"], cells.text["accelerator"], *printed, memory)


def _tune(identity: str, cells: Cells) -> MeasuredFineTune:
    cells.need("software")
    cells.check()
    text = cells.text
    architecture = architecture_of({**text, "sequence_length": "", "software": ""})
    cluster = Cluster(text["accelerator"], int(cells.numbers["count"]))
    setup = _setup(cells, architecture, cluster)
    return MeasuredFineTune(
        identity,
        text.get("family") or text["model"],
        text.get("label") or cells.words["method"],
        architecture,
        cluster,
        setup,
        None if setup.unused else _seconds(cells, setup),
        None if setup.unused else _memory(cells, cluster),
    )


def _setup(cells: Cells, architecture: Architecture, cluster: Cluster) -> Setup:
    words, method = cells.words, cells.words["method"]
    eager = words["software"] == "eager"
    fields: dict[str, Any] = {
        "tokens": 1e9,
        "sequence_length": cells.whole("sequence_length"),
        **{name: words[name] for name in ("precision", "optimizer") if name in words},
    }
    if (master := cells.switch("master_weights")) is not None:
        fields["master_weights"] = master
    if batch := cells.whole("batch_size"):
        fields["batch_size"] = batch
    if method != "full_fine_tuning":
        fields |= {"train_embeddings": cells.switch("train_embeddings") or False}
        if rank := cells.whole("rank"):
            fields["rank"] = rank
        if targets := cells.text.get("targets"):
            fields["targets"] = targets.split()
        fields |= {name: words[name] for name in ("quantization", "variant") if name in words}
    recipe = RECIPES[method](**fields)
    layout, accumulation = _layout(cells, recipe, architecture, cluster, eager)
    return Setup(
        recipe,
        layout,
        accumulation,
        words.get("memory_counts", "context"),
        cells.switch("optimizer_paged") or False,
        cells.switch("copies_logits") is not False,
        FLAGS.get(words.get("flag", ""), ""),
    )


def _layout(
    cells: Cells, recipe: FullFineTuning | LoRA | QLoRA, architecture: Architecture, cluster: Cluster, eager: bool
) -> tuple[Layout, int]:
    """Return the layout and the micro-batches of a step; a row that states neither micro-batch is data-parallel."""
    count, words = cluster.count, cells.words
    zero, micro_batch, batch = cells.whole("zero"), cells.whole("micro_batch"), cells.whole("batch_size")
    planned = micro_batch is None and zero is None
    if zero is None:
        whole = 3 if cells.words["method"] == "full_fine_tuning" else 2
        zero = 1 if planned else 0 if count == 1 else whole
    overlap_data = cells.switch("overlap_data")
    switches = ("step_in_backward", "offload_weights", "offload_activations")
    on_host = [cells.switch(name) or False for name in ("offload_optimizer", "optimizer_paged")]
    layout = Layout.from_data(
        {
            "data": count,
            "micro_batch": micro_batch or 1,
            "zero": zero,
            "recompute": words.get("recompute", "full"),
            "attention": words.get("attention", "flash-2"),
            "loss": words.get("loss", "whole" if eager else "fused"),
            "eager": eager,
            "overlap_data": True if overlap_data is None else overlap_data,
            "offload_optimizer": any(on_host),
            **{name: cells.switch(name) or False for name in switches},
        }
    )
    if batch is None:
        return layout, cells.whole("accumulation") or 1
    if planned:
        question = training_step_inputs(architecture, cluster, recipe, None)
        used = memory(question.work, question.numerics, float(batch), layouts(layout)).total
        if batch % count or used > question.available_memory:
            layout = layout_of(list(plan(question).layout))
    if batch % (layout.data * layout.micro_batch):
        raise InputError(
            f"data × micro_batch ({layout.data} × {layout.micro_batch}) does not divide the batch_size of {batch}"
        )
    return layout, batch // (layout.data * layout.micro_batch)


def _seconds(cells: Cells, setup: Setup) -> float | None:
    """Return the time of a step [s]: as stated, or from tokens per second of all accelerators."""
    if stated := cells.numbers.get("step_time"):
        return stated
    rate = cells.numbers.get("tokens_per_second")
    if rate is None:
        return None
    layout = setup.layout
    sequences = layout.micro_batch * layout.data * setup.accumulation
    return setup.recipe.sequence_length * sequences / rate


def _memory(cells: Cells, cluster: Cluster) -> float | None:
    """Return the measured memory of an accelerator [byte]."""
    units = {"memory_gb": 1e9, "memory_gib": GIB}
    printed = [cells.numbers[name] * unit for name, unit in units.items() if name in cells.numbers]
    if len(printed) > 1:
        raise InputError("memory is given twice: memory_gb and memory_gib; keep one")
    if not printed:
        return None
    return printed[0] / (cluster.count if cells.switch("memory_summed") else 1)


READER = Reader(FINE_TUNES, _name, _read)
"""Reads tables of measured fine-tunes."""
read_finetunes = READER.used
