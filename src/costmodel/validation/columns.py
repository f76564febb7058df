"""Columns of tables of published runs, fine-tunes and dated costs; an unknown column is an error.

The columns of measured steps, fine-tunes and throughputs are declared where their rows are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.columns import TEXT, Schema

if TYPE_CHECKING:
    from costmodel.foundation.tables import Table

_MODEL = "id model org date kind arch params_total params_active"
_SHAPE = "n_layers d_model n_heads n_kv_heads d_ff vocab experts top_k"
_TRAINED = "context training_sequence_length tokens precision software accelerator assumed_accelerator"
_HOURS = "n_chips chip_hours wall_days"
_REPORTED = "mfu_reported hfu_reported tflops_per_chip_reported flops_claimed energy_mwh power_w_per_chip pue"
_COSTS = "grid_kg_per_kwh tco2e cost_usd cost_by cost_includes cost_basis cost_scope cost_scope_reason priced_on"
_LABELS = "circular confidence source split group group_reason"
_DERIVED = "flops_6nd mfu_6nd_from_hours implied_kg_per_it_kwh implied_usd_per_chip_hour"


def _schema(kind: str, columns: str, unread: str = "") -> Schema:
    return Schema(kind, dict.fromkeys(columns.split(), TEXT), (), unread=frozenset(unread.split()))


PUBLISHED_RUNS = _schema(
    "published runs",
    " ".join((_MODEL, _SHAPE, _TRAINED, _HOURS, _REPORTED, _COSTS, _LABELS)),
    f"hardware peak_tflops reliability_notes notes {_DERIVED}",
)
"""Columns of `data/measurements/published_runs.csv`, and columns of older files that decide nothing."""

COSTS = _schema(
    "dated costs",
    "capability kind role date cost_usd compute_flop hardware hardware_fixed precision source basis note",
)
"""Columns of `data/measurements/cost_decline.csv`."""


def check_columns(table: Table, schema: Schema) -> None:
    """Raise `InputError` with all unknown columns of a table.

    Parameters
    ----------
    table : Table
        Any rows.
    schema : Schema
        The columns that are accepted.
    """
    schema.translate(table)
