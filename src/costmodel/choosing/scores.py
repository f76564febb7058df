"""Scores of models on benchmarks, with their errors, evaluators and sources.

A score is a share of tasks that a run solved, so it has a sampling error: the published standard error, or the
binomial one, √(v (1 − v) / n). Draws are those of a beta distribution with that error. Evaluators differ in prompts,
attempts and agents, so their scores are not compared unless the caller gives a spread between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, overload

from pydantic import Field, model_validator

from costmodel.choosing.models import model_named, same_model, same_weights
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.fields import Count, Date, Measure
from costmodel.foundation.names import name_key
from costmodel.foundation.ranges import Range, beta, draws, middle
from costmodel.foundation.specs import Spec
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fields import CountLike, DateLike, NumberLike, RangeLike

    Array = NDArray[np.float64]

Value: TypeAlias = Annotated[float, Measure("1", 0.0, 1e9, uncertain=False)]
Share: TypeAlias = Annotated[float | Range, Measure("1", 0.0, 1.0)]
TokensPerTask: TypeAlias = Annotated[float, Measure("token", 0.0, 1e12, open_low=True, uncertain=False)]
DollarsPerTask: TypeAlias = Annotated[float, Measure("USD", 0.0, 1e9, open_low=True, uncertain=False)]
_OWN = "own"


class Score(Spec):
    """A score of a model on a benchmark, with its error; yours, or one of the table.

    Examples
    --------
    >>> score = Score("gpt-4.1-mini", "support tickets", 0.8, n=400)
    >>> round(score.error, 3)
    0.02
    """

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            model: str,
            benchmark: str,
            value: NumberLike,
            *,
            n: CountLike | None = ...,
            standard_error: NumberLike | None = ...,
            evaluator: str = ...,
            on: DateLike | None = ...,
            unit: Literal["fraction", "minutes"] = ...,
            contamination: RangeLike = ...,
            input_tokens: NumberLike | None = ...,
            output_tokens: NumberLike | None = ...,
            usd: NumberLike | None = ...,
            source: str = ...,
            license: str = ...,
            note: str = ...,
        ) -> None: ...

    model: str = Field(min_length=1, description="Model, with its reasoning effort where it has one, such as o3_high.")
    benchmark: str = Field(min_length=1, description="Benchmark, or a name for tasks of your own.")
    value: Value = Field(description="Share of the tasks that are solved [1], or minutes for a time horizon.")
    n: Count | None = Field(default=None, description="Tasks of the run, each with one outcome [1]; for its error.")
    standard_error: Value | None = Field(
        default=None, description="Standard error of the value [1]; default: binomial, from n."
    )
    evaluator: str = Field(default=_OWN, min_length=1, description="Who ran the evaluation.")
    on: Date | None = Field(default=None, description="Day of the run.")
    unit: Literal["fraction", "minutes"] = Field(default="fraction", description="Unit of value and standard_error.")
    contamination: Share = Field(
        default=0.0,
        description="Assumed share of the value that is owed to test data seen in training, or to tuning for the "
        "benchmark [1]; with a spread.",
    )
    input_tokens: TokensPerTask | None = Field(
        default=None, description="Mean input tokens of a task of the run [token]."
    )
    output_tokens: TokensPerTask | None = Field(
        default=None, description="Mean output tokens of a task of the run, reasoning included [token]."
    )
    usd: DollarsPerTask | None = Field(default=None, description="Published mean price of a task of the run [USD].")
    source: str = Field(default="", description="Address, paper or file of the score.")
    license: str = Field(default="", description="License of the source.")
    note: str = Field(default="", description="Remark shown with the score.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = []
        if self.unit == "fraction" and self.value > 1:
            problems.append(f"value: must be a share of at most 1; got {self.value:g} (80 points are 0.8)")
        if self.unit == "fraction" and self.standard_error is not None and self.standard_error > 0.5:
            problems.append(f"standard_error: must be at most 0.5; got {self.standard_error:g} (2 points are 0.02)")
        if problems:
            raise InputError(problems)
        return self

    @property
    def error(self) -> float:
        """Standard error [1]: as given, or binomial from `n`.

        Raises
        ------
        MissingFactError
            If neither is known.
        """
        if self.standard_error is not None:
            return self.standard_error
        if self.n is None or self.unit != "fraction":
            raise MissingFactError(f"{self.model}: the error of its score on {self.benchmark} is not known; {_FIX}")
        return math.sqrt(self.value * (1 - self.value) / self.n)

    @property
    def expected(self) -> float:
        """The value without the assumed contamination, at its median [1]."""
        return self.value * (1 - middle(self.contamination))

    def draw(self, count: int, seed: int = 0) -> Array:
        """Return random draws of the value without the assumed contamination, shape (count,) [1].

        A beta distribution with the mean and the standard error of the score; where the value is 0 or 1, the
        posterior of n outcomes alike under the prior of Jeffreys.

        Parameters
        ----------
        count : int
            Number of draws.
        seed : int
            Seed of the draws.

        Raises
        ------
        InputError
            If the score is not a share.
        MissingFactError
            If its error is not known.
        """
        import numpy as np

        if self.unit != "fraction":
            raise InputError(f"{self.model}: {self.benchmark} is a score in {self.unit}, not a share of tasks")
        key = f"score.{self.evaluator}.{self.benchmark}.{self.model}"
        values = draws(key, self._distribution(), count, seed)
        if not isinstance(self.contamination, Range):
            return values * (1 - self.contamination)
        return values * (1 - np.clip(draws(f"{key}.contamination", self.contamination, count, seed), 0, 1))

    def _distribution(self) -> Range:
        """Return the beta distribution of the score."""
        error, value = self.error, self.value
        if 0 < value < 1 and error > 0:
            outcomes = max(value * (1 - value) / error**2 - 1, 1e-3)
            return beta(value * outcomes, (1 - value) * outcomes)
        if self.n is None:
            raise MissingFactError(
                f"{self.model}: a score of {value:g} with an error of {error:g} on {self.benchmark} needs n"
            )
        return beta(value * self.n + 0.5, (1 - value) * self.n + 0.5)


_FIX = "give n or standard_error in a Score"


class Scores(rendering.Shown, Sequence[Score]):
    """Scores as a table and as a sequence; see `scores`."""

    def __init__(self, listed: Iterable[Score]) -> None:
        self._scores = tuple(listed)
        if wrong := [each for each in self._scores if not isinstance(each, Score)]:
            raise InputError(f"scores: must be Score; got {type(wrong[0]).__name__}")

    @overload
    def __getitem__(self, place: int) -> Score: ...
    @overload
    def __getitem__(self, place: slice) -> Scores: ...
    def __getitem__(self, place: int | slice) -> Score | Scores:
        return Scores(self._scores[place]) if isinstance(place, slice) else self._scores[place]

    def __len__(self) -> int:
        return len(self._scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self._scores)

    @property
    def evaluators(self) -> list[str]:
        """The evaluators, sorted."""
        return sorted({score.evaluator for score in self})

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks, sorted."""
        return sorted({score.benchmark for score in self})

    def discounted(self, contamination: RangeLike, model: str | None = None) -> Scores:
        """Return the scores with an assumed contamination or gaming of the benchmark.

        Parameters
        ----------
        contamination : float, str or Range
            Share of the value that is not owed to ability, such as "2 to 10 %" [1].
        model : str, optional
            Only scores of this model; default: all.
        """
        applies = [model is None or same_model(score.model, model) for score in self]
        return Scores(
            score.replace(contamination=contamination) if applied else score
            for score, applied in zip(self, applies, strict=True)
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per score, with the fields of `Score` and the name of its API price."""
        rows = []
        for score in self:
            fields = {name: getattr(score, name) for name in type(score).model_fields}
            spread = score.contamination
            fields["contamination"] = middle(spread)
            rows.append(
                {**fields, "on": None if score.on is None else str(score.on), "api": model_named(score.model).api}
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain data."""
        return {"scores": self.rows()}

    def _title(self) -> str:
        return (
            f"{len(self)} scores, {len(self.benchmarks)} benchmarks, evaluators: {', '.join(self.evaluators) or 'none'}"
        )

    def _cells(self) -> list[dict[str, str]]:
        ordered = sorted(self, key=lambda score: (score.benchmark, score.evaluator, -score.value))
        return [
            {
                "model": rendering.shortened(score.model, 30),
                "benchmark": rendering.shortened(score.benchmark, 18),
                "score": f"{score.value:.3g}{_plus_minus(score)}",
                "evaluator": rendering.shortened(score.evaluator, 12),
            }
            for score in ordered
        ]

    def _footer(self) -> str:
        unknown = sum(score.standard_error is None and score.n is None for score in self)
        return f"± one standard error; not known for {unknown} scores" if unknown else "± one standard error"


def _plus_minus(score: Score) -> str:
    try:
        return f" ± {score.error:.2g}"
    except MissingFactError:
        return ""


def scores(benchmark: str | None = None, model: str | None = None, evaluator: str | None = None) -> Scores:
    """Return published scores of the table `facts/benchmark_scores`, each with source, license and date.

    Parameters
    ----------
    benchmark : str, optional
        Only this benchmark; case and separators do not matter.
    model : str, optional
        Only this model. With a reasoning effort, such as "o3_high", only that effort; without, all of them.
    evaluator : str, optional
        Only this evaluator, such as "Epoch AI" or "Aider".

    Returns
    -------
    Scores
        A sequence of `Score`; it prints as a table. `[*scores(...), Score(...)]` adds your own.

    Raises
    ------
    UnknownNameError
        If no score has the benchmark, the model or the evaluator.

    Examples
    --------
    >>> found = scores("Aider polyglot", model="gpt-5_high", evaluator="Aider")
    >>> found[0].value, found[0].n
    (0.88, 225)
    """
    listed = list(_table())
    for kind, given in (("benchmark", benchmark), ("evaluator", evaluator)):
        if given is not None:
            name = _known(kind, given)
            listed = [score for score in listed if getattr(score, kind) == name]
    if model is not None:
        asked = model_named(model)
        if not any(_is_of(model, asked.effort, score.model) for score in _table()):
            raise UnknownNameError.of("model with a score", model, sorted({score.model for score in _table()}))
        listed = [score for score in listed if _is_of(model, asked.effort, score.model)]
    return Scores(listed)


def _is_of(model: str, effort: str, scored: str) -> bool:
    return same_model(model, scored) if effort else same_weights(model, scored)


def _known(kind: str, given: str) -> str:
    """Return the name of a benchmark or an evaluator as the table writes it."""
    by_key = {name_key(name): name for name in _names(kind)}
    if not isinstance(given, str) or name_key(given) not in by_key:
        raise UnknownNameError.of(kind, given, _names(kind))
    return by_key[name_key(given)]


@lru_cache(maxsize=4)
def _names(kind: str) -> tuple[str, ...]:
    return tuple(sorted({getattr(score, kind) for score in _table()}))


@lru_cache(maxsize=1)
def _table() -> tuple[Score, ...]:
    return tuple(map(score_of, table("facts/benchmark_scores").rows))


def score_of(row: Row) -> Score:
    """Return the score of a row of `facts/benchmark_scores`.

    Parameters
    ----------
    row : Row
        Cells by column.
    """
    per_task = {"input_tokens": row["input_tokens"], "output_tokens": row["output_tokens"], "usd": row["cost_usd"]}
    given: dict[str, Any] = {
        "n": row["n"],
        "standard_error": row["standard_error"],
        "on": row["date"],
        "source": row["source"],
        "license": row["license"],
        "note": row["note"],
        **{name: float(total) / int(row["cases"]) for name, total in per_task.items() if total},
    }
    return Score(
        row["model"],
        row["benchmark"],
        row["score"],
        evaluator=row["evaluator"],
        unit="minutes" if row["unit"] == "minutes" else "fraction",
        **{name: value for name, value in given.items() if value},
    )
