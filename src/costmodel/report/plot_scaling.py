"""Plots of scaling laws: fit and losses, compute-optimal sizes, and bootstrap of the exponents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.ranges import DEFAULT_LEVEL
from costmodel.foundation.rendering import number
from costmodel.report.style import COLORS, axes_for, ink, legend_above
from costmodel.scaling.fitting.fit import NAMES, ScalingFit
from costmodel.scaling.fitting.isoflop import ComputeOptimum

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_BANDS = ((COLORS[4], "o"), (COLORS[1], "s"), (COLORS[3], "^"), (COLORS[2], "D"))
"""Color and marker of the bands of model size, from small to large."""
_BEYOND = 10.0
"""Factor of compute beyond the data up to which a law is drawn."""
_PLACES = 60
"""Values of compute at which a curve is drawn."""


def scaling_fit(fit: ScalingFit, level: float = DEFAULT_LEVEL, ax: Axes | None = None) -> Axes:
    """Draw measured losses over compute, with the optimal loss of the fitted law.

    The line is broken beyond the measured compute; it ends at ten times the largest.

    Parameters
    ----------
    fit : ScalingFit
        Result of `fit_scaling_law`.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> law = cm.scaling_law("chinchilla")
    >>> parameters, tokens = [3e7, 1e8, 3e8, 1e9, 3e8, 1e9, 3e9], [1e9, 3e9, 6e9, 2e10, 2e10, 5e10, 6e10]
    >>> losses = [law.loss(n, d) for n, d in zip(parameters, tokens)]
    >>> axes = cm.plot.scaling_fit(cm.fit_scaling_law(parameters, tokens, losses))
    """
    import numpy as np

    measured = _fitted(fit).measurements
    axes = axes_for(ax, legend_lines=2)
    for (color, marker), (chosen, label) in zip(_BANDS, _by_size(measured.parameters), strict=False):
        axes.plot(
            measured.compute[chosen],
            measured.loss[chosen],
            linestyle="none",
            marker=marker,
            markersize=5,
            color=color,
            markeredgecolor=ink(),
            markeredgewidth=0.4,
            label=label,
        )
    last = measured.compute.max()
    inside = np.geomspace(measured.compute.min(), last, _PLACES)
    beyond = np.geomspace(last, _BEYOND * last, _PLACES)
    every = np.concatenate([inside, beyond])
    best = fit.law.allocate(every)
    _, low, high = fit.predict(best.parameters, best.tokens, level)
    axes.fill_between(every, low, high, color=COLORS[5], alpha=0.4, linewidth=0, label=f"{100 * level:g} % interval")
    axes.plot(inside, fit.law.allocate(inside).loss, color=COLORS[0], linewidth=1.5, label="optimal loss of the law")
    axes.plot(beyond, fit.law.allocate(beyond).loss, color=COLORS[0], linewidth=1.5, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlabel("compute [FLOP]")
    axes.set_ylabel("loss [nat/token]")
    error = float(np.median(np.abs(fit.residuals)))
    legend_above(axes, title=f"The fitted law has a median error of {100 * error:.2g} % on {len(fit.residuals)} runs")
    return axes


def isoflops(optimum: ComputeOptimum, ax: Axes | None = None) -> Axes:
    """Draw the optimal parameters and tokens for each compute budget, with the fitted power laws.

    The legend shows the exponents with their standard errors.

    Parameters
    ----------
    optimum : IsoFlopFit
        Result of `fit_isoflops` or `fit_envelope`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> from costmodel.scaling.fitting.isoflop import fit_isoflops
    >>> law, runs = cm.scaling_law("chinchilla"), []
    >>> for compute in (1e19, 1e20, 1e21):  # [FLOP]
    ...     for ratio in (5, 10, 20, 40, 80):  # [token/parameter]
    ...         parameters = (compute / 6 / ratio) ** 0.5
    ...         runs.append([parameters, parameters * ratio, law.loss(parameters, parameters * ratio)])
    >>> axes = cm.plot.isoflops(fit_isoflops(*zip(*runs)))
    """
    if not isinstance(optimum, ComputeOptimum):
        raise InputError(f"optimum is what fit_isoflops or fit_envelope returns; got {type(optimum).__name__}")
    import numpy as np

    axes = axes_for(ax, legend_lines=2)
    line = np.geomspace(optimum.compute.min(), _BEYOND * optimum.compute.max(), _PLACES)
    for name, values, law, color, marker, style in (
        ("tokens", optimum.tokens, optimum.token_law, COLORS[4], "s", "--"),
        ("parameters", optimum.parameters, optimum.parameter_law, COLORS[0], "o", "-"),
    ):
        exponent = f"compute$^{{{law.exponent:.2f} \\pm {law.standard_error:.2f}}}$"
        axes.plot(line, law(line), color=color, linewidth=1.2, linestyle=style, label=f"{name} ~ {exponent}")
        axes.plot(
            optimum.compute,
            values,
            linestyle="none",
            marker=marker,
            markersize=6,
            color=color,
            markeredgecolor=ink(),
            markeredgewidth=0.5,
            label=f"best {name}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("compute [FLOP]")
    axes.set_ylabel("best parameters [1], tokens [token]")
    growth = optimum.parameter_law.exponent
    legend_above(axes, columns=2, title=f"Optimal parameters grow with compute to the power {growth:.2f}")
    return axes


def bootstrap_cloud(fit: ScalingFit, level: float = DEFAULT_LEVEL, ax: Axes | None = None) -> Axes:
    """Draw the exponents of each bootstrap replicate, beta over alpha, with the ends of their intervals.

    Parameters
    ----------
    fit : ScalingFit
        Result of `fit_scaling_law` with `bootstrap`.
    level : float
        Probability inside the intervals, 0 to 1 [1].
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> law = cm.scaling_law("chinchilla")
    >>> parameters, tokens = [3e7, 1e8, 3e8, 1e9, 3e8, 1e9, 3e9], [1e9, 3e9, 6e9, 2e10, 2e10, 5e10, 6e10]
    >>> losses = [law.loss(n, d) for n, d in zip(parameters, tokens)]
    >>> fit = cm.fit_scaling_law(parameters, tokens, losses, bootstrap=40)
    >>> axes = cm.plot.bootstrap_cloud(fit)
    """
    if not len(_fitted(fit).replicates):
        raise MissingFactError("the cloud needs a bootstrap: fit with bootstrap=400 or more")
    alpha, beta = (fit.replicates[:, NAMES.index(name)] for name in ("alpha", "beta"))
    ends = fit.confidence_interval(level)
    axes = axes_for(ax)
    axes.plot(
        alpha,
        beta,
        linestyle="none",
        marker="o",
        markersize=3.5,
        color=COLORS[5],
        alpha=0.6,
        markeredgewidth=0,
        label=f"{len(alpha):,} replicates",
    )
    looks: dict[str, Any] = {"color": ink(), "linewidth": 1, "linestyle": "--"}
    for place, label in zip(ends["alpha"], (f"{100 * level:g} % interval", "_"), strict=True):
        axes.axvline(place, label=label, **looks)
    for place in ends["beta"]:
        axes.axhline(place, **looks)
    axes.plot(
        [fit.law.alpha],
        [fit.law.beta],
        linestyle="none",
        marker="*",
        markersize=15,
        color=COLORS[4],
        markeredgecolor=ink(),
        label="fitted",
    )
    axes.set_xlabel("alpha, exponent of the parameters [1]")
    axes.set_ylabel("beta, exponent of the tokens [1]")
    shown = (
        f"{name} {getattr(fit.law, name):.3f} ({low:.3f} to {high:.3f})"
        for name, (low, high) in ((name, ends[name]) for name in ("alpha", "beta"))
    )
    legend_above(axes, title=", ".join(shown))
    return axes


def _fitted(fit: Any) -> ScalingFit:
    if not isinstance(fit, ScalingFit):
        raise InputError(f"fit is what fit_scaling_law returns; got {type(fit).__name__}")
    return fit


def _by_size(parameters: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.bool_], str]]:
    """Yield a mask and a label for each band of model size: one per size, or bands of equal ratio if there are many."""
    import numpy as np

    sizes = np.unique(parameters)
    if len(sizes) <= len(_BANDS):
        bands = np.arange(len(sizes))
    else:
        edges = np.geomspace(sizes[0], sizes[-1], len(_BANDS) + 1)[1:-1]
        bands = np.searchsorted(edges, sizes)
    scale, unit = (1e9, "B") if sizes[-1] >= 1e9 else (1e6, "M")
    for band in np.unique(bands):
        held = sizes[bands == band]
        ends = [number(float(end) / scale, 2) for end in (held[0], held[-1])]
        yield np.isin(parameters, held), f"{' to '.join(dict.fromkeys(ends))} {unit} parameters"
