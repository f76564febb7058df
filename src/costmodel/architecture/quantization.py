"""Stored size of the weights of a config: quantized matrices, and 16 bits for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from costmodel.architecture.listing import weights_by_part
from costmodel.architecture.structure import Structure
from costmodel.foundation.errors import InputError, unknown

BITS = {
    "fp8": 8.0,
    "fbgemm_fp8": 8.0,
    "mxfp4": 4.25,
    "mxfp8": 8.25,
    "nvfp4": 4.5,
    "bitsandbytes_8bit": 8.0,
    "bitsandbytes_4bit": 4.127,
    "bitsandbytes_4bit_single": 4.5,
    "bitnet": 2.0,
}
"""Bits per quantized weight with its scales. mxfp4 and mxfp8 have an 8-bit scale for 32 values (OCP Microscaling v1.0),
nvfp4 one for 16 values (NVIDIA, "Introducing NVFP4", 2025). NF4 has a 32-bit scale for 64 values (single), or with
double quantization 4 + 8/64 + 32/(64 × 256) bits (Dettmers et al. 2023, arXiv 2305.14314). bitnet has four ternary
weights in a byte (transformers 5.24, integrations/bitnet.py)."""
SCALE_BITS = 16
"""Bits of the scale of a group [1]: AutoGPTQ, AutoAWQ, AutoRound, compressed-tensors, MLX and torchao store fp16 or
bf16."""
PLAIN_BYTES = 2.0
"""Bytes of a parameter that is not quantized (bf16) [byte]."""
_WHOLE = 10**9
"""Group size where a group is a whole column: its scale does not count."""
_TORCHAO_BITS = {
    "int8weightonly": 8.0,
    "int8dynamicactivationint8weight": 8.0,
    "float8weightonly": 8.0,
    "float8dynamicactivationfloat8weight": 8.0,
}
"""Bits of torchao configurations with a scale per row or per tensor (torchao, quantization/README.md)."""


def _grouped(bits: Any, group: Any, overhead: float = SCALE_BITS) -> float:
    """Return the bits of weights with `overhead` bits per group; a group of -1 or none is a whole column."""
    if group is None or group == -1:
        group = _WHOLE
    problems = [
        f"{name}: must be a whole number above 0{' or -1' if name == 'group_size' else ''}; got {value!r:.60}"
        for name, value in (("bits", bits), ("group_size", group))
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0
    ]
    if problems:
        raise InputError([f"quantization_config.{problem}" for problem in problems])
    return float(bits + overhead / group) if group != _WHOLE else float(bits)


def _gptq(settings: Mapping[str, Any]) -> float:
    bits = settings.get("bits", settings.get("w_bit"))
    return _grouped(bits, settings.get("group_size", settings.get("q_group_size")))


def _auto_round(settings: Mapping[str, Any]) -> float:
    return _grouped(settings.get("bits", 4), settings.get("group_size", 128))


def _mlx(settings: Mapping[str, Any]) -> float:
    mode = settings.get("mode", "affine")
    if isinstance(mode, str) and mode in {"mxfp4", "mxfp8", "nvfp4"}:
        return BITS[mode]
    if mode != "affine":
        raise InputError(f"quantization.mode: {unknown('mode of MLX', mode, ('affine', 'mxfp4', 'mxfp8', 'nvfp4'))}")
    group = settings.get("group_size", 64)
    return _grouped(settings.get("bits", 4), group, overhead=2 * SCALE_BITS)


def _fp8(settings: Mapping[str, Any]) -> float:
    block = settings.get("weight_block_size")
    if not isinstance(block, list) or len(block) != 2 or not all(isinstance(side, int) and side > 0 for side in block):
        return BITS["fp8"]
    scale = 8 if settings.get("scale_fmt") == "ue8m0" else 32
    return BITS["fp8"] + float(scale / (block[0] * block[1]))


def _bitsandbytes(settings: Mapping[str, Any]) -> float:
    if not settings.get("load_in_4bit"):
        return BITS["bitsandbytes_8bit"]
    return BITS["bitsandbytes_4bit" if settings.get("bnb_4bit_use_double_quant") else "bitsandbytes_4bit_single"]


def _compressed(settings: Mapping[str, Any]) -> float:
    groups = settings.get("config_groups")
    group = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = group.get("weights") if isinstance(group, Mapping) else None
    if not isinstance(weights, Mapping):
        return _gptq(settings)
    bits, size = weights.get("num_bits"), weights.get("group_size")
    if weights.get("type") == "float" and bits == 4:
        return BITS["mxfp4" if size == 32 else "nvfp4"]
    block = weights.get("block_structure")
    if isinstance(block, list) and len(block) == 2 and all(isinstance(side, int) and side > 0 for side in block):
        return _grouped(bits, block[0] * block[1])
    return _grouped(bits, size)


def _modelopt(settings: Mapping[str, Any]) -> float:
    inner = settings.get("quantization")
    algorithm = (inner if isinstance(inner, Mapping) else settings).get("quant_algo")
    known = {"NVFP4": BITS["nvfp4"], "FP8": BITS["fp8"], "MXFP8": BITS["mxfp8"]}
    if not isinstance(algorithm, str) or algorithm.upper() not in known:
        raise InputError(f"quantization_config.quant_algo: {unknown('format of modelopt', algorithm, known)}")
    return known[algorithm.upper()]


def _torchao(settings: Mapping[str, Any]) -> float:
    kind, given = settings.get("quant_type"), settings.get("quant_type_kwargs")
    if isinstance(kind, Mapping):
        inner = kind.get("default")
        inner = inner if isinstance(inner, Mapping) else {}
        kind, given = inner.get("_type"), inner.get("_data")
    name = str(kind).replace("_", "").lower().removesuffix("config")
    if name in _TORCHAO_BITS:
        return _TORCHAO_BITS[name]
    if name != "int4weightonly":
        accepted = (*_TORCHAO_BITS, "int4weightonly")
        raise InputError(f"quantization_config.quant_type: {unknown('configuration of torchao', kind, accepted)}")
    group = given.get("group_size", 128) if isinstance(given, Mapping) else 128
    return _grouped(4, group, overhead=2 * SCALE_BITS)


def _bitnet(settings: Mapping[str, Any]) -> float:
    return 8 * PLAIN_BYTES if settings.get("quantization_mode") == "online" else BITS["bitnet"]


METHODS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "auto-round": _auto_round,
    "awq": _gptq,
    "bitnet": _bitnet,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _compressed,
    "fbgemm_fp8": lambda _: BITS["fbgemm_fp8"],
    "fp8": _fp8,
    "gptq": _gptq,
    "intel/auto-round": _auto_round,
    "metal": _mlx,
    "mlx": _mlx,
    "modelopt": _modelopt,
    "modelopt_fp4": lambda _: BITS["nvfp4"],
    "mxfp4": lambda _: BITS["mxfp4"],
    "mxfp8": lambda _: BITS["mxfp8"],
    "nvfp4": lambda _: BITS["nvfp4"],
    "torchao": _torchao,
}
"""Bits per quantized weight by `quant_method`; "mlx" is the method of a config with bits and no method."""


def bits_of(quantization: Mapping[str, Any]) -> float:
    """Return the bits per quantized weight of a `quantization_config` [1].

    Parameters
    ----------
    quantization : Mapping
        The `quantization_config` of a config, or the `quantization` of MLX.

    Raises
    ------
    InputError
        If its method is not known, or its bits are not given.
    """
    method = quantization.get("quant_method", "mlx" if "bits" in quantization else None)
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"quantization_config.quant_method: {unknown('method', method, METHODS)}")
    return METHODS[method](quantization)


def stored_bits(quantization: Mapping[str, Any] | None) -> float | None:
    """Return the bits per quantized weight of a `quantization_config`; None if its method is unknown.

    Parameters
    ----------
    quantization : Mapping or None
        The `quantization_config` of a config; None for weights of 16 bits.

    Examples
    --------
    >>> stored_bits({"quant_method": "gptq", "bits": 4, "group_size": 128})
    4.125
    """
    if quantization is None:
        return 8 * PLAIN_BYTES
    try:
        return bits_of(quantization)
    except InputError:
        return None


def stored_bytes(architecture: Structure, quantization: Mapping[str, Any] | None) -> float | None:
    """Return the stored size of all weights without prediction layers [byte]; None if the method is unknown.

    Matrices and experts are quantized; "mxfp4" quantizes experts only, MLX embedding and head too. Embeddings, head,
    norms, biases and routers have 16 bits otherwise, as in published checkpoints of these methods.

    Parameters
    ----------
    architecture : Architecture
        Model to store.
    quantization : Mapping or None
        As in `stored_bits`.
    """
    bits = stored_bits(quantization)
    if bits is None:
        return None
    method = (quantization or {}).get("quant_method", "mlx")
    roles = {"expert"} if method == "mxfp4" else {"expert", "matrix"}
    everywhere = method in {"mlx", "metal"}
    roles |= {"embedding"} if everywhere else set()
    total = 0.0
    for part, copies, weights in weights_by_part(architecture):
        if part == "prediction":
            continue
        for weight in weights:
            quantized = weight.role in roles and (part != "head" or everywhere) and len(weight.shape) > 1
            total += copies * weight.size * (bits / 8 if quantized else PLAIN_BYTES)
    return total


def quantization_of(config: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return what a config states about quantization, and why its stored size is unknown, or "".

    Parameters
    ----------
    config : Mapping
        Hugging Face config; MLX calls the key `quantization`.
    """
    for key in ("quantization_config", "quantization"):
        settings = config.get(key)
        if isinstance(settings, Mapping):
            try:
                bits_of(settings)
            except InputError as error:
                return settings, f"stored size of the weights unknown: {'; '.join(error.problems)}"
            return settings, ""
    return None, ""
