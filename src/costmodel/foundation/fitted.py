"""Fits of constants with priors, leave-one-group-out folds, spreads of residuals, and the tables that hold them.

A table of constants has the columns kind, name, value, unit, prior, prior_spread and source. Its kinds are "fitted",
"fixed" (not identified by the measurements), "assumed", "spread" (of the residuals) and "measured" (number of rows).
A table of folds has one row per group left out of the fit and one column per constant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar, get_args

from costmodel.foundation.ranges import normal_quantile
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Scale = Literal["log", "logit", "linear"]
Values = dict[str, float]
Fit = TypeVar("Fit")

_SCALES: dict[str, Scale] = {scale: scale for scale in get_args(Scale)}
INTERVAL = 0.8
"""Probability of the interval that a spread reproduces [1]."""
VALUE_KINDS = ("fitted", "fixed", "assumed")
"""Kinds of the rows that hold a constant."""


class Prior(NamedTuple):
    """What is known of a constant before the fit: its value, and its standard deviation on `scale` (0: fixed)."""

    value: float
    spread: float
    unit: str
    source: str
    scale: Scale = "log"
    upper: float = math.inf
    """Largest value that is physically possible."""


class _Free(NamedTuple):
    """The constants of a fit that are not fixed, as arrays on the scales of their priors."""

    names: list[str]
    fixed: Values
    center: Array
    spread: Array
    linear: NDArray[np.bool_]
    logit: NDArray[np.bool_]
    upper: Array

    @classmethod
    def of(cls, priors: Mapping[str, Prior]) -> _Free:
        import numpy as np

        free = {name: prior for name, prior in priors.items() if prior.spread > 0}
        value = np.array([prior.value for prior in free.values()])
        linear = np.array([prior.scale == "linear" for prior in free.values()], dtype=bool)
        logit = np.array([prior.scale == "logit" for prior in free.values()], dtype=bool)
        spread = np.array([prior.spread for prior in free.values()])
        fixed = {name: prior.value for name, prior in priors.items()}
        scales = cls(list(free), fixed, value, spread, linear, logit, value)
        upper = np.array([prior.upper for prior in free.values()])
        return scales._replace(center=scales.scaled(value), upper=scales.scaled(upper))

    def scaled(self, value: Array) -> Array:
        """Return values on the scales of the priors; an upper bound of infinity stays infinite."""
        import numpy as np

        share = np.where(self.logit, np.minimum(value, 1 - 1e-12), 0.5)
        positive = np.where(self.linear, 1.0, np.where(self.logit, share / (1 - share), value))
        return np.where(self.linear, value, np.log(positive))

    def values(self, scaled: Array) -> Values:
        """Return all constants for free ones on their scales."""
        import numpy as np

        positive = np.exp(scaled)
        value = np.where(self.linear, scaled, np.where(self.logit, 1 / (1 + 1 / positive), positive))
        return {**self.fixed, **dict(zip(self.names, value.tolist(), strict=True))}


def soft_l1(residuals: Array) -> Array:
    """Return residuals whose squares are the soft-L1 loss: quadratic below 1, linear beyond.

    Parameters
    ----------
    residuals : ndarray
        Shape (...) [1].
    """
    import numpy as np

    damped: Array = np.sign(residuals) * np.sqrt(2 * (np.sqrt(1 + residuals**2) - 1))
    return damped


def fit_least_squares(
    residuals: Callable[[Values], Array],
    priors: Mapping[str, Prior],
    *,
    tolerance: float = 1e-8,
    evaluations: int | None = None,
    weights: Array | None = None,
    start: Values | None = None,
) -> Values:
    """Return the constants that minimize the soft-L1 loss of residuals and the squared distance to the priors.

    No constant exceeds the upper bound of its prior.

    Parameters
    ----------
    residuals : Callable
        Residuals over their noise for given constants, shape (rows,) [1].
    priors : Mapping[str, Prior]
        By name; those with a spread of 0 stay fixed.
    tolerance : float
        Relative change of the loss and of the constants at which the search ends [1].
    evaluations : int, optional
        Maximum number of evaluations; 100 per free constant by default.
    weights : ndarray, optional
        Weights of the rows in the loss, shape (rows,) [1]; 1 by default.
    start : dict of float, optional
        Constants from which the search starts; the priors by default.
    """
    import numpy as np
    from scipy.optimize import least_squares

    free = _Free.of(priors)
    roots = 1.0 if weights is None else np.sqrt(weights)

    def errors(scaled: Array) -> Array:
        return np.concatenate([roots * soft_l1(residuals(free.values(scaled))), (scaled - free.center) / free.spread])

    first = free.center if start is None else free.scaled(np.array([start[name] for name in free.names]))
    if np.isfinite(free.upper).any():
        solution = least_squares(
            errors, np.minimum(first, free.upper - 1e-6), bounds=(-np.inf, free.upper), max_nfev=evaluations,
            xtol=tolerance, ftol=tolerance,
        )  # fmt: skip
    else:
        solution = least_squares(errors, first, max_nfev=evaluations, xtol=tolerance, ftol=tolerance)
    return free.values(solution.x)


def fit_posterior_mode(
    log_likelihood: Callable[[Values], float],
    priors: Mapping[str, Prior],
    *,
    xatol: float,
    fatol: float,
    iterations: int,
) -> Values:
    """Return the constants of maximum posterior density, found by the Nelder-Mead method.

    Parameters
    ----------
    log_likelihood : Callable
        Logarithm of the likelihood of given constants [1].
    priors : Mapping[str, Prior]
        Normal on their scales.
    xatol, fatol : float
        Absolute change of the scaled constants and of the log posterior at which the search ends [1].
    iterations : int
        Maximum number of iterations.
    """
    from scipy.optimize import minimize

    free = _Free.of(priors)

    def negative_log_posterior(scaled: Array) -> float:
        distance = ((scaled - free.center) / free.spread) ** 2
        return -log_likelihood(free.values(scaled)) + 0.5 * float(distance.sum())

    solution = minimize(
        negative_log_posterior,
        free.center,
        method="Nelder-Mead",
        options={"xatol": xatol, "fatol": fatol, "maxiter": iterations},
    )
    return free.values(solution.x)


def leave_one_group_out(
    groups: Sequence[str] | NDArray[np.str_],
    fit: Callable[[NDArray[np.bool_]], Fit],
    residuals: Callable[[Fit], Array],
    names: Iterable[str] | None = None,
) -> tuple[dict[str, Fit], Array]:
    """Return the fits without each group, and the residuals of each row in the fit without its group.

    Parameters
    ----------
    groups : sequence of str
        The group of each row, shape (rows,).
    fit : Callable
        The fit on the rows of a mask.
    residuals : Callable
        The residuals of all rows in a fit, shape (rows,) [1].
    names : iterable of str, optional
        Groups to leave out; all by default. Rows of other groups get a residual of NaN.
    """
    import numpy as np

    of_row = np.asarray(groups)
    folds: dict[str, Fit] = {}
    left_out = np.full(len(of_row), np.nan)
    for name in dict.fromkeys(of_row.tolist()) if names is None else names:
        rows = of_row == name
        folds[name] = fit(~rows)
        left_out[rows] = residuals(folds[name])[rows]
    return folds, left_out


def spread_of(residuals: Array, weights: Array | None = None) -> float:
    """Return the standard deviation of the normal distribution with the same central 80 % interval [1].

    Parameters
    ----------
    residuals : ndarray
        Shape (rows,) [1].
    weights : ndarray, optional
        Weights of the rows. Without them the quantile is interpolated between two residuals.
    """
    import numpy as np

    distances = np.abs(residuals)
    half = normal_quantile((1 + INTERVAL) / 2)
    if weights is None:
        return float(np.quantile(distances, INTERVAL) / half)
    order = np.argsort(distances)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(distances[order][np.searchsorted(share, INTERVAL)] / half)


def constant_rows(values: Mapping[str, float], priors: Mapping[str, Prior], source: str,
                  derived: Collection[str] = ()) -> list[Row]:  # fmt: skip
    """Return the rows of a table of constants.

    Parameters
    ----------
    values : Mapping[str, float]
        Constants by name.
    priors : Mapping[str, Prior]
        The constants to list.
    source : str
        Where the fitted values come from.
    derived : collection of str
        Constants without a spread that equal a fitted one.
    """
    rows = []
    for name, prior in priors.items():
        is_fitted = prior.spread > 0 or name in derived
        rows.append({
            "kind": "fitted" if is_fitted else "fixed",
            "name": name,
            "value": f"{values[name]:.5g}",
            "unit": prior.unit,
            "prior": f"{prior.value:g}",
            "prior_spread": f"{prior.spread:g}",
            "source": f"{source}; prior: {prior.source}" if is_fitted else prior.source,
        })  # fmt: skip
    return rows


def other_row(kind: str, name: str, value: str, unit: str, source: str) -> Row:
    """Return a row of a table of constants that has no prior: a spread, an assumption or a number of rows."""
    return {"kind": kind, "name": name, "value": value, "unit": unit, "prior": "", "prior_spread": "",
            "source": source}  # fmt: skip


def fold_rows(group: str, folds: Mapping[str, Mapping[str, float]], names: Iterable[str], source: str) -> list[Row]:
    """Return the rows of a table of folds.

    Parameters
    ----------
    group : str
        Column that names what was left out.
    folds : Mapping
        Constants by name, by what was left out.
    names : iterable of str
        Constants to list.
    source : str
        Where the values come from.
    """
    listed = list(names)
    return [{group: left_out, "source": source, **{name: f"{values[name]:.5g}" for name in listed}}
            for left_out, values in folds.items()]  # fmt: skip


def read_priors(fit: str) -> dict[str, Prior]:
    """Return the priors of a fit from `data/assumptions/priors.csv`, by constant.

    Parameters
    ----------
    fit : str
        Name of the fit, such as "step_times".
    """
    return {
        row["name"]: Prior(
            float(row["value"]),
            float(row["spread"]),
            row["unit"],
            row["source"],
            _SCALES[row["scale"]],
            float(row["upper"] or math.inf),
        )
        for row in table("assumptions/priors").rows
        if row["fit"] == fit
    }


def read_folds(name: str) -> dict[str, Values]:
    """Return the constants of the fits without each group, by group.

    Parameters
    ----------
    name : str
        Table of the library, such as "fitted/folds/decode"; its first column is the group.
    """
    shipped = table(name)
    group = shipped.columns[0]
    return {row[group]: {column: float(cell) for column, cell in row.items() if column not in {group, "source"}}
            for row in shipped.rows}  # fmt: skip


def read_constants(rows: Iterable[Row]) -> dict[str, Values]:
    """Return the values of a table of constants by kind and name; "value" holds fitted, fixed and assumed ones.

    Parameters
    ----------
    rows : iterable of Row
        Rows with kind, name and value.
    """
    by_kind: dict[str, Values] = {"value": {}, "spread": {}, "measured": {}}
    for row in rows:
        kind = "value" if row["kind"] in VALUE_KINDS else row["kind"]
        by_kind[kind][row["name"]] = float(row["value"])
    return by_kind
