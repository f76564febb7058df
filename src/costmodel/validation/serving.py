"""Error of the serving model, row by row and by accelerator, engine, precision, kind of model, source and figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from costmodel.serving.calibration.columns import CHECKED
from costmodel.serving.calibration.constants import (
    ServingConstants,
    accelerator_folds,
    default_constants,
    model_folds,
)
from costmodel.serving.calibration.figures import (
    default_latency,
    default_power,
    latency_key,
    latency_of,
    power_folds,
    power_of,
)
from costmodel.serving.calibration.measured import READER, Measured
from costmodel.serving.calibration.own_rows import correction, predicted_seconds
from costmodel.serving.step.latency import time_per_output_token, time_to_first_token
from costmodel.serving.step.power import power_share
from costmodel.serving.step.timing import roofline
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
    values = [row.value for row in read if row.value is not None]
    scored = [value for value in values if value.use != CHECKED]
    checked = [value for value in values if value.use == CHECKED]
    cases = {row.id: case for row, case in zip(scored, _cases(scored, _without_model), strict=True)}
    cases |= {row.id: Case(row.id, skipped="; ".join(row.problems)) for row in read if row.value is None}
    kept = {row.id for row in checked}
    found = report("serving", [cases[row.id] for row in read if row.id not in kept])
    found["by"] = _by(scored)
    found["left_out"] = {
        name: _parts(scored, choose)
        for name, choose in (("model", _without_model), ("accelerator", _without_accelerator), ("none", _all))
    }
    found["roofline"] = _groups(scored, lambda group: scores(_rooflines(group)))
    found["own_row"] = scores(_corrected([row for row in scored if row.year >= RECENT]))
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
    predicted = predicted_seconds(row, constants) / row.batch
    spread = constants.spread(row.stack, moe=row.moe, batch_known=row.batch_known)
    return Case(row.id, row.model, predicted, row.seconds / row.batch, intervals(predicted, spread))


def _rooflines(rows: Iterable[Measured]) -> list[Case]:
    return [Case(row.id, row.model, float(roofline(row.work, row.hardware, row.batch)), row.seconds) for row in rows]


def _figures(rows: Sequence[Measured], choose: Choice) -> dict[str, Any]:
    """Return the scores of each figure. The constants of the time to first token have no folds."""
    return {
        "time per token": scores(_cases(rows, choose)),
        "tpot": scores([_tpot(row, choose(row)) for row in rows if row.tpot is not None]),
        "ttft": scores([_ttft(row, choose(row)) for row in rows if row.ttft is not None]),
        "energy": scores([_energy(row, choose(row)) for row in rows if row.power is not None and row.tdp > 0]),
    }


def _tpot(row: Measured, constants: ServingConstants) -> Case:
    of_stack, latency = constants.constants(row.stack.recipe, row.product), default_latency()
    first = latency_of(latency.values, row.stack.recipe)
    predicted = float(time_per_output_token(row.work, row.hardware, of_stack, first, row.batch))
    spread = constants.spread(row.stack, moe=row.moe, batch_known=row.batch_known)
    return Case(row.id, row.model, predicted, row.tpot, intervals(predicted, spread))


def _ttft(row: Measured, constants: ServingConstants) -> Case:
    of_stack, latency = constants.constants(row.stack.recipe, row.product), default_latency()
    first = latency_of(latency.values, row.stack.recipe)
    predicted = float(time_to_first_token(row.work, row.hardware, of_stack, first, row.batch))
    return Case(row.id, row.model, predicted, row.ttft, intervals(predicted, latency.spread(latency_key(row.stack))))


def _energy(row: Measured, constants: ServingConstants) -> Case:
    """Return the energy of the accelerators per output token [J]."""
    power = default_power() if constants is default_constants() else power_folds().get(row.shape, default_power())
    seconds = predicted_seconds(row, constants)
    share = float(power_share(row.work, row.hardware, power_of(power.values, row.stack.generation), row.batch, seconds))
    accelerators = float(row.work.accelerators)
    predicted = share * row.tdp * accelerators * seconds / row.batch
    measured = (row.power or 0.0) * accelerators * row.seconds / row.batch
    return Case(row.id, row.model, predicted, measured, intervals(predicted, power.spread(row.stack.generation)))


def _groups(rows: Sequence[Measured], score: Callable[[Sequence[Measured]], dict[str, Any]]) -> dict[str, Any]:
    """Return the scores of all rows, and of those of recent software: all, dense and mixtures of experts."""
    recent = [row for row in rows if row.year >= RECENT]
    groups = {
        "2025 and later": recent,
        "2025 and later, dense": [row for row in recent if not row.moe],
        "2025 and later, moe": [row for row in recent if row.moe],
        "2024": [row for row in rows if row.year < RECENT],
    }
    return {**score(rows), "groups": {name: score(group) for name, group in groups.items() if group}}


def _parts(rows: Sequence[Measured], choose: Choice) -> dict[str, Any]:
    return {**_groups(rows, lambda group: scores(_cases(group, choose))), "figure": _figures(rows, choose)}


def _by(rows: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    keys: Mapping[str, Callable[[Measured], str]] = {
        "accelerator": lambda row: row.stack.accelerator,
        "engine": lambda row: row.stack.recipe.engine,
        "precision": lambda row: row.precision,
        "kind": lambda row: "moe" if row.moe else "dense",
        "source": lambda row: row.benchmark or "not stated",
    }
    found = {name: _by_key(rows, key) for name, key in keys.items()}
    found["figure"] = _figures(rows, _without_model)
    return found


def _by_key(rows: Sequence[Measured], key: Callable[[Measured], str]) -> dict[str, Any]:
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: scores(_cases(members, _without_model)) for name, members in sorted(groups.items())}


def _reasons(rows: Sequence[Measured]) -> dict[str, Any]:
    return _by_key(rows, lambda row: row.why.partition(":")[0] or "not stated")


def _corrected(rows: Sequence[Measured]) -> list[Case]:
    """Return rows predicted without their model, corrected by one row of their stack, which is not scored itself."""
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for row in rows:
        key = (row.benchmark, row.model, row.stack.accelerator, row.stack.recipe.name, row.precision)
        groups.setdefault(key, []).append(row)
    cases = []
    for members in groups.values():
        constants = _without_model(members[0])
        own = correction([members[len(members) // 2]], constants)
        for row in members[: len(members) // 2] + members[len(members) // 2 + 1 :]:
            predicted = own.factor * predicted_seconds(row, constants)
            unknown = 0.0 if row.batch_known else constants.spreads["batch"]
            cases.append(
                Case(row.id, row.model, predicted, row.seconds, intervals(predicted, math.hypot(own.spread, unknown)))
            )
    return cases
