"""What is done with the model? Recipes, each a list of passes."""

import math
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import FieldsError, InputError, unknown
from costmodel.foundation.fields import Dimension, GPUHours, Tokens, reported
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.renamed import RENAMED
from costmodel.foundation.specs import Spec
from costmodel.training.recipes.passes import Pass
from costmodel.training.step.numerics import Numerics, Optimizer, Precision, numerics

if TYPE_CHECKING:
    from costmodel.training.recipes.distillation import Distillation
    from costmodel.training.recipes.finetuning import (
        FullFineTuning,
        LoRA,
        PromptTuning,
        QLoRA,
        QuantizationAwareTraining,
    )
    from costmodel.training.recipes.preference import DPO, KTO, ORPO, RewardModel, SimPO
    from costmodel.training.recipes.reinforcement import GRPO, PPO

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
    """Number format of the matrix products; utilization refers to the bf16 peak whatever it is."""
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

    def auxiliary_bytes(self, architecture: Architecture) -> float:
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


class Recipes(Mapping[str, Any]):
    """Every recipe by its kind, loaded when it is asked for: a further one is one line in `homes`."""

    homes: ClassVar[dict[str, str]] = {
        "pretraining": "pretraining.Pretraining", "full_fine_tuning": "finetuning.FullFineTuning",
        "lora": "finetuning.LoRA", "qlora": "finetuning.QLoRA", "prompt_tuning": "finetuning.PromptTuning",
        "quantization_aware_training": "finetuning.QuantizationAwareTraining", "reward_model": "preference.RewardModel",
        "dpo": "preference.DPO", "kto": "preference.KTO", "orpo": "preference.ORPO", "simpo": "preference.SimPO",
        "ppo": "reinforcement.PPO", "grpo": "reinforcement.GRPO", "distillation": "distillation.Distillation",
    }  # fmt: skip

    def __getitem__(self, kind: str) -> Any:
        module, name = self.homes[kind].split(".")
        return getattr(import_module(f"costmodel.training.recipes.{module}"), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)


RECIPES = Recipes()


def is_recipe(value: Any) -> bool:
    """Tell whether a value is a recipe: a specification that has passes."""
    return isinstance(value, Spec) and callable(getattr(value, "passes", None))


def read_recipe(value: Any) -> Any:
    """Return the recipe that data describe by their kind, a pretraining unless it is said; one is passed through.

    Raises
    ------
    InputError
        If it is none, with every problem of its fields.
    """
    if is_recipe(value):
        return value
    if not isinstance(value, Mapping):
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
        raise InputError(f"a recipe is asked for, such as LoRA(tokens='20M'), or its fields with a kind; got {shown}")
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


class _AnyRecipe:
    """A field that takes any recipe, as an object or as the data that describe it."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(lambda recipe: recipe.to_data())
        return core_schema.no_info_plain_validator_function(reported(read_recipe), serialization=written)

    def __get_pydantic_json_schema__(self, _: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(recipe.__pydantic_core_schema__) for recipe in RECIPES.values()]}


if TYPE_CHECKING:
    Recipe: TypeAlias = (
        Pretraining | FullFineTuning | LoRA | QLoRA | PromptTuning | QuantizationAwareTraining | RewardModel | DPO
        | KTO | ORPO | SimPO | PPO | GRPO | Distillation
    )  # fmt: skip
else:
    Recipe = Annotated[Any, _AnyRecipe()]
"""Any recipe, as a type and as the annotation of a field."""
