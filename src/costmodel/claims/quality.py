"""Claims about quality: the shortfall of a model or a group, its place among all models, and whether it closes in.

A score is drawn from its error. The score of a group is the largest of its models in each draw, and so is that of the
others, so that both profit alike from the best of many. Models count by their weights, with their best reasoning
effort; those whose day of release or error is not known are left out.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.models import model_named, same_model
from costmodel.choosing.scores import Score, score_of
from costmodel.claims.verdict import Answer
from costmodel.comparison.runs import published_runs
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.names import name_key
from costmodel.foundation.ranges import draws
from costmodel.foundation.tables import default, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from costmodel.claims.claim import QualityClaim

    Array = NDArray[np.float64]

MOST_DRAWN = 256
"""Scores whose draws are kept while a claim is checked [1]."""


class _Scored(NamedTuple):
    """A score with the day on which its model was released."""

    score: Score
    released: dt.date


class _Sides(NamedTuple):
    """Draws of the two sides of a claim on a day, shape (draws,) [1], and the models behind them."""

    own: Array
    others: Array
    better: Array
    """Share of all models that are better than the claimed one [1]."""
    models: int
    own_best: str
    others_best: str

    @property
    def gap(self) -> Array:
        """Shortfall, 1 − score / score of the others [1]."""
        return 1 - self.own / np.maximum(self.others, 1e-12)


def quality_answers(claim: QualityClaim, paths: int, seed: int) -> tuple[Answer, ...]:
    """Return the probability of a claim about quality: as stated, its parts, with contamination, on other benchmarks.

    Parameters
    ----------
    claim : QualityClaim
    paths : int
        Number of draws.
    seed : int
        Seed of the draws.

    Raises
    ------
    UnknownNameError
        If no score has the benchmark, the evaluator or the model.
    MissingFactError
        If a side of the claim has no score with an error on the day.
    """
    benchmark, evaluator = _known("benchmark", claim.benchmark), _known("evaluator", claim.evaluator)
    draw = lru_cache(maxsize=MOST_DRAWN)(lambda score: score.draw(paths, seed))
    holds, note = _holds(claim, benchmark, evaluator, draw)
    stated = np.all(list(holds.values()), axis=0)
    answers = [Answer(f"{benchmark} by {evaluator}", "quality", float(stated.mean()), note)]
    if len(holds) > 1:
        answers += [Answer(f"{part} alone", "quality", float(held.mean())) for part, held in holds.items()]
    lower, lower_note = _holds(claim, benchmark, evaluator, draw, _lowered(paths, seed))
    spread = default("contamination").spread
    assert spread is not None
    stated = np.all(list(lower.values()), axis=0)
    name = f"contamination of {spread.quantile(0.1):.0%} to {spread.quantile(0.9):.0%} (assumed)"
    answers.append(Answer(name, "quality", float(stated.mean()), lower_note))
    for other in sorted({each.score.benchmark for each in _table() if each.score.evaluator == evaluator} - {benchmark}):
        try:
            holds, note = _holds(claim, other, evaluator, draw)
        except MissingFactError:  # such as a model without a score there
            continue
        answers.append(Answer(f"on {other}", "quality", float(np.all(list(holds.values()), axis=0).mean()), note))
    return tuple(answers)


def _holds(
    claim: QualityClaim, benchmark: str, evaluator: str, draw: Callable[[Score], Array], lower: Array | None = None
) -> tuple[dict[str, NDArray[np.bool_]], str]:
    """Return whether each part of a claim holds, in draws, and the medians in words.

    `lower` has the factors on the scores of the claimed side, if these are taken as contaminated.
    """
    now = _sides(claim, benchmark, evaluator, claim.on, draw, lower)
    holds: dict[str, NDArray[np.bool_]] = {}
    notes = [
        f"{now.own_best} {np.median(now.own):.2f}, {now.others_best} {np.median(now.others):.2f}: "
        f"gap {np.median(now.gap):.0%}"
    ]
    if claim.gap_to is not None:
        holds[f"gap of at most {claim.gap_to:.0%}"] = now.gap <= claim.gap_to
    if claim.top_share is not None:
        holds[f"among the best {claim.top_share:.0%}"] = now.better < claim.top_share
        notes.append(f"{np.median(now.better):.0%} of {now.models} models are better")
    if claim.closing_since is not None:
        then = _sides(claim, benchmark, evaluator, claim.closing_since, draw, lower)
        fall, name = then.gap - now.gap, f"closing since {claim.closing_since}"
        if claim.closing_rate is not None and claim.on is not None:
            years = (claim.on - claim.closing_since).days / 365.25
            holds[f"{name} by {claim.closing_rate:.0%} a year"] = fall >= claim.closing_rate * years
        else:
            holds[name] = fall > 0
        notes.append(f"on {claim.closing_since} {np.median(then.gap):.0%}")
    return holds, ", ".join(notes)


def _sides(
    claim: QualityClaim,
    benchmark: str,
    evaluator: str,
    on: dt.date | None,
    draw: Callable[[Score], Array],
    lower: Array | None,
) -> _Sides:
    """Return both sides of a claim among the models released until a day."""
    scored = [
        each.score
        for each in _table()
        if (each.score.benchmark, each.score.evaluator) == (benchmark, evaluator)
        and (on is None or each.released <= on)
    ]
    own = {score.model: score for score in scored if _is_own(claim, score)}
    against = {
        score.model: score
        for score in scored
        if score.model not in own and (claim.against is None or same_model(claim.against, score.model))
    }
    day = "" if on is None else f" of a model released until {on}"
    for name, side in (("claimed side", own), ("other side", against)):
        if not side:
            raise MissingFactError(
                f"{benchmark} by {evaluator}: no score with an error{day} for the {name} of the claim"
            )
    found = {name: draw(score) for name, score in ({score.model: score for score in scored}).items()}
    if lower is not None:
        found |= {name: found[name] * lower for name in own}
    best = np.max([found[name] for name in own], axis=0)
    rivals = _by_weights(found, (name for name in found if name not in own))
    others = np.max([found[name] for name in against], axis=0)
    models = len(rivals) + len(_by_weights(found, own))
    return _Sides(
        own=best,
        others=others,
        better=np.sum([each > best for each in rivals], axis=0) / models,
        models=models,
        own_best=max(own, key=lambda name: own[name].value),
        others_best=max(against, key=lambda name: against[name].value),
    )


def _lowered(paths: int, seed: int) -> Array:
    """Return draws of the factor on a score that the assumed contamination leaves [1]."""
    spread = default("contamination").spread
    assert spread is not None
    return 1 - np.clip(draws("claim.contamination", spread, paths, seed), 0, 1)


def _by_weights(found: dict[str, Array], names: Iterable[str]) -> list[Array]:
    """Return the draws of the best reasoning effort of each model."""
    groups: dict[str, list[Array]] = {}
    for name in names:
        named = model_named(name)
        groups.setdefault(f"{name_key(named.api or named.model)} {named.version}", []).append(found[name])
    return [np.max(each, axis=0) for each in groups.values()]


def _is_own(claim: QualityClaim, score: Score) -> bool:
    """Return whether a score is of the model or the group of a claim."""
    if claim.model is not None:
        return same_model(claim.model, score.model)
    architecture = model_named(score.model).architecture
    if claim.group == "open_weights":
        return architecture is not None
    return architecture in _low_cost()


@lru_cache(maxsize=1)
def _low_cost() -> frozenset[str]:
    """Return the architectures of the low-cost runs."""
    runs = [run for run in published_runs() if run.row["group"] == "low_cost"]
    return frozenset(name for run in runs if (name := model_named(run.model).architecture) is not None)


@lru_cache(maxsize=1)
def _table() -> tuple[_Scored, ...]:
    """Return the scores that are shares with an error, of models whose day of release is known."""
    found = []
    for row in table("facts/benchmark_scores").rows:
        if not row["model_released"] or row["unit"] == "minutes":
            continue
        score = score_of(row)
        try:
            score.draw(1)
        except (InputError, MissingFactError):  # no error, or a score of 0 or 1 without the number of tasks
            continue
        found.append(_Scored(score, dt.date.fromisoformat(row["model_released"])))
    return tuple(found)


def _known(kind: str, given: str) -> str:
    """Return the name of a benchmark or an evaluator as the table writes it."""
    names = {name_key(getattr(each.score, kind)): getattr(each.score, kind) for each in _table()}
    if name_key(given) not in names:
        raise UnknownNameError.of(f"{kind} with errors and days of release", given, sorted(names.values()))
    return str(names[name_key(given)])
