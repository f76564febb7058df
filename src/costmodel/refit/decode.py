"""Refit of the constants of the decode model to measured throughputs: `costmodel refit decode`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Values
from costmodel.refit.result import Refitted, error_line, fit_input
from costmodel.serving.decode import Constants, Machine, Work, time_per_token
from costmodel.serving.efficiency import OTHER, PRIORS, Efficiency
from costmodel.serving.measured import MeasuredDecode, read_decodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fitted import Prior
    from costmodel.foundation.tables import Row

    Array = NDArray[np.float64]

INPUT = "measurements/serving"
BASE = "hopper"
"""Generation of the base constants; those of another generation are factors on them."""
NOISE = 0.1
"""Residual on the logarithm above which the loss of a row is linear [1]."""
_SOURCE = f"fitted by costmodel refit decode on data/{INPUT}.csv"


class Prepared(NamedTuple):
    """Measured throughputs as arrays over rows."""

    work: Work[Array]
    machine: Machine
    seconds: Array
    models: NDArray[np.str_]
    generations: NDArray[np.str_]


class DecodeFit(NamedTuple):
    """The constants, those of the fits without each model, residuals on the logarithm, and spreads by generation."""

    prepared: Prepared
    values: Values
    folds: dict[str, Values]
    inside: Array
    left_out: Array
    spreads: dict[str, float]


def refit() -> Refitted:
    """Return the tables of the constants of the decode model, fitted on the measurements of the repository."""
    return tables_of(fit_all(read_decodes(fit_input(INPUT))[0]))


def prepare(steps: Sequence[MeasuredDecode]) -> Prepared:
    """Return measured throughputs as arrays.

    Parameters
    ----------
    steps : sequence of MeasuredDecode
    """
    import numpy as np

    return Prepared(
        Work(*np.array([step.work for step in steps], dtype=float).T),
        Machine(*np.array([step.machine for step in steps], dtype=float).T),
        np.array([step.seconds for step in steps]),
        np.array([step.model for step in steps]),
        np.array([step.generation for step in steps]),
    )


def residuals(prepared: Prepared, values: Values) -> Array:
    """Return ln(predicted / measured) of the time per token, shape (rows,) [1].

    Parameters
    ----------
    prepared : Prepared
    values : dict of float
        Constants by name.
    """
    import numpy as np

    efficiency = Efficiency(values, {})
    by_generation = {name: efficiency.constants(name) for name in set(prepared.generations.tolist())}
    of_rows = np.array([by_generation[name] for name in prepared.generations.tolist()])
    predicted = time_per_token(prepared.work, prepared.machine, Constants(*of_rows.T))
    logs: Array = np.log(predicted / prepared.seconds)
    return logs


def fit(prepared: Prepared, rows: NDArray[np.bool_]) -> Values:
    """Return the constants: first those of the base generation, then the factors of each other generation.

    Parameters
    ----------
    prepared : Prepared
    rows : ndarray of bool
        The throughputs to fit on, shape (rows,).
    """
    values = {name: prior.value for name, prior in PRIORS.items()}
    others = sorted(set(prepared.generations.tolist()) - {BASE})
    for generation in (BASE, *others):
        suffix = "" if generation == BASE else generation
        priors = {
            name: prior if name.partition(":")[2] == suffix else prior._replace(value=values[name], spread=0.0)
            for name, prior in PRIORS.items()
        }
        values = _fit_rows(prepared, rows & (prepared.generations == generation), priors)
    return values


def _fit_rows(prepared: Prepared, rows: NDArray[np.bool_], priors: Mapping[str, Prior]) -> Values:
    return fitting.fit_least_squares(lambda values: residuals(prepared, values)[rows] / NOISE, priors, tolerance=1e-10)


def fit_all(steps: Sequence[MeasuredDecode]) -> DecodeFit:
    """Fit the constants on all rows, and again without each model.

    Parameters
    ----------
    steps : sequence of MeasuredDecode
    """
    import numpy as np

    prepared = prepare(steps)
    values = fit(prepared, np.ones(len(steps), dtype=bool))
    folds, left_out = fitting.leave_one_group_out(
        prepared.models, lambda rows: fit(prepared, rows), lambda known: residuals(prepared, known),
        sorted(set(prepared.models.tolist())),
    )  # fmt: skip
    generations = sorted(set(prepared.generations.tolist()))
    spreads = {name: fitting.spread_of(left_out[prepared.generations == name]) for name in generations}
    base = {name: value for name, value in values.items() if ":" not in name}
    new = residuals(prepared, base)
    unseen = [fitting.spread_of(new[prepared.generations == name]) for name in generations if name != BASE]
    spreads[OTHER] = max([*unseen, *spreads.values()])
    return DecodeFit(prepared, values, folds, residuals(prepared, values), left_out, spreads)


def tables_of(fitted: DecodeFit) -> Refitted:
    """Return the tables and the errors of a fit.

    Parameters
    ----------
    fitted : DecodeFit
    """
    free = [name for name, prior in PRIORS.items() if prior.spread > 0]
    folds = fitting.fold_rows("model", fitted.folds, free, f"{_SOURCE}, without the model")
    generations = fitted.prepared.generations
    summary = [
        error_line(f"{generation}, {name}", logs[generations == generation], 0.25)
        for generation in dict.fromkeys(generations.tolist())
        for name, logs in (("in the fit", fitted.inside), ("model left out", fitted.left_out))
    ]
    return Refitted({"fitted/decode": _constant_rows(fitted), "fitted/folds/decode": folds}, summary)


def _constant_rows(fitted: DecodeFit) -> list[Row]:
    generations = fitted.prepared.generations.tolist()
    source = f"{_SOURCE}, {generations.count(BASE)} throughputs on {BASE}"
    for other in sorted(set(generations) - {BASE}):
        source += f", {generations.count(other)} on {other}"
    rows = fitting.constant_rows(fitted.values, PRIORS, source)
    for name, spread in fitted.spreads.items():
        note = f"the constants of {BASE} on other generations" if name == OTHER else "the model left out"
        rows.append(fitting.other_row("spread", name, f"{spread:.4f}", "1", f"{_SOURCE}: residuals with {note}"))
    return rows
