"""Trained parameters of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.architecture.loading import load_architecture
from costmodel.foundation.errors import InputError
from costmodel.training.recipes.freezing import check_parts, parts_of
from costmodel.training.recipes.recipe import Recipe
from costmodel.training.step.adapters import adapter_parameters

if TYPE_CHECKING:
    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.training.recipes.registry import AnyRecipe


def trainable_parameters(architecture: ArchitectureLike, recipe: AnyRecipe) -> int:
    """Return the parameters that a recipe trains [1].

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts, as in `load_architecture`.
    recipe : recipe
        Adapters count with their magnitude vectors and virtual tokens; trained embeddings beside adapters count too.

    Raises
    ------
    InputError
        If the recipe is no recipe, a target is no matrix, or a frozen part is no part of the architecture.

    Examples
    --------
    >>> import costmodel as cm
    >>> trainable_parameters("llama-3.1-8b", cm.LoRA(tokens="20M", rank=16))
    41943040
    >>> trainable_parameters("llava-1.5-7b", cm.FullFineTuning(tokens="20M", freeze=["vision"]))
    6760510464
    """
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe: expected one recipe such as LoRA(tokens='20M'); got {recipe!r}")
    model = load_architecture(architecture)
    adapters = getattr(recipe, "adapters", None)
    if adapters is not None:
        if model.is_aggregate:
            raise InputError("architecture: adapters need the layers of the model; only its counts are given")
        count = adapter_parameters(model, adapters)
        sizes = parts_of(model)
        beside = sizes.get("embedding", 0) + sizes.get("head", 0) if getattr(recipe, "train_embeddings", False) else 0
        return int(count + beside)
    frozen = getattr(recipe, "freeze", ())
    if not frozen:
        return int(model.parameters.total)
    check_parts(model, frozen)
    return int(sum(size for part, size in parts_of(model).items() if part not in frozen))
