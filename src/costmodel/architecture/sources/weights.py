"""Weights beside a config: which files of a folder hold the model, and the tensors in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from costmodel.architecture.sources.gguf import read_split
from costmodel.architecture.sources.safetensors import INDEX, read_files, read_sharded
from costmodel.architecture.sources.tensors import TensorList
from costmodel.foundation.errors import InputError

SUFFIXES = (".safetensors", ".gguf")
"""Suffixes of the files that are read."""
_BESIDE_MODEL = ("adapter_model", "consolidated", "optimizer", "mmproj")
"""Beginnings of the names of files that do not hold the model, or hold it once more."""


class Weights(NamedTuple):
    """Tensors of a model, and what their file states beside them."""

    tensors: TensorList
    config: Mapping[str, Any]
    """Keys of a config from the metadata of a GGUF file; empty for safetensors."""


def weights_at(path: Path) -> Weights | None:
    """Return the tensors of a weight file, or of the weight files of a folder; None if the path holds none.

    Parameters
    ----------
    path : Path
        File or folder.

    Raises
    ------
    InputError
        If files are missing, damaged, or hold several models.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
        files = sorted(other for other in path.iterdir() if other.suffix in SUFFIXES) if is_folder else []
    except (OSError, ValueError):
        return None
    if not is_folder:
        return _of_file(path) if is_file and path.suffix in SUFFIXES else None
    if (path / INDEX).is_file():
        return Weights(read_sharded(path / INDEX), {})
    own = [other for other in files if not other.name.startswith(_BESIDE_MODEL)] or [
        other for other in files if other.name.startswith("consolidated")
    ]
    whole = [other for other in own if other.name == "model.safetensors"]
    tables = [other for other in own if other.suffix == ".safetensors"]
    if whole or tables:
        return Weights(read_files(whole or tables, str(path)), {})
    if not own:
        return None
    sets = {_split_name(other) for other in own}
    if len(sets) > 1 and (path / "config.json").is_file():
        return None  # the config tells enough, and nothing which of the files is meant
    if len(sets) > 1:
        raise InputError(f"{path} has several GGUF models; give the path of one: {', '.join(sorted(sets)[:8])}")
    return Weights(*read_split(own[0]))


def _of_file(path: Path) -> Weights:
    return Weights(*read_split(path)) if path.suffix == ".gguf" else Weights(read_files([path], str(path)), {})


def _split_name(path: Path) -> str:
    """Return the name of a GGUF file; files of a split model share it."""
    return path.name.rsplit("-of-", 1)[0].rsplit("-", 1)[0] if "-of-" in path.name else path.name
