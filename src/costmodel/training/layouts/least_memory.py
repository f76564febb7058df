"""Least memory of a training step, where no layout is planned because its time is not modeled.

The memory model needs no measurement of the accelerator: bytes are the same on all vendors. So the layouts of the
planner are compared by their memory alone, and the smallest says with which probability the job can fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.units import GIB
from costmodel.training.layouts import planner
from costmodel.training.layouts.division import settled_batch
from costmodel.training.layouts.fitting import LEAST_PROBABILITY, TooLargeError, fit_probability, step_fit_probability
from costmodel.training.layouts.space import software_options
from costmodel.training.layouts.step_time import StepInputs, pass_workload
from costmodel.training.recipes.passes import passes_of
from costmodel.training.step.configuration import HardwareRates
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.layout import ATTENTION_KERNELS, Kernel, Layouts, layout_of
from costmodel.training.step.memory import host_bytes
from costmodel.training.step.numerics import optimizer_bytes_per_parameter

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.hardware.cluster import Cluster
    from costmodel.training.recipes.registry import AnyRecipe

RATES = tuple(name for name in HardwareRates._fields if name.endswith(("peak", "bandwidth")))
"""Rates of the hardware, which play no part in the memory of a step."""


class LeastMemory(NamedTuple):
    """The least memory that a job needs, and the probability that it fits."""

    needed: float
    """Memory per accelerator, auxiliary models included [byte]."""
    usable: float
    """Usable memory of an accelerator, and of its share of the host where only bytes of states are known [byte]."""
    probability: float
    """Probability that it fits [1]."""
    what: str
    """What is counted, and in which layout."""

    @property
    def is_certainly_too_large(self) -> bool:
        """Whether the job fits in no layout."""
        return self.probability < LEAST_PROBABILITY


def least_memory(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> LeastMemory | None:
    """Return the least memory of a job over the layouts of the planner; None if no memory of the accelerator is known.

    Of an architecture without layers only weights, optimizer states and auxiliary models are counted, shared out evenly
    over all accelerators and their hosts: a lower bound.

    Parameters
    ----------
    architecture : Architecture
    recipe : recipe
    cluster : Cluster
    """
    if cluster.accelerator.usable_memory is None:
        return None
    states = _states(architecture, recipe, cluster)
    if architecture.is_aggregate or states.is_certainly_too_large:
        return states
    inputs = _inputs(architecture, recipe, cluster)
    if inputs.available_memory <= 0:
        return LeastMemory(inputs.auxiliary_bytes, float(inputs.hardware.memory), 0.0, "auxiliary models")
    layout, needed, on_host = _smallest(inputs, recipe.trainer.attention)
    probability = float(step_fit_probability(inputs, needed, on_host)) if layout is not None else 0.0
    described = "" if layout is None else f" ({layout_of(list(layout)).brief()})"
    what = f"states and activations in the smallest layout{described}"
    return LeastMemory(needed + inputs.auxiliary_bytes, float(inputs.hardware.memory), probability, what)


def check_least_memory(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> LeastMemory | None:
    """Return the least memory of a job; raise `TooLargeError` if it certainly fits in no layout.

    Parameters
    ----------
    architecture : Architecture
    recipe : recipe
    cluster : Cluster
    """
    return _checked(least_memory(architecture, recipe, cluster))


def check_states(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> LeastMemory | None:
    """Return the bytes of weights, optimizer states and auxiliary models; raise `TooLargeError` if they cannot fit.

    They are shared out evenly over all accelerators and their hosts: a lower bound for any software.

    Parameters
    ----------
    architecture : Architecture
    recipe : recipe
    cluster : Cluster
    """
    known = cluster.accelerator.usable_memory is not None
    return _checked(_states(architecture, recipe, cluster)) if known else None


def _checked(least: LeastMemory | None) -> LeastMemory | None:
    if least is not None and least.is_certainly_too_large:
        raise TooLargeError(
            f"cluster: the model does not fit: {least.what} need at least {least.needed / GIB:,.1f} GiB per GPU; "
            f"{least.usable / GIB:,.1f} GiB are usable"
        )
    return least


def _states(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> LeastMemory:
    """Return the bytes of weights, optimizer states and auxiliary models, against accelerator and host memory."""
    numerics = next(step.numerics for step in passes_of(recipe, architecture) if step.kind == "train")
    per_parameter = numerics.weight + numerics.trained * optimizer_bytes_per_parameter(numerics, 1.0)
    states = per_parameter * architecture.parameters.total + recipe.auxiliary_bytes(architecture)
    needed, (on_host, _) = float(states) / recipe.training_gpus(cluster.count), cluster.host_memory_per_accelerator
    usable = (cluster.accelerator.usable_memory or 0.0) + on_host
    what = "weights and optimizer states on accelerators and hosts"
    return LeastMemory(needed, usable, float(fit_probability(needed, usable)), what)


def _inputs(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> StepInputs:
    """Return the inputs of the memory model, for software with all kinds of parallelism; no time plays a part in it."""
    training_pass = next(step for step in passes_of(recipe, architecture) if step.kind == "train")
    if (own := recipe.training_gpus(cluster.count)) != cluster.count:
        cluster = cluster.replace(count=own)
    accelerator, (host, host_spread) = cluster.accelerator, cluster.host_memory_per_accelerator
    unused = dict.fromkeys(RATES, 1.0)
    hardware = HardwareRates(
        **unused,
        gpus_per_node=float(min(cluster.node_size, cluster.count)),
        memory=float(accelerator.usable_memory or 0.0),
        host_memory=host,
        host_memory_spread=host_spread,
    )
    return StepInputs(
        work=pass_workload(training_pass),
        numerics=training_pass.numerics,
        hardware=hardware,
        constants=default_efficiency().constants(accelerator, recipe.precision),
        batch_size=float(recipe.sequences(cluster.count)),
        accelerators=float(cluster.count),
        auxiliary_bytes=recipe.auxiliary_bytes(architecture) / cluster.count,
        finetune=recipe.job_kind != "pretraining",
        free_batch=recipe.batch_size is None and recipe.job_kind == "pretraining",
        software=recipe.trainer.key,
    )


def _smallest(inputs: StepInputs, attention: Kernel = "latest") -> tuple[Layouts | None, float, float]:
    """Return the layout with least memory, or None, its memory and its host memory [byte]; its time plays no part."""
    options = {**software_options(inputs), "attention": float(ATTENTION_KERNELS.index(attention))}
    best = planner._Compared(None, math.inf, None, math.inf, 0)
    for context, further in planner._fallbacks(inputs):
        for block in planner._blocks([inputs], {0: context}, {**options, **further}):
            best = planner._better(best, planner._smallest(block, [0])[0])
        if inputs.available_memory >= planner.AMPLE * best.memory:
            break
    if best.smallest is None or not math.isfinite(best.memory):
        return None, math.inf, 0.0
    layout = planner._layout(*best.smallest)
    batch = settled_batch(inputs, layout)
    return layout, best.memory, float(host_bytes(inputs.work, inputs.numerics, batch, layout))
