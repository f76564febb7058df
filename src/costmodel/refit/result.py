"""The result of a refit, and its comparison with the shipped tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.tables import FIT_INPUTS, Row, Table, folder, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

MOST_LISTED = 12
"""Cells that differ are listed up to this number per table."""


class Refitted(NamedTuple):
    """Tables of a refit by name, such as "fitted/serving", and lines that say how well the fit describes the rows."""

    tables: Mapping[str, Sequence[Row]]
    summary: Sequence[str] = ()


def fit_input(name: str) -> Table:
    """Return a table that only fits read; the repository and the source archive hold it, the wheel does not.

    Parameters
    ----------
    name : str
        One of `FIT_INPUTS`.

    Raises
    ------
    MissingFactError
        If the package is installed from a wheel.
    """
    assert name in FIT_INPUTS
    if not (folder() / f"{name}.csv").is_file():
        raise MissingFactError(
            f"data/{name}.csv is not part of the installed package: run the refit in a checkout of the repository"
        )
    return table(name)


def error_line(name: str, logs: NDArray[np.float64], near: float) -> str:
    """Return number, median and mean of relative errors, and the share of those below `near`.

    Parameters
    ----------
    name : str
        What the rows are.
    logs : ndarray
        ln(predicted / measured), shape (rows,) [1].
    near : float
        Relative error [1].
    """
    import numpy as np

    errors = np.abs(np.expm1(logs))
    return (
        f"{name}: {len(errors)} rows, median error {np.median(errors):.1%}, mean {errors.mean():.1%}, "
        f"{(errors < near).mean():.0%} within {near:.0%}"
    )


def differences(name: str, computed: Sequence[Row], shipped: Table, tolerance: float) -> list[str]:
    """Return the differences between a computed and a shipped table, one line each.

    Parameters
    ----------
    name : str
        Of the table.
    computed : sequence of Row
        Rows of the refit.
    shipped : Table
        The table to compare with.
    tolerance : float
        Relative difference up to which two numbers are equal [1]; text must be the same.
    """
    if tuple(computed[0]) != shipped.columns:
        return [f"{name}: columns: computed {', '.join(computed[0])}; shipped {', '.join(shipped.columns)}"]
    if len(computed) != len(shipped.rows):
        return [f"{name}: rows: computed {len(computed)}, shipped {len(shipped.rows)}"]
    lines = [
        f"{name}: {_label(row)}: {column}: computed {row[column]!r}, shipped {other[column]!r}"
        for row, other in zip(computed, shipped.rows, strict=True)
        for column in row
        if not _equal(row[column], other[column], tolerance)
    ]
    more = len(lines) - MOST_LISTED
    return lines if more <= 0 else [*lines[:MOST_LISTED], f"{name}: {more} more cells differ"]


def _label(row: Row) -> str:
    """Return the first two cells of text, which name the row."""
    return " ".join([cell for cell in row.values() if cell and _number(cell) is None][:2])


def _equal(computed: str, shipped: str, tolerance: float) -> bool:
    first, second = _number(computed), _number(shipped)
    if first is None or second is None:
        return computed == shipped
    return math.isclose(first, second, rel_tol=tolerance)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
