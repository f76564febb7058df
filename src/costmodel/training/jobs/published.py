"""Which published runs can be learned from or scored against? Rows of a table of runs, read and judged."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from costmodel.architecture.counting import flops_per_token
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.hardware.accelerator import Accelerator, load_accelerator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from costmodel.foundation.tables import Row, Table

DEFAULT_SEQUENCE_LENGTH = 4096
AGREEMENT = 0.06
"""Difference of parameters up to which an architecture is the published one: names are rounded [1]."""
NEEDED = (
    "id", "org", "kind", "arch", "params_total", "params_active", "n_layers", "d_model", "context",
    "training_sequence_length", "tokens", "accelerator", "chip_hours", "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """A published pretraining run: what was trained, on what, and how long it took."""

    id: str
    organization: str
    architecture: Architecture
    mixture: bool
    accelerator: Accelerator
    tokens: float
    """[token]"""
    sequence_length: int
    """[token]"""
    gpu_hours: float
    """[hour]"""
    note: str = ""
    detailed: Architecture | None = None
    """The architecture with its layers, where it is known and agrees with the published counts."""
    count: int | None = None
    """Accelerators, where they are published."""
    year: float = 2024.0
    """When it was published."""

    @property
    def flops(self) -> float:
        """Model FLOPs of the run, core attention causal [FLOP]."""
        return self.tokens * float(flops_per_token(self.architecture, self.sequence_length))

    @property
    def utilization(self) -> float:
        """Model FLOPs over what the accelerators could do at their bf16 peak in those hours [1]."""
        return self.flops / (self.accelerator.peak() * self.gpu_hours * 3600)


def read_runs(table: Table) -> tuple[list[Run], dict[str, str]]:
    """Return the runs of a table that can be used, and why each other row cannot, by its id.

    A run is used if it is a pretraining with known parameters, tokens and GPU-hours, on an accelerator
    of the catalog, and its confidence is not "C".

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
    """Return the runs of each organization."""
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
    mixture = "moe" in row["arch"].lower()
    # the published active parameters of a dense model are all of them, up to rounding
    active = min(given, total) if mixture else total
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
        row["id"], row["org"], architecture, mixture, accelerator, tokens, length, hours, note,
        _detailed(row, architecture), chips, _year(row),
    )  # fmt: skip


def _year(row: Row) -> float:
    stated = re.match(r"(20\d\d)(?:-(\d\d))?", row.get("date", ""))
    return 2024.0 if stated is None else int(stated[1]) + (int(stated[2] or 6) - 0.5) / 12


def _detailed(row: Row, counted: Architecture) -> Architecture | None:
    """Return the architecture that the row's name or shape means, if its counts are those published."""
    from costmodel.training.calibration.measured_models import architecture_of

    for name in (row["id"], row.get("model", "")):
        try:
            found = architecture_of({**row, "source": row["org"], "model": name})
        except CostModelError:
            continue
        published, listed = counted.parameters, found.parameters
        if all(abs(ours / theirs - 1) < AGREEMENT for ours, theirs in
               ((listed.total, published.total), (listed.active, published.active))):  # fmt: skip
            return found
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
