"""Error of the serving model, row by row and by accelerator, engine, precision, kind of model, source and figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from costmodel.serving.calibration.columns import CHECKED
from costmodel.serving.calibration.constants import (
    ServingConstants,
    accelerator_folds,
    default_constants,
    model_folds,
)
from costmodel.serving.calibration.measured import READER, Measured
from costmodel.serving.step.timing import time_per_token
from costmodel.validation.scores import Case, intervals, report, scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from costmodel.foundation.tables import Table

Choice: TypeAlias = Callable[[Measured], ServingConstants]
"""Returns the constants that predict a row."""
RECENT = 2025
"""First year of the software that counts as recent."""


def validate_serving(rows: Table) -> dict[str, Any]:
    """Score the serving model on a table of measured serving: time per output token of a replica.

    A model whose shape the constants were fitted on is predicted by those of a fit without it, any other model by the
    shipped constants. Rows with the use "check" are reported apart.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `costmodel.serving.calibration.columns.SERVED`.
    """
    read = READER.rows(rows)
    skipped = [Case(row.id, skipped="; ".join(row.problems)) for row in read if row.value is None]
    values = [row.value for row in read if row.value is not None]
    scored = [value for value in values if value.use != CHECKED]
    checked = [value for value in values if value.use == CHECKED]
    cases = {row.id: case for row, case in zip(scored, _cases(scored, _without_model), strict=True)}
    cases |= {case.id: case for case in skipped}
    kept = {row.id for row in checked}
    found = report("serving", [cases[row.id] for row in read if row.id not in kept])
    found["by"] = _by(scored)
    found["left_out"] = {
        "model": _parts(scored, _without_model),
        "accelerator": _parts(scored, _without_accelerator),
        "none": _parts(scored, _all),
    }
    found["check"] = {**scores(_cases(checked, _without_model)), "by": _reasons(checked)}
    return found


def _without_model(row: Measured) -> ServingConstants:
    return model_folds().get(row.shape, default_constants())


def _without_accelerator(row: Measured) -> ServingConstants:
    return accelerator_folds().get(row.stack.accelerator, default_constants())


def _all(_: Measured) -> ServingConstants:
    return default_constants()


def _cases(rows: Iterable[Measured], choose: Choice) -> list[Case]:
    return [_case(row, choose(row)) for row in rows]


def _case(row: Measured, constants: ServingConstants) -> Case:
    """Return the time between two output tokens of a replica: that of a request over the requests at a time."""
    of_stack = constants.constants(row.stack.recipe, row.product)
    predicted = float(time_per_token(row.work, row.hardware, of_stack, row.batch)) / row.batch
    spread = constants.spread(row.stack, moe=row.moe, batch_known=row.batch_known)
    return Case(row.id, row.model, predicted, row.seconds / row.batch, intervals(predicted, spread))


def _parts(rows: Sequence[Measured], choose: Choice) -> dict[str, Any]:
    """Return the scores of all rows, and of those of recent software: all, dense and mixtures of experts."""
    recent = [row for row in rows if row.year >= RECENT]
    groups = {
        "2025 and later": recent,
        "2025 and later, dense": [row for row in recent if not row.moe],
        "2025 and later, moe": [row for row in recent if row.moe],
        "2024": [row for row in rows if row.year < RECENT],
    }
    listed = {name: scores(_cases(group, choose)) for name, group in groups.items() if group}
    return {**scores(_cases(rows, choose)), "groups": listed}


def _by(rows: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    keys: Mapping[str, Callable[[Measured], str]] = {
        "accelerator": lambda row: row.stack.accelerator,
        "engine": lambda row: row.stack.recipe.engine,
        "precision": lambda row: row.precision,
        "kind": lambda row: "moe" if row.moe else "dense",
        "source": lambda row: row.benchmark,
    }
    found = {}
    for name, key in keys.items():
        groups: dict[str, list[Measured]] = {}
        for row in rows:
            groups.setdefault(key(row), []).append(row)
        found[name] = {group: scores(_cases(members, _without_model)) for group, members in sorted(groups.items())}
    found["figure"] = {"time per token": scores(_cases(rows, _without_model))}
    return found


def _reasons(rows: Sequence[Measured]) -> dict[str, Any]:
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(row.why.partition(":")[0] or "not stated", []).append(row)
    return {why: scores(_cases(members, _without_model)) for why, members in sorted(groups.items())}
