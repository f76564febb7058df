"""Fit of the step-time model's constants to measured steps, and calibration on the steps of a user's own stack.

`costmodel refit step_times` fits the shipped constants with the same function.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError
from costmodel.foundation.fitted import Prior, Values, fit_least_squares
from costmodel.foundation.tables import Table, constant
from costmodel.training.calibration.measured_steps import READER
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING, PRIORS, tied
from costmodel.training.step.efficiency import Efficiency, default_efficiency

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_WEIGHT = constant("most_family_weight")
"""Maximum weight of a family in the fit [row]; rows of a larger family are weighted down."""
OWN_SPREAD = constant("calibration_spread")
"""Spread of the prior in a user's calibration, relative to the spread in the fit of the shipped constants [1]."""
NOISE = constant("step_time_noise")
"""Residual on the logarithm above which the loss of a row is linear [1]."""


def fit(prepared: Prepared, rows: NDArray[np.bool_], priors: Mapping[str, Prior] = PRIORS) -> Values:
    """Return the constants that fit measured steps best.

    The loss is soft-L1 on ln(predicted / measured), plus the squared distance of the constants to their priors.

    Parameters
    ----------
    prepared : Prepared
        Measured steps as arrays.
    rows : ndarray of bool
        The steps to fit on, shape (steps,).
    priors : Mapping[str, Prior]
        Priors by constant; constants of fine-tunes that are not among them stay at their priors.
    """
    import numpy as np

    fixed = {name: prior.value for name, prior in FINE_TUNING.items()}
    counts = Counter(prepared.families[rows])
    weights = np.sqrt([min(1.0, MOST_WEIGHT / max(counts[family], 1)) for family in prepared.families])

    def complete(values: Values) -> Values:
        listed = {**fixed, **values}
        return {**listed, **tied(listed)}

    def residuals(values: Values) -> Array:
        logs = np.log(predict(prepared, complete(values)) / prepared.seconds)
        scaled: Array = (weights * logs / NOISE)[rows]
        return scaled

    return complete(fit_least_squares(residuals, priors, evaluations=100))


def calibrate(rows: Iterable[Mapping[str, Any]] | Table, efficiency: Efficiency | None = None) -> Efficiency:
    """Return the step-time model calibrated on measured steps.

    The shipped constants are the prior, with a quarter of the spread they had in their own fit. A few rows move
    mainly the factor of the software stack, many rows move the constants. One row moves the prediction by about a
    quarter of the difference, because rows scatter as much as stacks do.

    Parameters
    ----------
    rows : iterable of mappings, or Table
        Measured steps with the columns of `data/measurements/step_times.csv`: model, sequence_length, batch_size,
        accelerator, count, tensor, pipeline, zero, micro_batch, recompute, precision, software, ... and
        step_time [s].
    efficiency : Efficiency, optional
        Constants to start from; the shipped ones by default.

    Returns
    -------
    Efficiency
        Replaces the shipped constants in `Scenario`, `step_time` and `search_layouts`.

    Raises
    ------
    InputError
        If there are no rows, or a row has a problem: an unknown column or word, a missing or wrong number. The
        error lists all problems of all rows. Rows with a flag that says not to use them are left out.

    Examples
    --------
    >>> mine = calibrate([dict(model="llama-3.1-8b", sequence_length=8192, batch_size=128,
    ...     accelerator="H100-SXM", count=8, tensor=1, pipeline=1, zero=3, micro_batch=1,
    ...     recompute="full", precision="bf16", step_time=19.0)])
    >>> mine.calibrated
    True
    """
    import numpy as np

    start = efficiency or default_efficiency()
    read = READER.rows(rows if isinstance(rows, Table) else as_table("rows", rows), first=1)
    if problems := [f"row {row.id}: {problem}" for row in read if not row.flagged for problem in row.problems]:
        raise InputError(problems)
    steps = [row.value for row in read if row.value]
    if not steps:
        raise InputError("no row can be calibrated on: there are none, or all have a flag")
    prepared = prepare(steps)
    stack = start.spreads["stack"]
    priors = {
        name: Prior(start.values.get(name, prior.value), OWN_SPREAD * prior.spread, prior.unit, prior.source)
        for name, prior in PRIORS.items()
    }
    priors |= {
        name: prior._replace(value=start.values.get(name, prior.value), spread=0.0)
        for name, prior in FINE_TUNING.items()
    }
    priors["software"] = Prior(start.values["software"], stack, "1", "")
    values = fit(prepared, np.ones(len(steps), dtype=bool), priors)
    names = {step.cluster.accelerator.name for step in steps}
    noise, rows_used = start.spreads["dense"], len(steps)
    # The spread of the stack that is left is that of the mean residual of the rows, combined with its prior.
    left = {**start.spreads, "stack": stack * noise / math.hypot(noise, stack * math.sqrt(rows_used))}
    return Efficiency(
        values=values,
        spreads=left,
        measured=tuple(sorted({*start.measured, *names})),
        calibrated=True,
        source=f"{start.source}, calibrated on {rows_used} rows",
    )
