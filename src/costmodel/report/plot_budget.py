"""Plots of a budget: costs by group, distribution of the total, drivers and calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from costmodel.foundation.errors import InputError, unknown
from costmodel.report.style import axes_for, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.budget.budget import Budget

Show = Literal["groups", "total", "drivers", "calendar"]


def budget(of: Budget, show: Show = "groups", ax: Axes | None = None) -> Axes:
    """Draw a budget: the plots of its HTML report, one at a time.

    Parameters
    ----------
    of : Budget
        Result of `Project.budget`.
    show : {"groups", "total", "drivers", "calendar"}
        The cost of each group with its interval; the probability of staying within a sum; the base with each input at
        its 10 % and 90 % quantile; or the calendar.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If there is no such plot.

    Examples
    --------
    >>> import costmodel as cm
    >>> project = cm.Project(name="labels", people=[{"role": "engineer", "weeks": 4, "usd_per_year": 104_000}])
    >>> axes = cm.plot.budget(project.budget(), "total")
    """
    from costmodel.budget.export import drawing

    plots = {
        "groups": drawing.draw_groups,
        "total": drawing.draw_total,
        "drivers": drawing.draw_drivers,
        "calendar": drawing.draw_calendar,
    }
    if show not in plots:
        raise InputError(f"show: {unknown('plot', show, plots)}")
    axes = plots[show](of, axes_for(ax))
    if ax is None:
        figure = axes.figure.figure
        figure.set_figheight(max(figure.get_figheight(), 1.7 + 0.5 * len(axes.get_yticks())))
    above = 22 if axes.get_legend() or show == "total" else 6
    axes.set_title(titled(axes, _titles(of)[show]), loc="left", fontsize="medium", pad=above)
    return axes


def _titles(of: Budget) -> dict[str, str]:
    """Return the title of each plot."""
    groups = {line.group: 0.0 for line in of.lines}
    for line in of.lines:
        groups[line.group] += line.base
    largest = max(groups, key=lambda group: groups[group])
    drivers, half, nine = of.drivers(), of.value("p50"), of.value("p90")
    return {
        "groups": f"{largest.capitalize()} is the largest group of {of.total.magnitude:,.0f} {of.currency}",
        "total": f"Half of the outcomes cost at most {half:,.0f} {of.currency}, nine of ten {nine:,.0f}",
        "drivers": f"{drivers[0].name} moves the cost most" if drivers else "No input is uncertain",
        "calendar": f"The project takes {of.days:,.0f} days",
    }
