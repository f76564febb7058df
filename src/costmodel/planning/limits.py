"""Limits of a cluster: longest sequence, largest micro-batch and largest model that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from costmodel.architecture.loading import architectures as catalog
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.units import GIB
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.layouts.fitting import TooLargeError
from costmodel.training.layouts.planner import Plan, plan, plans
from costmodel.training.layouts.step_time import StepInputs, training_step_inputs
from costmodel.training.recipes.recipe import Recipe
from costmodel.training.step.memory import memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes.registry import AnyRecipe
    from costmodel.training.step.layout import Kernel

STEP = 128
"""Sequence lengths are multiples of this; all planned degrees of context parallelism divide it [token]."""
LONGEST = 2**24
"""Largest sequence length of the search [token]."""
MOST_SEQUENCES = 2**20
"""Largest micro-batch size of the search [1]."""
STAND_IN = "B200"
"""Accelerator with all number formats; its step times replace those of accelerators without measured steps."""
FULL = 2.0
"""Full recomputation, as a number of `Layouts`."""


def planned(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> tuple[StepInputs, Plan]:
    """Return the inputs of the step-time model, and the planned layout of a recipe on a cluster.

    Without measured steps on the accelerator, the layout is that of a `STAND_IN` with the same memory: memory does not
    depend on the speed.

    Parameters
    ----------
    architecture : Architecture
        With its layers.
    recipe : recipe
        Method and data of the training, such as `Pretraining`.
    cluster : Cluster
        Accelerators and their site.

    Raises
    ------
    TooLargeError
        If the model fits on no layout according to the predicted memory.
    InputError
        If no layout is possible for another reason, such as the batch size.
    MissingFactError
        If the memory of the accelerator is unknown.
    """
    check_auxiliary_models(architecture, recipe, cluster)
    try:
        inputs = training_step_inputs(architecture, cluster, recipe, None)
    except MissingFactError:
        inputs = training_step_inputs(architecture, _stand_in(cluster), recipe, None)
    chosen = plan(inputs, recipe.trainer.attention)
    if chosen.memory > inputs.available_memory:
        needed, available = chosen.memory / GIB, inputs.available_memory / GIB
        raise TooLargeError(f"layout: the smallest needs {needed:.1f} of {available:.1f} GiB per accelerator")
    return inputs, chosen


def plan_stand_ins(cases: Sequence[tuple[Architecture, AnyRecipe, Cluster]]) -> None:
    """Plan the layouts of several jobs on accelerators without measured steps at once, so that `planned` finds them.

    Parameters
    ----------
    cases : sequence of tuple
        Arguments of `planned`.
    """
    by_kernel: dict[Kernel, list[StepInputs]] = {}
    for architecture, recipe, cluster in cases:
        with suppress(CostModelError):  # `planned` reports it
            inputs = training_step_inputs(architecture, _stand_in(cluster), recipe, None)
            by_kernel.setdefault(recipe.trainer.attention, []).append(inputs)
    for kernel, listed in by_kernel.items():
        plans(listed, kernel)


def check_auxiliary_models(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> None:
    """Raise `TooLargeError` if the auxiliary models alone need the whole memory of the accelerators.

    Parameters
    ----------
    architecture : Architecture
        The model.
    recipe : recipe
        Method and data of the training, such as `Pretraining`.
    cluster : Cluster
        Accelerators and their site.
    """
    needed, capacity = (
        recipe.auxiliary_bytes(architecture) / recipe.training_gpus(cluster.count),
        cluster.accelerator.usable_memory,
    )
    if capacity is not None and needed >= capacity:
        raise TooLargeError(f"the auxiliary models need {needed / GIB:.1f} of {capacity / GIB:.1f} GiB")


def longest_sequence(architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster) -> int:
    """Return the longest training sequence that fits.

    The layout is the planned one, with as much recomputation as necessary. Sequences are full: padded examples count as
    packed, and prompts are part of the sequence.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    recipe : recipe
        Its sequence length is replaced.
    cluster : Cluster
        Accelerators and their site.

    Returns
    -------
    int
        Largest multiple of 128 that fits, at most `LONGEST` [token].

    Raises
    ------
    InputError
        If 128 tokens do not fit, or other fields determine the sequences of the recipe.
    MissingFactError
        If the memory of the accelerator is unknown.

    References
    ----------
    `costmodel.training.step.memory`: four of five measured peaks are within 13 % of it.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import QLoRA
    >>> short, long = (longest_sequence("llama-3.1-8b", QLoRA(tokens="20M"), Cluster(name, 1))
    ...             for name in ("RTX-4090", "RTX-6000-Ada"))
    >>> 4096 < short < long
    True
    """
    shape = _checked(architecture, recipe, cluster)

    def with_length(length: int) -> AnyRecipe:
        full = {"packing": True, "prompt_length": 0.0}
        fields = {name: value for name, value in full.items() if name in type(recipe).model_fields}
        return recipe.replace(sequence_length=length * STEP, **fields)

    inputs, _ = planned(shape, with_length(1), cluster)  # raises if it does not fit
    if inputs.work.sequence_length != STEP:
        raise InputError(f"recipe: sequence_length does not determine the sequences of {recipe.kind!r}")
    return STEP * _largest(lambda length: infeasibility(shape, with_length(length), cluster) is None, LONGEST // STEP)


def largest_micro_batch(
    architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster
) -> int:
    """Return the largest micro-batch size that fits on each replica.

    The degrees of parallelism are the planned ones, with full recomputation and the ZeRO level that needs least memory.
    Gradients are accumulated over several micro-batches.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    recipe : recipe
        Its batch size must allow a layout; the result does not depend on it otherwise.
    cluster : Cluster
        Accelerators and their site.

    Returns
    -------
    int
        Sequences per micro-batch, at most `MOST_SEQUENCES` [1].

    Raises
    ------
    InputError
        If the recipe does not fit.
    MissingFactError
        If the memory of the accelerator is unknown.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import QLoRA
    >>> short, long = (QLoRA(tokens="20M", sequence_length=length) for length in (512, 2048))
    >>> of_short, of_long = (
    ...     largest_micro_batch("llama-3.1-8b", recipe, Cluster("RTX-4090", 1)) for recipe in (short, long)
    ... )
    >>> of_short >= 4 * of_long > 0
    True
    """
    inputs, chosen = planned(_checked(architecture, recipe, cluster), recipe, cluster)
    layout = chosen.layout
    sharded = layout.pipeline == 1 and layout.data * layout.context > 1
    lean = [
        layout._replace(recompute=FULL, interleave=1.0, zero=zero)
        for zero in ((1.0, 2.0, 3.0) if sharded else (layout.zero,))
    ]

    def fits(sequences: int) -> bool:
        layouts = [candidate._replace(micro_batch=float(sequences)) for candidate in lean]
        batches = [sequences * candidate.data * max(2.0, candidate.pipeline) for candidate in layouts]
        return any(
            float(memory(inputs.work, inputs.numerics, batch, candidate).total) <= inputs.available_memory
            for candidate, batch in zip(layouts, batches, strict=True)
        )

    if not fits(1):  # fits only without gradient accumulation
        return int(layout.micro_batch)
    return _largest(fits, MOST_SEQUENCES)


@checked("architectures")
def largest_model(
    recipe: AnyRecipe,
    cluster: Cluster,
    architectures: Iterable[str | Mapping[str, Any] | Architecture] | None = None,
) -> list[str]:
    """Return the models that fit, in descending order of parameters.

    Parameters
    ----------
    recipe : recipe
        Method and data of the training, such as `Pretraining`.
    cluster : Cluster
        Accelerators and their site.
    architectures : iterable, optional
        Names or other inputs of `load_architecture`; default: the catalog.

    Returns
    -------
    list of str
        Names of the models, without those for which the recipe is not possible.

    Raises
    ------
    InputError, UnknownNameError
        If the recipe is no recipe, or a name is unknown.
    MissingFactError
        If the memory of the accelerator is unknown.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import FullFineTuning, QLoRA
    >>> models = ("llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b")
    >>> largest_model(QLoRA(tokens="20M"), Cluster("RTX-4090", 1), models)
    ['llama-3.1-70b', 'llama-3.1-8b', 'llama-3.2-1b']
    >>> largest_model(FullFineTuning(tokens="20M"), Cluster("H100-SXM", 1), models)
    ['llama-3.1-8b', 'llama-3.2-1b']
    """
    listed = (row["name"] for row in catalog()) if architectures is None else architectures
    shapes = sorted((load_architecture(value) for value in listed), key=lambda shape: -shape.parameters.total)
    _check(recipe, cluster)
    reasons = {shape.name: infeasibility(shape, recipe, cluster) for shape in shapes}
    if reasons and all(reason and not isinstance(reason, TooLargeError) for reason in reasons.values()):
        raise InputError(f"recipe: not possible for any of the models: {next(iter(reasons.values()))}")
    return [name for name, reason in reasons.items() if reason is None]


def infeasibility(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> InputError | None:
    """Return why a recipe is not feasible on a cluster; None if it fits.

    Parameters
    ----------
    architecture : Architecture
        The model.
    recipe : recipe
        Method and data of the training, such as `Pretraining`.
    cluster : Cluster
        Accelerators and their site.
    """
    try:
        planned(architecture, recipe, cluster)
    except InputError as error:
        return error
    return None


def _checked(architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster) -> Architecture:
    _check(recipe, cluster)
    return load_architecture(architecture)


def _check(recipe: Any, cluster: Any) -> None:
    """Raise an error with every problem of a recipe and a cluster."""
    problems = []
    if not isinstance(recipe, Recipe):
        problems.append(f"recipe: expected one recipe such as LoRA(tokens='20M'); got {recipe!r}")
    if not isinstance(cluster, Cluster):
        problems.append(f"cluster: expected a Cluster such as Cluster('H100-SXM', 8); got {cluster!r}")
    if problems:
        raise InputError(problems)
    if cluster.accelerator.usable_memory is None:
        raise MissingFactError(unknown_memory(cluster.accelerator))


def unknown_memory(accelerator: Accelerator) -> str:
    """Return the message that the memory of an accelerator is unknown.

    Parameters
    ----------
    accelerator : Accelerator
        The accelerator.
    """
    name = accelerator.name
    return f"the memory of {name} is unknown; set it: load_accelerator({name!r}).replace(memory=80)"


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number that fits, at most `most` (a power of two); 1 fits.

    The search halves `most` until a number fits, so that it also finds numbers above an infeasible range.
    """
    high = most
    while high > 1 and not fits(high):
        high //= 2
    low, high = high, 2 * high
    if low == most:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _stand_in(cluster: Cluster) -> Cluster:
    """Return a cluster of `STAND_IN` accelerators with the memory and the nodes of another cluster."""
    accelerator: Accelerator = cluster.accelerator
    if accelerator.usable_memory is None:
        raise MissingFactError(unknown_memory(accelerator))
    stand_in = load_accelerator(STAND_IN).replace(memory=None, usable_memory=accelerator.usable_memory)
    return Cluster(stand_in, cluster.count, gpus_per_node=cluster.node_size)
