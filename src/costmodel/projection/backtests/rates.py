"""Observed rate of decline of each series, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.projection.decline.models import constants
from costmodel.projection.decline.series import Series, cost_series

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVEL = 0.8
"""Of the interval of a rate."""


def rates(series: Iterable[Series] | None = None) -> list[dict[str, Any]]:
    """Return the end-to-end rate of each series, with algorithms, hardware, prices and utilization in it.

    The interval is that of the rate that lies behind what was seen: jumps come at random, so that another such span
    of the same capability would have shown another factor. It is the posterior given the series: of a board, of the
    aging gamma process; of a capability, of the constant rate, seen through as many random jumps as that process has
    in such a span. The constants are those of a fit without the series.

    Parameters
    ----------
    series : those of the library unless given; one of a single point has no rate and is left out

    Returns
    -------
    list of dict
        series, kind, points, span [year], factor (cost at first over cost at last), rate, low and high (80 %)
        [times a year], hardware_fixed.

    Examples
    --------
    >>> row = next(row for row in rates() if row["series"].startswith("GPT-4"))
    >>> print(f"{row['rate']:.2f} times a year ({row['low']:.1f} to {row['high']:.1f}) over {row['span']:.1f} years")
    3.04 times a year (1.9 to 5.4) over 1.8 years
    """
    return [_row(one) for one in (cost_series() if series is None else series) if one.span > 0]


def _row(series: Series) -> dict[str, Any]:
    low, high = _board(series) if series.kind == "board" else _capability(series)
    return {
        "series": series.name, "kind": series.kind, "points": len(series.dates), "span": series.span,
        "factor": series.factor, "rate": series.factor ** (1 / series.span), "low": low, "high": high,
        "hardware_fixed": series.hardware_fixed,
    }  # fmt: skip


def _board(series: Series) -> tuple[float, float]:
    """Return the interval of the rate of an aging gamma process over the span of the series [times a year]."""
    import numpy as np
    from scipy.special import gammaincinv

    clock = constants(series.name).clock
    jumps = clock.pace * float(clock.at(series.span))
    scale = gammaincinv(clock.prior_shape + jumps, np.array([(1 + LEVEL) / 2, (1 - LEVEL) / 2]))
    low, high = np.exp(jumps / series.span * (clock.prior_rate + series.declined(series.span)) / scale).tolist()
    return low, high


def _capability(series: Series) -> tuple[float, float]:
    """Return the interval of a constant rate that was seen through as many jumps as fit in the span [times a year].

    D | r ~ Gamma(jumps, mean r · span), ln r as `data/fitted/decline.csv` has it before the series is seen.
    """
    import numpy as np

    constant, clock = constants(series.name)
    jumps = clock.pace * float(clock.at(series.span))
    logs = np.linspace(-6.0, 6.0, 4801) * constant.spread + np.log(constant.center)
    seen = series.declined(series.span) / series.span
    weight = -0.5 * ((logs - np.log(constant.center)) / constant.spread) ** 2 - jumps * (logs + seen * np.exp(-logs))
    mass = np.cumsum(np.exp(weight - weight.max()))
    low, high = np.exp(np.exp(np.interp([(1 - LEVEL) / 2, (1 + LEVEL) / 2], mass / mass[-1], logs))).tolist()
    return low, high
