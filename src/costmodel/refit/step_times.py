"""Refit of the constants of the step-time model to measured training steps: `costmodel refit step_times`.

The steps are those of `data/measurements/step_times.csv` and a grid of small models on one node, which identifies the
time that the host takes to launch kernels.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Prior, Values
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Row, Table, constant, table
from costmodel.hardware.cluster import Cluster
from costmodel.refit.result import Refitted, error_line, fit_input
from costmodel.training.calibration.calibrate import fit
from costmodel.training.calibration.measured_models import architecture_of
from costmodel.training.calibration.measured_steps import MeasuredStep, family_stack, read_steps
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import OF_EXPERTS, OF_ONE_MODEL, PRIORS, TIED
from costmodel.training.step.features import Features
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
FORM_SELECTION = constant("form_selection")
"""Factor on the spread of a new MoE, because the form of the model was chosen with sight of the measured ones [1]."""
_SOURCE = f"fitted by costmodel refit step_times on data/{STEPS}.csv and data/{GRID_STEPS}.csv"
_SPREADS = {
    "dense": "dense models, their family left out",
    "experts": "mixtures of experts, their family left out",
    "experts_model": "mixtures of experts, their model left out: between and within models, as a prediction",
    "experts_stack": "models left out and untuned software, each with the same weight",
    "features": "added where the features of the software are not known and those usual at its date are taken",
    "launch": "small models bound by kernel launches, in the fit",
    "accelerator": "added where the fit has no step on the accelerator: dense models, their accelerator left out",
    "stack": "added where the fit has no step of the software stack: dense models, their stack left out",
    "layout": "added where micro-batch size and interleaving are not known and the fastest are taken",
}


class StepTimeFit(NamedTuple):
    """The constants, those of the fits without each family or model, residuals ln(predicted / measured), and spreads.

    `model_folds` leave out all mixtures of experts of one model, `stack_folds` those of one software.
    """

    steps: Sequence[MeasuredStep]
    prepared: Prepared
    values: Values
    folds: dict[str, Values]
    model_folds: dict[str, Values]
    stack_folds: dict[str, Values]
    inside: Array
    left_out: Array
    new_model: Array
    spreads: dict[str, float]
    untuned_factor: float


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

    Dense models decide all constants but those in `OF_EXPERTS`, which mixtures of experts decide next. Steps of stacks
    that nobody tuned are part of no fit.

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
    tuned, experts = prepared.tuned, prepared.experts

    def logs(values: Values) -> Array:
        of_rows: Array = np.log(predict(prepared, values) / prepared.seconds)
        return of_rows

    dense_values = fit_dense(prepared, np.ones(len(everything), dtype=bool))
    values = fit_experts(prepared, np.ones(len(everything), dtype=bool), dense_values)
    inside = logs(values)

    def without(rows: NDArray[np.bool_]) -> Values:
        """Return the fit on rows; those left out are all dense or all mixtures of experts."""
        if experts[~rows].any():
            return fit_experts(prepared, rows, dense_values, values)
        return {**fit_dense(prepared, rows), **{name: values[name] for name in OF_EXPERTS}}

    scored = [step.family for step in everything if step.family != GRID and not step.untuned]
    folds, left_out = fitting.leave_one_group_out(prepared.families, without, logs, dict.fromkeys(scored))
    left_out = np.where(np.isnan(left_out), inside, left_out)
    models = np.where(experts, [step.architecture.name for step in everything], "")
    names = dict.fromkeys(models[experts & tuned].tolist())
    model_folds, new_model = fitting.leave_one_group_out(models, without, logs, names)
    stacks = np.where(experts, [step.software for step in everything], "")
    stack_folds, _ = fitting.leave_one_group_out(stacks, without, logs, dict.fromkeys(stacks[experts & tuned].tolist()))
    spreads, factor = _spreads(prepared, left_out, logs), 1.0
    if names:
        of_experts, factor = _expert_spreads(everything, prepared, values, left_out, np.where(tuned, new_model, inside))
        spreads |= of_experts
    return StepTimeFit(everything, prepared, values, folds, model_folds, stack_folds, inside, left_out, new_model,
                       spreads, factor)  # fmt: skip


def fit_dense(prepared: Prepared, rows: NDArray[np.bool_]) -> Values:
    """Return the constants that fit the dense models among some steps.

    Parameters
    ----------
    prepared : Prepared
    rows : ndarray of bool
        Shape (steps,).
    """
    return fit(prepared, rows & prepared.tuned & ~prepared.experts)


def fit_experts(prepared: Prepared, rows: NDArray[np.bool_], dense: Values, known: Values | None = None) -> Values:
    """Return the constants of dense models, and those that fit the mixtures of experts among some steps.

    Parameters
    ----------
    prepared : Prepared
    rows : ndarray of bool
        Shape (steps,).
    dense : Mapping[str, float]
        Constants of dense models.
    known : Mapping[str, float], optional
        Constants of a fit on all steps, for operations that one model alone has.
    """
    chosen = rows & prepared.tuned & prepared.experts
    return fit(prepared, chosen, _expert_priors(dense, known)) if chosen.any() else dense


def _expert_priors(dense: Values, known: Values | None) -> dict[str, Prior]:
    """Return the priors with all constants fixed but those of experts.

    Operations that one model alone has, such as scans, stay as `known`: a fold without that model says nothing of them.
    """
    fixed = {name: prior._replace(value=dense[name], spread=0.0) for name, prior in PRIORS.items()}
    free = OF_EXPERTS if known is None else tuple(name for name in OF_EXPERTS if name not in OF_ONE_MODEL)
    kept = (
        {} if known is None else {name: PRIORS[name]._replace(value=known[name], spread=0.0) for name in OF_ONE_MODEL}
    )
    return fixed | {name: PRIORS[name] for name in free} | kept


def _expert_spreads(
    steps: Sequence[MeasuredStep], prepared: Prepared, values: Values, left_out: Array, new_model: Array
) -> tuple[dict[str, float], float]:
    """Return the spreads of mixtures of experts, and the median of measured / predicted where nothing is known.

    A new model has the variance between models and that within one. The few models make the interval that of Student's
    t distribution, and `FORM_SELECTION` widens it. Where the stack is not known either, a model left out and untuned
    software count alike.

    Parameters
    ----------
    steps : sequence of MeasuredStep
    prepared : Prepared
    values : Values
        Constants of the fit.
    left_out : ndarray
        Residuals with the family left out [1].
    new_model : ndarray
        Residuals with the model left out; those of the fit for untuned software [1].
    """
    import numpy as np
    from scipy.stats import t

    tuned = prepared.experts & prepared.tuned

    def means(keys: Sequence[str], rows: NDArray[np.bool_]) -> Array:
        names = np.array(keys)
        return np.array([new_model[rows & (names == name)].mean() for name in dict.fromkeys(names[rows].tolist())])

    models = [step.architecture.name for step in steps]
    of_models = means(models, tuned)
    within = math.sqrt(
        sum(float(((new_model[rows] - new_model[rows].mean()) ** 2).sum())
            for name in set(np.array(models)[tuned].tolist())
            for rows in [tuned & (np.array(models) == name)]) / max(int(tuned.sum()) - len(of_models), 1)
    )  # fmt: skip
    half = normal_quantile((1 + fitting.INTERVAL) / 2)

    def predictive(units: Array, center: float) -> float:
        """Return the spread of a new unit: Student's t with few units, in units of the normal distribution."""
        degrees = max(len(units) - 1, 1)
        variance = float(((units - center) ** 2).sum()) / degrees * (1 + 1 / len(units))
        return math.sqrt(variance) * float(t.ppf((1 + fitting.INTERVAL) / 2, degrees)) / half

    untuned = prepared.experts & ~tuned
    units = np.concatenate([of_models, means([step.family for step in steps], untuned)])
    center = float(units.mean())
    usual = np.log(predict(prepare([step._replace(features=Features()) for step in steps]), values) / prepared.seconds)
    known = fitting.spread_of(left_out[tuned])
    spreads = {
        "experts": known,
        "experts_model": FORM_SELECTION * math.hypot(predictive(of_models, 0.0), within),
        "experts_stack": math.hypot(predictive(units, center), within),
        "features": math.sqrt(max(fitting.spread_of(usual[tuned]) ** 2 - known**2, 0.0)),
    }
    return spreads, math.exp(-center)


def _spreads(prepared: Prepared, left_out: Array, logs: Logs) -> dict[str, float]:
    """Return the spreads by case, such that 80 % of the rows left out lie within their 80 % interval."""
    import numpy as np

    multi = prepared.families != GRID
    dense = multi & ~prepared.experts & prepared.tuned

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
            np.where(multi, groups, GRID), lambda rows: fit_dense(prepared, rows), logs, names
        )
        residuals = np.where(np.isnan(without), left_out, without)
        return math.sqrt(max(spread(residuals[dense], groups[dense]) ** 2 - usual**2, 0.0))

    stacks = np.array([family_stack(family) for family in prepared.families])
    open_layout, usual = left_out[prepared.open_layout & prepared.tuned], spread(left_out[dense])
    return {
        "dense": usual,
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
    untuned = ~fitted.prepared.tuned
    grid, experts = fitted.prepared.families == GRID, fitted.prepared.experts
    tuned = ~grid & ~untuned
    summary = [
        error_line(name, logs[rows], 0.15)
        for name, logs, rows in (
            ("all, in the fit", fitted.inside, tuned),
            ("dense, in the fit", fitted.inside, tuned & ~experts),
            ("mixtures of experts, in the fit", fitted.inside, tuned & experts),
            ("grid, in the fit", fitted.inside, grid),
            ("all, family left out", fitted.left_out, tuned),
            ("mixtures of experts, model left out", fitted.new_model, tuned & experts),
            ("mixtures of experts, untuned software", fitted.inside, untuned),
        )
        if rows.any()
    ]
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    folds = fitting.fold_rows("family", fitted.folds, free, f"{_SOURCE}, without the family")
    for kind, others in (("model", fitted.model_folds), ("software", fitted.stack_folds)):
        named = {f"{kind} {name}": values for name, values in others.items()}
        folds += fitting.fold_rows("family", named, free, f"{_SOURCE}, without mixtures of experts of the {kind}")
    return Refitted({"fitted/efficiency": _constant_rows(fitted), "fitted/folds/efficiency": folds}, summary)


def _constant_rows(fitted: StepTimeFit) -> list[Row]:
    rows = fitting.constant_rows(fitted.values, PRIORS, f"{_SOURCE}, {len(fitted.steps)} steps", TIED)
    source = f"{_SOURCE}: median of measured / predicted of models left out and of untuned software"
    rows += [fitting.other_row("fitted", "untuned", f"{fitted.untuned_factor:.4f}", "1", source)]
    rows += [fitting.other_row("spread", name, f"{spread:.4f}", "1", f"{_SOURCE}: residuals of {_SPREADS[name]}")
             for name, spread in fitted.spreads.items()]  # fmt: skip
    tuned = [step for step in fitted.steps if not step.untuned]
    numbers = Counter(step.cluster.accelerator.name for step in tuned)
    models = Counter(step.architecture.name for step in tuned if step.architecture.kind == "moe")
    source = f"data/{STEPS}.csv and data/{GRID_STEPS}.csv"
    rows += [
        fitting.other_row("measured", name, str(number), "rows", source) for name, number in sorted(numbers.items())
    ]
    rows += [
        fitting.other_row("measured_moe", name, str(number), "rows", f"data/{STEPS}.csv")
        for name, number in sorted(models.items())
    ]
    return rows
