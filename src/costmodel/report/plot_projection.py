"""Plots of projections: cost by year, its decomposition, and past and projected rental prices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from costmodel.foundation.errors import InputError
from costmodel.foundation.rendering import amount
from costmodel.report.style import COLORS, MOST_DATES, axes_for, ink, legend_above, logarithmic, scale_of, year_ends

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from costmodel.projection.projection import Projection
    from costmodel.projection.rents.outlook import RentalOutlook

LEVELS = (0.95, 0.8, 0.5)
"""Levels of the intervals drawn as bands, the widest first."""
DECADES = 2.5
"""Powers of ten from which an axis shows them alone."""


def projection(projection: Projection, below: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the cost at the end of each year: median, and bands with 50, 80 and 95 % of the paths.

    A run on the cheapest hardware has the median of the same hardware beside it.

    Parameters
    ----------
    projection : Projection
        Result of `project_cost`.
    below : float, optional
        Amount to mark [USD].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> axes = cm.plot.projection(cm.project_cost("GPT-4 class", range(2024, 2029), paths=300), below=1e6)
    """
    axes = axes_for(ax)
    years = projection.years
    middle = [projection.median(year) for year in years]
    size, unit = scale_of("USD", max(middle))
    for level, strength in zip(LEVELS, (0.15, 0.25, 0.35), strict=True):
        ends = [projection.interval(year, level) for year in years]
        axes.fill_between(
            years,
            [low / size for low, _ in ends],
            [high / size for _, high in ends],
            color=COLORS[0],
            alpha=strength,
            linewidth=0,
            label=f"{100 * level:g} %",
        )
    axes.plot(years, [one / size for one in middle], color=COLORS[0], marker="o", markersize=4, label="median")
    if (same := projection.same_hardware) is not None:
        flat = [same.median(year) / size for year in same.years]
        axes.plot(same.years, flat, color=COLORS[1], linestyle="--", marker="s", markersize=3.5, label="same hardware")
    reference = (
        projection.reference.year + projection.reference.timetuple().tm_yday / 366 - 1
    )  # the end of a year is it
    if min(years) - 1 <= reference <= max(years):
        axes.axvline(reference, color="0.5", linewidth=0.8, linestyle=":", label=f"known to {projection.reference}")
    if below is not None:
        axes.axhline(below / size, color=COLORS[1], linewidth=1, linestyle="--", label=f"{below / size:g} {unit}")
    ends = [projection.interval(year, LEVELS[0]) for year in years]
    span = math.log10(max(high for _, high in ends) / min(low for low, _ in ends))
    logarithmic(axes, "y", decades=span > DECADES)
    year_ends(axes, years)
    of_year = f" of {projection.base_year}" if projection.base_year is not None else ""
    axes.set_ylabel(f"cost, {projection.scope.replace('_', ' ')} [{unit}{of_year}]")
    first, last = (f"{amount(projection.median(year), 'USD')} at the end of {year}" for year in (years[0], years[-1]))
    legend_above(axes, title=f"Median cost: {first}, {last}" if len(years) > 1 else f"Median cost: {first}")
    return axes


def decomposition(projection: Projection, ax: Axes | None = None) -> Axes:
    """Draw the decline of the cost by factor: the mean decline of its logarithm, stacked.

    Parameters
    ----------
    projection : Projection
        Result of `project_cost`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If all years are past: facts of their date are not decomposed.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> axes = cm.plot.decomposition(cm.project_cost(run, range(2027, 2030), paths=300))
    """
    years = [year for year in projection.years if projection.decomposition(year)]
    if not years:
        raise InputError("all years are past: facts of their date are not decomposed")
    axes = axes_for(ax)
    below = [0.0] * len(years)
    for index, part in enumerate(projection.parts):
        heights = [part.declines[year] / math.log(10) for year in years]
        axes.bar(
            years,
            heights,
            bottom=below,
            width=0.6,
            color=COLORS[index % len(COLORS)],
            edgecolor=ink(),
            linewidth=0.5,
            hatch=("", "///", "...", "xxx", "---", "|||")[index % 6],
            label=part.name,
        )
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.axhline(0, color=ink(), linewidth=0.8)
    year_ends(axes, years)
    axes.set_ylabel("mean decline of the cost [powers of ten]")
    largest = max(projection.parts, key=lambda part: part.declines[years[-1]])
    title = f"Largest factor of the decline to the end of {years[-1]}: {largest.name}"
    legend_above(axes, title=title)
    return axes


def rental_prices(outlooks: Iterable[RentalOutlook], level: float = 0.8, ax: Axes | None = None) -> Axes:
    """Draw rental prices: past prices as steps, then the median and the interval of the projected paths.

    Parameters
    ----------
    outlooks : Sequence
        Results of `rental_outlook`.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> outlook = cm.rental_outlook("H100-SXM", ["2025-12-01", "2027-12-01"], provider="lambda", count=8)
    >>> axes = cm.plot.rental_prices([outlook])
    """
    axes, drawn = axes_for(ax), list(outlooks)
    for index, outlook in enumerate(drawn):
        color = COLORS[index % len(COLORS)]
        fact, days = outlook.facts[0], [_ordinal(day) for day in outlook.days]
        medians, ends = outlook.usd_per_gpu_hour, outlook.bounds(level)
        past = [place for place, years in enumerate(outlook.years) if years == 0]
        ahead = [*past[-1:], *(place for place, years in enumerate(outlook.years) if years > 0)]
        label = f"{fact.accelerator}, {fact.provider}"
        axes.step(
            [days[place] for place in past],
            [medians[place] for place in past],
            where="post",
            color=color,
            linewidth=1.6,
            label=label,
        )
        to_come = [days[place] for place in ahead]
        axes.plot(to_come, [medians[place] for place in ahead], color=color, linestyle="--", linewidth=1.2)
        lows, highs = ([ends[place][end] for place in ahead] for end in (0, 1))
        axes.fill_between(to_come, lows, highs, color=color, alpha=0.2, linewidth=0)
    axes.set_ylim(0)
    axes.set_ylabel("rental price [USD per GPU-hour]")
    axes.set_xlabel(f"1 January of the year; dashed: median ahead, band: {100 * level:g} %")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.locator_params(axis="x", integer=True, nbins=MOST_DATES)
    legend_above(axes, columns=2, title=_rents(drawn))
    return axes


def _rents(outlooks: Sequence[RentalOutlook]) -> str:
    """Return the title of rental prices: of one offer its first and last price."""
    if len(outlooks) != 1:
        return "Rental prices, past and projected"
    outlook = outlooks[0]
    ends = (f"{outlook.usd_per_gpu_hour[place]:.2f} USD on {outlook.days[place]}" for place in (0, -1))
    return f"An hour of {outlook.facts[0].accelerator}: {', '.join(ends)}"


def _ordinal(day: dt.date) -> float:
    """Return a day as a decimal year."""
    return day.year + (day.timetuple().tm_yday - 1) / 365.25
