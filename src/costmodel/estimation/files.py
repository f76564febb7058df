"""Scenario files: TOML or JSON, with `extends`, and changes by dotted path."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.estimation.paths import with_changes
from costmodel.foundation.errors import InputError
from costmodel.foundation.file_version import FILE_VERSION, without_version
from costmodel.foundation.limits import BASE_FILES, SCENARIO_BYTES, shown
from costmodel.foundation.plain_files import json_value, toml_table
from costmodel.foundation.user_files import checked_path, read_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

_PATHS = (("architecture",), ("architecture", "config"), ("prices", "table"))


BASE_FOLDER = "COSTMODEL_BASE_FOLDER"
"""Environment variable with the folder in which files that others extend may lie."""


def read(path: Any, changes: Mapping[str, Any] | None = None, base_folder: Any = None) -> dict[str, Any]:
    """Return the data of a scenario file, merged with the files that it extends, and with changes by dotted path.

    Parameters
    ----------
    path : str or Path
        TOML or JSON file.
    changes : Mapping, optional
        Values by dotted path.
    base_folder : str or Path, optional
        Folder in which the files that it extends must lie; default: that of the environment variable
        COSTMODEL_BASE_FOLDER, else the folder of the file.
    """
    path = checked_path(path)
    if changes is not None and not isinstance(changes, Mapping):
        raise InputError(f"changes must be a mapping of values by path; got {shown(changes)}")
    named = os.environ.get(BASE_FOLDER) if base_folder is None else base_folder
    folder = path.parent if not named else checked_path(named, "base_folder").expanduser()
    return dict(with_changes(_with_base(path, (), folder), changes or {}))


def write(path: Any, data: dict[str, Any]) -> None:
    """Write data and their version to a TOML or JSON file, by its suffix.

    File paths in the data become relative to that file.
    """
    path = checked_path(path)
    data = {"file_version": FILE_VERSION, **data}
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


def _with_base(path: Path, seen: tuple[Path, ...], folder: Path) -> dict[str, Any]:
    data = _parsed(path)
    resolved = path.resolve()
    if resolved in seen or len(seen) >= BASE_FILES:
        raise InputError(f"{path}: extends itself, or extends more than {BASE_FILES} files in a row")
    for place in _PATHS:
        _rewrite(data, place, lambda value: str(path.parent / value) if (path.parent / value).exists() else value)
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str) or "\0" in base:
        raise InputError(f"{path}: extends must be the path of a file; got {shown(base)}")
    other = path.parent / base
    if not other.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path}: extends {shown(base)}, which is outside the folder {folder}; name a folder that holds both by "
            f"base_folder, or the environment variable {BASE_FOLDER}"
        )
    return dict(_merged(_with_base(other, (*seen, resolved), folder), data))


def _parsed(path: Path) -> dict[str, Any]:
    if path.suffix.lower() in {".yaml", ".yml", ".sh", ".args"}:
        raise InputError(
            f"{path}: a scenario file ends in .toml or .json; the file of a trainer is read by 'costmodel estimate' "
            "(--save run.toml writes its scenario) and by read_trainer_file"
        )
    content = read_bytes(path, SCENARIO_BYTES)
    data = (json_value if path.suffix.lower() == ".json" else toml_table)(content, str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a table of fields; got a {type(data).__name__}")
    return without_version(data, str(path))


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
