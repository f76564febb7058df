"""Files as plain data: YAML, JSON, TOML, or command-line arguments in a script, with limits of size."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 300_000
MAX_YAML_BYTES = 100_000
MAX_ALIASES = 20
"""Most aliases (`*name`) of a YAML file [1]; a file of few lines with many can stand for terabytes."""
MAX_NODES = 50_000
"""Most values of a file, aliases written out [1]."""
MAX_DEPTH = 50
SUFFIXES = {".yaml": "YAML", ".yml": "YAML", ".json": "JSON", ".toml": "TOML"}
SCRIPTS = (".sh", ".txt", ".args", ".slurm", ".sbatch")
"""Endings of files with command-line arguments."""
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+|local\s+)?(\w+)=([^\s()]+)\s*;?\s*$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}\s]*))?\}?")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_FLAG = re.compile(r"--[A-Za-z][\w.-]*")


def parsed(path: Path) -> dict[str, object]:
    """Return the plain data of a file, by its ending.

    Parameters
    ----------
    path : Path
        A YAML, JSON or TOML file, or a script with arguments such as `--num-layers 32`.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, or holds no table of keys.
    """
    kind = SUFFIXES.get(path.suffix.lower(), "")
    content = read_bytes(path, MAX_YAML_BYTES if kind == "YAML" else MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
        if kind == "YAML":
            data = _yaml(text, path)
        elif kind == "JSON":
            data = json.loads(text)
        elif kind == "TOML":
            data = tomllib.loads(text)
        else:
            data = arguments(text)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is not a {kind or 'text'} file: {_short(error)}") from None
    if not isinstance(data, Mapping) or not data:
        raise InputError(f"{path} must hold a table of keys; got {'nothing' if not data else type(data).__name__}")
    _check_size(data, path)
    return {str(key): value for key, value in data.items()}


def arguments(text: str) -> dict[str, object]:
    """Return the command-line arguments in a text, with variables that the text itself sets.

    Parameters
    ----------
    text : str
        A shell script, or arguments alone: `--num-layers 32 --swiglu`. A flag without a value is True.

    Examples
    --------
    >>> arguments("--num-layers 32 --swiglu --lr=1e-4")
    {'num_layers': '32', 'swiglu': True, 'lr': '1e-4'}
    """
    text = _COMMENT.sub("", text.replace("\\\n", " "))
    variables = _variables(text)
    for _ in range(3):
        text = _VARIABLE.sub(lambda match: str(variables.get(match[1], match[2] or match[0])), text)
    found: dict[str, object] = {}
    for line in text[:MAX_BYTES].splitlines():
        name = ""
        for word in _words(line):
            flag, equals, value = word.partition("=")
            if _FLAG.fullmatch(flag):
                name = flag.lstrip("-").replace("-", "_")
                found[name] = value if equals else True
            elif word.endswith(".py"):  # the program, after the arguments of its launcher
                name = ""
            elif name:
                held = found[name]
                found[name] = word if held is True else f"{held} {word}"
    return found


def _variables(text: str) -> dict[str, str]:
    """Return the variables that a script sets; one with a default in terms of itself has the default."""
    variables: dict[str, str] = {}
    for name, stated in _ASSIGNMENT.findall(text):
        value = str(stated).strip("\"'")
        itself = _VARIABLE.fullmatch(value)
        if itself is not None and itself[1] == name:
            value = str(variables.get(str(name), itself[2] or value))
        variables[str(name)] = value
    return variables


def _words(line: str) -> list[str]:
    """Return the words of a line of a script, without quotes and brackets."""
    plain = re.sub(r"[()\[\]@;]|\"|'", " ", line)
    return [word for word in plain.split() if word not in {"\\", "&&", "|", "{", "}"}]


def _yaml(text: str, path: Path) -> object:
    try:
        import yaml
    except ImportError:
        raise InputError(
            f"{path} is a YAML file, which needs pyyaml: pip install 'costmodel[yaml]', or convert the file to JSON"
        ) from None
    try:
        aliases = depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            aliases += isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if aliases > MAX_ALIASES:
                raise InputError(f"{path} has more than {MAX_ALIASES} aliases, the limit for YAML files")
            if depth > MAX_DEPTH:
                raise InputError(f"{path} is nested too deeply; at most {MAX_DEPTH} levels are read")
        loaded: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not a YAML file: {_short(error)}") from None
    return loaded


def _short(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def _check_size(data: object, path: Path) -> None:
    """Raise `InputError` if the data have too many values or are nested too deeply."""
    pending: list[tuple[object, int]] = [(data, 0)]
    nodes = 0
    while pending:
        value, depth = pending.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise InputError(f"{path} has more than {MAX_NODES:,} values, the limit for files")
        if depth > MAX_DEPTH:
            raise InputError(f"{path} is nested too deeply; at most {MAX_DEPTH} levels are read")
        if isinstance(value, Mapping):
            pending += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            pending += [(inner, depth + 1) for inner in value]
