"""Refits of time to first token and of power of serving: `costmodel refit serving_latency` and `serving_power`.

Both take the constants of the time per token as they are in `data/fitted/serving.csv` and its folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.foundation import fitted as fitting
from costmodel.refit.result import Refitted, error_line
from costmodel.refit.serving import INPUT, prepare, scored_rows
from costmodel.serving.calibration.constants import default_constants, model_folds
from costmodel.serving.calibration.figures import latency_key, latency_of, power_of
from costmodel.serving.step.latency import LatencyConstants, time_to_first_token
from costmodel.serving.step.power import PowerConstants, power_share
from costmodel.serving.step.timing import Constants, time_per_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fitted import Values
    from costmodel.foundation.tables import Row
    from costmodel.serving.calibration.constants import ServingConstants
    from costmodel.serving.calibration.measured import Measured

    Array = NDArray[np.float64]

NOISE = {"latency": 0.3, "power": 0.15}
"""Residuals on the logarithm above which the loss of a row is linear [1]."""
OTHER_LATENCY, OTHER_POWER = 0.8, 0.3
"""Spreads of recipes, and of generations of accelerators, without rows [1]: without its accelerator, a first form of
the latency model erred by a factor of 2; that of the power is a guess."""


def refit_latency() -> Refitted:
    """Return the constants of the time to first token, fitted on the measurements of the repository."""
    import numpy as np

    rows = [row for row in scored_rows() if row.ttft is not None]
    source = _source("serving_latency", len(rows), "times to first token")
    priors = fitting.read_priors("serving_latency")
    measured = np.array([row.ttft for row in rows])

    def residuals(known: Values) -> Array:
        logs: Array = np.log(_first_tokens(rows, known) / measured)
        return logs

    def fit(kept: NDArray[np.bool_]) -> Values:
        return fitting.fit_least_squares(lambda known: residuals(known)[kept] / NOISE["latency"], priors)

    values = fit(np.ones(len(rows), dtype=bool))
    logs = residuals(values)
    _, left_out = fitting.leave_one_group_out(np.array([row.stack.accelerator for row in rows]), fit, residuals)
    common = np.array([latency_of(values, row.stack.recipe).engine == 1 for row in rows])
    listed = fitting.constant_rows(values, priors, source)
    listed += _spread_rows(fitting.spread_of(left_out[common]), OTHER_LATENCY, source, "a recipe without rows")
    listed += _counts([latency_key(row.stack) for row in rows], source)
    return Refitted(
        {"fitted/serving_latency": listed},
        [
            error_line("time to first token, in the fit", logs, 0.25),
            error_line("time to first token, accelerator left out", left_out, 0.25),
        ],
    )


def refit_power() -> Refitted:
    """Return the constants of the power of accelerators, fitted on the measurements of the repository."""
    import numpy as np

    rows = [row for row in scored_rows() if row.power is not None and row.tdp > 0]
    source = _source("serving_power", len(rows), "mean powers")
    priors = fitting.read_priors("serving_power")
    shapes = np.array([row.shape for row in rows])
    measured = np.array([(row.power or 0.0) / row.tdp for row in rows])
    inside = _times(rows, {})
    without = _times(rows, model_folds())

    def fit(kept: NDArray[np.bool_]) -> Values:
        return fitting.fit_least_squares(
            lambda known: (np.log(_powers(rows, known, inside) / measured) / NOISE["power"])[kept], priors
        )

    values = fit(np.ones(len(rows), dtype=bool))
    observed = np.log(measured * np.array([row.seconds for row in rows]))

    def energy(known: Values) -> Array:
        logs: Array = np.log(_powers(rows, known, without) * without) - observed
        return logs

    folds, logs = fitting.leave_one_group_out(shapes, fit, energy, sorted(set(shapes.tolist())))
    listed = fitting.constant_rows(values, priors, source)
    listed += _spread_rows(fitting.spread_of(logs), OTHER_POWER, source, "a generation without rows")
    listed += _counts([row.stack.generation for row in rows], source)
    return Refitted(
        {
            "fitted/serving_power": listed,
            "fitted/folds/serving_power": fitting.fold_rows(
                "shape", folds, priors, f"{source}, without models of the shape"
            ),
        },
        [
            error_line("power, in the fit", np.log(_powers(rows, values, inside) / measured), 0.25),
            error_line("energy per token, model left out", logs, 0.25),
        ],
    )


def _source(name: str, count: int, what: str) -> str:
    return f"fitted by costmodel refit {name} on data/{INPUT}.csv, {count} {what}"


def _constants(rows: Sequence[Measured], folds: Mapping[str, ServingConstants]) -> Constants:
    """Return the constants of each row as arrays: of the fit without its shape where folds are given."""
    import numpy as np

    shipped = default_constants()
    listed = [folds.get(row.shape, shipped).constants(row.stack.recipe, row.product) for row in rows]
    return Constants(*np.array(listed).T)


def _times(rows: Sequence[Measured], folds: Mapping[str, ServingConstants]) -> Array:
    import numpy as np

    prepared = prepare(rows)
    return np.asarray(time_per_token(prepared.work, prepared.hardware, _constants(rows, folds), prepared.batch))


def _first_tokens(rows: Sequence[Measured], values: Values) -> Array:
    import numpy as np

    prepared = prepare(rows)
    latency = LatencyConstants(*np.array([latency_of(values, row.stack.recipe) for row in rows]).T)
    return np.asarray(
        time_to_first_token(prepared.work, prepared.hardware, _constants(rows, {}), latency, prepared.batch)
    )


def _powers(rows: Sequence[Measured], values: Values, seconds: Array) -> Array:
    import numpy as np

    prepared = prepare(rows)
    power = PowerConstants(*np.array([power_of(values, row.stack.generation) for row in rows]).T)
    return np.asarray(power_share(prepared.work, prepared.hardware, power, prepared.batch, seconds))


def _spread_rows(known: float, other: float, source: str, what: str) -> list[Row]:
    return [
        fitting.other_row("spread", "known", f"{known:.4f}", "1", f"{source}: residuals"),
        fitting.other_row("spread", "other", f"{other:.4f}", "1", f"assumed for {what}, beside what was {source}"),
    ]


def _counts(names: Sequence[str], source: str) -> list[Row]:
    return [
        fitting.other_row("measured", name, str(names.count(name)), "1", f"{source}: number of rows")
        for name in sorted(set(names))
    ]
