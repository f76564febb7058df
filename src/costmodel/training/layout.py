"""How is a model spread over the accelerators? Degrees of parallelism, and what else a step is run with."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from costmodel.foundation.fields import Count
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from costmodel.training.workload import Workload

Recompute = Literal["none", "selective", "full"]
RECOMPUTE: tuple[Recompute, ...] = ("none", "selective", "full")
Kernel = Literal["unfused", "flash-2", "latest"]
KERNELS: tuple[Kernel, ...] = ("unfused", "flash-2", "latest")


def usual_kernel(year: float) -> Kernel:
    """Return the attention kernel that training software of a year had.

    Parameters
    ----------
    year : when the software was current, such as 2023.5

    References
    ----------
    FlashAttention spread with version 2 (arXiv 2307.08691, 2023), its successor for hopper in mid-2024
    (arXiv 2407.08608).
    """
    return "unfused" if year < 2023 else "flash-2" if year < 2024.5 else "latest"


class Layout(Spec):
    """Degrees of parallelism, and what else decides about the memory and the time of a step.

    `data` × `tensor` × `pipeline` × `context` accelerators hold one layout. Tensor-parallel ranks are
    neighbours, then context, expert and data-parallel ones; pipeline stages lie farthest apart.

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
    """Kernel of the attention: "unfused" writes the score matrix out (before 2022), "flash-2" keeps it on
    chip (2022 to 2024), "latest" is the best of the accelerator (flash-3, cuDNN)."""
    fused_loss: bool = False
    """Whether the loss is computed without 32-bit copies of the logits."""
    overlap_tensor: bool = False
    """Whether tensor-parallel communication hides behind matrix products."""
    overlap_data: bool = True
    """Whether data-parallel communication hides behind the passes."""
    offload_optimizer: bool = False
    """Whether the states of the optimizer live in host memory, and the step is done there."""

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
        return ", ".join([*named, f"micro_batch {self.micro_batch}", f"zero {self.zero}", *again])


class Layouts(NamedTuple):
    """Layouts as numbers or arrays that broadcast: the fields of `Layout`.

    `shard` is the number of ranks that share states, `recompute` and `attention` are the index in
    `RECOMPUTE` and in `KERNELS`; what is true or false is 1 or 0.
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
    fused_loss: Any
    overlap_tensor: Any
    overlap_data: Any
    offload_optimizer: Any

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
    flags = ("sequence_parallel", "fused_loss", "overlap_tensor", "overlap_data", "offload_optimizer")
    return Layout(
        **{name: value for name, value in given.items() if name not in {*flags, "shard", "recompute", "attention"}},
        **{name: bool(given[name]) for name in flags},
        shard=None if given["shard"] in {whole, 0} else given["shard"],
        recompute=RECOMPUTE[given["recompute"]],
        attention=KERNELS[given["attention"]],
    )


def _numbers(of: Layout) -> list[float]:
    coded = {
        "shard": of.shard or of.data * of.context,
        "recompute": RECOMPUTE.index(of.recompute),
        "attention": KERNELS.index(of.attention),
    }
    return [float(coded[name] if name in coded else getattr(of, name)) for name in Layouts._fields]


def obstacles(work: "Workload", count: Any, batch_size: Any, of: Layouts) -> dict[str, Any]:
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
