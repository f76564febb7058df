"""Scenario files: TOML or JSON, with `extends`, and changes by dotted path."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.estimation.paths import with_changes
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import read_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_BYTES = 5_000_000
MAX_DEPTH = 10
_PATHS = (("architecture",), ("architecture", "config"), ("prices", "table"))


def read(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a scenario file, merged with the files that it extends, and with changes by dotted path."""
    return dict(with_changes(_with_base(path, ()), changes))


def write(path: Path, data: dict[str, Any]) -> None:
    """Write data to a TOML or JSON file, by its suffix; file paths in the data become relative to that file."""
    for place in _PATHS:
        _rewrite(data, place, lambda value: relative(value, path.parent))
    if path.suffix == ".json":
        write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")
    elif path.suffix == ".toml":
        import tomli_w

        write_text(path, tomli_w.dumps(data))
    else:
        raise InputError(f"{path}: a scenario file must end in .toml or .json")


def relative(value: str, folder: Path) -> str:
    """Return the path of a file that exists as seen from a folder, with "/" on every system; another text as it is.

    Parameters
    ----------
    value : str
    folder : pathlib.Path
    """
    if not Path(value).exists():
        return value
    try:
        return Path(os.path.relpath(value, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return Path(value).resolve().as_posix()


def parse_change(text: str) -> tuple[str, Any]:
    """Return the path and the value of a change such as "cluster.count=2048" on the command line."""
    place, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in place.split(".")):
        raise InputError(f"a change must be path=value, such as cluster.count=2048; got {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return place.strip(), parsed


def _with_base(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    data = _parsed(path)
    resolved = path.resolve()
    if resolved in seen or len(seen) >= MAX_DEPTH:
        raise InputError(f"{path}: extends itself, or extends more than {MAX_DEPTH} files in a row")
    for place in _PATHS:
        _rewrite(data, place, lambda value: str(path.parent / value) if (path.parent / value).exists() else value)
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise InputError(f"{path}: extends must be the path of a file; got {base!r}")
    return dict(_merged(_with_base(path.parent / base, (*seen, resolved)), data))


def _parsed(path: Path) -> dict[str, Any]:
    if path.suffix.lower() in {".yaml", ".yml", ".sh", ".args"}:
        raise InputError(
            f"{path}: a scenario file ends in .toml or .json; the file of a trainer is read by 'costmodel estimate' "
            "(--save run.toml writes its scenario) and by read_trainer_file"
        )
    content = read_bytes(path, MAX_BYTES)
    try:
        data = json.loads(content) if path.suffix == ".json" else tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{path} is not a {'JSON' if path.suffix == '.json' else 'TOML'} file: {reason}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a table of fields; got a {type(data).__name__}")
    return data


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}


def _rewrite(data: dict[str, Any], place: tuple[str, ...], new: Callable[[str], str]) -> None:
    """Replace the file path at a place of the data, if there is one."""
    for part in place[:-1]:
        inner = data.get(part)
        if not isinstance(inner, dict):
            return
        data = inner
    value = data.get(place[-1])
    if isinstance(value, str) and ("/" in value or value.endswith((".json", ".csv"))):
        data[place[-1]] = new(value)
