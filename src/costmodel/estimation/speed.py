"""How fast does it run? Utilization and goodput: given, from the layout, from a planned one, or by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from costmodel.estimation.pass_speed import MOST_MFU, of_passes
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.ranges import Range, between, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.foundation.units import GIB
from costmodel.training.jobs.realized_pretraining import planned_mfu
from costmodel.training.jobs.utilization import default_mfu
from costmodel.training.layouts.planner import Plan, TooLargeError, plan
from costmodel.training.layouts.step_time import StepInputs, StepTime, step_time, training_step_inputs
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.layout import Layout, layout_of, layouts
from costmodel.training.step.memory import Memory, memory

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.training.recipes.registry import AnyRecipe

Basis = Literal["given", "layout", "planned", "class", "none"]
"""Where the utilization comes from; "none" where GPU-hours are given."""


class Speed(NamedTuple):
    """What is known of the speed of a scenario.

    `basis` of the utilization; for each recipe that is timed its layout, the sequences of a step, and the
    memory by part [byte].
    """

    basis: Basis
    layouts: tuple[Layout, ...] = ()
    batches: tuple[int, ...] = ()
    memory: tuple[Memory, ...] = ()
    figures: tuple[Figure, ...] = ()
    """Utilization in steady state of each recipe, or the one of all."""


def speed(scenario: Scenario) -> Speed:
    """Return what is known of the speed of a scenario.

    Raises
    ------
    InputError
        If the layout is not possible or does not fit, or the model fits on no layout.
    """
    timed = [recipe for recipe in scenario.recipes if recipe.gpu_hours is None]
    if scenario.gpu_hours is not None or not timed:
        return Speed("none")
    if scenario.mfu is not None:
        value = scenario.mfu
        spread = value if isinstance(value, Range) else None
        return Speed("given", figures=(Figure(middle(value), spread, Provenance("given")),))
    of_bf16 = _of_bf16(scenario)
    if scenario.layout is not None:
        return _of_layout(scenario, scenario.layout, timed)
    try:
        return _planned(scenario, timed)
    except MissingFactError as error:
        return _by_class(scenario, str(error), of_bf16)


def _of_layout(scenario: Scenario, layout: Layout, timed: list[AnyRecipe]) -> Speed:
    """Return the speed in a layout that is given, with the spread of the time model."""
    architecture, cluster = scenario.architecture, scenario.cluster
    steps = [step_time(architecture, cluster, recipe, layout, scenario.efficiency) for recipe in timed]
    figures: list[Figure] = []
    for step, recipe in zip(steps, timed, strict=True):
        auxiliary_bytes = recipe.auxiliary_bytes(architecture) / cluster.count
        if not step.fits:
            needed, held = (step.memory.total + auxiliary_bytes) / GIB, (cluster.accelerator.usable_memory or 0.0) / GIB
            raise InputError(f"layout: does not fit: it needs {needed:.1f} of the {held:g} GiB on each accelerator")
        figures += of_passes(scenario, recipe, layouts(layout), step_figure(step, scenario, recipe))
    held_by = tuple(_with_resident(step.memory, recipe, scenario) for step, recipe in zip(steps, timed, strict=True))
    return Speed("layout", tuple(layout for _ in timed), _batches(scenario, timed), held_by, tuple(figures))


def _with_resident(held: Memory, recipe: AnyRecipe, scenario: Scenario) -> Memory:
    """Return the memory with that of the models beside the trained one, which count as weights."""
    return held._replace(auxiliary_models=recipe.auxiliary_bytes(scenario.architecture) / scenario.cluster.count)


def step_figure(step: StepTime, scenario: Scenario, recipe: AnyRecipe) -> Figure:
    """Return the utilization of a step with the spread of the time model [1]."""
    low, high = step.interval(0.8)
    mfu = float(step.mfu)
    most = min(mfu * step.seconds / low, MOST_MFU)
    spread = between(mfu * step.seconds / high, most, level=0.8).settled("logitnormal")
    source = (scenario.efficiency or default_efficiency()).source
    note = f"the time model in the layout {step.layout.brief()}: {step.seconds:.3g} s a step"
    return Figure(mfu, spread, Provenance("fitted", source, note=note))


def _planned(scenario: Scenario, timed: list[AnyRecipe]) -> Speed:
    """Return the speed in the best layout of a bounded set, or of the whole space, as far as jobs reach it."""
    architecture, cluster = scenario.architecture, scenario.cluster
    if architecture.is_aggregate:
        raise MissingFactError("only the counts of the architecture are known, not its layers")
    figures: list[Figure] = []
    found = []
    calibrated = scenario.efficiency is not None and scenario.efficiency.calibrated
    for recipe in timed:
        asked = training_step_inputs(architecture, cluster, recipe, scenario.efficiency)
        planned = _plan(scenario, recipe, asked)
        found.append((asked, planned))
        if calibrated or recipe.kind != "pretraining":  # of fine-tunes no plans are published: as modeled
            figure = _measured(scenario, recipe, planned)
        else:
            figure = planned_mfu(architecture, cluster, asked, planned)
        figures += of_passes(scenario, recipe, planned.layout, figure)
    held = tuple(
        _with_resident(memory(asked.work, asked.numerics, planned.batch_size, planned.layout), recipe, scenario)
        for recipe, (asked, planned) in zip(timed, found, strict=True)
    )
    return Speed(
        "planned", tuple(layout_of(list(planned.layout)) for _, planned in found),
        tuple(int(planned.batch_size) for _, planned in found), held, tuple(figures),
    )  # fmt: skip


def _measured(scenario: Scenario, recipe: AnyRecipe, planned: Plan) -> Figure:
    """Return the utilization of a plan as the time model has it: what others reach of plans does not matter."""
    settled = recipe.replace(batch_size=int(planned.batch_size))
    layout = layout_of(list(planned.layout))
    step = step_time(scenario.architecture, scenario.cluster, settled, layout, scenario.efficiency)
    return step_figure(step, scenario, recipe)


def _plan(scenario: Scenario, recipe: AnyRecipe, asked: StepInputs) -> Plan:
    free = recipe.batch_size is None
    try:
        planned = plan(asked, free_batch=free)
    except TooLargeError:
        raise
    except InputError as error:
        raise MissingFactError(str(error)) from None
    if scenario.search == "bounded":
        return planned
    from costmodel.training.layouts.search import search_layouts

    settled = recipe.replace(batch_size=int(planned.batch_size))
    whole = search_layouts(scenario.architecture, scenario.cluster, settled, efficiency=scenario.efficiency)
    best = whole.best
    return Plan(layouts(best.layout), planned.batch_size, float(best.seconds), whole.evaluated)


def _by_class(scenario: Scenario, reason: str, of_bf16: float) -> Speed:
    mixture = scenario.architecture.kind == "moe"
    figure = default_mfu(mixture, scenario.cluster.accelerator, of_bf16)
    caution = f"utilization by class, not by the time model: {reason}"
    trained = figure._replace(provenance=figure.provenance._replace(caution=caution))
    timed = [recipe for recipe in scenario.recipes if recipe.gpu_hours is None]
    if not any(one.kind == "generate" for recipe in timed for one in recipe.passes(scenario.architecture)):
        return Speed("class", figures=(trained,))
    figures = [figure for recipe in timed for figure in of_passes(scenario, recipe, None, trained)]
    return Speed("class", figures=tuple(figures))


def _batches(scenario: Scenario, timed: list[AnyRecipe]) -> tuple[int, ...]:
    return tuple(recipe.sequences(scenario.cluster.count) for recipe in timed)


def goodput_figures(scenario: Scenario, basis: Basis) -> dict[str, tuple[str, Figure]]:
    """Return the inputs of the goodput by path: itself where it is given or typical, else those of failures.

    Each with the unit in which it is shown. The utilization of a class was fitted with the typical goodput.
    """
    if scenario.goodput is not None:
        value = scenario.goodput
        spread = value if isinstance(value, Range) else None
        return {"goodput": ("1", Figure(middle(value), spread, Provenance("given")))}
    if basis == "class":
        return {"goodput": ("1", default("goodput"))}
    found = scenario.reliability.figures(scenario.cluster.count)
    return {f"reliability.{name}": figure for name, figure in found.items()}


def _of_bf16(scenario: Scenario) -> float:
    """Return the peak of the slowest precision of the recipes as a share of that of bf16, at most 1.

    A default is fitted on 16-bit and 8-bit runs: slower formats are scaled down, faster ones not up.
    """
    accelerator = scenario.cluster.accelerator
    shares = [1.0]
    for index, recipe in enumerate(scenario.recipes):
        try:
            shares.append(accelerator.peak(recipe.precision) / accelerator.peak())
        except MissingFactError as error:
            if recipe.precision != "bf16":
                place = "recipe" if len(scenario.recipes) == 1 else f"recipe.{index}"
                raise InputError(f"{place}.precision: {error}") from None
    return min(shares)
