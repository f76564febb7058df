"""Published pretraining runs that defaults are fitted on and estimates are scored against."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from costmodel.architecture.flops import flops_per_token
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.tables import constant
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.training.step.software import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.foundation.tables import Row, Table
    from costmodel.training.step.numerics import Precision

DEFAULT_SEQUENCE_LENGTH = int(constant("published_sequence_length"))
DEFAULT_YEAR = constant("published_year")
"""Date of a published run that states none [year]."""
AGREEMENT = constant("parameter_agreement")
"""Relative difference of parameters up to which an architecture is the published one: names are rounded [1]."""
NEEDED = (
    "id", "org", "kind", "arch", "params_total", "params_active", "n_layers", "d_model", "context",
    "training_sequence_length", "tokens", "accelerator", "chip_hours", "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """A published pretraining run: the model, the accelerators and the GPU-hours."""

    id: str
    organization: str
    architecture: Architecture
    moe: bool
    """Whether the model is a mixture of experts."""
    accelerator: Accelerator
    tokens: float
    """[token]"""
    sequence_length: int
    """[token]"""
    gpu_hours: float
    """[hour]"""
    note: str
    detailed: Architecture | None
    """The architecture with its layers, where it is known and agrees with the published counts."""
    count: int | None
    """Number of accelerators, where it is published."""
    year: float
    """Date of publication, as a decimal year."""
    precision: Precision
    """Number format of the matmuls: 8 bits where that is published, else the usual one of the accelerator."""
    software: str
    """Training software, as the field `software` of recipes takes it: the year alone if it is not published."""

    @property
    def flops(self) -> float:
        """Model FLOPs of the run, core attention causal [FLOP]."""
        return self.tokens * float(flops_per_token(self.architecture, self.sequence_length))

    @property
    def utilization(self) -> float:
        """Model FLOPs / (bf16 peak × GPU-hours) [1]."""
        return self.flops / (self.accelerator.peak() * self.gpu_hours * 3600)


def read_runs(table: Table) -> tuple[list[Run], dict[str, str]]:
    """Return the usable runs of a table, and the reason by id for each row that cannot be used.

    A run is used if it is a pretraining with known parameters, tokens and GPU-hours, on an accelerator
    of the catalog, and its confidence is not "C".

    Parameters
    ----------
    table : Table
        In the schema of `data/measurements/published_runs.csv`.

    Raises
    ------
    InputError
        If a column is missing.
    """
    if missing := [column for column in NEEDED if column not in table.columns]:
        raise InputError([f"{table.name}: the column {column!r} is missing" for column in missing])
    runs, skipped = [], {}
    for row in table.rows:
        try:
            runs.append(_run(row))
        except (CostModelError, ValueError) as error:
            skipped[row["id"]] = str(error)
    return runs, skipped


def by_organization(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each organization.

    Parameters
    ----------
    runs : iterable of Run
    """
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.organization, []).append(run)
    return grouped


def _run(row: Row) -> Run:
    if row["kind"] != "pretrain":
        raise InputError(f"is of kind {row['kind']!r}, not a pretraining")
    if row.get("split", "").startswith("ref"):
        raise InputError("is for reference, not for scoring")
    if row["confidence"] == "C":
        raise InputError("is speculative (confidence C)")
    for column in ("tokens", "chip_hours", "accelerator"):
        if not row[column]:
            raise InputError(f"{column} is not known")
    total = _number(row, "params_total") or _number(row, "params_active")
    if total is None:
        raise InputError("the number of parameters is not known")
    given = _number(row, "params_active") or total
    moe = "moe" in row["arch"].lower()
    # The published active parameters of a dense model equal the total up to rounding.
    active = min(given, total) if moe else total
    layers, width = (_whole(row, column) for column in ("n_layers", "d_model"))
    architecture = Architecture.from_counts(total, active, layers=layers, width=width, name=row["id"])
    length, note = _sequence_length(row)
    tokens, hours = _number(row, "tokens"), _number(row, "chip_hours")
    if tokens is None or hours is None:
        raise InputError("tokens and GPU-hours must be above 0")
    accelerator = load_accelerator(row["accelerator"])
    accelerator.peak()
    chips = _whole(row, "n_chips") if "n_chips" in row else None
    return Run(
        row["id"], row["org"], architecture, moe, accelerator, tokens, length, hours, note,
        _detailed(row, architecture), chips, _year(row), _precision(row, accelerator),
        row.get("software") or str(min(max(int(_year(row)), FIRST_YEAR), LAST_YEAR)),
    )  # fmt: skip


def _year(row: Row) -> float:
    stated = re.match(r"(20\d\d)(?:-(\d\d))?", row.get("date", ""))
    return DEFAULT_YEAR if stated is None else int(stated[1]) + (int(stated[2] or 6) - 0.5) / 12


def _precision(row: Row, accelerator: Accelerator) -> Precision:
    is_eight_bits = row.get("precision") == "fp8" and accelerator.supports("fp8")
    return "fp8" if is_eight_bits else accelerator.usual_precision


def _detailed(row: Row, counted: Architecture) -> Architecture | None:
    """Return the architecture of the row's name or shape, if its parameter counts agree with the published ones."""
    from costmodel.training.calibration.measured_models import architecture_of

    for name in (row["id"], row.get("model", "")):
        try:
            architecture = architecture_of({**row, "source": row["org"], "model": name})
        except CostModelError:
            continue
        published, listed = counted.parameters, architecture.parameters
        pairs = ((listed.total, published.total), (listed.active, published.active))
        if all(abs(ours / theirs - 1) < AGREEMENT for ours, theirs in pairs):
            return architecture
    return None


def _sequence_length(row: Row) -> tuple[int, str]:
    if stated := _whole(row, "training_sequence_length"):
        return stated, ""
    context = _whole(row, "context") or DEFAULT_SEQUENCE_LENGTH
    length = min(context, DEFAULT_SEQUENCE_LENGTH)
    return length, f"sequence length not stated: {length}, the smaller of the context and {DEFAULT_SEQUENCE_LENGTH}"


def _number(row: Row, column: str) -> float | None:
    if not row[column].strip():
        return None
    try:
        value = float(row[column])
    except ValueError:
        raise InputError(f"{column} must be a number; got {row[column]!r}") from None
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{column} must be above 0; got {row[column]!r}")
    return value


def _whole(row: Row, column: str) -> int | None:
    value = _number(row, column)
    return None if value is None else round(value)
