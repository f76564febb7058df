"""Forecast skill of cost declines at rolling origins, with each series left out of the fit.

Constants are those of a fit without the series that is predicted. Scores are averaged inside a series and horizon,
then over horizons, then over series, all with equal weight: a board of fifty records counts as much as a capability
of two points. Overlapping origins are no independent evidence, so that beside every coverage stands the number of
windows that do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.projection.backtests.baselines import BASELINES, Model
from costmodel.projection.backtests.origins import HORIZONS, Origin, origins
from costmodel.projection.backtests.scoring import LEVELS, Score, score
from costmodel.projection.decline.models import AgingGamma, Decline, Pool, constants, decline_model
from costmodel.projection.decline.series import disjoint, series_of

if TYPE_CHECKING:
    from costmodel.projection.decline.series import Kind, Series

PARTS: dict[str, Kind | None] = {"all": None, "boards": "board", "capabilities": "capability"}


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
"""Models by name; the default is the aging gamma process for a board in its first year, and the pool otherwise."""


class Scored(NamedTuple):
    """An origin, and how well a model did there."""

    origin: Origin
    score: Score


@dataclass(frozen=True, repr=False)
class Backtest(rendering.Shown):
    """Scores of one model at all origins; see `backtest`."""

    model: str
    scored: tuple[Scored, ...]

    def mean(self, measure: Callable[[Score], float], part: str = "all") -> float | None:
        """Return the mean of a measure: inside series and horizon, over horizons, then over series.

        Parameters
        ----------
        measure : of a score, such as `lambda score: score.crps`
        part : "all", "boards", "capabilities", or a horizon; None where it holds no origin
        """
        by_series: dict[str, dict[str, list[float]]] = {}
        for origin, found in self._part(part):
            by_series.setdefault(origin.seen.name, {}).setdefault(origin.label, []).append(float(measure(found)))
        return _mean(_mean(_mean(values) for values in horizons.values()) for horizons in by_series.values())

    def crps(self, part: str = "all") -> float | None:
        """Return the mean CRPS in ln cost [1].

        Parameters
        ----------
        part : "all", "boards", "capabilities", or a horizon
        """
        return self.mean(lambda found: found.crps, part)

    def coverage(self, level: float, part: str = "all") -> float | None:
        """Return the share of outcomes inside the interval of a level, weighted as all scores are [1].

        Parameters
        ----------
        level : 0.5, 0.8 or 0.95
        part : "all", "boards", "capabilities", or a horizon
        """
        if level not in LEVELS:
            raise InputError(f"coverage is counted at {', '.join(map(str, LEVELS))}; got {level!r}")
        return self.mean(lambda found: found.inside[LEVELS.index(level)], part)

    def pit(self, part: str = "all") -> list[float]:
        """Return the shares of outcomes in the five fifths of their predicted distributions: 0.2 each if calibrated.

        Parameters
        ----------
        part : "all", "boards", "capabilities", or a horizon
        """
        shares = [self.mean(_in_fifth(fifth), part) for fifth in range(5)]
        return [share or 0.0 for share in shares]

    def windows(self, part: str = "all") -> int:
        """Return the number of windows that do not overlap, over all series [1].

        Parameters
        ----------
        part : "all", "boards", "capabilities", or a horizon
        """
        by_series: dict[str, list[tuple[float, float]]] = {}
        for origin, _ in self._part(part):
            by_series.setdefault(origin.seen.name, []).append((origin.age, origin.age + origin.horizon))
        return sum(disjoint(each) for each in by_series.values())

    def chosen(self, keep: Callable[[Origin], bool]) -> Backtest:
        """Return the backtest of some of the origins.

        Parameters
        ----------
        keep : says which
        """
        return Backtest(self.model, tuple(one for one in self.scored if keep(one.origin)))

    @property
    def parts(self) -> list[str]:
        """What is scored apart: all, boards, capabilities, and each horizon."""
        labels = dict.fromkeys(one.origin.label for one in sorted(self.scored, key=lambda one: one.origin.horizon))
        return [part for part in PARTS if self._part(part)] + list(labels)

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores of each part.

        Returns
        -------
        list of dict
            part, series, pairs (overlapping), windows (that do not overlap), crps, pinball, bias and width of the
            80 % interval [ln cost], and coverage_50, coverage_80 and coverage_95 [1].
        """
        return [
            {
                "part": part, "series": len({one.origin.seen.name for one in self._part(part)}),
                "pairs": len(self._part(part)), "windows": self.windows(part), "crps": self.crps(part),
                "pinball": self.mean(lambda found: found.pinball, part),
                "bias": self.mean(lambda found: found.bias, part),
                "width": self.mean(lambda found: found.width, part),
                **{f"coverage_{level * 100:g}": self.coverage(level, part) for level in LEVELS},
            }
            for part in self.parts
        ]  # fmt: skip

    def _part(self, part: str) -> list[Scored]:
        if part in PARTS:
            return [one for one in self.scored if PARTS[part] in (None, one.origin.seen.kind)]
        labels = {one.origin.label for one in self.scored}
        if part not in labels:
            raise UnknownNameError.of("part of the backtest", part, [*PARTS, *sorted(labels)])
        return [one for one in self.scored if one.origin.label == part]

    def _cells(self) -> list[dict[str, str]]:
        return [_shown(row) for row in self.rows()]

    def _footer(self) -> str:
        shares = " ".join(f"{one:.2f}" for one in self.pit())
        return (f"{self.model}: scores in ln cost, each series predicted without it; a coverage rests on the windows "
                f"that do not overlap; fifths of the PIT {shares}")  # fmt: skip


@dataclass(frozen=True, repr=False)
class ModelTable(rendering.Shown):
    """Backtests of several models on the same origins; see `compare_models`."""

    backtests: tuple[Backtest, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the scores of each model.

        Returns
        -------
        list of dict
            model, crps, boards and capabilities (the CRPS of each) and width [ln cost], skill (the share of the CRPS
            of no change that is saved), coverage_50, coverage_80 and coverage_95 [1], pairs and windows.
        """
        naive = next((one.crps() for one in self.backtests if one.model == "no change"), None)
        return [
            {
                "model": one.model, "crps": (crps := one.crps()), "boards": one.crps("boards"),
                "capabilities": one.crps("capabilities"),
                "skill": 1 - crps / naive if naive and crps is not None else None,
                **{f"coverage_{level * 100:g}": one.coverage(level) for level in LEVELS},
                "width": one.mean(lambda found: found.width), "pairs": len(one.scored), "windows": one.windows(),
            }
            for one in self.backtests
        ]  # fmt: skip

    def _cells(self) -> list[dict[str, str]]:
        return [_shown(row) for row in self.rows()]

    def _footer(self) -> str:
        names = {one.origin.seen.name for one in self.backtests[0].scored}
        return f"scores in ln cost over {len(names)} series of equal weight, each predicted without it"


def backtest(points: Any = None, model: str | Model = "default", horizons: Sequence[float] = HORIZONS) -> Backtest:
    """Score a model of the decline of costs at all past origins.

    Parameters
    ----------
    points : series, a table of points (a file, rows, a data frame) in the schema of
        `data/measurements/cost_decline.csv`; that of the library unless given
    model : a name of `MODELS`, or a function of a series as known at an age, and the age [year]
    horizons : of boards, ascending [year]

    Raises
    ------
    InputError
        If points or horizons are of no use, or no series has two points.
    UnknownNameError
        If there is no model of that name.

    Examples
    --------
    >>> print(f"{backtest().crps():.2f}, no change {backtest(model='no change').crps():.2f}")
    0.76, no change 2.74
    """
    if isinstance(model, str):
        if model not in MODELS:
            raise UnknownNameError.of("model of the decline", model, MODELS)
        name, predict = model, MODELS[model]
    elif callable(model):
        name, predict = getattr(model, "__name__", "own model"), model
    else:
        raise InputError(f"model must be one of {', '.join(MODELS)}, or a function; got {model!r}")
    found = [one for series in series_of(points) for one in origins(series, horizons)]
    if not found:
        raise InputError("no series has two points within the horizons: there is nothing to predict")
    return Backtest(name, tuple(Scored(one, score(predict(one.seen, one.age), one.horizon, one.outcome))
                                for one in found))  # fmt: skip


def compare_models(
    points: Any = None, models: Iterable[str] = tuple(MODELS), horizons: Sequence[float] = HORIZONS
) -> ModelTable:
    """Score several models on the same origins.

    Parameters
    ----------
    points : as in `backtest`
    models : names of `MODELS`
    horizons : of boards, ascending [year]
    """
    series = series_of(points)
    return ModelTable(tuple(backtest(series, name, horizons) for name in models))


def _in_fifth(fifth: int) -> Callable[[Score], float]:
    """Return the measure that is 1 where the PIT of a score lies in a fifth of its range."""
    return lambda found: float(min(int(found.pit * 5), 4) == fifth)


def _mean(values: Iterable[float | None]) -> float | None:
    listed = [one for one in values if one is not None]
    return sum(listed) / len(listed) if listed else None


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of a row: shares in percent, scores with two decimals."""
    found = {}
    for key, value in row.items():
        if key == "skill" or key.startswith("coverage"):
            found[key.replace("coverage_", "inside ")] = "-" if value is None else f"{value:.0%}"
        else:
            found[key] = f"{value:.2f}" if isinstance(value, float) else rendering.cells({key: value})[key]
    return found
