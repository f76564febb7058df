"""What is done with the model? Recipes, each a list of passes."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args

from pydantic import BeforeValidator, Discriminator, Tag

from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Dimension, GPUHours, Tokens, reported
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.training.distilling import Distillation
from costmodel.training.finetuning import FullFineTuning, LoRA, PromptTuning, QLoRA, QuantisationAwareTraining
from costmodel.training.numerics import Numerics, Optimizer, Precision, numerics
from costmodel.training.passes import Pass
from costmodel.training.preference import DPO, KTO, ORPO, RewardModel, SimPO
from costmodel.training.reinforcement import GRPO, PPO

BATCH_TOKENS = 2.0**22
"""Tokens of a step where no batch is given, as Llama 2 and 3 were begun (arXiv 2307.09288, 2407.21783) [token]."""
TOKENS_PER_ACCELERATOR = 1024.0
"""Least tokens of a step for each accelerator where no batch is given: 16 M on 16,384 (arXiv 2407.21783) [token]."""
LEAST_STEPS = 1000.0
"""Least steps of a run where no batch is given [1]."""


class Pretraining(Spec):
    """Training on text from scratch, or one stage of it.

    Examples
    --------
    >>> Pretraining(tokens="15T", sequence_length=8192).tokens
    15000000000000.0
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    kind: Literal["pretraining"] = "pretraining"
    tokens: Tokens
    """Tokens trained on, repetitions included [token]."""
    sequence_length: Dimension = 4096
    """Tokens of a sequence [token]."""
    batch_size: Dimension | None = None
    """Sequences of a step; about 4 million tokens unless given."""
    precision: Precision = "bf16"
    """Number format of the matrix products; utilisation refers to the bf16 peak whatever it is."""
    optimizer: Optimizer = "adamw"
    """Decides about the memory of its states."""
    master_weights: bool = True
    """Whether a 32-bit copy of the weights is kept, with 32-bit gradients and moments."""
    gpu_hours: GPUHours | None = None
    """GPU-hours of this stage where they are known [hour]; the time model is skipped then."""

    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe."""
        return [Pass("train", architecture, middle(self.tokens), self.sequence_length, numerics=self.numerics())]

    def trained_tokens(self) -> float | Range:
        """Return the tokens trained on [token]."""
        return self.tokens

    def resident(self, architecture: Architecture) -> float:
        """Return the bytes of all models that lie beside the trained one [byte]: there are none."""
        return 0.0

    def numerics(self) -> Numerics:
        """Return the bytes of the states and of what the matrix products read."""
        return numerics(self.precision, self.optimizer, self.master_weights)

    def sequences(self, count: int) -> int:
        """Return the sequences of a step on `count` accelerators: those given, else a power of two by rule."""
        if self.batch_size is not None:
            return self.batch_size
        tokens = max(BATCH_TOKENS, TOKENS_PER_ACCELERATOR * count)
        tokens = min(tokens, middle(self.tokens) / LEAST_STEPS)
        return int(2 ** round(math.log2(max(tokens / self.sequence_length, 1.0))))


Recipe: TypeAlias = (
    Pretraining | FullFineTuning | LoRA | QLoRA | PromptTuning | QuantisationAwareTraining | RewardModel | DPO | KTO
    | ORPO | SimPO | PPO | GRPO | Distillation
)  # fmt: skip
"""Any recipe; a further one joins here."""
RECIPES: dict[str, Any] = {recipe.model_fields["kind"].default: recipe for recipe in get_args(Recipe)}
"""Every recipe by its kind."""


def tag_of(value: Any) -> str:
    """Return the tag of a recipe, or of data that describe one: its kind, a pretraining unless it is said."""
    kind = value.get("kind", "pretraining") if isinstance(value, Mapping) else getattr(value, "kind", "pretraining")
    return f"recipe {kind}"


def _known_kind(value: Any) -> Any:
    if not isinstance(value, (Mapping, *RECIPES.values())):
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
        raise InputError(f"a recipe is asked for, such as LoRA(tokens='20M'), or its fields with a kind; got {shown}")
    kind = tag_of(value).removeprefix("recipe ")
    if kind not in RECIPES:
        raise InputError(unknown("kind of recipe", kind, RECIPES))
    return value


if TYPE_CHECKING:
    RecipeField: TypeAlias = Recipe
else:
    RecipeField = Annotated[
        Union[tuple(Annotated[recipe, Tag(f"recipe {kind}")] for kind, recipe in RECIPES.items())],  # noqa: UP007
        Discriminator(tag_of),
        BeforeValidator(reported(_known_kind)),
    ]
    """A field that takes any recipe, as an object or as the data that describe it."""
