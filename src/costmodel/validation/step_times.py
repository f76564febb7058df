"""Error of the step-time model on measured training steps, row by row and by family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import CostModelError
from costmodel.foundation.fitted import read_folds
from costmodel.foundation.tables import table
from costmodel.training.calibration.measured_steps import (
    READER,
    MeasuredStep,
    candidates,
    family_stack,
    read_steps,
)
from costmodel.training.calibration.priors import tied
from costmodel.training.step.efficiency import Efficiency, default_efficiency, hardware_rates
from costmodel.training.step.layout import layouts
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload
from costmodel.validation.scores import Case, intervals, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Table


def validate_step_times(rows: Table) -> dict[str, Any]:
    """Score the step-time model on a table of measured steps, in the format of `report`.

    A step that the constants were fitted on is recognized by its settings and its step time, whatever its label. It
    is read as in the shipped table, and predicted by the constants of a fit without its family. Any other step is
    predicted by the shipped constants. A family shares its set-up: one framework on one accelerator, dense models
    and mixtures of experts apart.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/step_times.csv`, or those of older files.
    """
    shipped_constants = default_efficiency()
    fitted_on = read_steps(table("measurements/step_times"))[0]
    shipped = {_key(step): step for step in fitted_on}
    families = {step.family for step in fitted_on}
    folds = {name: _without(name, shipped_constants, fitted_on) for name in families}
    cases = []
    for row in READER.rows(rows):
        if row.value is None:
            cases.append(Case(row.id, skipped="; ".join(row.problems)))
            continue
        fitted = shipped.get(_key(row.value))
        step = row.value if fitted is None else fitted._replace(id=row.id)
        try:
            shipped_constants.check(step.cluster.accelerator)
            hardware_rates(step.cluster, step.precision)
        except CostModelError as error:
            cases.append(Case(row.id, step.family, skipped=str(error)))
            continue
        stacks = {family_stack(family) for family in families if fitted is None or family != step.family}
        efficiency = shipped_constants if fitted is None else folds[step.family]
        cases.append(_case(step, efficiency, family_stack(step.family) in stacks))
    return report("step_times", cases)


def _key(step: MeasuredStep) -> tuple[Any, ...]:
    """Return what identifies a measurement: the settings that every source states, and the step time."""
    layout = step.layout
    return (
        step.architecture,
        step.sequence_length,
        step.batch_size,
        step.cluster.accelerator.name,
        step.cluster.count,
        step.precision,
        step.numbers,
        layout.tensor,
        layout.pipeline,
        layout.context,
        layout.expert,
        float(f"{step.seconds:.4g}"),
    )


def _without(family: str, shipped: Efficiency, steps: Sequence[MeasuredStep]) -> Efficiency:
    """Return the constants of the fit without a family, with the accelerators of its steps."""
    fitted = read_folds("fitted/folds/efficiency")[family]
    fitted |= tied(fitted)
    measured = {step.cluster.accelerator.name for step in steps if step.family != family}
    return shipped.replace(values={**shipped.values, **fitted}, measured=tuple(sorted(measured)))


def _case(step: MeasuredStep, efficiency: Efficiency, known_stack: bool) -> Case:
    experts, accelerator = step.architecture.kind == "moe", step.cluster.accelerator
    work, hardware = workload(step.architecture, step.sequence_length), hardware_rates(step.cluster, step.precision)
    constants = efficiency.constants(accelerator, step.precision, experts, step.year)
    parts = min(
        (
            step_breakdown(work, step.numbers, hardware, step.batch_size, layouts(layout), constants)
            for layout in candidates(step)
        ),
        key=lambda breakdown: float(breakdown.total),
    )
    seconds = float(parts.total)
    spread = efficiency.spread(
        accelerator,
        experts,
        launch_share=float(parts.launch) / seconds,
        software=None if known_stack else "other",
        known_layout="micro_batch" not in step.open,
    )
    return Case(step.id, step.family, seconds, step.seconds, intervals(seconds, spread))
