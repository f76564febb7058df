"""In which numbers is a model trained? Bytes of its states, and of what the matrix products read."""

from typing import Any, Literal, NamedTuple

from costmodel.foundation.errors import InputError, unknown

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8", "fp8-rowwise", "mxfp8", "fp4", "nvfp4"]
Optimizer = Literal["adamw", "adamw-8bit", "adafactor", "muon", "sgd"]

OPERAND_BYTES: dict[str, float] = {
    "fp32": 4.0, "tf32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "fp8-rowwise": 1.0, "mxfp8": 1 + 1 / 32,
    "fp4": 0.5 + 1 / 16, "nvfp4": 0.5 + 1 / 16,
}  # fmt: skip
"""Bytes of an element that a matrix product reads, with the scale of its block."""

MOMENTS: dict[str, tuple[float, float]] = {
    "adamw": (8.0, 8.0), "adamw-8bit": (2 * (1 + 4 / 256), 2 * (1 + 4 / 256)), "adafactor": (0.0, 0.0),
    "muon": (4.0, 8.0), "sgd": (4.0, 4.0),
}  # fmt: skip
"""Bytes of the optimizer's moments per parameter: of a matrix in a layer, of anything else.

AdamW keeps two, in 8 bits with one fp32 scale for a block of 256 (bitsandbytes 0.44); Muon one for
matrices and AdamW for the rest; SGD one; Adafactor rows and columns alone, below a thousandth of a byte.
"""


class Numerics(NamedTuple):
    """Bytes and passes of a kind of training; numbers or arrays that broadcast.

    `operand` bytes of an element that matrix products read; `weight`, `gradient`, `master` bytes of a
    parameter, `moments` of one in a matrix and `other_moments` of one elsewhere; `backward` is the work
    of the backward pass over the forward (2, or 1 where weights stand still); `trained` the share of the
    parameters in layers that have gradients and states, `table_trained` of embedding and head, whose
    weights take `table_weight` bytes. An adapter takes `adapter` bytes for each of its parameters, states
    included, and reads and writes elements of `adapter_operand` bytes. `quantized` is 1 where weights must
    be brought back into 16 bits for each product, 2 where that is done by operations of the framework.
    """

    operand: Any = 2.0
    weight: Any = 2.0
    gradient: Any = 4.0
    master: Any = 4.0
    moments: Any = 8.0
    other_moments: Any = 8.0
    backward: Any = 2.0
    trained: Any = 1.0
    table_weight: Any = 2.0
    table_trained: Any = 1.0
    adapter: Any = 0.0
    adapter_operand: Any = 2.0
    quantized: Any = 0.0

    def states(self, matrix_share: Any) -> Any:
        """Return the bytes of master weight and moments per trained parameter."""
        return self.master + matrix_share * self.moments + (1 - matrix_share) * self.other_moments


FORWARD = Numerics(2.0, 2.0, 0.0, 0.0, 0.0, 0.0, backward=0.0, trained=0.0, table_trained=0.0)
"""Of a model that is read, not trained, in 16 bits."""


def numerics(precision: str = "bf16", optimizer: str = "adamw", master_weights: bool = True) -> Numerics:
    """Return the bytes of mixed-precision training, or of training in one 16-bit format.

    Parameters
    ----------
    precision : of the matrix products; in 8 and 4 bits the weights are kept in 16
    optimizer : "adamw", "adamw-8bit", "adafactor", "muon" or "sgd"
    master_weights : whether a 32-bit copy of the weights is kept, with 32-bit gradients and moments;
        without it all are 16-bit (or 8-bit moments)

    Raises
    ------
    InputError
        If a name is not known.

    References
    ----------
    Micikevicius et al. 2018 (arXiv 1710.03740); Rajbhandari et al. 2020, "ZeRO", section 3 (arXiv 1910.02054).

    Examples
    --------
    >>> mixed = numerics()
    >>> mixed.weight + mixed.gradient + mixed.states(1.0)
    18.0
    >>> pure = numerics(master_weights=False)
    >>> pure.weight + pure.gradient + pure.states(1.0)
    8.0
    """
    problems = []
    if precision not in OPERAND_BYTES:
        problems.append(unknown("precision", precision, OPERAND_BYTES))
    if optimizer not in MOMENTS:
        problems.append(unknown("optimizer", optimizer, MOMENTS))
    if problems:
        raise InputError(problems)
    moments, other = MOMENTS[optimizer]
    operand = OPERAND_BYTES[precision]
    if operand == 4:
        return Numerics(operand, 4.0, 4.0, 0.0, moments, other, table_weight=4.0)
    if master_weights:
        return Numerics(operand, 2.0, 4.0, 4.0, moments, other)
    halved = 1.0 if optimizer == "adamw-8bit" else 0.5
    return Numerics(operand, 2.0, 2.0, 0.0, moments * halved, other * halved)
