"""Tensors and hyperparameters of GGUF files, from their headers: no weight is read.

A file has a header with the numbers of tensors and of metadata, the metadata, and a table with the name, extents, type
and place of each tensor. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; sizes of blocks: the
package gguf 0.19, `GGML_QUANT_SIZES`.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import GGUF_KEYS, GGUF_STRINGS, TENSOR_SIZE, TENSORS, shown
from costmodel.foundation.user_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}
"""Types of tensors: name, elements of a block, bytes of a block."""
KEYS: dict[str, str] = {
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.sliding_window": "sliding_window",
    "attention.q_lora_rank": "q_lora_rank",
    "attention.kv_lora_rank": "kv_lora_rank",
    "attention.value_length": "v_head_dim",
    "attention.indexer.head_count": "index_n_heads",
    "attention.indexer.key_length": "index_head_dim",
    "attention.indexer.top_k": "index_topk",
    "attention.causal": "is_causal",
    "rope.dimension_count": "qk_rope_head_dim",
    "expert_count": "num_experts",
    "expert_used_count": "num_experts_per_tok",
    "nextn_predict_layers": "num_nextn_predict_layers",
}
"""Keys of a Hugging Face config by the keys of the metadata, below the name of the architecture."""
MAX_LIST = 4_096
"""Numbers of an array that are kept, one per layer; longer arrays are skipped [1]."""
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_CHUNK = 1 << 20


class GgufFile(NamedTuple):
    """What the header of a GGUF file states."""

    metadata: dict[str, Any]
    """Numbers, texts and short lists of numbers by key."""
    tensors: list[Tensor]


class _Reader:
    """Sequential reader of a header; every read is checked against the size of the file."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self.file, self.size, self.path = file, size, path
        self.place, self.order, self.strings = 0, "<", 0
        self._start, self._chunk = 0, b""

    def take(self, count: int) -> bytes:
        """Return the next bytes, or raise `InputError` at the end of the file."""
        if count > self.size - self.place:
            raise self.problem(f"{count:,} bytes are expected at byte {self.place:,} of {self.size:,}")
        offset = self.place - self._start
        if offset + count > len(self._chunk) or offset < 0:
            self.file.seek(self.place)
            self._start, self._chunk, offset = self.place, self.file.read(max(count, _CHUNK)), 0
            if len(self._chunk) < count:
                raise self.problem("it ends early")
        self.place += count
        return self._chunk[offset : offset + count]

    def skip(self, count: int) -> None:
        """Go over bytes without reading them."""
        if count > self.size - self.place:
            raise self.problem(f"{count:,} bytes are expected at byte {self.place:,} of {self.size:,}")
        self.place += count

    def number(self, code: str) -> Any:
        """Return a number of a format of `struct`."""
        return struct.unpack(self.order + code, self.take(struct.calcsize(self.order + code)))[0]

    def text(self, most: int = 65_535) -> str:
        """Return a string; what is beyond `most` bytes is an error."""
        length = self.number("Q")
        if length > most:
            raise self.problem(f"a name of {length:,} bytes; at most {most:,} are accepted")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """Return a number, a text or a short list; None for what is skipped."""
        if kind in _FORMATS:
            return self.number(_FORMATS[kind])
        if kind == _STRING:
            length = self.number("Q")
            if length <= 1024:
                return self.take(length).decode("utf-8", "replace")
            return self.skip(length)
        if kind != _ARRAY or depth > 2:
            raise self.problem(f"a value of the unknown type {kind}" if kind != _ARRAY else "arrays nested too deep")
        inner, count = self.number("I"), self.number("Q")
        if inner in _FORMATS:
            width = struct.calcsize("<" + _FORMATS[inner])
            if count > MAX_LIST:
                return self.skip(count * width)
            code = f"{self.order}{count}{_FORMATS[inner]}"
            return list(struct.unpack(code, self.take(count * width)))
        self.strings += count
        if self.strings > GGUF_STRINGS:
            raise self.problem(f"arrays of {self.strings:,} strings; at most {GGUF_STRINGS:,} are accepted")
        for _ in range(count):
            if inner == _STRING:
                self.skip(self.number("Q"))
            else:
                self.value(inner, depth + 1)
        return None

    def problem(self, reason: str) -> InputError:
        """Return the error of a damaged file."""
        return InputError(f"{self.path} is not a valid GGUF file: {reason}")


def read_gguf(path: Path) -> GgufFile:
    """Return the metadata and the tensors of one GGUF file of version 2 or 3, of either byte order.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file cannot be read or its header is not valid.
    """
    file, size = open_regular(path)
    try:
        with file:
            return _read(_Reader(file, size, path))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_split(path: Path) -> tuple[TensorList, dict[str, Any]]:
    """Return the tensors of a GGUF file, and of the other files of a split model, and its hyperparameters.

    Parameters
    ----------
    path : Path
        File; any of the files of a split model.

    Returns
    -------
    tuple
        The tensors, and the keys of a Hugging Face config that the metadata state.
    """
    match = _SPLIT.search(path.name)
    if match is None:
        read = read_gguf(path)
        return TensorList(tuple(read.tensors), str(path)).checked(), config_of_metadata(read.metadata)
    count = int(match[2])
    stem = path.name[: match.start()]
    paths = [path.parent / f"{stem}-{index:05d}-of-{count:05d}.gguf" for index in range(1, min(count, 10_000) + 1)]
    if missing := [other.name for other in paths if not other.is_file()]:
        raise InputError(f"{path}: {len(missing)} of its {count} files are missing: {', '.join(missing[:5])}")
    files = [read_gguf(other) for other in paths]
    tensors = tuple(tensor for read in files for tensor in read.tensors)
    return TensorList(tensors, str(path)).checked(), config_of_metadata(files[0].metadata)


def config_of_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a Hugging Face config that the metadata of a GGUF file state.

    Parameters
    ----------
    metadata : Mapping
        Metadata by key.
    """
    name = metadata.get("general.architecture")
    found = {ours: metadata[f"{name}.{key}"] for key, ours in KEYS.items() if f"{name}.{key}" in metadata}
    if found.get("kv_lora_rank"):
        width = metadata.get(f"{name}.attention.key_length_mla", found.get("head_dim"))
        found["v_head_dim"] = metadata.get(f"{name}.attention.value_length_mla", found.get("v_head_dim"))
        rope = found.get("qk_rope_head_dim")
        if isinstance(width, int) and isinstance(rope, int) and width > rope:
            found["qk_nope_head_dim"] = width - rope
    layers, predicted = found.get("num_hidden_layers"), found.get("num_nextn_predict_layers")
    if isinstance(layers, int) and isinstance(predicted, int) and layers > predicted:
        found["num_hidden_layers"] = layers - predicted
    pattern = metadata.get(f"{name}.attention.sliding_window_pattern")
    if isinstance(pattern, list):
        found["layer_types"] = ["sliding_attention" if slides else "full_attention" for slides in pattern]
    elif isinstance(pattern, int):
        found["sliding_window_pattern"] = pattern
    return found | {"gguf_architecture": name}


def _read(reader: _Reader) -> GgufFile:
    if reader.size < 24 or reader.take(4) != b"GGUF":
        raise reader.problem("it does not begin with GGUF and a header of 24 bytes")
    version = reader.number("I")
    if version & 0xFFFF == 0:
        reader.order, version = ">", version >> 24
    if version not in {2, 3}:
        raise reader.problem(f"version {version}; 2 and 3 are accepted")
    count, keys = reader.number("Q"), reader.number("Q")
    if count > min(TENSORS, reader.size // 24) or keys > min(GGUF_KEYS, reader.size // 12):
        raise reader.problem(f"{count:,} tensors and {keys:,} keys do not fit into {reader.size:,} bytes")
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key = reader.text()
        if key in metadata:
            raise reader.problem(f"it has the key {shown(key)} twice")
        metadata[key] = reader.value(reader.number("I"))
    infos = [_info(reader) for _ in range(count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise reader.problem(f"general.alignment: must be a whole number up to {1 << 20:,}; got {shown(alignment)}")
    start = -(-reader.place // alignment) * alignment
    for tensor, offset in infos:
        if start + offset + tensor.stored_bytes > reader.size:
            raise reader.problem(f"the tensor {shown(tensor.name)} ends beyond the end of the file")
    return GgufFile(metadata, [tensor for tensor, _ in infos])


def _info(reader: _Reader) -> tuple[Tensor, int]:
    """Return an entry of the table of tensors: the tensor, and its offset in the data."""
    name = reader.text(most=1024)
    dimensions = reader.number("I")
    if dimensions > 8:
        raise reader.problem(f"the tensor {shown(name)} has {dimensions:,} dimensions; at most 8 are accepted")
    extents = [reader.number("Q") for _ in range(dimensions)]
    kind, offset = reader.number("I"), reader.number("Q")
    if kind not in TYPES:
        raise reader.problem(f"the tensor {shown(name)} has the unknown type {kind}")
    stored_type, block, block_bytes = TYPES[kind]
    size = math.prod(extents)
    if size > TENSOR_SIZE or (extents and extents[0] % block):
        raise reader.problem(f"the tensor {shown(name)} has the shape {shown(extents)}, impossible for {stored_type}")
    return Tensor(name, tuple(reversed(extents)), stored_type, float(size // block * block_bytes)), offset
