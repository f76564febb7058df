"""Least memory of a training step, where no layout is planned because its time is not modeled.

The memory model needs no measurement of the accelerator: bytes are the same on all vendors. So the layouts of the
planner are compared by their memory alone, and the smallest says with which probability the job can fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.newest import Newest
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


class _Smallest(NamedTuple):
    """The layout with least memory."""

    layout: Layouts | None
    """None if no layout is possible."""
    needed: float
    """Its memory per accelerator [byte]."""
    on_host: float
    """Its host memory per accelerator [byte]."""


def compare_together(cases: Sequence[tuple[Architecture, AnyRecipe, Cluster]]) -> None:
    """Compare the layouts of several jobs by memory at once, so that `least_memory` finds them: faster than one by one.

    Parameters
    ----------
    cases : sequence of tuple
        Arguments of `least_memory`.
    """
    alike: dict[tuple[Kernel, object], list[StepInputs]] = {}
    for architecture, recipe, cluster in cases:
        if cluster.accelerator.usable_memory is None or architecture.is_aggregate:
            continue
        if _states(architecture, recipe, cluster).is_certainly_too_large:
            continue
        inputs, attention = _inputs(architecture, recipe, cluster), recipe.trainer.attention
        if inputs.available_memory > 0 and (inputs, attention) not in _newest:
            alike.setdefault((attention, planner._kind(inputs)), []).append(inputs)
    for (attention, _), listed in alike.items():
        for start in range(0, len(listed), planner.TOGETHER):
            part = listed[start : start + planner.TOGETHER]
            _keep(part, attention, _smallest_of(part, attention))


_newest = Newest[tuple[StepInputs, Kernel], _Smallest](planner.MOST_KEPT)
"""The newest layouts with least memory."""


def _keep(listed: Sequence[StepInputs], attention: Kernel, smallest: Sequence[_Smallest]) -> None:
    _newest.update({(inputs, attention): each for inputs, each in zip(listed, smallest, strict=True)})


def _smallest(inputs: StepInputs, attention: Kernel = "latest") -> _Smallest:
    """Return the layout with least memory; its time plays no part."""
    if (kept := _newest.get((inputs, attention))) is not None:
        return kept
    found = _smallest_of([inputs], attention)
    _keep([inputs], attention, found)
    return found[0]


def _smallest_of(listed: list[StepInputs], attention: Kernel) -> list[_Smallest]:
    """Return the layouts with least memory of several steps of one kind."""
    options = {**software_options(listed[0]), "attention": float(ATTENTION_KERNELS.index(attention))}
    fallbacks = [planner._fallbacks(inputs) for inputs in listed]
    best = [planner._Compared(None, math.inf, None, math.inf, 0)] * len(listed)
    undecided = list(range(len(listed)))
    for place in range(len(fallbacks[0])):
        contexts = {step: fallbacks[step][place][0] for step in undecided}
        for block in planner._blocks(listed, contexts, {**options, **fallbacks[0][place][1]}):
            for step, smallest in planner._smallest(block, undecided).items():
                best[step] = planner._better(best[step], smallest)
        undecided = [step for step in undecided if listed[step].available_memory < planner.AMPLE * best[step].memory]
        if not undecided:
            break
    return [_placed(inputs, compared) for inputs, compared in zip(listed, best, strict=True)]


def _placed(inputs: StepInputs, best: planner._Compared) -> _Smallest:
    if best.smallest is None or not math.isfinite(best.memory):
        return _Smallest(None, math.inf, 0.0)
    layout = planner._layout(*best.smallest)
    batch = settled_batch(inputs, layout)
    return _Smallest(layout, best.memory, float(host_bytes(inputs.work, inputs.numerics, batch, layout)))
