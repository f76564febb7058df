"""Cascades: a cheap model answers first, and a detector escalates answers that it takes for wrong to a better model.

    price of a task   Σ_i reached_i × (price of an attempt_i + check_i) + wrong × damage
    solved            right answers that are delivered
    time of a task    Σ_i reached_i × (latency_i + time of the check_i)

The shares are those of `costmodel.choosing.escalation`, prices of attempts those of `performance_per_dollar`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from costmodel.choosing.cascade_result import CascadeComparison, Priced, Strategy
from costmodel.choosing.escalation import Flow, Rates, false_positive_rate, flow, lowest_precision
from costmodel.choosing.matching import Matched, evaluator_offsets, options_of, with_score
from costmodel.choosing.performance import attempt_price, success_draws
from costmodel.choosing.scores import Score
from costmodel.choosing.workload import TaskCost, TaskWorkload
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.comparison.serving.replicas import drawn
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Measure, Share
from costmodel.foundation.ranges import Range, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import default

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.fields import NumberLike, RangeLike

    Array = NDArray[np.float64]

FixedShare: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, uncertain=False)]
PositiveShare: TypeAlias = Annotated[float, Measure("1", 0.0, 1.0, open_low=True, uncertain=False)]
Seconds: TypeAlias = Annotated[float | Range, Measure("s", 0.0, 1e7)]
MOST_LEVELS = 6
"""Largest number of models in a cascade [1]."""


class Detector(Spec):
    """A check that finds wrong answers of a model and escalates them to the next one.

    A positive is an answer that it takes for wrong. What it finds is given by `recall` or `false_negative_rate`, what
    it escalates in vain by `precision` or `false_positive_rate`.

    Examples
    --------
    >>> Detector(recall=0.8, precision=0.6).rates(0.8)
    Rates(recall=0.8, false_positive=0.1333333333333333)
    >>> Detector(false_negative_rate=0.2, false_positive_rate=0.1).rates(0.8)
    Rates(recall=0.8, false_positive=0.1)
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            recall: NumberLike | None = ...,
            false_negative_rate: NumberLike | None = ...,
            precision: NumberLike | None = ...,
            false_positive_rate: NumberLike | None = ...,
            usd_per_answer: RangeLike = ...,
            seconds: RangeLike = ...,
        ) -> None: ...

    recall: FixedShare | None = Field(
        default=None, description="Share of the wrong answers that it escalates [1]; or give false_negative_rate."
    )
    false_negative_rate: FixedShare | None = Field(
        default=None, description="Share of the wrong answers that it lets pass, 1 − recall [1]; instead of recall."
    )
    precision: PositiveShare | None = Field(
        default=None,
        description="Share of the escalated answers that are wrong [1]; or give false_positive_rate, which follows "
        "from it and the success rate of the model.",
    )
    false_positive_rate: FixedShare | None = Field(
        default=None, description="Share of the right answers that it escalates [1]; instead of precision."
    )
    usd_per_answer: TaskCost = Field(default=0.0, description="Price of a check [USD].")
    seconds: Seconds = Field(default=0.0, description="Time of a check [s].")

    @model_validator(mode="after")
    def _check(self) -> Self:
        pairs = (("recall", "false_negative_rate"), ("precision", "false_positive_rate"))
        problems = [
            f"give one of {first} and {second}; got {'both' if getattr(self, first) is not None else 'none'}"
            for first, second in pairs
            if (getattr(self, first) is None) == (getattr(self, second) is None)
        ]
        if problems:
            raise InputError(problems)
        return self

    @property
    def found(self) -> float:
        """Share of the wrong answers that it escalates, the recall [1]."""
        return self.recall if self.recall is not None else 1 - (self.false_negative_rate or 0.0)

    def rates(self, right: float) -> Rates:
        """Return the shares of wrong and of right answers that it escalates [1].

        Parameters
        ----------
        right : float
            Share of right answers among those that it sees [1].

        Raises
        ------
        InputError
            If no detector has such a precision at this share: it would escalate more right answers than there are.
        """
        if self.precision is None:
            return Rates(self.found, self.false_positive_rate or 0.0)
        share = false_positive_rate(self.found, self.precision, right)
        if share > 1 + 1e-12:
            least = lowest_precision(self.found, right)
            raise InputError(
                f"precision: must be at least {least:.3g} with a recall of {self.found:g} if {right:.3g} of the "
                f"answers are right, as more right answers would be escalated than there are; got {self.precision:g}"
            )
        return Rates(self.found, min(share, 1.0))


class _Level(NamedTuple):
    """A model of a cascade with its score and latency."""

    matched: Matched
    score: Score
    rates: Array
    """Draws of its success rate [1]."""
    seconds: float | Range | None


@checked("scores", "seed", "latency")
def cascade(
    workload: TaskWorkload,
    models: Sequence[str | HostedAPI | SelfHosted],
    scores: Iterable[Score] | Mapping[str, Score],
    detectors: Detector | Sequence[Detector],
    *,
    correlation: RangeLike | None = None,
    latency: Mapping[str, RangeLike] | None = None,
    quality_loss: NumberLike = 0.0,
    evaluator_spread: float | None = None,
    seed: int = 0,
) -> CascadeComparison:
    """Compare a cascade of models with each of its models alone: price, quality and time of a task.

    Each model answers once. The detector after it escalates what it takes for wrong to the next model; the last model
    delivers every answer.

    Parameters
    ----------
    workload : TaskWorkload
        Tokens of a task and damage of a wrong answer; without `attempts` and `verifier`, whose place detectors take.
    models : sequence of str, HostedAPI or SelfHosted
        Two to six models, the first to answer first.
    scores : iterable of Score, or Mapping
        Scores of one benchmark; or the score of each option by its name.
    detectors : Detector or sequence of Detector
        The detector after each model but the last; one for all if it is no sequence.
    correlation : float or range, optional
        Correlation of the failures of the models, 0 to 1 [1]. At 0 they are independent, which is optimistic: a task
        that is hard for one model is often hard for the next. At 1 a model fails wherever a better one does. Default:
        the range `model_correlation` of `data/assumptions/defaults.csv`.
    latency : Mapping, optional
        Time of an answer by name of the model [s].
    quality_loss : float
        Share of tasks by which the cascade may fall short of the last model and still count as equal [1].
    evaluator_spread : float, optional
        As for `performance_per_dollar` [1].
    seed : int
        Seed of the random draws.

    Returns
    -------
    CascadeComparison
        `.rows()`, `.break_even(figure)`, `.curve(figure)`; it prints as a table.

    Raises
    ------
    InputError
        If an argument is wrong, a detector is impossible at the success rate that it meets, or scores would be mixed.
    MissingFactError
        If a model has no score or no price.

    References
    ----------
    Cascades of models: Chen et al. 2023 (FrugalGPT, arXiv 2305.05176). Errors of models are correlated, the more so
    the better they are: Kim et al. 2025 (arXiv 2506.07962).

    Examples
    --------
    >>> tasks = TaskWorkload(input_tokens=1000, output_tokens=1000)
    >>> small = HostedAPI(name="small", usd_per_million_input=1, usd_per_million_output=1)
    >>> large = HostedAPI(name="large", usd_per_million_input=10, usd_per_million_output=10)
    >>> own = [Score("small", "tickets", 0.7, n=400), Score("large", "tickets", 0.9, n=400)]
    >>> result = cascade(tasks, [small, large], own, Detector(recall=0.8, false_positive_rate=0.1), correlation=0)
    >>> round(result["cascade"].usd_per_task, 4), round(result["cascade"].solved, 3)  # 31 % escalated
    (0.0082, 0.909)
    """
    given, stated = _checked(workload, models, detectors, correlation, latency or {}, quality_loss)
    spread = stated.correlation
    listed = scores if isinstance(scores, Mapping) else list(scores)
    matched = [with_score(option, listed) for option in options_of(models)]
    if missing := [f"{each.option.title}: {each.missing}" for each in matched if each.score is None]:
        raise MissingFactError("; ".join(missing))
    offsets = evaluator_offsets([each.score for each in matched if each.score is not None], evaluator_spread, seed)
    levels = [
        _Level(each, each.score, success_draws(each.score, offsets, seed), stated.latency.get(each.option.title))
        for each in matched
        if each.score is not None
    ]
    central = [level.score.expected for level in levels]
    rates = _rates(given, central, middle(spread))
    at = flow(central, rates, middle(spread))
    shared = drawn("cascade.correlation", spread, seed)
    sampled = flow([level.rates for level in levels], rates, shared)
    prices = [_priced(level, workload, at, sampled, given, place, seed) for place, level in enumerate(levels)]
    damage = (middle(workload.wrong_answer_usd), drawn("task.wrong_answer_usd", workload.wrong_answer_usd, seed))
    alone = [_alone(level, workload, damage, seed) for level in levels]
    return CascadeComparison(
        levels=tuple(prices),
        alone=tuple(alone),
        rates=tuple(rates),
        precisions=tuple(each.precision for each in given),
        correlation=(middle(spread), shared),
        damage=damage,
        quality_loss=stated.quality_loss,
        basis=f"{levels[0].score.benchmark} by {', '.join(sorted({level.score.evaluator for level in levels}))}",
        assumed=correlation is None,
        seed=seed,
    )


def _checked(
    workload: object, models: object, detectors: object, correlation: object, latency: object, quality_loss: object
) -> tuple[tuple[Detector, ...], _Assumptions]:
    """Return the detectors and the assumptions about the models, or raise every problem at once."""
    problems = []
    if not isinstance(workload, TaskWorkload):
        problems.append(f"workload: must be a TaskWorkload; got {type(workload).__name__}")
    elif workload.attempts > 1 or workload.verifier is not None:
        problems.append("workload: attempts and verifier have no effect in a cascade; give detectors instead")
    count = len(models) if isinstance(models, Sequence) and not isinstance(models, str) else 0
    if not 2 <= count <= MOST_LEVELS:
        problems.append(f"models: must be a list of 2 to {MOST_LEVELS}; got {count or repr(models)}")
    listed = list(detectors) if isinstance(detectors, Sequence) else [detectors] * max(count - 1, 1)
    if any(not isinstance(each, Detector) for each in listed):
        problems.append(f"detectors: must be Detector; got {', '.join(sorted({type(x).__name__ for x in listed}))}")
    elif count > 1 and len(listed) != count - 1:
        problems.append(f"detectors: must be one for each of the first {count - 1} models; got {len(listed)}")
    titles = [option.title for option in options_of(models)] if count else []
    named = sorted(map(str, latency)) if isinstance(latency, Mapping) else []
    problems += [f"latency: no model is named {name!r}; models: {', '.join(titles)}" for name in set(named) - {*titles}]
    stated = {"latency": dict(latency) if isinstance(latency, Mapping) else latency, "quality_loss": quality_loss}
    try:
        read = _Assumptions(correlation=_correlation() if correlation is None else correlation, **stated)
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return tuple(each for each in listed if isinstance(each, Detector)), read


class _Assumptions(Spec):
    """Assumptions about the models of a cascade."""

    if TYPE_CHECKING:

        def __init__(self, *, correlation: object, latency: object, quality_loss: object) -> None: ...

    correlation: Share = Field(description="Correlation of failures [1].")
    latency: dict[str, Seconds] = Field(description="Time of an answer by name of the model [s].")
    quality_loss: FixedShare = Field(description="Share of tasks by which the cascade may fall short [1].")


def _correlation() -> float | Range:
    figure = default("model_correlation")
    return figure.value if figure.spread is None else figure.spread


def _rates(detectors: Sequence[Detector], central: Sequence[float], correlation: float) -> list[Rates]:
    """Return what each detector escalates: a precision holds for the answers that reach its level."""
    rates: list[Rates] = []
    for place, detector in enumerate(detectors):
        here = flow(central[: place + 1], rates, correlation)
        reached = float(here.reached[place])
        rates.append(detector.rates(float(here.right[place]) / reached if reached else central[place]))
    return rates


def _priced(
    level: _Level, workload: TaskWorkload, at: Flow, sampled: Flow, detectors: Sequence[Detector], place: int, seed: int
) -> Priced:
    """Return the prices and times of a level; accelerators of one's own are sized for the tasks that reach it."""
    option, reached = level.matched.option, at.reached[place]
    least = np.maximum(sampled.reached[place], 1e-12)
    usd, usd_drawn, note = attempt_price(option, workload, max(float(reached), 1e-12), least, seed)
    check, check_drawn, wait, wait_drawn = 0.0, np.zeros(1), 0.0, np.zeros(1)
    if place < len(detectors):
        detector, key = detectors[place], f"cascade.detector.{place}"
        check, wait = middle(detector.usd_per_answer), middle(detector.seconds)
        check_drawn = drawn(f"{key}.usd_per_answer", detector.usd_per_answer, seed)
        wait_drawn = drawn(f"{key}.seconds", detector.seconds, seed)
    seconds = None if level.seconds is None else middle(level.seconds) + wait
    seconds_drawn = None if level.seconds is None else _latency(level, seed) + wait_drawn
    return Priced(
        name=option.title,
        success=(level.score.expected, level.rates),
        usd=(usd + check, usd_drawn + check_drawn),
        seconds=None if seconds is None or seconds_drawn is None else (seconds, seconds_drawn),
        note="; ".join(part for part in (note, level.matched.note) if part),
    )


def _latency(level: _Level, seed: int) -> Array:
    return drawn(f"cascade.latency.{level.matched.option.title}", level.seconds or 0.0, seed)


def _alone(level: _Level, workload: TaskWorkload, damage: tuple[float, Array], seed: int) -> Strategy:
    """Return the figures of a model that answers all tasks, unchecked."""
    option, rate = level.matched.option, level.score.expected
    usd, usd_drawn, _ = attempt_price(option, workload, 1.0, 1.0, seed)
    price = (usd + (1 - rate) * damage[0], usd_drawn + (1 - level.rates) * damage[1])
    time = None if level.seconds is None else (middle(level.seconds), _latency(level, seed))
    return Strategy(f"always {option.title}", price, (rate, level.rates), time, None if time is None else time[0])
