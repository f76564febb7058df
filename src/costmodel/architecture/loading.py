"""Architectures from a catalog name, a `config.json` or a mapping, without loading a framework."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from costmodel.architecture.families import reader_of, unread_type
from costmodel.architecture.families.classes import with_head
from costmodel.architecture.quantization import quantization_of, stored_bytes
from costmodel.architecture.sources.config import Config
from costmodel.architecture.sources.foreign import ENDINGS, read_form, usual
from costmodel.architecture.sources.framework import FRAMEWORK
from costmodel.architecture.sources.keys import UNKNOWN, check_extent, is_in_table
from costmodel.architecture.sources.weights import SUFFIXES, Weights, weights_at
from costmodel.architecture.specification import Architecture
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, UnknownNameError, nearest, unknown
from costmodel.foundation.limits import CONFIG_BYTES, shown
from costmodel.foundation.names import Names
from costmodel.foundation.plain_files import json_value, parsed
from costmodel.foundation.tables import folder
from costmodel.foundation.user_files import read_bytes

ArchitectureLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Architecture | float | Sequence[str]
"""What names an architecture: a name of the catalog, a path, a config, counts, a size, arguments of Megatron-LM, or an
`Architecture`."""
_STRICT = "; strict=False (--no-strict) counts without such keys and marks the result as unverified"
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_target_positions", "max_seq_len", "seq_length")
_TRAINED_IN_FP8 = frozenset({"deepseek_v3", "deepseek_v32"})
"""Families whose checkpoints have the 8-bit weights of their training (arXiv 2412.19437, section 3.3)."""
_CONFIGS = ("config.json", "params.json")
"""Files that describe the model of a folder, the first that is there."""
_PATH_LIKE = re.compile(r"^[./~]|[/\\]$|\.(?:json|safetensors|gguf|ya?ml|toml|sh|txt|args)$")
"""A text of this form is a path, whatever the catalog holds."""

_UNPUBLISHED = re.compile(r"(gpt-?[45]o?(?![a-z])|chatgpt|o[134](-|$)|claude|gemini|grok-?[3-9])", re.IGNORECASE)
"""Names of models whose architecture its makers keep to themselves."""
_STORED = re.compile(
    r"[-_.](bnb-4bit|unsloth.*|gptq.*|awq.*|gguf.*|exl2.*|mlx.*|4bit|8bit|int4|int8|fp8.*|it)\b.*", re.IGNORECASE
)
"""Ending of the name of a repository that says how its weights are stored or tuned."""
_FILES = {".json", ".toml", ".yaml", ".yml", ".safetensors", ".gguf", ".sh", ".txt", ".args"}
"""Endings of files."""


class Options(NamedTuple):
    """Options of reading a config; None is the default of each."""

    family: str | None = None
    """A `model_type` whose layout the config shares."""
    strict: bool | None = None
    """Whether a key that is not understood is an error; it is by default."""
    head: str | None = None
    """Head of the model, where the class in `architectures` is not known."""

    def given(self) -> dict[str, Any]:
        """Return the options that are not the default ones."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def check(self) -> None:
        """Raise `InputError` if an option has a wrong type."""
        problems = [
            f"{name}: must be {'true or false' if name == 'strict' else 'text'}; got {shown(value)}"
            for name, value in self.given().items()
            if not isinstance(value, bool if name == "strict" else str)
        ]
        if problems:
            raise InputError(problems)


OPTIONS = Options._fields
"""Names of the options, also in a mapping such as `{"config": "config.json", "family": "llama"}`."""


def load_architecture(
    source: ArchitectureLike, family: str | None = None, *, strict: bool | None = None, head: str | None = None
) -> Architecture:
    """Return the architecture that a name, a file or a config describes.

    Parameters
    ----------
    source : str, Path, Mapping, Architecture or list
        A name of the catalog ("llama-3.1-8b"), the path of a `config.json`, of a folder with a config, weights or
        both, or of a `.safetensors` or `.gguf` file, the config itself or its JSON text, an object with `to_dict`,
        `{"total": "7B", ...}`: the arguments of `Architecture.from_counts`, a size such as "7B" or 7e9 (a typical
        decoder), a `params.json` of Meta or Mistral, a configuration of nanoGPT, arguments of Megatron-LM as a file,
        a text or a list, or `{"config": source, "family": ..., "strict": ..., "head": ...}`: a source with the
        options below.
    family : str, optional
        A `model_type` whose layout the config shares, where its own is not known; the result is marked as
        unverified. "transformers" counts the model that Hugging Face transformers builds (extra `hub`).
    strict : bool, optional
        Whether a key that is not understood is an error (the default); with False it is listed in `unverified`.
    head : str, optional
        "lm", "none", "sequence_classification", "token_classification", "question_answering" or "reward", where the
        class in `architectures` is not known; the result is marked as unverified.

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
    source, options = _without_options(source, Options(family, strict, head))
    options.check()
    source = cast("ArchitectureLike", usual(source))
    if isinstance(source, Architecture):
        return source if options == Options() else _read_again(source, options)
    if isinstance(source, Mapping):
        return from_config(source, family=options.family, strict=options.strict, head=options.head)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"an architecture is a name, a path or a mapping; got {type(source).__name__}")
    text = os.fspath(source)
    named = isinstance(source, str) and not _PATH_LIKE.search(text)
    if named and (proper := catalog().proper(text)):
        return _named(proper, options)
    path = Path(text).expanduser()
    if (weights := weights_at(path)) is not None:
        return _of_weights(path, weights, options)
    try:
        path = _inside(path)
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise _unknown_name(text)
    read = from_config(read_config(path), options.family, strict=options.strict, head=options.head)
    return read.replace(origin=_with_options(str(path), options), name=_file_name(path))


def _without_options(given: ArchitectureLike, options: Options) -> tuple[ArchitectureLike, Options]:
    """Return the source in a mapping such as `{"config": source, "family": "llama"}`, and its options.

    `options` go before those of the mapping.
    """
    while isinstance(given, Mapping) and {"config"} <= given.keys() <= {"config", *OPTIONS}:
        options = options._replace(
            **{name: given[name] for name in OPTIONS if getattr(options, name) is None and name in given}
        )
        given = given["config"]
    return given, options


def _with_options(origin: str | dict[str, Any], options: Options) -> str | dict[str, Any]:
    """Return an origin with the options of reading it, if there are any."""
    return {"config": origin, **options.given()} if options.given() else origin


def _read_again(architecture: Architecture, options: Options) -> Architecture:
    """Return an architecture with other options of reading its config."""
    if architecture.origin is None:
        names = ", ".join(options.given())
        raise InputError(f"{names}: no effect on an architecture that was not read from a name, a file or a config")
    return load_architecture(architecture.origin, options.family, strict=options.strict, head=options.head)


def _of_weights(path: Path, weights: Weights, options: Options) -> Architecture:
    """Return the architecture of a folder with weights, or of a weight file, and of the config beside it."""
    from costmodel.architecture.sources.checked import architecture_of_weights

    beside = (path if path.is_dir() else path.parent) / "config.json"
    config = read_config(beside) if beside.is_file() and path.suffix != ".gguf" else {}

    def read() -> Architecture:
        return from_config(config, options.family, strict=bool(options.strict), head=options.head)

    known = options.family is not None or reader_of(config.get("model_type")) is not None
    architecture = architecture_of_weights(weights, config, read if known else None)
    name = path.stem if path.suffix in SUFFIXES else path.absolute().name
    return architecture.replace(origin=_with_options(str(path), options), name=name[:200])


def from_config(
    config: Mapping[str, Any], family: str | None = None, *, strict: bool | None = None, head: str | None = None
) -> Architecture:
    """Return the architecture of a Hugging Face config, or of counts (`{"total": "7B"}`).

    Parameters
    ----------
    config : Mapping
        The config.
    family : str, optional
        As in `load_architecture`.
    strict : bool, optional
        As in `load_architecture`.
    head : str, optional
        As in `load_architecture`.
    """
    check_extent(config)
    if "model_type" not in config and "total" in config:
        return _from_counts(config)
    if "width" in config and "layers" in config:
        return Architecture.from_data(config)
    if (form := read_form(config)) is not None:
        return form if isinstance(form, Architecture) else from_config(form, family, strict=strict, head=head)
    if family == FRAMEWORK:
        return _of_framework(config)
    refuse = strict is not False
    own = config.get("model_type")
    model_type = own if family is None else family
    if model_type is None:
        raise InputError("model_type: is required and missing")
    read = reader_of(model_type)
    if read is None or not isinstance(model_type, str):
        raise InputError(unread_type("model_type" if family is None else "family", model_type))
    reader = Config(_without_sizes(config), own if isinstance(own, str) and is_in_table(own) else model_type, head)
    if family not in (None, own):
        reader.doubt(f"model_type: {shown(own)} was read with the layout of {family!r}, as the caller said")
    try:
        architecture = read(reader)
        if not reader.has_read("architectures"):
            architecture = with_head(reader, architecture)
    except InputError as error:
        raise InputError(list(dict.fromkeys([*reader.found_problems(), *error.problems]))) from None
    except (ValueError, TypeError):
        _finish(reader, refuse)  # what fails after a problem was noted is its consequence
        raise
    unverified = _finish(reader, refuse)
    name = config.get("_name_or_path") or model_type
    quantization, unknown_size = quantization_of(config)
    length = architecture.context_length or _context_length(config)
    return architecture.replace(
        origin=_origin(reader, Options(family, strict, head)),
        name=str(name)[:200],
        stored_bytes=stored_bytes(architecture, quantization),
        source=unknown_size or architecture.source,
        context_length=length,
        training_precision="fp8" if _is_trained_in_fp8(config) else None,
        unverified=unverified,
    )


def _of_framework(config: Mapping[str, Any]) -> Architecture:
    """Return the architecture of the model that transformers builds from a config."""
    from costmodel.architecture.sources.counted import architecture_of_tensors
    from costmodel.architecture.sources.framework import tensors_of_config

    architecture = architecture_of_tensors(tensors_of_config(config), config, str(config.get("model_type")))
    quantization, unknown_size = quantization_of(config)
    plain = all(isinstance(value, (str, int, float, list)) for value in config.values())
    return architecture.replace(
        origin={"config": dict(config), "family": FRAMEWORK} if plain else None,
        stored_bytes=stored_bytes(architecture, quantization),
        source="; ".join(part for part in (architecture.source, unknown_size) if part),
    )


def _without_sizes(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config without the quantization of MLX, which changes stored sizes only."""
    return {key: value for key, value in config.items() if key != "quantization"}


def _finish(reader: Config, strict: bool) -> tuple[str, ...]:
    """Return the doubts of a config, or raise its problems, with what can be done about keys without a meaning."""
    try:
        return reader.finish(strict)
    except InputError as error:
        problems = list(error.problems)
        last = max((index for index, problem in enumerate(problems) if problem.endswith(UNKNOWN)), default=None)
        if last is not None:
            problems[last] += _STRICT
        raise InputError(problems) from None


def _is_trained_in_fp8(config: Mapping[str, Any]) -> bool:
    """Tell whether a config stores the 8-bit weights of a family that is trained with them."""
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    return method == "fp8" and config.get("model_type") in _TRAINED_IN_FP8


def config_of(source: ArchitectureLike) -> Mapping[str, Any]:
    """Return the config that an architecture is read from; empty if there is none."""
    given, _ = _without_options(source, Options())
    origin = given if isinstance(given, Mapping) else load_architecture(given).origin
    if isinstance(origin, Mapping):
        inside, _ = _without_options(origin, Options())
        origin = inside if isinstance(inside, (str, Mapping)) else None
    if origin is None or isinstance(origin, Mapping):
        return origin or {}
    named: Mapping[str, Any] | None = catalog().things[origin]["config"] if origin in catalog() else None
    if named is not None:
        return named
    path = Path(origin) / "config.json" if Path(origin).is_dir() else Path(origin)
    return read_config(path) if path.suffix == ".json" and path.is_file() else {}


def _context_length(config: Mapping[str, Any]) -> int | None:
    """Return the longest sequence that a config states [token]; None if it states none."""
    text = config.get("text_config")
    values = [part.get(key) for part in (config, text) if isinstance(part, Mapping) for key in _CONTEXT_KEYS]
    return next((value for value in values if isinstance(value, int) and 0 < value <= 10**9), None)


def _origin(reader: Config, options: Options) -> str | dict[str, Any] | None:
    """Return what the config says of the shape, where a file can hold it: a null is not an absent key there."""
    shape = reader.shape()
    if not all(isinstance(value, (str, int, float, list)) for value in shape.values()):
        return None
    return _with_options(shape, options)


def read_config(path: Path) -> dict[str, Any]:
    """Return the object in a file, or raise `InputError`."""
    if path.suffix.lower() in ENDINGS:
        return parsed(path)
    data = json_value(read_bytes(path, CONFIG_BYTES), str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no JSON object but a {type(data).__name__}")
    return data


def architectures() -> rendering.RowTable:
    """Return the catalog as rows: name, family, parameters (total, active), and source.

    Examples
    --------
    >>> rows = architectures()
    >>> next(row["parameters"] for row in rows if row["name"] == "llama-3.1-8b")
    8030261248
    """
    rows = []
    for name in catalog():
        architecture = _named(name, Options())
        rows.append(
            {
                "name": name,
                "family": catalog().things[name]["config"]["model_type"],
                "parameters": architecture.parameters.total,
                "active": architecture.parameters.active,
                "source": architecture.source,
            }
        )
    return rendering.RowTable(rows, "models of the catalog", "name")


@lru_cache(maxsize=1)
def catalog() -> Names[dict[str, Any]]:
    """Return the named architectures of `data/facts/architectures.json`."""
    data = json.loads((folder() / "facts" / "architectures.json").read_bytes())
    return Names("architecture", data, {name: entry["aliases"] for name, entry in data.items()})


def _unknown_name(text: str) -> UnknownNameError:
    """Return the error for a name that is neither in the catalog nor a file."""
    own = text.rpartition("/")[2]
    if _UNPUBLISHED.match(own):
        return UnknownNameError(
            f"architecture {text!r} is not published; give counts that you assume, such as "
            'architecture = { total = "1.8T", active = "280B" }'
        )
    hint = f"No file of that name was found either; 'costmodel models' lists the {len(catalog())} known."
    if not own or own == text or Path(text).suffix in _FILES:
        return UnknownNameError.of("architecture", text, catalog(), hint)
    close = nearest(re.sub(_STORED, "", own), catalog())
    listed = f"; did you mean {' or '.join(map(repr, close))}?" if close else ";"
    return UnknownNameError(f"unknown architecture {text!r}{listed} {hint}")


@lru_cache(maxsize=256)
def _named(proper: str, options: Options) -> Architecture:
    entry = catalog().things[proper]
    read = from_config(entry["config"], options.family, strict=options.strict, head=options.head)
    precision = entry.get("training_precision", read.training_precision)
    origin = _with_options(proper, options)
    return read.replace(name=proper, origin=origin, source=entry["source"], training_precision=precision)


def released_checkpoint(architecture: Architecture) -> Mapping[str, Any]:
    """Return what the catalog says of the storage of the released weights; empty if they have 16 bits, or are unknown.

    Parameters
    ----------
    architecture : Architecture
        Architecture; a changed copy of a model of the catalog has no released weights.
    """
    origin = architecture.origin
    name = _without_options(origin, Options())[0] if isinstance(origin, Mapping) else origin
    entry: Mapping[str, Any] = catalog().things[name] if isinstance(name, str) and name in catalog() else {}
    checkpoint: Mapping[str, Any] = entry.get("checkpoint", {})
    return checkpoint


def _from_counts(config: Mapping[str, Any]) -> Architecture:
    allowed = ("total", "active", "layers", "width", "attention_width", "vocabulary", "tied", "name")
    if wrong := [unknown("field", key, allowed) for key in config if key not in allowed]:
        raise InputError(wrong)
    return Architecture.from_counts(**config)


def _file_name(path: Path) -> str:
    return path.parent.name if path.name in _CONFIGS and path.parent.name else path.stem


def _inside(path: Path) -> Path:
    """Return the file of a folder that describes its model; a file is returned unchanged."""
    if not path.is_dir():
        return path
    return next((path / name for name in _CONFIGS if (path / name).is_file()), path / _CONFIGS[0])
