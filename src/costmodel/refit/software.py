"""Refit of the factors of training software to measured steps of software outside the fit: `costmodel refit software`.

The constants of the step-time model stay as shipped. Each software has a factor on the step time; software that was
never measured has the mean factor, with the spread of software left out of the fit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation import fitted as fitting
from costmodel.foundation.tables import Row, table
from costmodel.refit.result import Refitted, error_line
from costmodel.training.calibration.measured_steps import MeasuredStep, family_stack, read_steps
from costmodel.training.calibration.predictions import predict, prepare
from costmodel.training.step.efficiency import default_efficiency
from costmodel.training.step.software import UNKNOWN, load_software, software_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STEPS, TABLE = "measurements/other_software", "fitted/software_efficiency"
_SOURCE = f"fitted by costmodel refit software on data/{STEPS}.csv"
ITERATIONS = 100
"""Fixed-point iterations of the variance between software [1]."""


class SoftwareFit(NamedTuple):
    """Random effects of software on ln(measured / predicted) of a step time: each software has a mean of its own."""

    mean: float
    """Mean over software."""
    between: float
    """Standard deviation between the means of software."""
    within: float
    """Standard deviation of the steps of one software."""

    def effect(self, logs: Sequence[float]) -> tuple[float, float]:
        """Return the effect of one software, shrunk toward the mean, and the standard deviation of its next step.

        Parameters
        ----------
        logs : sequence of float
            ln(measured / predicted) of its measured steps; empty for unknown software.
        """
        weight = self.between**2 / (self.between**2 + self.within**2 / len(logs)) if logs else 0.0
        mean = math.fsum(logs) / len(logs) if logs else self.mean
        left = self.between * math.sqrt(1 - weight)
        return self.mean + weight * (mean - self.mean), math.hypot(left, self.within)


def fit_software(groups: Mapping[str, Sequence[float]]) -> SoftwareFit:
    """Fit the random effects of software, by the method of Paule and Mandel.

    Parameters
    ----------
    groups : Mapping
        ln(measured / predicted) of the measured steps by software; two software at least.

    References
    ----------
    Paule and Mandel 1982, doi:10.6028/jres.087.022.
    """
    means = {name: math.fsum(logs) / len(logs) for name, logs in groups.items()}
    squares = math.fsum((log - means[name]) ** 2 for name, logs in groups.items() for log in logs)
    within = squares / max(sum(len(logs) - 1 for logs in groups.values()), 1)
    mean, between = math.fsum(means.values()) / len(means), within
    for _ in range(ITERATIONS):
        weights = {name: 1 / (between + within / len(logs)) for name, logs in groups.items()}
        mean = math.fsum(weights[name] * means[name] for name in groups) / math.fsum(weights.values())
        excess = math.fsum(weights[name] * (means[name] - mean) ** 2 for name in groups) / (len(groups) - 1)
        between = max(between * excess, 1e-9)
    return SoftwareFit(mean, math.sqrt(between), math.sqrt(within))


def measured_logs(steps: Sequence[MeasuredStep]) -> Array:
    """Return ln(measured / predicted) of measured steps with the shipped constants, shape (steps,) [1].

    Parameters
    ----------
    steps : sequence of MeasuredStep
        Steps of software that `data/facts/software.csv` names.
    """
    import numpy as np

    with_kernels = [
        step._replace(layout=step.layout.replace(eager=load_software(family_stack(step.family)).kernels == "eager"))
        for step in steps
    ]
    prepared = prepare(with_kernels)
    logs: Array = np.log(prepared.seconds / predict(prepared, default_efficiency().values))
    return logs


def refit() -> Refitted:
    """Return the table of the factors of software, fitted on the measurements of the library."""
    import numpy as np

    steps, _ = read_steps(table(STEPS))
    logs, names = measured_logs(steps), [family_stack(step.family) for step in steps]
    groups = {name: [log for log, own in zip(logs.tolist(), names, strict=True) if own == name] for name in names}
    fitted = fit_software(groups)
    without = {name: fit_software({other: groups[other] for other in groups if other != name}) for name in groups}
    left_out = np.array([without[name].mean - log for name, log in zip(names, logs, strict=True)])
    spread = fitting.spread_of(left_out, np.array([1 / len(groups[name]) for name in names]))
    summary = [
        error_line("steps, without a factor", -logs, 0.25),
        error_line("steps, their software left out", left_out, 0.25),
    ]
    return Refitted({TABLE: _rows(fitted, groups, spread)}, summary)


def _rows(fitted: SoftwareFit, groups: Mapping[str, Sequence[float]], unknown: float) -> list[Row]:
    """Return a factor and a spread for unknown software, for each measured software, and for software of the fits."""
    dense = default_efficiency().spreads["dense"]
    rows = [
        _constant(UNKNOWN, fitted.mean, f"mean of {len(groups)} software"),
        _spread(UNKNOWN, unknown, dense, "steps of software left out of the fit; every software has the same weight"),
    ]
    for name, logs in groups.items():
        effect, spread = fitted.effect(logs)
        rows += [
            _constant(name, effect, f"{len(logs)} steps"),
            _spread(name, min(spread, unknown), dense, f"steps of one software, {len(logs)} measured"),
        ]
    of_fits = [name for name in software_names() if load_software(name).is_measured and name not in groups]
    return [*rows, *(_spread(name, dense, dense, "software of the fits of the constants") for name in of_fits)]


def _constant(name: str, effect: float, what: str) -> Row:
    return fitting.other_row("fitted", f"software:{name}", f"{math.exp(effect):.4f}", "1", f"{_SOURCE}: {what}")


def _spread(name: str, spread: float, dense: float, what: str) -> Row:
    """Return a spread, as what it adds to the spread of dense models with software of the fit."""
    added = math.sqrt(max(spread**2 - dense**2, 0.0))
    return fitting.other_row("spread", f"software:{name}", f"{added:.4f}", "1", f"{_SOURCE}: {what}")
