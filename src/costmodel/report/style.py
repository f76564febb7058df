"""Style of all plots: colors, new axes, titles, legends and axes of values, money and dates.

New figures have a white background of their own, so that they are legible on dark pages too; in a dark style of
matplotlib they follow its colors. Their text stays text in SVG files.
"""

from __future__ import annotations

import re
import textwrap
from itertools import pairwise
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
SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "USD": ((1e9, "B$"), (1e6, "M$"), (1e3, "k$"), (1.0, "USD")),
    "kg": ((1e6, "kt"), (1e3, "t"), (1.0, "kg")),
    "J": ((3.6e15, "TWh"), (3.6e12, "GWh"), (3.6e9, "MWh"), (3.6e6, "kWh")),
}
"""Units of an axis with their size in SI, the largest first, by the way in which a figure is rendered."""
_INCHES_PER_CHARACTER = 0.078
"""Width of a character of a title."""
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?!of\b|to\b|in\b|at\b)[^\s,;:]{1,4}(?:[\s,;:]|$))")
"""Spaces between a number and a short unit, at which a title is not wrapped."""
_HANDLE, _INCHES_PER_SMALL = 0.5, 0.063
"""Width of a mark of a legend with the gap after its column, and of a character of its labels [inch]."""
_BESIDE = 0.4
"""Width of ticks and margins beside axes [inch]."""
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
    bound = _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", title)
    lines = [line for part in bound.splitlines() for line in textwrap.wrap(part, width)]
    return "\n".join(lines).replace("$", r"\$").replace("\N{NO-BREAK SPACE}", " ")


def title_of(axes: Axes) -> str:
    """Return the title of a plot, that of its legend or of its axes, as plain text."""
    legend = axes.get_legend()
    found = "" if legend is None else legend.get_title().get_text()
    return (found or axes.get_title() or axes.get_title("left")).replace(r"\$", "$").replace("\n", " ")


def legend_above(axes: Axes, columns: int = 3, title: str = "") -> None:
    """Put the legend above the axes, where it covers no data, and above it a title that says what the plot shows."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles,
        labels,
        title=titled(axes, title),
        title_fontsize="medium",
        alignment="left",
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_columns_within(axes, labels, columns),
        borderaxespad=0.2,
        columnspacing=1,
        handlelength=1.5,
        markerscale=0.6,
        fontsize="small",
    )


def _columns_within(axes: Axes, labels: Sequence[str], columns: int) -> int:
    """Return the most columns, up to a number, of a legend that is no wider than the axes."""
    inches = _inches(axes)
    for count in range(min(columns, len(labels)), 1, -1):
        rows, longer = divmod(len(labels), count)
        ends = [0]
        for column in range(count):  # the first columns have a row more
            ends.append(ends[-1] + rows + (column < longer))
        widths = [max(map(len, labels[start:end]), default=0) for start, end in pairwise(ends)]
        if sum(_HANDLE + _INCHES_PER_SMALL * width for width in widths) <= inches:
            return count
    return 1


def _inches(axes: Axes) -> float:
    """Return the width of axes: alone in a figure, what the labels of the y axis leave of it."""
    figure = axes.figure.figure
    if len(figure.axes) > 1:
        return float(figure.get_figwidth() * axes.get_position().width)
    lines = [line for label in axes.get_yticklabels() for line in label.get_text().splitlines()]
    return float(figure.get_figwidth()) - _BESIDE - _INCHES_PER_CHARACTER * max(max(map(len, lines), default=0), 4)


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


def scale_of(unit: str, most: float) -> tuple[float, str]:
    """Return the SI size and the name of the unit of an axis.

    Parameters
    ----------
    unit : str
        "USD", "kg" or "J".
    most : float
        Largest value of the axis, in SI units.
    """
    return next((pair for pair in SCALES[unit] if most >= pair[0]), SCALES[unit][-1])


def value_labels(axes: Axes, ends: Sequence[float], texts: Sequence[str]) -> None:
    """Write a text right of each bar, and widen the axes to hold them.

    Parameters
    ----------
    axes : Axes
        Axes with horizontal bars, the first on top.
    ends : sequence of float
        Ends of the bars, in the unit of the x axis.
    texts : sequence of str
        Text of each bar.
    """
    for place, (end, text) in enumerate(zip(ends, texts, strict=True)):
        where = (end, len(ends) - 1 - place)
        axes.annotate(
            text.replace("$", r"\$"), where, (5, 0), textcoords="offset points", va="center", fontsize="small"
        )
    inches = axes.figure.figure.get_figwidth() * axes.get_position().width
    share = max(map(len, texts), default=0) * _INCHES_PER_CHARACTER / inches
    most = max(ends, default=0.0) / max(1 - share, 0.3)
    low, high = axes.get_xlim()
    axes.set_xlim(low, max(high, most))
