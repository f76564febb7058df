"""Colors, new axes, legends and logarithmic axes, shared by all plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from costmodel.foundation.rendering import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito 2008: distinct for all kinds of color vision; the first and the fifth also in gray print."""


def axes_for(ax: Axes | None, rows: int | None = None, legend_lines: int = 1) -> Axes:
    """Return the axes given, or new ones, with a place for each row where there are rows."""
    if ax is None:
        from matplotlib import pyplot

        height = 3.8 if rows is None else 1.4 + 0.55 * rows
        size = (7, height + 0.2 * (legend_lines - 1))
        ax = pyplot.figure(figsize=size, layout="constrained").subplots()
    if rows is not None:
        ax.set_ylim(-0.6, rows - 0.4)
    return ax


def legend_above(axes: Axes, columns: int = 3, title: str = "") -> None:
    """Put the legend above the axes, where it covers no data, and a title above it."""
    axes.legend(
        title=title,
        title_fontsize="small",
        alignment="left",
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1,
        handlelength=1.5,
        markerscale=0.6,
        fontsize="small",
    )


def logarithmic(axes: Axes, which: Literal["x", "y"], decades: bool) -> None:
    """Label 1, 2 and 5 of each decade with plain numbers, or the decades alone."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1,) if decades else (1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
