"""Lists of tensors: names, shapes and stored sizes, as weight files and frameworks give them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_TENSORS = 2_000_000
"""Tensors of a list; DeepSeek-V3 has 92,000 [1]."""
MAX_SIZE = 10**15
"""Elements of a tensor [1]."""
_BUFFERS = re.compile(
    r"(?:^|\.)(?:"
    r"rotary_emb\..*|rope\.freqs|inv_freq|.*rope_freqs\.weight|rope_factors_(?:long|short)\.weight|freqs_cis|"
    r"cos_cached|sin_cached|num_batches_tracked|running_mean|running_var|position_ids|token_type_ids|"
    r"relative_position_index|masked_bias|attention_mask|causal_mask|e_score_correction_bias|"
    r"exp_probs_b(?:\.bias)?|expert_bias|tokens_per_expert|k_scale|v_scale|kv_scale|embed_positions\._float_tensor"
    r")$"
)
"""Names of tensors that are stored and not trained: positions, statistics, masks, and biases set by load balancing."""


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

    @property
    def stored_bytes(self) -> float:
        """Size of all tensors [byte]; 0 if unknown."""
        return sum(tensor.stored_bytes for tensor in self.tensors)

    def checked(self) -> TensorList:
        """Return the list, or raise `InputError` with the names that occur twice and the impossible shapes."""
        if len(self.tensors) > MAX_TENSORS:
            raise InputError(f"{self.origin}: has {len(self.tensors):,} tensors; at most {MAX_TENSORS:,} are accepted")
        if not self.tensors:
            raise InputError(f"{self.origin}: has no tensors")
        names: set[str] = set()
        problems = []
        for tensor in self.tensors:
            if tensor.name in names:
                problems.append(f"{self.origin}: has the tensor {shown(tensor.name)} twice")
            names.add(tensor.name)
            if not all(0 <= extent <= MAX_SIZE for extent in tensor.shape) or tensor.size > MAX_SIZE:
                problems.append(f"{self.origin}: {shown(tensor.name)} has an impossible shape {shown(tensor.shape)}")
            if len(problems) >= 20:
                break
        if problems:
            raise InputError(problems)
        return self


def shown(value: object, most: int = 80) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def is_buffer(name: str) -> bool:
    """Tell whether a tensor is a stored buffer, no parameter.

    >>> is_buffer("model.layers.0.self_attn.rotary_emb.inv_freq"), is_buffer("model.norm.weight")
    (True, False)
    """
    return _BUFFERS.search(name) is not None


def parameters_of(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors that are parameters: without buffers, masks of GPT-2 and empty tensors."""
    return [tensor for tensor in tensors if tensor.size and not is_buffer(tensor.name) and not _is_causal_mask(tensor)]


def _is_causal_mask(tensor: Tensor) -> bool:
    """Tell whether a tensor is a causal mask of 1 × 1 × n × n, which old checkpoints call the bias of attention."""
    return (
        len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1) and tensor.name.endswith(("attn.bias", "attention.bias"))
    )
