"""Equality of results by what they contain: arrays element by element, rows, specs, and functions with their arguments.

Dataclasses and plain objects are compared field by field, because `==` of arrays is an array. What an object computes
from its other fields at the first use (`functools.cached_property`) plays no part.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cached_property, partial
from types import MethodType
from typing import Any


class Comparable:
    """Base of objects that are equal if their type and their contents are."""

    def _contents(self) -> Any:
        """Return what the object is equal by; default: all its fields."""
        return fields(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or equal(self._contents(), other._contents())

    def __hash__(self) -> int:
        return hash(type(self).__qualname__)


def fields(value: object) -> dict[str, Any]:
    """Return the fields of an object by name, without cached properties.

    Parameters
    ----------
    value : object
        A dataclass, or an object with a `__dict__`.
    """
    kind = type(value)
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return {name: each for name, each in vars(value).items() if not _is_cached(kind, name)}


def _is_cached(kind: type, name: str) -> bool:
    return any(isinstance(vars(base).get(name), cached_property) for base in kind.__mro__)


def equal(first: Any, second: Any) -> bool:
    """Return whether two values have equal contents; NaN equals NaN.

    Parameters
    ----------
    first, second : object
        Values to compare.

    Examples
    --------
    >>> import numpy as np
    >>> equal({"a": np.arange(3)}, {"a": np.arange(3)}), equal([np.arange(3)], [np.arange(4)])
    (True, False)
    """
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    if hasattr(first, "dtype"):
        return _equal_arrays(first, second)
    if isinstance(first, float):
        return first == second or (math.isnan(first) and math.isnan(second))
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(equal(first[name], second[name]) for name in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, partial):
        return equal((first.func, first.args, first.keywords), (second.func, second.args, second.keywords))
    if isinstance(first, MethodType):
        return first.__func__ is second.__func__ and equal(first.__self__, second.__self__)
    kind: Any = type(first)
    if is_dataclass(first) or (kind.__eq__ is object.__eq__ and hasattr(first, "__dict__")):
        return equal(fields(first), fields(second))
    return bool(first == second)


def _equal_arrays(first: Any, second: Any) -> bool:
    import numpy as np

    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind in "fc"))
