"""How fast are the passes of a recipe beside the one that trains? Others read or write with the same machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from costmodel.foundation.ranges import between, normal_quantile
from costmodel.foundation.tables import Figure, Provenance
from costmodel.training.layouts.step_time import pass_step_inputs
from costmodel.training.recipes.passes import Pass, generation_flops
from costmodel.training.step.timing import step_breakdown

if TYPE_CHECKING:
    from costmodel.estimation.scenario import Scenario
    from costmodel.serving.generation import Generation
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.layout import Layouts

MOST_MFU = 0.98
"""End of an interval of the utilization at most: a share below one [1]."""
BYTES_HANDED_OVER = 2.0
"""Bytes for each parameter that goes to the generating copies, in 16 bits."""


def of_passes(scenario: Scenario, recipe: AnyRecipe, layout: Layouts | None, trained: Figure) -> list[Figure]:
    """Return the utilization of each pass of a recipe, in their order.

    Parameters
    ----------
    scenario : Scenario
    recipe : one of its recipes
    layout : in which the model is trained; None where only a class of models and accelerators tells
    trained : the utilization of the pass that trains it
    """
    found = []
    for one in recipe.passes(scenario.architecture):
        if one.kind == "generate":
            found.append(_generating(scenario, recipe, one))  # raises where the decode model cannot tell
        elif one.name == "train" or layout is None:
            found.append(trained)
        else:
            found.append(_beside(scenario, recipe, one, layout, trained))
    return found


def _beside(scenario: Scenario, recipe: AnyRecipe, one: Pass, layout: Layouts, trained: Figure) -> Figure:
    """Return the utilization of a model that reads, or of a second that is trained, in the same layout."""
    asked = pass_step_inputs(one, scenario.cluster, recipe, scenario.efficiency)
    batch = layout.micro_batch * layout.data * math.ceil(asked.batch_size / (layout.micro_batch * layout.data))
    parts = step_breakdown(asked.work, asked.numerics, asked.hardware, batch, layout, asked.constants)
    seconds = float(parts.total)
    mfu = min(asked.work.model_flops * batch / (seconds * asked.accelerators * asked.hardware.peak), MOST_MFU)
    spread = None
    if trained.spread is not None:  # it errs as the pass does that trains
        sides = [math.log(trained.spread.quantile(p) / trained.value) for p in (0.1, 0.9)]
        low, high = mfu * math.exp(min(sides)), min(mfu * math.exp(max(sides)), MOST_MFU)
        spread = between(low, max(high, mfu * 1.0001), level=0.8).settled("logitnormal")
    source = trained.provenance.source
    note = f"the time model: {one.name} of {one.architecture.name} in the layout of the training"
    return Figure(mfu, spread, Provenance("fitted", source, note=note))


def _generating(scenario: Scenario, recipe: AnyRecipe, one: Pass) -> Figure:
    """Return the utilization of a model that writes [1]: model FLOPs over the peak in the time that it takes."""
    from costmodel.serving.generation import generation

    cluster = scenario.cluster
    steady = generation(
        one.architecture, cluster, prompt_length=max(one.prompt_length, 1.0), output_length=one.sequence_length,
        precision=_stored(recipe.precision),
    )  # fmt: skip
    seconds, how = steady.gpu_seconds_per_token, f"{steady.batch:g} sequences at once on each copy"
    if one.lengths:
        together = float(recipe.sequences(cluster.count))
        seconds, how = _until_the_last(scenario, recipe, one, steady, together), f"{together:g} sequences of a step"
    peak = cluster.accelerator.peak()
    mfu = generation_flops(one.architecture, one.prompt_length, one.sequence_length) / (seconds * peak)
    factor = math.exp(normal_quantile(0.9) * steady.spread)
    spread = between(mfu / factor, min(mfu * factor, MOST_MFU), level=0.8).settled("logitnormal")
    note = f"the decode model: {cluster.count / seconds:,.0f} tokens a second on {cluster.count:,}, {how}"
    return Figure(mfu, spread, Provenance("fitted", "data/fitted/decode.csv", note=note))


def _stored(precision: str) -> str:
    return precision if precision in {"bf16", "fp16", "fp8"} else "bf16"


def _until_the_last(scenario: Scenario, recipe: AnyRecipe, one: Pass, steady: Generation, together: float) -> float:
    """Return the GPU-seconds for each token where all that start together wait for the last [s].

    Prompts are read once; then fewer and fewer are left as the shorter ones end, and each step with those left
    takes its time.
    """
    from costmodel.serving.generation import generation

    cluster, count, before = scenario.cluster, len(one.lengths), 0.0
    elapsed = together * steady.prefill_seconds / steady.replicas
    for done, length in enumerate(one.lengths):
        left, more = together * (count - done) / count, length - before
        if more <= 0:
            continue
        found = generation(
            one.architecture, cluster, prompt_length=max(one.prompt_length + before, 1.0),
            output_length=max(more, 1.0), concurrency=max(left, 1.0), precision=_stored(recipe.precision),
            replicas=steady.replicas,
        )  # fmt: skip
        prompts = found.batch * found.prefill_seconds / max(more, 1.0)  # of these it counts that are read already
        rate = found.tokens_per_second / (1 - prompts / found.time_per_output_token)
        elapsed += left * more / rate
        before = length
    bandwidth = cluster.network or (cluster.accelerator.link_bandwidth or math.inf) * 1e9
    handed_over = BYTES_HANDED_OVER * one.architecture.parameters.total / (bandwidth * steady.accelerators_per_replica)
    written = together * sum(one.lengths) / count
    return cluster.count * (elapsed + handed_over) / written
