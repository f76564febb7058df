"""Architectures from a catalog name, a `config.json` or a mapping, without loading a framework."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from costmodel.architecture.families import FAMILIES
from costmodel.architecture.quantization import stored_bytes
from costmodel.architecture.sources.config import Config
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError, UnknownNameError, unknown
from costmodel.foundation.names import Names
from costmodel.foundation.tables import folder, read_bytes

ArchitectureLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Architecture
"""What names an architecture: a name of the catalog, a path, a config, counts, or an `Architecture`."""
MAX_CONFIG_BYTES = 5_000_000
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len", "seq_length")
_TRAINED_IN_FP8 = frozenset({"deepseek_v3", "deepseek_v32"})
"""Families whose checkpoints have the 8-bit weights of their training (arXiv 2412.19437, section 3.3)."""
_PATH_LIKE = re.compile(r"^[./~]|[/\\]$|\.json$")
"""A text of this form is a path, whatever the catalog holds."""


def load_architecture(source: ArchitectureLike, family: str | None = None) -> Architecture:
    """Return the architecture that a name, a file or a config describes.

    Parameters
    ----------
    source : a name of the catalog ("llama-3.1-8b"), the path of a `config.json` or of its folder, the
        config itself, or `{"total": "7B", ...}`: the arguments of `Architecture.from_counts`
    family : a `model_type` whose layout the config shares, where its own is not known

    Raises
    ------
    UnknownNameError
        If the name is neither in the catalog nor a file.
    InputError
        If the file is no config, or the config is of an unknown `model_type`, incomplete or contradictory.

    Examples
    --------
    >>> load_architecture("llama-3.1-8b").parameters.total
    8030261248
    """
    if isinstance(source, Architecture):
        return source
    if isinstance(source, Mapping):
        return from_config(source, family)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"an architecture is a name, a path or a mapping; got {type(source).__name__}")
    text = os.fspath(source)
    named = isinstance(source, str) and not _PATH_LIKE.search(text)
    if named and family is None and (proper := catalog().proper(text)):
        return _named(proper)
    path = Path(text).expanduser()
    try:
        path = path / "config.json" if path.is_dir() else path
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        hint = f"No file of that name was found either; 'costmodel models' lists the {len(catalog())} known."
        raise UnknownNameError.of("architecture", text, catalog(), hint)
    read = from_config(read_config(path), family)
    return read.replace(origin=str(path) if family is None else None, name=_file_name(path))


def from_config(config: Mapping[str, Any], family: str | None = None) -> Architecture:
    """Return the architecture of a Hugging Face config, or of counts (`{"total": "7B"}`)."""
    if "model_type" not in config and "total" in config:
        return _from_counts(config)
    if "width" in config and "layers" in config:
        return Architecture.from_data(config)
    model_type = config.get("model_type") if family is None else family
    if model_type is None:
        raise InputError(f"model_type: is required and missing; known: {', '.join(sorted(FAMILIES))}")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        hint = "Where the layout is the same as that of a known one, say so: family='llama'."
        raise InputError(f"model_type: {unknown('family', model_type, FAMILIES, hint)}")
    reader = Config(config)
    try:
        architecture = FAMILIES[model_type](reader)
    except InputError as error:
        raise InputError(list(dict.fromkeys([*reader.all_problems(), *error.problems]))) from None
    except (ValueError, TypeError):
        reader.finish()  # what fails after a problem was noted is its consequence
        raise
    reader.finish()
    name = config.get("_name_or_path") or model_type
    quantization = config.get("quantization_config")
    stored = stored_bytes(architecture, quantization if isinstance(quantization, Mapping) else None)
    length = architecture.context_length or _context_length(config)
    return architecture.replace(
        origin=_origin(reader, family),
        name=str(name)[:200],
        stored_bytes=stored,
        context_length=length,
        training_precision="fp8" if _is_trained_in_fp8(config) else None,
    )


def _is_trained_in_fp8(config: Mapping[str, Any]) -> bool:
    """Tell whether a config stores the 8-bit weights of a family that is trained with them."""
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    return method == "fp8" and config.get("model_type") in _TRAINED_IN_FP8


def config_of(source: ArchitectureLike) -> Mapping[str, Any]:
    """Return the config that an architecture is read from; empty if there is none."""
    origin = source if isinstance(source, Mapping) else load_architecture(source).origin
    if origin is None or isinstance(origin, Mapping):
        return origin or {}
    named: Mapping[str, Any] | None = catalog().things[origin]["config"] if origin in catalog() else None
    return read_config(Path(origin)) if named is None else named


def _context_length(config: Mapping[str, Any]) -> int | None:
    """Return the longest sequence that a config states [token]; None if it states none."""
    text = config.get("text_config")
    values = [part.get(key) for part in (config, text) if isinstance(part, Mapping) for key in _CONTEXT_KEYS]
    return next((value for value in values if isinstance(value, int) and 0 < value <= 10**9), None)


def _origin(reader: Config, family: str | None) -> dict[str, Any] | None:
    """Return what the config says of the shape, where a file can hold it: a null is not an absent key there."""
    shape = reader.shape()
    plain = all(isinstance(value, (str, int, float, list)) for value in shape.values())
    return shape if plain and family is None else None


def read_config(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, or raise `InputError`."""
    content = read_bytes(path, MAX_CONFIG_BYTES)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{path} is not a JSON file: {reason}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no JSON object but a {type(data).__name__}")
    return data


def architectures() -> list[dict[str, Any]]:
    """Return the catalog as rows: name, family, parameters (total, active), and source."""
    rows = []
    for name in catalog():
        architecture = _named(name)
        rows.append(
            {
                "name": name,
                "family": catalog().things[name]["config"]["model_type"],
                "parameters": architecture.parameters.total,
                "active": architecture.parameters.active,
                "source": architecture.source,
            }
        )
    return rows


@lru_cache(maxsize=1)
def catalog() -> Names[dict[str, Any]]:
    """Return the named architectures of `data/facts/architectures.json`."""
    data = json.loads((folder() / "facts" / "architectures.json").read_bytes())
    return Names("architecture", data, {name: entry["aliases"] for name, entry in data.items()})


@lru_cache(maxsize=256)
def _named(proper: str) -> Architecture:
    entry = catalog().things[proper]
    read = from_config(entry["config"])
    precision = entry.get("training_precision", read.training_precision)
    return read.replace(name=proper, origin=proper, source=entry["source"], training_precision=precision)


def _from_counts(config: Mapping[str, Any]) -> Architecture:
    allowed = ("total", "active", "layers", "width", "attention_width", "vocabulary", "tied", "name")
    if wrong := [unknown("field", key, allowed) for key in config if key not in allowed]:
        raise InputError(wrong)
    return Architecture.from_counts(**config)


def _file_name(path: Path) -> str:
    return path.parent.name if path.name == "config.json" and path.parent.name else path.stem
