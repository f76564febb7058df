"""Stored size of the weights of a config: quantized matrices, and 16 bits for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Mapping


BITS = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.25, "bitsandbytes_8bit": 8.0, "bitsandbytes_4bit": 4.127}
"""Bits per quantized weight with its scales: an 8-bit scale for 32 values (OCP Microscaling v1.0); NF4 with double
quantization 4 + 8/64 + 32/(64 × 256) (Dettmers et al. 2023, arXiv 2305.14314)."""
GROUPED = ("gptq", "awq", "compressed-tensors")
"""Methods whose bits and group size are in the config; each group has a 16-bit scale."""
PLAIN_BYTES = 2.0
"""Bytes of a parameter that is not quantized (bf16) [byte]."""


def stored_bits(quantization: Mapping[str, Any] | None) -> float | None:
    """Return the bits per quantized weight of a `quantization_config`; None if its method is unknown.

    >>> stored_bits({"quant_method": "gptq", "bits": 4, "group_size": 128})
    4.125
    """
    if quantization is None:
        return 8 * PLAIN_BYTES
    method = quantization.get("quant_method")
    if method == "bitsandbytes":
        method = "bitsandbytes_4bit" if quantization.get("load_in_4bit") else "bitsandbytes_8bit"
    if not isinstance(method, str):
        return None
    if method in BITS:
        return BITS[method]
    if method not in GROUPED:
        return None
    bits, group = _group(quantization)
    valid = all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in (bits, group))
    return bits + 16 / group if valid else None


def stored_bytes(architecture: Structure, quantization: Mapping[str, Any] | None) -> float | None:
    """Return the stored size of all weights without prediction layers [byte]; None if the method is unknown.

    Matrices and experts are quantized; "mxfp4" quantizes experts only. Embeddings, head, norms, biases and routers
    have 16 bits, as in published checkpoints of these methods.
    """
    bits = stored_bits(quantization)
    if bits is None:
        return None
    roles = {"expert"} if (quantization or {}).get("quant_method") == "mxfp4" else {"expert", "matrix"}
    total = 0.0
    for part, copies, weights in weights_by_part(architecture):
        if part == "prediction":
            continue
        for weight in weights:
            quantized = weight.role in roles and part != "head" and len(weight.shape) > 1
            total += copies * weight.size * (bits / 8 if quantized else PLAIN_BYTES)
    return total


def _group(quantization: Mapping[str, Any]) -> tuple[Any, Any]:
    groups = quantization.get("config_groups")
    if isinstance(groups, dict) and groups:
        weights = next(iter(groups.values()))
        weights = weights.get("weights") if isinstance(weights, dict) else None
        if isinstance(weights, dict):
            return weights.get("num_bits"), weights.get("group_size") or 10**9
    return quantization.get("bits"), quantization.get("group_size") or 10**9
