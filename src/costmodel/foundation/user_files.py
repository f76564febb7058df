"""Files that users name: reading of regular files with a limit of bytes, and atomic writing.

A file is written beside its place and then replaces the old one, so that a full disk or an interruption leaves the old
file as it was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import cut, shown

if TYPE_CHECKING:
    from typing import BinaryIO

PathLike = str | os.PathLike[str]


def checked_path(value: object, name: str = "path") -> Path:
    """Return a path, or raise `InputError` if the value is none.

    Parameters
    ----------
    value : object
        Value given.
    name : str
        Argument, for the message.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise InputError(f"{name} must be the path of a file; got {shown(value)}")
    if not os.fspath(value):
        raise InputError(f"{name} must be the path of a file; got an empty text")
    return Path(value)


def open_regular(path: Path) -> tuple[BinaryIO, int]:
    """Return a regular file, opened, and its size [byte]; the caller closes it.

    Parameters
    ----------
    path : Path
        File.

    Raises
    ------
    InputError
        If it cannot be read, or is a folder, a pipe or a device, which may have no end.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{_named(path)} cannot be read: it is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{_named(path)} cannot be read: it is no regular file (a pipe or a device)")
        return path.open("rb"), status.st_size
    except (OSError, ValueError) as error:  # a ValueError is a null byte in the path
        raise _problem(path, "read", error) from None


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file, or raise `InputError` if it cannot be read or is too large.

    Parameters
    ----------
    path : Path
        File.
    limit : int
        Largest size [byte].
    """
    file, size = open_regular(path)
    with file:
        try:
            content = file.read(limit + 1) if size <= limit else b""
        except (OSError, ValueError) as error:
            raise _problem(path, "read", error) from None
    if max(size, len(content)) > limit:
        raise InputError(f"{_named(path)} is larger than {limit / 1e6:g} MB, the limit for files")
    return content


def write_text(path: PathLike, text: str) -> None:
    """Write a text file in UTF-8; see `write_bytes`.

    Parameters
    ----------
    path : str or path
        File.
    text : str
        Content.
    """
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions of the file that it replaces.

    Parameters
    ----------
    path : str or path
        File; a link is followed, and a device or pipe is written to.
    content : bytes
        Content.

    Raises
    ------
    InputError
        If the file cannot be written; the old file is unchanged.
    """
    path = checked_path(path)
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            target.write_bytes(content)
        elif mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        else:
            _replace(target, content, mode)
    except (OSError, ValueError) as error:
        raise _problem(path, "written", error) from None


def _replace(target: Path, content: bytes, mode: int | None) -> None:
    """Write a file beside the target, then put it in its place."""
    beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(stat.S_IMODE(mode))
        beside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _named(path: Path) -> str:
    return cut(path, 300)


def _problem(path: Path, verb: str, error: OSError | ValueError) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(f"{_named(path)} cannot be {verb}: {cut(getattr(error, 'strerror', None) or error)}")
