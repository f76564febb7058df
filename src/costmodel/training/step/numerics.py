"""Number formats of training: bytes of weights, gradients, optimizer states and matmul operands."""

from typing import Generic, Literal, NamedTuple

from costmodel.foundation.arrays import N, Value_co
from costmodel.foundation.errors import InputError, unknown

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "fp8-rowwise", "mxfp8", "fp4", "nvfp4"]
Optimizer = Literal["adamw", "adamw-bf16", "adamw-8bit", "adafactor", "muon", "sgd"]

OPERAND_BYTES: dict[str, float] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "fp8-rowwise": 1.0,
    "mxfp8": 1 + 1 / 32,
    "fp4": 0.5 + 1 / 16,
    "nvfp4": 0.5 + 1 / 16,
}
"""Bytes per element of a matmul operand, scales of blocks included [byte]."""

MOMENTS: dict[str, tuple[float, float]] = {
    "adamw": (8.0, 8.0),
    "adamw-bf16": (4.0, 4.0),
    "adamw-8bit": (2 * (1 + 4 / 256), 8.0),
    "adafactor": (0.0, 0.0),
    "muon": (4.0, 8.0),
    "sgd": (4.0, 4.0),
}
"""Bytes of optimizer moments per parameter: (weight matrix of a layer, any other parameter) [byte].

AdamW has two moments; DeepSeek-V3 keeps them in bf16 (arXiv 2412.19437, section 3.3.3). In 8 bits each block of 256
has one fp32 scale (bitsandbytes 0.44); embeddings keep 32 bits
(`Trainer.create_optimizer` of Transformers). Muon has one moment for
matrices and uses AdamW for the rest. SGD has one. Adafactor keeps only row and column statistics, below 0.001 byte.
"""

MULTI_TENSOR = frozenset({"adamw", "adamw-bf16", "sgd"})
"""Optimizers that update all tensors at once in eager mode ("foreach"); the others go from tensor to tensor."""


class Numerics(NamedTuple, Generic[Value_co]):
    """Bytes per parameter and relative work of a training or forward pass; numbers or arrays that broadcast."""

    operand: float | Value_co = 2.0
    """Bytes per element of a matmul operand [byte]."""
    weight: float | Value_co = 2.0
    """Bytes per parameter of the weights in the layers [byte]."""
    gradient: float | Value_co = 4.0
    """Bytes per trained parameter of the gradients [byte]."""
    master: float | Value_co = 4.0
    """Bytes per trained parameter of the fp32 master weights [byte]."""
    moments: float | Value_co = 8.0
    """Bytes of optimizer moments per trained parameter of a weight matrix in a layer [byte]."""
    other_moments: float | Value_co = 8.0
    """Bytes of optimizer moments per trained parameter elsewhere: embeddings, LM head, norms, biases [byte]."""
    backward: float | Value_co = 2.0
    """FLOPs of the backward pass over those of the forward pass: 2, 1 with frozen weights, 0 without training [1]."""
    trained: float | Value_co = 1.0
    """Share of the parameters in the layers that are trained [1]."""
    embedding_weight: float | Value_co = 2.0
    """Bytes per parameter of embedding and LM head [byte]."""
    embedding_trained: float | Value_co = 1.0
    """Share of the parameters of embedding and LM head that are trained [1]."""
    adapter: float | Value_co = 0.0
    """Bytes per adapter parameter: weight, gradient and optimizer states together [byte]."""
    adapter_operand: float | Value_co = 2.0
    """Bytes per element that adapters read and write [byte]."""
    quantized: float | Value_co = 0.0
    """Dequantization of the weights before each matmul: 0 none, 1 by fused kernels, 2 by framework operations."""
    saved: float | Value_co = 1.0
    """Share of the activations that a backward pass reads; frozen towers save none [1]."""
    multi_tensor: float | Value_co = 1.0
    """Whether an optimizer in eager mode updates all tensors at once ("foreach") [1]."""


def optimizer_bytes_per_parameter(numerics: Numerics[float | N], matrix_share: float | N) -> float | N:
    """Return the bytes of master weights and moments per trained parameter [byte].

    Parameters
    ----------
    numerics : Numerics
    matrix_share : float or ndarray
        Share of the parameters that are in weight matrices of layers [1].
    """
    return numerics.master + matrix_share * numerics.moments + (1 - matrix_share) * numerics.other_moments


FORWARD: Numerics = Numerics(2.0, 2.0, 0.0, 0.0, 0.0, 0.0, backward=0.0, trained=0.0, embedding_trained=0.0)
"""A forward pass in 16 bits, without training."""


def numerics(precision: str = "bf16", optimizer: str = "adamw", master_weights: bool = True) -> Numerics:
    """Return the bytes per parameter of mixed-precision training, or of training in one 16-bit format.

    Parameters
    ----------
    precision : str
        Number format of the matmul operands. With 8 and 4 bits the stored weights have 16 bits.
    optimizer : str
        "adamw", "adamw-bf16", "adamw-8bit", "adafactor", "muon" or "sgd".
    master_weights : bool
        Whether an fp32 copy of the weights exists, with fp32 gradients and moments. Without it, weights, gradients
        and moments have 16 bits (moments 8 bits with "adamw-8bit").

    Returns
    -------
    Numerics

    Raises
    ------
    InputError
        If the precision or the optimizer is unknown.

    References
    ----------
    Micikevicius et al. 2018, "Mixed Precision Training" (arXiv 1710.03740); Rajbhandari et al. 2020, "ZeRO",
    section 3 (arXiv 1910.02054).

    Examples
    --------
    >>> mixed = numerics()
    >>> mixed.weight + mixed.gradient + optimizer_bytes_per_parameter(mixed, 1.0)
    18.0
    >>> pure = numerics(master_weights=False)
    >>> pure.weight + pure.gradient + optimizer_bytes_per_parameter(pure, 1.0)
    8.0
    """
    problems = []
    if precision not in OPERAND_BYTES:
        problems.append(unknown("precision", precision, OPERAND_BYTES))
    if optimizer not in MOMENTS:
        problems.append(unknown("optimizer", optimizer, MOMENTS))
    if problems:
        raise InputError(problems)
    moments, other_moments = MOMENTS[optimizer]
    operand = OPERAND_BYTES[precision]
    together = float(optimizer in MULTI_TENSOR)
    if operand == 4:
        states = (4.0, 4.0, 0.0, moments, other_moments)
        return Numerics(operand, *states, embedding_weight=4.0, multi_tensor=together)
    if master_weights:
        return Numerics(operand, 2.0, 4.0, 4.0, moments, other_moments, multi_tensor=together)
    scale = 1.0 if optimizer in {"adamw-8bit", "adamw-bf16"} else 0.5
    return Numerics(operand, 2.0, 2.0, 0.0, moments * scale, other_moments * scale, multi_tensor=together)
