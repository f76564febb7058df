"""The calculation of an estimate: one ordered table of steps from inputs to figures.

The same table runs on floats (the central value) and on arrays (random draws), and `Estimate.explain` prints it.
All numbers are in SI units with FLOP, token, kg and USD. A GPU-second counts as a second.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

from costmodel.foundation.arrays import N, largest, smallest
from costmodel.foundation.tables import constant

GIVEN_UP = constant("given_up_goodput")
"""Goodput at which a run is given up [1]: one that does not reach it at the medians has no figures."""
MOST_OF_PEAK = constant("most_of_peak")
"""Highest MFU that a realized efficiency above 1 can lead to [1]: that of the fastest matrix products."""
Timing = Literal["utilization", "given", "total given", "measured"]
Part = Literal["", "rollout", "scoring", "reference", "update"]
Placement = Literal["", "in turns", "at once"]
MeasuredName = Literal["", "step_time", "tokens_per_second"]
"""Input that holds a measured speed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `name` [unit] = function(*inputs). `formula` states the function for readers."""

    name: str
    unit: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    formula: str


class Output(NamedTuple):
    """A figure of an estimate: its SI unit, how it is printed, the unit of its Quantity, and its title."""

    unit: str
    rendered: str
    shown: str
    title: str
    additive: bool = False
    """Whether the figures of runs in sequence can be added."""
    more_is_better: bool = False
    """Whether a target for the figure is a minimum; the target of other figures is a maximum."""


OUTPUTS: dict[str, Output] = {
    "flops": Output("FLOP", "FLOP", "FLOP", "compute", additive=True),
    "steps": Output("1", "", "1", "optimizer steps"),
    "step_time": Output("s", "s", "s", "step time"),
    "rollout_time": Output("s", "s", "s", "rollout, per step"),
    "scoring_time": Output("s", "s", "s", "scoring by reward, critic and old policy, per step"),
    "reference_time": Output("s", "s", "s", "scoring by the reference model, per step"),
    "update_time": Output("s", "s", "s", "policy update, per step"),
    "weight_sync_time": Output("s", "s", "s", "weight synchronization, per step"),
    "tokens_per_second": Output("token/s", "token/s", "token/s", "tokens per second", more_is_better=True),
    "tokens_per_second_per_gpu": Output(
        "token/s", "token/s", "token/s", "tokens per second per GPU", more_is_better=True
    ),
    "mfu": Output("1", "share", "1", "MFU (steady state)", more_is_better=True),
    "realized_efficiency": Output("1", "share", "1", "realized efficiency", more_is_better=True),
    "goodput": Output("1", "share", "1", "goodput", more_is_better=True),
    "memory": Output("byte", "byte", "GiB", "peak memory per GPU"),
    "rollout_memory": Output("byte", "byte", "GiB", "memory of the rollout engine per GPU"),
    "fit_probability": Output("1", "probability", "1", "fits in memory", more_is_better=True),
    "utilization": Output("1", "share", "1", "utilization of the job", more_is_better=True),
    "gpu_hours": Output("s", "GPU-s", "hour", "GPU time", additive=True),
    "wall_time": Output("s", "s", "day", "wall time", additive=True),
    "energy": Output("J", "J", "MWh", "energy", additive=True),
    "carbon": Output("kg", "kg", "tonne", "carbon (CO2e)", additive=True),
    "market_carbon": Output("kg", "kg", "tonne", "carbon, market-based", additive=True),
    "embodied_carbon": Output("kg", "kg", "tonne", "carbon, embodied", additive=True),
    "water": Output("m**3", "m**3", "m**3", "water", additive=True),
    "electricity_cost": Output("USD", "USD", "USD", "electricity (in the rent)", additive=True),
    "cost": Output("USD", "USD", "USD", "cost", additive=True),
}
"""The figures of an estimate, in the order in which they are printed. Each is a step or an input of that name."""


PARTS: tuple[Part, ...] = ("rollout", "scoring", "reference", "update")
"""Parts of a step of reinforcement learning that are passes."""


class Stage(NamedTuple):
    """One pass of a recipe, or a recipe whose GPU-hours are given, as the table of steps sees it."""

    prefix: str = "recipe."
    """Prefix of the names of its inputs."""
    recipe: str = "recipe."
    """Prefix of the names of the inputs of its recipe."""
    timing: Timing = "utilization"
    """How its GPU-hours are computed: from the utilization, given for the recipe or for the scenario, or measured for
    all passes of a step together."""
    stepped: bool = False
    """Whether the tokens of a step of its recipe are an input."""
    utilization: str = "mfu"
    """Name of the input that holds its utilization: "mfu" for all passes, or one of its own."""
    realized_efficiency: str = ""
    """Name of the input that holds its realized efficiency, or ""."""
    measured: MeasuredName = ""
    """Name of the input that holds its measured speed, from which the MFU follows, or ""."""
    least_tokens: str = ""
    """Name of the input that holds the tokens of a step, for a run that is shorter than one; else ""."""
    part: Part = ""
    """Part of a step of reinforcement learning, or ""."""
    placement: Placement = ""
    """When rollouts have accelerators of their own: whether they and the others run in turns or at once."""

    @property
    def timed_flops(self) -> str:
        """Name of the FLOPs that take its time: at least those of a step."""
        return f"{self.prefix}{'step_flops' if self.least_tokens else 'flops'}"


class Missing(NamedTuple):
    """A value that is not known, with the reason."""

    reason: str


def total_flops(tokens: N, flops_per_token: N) -> N:
    """Return the model FLOPs of a stage [FLOP]."""
    return tokens * flops_per_token


def least_flops(tokens: N, batch_tokens: N, flops_per_token: N) -> N:
    """Return the FLOPs of a run that has at least one step [FLOP]."""
    return largest(tokens, batch_tokens) * flops_per_token


def achieved_mfu(mfu: N, realized_efficiency: N | float = 1.0) -> N:
    """Return the MFU in steady state [1]: the modeled one times the realized efficiency, if there is one.

    A realized efficiency above 1 raises the MFU to `MOST_OF_PEAK` at most.
    """
    return smallest(mfu * realized_efficiency, largest(mfu, MOST_OF_PEAK))


def gpu_time(flops: N, peak: N, mfu: N, goodput: N, realized_efficiency: N | float = 1.0) -> N:
    """Return the GPU-seconds of a stage [s]: model FLOPs / achieved FLOP/s."""
    return flops / (peak * goodput * achieved_mfu(mfu, realized_efficiency))


def mfu_of_step_time(batch_tokens: N, flops_per_token: N, count: N, peak: N, seconds: N) -> N:
    """Return the MFU of a measured step time [1]."""
    return batch_tokens * flops_per_token / (count * peak * seconds)


def mfu_of_tokens_per_second(flops_per_token: N, count: N, peak: N, rate: N) -> N:
    """Return the MFU of the measured tokens per second of the whole cluster [1]."""
    return rate * flops_per_token / (count * peak)


def mean_mfu(stages: int, *flops_and_times: N) -> N:
    """Return the MFU in steady state of several stages [1]: all FLOPs / (all time × peak × goodput).

    Takes the number of stages, their FLOPs, all GPU-seconds, the peak and the goodput.
    """
    *values, peak, goodput = flops_and_times
    return add(*values[:stages]) / (add(*values[stages:]) * peak * goodput)


def mean_efficiency(stages: int, *flops_times_and_mfus: N) -> N:
    """Return the realized efficiency of several stages [1]: modeled time / achieved time.

    Takes the number of stages that have a realized efficiency, their FLOPs, GPU-seconds and modeled MFU, the
    GPU-seconds of the other stages, which run at their modeled speed, the peak and the goodput.
    """
    *values, peak, goodput = flops_times_and_mfus
    flops, times, mfus = values[:stages], values[stages : 2 * stages], values[2 * stages : 3 * stages]
    others = values[3 * stages :]
    modeled = add(*(stage_flops / mfu for stage_flops, mfu in zip(flops, mfus, strict=True)))
    alike = add(*others) if others else 0.0 * times[0]  # modeled and achieved
    return (modeled / (peak * goodput) + alike) / (add(*times) + alike)


def number_of_steps(tokens: N, batch_tokens: N) -> N:
    """Return the optimizer steps of a run, at least one [1]."""
    return largest(tokens / batch_tokens, 1.0)


def step_time(wall_time: N, goodput: N, steps: N) -> N:
    """Return the time of an optimizer step in steady state [s]."""
    return wall_time * goodput / steps


def part_time(gpu_seconds: N, goodput: N, steps: N, accelerators: N) -> N:
    """Return the time of a part of a step in steady state [s]."""
    return gpu_seconds * goodput / (steps * accelerators)


def weight_sync_time(tokens: N, batch_tokens: N, seconds: N, count: N, goodput: N) -> N:
    """Return the GPU-seconds of sending the weights to the rollout engine after each update [s]."""
    return number_of_steps(tokens, batch_tokens) * seconds * count / goodput


def idle_time(at_once: bool, rollout_gpus: N, training_gpus: N, rollout: N, *others: N) -> N:
    """Return the GPU-seconds of accelerators that wait for the others of a job [s].

    Takes the accelerators that generate and those that score and update, and the GPU-seconds of both.
    """
    trained = add(*others)
    generates, trains = rollout / rollout_gpus, trained / training_gpus
    elapsed = largest(generates, trains) if at_once else generates + trains
    return elapsed * (rollout_gpus + training_gpus) - rollout - trained


def measured_gpu_time(steps: N, seconds: N, count: N, goodput: N) -> N:
    """Return the GPU-seconds of a run with a measured step time [s]."""
    return steps * seconds * count / goodput


def gpu_time_of_rate(tokens: N, rate: N, count: N, goodput: N) -> N:
    """Return the GPU-seconds of a run with measured tokens per second of the whole cluster [s]."""
    return tokens * count / (rate * goodput)


def throughput(wall_time: N, goodput: N, *tokens: N) -> N:
    """Return the tokens per second of all accelerators in steady state [token/s]."""
    return add(*tokens) / (wall_time * goodput)


def wall_time(gpu_seconds: N, count: N) -> N:
    """Return the duration on `count` accelerators [s]."""
    return gpu_seconds / count


def utilization(flops: N, gpu_seconds: N, peak: N) -> N:
    """Return the utilization over the whole job [1], relative to the bf16 peak."""
    return flops / (gpu_seconds * peak)


def add(*terms: N) -> N:
    """Return the sum of terms."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _goodput_of(names: tuple[str, ...]) -> Callable[..., Any]:
    """Return the goodput as a function of count, parameters and the values of the named inputs."""
    from costmodel.training.jobs.goodput import job_goodput

    return lambda count, parameters, *values: largest(
        job_goodput(count, parameters, **dict(zip(names, values, strict=True))), GIVEN_UP
    )


def figure_step(name: str, function: Callable[..., Any], inputs: tuple[str, ...], formula: str) -> Step:
    """Return the step of a figure of `OUTPUTS`.

    Parameters
    ----------
    name : str
        Name of the figure.
    function : callable
        Function of the inputs.
    inputs : tuple of str
        Names of steps and inputs.
    formula : str
        The function in words.
    """
    return Step(name, OUTPUTS[name].rendered, function, inputs, formula)


def _measured_mfu(measured: MeasuredName, prefix: str, per_token: str) -> Step:
    """Return the step from a measured speed to the MFU."""
    if measured == "step_time":
        inputs = (f"{prefix}batch_tokens", per_token, "cluster.count", "cluster.peak", measured)
        formula = "batch tokens × FLOPs per token / (count × peak × measured step time)"
        return figure_step("mfu", mfu_of_step_time, inputs, formula)
    formula = "measured tokens per second × FLOPs per token / (count × peak)"
    return figure_step("mfu", mfu_of_tokens_per_second, (per_token, "cluster.count", "cluster.peak", measured), formula)


@lru_cache(maxsize=256)
def steps(
    stages: tuple[Stage, ...],
    reliability: tuple[str, ...] = (),
    climate: tuple[Step, ...] = (),
    lines: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """Return the steps of an estimate, in order.

    Parameters
    ----------
    stages : tuple of Stage
        The passes of all recipes.
    reliability : tuple of str
        Names of the inputs of the goodput; empty where the goodput is an input itself.
    climate : tuple of Step
        Energy, carbon and water, from the GPU-hours.
    lines : tuple of Step
        Lines of the bill [USD]; the cost is their sum.
    """
    listed: list[Step] = []
    if reliability:
        inputs = ("cluster.count", "trained_parameters", *(f"reliability.{name}" for name in reliability))
        formula = "Daly (2006): failures, restarts, checkpoints"
        listed.append(figure_step("goodput", _goodput_of(reliability), inputs, formula))
    for stage in stages:
        prefix, mfu = stage.prefix, stage.utilization
        tokens, per_token = f"{stage.recipe}tokens", f"{prefix}flops_per_token"
        listed.append(Step(f"{prefix}flops", "FLOP", total_flops, (tokens, per_token), "tokens × FLOPs per token"))
        if stage.measured and stage.timing == "utilization":
            listed.append(_measured_mfu(stage.measured, prefix, per_token))
        if stage.timing == "utilization":
            efficiency = (stage.realized_efficiency,) if stage.realized_efficiency else ()
            if stage.least_tokens:  # a run takes at least one step
                least = (tokens, stage.least_tokens, per_token)
                formula = "max(tokens, batch tokens) × FLOPs per token"
                listed.append(Step(stage.timed_flops, "FLOP", least_flops, least, formula))
            inputs = (stage.timed_flops, "cluster.peak", mfu, "goodput", *efficiency)
            formula = f"FLOPs / (peak × mfu × goodput{' × realized_efficiency' if efficiency else ''})"
            listed.append(Step(f"{prefix}gpu_time", "GPU-s", gpu_time, inputs, formula))
    flops = tuple(f"{stage.prefix}flops" for stage in stages)
    times = tuple(f"{stage.prefix}gpu_time" for stage in stages)
    overheads = _overheads(stages)
    listed += overheads
    times = (*times, *(step.name for step in overheads))
    whole = ("gpu_time",) if stages[0].timing in {"total given", "measured"} else times
    if stages[0].timing == "measured":
        listed += _measured_run(stages)
    listed += _steady_state(stages, overheads)
    return (
        *listed,
        figure_step("flops", add, flops, "sum of all passes"),
        figure_step("gpu_hours", add, whole, "sum of all passes"),
        figure_step("wall_time", wall_time, ("gpu_hours", "cluster.count"), "GPU-hours / count"),
        *_throughput(stages),
        figure_step("utilization", utilization, ("flops", "gpu_hours", "cluster.peak"), "FLOPs / (GPU-hours × peak)"),
        *climate,
        *lines,
        figure_step("cost", add, tuple(line.name for line in lines), "sum of the lines of the bill"),
    )


def _overheads(stages: tuple[Stage, ...]) -> list[Step]:
    """Return the steps of the GPU-seconds that are in no pass: weight synchronization, and waiting for the others."""
    listed: list[Step] = []
    for recipe in dict.fromkeys(stage.recipe for stage in stages if stage.part and stage.timing == "utilization"):
        own = [stage for stage in stages if stage.recipe == recipe]
        inputs = tuple(f"{recipe}{name}" for name in ("tokens", "batch_tokens", "weight_sync.seconds"))
        formula = "steps × time of a synchronization × count / goodput"
        all_inputs = (*inputs, "cluster.count", "goodput")
        listed.append(Step(f"{recipe}weight_sync.gpu_time", "GPU-s", weight_sync_time, all_inputs, formula))
        if own[0].placement:
            at_once = own[0].placement == "at once"
            ordered = sorted(own, key=lambda stage: stage.part != "rollout")
            passes = tuple(f"{stage.prefix}gpu_time" for stage in ordered)
            inputs = (f"{recipe}rollout_gpus", f"{recipe}training_gpus", *passes)
            combined = "the longer" if at_once else "the sum"
            formula = f"{combined} of rollout and update × all accelerators - their GPU time"
            listed.append(Step(f"{recipe}idle.gpu_time", "GPU-s", partial(idle_time, at_once), inputs, formula))
    return listed


def _measured_run(stages: tuple[Stage, ...]) -> list[Step]:
    """Return the steps of a run of several passes whose step time or tokens per second were measured."""
    recipe, measured = stages[0].recipe, stages[0].measured
    flops = tuple(stage.timed_flops for stage in stages)
    if measured == "step_time":
        steps = Step(f"{recipe}steps", "1", number_of_steps, (f"{recipe}tokens", f"{recipe}batch_tokens"), "steps")
        inputs: tuple[str, ...] = (steps.name, measured, "cluster.count", "goodput")
        formula = "steps × measured step time × count / goodput"
        listed = [steps, Step("gpu_time", "GPU-s", measured_gpu_time, inputs, formula)]
    else:
        inputs = (f"{recipe}tokens", measured, "cluster.count", "goodput")
        formula = "tokens × count / (measured tokens per second × goodput)"
        listed = [Step("gpu_time", "GPU-s", gpu_time_of_rate, inputs, formula)]
    mfu = (*flops, "gpu_time", "cluster.peak", "goodput")
    return [*listed, figure_step("mfu", partial(mean_mfu, len(flops)), mfu, "FLOPs / (GPU-hours × peak × goodput)")]


def _steady_state(stages: tuple[Stage, ...], overheads: list[Step]) -> list[Step]:
    """Return the steps of MFU and realized efficiency, where they are not inputs themselves."""
    timed = [stage for stage in stages if stage.timing == "utilization"]
    if not any(stage.utilization != "mfu" for stage in timed):
        return []
    flops, times = tuple(stage.timed_flops for stage in timed), tuple(f"{stage.prefix}gpu_time" for stage in timed)
    common, rest = ("cluster.peak", "goodput"), tuple(step.name for step in overheads)
    inputs = (*flops, *times, *rest, *common)
    listed = [figure_step("mfu", partial(mean_mfu, len(flops)), inputs, "FLOPs / (GPU-hours × peak × goodput)")]
    if any(stage.realized_efficiency for stage in timed):
        assisted = [stage for stage in timed if stage.realized_efficiency]
        others = tuple(f"{stage.prefix}gpu_time" for stage in timed if not stage.realized_efficiency)
        flops = tuple(stage.timed_flops for stage in assisted)
        times = tuple(f"{stage.prefix}gpu_time" for stage in assisted)
        inputs = (*flops, *times, *(stage.utilization for stage in assisted), *others, *common)
        efficiency = partial(mean_efficiency, len(assisted))
        listed.append(figure_step("realized_efficiency", efficiency, inputs, "achieved speed / modeled speed"))
    return listed


def _throughput(stages: tuple[Stage, ...]) -> list[Step]:
    """Return the steps of steps, step time and tokens per second, where all stages have a utilization."""
    if any(stage.timing not in {"utilization", "measured"} for stage in stages):
        return []
    listed: list[Step] = []
    recipes = tuple(dict.fromkeys(stage.recipe for stage in stages))
    if stages[0].stepped and len(recipes) == 1:
        batch = (f"{recipes[0]}tokens", f"{recipes[0]}batch_tokens")
        listed = [
            figure_step("steps", number_of_steps, batch, "tokens / batch tokens, at least 1"),
            figure_step("step_time", step_time, ("wall_time", "goodput", "steps"), "wall time × goodput / steps"),
            *_part_times(stages),
        ]
    tokens = tuple(f"{recipe}tokens" for recipe in recipes)
    whole = ("tokens_per_second", "cluster.count")
    listed = [
        *listed,
        figure_step(
            "tokens_per_second", throughput, ("wall_time", "goodput", *tokens), "tokens / (wall time × goodput)"
        ),
        figure_step("tokens_per_second_per_gpu", lambda rate, count: rate / count, whole, "tokens per second / count"),
    ]
    return [step for step in listed if step.name != stages[0].measured]


def _part_times(stages: tuple[Stage, ...]) -> list[Step]:
    """Return the steps of the parts of a step of reinforcement learning, where its passes are modeled."""
    if not stages[0].part or stages[0].timing != "utilization":
        return []
    recipe, placement = stages[0].recipe, stages[0].placement
    listed = []
    for part in PARTS:
        own = tuple(f"{stage.prefix}gpu_time" for stage in stages if stage.part == part)
        gpus = f"{recipe}{'rollout' if part == 'rollout' else 'training'}_gpus" if placement else "cluster.count"
        if own:
            formula = f"GPU time × goodput / (steps × {'their accelerators' if placement else 'count'})"
            listed.append(figure_step(f"{part}_time", _part_time_of_passes, ("goodput", "steps", gpus, *own), formula))
    inputs = ("goodput", "steps", "cluster.count", f"{recipe}weight_sync.gpu_time")
    return [
        *listed,
        figure_step("weight_sync_time", _part_time_of_passes, inputs, "GPU time × goodput / (steps × count)"),
    ]


def _part_time_of_passes(goodput: N, steps: N, accelerators: N, *gpu_seconds: N) -> N:
    return part_time(add(*gpu_seconds), goodput, steps, accelerators)


def run(chain: Iterable[Step], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all values, inputs included; a step with a missing input is `Missing` too."""
    results = dict(values)
    for step in chain:
        arguments = [results[name] for name in step.inputs]
        missing = next((argument for argument in arguments if isinstance(argument, Missing)), None)
        results[step.name] = step.function(*arguments) if missing is None else missing
    return results


@lru_cache(maxsize=1024)
def ancestors(chain: tuple[Step, ...], name: str) -> tuple[Step, ...]:
    """Return the steps that `name` depends on, itself included, in the order of the calculation."""
    by_name = {step.name: step for step in chain}
    needed: set[str] = set()
    open_names = [name]
    while open_names:
        step = by_name.get(open_names.pop())
        if step is not None and step.name not in needed:
            needed.add(step.name)
            open_names += step.inputs
    return tuple(step for step in by_name.values() if step.name in needed)


@lru_cache(maxsize=1024)
def descendants(chain: tuple[Step, ...], name: str) -> tuple[Step, ...]:
    """Return the steps that depend on `name`, in the order of the calculation."""
    changed = {name}
    found: list[Step] = []
    for step in chain:
        if not changed.isdisjoint(step.inputs):
            changed.add(step.name)
            found.append(step)
    return tuple(found)
