"""How long is a step of this model, on that cluster, in this layout? The answer, with what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.arrays import exp, where
from costmodel.foundation.errors import InputError
from costmodel.hardware.cluster import Cluster
from costmodel.training.recipes.passes import sequence_flops
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.efficiency import Efficiency, default_efficiency, hardware_rates
from costmodel.training.step.layout import Layout, Layouts, infeasibility_reasons, layouts
from costmodel.training.step.memory import Memory, memory
from costmodel.training.step.timing import Breakdown, step_breakdown
from costmodel.training.step.workload import Workload, workload

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes.passes import Pass
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.numerics import Numerics


class StepTime(NamedTuple):
    """A step in steady state: numbers for one layout, arrays of shape (layouts,) for several.

    `seconds` [s], `breakdown` that adds up to it, `memory` of the fullest accelerator by part [byte],
    `mfu` and `hfu` of the dense bf16 peak [1], `flops` that each accelerator does [FLOP/s], `fits` in its
    memory, and `spread`, the standard deviation of the logarithm of `seconds` [1].
    """

    layout: Any
    seconds: Any
    breakdown: Breakdown
    memory: Memory
    mfu: Any
    hfu: Any
    flops: Any
    fits: Any
    spread: Any

    def interval(self, level: float = 0.8) -> tuple[Any, Any]:
        """Return the central interval of the step time [s].

        Parameters
        ----------
        level : share of steps that lie within [1]
        """
        from costmodel.foundation.ranges import normal_quantile

        if not 0 < level < 1:
            raise InputError(f"level is between 0 and 1; got {level!r}")
        factor = exp(normal_quantile((1 + level) / 2) * self.spread)
        return self.seconds / factor, self.seconds * factor

    def rows(self) -> list[dict[str, Any]]:
        """Return the parts of the step as rows: cause, seconds, share."""
        return [
            {"part": name, "seconds": float(value), "share": float(value / self.seconds)}
            for name, value in self.breakdown._asdict().items()
        ]


class StepInputs(NamedTuple):
    """What a step asks and has: the numbers behind the question.

    `auxiliary_bytes` bytes on each accelerator are taken by other models [byte]; `eager` where operations are launched
    one by one, `finetune` where a trained model is tuned.
    """

    work: Workload
    numerics: Numerics
    hardware: HardwareRates
    constants: TimeConstants
    batch_size: float
    accelerators: float
    auxiliary_bytes: float = 0.0
    eager: bool = False
    finetune: bool = False

    @property
    def available_memory(self) -> float:
        """Memory that is there for the model that is trained [byte]."""
        return float(self.hardware.memory) - self.auxiliary_bytes


def training_step_inputs(
    architecture: Architecture, cluster: Cluster, recipe: AnyRecipe, efficiency: Efficiency | None
) -> StepInputs:
    """Return the numbers of a question, or raise what is missing or wrong in it.

    Raises
    ------
    InputError
        If only the counts of the architecture are known, or the precision is not one of the accelerator.
    MissingFactError
        If a fact of the accelerator is not known, or no step was measured on its generation.
    """
    trained = next(one for one in recipe.passes(architecture) if one.kind == "train")
    return pass_step_inputs(trained, cluster, recipe, efficiency)


def pass_step_inputs(one: Pass, cluster: Cluster, recipe: AnyRecipe, efficiency: Efficiency | None) -> StepInputs:
    """Return the numbers of a pass that trains or reads; raises as `problem` does."""
    architecture = one.architecture
    if architecture.is_aggregate:
        whose = "architecture" if one.name == "train" else f"the model of {one.name!r}"
        raise InputError(f"{whose}: a step needs the shapes of the layers; only counts are known")
    known = efficiency or default_efficiency()
    known.check(cluster.accelerator)
    constants = known.constants(cluster.accelerator, recipe.precision, architecture.kind == "moe")
    constants = constants._replace(software=constants.software * one.slowdown)
    auxiliary_bytes = recipe.auxiliary_bytes(architecture) / cluster.count
    eager = getattr(recipe, "software", "fused") == "eager"
    return StepInputs(
        pass_workload(one),
        one.numerics,
        hardware_rates(cluster, recipe.precision),
        constants,
        float(recipe.sequences(cluster.count)),
        float(cluster.count),
        auxiliary_bytes,
        eager,
        recipe.kind != "pretraining",
    )


def pass_workload(one: Pass) -> Workload:
    """Return the workload of a sequence of a pass; documents in it do not see each other."""
    work = workload(one.architecture, one.sequence_length, one.adapters)
    length = one.document_length or float(one.sequence_length)
    times = one.sequence_length / length
    if times != 1:
        apart = workload(one.architecture, length)
        work = work._replace(attention_flops=times * apart.attention_flops, scores=times * apart.scores)
    flops = times * sequence_flops(one.architecture, length, one.numerics, one.adapters)
    return work._replace(model_flops=flops)


def step_time(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    layout: Layout | Sequence[Layout],
    efficiency: Efficiency | None = None,
) -> StepTime:
    """Return the time of a training step in a layout, or in several.

    Parameters
    ----------
    architecture : Architecture, or what `load_architecture` takes
    cluster : accelerators; their number is that of the layout
    recipe : sequence length, batch and precision
    layout : one, or a sequence of them: results are arrays then, shape (layouts,)
    efficiency : constants of the time model; the shipped ones unless given

    Returns
    -------
    StepTime
        In seconds, bytes and shares; also where the layout does not fit in the memory (`fits`).

    Raises
    ------
    InputError
        If a layout is not possible; the message holds every reason.
    MissingFactError
        If the accelerator is not known well enough.

    References
    ----------
    The form: `costmodel.training.step.timing`; the constants: `data/fitted/efficiency.csv`.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="1T", sequence_length=8192, batch_size=128)
    >>> layout = cm.Layout(data=32, tensor=2, recompute="selective")
    >>> step = cm.step_time("llama-3.1-8b", cm.Cluster("H100-SXM", 64), recipe, layout)
    >>> 0.3 < step.mfu < 0.6 and bool(step.fits)
    True
    """
    architecture = load_architecture(architecture)
    asked = training_step_inputs(architecture, cluster, recipe, efficiency)
    single = isinstance(layout, Layout)
    listed = [layout] if isinstance(layout, Layout) else list(layout)
    wrong = [each for each in listed if not isinstance(each, Layout)]
    if wrong or not listed:
        raise InputError(f"layout is a Layout, or a sequence of them; got {wrong[0] if wrong else listed!r}")
    of = layouts(listed[0]) if single else layouts(listed)
    reasons = [
        name
        for name, holds in infeasibility_reasons(asked.work, asked.accelerators, asked.batch_size, of).items()
        if _any(holds)
    ]
    if reasons:
        given = f"{asked.accelerators:g} accelerators, {asked.batch_size:g} sequences of a step"
        raise InputError(f"layout: {'; '.join(reasons)} ({given}; {listed[0]!r})")
    known = efficiency or default_efficiency()
    return feasible_step_time(asked, of, layout, cluster, architecture.kind == "moe", known)


def feasible_step_time(
    asked: StepInputs, of: Layouts, layout: Any, cluster: Cluster, experts: bool, efficiency: Efficiency
) -> StepTime:
    """Return the step of layouts that are possible."""
    parts = step_breakdown(asked.work, asked.numerics, asked.hardware, asked.batch_size, of, asked.constants)
    held = memory(asked.work, asked.numerics, asked.batch_size, of)
    seconds = parts.total
    model = asked.work.model_flops * asked.batch_size
    again = recomputed(asked.work, of) * asked.batch_size
    peak = asked.accelerators * asked.hardware.peak

    def spread_of(launch: float) -> float:
        return efficiency.spread(cluster.accelerator, experts, launch_share=launch, finetune=asked.finetune)

    launch = parts.launch / seconds
    if isinstance(launch, float):
        spread: Any = spread_of(launch)
    else:
        import numpy as np

        spread = np.array([spread_of(float(one)) for one in launch])
    return StepTime(
        layout,
        seconds,
        parts,
        held,
        model / (seconds * peak),
        (model + again) / (seconds * peak),
        model / (seconds * asked.accelerators),
        held.total <= asked.available_memory,
        spread,
    )


def recomputed(work: Workload, of: Layouts) -> Any:
    """Return the FLOPs that are computed again for a sequence [FLOP]: hardware FLOPs beyond the model's.

    Full recomputation repeats the layers; selective the core attention, where it is not fused.
    """
    attention = where(of.attention == 0, work.attention_flops, 0.0)
    return where(of.recompute == 2, work.recomputed_flops, where(of.recompute == 1, attention, 0.0))


def _any(holds: Any) -> bool:
    if isinstance(holds, (bool, int, float)):
        return bool(holds)
    return bool(holds.any())
