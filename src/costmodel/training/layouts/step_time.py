"""Step time, MFU and memory of a training step for a model, cluster, recipe and layout.

MFU is decided here: model FLOPs of the step over step time × dense bf16 peak (`feasible_step_time`). The step time is
the sum of the components of `costmodel.training.step.timing.step_breakdown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, overload

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.arrays import Array, BoolLike, FloatLike, N, N_co, equal, where
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError
from costmodel.hardware.cluster import Cluster
from costmodel.training.layouts.division import settled_batch
from costmodel.training.layouts.fitting import SAFE_PROBABILITY, most_memory, step_fit_probability
from costmodel.training.layouts.step_result import StepFigures, StepTime
from costmodel.training.recipes.passes import passes_of, sequence_flops
from costmodel.training.step.configuration import HardwareRates, TimeConstants
from costmodel.training.step.efficiency import (
    LAUNCH_BOUND,
    NEWEST_SOFTWARE,
    Efficiency,
    MoeCase,
    default_efficiency,
    hardware_rates,
)
from costmodel.training.step.layout import Layout, Layouts, infeasibility_reasons, layouts
from costmodel.training.step.measured_setup import settings_of
from costmodel.training.step.memory import Memory, host_bytes, memory
from costmodel.training.step.software import UNKNOWN, Software
from costmodel.training.step.timing import Breakdown, step_breakdown
from costmodel.training.step.workload import Workload, workload

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes.passes import Pass
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.numerics import Numerics


class StepInputs(NamedTuple):
    """Inputs of the step-time and memory model, without the layout."""

    work: Workload
    """Work of one sequence."""
    numerics: Numerics
    """Number formats."""
    hardware: HardwareRates
    """Peaks and bandwidths."""
    constants: TimeConstants
    """Fitted constants."""
    batch_size: float
    """Sequences per step (global batch size) [1]."""
    accelerators: float
    """Number of accelerators [1]."""
    auxiliary_bytes: float = 0.0
    """Memory of auxiliary models (reference, reward, critic, teacher) on each accelerator [byte]."""
    eager: bool = False
    """Whether kernels are launched one by one by a general-purpose trainer (eager mode)."""
    finetune: bool = False
    """Whether the step is part of fine-tuning."""
    free_batch: bool = False
    """Whether the batch size is a default, which may be rounded to a multiple that a layout needs."""
    software: str = UNKNOWN
    """Key of the training software (`Software.key`)."""
    moe_case: MoeCase = "known"
    """What is known of the speed of an MoE."""
    features_known: bool = True
    """Whether the features of the software for mixtures of experts are known."""
    planned_fit_probability: float = SAFE_PROBABILITY
    """Least probability to fit in memory of a planned layout [1]."""

    @property
    def available_memory(self) -> float:
        """Memory of an accelerator that is available for the trained model [byte]."""
        return float(self.hardware.memory) - self.auxiliary_bytes

    @property
    def planned_memory(self) -> float:
        """Largest predicted peak memory of a planned layout, without auxiliary models [byte]."""
        return most_memory(float(self.hardware.memory), self.planned_fit_probability) - self.auxiliary_bytes


class StepParts(NamedTuple, Generic[N_co]):
    """Time and memory of a step by component, according to the model alone."""

    batch: float | N_co
    """Sequences per step (global batch size) [1]."""
    breakdown: Breakdown[N_co]
    """Step time by component [s]."""
    memory: Memory[N_co]
    """Peak memory per GPU, by component [byte]."""
    host_bytes: N_co
    """Host memory per GPU that offloading needs [byte]."""


def step_parts(inputs: StepInputs, layout: Layouts[N]) -> StepParts[N]:
    """Return time and memory of a step by component.

    Parameters
    ----------
    inputs : StepInputs
    layout : Layouts
        Numbers of one layout, or arrays of shape (layouts,).
    """
    batch = settled_batch(inputs, layout)
    return StepParts(
        batch,
        step_breakdown(inputs.work, inputs.numerics, inputs.hardware, batch, layout, inputs.constants),
        memory(inputs.work, inputs.numerics, batch, layout),
        host_bytes(inputs.work, inputs.numerics, batch, layout),
    )


def training_step_inputs(
    architecture: Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    efficiency: Efficiency | None,
    software: Software | None = None,
) -> StepInputs:
    """Return the inputs of the training step of a recipe.

    Parameters
    ----------
    architecture : Architecture
    cluster : Cluster
    recipe : recipe
    efficiency : Efficiency or None
        Constants of the step-time model; None: the shipped ones.
    software : Software, optional
        Training software; default: that of the recipe.

    Raises
    ------
    InputError
        If only the counts of the architecture are known, or the accelerator does not support the precision.
    MissingFactError
        If a fact of the accelerator is unknown, or no step was measured on its generation.
    """
    if efficiency is None or efficiency is default_efficiency():
        return _default_step_inputs(architecture, cluster, recipe, software)
    training_pass = next(step for step in passes_of(recipe, architecture) if step.kind == "train")
    return pass_step_inputs(training_pass, cluster, recipe, efficiency, software)


@lru_cache(maxsize=1024)
def _default_step_inputs(
    architecture: Architecture, cluster: Cluster, recipe: AnyRecipe, software: Software | None
) -> StepInputs:
    """Return the inputs of a training step with the shipped constants; an estimate and its plan ask for the same."""
    training_pass = next(step for step in passes_of(recipe, architecture) if step.kind == "train")
    return pass_step_inputs(training_pass, cluster, recipe, default_efficiency(), software)


def pass_step_inputs(
    model_pass: Pass, cluster: Cluster, recipe: AnyRecipe, efficiency: Efficiency, software: Software | None = None
) -> StepInputs:
    """Return the inputs of a training or scoring pass.

    Parameters
    ----------
    model_pass : Pass
        Training or forward pass.
    cluster : Cluster
        All accelerators of the job; those that only generate rollouts have no part in the pass.
    recipe : recipe
    efficiency : Efficiency
        Constants of the step-time model.
    software : Software, optional
        Training software; default: that of the recipe.
    """
    architecture = model_pass.architecture
    if architecture.is_aggregate:
        field = "architecture" if model_pass.name == "train" else f"the model of {model_pass.name!r}"
        raise InputError(f"{field}: a step time needs the layers of the model; only its counts are given")
    efficiency.check(cluster.accelerator)
    if (own := recipe.training_gpus(cluster.count)) != cluster.count:
        cluster = cluster.replace(count=own)
    software, moe = software or recipe.trainer, architecture.kind == "moe"
    year = NEWEST_SOFTWARE if software.year is None else software.year
    case = efficiency.moe_case(architecture, software.is_tuned_for_moe) if moe else "known"
    constants = efficiency.constants(
        cluster.accelerator, recipe.precision, moe, year, software.key, software.moe_features, case
    )
    return StepInputs(
        work=pass_workload(model_pass),
        numerics=model_pass.numerics,
        hardware=hardware_rates(cluster, recipe.precision),
        constants=constants._replace(software=constants.software * model_pass.slowdown),
        batch_size=float(recipe.sequences(cluster.count)),
        accelerators=float(cluster.count),
        auxiliary_bytes=recipe.auxiliary_bytes(architecture) / cluster.count,
        eager=recipe.eager,
        finetune=recipe.job_kind != "pretraining",
        free_batch=recipe.batch_size is None and recipe.job_kind == "pretraining",
        software=software.key,
        moe_case=case,
        features_known=efficiency.calibrated_moe or software.features.are_known,
    )


def pass_workload(model_pass: Pass) -> Workload:
    """Return the work of one sequence of a pass; packed documents do not attend to each other.

    Parameters
    ----------
    model_pass : Pass
    """
    architecture, numerics, adapters = model_pass.architecture, model_pass.numerics, model_pass.adapters
    work = workload(architecture, model_pass.sequence_length, adapters)
    length = model_pass.document_length or float(model_pass.sequence_length)
    documents = model_pass.sequence_length / length
    if documents != 1:
        document = workload(architecture, length)
        work = work._replace(attention_flops=documents * document.attention_flops, scores=documents * document.scores)
    return work._replace(model_flops=documents * sequence_flops(architecture, length, numerics, adapters))


@overload
def step_time(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    layout: Layout | str,
    efficiency: Efficiency | None = None,
) -> StepTime: ...
@overload
def step_time(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    layout: Sequence[Layout],
    efficiency: Efficiency | None = None,
) -> StepTime[Array]: ...
@checked("cluster", "recipe", "efficiency")
def step_time(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    recipe: AnyRecipe,
    layout: Layout | str | Sequence[Layout],
    efficiency: Efficiency | None = None,
) -> StepTime[FloatLike]:
    """Return the time of a training step with a layout, or with several.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    cluster : Cluster
        Its number of accelerators is that of the layout.
    recipe : recipe
        Sequence length, batch size and precision.
    layout : Layout, str or sequence of Layout
        A text such as "data 32, tensor 2", as `Layout.brief` writes it, is one layout. With a sequence, the results are
        arrays of shape (layouts,).
    efficiency : Efficiency, optional
        Constants of the step-time model; default: the shipped ones.

    Returns
    -------
    StepTime
        Also for a layout that does not fit in the memory; see `fits`.

    Raises
    ------
    InputError
        If a layout is not possible; the message lists every reason.
    MissingFactError
        If a fact of the accelerator is unknown, or no step was measured on its generation.

    References
    ----------
    Formulas: `costmodel.training.step.timing`; constants: `data/fitted/efficiency.csv`.

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
    inputs = training_step_inputs(architecture, cluster, recipe, efficiency)
    given: Layout | Sequence[Layout] = Layout.parse(layout) if isinstance(layout, str) else layout
    stated: list[Layout] = list(given) if isinstance(given, Sequence) else [given]
    wrong = [value for value in stated if not isinstance(value, Layout)]
    if wrong or not stated:
        raise InputError(f"`layout` must be a Layout or a sequence of them; got {wrong[0] if wrong else stated!r}")
    listed = [with_software_defaults(value, recipe) for value in stated]
    arrays: Layouts[FloatLike] = layouts(listed[0]) if isinstance(given, Layout) else layouts(listed)
    reasons = infeasibility_reasons(inputs.work, inputs.accelerators, settled_batch(inputs, arrays), arrays)
    violated = [reason for reason, applies in reasons.items() if _any(applies)]
    if violated:
        numbers = f"{inputs.accelerators:g} accelerators, {inputs.batch_size:g} sequences per step"
        raise InputError(f"layout: {'; '.join(violated)} ({numbers}; {listed[0]!r})")
    calibrated = efficiency or default_efficiency()
    used = listed[0] if isinstance(given, Layout) else listed
    return StepTime(feasible_step_time(inputs, arrays, used, cluster, architecture.kind == "moe", calibrated))


def with_software_defaults(layout: Layout, recipe: AnyRecipe) -> Layout:
    """Return a layout with the kernels of the training software of a recipe, unless the layout states its own.

    Parameters
    ----------
    layout : Layout
    recipe : recipe
    """
    software = recipe.trainer
    changes: dict[str, Any] = {}
    if software.kernels == "eager" and "eager" not in layout.model_fields_set:
        changes["eager"] = True
    if software.year is not None and "attention" not in layout.model_fields_set:
        changes["attention"] = software.attention
    return layout.replace(changes) if changes else layout


def feasible_step_time(
    inputs: StepInputs,
    arrays: Layouts[N],
    layout: Layout | Sequence[Layout],
    cluster: Cluster,
    experts: bool,
    efficiency: Efficiency,
    parts: StepParts[N] | None = None,
) -> StepFigures[N]:
    """Return the step time of layouts that are possible.

    Parameters
    ----------
    inputs : StepInputs
    arrays : Layouts
        Numbers of one layout, or arrays of shape (layouts,).
    layout : Layout or sequence of Layout
        The same as objects.
    cluster : Cluster
    experts : bool
        Whether the model is an MoE.
    efficiency : Efficiency
        Gives the spread of the prediction.
    parts : StepParts, optional
        Time and memory by component, where they are computed already.

    References
    ----------
    MFU and HFU: Chowdhery et al. 2022, "PaLM", appendix B (arXiv 2204.02311).
    """
    batch, breakdown, used, on_host = step_parts(inputs, arrays) if parts is None else parts
    modeled = breakdown.total
    model_flops = inputs.work.model_flops * batch
    hardware_flops = model_flops + recomputed_flops(inputs.work, arrays) * batch
    peak = inputs.accelerators * inputs.hardware.peak

    def spread_of(launch_share: float) -> float:
        return efficiency.spread(
            cluster.accelerator,
            experts,
            launch_share=launch_share,
            software=inputs.software,
            finetune=inputs.finetune,
            moe_case=inputs.moe_case,
            features_known=inputs.features_known,
        )

    launch_bound = breakdown.launch / modeled > LAUNCH_BOUND
    spread = where(launch_bound, spread_of(1.0), spread_of(0.0))
    seconds, spread = _as_measured(modeled, spread, inputs, arrays, cluster, efficiency)
    if efficiency.setups:
        breakdown = Breakdown(*(part * (seconds / modeled) for part in breakdown))
    return StepFigures(
        layout=layout,
        seconds=seconds,
        breakdown=breakdown,
        memory=used,
        mfu=model_flops / (seconds * peak),
        hfu=hardware_flops / (seconds * peak),
        flops=model_flops / (seconds * inputs.accelerators),
        fits=(used.total <= inputs.available_memory) & (on_host <= inputs.hardware.host_memory),
        fit_probability=step_fit_probability(inputs, used.total, on_host),
        host_bytes=on_host,
        spread=spread,
    )


def _as_measured(
    seconds: Any, spread: Any, inputs: StepInputs, arrays: Layouts[N], cluster: Cluster, efficiency: Efficiency
) -> tuple[Any, Any]:
    """Return step time and spread, at measured setups weighted with the measurement."""
    batch = settled_batch(inputs, arrays)
    settings = settings_of(inputs.work, inputs.hardware, batch, inputs.accelerators, arrays)
    for setup in efficiency.setups:
        same = setup.matches(cluster.accelerator.name, settings)
        if same is not False:
            weight, narrow = efficiency.measurement(setup.rows)
            seconds = where(same, seconds ** (1 - weight) * setup.step_time**weight, seconds)
            spread = where(same, narrow, spread)
    return seconds, spread


def recomputed_flops(work: Workload[float | N], layout: Layouts[N]) -> float | N:
    """Return the recomputed FLOPs of a sequence [FLOP].

    Full recomputation repeats the forward pass of the layers; selective recomputation repeats unfused core attention
    (Korthikanti et al. 2022, section 5, arXiv 2205.05198).

    Parameters
    ----------
    work : Workload
    layout : Layouts
    """
    selective = where(equal(layout.attention, 0), work.attention_flops, 0.0)
    return where(equal(layout.recompute, 2), work.recomputed_flops, where(equal(layout.recompute, 1), selective, 0.0))


def _any(condition: BoolLike) -> bool:
    """Return whether a condition holds for any layout."""
    if isinstance(condition, (bool, int, float)):
        return bool(condition)
    return bool(condition.any())
