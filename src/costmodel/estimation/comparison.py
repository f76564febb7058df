"""Which of several scenarios takes less, and by how much? Figures side by side, on shared draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import estimate
from costmodel.estimation.results import OUTPUTS, Result, check_level
from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL


def compare(scenarios: Mapping[str, Scenario | Result]) -> Comparison:
    """Compare scenarios or estimates of one scope.

    Parameters
    ----------
    scenarios : two or more, by the name of their column

    Raises
    ------
    InputError
        If there are fewer than two, or their scopes or seeds differ.
    """
    if not isinstance(scenarios, Mapping) or not all(isinstance(one, (Scenario, Result)) for one in scenarios.values()):
        raise InputError('scenarios or estimates are compared by name, as in {"a": run, "b": other}')
    if len(scenarios) < 2:
        raise InputError(f"a comparison needs two scenarios or more; got {len(scenarios)}")
    estimates = {name: estimate(one) if isinstance(one, Scenario) else one for name, one in scenarios.items()}
    if len({one.scope for one in estimates.values()}) > 1:
        scopes = ", ".join(f"{name}: {one.scope}" for name, one in estimates.items())
        raise InputError(f"estimates of different scope are not compared ({scopes})")
    if len({one.seed for one in estimates.values()}) > 1:
        raise InputError("estimates of different seed do not share their draws; give them one seed")
    return Comparison(estimates)


class Comparison(rendering.Shown):
    """Estimates side by side; see `compare`."""

    def __init__(self, estimates: Mapping[str, Result]) -> None:
        self.estimates = dict(estimates)

    def ratio(
        self, name: str, over: str, under: str, level: float = DEFAULT_LEVEL, paired: bool = True
    ) -> tuple[float, float, float]:
        """Return a figure of `over` as a multiple of that of `under`: median, low and high.

        Parameters
        ----------
        name : figure
        over, under : columns of the comparison
        level : of the interval
        paired : inputs of the same name share their draws, which is right for two plans of one team: what
            both have in common does not widen the interval. Runs of different teams are not so: say False,
            and each keeps its own unknowns.
        """
        import numpy as np

        check_level(level)
        above, below = (self._estimate(column).draws(name) for column in (over, under))
        if not paired:
            below = np.random.default_rng(self._estimate(under).seed).permutation(below)
        if not np.all(below > 0):
            raise InputError(f"{name} of {under} is not above 0 throughout: there is no ratio to it")
        draws = above / below
        low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2])
        return float(middle), float(low), float(high)

    def _estimate(self, column: str) -> Result:
        if column not in self.estimates:
            raise InputError(unknown("scenario", column, self.estimates))
        return self.estimates[column]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure and scenario: scenario, then the columns of `Estimate.rows`."""
        return [{"scenario": name, **row} for name, one in self.estimates.items() for row in one.rows()]

    def _footer(self) -> str:
        stamp = next(iter(self.estimates.values())).stamp()
        made = f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}"
        return f"in brackets: {DEFAULT_LEVEL:.0%} intervals; {made}"

    def _cells(self) -> list[dict[str, str]]:
        rows = []
        for name, output in OUTPUTS.items():
            values = {column: one.value(name) for column, one in self.estimates.items()}
            if all(isinstance(value, Missing) for value in values.values()):
                continue
            rows.append(
                {"": output.title} | {column: self._cell(column, name, value) for column, value in values.items()}
            )
        return rows

    def _cell(self, column: str, name: str, value: float | Missing) -> str:
        if isinstance(value, Missing):
            return "-"
        unit = OUTPUTS[name].rendered
        low, high = self.estimates[column].bounds(name)
        shown = rendering.amount(value, unit)
        if low == high:
            return shown
        return f"{shown} ({rendering.amount(low, unit)} to {rendering.amount(high, unit)})"
