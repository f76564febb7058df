"""Forecast skill of cost declines at rolling origins, with each series left out of the fit.

The constants are fitted without the series that is predicted. Scores are averaged within a series and horizon, then
over horizons, then over series, with equal weights: a leaderboard series of fifty records counts as much as a
capability series of two points. Overlapping windows are not independent, so every coverage is reported with the number
of windows that do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.parallel import check_executor, mapped
from costmodel.projection.backtests.baselines import BASELINES, Model
from costmodel.projection.backtests.origins import HORIZONS, Origin, origins
from costmodel.projection.backtests.scoring import LEVELS, Score, score
from costmodel.projection.decline.models import AgingGamma, Decline, Pool, constants, decline_model
from costmodel.projection.decline.series import disjoint, series_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from costmodel.projection.decline.series import Kind, Series

PARTS: dict[str, Kind | None] = {"all": None, "boards": "board", "capabilities": "capability"}
"""Types of series of each score group."""


def _default(seen: Series, age: float) -> Decline:
    return decline_model(seen.kind, age, seen.declined(age), without=seen.name)


def _constant(seen: Series, age: float) -> Decline:
    return constants(seen.name).constant


def _aging(seen: Series, age: float) -> Decline:
    return AgingGamma(constants(seen.name).clock, age, seen.declined(age))


def _pool(seen: Series, age: float) -> Decline:
    return Pool((_constant(seen, age), _aging(seen, age)))


MODELS: dict[str, Model] = {
    "default": _default,
    "constant rate": _constant,
    "aging gamma": _aging,
    "equal pool": _pool,
    **BASELINES,
}
"""Models by name. The default is the aging gamma process for a leaderboard series in its first year, else the pool."""


TOGETHER = 16
"""Origins that a worker scores at a time [1]."""


class Scored(NamedTuple):
    """Score of a model at one origin."""

    origin: Origin
    """Date, horizon and outcome to predict."""
    score: Score
    """Score of the prediction."""


@dataclass(frozen=True, repr=False)
class Backtest(rendering.Shown):
    """Scores of one model at all origins; see `backtest`."""

    model: str
    """Name of the model."""
    scored: tuple[Scored, ...]
    """Score at each origin."""

    @checked("measure", "part")
    def mean(self, measure: Callable[[Score], float], part: str = "all") -> float | None:
        """Return the mean of a measure within series and horizon, then over horizons, then over series.

        Parameters
        ----------
        measure : callable
            Function of a `Score`, such as `lambda score: score.crps`.
        part : str
            "all", "boards", "capabilities", or the label of a horizon.

        Returns
        -------
        float or None
            None if the part has no origin.
        """
        by_series: dict[str, dict[str, list[float]]] = {}
        for origin, result in self._part(part):
            by_series.setdefault(origin.seen.name, {}).setdefault(origin.label, []).append(float(measure(result)))
        return _mean(_mean(_mean(values) for values in horizons.values()) for horizons in by_series.values())

    @checked("part")
    def crps(self, part: str = "all") -> float | None:
        """Return the mean CRPS in ln cost [1].

        Parameters
        ----------
        part : str
            "all", "boards", "capabilities", or the label of a horizon.
        """
        return self.mean(lambda score: score.crps, part)

    @checked("level", "part")
    def coverage(self, level: float, part: str = "all") -> float | None:
        """Return the share of outcomes inside the central interval of a level, weighted like the scores [1].

        Parameters
        ----------
        level : float
            0.5, 0.8 or 0.95 [1].
        part : str
            "all", "boards", "capabilities", or the label of a horizon.
        """
        if level not in LEVELS:
            raise InputError(f"level must be one of {', '.join(map(str, LEVELS))}; got {level!r}")
        return self.mean(lambda score: score.inside[LEVELS.index(level)], part)

    @checked("part")
    def pit(self, part: str = "all") -> list[float]:
        """Return the histogram of the probability integral transform in five bins: 0.2 each if calibrated [1].

        Parameters
        ----------
        part : str
            "all", "boards", "capabilities", or the label of a horizon.
        """
        shares = [self.mean(_in_fifth(fifth), part) for fifth in range(5)]
        return [share or 0.0 for share in shares]

    @checked("part")
    def windows(self, part: str = "all") -> int:
        """Return the number of windows that do not overlap, over all series [1].

        Parameters
        ----------
        part : str
            "all", "boards", "capabilities", or the label of a horizon.
        """
        by_series: dict[str, list[tuple[float, float]]] = {}
        for origin, _ in self._part(part):
            by_series.setdefault(origin.seen.name, []).append((origin.age, origin.age + origin.horizon))
        return sum(disjoint(windows) for windows in by_series.values())

    @checked("keep")
    def chosen(self, keep: Callable[[Origin], bool]) -> Backtest:
        """Return the backtest restricted to some of the origins.

        Parameters
        ----------
        keep : callable
            Function of an `Origin` that returns True for origins to keep.
        """
        return Backtest(self.model, tuple(pair for pair in self.scored if keep(pair.origin)))

    @property
    def parts(self) -> list[str]:
        """Parts with scores of their own: all, boards, capabilities, and each horizon."""
        origins = sorted((origin for origin, _ in self.scored), key=lambda origin: origin.horizon)
        labels = dict.fromkeys(origin.label for origin in origins)
        return [part for part in PARTS if self._part(part)] + list(labels)

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores of each part.

        Returns
        -------
        list of dict
            part; number of series, pairs (overlapping) and windows (not overlapping); crps, pinball, bias and width
            of the 80 % interval of ln cost [1]; coverage_50, coverage_80 and coverage_95 [1].
        """
        return [
            {
                "part": part,
                "series": len({origin.seen.name for origin, _ in self._part(part)}),
                "pairs": len(self._part(part)),
                "windows": self.windows(part),
                "crps": self.crps(part),
                "pinball": self.mean(lambda score: score.pinball, part),
                "bias": self.mean(lambda score: score.bias, part),
                "width": self.mean(lambda score: score.width, part),
                **{f"coverage_{level * 100:g}": self.coverage(level, part) for level in LEVELS},
            }
            for part in self.parts
        ]

    def _part(self, part: str) -> list[Scored]:
        if part in PARTS:
            return [pair for pair in self.scored if PARTS[part] in (None, pair.origin.seen.kind)]
        labels = {origin.label for origin, _ in self.scored}
        if part not in labels:
            raise UnknownNameError.of("part of the backtest", part, [*PARTS, *sorted(labels)])
        return [pair for pair in self.scored if pair.origin.label == part]

    def _cells(self) -> list[dict[str, str]]:
        return [_shown(row) for row in self.rows()]

    def _footer(self) -> str:
        shares = " ".join(f"{share:.2f}" for share in self.pit())
        return (
            f"{self.model}: scores in ln cost, each series left out of the fit; windows do not overlap; "
            f"PIT histogram in five bins {shares}"
        )


@dataclass(frozen=True, repr=False)
class ModelTable(rendering.Shown):
    """Backtests of several models on the same origins; see `compare_models`."""

    backtests: tuple[Backtest, ...]
    """Backtest of each model."""

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores of each model.

        Returns
        -------
        list of dict
            model; crps, boards and capabilities (CRPS of leaderboard and capability series) and width of ln cost [1];
            skill (1 - CRPS / CRPS of no change), coverage_50, coverage_80 and coverage_95 [1]; pairs and windows.
        """
        naive = next((result.crps() for result in self.backtests if result.model == "no change"), None)
        return [
            {
                "model": result.model,
                "crps": (crps := result.crps()),
                "boards": result.crps("boards"),
                "capabilities": result.crps("capabilities"),
                "skill": 1 - crps / naive if naive and crps is not None else None,
                **{f"coverage_{level * 100:g}": result.coverage(level) for level in LEVELS},
                "width": result.mean(lambda score: score.width),
                "pairs": len(result.scored),
                "windows": result.windows(),
            }
            for result in self.backtests
        ]

    def _cells(self) -> list[dict[str, str]]:
        return [_shown(row) for row in self.rows()]

    def _footer(self) -> str:
        names = {origin.seen.name for origin, _ in self.backtests[0].scored}
        return f"scores in ln cost over {len(names)} series of equal weight, each left out of the fit"


def backtest(
    points: Any = None,
    model: str | Model = "default",
    horizons: Sequence[float] = HORIZONS,
    executor: Executor | None = None,
) -> Backtest:
    """Score forecasts of the decline of cost at rolling origins.

    Parameters
    ----------
    points : sequence of Series, Table, path of a CSV file, list of dict or data frame, optional
        Points in the schema of `data/measurements/cost_decline.csv`; that table by default.
    model : str or callable
        Name in `MODELS`, or a function of a series up to an age, and the age [year].
    horizons : sequence of float
        Horizons of leaderboard series, ascending [year].
    executor : concurrent.futures.Executor, optional
        Scores parts of the origins in parallel, such as a `ProcessPoolExecutor`, for which an own model is a function
        of a module; the result does not depend on it.

    Raises
    ------
    InputError
        If points or horizons are invalid, or no series has two points within the horizons.
    UnknownNameError
        If `MODELS` has no model of that name.

    Examples
    --------
    >>> print(f"{backtest().crps():.2f}, no change {backtest(model='no change').crps():.2f}")
    0.76, no change 2.74
    """
    if isinstance(model, str):
        if model not in MODELS:
            raise UnknownNameError.of("model of the decline", model, MODELS)
        name = model
    elif callable(model):
        name = getattr(model, "__name__", "own model")
    else:
        raise InputError(f"model must be one of {', '.join(MODELS)}, or a function; got {model!r}")
    tasks = [origin for series in series_of(points) for origin in origins(series, horizons)]
    if not tasks:
        raise InputError("points: no series has two points within the horizons; add points or shorten the horizons")
    check_executor(executor)
    parts = [(model, tasks[start : start + TOGETHER]) for start in range(0, len(tasks), TOGETHER)]
    scores = (each for scored in mapped(_scores, parts, executor) for each in scored)
    return Backtest(name, tuple(map(Scored, tasks, scores)))


def _scores(job: tuple[str | Model, Sequence[Origin]]) -> list[Score]:
    """Return the scores of a model, or of the model of a name, at some origins."""
    model, tasks = job
    predict = MODELS[model] if isinstance(model, str) else model
    return [score(predict(origin.seen, origin.age), origin.horizon, origin.outcome) for origin in tasks]


def compare_models(
    points: Any = None,
    models: Iterable[str] = tuple(MODELS),
    horizons: Sequence[float] = HORIZONS,
    executor: Executor | None = None,
) -> ModelTable:
    """Score several models on the same origins.

    Parameters
    ----------
    points : iterable, optional
        Series, as in `backtest`.
    models : iterable of str
        Names in `MODELS`.
    horizons : sequence of float
        Horizons of leaderboard series, ascending [year].
    executor : concurrent.futures.Executor, optional
        Scores parts of the origins in parallel, as in `backtest`.
    """
    series = series_of(points)
    return ModelTable(tuple(backtest(series, name, horizons, executor) for name in models))


def _in_fifth(fifth: int) -> Callable[[Score], float]:
    """Return a measure: 1 if the PIT of a score lies in this fifth of 0 to 1, else 0."""
    return lambda result: float(min(int(result.pit * 5), 4) == fifth)


def _mean(values: Iterable[float | None]) -> float | None:
    listed = [value for value in values if value is not None]
    return sum(listed) / len(listed) if listed else None


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the printed cells of a row: shares in percent, scores with two decimals."""
    shown = {}
    for key, value in row.items():
        if key == "skill" or key.startswith("coverage"):
            shown[key.replace("coverage_", "inside ")] = "-" if value is None else f"{value:.0%}"
        else:
            shown[key] = f"{value:.2f}" if isinstance(value, float) else rendering.cells({key: value})[key]
    return shown
