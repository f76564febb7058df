"""Refit of the constants of the serving model to measured times per token: `costmodel refit serving`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Values
from costmodel.refit.result import Refitted, error_line, fit_input
from costmodel.serving.calibration.columns import SCORED
from costmodel.serving.calibration.constants import constants_of, priors, recipe_key
from costmodel.serving.calibration.measured import read_measured
from costmodel.serving.step.replica import Hardware
from costmodel.serving.step.timing import Constants, time_per_token
from costmodel.serving.step.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.tables import Row
    from costmodel.serving.calibration.measured import Measured

    Array = NDArray[np.float64]

INPUT = "measurements/serving"
NOISE = 0.15
"""Residual on the logarithm above which the loss of a row is linear [1]."""
MOST_ROWS = 20.0
"""Rows of a group of one source, model, accelerator and engine count as at most as many [1]."""
OLDER_WEIGHT = 0.35
"""Weight of rows of software of 2024 [1]."""
EVERY = 3
"""Of the rows of 2024, every third is fitted: they are many and alike."""
RECENT = 2025
"""First year of the software whose rows set the spreads of known stacks."""
OLDER_VENDOR = "AMD"
"""Vendor whose software of 2024 has a spread of its own: constants of other software predict it badly, and it alone has
fitted constants of that year. The software of 2024 of others errs like that of later years."""
GENERATION_SPREAD = 0.5
"""Spread of a generation of accelerators without rows [1]: that of MI355X, predicted without its rows by constants of
MI300X, as the first fit of this form found. Assumed for others."""
RECIPE_SPREAD = 0.3
"""Spread that a recipe without rows adds in squares [1]."""
RECIPE_REASON = (
    "DeepSeek-R1 in FP8 on 8 B200 is 1.64 to 1.79 times as fast with tuned SGLang (InferenceMAX) as with the defaults "
    "of vLLM (ML.ENERGY), so that either is about 0.26 from the middle on the logarithm"
)
_SOURCE = f"fitted by costmodel refit serving on data/{INPUT}.csv"


class Prepared(NamedTuple):
    """Measured rows as arrays."""

    work: Work
    hardware: Hardware
    batch: Array
    seconds: Array
    stacks: NDArray[np.int64]
    """Index of the row in `factors`."""
    factors: list[tuple[tuple[str, ...], str]]
    """Factors of the recipe and precision of the products, each once."""
    weights: Array
    """Weight of the row in the fit; 0 for a row that is not fitted [1]."""
    shapes: NDArray[np.str_]
    accelerators: NDArray[np.str_]


def prepare(rows: Sequence[Measured]) -> Prepared:
    """Return measured rows as arrays.

    Parameters
    ----------
    rows : sequence of Measured
    """
    import numpy as np

    keys = [(row.stack.recipe.constants, row.product) for row in rows]
    factors = list(dict.fromkeys(keys))
    index = {key: position for position, key in enumerate(factors)}
    return Prepared(
        Work(*np.array([row.work for row in rows], dtype=float).T),
        Hardware(*np.array([row.hardware for row in rows], dtype=float).T),
        np.array([row.batch for row in rows]),
        np.array([row.seconds for row in rows]),
        np.array([index[key] for key in keys]),
        factors,
        _weights(rows),
        np.array([row.shape for row in rows]),
        np.array([row.stack.accelerator for row in rows]),
    )


def _weights(rows: Sequence[Measured]) -> Array:
    import numpy as np

    groups: dict[tuple[str, ...], list[int]] = {}
    older = 0
    for position, row in enumerate(rows):
        if row.year < 2025:
            older += 1
            if older % EVERY:
                continue
        key = (row.benchmark, row.model, row.stack.accelerator, row.stack.recipe.name)
        groups.setdefault(key, []).append(position)
    weights = np.zeros(len(rows))
    for members in groups.values():
        for position in members:
            weight = OLDER_WEIGHT if rows[position].year < 2025 else 1.0
            weights[position] = weight * min(1.0, MOST_ROWS / len(members))
    return weights


def predict(prepared: Prepared, values: Values) -> Array:
    """Return the time per token of each row, shape (rows,) [s].

    Parameters
    ----------
    prepared : Prepared
    values : dict of float
        Constants by name.
    """
    import numpy as np

    table = np.array([constants_of(values, names, product) for names, product in prepared.factors])
    constants = Constants(*table[prepared.stacks].T)
    return np.asarray(time_per_token(prepared.work, prepared.hardware, constants, prepared.batch))


def residuals(prepared: Prepared, values: Values) -> Array:
    """Return ln(predicted / measured) of the time per token, shape (rows,) [1]."""
    import numpy as np

    logs: Array = np.log(predict(prepared, values) / prepared.seconds)
    return logs


def fit(prepared: Prepared, rows: NDArray[np.bool_], start: Values | None = None) -> Values:
    """Return the constants.

    Parameters
    ----------
    prepared : Prepared
    rows : ndarray of bool
        The rows to fit on, shape (rows,).
    start : dict of float, optional
        Constants from which the search starts.
    """
    used = rows & (prepared.weights > 0)
    part = subset(prepared, used)
    return fitting.fit_least_squares(
        lambda values: residuals(part, values) / NOISE, priors(), tolerance=1e-7, weights=part.weights, start=start
    )


def subset(prepared: Prepared, rows: NDArray[np.bool_]) -> Prepared:
    """Return a part of the rows.

    Parameters
    ----------
    prepared : Prepared
    rows : ndarray of bool
        Shape (rows,).
    """
    import numpy as np

    return prepared._replace(
        work=Work(*(np.asarray(column)[rows] for column in prepared.work)),
        hardware=Hardware(*(np.asarray(column)[rows] for column in prepared.hardware)),
        **{name: getattr(prepared, name)[rows]
           for name in ("batch", "seconds", "stacks", "weights", "shapes", "accelerators")},
    )  # fmt: skip


class ServingFit(NamedTuple):
    """The constants, those of the fits without each shape and each accelerator, and residuals on the logarithm."""

    rows: Sequence[Measured]
    prepared: Prepared
    values: Values
    model_folds: dict[str, Values]
    accelerator_folds: dict[str, Values]
    inside: Array
    without_model: Array
    without_accelerator: Array


def refit() -> Refitted:
    """Return the tables of the constants of the serving model, fitted on the measurements of the repository."""
    return tables_of(fit_all(scored_rows()))


def scored_rows() -> list[Measured]:
    """Return the rows of the repository that are scored."""
    return [row for row in read_measured(fit_input(INPUT))[0] if row.use in SCORED]


def fit_all(rows: Sequence[Measured]) -> ServingFit:
    """Fit the constants on all rows, and again without each shape and without each accelerator.

    Parameters
    ----------
    rows : sequence of Measured
    """
    import numpy as np

    prepared = prepare(rows)
    values = fit(prepared, np.ones(len(rows), dtype=bool))
    folds = {}
    for name, groups in (("model", prepared.shapes), ("accelerator", prepared.accelerators)):
        folds[name] = fitting.leave_one_group_out(
            groups, lambda kept: fit(prepared, kept, values), lambda known: residuals(prepared, known),
            sorted(set(groups.tolist())),
        )  # fmt: skip
    return ServingFit(
        rows, prepared, values, folds["model"][0], folds["accelerator"][0], residuals(prepared, values),
        folds["model"][1], folds["accelerator"][1],
    )  # fmt: skip


def spreads(fitted: ServingFit) -> dict[str, float]:
    """Return the standard deviations of ln(predicted / measured) by name [1].

    "dense" and "moe": a model outside the fit on a stack with rows. "batch", "older:amd" and "accelerator" add to them
    in squares: the number of requests is not known; the software is of 2024 and of `OLDER_VENDOR`; the accelerator has
    no rows.

    Parameters
    ----------
    fitted : ServingFit
    """
    import numpy as np

    rows, without_model, without = fitted.rows, fitted.without_model, fitted.without_accelerator
    moe = np.array([row.moe for row in rows])
    batch = np.array([row.batch_known for row in rows])
    recent = np.array([row.year >= RECENT for row in rows])
    unsteady = np.array([row.stack.vendor == OLDER_VENDOR for row in rows]) & ~recent
    has_rows = known_stacks(rows, fitted.prepared.shapes)
    found = {
        name: fitting.spread_of(without_model[has_rows & batch & recent & kind])
        for name, kind in (("dense", ~moe), ("moe", moe))
    }
    kinds = np.where(moe, found["moe"], found["dense"])
    for name, logs, some in (
        ("batch", without_model, ~batch & has_rows),
        (f"older:{OLDER_VENDOR.lower()}", without_model, unsteady & has_rows),
        ("accelerator", without, batch & has_rows),
    ):  # fmt: skip
        square = fitting.spread_of(logs[some]) ** 2 - float(np.mean(kinds[some] ** 2))
        found[name] = math.sqrt(max(square, 0.0))
    return found


def known_stacks(rows: Sequence[Measured], groups: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return whether accelerator and recipe of each row have rows outside its own group, shape (rows,).

    Parameters
    ----------
    rows : sequence of Measured
    groups : ndarray of str
        What is left out together.
    """
    import numpy as np

    of_accelerator: dict[str, set[str]] = {}
    of_recipe: dict[str, set[str]] = {}
    for row, group in zip(rows, groups.tolist(), strict=True):
        of_accelerator.setdefault(row.stack.accelerator, set()).add(group)
        of_recipe.setdefault(recipe_key(row.stack), set()).add(group)
    return np.array(
        [len(of_accelerator[row.stack.accelerator]) > 1 and len(of_recipe[recipe_key(row.stack)]) > 1 for row in rows]
    )


def within_and_between(rows: Sequence[Measured], logs: Array) -> tuple[float, float]:
    """Return the standard deviations of residuals within groups and between their means [1].

    A group has one source, model, accelerator, recipe and precision.

    Parameters
    ----------
    rows : sequence of Measured
    logs : ndarray
        Residuals, shape (rows,) [1].
    """
    import numpy as np

    groups: dict[tuple[str, ...], list[float]] = {}
    for row, log in zip(rows, logs.tolist(), strict=True):
        groups.setdefault(
            (row.benchmark, row.model, row.stack.accelerator, row.stack.recipe.name, row.precision), []
        ).append(log)
    several = [np.array(group) for group in groups.values() if len(group) > 2]
    within = float(np.sqrt(np.mean([group.var(ddof=1) for group in several])))
    return within, float(np.std([group.mean() for group in several], ddof=1))


def tables_of(fitted: ServingFit) -> Refitted:
    """Return the tables and the errors of a fit.

    Parameters
    ----------
    fitted : ServingFit
    """
    free = [name for name, prior in priors().items() if prior.spread > 0]
    recent = [row.year >= RECENT for row in fitted.rows]
    summary = [
        error_line(f"{period}, {name}", logs[[each == wanted for each in recent]], 0.25)
        for period, wanted in (("2025 and later", True), ("2024", False))
        for name, logs in (
            ("in the fit", fitted.inside), ("model left out", fitted.without_model),
            ("accelerator left out", fitted.without_accelerator),
        )
    ]  # fmt: skip
    return Refitted(
        {
            "fitted/serving": _constant_rows(fitted),
            "fitted/serving_stacks": _stack_rows(fitted.rows),
            "fitted/folds/serving_models": fitting.fold_rows(
                "shape", fitted.model_folds, free, f"{_SOURCE}, without models of the shape"
            ),
            "fitted/folds/serving_accelerators": fitting.fold_rows(
                "accelerator", fitted.accelerator_folds, free, f"{_SOURCE}, without the accelerator"
            ),
        },
        summary,
    )


def _constant_rows(fitted: ServingFit) -> list[Row]:
    used = int((fitted.prepared.weights > 0).sum())
    rows = fitting.constant_rows(fitted.values, priors(), f"{_SOURCE}, {used} times per token")
    notes = {
        "dense": "models left out, stack with rows, dense",
        "moe": "models left out, stack with rows, mixtures of experts",
        "batch": "in squares beyond it where the number of requests is not published",
        f"older:{OLDER_VENDOR.lower()}": f"in squares beyond it with software of 2024 of {OLDER_VENDOR}",
        "accelerator": "in squares beyond it where the accelerator is left out",
    }
    listed = {name: (value, f"{_SOURCE}: {notes[name]}") for name, value in spreads(fitted).items()}
    recent = [position for position, row in enumerate(fitted.rows) if row.year >= RECENT and row.batch_known]
    within, between = within_and_between([fitted.rows[each] for each in recent], fitted.without_model[recent])
    listed["within"] = (within, f"{_SOURCE}: rows of one source, model, accelerator and recipe, models left out")
    listed["between"] = (between, f"{_SOURCE}: means of such groups, models left out")
    listed["recipe"] = (RECIPE_SPREAD, f"{RECIPE_REASON}; added to what was {_SOURCE}")
    listed["generation"] = (GENERATION_SPREAD, f"assumed for a generation without rows, beside what was {_SOURCE}")
    return rows + [
        fitting.other_row("spread", name, f"{value:.4f}", "1", source) for name, (value, source) in listed.items()
    ]


def _stack_rows(rows: Sequence[Measured]) -> list[Row]:
    dates: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        key = (row.shape, row.stack.accelerator, row.stack.vendor, row.stack.generation, row.stack.recipe.name)
        dates.setdefault(key, []).append(row.date)
    names = ("shape", "accelerator", "vendor", "generation", "recipe")
    return [
        {
            **dict(zip(names, key, strict=True)),
            **{"rows": str(len(months)), "first": min(months), "last": max(months), "source": _SOURCE},
        }
        for key, months in sorted(dates.items())
    ]
