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
from costmodel.training.step.efficiency import Efficiency, MoeCase, default_efficiency, hardware_rates
from costmodel.training.step.features import Features
from costmodel.training.step.layout import layouts
from costmodel.training.step.timing import step_breakdown
from costmodel.training.step.workload import workload
from costmodel.validation.scores import Case, intervals, report, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from costmodel.foundation.tables import Table


def validate_step_times(rows: Table) -> dict[str, Any]:
    """Score the step-time model on a table of measured steps, in the format of `report`.

    A step that the constants were fitted on is recognized by its settings and its step time, whatever its label. It
    is read as in the shipped table. A dense model is predicted by the constants of a fit without its family: one
    framework on one accelerator. A mixture of experts is predicted by those of a fit without all steps of the model.
    Any other step is predicted by the shipped constants.

    `groups` has the scores of mixtures of experts by what was left out: "known model" the family, "new model" the
    model, "new software" all mixtures of experts of the software. "features not known" is a new model with the
    features of the software taken as usual at its date.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/measurements/step_times.csv`, or those of older files.
    """
    shipped_constants = default_efficiency()
    fitted_on = read_steps(table("measurements/step_times"))[0]
    shipped = {_key(step): step for step in fitted_on}
    folds = _Folds(shipped_constants, fitted_on)
    cases: list[Case] = []
    groups: dict[str, list[Case]] = {name: [] for name in (*_GROUPS, _UNTUNED, _NO_FEATURES)}
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
        if step.architecture.kind != "moe":
            cases.append(_dense_case(step, fitted is not None, folds))
            continue
        of_groups = {name: _moe_case(step, fitted is not None, name, folds) for name in _GROUPS}
        cases.append(of_groups["new model"])
        if step.untuned:
            groups[_UNTUNED].append(of_groups["new software"])
            continue
        for name in _GROUPS:
            groups[name].append(of_groups[name])
        plain = step._replace(features=Features())
        groups[_NO_FEATURES].append(_moe_case(plain, fitted is not None, "new model", folds))
    named = {f"MoE, {name}": scores(listed) for name, listed in groups.items() if listed}
    return {**report("step_times", cases), "groups": named}


_GROUPS = ("known model", "new model", "new software")
_UNTUNED = "untuned stack"
_NO_FEATURES = "new model, features not known"


class _Folds:
    """The constants of the fits without a family, a model or a software."""

    def __init__(self, shipped: Efficiency, steps: Sequence[MeasuredStep]) -> None:
        self.shipped, self.steps = shipped, [step for step in steps if not step.untuned]
        self.families = {step.family for step in self.steps}
        self.values = read_folds("fitted/folds/efficiency")

    def without(self, name: str, is_left_out: Callable[[MeasuredStep], bool]) -> Efficiency:
        """Return the constants of the fit without some steps, with the accelerators and models of the others."""
        if name not in self.values:
            return self.shipped
        fitted = dict(self.values[name])
        fitted |= tied(fitted)
        others = [step for step in self.steps if not is_left_out(step)]
        return self.shipped.replace(
            values={**self.shipped.values, **fitted},
            measured=tuple(sorted({step.cluster.accelerator.name for step in others})),
            measured_moe=tuple(sorted({step.architecture.name for step in others if step.architecture.kind == "moe"})),
        )


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


def _dense_case(step: MeasuredStep, is_fitted: bool, folds: _Folds) -> Case:
    """Return a dense step, predicted without its family where it is part of the fit."""
    stacks = {family_stack(family) for family in folds.families if not is_fitted or family != step.family}
    efficiency = folds.shipped
    if is_fitted:
        efficiency = folds.without(step.family, lambda other: other.family == step.family)
    return _case(step, efficiency, None if family_stack(step.family) in stacks else "other")


def _moe_case(step: MeasuredStep, is_fitted: bool, group: str, folds: _Folds) -> Case:
    """Return a step of an MoE, predicted without its family, its model or its software."""
    efficiency, name = folds.shipped, step.architecture.name
    if is_fitted and group == "known model":
        efficiency = folds.without(step.family, lambda other: other.family == step.family)
    elif is_fitted and group == "new model":
        efficiency = folds.without(f"model {name}", lambda other: other.architecture.name == name)
    elif is_fitted:
        efficiency = folds.without(f"software {step.software}", lambda other: other.software == step.software)
    tuned = group != "new software" and not step.untuned
    moe_case = folds.shipped.moe_case(step.architecture, tuned)
    if moe_case == "known" and group == "new model":
        moe_case = "new"  # operations that one model alone has stay as fitted
    return _case(step, efficiency, None, moe_case)


def _case(step: MeasuredStep, efficiency: Efficiency, software: str | None, moe_case: MoeCase = "known") -> Case:
    experts, accelerator = step.architecture.kind == "moe", step.cluster.accelerator
    work, hardware = workload(step.architecture, step.sequence_length), hardware_rates(step.cluster, step.precision)
    constants = efficiency.constants(
        accelerator, step.precision, experts, step.year, features=step.features, moe_case=moe_case
    )
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
        software=software,
        known_layout="micro_batch" not in step.open,
        moe_case=moe_case,
        features_known=step.features.are_known,
    )
    return Case(step.id, step.family, seconds, step.seconds, intervals(seconds, spread))
