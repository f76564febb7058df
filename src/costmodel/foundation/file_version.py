"""The version of the fields of scenario and project files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown

FILE_VERSION = 1
"""Version of the fields of files, which rises when a field gets another meaning."""


def without_version(data: Mapping[Any, Any], name: str = "") -> dict[Any, Any]:
    """Return the data of a file without its version.

    Parameters
    ----------
    data : Mapping
        Values by field, with `file_version` or without, which is version 1.
    name : str
        Name of the file, for the error.

    Raises
    ------
    InputError
        If the version is none, or newer than this library.
    """
    fields, begin = dict(data), f"{name}: " if name else ""
    version = fields.pop("file_version", FILE_VERSION)
    if type(version) is not int or version < 1:
        raise InputError(f"{begin}file_version must be a whole number from 1 to {FILE_VERSION}; got {shown(version)}")
    if version > FILE_VERSION:
        raise InputError(
            f"{begin}file_version is {shown(version)}, but this version of costmodel reads versions up to "
            f"{FILE_VERSION}; a newer costmodel reads this file"
        )
    return fields
