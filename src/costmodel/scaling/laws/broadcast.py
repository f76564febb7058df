"""Floats in, floats out; arrays in, arrays out: what the laws need to be right for both and to refuse the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


class Domain(NamedTuple):
    """The values that an input may take: from `low` (itself excluded if `open_low`) to below `high`."""

    low: float
    high: float
    open_low: bool
    words: str

    def holds(self, value: Any) -> Any:
        """Return whether `value` lies in the domain, for each element; NaN never does."""
        above = value > self.low if self.open_low else value >= self.low
        return above & (value < self.high)


POSITIVE = Domain(0.0, math.inf, True, "must be above 0 and finite")
NOT_NEGATIVE = Domain(0.0, math.inf, False, "must be at least 0 and finite")
FINITE = Domain(-math.inf, math.inf, True, "must be finite")
AT_LEAST_ONE = Domain(1.0, math.inf, False, "must be at least 1 and finite")
SHARE = Domain(0.0, 1.0, False, "must be at least 0 and below 1")


def checked(*given: tuple[str, Any, Domain]) -> tuple[Any, ...]:
    """Return the values as floats or arrays of floats.

    Parameters
    ----------
    given : name, value and domain of each input

    Raises
    ------
    InputError
        With one problem for each value that is no number or lies outside its domain.

    Examples
    --------
    >>> checked(("tokens", 3, POSITIVE))
    (3.0,)
    """
    values, problems = [], []
    for name, value, domain in given:
        try:
            number = _number(value)
        except (TypeError, ValueError, OverflowError):
            problems.append(f"{name} must be a number or an array of numbers; got {value!r}")
            continue
        if isinstance(number, float):
            if not domain.holds(number):
                problems.append(f"{name} {domain.words}; got {value!r}")
        elif not (good := domain.holds(number)).all():
            problems.append(f"{name} {domain.words}; got {number[~good].ravel()[0].item()!r} among {number.size}")
        values.append(number)
    if problems:
        raise InputError(problems)
    return tuple(values)


def positive(**values: Any) -> tuple[Any, ...]:
    """Return the values as floats or arrays; raise `InputError` with all that are not above 0 and finite.

    Parameters
    ----------
    values : the inputs by name
    """
    return checked(*((name, value, POSITIVE) for name, value in values.items()))


def check_coefficients(law: object, **domains: Domain) -> None:
    """Raise `InputError` with all coefficients of `law` that lie outside their domain.

    Parameters
    ----------
    law : the law
    domains : the domain of each coefficient, by its name
    """
    checked(*((name, getattr(law, name), domain) for name, domain in domains.items()))


def elementwise(function: Callable[..., tuple[float, ...]], outputs: int, *values: Any) -> tuple[Any, ...]:
    """Return what a function of floats gives, for each element of the broadcast values.

    Parameters
    ----------
    function : takes as many floats as there are values and returns `outputs` floats
    outputs : number of floats that it returns
    values : floats or arrays
    """
    if all(isinstance(value, float) for value in values):
        return function(*values)
    import numpy as np

    arrays = np.broadcast_arrays(*values)
    rows = [function(*each) for each in zip(*(array.ravel().tolist() for array in arrays), strict=True)]
    columns = np.array(rows, dtype=float).reshape(-1, outputs).T
    return tuple(column.reshape(arrays[0].shape) for column in columns)


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


def apply(name: str, value: Any) -> Any:
    """Return the function `name` of `math` of a float, or that of numpy of an array.

    Parameters
    ----------
    name : "exp", "log10", "tanh", ...
    value : a float or an array
    """
    if isinstance(value, float):
        return getattr(math, name)(value)
    import numpy as np

    return getattr(np, name)(value)


def minimum(first: Any, second: Any) -> Any:
    """Return the lesser of the two, for each element.

    Parameters
    ----------
    first, second : floats or arrays
    """
    if isinstance(first, float) and isinstance(second, float):
        return min(first, second)
    import numpy as np

    return np.minimum(first, second)
