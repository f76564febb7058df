"""`forecast`: steps, time, dollars and energy that are left of a run under way, from its log and its estimate."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from costmodel.budget.plan import ProjectPlan
from costmodel.budget.result import BudgetResult
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.inputs import checkpointed
from costmodel.estimation.results import DRAWS
from costmodel.estimation.scenario import Scenario
from costmodel.forecasting.budget import BudgetForecast, forecast_budget
from costmodel.forecasting.pace import Pace, Prior, draws_left, overheads_of, pace_of
from costmodel.forecasting.result import Amount, Forecast, later
from costmodel.forecasting.run_log import RunLog, read_log
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import Range, middle, normal_quantile
from costmodel.foundation.rendering import amount
from costmodel.training.recipes.passes import pass_flops, passes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.foundation.fields import CountLike, RangeLike
    from costmodel.foundation.tables import Table

    Array = NDArray[np.float64]

_MEASURES = {
    "step_time": Measure("s", 0.0, 1e9, open_low=True),
    "tokens_per_second": Measure("token/s", 0.0, 1e15, open_low=True),
}
_STEPS = Measure("1", 0.0, 1e12, uncertain=False)
_SAME_STEPS = 0.01
"""Relative difference of two numbers of steps below which they count as the same [1]."""
_TENTH = normal_quantile(0.9)


@overload
def forecast(
    run: ProjectPlan | BudgetResult,
    *,
    actuals: Mapping[str, Any] | None = ...,
    on: dt.date | str | None = ...,
) -> BudgetForecast: ...
@overload
def forecast(
    run: Scenario,
    measured: str | Path | Table | Iterable[Mapping[str, Any]] | None = ...,
    *,
    step_time: RangeLike | None = ...,
    tokens_per_second: RangeLike | None = ...,
    done: CountLike = ...,
    steps: CountLike | None = ...,
    start: dt.datetime | dt.date | str | None = ...,
    now: dt.datetime | dt.date | str | None = ...,
) -> Forecast: ...
def forecast(
    run: Scenario | ProjectPlan | BudgetResult,
    measured: str | Path | Table | Iterable[Mapping[str, Any]] | None = None,
    *,
    step_time: RangeLike | None = None,
    tokens_per_second: RangeLike | None = None,
    done: CountLike = 0,
    steps: CountLike | None = None,
    start: dt.datetime | dt.date | str | None = None,
    now: dt.datetime | dt.date | str | None = None,
    actuals: Mapping[str, Any] | None = None,
    on: dt.date | str | None = None,
) -> Forecast | BudgetForecast:
    """Forecast what is left of a run or a budget under way, with intervals.

    Of a run: steps, time, dollars and energy, and the end. Of a budget: what is spent and committed, the cost at
    completion, the variance by line, and the probability of staying within the budget.

    The rate of the log, with its autocorrelated noise, is combined with the prediction of the estimate. Stops and
    restarts in the log lower the goodput; the goodput of the estimate is the prior for those that are still to come.
    So a short log gives a wide interval, and the interval shrinks as the log grows.

    Parameters
    ----------
    run : Scenario, Project or Budget
        The run with one recipe: its tokens, batch size, cluster and prices. Or a project or its budget.
    measured : str, Path, Table, or iterable of mappings, optional
        Log of the run so far: a `trainer_state.json`, a CSV or JSON-lines file, or its rows, with a step and a time
        (a timestamp, the time since the start, or the time of a step).
    step_time : float, str or Range, optional
        Measured step time [s], instead of a log.
    tokens_per_second : float, str or Range, optional
        Measured tokens per second of the whole cluster [token/s], instead of a log.
    done : int, optional
        Steps done so far, with a single figure [1].
    steps : int, optional
        Steps of the whole run [1]; default: those that the log states, or tokens / tokens per step.
    start, now : datetime, date or str, optional
        Start of the run and present time (ISO 8601; UTC without a zone), for the date of the end. Default of `now`: the
        last timestamp of the log.
    actuals : Mapping, optional
        Of a budget: the amount paid, an `Actual`, or the forecast of a run, by line; added to those of the project.
    on : date or str, optional
        Of a budget: date of the actuals.

    Returns
    -------
    Forecast or BudgetForecast

    Raises
    ------
    InputError
        If neither or several of log, step time and tokens per second are given, the log cannot be read, or the run is
        done.

    Notes
    -----
    `costmodel validate forecast` scores it on logs of published runs, cut at 5, 20 and 50 % of their steps.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.Pretraining(tokens="100B", sequence_length=8192, batch_size=512),
    ...     cluster=cm.Cluster("H100-SXM", 64),
    ...     prices=cm.Rental(price="2 USD/hour"),
    ... )
    >>> left = cm.forecast(run, step_time="9.5 s", done=10_000)
    >>> left.steps_left, left.left("wall_time").units
    (13842, <Unit('day')>)
    """
    measurements = {"measured": measured, "step_time": step_time, "tokens_per_second": tokens_per_second}
    finished = _whole("done", done)
    of_run = {**measurements, "done": finished or None, "steps": steps, "start": start, "now": now}
    if isinstance(run, (ProjectPlan, BudgetResult)):
        _refuse("a run, not to a budget", of_run)
        return forecast_budget(run, actuals, on)
    if not isinstance(run, Scenario):
        raise InputError(
            f"`run` must be a Scenario or a Project (Scenario.load and Project.load read files); "
            f"got {type(run).__name__}"
        )
    _refuse("a budget, not to a run", {"actuals": actuals, "on": on})
    if len(run.recipes) > 1:
        raise InputError(f"run: a forecast is for one recipe; got {len(run.recipes)}; give the stage under way")
    given = [name for name, value in measurements.items() if value is not None]
    if len(given) != 1:
        shown = f"got {' and '.join(given)}" if given else "got none"
        raise InputError(f"give one of measured (a log), step_time and tokens_per_second; {shown}")
    log = None if measured is None else read_log(measured)
    begin, present = _moment("start", start), _moment("now", now)
    plan = _plan(run, log, steps)
    if log is None:
        pace = _single(plan, step_time, tokens_per_second, finished)
    else:
        if finished:
            raise InputError("`done` is for a single figure; a log says how many steps are done")
        pace = pace_of(log, plan.steps)
    if math.isnan(pace.step_time):
        raise InputError("measured: no time of a step follows from the log; it needs two rows with different steps")
    if pace.done >= plan.steps:
        raise InputError(f"the run is done: {pace.done:,} steps of {plan.steps:,.0f}; give `steps` if it goes on")
    _check_peak(run, plan, pace, given[0])
    notes = [*(log.notes if log else ()), *plan.notes]
    result, prior, more = _predicted(run, plan, pace)
    wall, wall_note = _wall(pace, log, prior, begin, present)
    left = draws_left(pace, prior, plan.steps - pace.done, DRAWS, run.seed)
    amounts = {
        "steps": Amount(float(pace.done), _exact(plan.steps - pace.done)),
        "wall_time": Amount(wall, left),
        **_costs(result, wall, left),
    }
    moment = present or (log.end if log else None) or (None if begin is None else later(begin, wall))
    ahead = Forecast(
        title=f"{result._title()}: {pace.done:,} of {plan.steps:,.0f} steps done",
        amounts=amounts,
        now=moment,
        pace=pace,
        predicted=None if prior.log_step_time is None else math.exp(prior.log_step_time),
        notes=(*notes, *more, *wall_note, *((result.note("cost"),) if result.note("cost") else ())),
        stamp=result.stamp(),
    )
    if moment is not None:
        ahead.end(0.9)  # so that an end beyond all calendars is an error here, not where it is printed
    return ahead


def _check_peak(run: Scenario, plan: _Plan, pace: Pace, name: str) -> None:
    """Raise `InputError` if a step takes less time than its FLOPs at the peak rate of the accelerators."""
    recipe, cluster = run.recipes[0], run.cluster
    try:
        rate = cluster.accelerator.peak(recipe.precision)
    except MissingFactError:
        return
    flops = sum(pass_flops(each_pass) for each_pass in passes_of(recipe, run.architecture)) / plan.steps
    least = flops / (cluster.count * rate)
    if pace.step_time < least:
        sequences = f"{recipe.sequences(cluster.count):,} sequences"
        batch = sequences if plan.tokens_per_step is None else amount(plan.tokens_per_step, "token")
        raise InputError(
            f"{name}: a step of {pace.step_time:.4g} s is faster than the {recipe.precision} peak of "
            f"{cluster.count:,} × {cluster.accelerator.name}, which takes {least:.4g} s for a batch of {batch}; "
            "check the unit of the times, the batch size and the number of accelerators"
        )


def _exact(value: float) -> Array:
    """Return a number as an array of one draw."""
    import numpy as np

    return np.array([value])


def _refuse(owner: str, arguments: Mapping[str, Any]) -> None:
    """Raise `InputError` if one of some arguments is given."""
    if problems := [f"{name}: belongs to {owner}" for name, value in arguments.items() if value is not None]:
        raise InputError(problems)


class _Plan(NamedTuple):
    """The steps of the whole run, the tokens of a step, and how they were found."""

    steps: float
    tokens_per_step: float | None
    notes: tuple[str, ...] = ()


def _plan(run: Scenario, log: RunLog | None, steps: CountLike | None) -> _Plan:
    """Return the steps of the run: given, stated in the log, or tokens / tokens per step."""
    recipe = run.recipes[0]
    training = next(each for each in passes_of(recipe, run.architecture) if each.kind == "train")
    batch = recipe.sequences(run.cluster.count)
    planned = max(math.ceil(training.tokens / (batch * training.sequence_length) - 1e-9), 1)
    tokens = middle(recipe.trained_tokens()) / planned
    if steps is not None:
        return _Plan(float(_whole("steps", steps)), tokens)
    if log is not None and log.total_steps is not None:
        if abs(log.total_steps / planned - 1) <= _SAME_STEPS:
            return _Plan(float(log.total_steps), tokens)
        note = f"steps: the log states {log.total_steps:,}, the run has {planned:,}; the log counts (or give steps)"
        return _Plan(float(log.total_steps), tokens, (note,))
    if log is not None and log.tokens_per_step is not None:
        counted = max(math.ceil(middle(recipe.trained_tokens()) / log.tokens_per_step - 1e-9), 1)
        if abs(counted / planned - 1) <= _SAME_STEPS:
            return _Plan(float(planned), tokens)
        note = f"steps: the log has {log.tokens_per_step:,.0f} tokens per step, the run {tokens:,.0f}; the log counts"
        return _Plan(float(counted), log.tokens_per_step, (note,))
    if recipe.batch_size is None:
        note = f"steps: from the default batch of {batch:,} sequences; give recipe.batch_size or steps"
        return _Plan(float(planned), tokens, (note,))
    return _Plan(float(planned), tokens)


def _single(plan: _Plan, step_time: Any, tokens_per_second: Any, done: int) -> Pace:
    """Return the pace of a single figure, which says nothing of stops."""
    name, value = ("step_time", step_time) if step_time is not None else ("tokens_per_second", tokens_per_second)
    try:
        figure = _MEASURES[name].validate(value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    center, spread = middle(figure), 0.0
    if isinstance(figure, Range):
        spread = math.log(figure.quantile(0.9) / figure.quantile(0.1)) / (2 * _TENTH)
    if name == "tokens_per_second":
        center = (plan.tokens_per_step or math.nan) / center
    return Pace(done, min(done / plan.steps, 1.0), math.nan, 0.0, center, (), (), 0, 0, spread=spread)


def _predicted(run: Scenario, plan: _Plan, pace: Pace) -> tuple[Estimate, Prior, list[str]]:
    """Return the estimate of the run, what it says of the step time and of stops, and notes."""
    import numpy as np

    notes: list[str] = []
    try:
        result = estimate(run)
    except InputError as error:  # a run under way is possible, whatever the model says of its memory
        hours = plan.steps * pace.step_time * run.cluster.count / 3600
        free = {"gpu_hours": hours, "layout": None, "mfu": None, "step_time": None, "tokens_per_second": None}
        result = estimate(run.replace({**free, "goodput": None, "realized_efficiency": None}))
        notes.append(f"no prediction of the step time: {error}")
    goodput = result.value("goodput")
    if isinstance(goodput, Missing):
        size = checkpointed(run).value
        spot_instance = run.cluster.node_size if run.prices.interruptible else None
        overheads = overheads_of(run.reliability, run.cluster.count, size, DRAWS, run.seed, spot_instance)
        return result, Prior(overheads), notes
    shares = result.draws("goodput")
    overheads = np.asarray(1 / shares - 1)
    if result.basis not in {"layout", "planned", "class"}:
        return result, Prior(overheads), notes
    logs = np.log(result.draws("wall_time") * shares / plan.steps)
    return result, Prior(overheads, float(np.median(logs)), float(logs.std())), notes


def _wall(
    pace: Pace, log: RunLog | None, prior: Prior, begin: dt.datetime | None, present: dt.datetime | None
) -> tuple[float, list[str]]:
    """Return the wall time so far [s], and how it was found where the log does not say it."""
    import numpy as np

    end = present or (log.end if log else None)
    if begin is not None and end is not None:
        if end < begin:
            raise InputError(f"start: must be before now; got {begin.isoformat()} and {end.isoformat()}")
        return (end - begin).total_seconds(), []
    if log is None:
        wall = pace.done * pace.step_time * (1 + float(np.median(prior.overheads)))
        return wall, [
            "time so far: steps × step time / goodput of the estimate; give start and now"
        ] if pace.done else []
    if log.from_start or log.steps[0] == 0:
        return pace.wall, []
    before = log.steps[0] * pace.step_time
    return pace.wall + before, [f"time of the {log.steps[0]:,} steps before the first row: at the mean step time"]


def _costs(result: Estimate, wall: float, left: Array) -> dict[str, Amount | Missing]:
    """Return dollars and energy, done and left; or the reason why they are not known."""
    count = result.scenario.cluster.count
    listed: dict[str, Amount | Missing] = {}
    if "prices.price" not in result.inputs and not isinstance(cost := result.value("cost"), Missing):  # owned
        hours = result.value("gpu_hours")
        assert not isinstance(hours, Missing)  # the cost depends on it
        ratio = result.draws("cost") / result.draws("gpu_hours")
        listed["cost"] = Amount(wall * count * cost / hours, left * count * ratio)
    for name, paths in (("cost", ("prices.price",)), ("energy", ("site.power_per_gpu", "site.pue"))):
        if name in listed:
            continue
        try:
            rate, draws = float(count), _exact(float(count))
            for path in paths:
                draws = draws * result.draws(path)
                rate *= result.inputs[path].value
        except (MissingFactError, KeyError) as error:
            listed[name] = Missing(str(error))
            continue
        listed[name] = Amount(wall * rate, left * draws)
    return listed


def _whole(name: str, value: CountLike) -> int:
    try:
        count = _STEPS.validate(value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if name == "steps" and count == 0:
        raise InputError(f"steps: must be above 0; got {value!r}")
    if isinstance(count, Range) or not count.is_integer():
        raise InputError(f"{name}: must be a whole number; got {value!r}")
    return int(count)


def _moment(name: str, value: dt.datetime | dt.date | str | None) -> dt.datetime | None:
    """Return a moment with its zone; UTC without one."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise InputError(f"{name}: must be a date or time such as 2026-09-01T12:00; got {value!r}") from None
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    raise InputError(f"{name}: must be a date or time such as 2026-09-01T12:00; got {value!r}")
