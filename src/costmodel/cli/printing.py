"""The printing of JSON schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA_WIDTH = 149
"""Width of a printed JSON schema without the comma at the end of a line [character]."""


def print_schema(value: Mapping[str, Any]) -> None:
    """Print a JSON schema: each part that fits on a line of 150 characters on one line."""
    print(_laid_out(value, 0, 0))


def _laid_out(value: Any, indent: int, column: int) -> str:
    line = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or column + len(line) <= _SCHEMA_WIDTH:
        return line
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    parts = value.values() if isinstance(value, dict) else value
    start, end = "{}" if isinstance(value, dict) else "[]"
    space = " " * (indent + 2)
    lines = [
        f"{space}{name}{_laid_out(part, indent + 2, indent + 2 + len(name))}"
        for name, part in zip(names, parts, strict=True)
    ]
    return "\n".join([start, ",\n".join(lines), " " * indent + end])
