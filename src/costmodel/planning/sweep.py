"""`sweep`: estimates of all combinations of values, as one table with intervals.

The central values are those of `estimate`. The intervals use the same random numbers, fewer of them, and draw each
input once for all scenarios with the same range.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.estimation import chain
from costmodel.estimation.cautions import FEW_STEPS
from costmodel.estimation.chain import OUTPUTS, Missing, Step
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.sampling import draw_key
from costmodel.estimation.scenario import Scenario
from costmodel.estimation.speed import plan_together
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_draws, check_level, checked
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import CostModelError, InputError
from costmodel.foundation.parallel import check_executor, mapped
from costmodel.foundation.ranges import DEFAULT_LEVEL, draws
from costmodel.foundation.units import SI_FACTOR
from costmodel.market.rental import Rental
from costmodel.training.layouts.fitting import SAFE_PROBABILITY

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    _Arrays = dict[tuple[Any, ...], Any]
    """Draws by what identifies them: of inputs, and of figures that follow from inputs alone."""

DRAWS = 2_000
"""Random draws behind an interval; `Estimate.interval` uses 20,000 [1]."""
TOGETHER = 64
"""Scenarios whose layouts are planned together [1]."""
MOST_SCENARIOS = 100_000
"""Largest number of combinations [1]."""
MOST_ARRAYS = 512
"""Arrays of draws that are kept for the next rows [1]."""
PRICE = "prices.price"
"""Path of the price: rows that differ in it only share everything that does not depend on it."""
MOST_LINES = 40
"""Rows that are printed; `rows` and `to_frame` have all [1]."""
_PRINTED = ("cost", "fit_probability", "wall_time", "gpu_hours", "step_time", "mfu", "memory")


@checked("progress")
def sweep(
    scenario: Scenario,
    values: Mapping[str, Iterable[Any]],
    *,
    draws: int = DRAWS,
    level: float = DEFAULT_LEVEL,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
) -> Sweep:
    """Estimate a scenario for all combinations of values.

    Parameters
    ----------
    scenario : Scenario
        Fields that are not swept.
    values : Mapping
        Values by dotted path: `{"cluster.count": [64, 128], "recipe.batch_size": [512, 1024]}`. The last path varies
        fastest.
    draws : int
        Random draws behind each interval, the first of those of `estimate`; with 20,000 the intervals are those of
        `Estimate.interval` [1].
    level : float
        Probability inside the intervals, between 0 and 1 [1].
    progress : callable, optional
        Called with the number of rows that are done and the number of all rows, after every some dozen rows.
    executor : concurrent.futures.Executor, optional
        Estimates parts of the rows in parallel, such as a `ProcessPoolExecutor`; the result does not depend on it.

    Returns
    -------
    Sweep
        One row per combination. A combination that is not possible keeps its row, with the reason.

    Raises
    ------
    InputError
        If a path has no values, a field does not accept any of its values, or there are more than 100,000
        combinations.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture="llama-3.1-8b",
    ...     recipe=cm.Pretraining(tokens="1T", batch_size=512),
    ...     cluster=cm.Cluster("H100-SXM", 64),
    ...     prices=cm.Rental(price=2.5),
    ... )
    >>> result = cm.sweep(run, {"cluster.count": [1, 64], "prices.price": [2, 3]})
    >>> [row["cost"] is not None for row in result.rows()]
    [True, True, True, True]
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"`scenario` must be a Scenario (Scenario.load reads a file); got {type(scenario).__name__}")
    check_draws(draws, "draws")
    check_level(level)
    lists = _checked(scenario, values)
    check_executor(executor)
    drawn: _Arrays | None = {} if executor is None else None  # workers draw for themselves
    combinations = [dict(zip(lists, combination, strict=True)) for combination in itertools.product(*lists.values())]
    parts = _parts(lists)
    jobs = [
        _Job(scenario, [[combinations[place] for place in group] for group in part], (draws, level), drawn)
        for part in parts
    ]
    rows: list[dict[str, Any]] = [{}] * len(combinations)
    done = 0
    for part, figures in zip(parts, mapped(_rows, jobs, executor), strict=True):
        for place, row in zip(itertools.chain.from_iterable(part), figures, strict=True):
            rows[place] = row
        done += len(figures)
        if progress is not None:
            progress(done, len(rows))
    return Sweep(scenario, list(zip(combinations, rows, strict=True)), level)


class _Job(NamedTuple):
    """Rows that are estimated together."""

    scenario: Scenario
    groups: list[list[dict[str, Any]]]
    """Changed fields of the rows; those of a group differ in the price only."""
    interval: tuple[int, float]
    """Number of draws and level of the intervals."""
    drawn: _Arrays | None
    """Draws that rows share; None for those of the job alone."""


def _rows(job: _Job) -> list[dict[str, Any]]:
    """Return the figures of the rows of a job."""
    calculation = _Calculation(job.scenario, job.interval, {} if job.drawn is None else job.drawn)
    first = [_changed(job.scenario, group[0]) for group in job.groups]
    plan_together([each for each in first if isinstance(each, Scenario)])
    return [row for each, group in zip(first, job.groups, strict=True) for row in calculation.rows(each, group)]


class Sweep(Priced):
    """Estimates of all combinations of values; see `sweep`."""

    _width = rendering.WIDTH
    _money = tuple(
        f"{name}{end}" for name, output in OUTPUTS.items() if output.shown == "USD" for end in ("", "_low", "_high")
    )

    def __init__(self, scenario: Scenario, results: Sequence[tuple[dict[str, Any], dict[str, Any]]], level: float):
        self.scenario = scenario
        """Scenario whose fields were swept."""
        self.level = level
        """Probability inside the intervals [1]."""
        self.changes = [changes for changes, _ in results]
        """Changed fields of each row."""
        self._figures = [figures for _, figures in results]

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def possible(self) -> int:
        """Number of combinations that are possible [1]."""
        return sum(not figures["reason"] for figures in self._figures)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each figure; shares have none."""
        return {name: "" if output.shown == "1" else output.shown for name, output in OUTPUTS.items()}

    @checked("row")
    def estimate(self, row: int) -> Estimate:
        """Return the whole estimate of a row, with its sources and notes.

        Parameters
        ----------
        row : int
            Place of the row, from 0.
        """
        if not 0 <= row < len(self.changes):
            raise InputError(f"row must be from 0 to {len(self.changes) - 1}; got {row!r}")
        return estimate(self.scenario.replace(self.changes[row]))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per combination: swept values, figures with the ends of their intervals, note,
        layout and reason.

        Figures are in the units of `units`; None where they are not known. `note` names the price proxy of
        the cost, or the region of its price where that is not the region of the site, or says why the cost is not
        known. `reason` says why a combination is not possible; it is empty for others.
        """
        return [changes | figures for changes, figures in zip(self.changes, self._figures, strict=True)]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame; `attrs` holds the units and the level of the intervals."""
        frame = rendering.data_frame(self.rows())
        numbers = [name for figure in OUTPUTS for name in (figure, f"{figure}_low", f"{figure}_high")]
        frame = frame.astype(dict.fromkeys(numbers, float))
        frame.attrs = {"units": self.units, "level": self.level}
        return frame

    def _title(self) -> str:
        return f"{len(self):,} scenarios, {self.possible:,} possible"

    def _cells(self) -> list[dict[str, str]]:
        """Return the cells of as many columns as the width allows."""
        shown = list(zip(self.changes, self._figures, strict=True))[:MOST_LINES]
        paths = list(self.changes[0])
        short = [path.rpartition(".")[2] for path in paths]
        names = short if len(set(short)) == len(short) else paths
        rows = [
            {name: _written(changes[path]) for name, path in zip(names, paths, strict=True)} for changes, _ in shown
        ]
        fits = [figures["fit_probability"] for _, figures in shown]
        tight = any(probability is not None and probability < SAFE_PROBABILITY for probability in fits)
        for figure in _PRINTED:
            if figure == "fit_probability" and not tight:
                continue
            title = "fits" if figure == "fit_probability" else OUTPUTS[figure].title.partition(" (")[0]
            column = [_amount(figures, figure) for _, figures in shown]
            if set(column) == {"-"}:
                continue
            wider = [{**row, title: cell} for row, cell in zip(rows, column, strict=True)]
            if figure == "cost":
                ends = [_ends(figures, figure) for _, figures in shown]
                wider = [
                    {**row, f"{100 * self.level:g} % interval": cell} for row, cell in zip(wider, ends, strict=True)
                ]
            if max(map(len, rendering.text(wider).splitlines())) > rendering.WIDTH:
                break
            rows = wider
        return rows

    def _footer(self) -> str:
        lines = [f"... and {len(self) - MOST_LINES:,} more rows"] if len(self) > MOST_LINES else []
        reasons = Counter(figures["reason"] for figures in self._figures if figures["reason"])
        for reason, number in reasons.most_common():
            lines.append(f"{_scenarios(number)} not possible: {' '.join(reason.split())}")
        remarks = Counter(figures["note"] for figures in self._figures if figures["note"])
        for note, number in remarks.most_common():
            lines.append(f"note on the cost of {_scenarios(number)}: {note}")
        pretraining = any(recipe.kind == "pretraining" for recipe in self.scenario.recipes)
        if pretraining and any(path.endswith("batch_size") for path in self.changes[0]):
            steps = [figures["steps"] for figures in self._figures if figures["steps"] is not None]
            if few := sum(number < FEW_STEPS for number in steps):
                lines.append(
                    f"{_scenarios(few)} with fewer than {FEW_STEPS} steps: batch_size counts sequences, not tokens"
                )
        return "\n".join(lines)


def _checked(scenario: Scenario, values: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return the values of each path as a list, or raise `InputError` with all problems."""
    if not isinstance(values, Mapping) or not values:
        raise InputError(f'`values` must be lists by path, such as {{"cluster.count": [64, 128]}}; got {values!r}')
    lists: dict[str, list[Any]] = {}
    problems: list[str] = []
    for path, given in values.items():
        if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
            problems.append(f"{path}: must be a list of values; got {given!r}")
            continue
        lists[path] = list(given)
        problems += [] if lists[path] else [f"{path}: needs at least one value"]
        errors = [error for value in lists[path] if isinstance(error := _changed(scenario, {path: value}), InputError)]
        if errors and len(errors) == len(lists[path]):
            problems += errors[0].problems
    if problems:
        raise InputError(problems)
    if (number := math.prod(map(len, lists.values()))) > MOST_SCENARIOS:
        raise InputError(f"values: at most {MOST_SCENARIOS:,} combinations; got {number:,}")
    return lists


def _changed(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario | CostModelError:
    """Return the scenario with changed fields, or the error if they do not accept it."""
    try:
        return scenario.replace(changes)
    except CostModelError as error:
        return error


def _parts(lists: Mapping[str, list[Any]]) -> list[list[list[int]]]:
    """Return the places of all combinations in parts of `TOGETHER`; a part has groups that differ in the price only."""
    sizes = {path: len(values) for path, values in lists.items()}
    prices, inner = 1, 1
    if PRICE in lists and "prices" not in lists:
        prices, inner = sizes[PRICE], math.prod(list(sizes.values())[list(sizes).index(PRICE) + 1 :])

    def group(place: int) -> tuple[int, int]:
        return place // (prices * inner), place % inner

    ordered = sorted(range(math.prod(sizes.values())), key=group)
    parts = (ordered[start : start + TOGETHER] for start in range(0, len(ordered), TOGETHER))
    return [[list(places) for _, places in itertools.groupby(part, group)] for part in parts]


class _Base(NamedTuple):
    """A row with a given price, of which rows with other prices follow."""

    result: Estimate
    prices: Rental
    """Rent of the row."""
    steps: tuple[Step, ...]
    """Steps that depend on the price."""
    sampled: Mapping[str, Any]
    """Draws of all inputs and steps."""
    row: dict[str, Any]
    """Figures of the row."""


class _Calculation:
    """The figures of rows, with the draws and prices that rows share."""

    def __init__(self, scenario: Scenario, interval: tuple[int, float], drawn: _Arrays) -> None:
        self.scenario = scenario
        self.interval = interval
        """Number of draws, and level of the interval."""
        self.drawn = drawn

    def rows(self, first: Scenario | CostModelError, group: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the figures of rows that differ in the price only.

        `first` is the scenario of the first row, or the error if its fields do not accept it.
        """
        rows: list[dict[str, Any]] = []
        base: _Base | None = None
        for changes in group:
            row = None if base is None else self._row_at_price(base, changes[PRICE])
            if row is None:
                row, base = self._row(_changed(self.scenario, changes) if rows else first)
            rows.append(row)
        return rows

    def _row(self, scenario: Scenario | CostModelError) -> tuple[dict[str, Any], _Base | None]:
        """Return the figures of a row, and the row as a base of others if its price is a given number."""
        numbers = {name: None for figure in OUTPUTS for name in (figure, f"{figure}_low", f"{figure}_high")}
        if isinstance(scenario, CostModelError):
            return {**numbers, "note": "", "layout": "", "reason": str(scenario)}, None
        try:
            result = Estimate(scenario)
        except CostModelError as error:
            return {**numbers, "note": "", "layout": "", "reason": str(error)}, None
        sampled = _sampled(result, self.interval[0], self.drawn)
        figures = _figures({name: result.value(name) for name in OUTPUTS}, sampled, self.interval[1])
        note = "; ".join(filter(None, (result.note("cost"), _elsewhere(scenario))))
        row = {**numbers, **figures, "note": note, "layout": _layout(result), "reason": ""}
        prices = scenario.prices
        if not isinstance(prices, Rental) or not isinstance(prices.price, float):
            return row, None
        return row, _Base(result, prices, chain.descendants(result.steps, PRICE), sampled, row)

    def _row_at_price(self, base: _Base, price: Any) -> dict[str, Any] | None:
        """Return the figures of a row at another price; None if that is not a number."""
        try:
            prices = base.prices.replace(price=price)
        except CostModelError:
            return None
        if not isinstance(prices.price, float):
            return None
        value = prices.price_of(base.result.scenario.cluster).value * SI_FACTOR[base.result.inputs[PRICE].unit]
        names = {name for step in base.steps for name in step.inputs}
        central = chain.run(base.steps, {name: base.result.value(name) for name in names} | {PRICE: value})
        sampled = chain.run(base.steps, {name: base.sampled[name] for name in names} | {PRICE: value})
        known = {step.name: central[step.name] for step in base.steps if step.name in OUTPUTS}
        return base.row | _figures(known, sampled, self.interval[1])


def _elsewhere(scenario: Scenario) -> str:
    """Return a note where the price is not that of the region of the site, or ""."""
    cluster, prices = scenario.cluster, scenario.prices
    if not isinstance(prices, Rental) or cluster.site.region is None or prices.price is not None:
        return ""
    return prices.at_site(cluster.site.region, cluster.accelerator.name, cluster.count).caution


def _sampled(result: Estimate, count: int, drawn: _Arrays) -> dict[str, Any]:
    """Return the draws of all inputs and steps of an estimate."""
    import numpy as np

    values, keys = _drawn_inputs(result, count, drawn)
    left = []
    for step in result.steps:  # steps of inputs alone, such as the goodput, are those of other rows too
        if any(name not in keys for name in step.inputs) or not any(np.ndim(values[name]) for name in step.inputs):
            left.append(step)
            continue
        key = (step.name, step.function, *(keys[name] for name in step.inputs))
        if key not in drawn:
            _keep(drawn, key, chain.run([step], values)[step.name])
        values[step.name] = drawn[key]
    return chain.run(left, values | result.missing)


def _figures(values: Mapping[str, float | Missing], sampled: Mapping[str, Any], level: float) -> dict[str, float]:
    """Return the known figures and the ends of their intervals, in the units of `Sweep.units`."""
    import numpy as np

    central = {name: value for name, value in values.items() if not isinstance(value, Missing)}
    uncertain = [name for name in central if np.ndim(sampled[name])]
    bounds = {name: (value, value) for name, value in central.items()}
    if uncertain:
        ends = _quantiles(np.array([sampled[name] for name in uncertain]), ((1 - level) / 2, (1 + level) / 2))
        bounds |= {name: (float(low), float(high)) for name, low, high in zip(uncertain, *ends, strict=True)}
    figures: dict[str, float] = {}
    for name, value in central.items():
        factor = SI_FACTOR[OUTPUTS[name].unit] / SI_FACTOR[OUTPUTS[name].shown]
        low, high = bounds[name]
        figures |= {name: value * factor, f"{name}_low": low * factor, f"{name}_high": high * factor}
    return figures


def _drawn_inputs(result: Estimate, count: int, drawn: _Arrays) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs of an estimate, drawn where they are uncertain, and what identifies each of them."""
    values: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for path, entry in result.inputs.items():
        if entry.spread is None:
            values[path] = keys[path] = entry.value
            continue
        key = draw_key(path), entry.spread, result.seed
        if key not in drawn:
            _keep(drawn, key, draws(key[0], entry.spread, count, result.seed))
        values[path], keys[path] = drawn[key], key
    return values, keys


def _keep(drawn: _Arrays, key: tuple[Any, ...], values: Any) -> None:
    """Keep an array for the next rows, in place of the oldest if there are many."""
    if len(drawn) >= MOST_ARRAYS:
        del drawn[next(iter(drawn))]
    drawn[key] = values


def _quantiles(values: NDArray[np.float64], probabilities: tuple[float, ...]) -> list[NDArray[np.float64]]:
    """Return quantiles of each row, as `numpy.quantile` does; sorting all rows is faster.

    Parameters
    ----------
    values : ndarray, shape (rows, draws)
    probabilities : tuple of float
        Probabilities of the quantiles, between 0 and 1 [1].
    """
    values.sort(axis=1)
    quantiles = []
    for probability in probabilities:
        place = probability * (values.shape[1] - 1)
        below = min(int(place), max(values.shape[1] - 2, 0))
        above = min(below + 1, values.shape[1] - 1)
        share = place - below
        quantiles.append(values[:, below] + share * (values[:, above] - values[:, below]))
    return quantiles


def _scenarios(number: int) -> str:
    return f"{number:,} scenario{'s'[: number > 1]}"


def _layout(result: Estimate) -> str:
    return "" if result.layout is None else result.layout.brief()


def _written(value: Any) -> str:
    """Return a swept value as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _amount(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure as text, with a dash where it is not known."""
    output, value = OUTPUTS[name.removesuffix("_low").removesuffix("_high")], figures[name]
    factor = SI_FACTOR[output.shown] / SI_FACTOR[output.unit]
    return "-" if value is None else rendering.amount(value * factor, output.rendered)


def _ends(figures: Mapping[str, Any], name: str) -> str:
    """Return the interval of a figure as text."""
    low, high = (_amount(figures, f"{name}_{end}") for end in ("low", "high"))
    return "-" if low == "-" else "exact" if low == high else rendering.between(low, high)
