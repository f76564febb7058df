"""Attempts, answers and costs of a task that is tried until a verifier accepts an answer.

A task is solved by an attempt with probability θ, which differs between tasks: it has a beta distribution with the
mean p, the success rate, and the correlation ρ of two attempts at the same task. ρ = 0: attempts are independent;
ρ = 1: a task that fails once fails always. A verifier accepts a right answer with probability r (recall) and a wrong
one with probability f. An attempt is accepted with probability A(θ) = r θ + f (1 − θ). With at most k attempts:

    attempts per task     Σ_{i<k} E[(1 − A)^i]
    solved                Σ_{i<k} E[r θ (1 − A)^i]
    wrong, delivered      Σ_{i<k} E[f (1 − θ) (1 − A)^i]
    not accepted          E[(1 − A)^k]

(1 − A)^i = ((1 − r) θ + (1 − f) (1 − θ))^i is a sum of moments E[θ^m (1 − θ)^n], which are those of Pólya's urn.
All take numbers or arrays over draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike

    Array = NDArray[np.float64]

MOST_ATTEMPTS = 20
"""Attempts beyond which sums of moments would take long [1]."""


class Outcome(NamedTuple):
    """What becomes of a task, in the mean over tasks; solved, wrong and not accepted add up to 1."""

    attempts: Array
    """Attempts per task [1]."""
    solved: Array
    """Share of the tasks with a right answer that is delivered [1]."""
    wrong: Array
    """Share of the tasks with a wrong answer that is delivered [1]."""
    not_accepted: Array
    """Share of the tasks of which the verifier accepts no answer [1]."""


def moment(success: FloatLike, correlation: float, solved: int, failed: int) -> Array:
    """Return the probability that given attempts at a task succeed and others fail, E[θ^m (1 − θ)^n] [1].

    Parameters
    ----------
    success : float or NDArray
        Success rate of one attempt [1].
    correlation : float
        Correlation of two attempts at the same task, 0 to 1 [1].
    solved, failed : int
        Numbers m and n of attempts that succeed and fail [1].

    References
    ----------
    Pólya's urn: Eggenberger and Pólya 1923; beta-binomial distribution: Skellam 1948.

    Examples
    --------
    >>> float(moment(0.5, 0.0, 1, 2)), float(moment(0.5, 1.0, 0, 3))
    (0.125, 0.5)
    """
    rate = np.asarray(success, dtype=float)
    result = np.ones_like(rate)
    for chance, count, before in ((rate, solved, 0), (1 - rate, failed, solved)):
        for place in range(count):
            drawn = before + place  # attempts whose outcome is known
            same = chance * (1 - correlation) + place * correlation
            result = result * (chance if drawn == 0 else same / (1 - correlation + drawn * correlation))
    return result


def outcome(
    success: FloatLike,
    attempts: int = 1,
    *,
    correlation: float = 0.0,
    recall: float = 1.0,
    false_acceptance: FloatLike = 0.0,
) -> Outcome:
    """Return what becomes of a task of which each attempt is verified.

    Parameters
    ----------
    success : float or NDArray
        Success rate of one attempt [1].
    attempts : int
        Largest number of attempts at a task [1].
    correlation : float
        Correlation of two attempts at the same task, 0 (independent) to 1 [1].
    recall : float
        Share of the right answers that the verifier accepts [1].
    false_acceptance : float or NDArray
        Share of the wrong answers that it accepts [1].

    Examples
    --------
    >>> twice = outcome(0.5, attempts=2)
    >>> float(twice.attempts), float(twice.solved), float(twice.not_accepted)
    (1.5, 0.75, 0.25)
    """
    rejected_right, accepted = 1 - recall, np.asarray(false_acceptance, dtype=float)
    rejected_wrong = 1 - accepted

    def rejected(times: int, right: int, wrong: int) -> Array:
        """Return E[θ^right (1 − θ)^wrong (1 − A)^times]."""
        total = np.zeros(np.broadcast_shapes(np.shape(success), accepted.shape))
        for place in range(times + 1):  # `place` right answers are rejected, the others are wrong
            weight = math.comb(times, place) * rejected_right**place
            if weight:
                chance = moment(success, correlation, right + place, wrong + times - place)
                total = total + weight * rejected_wrong ** (times - place) * chance
        return total

    places = range(attempts)
    return Outcome(
        attempts=sum((rejected(place, 0, 0) for place in places), start=np.zeros(())),
        solved=recall * sum((rejected(place, 1, 0) for place in places), start=np.zeros(())),
        wrong=accepted * sum((rejected(place, 0, 1) for place in places), start=np.zeros(())),
        not_accepted=rejected(attempts, 0, 0),
    )
