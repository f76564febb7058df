"""Style of all plots: colors, new axes, titles, legends and axes of values, money and dates.

New figures have a white background of their own, so that they are legible on dark pages too; in a dark style of
matplotlib they follow its colors. Their text stays text in SVG files.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Literal

from costmodel.foundation.rendering import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito 2008: distinct for all kinds of color vision; the first and the fifth also in gray print."""

STYLES = ("-", "--", "-.", ":")
"""Styles of lines, so that they differ in gray print."""
MOST_DATES = 9
"""Dates at an axis, so that their labels do not overlap [1]."""
_INCHES_PER_CHARACTER = 0.078
"""Width of a character of a title."""
_LABEL = 10
"""Characters of a label at the y axis for which axes have room [1]."""


def axes_for(ax: Axes | None, rows: int | None = None, legend_lines: int = 1) -> Axes:
    """Return the axes given, or new ones, with a place for each row where there are rows."""
    if ax is None:
        from matplotlib import pyplot
        from matplotlib.figure import Figure

        class TextFigure(Figure):
            """A figure whose text stays text in SVG files."""

            def savefig(self, *args: Any, **options: Any) -> None:
                with pyplot.rc_context({"svg.fonttype": "none"}):
                    super().savefig(*args, **options)

        height = 4.1 if rows is None else 1.7 + 0.55 * rows
        size = (7, height + 0.2 * (legend_lines - 1))
        ax = pyplot.figure(figsize=size, layout="constrained", FigureClass=TextFigure).subplots()
    if rows is not None:
        ax.set_ylim(-0.6, rows - 0.4)
    return ax


def ink() -> str:
    """Return the color of lines and edges: that of the axes of the present style of matplotlib."""
    from matplotlib import rcParams

    return str(rcParams["axes.edgecolor"])


def titled(axes: Axes, title: str) -> str:
    """Return a title wrapped to the width of the axes, with dollar signs that are no mathematics.

    Parameters
    ----------
    axes : Axes
        Axes below the title.
    title : str
        Title of one or more lines.
    """
    figure = axes.figure.figure  # of a subfigure: the whole figure
    inches = figure.get_figwidth()
    labels = [line for label in axes.get_yticklabels() for line in label.get_text().splitlines()]
    beside = max(max(map(len, labels), default=0) - _LABEL, 0)  # long labels make the axes narrower
    width = max(int(axes.get_position().width * inches / _INCHES_PER_CHARACTER) - beside, 24)
    lines = [line for part in title.splitlines() for line in textwrap.wrap(part, width)]
    return "\n".join(lines).replace("$", r"\$")


def title_of(axes: Axes) -> str:
    """Return the title of a plot, that of its legend or of its axes, as plain text."""
    legend = axes.get_legend()
    found = "" if legend is None else legend.get_title().get_text()
    return (found or axes.get_title() or axes.get_title("left")).replace(r"\$", "$").replace("\n", " ")


def legend_above(axes: Axes, columns: int = 3, title: str = "") -> None:
    """Put the legend above the axes, where it covers no data, and above it a title that says what the plot shows."""
    axes.legend(
        title=titled(axes, title),
        title_fontsize="medium",
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


def year_ends(axes: Axes, years: Sequence[int]) -> None:
    """Label the ends of years with their dates, of many years every second or third.

    Parameters
    ----------
    axes : Axes
        Axes whose x values are years, each standing for its last day.
    years : sequence of int
        Years that are drawn.
    """
    shown = years[:: -(-len(years) // MOST_DATES)]
    axes.set_xticks(shown, [f"Dec {year}" for year in shown])
    axes.set_xlabel("date (31 December)")


def logarithmic(axes: Axes, which: Literal["x", "y"], decades: bool) -> None:
    """Label 1, 2 and 5 of each decade with plain numbers, or the decades alone."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1,) if decades else (1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
