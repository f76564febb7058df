"""Correction of predicted times per token by measured rows of one's own stack."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.checks import checked
from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL, Interval, between, normal_quantile
from costmodel.foundation.tables import Table
from costmodel.serving.calibration.constants import default_constants
from costmodel.serving.calibration.measured import READER
from costmodel.serving.engine.recipes import UNKNOWN, engines
from costmodel.serving.step.timing import roofline, time_per_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from costmodel.foundation.tables import Row
    from costmodel.serving.calibration.constants import ServingConstants
    from costmodel.serving.calibration.measured import Measured

DEFAULT_ENGINE, DEFAULT_SETTINGS = "vllm", "default"
"""Engine and settings of rows that name none: those of `Serving`."""


class Correction(NamedTuple):
    """Factor on times per token of a stack that was measured."""

    factor: float
    """Factor on predicted times per token [1]."""
    spread: float
    """Standard deviation of ln(predicted / measured) with the factor [1]."""
    rows: int
    """Number of measured rows [1]."""

    @property
    def interval(self) -> Interval:
        """The factor with its spread, as 80 % interval: the `time_factor` of a serving scenario."""
        end = math.exp(normal_quantile((1 + DEFAULT_LEVEL) / 2) * self.spread)
        return between(self.factor / end, self.factor * end, shape="lognormal")


@checked("rows", "constants")
def calibrate_serving(
    rows: Iterable[Mapping[str, Any]] | Table, constants: ServingConstants | None = None
) -> Correction:
    """Return the correction of predicted times per token by measured rows of one stack.

    Parameters
    ----------
    rows : iterable of Mapping, or Table
        Rows of one model, accelerator and engine: model, precision, accelerator, count, concurrency, prompt_length,
        output_length [token], engine, recipe and tokens_per_second of the output [token/s], among other columns of
        `costmodel.serving.calibration.columns.SERVED`. Engine and recipe are those of `Serving` where they are left
        out: vllm with its defaults.
    constants : ServingConstants, optional
        Constants of the serving model; default `default_constants()`.

    Raises
    ------
    InputError
        If a row cannot be read or is faster than the roofline, or there is none; the message lists all problems.

    Examples
    --------
    >>> own = {
    ...     "model": "llama-3.1-8b", "precision": "bf16", "accelerator": "H100-SXM", "count": 1, "concurrency": 64,
    ...     "prompt_length": 1000, "output_length": 500, "engine": "vllm", "recipe": "default",
    ...     "tokens_per_second": 3000,
    ... }
    >>> calibrate_serving([own]).factor > 1  # slower than predicted
    True
    """
    given = rows if isinstance(rows, Table) else as_table("rows", rows)
    read = READER.rows(with_engine(given))
    problems = [f"{row.id}: {problem}" for row in read if row.value is None for problem in row.problems]
    measured = [row.value for row in read if row.value is not None]
    problems += [problem for row in measured if (problem := _too_fast(row))]
    if problems or not read:
        raise InputError(problems or ["rows: need at least one measured row; got none"])
    return correction(measured, constants or default_constants())


def with_engine(rows: Table) -> Table:
    """Return rows with the engine and the settings that `Serving` has where they are not given.

    Parameters
    ----------
    rows : Table
        Measured rows of one's own.

    Raises
    ------
    InputError
        If an engine is not known: a factor on other predictions would not fit those of a scenario.
    """
    if not rows.rows or "source_kind" in rows.columns:  # the kind of a source names its recipe
        return rows
    filled: list[Row] = []
    problems = []
    for row in rows.rows:
        engine = row.get("engine", "").strip().lower() or DEFAULT_ENGINE
        if engine not in (*engines(), UNKNOWN):
            problems.append(f"engine: must be one of {', '.join((*engines(), UNKNOWN))}; got {row['engine']!r}")
        settings = row.get("recipe", "").strip() or (UNKNOWN if engine == UNKNOWN else DEFAULT_SETTINGS)
        filled.append({**row, "engine": engine, "recipe": settings})
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return replace(rows, rows=tuple(filled), columns=tuple(dict.fromkeys((*rows.columns, "engine", "recipe"))))


def _too_fast(row: Measured) -> str:
    """Return the problem of a row that is faster than its accelerators can be, or ""."""
    fastest = row.batch / float(roofline(row.work, row.hardware, row.batch))
    rate = row.batch / row.seconds
    if row.speculative or rate <= fastest:
        return ""
    return (
        f"{row.id}: tokens_per_second: must be at most {fastest:.5g} per replica, which memory bandwidth and peak "
        f"allow; got {rate:.5g}; give output tokens, without those of the prompt"
    )


def correction(rows: Sequence[Measured], constants: ServingConstants) -> Correction:
    """Return the correction by the mean residual of measured rows of one stack.

    Residuals of a stack share a part, with a standard deviation `between` stacks, beside a part of each row, with a
    standard deviation `within` a stack. The mean of n rows shrinks by between² / (between² + within² / n).

    Parameters
    ----------
    rows : sequence of Measured
        Rows of one model, accelerator and engine.
    constants : ServingConstants
        Constants of the serving model.
    """
    logs = [math.log(row.seconds / predicted_seconds(row, constants)) for row in rows]
    between, within = constants.spreads["between"] ** 2, constants.spreads["within"] ** 2
    weight = between / (between + within / len(logs))
    spread = math.sqrt(between * (1 - weight) + within)
    return Correction(math.exp(weight * sum(logs) / len(logs)), spread, len(logs))


def predicted_seconds(row: Measured, constants: ServingConstants) -> float:
    """Return the predicted time per output token of a request of a measured row [s].

    Parameters
    ----------
    row : Measured
    constants : ServingConstants
    """
    of_stack = constants.constants(row.stack.recipe, row.product)
    return float(time_per_token(row.work, row.hardware, of_stack, row.batch))
