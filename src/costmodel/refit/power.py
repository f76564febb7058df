"""Refit of the constants of the power model to metered runs: `costmodel refit power`.

Runs of language models are fitted, with the meter on the AC side. The power of other workloads is scored only: their
utilization is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.fitted import Values
from costmodel.foundation.tables import table
from costmodel.hardware.metered import MeteredRun, read_metered
from costmodel.hardware.power import METERED, PRIORS, PowerModel
from costmodel.refit.result import Refitted, error_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RUNS = "measurements/measured_power"
NOISE = 0.05
"""Residual of a power on the logarithm above which the loss of a row is linear [1]."""
NEAR = 0.1
_SOURCE = f"fitted by costmodel refit power on data/{RUNS}.csv"


class PowerFit(NamedTuple):
    """The constants, those of the fits without each group, and residuals on the logarithm."""

    values: Values
    folds: dict[str, Values]
    inside: Array
    left_out: Array


def refit() -> Refitted:
    """Return the tables of the constants of the power model, fitted on the measurements of the library."""
    runs, _ = read_metered(table(RUNS))
    return tables_of(fit_all([run for run in runs if run.workload == "language" and run.meter == "AC"]))


def residuals(runs: Sequence[MeteredRun], values: Values) -> Array:
    """Return ln(predicted / measured) of the power, shape (runs,) [1].

    Parameters
    ----------
    runs : sequence of MeteredRun
    values : dict of float
        Constants by name.
    """
    import numpy as np

    model = PowerModel(values, 0.0)
    logs: Array = np.log([run.predicted(model) / run.watts for run in runs])
    return logs


def fit_all(runs: Sequence[MeteredRun]) -> PowerFit:
    """Fit the constants on all runs, and again without each group.

    Parameters
    ----------
    runs : sequence of MeteredRun
    """
    import numpy as np

    def fit(rows: NDArray[np.bool_]) -> Values:
        chosen = [run for run, row in zip(runs, rows.tolist(), strict=True) if row]
        return fitting.fit_least_squares(lambda values: residuals(chosen, values) / NOISE, PRIORS, tolerance=1e-12)

    values = fit(np.ones(len(runs), dtype=bool))
    groups = [run.group for run in runs]
    folds, left_out = fitting.leave_one_group_out(groups, fit, lambda known: residuals(runs, known))
    return PowerFit(values, folds, residuals(runs, values), left_out)


def tables_of(fitted: PowerFit) -> Refitted:
    """Return the tables and the errors of a fit.

    Parameters
    ----------
    fitted : PowerFit
    """
    count = len(fitted.inside)
    rows = fitting.constant_rows(fitted.values, PRIORS, f"{_SOURCE}, {count} runs of language models")
    spread = fitting.spread_of(fitted.left_out)
    note = f"{_SOURCE}: residuals with the submitter or the model left out"
    rows.append(fitting.other_row("spread", METERED, f"{spread:.4f}", "1", note))
    folds = fitting.fold_rows("group", fitted.folds, PRIORS, f"{_SOURCE}, without the group")
    summary = [
        error_line("runs of language models, in the fit", fitted.inside, NEAR),
        error_line("runs of language models, their submitter or model left out", fitted.left_out, NEAR),
    ]
    return Refitted({"fitted/power": rows, "fitted/folds/power": folds}, summary)
