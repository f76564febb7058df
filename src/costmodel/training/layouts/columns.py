"""Inputs of several steps as one set of arrays, and some rows of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def alike(value: Any) -> object:
    """Return what several inputs must share to be one set of arrays: their structure, and all that is no number.

    Parameters
    ----------
    value : object
        A number, a text or a named tuple of them.
    """
    if isinstance(value, tuple):
        return (type(value), *map(alike, value))
    return None if isinstance(value, (int, float)) else value


def columns_of(values: Sequence[Any]) -> Any:
    """Return several inputs as one: a number that differs is an array of shape (values, 1, 1, 1).

    Parameters
    ----------
    values : sequence
        Numbers, texts or named tuples of them, all of one type.
    """
    import numpy as np

    first = values[0]
    if all(value == first for value in values):
        return first
    if isinstance(first, tuple):
        return type(first)(*(columns_of(column) for column in zip(*values, strict=True)))
    return np.array(values, dtype=float).reshape(-1, 1, 1, 1)


def taken(values: Any, rows: NDArray[np.int_], count: int) -> Any:
    """Return some of the `count` rows of all arrays of a named tuple.

    Parameters
    ----------
    values : object
        An array, a named tuple, or anything else, which is returned as it is.
    rows : ndarray of int
        Places of the rows.
    count : int
        Rows of an array that is taken from [1].
    """
    import numpy as np

    if isinstance(values, tuple):
        return type(values)(*(taken(value, rows, count) for value in values))
    return values[rows] if isinstance(values, np.ndarray) and len(values) == count else values
