"""Refit of the constants of the step-time model to measured training steps: `costmodel refit step_times`.

The steps are those of `data/measurements/step_times.csv` and a grid of small models on one node, which identifies the
time that the host takes to launch kernels.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Values
from costmodel.foundation.tables import Row, Table, table
from costmodel.hardware.cluster import Cluster
from costmodel.refit.result import Refitted, error_line, fit_input
from costmodel.training.calibration.calibrate import fit
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.measured_steps import MeasuredStep, family_stack, read_steps
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import PRIORS, TIED
from costmodel.training.step.layout import Layout
from costmodel.training.step.numerics import numerics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Logs = Callable[[Values], Array]

STEPS, GRID_STEPS = "measurements/step_times", "measurements/step_times_single_node"
GRID = "grid"
"""Family of the steps of the grid, which are part of every fold."""
_SOURCE = f"fitted by costmodel refit step_times on data/{STEPS}.csv and data/{GRID_STEPS}.csv"
_SPREADS = {
    "dense": "dense models, their family left out",
    "experts": "mixtures of experts, their family left out",
    "launch": "small models bound by kernel launches, in the fit",
    "accelerator": "added where the fit has no step on the accelerator: dense models, their accelerator left out",
    "stack": "added where the fit has no step of the software stack: dense models, their stack left out",
    "layout": "added where micro-batch size and interleaving are not known and the fastest are taken",
}


class StepTimeFit(NamedTuple):
    """The constants, those of the fits without each family, residuals ln(predicted / measured), and spreads."""

    steps: Sequence[MeasuredStep]
    prepared: Prepared
    values: Values
    folds: dict[str, Values]
    inside: Array
    left_out: Array
    spreads: dict[str, float]


def refit() -> Refitted:
    """Return the tables of the constants of the step-time model, fitted on the measurements of the library."""
    return tables_of(fit_all(read_steps(table(STEPS))[0], grid_steps(fit_input(GRID_STEPS))))


def grid_steps(rows: Table) -> list[MeasuredStep]:
    """Return the steps of the grid of GPT models on a node of A100.

    Parameters
    ----------
    rows : Table
        `data/measurements/step_times_single_node.csv`.
    """
    cluster, steps = Cluster("A100-80GB-SXM", 8), []
    for number, row in enumerate(rows.rows, start=2):
        shape = {name: row[name] for name in ("n_layers", "d_model", "n_heads", "sequence_length")}
        layout = Layout(
            data=row["data"],
            tensor=row["tensor"],
            pipeline=row["pipeline"],
            micro_batch=row["micro_batch"],
            zero=0,
            recompute="full",
            sequence_parallel=False,
            attention="unfused",
            loss="fused",
            overlap_data=False,
        )
        step = MeasuredStep(
            id=f"grid {number}",
            family=GRID,
            architecture=architecture_of({"model": "GPT", "style": "gpt", **shape}),
            sequence_length=int(row["sequence_length"]),
            batch_size=int(row["batch_size"]),
            cluster=cluster,
            precision="fp16",
            numbers=numerics("fp16"),
            layout=layout,
            open=frozenset(),
            year=2022.5,
            seconds=float(row["step_time"]),
            memory=None,
        )
        steps.append(step)
    return steps


def fit_all(steps: Sequence[MeasuredStep], grid: Sequence[MeasuredStep]) -> StepTimeFit:
    """Fit the constants on all steps, and again without each family; the grid is part of every fit.

    Parameters
    ----------
    steps : sequence of MeasuredStep
        Of several families.
    grid : sequence of MeasuredStep
        Of the family `GRID`.
    """
    import numpy as np

    everything = [*steps, *grid]
    prepared = prepare(everything)

    def logs(values: Values) -> Array:
        of_rows: Array = np.log(predict(prepared, values) / prepared.seconds)
        return of_rows

    values = fit(prepared, np.ones(len(everything), dtype=bool))
    inside = logs(values)
    families = dict.fromkeys(step.family for step in steps)
    folds, left_out = fitting.leave_one_group_out(prepared.families, lambda rows: fit(prepared, rows), logs, families)
    left_out = np.where(np.isnan(left_out), inside, left_out)
    spreads = _spreads(prepared, left_out, logs)
    return StepTimeFit(everything, prepared, values, folds, inside, left_out, spreads)


def _spreads(prepared: Prepared, left_out: Array, logs: Logs) -> dict[str, float]:
    """Return the spreads by case, such that 80 % of the rows left out lie within their 80 % interval."""
    import numpy as np

    multi, experts = prepared.families != GRID, prepared.experts
    dense = multi & ~experts

    def spread(residuals: Array, groups: NDArray[np.str_] | None = None) -> float:
        """Return the spread of residuals; every group has the same weight where groups are given."""
        sizes = Counter(groups.tolist()) if groups is not None else {}
        equal = np.ones(len(residuals))
        return fitting.spread_of(
            residuals, equal if groups is None else np.array([1.0 / sizes[name] for name in groups])
        )

    def added(groups: NDArray[np.str_]) -> float:
        """Return the spread added to that of dense models where the whole group is new."""
        names = dict.fromkeys(groups[dense].tolist())
        _, without = fitting.leave_one_group_out(
            np.where(multi, groups, GRID), lambda rows: fit(prepared, rows), logs, names
        )
        residuals = np.where(np.isnan(without), left_out, without)
        return math.sqrt(max(spread(residuals[dense], groups[dense]) ** 2 - usual**2, 0.0))

    stacks = np.array([family_stack(family) for family in prepared.families])
    open_layout, usual = left_out[prepared.open_layout], spread(left_out[dense])
    return {
        "dense": usual,
        "experts": spread(left_out[multi & experts]) if (multi & experts).any() else usual,
        "launch": spread(left_out[~multi]) if (~multi).any() else usual,
        "accelerator": added(prepared.accelerators),
        "stack": added(stacks),
        "layout": math.sqrt(max(spread(open_layout) ** 2 - usual**2, 0.0)) if len(open_layout) else 0.0,
    }


def tables_of(fitted: StepTimeFit) -> Refitted:
    """Return the tables and the errors of a fit.

    Parameters
    ----------
    fitted : StepTimeFit
    """
    grid, experts = fitted.prepared.families == GRID, fitted.prepared.experts
    summary = [
        error_line(name, logs[rows], 0.15)
        for name, logs, rows in (
            ("all, in the fit", fitted.inside, ~grid),
            ("dense, in the fit", fitted.inside, ~grid & ~experts),
            ("mixtures of experts, in the fit", fitted.inside, ~grid & experts),
            ("grid, in the fit", fitted.inside, grid),
            ("all, family left out", fitted.left_out, ~grid),
        )
        if rows.any()
    ]
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    folds = fitting.fold_rows("family", fitted.folds, free, f"{_SOURCE}, without the family")
    return Refitted({"fitted/efficiency": _constant_rows(fitted), "fitted/folds/efficiency": folds}, summary)


def _constant_rows(fitted: StepTimeFit) -> list[Row]:
    rows = fitting.constant_rows(fitted.values, PRIORS, f"{_SOURCE}, {len(fitted.steps)} steps", TIED)
    rows += [fitting.other_row("spread", name, f"{spread:.4f}", "1", f"{_SOURCE}: residuals of {_SPREADS[name]}")
             for name, spread in fitted.spreads.items()]  # fmt: skip
    numbers = Counter(step.cluster.accelerator.name for step in fitted.steps)
    source = f"data/{STEPS}.csv and data/{GRID_STEPS}.csv"
    rows += [
        fitting.other_row("measured", name, str(number), "rows", source) for name, number in sorted(numbers.items())
    ]
    return rows
