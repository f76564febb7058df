"""Sources of architectures beside configs of Hugging Face: other files, objects with `to_dict`, texts and sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from costmodel.architecture.sources.params_json import meta_config, mistral_config
from costmodel.architecture.specification import Architecture
from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import CONFIG_BYTES, shown
from costmodel.foundation.plain_files import SCRIPTS, SUFFIXES, arguments, json_value

Data = Mapping[str, object]
_SIZE = re.compile(r"\d+(?:\.\d+)?(?:e\+?\d+| ?[kKmMbBtT])|\d{7,}")
_MOST_PARAMETERS = 10**18
ENDINGS = frozenset({*SUFFIXES, *SCRIPTS} - {".json"})
"""Endings of files, beside .json, that may describe an architecture."""
_PARTS = ("model", "model_args", "MODEL_ARGS")
"""Parts of a file that may hold the arguments of the model."""


class Form(NamedTuple):
    """A form of files that describe an architecture."""

    name: str
    """Name for the source of the architecture."""
    is_of_form: Callable[[Data], bool]
    """Whether data are of this form."""
    read: Callable[[Data], Architecture | dict[str, object]]
    """The architecture, or the config of Hugging Face that describes the same model."""


def _has(data: Data, *names: str) -> bool:
    return all(name in data for name in names)


def _plain(data: Data) -> dict[str, object]:
    """Return data with the names of arguments as Python writes them."""
    return {str(key).lstrip("-").replace("-", "_"): value for key, value in data.items()}


def _nanogpt_architecture(data: Data) -> Architecture:
    from costmodel.architecture.sources.nanogpt import nanogpt_architecture

    return nanogpt_architecture(data)


def _megatron_architecture(data: Data) -> Architecture:
    from costmodel.architecture.sources.megatron import megatron_architecture

    return megatron_architecture(data)


FORMS = (
    Form("params.json of Meta", lambda data: _has(data, "dim", "n_layers") and "hidden_dim" not in data, meta_config),
    Form("params.json of Mistral", lambda data: _has(data, "dim", "n_layers", "hidden_dim"), mistral_config),
    Form(
        "configuration of nanoGPT",
        lambda data: _has(data, "n_layer", "n_head", "n_embd") and "model_type" not in data,
        _nanogpt_architecture,
    ),
    Form(
        "arguments of Megatron-LM",
        lambda data: _has(_plain(data), "num_layers", "hidden_size", "num_attention_heads"),
        _megatron_architecture,
    ),
)
"""Forms of files, the most specific first. A config of Hugging Face, with `model_type`, is of none of them."""
_OTHERS: tuple[tuple[str, Callable[[Data], bool], str], ...] = (
    (
        "the configuration of an adapter",
        lambda data: "peft_type" in data,
        "costmodel estimate FILE, or cm.read_trainer_file",
    ),
    ("a scenario", lambda data: _has(data, "architecture", "recipe"), "costmodel estimate FILE, or cm.Scenario.load"),
    (
        "a DeepSpeed configuration",
        lambda data: "zero_optimization" in data,
        "costmodel estimate TRAINER_FILE --deepspeed FILE",
    ),
    ("the state of a run", lambda data: "log_history" in data, "costmodel forecast SCENARIO --log FILE"),
    ("the configuration of a tokenizer", lambda data: "tokenizer_class" in data, "nothing here; give config.json"),
    (
        "the file of a trainer",
        lambda data: any(name in data for name in ("base_model", "model_name_or_path", "per_device_train_batch_size")),
        "costmodel estimate FILE, or cm.read_trainer_file",
    ),
)
"""Files that describe no architecture, with the command that takes each."""


def usual(source: object) -> object:
    """Return a source in a form that is read: the config of an object, of a JSON text, or the model of a size.

    Parameters
    ----------
    source : object
        Any source. An object with `to_dict` gives its config, a JSON text its object, arguments of Megatron-LM their
        architecture, and a size such as "7B" or 7e9 a typical decoder. Other sources are returned unchanged.

    Raises
    ------
    InputError
        If a text that begins with a bracket is no JSON object.
    """
    if isinstance(source, (int, float)) and not isinstance(source, bool):
        if abs(source) > _MOST_PARAMETERS:
            raise InputError(f"a size is at most {_MOST_PARAMETERS:.0e} parameters; got a larger number")
        return _sized(f"{source:.0f}")
    if isinstance(source, (list, tuple)) and source and all(isinstance(word, (str, int, float)) for word in source):
        return _megatron_architecture(arguments(" ".join(str(word) for word in source)))
    if not isinstance(source, str):
        to_dict = getattr(source, "to_dict", None)
        described = to_dict() if callable(to_dict) and not isinstance(source, (type, Mapping, Architecture)) else None
        return described if isinstance(described, dict) else source
    text = source.strip()
    if text.startswith("{"):
        return _object(text)
    if text.startswith("--"):
        return _megatron_architecture(arguments(text))
    if _SIZE.fullmatch(text):
        return _sized(text)
    return source


def read_form(data: Data) -> Architecture | dict[str, object] | None:
    """Return the architecture of a file that is no config of Hugging Face, or an equal config; None for others.

    Parameters
    ----------
    data : Mapping
        Contents of a file.

    Raises
    ------
    InputError
        If the file describes no architecture, with the command that takes it; or with all its problems.
    """
    if "model_type" in data and ("architectures" in data or not _has(data, "dim", "n_layers")):
        return None
    for form in FORMS:
        if form.is_of_form(data):
            return form.read(data)
    for part in _PARTS:
        inside = data.get(part)
        if isinstance(inside, Mapping) and any(form.is_of_form(inside) for form in FORMS):
            return read_form(inside)
    for what, fits, command in _OTHERS:
        if fits(data):
            raise InputError(f"this is {what}, not of a model; it is for: {command}")
    return None


def _object(text: str) -> dict[str, object]:
    if len(text) > CONFIG_BYTES:
        raise InputError(f"the text of the architecture has more than {CONFIG_BYTES:,} characters")
    data = json_value(text.encode("utf-8", "replace"), "the text of the architecture")
    if not isinstance(data, dict):
        raise InputError(f"the text of the architecture must be a JSON object; got a {type(data).__name__}")
    return data


def _sized(size: str) -> Architecture:
    """Return a typical decoder of a size; its source states the rule."""
    try:
        architecture = Architecture.sized(size)
    except InputError as error:
        problem = next(iter(error.problems), "").removeprefix("total: ")
        raise InputError(
            f"architecture {shown(size)}: {problem:.200}; for counts alone give {{'total': {shown(size)}}}"
        ) from None
    return architecture.replace(origin=size)
