"""Error of decode throughput, row by row and by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.serving.decode import time_per_token
from costmodel.serving.efficiency import Efficiency, default_efficiency, folds
from costmodel.serving.measured import READER, MeasuredDecode
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table


def validate_serving(rows: Table) -> dict[str, Any]:
    """Score the decode model on a table of measured throughputs: output tokens per second.

    A model that the constants were fitted on is predicted by those of a fit without it, any other model by the shipped
    constants. A family is a model by its shape: releases of one shape are left out together.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `costmodel.serving.measured.DECODES`.
    """
    cases = []
    for row in READER.rows(rows):
        if row.value is None:
            cases.append(Case(row.id, skipped="; ".join(row.problems)))
        else:
            cases.append(_case(row.value, folds().get(row.value.model, default_efficiency())))
    return report("serving", cases)


def _case(step: MeasuredDecode, efficiency: Efficiency) -> Case:
    between = float(time_per_token(step.work, step.machine, efficiency.constants(step.generation)))
    rate = float(step.work.batch) / between
    return Case(step.id, step.model, rate, step.tokens_per_second, intervals(rate, efficiency.spread(step.generation)))
