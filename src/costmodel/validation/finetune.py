"""Error of step time and peak memory of measured fine-tunes, row by row and by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.fitted import read_folds
from costmodel.training.calibration.measured_finetunes import READER
from costmodel.training.calibration.priors import FINE_TUNING
from costmodel.training.step.efficiency import default_efficiency, hardware_rates
from costmodel.training.step.layout import layouts
from costmodel.training.step.memory import MemoryConstants, default_memory_constants
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.foundation.tables import Table
    from costmodel.training.calibration.measured_finetunes import MeasuredFineTune
    from costmodel.training.step.efficiency import Efficiency


def validate_finetune(rows: Table) -> dict[str, Any]:
    """Score the step-time model and the memory model on a table of fine-tunes.

    A model that the constants were fitted on is predicted by those of a fit without it, any other model by the shipped
    constants. The report is that of the step time [s]; beside it, under "memory", stands that of the peak memory of an
    accelerator [byte]. Rows that are not measured, and rows whose settings are not stated, are skipped with the reason.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/finetunes.csv`, or those of older files.

    Returns
    -------
    dict
        In the format of `report`.
    """
    folds = read_folds("fitted/folds/finetune")
    times, memories = [], []
    for row in READER.rows(rows):
        if row.value is None:
            times.append(Case(row.id, skipped="; ".join(row.problems)))
            memories.append(times[-1])
            continue
        without = folds.get(row.value.model)
        times.append(_time(row.value, _efficiency(without)))
        memories.append(_memory(row.value, _held(without)))
    return {**report("finetune", times), "memory": report("finetune memory", memories)}


def _efficiency(without: Mapping[str, float] | None) -> Efficiency:
    shipped = default_efficiency()
    if without is None:
        return shipped
    return shipped.replace(values={**shipped.values, **{name: without[name] for name in FINE_TUNING}})


def _held(without: Mapping[str, float] | None) -> MemoryConstants:
    if without is None:
        return default_memory_constants()
    return MemoryConstants(*(without[name] for name in MemoryConstants._fields))


def _time(tune: MeasuredFineTune, efficiency: Efficiency) -> Case:
    if tune.seconds is None:
        return Case(tune.id, tune.model, skipped=tune.setup.unused or "no time is printed")
    step = tune.step
    accelerator = step.cluster.accelerator
    try:
        efficiency.check(accelerator)
        hardware = hardware_rates(step.cluster, step.precision)
    except CostModelError as error:
        return Case(tune.id, tune.model, skipped=str(error))
    work = workload(step.architecture, step.sequence_length, step.adapters)
    experts = step.architecture.kind == "moe"
    constants = efficiency.constants(accelerator, step.precision, experts)
    parts = step_breakdown(work, step.numbers, hardware, float(step.batch_size), layouts(step.layout), constants)
    seconds = float(parts.total)
    spread = efficiency.spread(accelerator, experts, launch_share=float(parts.launch) / seconds, finetune=True)
    return Case(tune.id, tune.model, seconds, tune.seconds, intervals(seconds, spread))


def _memory(tune: MeasuredFineTune, held: MemoryConstants) -> Case:
    if tune.memory is None:
        return Case(tune.id, tune.model, skipped=tune.setup.unused or "no memory is printed")
    predicted = tune.predicted_memory(held)
    return Case(
        tune.id, tune.model, predicted, tune.memory, intervals(predicted, default_efficiency().spreads["memory"])
    )
