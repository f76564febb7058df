"""Arguments of `what_fits`, checked together."""

from itertools import product
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from costmodel.architecture.loading import architectures, load_architecture
from costmodel.architecture.specification import Architecture
from costmodel.estimation.scenario import ArchitectureField, Stages
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import MOST, Count, Dollars, Gigabytes, Measure, Tokens
from costmodel.foundation.specs import Spec
from costmodel.hardware.accelerator import Accelerator, accelerators, load_accelerator
from costmodel.hardware.cluster import AcceleratorField
from costmodel.hardware.site import Site
from costmodel.market.rental import Rental
from costmodel.market.ways_to_pay import Prices
from costmodel.training.recipes.finetuning import FullFineTuning, LoRA, QLoRA
from costmodel.training.recipes.registry import AnyRecipe

COUNTS = (1, 2, 4, 8)
"""Default numbers of accelerators: up to a node [1]."""
TOKENS = 1e6
"""Default tokens of a recipe, so that costs are per million tokens [token]."""


def _how_many(value: Any) -> str:
    return "several values" if isinstance(value, (list, tuple)) else "one value"


Architectures = Annotated[
    Annotated[ArchitectureField, Tag("one value")] | Annotated[tuple[ArchitectureField, ...], Tag("several values")],
    Discriminator(_how_many),
]
Accelerators = Annotated[
    Annotated[AcceleratorField, Tag("one value")] | Annotated[tuple[AcceleratorField, ...], Tag("several values")],
    Discriminator(_how_many),
]
Counts = Annotated[
    Annotated[Count, Tag("one value")] | Annotated[tuple[Count, ...], Tag("several values")], Discriminator(_how_many)
]
Kilograms = Annotated[float, Measure("kg", 0.0, MOST, open_low=True, uncertain=False)]
Days = Annotated[float, Measure("day", 0.0, MOST, open_low=True, uncertain=False)]


class FitRequest(Spec):
    """Validated arguments of `what_fits`."""

    architecture: Architectures | None = Field(
        default=None, description="Models to compare, one or a list; default: all of the catalog."
    )
    recipe: Stages | None = Field(
        default=None, description="Recipes to compare, one or a list; default: full fine-tuning, LoRA and QLoRA."
    )
    accelerator: Accelerators | None = Field(
        default=None, description="Accelerators to compare, one or a list; default: all of the catalog."
    )
    count: Counts = Field(default=COUNTS, description="Numbers of accelerators to compare, one or a list.")
    tokens: Tokens | None = Field(
        default=None, description="Training tokens of the default recipes [token]; default: 1 million."
    )
    memory: Gigabytes | None = Field(
        default=None, description="Largest memory of an accelerator [GB]; default: no limit."
    )
    budget: Dollars | None = Field(default=None, description="Limit of the cost [USD]; default: no limit.")
    carbon: Kilograms | None = Field(default=None, description="Limit of the carbon [kg]; default: no limit.")
    deadline: Days | None = Field(default=None, description="Limit of the wall time [day]; default: no limit.")
    prices: Prices = Field(
        default=Rental(), description="Price of a GPU-hour, given or looked up, or owned accelerators."
    )
    site: Site = Field(default=Site(), description="Power, cooling and grid of the data center.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.architecture is None and self.accelerator is None:
            problems.append("give architecture, accelerator or both")
        if self.recipe is not None and self.tokens is not None:
            problems.append("tokens: the recipe sets them; leave out tokens or recipe")
        listed = {name: getattr(self, name) for name in ("architecture", "recipe", "accelerator", "count")}
        problems += [
            f"{name}: the list is empty; give at least one value" for name, value in listed.items() if value == ()
        ]
        models = several(self.architecture or ())
        problems += [
            f"architecture: only the counts of a model of {rendering.number(model.parameters.total / 1e9)}B "
            "parameters are given; memory needs its layers: give a name, a config or a shape"
            for model in models
            if model.is_aggregate
        ]
        if not problems:
            problems += [
                problem for model, recipe in product(models, self.recipes()) for problem in _misfit(model, recipe)
            ]
        if problems:
            raise ValueError("; ".join(dict.fromkeys(problems)))
        return self

    def recipes(self) -> tuple[AnyRecipe, ...]:
        """Return the recipes to compare."""
        if self.recipe is not None:
            return several(self.recipe)
        tokens = TOKENS if self.tokens is None else self.tokens
        return FullFineTuning(tokens=tokens), LoRA(tokens=tokens), QLoRA(tokens=tokens)

    def models(self) -> tuple[Architecture, ...]:
        """Return the models to compare."""
        if self.architecture is not None:
            return several(self.architecture)
        return tuple(load_architecture(row["name"]) for row in architectures())

    def devices(self) -> tuple[Accelerator, ...]:
        """Return the accelerators to compare."""
        if self.accelerator is not None:
            return several(self.accelerator)
        return tuple(load_accelerator(row["name"]) for row in accelerators())


def several(value: Any) -> tuple[Any, ...]:
    """Return the values of an argument that accepts one value or several."""
    return value if isinstance(value, tuple) else (value,)


def _misfit(architecture: Architecture, recipe: AnyRecipe) -> tuple[str, ...]:
    """Return the problems of a recipe with a model, such as unknown target matrices."""
    try:
        recipe.passes(architecture)
    except InputError as error:
        return error.problems
    return ()
