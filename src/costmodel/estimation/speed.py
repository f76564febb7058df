"""The MFU and the goodput of a scenario. This module decides which MFU an estimate uses.

The MFU is, in this order: given (`Scenario.mfu`); derived from a measured speed (`Scenario.step_time` or
`Scenario.tokens_per_second`); predicted by the step-time model for a given layout; predicted for the fastest layout of
a search; or the default of the class of model and accelerator, where the step-time model has not enough data. In a
planned layout `chain.gpu_time` multiplies the modeled MFU by the realized efficiency of published jobs, or by that of
the scenario.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.estimation.measured_speed import measured_speed
from costmodel.estimation.pass_speed import MOST_MFU, Rollout, generated, pass_mfus
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.ranges import Range, between, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.training.jobs.generation_efficiency import class_mfu
from costmodel.training.jobs.realized_efficiency import realized_efficiency
from costmodel.training.jobs.throughput import runs_in_eight_bits
from costmodel.training.layouts.changes import Case
from costmodel.training.layouts.division import division_warning, settled_batch
from costmodel.training.layouts.fitting import step_fit_probability
from costmodel.training.layouts.least_memory import LeastMemory, check_least_memory, check_states, compare_together
from costmodel.training.layouts.planner import Plan, plan, plans
from costmodel.training.layouts.refusal import check_fits, plan_caution
from costmodel.training.layouts.step_result import StepFigures, time_bounds
from costmodel.training.layouts.step_time import (
    StepInputs,
    feasible_step_time,
    step_parts,
    step_time,
    training_step_inputs,
)
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.layout import Kernel, Layout, layout_of, layouts
from costmodel.training.step.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.architecture.specification import Architecture
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes.registry import AnyRecipe

Basis = Literal["given", "measured", "layout", "planned", "class", "none"]
"""Origin of the MFU; "none" where GPU-hours are given."""


class Speed(NamedTuple):
    """The speed of a scenario: origin of the MFU, layouts, batch sizes, memory and MFU."""

    basis: Basis
    layouts: tuple[Layout, ...] = ()
    """Layout of each recipe whose time is computed."""
    batches: tuple[int, ...] = ()
    """Global batch size of each such recipe [sequences]."""
    memory: tuple[Memory, ...] = ()
    """Peak memory per GPU of each such recipe, by component [byte]."""
    fit_probability: float = 1.0
    """Probability that the recipe that needs most memory fits [1]."""
    fit_caution: str = ""
    """That the planned layout may not fit, with what would help; empty if it fits as asked."""
    figures: tuple[Figure, ...] = ()
    """MFU in steady state of each pass, or one MFU for all."""
    rollouts: tuple[Rollout, ...] = ()
    """Rollout of each recipe of reinforcement learning."""
    colocated_bytes: float = 0.0
    """Most memory of a rollout engine on accelerators that also train [byte]."""
    least_memory: LeastMemory | None = None
    """Least memory of the recipe that needs most over all layouts, where none is planned."""


def speed(scenario: Scenario) -> Speed:
    """Return the speed of a scenario: MFU, layouts, batch sizes and memory.

    Parameters
    ----------
    scenario : Scenario

    Raises
    ------
    InputError
        If the accelerator lacks the precision, the given layout is not valid or does not fit into memory, or no layout
        fits.
    """
    precision_factor = _precision_factor(scenario)
    timed = [recipe for recipe in scenario.recipes if recipe.gpu_hours is None]
    if scenario.gpu_hours is not None or not timed:
        return Speed("none")
    if scenario.mfu is not None:
        for recipe in timed:
            check_states(scenario.architecture, recipe, scenario.cluster)
        value = scenario.mfu
        spread = value if isinstance(value, Range) else None
        return Speed("given", figures=(Figure(middle(value), spread, Provenance("given")),))
    if measured_speed(scenario) is not None:
        return Speed("measured")
    if scenario.layout is not None:
        return _in_given_layout(scenario, scenario.layout, timed)
    try:
        return _in_planned_layout(scenario, timed)
    except MissingFactError as error:
        return _class_default(scenario, timed, str(error), precision_factor)


def plan_together(scenarios: Sequence[Scenario]) -> list[tuple[Architecture, AnyRecipe, Cluster]]:
    """Plan the layouts of several scenarios at once, so that `speed` finds them: several times faster than one by one.

    Scenarios and recipes with a given speed, layout or GPU-hours need no plan.

    Parameters
    ----------
    scenarios : sequence of Scenario

    Returns
    -------
    list of tuple
        Model, recipe and cluster of those whose accelerator has no measured steps: their layouts are not planned.
    """
    by_kernel: dict[Kernel, list[StepInputs]] = {}
    without_times: list[tuple[Architecture, AnyRecipe, Cluster]] = []
    for scenario in scenarios:
        given = ("gpu_hours", "mfu", "step_time", "tokens_per_second", "layout")
        if any(getattr(scenario, name) is not None for name in given) or scenario.architecture.is_aggregate:
            continue
        for recipe in scenario.recipes:
            if recipe.gpu_hours is not None:
                continue
            with suppress(CostModelError):  # `speed` reports it
                try:
                    found = _planning_inputs(scenario, recipe)
                except MissingFactError:
                    without_times.append((scenario.architecture, recipe, scenario.cluster))
                else:
                    by_kernel.setdefault(recipe.trainer.attention, []).append(found)
    for kernel, step_inputs in by_kernel.items():
        plans(step_inputs, kernel)
    compare_together(without_times)
    return without_times


def _in_given_layout(scenario: Scenario, layout: Layout, timed: list[AnyRecipe]) -> Speed:
    """Return the speed in a given layout, with the uncertainty of the step-time model."""
    architecture, cluster = scenario.architecture, scenario.cluster
    steps = [step_time(architecture, cluster, recipe, layout, scenario.efficiency).si for recipe in timed]
    figures: list[Figure] = []
    batches: list[int] = []
    for step, recipe in zip(steps, timed, strict=True):
        step_inputs = training_step_inputs(architecture, cluster, recipe, scenario.efficiency)
        check_fits(Case(architecture, cluster, recipe, layout, scenario.efficiency), step)
        used: Layout = step.layout
        numbers = layouts(used)
        figure = _with_caution(step_figure(step, scenario, recipe), division_warning(step_inputs, numbers))
        figures += pass_mfus(scenario, recipe, numbers, figure)
        batches.append(int(settled_batch(step_inputs, numbers)))
    memories = tuple(_with_auxiliary(step.memory, recipe, scenario) for step, recipe in zip(steps, timed, strict=True))
    probability = min(float(step.fit_probability) for step in steps)
    chosen: tuple[Layout, ...] = tuple(step.layout for step in steps)
    return _with_rollouts(
        Speed("layout", chosen, tuple(batches), memories, probability, figures=tuple(figures)), scenario, timed
    )


def planned_time(scenario: Scenario) -> float | None:
    """Return the time of the first recipe if its given layout were planned / its time in the given layout [1].

    A plan counts with software that is not named, and with the realized efficiency of published jobs.

    Parameters
    ----------
    scenario : Scenario

    Returns
    -------
    float or None
        None where a plan has the same efficiency: without a given layout, with an efficiency of one's own, and in
        reinforcement learning.
    """
    recipe = next((recipe for recipe in scenario.recipes if recipe.gpu_hours is None), None)
    layout, architecture, cluster = scenario.layout, scenario.architecture, scenario.cluster
    if recipe is None or layout is None or _has_own_efficiency(scenario) or recipe.job_kind == "reinforcement":
        return None
    given = step_time(architecture, cluster, recipe, layout, scenario.efficiency).si
    used: Layout = given.layout
    planned = step_parts(_planning_inputs(scenario, recipe), layouts(used)).breakdown.total
    efficiency = realized_efficiency(recipe.job_kind, cluster.count, moe=architecture.kind == "moe").value
    return planned / (given.seconds * efficiency)


def _with_auxiliary(trained: Memory, recipe: AnyRecipe, scenario: Scenario) -> Memory:
    """Return the memory with that of the auxiliary models (reference, reward, critic, teacher)."""
    count = recipe.training_gpus(scenario.cluster.count)
    return trained._replace(auxiliary_models=recipe.auxiliary_bytes(scenario.architecture) / count)


def step_figure(step: StepFigures, scenario: Scenario, recipe: AnyRecipe) -> Figure:
    """Return the MFU of a step, with the uncertainty of the step-time model [1]."""
    low, high = time_bounds(step)
    mfu = float(step.mfu)
    most = min(mfu * step.seconds / low, MOST_MFU)
    spread = between(mfu * step.seconds / high, most, level=0.8).settled("logitnormal")
    source = (scenario.efficiency or default_efficiency()).source
    note = f"step-time model, layout {step.layout.brief()}: {step.seconds:.3g} s per step"
    return Figure(mfu, spread, Provenance("fitted", source, note=note))


def _in_planned_layout(scenario: Scenario, timed: list[AnyRecipe]) -> Speed:
    """Return the speed in the fastest layout of a search, corrected by the realized efficiency of published runs."""
    if scenario.architecture.is_aggregate:
        raise MissingFactError("the architecture has parameter counts but no layers")
    figures: list[Figure] = []
    chosen: list[Layout] = []
    planned_steps: list[tuple[StepInputs, Plan]] = []
    for recipe in timed:
        step_inputs = _planning_inputs(scenario, recipe)
        planned = _plan(scenario, recipe, step_inputs)
        planned_steps.append((step_inputs, planned))
        chosen.append(layout_of(list(planned.layout)))
        figure = _with_caution(_modeled(scenario, recipe, step_inputs, planned, chosen[-1]), planned.warning)
        figures += pass_mfus(scenario, recipe, planned.layout, figure)
    memories = tuple(
        _with_auxiliary(planned.parts.memory, recipe, scenario)
        for recipe, (_, planned) in zip(timed, planned_steps, strict=True)
    )
    probabilities = [
        step_fit_probability(step_inputs, float(planned.parts.memory.total), planned.parts.host_bytes)
        for step_inputs, planned in planned_steps
    ]
    probability = min(probabilities)
    worst = probabilities.index(probability)
    case = Case(scenario.architecture, scenario.cluster, timed[worst], chosen[worst], scenario.efficiency)
    caution = plan_caution(case, *planned_steps[worst], probability)
    batches = tuple(int(planned.batch_size) for _, planned in planned_steps)
    found = Speed("planned", tuple(chosen), batches, memories, probability, caution, tuple(figures))
    return _with_rollouts(found, scenario, timed)


def _with_rollouts(found: Speed, scenario: Scenario, timed: list[AnyRecipe]) -> Speed:
    """Return a speed with the rollouts of reinforcement learning."""
    rollouts, beside = [], 0.0
    for recipe in (each for each in timed if each.job_kind == "reinforcement"):
        for each_pass in recipe.passes(scenario.architecture):
            if each_pass.kind == "generate":
                rollouts.append(generated(scenario, recipe, each_pass))
                beside = max(beside, rollouts[-1].memory if recipe.colocates else 0.0)
    return found._replace(rollouts=tuple(rollouts), colocated_bytes=beside)


def _has_own_efficiency(scenario: Scenario) -> bool:
    """Tell whether the speed of the user's software is known, from measured steps or as a realized efficiency."""
    calibrated = scenario.efficiency is not None and scenario.efficiency.calibrated
    return calibrated or scenario.realized_efficiency is not None


def _planning_inputs(scenario: Scenario, recipe: AnyRecipe) -> StepInputs:
    """Return the inputs of a training step whose layout is planned."""
    software = None if _has_own_efficiency(scenario) else recipe.trainer.planned
    step_inputs = training_step_inputs(scenario.architecture, scenario.cluster, recipe, scenario.efficiency, software)
    if scenario.planned_fit_probability == step_inputs.planned_fit_probability:
        return step_inputs
    return step_inputs._replace(planned_fit_probability=scenario.planned_fit_probability)


def _modeled(scenario: Scenario, recipe: AnyRecipe, step_inputs: StepInputs, planned: Plan, layout: Layout) -> Figure:
    """Return the MFU of a planned layout according to the step-time model.

    The realized efficiency of published jobs contains the error of the model and the effect of the software. So the MFU
    is that of software that is not known, without a spread.
    """
    efficiency, experts = scenario.efficiency or default_efficiency(), scenario.architecture.kind == "moe"
    step = feasible_step_time(step_inputs, planned.layout, layout, scenario.cluster, experts, efficiency, planned.parts)
    figure = step_figure(step, scenario, recipe)
    return figure if _has_own_efficiency(scenario) else figure._replace(spread=None)


def _with_caution(figure: Figure, caution: str) -> Figure:
    return figure._replace(provenance=figure.provenance._replace(caution=caution))


def _plan(scenario: Scenario, recipe: AnyRecipe, step_inputs: StepInputs) -> Plan:
    """Return the planned layout; with the full search, the fastest of the whole space if any fits."""
    planned = plan(step_inputs, recipe.trainer.attention)
    if scenario.search == "bounded":
        return planned
    from costmodel.training.layouts.search import search_layouts

    try:
        search = search_layouts(
            scenario.architecture,
            scenario.cluster,
            recipe,
            efficiency=scenario.efficiency,
            fit_probability=scenario.planned_fit_probability,
        )
    except InputError:  # only a fallback of the planner fits
        return planned
    if search.caution:  # a fallback of the planner fits at least as probably
        return planned
    best: Layout = search.best.layout
    layout = layouts(best)
    batch = settled_batch(step_inputs, layout)
    if planned.seconds / planned.batch_size < search.best.seconds / batch:
        return planned
    needed = search.best.si.memory.total
    warning = division_warning(step_inputs, layout)
    parts = step_parts(step_inputs, layout)
    return Plan(layout, batch, search.best.seconds, needed, parts, search.evaluated, warning)


def _class_default(scenario: Scenario, timed: list[AnyRecipe], reason: str, precision_factor: float) -> Speed:
    """Return the speed of the class of model and accelerator, with the least memory that the job needs."""
    architecture, cluster = scenario.architecture, scenario.cluster
    checked = [check_least_memory(architecture, recipe, cluster) for recipe in timed]
    least = min((each for each in checked if each is not None), key=lambda each: each.probability, default=None)
    eight_bit = all(runs_in_eight_bits(cluster.accelerator, recipe.precision) for recipe in timed)
    figure = class_mfu(architecture, cluster.accelerator, eight_bit, precision_factor)
    caution = (
        f"MFU is the default of the class of model and accelerator, not of the step-time model: {reason}; "
        f"{figure.provenance.note}"
    )
    if least is None:
        caution += f"; the memory of {cluster.accelerator.name} is not known: whether the job fits is not checked"
    trained = figure._replace(provenance=figure.provenance._replace(caution=caution))
    passes = [each_pass for recipe in timed for each_pass in recipe.passes(architecture)]
    figures: tuple[Figure, ...] = (trained,)
    if any(each_pass.kind == "generate" for each_pass in passes):
        figures = tuple(figure for recipe in timed for figure in pass_mfus(scenario, recipe, None, trained))
    probability = 1.0 if least is None else least.probability
    found = Speed("class", fit_probability=probability, least_memory=least, figures=figures)
    return found if len(figures) == 1 else _with_rollouts(found, scenario, timed)


def goodput_figures(scenario: Scenario, basis: Basis) -> dict[str, tuple[str, Figure]]:
    """Return the inputs of the goodput by path, each with its unit.

    The goodput itself is the input where it is given, and where the MFU is a default of a class: that MFU was
    fitted together with a typical goodput. Otherwise failures, interruptions of spot instances, checkpoints and
    restarts are the inputs.

    Parameters
    ----------
    scenario : Scenario
    basis : Basis
        Origin of the MFU.
    """
    if scenario.goodput is not None:
        value = scenario.goodput
        spread = value if isinstance(value, Range) else None
        return {"goodput": ("1", Figure(middle(value), spread, Provenance("given")))}
    if basis == "class":
        return {"goodput": ("1", default("goodput"))}
    cluster = scenario.cluster
    spot_instance = cluster.node_size if scenario.prices.interruptible else None
    figures = scenario.reliability.figures(cluster.count, spot_instance)
    return {f"reliability.{name}": figure for name, figure in figures.items()}


def _precision_factor(scenario: Scenario) -> float:
    """Return the peak rate at the slowest precision of the recipes / the bf16 peak, at most 1 [1].

    The class default is fitted on 16-bit and 8-bit runs. Slower formats scale it down; faster formats do not raise it.
    """
    accelerator = scenario.cluster.accelerator
    shares = [1.0]
    for index, recipe in enumerate(scenario.recipes):
        try:
            shares.append(accelerator.peak(recipe.precision) / accelerator.peak())
        except MissingFactError as error:
            if recipe.precision != "bf16" or accelerator.usual_precision != "bf16":
                place = "recipe" if len(scenario.recipes) == 1 else f"recipe.{index}"
                raise InputError(f"{place}.precision: {error}") from None
    return min(shares)
