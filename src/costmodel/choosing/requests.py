"""What a file asks of a choice of routes, or of a cascade."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from costmodel.choosing.cascade import Detector, Seconds, cascade
from costmodel.choosing.cascade_result import CascadeComparison
from costmodel.choosing.route import FixedShare, Months, Route
from costmodel.choosing.routes import choose_route
from costmodel.choosing.routes_result import RouteComparison
from costmodel.choosing.scores import Score, scores
from costmodel.choosing.workload import TaskWorkload
from costmodel.comparison.serving.options import Option
from costmodel.comparison.serving.workload import ServingWorkload
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import Share
from costmodel.foundation.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence


class RouteRequest(Spec):
    """A workload and the routes to a model that serves it; see `choose_route`."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            workload: ServingWorkload | Mapping[str, object],
            routes: Sequence[Route | Mapping[str, object]],
            months: float | str,
            required_quality: float | None = ...,
            confidence: float = ...,
            fallback: str | None = ...,
            seed: int = ...,
        ) -> None: ...

    workload: ServingWorkload = Field(description="Requests per month, their tokens, and their peak.")
    routes: tuple[Route, ...] = Field(min_length=1, description="The routes, with distinct names.")
    months: Months = Field(description="Months over which costs are added up [month].")
    required_quality: FixedShare | None = Field(
        default=None, description="Share of tasks that must be solved [1]; default: any."
    )
    confidence: FixedShare = Field(
        default=0.5, description="Least probability of the required quality with which a route can be chosen [1]."
    )
    fallback: str | None = Field(
        default=None, description="Name of the route that serves if the quality of another is missed."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the random draws.")


class CascadeRequest(Spec):
    """Models that answer one after another, and the detectors between them; see `cascade`."""

    if TYPE_CHECKING:  # fields accept more types than they hold

        def __init__(
            self,
            *,
            workload: TaskWorkload | Mapping[str, object],
            models: Sequence[str | Option | Mapping[str, object]],
            detectors: Sequence[Detector | Mapping[str, object]],
            scores: Sequence[Score | Mapping[str, object]] = ...,
            benchmark: str | None = ...,
            evaluator: str | None = ...,
            correlation: float | str | None = ...,
            latency: Mapping[str, float | str] = ...,
            quality_loss: float = ...,
            seed: int = ...,
        ) -> None: ...

    workload: TaskWorkload = Field(description="Tokens of a task, and the damage of a wrong answer.")
    models: tuple[str | Option, ...] = Field(
        min_length=2, description="Two to six models, the first to answer first: names, or how each is served."
    )
    detectors: tuple[Detector, ...] = Field(
        min_length=1, description="The detector after each model but the last; one stands for all."
    )
    scores: tuple[Score, ...] = Field(default=(), description="Scores of your own, of one benchmark.")
    benchmark: str | None = Field(
        default=None, description="Benchmark of the published scores that are used in place of `scores`."
    )
    evaluator: str | None = Field(default=None, description="Who ran the evaluation of the published scores.")
    correlation: Share | None = Field(
        default=None, description="Correlation of the failures of the models [1]; default: assumed, with a wide spread."
    )
    latency: dict[str, Seconds] = Field(default_factory=dict, description="Time of an answer by name of the model [s].")
    quality_loss: FixedShare = Field(
        default=0.0, description="Share of tasks by which the cascade may fall short of the last model [1]."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the random draws.")


def read_routes(path: Path | str, changes: Mapping[str, Any] | None = None) -> RouteComparison:
    """Return the choice of routes that a TOML or JSON file describes.

    Parameters
    ----------
    path : Path or str
        File with the table `workload`, the list `routes` and the field `months`.
    changes : Mapping, optional
        Values by dotted path that override the file: `{"months": 12}`.

    Raises
    ------
    InputError
        If the file cannot be read, or a field is wrong.
    """
    from costmodel.estimation.files import read

    request = RouteRequest(**read(Path(path), changes or {}))
    return choose_route(
        request.workload,
        request.routes,
        months=request.months,
        required_quality=request.required_quality,
        confidence=request.confidence,
        fallback=request.fallback,
        seed=request.seed,
    )


def read_cascade(path: Path | str, changes: Mapping[str, Any] | None = None) -> CascadeComparison:
    """Return the cascade that a TOML or JSON file describes.

    Parameters
    ----------
    path : Path or str
        File with the table `workload`, the lists `models` and `detectors`, and the list `scores` or a `benchmark`.
    changes : Mapping, optional
        Values by dotted path that override the file: `{"detectors.0.recall": 0.9}`.

    Raises
    ------
    InputError
        If the file cannot be read, or a field is wrong.
    """
    from costmodel.estimation.files import read

    request = CascadeRequest(**read(Path(path), changes or {}))
    if bool(request.scores) == (request.benchmark is not None):
        raise InputError("scores: give scores of your own, or `benchmark` for published ones; one of them, not both")
    published = () if request.benchmark is None else scores(request.benchmark, evaluator=request.evaluator)
    return cascade(
        request.workload,
        request.models,
        [*request.scores, *published],
        request.detectors[0] if len(request.detectors) == 1 else request.detectors,
        correlation=request.correlation,
        latency=request.latency,
        quality_loss=request.quality_loss,
        seed=request.seed,
    )
