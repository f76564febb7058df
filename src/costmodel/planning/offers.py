"""Prices of hosted fine-tuning for the same recipe, billed by the token."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.names import name_key

if TYPE_CHECKING:
    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.architecture.specification import Architecture
    from costmodel.market.hosted import HostedPrice
    from costmodel.training.recipes.registry import AnyRecipe

_CLASS = re.compile(r"(?:up to |[\d.]+B-)([\d.]+)B|above [\d.]+B")
"""A size class as providers name them: "up to 16B", "17B-69B", "above 300B"."""


@checked("recipe")
def hosted_offers(architecture: ArchitectureLike, recipe: AnyRecipe) -> rendering.RowTable:
    """Return the price of each provider for a recipe, in ascending order.

    The price of the model itself has precedence over that of its size class (by total parameters). Providers bill the
    tokens of the data times the epochs, and for reinforcement learning also input and output tokens.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Name, path, config or counts of the model to fine-tune, as in `load_architecture`.
    recipe : recipe
        Method and data of the training, such as `Pretraining`.

    Returns
    -------
    list of dict
        provider, model (or size class), method, usd, low and high (80 %) [USD], as_of, source, note.

    Examples
    --------
    >>> import costmodel as cm
    >>> offers = hosted_offers("llama-3.1-8b", cm.LoRA(tokens="10M", epochs=2))
    >>> offers[0]["usd"] <= offers[-1]["usd"]  # in ascending order
    True
    """
    from costmodel.architecture.loading import load_architecture
    from costmodel.market.hosted import hosted_prices

    architecture = load_architecture(architecture)
    methods, prices = _methods(recipe), hosted_prices()
    rows = []
    for provider in sorted({price.provider for price in prices}):
        own = [price for price in prices if price.provider == provider]
        for_model = [price for price in own if _same(price.model, architecture.name)] or _of_class(own, architecture)
        sold = {price.method: (price, usd) for price in for_model if (usd := _cost(price, recipe)) is not None}
        method = next((name for name in methods if name in sold), None)
        if method is None:
            continue
        price, usd = sold[method]
        ends = [1.0, 1.0]
        if price.interval is not None:
            ends = [price.interval.quantile(p) / price.usd_per_million_tokens for p in (0.1, 0.9)]
        rows.append(
            {
                "provider": provider,
                "model": price.model,
                "method": method,
                "usd": usd,
                "low": ends[0] * usd,
                "high": ends[1] * usd,
                "as_of": str(price.as_of),
                "source": price.source,
                "note": price.note,
            }
        )
    listed = sorted(rows, key=lambda row: (row["usd"], row["provider"]))
    return rendering.RowTable(listed, "hosted fine-tuning, USD", "provider")


def _methods(recipe: AnyRecipe) -> tuple[str, ...]:
    """Return the hosted methods that match a recipe, the closest first."""
    loss, adapters = recipe.hosted_loss, recipe.adapters is not None
    if loss is None:
        return ()
    if loss == "other":
        return ("lora",) if adapters else ()
    return (f"lora-{loss}", "lora") if adapters else (f"full-{loss}",)


def _cost(price: HostedPrice, recipe: AnyRecipe) -> float | None:
    """Return the cost of a recipe [USD]; None if the price is for another kind of job."""
    from costmodel.foundation.ranges import middle
    from costmodel.market.dated import MILLION
    from costmodel.training.recipes.reinforcement import Reinforcement

    tokens = middle(recipe.trained_tokens())
    if not isinstance(recipe, Reinforcement):
        return None if "reinforcement" in price.note else float(price.cost(tokens))
    if price.usd_per_million_input is None or price.usd_per_million_output is None:
        return None
    processed = recipe.sequence_tokens()
    rollout = (processed - tokens) * price.usd_per_million_input + tokens * price.usd_per_million_output
    return float(price.cost(processed * recipe.iterations) + rollout / MILLION)


def _same(hosted: str, name: str) -> bool:
    """Return whether a hosted model is that of the catalog, instruction-tuned or not."""
    return name_key(hosted).partition("-instruct")[0] == name_key(name).partition("-instruct")[0]


def _of_class(prices: list[HostedPrice], architecture: Architecture) -> list[HostedPrice]:
    """Return the prices of the smallest size class that contains a model."""
    billions = architecture.parameters.total / 1e9
    ends = {price.model: _end(price.model) for price in prices}
    classes = {model: end for model, end in ends.items() if end is not None and billions <= end}
    nearest = min(classes, key=lambda model: classes[model], default=None)
    return [price for price in prices if price.model == nearest]


def _end(model: str) -> float | None:
    """Return the most parameters of a size class [1e9]; None for the name of a model."""
    match = _CLASS.fullmatch(model)
    if match is None:
        return None
    return float(match[1]) if match[1] else math.inf
