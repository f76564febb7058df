"""`size_serving`: the fewest or cheapest accelerators that serve a load within latency targets."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from costmodel.architecture.loading import load_architecture
from costmodel.estimation.serving.checks import engine_recipe, model_of
from costmodel.estimation.serving.figures import Deployment, deployment_of, limits_of, out_of_reach, steady_state
from costmodel.estimation.serving.scenario import Serving
from costmodel.estimation.serving.weights import is_overruled, stored_of, weights_note
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError, UnknownNameError
from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.units import quantity
from costmodel.hardware.accelerator import load_accelerator
from costmodel.hardware.cluster import Cluster
from costmodel.market.rental import Rental
from costmodel.planning.serving_sizes import ServingSize, ServingSizes
from costmodel.serving.load.served import serve
from costmodel.serving.load.steady import ALLOWED_LOAD
from costmodel.serving.step.formats import has_experts, weight_bytes
from costmodel.serving.step.replica import Replica, divides_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from costmodel.architecture.loading import ArchitectureLike
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.fields import NumberLike, RangeLike
    from costmodel.hardware.cluster import AcceleratorLike
    from costmodel.market.owned import Ownership
    from costmodel.serving.load.served import Model
    from costmodel.serving.load.steady import Limits

ACCELERATORS = (
    *("A100-80GB-SXM", "H100-SXM", "H200-SXM", "B200", "B300"),
    *("L40S", "RTX-PRO-6000", "MI300X", "MI325X", "MI355X"),
)
"""Accelerators that are compared by default."""
PRECISIONS = ("bf16", "fp8", "nvfp4", "int4")
"""Precisions of weights that are compared by default."""
STORED = "stored"
"""Precision in tables of weights that engines keep as the checkpoint has them."""
_DEGREES = (1, 2, 4, 8)
"""Degrees of tensor parallelism that are compared, those that divide the attention heads."""
_STAGES = (1, 2, 4)
"""Pipeline stages of the largest tensor parallelism."""
Objective = Literal["cost", "gpus"]


class _Best(NamedTuple):
    """The best layout of an accelerator and a precision."""

    deployment: Deployment
    spread: float


@checked("accelerators", "precisions", "objective")
def size_serving(
    architecture: ArchitectureLike,
    *,
    input_tokens: RangeLike,
    output_tokens: RangeLike,
    users: NumberLike | None = None,
    tokens_per_second_per_user: NumberLike | None = None,
    concurrency: NumberLike | None = None,
    requests_per_second: NumberLike | None = None,
    cached_share: NumberLike = 0.0,
    target_ttft: NumberLike | None = None,
    target_tpot: NumberLike | None = None,
    accelerators: Sequence[AcceleratorLike] = ACCELERATORS,
    precisions: Sequence[str] = PRECISIONS,
    cache_precision: str = "bf16",
    engine: str = "vllm",
    prices: Rental | Ownership | Mapping[str, object] | None = None,
    objective: Objective = "cost",
    probability: float = 0.5,
) -> ServingSizes:
    """Return the fewest accelerators that serve a load within targets, over accelerators, precisions and layouts.

    For each accelerator and precision the layout with the fewest accelerators is taken, among equals the fastest:
    tensor parallelism within a node, pipelines over nodes, and data-parallel attention with experts spread over all.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Model, as `load_architecture` takes it.
    input_tokens, output_tokens : float or range
        Tokens of a prompt and of an answer: the mean, or the distribution over requests [token].
    users : float, optional
        Users who receive an answer at the same time [1].
    tokens_per_second_per_user : float, optional
        Output tokens per second that each of them needs [token/s].
    concurrency : float, optional
        Requests at a time, in place of users [1].
    requests_per_second : float, optional
        Requests that arrive per second, in place of users [1].
    cached_share : float
        Share of the prompt that is in the prefix cache [1].
    target_ttft, target_tpot : float or str, optional
        Longest mean time to the first token and per output token [s].
    accelerators : sequence
        Names of the catalog, or accelerators.
    precisions : sequence of str
        Precisions of the weights. Released weights that are smaller stand for those of a precision: "stored".
    cache_precision : str
        Precision of the KV cache.
    engine : str
        Inference engine.
    prices : Rental, Ownership or Mapping, optional
        Price of a GPU-hour. Default: the market price.
    objective : {"cost", "gpus"}
        Whether the cheapest or the fewest accelerators come first.
    probability : float
        Probability with which each target is met, from the error of the predictions, at least 0.5 and below 1 [1]. The
        default is the central prediction, without a margin.

    Returns
    -------
    ServingSizes
        Options, the best first, and those that cannot serve the load, with the reason.

    Raises
    ------
    InputError
        If an input is not valid; the message lists all problems.

    Examples
    --------
    >>> sizes = size_serving(
    ...     "llama-3.1-70b",
    ...     users=200,
    ...     tokens_per_second_per_user=20,
    ...     input_tokens=1000,
    ...     output_tokens=500,
    ...     accelerators=["H100-SXM", "H200-SXM"],
    ... )
    >>> sizes.best.gpus
    4
    """
    if objective not in ("cost", "gpus"):
        raise InputError(f"objective: must be 'cost' or 'gpus'; got {objective!r}")
    if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0.5 <= probability < 1:
        raise InputError(f"probability: must be a number at least 0.5 and below 1; got {probability!r}")
    if not len(accelerators) or not len(precisions):
        raise InputError("accelerators and precisions: give at least one of each")
    loaded = load_architecture(architecture)
    request: dict[str, Any] = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "users": users,
        "tokens_per_second_per_user": tokens_per_second_per_user,
        "concurrency": concurrency,
        "requests_per_second": requests_per_second,
        "cached_share": cached_share,
        "target_ttft": target_ttft,
        "target_tpot": target_tpot,
        "cache_precision": cache_precision,
        "engine": engine,
        "prices": Rental() if prices is None else prices,
    }
    given = {name: value for name, value in request.items() if value is not None}
    options, rejected = [], []
    for accelerator in accelerators:
        card = load_accelerator(accelerator) if isinstance(accelerator, str) else accelerator
        asked = Serving(loaded, Cluster(card, 1), **given)
        for precision in _distinct(loaded, precisions):
            found = _best(asked, precision, probability)
            if isinstance(found, str):
                rejected.append((asked.cluster.accelerator.name, precision or STORED, found))
            else:
                options.append(_size(asked, precision, found))
    rank = _by_cost if objective == "cost" else _by_count
    return ServingSizes(tuple(sorted(options, key=rank)), tuple(rejected), _title(asked), objective)


def _distinct(architecture: Architecture, precisions: Sequence[str]) -> list[str | None]:
    """Return the precisions that give weights of different sizes, the first of each; None for a kept checkpoint."""
    sizes: dict[float, str | None] = {}
    for precision in precisions:
        stored = None if is_overruled(architecture, precision) else precision
        sizes.setdefault(weight_bytes(architecture, stored_of(architecture, stored)), stored)
    return list(sizes.values())


def _layouts(model: Model, node_size: int) -> Iterator[Replica]:
    """Yield the layouts of a replica, the smallest first."""
    architecture, moe = model.architecture, has_experts(model.architecture)
    degrees = [degree for degree in _DEGREES if degree <= node_size]
    dividing = [degree for degree in degrees if divides_heads(architecture, Replica(degree))]
    for tensor in degrees:
        if tensor in dividing:
            for stages in _STAGES if tensor == dividing[-1] else _STAGES[:1]:
                yield Replica(tensor, stages)
        if tensor > 1 and moe:
            for stages in _STAGES if tensor == degrees[-1] else _STAGES[:1]:
                yield Replica(tensor, stages, tensor, data_parallel_attention=True)


def _best(serving: Serving, precision: str | None, probability: float) -> _Best | str:
    """Return the layout with the fewest accelerators, among equals the fastest, or the reason why there is none."""
    card = serving.cluster.accelerator
    model = model_of(serving)._replace(stored=stored_of(serving.architecture, precision))
    recipe = engine_recipe(serving)
    best: tuple[tuple[float, float], _Best] | None = None
    reasons: list[tuple[tuple[int, float], str]] = []  # by how near the layout comes
    for layout in _layouts(model, serving.cluster.node_size):
        cluster = Cluster(card, layout.accelerators)
        try:
            served, spreads = serve(model, cluster, layout, recipe)
        except CostModelError as error:
            reasons.append(((2, -layout.accelerators), str(error)))
            continue
        single = deployment_of(serving, served, model.requests)._replace(replicas=1, accelerators=layout.accelerators)
        if best is not None and _least(single) > best[0][0]:
            continue
        limits = limits_of(single)
        margin = normal_quantile(probability)
        slow, late = math.exp(margin * spreads.time), math.exp(margin * spreads.first)
        most = _most(single, limits, slow, late)
        if not most:
            if _most(single, limits, 1.0, 1.0):
                reasons.append(((0, 0.0), f"no load meets the targets with a probability of {probability:.0%}"))
            else:
                reasons.append(((1, float(limits.tpot[0] + limits.ttft[0])), out_of_reach(single, limits)))
            continue
        load = single.rate if single.concurrency is None else single.concurrency
        replicas = math.ceil((load or 0.0) / most - 1e-9)
        deployment = single._replace(replicas=replicas, accelerators=replicas * layout.accelerators)
        tpot = float(np.asarray(steady_state(deployment, np.ones(1)).tpot)[0])
        key = (float(deployment.accelerators), tpot)
        if best is None or key < best[0]:
            best = key, _Best(deployment, spreads.time)
    return min(reasons)[1] if best is None else best[1]


def _most(single: Deployment, limits: Limits, slow: float, late: float) -> float:
    """Return the largest load of a replica within targets if times per token and to the first token are longer."""
    ttft = None if single.ttft is None else single.ttft / late
    tpot = None if single.tpot is None else single.tpot / slow
    most = float(limits.within(ttft, tpot))
    return most if single.rate is None else most / slow


def _least(single: Deployment) -> float:
    """Return the accelerators that the load needs at least, without targets."""
    if single.concurrency is not None:
        replicas = single.concurrency / single.served.most
    else:
        replicas = (single.rate or 0.0) / (ALLOWED_LOAD * single.served.capacity)
    return math.ceil(replicas - 1e-9) * single.served.layout.accelerators


def _size(serving: Serving, precision: str | None, best: _Best) -> ServingSize:
    """Return the row of an option."""
    deployment, card = best.deployment, serving.cluster.accelerator
    steady = steady_state(deployment, np.ones(1))
    rate = deployment.busy * float(np.asarray(steady.requests_per_second)[0])
    tokens = rate * (deployment.requests.input_tokens + deployment.requests.output_tokens)
    price, notes = None, []
    if precision is None:
        notes.append(f"{STORED}: {weights_note(serving.architecture, None)}")
    try:
        price = serving.prices.price_of(serving.cluster.replace(count=deployment.accelerators)).value
    except (MissingFactError, UnknownNameError) as error:
        notes.append(str(error))
    hour = None if price is None else price * deployment.accelerators
    layout = deployment.served.layout
    given: dict[str, Any] = {"precision": precision, "tensor": layout.tensor, "pipeline": layout.pipeline}
    if has_experts(serving.architecture):
        given["data_parallel_attention"] = layout.data_parallel_attention
    return ServingSize(
        accelerator=card.name,
        precision=precision or STORED,
        layout=layout,
        gpus=deployment.accelerators,
        replicas=deployment.replicas,
        tokens_per_second_per_user=1 / float(np.asarray(steady.tpot)[0]),
        ttft=quantity(float(np.asarray(steady.ttft)[0]), "s", "s"),
        tokens_per_second=rate * deployment.requests.output_tokens,
        usd_per_hour=hour,
        usd_per_million_tokens=None if hour is None else hour / 3600 / tokens * 1e6,
        spread=best.spread,
        note="; ".join(notes),
        scenario=partial(serving.replace, {**given, "cluster": Cluster(card, deployment.accelerators)}),
    )


def _by_cost(size: ServingSize) -> tuple[float, float, float]:
    cost = math.inf if size.usd_per_hour is None else size.usd_per_hour
    return cost, size.gpus, -size.tokens_per_second_per_user


def _by_count(size: ServingSize) -> tuple[float, float, float]:
    return size.gpus, math.inf if size.usd_per_hour is None else size.usd_per_hour, -size.tokens_per_second_per_user


def _title(serving: Serving) -> str:
    from costmodel.estimation.serving.notes import title_of

    return title_of(serving).rpartition(", ")[0]
