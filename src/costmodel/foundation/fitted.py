"""What is known of a constant before it is fitted, and how far does a row that does not fit pull at it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Prior(NamedTuple):
    """What is known of a constant before the fit: value, and spread of its logarithm (0: fixed)."""

    value: float
    spread: float
    unit: str
    source: str


def soft(residuals: np.ndarray) -> np.ndarray:
    """Return residuals whose squares are the soft-L1 loss of those given, shape of the residuals.

    Beyond 1 a row counts by its distance and no longer by the square of that.
    """
    import numpy as np

    found: np.ndarray = np.sign(residuals) * np.sqrt(2 * (np.sqrt(1 + residuals**2) - 1))
    return found
