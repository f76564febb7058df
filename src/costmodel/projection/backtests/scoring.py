"""Proper scores of one predicted decline: CRPS, pinball loss, PIT and coverage."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from costmodel.projection.decline.models import Decline

LEVELS = (0.5, 0.8, 0.95)
"""Levels of the intervals whose coverage is counted [1]."""
PINBALL = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles whose pinball loss is averaged [1]."""
NODES = 32
"""Points of each Gauss-Legendre rule: the CRPS is right to three digits."""
TOLERANCE = 0.02
"""Costs that differ by less in their logarithm count as equal [1]: times and prices are printed with few digits."""


class Score(NamedTuple):
    """Scores of one prediction; those with a dimension are in ln cost."""

    crps: float
    """Continuous ranked probability score: the mean absolute error of a distribution [1]."""
    pinball: float
    """Mean pinball loss of five quantiles [1]."""
    pit: float
    """Probability of less decline than what came, half of that of ties included [1]."""
    width: float
    """Width of the 80 % interval [1]."""
    bias: float
    """Outcome minus predicted median [1]."""
    inside: tuple[bool, ...]
    """Whether the outcome lies inside the interval of each of `LEVELS`, ties included."""


def score(model: Decline, horizon: float, outcome: float) -> Score:
    """Score a predicted decline.

    Parameters
    ----------
    model : distribution of the decline
    horizon : over which [year]
    outcome : the decline that came [1]

    References
    ----------
    Gneiting & Raftery 2007, Strictly proper scoring rules, prediction, and estimation, equations 20 and 40.
    """
    import numpy as np

    nodes, weights = _rule()
    below = float(model.cdf(outcome, horizon))
    tails = [(1 - level) / 2 for level in LEVELS] + [(1 + level) / 2 for level in LEVELS]
    low, high = below * nodes, below + (1 - below) * nodes
    asked = np.concatenate([low, high, tails, PINBALL])
    found = np.asarray(model.quantile(np.minimum(asked, 1 - 1e-15), horizon))
    under, over, ends, quantiles = np.split(found, [NODES, 2 * NODES, 2 * NODES + len(tails)])
    crps = 2 * below * float(weights @ (low * (outcome - under)))
    crps += 2 * (1 - below) * float(weights @ ((1 - high) * (over - outcome)))
    starts, stops = np.split(ends, 2)
    tied = model.cdf(np.array([outcome - TOLERANCE, outcome + TOLERANCE]), horizon)
    levels, off = np.array(PINBALL), outcome - quantiles
    return Score(
        crps=max(crps, 0.0),
        pinball=float(np.mean(np.where(off > 0, levels, levels - 1) * off)),
        pit=float(tied.mean()),
        width=float(stops[1] - starts[1]),
        bias=float(off[2]),
        inside=tuple(bool(one) for one in (starts - TOLERANCE <= outcome) & (outcome <= stops + TOLERANCE)),
    )


@lru_cache(maxsize=1)
def _rule() -> tuple[Any, Any]:
    """Return nodes and weights of a Gauss-Legendre rule from 0 to 1."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return (nodes + 1) / 2, weights / 2
