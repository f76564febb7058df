"""Plots of a portfolio: shares and cost of each workload, and the price of independence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.choosing.portfolio.curve import IndependenceCurve
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.rendering import amount
from costmodel.report.style import COLORS, axes_for, ink, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.choosing.portfolio.result import Portfolio

_HATCHES = ("", "////", "....", "xxxx")


def portfolio(result: Portfolio | IndependenceCurve, ax: Axes | None = None) -> Axes:
    """Draw the shares of the options in each workload, or the price of independence.

    Of a portfolio: a bar per workload, with its cost per month. Of a curve of `Portfolio.independence`: the cost per
    month, and the expected cost and the CVaR per month of the horizon where the curve has scenarios.

    Parameters
    ----------
    result : Portfolio or IndependenceCurve
        Result of `portfolio`, or of its `independence`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Raises
    ------
    MissingFactError
        If no value of the curve has a mix.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.PortfolioWorkload(name="chat", requests_per_month="1M", input_tokens=1000, output_tokens=300)
    >>> hosts = {"gpt-5-mini": "openai", "claude-haiku-4-5": "anthropic"}
    >>> apis = [cm.HostedAPI(model=model, provider=provider) for model, provider in hosts.items()]
    >>> options = [cm.PortfolioOption(serving=api) for api in apis]
    >>> axes = cm.plot.portfolio(cm.portfolio([chat], options, shocks=cm.PortfolioShocks(scenarios=20)))
    """
    if isinstance(result, IndependenceCurve):
        return _curve(result, ax)
    if not hasattr(result, "mix"):
        raise InputError(f"result: must be of portfolio() or of its independence(); got {type(result).__name__}")
    return _mix(result, ax)


def _mix(result: Portfolio, ax: Axes | None) -> Axes:
    """Draw a bar per workload, split by option."""
    rows = result.rows()
    workloads = list(dict.fromkeys(row["workload"] for row in rows))[::-1]
    options = list(dict.fromkeys(row["option"] for row in rows))
    axes = axes_for(ax, len(workloads), legend_lines=(len(options) + 1) // 2)
    left = dict.fromkeys(workloads, 0.0)
    for number, option in enumerate(options):
        shares = {row["workload"]: 100 * row["share"] for row in rows if row["option"] == option}
        axes.barh(
            [workloads.index(name) for name in shares],
            list(shares.values()),
            left=[left[name] for name in shares],
            height=0.6,
            color=COLORS[number % len(COLORS)],
            hatch=_HATCHES[(number + number // len(COLORS)) % len(_HATCHES)],
            edgecolor=ink(),
            linewidth=0.6,
            label=option,
        )
        for name, share in shares.items():
            left[name] += share
    costs = {name: sum(row["usd_per_month"] for row in rows if row["workload"] == name) for name in workloads}
    axes.set_yticks(range(len(workloads)), [f"{name}\n{amount(costs[name], 'USD')}/month" for name in workloads])
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of requests (%)")
    total = amount(sum(costs.values()), "USD")
    legend_above(axes, columns=2, title=f"The cheapest mix costs {total} a month")
    return axes


def _curve(curve: IndependenceCurve, ax: Axes | None) -> Axes:
    """Draw the cost over the values of a constraint."""
    points = [point for point in curve.points if point.usd_per_month is not None]
    if not points:
        raise MissingFactError("no value of the curve has a mix")
    axes = axes_for(ax)
    months = curve.shocks.horizon_months
    places = isinstance(points[0].value, tuple)
    values = [
        float(place) if isinstance(point.value, tuple) else 100 * point.value for place, point in enumerate(points)
    ]
    highest = max(max(point.usd_per_month or 0.0, (point.cvar_usd or 0.0) / months) for point in points)
    size, unit = next((pair for pair in ((1e6, "M$"), (1e3, "k$")) if highest >= pair[0]), (1.0, "USD"))
    lines = {
        "prices of today": [point.usd_per_month for point in points],
        f"expected, mean of {months:g} months": [_monthly(point.expected_usd, months) for point in points],
        f"dearest {1 - curve.shocks.level:.0%} (CVaR)": [_monthly(point.cvar_usd, months) for point in points],
    }
    for (label, usd), color, marker in zip(lines.items(), (COLORS[0], COLORS[4], COLORS[1]), "os^", strict=True):
        if all(each is not None for each in usd):
            axes.plot(
                values,
                [(each or 0.0) / size for each in usd],
                color=color,
                marker=marker,
                label=label,
                linestyle="none" if places else "-",
            )
    if curve.field == "provider_cap":
        axes.invert_xaxis()
        axes.set_xlabel(f"cap on the share of a provider, of {curve.cap_of} (%)")
    elif places:
        axes.set_xticks(values, [point.label for point in points])
        axes.set_xlim(-0.5, len(points) - 0.5)
        axes.set_xlabel(curve.field.replace("_", " "))
    else:
        axes.set_xlabel("least share of open weights (%)")
    axes.set_ylabel(f"cost per month ({unit})")
    axes.set_ylim(bottom=0)
    ends = [float(points[place].usd_per_month or 0.0) for place in (0, -1)]
    added = amount(ends[1] - ends[0], "USD")
    legend_above(axes, title=f"From the first to the last value, the constraint adds {added} a month")
    return axes


def _monthly(usd: float | None, months: float) -> float | None:
    return None if usd is None else usd / months
