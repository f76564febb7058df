"""Observed rate of decline of each series, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.projection.decline.models import constants
from costmodel.projection.decline.series import Series, cost_series

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 0.8
"""Probability inside the interval of a rate [1]."""


def rates(series: Iterable[Series] | None = None) -> list[dict[str, Any]]:
    """Return the end-to-end rate of decline of each series: algorithms, hardware, prices and utilization together.

    The interval is the posterior of the underlying rate. Costs decline in random jumps, so the observed factor differs
    from the underlying one. A leaderboard series uses the aging gamma process. A capability series uses the constant
    rate, observed through the number of jumps of that process in the same span. The constants are fitted without the
    series.

    Parameters
    ----------
    series : iterable of Series, optional
        Series of the library by default. A series of a single point has no rate and is left out.

    Returns
    -------
    list of dict
        series, kind, points, span [year], factor (first cost / last cost), rate, low and high (80 % interval)
        [1/year], hardware_fixed.

    Examples
    --------
    >>> row = next(row for row in rates() if row["series"].startswith("GPT-4"))
    >>> print(f"{row['rate']:.2f} times a year ({row['low']:.1f} to {row['high']:.1f}) over {row['span']:.1f} years")
    3.04 times a year (1.9 to 5.4) over 1.8 years
    """
    return [_row(listed) for listed in (cost_series() if series is None else series) if listed.span > 0]


def _row(series: Series) -> dict[str, Any]:
    low, high = _board(series) if series.kind == "board" else _capability(series)
    return {
        "series": series.name,
        "kind": series.kind,
        "points": len(series.dates),
        "span": series.span,
        "factor": series.factor,
        "rate": series.factor ** (1 / series.span),
        "low": low,
        "high": high,
        "hardware_fixed": series.hardware_fixed,
    }


def _board(series: Series) -> tuple[float, float]:
    """Return the interval of the rate of an aging gamma process over the span of the series [1/year]."""
    import numpy as np
    from scipy.special import gammaincinv

    clock = constants(series.name).clock
    jumps = clock.pace * float(clock.at(series.span))
    scale = gammaincinv(clock.prior_shape + jumps, np.array([(1 + LEVEL) / 2, (1 - LEVEL) / 2]))
    low, high = np.exp(jumps / series.span * (clock.prior_rate + series.declined(series.span)) / scale).tolist()
    return low, high


def _capability(series: Series) -> tuple[float, float]:
    """Return the interval of a constant rate observed through random jumps [1/year].

    D | r ~ Gamma(jumps, mean r · span), with the prior of ln r of `data/fitted/decline.csv`.
    """
    import numpy as np

    constant, clock = constants(series.name)
    jumps = clock.pace * float(clock.at(series.span))
    logs = np.linspace(-6.0, 6.0, 4801) * constant.spread + np.log(constant.center)
    observed = series.declined(series.span) / series.span
    weight = -0.5 * ((logs - np.log(constant.center)) / constant.spread) ** 2 - jumps * (
        logs + observed * np.exp(-logs)
    )
    mass = np.cumsum(np.exp(weight - weight.max()))
    low, high = np.exp(np.exp(np.interp([(1 - LEVEL) / 2, (1 + LEVEL) / 2], mass / mass[-1], logs))).tolist()
    return low, high
