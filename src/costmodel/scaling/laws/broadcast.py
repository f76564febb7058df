"""Domains of numbers, and elementwise functions that keep floats as floats and arrays as arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmodel.foundation.arrays import BoolLike, FloatLike, N


class Domain(NamedTuple):
    """Accepted values: from `low` (excluded if `open_low`) up to, but not including, `high`."""

    low: float
    high: float
    open_low: bool
    description: str

    def contains(self, value: FloatLike) -> BoolLike:
        """Return whether each element of `value` lies in the domain; NaN does not."""
        above = value > self.low if self.open_low else value >= self.low
        return above & (value < self.high)


POSITIVE = Domain(0.0, math.inf, True, "positive and finite")
NOT_NEGATIVE = Domain(0.0, math.inf, False, "zero or positive, and finite")
FINITE = Domain(-math.inf, math.inf, True, "finite")
AT_LEAST_ONE = Domain(1.0, math.inf, False, "at least 1 and finite")
FRACTION = Domain(0.0, 1.0, False, "at least 0 and below 1")


def checked(name: str, value: Any, domain: Domain, problems: list[str]) -> Any:
    """Return a value as a float or an array of floats; add to `problems` if it is not in its domain.

    Parameters
    ----------
    name : str
        Name of the input, for the message.
    value : float or array
        Any number, or anything that numpy turns into an array of numbers.
    domain : Domain
        Accepted values.
    problems : list of str
        Messages found so far; one is appended for a wrong value.

    Examples
    --------
    >>> problems = []
    >>> checked("tokens", 3, POSITIVE, problems), checked("loss", -1, POSITIVE, problems)
    (3.0, -1.0)
    >>> problems
    ['`loss` must be positive and finite; got -1.']
    """
    try:
        number = _number(value)
    except (TypeError, ValueError, OverflowError):
        problems.append(f"`{name}` must be a number or an array of numbers; got {value!r}.")
        return value
    if isinstance(number, float):
        if not domain.contains(number):
            problems.append(f"`{name}` must be {domain.description}; got {value!r}.")
    elif len(wrong := number[~domain.contains(number)]):
        first = wrong.ravel()[0].item()
        problems.append(f"`{name}` must be {domain.description}; got {first!r} in one of its {number.size} elements.")
    return number


def raise_if_any(problems: list[str]) -> None:
    """Raise `InputError` with all problems, if there are any.

    Parameters
    ----------
    problems : list of str
        Messages.
    """
    if problems:
        raise InputError(problems)


def elementwise(function: Callable[..., tuple[float, ...]], outputs: int, *values: Any) -> tuple[Any, ...]:
    """Return the results of a function of floats for each element of the broadcast values.

    Parameters
    ----------
    function : callable
        Takes as many floats as there are values and returns `outputs` floats.
    outputs : int
        Number of floats that `function` returns.
    values : float or array
        Arguments of `function`.
    """
    if all(isinstance(value, float) for value in values):
        return function(*values)
    import numpy as np

    arrays = np.broadcast_arrays(*values)
    rows = [function(*point) for point in zip(*(array.ravel().tolist() for array in arrays), strict=True)]
    columns = np.array(rows, dtype=float).reshape(-1, outputs).T
    return tuple(column.reshape(arrays[0].shape) for column in columns)


def power(base: N, exponent: float) -> N:
    """Return a base to the power of a number, elementwise for arrays.

    Parameters
    ----------
    base : float or array
        Positive numbers.
    exponent : float
        Exponent [1].
    """
    raised: N = base**exponent
    return raised


def ten_to(exponent: N) -> N:
    """Return ten to the power of an exponent, elementwise for arrays; the inverse of `log10`."""
    raised: N = 10**exponent
    return raised


def apply(name: str, value: N) -> N:
    """Return the function `name` of `math` for a float, or of numpy for an array.

    Parameters
    ----------
    name : str
        "exp", "log10", "tanh", ...
    value : float or array
        Argument of the function.
    """
    if isinstance(value, float):
        function: Callable[[N], N] = getattr(math, name)
    else:
        import numpy as np

        function = getattr(np, name)
    return function(value)


def _number(value: Any) -> Any:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str | bytes) or value is None:
        raise TypeError
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError
    return float(array) if array.ndim == 0 else array.astype(float)
