"""MFU of the passes of a recipe: training, generation, and scoring by other models on the same accelerators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.ranges import between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance, constant
from costmodel.training.layouts.step_time import pass_step_inputs
from costmodel.training.recipes.passes import Pass, generation_flops
from costmodel.training.step.adapters import adapter_parameters
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.estimation.scenario import Scenario
    from costmodel.hardware.cluster import Cluster
    from costmodel.serving.generation import GenerationFigures
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.layout import Layouts

MOST_MFU = 0.98
"""Upper bound of the ends of MFU intervals [1]."""
WEIGHT_TRANSFER_BYTES = constant("weight_sync_bytes")
"""Bytes per parameter of the weights that are sent to the rollout engine [byte]."""


def pass_mfus(scenario: Scenario, recipe: AnyRecipe, layout: Layouts | None, trained: Figure) -> list[Figure]:
    """Return the MFU of each pass of a recipe, in the order of the passes.

    Parameters
    ----------
    scenario : Scenario
    recipe : AnyRecipe
        One of the recipes of the scenario.
    layout : Layouts or None
        Layout of the training pass; None where the MFU is a default of a class.
    trained : Figure
        MFU of the training pass [1].
    """
    figures = []
    for each_pass in recipe.passes(scenario.architecture):
        if each_pass.kind == "generate":
            figures.append(_generation_mfu(scenario, recipe, each_pass))
        elif each_pass.name == "train" or layout is None:
            figures.append(trained)
        else:
            figures.append(_auxiliary_mfu(scenario, recipe, each_pass, layout, trained))
    return figures


def _auxiliary_mfu(scenario: Scenario, recipe: AnyRecipe, each_pass: Pass, layout: Layouts, trained: Figure) -> Figure:
    """Return the MFU of a scoring pass, or of a second trained model, in the layout of the training pass."""
    efficiency = scenario.efficiency or default_efficiency()
    step_inputs = pass_step_inputs(each_pass, scenario.cluster, recipe, efficiency)
    batch = layout.micro_batch * layout.data * math.ceil(step_inputs.batch_size / (layout.micro_batch * layout.data))
    parts = step_breakdown(
        step_inputs.work, step_inputs.numerics, step_inputs.hardware, batch, layout, step_inputs.constants
    )
    seconds = float(parts.total)
    mfu = min(
        step_inputs.work.model_flops * batch / (seconds * step_inputs.accelerators * step_inputs.hardware.peak),
        MOST_MFU,
    )
    spread = None
    if trained.spread is not None:  # the relative error is that of the training pass
        sides = [math.log(trained.spread.quantile(p) / trained.value) for p in (0.1, 0.9)]
        low, high = mfu * math.exp(min(sides)), min(mfu * math.exp(max(sides)), MOST_MFU)
        spread = between(low, max(high, mfu * 1.0001), level=0.8).settled("logitnormal")
    source = trained.provenance.source
    note = f"step-time model: {each_pass.name} of {each_pass.architecture.name} in the layout of the training pass"
    return Figure(mfu, spread, Provenance("fitted", source, note=note))


class Rollout(NamedTuple):
    """Generation of the answers of reinforcement learning according to the serving model."""

    gpu_seconds_per_token: float
    """Time of the generating accelerators per output token [s]."""
    memory: float
    """Weights and KV cache of the rollout engine per accelerator [byte]."""
    accelerators_per_replica: int
    """Accelerators of one rollout engine [1]."""
    spread: float
    """Standard deviation of ln(predicted / measured) throughput of the serving model [1]."""
    tokens_per_second: float
    """Output throughput of the generating accelerators [token/s]."""
    batching: str
    """How many sequences are generated at a time, as text."""


def generated(scenario: Scenario, recipe: AnyRecipe, each_pass: Pass) -> Rollout:
    """Return the generation pass of a recipe according to the serving model; the layout of the training has no part.

    Parameters
    ----------
    scenario : Scenario
    recipe : AnyRecipe
        One of the recipes of the scenario.
    each_pass : Pass
        Its generation pass.

    Raises
    ------
    MissingFactError
        If the serving model lacks a fact of the accelerator.
    """
    from costmodel.serving.generation import generation

    cluster, share = scenario.cluster, recipe.memory_share
    trainers = recipe.training_gpus(cluster.count)
    if trainers != cluster.count:
        cluster = cluster.replace(count=cluster.count - trainers)
    steady = generation(
        each_pass.architecture,
        cluster,
        prompt_length=max(each_pass.prompt_length, 1.0),
        output_length=each_pass.sequence_length,
        precision=_stored(recipe.precision),
        gpu_memory_utilization=share,
    ).si
    seconds, batching = steady.gpu_time_per_token, f"{steady.batch:g} concurrent sequences per replica"
    if each_pass.lengths:
        together = float(recipe.sequences(trainers))
        seconds = _synchronous_gpu_seconds(cluster, recipe, each_pass, steady, together, share)
        batching = f"{together:g} sequences per step"
    rate, size = cluster.count / seconds, steady.accelerators_per_replica
    return Rollout(seconds, steady.memory, size, steady.spread, rate, batching)


def _generation_mfu(scenario: Scenario, recipe: AnyRecipe, each_pass: Pass) -> Figure:
    """Return the MFU of a generation pass [1]: model FLOPs / (time × peak).

    Raises `MissingFactError` where the serving model lacks data of the accelerator.
    """
    rollout, peak = generated(scenario, recipe, each_pass), scenario.cluster.accelerator.peak()
    mfu = generation_flops(each_pass.architecture, each_pass.prompt_length, each_pass.sequence_length) / (
        rollout.gpu_seconds_per_token * peak
    )
    factor = math.exp(normal_quantile(0.9) * rollout.spread)
    spread = between(mfu / factor, min(mfu * factor, MOST_MFU), level=0.8).settled("logitnormal")
    gpus = rollout.tokens_per_second * rollout.gpu_seconds_per_token
    note = f"serving model: {rollout.tokens_per_second:,.0f} tokens per second on {gpus:,.0f} GPUs, {rollout.batching}"
    return Figure(mfu, spread, Provenance("fitted", "data/fitted/serving.csv", note=note))


def weight_sync_bytes(recipe: AnyRecipe, passes: Sequence[Pass]) -> float:
    """Return the weights that are sent to the rollout engine after each update: the trained ones [byte].

    Parameters
    ----------
    recipe : AnyRecipe
    passes : sequence of Pass
        Its passes.
    """
    trained = next(each_pass for each_pass in passes if each_pass.name == "train")
    if recipe.adapters is not None:
        return WEIGHT_TRANSFER_BYTES * float(adapter_parameters(trained.architecture, recipe.adapters))
    return WEIGHT_TRANSFER_BYTES * trained.architecture.parameters.total


def _stored(precision: str) -> str:
    return precision if precision in {"bf16", "fp16", "fp8"} else "bf16"


def _synchronous_gpu_seconds(
    cluster: Cluster, recipe: AnyRecipe, each_pass: Pass, steady: GenerationFigures, together: float, share: float
) -> float:
    """Return the GPU-seconds per token of synchronous rollouts, which end with the longest answer [s].

    Prefill runs once. The number of concurrent sequences then falls as answers end, from the shortest to the
    longest, and each decode step takes the time of the sequences that are left.
    """
    from costmodel.serving.generation import generation

    count, before = len(each_pass.lengths), 0.0
    elapsed = together * steady.prefill_time / steady.replicas
    for done, length in enumerate(each_pass.lengths):
        left, more = together * (count - done) / count, length - before
        if more <= 0:
            continue
        phase = generation(
            each_pass.architecture,
            cluster,
            prompt_length=max(each_pass.prompt_length + before, 1.0),
            output_length=max(more, 1.0),
            concurrency=max(left, 1.0),
            precision=_stored(recipe.precision),
            replicas=steady.replicas,
            gpu_memory_utilization=share,
        ).si
        prefill = phase.batch * phase.prefill_time / max(more, 1.0)  # done before: taken off the time per token
        rate = phase.tokens_per_second / (1 - prefill / phase.time_per_output_token)
        elapsed += left * more / rate
        before = length
    return cluster.count * elapsed / (together * sum(each_pass.lengths) / count)
