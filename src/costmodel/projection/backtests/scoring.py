"""Proper scores of one predicted decline: CRPS, pinball loss, PIT and coverage."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from costmodel.foundation.arrays import Array
    from costmodel.projection.decline.models import Decline

LEVELS = (0.5, 0.8, 0.95)
"""Levels of the intervals whose coverage is measured [1]."""
PINBALL = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Probabilities of the quantiles whose pinball loss is averaged [1]."""
NODES = 32
"""Nodes of each Gauss-Legendre rule; the CRPS is accurate to three digits."""
TOLERANCE = 0.02
"""Difference of ln cost below which two costs count as equal [1]: times and prices are published with few digits."""


class Score(NamedTuple):
    """Scores of one prediction, in ln cost."""

    crps: float
    """Continuous ranked probability score (CRPS) [1]."""
    pinball: float
    """Mean pinball loss of five quantiles [1]."""
    pit: float
    """Probability integral transform: probability of a smaller decline than the outcome, plus half that of ties [1]."""
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
    model : Decline
        Predicted distribution of the decline.
    horizon : float
        Time from the prediction to the outcome [year].
    outcome : float
        Observed decline of ln cost [1].

    References
    ----------
    Gneiting & Raftery 2007, Strictly proper scoring rules, prediction, and estimation, equations 20 and 40.
    """
    import numpy as np

    nodes, weights = _rule()
    below = float(model.cdf(outcome, horizon))
    tails = [(1 - level) / 2 for level in LEVELS] + [(1 + level) / 2 for level in LEVELS]
    low, high = below * nodes, below + (1 - below) * nodes
    probabilities = np.concatenate([low, high, tails, PINBALL])
    declines = np.asarray(model.quantile(np.minimum(probabilities, 1 - 1e-15), horizon))
    under, over, ends, quantiles = np.split(declines, [NODES, 2 * NODES, 2 * NODES + len(tails)])
    crps = 2 * below * float(weights @ (low * (outcome - under)))
    crps += 2 * (1 - below) * float(weights @ ((1 - high) * (over - outcome)))
    starts, stops = np.split(ends, 2)
    tied = model.cdf(np.array([outcome - TOLERANCE, outcome + TOLERANCE]), horizon)
    levels, errors = np.array(PINBALL), outcome - quantiles
    return Score(
        crps=max(crps, 0.0),
        pinball=float(np.mean(np.where(errors > 0, levels, levels - 1) * errors)),
        pit=float(tied.mean()),
        width=float(stops[1] - starts[1]),
        bias=float(errors[2]),
        inside=tuple(bool(within) for within in (starts - TOLERANCE <= outcome) & (outcome <= stops + TOLERANCE)),
    )


@lru_cache(maxsize=1)
def _rule() -> tuple[Array, Array]:
    """Return nodes and weights of a Gauss-Legendre rule from 0 to 1."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return (nodes + 1) / 2, weights / 2
