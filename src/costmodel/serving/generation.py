"""Throughput of token generation on a cluster, and the time per output token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.architecture.loading import load_architecture
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked, is_finite
from costmodel.foundation.errors import InputError
from costmodel.foundation.units import quantity
from costmodel.serving.calibration.constants import ServingConstants, Stack, default_constants
from costmodel.serving.engine.recipes import recipe_of
from costmodel.serving.load.served import FEWEST_SEQUENCES, MOST_SEQUENCES, layout_of
from costmodel.serving.step.formats import Format, format_of, has_experts
from costmodel.serving.step.memory import MEMORY_SHARE, largest_batch, replica_cache_bytes, replica_weight_bytes
from costmodel.serving.step.replica import hardware_of
from costmodel.serving.step.timing import prompt_time, time_per_token
from costmodel.serving.step.work import Workload, check_cache_precision, work_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.architecture.specification import Architecture
    from costmodel.foundation.units import Quantity
    from costmodel.hardware.cluster import Cluster
    from costmodel.serving.step.replica import Replica


_FIGURES = {
    "tokens_per_second": ("token/s", "token/s", "output throughput"),
    "batch": ("", "", "concurrent sequences per replica"),
    "gpu_time_per_token": ("s", "s", "accelerator time per output token"),
    "time_per_output_token": ("s", "s", "time per output token (TPOT)"),
    "prefill_time": ("s", "s", "prefill of a prompt"),
    "replicas": ("", "", "replicas"),
    "accelerators_per_replica": ("", "", "accelerators per replica"),
    "memory": ("byte", "GiB", "weights and KV cache per accelerator"),
    "spread": ("", "", "standard deviation of ln(throughput)"),
}
"""SI unit, unit of its quantity, and title of each figure of a `Generation`."""


@dataclass(frozen=True, slots=True)
class GenerationFigures:
    """Figures of a `Generation` as plain numbers in SI units."""

    tokens_per_second: float
    """Output throughput of the cluster [token/s]."""
    batch: float
    """Concurrent sequences per replica [1]."""
    gpu_time_per_token: float
    """Accelerator time per output token, idle accelerators included [s]."""
    time_per_output_token: float
    """Mean time between two output tokens of a sequence, TPOT [s]."""
    prefill_time: float
    """Time of the prefill of one prompt on a replica [s]."""
    replicas: int
    """Number of replicas of the model [1]."""
    accelerators_per_replica: int
    """Accelerators per replica [1]."""
    memory: float
    """Weights and KV cache per accelerator [byte]."""
    spread: float
    """Standard deviation of ln(predicted / measured) throughput for a model outside the fit [1]."""


@dataclass(frozen=True, repr=False)
class Generation(rendering.Shown):
    """Throughput, times and memory of a cluster that generates tokens in steady state.

    Figures with a unit are pint quantities; `si` has them as plain numbers.
    """

    si: GenerationFigures
    """The figures as plain numbers in SI units."""

    @property
    def tokens_per_second(self) -> Quantity:
        """Output throughput of the cluster."""
        return self._quantity("tokens_per_second")

    @property
    def batch(self) -> float:
        """Concurrent sequences per replica [1]."""
        return self.si.batch

    @property
    def gpu_time_per_token(self) -> Quantity:
        """Accelerator time per output token, idle accelerators included."""
        return self._quantity("gpu_time_per_token")

    @property
    def time_per_output_token(self) -> Quantity:
        """Mean time between two output tokens of a sequence, TPOT."""
        return self._quantity("time_per_output_token")

    @property
    def prefill_time(self) -> Quantity:
        """Time of the prefill of one prompt on a replica."""
        return self._quantity("prefill_time")

    @property
    def replicas(self) -> int:
        """Number of replicas of the model [1]."""
        return self.si.replicas

    @property
    def accelerators_per_replica(self) -> int:
        """Accelerators per replica [1]."""
        return self.si.accelerators_per_replica

    @property
    def memory(self) -> Quantity:
        """Weights and KV cache per accelerator."""
        return self._quantity("memory")

    @property
    def spread(self) -> float:
        """Standard deviation of ln(predicted / measured) throughput for a model outside the fit [1]."""
        return self.si.spread

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure: quantity, value, unit."""
        return [
            {"quantity": name, "value": getattr(self.si, name), "unit": unit} for name, (unit, _, _) in _FIGURES.items()
        ]

    def _cells(self) -> list[dict[str, str]]:
        return [
            {"": title, "value": rendering.amount(getattr(self.si, name), unit)}
            for name, (unit, _, title) in _FIGURES.items()
        ]

    def _quantity(self, name: str) -> Quantity:
        unit, shown, _ = _FIGURES[name]
        return quantity(getattr(self.si, name), unit, shown)


@checked("cluster", "precision", "constants", "cache_precision", "engine", "recipe")
def generation(
    architecture: str | Mapping[str, Any] | Architecture,
    cluster: Cluster,
    *,
    prompt_length: float,
    output_length: float,
    concurrency: float | None = None,
    precision: str = "bf16",
    replicas: int | None = None,
    constants: ServingConstants | None = None,
    gpu_memory_utilization: float = MEMORY_SHARE,
    cache_precision: str = "bf16",
    engine: str | None = "vllm",
    recipe: str = "default",
) -> Generation:
    """Return throughput, time per output token and memory of token generation with continuous batching.

    Parameters
    ----------
    architecture : str, Mapping or Architecture
        Architecture, or an argument of `load_architecture`.
    cluster : Cluster
        Accelerators, divided into equal replicas of the model.
    prompt_length : float
        Mean prompt tokens per sequence [token].
    output_length : float
        Mean output tokens per sequence [token].
    concurrency : float, optional
        Concurrent sequences on the cluster [1]; sequences that do not fit in memory wait. Default: as many as fit, at
        most 1024 per replica.
    precision : str
        Precision of the weights: bf16, fp16, fp8, int8, nvfp4, mxfp4, int4, awq, gptq. A checkpoint that is smaller
        keeps its precision.
    replicas : int, optional
        Replicas of the model [1]. By default, a replica has the smallest power of two of accelerators that holds the
        weights and 64 sequences; a replica of several nodes may hold a single sequence.
    constants : ServingConstants, optional
        Constants of the serving model; default `default_constants()`.
    gpu_memory_utilization : float
        Share of the memory for weights and KV cache [1]: 0.9 by default, as in vLLM.
    cache_precision : str
        Precision of the KV cache: bf16, fp8.
    engine : str, optional
        Inference engine, such as "vllm" or "sglang"; None if it is not known.
    recipe : {"default", "tuned", "unknown"}
        Settings of the engine: its defaults, or a recipe of its makers for the model and the accelerator.

    Returns
    -------
    Generation
        Throughput and times in steady state.

    Raises
    ------
    InputError
        If a number is not positive and finite, the architecture does not generate tokens, or the model does not fit in
        memory. The message lists all problems of the numbers.
    MissingFactError
        If only counts of the architecture are known, or a fact of the accelerator is not known.

    References
    ----------
    Equations: `costmodel.serving.step.timing`. Constants: `data/fitted/serving.csv`.

    Examples
    --------
    >>> import costmodel as cm
    >>> result = generation("llama-3.1-8b", cm.Cluster("H100-SXM", 8), prompt_length=500, output_length=500)
    >>> result.replicas, 40e3 < result.tokens_per_second.magnitude < 120e3
    (8, True)
    """
    architecture = load_architecture(architecture)
    _check(architecture, cluster, prompt_length, output_length, concurrency, replicas)
    check_cache_precision(architecture, cache_precision)
    share = gpu_memory_utilization
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise InputError(f"gpu_memory_utilization: must be above 0 and at most 1; got {share!r}")
    plan = _Plan(
        architecture,
        cluster,
        format_of(architecture, precision),
        cache_precision,
        Workload(prompt_length, output_length),
        share,
    )
    hardware_of(cluster, 1, plan.stored.product)
    size = plan.fewest_accelerators() if replicas is None else cluster.count // replicas
    replicas = cluster.count // size if replicas is None else replicas
    fits = plan.most_sequences(size)
    if fits < 1:
        raise InputError(plan.does_not_fit(size))
    busy = replicas if concurrency is None else min(float(replicas), concurrency)
    batch = float(min(fits, MOST_SEQUENCES)) if concurrency is None else min(float(fits), concurrency / busy)
    card = cluster.accelerator
    stack = Stack(card.name, card.vendor, card.generation, recipe_of(card, engine, recipe))
    return plan.steady(size, replicas, busy, batch, constants or default_constants(), stack)


class _Plan(NamedTuple):
    """A model in its formats on a cluster, and its requests."""

    architecture: Architecture
    cluster: Cluster
    stored: Format
    cache: str
    workload: Workload
    share: float

    def layout(self, size: int) -> Replica:
        """Return the layout of a replica of `size` accelerators."""
        return layout_of(self.architecture, size)

    def memory(self, size: int) -> tuple[float, float]:
        """Return the weights and the KV cache per sequence of a replica of `size` accelerators [byte]."""
        layout = self.layout(size)
        weights = replica_weight_bytes(self.architecture, self.stored, layout)
        return weights, replica_cache_bytes(self.architecture, self.workload.context, self.cache, layout)

    def most_sequences(self, size: int) -> int:
        """Return the whole number of sequences that fit in a replica of `size` accelerators."""
        usable = size * (self.cluster.accelerator.usable_memory or 0.0)
        return math.floor(largest_batch(usable, *self.memory(size), self.share))

    def fewest_accelerators(self) -> int:
        """Return the smallest power of two of accelerators that holds the weights and 64 sequences.

        Beyond one node, a single sequence suffices.
        """
        size = 1
        while 2 * size <= self.cluster.count:
            needed = FEWEST_SEQUENCES if 2 * size <= self.cluster.node_size else 1
            if self.most_sequences(size) >= needed:
                break
            size *= 2
        return size

    def does_not_fit(self, size: int) -> str:
        """Return the message that no sequence fits in a replica of `size` accelerators."""
        weights, cache = self.memory(size)
        usable = size * (self.cluster.accelerator.usable_memory or 0.0)
        return (
            f"cluster: the model does not fit in a replica of {size} {self.cluster.accelerator.name}: "
            f"{self.share:.0%} of {usable / 1e9:.0f} GB is usable, the weights of {self.architecture.name} take "
            f"{weights / 1e9:.0f} GB, and each sequence takes {cache / 1e9:.3g} GB; use more accelerators or fewer "
            "bits per weight"
        )

    def steady(
        self, size: int, replicas: int, busy: float, batch: float, constants: ServingConstants, stack: Stack
    ) -> Generation:
        """Return throughput and times in steady state."""
        hardware, product = hardware_of(self.cluster, size, self.stored.product)
        work = work_of(self.architecture, self.stored, self.cache, self.layout(size), self.workload)
        of_stack = constants.constants(stack.recipe, product)
        seconds = float(time_per_token(work, hardware, of_stack, batch))
        rate = busy * batch / seconds
        weights, cache = self.memory(size)
        figures = GenerationFigures(
            tokens_per_second=rate,
            batch=batch,
            gpu_time_per_token=self.cluster.count / rate,
            time_per_output_token=seconds,
            prefill_time=float(prompt_time(work, hardware, of_stack)),
            replicas=replicas,
            accelerators_per_replica=size,
            memory=(weights + batch * cache) / size,
            spread=constants.spread(stack, moe=has_experts(self.architecture)),
        )
        return Generation(figures)


def _check(
    architecture: Architecture, cluster: Cluster, prompt: Any, output: Any, concurrency: Any, replicas: Any
) -> None:
    problems = []
    numbers = {"prompt_length": prompt, "output_length": output}
    numbers |= {} if concurrency is None else {"concurrency": concurrency}
    for name, value in numbers.items():
        if not is_finite(value) or value < 1:
            problems.append(f"{name}: must be a finite number, at least 1; got {value!r}")
    if replicas is not None:
        whole = isinstance(replicas, int) and not isinstance(replicas, bool)
        if not whole or replicas < 1 or cluster.count % replicas:
            problems.append(
                f"replicas: must be a whole number that divides {cluster.count} accelerators; got {replicas!r}"
            )
    if not architecture.is_aggregate and not _generates(architecture):
        problems.append(
            f"architecture: must be a decoder with an output head to generate tokens; got {architecture.name}"
        )
    if problems:
        raise InputError(problems)


def _generates(architecture: Architecture) -> bool:
    """Return whether an architecture is a decoder with an output head and a vocabulary."""
    bidirectional = any(block.bidirectional for layer in architecture.layers for block in layer.blocks())
    return architecture.head and architecture.vocabulary is not None and not bidirectional
