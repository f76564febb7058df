"""Measured losses for a fit, read from arrays, tables or files; all problems are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError
from costmodel.foundation.limits import shown
from costmodel.foundation.units import read
from costmodel.scaling.laws.hoffmann import FLOPS_PER_PARAMETER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = {
    "parameters": ("parameters", "n_params", "params", "n"),
    "tokens": ("tokens", "n_tokens", "d"),
    "loss": ("loss", "val_loss", "l"),
}
"""Accepted column names of a table; the first one present is used."""
UNITS = {"tokens": "token"}
"""Units of columns that are not plain numbers."""
FEW_TOKENS = 0.5
"""Tokens per parameter below which parameters and tokens are probably exchanged [1]."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Parameters, tokens, losses and weights of runs, each of shape (runs,), with warnings about the data."""

    parameters: NDArray[np.float64]
    tokens: NDArray[np.float64]
    loss: NDArray[np.float64]
    weights: NDArray[np.float64]
    warnings: tuple[str, ...] = ()

    @property
    def compute(self) -> NDArray[np.float64]:
        """Training FLOPs of each run, 6 N D [FLOP]."""
        return FLOPS_PER_PARAMETER * self.parameters * self.tokens

    def chosen(self, rows: NDArray[np.bool_]) -> Measurements:
        """Return some of the runs.

        Parameters
        ----------
        rows : array of bool
            Mask of the runs to keep, shape (runs,).
        """
        return Measurements(self.parameters[rows], self.tokens[rows], self.loss[rows], self.weights[rows])


def read_measurements(parameters: Any, tokens: Any, loss: Any, weights: Any = None, least: int = 6) -> Measurements:
    """Return runs from three arrays, from a table with named columns, or from the path of a CSV.

    Parameters
    ----------
    parameters : sequence of float, mapping, str or pathlib.Path
        Parameters N of each run [1], or a mapping of columns, or a path.
    tokens : sequence of float, optional
        Training tokens D of each run [token]; required where `parameters` is an array.
    loss : sequence of float, optional
        Loss of each run [nat/token]; required where `parameters` is an array.
    weights : sequence of float, optional
        Weight of each run [1]; 1 by default.
    least : int
        Smallest number of runs that is accepted.

    Returns
    -------
    Measurements

    Raises
    ------
    InputError
        If columns are missing, numbers are invalid, or there are too few different runs; with all problems.
    """
    import numpy as np

    if isinstance(parameters, (str, Path)):
        parameters = _read(Path(parameters))
    if isinstance(parameters, Mapping) or hasattr(parameters, "columns"):
        parameters, tokens, loss = _columns(parameters)
    given = {"parameters": parameters, "tokens": tokens, "loss": loss}
    try:
        given["weights"] = np.ones(np.shape(loss)) if weights is None else weights
    except ValueError:  # of a list of lists of different lengths
        raise InputError(f"loss must be numbers; got {shown(loss)}") from None
    problems, arrays = [], {}
    for name, values in given.items():
        try:
            arrays[name] = np.asarray(_numbers(values, UNITS.get(name, "1")), dtype=float)
        except InputError as error:
            problems.append(f"{name} must be numbers: {error}")
            continue
        except (TypeError, ValueError, OverflowError):
            problems.append(f"{name} must be numbers; got {str(values)[:60]}")
            continue
        if arrays[name].ndim != 1:
            problems.append(f"{name} must have one number for each run; got an array of shape {arrays[name].shape}")
        elif not (np.isfinite(arrays[name]) & (arrays[name] > 0)).all():
            wrong = np.flatnonzero(~(np.isfinite(arrays[name]) & (arrays[name] > 0)))
            problems.append(
                f"{name} must be above 0 and finite; wrong in rows {', '.join(map(str, wrong[:5]))}"
                f"{', ...' if len(wrong) > 5 else ''}"
            )
    if not problems and len({len(values) for values in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(values)}" for name, values in arrays.items())
        problems.append(f"parameters, tokens, loss and weights must be of one length; got {sizes}")
    if not problems:
        problems += _too_few(arrays, least)
    if problems:
        raise InputError(problems)
    return Measurements(**arrays, warnings=tuple(_odd(arrays)))


def _numbers(values: Any, unit: str) -> Any:
    """Return values with numbers in place of texts such as "183M"."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        return values
    return [read(value, unit) if isinstance(value, str) else value for value in values]


def _too_few(arrays: Mapping[str, Any], least: int) -> list[str]:
    import numpy as np

    problems = []
    if len(arrays["loss"]) < least:
        problems.append(f"at least {least} runs are needed for the coefficients of a law; got {len(arrays['loss'])}")
    for name, what in (("parameters", "sizes of model"), ("tokens", "numbers of tokens")):
        different = len(np.unique(arrays[name]))
        if different == 1:
            problems.append(f"{name}: at least two {what} are needed; all are {arrays[name][0]:g}")
    return problems


def _odd(arrays: Mapping[str, Any]) -> list[str]:
    """Return warnings about valid data."""
    import numpy as np

    warnings = []
    rows = np.column_stack([arrays["parameters"], arrays["tokens"], arrays["loss"]])
    repeated = len(rows) - len(np.unique(rows, axis=0))
    if repeated:
        warnings.append(f"{repeated} rows are duplicates")
    per_parameter = float(np.median(arrays["tokens"] / arrays["parameters"]))
    if per_parameter < FEW_TOKENS:
        warnings.append(
            f"{per_parameter:.2g} tokens for each parameter in the median: tokens and parameters may be exchanged"
        )
    return warnings


def _read(path: Path) -> dict[str, list[str]]:
    from costmodel.foundation.tables import read_csv

    table = read_csv(path)
    return {name: [row[name] for row in table.rows] for name in table.columns}


def _columns(table: Any) -> tuple[Any, Any, Any]:
    names = {str(name).lower(): name for name in (table.columns if hasattr(table, "columns") else table)}
    columns, missing = [], []
    for quantity, spellings in COLUMNS.items():
        name = next((names[spelling] for spelling in spellings if spelling in names), None)
        if name is None:
            missing.append(
                f"the column `{quantity}` is missing; accepted: {', '.join(spellings)}; got {', '.join(names)}"
            )
        else:
            columns.append(table[name])
    if missing:
        raise InputError(missing)
    return columns[0], columns[1], columns[2]
