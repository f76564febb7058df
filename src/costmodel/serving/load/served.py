"""A model on a replica: times, memory and power as functions of the batch."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.arrays import largest
from costmodel.foundation.errors import InputError
from costmodel.serving.calibration.constants import Stack, default_constants
from costmodel.serving.calibration.figures import default_latency, default_power, latency_key, latency_of, power_of
from costmodel.serving.load.requests import Requests, mean_work
from costmodel.serving.step.formats import has_experts
from costmodel.serving.step.latency import time_to_first_token
from costmodel.serving.step.memory import MEMORY_SHARE, largest_batch, replica_cache_bytes, replica_weight_bytes
from costmodel.serving.step.power import power_share
from costmodel.serving.step.replica import Hardware, Replica, divides_heads, hardware_of
from costmodel.serving.step.speculation import Speculation, speculative_time_per_token
from costmodel.serving.step.timing import prompt_time, time_per_token
from costmodel.serving.step.work import cache_bytes

if TYPE_CHECKING:
    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.arrays import FloatLike
    from costmodel.hardware.cluster import Cluster
    from costmodel.serving.calibration.figures import Figures
    from costmodel.serving.engine.recipes import Recipe
    from costmodel.serving.step.formats import Format
    from costmodel.serving.step.latency import LatencyConstants
    from costmodel.serving.step.power import PowerConstants
    from costmodel.serving.step.timing import Constants
    from costmodel.serving.step.work import Work

MOST_SEQUENCES = 1024
"""Most concurrent sequences of a rank of attention: default of `max_num_seqs` in vLLM on large accelerators [1].
Measured throughput hardly grows beyond it."""
FEWEST_SEQUENCES = 64
"""Concurrent sequences that the default layout must hold [1]; beyond a node, one. With fewer, reading the weights takes
most of a step."""


class Model(NamedTuple):
    """A model in its formats, and how it is served."""

    architecture: Architecture
    """Architecture with its layers."""
    stored: Format
    """Storage format of the weights."""
    cache_precision: str
    """Precision of the KV cache."""
    requests: Requests
    """Lengths of the requests."""
    speculation: Speculation | None = None
    """Speculative decoding, if any."""
    memory_share: float = MEMORY_SHARE
    """Share of the memory for weights and KV cache [1]."""


class Spreads(NamedTuple):
    """Standard deviations of the logarithm of predictions."""

    time: float
    """Time per token [1]."""
    first: float
    """Time to the first token [1]."""
    energy: float
    """Energy per token [1]."""


class Served(NamedTuple):
    """A model on a replica. Times take the batch as a number or an array."""

    work: Work
    """Mean bytes and FLOPs over the requests."""
    uncached: Work
    """The same for prompts of the new tokens alone, without the cached ones before them."""
    hardware: Hardware
    """Rates of one accelerator."""
    constants: Constants
    """Constants of steps and prompts."""
    latency: LatencyConstants
    """Constants of the time to the first token."""
    power: PowerConstants
    """Constants of the power."""
    speculation: Speculation | None
    """Speculative decoding, if any."""
    layout: Replica
    """Layout of the replica."""
    weights: float
    """Weights on all accelerators of the replica [byte]."""
    cache: float
    """KV cache per sequence on all accelerators of the replica, at its mean context [byte]."""
    most: float
    """Largest number of concurrent sequences: what fits in memory, at most 1024 per rank of attention [1]."""
    variability: float
    """Squared coefficient of variation of the output tokens [1]."""

    @property
    def output_tokens(self) -> float:
        """Mean output tokens of a request [token]."""
        return float(self.work.output_tokens)

    @property
    def prompt(self) -> float:
        """Time that the prompt of a request takes from the replica [s]."""
        return float(prompt_time(self.work, self.hardware, self.constants))

    def seconds(self, batch: FloatLike) -> FloatLike:
        """Return the mean time per output token of a request, prompts included [s].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica, at least 1 [1].
        """
        if self.speculation is not None:
            return speculative_time_per_token(self.work, self.hardware, self.constants, self.speculation, batch)
        return time_per_token(self.work, self.hardware, self.constants, batch)

    def step(self, batch: FloatLike) -> FloatLike:
        """Return the time per output token without prompts [s].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica [1].
        """
        return self.seconds(batch) - batch / self.output_tokens * self.prompt

    def first(self, batch: FloatLike) -> FloatLike:
        """Return the time to the first token without a queue [s].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica [1].
        """
        return time_to_first_token(self.work, self.hardware, self.constants, self.latency, batch)

    def between(self, batch: FloatLike) -> FloatLike:
        """Return the mean time between two output tokens after the first, TPOT [s].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica [1].
        """
        return largest(self.seconds(batch) - self.first(batch) / self.output_tokens, self.step(batch))

    def requests_per_second(self, batch: FloatLike) -> FloatLike:
        """Return the requests that the replica finishes per second [1].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica [1].
        """
        return batch / (self.output_tokens * self.seconds(batch))

    @property
    def capacity(self) -> float:
        """Most requests per second of the replica [1]."""
        return float(self.requests_per_second(self.most))

    def power_share(self, batch: FloatLike, seconds: FloatLike) -> FloatLike:
        """Return the mean power of the accelerators over their TDP [1].

        Parameters
        ----------
        batch : float or NDArray
            Concurrent requests of the replica [1].
        seconds : float or NDArray
            Time per output token of a request, prompts included [s].
        """
        return power_share(self.work, self.hardware, self.power, batch, seconds)


def default_layout(model: Model, cluster: Cluster) -> Replica:
    """Return the smallest layout that holds the weights and 64 sequences; beyond one node, one sequence.

    Models whose cache would be copied to each rank, as that of latent attention, have data-parallel attention if they
    have experts. Tensor parallelism divides the attention heads; a model that is too large for such a degree has
    pipeline stages.

    Parameters
    ----------
    model : Model
    cluster : Cluster
    """
    architecture, size = model.architecture, 1
    largest_layout = layout_of(architecture, 1)
    while size <= cluster.count:
        layout = layout_of(architecture, size)
        if divides_heads(architecture, layout):
            largest_layout = layout
            needed = FEWEST_SEQUENCES if 2 * size <= cluster.node_size else 1
            if most_sequences(model, cluster, layout) >= needed:
                return layout
        size *= 2
    stages = 1
    while stages * largest_layout.tensor <= cluster.count and stages <= architecture.depth:
        layout = layout_of(architecture, largest_layout.tensor, stages)
        if most_sequences(model, cluster, layout):
            return layout
        stages *= 2
    return largest_layout


def layout_of(
    architecture: Architecture, tensor: int, pipeline: int = 1, data_parallel_attention: bool | None = None
) -> Replica:
    """Return a layout, with data-parallel attention where each rank would have the whole cache of a model of experts.

    Parameters
    ----------
    architecture : Architecture
    tensor, pipeline : int
        Accelerators that share a layer, and pipeline stages.
    data_parallel_attention : bool, optional
        Whether each rank has its own sequences. Default: see above.
    """
    if data_parallel_attention is None:
        copied = tensor > 1 and cache_bytes(architecture, 1.0, ranks=tensor) == cache_bytes(architecture, 1.0)
        data_parallel_attention = copied and has_experts(architecture)
    return Replica(tensor, pipeline, tensor if data_parallel_attention else 1, data_parallel_attention)


def most_sequences(model: Model, cluster: Cluster, layout: Replica) -> int:
    """Return the whole number of sequences that a replica can serve at a time; 0 if the model does not fit.

    Parameters
    ----------
    model : Model
    cluster : Cluster
    layout : Replica
    """
    usable = layout.accelerators * (cluster.accelerator.usable_memory or 0.0)
    fits = largest_batch(usable, *memory_of(model, layout), model.memory_share)
    ranks = layout.tensor if layout.data_parallel_attention else 1
    return min(math.floor(fits), MOST_SEQUENCES * ranks)


@lru_cache(maxsize=1024)
def memory_of(model: Model, layout: Replica) -> tuple[float, float]:
    """Return the weights, and the KV cache per sequence, on all accelerators of a replica [byte].

    Parameters
    ----------
    model : Model
    layout : Replica
    """
    requests, architecture = model.requests, model.architecture
    contexts = [prompt + requests.decoded / 2 for prompt in requests.prompts]
    caches = [replica_cache_bytes(architecture, context, model.cache_precision, layout) for context in contexts]
    return replica_weight_bytes(architecture, model.stored, layout), math.fsum(caches) / len(caches)


def serve(model: Model, cluster: Cluster, layout: Replica, recipe: Recipe) -> tuple[Served, Spreads]:
    """Return a model on a replica, and the spreads of its predictions.

    Parameters
    ----------
    model : Model
        The model and its requests.
    cluster : Cluster
        Accelerators and their network.
    layout : Replica
        Layout of the replica.
    recipe : Recipe
        Engine and its settings.

    Raises
    ------
    InputError
        If the layout does nothing for the model, or the model does not fit.
    MissingFactError
        If a fact of the accelerator is not known.
    """
    layout.check(model.architecture)
    hardware, product = hardware_of(cluster, layout.accelerators, model.stored.product)
    weights, cache = memory_of(model, layout)
    most = most_sequences(model, cluster, layout)
    if most < 1:
        raise InputError(does_not_fit(model, cluster, layout))
    card = cluster.accelerator
    stack = Stack(card.name, card.vendor, card.generation, recipe)
    constants, latency, power = default_constants(), default_latency(), default_power()
    work = mean_work(model.architecture, model.stored, model.cache_precision, layout, model.requests)
    served = Served(
        work=work,
        uncached=_uncached(model, layout, work),
        hardware=hardware,
        constants=constants.constants(recipe, product),
        latency=latency_of(latency.values, recipe),
        power=power_of(power.values, card.generation),
        speculation=model.speculation,
        layout=layout,
        weights=weights,
        cache=cache,
        most=float(most),
        variability=model.requests.variability,
    )
    time = constants.spread(stack, moe=has_experts(model.architecture))
    return served, Spreads(time, _first_spread(latency, stack), power.spread(card.generation))


def does_not_fit(model: Model, cluster: Cluster, layout: Replica) -> str:
    """Return the message that no sequence fits in a replica.

    Parameters
    ----------
    model : Model
    cluster : Cluster
    layout : Replica
    """
    weights, cache = memory_of(model, layout)
    usable = layout.accelerators * (cluster.accelerator.usable_memory or 0.0)
    copies = ", those of attention on each accelerator" if layout.data_parallel_attention else ""
    bits, experts = model.stored.bits, model.stored.expert_bits
    stored = f"{bits:.3g} bits per weight" + ("" if experts is None else f" and {experts:.3g} of experts")
    return (
        f"cluster: the model does not fit in a replica of {layout.accelerators} {cluster.accelerator.name}: "
        f"{model.memory_share:.0%} of {usable / 1e9:.0f} GB is usable, the weights of {model.architecture.name} take "
        f"{weights / 1e9:.0f} GB at {stored}{copies}, and each sequence takes "
        f"{cache / 1e9:.3g} GB; use more accelerators or fewer bits per weight (precision)"
    )


def _first_spread(latency: Figures, stack: Stack) -> float:
    return latency.spread(latency_key(stack))


def _uncached(model: Model, layout: Replica, work: Work) -> Work:
    """Return the work of requests whose prompts have the new tokens alone."""
    requests = model.requests
    if not requests.cached_share:
        return work
    new = tuple(prompt * (1 - requests.cached_share) for prompt in requests.prompts)
    alone = requests._replace(prompts=new, cached_share=0.0)
    return mean_work(model.architecture, model.stored, model.cache_precision, layout, alone)
