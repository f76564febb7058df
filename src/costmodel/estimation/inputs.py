"""The inputs of an estimate: each one given, looked up, fitted or assumed, with its source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from costmodel.estimation.bill import line_steps, purchases_line
from costmodel.estimation.chain import Missing, Part, Placement, Stage, Step, ancestors, run, steps
from costmodel.estimation.climate import NO_CONTRACT, climate_steps, contracts_of, given_figure, put_climate
from costmodel.estimation.measured_speed import check_measured_speed, measured_speed
from costmodel.estimation.other_lines import other_charges
from costmodel.estimation.pass_speed import weight_sync_bytes
from costmodel.estimation.paths import field_of
from costmodel.estimation.power import job_power
from costmodel.estimation.speed import Speed, goodput_figures, speed
from costmodel.foundation.errors import MissingFactError, UnknownNameError
from costmodel.foundation.ranges import Range, between, middle
from costmodel.foundation.tables import Figure, Provenance, default
from costmodel.foundation.units import GIB, SI_FACTOR
from costmodel.training.jobs.realized_efficiency import ROLLOUT, realized_efficiency
from costmodel.training.layouts.fitting import MEMORY_ERROR, SAFE_PROBABILITY, below
from costmodel.training.recipes.passes import Pass, pass_flops, passes_of
from costmodel.training.recipes.trained import trainable_parameters

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.estimation.pass_speed import Rollout
    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.market.charges import CostLine
    from costmodel.training.layouts.least_memory import LeastMemory
    from costmodel.training.recipes.registry import AnyRecipe

GIVEN = Provenance("given")
_PARTS: dict[str, Part] = {
    **{"rollout": "rollout", "reward": "scoring", "old": "scoring", "value": "scoring"},
    **{"reference": "reference", "train": "update", "critic": "update"},
}
"""Part of a step of reinforcement learning by name of the pass."""
_MEASURED = Provenance("given", note="measured")
_ASSUMED_BATCH = Provenance("assumed", "costmodel.training.recipes.pretraining", note="default batch size")


class Input(NamedTuple):
    """An input of the calculation: SI value, SI range or None, the unit for printing, and its provenance."""

    value: float
    spread: Range | None
    unit: str
    provenance: Provenance

    def interval(self) -> list[float] | None:
        """Return the 10 % and the 90 % quantile in the unit of the field."""
        if self.spread is None:
            return None
        return [self.spread.quantile(probability) / SI_FACTOR[self.unit] for probability in (0.1, 0.9)]

    def shown(self) -> tuple[float, str]:
        """Return the value in the unit of the field, and that unit."""
        return self.value / SI_FACTOR[self.unit], "" if self.unit == "1" else self.unit


class Resolved(NamedTuple):
    """Everything that the calculation starts from: inputs by path, missing ones, steps, lines of the bill, speed."""

    inputs: dict[str, Input]
    missing: dict[str, Missing]
    steps: tuple[Step, ...]
    lines: tuple[CostLine, ...]
    speed: Speed
    results: dict[str, float | Missing]
    """Results of the steps up to the utilization, and missing inputs, by name."""


def resolve(scenario: Scenario) -> Resolved:
    """Return the inputs of a scenario, each with its provenance, and the steps of the calculation."""
    inputs: dict[str, Input] = {}
    missing: dict[str, Missing] = {}

    def put(path: str, unit: str, figure: Figure | Callable[[], Figure]) -> None:
        try:
            resolved = figure if isinstance(figure, Figure) else figure()
        except MissingFactError as error:
            missing[path] = Missing(f"{field_of(path)}: {error}")
        except UnknownNameError as error:
            raise UnknownNameError(f"{field_of(path)}: {error}") from None
        else:
            factor = SI_FACTOR[unit]
            spread = resolved.spread
            if spread is not None and (factor != 1.0 or spread.unit):
                spread = spread.scaled(factor, "")
            inputs[path] = Input(resolved.value * factor, spread, unit, resolved.provenance)

    job_speed = speed(scenario)
    accelerator = scenario.cluster.accelerator
    put("cluster.count", "1", Figure(float(scenario.cluster.count), None, GIVEN))
    put("cluster.peak", "TFLOP/s", lambda: _peak(accelerator))
    stages, purchases = _put_recipes(scenario, job_speed, put)
    reliability = _put_goodput(scenario, job_speed, put)
    charges = scenario.prices.charges(scenario.cluster)
    bought = (purchases_line(purchases),) if purchases else ()
    others = other_charges(scenario, *(tuple(f"cost.{line.name}" for line in part) for part in (charges.lines, bought)))
    lines = (*charges.lines, *bought, *others.lines)
    site = scenario.cluster.site
    climate = climate_steps(contracts_of(site), site.idle_energy is not None)
    chain = steps(stages, reliability, climate, line_steps(lines))
    known: dict[str, float | Missing] = {**missing, **{path: each.value for path, each in inputs.items()}}
    if not contracts_of(site):
        missing["site.market_intensity"] = NO_CONTRACT
    results = run(ancestors(chain, "utilization"), known)
    put_climate(scenario.cluster, scenario.prices, lambda: job_power(scenario, stages, results), put)
    for path, (unit, figure) in {**charges.inputs, **others.inputs}.items():
        put(path, unit, figure)
    if (measured := measured_speed(scenario)) is not None:
        check_measured_speed(measured, scenario.recipes[0], accelerator, inputs)
    return Resolved(inputs, missing, chain, lines, job_speed, {**results, **missing})


Put = Callable[[str, str, Figure | Callable[[], Figure]], None]


def _put_recipes(scenario: Scenario, job_speed: Speed, put: Put) -> tuple[tuple[Stage, ...], tuple[str, ...]]:
    """Put the inputs of each recipe; return its passes as stages, and the names of its purchases."""
    stages: list[Stage] = []
    purchases: list[str] = []
    measured = measured_speed(scenario)
    before: list[AnyRecipe] = []
    for index, recipe in enumerate(scenario.recipes):
        prefix = "recipe." if len(scenario.recipes) == 1 else f"recipe.{index}."
        put(f"{prefix}tokens", "token", given_figure(recipe.trained_tokens()))
        purchase = recipe.purchases()
        if purchase is not None:
            purchases.append(f"{prefix}purchases")
            put(purchases[-1], "USD", purchase)
        if scenario.gpu_hours is not None or recipe.gpu_hours is not None:
            stages.append(_put_given_time(scenario, recipe, prefix, put))
            continue
        passes_before = sum(stage.timing == "utilization" for stage in stages)
        stages += _put_passes(scenario, _Timed(recipe, prefix, job_speed, tuple(before), passes_before), put)
        before.append(recipe)
    if scenario.gpu_hours is not None:
        put("gpu_time", "hour", given_figure(scenario.gpu_hours))
    if measured is not None:
        put(measured.name, measured.unit, given_figure(measured.value)._replace(provenance=_MEASURED))
    elif any((stage.timing, stage.utilization) == ("utilization", "mfu") for stage in stages):
        put("mfu", "1", job_speed.figures[0])
    _put_memory(job_speed, put)
    return tuple(stages), tuple(purchases)


def _put_memory(job_speed: Speed, put: Put) -> None:
    """Put the peak memory and the probability to fit; without a layout only the latter, of the least memory."""
    if job_speed.rollouts:
        put("rollout_memory", "GiB", _rollout_memory(job_speed))
    if job_speed.memory:
        put("memory", "GiB", _peak_memory(job_speed))
        put("fit_probability", "1", _fit_probability(job_speed))
    elif job_speed.least_memory is not None:
        put("fit_probability", "1", _least_fit_probability(job_speed.least_memory))


class _Timed(NamedTuple):
    """A recipe whose time is computed, and the speed of the job."""

    recipe: AnyRecipe
    prefix: str
    speed: Speed
    before: tuple[AnyRecipe, ...]
    """Recipes before this one whose time is computed."""
    passes_before: int
    """Passes of these recipes."""

    @property
    def modeled(self) -> bool:
        """Whether each pass has a utilization of its own."""
        return len(self.speed.figures) > 1

    @property
    def rollout(self) -> Rollout | None:
        """The modeled rollout of a recipe of reinforcement learning."""
        if self.recipe.job_kind != "reinforcement" or not self.modeled:
            return None
        return self.speed.rollouts[sum(recipe.job_kind == "reinforcement" for recipe in self.before)]

    def mfu(self, number: int) -> Figure:
        """Return the MFU of a pass of the recipe, the first of which has number 0."""
        return self.speed.figures[self.passes_before + number if self.modeled else 0]

    def sequences(self, count: int) -> int:
        """Return the global batch size in sequences."""
        return self.speed.batches[len(self.before)] if self.speed.batches else self.recipe.sequences(count)


def _put_given_time(scenario: Scenario, recipe: AnyRecipe, prefix: str, put: Put) -> Stage:
    """Put the inputs of a recipe whose GPU time is given; return its stage."""
    flops = sum(pass_flops(each_pass) for each_pass in passes_of(recipe, scenario.architecture))
    per_token = flops / middle(recipe.trained_tokens())
    put(f"{prefix}flops_per_token", "FLOP/token", Figure(per_token, None, _counted(scenario.architecture)))
    if recipe.gpu_hours is not None:
        put(f"{prefix}gpu_time", "hour", given_figure(recipe.gpu_hours))
    return Stage(prefix, prefix, "given" if scenario.gpu_hours is None else "total given")


def _put_passes(scenario: Scenario, timed: _Timed, put: Put) -> list[Stage]:
    """Put the inputs of a recipe whose time is computed; return its passes as stages."""
    recipe, prefix = timed.recipe, timed.prefix
    passes = passes_of(recipe, scenario.architecture)
    efficiency = _realized_efficiency(scenario, recipe, timed.speed)
    efficiency_path = "" if efficiency is None else f"{prefix}realized_efficiency"
    if efficiency is not None:
        put(efficiency_path, "1", efficiency)
    rollout_path = efficiency_path
    placement: Placement = ""
    if timed.rollout is not None:
        rollout_path, placement = _put_rollout(scenario, timed, timed.rollout, efficiency_path, put)
    measured = measured_speed(scenario)
    trained = next(each_pass for each_pass in passes if each_pass.kind == "train")
    batch = timed.sequences(recipe.training_gpus(scenario.cluster.count))
    put(f"{prefix}batch_tokens", "token", _batch_tokens(scenario, recipe, trained, batch))
    least = recipe.batch_tokens(batch, trained) > middle(recipe.trained_tokens())
    stages: list[Stage] = []
    for number, each_pass in enumerate(passes):
        generates = each_pass.kind == "generate"
        stage = Stage(
            prefix if len(passes) == 1 else f"{prefix}{each_pass.name}.",
            prefix,
            timing="measured" if measured and len(passes) > 1 else "utilization",
            stepped=True,
            realized_efficiency=rollout_path if generates else efficiency_path,
            least_tokens=f"{prefix}batch_tokens" if least else "",
            measured=measured.name if measured else "",
            part=_PARTS.get(each_pass.name, "") if timed.rollout is not None else "",
            placement=placement,
        )
        per_token = pass_flops(each_pass) / middle(recipe.trained_tokens())
        put(f"{stage.prefix}flops_per_token", "FLOP/token", Figure(per_token, None, _counted(each_pass.architecture)))
        if timed.modeled or efficiency is not None:
            stage = stage._replace(utilization=f"{stage.prefix}{'decode_mfu' if generates else 'mfu'}")
            figure = timed.mfu(number)
            if generates and rollout_path != efficiency_path:
                figure = figure._replace(spread=None)  # part of the realized efficiency of rollouts
            put(stage.utilization, "1", figure)
        stages.append(stage)
    return stages


def _put_rollout(
    scenario: Scenario, timed: _Timed, rollout: Rollout, efficiency_path: str, put: Put
) -> tuple[str, Placement]:
    """Put the inputs of a rollout; return the path of its realized efficiency, and how it shares the accelerators."""
    recipe, prefix, count = timed.recipe, timed.prefix, scenario.cluster.count
    passes = passes_of(recipe, scenario.architecture)
    weights = weight_sync_bytes(recipe, passes) / rollout.accelerators_per_replica
    put(f"{prefix}weight_sync.seconds", "s", _weight_sync(weights))
    path, given = efficiency_path, scenario.rollout_efficiency
    if given is not None or scenario.realized_efficiency is None:
        path = f"{prefix}rollout_efficiency"
        put(path, "1", realized_efficiency(ROLLOUT, count) if given is None else given_figure(given))
    trainers = recipe.training_gpus(count)
    if trainers == count:
        return path, ""
    put(f"{prefix}rollout_gpus", "1", given_figure(float(count - trainers)))
    put(f"{prefix}training_gpus", "1", given_figure(float(trainers)))
    return path, "at once" if recipe.generates_at_once else "in turns"


def _batch_tokens(scenario: Scenario, recipe: AnyRecipe, training_pass: Pass, batch: int) -> Figure:
    """Return the tokens of a step without padding [token], of `batch` sequences."""
    provenance = GIVEN if recipe.batch_size is not None else _ASSUMED_BATCH
    if scenario.step_time is not None and recipe.batch_size is None:
        provenance = provenance._replace(
            caution=f"step_time is taken for the default batch of {batch:,} sequences (recipe.batch_size)"
        )
    return Figure(recipe.batch_tokens(batch, training_pass), None, provenance)


def _realized_efficiency(scenario: Scenario, recipe: AnyRecipe, job_speed: Speed) -> Figure | None:
    """Return achieved speed / modeled speed of a job; None where the utilization contains it already."""
    if scenario.realized_efficiency is not None:
        return given_figure(scenario.realized_efficiency)
    calibrated = scenario.efficiency is not None and scenario.efficiency.calibrated
    reinforced = recipe.job_kind == "reinforcement"
    if calibrated or job_speed.basis not in ({"planned", "class", "layout"} if reinforced else {"planned", "class"}):
        return None
    if job_speed.basis == "class" and recipe.job_kind == "pretraining":
        return None
    return realized_efficiency(recipe.job_kind, scenario.cluster.count, moe=scenario.architecture.kind == "moe")


def _weight_sync(weights: float) -> Figure:
    """Return the time of sending weights to the rollout engine [s], from the bytes on each of its accelerators."""
    rate = default("weight_sync_rate")
    assert rate.spread is not None
    low, high = (weights / (rate.spread.quantile(p) * 1e9) for p in (0.9, 0.1))
    spread = between(low, high, level=0.8).settled("lognormal")
    return Figure(spread.median(), spread, rate.provenance)


def _rollout_memory(job_speed: Speed) -> Figure:
    """Return the memory of the rollout engine per GPU [GiB] of the recipe that needs most."""
    provenance = Provenance("fitted", "data/fitted/serving.csv", note="weights and KV cache of the serving model")
    return Figure(max(rollout.memory for rollout in job_speed.rollouts) / GIB, None, provenance)


def _peak_memory(job_speed: Speed) -> Figure:
    """Return the peak memory per GPU [GiB] of the recipe that needs most; engine and training take turns."""
    most = max(*(float(memory.total) for memory in job_speed.memory), job_speed.colocated_bytes) / GIB
    spread = between(most / MEMORY_ERROR, most * MEMORY_ERROR, level=0.8).settled("lognormal")
    provenance = Provenance(
        "fitted", "data/measurements/step_times.csv, rows with a measured memory", note="the memory model"
    )
    return Figure(most, spread, provenance)


def _fit_probability(job_speed: Speed) -> Figure:
    """Return the probability that the job fits in memory [1], with a caution where it may not."""
    note = f"peak memory with an error of a factor {MEMORY_ERROR:g} (80 %), against the usable memory"
    probability = job_speed.fit_probability
    caution = job_speed.fit_caution
    if not caution and probability < SAFE_PROBABILITY:
        likely = below(probability, SAFE_PROBABILITY)
        caution = f"the job fits in memory with a probability of {likely}; what_would_fit lists changes"
    source = "data/fitted/memory.csv"
    return Figure(probability, None, Provenance("fitted", source, note=note, caution=caution))


def _least_fit_probability(least: LeastMemory) -> Figure:
    """Return the probability that a job fits in its layout with least memory [1], with a caution where it may not."""
    needs = f"{least.needed / GIB:.1f} of {least.usable / GIB:.1f} GiB"
    note = f"{least.what} need {needs}; the layout of the job is not planned"
    caution = ""
    if least.probability < SAFE_PROBABILITY:
        likely = below(least.probability, SAFE_PROBABILITY)
        caution = f"the job fits in memory with a probability of {likely} at most"
    source = "data/fitted/memory.csv"
    return Figure(least.probability, None, Provenance("fitted", source, note=note, caution=caution))


def _put_goodput(scenario: Scenario, job_speed: Speed, put: Put) -> tuple[str, ...]:
    """Put the goodput, or the inputs that it is computed from; return the names of the latter."""
    if job_speed.basis == "none":
        return ()
    names = []
    for path, (unit, figure) in goodput_figures(scenario, job_speed.basis).items():
        put(path, unit, figure)
        if path != "goodput":
            names.append(path.removeprefix("reliability."))
    if names:
        put("trained_parameters", "1", checkpointed(scenario))
    return tuple(names)


def checkpointed(scenario: Scenario) -> Figure:
    """Return the parameters that a checkpoint holds [1]: those of the recipe that trains most.

    Parameters
    ----------
    scenario : Scenario
        Model and recipes of the job.
    """
    architecture = scenario.architecture
    if architecture.is_aggregate:
        return Figure(float(architecture.parameters.total), None, _counted(architecture))
    count = max(trainable_parameters(architecture, recipe) for recipe in scenario.recipes)
    provenance = _counted(architecture)
    if count < architecture.parameters.total:
        provenance = provenance._replace(note=f"trained ones of {architecture.name}: a checkpoint holds no others")
    return Figure(float(max(count, 1)), None, provenance)


def _peak(accelerator: Accelerator) -> Figure:
    note = f"dense {accelerator.usual_precision} peak of {accelerator.name}"
    provenance = Provenance("looked up", accelerator.source, note=note) if accelerator.source else GIVEN
    return Figure(accelerator.peak() / 1e12, None, provenance)


def _counted(architecture: Architecture) -> Provenance:
    if not architecture.is_aggregate:
        return Provenance(
            "looked up", architecture.source or "config", note=f"counted from {architecture.name}, causal"
        )
    caution = "" if architecture.depth else "FLOPs without core attention: only parameter counts are known"
    return Provenance("given", note="from parameter counts", caution=caution)
