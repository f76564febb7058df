"""Plots: each takes `ax=None`, returns the Axes, shows intervals, and never calls `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.estimation.results import OUTPUTS
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.units import SI_FACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from costmodel.estimation.estimate import Estimate
    from costmodel.estimation.results import Result

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito 2008: distinct for all kinds of colour vision, and in grey print."""


def sensitivity(estimate: Estimate, name: str = "cost", ax: Axes | None = None) -> Axes:
    """Draw what drives the spread of a figure: its value with each input at its 10 % and 90 % quantile.

    Parameters
    ----------
    estimate : Estimate
    name : figure, such as "cost"
    ax : Axes to draw in; new ones unless given
    """
    rows = estimate.sensitivity(name)[::-1]
    axes = _axes(ax)
    shown, factor = _unit(name)
    point = estimate.quantity(name).magnitude
    for place, row in enumerate(rows):
        low, high = row["low"] * factor, row["high"] * factor
        for end, colour, share in ((low, COLOURS[0], "10 %"), (high, COLOURS[1], "90 %")):
            label = f"input at its {share}" if place == 0 else ""
            axes.barh(place, end - point, left=point, color=colour, height=0.6, label=label)
    axes.axvline(point, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["input"] for row in rows])
    axes.set_xlabel(f"{OUTPUTS[name].title} [{shown}]")
    if rows:
        axes.legend(frameon=False)
    return axes


def against(
    estimates: Mapping[float, Result], name: str, xlabel: str, level: float = 0.8, ax: Axes | None = None
) -> Axes:
    """Draw a figure against an input, with its interval as a band.

    Parameters
    ----------
    estimates : estimates by the value of the input
    name : figure on the vertical axis
    xlabel : name and unit of the input
    level : of the interval
    ax : Axes to draw in; new ones unless given
    """
    axes = _axes(ax)
    shown, factor = _unit(name)
    places = sorted(estimates)
    values = [estimates[place].quantity(name).magnitude for place in places]
    bounds = [[end * factor for end in estimates[place].bounds(name, level)] for place in places]
    lows, highs = zip(*bounds, strict=True)
    axes.fill_between(places, lows, highs, color=COLOURS[0], alpha=0.2, label=f"{level:.0%} interval")
    axes.plot(places, values, color=COLOURS[0], marker="o", label="estimate")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(f"{OUTPUTS[name].title} [{shown}]")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return axes


def intervals(
    estimates: Mapping[str, Result],
    name: str,
    published: Mapping[str, float] | None = None,
    level: float = 0.8,
    ax: Axes | None = None,
) -> Axes:
    """Draw a figure of several estimates as points with intervals, beside what was published.

    Parameters
    ----------
    estimates : estimates by label
    name : figure
    published : published values by label, in the unit of the figure's Quantity
    level : of the intervals
    ax : Axes to draw in; new ones unless given
    """
    axes = _axes(ax)
    shown, factor = _unit(name)
    labels: Sequence[str] = list(estimates)[::-1]
    for place, label in enumerate(labels):
        low, high = (end * factor for end in estimates[label].bounds(name, level))
        value = estimates[label].quantity(name).magnitude
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=3, alpha=0.5,
                  label=f"{level:.0%} interval" * (place == 0))  # fmt: skip
        axes.plot(value, place, "o", color=COLOURS[0], label="estimate" * (place == 0))
        if published and label in published:
            axes.plot(published[label], place, "x", color=COLOURS[1], markersize=9, markeredgewidth=2,
                      label="published" * (place == 0))  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.set_xscale("log")
    axes.set_xlabel(f"{OUTPUTS[name].title} [{shown}]")
    axes.legend(frameon=False)
    return axes


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.figure(figsize=(7, 3.5), layout="constrained").subplots()


def _unit(name: str) -> tuple[str, float]:
    if name not in OUTPUTS:
        raise InputError(unknown("figure", name, OUTPUTS))
    output = OUTPUTS[name]
    shown = {"1": "share", "hour": "GPU-hours"}.get(output.shown, output.shown)
    return shown, SI_FACTOR[output.unit] / SI_FACTOR[output.shown]
