"""The field type that accepts any recipe of the table, as an object or as a mapping of its fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from costmodel.foundation.errors import FieldsError, InputError, unknown
from costmodel.foundation.fields import JsonSchema, any_kind, reported
from costmodel.foundation.renamed import RENAMED
from costmodel.training.recipes.recipe import Recipe
from costmodel.training.recipes.table import RECIPES

if TYPE_CHECKING:
    from costmodel.training.recipes.finetuning import FineTuning
    from costmodel.training.recipes.pretraining import Pretraining


def read_recipe(value: Any) -> Any:
    """Return the recipe described by a mapping; a recipe is returned unchanged.

    Parameters
    ----------
    value : recipe or Mapping
        Fields of a recipe; `kind` names it, default "pretraining".

    Raises
    ------
    InputError
        If the value describes no recipe; the message lists every problem of its fields.
    """
    if isinstance(value, Recipe):
        return value
    if not isinstance(value, Mapping):
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
        raise InputError(f"expected a recipe such as LoRA(tokens='20M'), or its fields with a `kind`; got {shown}")
    kind = value.get("kind", "pretraining")
    if isinstance(kind, str) and kind in RENAMED:
        kind = RENAMED[kind]
        value = {**value, "kind": kind}
    if not isinstance(kind, str) or kind not in RECIPES:
        raise InputError(unknown("kind of recipe", kind, RECIPES))
    try:
        return RECIPES[kind].from_data(value)
    except InputError as error:
        raise FieldsError(error.problems) from None


class _RecipeField:
    """Field that accepts any recipe, as an object or as a mapping of its fields."""

    type_name = "Recipe"

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(lambda recipe: recipe.to_data())
        return core_schema.no_info_plain_validator_function(reported(read_recipe), serialization=written)

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return any_kind("Recipe", RECIPES.working().values(), handler, default="pretraining")

    def specifications(self) -> "list[type[AnyRecipe]]":
        """Return all recipes, whose fields messages suggest."""
        return list(RECIPES.working().values())


if TYPE_CHECKING:
    AnyRecipe: TypeAlias = Pretraining | FineTuning
    RecipeLike: TypeAlias = AnyRecipe | Mapping[str, object]
else:
    AnyRecipe = Annotated[Any, _RecipeField()]
"""Any recipe, as a type and as the annotation of a field; all but `Pretraining` are subclasses of `FineTuning`."""
