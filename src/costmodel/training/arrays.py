"""The few functions in which floats and arrays differ: floats stay floats, which is ten times faster."""

import math
from typing import Any

Number = (int, float)


def largest(first: Any, second: Any) -> Any:
    """Return the larger of two numbers, or of each pair of elements."""
    if isinstance(first, Number) and isinstance(second, Number):
        return first if first > second else second
    import numpy as np

    return np.maximum(first, second)


def smallest(first: Any, second: Any) -> Any:
    """Return the smaller of two numbers, or of each pair of elements."""
    if isinstance(first, Number) and isinstance(second, Number):
        return first if first < second else second
    import numpy as np

    return np.minimum(first, second)


def rounded_up(value: Any) -> Any:
    """Return the next whole number, or that of each element."""
    if isinstance(value, Number):
        return float(math.ceil(value - 1e-9))
    import numpy as np

    return np.ceil(value - 1e-9)


def where(condition: Any, first: Any, second: Any) -> Any:
    """Return `first` where the condition holds, else `second`."""
    if isinstance(condition, (bool, *Number)):
        return first if condition else second
    import numpy as np

    return np.where(condition, first, second)
