"""Refit of what fine-tunes add to the step-time and the memory model: `costmodel refit finetunes`.

The constants of the step-time model stay as shipped.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Prior, Values, read_priors
from costmodel.foundation.tables import Row, table
from costmodel.refit.result import Refitted, error_line
from costmodel.training.calibration.calibrate import fit
from costmodel.training.calibration.measured_finetunes import MeasuredFineTune, read_finetunes
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING, PRIORS
from costmodel.training.step.efficiency import LAUNCH_BOUND, default_efficiency
from costmodel.training.step.memory import MemoryConstants

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TUNES = "measurements/finetunes"
MEMORIES = "measurements/finetune_memory"
MEMORY_PRIORS = read_priors("memory")
"""Priors of the constants of the memory model, the fields of `MemoryConstants`."""
MEMORY_NOISE = 0.05
"""Residual of a peak memory on the logarithm above which the loss of a row is linear [1]."""
_SOURCE = f"fitted by costmodel refit finetunes on data/{TUNES}.csv"
_MEMORY_SOURCE = f"{_SOURCE} and data/{MEMORIES}.csv"
_SPREADS = {
    "finetune": "times of fine-tunes, their model left out",
    "finetune_launch": "times of fine-tunes bound by kernel launches, their model left out",
    "memory": "peak memories of fine-tunes, their model left out",
}


class FineTuneFit(NamedTuple):
    """Constants of time and memory, those of the fits without each model, residuals on the logarithm, and spreads."""

    time: Values
    memory: Values
    folds: dict[str, Values]
    residuals: dict[str, Array]
    spreads: dict[str, float]


def refit() -> Refitted:
    """Return the tables of the constants of fine-tunes, fitted on the measurements of the library."""
    tunes = all_tunes()
    return tables_of(fit_all(tunes), tunes)


def all_tunes() -> list[MeasuredFineTune]:
    """Return the measured fine-tunes of the library, and those of which only the peak memory is used."""
    tunes, _ = read_finetunes(table(TUNES))
    others, _ = read_finetunes(table(MEMORIES))
    return [*tunes, *others]


def fit_time(prepared: Prepared, rows: NDArray[np.bool_]) -> Values:
    """Return the constants of time that fit fine-tunes best.

    Parameters
    ----------
    prepared : Prepared
        Fine-tunes as arrays.
    rows : ndarray of bool
        The fine-tunes to fit on, shape (fine-tunes,).
    """
    shipped = {name: Prior(default_efficiency().values[name], 0.0, "", "") for name in PRIORS}
    return fit(prepared, rows, {**shipped, **FINE_TUNING})


def fit_memory(tunes: Sequence[MeasuredFineTune]) -> Values:
    """Return the constants of memory that fit fine-tunes best.

    Parameters
    ----------
    tunes : sequence of MeasuredFineTune
        Those with a peak memory are used.
    """
    return fitting.fit_least_squares(
        lambda values: memory_residuals(tunes, MemoryConstants(**values)) / MEMORY_NOISE, MEMORY_PRIORS, tolerance=1e-6
    )


def memory_residuals(tunes: Sequence[MeasuredFineTune], constants: MemoryConstants) -> Array:
    """Return ln(predicted / measured) of peak memories, shape (fine-tunes with a peak memory,) [1].

    Parameters
    ----------
    tunes : sequence of MeasuredFineTune
    constants : MemoryConstants
        Constants of the memory model.
    """
    import numpy as np

    return np.array([math.log(tune.predicted_memory(constants) / tune.memory) for tune in tunes if tune.memory])


def fit_all(tunes: Sequence[MeasuredFineTune]) -> FineTuneFit:
    """Fit all constants, and again without each model.

    Parameters
    ----------
    tunes : sequence of MeasuredFineTune
    """
    import numpy as np

    timed, weighed = [tune for tune in tunes if tune.seconds], [tune for tune in tunes if tune.memory]
    prepared = prepare([tune.step for tune in timed])
    models = dict.fromkeys(tune.model for tune in tunes)

    def time_residuals(values: Values) -> Array:
        logs: Array = np.log(predict(prepared, values) / prepared.seconds)
        return logs

    def memory_fit(rows: NDArray[np.bool_]) -> Values:
        return fit_memory([tune for tune, is_used in zip(weighed, rows, strict=True) if is_used])

    def held_residuals(values: Values) -> Array:
        return memory_residuals(weighed, MemoryConstants(**values))

    time, memory = fit_time(prepared, np.ones(len(timed), dtype=bool)), fit_memory(weighed)
    time_folds, left_time = fitting.leave_one_group_out(
        prepared.families, lambda rows: fit_time(prepared, rows), time_residuals, models
    )
    memory_folds, left_memory = fitting.leave_one_group_out(
        [tune.model for tune in weighed], memory_fit, held_residuals, models
    )
    folds = {
        model: {
            **{name: time_folds[model][name] for name in FINE_TUNING},
            **memory_folds[model],
        }
        for model in models
    }
    residuals = {
        "time": time_residuals(time),
        "memory": held_residuals(memory),
        "time, model left out": left_time,
        "memory, model left out": left_memory,
    }
    bound = _launch_bound(prepared, time)
    spreads = {
        "finetune": fitting.spread_of(left_time[~bound]),
        "finetune_launch": fitting.spread_of(left_time[bound]),
        "memory": fitting.spread_of(left_memory),
    }
    return FineTuneFit({name: time[name] for name in FINE_TUNING}, memory, folds, residuals, spreads)


def _launch_bound(prepared: Prepared, values: Values) -> NDArray[np.bool_]:
    """Return which steps would be faster by more than `LAUNCH_BOUND` if kernel launches took no time."""
    quick = {**values, "launch": 1e-9, "launch_sharded": 1e-9, "launch_quantized": 1e-9}
    bound: NDArray[np.bool_] = predict(prepared, quick) < (1 - LAUNCH_BOUND) * predict(prepared, values)
    return bound


def tables_of(fitted: FineTuneFit, tunes: Sequence[MeasuredFineTune]) -> Refitted:
    """Return the tables and the errors of a fit.

    Parameters
    ----------
    fitted : FineTuneFit
    tunes : sequence of MeasuredFineTune
        Those of the fit.
    """
    memories = len(fitted.residuals["memory"])
    tables = {
        "fitted/finetune_efficiency": _time_rows(fitted, tunes),
        "fitted/memory": fitting.constant_rows(
            fitted.memory, MEMORY_PRIORS, f"{_MEMORY_SOURCE}, {memories} peak memories"
        ),
        "fitted/folds/finetune": fitting.fold_rows(
            "model", fitted.folds, (*FINE_TUNING, *MEMORY_PRIORS), f"{_SOURCE}, without the model"
        ),
    }
    return Refitted(tables, [error_line(name, logs, 0.25) for name, logs in fitted.residuals.items()])


def _time_rows(fitted: FineTuneFit, tunes: Sequence[MeasuredFineTune]) -> list[Row]:
    timed = Counter(tune.cluster.accelerator.name for tune in tunes if tune.seconds)
    rows = fitting.constant_rows(fitted.time, FINE_TUNING, f"{_SOURCE}, {timed.total()} step times")
    rows += [fitting.other_row("spread", name, f"{spread:.4f}", "1", f"{_SOURCE}: residuals of {_SPREADS[name]}")
             for name, spread in fitted.spreads.items()]  # fmt: skip
    known = {row["name"] for row in table("fitted/efficiency").rows if row["kind"] == "measured"}
    rows += [fitting.other_row("measured", name, str(number), "rows", f"data/{TUNES}.csv")
             for name, number in sorted(timed.items()) if name not in known]  # fmt: skip
    return rows
