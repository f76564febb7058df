"""Tensors of safetensors files, from their headers: no weight is read.

A file begins with the length of its header (8 bytes, little endian) and the header, a JSON object with the type, the
shape and the place of each tensor. Format: https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from costmodel.architecture.sources.tensors import Tensor, TensorList
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import HEADER_BYTES, HEADER_KEYS, HEADER_VALUES, TENSOR_SIZE, shown
from costmodel.foundation.plain_files import without_repetition
from costmodel.foundation.user_files import open_regular, read_bytes

BITS: dict[str, int] = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}
"""Bits of an element by the name of its type [bit]."""
CONFIG_ONLY = "the path of config.json itself is read without the weights"
INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"-(\d{1,6})-of-(\d{1,6})\.safetensors$")


def read_safetensors(path: Path) -> list[Tensor]:
    """Return the tensors of one safetensors file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file cannot be read, or its header is no valid one.
    """
    file, size = open_regular(path)
    try:
        with file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(HEADER_BYTES, size - 8):
                raise InputError(
                    f"{path} is not a safetensors file: its header has {length:,} bytes, the file {size:,}; at most "
                    f"{HEADER_BYTES:,} bytes of header are read"
                )
            content = file.read(length)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    header = _parsed(content, path)
    header.pop("__metadata__", None)
    tensors = []
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        tensor, start, end = _tensor(name, entry, size - 8 - length, path)
        tensors.append(tensor)
        places.append((start, end, name))
    places.sort()
    for (_, end, name), (start, _, other) in pairwise(places):
        if start < end:
            raise InputError(f"{path} is damaged: the tensors {shown(name)} and {shown(other)} overlap")
    return tensors


def shards_of(path: Path) -> list[Path]:
    """Return the files that an index names, or raise `InputError` if one is missing.

    Parameters
    ----------
    path : Path
        Index, such as `model.safetensors.index.json`.
    """
    return [path.parent / name for name in sorted(set(_weight_map(path).values()))]


def read_sharded(index: Path) -> TensorList:
    """Return the tensors of all files of an index.

    Parameters
    ----------
    index : Path
        Index, such as `model.safetensors.index.json`.
    """
    places = _weight_map(index)
    tensors: list[Tensor] = []
    for path in shards_of(index):
        tensors += read_safetensors(path)
    missing = sorted(set(places) - {tensor.name for tensor in tensors})
    if missing:
        listed = ", ".join(shown(name) for name in missing[:5])
        raise InputError(f"{index} names {len(missing):,} tensors that its files do not have: {listed}")
    return TensorList(tuple(tensors), str(index.parent)).checked()


def read_files(paths: list[Path], origin: str) -> TensorList:
    """Return the tensors of files without an index, or raise `InputError` if files of the set are missing.

    Parameters
    ----------
    paths : list of Path
        Files.
    origin : str
        Name of the set, for messages.
    """
    counts = {int(match[2]) for path in paths if (match := _SHARD.search(path.name))}
    if counts and len(paths) != max(counts):
        raise InputError(
            f"{origin}: has {len(paths)} of the {max(counts)} safetensors files of the model; all of them are needed; "
            f"{CONFIG_ONLY}"
        )
    tensors = [tensor for path in sorted(paths) for tensor in read_safetensors(path)]
    return TensorList(tuple(tensors), origin).checked()


def _weight_map(path: Path) -> dict[str, str]:
    """Return the file of each tensor by an index; all files exist beside it."""
    index = _parsed(read_bytes(path, HEADER_BYTES), path)
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise InputError(f"{path} is not an index of safetensors files: it has no weight_map from names to files")
    names = sorted(set(places.values()))
    odd = [name for name in names if not name.endswith(".safetensors") or Path(name).name != name or "\0" in name]
    if odd:
        raise InputError(f"{path} must name safetensors files in its own folder; got {shown(odd[0])}")
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        listed = ", ".join(missing[:5])
        raise InputError(
            f"{path.parent}: {len(missing)} of the {len(names)} files in the index are missing: {listed}; {CONFIG_ONLY}"
        )
    return places


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    """Return the JSON object of a header or an index, or raise `InputError`."""
    keys, values = content.count(b":"), sum(content.count(sign) for sign in (b",", b"[", b"{"))
    if keys > HEADER_KEYS or values > HEADER_VALUES:
        raise InputError(
            f"{path} has a header of {keys:,} keys and {values:,} values; limits: {HEADER_KEYS:,} and {HEADER_VALUES:,}"
        )
    try:
        header = json.loads(content, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{path} has no valid JSON header: {shown(reason, 200)}") from None
    if not isinstance(header, dict):
        raise InputError(f"{path} has no valid JSON header: it is a {type(header).__name__}, not an object")
    return header


def _tensor(name: str, entry: Any, data_size: int, path: Path) -> tuple[Tensor, int, int]:
    """Return a tensor and its place in the data, or raise `InputError` if its entry is not valid."""
    where = f"{path} is damaged: {shown(name)}"
    if not isinstance(entry, dict):
        raise InputError(f"{where} has no dtype, shape and data_offsets; got {shown(entry)}")
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(kind, str) or kind not in BITS:
        raise InputError(f"{where} has the dtype {shown(kind)}; known are {', '.join(BITS)}")
    extents, places = _counts(shape), _counts(offsets)
    if extents is None or math.prod(extents) > TENSOR_SIZE:
        raise InputError(f"{where} has the shape {shown(shape)}; whole numbers from 0 are accepted")
    if places is None or len(places) != 2 or not places[0] <= places[1] <= data_size:
        raise InputError(f"{where} has the data_offsets {shown(offsets)}; the data of the file has {data_size:,} bytes")
    stored = places[1] - places[0]
    if stored != -(-math.prod(extents) * BITS[kind] // 8):
        raise InputError(f"{where} has {stored:,} bytes, which is not the size of {kind} of shape {shown(shape)}")
    return Tensor(name, extents, kind, float(stored)), places[0], places[1]


def _counts(values: object) -> tuple[int, ...] | None:
    """Return a list of whole numbers from 0; None if it is anything else."""
    if not isinstance(values, list) or len(values) > 32:
        return None
    whole = [value for value in values if type(value) is int and 0 <= value <= TENSOR_SIZE]
    return tuple(whole) if len(whole) == len(values) else None
