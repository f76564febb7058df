"""Shares of tasks in a cascade of models: a detector after each model escalates answers that it takes for wrong.

Model i solves a share p_i of the tasks. A detector escalates a wrong answer with probability r (recall) and a right
one with probability f (false positive rate); the last model delivers every answer. Precision q is the share of the
escalated answers that are wrong, so with a share s of right answers among those that the detector sees

    f = r (1 − s) (1 − q) / (q s),    possible only if f ≤ 1

Failures of the models are a mixture with weight c, their correlation. With weight 1 − c they are independent. With
weight c they are nested: tasks have one order of difficulty, and model i solves the easiest share p_i, so a model
fails wherever a better one does. Any share that follows is (1 − c) × independent + c × nested.

All take numbers or arrays over draws.

References
----------
Mixture of the independence copula and the upper Fréchet bound: Nelsen 2006, An Introduction to Copulas, section 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike

    Array = NDArray[np.float64]


class Rates(NamedTuple):
    """What a detector escalates; numbers, or arrays over draws."""

    recall: FloatLike
    """Share of the wrong answers that is escalated [1]."""
    false_positive: FloatLike
    """Share of the right answers that is escalated [1]."""


class Flow(NamedTuple):
    """What becomes of the tasks at each level of a cascade, as shares of all tasks [1]."""

    reached: tuple[Array, ...]
    """Tasks that reach a level."""
    right: tuple[Array, ...]
    """Tasks that reach a level and that its model solves."""
    solved: Array
    """Tasks whose delivered answer is right; the others are delivered wrong."""


def flow(success: Sequence[FloatLike], rates: Sequence[Rates], correlation: FloatLike) -> Flow:
    """Return what becomes of tasks in a cascade.

    Parameters
    ----------
    success : sequence of float or NDArray
        Share of all tasks that the model of each level solves [1].
    rates : sequence of Rates
        What the detector of each level but the last escalates.
    correlation : float or NDArray
        Weight of nested failures [1].

    Examples
    --------
    >>> result = flow([0.7, 0.9], [Rates(1.0, 0.0)], 0.0)
    >>> round(float(result.reached[1]), 3), round(float(result.solved), 3)
    (0.3, 0.97)
    >>> round(float(flow([0.7, 0.9], [Rates(1.0, 0.0)], 1.0).solved), 3)  # the better model solves what the other does
    0.9
    """
    shape = np.broadcast_shapes(*(np.shape(each) for each in (*success, correlation, *sum(rates, start=()))))
    chances = [np.broadcast_to(np.asarray(each, dtype=float), shape) for each in success]
    weights = np.stack([1 - np.broadcast_to(correlation, shape), *_widths(chances, correlation)])
    edges = _edges(chances)
    reach, solved = np.ones_like(weights), np.zeros_like(weights)
    reached, right = [], []
    for level, chance in enumerate(chances):
        nested = [(edges[place] + edges[place + 1]) / 2 < chance for place in range(len(edges) - 1)]
        solves = np.stack([chance, *(each.astype(float) for each in nested)])
        recall, false_positive = rates[level] if level < len(rates) else Rates(0.0, 0.0)
        reached.append(np.sum(weights * reach, axis=0))
        right.append(np.sum(weights * reach * solves, axis=0))
        solved = solved + reach * solves * (1 - np.asarray(false_positive))
        reach = reach * (solves * false_positive + (1 - solves) * recall)
    return Flow(tuple(reached), tuple(right), np.sum(weights * solved, axis=0))


def _edges(chances: Sequence[Array]) -> list[Array]:
    """Return the difficulties at which a model ceases to solve tasks, from 0 to 1, in order [1]."""
    ordered = np.sort(np.stack(chances), axis=0)
    return [np.zeros_like(ordered[0]), *ordered, np.ones_like(ordered[0])]


def _widths(chances: Sequence[Array], correlation: FloatLike) -> list[Array]:
    """Return the shares of the tasks between these difficulties, times the weight of nested failures [1]."""
    edges = _edges(chances)
    return [correlation * (edges[place + 1] - edges[place]) for place in range(len(edges) - 1)]


def false_positive_rate(recall: float, precision: float, right: float) -> float:
    """Return the share of the right answers that a detector escalates [1]; above 1 if its precision is impossible.

    Parameters
    ----------
    recall, precision : float
        Share of the wrong answers that is escalated; share of the escalated answers that are wrong [1].
    right : float
        Share of right answers among those that the detector sees [1].

    Examples
    --------
    >>> round(false_positive_rate(recall=0.8, precision=0.6, right=0.8), 4)  # 16 wrong and 10.7 right of 100
    0.1333
    """
    if not 0 < right < 1:
        return 0.0
    return recall * (1 - right) * (1 - precision) / (precision * right)


def lowest_precision(recall: float, right: float) -> float:
    """Return the lowest possible precision: that of a detector that escalates all right answers [1].

    Parameters
    ----------
    recall : float
        Share of the wrong answers that is escalated [1].
    right : float
        Share of right answers among those that the detector sees [1].

    Examples
    --------
    >>> round(lowest_precision(recall=0.8, right=0.8), 4)
    0.1667
    """
    wrong = recall * (1 - right)
    return wrong / (wrong + right) if wrong + right > 0 else 0.0


def affine_root(at_0: FloatLike, at_1: FloatLike) -> Array:
    """Return where a function that is affine in x, with given values at 0 and 1, is 0; not a number if it is constant.

    Parameters
    ----------
    at_0, at_1 : float or NDArray
        Values of the function at x = 0 and x = 1.

    Examples
    --------
    >>> float(affine_root(-1.0, 3.0))
    0.25
    """
    slope = np.asarray(at_1, dtype=float) - at_0
    return np.where(slope == 0, np.nan, -np.asarray(at_0, dtype=float) / np.where(slope == 0, 1.0, slope))
