"""Functions that take floats or arrays. Floats stay floats, which is ten times faster than numpy."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeAlias, overload

from typing_extensions import TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
"""An array of floats."""
FloatLike: TypeAlias = "float | NDArray[np.float64]"
"""A float or an array of floats."""
BoolLike: TypeAlias = "bool | NDArray[np.bool_]"
"""A truth value, or an array of them."""
N = TypeVar("N", float, "Array", "FloatLike")
"""Type of a function that returns a float for floats, an array for arrays, and either for arguments that are either."""
M = TypeVar("M", float, "Array", "FloatLike")
"""Type of a second argument: a function of N and M returns N | M, so that a float and an array can be mixed."""
K = TypeVar("K", float, "Array", "FloatLike")
"""Type of a third argument."""
N_co = TypeVar("N_co", float, "Array", "FloatLike", covariant=True, default=float)
"""The same for the fields of a result: `Memory` holds floats, `Memory[Array]` arrays."""
Value_co = TypeVar("Value_co", bound="FloatLike", covariant=True, default=float)
"""Type of the fields of an input, which may be floats where the result is an array."""
_First = TypeVar("_First", bound="FloatLike")
_Second = TypeVar("_Second", bound="FloatLike")

Number = (int, float)


@overload
def largest(first: float, second: float) -> float: ...
@overload
def largest(first: Array, second: FloatLike) -> Array: ...
@overload
def largest(first: FloatLike, second: Array) -> Array: ...
def largest(first: FloatLike, second: FloatLike) -> FloatLike:
    """Return the larger of two numbers, elementwise for arrays."""
    if isinstance(first, Number) and isinstance(second, Number):
        return first if first > second else second
    import numpy as np

    return np.maximum(first, second)


@overload
def smallest(first: float, second: float) -> float: ...
@overload
def smallest(first: Array, second: FloatLike) -> Array: ...
@overload
def smallest(first: FloatLike, second: Array) -> Array: ...
def smallest(first: FloatLike, second: FloatLike) -> FloatLike:
    """Return the smaller of two numbers, elementwise for arrays."""
    if isinstance(first, Number) and isinstance(second, Number):
        return first if first < second else second
    import numpy as np

    return np.minimum(first, second)


@overload
def equal(first: float, second: float) -> bool: ...
@overload
def equal(first: Array, second: FloatLike) -> "NDArray[np.bool_]": ...
@overload
def equal(first: FloatLike, second: Array) -> "NDArray[np.bool_]": ...
def equal(first: FloatLike, second: FloatLike) -> BoolLike:
    """Return whether two numbers are equal, elementwise for arrays; numpy does not type `==` of arrays."""
    result: BoolLike = first == second
    return result


@overload
def where(condition: bool, first: _First, second: _Second) -> _First | _Second: ...
@overload
def where(condition: "NDArray[np.bool_]", first: FloatLike, second: FloatLike) -> Array: ...
def where(condition: BoolLike, first: FloatLike, second: FloatLike) -> FloatLike:
    """Return `first` where the condition is true, else `second`."""
    if isinstance(condition, (bool, *Number)):
        return first if condition else second
    import numpy as np

    return np.where(condition, first, second)


def rounded_up(value: N) -> N:
    """Return the value rounded up, elementwise for arrays."""
    if isinstance(value, Number):
        return float(math.ceil(value - 1e-9))
    import numpy as np

    return np.ceil(value - 1e-9)


def least_common_multiple(first: N, second: N) -> N:
    """Return the least common multiple of two whole numbers, elementwise for arrays."""
    if isinstance(first, Number) and isinstance(second, Number):
        return float(math.lcm(int(first), int(second)))
    import numpy as np

    multiple: N = np.lcm(np.asarray(first).astype(int), np.asarray(second).astype(int)).astype(float)
    return multiple


def sqrt(value: N) -> N:
    """Return the square root, elementwise for arrays."""
    if isinstance(value, Number):
        return math.sqrt(value)
    import numpy as np

    return np.sqrt(value)


def exp(value: N) -> N:
    """Return exp(value), elementwise for arrays."""
    if isinstance(value, Number):
        return math.exp(value)
    import numpy as np

    return np.exp(value)


def log(value: N) -> N:
    """Return the natural logarithm, elementwise for arrays."""
    if isinstance(value, Number):
        return math.log(value)
    import numpy as np

    return np.log(value)


def expm1(value: N) -> N:
    """Return exp(value) - 1, elementwise for arrays; accurate near 0."""
    if isinstance(value, Number):
        return math.expm1(value)
    import numpy as np

    return np.expm1(value)


def logit(share: float) -> float:
    """Return ln(share / (1 - share)) of a share between 0 and 1 [1]."""
    return math.log(share / (1 - share))


def expit(odds: float) -> float:
    """Return the share whose logit is `odds` [1]."""
    return 1 / (1 + math.exp(-odds))


def quantiles(values: Array, probabilities: Sequence[float]) -> list[float]:
    """Return quantiles of an array, interpolated as `numpy.quantile` does, in a tenth of the time of few values.

    Parameters
    ----------
    values : array
        Values, of one dimension; with a NaN among them every quantile is NaN.
    probabilities : sequence of float
        Shares of the values below each quantile, between 0 and 1 [1].
    """
    import numpy as np

    last = len(values) - 1
    places = [min(max(probability * last, 0.0), last) for probability in probabilities]
    wanted = sorted({last, *(int(place) for place in places), *(min(int(place) + 1, last) for place in places)})
    ordered = np.partition(values, wanted)
    if np.isnan(ordered[last]):
        return [math.nan] * len(places)
    result = []
    for place in places:
        low, high = float(ordered[int(place)]), float(ordered[min(int(place) + 1, last)])
        above = place - int(place)
        if above == 0:
            result.append(low)
            continue
        step = high - low
        result.append(low + step * above if above < 0.5 else high - step * (1 - above))
    return result


def silent(*values: FloatLike) -> AbstractContextManager[None]:
    """Return a context in which arrays overflow and underflow without a warning, as floats do."""
    if all(isinstance(value, Number) for value in values):
        return nullcontext()
    import numpy as np

    return np.errstate(over="ignore", under="ignore")
