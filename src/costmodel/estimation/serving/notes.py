"""Title and notes of a serving estimate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from costmodel.estimation.chain import Missing
from costmodel.estimation.price_cautions import age_caution, price_line
from costmodel.estimation.serving.weights import stored_of, weights_note
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.rendering import amount
from costmodel.foundation.units import SI_FACTOR
from costmodel.serving.calibration.constants import (
    DATA_PARALLEL_ENGINES,
    STEADY_VENDORS,
    Stack,
    default_constants,
    is_before,
    measured_cards,
)
from costmodel.serving.engine.recipes import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.estimation.serving.figures import Deployment, Figures
    from costmodel.estimation.serving.inputs import Named
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.serving.engine.recipes import Recipe


_MONTH = SI_FACTOR["year"] / SI_FACTOR["hour"] / 12
"""Mean length of a month [hour]."""


def title_of(serving: Serving) -> str:
    """Return the title of an estimate: model, requests, load and cluster.

    Parameters
    ----------
    serving : Serving
    """
    lengths = lengths_of(serving)
    if serving.users is not None:
        load = f"{_count(serving.users)} users at {_count(serving.tokens_per_second_per_user or 0.0)} tokens/s"
    elif serving.concurrency is not None:
        load = f"{_count(serving.concurrency)} request{'' if serving.concurrency == 1 else 's'} at a time"
    else:
        load = f"{_count(serving.requests_per_second or 0.0)} requests/s"
    name = f"{serving.name}: " if serving.name else ""
    cluster = f"{serving.cluster.count:,} × {serving.cluster.accelerator.name}"
    return f"{name}{serving.architecture.name}, {lengths}, {load}, {cluster}"


def lengths_of(serving: Serving) -> str:
    """Return the lengths of the requests in words.

    Parameters
    ----------
    serving : Serving
    """
    return f"{_length(serving.input_tokens)} input and {_length(serving.output_tokens)} output tokens"


def notes_of(
    serving: Serving, deployment: Deployment, recipe: Recipe, inputs: Mapping[str, Named], point: Figures
) -> list[str]:
    """Return the notes of an estimate.

    Parameters
    ----------
    serving : Serving
    deployment : Deployment
    recipe : Recipe
        Engine and its settings.
    inputs : mapping of Named
        Uncertain inputs by name.
    point : mapping
        Figures by name.
    """
    note = serving.cluster.accelerator.name_note
    lines = [f"cluster.accelerator: {note}"] if note else []
    lines += [_layout(deployment), _formats(serving), _engine(serving, recipe)]
    lines += _attention(deployment, recipe)
    lines += [*_date(recipe, serving.cluster.accelerator.vendor), *_targets(deployment, point)]
    load = point["load"]
    if not isinstance(load, Missing) and load[0] > 1 + 1e-9:
        lines.append("the load exceeds the capacity of the cluster: throughput and costs are those at its capacity")
    elif serving.utilization is None:
        lines.append("costs are at this load around the clock; set utilization for its mean over the billed time")
    lines.append("input and output are billed by their time on the replica; they add up to the cost of a request")
    hourly = point["cost_per_hour"]
    if not isinstance(hourly, Missing):
        month = amount(float(hourly[0]) * _MONTH, "USD")
        lines.append(f"a month of {_MONTH:.0f} hours costs {month}, whatever is served")
    price = inputs["prices.price"].figure
    caution = serving.prices.caution(serving.cluster)
    lines += [caution] if caution else []
    if not isinstance(price, Missing) and price.provenance.caution:
        lines.append(price.provenance.caution)
    if not isinstance(price, Missing):
        lines.append(price_line(serving.prices, price))
        lines += filter(None, [age_caution(serving.prices, price.provenance)])
    longest = middle(serving.input_tokens) + middle(serving.output_tokens)
    context = serving.architecture.context_length
    if context is not None and longest > context:
        lines.append(f"requests of {longest:,.0f} tokens are longer than the {context:,} tokens of the model's config")
    return lines


def _layout(deployment: Deployment) -> str:
    layout, replicas = deployment.served.layout, deployment.replicas
    parts = [f"tensor {layout.tensor}"] if layout.tensor > 1 or layout.pipeline == 1 else []
    parts += [f"pipeline {layout.pipeline}"] if layout.pipeline > 1 else []
    parts += ["data-parallel attention"] if layout.data_parallel_attention else []
    idle = deployment.accelerators - replicas * layout.accelerators
    rest = f"; {idle} idle GPU{' is' if idle == 1 else 's are'} billed" if idle else ""
    return f"layout: {replicas:,} replica{'' if replicas == 1 else 's'} of {', '.join(parts)}{rest}"


def _attention(deployment: Deployment, recipe: Recipe) -> list[str]:
    """Return the caution of data-parallel attention on an engine that was not measured with it."""
    if not deployment.served.layout.data_parallel_attention or recipe.engine in DATA_PARALLEL_ENGINES:
        return []
    slow = "; vllm of 2025 was 3.4 times as slow with it as predicted" if recipe.engine == "vllm" else ""
    return [
        f"data-parallel attention was measured with {', '.join(sorted(DATA_PARALLEL_ENGINES))} alone{slow}; "
        "data_parallel_attention=false gives tensor parallelism"
    ]


def _formats(serving: Serving) -> str:
    """Return the formats of weights and cache."""
    weights, card = weights_note(serving.architecture, serving.precision), serving.cluster.accelerator
    product = stored_of(serving.architecture, serving.precision).product
    plain = (
        ""
        if product == "bf16" or card.supports(product)
        else f", with products in 16 bits: {card.name} has no {product} peak"
    )
    return f"weights: {weights}{plain}; KV cache: {serving.cache_precision}"


def _engine(serving: Serving, recipe: Recipe) -> str:
    """Return the engine, and on what it was measured."""
    card = serving.cluster.accelerator
    with_recipe, of_generation = measured_cards(Stack(card.name, card.vendor, card.generation, recipe))
    name = f"engine: {recipe.title}"
    if recipe.engine == UNKNOWN and of_generation:
        return f"{name}, so that intervals are wide"
    if card.name in with_recipe:
        return f"{name}, measured on {card.name}"
    known = f"measured on {', '.join(with_recipe)}" if with_recipe else f"not measured on {card.vendor}"
    if card.name in of_generation:
        wide = "" if with_recipe else ", so that intervals are wide"
        return f"{name}, {known}; {card.name} was measured with others{wide}"
    if of_generation:
        others = "" if set(with_recipe) >= set(of_generation) else f" ({', '.join(of_generation)} with any engine)"
        return (
            f"{name}, {known}{others}; no {card.name} was measured, only other cards of its generation, so that "
            "intervals are wider"
        )
    return f"{name}, {known}; no accelerator of the generation of {card.name} was measured, so that intervals are wide"


def _date(recipe: Recipe, vendor: str) -> list[str]:
    """Return the caution of a date before or after all measurements."""
    seen = default_constants().seen
    if is_before(recipe.date, seen.first):
        wide = "" if vendor in STEADY_VENDORS else ", with the intervals of hardware that was not measured"
        return [f"engine_date: {recipe.date} is before the first measurements; taken as {seen.first}{wide}"]
    if recipe.date is not None and recipe.date > seen.last:
        return [f"engine_date: {recipe.date} is after the newest measurements; taken as {seen.last}"]
    return []


def missed_targets(deployment: Deployment, point: Figures) -> list[str]:
    """Return the targets of the latency that the load misses, one line each.

    Parameters
    ----------
    deployment : Deployment
    point : mapping
        Figures by name.
    """
    missed = []
    for name, target in (("ttft", deployment.ttft), ("tpot", deployment.tpot)):
        value = point[name]
        if target is None or isinstance(value, Missing) or value[0] <= target * (1 + 1e-9):
            continue
        is_late = f"is {value[0] * 1e3:,.4g} ms" if math.isfinite(value[0]) else "grows as long as this load lasts"
        missed.append(f"target missed: {name} {is_late}, above {target * 1e3:,.4g} ms")
    return missed


def _targets(deployment: Deployment, point: Figures) -> list[str]:
    lines = missed_targets(deployment, point)
    needed = point["gpus_needed"]
    if not isinstance(needed, Missing) and needed[0] > deployment.accelerators:
        targets = " within its targets" if deployment.ttft is not None or deployment.tpot is not None else ""
        lines.append(f"the load needs {needed[0]:,.0f} GPUs{targets}; the cluster has {deployment.accelerators:,}")
    return lines


def _length(length: float | Range) -> str:
    return f"{middle(length):,.0f} (median)" if isinstance(length, Range) else _count(length)


def _count(value: float) -> str:
    return f"{value:,.6g}"
