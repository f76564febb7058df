"""Where do the constants of the aging gamma process come from? The series of costs, and each series left out.

`python -m costmodel.projection.decline.fit` fits the series of `data/measurements/cost_decline.csv` anew and writes
`data/fitted/decline.csv` and `data/fitted/folds/decline.csv`. The likelihood is that of the decline of each board in
each quarter and of each capability over its gaps, with the scale of every series integrated out; it is multiplied by
weak priors.
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.fitted import Prior
from costmodel.foundation.tables import folder, write_rows
from costmodel.projection.backtests.scoring import TOLERANCE
from costmodel.projection.decline.models import FITTED, FOLDS, AgingGamma, Clock
from costmodel.projection.decline.series import SLACK, Series, cost_series

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP = 0.25
"""Length of the windows of a board [year]."""

SOURCE = "data/measurements/cost_decline.csv"


PRIORS: dict[str, Prior] = {
    "pace": Prior(4.0, 1.0, "1/year", "shape of the gamma process by year of its clock"),
    "prior_shape": Prior(4.0, 0.7, "1", "shape of the distribution of the scale of a capability"),
    "prior_rate": Prior(6.0, 1.0, "1", "rate of that distribution, as a decline of ln cost"),
    "lasting": Prior(1 / (1 + math.e), 1.0, "1", "speed of the clock in old age; spread of the logit"),
    "aging": Prior(0.7, 0.7, "year", "time in which the early haste fades"),
}
"""Weak priors of `Clock`, with what each constant means; the spread of `lasting` is that of its logit."""
CENTER, SPREAD = 2.7, 0.45
"""The constant rate [times a year] and its spread [1]: chosen, not fitted. The geometric mean of the rates of the four
capabilities is 2.55 times a year, leave-one-out 2.3 to 2.8; the standard deviation of ln rate is 0.31 over them and
0.50 over all seven series, 0.44 to 0.55 leave-one-out."""


class Window(NamedTuple):
    """What is known of a series at an age [year] and what came next: `declined` so far, `decline` over `horizon`."""

    age: float
    declined: float
    horizon: float
    decline: float


def windows(series: Series) -> list[Window]:
    """Return the windows of a series that do not overlap: quarters of a board and what is left, gaps of a capability.

    Parameters
    ----------
    series : of two points or more
    """
    if series.kind == "board":
        starts = [STEP * number for number in range(math.floor(series.span / STEP + SLACK) + 1)]
        starts += [series.span] if series.span - starts[-1] > SLACK else []
    else:
        starts = sorted(set(series.ages))
    found = []
    for start, end in pairwise(starts):
        seen = series.declined(start)
        found.append(Window(start, seen, end - start, series.declined(end) - seen))
    return found


def fit(series: Sequence[Series]) -> Clock:
    """Return the constants of the aging gamma process of highest posterior probability.

    Parameters
    ----------
    series : those that are seen
    """
    import numpy as np
    from scipy.optimize import minimize

    seen = [window for one in series for window in windows(one)]
    middles = _free(Clock(*(prior.value for prior in PRIORS.values())))
    spreads = np.array([prior.spread for prior in PRIORS.values()])

    def missed(free: Any) -> float:
        off = (free - middles) / spreads
        return -_log_likelihood(_clock(free), seen) + 0.5 * float(off @ off)

    found = minimize(missed, middles, method="Nelder-Mead",
                     options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-5, "fatol": 1e-8})  # fmt: skip
    return _clock(found.x)


def fit_all(series: Sequence[Series]) -> tuple[Clock, dict[str, Clock]]:
    """Return the constants of all series, and those without each.

    Parameters
    ----------
    series : those with two points or more are used
    """
    used = [one for one in series if one.span > 0]
    return fit(used), {out.name: fit([one for one in used if one is not out]) for out in used}


def _log_likelihood(clock: Clock, seen: Sequence[Window]) -> float:
    """Return the log of the probability of all declines, each within a tie of what it was."""
    import numpy as np
    from scipy.special import betainc

    age, declined, horizon, decline = np.array(seen).T
    start = clock.at(age)
    pace = clock.pace * (clock.at(age + horizon) - start)
    shape, rate = clock.prior_shape + clock.pace * start, clock.prior_rate + declined
    low, high = np.maximum(decline - TOLERANCE, 0.0), decline + TOLERANCE
    share = betainc(pace, shape, high / (high + rate)) - betainc(pace, shape, low / (low + rate))
    return float(np.log(np.maximum(share, 1e-300)).sum())


def _free(clock: Clock) -> Any:
    import numpy as np

    return np.array([math.log(value / (1 - value)) if name == "lasting" else math.log(value)
                     for name, value in clock._asdict().items()])  # fmt: skip


def _clock(free: Any) -> Clock:
    return Clock(*(1 / (1 + math.exp(-value)) if name == "lasting" else math.exp(value)
                   for name, value in zip(Clock._fields, free, strict=True)))  # fmt: skip


def rows_of(clock: Clock, series: Sequence[Series]) -> list[dict[str, str]]:
    """Return the rows of `data/fitted/decline.csv`.

    Parameters
    ----------
    clock : fitted constants
    series : those that were seen
    """
    used = [one for one in series if one.span > 0]
    count = sum(len(windows(one)) for one in used)
    rows = [
        {"kind": "fitted", "name": name, "value": f"{getattr(clock, name):.5g}", "unit": prior.unit,
         "prior": f"{prior.value:.3g}", "prior_spread": f"{prior.spread:g}",
         "source": f"{prior.source}; fitted on {len(used)} series of {SOURCE} in {count} windows"}
        for name, prior in PRIORS.items()
    ]  # fmt: skip
    chosen = {
        "rate_center": (f"{math.log(CENTER):.5g}", "1/year", f"{CENTER:g} times a year; four capabilities: 2.55"),
        "rate_spread": (f"{SPREAD:g}", "1", "of ln rate; 0.31 over four capabilities, 0.50 over all seven series"),
    }
    return rows + [
        {"kind": "assumed", "name": name, "value": value, "unit": unit, "prior": "", "prior_spread": "",
         "source": f"chosen near the geometric mean and the scatter of the rates in {SOURCE}: {why}"}
        for name, (value, unit, why) in chosen.items()
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the constants and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m costmodel.projection.decline.fit", description=__doc__)
    parser.add_argument("--to", type=Path, default=None, help="folder to write to; the data of the library")
    target = parser.parse_args(arguments).to or folder()
    series = cost_series()
    clock, folds = fit_all(series)
    write_rows(target / f"{FITTED}.csv", rows_of(clock, series))
    source = "fitted on data/measurements/cost_decline.csv without the series by costmodel.projection.decline.fit"
    write_rows(target / f"{FOLDS}.csv", [
        {"series": name, "source": source, **{key: f"{value:.5g}" for key, value in one._asdict().items()}}
        for name, one in folds.items()])  # fmt: skip
    after = AgingGamma(clock).mean_rate
    print(f"{len(folds)} series; mean decline in the first year {math.exp(after):.1f} times")
    print(", ".join(f"{name} {value:.3g}" for name, value in clock._asdict().items()))


if __name__ == "__main__":
    main()
