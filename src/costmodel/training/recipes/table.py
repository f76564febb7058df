"""Table of the training recipes by kind.

To add a recipe: write its class in a module of this folder (a subclass of `FineTuning` or `Recipe`), and add one line
to `RECIPES`. Scenario files, the command line and the JSON schema read the table. A package adds its own recipes with
entry points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation.registry import Registry, references

if TYPE_CHECKING:
    from costmodel.training.recipes.registry import AnyRecipe


def _problem(kind: str, value: object) -> str:
    """Return what is wrong with a recipe of a package, or ""."""
    from costmodel.foundation.specs import kind_problem
    from costmodel.training.recipes.recipe import Recipe

    return kind_problem(Recipe, kind, value)


RECIPES: Registry[type[AnyRecipe]] = references(
    "kind of recipe",
    "costmodel.recipes",
    {
        "pretraining": "costmodel.training.recipes.pretraining:Pretraining",
        "full_fine_tuning": "costmodel.training.recipes.finetuning:FullFineTuning",
        "lora": "costmodel.training.recipes.finetuning:LoRA",
        "qlora": "costmodel.training.recipes.finetuning:QLoRA",
        "prompt_tuning": "costmodel.training.recipes.finetuning:PromptTuning",
        "quantization_aware_training": "costmodel.training.recipes.finetuning:QuantizationAwareTraining",
        "reward_model": "costmodel.training.recipes.preference:RewardModel",
        "dpo": "costmodel.training.recipes.preference:DPO",
        "kto": "costmodel.training.recipes.preference:KTO",
        "orpo": "costmodel.training.recipes.preference:ORPO",
        "simpo": "costmodel.training.recipes.preference:SimPO",
        "ppo": "costmodel.training.recipes.reinforcement:PPO",
        "grpo": "costmodel.training.recipes.reinforcement:GRPO",
        "distillation": "costmodel.training.recipes.distillation:Distillation",
    },
    _problem,
)
"""Classes of recipes by kind."""
SHORT_KINDS = {"full": "full_fine_tuning", "qat": "quantization_aware_training", "prompt": "prompt_tuning"}
"""Kinds of recipes by their short names on the command line."""


def methods() -> list[str]:
    """Return the fine-tuning methods of the library, by the shortest name that the command line accepts."""
    shortest = {kind: name for name, kind in SHORT_KINDS.items()}
    return [shortest.get(kind, kind) for kind in RECIPES.own if kind != "pretraining"]
