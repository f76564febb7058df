"""Files as plain data: YAML, JSON, TOML, or command-line arguments in a script, with limits of size."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import (
    ALIASES,
    DEPTH,
    JSON_VALUES,
    SETTINGS_BYTES,
    TOML_KEYS,
    TOML_VALUES,
    VALUES,
    YAML_BYTES,
    cut,
)
from costmodel.foundation.user_files import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {".yaml": "YAML", ".yml": "YAML", ".json": "JSON", ".toml": "TOML"}
SCRIPTS = (".sh", ".txt", ".args", ".slurm", ".sbatch")
"""Endings of files with command-line arguments."""
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+|local\s+)?(\w+)=([^\s()]+)\s*;?\s*$", re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}\s]*))?\}?")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_STRINGS = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|\'[^\'\n]*\'|#[^\n]*')
"""Strings and comments of a TOML text."""
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
    content = read_bytes(path, YAML_BYTES if kind == "YAML" else SETTINGS_BYTES)
    try:
        data: object
        if kind == "JSON":
            data = json_value(content, str(path))
        elif kind == "TOML":
            data = toml_table(content, str(path))
        else:
            text = content.decode("utf-8-sig")
            data = _yaml(text, path) if kind == "YAML" else arguments(text)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is not a {kind or 'text'} file: {cut(error)}") from None
    if not isinstance(data, Mapping) or not data:
        raise InputError(f"{path} must hold a table of keys; got {'nothing' if not data else type(data).__name__}")
    _check_size(data, path)
    return {str(key): value for key, value in data.items()}


def json_value(content: bytes, name: str, values: int = JSON_VALUES) -> object:
    """Return the value of a JSON text, within limits of size.

    Parameters
    ----------
    content : bytes
        Text in UTF-8, with or without a mark.
    name : str
        File, for messages.
    values : int
        Most keys and values [1].

    Raises
    ------
    InputError
        If it is no JSON, has too many values, or a key twice.
    """
    if sum(content.count(sign) for sign in (b",", b"[", b"{")) > values:
        raise InputError(f"{name} has more than {values:,} values, the limit for files")
    try:
        value: object = json.loads(content.decode("utf-8-sig"), object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else cut(error)
        raise InputError(f"{name} is not a JSON file: {reason}") from None
    return value


def without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object of some pairs of a JSON text, or raise `ValueError` if it has a key twice.

    Parameters
    ----------
    pairs : list of tuple
        Keys and values.
    """
    entries = dict(pairs)
    if len(entries) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"it has the key {cut(twice, 60)!r} twice")
    return entries


def toml_table(content: bytes, name: str) -> dict[str, object]:
    """Return the table of a TOML text, within limits of size.

    Parameters
    ----------
    content : bytes
        Text in UTF-8, with or without a mark.
    name : str
        File, for messages.

    Raises
    ------
    InputError
        If it is no TOML, has too many keys or values, or is nested too deeply.
    """
    try:
        text = content.decode("utf-8-sig")
        plain = _STRINGS.sub("", text)
        for count, most, what in (
            (plain.count("=") + plain.count("\n["), TOML_KEYS, "keys"),
            (plain.count(","), TOML_VALUES, "values in lists"),
        ):
            if count > most:
                raise InputError(f"{name} has more than {most:,} {what}, the limit for TOML files")
        if max(part.count(".") for part in re.split(r"[,=\[\]{}\n]", plain)) > DEPTH:
            raise InputError(f"{name} is nested too deeply; at most {DEPTH} levels are read")
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else cut(error)
        raise InputError(f"{name} is not a TOML file: {reason}") from None


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
    for line in text[:SETTINGS_BYTES].splitlines():
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
            if aliases > ALIASES:
                raise InputError(f"{path} has more than {ALIASES} aliases, the limit for YAML files")
            if depth > DEPTH:
                raise InputError(f"{path} is nested too deeply; at most {DEPTH} levels are read")
        loaded: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not a YAML file: {cut(error)}") from None
    return loaded


def _check_size(data: object, path: Path) -> None:
    """Raise `InputError` if the data have too many values or are nested too deeply."""
    pending: list[tuple[object, int]] = [(data, 0)]
    nodes = 0
    while pending:
        value, depth = pending.pop()
        nodes += 1
        if nodes > VALUES:
            raise InputError(f"{path} has more than {VALUES:,} values, the limit for files")
        if depth > DEPTH:
            raise InputError(f"{path} is nested too deeply; at most {DEPTH} levels are read")
        if isinstance(value, Mapping):
            pending += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            pending += [(inner, depth + 1) for inner in value]
