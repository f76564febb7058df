"""Plot of a verdict: the probability of a claim under each set of assumptions."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from costmodel.foundation.rendering import percent
from costmodel.report.style import COLORS, axes_for, ink, legend_above, value_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from costmodel.claims.verdict import Verdict

_LINE = 30
"""Characters of a line of a label [1]."""
_CLAIM = 110
"""Characters of a claim in the title [1]."""


def verdict(result: Verdict, ax: Axes | None = None) -> Axes:
    """Draw the probability of a claim under each set of assumptions, that of the best calibrated method on top.

    Parameters
    ----------
    result : Verdict
        Result of `check_claim`.
    ax : Axes, optional
        Axes to draw in; default: new ones.

    Examples
    --------
    >>> import costmodel as cm
    >>> claim = cm.DeclineClaim(text="ten times cheaper", factor=10, soonest=2, latest=3)
    >>> axes = cm.plot.verdict(cm.check_claim(claim, paths=300))
    """
    answers = result.answers
    several = len({answer.scope for answer in answers}) > 1
    axes = axes_for(ax, len(answers))
    places = [len(answers) - 1 - place for place in range(len(answers))]
    shares = [100 * answer.probability for answer in answers]
    axes.barh(
        places[:1],
        shares[:1],
        height=0.6,
        color=COLORS[0],
        edgecolor=ink(),
        linewidth=0.8,
        label="best calibrated method",
    )
    axes.barh(
        places[1:],
        shares[1:],
        height=0.6,
        color=COLORS[5],
        hatch="///",
        edgecolor=ink(),
        linewidth=0.8,
        label="other assumptions",
    )
    axes.axvline(50, color="0.5", linewidth=1, linestyle=":", label="50 %")
    scopes = [f", {answer.scope.replace('_', ' ')}" if several else "" for answer in answers]
    names = [f"{answer.assumptions}{scope}" for answer, scope in zip(answers, scopes, strict=True)]
    axes.set_yticks(places, ["\n".join(textwrap.wrap(name, _LINE)).replace("$", r"\$") for name in names])
    axes.set_xlim(0, 100)
    value_labels(axes, shares, [percent(answer.probability) for answer in answers])
    axes.set_xlabel("probability of the claim [%]")
    claim = textwrap.shorten(result.claim.text, _CLAIM, placeholder=" …")
    legend_above(axes, title=f"{percent(result.probability)} probable: “{claim}”")
    return axes
