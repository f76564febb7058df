"""How is a model tuned? All its weights, adapters, or adapters on quantized weights, on examples of some lengths."""

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from costmodel.architecture.quantization import BITS
from costmodel.architecture.specification import Architecture
from costmodel.foundation.fields import Count, Dimension, GPUHours, Measure, Tokens
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.training.recipes.lengths import Lengths, Shape
from costmodel.training.recipes.passes import Pass
from costmodel.training.step.adapters import ALL_LINEAR, Adapters, adapter_parameters
from costmodel.training.step.numerics import FORWARD, Numerics, Optimizer, Precision, numerics

SEQUENCES = 64
"""Sequences of a step where no batch is given: between those of QLoRA (16, arXiv 2305.14314) and of Alpaca and
Tülu 3 (128; tatsu-lab/stanford_alpaca, arXiv 2411.15124)."""

Quantization = Literal["none", "nf4", "gptq-int4", "int8"]
FROZEN_WEIGHT_BYTES: dict[str, float] = {
    "nf4": BITS["bitsandbytes_4bit"] / 8,
    "gptq-int4": (4 + (16 + 4) / 128) / 8,
    "int8": BITS["bitsandbytes_8bit"] / 8,
}
"""Bytes of a weight that stands still: NF4 with double quantization (arXiv 2305.14314); GPTQ in groups of 128,
each with a 16-bit scale and a 4-bit zero (arXiv 2210.17323)."""
Epochs = Annotated[float, Measure("1", 0.0, 1e4, open_low=True, uncertain=False)]


class FineTuning(Spec):
    """What recipes that start from a trained model share: data, what is trained, and in which numbers.

    The data are `tokens`, or `examples` of some `lengths`; both count one epoch.
    """

    if TYPE_CHECKING:  # fields take more than the types in which they are held
        kind: str

        def __init__(self, *args: Any, **fields: Any) -> None: ...

    tokens: Tokens | None = None
    """Tokens of the data, one epoch [token]."""
    examples: Count | None = None
    """Examples of the data, instead of tokens; `lengths` tell their tokens."""
    lengths: Lengths | None = None
    """Tokens of an example: a number, "lognormal 200 to 1500" (80 % of them), or a sample [token]."""
    epochs: Epochs = 1.0
    """How often the data are gone through."""
    packing: bool = True
    """Whether sequences are filled with several examples that do not see each other; else each is padded to the
    longest of those that pass together."""
    padding_group: Count = 8
    """Examples that pass together where they are padded."""
    sequence_length: Dimension = 2048
    """Tokens of a sequence at most [token]; longer examples are cut."""
    batch_size: Dimension | None = None
    """Sequences of a step; 64, or one for each accelerator, unless given."""
    precision: Precision = "bf16"
    """Number format of the matrix products."""
    optimizer: Optimizer = "adamw"
    master_weights: bool = True
    """Whether a 32-bit copy of trained weights is kept; adapters are 32-bit then."""
    rank: Count | None = None
    """Rank of low-rank adapters; all weights are trained unless given."""
    targets: tuple[str, ...] = (ALL_LINEAR,)
    """Matrices with adapters: "all-linear", or names such as "query" (or "q_proj")."""
    variant: Literal["lora", "rslora", "dora"] = "lora"
    """Kind of the adapters: rsLoRA scales them otherwise at no cost, DoRA adds magnitudes."""
    quantization: Quantization = "none"
    """How weights that stand still are kept."""
    train_embeddings: bool = False
    """Whether embedding and head are trained in full beside the adapters, as new tokens need."""
    software: Literal["fused", "eager"] = "fused"
    """What runs it: fused or compiled operations (torchtune, Unsloth, NeMo), or a general trainer that launches
    them one by one (Hugging Face Trainer with PEFT and DeepSpeed)."""
    trials: Count = 1
    """Runs of a sweep, all of them paid."""
    trial_share: Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)] = 1.0
    """Part of the data that each trial sees."""
    gpu_hours: GPUHours | None = None
    """GPU-hours where they are known [hour]; the time model is skipped then."""

    sequences_of_example: ClassVar[int] = 1
    """Sequences that an example has: two where a better is compared with a worse one."""
    slowdown: ClassVar[float] = 1.0
    """Time of a step over that of one without what the recipe adds [1]."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if (self.tokens is None) == (self.examples is None):
            problems.append("tokens, or examples and their lengths, are given: one of the two")
        if self.examples is not None and self.lengths is None:
            problems.append("examples need lengths, which tell their tokens")
        if self.adapters is None and self.quantization != "none":
            problems.append(f"quantization {self.quantization!r} needs adapters: give a rank")
        if self.rank is not None and not self.targets:
            problems.append("targets: without any, adapters of a rank train nothing")
        if self.adapters is None and self.train_embeddings:
            problems.append("train_embeddings goes with adapters: all weights are trained without a rank")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def times(self) -> float:
        """How often one epoch of the data is worked on, in all epochs and trials [1]."""
        return self.epochs * self.trials * self.trial_share

    @property
    def adapters(self) -> Adapters | None:
        """The adapters that are trained; None where all weights are."""
        return None if self.rank is None else Adapters(self.rank, self.targets, self.variant == "dora")

    @property
    def shape(self) -> Shape:
        """Lengths of the examples, cut at the sequence length."""
        most = self.sequence_length - math.ceil(self.beside)
        return Shape(most if self.lengths is None else self.lengths, most)

    @property
    def beside(self) -> float:
        """Tokens of a sequence that are no part of the data: those of a prompt [token]."""
        return 0.0

    def trained_tokens(self) -> float | Range:
        """Return the tokens trained on in all epochs and trials, without padding [token]."""
        if self.tokens is None:
            return float(self.examples or 0) * self.sequences_of_example * self.shape.mean * self.times
        if isinstance(self.tokens, Range):
            return self.tokens.scaled(self.times, self.tokens.unit)
        return self.tokens * self.times

    @property
    def padding(self) -> float:
        """Tokens worked on over those of the data [1]; 1 where examples are packed."""
        shape = self.shape
        return 1.0 if self.packing else shape.padded(self.padding_group) / shape.mean

    def numerics(self) -> Numerics:
        """Return the bytes of the states and of what the matrix products read."""
        of_all = numerics(self.precision, self.optimizer, self.master_weights)
        if self.adapters is None:
            return of_all._replace(gradient=min(of_all.gradient, 2.0)) if of_all.operand < 4 else of_all
        # trained copies of embedding and head lie beside those that stand still, their moments in 16 bits
        copies = 1.0 if self.train_embeddings else 0.0
        number = 4.0 if self.master_weights else 2.0
        return of_all._replace(
            weight=FROZEN_WEIGHT_BYTES.get(self.quantization, of_all.weight),
            backward=1.0,
            trained=0.0,
            gradient=2.0,
            master=0.0,
            moments=min(of_all.moments, 4.0),
            other_moments=min(of_all.other_moments, 4.0),
            embedding_weight=of_all.weight * (1 + copies),
            embedding_trained=copies,
            adapter=2 * number + of_all.moments,
            adapter_operand=number,
            quantized={"none": 0.0, "gptq-int4": 2.0}.get(self.quantization, 1.0),
        )

    def training(self, architecture: Architecture, tokens: float, name: str = "train") -> Pass:
        """Return the pass that trains the model on so many tokens of examples [token]."""
        if self.adapters is not None and not architecture.is_aggregate:
            adapter_parameters(architecture, self.adapters)  # refuses what is no matrix
        read = self.reading(architecture, tokens, name)
        return read._replace(kind="train", numerics=self.numerics(), adapters=self.adapters, slowdown=self.slowdown)

    def reading(self, architecture: Architecture, tokens: float, name: str) -> Pass:
        """Return a forward pass of a model over so many tokens of the same examples [token]."""
        shape = self.shape
        document = shape.attended + self.beside if self.packing else None
        length = self.sequence_length if self.packing else math.ceil(shape.padded(self.padding_group) + self.beside)
        return Pass("forward", architecture, tokens * self.padding, length, name, FORWARD, document_length=document)

    def passes(self, architecture: Architecture) -> list[Pass]:
        """Return the passes of the recipe."""
        return [self.training(architecture, middle(self.trained_tokens()))]

    def auxiliary_bytes(self, architecture: Architecture) -> float:
        """Return the bytes of all models that lie beside the trained one [byte], over all accelerators."""
        return 0.0

    def sequences(self, count: int) -> int:
        """Return the sequences of a step on `count` accelerators: those given, else by rule."""
        return self.batch_size or math.ceil(min(SEQUENCES, self.available) / count) * count

    @property
    def available(self) -> int:
        """Sequences of one epoch: no step of default size holds more."""
        tokens = middle(self.trained_tokens()) / self.times
        return max(math.ceil(tokens / (self.sequence_length if self.packing else self.shape.mean)), 1)


class FullFineTuning(FineTuning):
    """All weights are trained, on instructions or on further text (continued pretraining).

    Examples
    --------
    >>> FullFineTuning(examples=52_000, lengths="100 to 400", epochs=3, sequence_length=512).padding
    1.0
    """

    kind: Literal["full_fine_tuning"] = "full_fine_tuning"


class LoRA(FineTuning):
    """Low-rank adapters are trained beside weights that stand still.

    References
    ----------
    Hu et al. 2021 (arXiv 2106.09685); Kalajdzievski 2023, "rsLoRA" (arXiv 2312.03732); Liu et al. 2024,
    "DoRA" (arXiv 2402.09353).

    Examples
    --------
    >>> LoRA(tokens="20M", epochs=3).trained_tokens()
    60000000.0
    """

    kind: Literal["lora"] = "lora"
    rank: Count = 16


class QLoRA(FineTuning):
    """Low-rank adapters are trained beside weights in 4 bits, which stand still.

    References
    ----------
    Dettmers et al. 2023 (arXiv 2305.14314); Frantar et al. 2022, "GPTQ" (arXiv 2210.17323).
    """

    kind: Literal["qlora"] = "qlora"
    rank: Count = 16
    quantization: Quantization = "nf4"


class PromptTuning(FineTuning):
    """Virtual tokens are trained before a model that stands still.

    References
    ----------
    Lester et al. 2021 (arXiv 2104.08691); Li and Liang 2021, "Prefix-Tuning" (arXiv 2101.00190).
    """

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    rank: None = None
    virtual_tokens: Count = 20
    """Tokens that are learned."""
    prefix: bool = False
    """Whether keys and values of them are learned for every layer, instead of their embeddings alone."""

    @property
    def adapters(self) -> Adapters:
        return Adapters(0, (), virtual_tokens=self.virtual_tokens, prefix=self.prefix)


class QuantizationAwareTraining(FineTuning):
    """All weights are trained as if they were in few bits already: rounded in each forward pass.

    References
    ----------
    torchtune, docs/source/tutorials/qat_finetune.rst: about 30 % slower, 1 / 0.7 of the time.
    """

    kind: Literal["quantization_aware_training"] = "quantization_aware_training"
    slowdown: ClassVar[float] = 1 / 0.7
