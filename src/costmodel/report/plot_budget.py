"""Plots of a budget: costs by group, distribution of the total, drivers and calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from costmodel.foundation.errors import InputError, unknown
from costmodel.report.drawing import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.budget.budget import Budget

Show = Literal["groups", "total", "drivers", "calendar"]


def budget(of: Budget, show: Show = "groups", ax: Axes | None = None) -> Axes:
    """Draw a budget: the plots of its HTML report, one at a time.

    Parameters
    ----------
    of : Budget
    show : "groups" (what each costs, low to high), "total" (the chance to stay within a sum), "drivers" (the base
        with each input at its 10 % and 90 % quantile), or "calendar"
    ax : Axes to draw in; new ones unless given

    Raises
    ------
    InputError
        If there is no such plot.
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
    return plots[show](of, axes_for(ax))
