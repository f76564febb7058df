"""How well are measured training steps predicted, row by row and by family?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import table
from costmodel.training.calibration.calibrate import FOLDS
from costmodel.training.calibration.measured_steps import MeasuredStep, read_steps, row_id
from costmodel.training.calibration.predictions import candidates
from costmodel.training.calibration.priors import tied
from costmodel.training.step.efficiency import Efficiency, default_efficiency, machine
from costmodel.training.step.layout import layouts
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Table


def validate_step_times(rows: Table) -> dict[str, Any]:
    """Score the time model on a table of measured steps, in the schema of `data/measurements/step_times.csv`.

    A step that the constants were fitted on is predicted by those of a fit without its family; any other
    by the shipped constants. A family is what shares a set-up: one framework on one accelerator, dense
    models and mixtures of experts apart.
    """
    known = default_efficiency()
    fitted_on = read_steps(table("measurements/step_times"))[0]
    keys = {_key(step) for step in fitted_on}
    folds = {name: _without(name, known, fitted_on) for name in {step.family for step in fitted_on}}
    stacks = {step.family: _stack(step.family) for step in fitted_on}
    steps, skipped = read_steps(rows)
    by_id = {step.id: step for step in steps}
    cases = []
    for number, row in enumerate(rows.rows, start=2):
        identity = row_id(number, row)
        step = by_id.get(identity)
        if step is None:
            cases.append(Case(identity, row["source"], skipped=skipped[identity]))
            continue
        seen = _key(step) in keys
        try:
            known.check(step.cluster.accelerator)
            machine(step.cluster, step.precision)
        except CostModelError as error:
            cases.append(Case(identity, step.family, skipped=str(error)))
            continue
        others = {stack for family, stack in stacks.items() if not seen or family != step.family}
        cases.append(_case(step, folds[step.family] if seen else known, _stack(step.family) in others))
    return report("step_times", cases)


def _key(step: MeasuredStep) -> tuple[Any, ...]:
    return (
        step.family, step.architecture, step.sequence_length, step.batch_size, step.cluster.count, step.precision,
        step.layout, round(step.year, 2), float(f"{step.seconds:.4g}"),
    )  # fmt: skip


def _stack(family: str) -> str:
    return family.split(maxsplit=1)[0]


def _without(family: str, known: Efficiency, steps: Sequence[MeasuredStep]) -> Efficiency:
    """Return the constants of the fit without a family, and the accelerators that it still saw."""
    row = next(row for row in table(FOLDS).rows if row["family"] == family)
    fitted = {name: float(value) for name, value in row.items() if name not in {"family", "source"}}
    fitted |= tied(fitted)
    measured = {step.cluster.accelerator.name for step in steps if step.family != family}
    return known.replace(values={**known.values, **fitted}, measured=tuple(sorted(measured)))


def _case(step: MeasuredStep, efficiency: Efficiency, known_stack: bool) -> Case:
    experts, accelerator = step.architecture.kind == "moe", step.cluster.accelerator
    work, hardware = workload(step.architecture, step.sequence_length), machine(step.cluster, step.precision)
    constants = efficiency.constants(accelerator, step.precision, experts, step.year)
    parts = min(
        (step_breakdown(work, step.numbers, hardware, step.batch_size, layouts(one), constants)
         for one in candidates(step)),
        key=lambda each: float(each.total),
    )  # fmt: skip
    seconds = float(parts.total)
    spread = efficiency.spread(
        accelerator, experts, launch_share=float(parts.launch) / seconds, known_stack=known_stack,
        known_layout="micro_batch" not in step.open,
    )  # fmt: skip
    intervals = {}
    for level in LEVELS:
        factor = math.exp(normal_quantile((1 + level) / 2) * spread)
        intervals[level] = seconds / factor, seconds * factor
    return Case(step.id, step.family, seconds, step.seconds, intervals)
