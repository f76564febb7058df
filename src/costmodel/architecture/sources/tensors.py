"""Lists of tensors: names, shapes and stored sizes, as weight files and frameworks give them."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import TENSOR_SIZE, TENSORS, shown

_BUFFERS = re.compile(
    r"(?:^|\.)(?:"
    r"rope\.freqs|(?:\w+_)?inv_freq|.*rope_freqs\.weight|rope_factors_(?:long|short)\.weight|freqs_cis|"
    r"cos_cached|sin_cached|num_batches_tracked|running_mean|running_var|position_ids|token_type_ids|"
    r"relative_position_index|masked_bias|attention_mask|causal_mask|tokens_per_expert|k_scale|v_scale|kv_scale|"
    r"embed_positions\._float_tensor"
    r")$"
)
"""Names of tensors that are stored and not trained: positions, statistics, masks and scales of caches."""
_BALANCE = re.compile(r"(?:^|\.)(?:e_score_correction_bias|exp_probs_b(?:\.bias)?|expert_bias)$")
"""Names of biases of routers that balance the load of experts: some models have them as parameters, others not."""

_SHARED = re.compile(r"(?:^|\.)shared\.weight$")
_SHARES = re.compile(r"(?:^|\.)(?:encoder|decoder)\.embed_tokens\.weight$")
"""Names of an embedding that encoder and decoder share, and of its copies."""


class Tensor(NamedTuple):
    """A tensor of a model."""

    name: str
    """Name, with dots between the modules."""
    shape: tuple[int, ...]
    """Extents in the order of PyTorch: the outputs of a linear layer, then its inputs."""
    stored_type: str = ""
    """Number format in the file, such as "BF16" or "Q4_K"; "" if unknown."""
    stored_bytes: float = 0.0
    """Size in the file [byte]."""
    table: bool | None = None
    """Whether it is a lookup table: of tokens, types or positions; None if only its name tells."""

    @property
    def size(self) -> int:
        """Number of elements [1]."""
        return math.prod(self.shape)


class TensorList(NamedTuple):
    """The tensors of a model, and where they come from."""

    tensors: tuple[Tensor, ...]
    """All tensors, buffers and parts of quantized matrices included."""
    origin: str = "a list of tensors"
    """File or folder, for messages and the `source` of the architecture."""
    only_parameters: bool = False
    """Whether a framework listed the parameters, so that there is no buffer and no copy of a tied matrix among them."""

    @property
    def stored_bytes(self) -> float:
        """Size of all tensors [byte]; 0 if unknown."""
        return sum(tensor.stored_bytes for tensor in self.tensors)

    def checked(self) -> TensorList:
        """Return the list, or raise `InputError` with the names that occur twice and the impossible shapes."""
        if len(self.tensors) > TENSORS:
            raise InputError(f"{self.origin}: has {len(self.tensors):,} tensors; at most {TENSORS:,} are accepted")
        if not self.tensors:
            raise InputError(f"{self.origin}: has no tensors")
        names: set[str] = set()
        problems = []
        for tensor in self.tensors:
            if tensor.name in names:
                problems.append(f"{self.origin}: has the tensor {shown(tensor.name)} twice")
            names.add(tensor.name)
            if not all(0 <= extent <= TENSOR_SIZE for extent in tensor.shape) or tensor.size > TENSOR_SIZE:
                problems.append(f"{self.origin}: {shown(tensor.name)} has an impossible shape {shown(tensor.shape)}")
            if len(problems) >= 20:
                break
        if problems:
            raise InputError(problems)
        return self


def is_buffer(name: str) -> bool:
    """Tell whether a tensor is a stored buffer, no parameter.

    >>> is_buffer("model.layers.0.self_attn.rotary_emb.inv_freq"), is_buffer("model.norm.weight")
    (True, False)
    """
    return _BUFFERS.search(name) is not None or _BALANCE.search(name) is not None


def balancing_size(listed: TensorList) -> int:
    """Return the elements of the biases that balance experts, which some models count as parameters [1]."""
    return sum(tensor.size for tensor in listed.tensors if _BALANCE.search(tensor.name))


def parameters_of(listed: TensorList) -> list[Tensor]:
    """Return the tensors that are parameters.

    Buffers, causal masks of old checkpoints, empty tensors, and copies of an embedding that encoder and decoder share
    are left out.
    """
    if listed.only_parameters:
        return [tensor for tensor in listed.tensors if tensor.size]
    shared = {tensor.shape for tensor in listed.tensors if _SHARED.search(tensor.name)}
    return [
        tensor
        for tensor in listed.tensors
        if tensor.size
        and not is_buffer(tensor.name)
        and not _is_causal_mask(tensor)
        and not (tensor.shape in shared and _SHARES.search(tensor.name))
    ]


def _is_causal_mask(tensor: Tensor) -> bool:
    """Tell whether a tensor is a causal mask of 1 × 1 × n × n, which old checkpoints call the bias of attention."""
    names = ("attn.bias", "attention.bias")
    return len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1) and tensor.name.endswith(names)
