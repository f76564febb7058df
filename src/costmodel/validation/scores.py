"""Error, bias and interval coverage of a set of predictions, in one form for every kind of case."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.ranges import median, normal_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LEVELS = (0.5, 0.8, 0.95)


class Case(NamedTuple):
    """A predicted and a measured figure: `intervals` by level, and the reason in `skipped` if it is not scored."""

    id: str
    family: str = ""
    predicted: float | None = None
    measured: float | None = None
    intervals: Mapping[float, tuple[float, float]] = {}
    skipped: str | None = None


def intervals(value: float, spread: float) -> dict[float, tuple[float, float]]:
    """Return the intervals of a lognormal prediction, by level.

    Parameters
    ----------
    value : float
        The median.
    spread : float
        Standard deviation of the logarithm.
    """
    factors = {level: math.exp(normal_quantile((1 + level) / 2) * spread) for level in LEVELS}
    return {level: (value / factor, value * factor) for level, factor in factors.items()}


def report(kind: str, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the scores of all cases and of each family, with a row per case.

    Errors and coverages are fractions; `geometric_mean_error` is exp(mean |ln(predicted / measured)|) - 1, `bias` the
    mean of ln(predicted / measured), `half_width` the median factor from the middle of the 80 % interval to its ends.
    """
    scored = [case for case in cases if case.skipped is None]
    families = sorted({case.family for case in scored})
    return {
        "kind": kind,
        "cases": len(cases),
        **scores(scored),
        "families": {name: scores([case for case in scored if case.family == name]) for name in families},
        "rows": [_row(case) for case in cases],
    }


def scores(cases: Iterable[Case]) -> dict[str, Any]:
    """Return the measures of a set of scored cases; a measure of no case is None."""
    logs, errors, listed = [], [], list(cases)
    for case in listed:
        if case.predicted is not None and case.measured is not None:
            logs.append(math.log(case.predicted / case.measured))
            errors.append(abs(case.predicted - case.measured) / case.measured)
    some = bool(logs)
    return {
        "scored": len(logs),
        "geometric_mean_error": math.expm1(sum(map(abs, logs)) / len(logs)) if some else None,
        "mape": sum(errors) / len(errors) if some else None,
        "median_ape": median(errors) if some else None,
        "bias": sum(logs) / len(logs) if some else None,
        "median_abs_log10": median([abs(log) / math.log(10) for log in logs]) if some else None,
        "half_width": _half_width(listed),
        "within_factor_2": sum(abs(log) <= math.log(2) for log in logs) / len(logs) if some else None,
        "coverage": {str(level): _coverage(listed, level) for level in LEVELS},
    }


def summary_rows(scored: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the scores of a report as rows of a table: all cases, then each family."""
    rows = []
    for name, part in {"all": scored, **scored["families"]}.items():
        if part["scored"]:
            rows.append(
                {
                    "cases": f"{name} ({part['scored']})",
                    "median error": f"{part['median_ape']:.0%}",
                    "mean error": f"{part['mape']:.0%}",
                    "median |log10|": f"{part['median_abs_log10']:.3f}",
                    "bias": f"{part['bias']:+.2f}",
                    "in 80 % interval": f"{part['coverage']['0.8']:.0%}",
                    "half-width": f"× {part['half_width']:.2f}",
                }
            )
    return rows


def _half_width(cases: Iterable[Case]) -> float | None:
    """Return the median factor from the middle of the 80 % interval to its ends, √(high / low) [1]."""
    ends = [case.intervals[0.8] for case in cases if 0.8 in case.intervals]
    return median([math.sqrt(high / low) for low, high in ends]) if ends else None


def _coverage(cases: Iterable[Case], level: float) -> float | None:
    inside = [
        case.intervals[level][0] <= case.measured <= case.intervals[level][1]
        for case in cases
        if case.measured is not None and level in case.intervals
    ]
    return sum(inside) / len(inside) if inside else None


def _row(case: Case) -> dict[str, Any]:
    low, high = case.intervals.get(0.8, (None, None))
    return {
        "id": case.id,
        "predicted": case.predicted,
        "measured": case.measured,
        "low": low,
        "high": high,
        "skipped": case.skipped,
    }
