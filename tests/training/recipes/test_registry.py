"""The table of recipes: complete, public, and read by scenarios and the JSON schema."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import costmodel as cm
from costmodel.foundation.specs import Spec
from costmodel.training import recipes
from costmodel.training.recipes.passes import Pass, passes_of
from costmodel.training.recipes.recipe import Recipe
from costmodel.training.recipes.registry import AnyRecipe, read_recipe
from costmodel.training.recipes.table import RECIPES

MODULES = sorted(path.stem for path in Path(recipes.__file__).parent.glob("*.py") if path.stem != "__init__")


def recipe_classes():
    """Return all classes with a field `kind` and a method `passes`, by their path in the table."""
    modules = {name: import_module(f"costmodel.training.recipes.{name}") for name in MODULES}
    return [
        (f"{module.__name__}:{value.__name__}", value)
        for name, module in modules.items()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Spec) and value.__module__ == module.__name__
        if hasattr(value, "passes") and "kind" in value.model_fields
    ]


@pytest.mark.parametrize(("path", "recipe"), recipe_classes())
def test_every_recipe_class_is_registered_under_its_kind(path, recipe):
    kind = recipe.model_fields["kind"].default
    assert RECIPES.own.get(kind) == path, f'add "{kind}": "{path}" to RECIPES in training/recipes/table.py'
    assert RECIPES[kind] is recipe


@pytest.mark.parametrize("path", list(RECIPES.own.values()))
def test_every_recipe_is_a_public_name(path):
    module, name = path.split(":")
    home = module.removeprefix("costmodel.")
    assert cm._HOMES.get(name) == home, f'add "{name}": "{home}" to _HOMES in costmodel/__init__.py'
    assert name in cm.__all__, f'add "{name}" to __all__ in costmodel/__init__.py'
    public = Path(cm.__file__).read_text(encoding="utf-8").partition("_HOMES")[0]
    assert name in public, f"import {name} under TYPE_CHECKING in costmodel/__init__.py"


def test_json_schema_lists_every_recipe():
    schema = TypeAdapter(AnyRecipe).json_schema()
    names = {choice.get("title") or choice["$ref"].rpartition("/")[2] for choice in schema["anyOf"]}
    assert names == {path.partition(":")[2] for path in RECIPES.own.values()}


def test_mapping_without_kind_is_pretraining():
    assert read_recipe({"tokens": 1e9}) == cm.Pretraining(tokens=1e9)


def test_unknown_kind_suggests_nearest_kind():
    with pytest.raises(cm.InputError, match="qlora"):
        read_recipe({"kind": "qlorra", "tokens": 1e9})


def test_other_values_are_not_recipes():
    for value in (3, cm.Cluster("H100-SXM", 8)):
        with pytest.raises(cm.InputError, match="expected a recipe such as LoRA"):
            read_recipe(value)


def test_a_recipe_must_define_its_passes():
    class Unfinished(Recipe):
        pass

    with pytest.raises(TypeError, match="passes"):
        Unfinished()


@pytest.mark.parametrize(
    ("passes", "problem"),
    [
        ([], "one pass must be of kind 'train'; got 0 other passes"),
        ([("score", 1e6)], "kind of pass 'score' must be one of train, forward, generate; got 'score'"),
        ([("train", -1.0)], "tokens of pass 'train' must be a positive number; got -1.0"),
    ],
)
def test_passes_of_a_recipe_are_checked(passes, problem):
    class Odd(cm.LoRA):
        def passes(self, architecture):
            return [Pass(kind, architecture, tokens, 1024, kind) for kind, tokens in passes]

    with pytest.raises(cm.InputError, match=re.escape(f"Odd.passes: {problem}")):
        passes_of(Odd(tokens=1e6), cm.load_architecture("llama-3.1-8b"))
