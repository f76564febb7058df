"""Refit of the MFU by accelerator generation to published throughput: `costmodel refit generation_efficiency`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from costmodel.foundation.arrays import expit
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Row, table
from costmodel.refit.result import Refitted, error_line
from costmodel.training.jobs.generation_efficiency import ALL, TABLE, EfficiencyFit, Features, fit_efficiency
from costmodel.training.jobs.throughput import READER, Throughput
from costmodel.training.jobs.throughput import TABLE as ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.8
"""Probability of the intervals [1]."""
_SOURCE = f"fitted by costmodel refit generation_efficiency on data/{ROWS}.csv"


def refit() -> Refitted:
    """Return the table of efficiencies, fitted on the published throughput of the library."""
    rows, _ = READER.used(table(ROWS))
    logs = {name: np.log(left_out(rows, name)) for name in ("source", "generation")}
    summary = [error_line(f"rows, their {name} left out", errors, 0.25) for name, errors in logs.items()]
    return Refitted({TABLE: efficiency_rows(rows)}, summary)


def left_out(rows: Sequence[Throughput], effect: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return predicted / measured MFU of each row, with the rows that share an effect left out of the fit [1].

    Parameters
    ----------
    rows : sequence of Throughput
    effect : str
        "source", "generation" or "vendor".
    """
    listed = [Features.of(row) for row in rows]
    ratios = np.empty(len(rows))
    for name in {getattr(own, effect) for own in listed}:
        kept = [row for row, own in zip(rows, listed, strict=True) if getattr(own, effect) != name]
        fitted = fit_efficiency(kept)
        for place, (row, own) in enumerate(zip(rows, listed, strict=True)):
            if getattr(own, effect) == name:
                ratios[place] = expit(fitted.predict(own)[0]) / row.mfu
    return ratios


def efficiency_rows(rows: Sequence[Throughput]) -> list[Row]:
    """Return the efficiency of each accelerator, generation and vendor with rows, and of all others.

    Parameters
    ----------
    rows : sequence of Throughput
    """
    fitted = fit_efficiency(rows)
    scopes: dict[tuple[str, str], Features] = {}
    for row in rows:
        own = row.accelerator
        unnamed = Features(own.vendor, "", "", "", 0.0, 0.0, 0.0)
        scopes["vendor", own.vendor] = unnamed
        scopes["generation", own.generation] = unnamed._replace(generation=own.generation)
        scopes["accelerator", own.name] = unnamed._replace(generation=own.generation, accelerator=own.name)
    scopes[ALL, ALL] = Features("", "", "", "", 0.0, 0.0, 0.0)
    order = {"accelerator": 0, "generation": 1, "vendor": 2, ALL: 3}
    return [
        _row(fitted, rows, scope, name, target._replace(moe=float(moe), eight_bit=float(eight_bit)))
        for (scope, name), target in sorted(scopes.items(), key=lambda item: (order[item[0][0]], item[0][1]))
        for moe in (False, True)
        for eight_bit in (False, True)
    ]


def _row(fitted: EfficiencyFit, rows: Sequence[Throughput], scope: str, name: str, target: Features) -> Row:
    center, spread = fitted.predict(target)
    half = normal_quantile((1 + LEVEL) / 2) * spread
    members = [row for row in rows if scope == ALL or getattr(Features.of(row), scope) == name]
    return {
        "scope": scope,
        "name": name,
        "kind": "moe" if target.moe else "dense",
        "precision": "8-bit" if target.eight_bit else "16-bit",
        "mfu": f"{expit(center):.4f}",
        "low": f"{expit(center - half):.4f}",
        "high": f"{expit(center + half):.4f}",
        "level": f"{LEVEL}",
        "smaller": f"{fitted.smaller:.4f}",
        "rows": str(len(members)),
        "sources": str(len({row.group for row in members})),
        "source": _SOURCE,
    }
