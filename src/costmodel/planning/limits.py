"""How far does it go on a given cluster? The longest sequence, the largest micro-batch, the largest model that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from costmodel.architecture.loading import architectures as catalog
from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.units import GIB
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.training.layouts.planner import Plan, TooLargeError, plan
from costmodel.training.layouts.step_time import StepInputs, training_step_inputs
from costmodel.training.recipes.registry import is_recipe
from costmodel.training.step.memory import memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.training.recipes.registry import AnyRecipe

STEP = 128
"""Sequence lengths are told in multiples of this, which all planned degrees of context parallelism divide [token]."""
LONGEST = 2**24
"""Sequence length up to which one is looked for [token]."""
MOST_SEQUENCES = 2**20
"""Micro-batch up to which one is looked for [1]."""
STAND_IN = "B200"
"""Accelerator, with all number formats, in whose place layouts are planned where the time model knows none."""
FULL = 2.0
"""Full recomputation, as `Layouts` numbers it."""


def planned(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> tuple[StepInputs, Plan]:
    """Return the layout that is planned for a recipe on a cluster, and the question behind it.

    Where no step was measured on such accelerators the layout is that on a `STAND_IN` with their memory: what
    fits does not depend on how fast it runs.

    Parameters
    ----------
    architecture : with its layers
    recipe : AnyRecipe
    cluster : accelerators

    Raises
    ------
    TooLargeError
        If it fits on no layout.
    InputError
        If no layout is possible for another reason, such as a batch that does not divide.
    MissingFactError
        If the memory of the accelerator is not known.
    """
    check_auxiliary_models(architecture, recipe, cluster)
    try:
        asked = training_step_inputs(architecture, cluster, recipe, None)
    except MissingFactError:
        asked = training_step_inputs(architecture, _stand_in(cluster), recipe, None)
    return asked, plan(asked, free_batch=recipe.batch_size is None)


def check_auxiliary_models(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> None:
    """Raise `TooLargeError` if models beside the trained one leave no room on the accelerators at all."""
    needed, held = recipe.auxiliary_bytes(architecture) / cluster.count, cluster.accelerator.usable_memory
    if held is not None and needed >= held:
        raise TooLargeError(f"the models beside the trained one need {needed / GIB:.1f} of the {held / GIB:g} GiB")


def longest_sequence(architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster) -> int:
    """Return the longest sequence that can be trained on.

    The layout is the planned one, with as much recomputation as it takes. Sequences are full: those of examples
    that are padded count as packed, and prompts are a part of them.

    Parameters
    ----------
    architecture : Architecture, or what `load_architecture` takes
    recipe : what is done; its sequence length is replaced
    cluster : accelerators

    Returns
    -------
    int
        A multiple of 128 that fits where 128 more do not, `LONGEST` at most [token].

    Raises
    ------
    InputError
        If not even 128 tokens fit, or the sequences of the recipe follow from other fields.
    MissingFactError
        If the memory of the accelerator is not known.

    References
    ----------
    `costmodel.training.step.memory`: four of five measured peaks lie within 13 % of it.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import QLoRA
    >>> one, two = (longest_sequence("llama-3.1-8b", QLoRA(tokens="20M"), Cluster(name, 1))
    ...             for name in ("RTX-4090", "RTX-6000-Ada"))
    >>> 4096 < one < two
    True
    """
    shape = _checked(architecture, recipe, cluster)

    def of(length: int) -> AnyRecipe:
        full = {"packing": True, "prompt_length": 0.0}
        held = {name: value for name, value in full.items() if name in type(recipe).model_fields}
        return recipe.replace(sequence_length=length * STEP, **held)

    asked, _ = planned(shape, of(1), cluster)  # raises where nothing fits
    if asked.work.sequence_length != STEP:
        raise InputError(f"recipe: the sequences of {recipe.kind!r} follow from other fields than sequence_length")
    return STEP * _largest(lambda length: obstacle(shape, of(length), cluster) is None, LONGEST // STEP)


def largest_micro_batch(
    architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster
) -> int:
    """Return the most sequences that can pass through the model at a time, on each replica.

    The degrees of parallelism are the planned ones; all layers are computed again, and data-parallel ranks share
    as much as leaves most room. The batch of a step counts as several of these: gradients add up.

    Parameters
    ----------
    architecture : Architecture, or what `load_architecture` takes
    recipe : what is done; of its batch nothing is asked but that a layout is possible
    cluster : accelerators

    Returns
    -------
    int
        Sequences that fit where one more does not, `MOST_SEQUENCES` at most.

    Raises
    ------
    InputError
        If the recipe does not fit at all.
    MissingFactError
        If the memory of the accelerator is not known.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import QLoRA
    >>> short, long = (QLoRA(tokens="20M", sequence_length=length) for length in (512, 2048))
    >>> of_short, of_long = (largest_micro_batch("llama-3.1-8b", one, Cluster("RTX-4090", 1)) for one in (short, long))
    >>> of_short >= 4 * of_long > 0
    True
    """
    asked, found = planned(_checked(architecture, recipe, cluster), recipe, cluster)
    shared = found.layout.pipeline == 1 and found.layout.data * found.layout.context > 1
    lean = [
        found.layout._replace(recompute=FULL, interleave=1.0, zero=zero)
        for zero in ((1.0, 2.0, 3.0) if shared else (found.layout.zero,))
    ]

    def fits(sequences: int) -> bool:
        tried = [of._replace(micro_batch=float(sequences)) for of in lean]
        batches = [sequences * of.data * max(2.0, of.pipeline) for of in tried]
        return any(
            float(memory(asked.work, asked.numerics, batch, of).total) <= asked.available_memory
            for of, batch in zip(tried, batches, strict=True)
        )

    if not fits(1):  # with a batch of one micro-batch only, where no gradients wait
        return int(found.layout.micro_batch)
    return _largest(fits, MOST_SEQUENCES)


def largest_model(
    recipe: AnyRecipe,
    cluster: Cluster,
    architectures: Iterable[str | Mapping[str, Any] | Architecture] | None = None,
) -> list[str]:
    """Return the models that fit, the one with most parameters first.

    Parameters
    ----------
    recipe : what is done
    cluster : accelerators
    architectures : names, or what else `load_architecture` takes; those of the catalog unless given

    Returns
    -------
    list of str
        Names of the models; models on which the recipe is not possible are left out.

    Raises
    ------
    InputError, UnknownNameError
        If the recipe is none, or a name is not known.
    MissingFactError
        If the memory of the accelerator is not known.

    Examples
    --------
    >>> from costmodel import Cluster
    >>> from costmodel.training.recipes.finetuning import FullFineTuning, QLoRA
    >>> models = ("llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b")
    >>> largest_model(QLoRA(tokens="20M"), Cluster("RTX-4090", 1), models)
    ['llama-3.1-8b', 'llama-3.2-1b']
    >>> largest_model(FullFineTuning(tokens="20M"), Cluster("H100-SXM", 1), models)
    ['llama-3.2-1b']
    """
    listed = (row["name"] for row in catalog()) if architectures is None else architectures
    shapes = sorted((load_architecture(one) for one in listed), key=lambda one: -one.parameters.total)
    _check(recipe, cluster)
    against = {one.name: obstacle(one, recipe, cluster) for one in shapes}
    if against and all(each is not None and not isinstance(each, TooLargeError) for each in against.values()):
        raise InputError(f"the recipe is possible on none of the models: {next(iter(against.values()))}")
    return [name for name, each in against.items() if each is None]


def obstacle(architecture: Architecture, recipe: AnyRecipe, cluster: Cluster) -> InputError | None:
    """Return why a recipe cannot be done on a cluster: too large, or not possible there; None where it fits."""
    try:
        planned(architecture, recipe, cluster)
    except InputError as error:
        return error
    return None


def _checked(architecture: str | Mapping[str, Any] | Architecture, recipe: AnyRecipe, cluster: Cluster) -> Architecture:
    _check(recipe, cluster)
    return load_architecture(architecture)


def _check(recipe: Any, cluster: Any) -> None:
    """Raise what is wrong with a recipe and a cluster, all of it at once."""
    wrong = []
    if not is_recipe(recipe):
        wrong.append(f"recipe: one recipe is asked for, such as LoRA(tokens='20M'); got {recipe!r}")
    if not isinstance(cluster, Cluster):
        wrong.append(f"cluster: a Cluster is asked for, such as Cluster('H100-SXM', 8); got {cluster!r}")
    if wrong:
        raise InputError(wrong)
    if cluster.accelerator.usable_memory is None:
        raise MissingFactError(f"the memory of {cluster.accelerator.name} is not known")


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """Return a number that fits where one more does not, or `most` (a power of two); 1 is known to fit.

    From above by halves, so that what is possible from some number on only is found.
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
    """Return a cluster of stand-ins with the memory and in the nodes of another."""
    accelerator: Accelerator = cluster.accelerator
    if accelerator.usable_memory is None:
        raise MissingFactError(f"the memory of {accelerator.name} is not known")
    stand_in = load_accelerator(STAND_IN).replace(memory=None, usable_memory=accelerator.usable_memory)
    return Cluster(stand_in, cluster.count, gpus_per_node=cluster.node_size)
