"""Performance per dollar: what a solved task costs with each model, hosted or on accelerators of one's own.

    price of a task         attempts × (price of an attempt + check) + wrong × damage + not accepted × escalation
    solved                  right answers that are delivered, and tasks that are handed on
    price of a solved task  price of a task / solved

The shares and the attempts are those of `costmodel.choosing.solved_task`, prices those of `compare_serving`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.matching import ONE_SIGMA, Matched, evaluator_offsets, options_of, with_score
from costmodel.choosing.performance_result import Compared, Performance, PerformanceComparison
from costmodel.choosing.scores import Score
from costmodel.choosing.solved_task import Outcome, outcome
from costmodel.choosing.workload import TaskWorkload
from costmodel.comparison.serving.compare import priced
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.comparison.serving.replicas import DRAWS, drawn
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.ranges import between, middle
from costmodel.market.api_prices import LONG_PROMPT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.foundation.arrays import FloatLike
    from costmodel.foundation.ranges import Range

    Array = NDArray[np.float64]

_FURTHER = 1e6
"""Further output tokens of a request by which the price of an output token is found [token]."""


class _Dollars(NamedTuple):
    """Prices of a workload beside the model [USD]: of a check, of a wrong answer, of handing a task on."""

    check: FloatLike
    wrong: FloatLike
    escalation: FloatLike
    escalates: bool


@checked("scores", "run_tokens", "seed")
def performance_per_dollar(
    workload: TaskWorkload,
    models: Sequence[str | HostedAPI | SelfHosted],
    scores: Iterable[Score] | Mapping[str, Score],
    *,
    run_tokens: bool = False,
    evaluator_spread: float | None = None,
    seed: int = 0,
) -> PerformanceComparison:
    """Compare models by the price of a solved task, with the errors of their scores and prices.

    A score stands in for the success rate of one attempt. A model without a score or a price keeps its row with the
    reason.

    Parameters
    ----------
    workload : TaskWorkload
        Tokens of a task, attempts, verifier and escalation.
    models : sequence of str, HostedAPI or SelfHosted
        Models with their reasoning effort, such as "gpt-5_high", hosted by their makers; or ways to serve one.
    scores : iterable of Score, or Mapping
        Scores of one benchmark, from `scores` or your own; or the score of each option by its name.
    run_tokens : bool
        Whether each model uses the tokens per task of the run of its score instead of those of the workload.
    evaluator_spread : float, optional
        Standard deviation of the offset between evaluators, in the logit of the score [1]; without it, scores of
        several evaluators are an error.
    seed : int
        Seed of the random draws.

    Returns
    -------
    PerformanceComparison
        `.rows()`, `.probability_cheaper(a, b)`, `.probabilities()`, `.front`; it prints as a table.

    Raises
    ------
    InputError
        If an argument is wrong, or scores of several benchmarks or evaluators would be mixed.

    References
    ----------
    Attempts until an answer is accepted: `costmodel.choosing.solved_task`.

    Examples
    --------
    >>> tasks = TaskWorkload(input_tokens=3000, output_tokens=500)
    >>> own = [Score("gpt-4.1", "tickets", 0.8, n=400), Score("gpt-4.1-mini", "tickets", 0.7, n=400)]
    >>> result = performance_per_dollar(tasks, ["gpt-4.1", "gpt-4.1-mini"], own)
    >>> round(result["gpt-4.1"].usd_per_solved_task, 4), result.cheapest
    (0.0125, 'gpt-4.1-mini')
    """
    if not isinstance(workload, TaskWorkload):
        raise InputError(f"workload: must be a TaskWorkload; got {type(workload).__name__}")
    options = options_of(models)
    titles = [option.title for option in options]
    if unused := sorted(set(workload.reasoning_tokens) - set(titles)):
        raise InputError(f"reasoning_tokens: no option is named {', '.join(unused)}; options: {', '.join(titles)}")
    given = scores if isinstance(scores, Mapping) else list(scores)
    matched = [with_score(option, given) for option in options]
    offsets = evaluator_offsets([each.score for each in matched if each.score is not None], evaluator_spread, seed)
    found = {}
    for each in matched:
        own = _with_run_tokens(workload, each) if run_tokens else workload
        try:
            found[each.option.title] = _performance(each, own, offsets, seed)
        except CostModelError as error:  # such as a model that several providers sell, or that does not fit
            missing = Performance(each.option.title, each.option.kind, missing=str(error))
            found[each.option.title] = Compared(missing, None, None)
    return PerformanceComparison(workload, found, seed, run_tokens)


def _with_run_tokens(workload: TaskWorkload, each: Matched) -> TaskWorkload | None:
    """Return the workload with the tokens of the run of a score; None if they are not known."""
    score = each.score
    if score is None or score.input_tokens is None or score.output_tokens is None:
        return None
    requests = requests_of(score.input_tokens)
    return workload.replace(
        input_tokens=score.input_tokens / requests,
        output_tokens=score.output_tokens / requests,
        requests_per_task=requests,
        reasoning_tokens={},
    )


def requests_of(input_tokens: float) -> int:
    """Return the fewest requests of a task none of which has a prompt beyond the limit of long ones [1].

    An agent sends many requests for a task, whose tokens a run reports as one sum.

    Parameters
    ----------
    input_tokens : float
        Input tokens of the task [token].
    """
    return max(math.ceil(input_tokens / LONG_PROMPT), 1)


def _performance(each: Matched, workload: TaskWorkload | None, offsets: Mapping[str, Array], seed: int) -> Compared:
    """Return the figures of an option, and the draws of those that are compared."""
    title, score = each.option.title, each.score
    if score is None:
        raise MissingFactError(each.missing)
    if workload is None:
        raise MissingFactError(f"the tokens of its run of {score.benchmark} are not known")
    rate, rates = score.expected, success_draws(score, offsets, seed)
    at, sampled = _outcome(workload, rate, rate), _outcome(workload, rates, rate)
    usd, usd_drawn, note = attempt_price(each.option, workload, at.attempts, sampled.attempts, seed)
    task, solved = _task(at, usd, _dollars(workload))
    tasks, solved_drawn = _task(sampled, usd_drawn, _dollars(workload, seed))
    per_solved = _over(tasks, solved_drawn)
    tokens = workload.requests_per_task * (workload.tokens + workload.reasoning(title))
    figures = Performance(
        name=title,
        kind=each.option.kind,
        benchmark=score.benchmark,
        evaluator=score.evaluator,
        score=rate,
        score_interval=_ends(rates),
        attempts=float(at.attempts),
        usd_per_attempt=usd,
        usd_per_task=float(task),
        usd_per_task_interval=_ends(tasks),
        solved=float(solved),
        solved_interval=_ends(solved_drawn),
        wrong=float(at.wrong),
        not_accepted=float(at.not_accepted),
        usd_per_solved_task=float(_over(task, solved)),
        usd_per_solved_task_interval=_ends(per_solved),
        usd_per_point=float(_over(task, 100 * solved)),
        usd_per_million_tokens=1e6 * usd / tokens,
        tokens_per_task=tokens * float(at.attempts),
        note="; ".join(part for part in (note, each.note) if part),
    )
    return Compared(figures, tasks, solved_drawn)


def success_draws(score: Score, offsets: Mapping[str, Array], seed: int) -> Array:
    """Return draws of the success rate that a score stands for, with the offset of its evaluator [1].

    Parameters
    ----------
    score : Score
    offsets : Mapping
        Draws of the offsets of the evaluators in the logit; see `evaluator_offsets`.
    seed : int
        Seed of the draws.
    """
    rates = score.draw(DRAWS, seed)
    if score.evaluator not in offsets:
        return rates
    odds: Array = rates / (1 - rates) * np.exp(offsets[score.evaluator])
    return odds / (1 + odds)


def _token_factor(title: str, spread: float, seed: int) -> FloatLike:
    """Return draws of the tokens of an option over the stated ones [1]."""
    if not spread:
        return 1.0
    ends = between(math.exp(-spread), math.exp(spread), level=ONE_SIGMA).settled("lognormal")
    return drawn(f"task.tokens.{title}", ends, seed)


def _outcome(workload: TaskWorkload, rates: FloatLike, expected: float) -> Outcome:
    """Return what becomes of a task; without a verifier, one attempt whose answer is delivered."""
    verifier = workload.verifier
    if verifier is None:
        return outcome(rates, false_acceptance=1.0)
    return outcome(
        rates,
        workload.attempts,
        correlation=workload.correlation,
        recall=verifier.recall,
        false_acceptance=verifier.false_acceptance_at(expected),
    )


def _dollars(workload: TaskWorkload, seed: int | None = None) -> _Dollars:
    """Return the prices beside the model, at their medians, or as draws with a seed."""
    check = 0.0 if workload.verifier is None else workload.verifier.usd_per_answer

    def price(key: str, value: float | Range) -> FloatLike:
        return middle(value) if seed is None else drawn(f"task.{key}", value, seed)

    return _Dollars(
        price("verifier.usd_per_answer", check),
        price("wrong_answer_usd", workload.wrong_answer_usd),
        price("escalation_usd", workload.escalation_usd or 0.0),
        workload.escalation_usd is not None,
    )


def _task(at: Outcome, usd_per_attempt: FloatLike, dollars: _Dollars) -> tuple[Array, Array]:
    """Return the price of a task [USD], and the share of the tasks that end solved [1]."""
    usd = at.attempts * (usd_per_attempt + dollars.check) + at.wrong * dollars.wrong
    if not dollars.escalates:
        return usd, at.solved
    return usd + at.not_accepted * dollars.escalation, at.solved + at.not_accepted


def attempt_price(
    option: HostedAPI | SelfHosted, workload: TaskWorkload, attempts: FloatLike, sampled: FloatLike, seed: int
) -> tuple[float, Array, str]:
    """Return the price of an attempt at a task [USD], its draws, and where it comes from.

    Replicas are sized for all attempts of a month; they serve fewer requests in proportion to the output tokens.

    Parameters
    ----------
    option : HostedAPI or SelfHosted
    workload : TaskWorkload
    attempts : float
        Attempts of the option per task of the workload [1].
    sampled : float or NDArray
        Draws of these attempts [1].
    seed : int
        Seed of the draws.

    Raises
    ------
    MissingFactError
        If the price, or the tasks per month that size replicas, are not known.
    """
    more = workload.reasoning_tokens.get(option.title, 0.0)
    output = workload.output_tokens + middle(more)
    outputs = workload.output_tokens + drawn(f"task.reasoning_tokens.{option.title}", more, seed)
    factor = _token_factor(option.title, workload.token_spread, seed)
    per_task = workload.requests_per_task
    if isinstance(option, HostedAPI):
        each, longer = (priced(option, workload.served(size, 1.0), seed) for size in (output, output + _FURTHER))
        if each.usd_per_request is None or longer.usd_per_request is None:
            raise MissingFactError(each.missing)
        usd_per_token = (longer.usd_per_request - each.usd_per_request) / _FURTHER
        usd_drawn = per_task * (each.usd_per_request + usd_per_token * (outputs - output)) * factor
        return per_task * each.usd_per_request, usd_drawn, option.bill(workload.served(output, 1.0)).note
    if workload.tasks_per_month is None:
        raise MissingFactError("tasks_per_month of the workload is needed to size replicas")
    requests = middle(workload.tasks_per_month) * per_task * float(attempts)
    each = priced(option, workload.served(output, requests), seed)
    if each.missing:
        raise MissingFactError(each.missing)
    monthly = drawn("task.tasks_per_month", workload.tasks_per_month, seed) * per_task * sampled
    usd_drawn = each.cost(monthly * outputs / output, sampled=True) / monthly * factor
    return per_task * float(each.cost(requests)) / requests, per_task * usd_drawn, each.note


def _over(usd: FloatLike, share: FloatLike) -> Array:
    """Return dollars over a share; infinite where the share is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(share) > 0, np.asarray(usd) / np.asarray(share), np.inf)


def _ends(values: Array) -> tuple[float, float]:
    """Return the 10 % and 90 % quantiles; infinite values stay infinite."""
    low, high = np.quantile(values, [0.1, 0.9], method="inverted_cdf")
    return float(low), float(high)
