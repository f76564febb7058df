"""Fit of the step-time model's constants to measured steps, and calibration on the steps of a user's own stack.

A calibration has two parts. The constants move for all predictions: mainly the factor of the software stack. What is
left of the difference at a measured setup stays with this setup (`MeasuredSetup`).

`costmodel refit step_times` fits the shipped constants with the same function.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from costmodel.foundation.checks import checked
from costmodel.foundation.columns import as_table
from costmodel.foundation.errors import InputError, nearest
from costmodel.foundation.fitted import Prior, Values, fit_least_squares
from costmodel.foundation.tables import Table, constant
from costmodel.training.calibration.columns import STEPS
from costmodel.training.calibration.measured_steps import READER, MeasuredStep
from costmodel.training.calibration.predictions import Prepared, predict, prepare
from costmodel.training.calibration.priors import FINE_TUNING, PRIORS, tied
from costmodel.training.recipes.passes import sequence_flops
from costmodel.training.step.efficiency import Efficiency, default_efficiency, hardware_rates
from costmodel.training.step.layout import layouts
from costmodel.training.step.measured_setup import SOFTWARE_FIELDS, MeasuredSetup, settings_of
from costmodel.training.step.software import UNKNOWN, load_software, software_names
from costmodel.training.step.workload import workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.columns import ReadRow

    Array = NDArray[np.float64]

MOST_WEIGHT = constant("most_family_weight")
"""Maximum weight of a family in the fit [row]; rows of a larger family are weighted down."""
OWN_SPREAD = constant("calibration_spread")
"""Spread of the prior in a user's calibration, relative to the spread in the fit of the shipped constants [1]."""
SETUP_WEIGHT = constant("setup_weight")
"""Weight of the priors of the spread between setups and of repeated rows [row]."""
REPEAT_NOISE = constant("repeat_noise")
"""Prior of the standard deviation of ln step time of repeated rows [1]."""
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


@checked("rows", "efficiency")
def calibrate(rows: Iterable[Mapping[str, Any]] | Table, efficiency: Efficiency | None = None) -> Efficiency:
    """Return the step-time model calibrated on measured steps.

    A measured setup (model, sequence length, batch size, accelerators, precision, layout) is predicted as it was
    measured, from one row on: the variance between setups, estimated from the rows, is weighed against the scatter of
    repeated rows. Other setups move by what is shared. For these, the shipped constants are the prior, with a quarter
    of the spread they had in their own fit. A few rows move mainly the factor of the software stack, many rows move
    the constants. One row of software that the library has not measured moves other setups by most of the difference;
    one row of a measured stack by about a quarter, because its rows scatter as much as such stacks do.

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
        error lists all problems of all rows, and the nearest known name of a column. Rows with a flag that says not to
        use them are left out.

    Notes
    -----
    Score on the shipped rows (`python benchmarks/calibration.py --rows 6`): the constants without a family of rows,
    before and after a calibration on all other rows of the family. Median error of setups that are among the others:
    4.8 to 3.3 % (50 rows; in the 80 % interval 88 and 94 %). With five other rows: 4.9 to 2.5 %, with one 9.4 to 4.3 %.
    Of setups that are not among the others: 4.7 to 4.0 % (58 rows; in the interval 91 and 84 %).

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
    read = READER.rows(rows if isinstance(rows, Table) else _own_table(rows), first=1)
    if problems := [f"row {row.id}: {problem}" for row in read if not row.flagged for problem in row.problems]:
        raise InputError(problems)
    steps = [row.value for row in read if row.value]
    if not steps:
        raise InputError("no row can be calibrated on: there are none, or all have a flag")
    if problems := [f"row {step.id}: {problem}" for step in steps if (problem := _above_peak(step))]:
        raise InputError(problems)
    prepared = prepare(steps)
    factor, stack, own = _stack(start, steps)
    priors = {
        name: Prior(start.values.get(name, prior.value), OWN_SPREAD * prior.spread, prior.unit, prior.source)
        for name, prior in PRIORS.items()
    }
    priors |= {
        name: prior._replace(value=start.values.get(name, prior.value), spread=0.0)
        for name, prior in FINE_TUNING.items()
    }
    priors["software"] = Prior(start.values["software"] * factor, stack, "1", "")
    values = fit(prepared, np.ones(len(steps), dtype=bool), priors)
    names = {step.cluster.accelerator.name for step in steps}
    noise, rows_used = start.spreads["dense"], len(steps)
    # The spread of the stack that is left is that of the mean residual of the rows, combined with its prior.
    left = {**start.spreads, "stack": own * noise / math.hypot(noise, own * math.sqrt(rows_used))}
    setups, variances = _setups(read, prepared, values, noise)
    kept = {setup.key: setup for setup in (*start.setups, *setups)}
    return Efficiency(
        values=values,
        spreads=left | variances,
        measured=tuple(sorted({*start.measured, *names})),
        measured_moe=start.measured_moe,
        calibrated=True,
        calibrated_moe=start.calibrated_moe or any(step.architecture.kind == "moe" for step in steps),
        setups=tuple(kept.values()),
        source=f"{start.source}, calibrated on {rows_used} rows",
    )


def _above_peak(step: MeasuredStep) -> str:
    """Return what is wrong with a step that takes less time than its FLOPs at the peak rate, or ""."""
    flops = sequence_flops(step.architecture, step.sequence_length, step.numbers, step.adapters) * step.batch_size
    least = flops / (step.cluster.count * hardware_rates(step.cluster, step.precision).matmul_peak)
    if step.seconds >= least:
        return ""
    return (
        f"step_time must be at least {least:.4g} s, the time at the {step.precision} peak of {step.cluster.count:,} × "
        f"{step.cluster.accelerator.name}; got {step.seconds:.4g} s"
    )


def _stack(start: Efficiency, steps: Sequence[MeasuredStep]) -> tuple[float, float, float]:
    """Return the factor of the stack of rows before the calibration, the spread of its prior, and its own spread.

    Rows of one software that was measured start from its factor. Other rows start from that of software left out of
    the fit. A calibrated model has left both behind.
    """
    if start.calibrated:
        return 1.0, start.spreads["stack"], start.spreads["stack"]
    stated = {step.software for step in steps}
    name = stated.pop() if len(stated) == 1 else ""
    key = load_software(name).key if software_names().proper(name) else UNKNOWN
    own = start.spreads.get(f"software:{key}", start.spreads["stack"])
    return start.values.get(f"software:{key}", 1.0), max(own, start.spreads["stack"]), own


def _own_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return rows as a table; columns that decide nothing are refused, because their owner expects that they do."""
    table = as_table("rows", rows)
    problems = []
    for name in table.columns:
        if name in STEPS.unread:
            close = nearest(name, STEPS.columns)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            problems.append(f"rows: column {name!r} decides nothing; leave it out{hint}")
    try:
        STEPS.translate(table)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    return table


def _setups(
    read: Sequence[ReadRow[MeasuredStep]], prepared: Prepared, values: Values, noise: float
) -> tuple[list[MeasuredSetup], dict[str, float]]:
    """Return the measured setups, and the standard deviations of ln step time between setups and of repeated rows.

    Both variances are those of the rows, combined with their priors: that of dense models left out of the fit, and
    that of rows with the same settings.
    """
    import numpy as np

    steps = [row.value for row in read if row.value]
    logs, residuals = np.log(prepared.seconds), np.log(prepared.seconds / predict(prepared, values))
    groups: dict[tuple[object, ...], list[int]] = {}
    firsts: dict[tuple[object, ...], MeasuredSetup] = {}
    for index, step in enumerate(steps):
        if "micro_batch" not in step.open:
            setup = _setup(step)
            firsts.setdefault(setup.key, setup)
            groups.setdefault(setup.key, []).append(index)
    means = [float(residuals[rows].mean()) for rows in groups.values()]
    scatter = sum(float(((logs[rows] - logs[rows].mean()) ** 2).sum()) for rows in groups.values())
    repeated = sum(len(rows) for rows in groups.values()) - len(groups)
    between = (SETUP_WEIGHT * noise**2 + sum(mean**2 for mean in means)) / (SETUP_WEIGHT + len(means))
    within = (SETUP_WEIGHT * REPEAT_NOISE**2 + scatter) / (SETUP_WEIGHT + repeated)
    setups = [
        firsts[key].replace(step_time=float(np.exp(logs[rows].mean())), rows=len(rows)) for key, rows in groups.items()
    ]
    return setups, {"setup": math.sqrt(between), "repeat": math.sqrt(within)}


def _setup(step: MeasuredStep) -> MeasuredSetup:
    """Return the setup of a measured step; its kernels and overlaps count only where the row states them."""
    work = workload(step.architecture, step.sequence_length, step.adapters)
    rates = hardware_rates(step.cluster, step.precision)
    numbers = settings_of(work, rates, step.batch_size, step.cluster.count, layouts(step.layout))
    unstated = {name for name in SOFTWARE_FIELDS if name not in step.stated} | step.open
    settings = {name: float(value) for name, value in numbers.items() if name not in unstated}
    return MeasuredSetup(accelerator=step.cluster.accelerator.name, settings=settings, step_time=step.seconds, rows=1)
