"""Storage formats of weights and of the KV cache, and the bytes of weights in them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.loading import released_checkpoint
from costmodel.architecture.quantization import BITS, stored_bytes
from costmodel.foundation.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.architecture.blocks.block import Weight
    from costmodel.architecture.specification import Architecture

PLAIN_BYTES = 2.0
"""Bytes of an unquantized weight and of a recurrent state: bf16 [byte]."""
CACHE_BYTES = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0}
"""Bytes of a cached key or value by precision of the KV cache [byte]."""
_MATRICES, _EXPERTS = frozenset({"matrix", "expert"}), frozenset({"expert"})
_MOST_FP8_BITS = 8.4
"""Bits below which a checkpoint has 8-bit floats: 8 and the scales of blocks of 32 values, up to Q8_0 of GGUF [bit]."""


class Format(NamedTuple):
    """Storage format of weights and precision of their matrix products."""

    bits: float
    """Bits per quantized weight, scales included [bit]."""
    product: str
    """Precision of the matrix products, which selects the peak of the accelerator."""
    roles: frozenset[str] = _MATRICES
    """Roles of the weights that are quantized."""
    experts_only: bool = False
    """Whether only the experts of a mixture of experts are quantized; a dense model has all matrices quantized."""
    expert_bits: float | None = None
    """Bits per weight of the experts, scales included, if other than `bits` [bit]."""

    @property
    def is_quantized(self) -> bool:
        """Whether weights have fewer than 16 bits."""
        return min(self.bits, self.expert_bits or self.bits) < 8 * PLAIN_BYTES


FORMATS: dict[str, Format] = {
    "bf16": Format(16.0, "bf16"),
    "fp16": Format(16.0, "fp16"),
    "fp8": Format(BITS["fp8"], "fp8"),
    "int8": Format(8.0, "bf16"),
    "nvfp4": Format(BITS["nvfp4"], "fp4"),
    "mxfp4": Format(BITS["mxfp4"], "fp4", experts_only=True),
    "int4": Format(4.125, "bf16"),
    "awq": Format(4.125, "bf16"),
    "gptq": Format(4.125, "bf16"),
}
"""Formats of weights. "nvfp4" has an 8-bit scale per 16 weights, "mxfp4" one per 32; "int4", "awq" and "gptq" have a
16-bit scale per 128 weights. Published checkpoints in "mxfp4" of mixtures of experts quantize the experts only.
Products of "int8" and of "int4" weights run in bf16, as do those of a format for which the accelerator has no peak."""


def own_format(architecture: Architecture) -> Format:
    """Return the format of the stored weights: the format of the checkpoint, or bf16.

    Parameters
    ----------
    architecture : Architecture
        Architecture; `stored_bytes` is the size of its checkpoint.
    """
    stored = architecture.stored_bytes
    if stored is None or stored >= PLAIN_BYTES * architecture.parameters.total:
        return FORMATS["bf16"]
    if stored == stored_bytes(architecture, {"quant_method": "mxfp4"}):
        return FORMATS["mxfp4"]._replace(roles=_EXPERTS)
    sizes = [
        (copies * weight.size, _is_quantized(part, weight, _MATRICES))
        for part, copies, weight in stored_weights(architecture)
    ]
    quantized = sum(size for size, is_quantized in sizes if is_quantized)
    rest = PLAIN_BYTES * sum(size for size, is_quantized in sizes if not is_quantized)
    bits = 8 * (stored - rest) / max(quantized, 1)
    if bits < 1:  # the embedding is quantized too
        bits = 8 * stored / architecture.parameters.total
    return Format(bits, "fp8" if BITS["fp8"] <= round(bits, 6) < _MOST_FP8_BITS else "bf16")


def released_format(architecture: Architecture) -> Format:
    """Return the format of the released weights: that of the catalog, or of the checkpoint that was read.

    A model of the catalog has the format of its release, such as fp8 for deepseek-v3. Engines serve it by default.

    Parameters
    ----------
    architecture : Architecture

    Examples
    --------
    >>> import costmodel as cm
    >>> released_format(cm.load_architecture("deepseek-v3")).product
    'fp8'
    """
    released = released_checkpoint(architecture)
    if not released:
        return own_format(architecture)
    stored = format_of(architecture, released["precision"])
    if "experts" not in released:
        return stored
    experts = FORMATS[released["experts"]]
    bits = released.get("experts_bits", experts.bits)
    product = stored.product if stored.is_quantized else experts.product
    return stored._replace(product=product, expert_bits=bits)


def format_of(architecture: Architecture, precision: str) -> Format:
    """Return the requested format, or the format of the checkpoint if its weights are smaller.

    Parameters
    ----------
    architecture : Architecture
        Architecture with the format of its checkpoint.
    precision : str
        A key of `FORMATS`.

    Raises
    ------
    InputError
        If the precision is unknown.

    Examples
    --------
    >>> import costmodel as cm
    >>> format_of(cm.load_architecture("llama-3.1-8b"), "nvfp4").bits
    4.5
    """
    if precision not in FORMATS:
        raise InputError(f"precision: {unknown('precision', precision, FORMATS)}")
    requested, own = FORMATS[precision], own_format(architecture)
    if requested.experts_only and has_experts(architecture):
        requested = requested._replace(roles=_EXPERTS)
    if architecture.is_aggregate or not own.is_quantized:
        return requested
    return min((requested, own), key=lambda option: weight_bytes(architecture, option))


def cache_value_bytes(precision: str) -> float:
    """Return the bytes of a cached key or value [byte].

    Parameters
    ----------
    precision : str
        A key of `CACHE_BYTES`.
    """
    if precision not in CACHE_BYTES:
        raise InputError(f"cache_precision: {unknown('precision of a KV cache', precision, CACHE_BYTES)}")
    return CACHE_BYTES[precision]


@lru_cache(maxsize=256)
def has_experts(architecture: Architecture) -> bool:
    """Return whether an architecture has routed experts.

    Parameters
    ----------
    architecture : Architecture
    """
    return any(weight.role == "expert" for _, _, weight in stored_weights(architecture))


def weight_bytes(architecture: Architecture, stored: Format) -> float:
    """Return the bytes of all weights except multi-token prediction layers.

    Parameters
    ----------
    architecture : Architecture
        Architecture with its weights.
    stored : Format
        Storage format.

    Returns
    -------
    float
        Bytes of the weights [byte].

    Examples
    --------
    >>> import costmodel as cm
    >>> weight_bytes(cm.load_architecture("llama-3.1-8b"), FORMATS["bf16"]) == 2 * 8030261248
    True
    """
    return sum(
        copies * weight.size * bytes_per_weight(part, weight, stored)
        for part, copies, weight in stored_weights(architecture)
    )


def stored_weights(architecture: Architecture) -> Iterator[tuple[str, int, Weight]]:
    """Yield (name of the part, copies, weight) of all weights except multi-token prediction layers.

    Parameters
    ----------
    architecture : Architecture
    """
    for part, copies, weights in weights_by_part(architecture):
        if part != "prediction":
            for weight in weights:
                yield part, copies, weight


def bytes_per_weight(part: str, weight: Weight, stored: Format) -> float:
    """Return the bytes per weight of a tensor [byte]: those of the format, or 2.

    Parameters
    ----------
    part : str
        Part of the model; the output head is not quantized.
    weight : Weight
    stored : Format
    """
    if not _is_quantized(part, weight, stored.roles):
        return PLAIN_BYTES
    return (stored.expert_bits if weight.role == "expert" and stored.expert_bits else stored.bits) / 8


def _is_quantized(part: str, weight: Weight, roles: frozenset[str]) -> bool:
    return weight.role in roles and part != "head" and len(weight.shape) > 1
