"""Problems of a serving scenario: contradictions, and options that do nothing for the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from costmodel.estimation.serving.weights import keeps_own, stored_of
from costmodel.foundation.errors import CostModelError, InputError, unknown
from costmodel.serving.engine.recipes import UNKNOWN, engines, recipe_of
from costmodel.serving.load.requests import requests_of
from costmodel.serving.load.served import Model, default_layout, layout_of
from costmodel.serving.step.formats import CACHE_BYTES, FORMATS, has_experts, own_format
from costmodel.serving.step.replica import Replica, divides_heads, head_counts
from costmodel.serving.step.speculation import Speculation
from costmodel.serving.step.work import cache_elements

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.estimation.serving.scenario import Serving
    from costmodel.serving.engine.recipes import Recipe as EngineRecipe

Recipe = Literal["default", "tuned", "unknown"]
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
LOADS = ("concurrency", "requests_per_second", "users")
"""Fields that give the load; exactly one is given."""


def problems_of(serving: Serving) -> list[str]:
    """Return all problems of the fields of a scenario together.

    Parameters
    ----------
    serving : Serving
    """
    problems = [*_of_load(serving), *_of_engine(serving), *_of_drafts(serving), *_of_model(serving)]
    if not problems:
        problems = _of_layout(serving)
    return problems


def model_of(serving: Serving) -> Model:
    """Return the model of a scenario in its formats, with its requests.

    Parameters
    ----------
    serving : Serving
    """
    speculation = None
    if serving.draft_tokens is not None and serving.acceptance is not None:
        layer = 1 / max(serving.architecture.depth, 2)
        drafts = layer if serving.draft_time is None else serving.draft_time
        speculation = Speculation(serving.draft_tokens, serving.acceptance, drafts)
    return Model(
        serving.architecture,
        stored_of(serving.architecture, serving.precision),
        serving.cache_precision,
        requests_of(serving.input_tokens, serving.output_tokens, serving.cached_share),
        speculation,
        serving.gpu_memory_utilization,
    )


def replica_of(serving: Serving, model: Model) -> Replica:
    """Return the given layout of a replica, or the smallest that holds the model.

    Parameters
    ----------
    serving : Serving
    model : Model
    """
    if serving.tensor is None and serving.pipeline is None and serving.data_parallel_attention is None:
        return default_layout(model, serving.cluster)
    pipeline = serving.pipeline or 1
    tensor = serving.tensor
    if tensor is None:
        smallest = default_layout(model, serving.cluster).tensor
        tensor = max(smallest // pipeline, 2 if serving.data_parallel_attention else 1)
    return layout_of(serving.architecture, tensor, pipeline, serving.data_parallel_attention)


def engine_recipe(serving: Serving) -> EngineRecipe:
    """Return the engine and its settings on the accelerator.

    Parameters
    ----------
    serving : Serving
    """
    settings = serving.recipe or (UNKNOWN if serving.engine == UNKNOWN else "default")
    return recipe_of(serving.cluster.accelerator, serving.engine, settings, serving.engine_date)


def _of_load(serving: Serving) -> list[str]:
    given = [name for name in LOADS if getattr(serving, name) is not None]
    problems = []
    if len(given) != 1:
        got = ", ".join(given) or "none"
        problems.append(f"concurrency: give exactly one of {', '.join(LOADS)}; got {got}")
    if (serving.users is None) != (serving.tokens_per_second_per_user is None):
        if serving.users is None:
            missing = "users: how many read an answer at the same time (--users)"
        else:
            missing = "tokens_per_second_per_user: output tokens per second of each user, such as 20 (--rate)"
        problems.append(f"{missing}; users and tokens_per_second_per_user belong together; give both")
    if serving.tokens_per_second_per_user is not None and serving.target_tpot is not None:
        problems.append(
            f"target_tpot: tokens_per_second_per_user sets it to {1 / serving.tokens_per_second_per_user:.3g} s; "
            f"leave one out; got {serving.target_tpot:g}"
        )
    return problems


def _of_engine(serving: Serving) -> list[str]:
    problems = []
    if serving.engine not in (*engines(), UNKNOWN):
        problems.append(f"engine: {unknown('engine', serving.engine, [*engines(), UNKNOWN])}")
    elif serving.engine == UNKNOWN and serving.recipe not in (None, UNKNOWN):
        problems.append(f"recipe: has no effect with an unknown engine; leave it out; got {serving.recipe!r}")
    if serving.engine_date is not None and not _MONTH.fullmatch(serving.engine_date):
        problems.append(f'engine_date: must be a month such as "2025-11"; got {serving.engine_date!r}')
    return problems


def _of_drafts(serving: Serving) -> list[str]:
    if serving.draft_tokens is not None:
        needs = serving.acceptance is None
        return ["acceptance: is needed with draft_tokens, between 0 and 1; got none"] if needs else []
    return [
        f"{name}: has no effect without draft_tokens; leave it out, or give draft_tokens; got {value:g}"
        for name in ("acceptance", "draft_time")
        if (value := getattr(serving, name)) is not None
    ]


def _of_model(serving: Serving) -> list[str]:
    architecture, problems = serving.architecture, []
    if architecture.is_aggregate:
        return ["architecture: only counts are known; serving needs the shapes of the layers: a name or a config"]
    if not _generates(architecture):
        problems.append(f"architecture: must be a decoder with an output head; got {architecture.name}")
    if serving.precision is not None:
        if serving.precision not in FORMATS:
            problems.append(f"precision: {unknown('precision', serving.precision, FORMATS)}")
        elif keeps_own(architecture, serving.precision):
            bits = own_format(architecture).bits
            problems.append(
                f"precision: has no effect: the checkpoint of {architecture.name} has {bits:g} bits per weight, which "
                f"engines keep; leave it out; got {serving.precision!r}"
            )
    if serving.cache_precision not in CACHE_BYTES:
        problems.append(f"cache_precision: {unknown('precision of a KV cache', serving.cache_precision, CACHE_BYTES)}")
    elif serving.cache_precision != "bf16" and not cache_elements(architecture, 1000.0)[0]:
        problems.append(
            f"cache_precision: has no effect: {architecture.name} caches no keys and values; leave it out; "
            f"got {serving.cache_precision!r}"
        )
    if serving.data_parallel_attention is not None and not has_experts(architecture):
        problems.append(
            f"data_parallel_attention: has no effect: {architecture.name} has no experts; leave it out; "
            f"got {serving.data_parallel_attention}"
        )
    return problems


def _of_layout(serving: Serving) -> list[str]:
    size = (serving.tensor or 1) * (serving.pipeline or 1)
    if size > serving.cluster.count:
        name = "pipeline" if serving.tensor is None else "tensor"
        return [f"{name}: a replica has {size} accelerators, but the cluster {serving.cluster.count}"]
    try:
        replica = replica_of(serving, model_of(serving))
        replica.check(serving.architecture)
    except InputError as error:
        return list(error.problems)
    except CostModelError as error:
        return [str(error)]
    return [] if replica.data_parallel_attention or serving.engine == UNKNOWN else _of_heads(serving)


def _of_heads(serving: Serving) -> list[str]:
    """Return the problem of a given `tensor` among which engines cannot divide the attention heads equally."""
    architecture, tensor = serving.architecture, serving.tensor
    if tensor is None or divides_heads(architecture, Replica(tensor)):
        return []
    degrees = range(1, serving.cluster.count + 1)
    working = [degree for degree in degrees if divides_heads(architecture, Replica(degree))]
    near = sorted(sorted(working, key=lambda degree: abs(degree - tensor))[:2])
    listed = " and ".join(str(heads) for heads in head_counts(architecture))
    return [
        f"tensor: must divide the {listed} attention heads of {architecture.name}, as the engine {serving.engine} "
        f"requires; got {tensor}; nearest that does: {' or '.join(map(str, near))}"
    ]


def _generates(architecture: Architecture) -> bool:
    """Return whether an architecture is a decoder with an output head and a vocabulary."""
    bidirectional = any(block.bidirectional for layer in architecture.layers for block in layer.blocks())
    return architecture.head and architecture.vocabulary is not None and not bidirectional
