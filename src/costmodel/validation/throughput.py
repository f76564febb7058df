"""Error of the efficiency of accelerator generations on published training throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.arrays import expit
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import table as shipped
from costmodel.training.jobs.generation_efficiency import EfficiencyFit, Features, fit_efficiency
from costmodel.training.jobs.throughput import READER, TABLE, Throughput
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Table


def validate_throughput(table: Table) -> dict[str, Any]:
    """Score the MFU by generation on a table of measured training throughput.

    A row that the efficiencies were fitted on is predicted by a fit without the rows of its source; `generation` has
    the scores of fits without the rows of its generation. Other rows are predicted by a fit on all rows of the
    library. Families are generations.

    Parameters
    ----------
    table : Table
        Rows with the columns of `data/measurements/accelerator_throughput.csv`.
    """
    fitted_on, _ = READER.used(shipped(TABLE))
    rows = READER.rows(table)
    by_effect = {
        effect: report("throughput", [*_cases([row.value for row in rows if row.value], fitted_on, effect)])
        for effect in ("source", "generation")
    }
    skipped = [Case(row.id, skipped="; ".join(row.problems)) for row in rows if row.value is None]
    scored = by_effect["source"]
    skipped_rows = report("throughput", skipped)["rows"]
    return {
        **scored,
        "cases": len(rows),
        "rows": [*scored["rows"], *skipped_rows],
        "generation": by_effect["generation"],
    }


def _cases(rows: Sequence[Throughput], fitted_on: Sequence[Throughput], effect: str) -> list[Case]:
    """Return a case for each row, predicted without the fitted rows that share an effect if it is one of them."""
    known = {row.id for row in fitted_on}
    fits: dict[str, EfficiencyFit] = {}
    cases = []
    for row in rows:
        own = Features.of(row)
        left_out = getattr(own, effect) if row.id in known else ""
        if left_out not in fits:
            kept = [other for other in fitted_on if getattr(Features.of(other), effect) != left_out or not left_out]
            fits[left_out] = fit_efficiency(kept)
        center, spread = fits[left_out].predict(own)
        intervals = {}
        for level in LEVELS:
            half = normal_quantile((1 + level) / 2) * spread
            intervals[level] = expit(center - half), expit(center + half)
        cases.append(Case(row.id, row.accelerator.generation, expit(center), row.mfu, intervals))
    return cases
