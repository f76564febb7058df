"""Error of the predicted peak memory of fine-tunes with trainers of many kinds, each publisher left out of the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.fitted import read_folds
from costmodel.training.calibration.measured_finetunes import READER
from costmodel.training.layouts.fitting import MEMORY_SPREAD
from costmodel.training.step.memory import MemoryConstants, default_memory_constants
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_memory(rows: Table) -> dict[str, Any]:
    """Score the peak memory of an estimate [byte] on a table of fine-tunes.

    A publisher that the constants were fitted on is predicted by those of a fit without it. What a source counts is
    not taken into account: the prediction is that of an estimate, with the device context.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/finetune_memory.csv`.

    Returns
    -------
    dict
        In the format of `report`.
    """
    folds = read_folds("fitted/folds/finetune")
    cases = []
    for row in READER.rows(rows):
        tune = row.value
        if tune is None:
            cases.append(Case(row.id, skipped="; ".join(row.problems)))
        elif tune.memory is None:
            cases.append(Case(tune.id, tune.model, skipped=tune.setup.unused or "no memory is printed"))
        else:
            without = folds.get(tune.model)
            constants = default_memory_constants()
            if without is not None:
                constants = MemoryConstants(*(without[name] for name in MemoryConstants._fields))
            predicted = float(tune.step_memory(constants).total)
            cases.append(Case(tune.id, tune.model, predicted, tune.memory, intervals(predicted, MEMORY_SPREAD)))
    return report("memory", cases)
