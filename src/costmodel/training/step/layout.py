"""Layout of a training step: degrees of parallelism, sharding, recomputation, kernels and offloading.

`Layout` is one layout, `Layouts` the same fields as numbers or arrays. `infeasibility_reasons` says why a layout is not
possible.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, Self, overload

from pydantic import BeforeValidator, Field, model_validator

from costmodel.foundation.arrays import Array, BoolLike, N, N_co, equal, least_common_multiple, rounded_up, where
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Count, reported
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import constant

if TYPE_CHECKING:
    from costmodel.foundation.fields import CountLike
    from costmodel.training.step.workload import Workload

Recompute = Literal["none", "selective", "full"]
RECOMPUTE_MODES: tuple[Recompute, ...] = ("none", "selective", "full")
Kernel = Literal["unfused", "flash-1", "flash-2", "latest"]
ATTENTION_KERNELS: tuple[Kernel, ...] = ("unfused", "flash-1", "flash-2", "latest")
Loss = Literal["whole", "half", "fused", "chunked"]
LOSS_IMPLEMENTATIONS: tuple[Loss, ...] = ("whole", "half", "fused", "chunked")


MODULES = ("core_attn", "layernorm", "mla_up_proj", "mlp", "moe", "moe_act")
"""Modules of a layer that selective recomputation may name, as Megatron-Core does (`recompute_modules`)."""
MODULE_SETS: tuple[str, ...] = tuple(
    "+".join(name for place, name in enumerate(MODULES) if mask >> place & 1) for mask in range(2 ** len(MODULES))
)
"""All sets of modules as text; the bits of the index of a set say which modules are in it."""

CATEGORICAL_FIELDS: dict[str, tuple[str, ...]] = {
    "recompute": RECOMPUTE_MODES,
    "recompute_modules": MODULE_SETS,
    "attention": ATTENTION_KERNELS,
    "loss": LOSS_IMPLEMENTATIONS,
}
"""Categorical fields of a layout, with their values."""
BOOLEAN_FIELDS = (
    "sequence_parallel",
    "eager",
    "overlap_tensor",
    "overlap_data",
    "offload_optimizer",
    "offload_weights",
    "offload_activations",
    "tiled_feed_forward",
    "step_in_backward",
)
"""Boolean fields of a layout."""
FLASH_1_YEAR = constant("flash_attention_year")
"""Year from which training software uses FlashAttention [year]."""
FLASH_2_YEAR = constant("flash_attention_2_year")
"""Year from which training software uses FlashAttention-2 [year]."""
FLASH_3_YEAR = constant("flash_attention_3_year")
"""Year from which training software uses the latest kernel of the accelerator [year]."""


def usual_kernel(year: float) -> Kernel:
    """Return the usual attention kernel of training software of a year.

    Parameters
    ----------
    year : float
        Year of the software, such as 2023.5.

    References
    ----------
    FlashAttention (arXiv 2205.14135) spread in 2023. FlashAttention-2 is of July 2023 (arXiv 2307.08691),
    FlashAttention-3 for Hopper of July 2024 (arXiv 2407.08608).
    """
    if year < FLASH_1_YEAR:
        return "unfused"
    return "flash-1" if year < FLASH_2_YEAR else "flash-2" if year < FLASH_3_YEAR else "latest"


def _modules(value: object) -> str:
    """Return a set of modules as `MODULE_SETS` writes it."""
    parts = value.replace(",", "+").split("+") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise InputError(f'must be modules with + between them, such as "layernorm+moe_act"; got {value!r}')
    named = {part.strip() for part in parts} - {""}
    if wrong := sorted(named - set(MODULES)):
        raise InputError([unknown("module of a layer", name, MODULES) for name in wrong])
    return "+".join(name for name in MODULES if name in named)


class Layout(Spec):
    """Degrees of parallelism and the other choices that determine memory and time of a step.

    A layout uses `data` × `tensor` × `pipeline` × `context` accelerators. Tensor-parallel ranks are neighbors, followed
    by context-, expert- and data-parallel ranks; pipeline stages are farthest apart.

    Examples
    --------
    >>> Layout(data=16, tensor=8, pipeline=8, interleave=3).accelerators
    1024
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            data: CountLike = ...,
            tensor: CountLike = ...,
            pipeline: CountLike = ...,
            context: CountLike = ...,
            expert: CountLike = ...,
            expert_tensor: CountLike = ...,
            micro_batch: CountLike = ...,
            interleave: CountLike = ...,
            zero: CountLike = ...,
            shard: CountLike | None = ...,
            recompute: Recompute = ...,
            recompute_modules: str = ...,
            sequence_parallel: bool = ...,
            attention: Kernel = ...,
            loss: Loss = ...,
            eager: bool = ...,
            overlap_tensor: bool = ...,
            overlap_data: bool = ...,
            offload_optimizer: bool = ...,
            offload_weights: bool = ...,
            offload_activations: bool = ...,
            tiled_feed_forward: bool = ...,
            step_in_backward: bool = ...,
        ) -> None: ...

    data: Count = Field(default=1, description="Data-parallel replicas, each with sequences of its own.")
    tensor: Count = Field(default=1, description="Tensor-parallel ranks, which shard each matmul.")
    pipeline: Count = Field(default=1, description="Pipeline stages.")
    context: Count = Field(default=1, description="Context-parallel ranks, which shard each sequence.")
    expert: Count = Field(
        default=1,
        description="Expert-parallel ranks, which shard the routed experts; a subgroup of tensor × context × data.",
    )
    expert_tensor: Count = Field(default=1, description="Tensor-parallel ranks of each expert.")
    micro_batch: Count = Field(default=1, description="Micro-batch size: sequences per forward pass and replica.")
    interleave: Count = Field(
        default=1, description="Chunks of layers per pipeline stage (virtual stages); 1 is the plain 1F1B schedule."
    )
    zero: Annotated[int, Field(ge=0, le=3)] = Field(
        default=1,
        description="ZeRO level, what data-parallel ranks shard: 0 nothing, 1 optimizer states (distributed "
        "optimizer of Megatron), 2 also gradients, 3 also weights (FSDP).",
    )
    shard: Count | None = Field(
        default=None,
        description="Ranks over which `zero` shards (hybrid sharding); default: all data and context ranks.",
    )
    recompute: Recompute = Field(
        default="none",
        description='Activation recomputation: "none", "selective" (unfused attention scores and cheap operations) or '
        '"full" (all of every layer).',
    )
    recompute_modules: Annotated[str, BeforeValidator(reported(_modules))] = Field(
        default="",
        description="Modules of a layer that are recomputed beside `recompute`, with + between them: core_attn (fused "
        "attention), layernorm, mla_up_proj (up-projections of latent attention), mlp (dense feed-forward), moe (all "
        "of an expert), moe_act (its activation function).",
    )
    sequence_parallel: bool = Field(
        default=True,
        description="Whether tensor-parallel ranks also shard the hidden state between the matmuls (sequence "
        "parallelism).",
    )
    attention: Kernel = Field(
        default="latest",
        description='Attention kernel: "unfused" writes the score matrix to memory (before 2022), "flash-1" (2022), '
        '"flash-2" (2023), "latest" is the best of the accelerator (FlashAttention-3, cuDNN).',
    )
    loss: Loss = Field(
        default="whole",
        description='Cross-entropy loss: "whole" converts all logits to fp32, "half" keeps logits in 16 bits with '
        'an fp32 softmax, "fused" makes no fp32 copy, "chunked" computes chunks of the sequence.',
    )
    eager: bool = Field(
        default=False,
        description="Whether kernels are launched one by one by a general-purpose trainer (eager mode: Hugging Face "
        "Trainer with PEFT, DeepSpeed) instead of compiled or fused.",
    )
    overlap_tensor: bool = Field(
        default=False, description="Whether tensor-parallel communication overlaps with matmuls."
    )
    overlap_data: bool = Field(
        default=True, description="Whether data-parallel communication overlaps with the forward and backward pass."
    )
    offload_optimizer: bool = Field(
        default=False, description="Whether optimizer states are in host memory and the CPU does the optimizer step."
    )
    offload_weights: bool = Field(
        default=False,
        description="Whether weights and gradients are in host memory and are copied layer by layer (FSDP with CPU "
        "offload).",
    )
    offload_activations: bool = Field(
        default=False, description="Whether the layer inputs saved by full recomputation are in host memory."
    )
    tiled_feed_forward: bool = Field(
        default=False,
        description="Whether dense feed-forward blocks run on one tile of the sequence after the other, and again in "
        "the backward pass, so that the activations of one tile are in memory (arXiv 2506.13996).",
    )
    step_in_backward: bool = Field(
        default=False,
        description="Whether the optimizer step of each weight runs during the backward pass, so that gradients never "
        "coexist.",
    )

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
        """Number of accelerators of the layout."""
        return self.data * self.tensor * self.pipeline * self.context

    def brief(self) -> str:
        """Return a short text: micro-batch size, ZeRO level, and all fields that differ from their defaults.

        `Layout.parse` reads it back.

        Examples
        --------
        >>> Layout(data=16, micro_batch=2, loss="fused", overlap_data=False).brief()
        'data 16, micro_batch 2, zero 1, loss fused, no overlap_data'
        """
        parts = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value == field.default and name not in {"micro_batch", "zero"}:
                continue
            flag = name if value else f"no {name}"
            parts.append(flag if name in BOOLEAN_FIELDS else f"{name} {value}")
        return ", ".join(parts)

    @classmethod
    @checked("text")
    def parse(cls, text: str) -> Self:
        """Return the layout of a short text, as `brief` writes it.

        Parameters
        ----------
        text : str
            Fields separated by commas, each as "name value" or "name=value". A boolean field is its name, or its name
            after "no". Other fields have their defaults.

        Raises
        ------
        InputError
            With every problem of the text.

        Examples
        --------
        >>> Layout.parse("data 16, micro_batch 2, zero 1, loss fused").loss
        'fused'
        """
        try:
            return cls.from_data(_read_brief(text))
        except InputError as error:
            raise InputError([f"layout: {problem}" for problem in error.problems]) from None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        return reported(_read_brief)(data) if isinstance(data, str) else data


def _read_brief(text: str) -> dict[str, Any]:
    """Return the fields of a short text; see `Layout.parse`."""
    fields: dict[str, Any] = {}
    problems = [] if text.strip() else [f'expected a text such as "data 16, micro_batch 2, zero 1"; got {text!r}']
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.replace("=", " ").split() or [part]
        negated = words[0] == "no" and len(words) == 2
        name = words[1] if negated else words[0]
        if name not in Layout.model_fields:
            problems.append(unknown("field of a layout", name, Layout.model_fields))
        elif name in fields:
            problems.append(f"{name} is given twice")
        elif name in BOOLEAN_FIELDS and (negated or len(words) == 1):
            fields[name] = not negated
        elif len(words) == 2 and not negated:
            fields[name] = int(words[1]) if words[1].isdecimal() else words[1]
        else:
            example = f"{name} or no {name}" if name in BOOLEAN_FIELDS else f"{name} and one value"
            problems.append(f"expected {example}; got {part!r}")
    if problems:
        raise InputError(problems)
    return fields


class Layouts(NamedTuple, Generic[N_co]):
    """Layouts as numbers or arrays that broadcast: the fields of `Layout`.

    `shard` is the number of ranks over which ZeRO shards. A categorical field is its index in `CATEGORICAL_FIELDS`; a
    boolean field is 0 or 1.
    """

    data: N_co
    tensor: N_co
    pipeline: N_co
    context: N_co
    expert: N_co
    expert_tensor: N_co
    micro_batch: N_co
    interleave: N_co
    zero: N_co
    shard: N_co
    recompute: N_co
    recompute_modules: N_co
    sequence_parallel: N_co
    attention: N_co
    loss: N_co
    eager: N_co
    overlap_tensor: N_co
    overlap_data: N_co
    offload_optimizer: N_co
    offload_weights: N_co
    offload_activations: N_co
    tiled_feed_forward: N_co
    step_in_backward: N_co

    @property
    def accelerators(self) -> N_co:
        """Number of accelerators of each layout."""
        return self.data * self.tensor * self.pipeline * self.context


def recomputes(layout: Layouts[N], module: str) -> N:
    """Return 1 where a module is recomputed, else 0.

    Parameters
    ----------
    layout : Layouts
    module : str
        One of `MODULES`.
    """
    return layout.recompute_modules // 2.0 ** MODULES.index(module) % 2


def accumulation(batch_size: float | N, layout: Layouts[N]) -> N:
    """Return the gradient accumulation: micro-batches per step of the replica with most sequences.

    A batch that is not a multiple of `data` × `micro_batch` takes as long as the next multiple. With an interleaved
    schedule the micro-batches are multiples of the pipeline stages.

    Parameters
    ----------
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts
    """
    group = where(layout.interleave > 1, layout.pipeline, 1.0)
    return group * rounded_up(batch_size / (layout.micro_batch * layout.data * group))


@overload
def layouts(listed: Layout) -> Layouts: ...
@overload
def layouts(listed: Sequence[Layout]) -> Layouts[Array]: ...
def layouts(listed: Layout | Sequence[Layout]) -> Layouts | Layouts[Array]:
    """Return the numbers of one layout, or arrays of shape (len(listed),) of several.

    Parameters
    ----------
    listed : Layout or sequence of Layout
    """
    if isinstance(listed, Layout):
        return Layouts(*_numbers(listed))
    import numpy as np

    rows = np.array([_numbers(layout) for layout in listed], dtype=float)
    return Layouts(*rows.reshape(len(listed), -1).T)


def layout_of(values: Sequence[float]) -> Layout:
    """Return the layout of one set of numbers.

    Parameters
    ----------
    values : sequence of float
        Numbers in the order of `Layouts`.
    """
    numbers = {name: int(value) for name, value in zip(Layouts._fields, values, strict=True)}
    all_ranks = numbers["data"] * numbers["context"]
    return Layout.from_data(
        {
            **numbers,
            **{name: bool(numbers[name]) for name in BOOLEAN_FIELDS},
            **{name: words[numbers[name]] for name, words in CATEGORICAL_FIELDS.items()},
            "shard": None if numbers["shard"] in {all_ranks, 0} else numbers["shard"],
        }
    )


def _numbers(layout: Layout) -> list[float]:
    """Return the numbers of a layout in the order of `Layouts`."""
    special = {name: words.index(getattr(layout, name)) for name, words in CATEGORICAL_FIELDS.items()}
    special["shard"] = layout.shard or layout.data * layout.context
    return [float(special[name] if name in special else getattr(layout, name)) for name in Layouts._fields]


def infeasibility_reasons(
    work: "Workload[float | N]", count: float | N, batch_size: float | N, layout: Layouts[N]
) -> dict[str, BoolLike]:
    """Return why layouts are not possible: for each reason, whether it applies (shape of the layouts).

    A batch size need not be a multiple of the replicas, and accelerators may be idle if they are too few for one more
    replica (with expert parallelism: for one more multiple of the replicas that the experts need). Embedding and LM
    head may each take the place of a layer in the pipeline: Megatron-LM, `account_for_embedding_in_pipeline_split` and
    `account_for_loss_in_pipeline_split`.

    Parameters
    ----------
    work : Workload
    count : float or ndarray
        Accelerators [1].
    batch_size : float or ndarray
        Sequences per step (global batch size) [1].
    layout : Layouts
        Each field of shape (...).

    Returns
    -------
    dict of str to bool or ndarray
    """
    shards, expert_shards = layout.tensor * layout.context, layout.expert * layout.expert_tensor
    ranks = shards * layout.data
    idle = count - layout.accelerators
    replica = layout.pipeline * least_common_multiple(shards, expert_shards)
    return {
        "data × tensor × pipeline × context differs from the number of accelerators": (idle < 0) | (idle >= replica),
        "micro_batch exceeds the sequences of a data-parallel replica": layout.micro_batch
        > rounded_up(batch_size / layout.data),
        "the number of attention heads is not a multiple of tensor": work.heads % layout.tensor > 0,
        "pipeline × interleave exceeds the number of layers, with embedding and LM head": layout.pipeline
        * layout.interleave
        > work.layers + 2,
        "interleave needs pipeline stages": (layout.interleave > 1) & equal(layout.pipeline, 1),
        "the sequence length is not a multiple of 2 × context": work.sequence_length
        % (2 * layout.context)
        * (layout.context > 1)
        > 0,
        "the number of experts is not a multiple of expert": work.experts % layout.expert > 0,
        "tensor × context × data is not a multiple of expert × expert_tensor": ranks % expert_shards > 0,
        "data × context is not a multiple of shard": (layout.data * layout.context) % layout.shard > 0,
    }
