"""Options and their scores: joined by the names of models, never across benchmarks or, in silence, evaluators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from costmodel.choosing.models import ModelName, model_named, same_weights
from costmodel.choosing.scores import Score
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.comparison.serving.replicas import DRAWS
from costmodel.foundation.errors import InputError, nearest
from costmodel.foundation.ranges import between, draws

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Option: TypeAlias = HostedAPI | SelfHosted
ONE_SIGMA = 0.6826894921370859
"""Probability of a normal variable within one standard deviation [1]."""


class Matched(NamedTuple):
    """An option with its score."""

    option: Option
    score: Score | None
    missing: str = ""
    """Why there is no score."""
    note: str = ""


def options_of(models: object) -> list[Option]:
    """Return the options; a name becomes the model as its maker hosts it, at a price that ignores its effort.

    Parameters
    ----------
    models : sequence of str, HostedAPI or SelfHosted
    """
    listed = list(models) if isinstance(models, Sequence) and not isinstance(models, str) else []
    wrong = [each for each in listed if not isinstance(each, (str, HostedAPI, SelfHosted))]
    if wrong or not listed:
        got = type(wrong[0]).__name__ if wrong else repr(models)
        raise InputError(f"models: must be a list of names, HostedAPI or SelfHosted; got {got}")
    options = [
        HostedAPI(model=model_named(each).api or each, name=each) if isinstance(each, str) else each for each in listed
    ]
    titles = [option.title for option in options]
    if twice := sorted({title for title in titles if titles.count(title) > 1}):
        raise InputError([f"models: two are named {title!r}; give each a name" for title in twice])
    return options


def with_score(option: Option, scores: Iterable[Score] | Mapping[str, Score]) -> Matched:
    """Return an option with the score of its model at its reasoning effort, or with the reason why it has none.

    Parameters
    ----------
    option : HostedAPI or SelfHosted
    scores : iterable of Score, or Mapping
        The scores, or the score of each option by its name.

    Raises
    ------
    InputError
        If several scores fit and none is the newest.
    """
    if isinstance(scores, Mapping):
        score = scores.get(option.title)
        return Matched(option, score, "" if score else "no score among those given")
    scores = list(scores)
    fitting = [score for score in scores if any(_fits(name, score) for name in _names(option))]
    efforts = {name.effort for name in _names(option)}
    found = [score for score in fitting if model_named(score.model).effort in efforts]
    if found:
        return _newest(option, found)
    others = sorted({model_named(score.model).effort or "none named" for score in fitting})
    hint = f", but with the reasoning effort {', '.join(others)}: name one, as in o3_high" if others else ""
    if close := [] if others else nearest(option.title, sorted({score.model for score in scores})):
        hint = f"; the nearest has one: {close[0]}"
    return Matched(option, None, f"no score among those given{hint}")


def evaluator_offsets(used: Sequence[Score], spread: float | None, seed: int) -> dict[str, Array]:
    """Return draws of the offset of each evaluator in the logit of a score; none for a single evaluator.

    Parameters
    ----------
    used : sequence of Score
        Scores that are compared.
    spread : float, optional
        Standard deviation of the offset of an evaluator in the logit [1].
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        If the scores are of several benchmarks, or of several evaluators and there is no spread.
    """
    benchmarks, evaluators = ({getattr(score, name) for score in used} for name in ("benchmark", "evaluator"))
    if len(benchmarks) > 1:
        raise InputError(f"scores: must be of one benchmark; got {', '.join(sorted(benchmarks))}")
    if spread is not None and (isinstance(spread, bool) or not isinstance(spread, (int, float)) or not 0 < spread <= 5):
        raise InputError(f"evaluator_spread: must be a number above 0 and at most 5; got {spread!r}")
    if len(evaluators) <= 1:
        return {}
    if spread is None:
        raise InputError(
            f"scores: are of several evaluators ({', '.join(sorted(evaluators))}), which differ in prompts, attempts "
            "and agents; give those of one, or evaluator_spread for the offset between them"
        )
    offset = between(-spread, spread, level=ONE_SIGMA, shape="normal")
    return {name: draws(f"evaluator.{name}", offset, DRAWS, seed) for name in sorted(evaluators)}


def _names(option: Option) -> list[ModelName]:
    """Return the names under which the score of an option may stand: its title, its model, its architecture."""
    names = [option.title]
    if isinstance(option, HostedAPI):
        names += [option.model] if option.model else []
    elif option.serving is not None and option.serving.architecture.name:
        names.append(option.serving.architecture.name)
    found = [model_named(name) for name in names]
    named = [name for name in found if name.effort]  # a title with an effort decides it
    return named or found


def _fits(name: ModelName, score: Score) -> bool:
    """Return whether a score is of the model, whatever its reasoning effort; by its architecture if it has no price."""
    if same_weights(name.name, score.model):
        return True
    return (
        name.api is None
        and name.architecture is not None
        and name.architecture == model_named(score.model).architecture
    )


def _newest(option: Option, found: list[Score]) -> Matched:
    """Return the option with the newest of several scores of its model."""
    values = {score.value for score in found}
    if len({(score.benchmark, score.evaluator) for score in found}) > 1:
        kinds = sorted({f"{score.benchmark} by {score.evaluator}" for score in found})
        raise InputError(f"scores: {option.title} has several ({', '.join(kinds)}); give those of one")
    dated = [score for score in found if score.on is not None]
    if not dated and len(values) > 1:
        listed = ", ".join(f"{value:g}" for value in sorted(values))
        raise InputError(f"scores: {option.title} has several without a date ({listed}); give one")
    best = max(dated or found, key=lambda score: (str(score.on), score.n or 0))
    note = f"score of {best.model}, the newest of {len(found)}" if len(values) > 1 else ""
    return Matched(option, best, note=note)
