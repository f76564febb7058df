"""Fitted constants of the serving model: `data/fitted/serving.csv`, their factors by recipe, and their folds.

A name such as `software:tuned` is a factor on `software`; `latency:...` is one on the time to the first token.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import read_constants, read_folds, read_priors
from costmodel.foundation.tables import table
from costmodel.serving.engine.recipes import OLDER
from costmodel.serving.step.timing import Constants

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from costmodel.foundation.fitted import Prior, Values
    from costmodel.serving.engine.recipes import Recipe

MOST_BANDWIDTH, MOST_MFU = 0.95, 0.9
"""Upper bounds of the realized shares of bandwidths and peaks, factors included [1]."""
_MFU = {"bf16": "mfu", "fp16": "mfu", "fp8": "mfu_fp8", "fp4": "mfu_fp4"}


STEADY_VENDORS = ("NVIDIA",)
"""Vendors whose software of one period is predicted by constants of another within the usual intervals. Of the rows of
AMD of 2024, 56 % lie within 80 % intervals of constants of 2025 and later (benchmarks/serving_held_out.py), so that
software before the first rows has the spread of a generation without rows."""


DATA_PARALLEL_ENGINES = frozenset({"trtllm"})
"""Engines with rows of data-parallel attention in the fit: tuned TensorRT-LLM. A fit without these rows predicts them
as well as others (spread 0.23, benchmarks/serving_held_out.py). 16 rows of vLLM of 2025 (Qwen3-Coder-480B on B200),
which are not in the fit, were 3.4 times as slow as predicted."""


class Stack(NamedTuple):
    """What determines the constants and the error of a prediction, besides the model and its requests."""

    accelerator: str
    """Name of the accelerator."""
    vendor: str
    """Its vendor."""
    generation: str
    """Generation of the accelerator, such as "hopper"."""
    recipe: Recipe
    """Engine and its settings."""


class Seen(NamedTuple):
    """What the rows of a fit have measurements of."""

    accelerators: frozenset[str]
    """Accelerators."""
    generations: frozenset[str]
    """Generations of accelerators."""
    recipes: frozenset[str]
    """Recipes by vendor of the accelerator, such as "NVIDIA vllm default 2025"."""
    first: str = ""
    """Month of the oldest software, such as "2024-06"."""
    last: str = ""
    """Month of the newest software."""


class ServingConstants(NamedTuple):
    """Fitted constants, the spreads of predictions, and what was measured."""

    values: Mapping[str, float]
    """Constants by name."""
    spreads: Mapping[str, float]
    """Standard deviations of ln(predicted / measured) by name [1]."""
    seen: Seen
    """What the fit has rows of."""

    def constants(self, recipe: Recipe, product: str) -> Constants:
        """Return the constants of a recipe.

        Parameters
        ----------
        recipe : Recipe
            Engine and its settings on an accelerator.
        product : str
            Precision of the matrix products: "bf16", "fp8" or "fp4".
        """
        return constants_of(self.values, recipe.constants, product)

    def spread(self, stack: Stack, *, moe: bool, batch_known: bool = True) -> float:
        """Return the standard deviation of ln(predicted / measured) of a time per token [1].

        Parameters
        ----------
        stack : Stack
            Accelerator and recipe.
        moe : bool
            Whether the model has routed experts.
        batch_known : bool
            Whether the number of concurrent requests is known.
        """
        unknown_batch = 0.0 if batch_known else self.spreads["batch"]
        early = is_before(stack.recipe.date, self.seen.first) and stack.vendor not in STEADY_VENDORS
        if early or stack.generation not in self.seen.generations:
            return math.hypot(self.spreads["generation"], unknown_batch)
        known_recipe = recipe_key(stack) in self.seen.recipes
        return math.hypot(
            self.spreads["moe" if moe else "dense"],
            unknown_batch,
            self.spreads.get(f"older:{stack.vendor.lower()}", 0.0) if stack.recipe.period == OLDER else 0.0,
            0.0 if stack.accelerator in self.seen.accelerators else self.spreads["accelerator"],
            0.0 if known_recipe else self.spreads["recipe"],
        )


def recipe_key(stack: Stack) -> str:
    """Return the name under which a recipe is known to be measured: vendor, engine, settings and period.

    Parameters
    ----------
    stack : Stack
    """
    return f"{stack.vendor} {stack.recipe.name}"


def constants_of(values: Mapping[str, float], factors: Collection[str], product: str) -> Constants:
    """Return the constants for the factors of a recipe.

    Parameters
    ----------
    values : mapping of float
        Constants by name.
    factors : collection of str
        Names of factors, such as "software:tuned".
    product : str
        Precision of the matrix products.
    """
    known = {name: values[name] for name in Constants._fields}
    known["mfu"] = values[_MFU[product]]
    for factor in factors:
        base = factor.partition(":")[0]
        if base in known:
            known[base] *= values[factor]
    for name in ("bandwidth", "cache_bandwidth"):
        known[name] = min(known[name], MOST_BANDWIDTH)
    known["mfu"] = min(known["mfu"], MOST_MFU)
    return Constants(**known)


@lru_cache(maxsize=1)
def priors() -> dict[str, Prior]:
    """Return the priors of the constants, by name."""
    return read_priors("serving")


@lru_cache(maxsize=1)
def default_constants() -> ServingConstants:
    """Return the constants of `data/fitted/serving.csv`."""
    shipped = read_constants(table("fitted/serving").rows)
    return ServingConstants(shipped["value"], shipped["spread"], seen_without())


def seen_without(shape: str | None = None, accelerator: str | None = None) -> Seen:
    """Return what the fit has rows of, without a shape or an accelerator.

    Parameters
    ----------
    shape : str, optional
        Shape that is left out, such as "32 layers of 4096".
    accelerator : str, optional
        Accelerator that is left out.
    """
    rows = [
        row
        for row in table("fitted/serving_stacks").rows
        if row["shape"] != shape and row["accelerator"] != accelerator
    ]
    return Seen(
        frozenset(row["accelerator"] for row in rows),
        frozenset(row["generation"] for row in rows),
        frozenset(f"{row['vendor']} {row['recipe']}" for row in rows),
        min(row["first"] for row in rows),
        max(row["last"] for row in rows),
    )


def is_before(date: str | None, month: str) -> bool:
    """Return whether a date is given and before a month.

    Parameters
    ----------
    date : str or None
        Month such as "2025-11".
    month : str
    """
    return date is not None and date < month


def measured_cards(stack: Stack) -> tuple[list[str], list[str]]:
    """Return the accelerators with rows of a recipe, and those of the generation with rows of any recipe.

    Parameters
    ----------
    stack : Stack
    """
    rows = table("fitted/serving_stacks").rows
    with_recipe = {row["accelerator"] for row in rows if f"{row['vendor']} {row['recipe']}" == recipe_key(stack)}
    return sorted(with_recipe), sorted({row["accelerator"] for row in rows if row["generation"] == stack.generation})


@lru_cache(maxsize=1)
def model_folds() -> dict[str, ServingConstants]:
    """Return the constants of the fits without the models of each shape: `data/fitted/folds/serving_models.csv`."""
    return {
        shape: _fold(values, seen_without(shape=shape))
        for shape, values in read_folds("fitted/folds/serving_models").items()
    }


@lru_cache(maxsize=1)
def accelerator_folds() -> dict[str, ServingConstants]:
    """Return the constants of the fits without each accelerator: `data/fitted/folds/serving_accelerators.csv`."""
    return {
        accelerator: _fold(values, seen_without(accelerator=accelerator))
        for accelerator, values in read_folds("fitted/folds/serving_accelerators").items()
    }


def _fold(values: Values, seen: Seen) -> ServingConstants:
    shipped = default_constants()
    return shipped._replace(values={**shipped.values, **values}, seen=seen)
