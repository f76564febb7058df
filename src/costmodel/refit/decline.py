"""Refit of the constants of the aging gamma process to series of costs: `costmodel refit decline`.

The likelihood is that of the decline of each leaderboard series in each quarter, and of each capability series over
its gaps, with the scale of every series integrated out. The fit maximizes its product with weak priors.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from costmodel.foundation.fitted import (
    constant_rows,
    fit_posterior_mode,
    fold_rows,
    other_row,
    read_priors,
)
from costmodel.projection.backtests.scoring import TOLERANCE
from costmodel.projection.decline.models import FITTED, FOLDS, AgingGamma, Clock
from costmodel.projection.decline.series import SLACK, Series, cost_series
from costmodel.refit.result import Refitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.foundation.tables import Row

STEP = 0.25
"""Length of the windows of a leaderboard series [year]."""
SERIES = "measurements/cost_decline"
_SOURCE = f"fitted by costmodel refit decline on data/{SERIES}.csv"
PRIORS = read_priors("decline")
"""Weak priors of the fields of `Clock`."""
CENTER, SPREAD = 2.7, 0.45
"""Constant rate [times a year] and its spread on the logarithm [1]: chosen, not fitted. The geometric mean of the
rates of the four capability series is 2.55 times a year, 2.3 to 2.8 with one series left out; the standard deviation
of ln rate is 0.31 over them and 0.50 over all seven series, 0.44 to 0.55 with one series left out."""


class Window(NamedTuple):
    """A span of a series: its age at the start [year], the decline of ln cost until then [1], the length [year] and
    the decline within it [1]."""

    age: float
    declined: float
    horizon: float
    decline: float


def windows(series: Series) -> list[Window]:
    """Return the windows of a series: quarters and the rest of a leaderboard, gaps of a capability. None overlap.

    Parameters
    ----------
    series : Series
        Of two points or more.
    """
    if series.kind == "board":
        starts = [STEP * number for number in range(math.floor(series.span / STEP + SLACK) + 1)]
        starts += [series.span] if series.span - starts[-1] > SLACK else []
    else:
        starts = sorted(set(series.ages))
    listed = []
    for start, end in pairwise(starts):
        declined = series.declined(start)
        listed.append(Window(start, declined, end - start, series.declined(end) - declined))
    return listed


def fit(series: Sequence[Series]) -> Clock:
    """Return the constants of the aging gamma process of maximum posterior density.

    Parameters
    ----------
    series : sequence of Series
        The series to fit on.
    """
    listed = [window for one_series in series for window in windows(one_series)]
    mode = fit_posterior_mode(
        lambda values: _log_likelihood(Clock(**values), listed), PRIORS, xatol=1e-5, fatol=1e-8, iterations=4000
    )
    return Clock(**mode)


def fit_all(series: Sequence[Series]) -> tuple[Clock, dict[str, Clock]]:
    """Return the constants of all series, and those of the fits without each.

    Parameters
    ----------
    series : sequence of Series
        Those with two points or more are used.
    """
    used = [each for each in series if each.span > 0]
    names = [each.name for each in used]
    folds = {left_out: fit([each for each in used if each.name != left_out]) for left_out in names}
    return fit(used), folds


def _log_likelihood(clock: Clock, listed: Sequence[Window]) -> float:
    """Return the log of the probability of all declines, each within a tie of what it was."""
    import numpy as np
    from scipy.special import betainc

    age, declined, horizon, decline = np.array(listed).T
    start = clock.at(age)
    pace = clock.pace * (clock.at(age + horizon) - start)
    shape, rate = clock.prior_shape + clock.pace * start, clock.prior_rate + declined
    low, high = np.maximum(decline - TOLERANCE, 0.0), decline + TOLERANCE
    share = betainc(pace, shape, high / (high + rate)) - betainc(pace, shape, low / (low + rate))
    return float(np.log(np.maximum(share, 1e-300)).sum())


def refit() -> Refitted:
    """Return the tables of the constants of the decline of costs, fitted on the series of the library."""
    series = cost_series()
    clock, folds = fit_all(series)
    rate = math.exp(AgingGamma(clock).mean_rate)
    fitted = {name: fold._asdict() for name, fold in folds.items()}
    return Refitted(
        {FITTED: _constant_rows(clock, series),
         FOLDS: fold_rows("series", fitted, Clock._fields, f"{_SOURCE}, without the series")},
        [f"{len(folds)} series; mean decline in the first year: {rate:.1f} times"],
    )  # fmt: skip


def _constant_rows(clock: Clock, series: Sequence[Series]) -> list[Row]:
    used = [each for each in series if each.span > 0]
    count = sum(len(windows(each)) for each in used)
    rows = constant_rows(clock._asdict(), PRIORS, f"{_SOURCE}, {len(used)} series in {count} windows")
    chosen = {
        "rate_center": (f"{math.log(CENTER):.5g}", "1/year", f"{CENTER:g} times a year; four capabilities: 2.55"),
        "rate_spread": (f"{SPREAD:g}", "1", "of ln rate; 0.31 over four capabilities, 0.50 over all seven series"),
    }
    return rows + [
        other_row("assumed", name, value, unit,
                  f"chosen near the geometric mean and the scatter of the rates in data/{SERIES}.csv: {why}")
        for name, (value, unit, why) in chosen.items()
    ]  # fmt: skip
