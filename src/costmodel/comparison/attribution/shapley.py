"""Shapley values of the factors of a product: the part of each factor in the difference of two products.

The order in which factors are changed from one product to the other does not matter: the part of a factor is the mean
over all orders (Shapley 1953). Parts add up to the difference. Of the logarithm, the part of a factor is the logarithm
of its own ratio in every order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def shapley_parts(product: Array, ratios: Array) -> Array:
    """Return the Shapley value of each factor in the difference of two products.

    The part of factor i is product × (ratio i − 1) × ∫ Π (1 − t + t × ratio j) dt over the other factors j and t from
    0 to 1. The integral is the mean over all orders; Gauss-Legendre quadrature gives it exactly.

    Parameters
    ----------
    product : array, shape (...)
        First product, in any unit.
    ratios : array, shape (factors, ...)
        Each factor of the second product / that of the first [1].

    Returns
    -------
    array, shape (factors, ...)
        Parts, in the unit of the product. They add up to product × (product of the ratios − 1).

    Examples
    --------
    >>> import numpy as np
    >>> shapley_parts(np.array(100.0), np.array([0.5, 0.2])).round(6).tolist()  # 100 becomes 10
    [-30.0, -60.0]
    """
    import numpy as np

    count = len(ratios)
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (count + 1) // 2))
    parts = np.zeros_like(ratios)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        terms = 1 - node + node * ratios
        for factor in range(count):
            others = np.delete(terms, factor, axis=0)
            parts[factor] += weight * (ratios[factor] - 1) * np.prod(others, axis=0)
    result: Array = parts * product
    return result
