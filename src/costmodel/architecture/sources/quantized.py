"""Logical shapes of quantized checkpoints: packed matrices unpacked, scales and zero points left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown

_SCALES = (
    "weight_scale_inv",
    "weight_scale",
    "weight_scale_2",
    "weight_global_scale",
    "input_global_scale",
    "input_scale",
    "activation_scale",
    "output_scale",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "SCB",
    "weight_format",
    "gate_up_proj_scale_inv",
    "down_proj_scale_inv",
    "gate_up_proj_scale",
    "down_proj_scale",
)
"""Last names of scales beside a matrix (fp8, compressed-tensors, modelopt, bitsandbytes of 8 bits)."""
_STATE = ("absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state")
"""Last names of the state of bitsandbytes of 4 bits."""
_UNKNOWN = {
    "W_q": "HQQ",
    "codebooks": "AQLM",
    "codes": "AQLM",
    "Qidxs": "QuIP#",
    "q_invperm": "EXL2",
    "q_weight": "EXL2",
    "trellis": "EXL3",
    "centroids": "VPTQ",
    "_data": "quanto",
    "compressed": "compressed-tensors, sparse",
    "bitmask": "compressed-tensors, sparse",
    "_weight_qdata": "torchao",
    "qweight_type": "GGUF in safetensors",
}
"""Formats that are not unpacked, by the last name of their tensors."""
KNOWN = (
    "gptq, awq, auto-round, bitsandbytes, fp8, mxfp4, nvfp4 (modelopt and compressed-tensors), pack-quantized "
    "compressed-tensors, bitnet, MLX, and GGUF"
)
"""Formats that are unpacked, for messages."""
_INTEGERS = {"U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64"}
_NO_PARAMETERS = {"I64", "U64", "BOOL"}


class _Checkpoint(NamedTuple):
    """Tensors of a checkpoint by name, and what its config says of the quantization."""

    tensors: dict[str, Tensor]
    settings: Mapping[str, Any]
    origin: str
    width: int
    """Hidden size; 0 if unknown [1]."""

    def beside(self, tensor: Tensor, last: str) -> Tensor | None:
        """Return the tensor of the same module with another last name."""
        return self.tensors.get(f"{_module(tensor.name)}{last}")


def unpacked(tensors: TensorList, config: Mapping[str, Any]) -> TensorList:
    """Return the tensors with their logical shapes, or raise `InputError` for a packing that is not known.

    Parameters
    ----------
    tensors : TensorList
        Tensors as stored.
    config : Mapping
        Config beside them, with its `quantization_config` (or `quantization` of MLX).
    """
    settings = config.get("quantization_config") or config.get("quantization")
    by_name = {tensor.name: tensor for tensor in tensors.tensors}
    checkpoint = _Checkpoint(
        by_name, settings if isinstance(settings, Mapping) else {}, tensors.origin, _width(tensors, config)
    )
    logical = []
    for tensor in tensors.tensors:
        read = _logical(tensor, checkpoint)
        logical += [] if read is None else [read]
    return tensors._replace(tensors=tuple(logical))


def _logical(tensor: Tensor, checkpoint: _Checkpoint) -> Tensor | None:
    """Return a tensor with its logical name and shape; None if it is no parameter."""
    module, last = _module(tensor.name), tensor.name.rsplit(".", 1)[-1]
    if last in _UNKNOWN and tensor.stored_type:
        raise _unknown(tensor, checkpoint, f"are in the format {_UNKNOWN[last]}")
    if last == "scale" and _is_small(checkpoint.beside(tensor, "weight")):
        return None
    counts = tensor.stored_type in _NO_PARAMETERS and last != "weight"
    if last in _SCALES or _is_state(tensor.name) or counts:
        return None
    for ending, (read, parts) in _PACKED.items():
        if last == ending or (ending.startswith("_") and last.endswith(ending)):
            return read(tensor, module, checkpoint)
        if last in parts and f"{module}{ending}" in checkpoint.tensors:
            return None
        if ending.startswith("_") and last.endswith("_scales") and f"{tensor.name[:-7]}{ending}" in checkpoint.tensors:
            return None
    if last in {"scales", "biases"} and _is_integer(checkpoint.beside(tensor, "weight")):
        return None
    if _is_integer(tensor):
        return _integers(tensor, module, checkpoint)
    return tensor


def _qweight(tensor: Tensor, module: str, checkpoint: _Checkpoint) -> Tensor:
    """Read a matrix of gptq, whose rows are packed, or of awq, whose columns are."""
    scales, zeros = checkpoint.beside(tensor, "scales"), checkpoint.beside(tensor, "qzeros")
    bits = checkpoint.settings.get("bits") or checkpoint.settings.get("w_bit")
    if scales is None or len(scales.shape) != 2 or len(tensor.shape) != 2:
        raise _unknown(tensor, checkpoint, "have no scales beside them")
    outputs = scales.shape[1]
    if zeros is not None and len(zeros.shape) == 2 and outputs:
        bits = 32 * zeros.shape[1] / outputs
    if tensor.shape[1] != outputs:  # awq
        return Tensor(f"{module}weight", (outputs, tensor.shape[0]))
    if not isinstance(bits, (int, float)) or not 0 < bits <= 16:
        raise _unknown(tensor, checkpoint, f"are packed with {shown(bits)} bits")
    index = checkpoint.beside(tensor, "g_idx")
    inputs = index.shape[0] if index is not None and len(index.shape) == 1 else round(tensor.shape[0] * 32 / bits)
    return Tensor(f"{module}weight", (outputs, inputs))


def _weight_packed(tensor: Tensor, module: str, checkpoint: _Checkpoint) -> Tensor:
    """Read a matrix of compressed-tensors: two 4-bit floats in a byte, or integers in words of 32 bits."""
    per_element = 2.0
    if tensor.stored_type != "U8":
        bits = _bits_of_groups(checkpoint.settings)
        if bits is None or 32 % bits:
            raise _unknown(tensor, checkpoint, f"are packed with {shown(bits)} bits (`num_bits`)")
        per_element = 32 / bits
    return Tensor(f"{module}weight", (*tensor.shape[:-1], round(tensor.shape[-1] * per_element)))


def _blocks(tensor: Tensor, module: str, checkpoint: _Checkpoint) -> Tensor:
    """Read experts of mxfp4: blocks of 32 values in 16 bytes."""
    if len(tensor.shape) != 4:
        raise _unknown(tensor, checkpoint, f"have the shape {shown(tensor.shape)}")
    experts, outputs, groups, size = tensor.shape
    return Tensor(tensor.name.removesuffix("_blocks"), (experts, outputs, groups * size * 2))


_PACKED: dict[str, tuple[Callable[[Tensor, str, _Checkpoint], Tensor], tuple[str, ...]]] = {
    "qweight": (_qweight, ("qzeros", "scales", "g_idx")),
    "weight_packed": (_weight_packed, ()),
    "_blocks": (_blocks, ()),
}
"""Readers of packed matrices by their last name, with the last names of the tensors beside them."""


def _integers(tensor: Tensor, module: str, checkpoint: _Checkpoint) -> Tensor | None:
    """Read a matrix whose name is as usual and whose numbers are packed or 8-bit integers."""
    method, bits = checkpoint.settings.get("quant_method"), checkpoint.settings.get("bits")
    if f"{tensor.name}.absmax" in checkpoint.tensors:  # bitsandbytes: two values in a byte, the shape is not stored
        size, width = 2 * tensor.size, checkpoint.width
        return Tensor(tensor.name, (size // width, width) if width and size % width == 0 else (size,))
    scales = checkpoint.beside(tensor, "scales")
    if tensor.stored_type == "U32" and scales is not None:  # MLX
        own = checkpoint.settings.get(module.removesuffix("."))
        group = (own if isinstance(own, Mapping) else checkpoint.settings).get("group_size")
        if isinstance(group, int) and len(scales.shape) == len(tensor.shape):
            return Tensor(tensor.name, (*tensor.shape[:-1], scales.shape[-1] * group))
    has_scale = any(checkpoint.beside(tensor, last) for last in ("weight_scale", "SCB", "weight_scale_inv"))
    if tensor.stored_type == "I8" and has_scale:
        return tensor
    scale = checkpoint.beside(tensor, "scale")
    if tensor.stored_type == "I8" and scale is not None and len(scale.shape) == len(tensor.shape) == 2:
        packed = scale.shape[0] == tensor.shape[0] and scale.shape[1] * 16 == tensor.shape[1]  # two 4-bit floats
        return Tensor(tensor.name, (tensor.shape[0], tensor.shape[1] * (2 if packed else 1)))
    if tensor.stored_type == "U8" and has_scale and len(tensor.shape) > 1:
        if method == "bitnet":
            return Tensor(tensor.name, (tensor.shape[0] * 4, *tensor.shape[1:]))
        return Tensor(tensor.name, (*tensor.shape[:-1], tensor.shape[-1] * 2))  # nvfp4
    if len(tensor.shape) < 2:
        return None
    raise _unknown(tensor, checkpoint, f"are integers of type {tensor.stored_type} without known scales ({bits} bits)")


def _bits_of_groups(settings: Mapping[str, Any]) -> int | None:
    """Return the bits of the first group of a config of compressed-tensors."""
    groups = settings.get("config_groups")
    group = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = group.get("weights") if isinstance(group, Mapping) else None
    bits = weights.get("num_bits") if isinstance(weights, Mapping) else None
    return bits if isinstance(bits, int) and 0 < bits <= 16 else None


def _width(tensors: TensorList, config: Mapping[str, Any]) -> int:
    """Return the hidden size: that of the config, or the columns of the largest matrix that is not packed."""
    stated = config.get("hidden_size")
    if isinstance(stated, int) and stated > 0:
        return stated
    plain = [t for t in tensors.tensors if len(t.shape) == 2 and t.stored_type not in _INTEGERS]
    return max(plain, key=lambda tensor: tensor.size).shape[1] if plain else 0


def _is_integer(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.stored_type in _INTEGERS


def _is_small(tensor: Tensor | None) -> bool:
    """Tell whether a matrix has 8-bit floats or integers, so that the scale beside it is no parameter."""
    return tensor is not None and tensor.stored_type.startswith(("F8", "I8"))


def _is_state(name: str) -> bool:
    """Tell whether a tensor is the state of a 4-bit matrix of bitsandbytes: its name ends after that of the weight."""
    ending = name.rpartition("weight.")[2]
    return ending != name and ending.split(".")[0] in _STATE


def _module(name: str) -> str:
    """Return the name of the module of a tensor, with the dot at its end."""
    return name[: name.rfind(".") + 1]


def _unknown(tensor: Tensor, checkpoint: _Checkpoint, reason: str) -> InputError:
    return InputError(f"{checkpoint.origin}: tensors such as {shown(tensor.name)} {reason}; known are {KNOWN}")
