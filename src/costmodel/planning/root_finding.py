"""Search for the input at which a figure meets its target: grid, brackets and neighbors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from costmodel.estimation.chain import OUTPUTS
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.rendering import amount
from costmodel.foundation.units import SI_FACTOR
from costmodel.planning.unknown_inputs import Unknown

REACH = (*range(1, 9), *range(12, 29, 4))
"""Exponents of two of the grid around the present value."""
GRID = 33
"""Values of the grid between given bounds [1]."""
MOST_COUNT = 65_536
"""Default upper bound of whole numbers [1]."""
NEIGHBORS = 64
"""Most whole numbers tested between two values of the grid; of more, only round ones [1]."""
MOST_TRIED = 250
MOST_ODD = 4
"""Odd divisors, besides the largest, whose multiples are in the grid [1]."""
DURATIONS = frozenset({"wall_time", "step_time"})
TREND = 4.0
"""Factor around the present value within which the trend of the figure counts [1]."""
NOTABLE = 1e-3
"""Least relative change of a figure that counts as a trend [1]."""
_IMPOSSIBLE = "layout: none is possible"
"""Text of an estimate that uses a class utilization because no layout is possible."""
UNCHANGED = 1e-12
"""Relative difference below which a figure is unchanged [1]."""
EXACT = 1e-8
"""Relative difference from the target above which a figure jumps over it [1]."""


class Search:
    """The figure as a function of the input, with all tested values."""

    def __init__(self, scenario: Scenario, unknown: Unknown, figure: str, target: float, level: float | None) -> None:
        self.scenario, self.unknown, self.figure, self.target, self.level = scenario, unknown, figure, target, level
        self.sense = -1.0 if OUTPUTS[figure].more_is_better else 1.0
        self.figures: dict[float, float] = {}
        """Figure by value of the input, in the unit shown."""
        self.infeasible: dict[float, str] = {}
        """Reason by value of the input for which no estimate is possible."""
        self.missing: MissingFactError | None = None
        """Why the figure is missing at the last value where it is."""
        self._needs_layout = unknown.whole or not self._falls_back()

    @property
    def tried(self) -> int:
        """Number of tested values [1]."""
        return len(self.figures) + len(self.infeasible)

    def excess(self, value: float) -> float | None:
        """Return the logarithm of figure over target; 0 or less meets the target, None: no estimate is possible."""
        if value not in self.figures and value not in self.infeasible:
            try:
                self.figures[value] = self._evaluate(value)
            except MissingFactError as error:  # of some values only, where the run does not finish
                self.infeasible[value], self.missing = str(error), error
            except InputError as error:
                self.infeasible[value] = str(error)
        if value in self.infeasible:
            return None
        return self.sense * math.log(max(self.figures[value] / self.target, 1e-300))

    def meets(self, value: float) -> bool:
        """Return whether the figure meets the target with a value."""
        excess = self.excess(value)
        return excess is not None and excess <= UNCHANGED

    def possible(self, values: Iterable[float]) -> list[float]:
        """Return the values with an estimate; raise if there are none, or the figure does not change."""
        values = list(values)
        feasible = [value for value in values if self.excess(value) is not None]
        lowest, highest = self.unknown.shown(values[0]), self.unknown.shown(values[-1])
        if not feasible:
            if self.missing is not None:
                raise self.missing
            reason = self.infeasible[values[-1]]
            raise InputError(f"{self.unknown.path}: no estimate is possible from {lowest} to {highest}; {reason}")
        figures = [self.figures[value] for value in feasible]
        if len(feasible) > 1 and max(figures) - min(figures) <= UNCHANGED * max(figures):
            raise InputError(
                f"{self.unknown.path} does not change {self.figure}: it is {self.amount(feasible[0])} from {lowest} to "
                f"{highest}"
            )
        return feasible

    def amount(self, value: float) -> str:
        """Return the figure at a value as text."""
        return figure_text(self.figure, self.figures[value])

    def endless(self, high: float) -> InputError:
        """Return the error that the target is met up to the end of the search."""
        sign = "at most" if self.sense > 0 else "at least"
        return InputError(
            f"no largest {self.unknown.path}: {self.figure} is {sign} {figure_text(self.figure, self.target)} up to "
            f"{self.unknown.shown(high)}, where it is {self.amount(high)}; give within=(low, high) to search further"
        )

    def failure(self, low: float, high: float) -> InputError:
        """Return the error that no value meets the target, with the range of the figure."""
        path, shown = self.unknown.path, self.unknown.shown
        evaluated = sorted(self.figures)
        above = all((self.excess(value) or 0.0) * self.sense > 0 for value in evaluated)
        extreme = (min if above else max)(evaluated, key=self.figures.__getitem__)
        bound = f"is at {'least' if above else 'most'} {self.amount(extreme)} (at {shown(extreme)})"
        if not above and not all((self.excess(value) or 0.0) * self.sense < 0 for value in evaluated):
            bound = "does not pass it"
        ends = " and ".join(f"{self.amount(value)} at {shown(value)}" for value in (evaluated[0], evaluated[-1]))
        lines = [
            f"no {path} from {shown(low)} to {shown(high)} brings {self.figure} to "
            f"{figure_text(self.figure, self.target)}: it {bound}; it is {ends}"
        ]
        if self.infeasible:
            last = max(self.infeasible)
            where = min((value for value in self.infeasible if value > evaluated[-1]), default=last)
            lines.append(
                f"not possible at {len(self.infeasible)} of {self.tried} values tried, such as "
                f"{shown(where)}: {self.infeasible[where]}"
            )
        return InputError("; ".join(lines))

    def _evaluate(self, value: float) -> float:
        result = estimate(self.unknown.put(self.scenario, value))
        if self._needs_layout and (reason := _no_layout(result)):
            raise InputError(reason)
        output = OUTPUTS[self.figure]
        if self.level is None:
            si = result.known_value(self.figure)
        else:
            import numpy as np

            result.known_value(self.figure)
            si = float(np.quantile(result.draws(self.figure), self.level if self.sense > 0 else 1 - self.level))
        return si * SI_FACTOR[output.unit] / SI_FACTOR[output.shown]

    def _falls_back(self) -> bool:
        """Return whether the present scenario has no possible layout and uses a class utilization."""
        try:
            return bool(_no_layout(estimate(self.scenario)))
        except InputError:
            return False


def _no_layout(result: Estimate) -> str:
    """Return why no layout is possible, if the estimate uses a class utilization for that reason."""
    cautions = (estimated.provenance.caution for path, estimated in result.inputs.items() if path.endswith("mfu"))
    caution = next((caution for caution in cautions if _IMPOSSIBLE in caution), "")
    return caution[caution.find(_IMPOSSIBLE) :] if caution else ""


def figure_text(figure: str, value: float) -> str:
    """Return a figure, in the unit in which the estimate shows it, as text."""
    output = OUTPUTS[figure]
    return amount(value * SI_FACTOR[output.shown] / SI_FACTOR[output.unit], output.rendered)


def continuous(search: Search, within: Any) -> tuple[float, str]:
    """Return the value at which the figure equals the target, and a note."""
    values = _values(search.unknown, within)
    possible = search.possible(values)
    present = search.unknown.present
    inside = present is not None and values[0] <= present <= values[-1]
    passed = [(value, value) for value in possible if abs(search.excess(value) or 0.0) <= UNCHANGED]
    passed += [ends for ends in pairwise(values) if _passes(search, *ends)]
    passed = passed or _at_the_edge(search, values)
    passed.sort(key=lambda ends: _distance(present, ends) if inside and present is not None else ends[0])
    for ends in passed:
        crossing = _between(search, *ends)
        if crossing is None:
            continue
        value, note = crossing
        crossings = sum(1 for ends in pairwise(possible) if _passes(search, *ends))
        if crossings > 1:
            which = "nearest to the present one" if inside else "lowest"
            also = (
                f"{search.figure} passes the target at {crossings} values of {search.unknown.path}; this is the {which}"
            )
            note = f"{note}; {also}" if note else also
        return value, note
    raise search.failure(values[0], values[-1])


def _values(unknown: Unknown, within: Any) -> list[float]:
    """Return the values of the first grid, in ascending order."""
    low, high, present = unknown.measure.lowest, unknown.measure.highest, unknown.present
    if within is not None:
        low, high = unknown.bounds(within)
        steps = [step / (GRID - 1) for step in range(1, GRID - 1)]
        inner = [low * (high / low) ** step if low > 0 else low + (high - low) * step for step in steps]
        kept = [present] if present is not None and low < present < high else []
        return sorted({low, *inner, *kept, high})
    high -= 1e-9 * high if unknown.measure.open_high else 0.0
    start = present or (1.0 if low < 1 < high else (low + min(high, 2 * low + 1)) / 2)
    around = [start * 2.0**power for power in (*(-power for power in REACH), 0, *REACH)]
    values = {min(max(value, low), high) for value in around}
    return sorted(values | ({0.0} if low == 0 and not unknown.measure.open_low else set()))


def _passes(search: Search, low: float, high: float) -> bool:
    """Return whether the figure crosses the target between two values."""
    ends = search.excess(low), search.excess(high)
    return ends[0] is not None and ends[1] is not None and (ends[0] <= 0) != (ends[1] <= 0)


def _distance(present: float, ends: tuple[float, float]) -> float:
    """Return the distance of an interval from the present value; 0 if it contains the value."""
    if ends[0] <= present <= ends[1]:
        return 0.0
    near = ends[0] if present < ends[0] else ends[1]
    return abs(math.log(near / present)) if near > 0 and present > 0 else abs(near - present)


def _middle(low: float, high: float) -> float:
    return math.sqrt(low * high) if low > 0 else (low + high) / 2


def _at_the_edge(search: Search, values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the intervals with a crossing between a feasible value and the edge of the feasible range."""
    for low, high in pairwise(values):
        if (low in search.infeasible) == (high in search.infeasible):
            continue
        good, bad = (high, low) if low in search.infeasible else (low, high)
        while abs(good - bad) > 1e-9 * max(good, bad) and search.tried < MOST_TRIED:
            between = _middle(min(good, bad), max(good, bad))
            if between in search.infeasible or search.excess(between) is None:
                bad = between
            elif _passes(search, good, between):
                return [(min(good, between), max(good, between))]
            else:
                good = between
    return []


def _between(search: Search, low: float, high: float) -> tuple[float, str] | None:
    """Return the value between two at which the figure equals the target, and a note if it jumps there."""
    from scipy.optimize import brentq

    logarithmic = low > 0

    def miss(coordinate: float) -> float:
        value = math.exp(coordinate) if logarithmic else coordinate
        value = low if coordinate == start else high if coordinate == end else min(max(value, low), high)
        excess = search.excess(value)
        if excess is None:
            raise InputError(search.infeasible[value])
        return excess

    if low == high:
        return low, ""
    start, end = (math.log(bound) if logarithmic else bound for bound in (low, high))
    try:
        brentq(miss, start, end, xtol=1e-13 if logarithmic else 1e-15 * end, rtol=1e-15, maxiter=150)
    except InputError:
        return None
    inside = [value for value in search.figures if low <= value <= high]
    best = min(inside, key=lambda value: abs(search.excess(value) or 0.0))
    if abs(search.excess(best) or 0.0) <= EXACT:
        return best, ""
    meeting = [value for value in inside if search.meets(value)]
    missing = [value for value in inside if not search.meets(value)]
    value, other = min(
        ((meets, misses) for meets in meeting for misses in missing), key=lambda pair: abs(pair[0] - pair[1])
    )
    jump = f"{search.figure} jumps there from {search.amount(value)} to {search.amount(other)}"
    return value, jump


def whole(search: Search, within: Any) -> tuple[float, str]:
    """Return the whole number at which the figure just meets the target, and a note."""
    node = search.scenario.cluster.node_size if search.unknown.path == "cluster.count" else 1
    odd = _odd_parts(search)
    grid = _grid(search.unknown, within, node, odd)
    possible = search.possible(grid)
    if not any(search.meets(value) for value in possible):
        grid = _with_edges(search, grid, node, odd[-1])
    meeting = [value for value in grid if search.meets(value)]
    if not meeting:
        raise search.failure(grid[0], grid[-1])
    worse = _gets_worse(search, possible)
    good = meeting[-1] if worse else meeting[0]
    place = grid.index(good) + (1 if worse else -1)
    if not 0 <= place < len(grid):
        if worse and within is None and grid[-1] < search.unknown.measure.highest:
            raise search.endless(grid[-1])
        searched = f"{search.unknown.path} was searched from {grid[0]:,} to {grid[-1]:,}"
        return good, f"a bound of the search: {searched}" if within is not None else ""
    beyond = grid[place:] if worse else grid[place::-1]
    bad = next((value for value in beyond if value in search.figures), beyond[0])
    value = _refined(search, bad, good, node, odd[-1])
    return value, _note(search, value, worse)


def _gets_worse(search: Search, possible: Sequence[float]) -> bool:
    """Return whether a larger whole number makes the figure worse, around the present value.

    For durations the fewest accelerators are the answer, whatever the trend.
    """
    if search.unknown.path == "cluster.count" and search.figure in DURATIONS:
        return False
    present = search.unknown.present or 0.0
    near = [value for value in possible if present / TREND <= value <= present * TREND]
    trends = (_trend(search, values, least) for values, least in ((near, NOTABLE), (possible, NOTABLE), (possible, 0)))
    return next((trend for trend in trends if trend), 0) > 0


def _trend(search: Search, values: Sequence[float], least: float) -> int:
    """Return the number of steps that make the figure worse minus those that improve it."""
    excesses = [search.excess(value) or 0.0 for value in values]
    changes = [after - before for before, after in pairwise(excesses)]
    return sum((change > least) - (change < -least) for change in changes)


def _note(search: Search, value: float, worse: bool) -> str:
    """Return a note: what else limits the whole number, and whether the figure is monotone."""
    path, shown = search.unknown.path, search.unknown.shown
    beyond = [
        tested for tested in (*search.figures, *search.infeasible) if (tested > value) == worse and tested != value
    ]
    nearest = min(beyond, key=lambda tested: abs(tested - value))
    lines = []
    if not any(tested in search.figures for tested in beyond):
        lines.append(f"{shown(nearest)} is not possible: {search.infeasible[nearest]}")
    better = [
        tested
        for tested in search.figures
        if (tested < value) == worse and tested != value and not search.meets(tested)
    ]
    if better:
        first = min(better, key=lambda tested: abs(tested - value))
        which, what = ("largest", "smaller") if worse else ("smallest", "larger")
        lines.append(
            f"{search.figure} is not monotone in {path}: this is the {which} value tested that meets the target; "
            f"{what} values may miss it ({shown(first)} does)"
        )
    return "; ".join(lines)


def _odd_parts(search: Search) -> list[int]:
    """Return odd factors that a feasible value may need: accelerators and batch size share factors."""
    scenario, path = search.scenario, search.unknown.path
    others = [scenario.cluster.count] if path.endswith("batch_size") else []
    if path == "cluster.count":
        others = [batch for recipe in scenario.recipes if (batch := getattr(recipe, "batch_size", None))]
    other = math.gcd(*others)
    while other and other % 2 == 0:
        other //= 2
    divisors = [divisor for divisor in range(1, math.isqrt(other) + 1) if other % divisor == 0]
    return sorted({1, *divisors[:MOST_ODD], other or 1})


def _grid(unknown: Unknown, within: Any, node: int, odd: Sequence[int]) -> list[int]:
    """Return the first grid of whole numbers: all of a short range, else powers of two times odd factors, in nodes."""
    low, high = int(unknown.measure.lowest), int(unknown.measure.highest)
    if within is not None:
        bounds = unknown.bounds(within)
        low, high = math.ceil(bounds[0]), math.floor(bounds[1])
    else:
        high = min(high, max(MOST_COUNT, 8 * int(unknown.present or 0)))
    low = -(-low // node) * node if low > node else low
    high = high // node * node if high > node else high
    if low > high:
        raise InputError(f"within: holds no whole number of nodes of {node}; got {within!r}")
    if (high - low) // (node if low >= node else 1) <= NEIGHBORS // 2:
        return [number for number in range(low, high + 1) if number <= node or number % node == 0]
    powers = [factor * 2**power for power in range(31) for factor in odd]
    present = int(unknown.present or 0)
    own = {present} if present <= node or present % node == 0 else set()
    listed = {
        low,
        high,
        *own,
        *(number for number in powers if number < node or number % node == 0),
        *(node * 2**power for power in range(31)),
    }
    return sorted(number for number in listed if low <= number <= high)


def _inner(low: float, high: float, node: int, odd: int, most: int = NEIGHBORS) -> range:
    """Return the whole numbers between two of the grid: all of a short range, else multiples of `odd`."""
    step = node if low >= node else 1
    if high - low > (most + 1) * step and math.lcm(step, odd) < high - low:
        step = math.lcm(step, odd)
    while high - low > (most + 1) * step:
        step *= 2
    return range((int(low) // step + 1) * step, int(high), step)


def _refined(search: Search, bad: float, good: float, node: int, odd: int) -> float:
    """Return the number nearest to `bad` that meets the target, between `bad` and `good`."""
    while True:
        low, high = min(bad, good), max(bad, good)
        patchy = any(low < value < high for value in search.infeasible)
        inner = _inner(low, high, node, odd, max(NEIGHBORS, MOST_TRIED - search.tried) if patchy else NEIGHBORS)
        for value in inner if bad < good else reversed(inner):
            if search.meets(value):
                good = value
                break
            bad = value
        unit = node if min(bad, good) >= node else 1
        if abs(good - bad) <= unit or inner.step == unit:
            return good


def _with_edges(search: Search, grid: list[int], node: int, odd: int) -> list[int]:
    """Return the grid with further numbers at the edges of the feasible range."""
    added: list[int] = []
    for low, high in pairwise(grid):
        if (low in search.infeasible) != (high in search.infeasible) and search.tried < MOST_TRIED - NEIGHBORS:
            inner = list(_inner(low, high, node, odd))
            for value in inner:
                search.excess(value)
            added += inner
    return sorted({*grid, *added})
