"""Plots of steps and layouts: step time and memory by component, Pareto front, and scaling with accelerators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import number
from costmodel.foundation.units import GIB
from costmodel.report.style import COLORS, axes_for, ink, legend_above, logarithmic
from costmodel.training.layouts.search import LayoutSearch
from costmodel.training.layouts.step_result import StepTime

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Look(NamedTuple):
    color: str
    hatch: str = ""


_PARTS = {
    "matmul": _Look(COLORS[0]),
    "attention": _Look(COLORS[5]),
    "elementwise": _Look(COLORS[2], "|||"),
    "launch": _Look(COLORS[4]),
    "adapters": _Look(COLORS[1], "|||"),
    "dequantize": _Look(COLORS[4], "|||"),
    "head": _Look(COLORS[3], "---"),
    "tensor_parallel": _Look(COLORS[1], "///"),
    "context_parallel": _Look(COLORS[4], "///"),
    "expert_parallel": _Look(COLORS[3], "///"),
    "pipeline_send_recv": _Look(COLORS[5], "///"),
    "pipeline_bubble": _Look("white", "..."),
    "data_parallel": _Look(COLORS[2], "///"),
    "host_transfer": _Look(COLORS[1], "xxx"),
    "optimizer": _Look(COLORS[0], "xxx"),
    "fixed_overhead": _Look("0.6", "..."),
}
"""Of the parts of a step: slanted lines where the devices communicate, dots where they wait; told apart in gray too."""
HELD = {
    "weights": _Look(COLORS[0]),
    "gradients": _Look(COLORS[5], "///"),
    "optimizer_states": _Look(COLORS[2], "|||"),
    "adapters": _Look(COLORS[1], "|||"),
    "activations": _Look(COLORS[4]),
    "logits": _Look(COLORS[3], "///"),
    "buffers": _Look(COLORS[1]),
    "framework": _Look("0.6", "..."),
    "auxiliary_models": _Look(COLORS[3], "xxx"),
}
"""Of the parts of the memory."""
_OTHER, _REST = "other", _Look("0.85")
_LEAST = 0.005
"""Share of a bar from which a part is drawn on its own."""
LABELED = 0.07
"""Share of the longest bar from which a part has room for its number."""
COLUMNS = 4
"""Columns of a legend of components [1]."""


def breakdown(steps: Mapping[str, StepTime], level: float = DEFAULT_LEVEL, ax: Axes | None = None) -> Axes:
    """Draw the step time by component, one bar per step, with the interval of the step time below it.

    Components below 0.5 % of every step are summed as "other". Slanted lines are communication,
    dots are waiting; the numbers are shares of the step.

    Parameters
    ----------
    steps : Mapping
        Steps of one layout each, by label.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
    >>> layouts = {"ZeRO-1": cm.Layout(data=8, zero=1), "ZeRO-3": cm.Layout(data=8, zero=3)}
    >>> node = cm.Cluster("H100-SXM", 8)
    >>> steps = {name: cm.step_time("llama-3.1-8b", node, recipe, layout) for name, layout in layouts.items()}
    >>> axes = cm.plot.breakdown(steps)
    """
    bars = {label: step.si.breakdown._asdict() for label, step in _checked(steps).items()}
    widest = max(float(step.bounds(level)[1]) for step in steps.values())
    axes = stacked(bars, _PARTS, lambda value, whole: f"{100 * value / whole:.0f} %", ax, widest)
    ends = [(step.seconds, *step.bounds(level)) for step in steps.values()][::-1]
    margins = [[value - low for value, low, _ in ends], [high - value for value, _, high in ends]]
    below = [place - 0.38 for place in range(len(ends))]
    axes.errorbar(
        [value for value, _, _ in ends],
        below,
        xerr=margins,
        fmt="none",
        ecolor=ink(),
        elinewidth=1,
        capsize=3,
        label=f"{100 * level:g} % interval",
    )
    axes.set_xlim(0, 1.05 * max(high for _, _, high in ends))
    axes.set_xlabel("step time [s]")
    fastest = min(steps, key=lambda label: float(steps[label].seconds))
    title = f"Step time by component: {fastest} is fastest, {number(float(steps[fastest].seconds))} s"
    legend_above(axes, COLUMNS, title)
    return axes


def memory(steps: Mapping[str, StepTime], capacity: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the peak memory per GPU by component, one bar per step.

    Components below 0.5 % of every bar are summed as "other". The numbers are GiB.

    Parameters
    ----------
    steps : Mapping
        Steps of one layout each, by label.
    capacity : float, optional
        Memory of an accelerator, drawn as a line [byte].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
    >>> layouts = {"ZeRO-1": cm.Layout(data=8, zero=1), "ZeRO-3": cm.Layout(data=8, zero=3)}
    >>> node = cm.Cluster("H100-SXM", 8)
    >>> steps = {name: cm.step_time("llama-3.1-8b", node, recipe, layout) for name, layout in layouts.items()}
    >>> axes = cm.plot.memory(steps, capacity=cm.load_accelerator("H100-SXM").usable_memory)
    """
    bars = {
        label: {name: value / GIB for name, value in step.si.memory._asdict().items()}
        for label, step in _checked(steps).items()
    }
    if capacity is not None and not (isinstance(capacity, (int, float)) and 0 < capacity < math.inf):
        raise InputError(f"capacity is a number of bytes above 0; got {capacity!r}")
    axes = stacked(bars, HELD, lambda value, _: number(value, 2), ax)
    most = max(sum(parts.values()) for parts in bars.values())
    if capacity is not None:
        axes.axvline(capacity / GIB, color=ink(), linestyle="--", linewidth=1.5, label="capacity")
        most = max(most, capacity / GIB)
    axes.set_xlim(0, 1.05 * most)
    axes.set_xlabel("peak memory per GPU [GiB]")
    least = min(sum(parts.values()) for parts in bars.values())
    title = f"Peak memory by component: {number(least)} GiB at least"
    if capacity is not None:
        inside = sum(sum(parts.values()) <= capacity / GIB for parts in bars.values())
        title = f"Peak memory by component: {inside} of {len(bars)} within {number(capacity / GIB)} GiB"
    legend_above(axes, COLUMNS, title)
    return axes


def layouts(search: LayoutSearch, ax: Axes | None = None) -> Axes:
    """Draw step time over memory of the fastest layouts, and the Pareto front.

    The time axis is logarithmic if it spans more than a factor of three.

    Parameters
    ----------
    search : LayoutSearch
        Result of `search_layouts`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
    >>> search = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe, tensor=(1, 2), pipeline=1)
    >>> axes = cm.plot.layouts(search)
    """
    _found(search)
    axes = axes_for(ax)
    ranked, pareto, best = (_places(found) for found in (search.ranked, search.pareto, [search.best]))
    axes.plot(
        *ranked,
        linestyle="none",
        marker="o",
        markersize=5,
        markerfacecolor="none",
        markeredgecolor="0.45",
        label=f"the {len(search.ranked)} fastest",
    )
    axes.plot(
        *pareto, color=COLORS[0], marker="o", markersize=4, linewidth=1, drawstyle="steps-pre", label="Pareto front"
    )
    axes.plot(
        *best, linestyle="none", marker="*", markersize=15, color=COLORS[4], markeredgecolor=ink(), label="fastest"
    )
    axes.set_xlabel("peak memory per GPU [GiB]")
    axes.set_ylabel("step time [s]")
    times = [*ranked[1], *pareto[1]]
    if 3 * min(times) < max(times):
        logarithmic(axes, "y", decades=max(times) / min(times) > 1e3)
    right = best[0][0] > sum(axes.get_xlim()) / 2
    described = search.best.layout.brief().replace(", zero", "\nzero")
    axes.annotate(
        described,
        (best[0][0], best[1][0]),
        xytext=(8 if right else -8, 45),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        fontsize="small",
        arrowprops={"arrowstyle": "-", "color": "0.45", "shrinkB": 8},
    )
    shown = f"{number(float(search.best.seconds))} s per step, MFU {number(float(search.best.mfu))}"
    legend_above(axes, title=f"The fastest layout takes {shown}")
    return axes


def scaling(search: LayoutSearch, level: float = DEFAULT_LEVEL, ax: Axes | None = None) -> Axes:
    """Draw the fastest step time over the number of accelerators, with the cost of a step.

    The broken line is perfect scaling: constant GPU-seconds per step.

    Parameters
    ----------
    search : LayoutSearch
        Result of `search_layouts` for several `counts`.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> recipe = cm.Pretraining(tokens="10B", sequence_length=8192, batch_size=64)
    >>> search = cm.search_layouts("llama-3.1-8b", cm.Cluster("H100-SXM", 8), recipe, counts=[8, 16], pipeline=1)
    >>> axes = cm.plot.scaling(search)
    """
    steps = dict(sorted(_found(search).by_count.items()))
    if len(steps) < 2:
        raise InputError(
            f"search: several counts are needed, as of search_layouts(..., counts=(64, 128)); got {len(steps)}"
        )
    counts, seconds = list(steps), [float(step.seconds) for step in steps.values()]
    bounds = [step.bounds(level) for step in steps.values()]
    axes = axes_for(ax)
    axes.fill_between(
        counts,
        [low for low, _ in bounds],
        [high for _, high in bounds],
        color=COLORS[5],
        alpha=0.4,
        label=f"{100 * level:g} % interval",
    )
    axes.plot(
        counts,
        [seconds[0] * counts[0] / count for count in counts],
        color=ink(),
        linestyle="--",
        linewidth=1,
        label=f"at the cost of {counts[0]:,}",
    )
    axes.plot(counts, seconds, color=COLORS[0], marker="o", label="fastest layout")
    for count, value in zip(counts, seconds, strict=True):
        axes.annotate(
            f"{number(value * count)} GPU-s",
            (count, value),
            xytext=(6, 8),
            textcoords="offset points",
            fontsize="small",
        )
    axes.set_xscale("log", base=2)
    logarithmic(axes, "y", decades=max(seconds) / min(seconds) > 1e3)
    axes.margins(y=0.1)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.set_xlim(counts[0] / 1.15, counts[-1] * (counts[-1] / counts[0]) ** 0.3)
    axes.set_xlabel("number of accelerators")
    axes.set_ylabel("step time [s]")
    faster = f"{seconds[0] / seconds[-1]:.3g} times as fast"
    legend_above(axes, title=f"{counts[-1] / counts[0]:.3g} times the accelerators: {faster}")
    return axes


def _checked(steps: Any) -> Mapping[str, StepTime]:
    """Return the steps, or raise an error that lists all that are not one step of one layout."""
    if not isinstance(steps, Mapping) or not steps:
        raise InputError(f"steps is a mapping from label to step, as of step_time; got {_kind(steps)}")
    problems = []
    for label, step in steps.items():
        if not isinstance(step, StepTime):
            problems.append(f"steps: {label!r} is no step, as of step_time; got {_kind(step)}")
        elif getattr(step.seconds, "ndim", 0):
            problems.append(f"steps: {label!r} holds {len(step.seconds)} layouts; each bar is one")
    if problems:
        raise InputError(problems)
    return steps


def _found(search: Any) -> LayoutSearch:
    if not isinstance(search, LayoutSearch):
        raise InputError(f"search is what search_layouts returns; got {_kind(search)}")
    return search


def _kind(given: Any) -> str:
    return "an empty one" if isinstance(given, Mapping) and not given else type(given).__name__


def stacked(
    bars: Mapping[str, Mapping[str, float]],
    looks: Mapping[str, _Look],
    label: Any,
    ax: Axes | None,
    widest: float = 0.0,
    labeled: float = LABELED,
) -> Axes:
    """Draw stacked bars, the first of them on top.

    Parameters
    ----------
    bars : Mapping
        Components of each bar by label.
    looks : Mapping
        Color and hatch by component, in their order.
    label : callable
        Returns the text of a component from its value and that of its bar.
    ax : Axes, optional
        Axes to draw in; default: new ones.
    widest : float
        Value up to which the axis reaches, in the unit of the bars.
    labeled : float
        Share of the longest bar from which a component has room for its text [1].
    """
    wholes = {name: sum(parts.values()) for name, parts in bars.items()}
    shown = [part for part in looks if any(bars[name][part] >= _LEAST * wholes[name] for name in bars)]
    rest = [part for part in looks if part not in shown]
    drawn = {part: [bars[name][part] for name in bars][::-1] for part in shown}
    if any(bars[name][part] > 0 for name in bars for part in rest):
        drawn[_OTHER] = [sum(bars[name][part] for part in rest) for name in bars][::-1]
    axes = axes_for(ax, len(bars), -(-(len(drawn) + 1) // COLUMNS))
    whole, left = list(wholes.values())[::-1], [0.0] * len(bars)
    for part, values in drawn.items():
        look = looks.get(part, _REST)
        axes.barh(
            range(len(bars)),
            values,
            left=left,
            height=0.6,
            color=look.color,
            hatch=look.hatch,
            edgecolor=ink(),
            linewidth=0.8,
            label=part,
        )
        for place, value in enumerate(values):
            if value >= labeled * max(*whole, widest):
                axes.text(
                    left[place] + value / 2,
                    place,
                    label(value, whole[place]),
                    ha="center",
                    va="center",
                    fontsize="small",
                    color="black",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                )
        left = [start + value for start, value in zip(left, values, strict=True)]
    axes.set_yticks(range(len(bars)), list(bars)[::-1])
    return axes


def _places(steps: Sequence[StepTime]) -> tuple[list[float], list[float]]:
    """Return memory [GiB] and time [s] of steps."""
    return [float(step.si.memory.total) / GIB for step in steps], [float(step.seconds) for step in steps]
