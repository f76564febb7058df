"""Plots of serving: throughput per GPU against speed per user, and cost or latency against load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from costmodel.estimation.serving.estimate import ServingEstimate
from costmodel.estimation.serving.notes import lengths_of
from costmodel.foundation.errors import InputError, unknown
from costmodel.report.style import COLORS, STYLES, axes_for, legend_above, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

Show = Literal["speed", "cost", "ttft"]
_SHOWN = ("speed", "cost", "ttft")
_TITLES = {
    "speed": "Throughput against speed",
    "cost": "Cost of tokens against load",
    "ttft": "Time to first token against load",
}
_MARKS = {
    "speed": "Band: 80 % interval; dot: the given load.",
    "cost": "Band: 80 % interval of the capacity.",
    "ttft": "Band: 80 % interval.",
}
"""What marks in the plots mean."""


def serving_curve(
    estimates: ServingEstimate | Sequence[ServingEstimate], show: Show = "speed", ax: Axes | None = None
) -> Axes:
    """Draw serving over its load, with 80 % intervals: dotted lines, or bands of the latency or of the capacity.

    Parameters
    ----------
    estimates : ServingEstimate or sequence
        Estimates to compare.
    show : {"speed", "cost", "ttft"}
        Output per GPU against output per user, over the number of requests at a time; or the cost of a million tokens,
        or the time to the first token, over the requests per second.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    InputError
        If there is no such plot, or nothing to draw.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.Serving(
    ...     "llama-3.1-8b", cm.Cluster("H100-SXM", 1), input_tokens=1000, output_tokens=500, concurrency=32
    ... )
    >>> axes = cm.plot.serving_curve(cm.estimate(chat), "cost")
    """
    if show not in _SHOWN:
        raise InputError(f"show: {unknown('plot', show, _SHOWN)}")
    drawn = [estimates] if isinstance(estimates, ServingEstimate) else list(estimates)
    if not drawn:
        raise InputError("estimates: need at least one estimate; got none")
    axes = axes_for(ax, legend_lines=3)
    for index, estimate in enumerate(drawn):
        _draw(axes, estimate, show, (COLORS[index % len(COLORS)], STYLES[index % len(STYLES)]))
    if show == "speed":
        axes.set_xlabel("output per user (tokens/s)")
        axes.set_ylabel("output per GPU (tokens/s)")
    else:
        axes.set_xlabel("requests per second")
        axes.set_ylabel("USD per million tokens" if show == "cost" else "time to first token (s)")
    logarithmic(axes, "x", decades=False)
    logarithmic(axes, "y", decades=False)
    lengths = {lengths_of(estimate.scenario) for estimate in drawn}
    title = f"{_TITLES[show]}{f', {lengths.pop()}' if len(lengths) == 1 else ''}"
    legend_above(axes, columns=2, title=f"{title}\n{_MARKS[show]}")
    return axes


def _draw(axes: Axes, estimate: ServingEstimate, show: Show, look: tuple[str, str]) -> None:
    color, style = look
    low, high = estimate.time_bounds() if show != "ttft" else estimate.ttft_bounds()
    scenario = estimate.scenario
    cluster = f"{scenario.cluster.count} × {scenario.cluster.accelerator.name}"
    weights = f", {scenario.precision}" if scenario.precision else ""
    label = scenario.name or f"{scenario.architecture.name}{weights}, {cluster}"
    if show == "speed":
        curve = estimate.speed_curve()
        speed, rate = curve.tokens_per_second_per_user, curve.tokens_per_second_per_gpu
        axes.plot(speed, rate, color=color, linestyle=style, label=label)
        outline = [*(speed / low), *(speed / high)[::-1]], [*(rate / low), *(rate / high)[::-1]]
        axes.fill(*outline, color=color, alpha=0.15, linewidth=0)
        point = estimate.value("tokens_per_second_per_user"), estimate.value("tokens_per_second_per_gpu")
    else:
        curve = estimate.load_curve()
        values = curve.cost if show == "cost" else curve.ttft
        axes.plot(curve.requests_per_second, values, color=color, linestyle=style, label=label)
        if show == "ttft":
            axes.fill_between(curve.requests_per_second, values * low, values * high, color=color, alpha=0.15)
        else:
            slow = curve.requests_per_second[-1] / high, curve.requests_per_second[-1] / low
            axes.axvspan(*slow, color=color, alpha=0.15)
        return
    axes.plot(*point, marker="o", color=color)
