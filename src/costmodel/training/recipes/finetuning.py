"""Fine-tuning: of all weights, of low-rank adapters, of virtual tokens; fields shared by all recipes but pretraining.

To add a recipe of this kind, subclass `FineTuning` and add a line to `RECIPES` in `table.py`.
"""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from costmodel.architecture.quantization import BITS
from costmodel.architecture.specification import Architecture
from costmodel.foundation.fields import Count, Dimension, GPUHours, Measure, Tokens
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.tables import constant
from costmodel.training.recipes.freezing import frozen_numerics
from costmodel.training.recipes.lengths import LengthDistribution, Lengths
from costmodel.training.recipes.passes import KIND, Pass
from costmodel.training.recipes.recipe import JobKind, Recipe
from costmodel.training.step.adapters import ALL_LINEAR, Adapters, adapter_parameters
from costmodel.training.step.numerics import FORWARD, Numerics, Optimizer, Precision, numerics
from costmodel.training.step.software import SoftwareName

DEFAULT_SEQUENCES = int(constant("default_sequences"))
"""Default sequences per step [1]: between QLoRA (16, arXiv 2305.14314), and Alpaca and Tülu 3 (128;
tatsu-lab/stanford_alpaca, arXiv 2411.15124)."""

Quantization = Literal["none", "nf4", "gptq-int4", "int8"]
FROZEN_WEIGHT_BYTES: dict[str, float] = {
    "nf4": BITS["bitsandbytes_4bit"] / 8,
    "gptq-int4": (4 + (16 + 4) / 128) / 8,
    "int8": BITS["bitsandbytes_8bit"] / 8,
}
"""Bytes per frozen weight [byte]: NF4 with double quantization (arXiv 2305.14314); GPTQ in groups of 128, each with a
16-bit scale and a 4-bit zero point (arXiv 2210.17323); 8-bit integers."""
Epochs = Annotated[float, Measure("1", 0.0, 1e4, open_low=True, uncertain=False)]


if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict, Unpack

    from costmodel.foundation.fields import CountLike, NumberLike, RangeLike
    from costmodel.training.recipes.lengths import LengthsLike

    class FineTuningFields(TypedDict, total=False):
        """Fields of all fine-tuning recipes, with the types that a constructor accepts."""

        tokens: RangeLike | None
        examples: CountLike | None
        lengths: LengthsLike | None
        epochs: NumberLike
        packing: bool
        padding_group: CountLike
        sequence_length: CountLike
        batch_size: CountLike | None
        precision: Precision
        optimizer: Optimizer
        master_weights: bool
        rank: CountLike | None
        targets: Sequence[str]
        variant: Literal["lora", "rslora", "dora"]
        quantization: Quantization
        train_embeddings: bool
        freeze: Sequence[str]
        software: str | None
        trials: CountLike
        trial_share: NumberLike
        extend_positions: bool
        gpu_hours: RangeLike | None


class FineTuning(Recipe):
    """Base of all recipes that start from a trained model: data, trained parameters and number formats.

    The data of one epoch are given as `tokens`, or as `examples` with their `lengths`.
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    tokens: Tokens | None = Field(default=None, description="Tokens of one epoch [token].")
    examples: Count | None = Field(
        default=None, description="Examples of one epoch, instead of `tokens`; needs `lengths` [1]."
    )
    lengths: Lengths | None = Field(
        default=None,
        description='Tokens per example: a number, an interval that holds 80 % ("lognormal 200 to 1500"), or a list '
        "[token].",
    )
    epochs: Epochs = Field(default=1.0, description="Number of epochs [1].")
    packing: bool = Field(
        default=True,
        description="Whether several examples are packed into a sequence, without attention between them; otherwise "
        "each example is padded to the longest of its `padding_group`.",
    )
    padding_group: Count = Field(default=8, description="Examples that are padded to the same length [1].")
    sequence_length: Dimension = Field(
        default=2048, description="Most tokens per sequence; longer examples are truncated [token]."
    )
    batch_size: Dimension | None = Field(
        default=None,
        description="Global batch size: sequences per step; default: 64, or one per accelerator if there are more [1].",
    )
    precision: Precision = Field(default="bf16", description="Number format of the matmuls.")
    optimizer: Optimizer = Field(
        default="adamw", description="Optimizer; determines the memory of the optimizer states."
    )
    master_weights: bool = Field(
        default=True, description="Whether trained weights have an fp32 copy; adapters are fp32 then."
    )
    rank: Count | None = Field(
        default=None, description="Rank of low-rank adapters; default: no adapters, all weights are trained [1]."
    )
    targets: tuple[str, ...] = Field(
        default=(ALL_LINEAR,),
        description='Matrices with adapters: "all-linear", or names such as "query" (or "q_proj").',
    )
    variant: Literal["lora", "rslora", "dora"] = Field(
        default="lora", description="Kind of adapters: rsLoRA only changes their scale, DoRA adds magnitude vectors."
    )
    quantization: Quantization = Field(default="none", description="Number format of the frozen weights.")
    train_embeddings: bool = Field(
        default=False,
        description="Whether embedding and LM head are trained in full beside the adapters, for example for new "
        "tokens.",
    )
    freeze: tuple[str, ...] = Field(
        default=(),
        description='Frozen parts of the model, without adapters: such as "vision" or "embedding"; the error for an '
        "unknown part lists all.",
    )
    software: SoftwareName = Field(
        default=None,
        description='Training software, such as "torchtitan" or "Megatron-LM 2021"; a year alone; or only the kind of '
        'its kernels: "fused" (fused or compiled) or "eager" (launched one by one). Features for mixtures of experts '
        'may follow: "Megatron-LM 2025, dispatcher deepep". Default: unknown, with fused kernels.',
    )
    trials: Count = Field(default=1, description="Runs of a hyperparameter sweep; all count [1].")
    trial_share: Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)] = Field(
        default=1.0, description="Share of the data that each trial uses [1]."
    )
    extend_positions: bool = Field(
        default=False,
        description="Whether a model with learned positions gets further ones for longer sequences, which are trained "
        "too.",
    )
    gpu_hours: GPUHours | None = Field(
        default=None, description="GPU-hours, if known [hour]; they replace the step-time model."
    )

    sequences_of_example: ClassVar[int] = 1
    """Sequences per example: 2 for pairs of a preferred and a rejected answer [1]."""
    slowdown: ClassVar[float] = 1.0
    """Factor on the step time for work that the step-time model does not count [1]."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if (self.tokens is None) == (self.examples is None):
            problems.append("`tokens`, or `examples` with `lengths`: give exactly one of the two")
        if self.examples is not None and self.lengths is None:
            problems.append("`examples` need `lengths`, the tokens per example")
        if self.adapters is None and self.quantization != "none":
            problems.append(f"quantization {self.quantization!r} needs adapters: give a `rank`")
        if self.rank is not None and not self.targets:
            problems.append("targets: adapters need at least one target; got none")
        if self.adapters is None and self.train_embeddings:
            problems.append("train_embeddings is for adapters: without a `rank` all weights are trained")
        if self.adapters is not None and self.freeze:
            problems.append(
                "freeze is for training without adapters, whose other weights are all frozen; give `targets`"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def total_epochs(self) -> float:
        """Epochs of all trials together [1]."""
        return self.epochs * self.trials * self.trial_share

    @property
    def adapters(self) -> Adapters | None:
        return None if self.rank is None else Adapters(self.rank, self.targets, self.variant == "dora")

    @property
    def job_kind(self) -> JobKind:
        return "fine_tuning"

    @property
    def length_distribution(self) -> LengthDistribution:
        """Distribution of the lengths of the examples, truncated to the sequence length."""
        longest = self.sequence_length - math.ceil(self.prompt_tokens)
        return LengthDistribution(longest if self.lengths is None else self.lengths, longest)

    @property
    def prompt_tokens(self) -> float:
        """Prompt tokens of a sequence, which do not count as data [token]."""
        return 0.0

    def trained_tokens(self) -> float | Range:
        """Return the training tokens of all epochs and trials, without padding [token]."""
        if self.tokens is None:
            return (
                float(self.examples or 0)
                * self.sequences_of_example
                * self.length_distribution.mean
                * self.total_epochs
            )
        if isinstance(self.tokens, Range):
            return self.tokens.scaled(self.total_epochs, self.tokens.unit)
        return self.tokens * self.total_epochs

    @property
    def padding(self) -> float:
        """Processed tokens over tokens of the data; 1 with packing [1]."""
        lengths = self.length_distribution
        return 1.0 if self.packing else lengths.padded(self.padding_group) / lengths.mean

    def numerics(self) -> Numerics:
        """Return the bytes of weights, gradients, optimizer states and matmul operands."""
        full = numerics(self.precision, self.optimizer, self.master_weights)
        if self.adapters is None:
            return full._replace(gradient=min(full.gradient, 2.0)) if full.operand < 4 else full
        # trained copies of embedding and LM head are beside the frozen ones, their moments in 16 bits
        copies = 1.0 if self.train_embeddings else 0.0
        adapter_weight = 4.0 if self.master_weights else 2.0
        return full._replace(
            weight=FROZEN_WEIGHT_BYTES.get(self.quantization, full.weight),
            backward=1.0,
            trained=0.0,
            gradient=2.0,
            master=0.0,
            moments=min(full.moments, 4.0),
            other_moments=min(full.other_moments, 4.0),
            embedding_weight=full.weight * (1 + copies),
            embedding_trained=copies,
            adapter=2 * adapter_weight + full.moments,
            adapter_operand=adapter_weight,
            quantized={"none": 0.0, "gptq-int4": 2.0}.get(self.quantization, 1.0),
        )

    def training_pass(self, architecture: Architecture, tokens: float) -> Pass:
        """Return the training pass of a model.

        Parameters
        ----------
        architecture : Architecture
            The model.
        tokens : float
            Tokens of the examples [token].
        """
        if self.adapters is not None and not architecture.is_aggregate:
            adapter_parameters(architecture, self.adapters)  # raises if a target is no matrix
        scoring = self.scoring_pass(architecture, tokens, "train")
        numerics = frozen_numerics(self.numerics(), architecture, self.freeze, float(self.sequence_length))
        return scoring._replace(kind="train", numerics=numerics, adapters=self.adapters, slowdown=self.slowdown)

    def scoring_pass(self, architecture: Architecture, tokens: float, name: str) -> Pass:
        """Return a scoring (forward) pass of a model over the same examples.

        Parameters
        ----------
        architecture : Architecture
            Scoring model.
        tokens : float
            Tokens of the examples [token].
        name : str
            Name of the pass.
        """
        lengths = self.length_distribution
        document = lengths.attended + self.prompt_tokens if self.packing else None
        length = (
            self.sequence_length if self.packing else math.ceil(lengths.padded(self.padding_group) + self.prompt_tokens)
        )
        return Pass("forward", architecture, tokens * self.padding, length, name, FORWARD, document_length=document)

    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe.

        Parameters
        ----------
        architecture : Architecture
            The model.
        """
        return [self.training_pass(architecture, middle(self.trained_tokens()))]

    def sequences(self, count: int) -> int:
        """Return the sequences per step: the batch size, or the default [1].

        Parameters
        ----------
        count : int
            Accelerators [1].
        """
        return self.batch_size or math.ceil(min(DEFAULT_SEQUENCES, self.sequences_per_epoch) / count) * count

    @property
    def sequences_per_epoch(self) -> int:
        """Sequences of one epoch: the most of a default batch size [1]."""
        tokens = middle(self.trained_tokens()) / self.total_epochs
        return max(math.ceil(tokens / (self.sequence_length if self.packing else self.length_distribution.mean)), 1)


class FullFineTuning(FineTuning):
    """Training of all weights, on instructions or on further text (continued pretraining).

    Examples
    --------
    >>> FullFineTuning(examples=52_000, lengths="100 to 400", epochs=3, sequence_length=512).padding
    1.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    hosted_loss: ClassVar = "sft"
    kind: Literal["full_fine_tuning"] = Field(default="full_fine_tuning", description=KIND)


class LoRA(FineTuning):
    """Training of low-rank adapters beside frozen weights.

    References
    ----------
    Hu et al. 2021 (arXiv 2106.09685); Kalajdzievski 2023, "rsLoRA" (arXiv 2312.03732); Liu et al. 2024,
    "DoRA" (arXiv 2402.09353).

    Examples
    --------
    >>> LoRA(tokens="20M", epochs=3).trained_tokens()
    60000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    hosted_loss: ClassVar = "sft"
    kind: Literal["lora"] = Field(default="lora", description=KIND)
    rank: Count = Field(default=16, description="Rank of the low-rank adapters [1].")


class QLoRA(FineTuning):
    """Training of low-rank adapters beside frozen 4-bit weights.

    References
    ----------
    Dettmers et al. 2023 (arXiv 2305.14314); Frantar et al. 2022, "GPTQ" (arXiv 2210.17323).

    Examples
    --------
    >>> QLoRA(tokens="20M", rank=64).quantization
    'nf4'
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    hosted_loss: ClassVar = "sft"
    kind: Literal["qlora"] = Field(default="qlora", description=KIND)
    rank: Count = Field(default=16, description="Rank of the low-rank adapters [1].")
    quantization: Quantization = Field(default="nf4", description="Number format of the frozen weights.")


class PromptTuning(FineTuning):
    """Training of virtual tokens in front of a frozen model.

    References
    ----------
    Lester et al. 2021 (arXiv 2104.08691); Li and Liang 2021, "Prefix-Tuning" (arXiv 2101.00190).

    Examples
    --------
    >>> PromptTuning(tokens="1M", virtual_tokens=100).trained_tokens()
    1000000.0
    """

    if TYPE_CHECKING:

        def __init__(
            self, *, virtual_tokens: CountLike = ..., prefix: bool = ..., **fields: Unpack[FineTuningFields]
        ) -> None: ...

    kind: Literal["prompt_tuning"] = Field(default="prompt_tuning", description=KIND)
    rank: None = Field(default=None, description="None: virtual tokens are trained instead of adapters.")
    virtual_tokens: Count = Field(default=20, description="Number of virtual tokens [token].")
    prefix: bool = Field(
        default=False,
        description="Whether keys and values of every layer are trained (prefix tuning) instead of embeddings.",
    )

    @property
    def adapters(self) -> Adapters:
        return Adapters(0, (), virtual_tokens=self.virtual_tokens, prefix=self.prefix)


class QuantizationAwareTraining(FineTuning):
    """Training of all weights with rounding to few bits in each forward pass.

    References
    ----------
    torchtune, docs/source/tutorials/qat_finetune.rst: about 30 % lower speed, so 1 / 0.7 of the time.

    Examples
    --------
    >>> recipe = QuantizationAwareTraining(tokens="10M", epochs=2)
    >>> recipe.trained_tokens()
    20000000.0
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[FineTuningFields]) -> None: ...

    kind: Literal["quantization_aware_training"] = Field(default="quantization_aware_training", description=KIND)
    slowdown: ClassVar[float] = 1 / 0.7
