"""Errors of the serving model where it extrapolates: to software of another period, and to cards of another kind.

Each line is fitted on one part of the rows of `data/measurements/serving.csv` and scored on another. Columns: rows,
mean and spread of ln(predicted / measured), the spread that the library assumes, and the share in its 80 % interval.
The last lines score the spread of AMD software of 2024 itself: it is taken from models of all shapes but one, or from
all accelerators but one, and scored on what was left out, with the model left out of the fit as always.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from costmodel.foundation.fitted import spread_of
from costmodel.foundation.ranges import normal_quantile
from costmodel.hardware.accelerator import load_accelerator
from costmodel.refit.result import fit_input
from costmodel.refit.serving import INPUT, OLDER_VENDOR, RECENT, fit, prepare, residuals, scored_rows, subset
from costmodel.serving.calibration.constants import (
    ServingConstants,
    accelerator_folds,
    default_constants,
    model_folds,
)
from costmodel.serving.calibration.measured import Measured
from costmodel.serving.engine.recipes import engines, recipe_of

PERIODS = {"2024": "2024-11", "2025": "2026-01"}
"""A date of each period."""
CARDS = ("RTX-PRO-6000", "GB200", "H200-SXM", "MI325X", "MI355X")
"""Accelerators that are left out, the first without the memory and links of a data-center card."""


def as_of(rows: Sequence[Measured], period: str) -> list[Measured]:
    """Return rows as if their engines were of another period."""
    moved = []
    for row in rows:
        engine = row.stack.recipe.engine if row.stack.recipe.engine in engines() else None
        card = load_accelerator(row.stack.accelerator)
        recipe = recipe_of(card, engine, row.stack.recipe.recipe, PERIODS[period])
        moved.append(row._replace(stack=row.stack._replace(recipe=recipe)))
    return moved


def line(title: str, rows: Sequence[Measured], logs: NDArray[np.float64], constants: ServingConstants) -> None:
    """Print the scores of a part."""
    spreads = np.array([constants.spread(row.stack, moe=row.moe, batch_known=row.batch_known) for row in rows])
    inside = np.abs(logs) <= normal_quantile(0.9) * spreads
    assumed = float(np.sqrt(np.mean(spreads**2)))
    print(f"{title:50} {len(rows):4} {logs.mean():+.2f} {spread_of(logs):.2f} {assumed:.2f} {inside.mean():.0%}")


def attention_line(rows: Sequence[Measured]) -> None:
    """Print the score of rows with data-parallel attention, left out of the fit."""
    cells = enumerate(fit_input(INPUT).rows, start=2)
    names = {str(number) for number, row in cells if row["data_parallel_attention"] == "yes"}
    own = np.array([row.id.partition(":")[0] in names for row in rows])
    prepared, shipped = prepare(rows), default_constants()
    logs = residuals(prepared, fit(prepared, ~own, dict(shipped.values)))[own]
    part = [row for row, use in zip(rows, own, strict=True) if use]
    line("without data-parallel attention", part, logs, shipped)


def spread_lines(rows: Sequence[Measured]) -> None:
    """Print how far the spread of AMD software of 2024 holds for models and accelerators that did not set it."""
    part = [row for row in rows if row.stack.vendor == OLDER_VENDOR and row.year < RECENT]
    prepared, folds = prepare(part), model_folds()
    logs = np.zeros(len(part))
    for shape in set(prepared.shapes.tolist()):
        own = prepared.shapes == shape
        logs[own] = residuals(subset(prepared, own), dict(folds[shape].values))
    for name, groups in (("shapes", prepared.shapes), ("accelerators", prepared.accelerators)):
        inside = np.zeros(len(part), dtype=bool)
        for group in sorted(set(groups.tolist())):
            own = groups == group
            spread = spread_of(logs[~own])
            inside[own] = np.abs(logs[own]) <= normal_quantile(0.9) * spread
            title = f"spread of AMD 2024 from all but {group}"
            print(
                f"{title:50} {own.sum():4} {logs[own].mean():+.2f} {spread_of(logs[own]):.2f} {spread:.2f} "
                f"{inside[own].mean():.0%}"
            )
        print(f"{f'spread of AMD 2024 from other {name}':50} {len(part):4}                 {inside.mean():.0%}")


def main() -> None:
    """Print the scores."""
    rows = scored_rows()
    prepared, shipped = prepare(rows), default_constants()
    recent = np.array([row.year >= RECENT for row in rows])
    for title, fitted_on, period in (("later software, NVIDIA", ~recent, "2024"), ("earlier software", recent, "2025")):
        values = fit(prepared, fitted_on, dict(shipped.values))
        known = {row.stack.accelerator for row, use in zip(rows, fitted_on, strict=True) if use}
        parts = [row for row, use in zip(rows, fitted_on, strict=True) if not use and row.stack.accelerator in known]
        for vendor in ("NVIDIA", "AMD"):
            part = [row for row in parts if row.stack.vendor == vendor and row.batch_known]
            if part:
                moved = as_of(part, period)
                name = f"{title.partition(',')[0]}, {vendor}"
                line(name, part, residuals(prepare(moved), values), shipped)
    names = np.array([row.stack.accelerator for row in rows])
    for card in CARDS:
        fold = accelerator_folds()[card]
        part = [row for row in rows if row.stack.accelerator == card]
        line(f"without {card}", part, residuals(subset(prepared, names == card), dict(fold.values)), fold)
    attention_line(rows)
    spread_lines(rows)


if __name__ == "__main__":
    main()
