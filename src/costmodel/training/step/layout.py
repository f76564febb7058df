"""How is a model spread over the accelerators? Degrees of parallelism, and what else a step is run with."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from costmodel.foundation.fields import Count
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.training.step.workload import Workload

Recompute = Literal["none", "selective", "full"]
RECOMPUTE_MODES: tuple[Recompute, ...] = ("none", "selective", "full")
Kernel = Literal["unfused", "flash-1", "flash-2", "latest"]
ATTENTION_KERNELS: tuple[Kernel, ...] = ("unfused", "flash-1", "flash-2", "latest")
Loss = Literal["whole", "half", "fused", "chunked"]
LOSS_IMPLEMENTATIONS: tuple[Loss, ...] = ("whole", "half", "fused", "chunked")


CATEGORICAL_FIELDS: dict[str, tuple[str, ...]] = {
    "recompute": RECOMPUTE_MODES,
    "attention": ATTENTION_KERNELS,
    "loss": LOSS_IMPLEMENTATIONS,
}
"""Fields of a layout that are words, with the words."""
BOOLEAN_FIELDS = (
    "sequence_parallel",
    "eager",
    "overlap_tensor",
    "overlap_data",
    "offload_optimizer",
    "offload_weights",
    "offload_activations",
    "step_in_backward",
)
"""Fields of a layout that are true or false."""


def usual_kernel(year: float) -> Kernel:
    """Return the attention kernel that training software of a year had.

    Parameters
    ----------
    year : when the software was current, such as 2023.5

    References
    ----------
    FlashAttention (arXiv 2205.14135) spread in 2023; version 2 is of July 2023 (arXiv 2307.08691), its successor
    for hopper of July 2024 (arXiv 2407.08608).
    """
    if year < 2023:
        return "unfused"
    return "flash-1" if year < 2023.55 else "flash-2" if year < 2024.5 else "latest"


class Layout(Spec):
    """Degrees of parallelism, and what else decides about the memory and the time of a step.

    `data` × `tensor` × `pipeline` × `context` accelerators hold one layout. Tensor-parallel ranks are
    neighbors, then context, expert and data-parallel ones; pipeline stages lie farthest apart.

    Examples
    --------
    >>> Layout(data=16, tensor=8, pipeline=8, interleave=3).accelerators
    1024
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    data: Count = 1
    """Replicas that work on different sequences."""
    tensor: Count = 1
    """Ranks that share each matrix product."""
    pipeline: Count = 1
    """Stages of layers."""
    context: Count = 1
    """Ranks that share each sequence."""
    expert: Count = 1
    """Ranks that share the routed experts; carved out of tensor × context × data."""
    expert_tensor: Count = 1
    """Ranks that share the matrix products of each expert."""
    micro_batch: Count = 1
    """Sequences that pass through the model at a time, on each replica."""
    interleave: Count = 1
    """Chunks of layers on each stage; 1 is the plain 1F1B schedule."""
    zero: Annotated[int, Field(ge=0, le=3)] = 1
    """What the data-parallel ranks share: 0 nothing, 1 the states of the optimizer (the distributed
    optimizer of Megatron), 2 the gradients too, 3 the weights too (FSDP)."""
    shard: Count | None = None
    """Ranks over which `zero` shares (hybrid sharding); all data and context ranks unless given."""
    recompute: Recompute = "none"
    """Activations computed again in the backward pass: none, "selective" (attention scores where they are
    written out, and what costs little), "full" (all of every layer)."""
    sequence_parallel: bool = True
    """Whether tensor-parallel ranks share the hidden state between the matrix products too."""
    attention: Kernel = "latest"
    """Kernel of the attention: "unfused" writes the score matrix out (before 2022), "flash-1" keeps it on
    chip (2022), "flash-2" does so faster (2023), "latest" is the best of the accelerator (flash-3, cuDNN)."""
    loss: Loss = "whole"
    """How the loss is computed: "whole" turns all logits into 32 bits, "half" keeps them in 16 and softmax
    alone in 32, "fused" makes no 32-bit copies, "chunked" holds a part of the sequence at a time."""
    eager: bool = False
    """Whether a general trainer launches operations one by one (Hugging Face Trainer with PEFT, DeepSpeed),
    instead of compiled or fused ones."""
    overlap_tensor: bool = False
    """Whether tensor-parallel communication hides behind matrix products."""
    overlap_data: bool = True
    """Whether data-parallel communication hides behind the passes."""
    offload_optimizer: bool = False
    """Whether the states of the optimizer live in host memory, and the step is done there."""
    offload_weights: bool = False
    """Whether weights and gradients wait in host memory too, and come for each layer (FSDP with CPU offload)."""
    offload_activations: bool = False
    """Whether what full recomputation keeps of each layer waits in host memory."""
    step_in_backward: bool = False
    """Whether each gradient is used up as soon as it is there, so that they never are there together."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.tensor * self.context * self.data) % (self.expert * self.expert_tensor):
            raise ValueError(
                f"expert × expert_tensor ({self.expert} × {self.expert_tensor}) must divide tensor × context × data "
                f"({self.tensor} × {self.context} × {self.data})"
            )
        if self.shard is not None and (self.data * self.context) % self.shard:
            raise ValueError(f"shard ({self.shard}) must divide data × context ({self.data} × {self.context})")
        if self.interleave > 1 and self.pipeline == 1:
            raise ValueError(f"interleave ({self.interleave}) needs more than one pipeline stage")
        return self

    @property
    def accelerators(self) -> int:
        """Accelerators that the layout takes."""
        return self.data * self.tensor * self.pipeline * self.context

    def brief(self) -> str:
        """Return the degrees above one, the micro-batch, what is shared and what is computed again."""
        degrees = ("data", "tensor", "pipeline", "context", "expert", "interleave")
        named = [f"{name} {getattr(self, name)}" for name in degrees if getattr(self, name) > 1]
        again = [f"recompute {self.recompute}"] if self.recompute != "none" else []
        away = [
            f"{name.removeprefix('offload_')} offloaded"
            for name in BOOLEAN_FIELDS
            if name.startswith("offload_") and getattr(self, name)
        ]
        return ", ".join([*named, f"micro_batch {self.micro_batch}", f"zero {self.zero}", *again, *away])


class Layouts(NamedTuple):
    """Layouts as numbers or arrays that broadcast: the fields of `Layout`.

    `shard` is the number of ranks over which ZeRO shards. A categorical field is its index in `CATEGORICAL_FIELDS`; a
    boolean field is 0 or 1.
    """

    data: Any
    tensor: Any
    pipeline: Any
    context: Any
    expert: Any
    expert_tensor: Any
    micro_batch: Any
    interleave: Any
    zero: Any
    shard: Any
    recompute: Any
    sequence_parallel: Any
    attention: Any
    loss: Any
    eager: Any
    overlap_tensor: Any
    overlap_data: Any
    offload_optimizer: Any
    offload_weights: Any
    offload_activations: Any
    step_in_backward: Any

    @property
    def accelerators(self) -> Any:
        """Accelerators that each layout takes."""
        return self.data * self.tensor * self.pipeline * self.context

    def accumulation(self, batch_size: Any) -> Any:
        """Micro-batches of a step on each replica."""
        return batch_size / (self.micro_batch * self.data)

    def rows(self) -> Iterator[Layout]:
        """Yield each layout of one-dimensional arrays."""
        for values in zip(*self, strict=True):
            yield layout_of(values)


def layouts(of: Layout | Sequence[Layout]) -> Layouts:
    """Return the numbers of one layout, or the arrays of several, shape (len(of),)."""
    if isinstance(of, Layout):
        return Layouts(*_numbers(of))
    import numpy as np

    return Layouts(*np.array([_numbers(each) for each in of], dtype=float).reshape(len(of), -1).T)


def layout_of(values: Sequence[Any]) -> Layout:
    """Return the layout of one set of numbers, in the order of `Layouts`."""
    given = {name: int(value) for name, value in zip(Layouts._fields, values, strict=True)}
    whole = given["data"] * given["context"]
    return Layout(
        **{name: value for name, value in given.items() if name not in {*BOOLEAN_FIELDS, *CATEGORICAL_FIELDS, "shard"}},
        **{name: bool(given[name]) for name in BOOLEAN_FIELDS},
        **{name: words[given[name]] for name, words in CATEGORICAL_FIELDS.items()},
        shard=None if given["shard"] in {whole, 0} else given["shard"],
    )


def _numbers(of: Layout) -> list[float]:
    coded = {name: words.index(getattr(of, name)) for name, words in CATEGORICAL_FIELDS.items()}
    coded["shard"] = of.shard or of.data * of.context
    return [float(coded[name] if name in coded else getattr(of, name)) for name in Layouts._fields]


def infeasibility_reasons(work: "Workload", count: Any, batch_size: Any, of: Layouts) -> dict[str, Any]:
    """Return why layouts cannot be: for each reason, where it holds (shape of the layouts).

    Parameters
    ----------
    work : Workload
    count : accelerators
    batch_size : sequences of a step
    of : Layouts
    """
    per_step = of.micro_batch * of.data
    accumulation = batch_size / per_step
    return {
        "the degrees do not multiply to the number of accelerators": of.accelerators != count,
        "the batch does not divide by data × micro_batch": batch_size % per_step != 0,
        "tensor does not divide the heads": work.heads % of.tensor != 0,
        "more stages, or chunks of them, than layers": of.pipeline * of.interleave > work.layers,
        "interleaving needs micro-batches in multiples of the stages": (of.interleave > 1)
        & ((of.pipeline == 1) | (accumulation % of.pipeline != 0)),
        "context does not divide the sequence": work.sequence_length % (2 * of.context) * (of.context > 1) != 0,
        "expert does not divide the experts": work.experts % of.expert != 0,
        "expert × expert_tensor does not divide tensor × context × data": (of.tensor * of.context * of.data)
        % (of.expert * of.expert_tensor)
        != 0,
        "shard does not divide data × context": (of.data * of.context) % of.shard != 0,
    }
