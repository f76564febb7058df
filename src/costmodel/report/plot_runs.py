"""Plots of published runs: cost by year or compute, and published values against estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from warnings import warn

from costmodel.comparison.costs import DEVELOPMENT, FINAL_RUN
from costmodel.comparison.reestimation import COMPARED, Reestimates, reestimates
from costmodel.comparison.runs import FIGURES, PublishedRuns
from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import amount
from costmodel.report.style import COLORS, axes_for, ink, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.projection.projection import Projection

XAxis = Literal["year", "compute"]
_X_LABELS = {"year": "date of publication [year]", "compute": "compute [FLOP]"}
_MARKERS = {FINAL_RUN: "o", DEVELOPMENT: "D"}
_LABEL_SIZE = 7
_OFFSETS = (*((dx, dy) for dy in (-3, 2, -8) for dx in (6, -6)), (0, 8), (0, -13))
"""Places of a label beside its point, the best first [point]."""


class _Point(NamedTuple):
    x: float
    y: float
    name: str
    low: float | None = None
    high: float | None = None


def runs(
    found: Reestimates | PublishedRuns | None = None,
    x: XAxis = "year",
    level: float = DEFAULT_LEVEL,
    labels: int = 24,
    projection: Projection | None = None,
    ax: Axes | None = None,
    *,
    against: XAxis | None = None,
) -> Axes:
    """Draw the cost of runs, published and estimated with intervals, over their year or their compute.

    Circles are final runs, diamonds total development. Hollow marks are figures that their authors computed from
    other figures. Estimates are of the final run, and drawn where a price of the day is known.

    Parameters
    ----------
    found : Reestimates or PublishedRuns, optional
        Result of `reestimates` or `published_runs`; default: all published runs.
    x : str
        "year" or "compute".
    level : float
        Probability inside the intervals, 0 to 1 [1].
    labels : int
        Largest number of labeled runs, the most expensive first. Labels that would overlap are omitted.
    projection : Projection, optional
        Result of `project_cost`, drawn with its interval over the year.
    ax : Axes, optional
        Axes to draw in; default: new ones.
    against : str, optional
        Former name of `x`.

    Raises
    ------
    InputError
        If `x` is unknown, no run has a cost, or a projection is drawn over compute.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.runs(cm.published_runs().where(since=2024), x="compute")
    """
    if against is not None:
        warn("costmodel.plot.runs: `against` is now `x`", DeprecationWarning, stacklevel=2)
        x = against
    if projection is not None and x != "year":
        raise InputError(f"projection: costs by year need x='year'; got x={x!r}")
    if x not in _X_LABELS:
        raise InputError(f"x: {unknown('axis', x, _X_LABELS)}")
    found = reestimates() if found is None else _checked(found)
    compute = {one.run.id: _known(one.estimate.value("flops")) for one in found}
    estimated: list[_Point] = []
    claimed: dict[tuple[str, bool], list[_Point]] = {}
    for run in found.runs:
        place = run.place_in_time if x == "year" else compute.get(run.id) or run.published("flops")
        if place is None:
            continue
        for cost in run.costs:
            claimed.setdefault((cost.scope, cost.circular), []).append(_Point(place, cost.usd, run.id))
        made = found[run.id].estimate if run.id in compute else None
        value = None if made is None else _known(made.value("cost"))
        if made is not None and value is not None:
            estimated.append(_Point(place, value, run.id, *made.bounds("cost", level)))
    if not estimated and not claimed:
        raise InputError("no cost of these runs is published, and no price of their days is known")
    axes = _axes(ax)
    if projection is not None:
        _projected(axes, projection, level)
    if estimated:
        axes.errorbar(
            [one.x for one in estimated],
            [one.y for one in estimated],
            fmt="none",
            ecolor=COLORS[5],
            yerr=_margins(estimated),
            elinewidth=2.5,
            alpha=0.75,
            label=f"{100 * level:g} % interval",
        )
        axes.plot(
            [one.x for one in estimated],
            [one.y for one in estimated],
            linestyle="none",
            marker="_",
            markersize=9,
            markeredgewidth=2,
            color=COLORS[0],
            label="estimated, final run",
        )
    for (scope, circular), points in sorted(claimed.items()):
        named = f"published, {scope.replace('_', ' ')}" + (" (arithmetic)" if circular else "")
        axes.plot(
            [one.x for one in points],
            [one.y for one in points],
            linestyle="none",
            marker=_MARKERS[scope],
            markersize=6,
            color=COLORS[1],
            markeredgecolor=ink() if not circular else COLORS[1],
            markerfacecolor="white" if circular else COLORS[1],
            markeredgewidth=0.6 if not circular else 1.6,
            label=named,
        )
    axes.set_yscale("log")
    if x == "compute":
        axes.set_xscale("log")
    axes.margins(x=0.09, y=0.06)
    axes.set_xlabel(_X_LABELS[x])
    axes.set_ylabel("cost [USD of the year]")
    points = [*(point for group in claimed.values() for point in group), *estimated]
    ends = " to ".join(amount(end(point.y for point in points), "USD") for end in (min, max))
    legend_above(axes, columns=3, title=f"{len({point.name for point in points})} published runs cost {ends}")
    dearest = sorted(points, key=lambda point: -point.y)
    _named(axes, points, list(dict.fromkeys(point.name for point in dearest))[:labels])
    return axes


def _projected(axes: Axes, projection: Projection, level: float) -> None:
    """Draw the median and the interval of a projection below the points, at the end of each year."""
    ends = [year + 1 for year in projection.years]
    bounds = [projection.interval(year, level) for year in projection.years]
    axes.fill_between(
        ends, [low for low, _ in bounds], [high for _, high in bounds], color=COLORS[2], alpha=0.2, linewidth=0
    )
    axes.plot(
        ends,
        [projection.median(year) for year in projection.years],
        color=COLORS[2],
        linewidth=1.5,
        label=projection.title.partition(":")[0] + ", projected",
    )


def claimed_against_estimated(
    found: Reestimates | PublishedRuns | None = None,
    figure: str = "gpu_hours",
    level: float = DEFAULT_LEVEL,
    labels: int = 14,
    ax: Axes | None = None,
) -> Axes:
    """Draw estimated over published values, with the line of equality and a band of a factor of two.

    Hollow points are figures that authors computed from other figures; triangles are speculative or for reference.

    Parameters
    ----------
    found : Reestimates or PublishedRuns, optional
        Result of `reestimates` or `published_runs`; default: all published runs.
    figure : str
        "gpu_hours", "energy", "carbon", "cost" or "flops".
    level : float
        Probability inside the intervals, 0 to 1 [1].
    labels : int
        Largest number of labeled runs, those with the largest error first.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If there is no such figure, or no run claims it.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.claimed_against_estimated(cm.published_runs().where(since=2024), "gpu_hours")
    """
    if figure not in COMPARED:
        raise InputError(f"figure: {unknown('figure', figure, COMPARED)}")
    found = reestimates() if found is None else _checked(found)
    rows = [
        (one, row) for one in found for row in one.rows(level) if row["figure"] == figure and row["ratio"] is not None
    ]
    if not rows:
        raise InputError(f"figure: none of these runs claims {figure}, or it cannot be estimated")
    axes = _axes(ax)
    ends = [row[name] for _, row in rows for name in ("claimed", "low", "high")]
    line = [min(ends) / 1.5, max(ends) * 1.5]
    axes.fill_between(
        line,
        [end / 2 for end in line],
        [end * 2 for end in line],
        color="0.88",
        zorder=0,
        label="within a factor of two",
    )
    axes.plot(line, line, color="0.35", linewidth=1, zorder=1, label="estimated = published")
    groups: dict[tuple[str, bool, str], list[dict[str, Any]]] = {}
    for one, row in rows:
        aside = one.run.speculative or one.run.reference
        look = ("^" if aside else "o", row["arithmetic"], "speculative or for reference" if aside else "published")
        groups.setdefault(look, []).append(row)
    for (marker, hollow, named), members in sorted(groups.items(), reverse=True):
        axes.errorbar(
            [row["claimed"] for row in members],
            [row["estimated"] for row in members],
            fmt="none",
            yerr=[
                [row["estimated"] - row["low"] for row in members],
                [row["high"] - row["estimated"] for row in members],
            ],
            ecolor=COLORS[5],
            elinewidth=1.6,
            alpha=0.8,
            zorder=2,
        )
        axes.plot(
            [row["claimed"] for row in members],
            [row["estimated"] for row in members],
            linestyle="none",
            marker=marker,
            markersize=6,
            color=COLORS[0] if marker == "o" else COLORS[1],
            zorder=3,
            markerfacecolor="white" if hollow else None,
            markeredgewidth=1.4 if hollow else 0.6,
            label=named + (" (arithmetic)" if hollow else ""),
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*line)
    axes.set_ylim(*line)
    title, unit = OUTPUTS[figure].title, FIGURES[figure][2]
    unit = {"hour": "GPU-hour", "tonne": "t"}.get(unit, unit)
    axes.set_xlabel(f"{title}, published [{unit}]")
    axes.set_ylabel(f"{title}, estimated [{unit}]")
    inside = sum(row["low"] <= row["claimed"] <= row["high"] for _, row in rows)
    legend_above(axes, columns=3, title=f"{title}: {inside} of {len(rows)} published values are inside the interval")
    off = sorted(rows, key=lambda pair: -abs(math.log(pair[1]["ratio"])))
    points = [_Point(row["claimed"], row["estimated"], row["run"], row["low"], row["high"]) for _, row in off]
    _named(axes, points, [point.name for point in points[:labels]])
    return axes


def _axes(ax: Axes | None) -> Axes:
    axes = axes_for(ax, legend_lines=2)
    if ax is None and axes.figure is not None:
        axes.figure.set_size_inches(8.5, 6.2)  # type: ignore[union-attr]
    return axes


def _checked(found: Any) -> Reestimates:
    if isinstance(found, PublishedRuns):
        return reestimates(found)
    if not isinstance(found, Reestimates):
        raise InputError(f"found is what published_runs or reestimates returns; got {type(found).__name__}")
    return found


def _known(value: float | Missing) -> float | None:
    return None if isinstance(value, Missing) else value


def _margins(points: Sequence[_Point]) -> list[list[float]]:
    """Return the distances from the points to the ends of the intervals."""
    return [
        [0.0 if point.low is None else max(point.y - point.low, 0.0) for point in points],
        [0.0 if point.high is None else max(point.high - point.y, 0.0) for point in points],
    ]


def _named(axes: Axes, points: Sequence[_Point], order: Sequence[str]) -> None:
    """Write the names of runs in the given order, each beside its highest free point.

    A name that would overlap another name, a point or an interval is omitted.
    """
    from matplotlib.transforms import Bbox

    axes.figure.canvas.draw()  # settles the layout, without which nothing has its place
    inside, taken = axes.get_window_extent(), []
    for point in points:
        x, y = axes.transData.transform((point.x, point.y))
        taken.append(Bbox.from_extents(x - 4, y - 4, x + 4, y + 4))
        if point.low is not None and point.high is not None:
            bottom, top = axes.transData.transform([(point.x, point.low), (point.x, point.high)])
            taken.append(Bbox.from_extents(bottom[0] - 1.5, bottom[1], top[0] + 1.5, top[1]))
    for name in dict.fromkeys(order):
        own = sorted((point for point in points if point.name == name), key=lambda point: -point.y)
        for point, (dx, dy) in ((point, offset) for point in own for offset in _OFFSETS):
            side = "left" if dx > 0 else "right" if dx < 0 else "center"
            text = axes.annotate(
                name, (point.x, point.y), (dx, dy), textcoords="offset points", fontsize=_LABEL_SIZE, ha=side
            )
            box = text.get_window_extent()
            if _within(box, inside) and not any(box.overlaps(other) for other in taken):
                taken.append(box.padded(2))
                break
            text.remove()


def _within(box: Any, area: Any) -> bool:
    return bool(area.x0 <= box.x0 and box.x1 <= area.x1 and area.y0 <= box.y0 and box.y1 <= area.y1)
