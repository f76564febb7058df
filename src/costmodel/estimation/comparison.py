"""Figures of several scenarios side by side, on shared random draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costmodel.estimation.chain import OUTPUTS, Missing
from costmodel.estimation.estimate import estimate
from costmodel.estimation.results import Result
from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level, checked
from costmodel.foundation.citations import Source
from costmodel.foundation.currencies import Priced
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.ranges import DEFAULT_LEVEL


def compare(scenarios: Mapping[str, Scenario | Result]) -> Comparison:
    """Compare scenarios or estimates of one scope.

    Parameters
    ----------
    scenarios : Mapping
        Two or more scenarios or estimates, by the name of their column.

    Raises
    ------
    InputError
        If there are fewer than two, or their scopes or seeds differ.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="1T"), cm.Cluster("H100-SXM", 256))
    >>> both = cm.compare({"8B": run, "70B": run.replace(architecture="llama-3.1-70b")})
    >>> median, low, high = both.ratio("gpu_hours", "70B", "8B")
    >>> low < median < high
    True
    """
    if not isinstance(scenarios, Mapping) or not all(
        isinstance(entry, (Scenario, Result)) for entry in scenarios.values()
    ):
        raise InputError('`scenarios` must be scenarios or estimates by name, such as {"a": run, "b": other}')
    if len(scenarios) < 2:
        raise InputError(f"`scenarios` must hold two or more; got {len(scenarios)}")
    estimates = {name: estimate(entry) if isinstance(entry, Scenario) else entry for name, entry in scenarios.items()}
    if len({result.scope for result in estimates.values()}) > 1:
        scopes = ", ".join(f"{name}: {result.scope}" for name, result in estimates.items())
        raise InputError(f"estimates of different scope cannot be compared ({scopes}); give all the same scope")
    if len({result.seed for result in estimates.values()}) > 1:
        raise InputError("estimates of different seed do not share random draws; give all the same seed")
    return Comparison(estimates)


class Comparison(Priced):
    """Estimates side by side; see `compare`."""

    _index = ("scenario", "quantity")
    _money = ("value", "low", "high")

    def __init__(self, estimates: Mapping[str, Result]) -> None:
        self.estimates = dict(estimates)

    @checked("name", "over", "under", "paired")
    def ratio(
        self, name: str, over: str, under: str, level: float = DEFAULT_LEVEL, paired: bool = True
    ) -> tuple[float, float, float]:
        """Return the ratio of a figure of two scenarios: median, low and high.

        Parameters
        ----------
        name : str
            The figure.
        over, under : str
            Columns of the comparison: numerator and denominator.
        level : float
            Probability of the interval [1].
        paired : bool
            Whether inputs of the same name share their random draws. True suits two plans of one team: common
            unknowns cancel. False suits runs of different teams.
        """
        import numpy as np

        check_level(level)
        above, below = (self._estimate(column).draws(name) for column in (over, under))
        if not paired:
            below = np.random.default_rng(self._estimate(under).seed).permutation(below)
        if not np.all(below > 0):
            raise InputError(f"{name} of {under} must be above 0 for a ratio; some draws are not")
        draws = above / below
        low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2])
        return float(middle), float(low), float(high)

    def _estimate(self, column: str) -> Result:
        if column not in self.estimates:
            raise InputError(unknown("scenario", column, self.estimates))
        return self.estimates[column]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure and scenario: scenario, then the columns of `Estimate.rows`."""
        return [{"scenario": name, **row} for name, result in self.estimates.items() for row in result.rows()]

    def to_dict(self) -> dict[str, Any]:
        """Return the estimates as plain data, by the name of their column."""
        return {"estimates": {name: result.to_dict() for name, result in self.estimates.items()}}

    def sources(self) -> set[Source]:
        """Return the sources of the inputs of all estimates."""
        return {source for result in self.estimates.values() for source in result.sources()}

    def _footer(self) -> str:
        stamp = next(iter(self.estimates.values())).stamp()
        version = f"costmodel {stamp['version']}, data {stamp['data_hash']}, seed {stamp['seed']}"
        remarks = [
            f"{column}: {OUTPUTS[name].title}: {note}"
            for column, result in self.estimates.items()
            for name in OUTPUTS
            if (note := result.note(name))
        ]
        return "\n".join([*remarks, f"in brackets: {100 * DEFAULT_LEVEL:g} % intervals; {version}"])

    def _cells(self) -> list[dict[str, str]]:
        rows = []
        for name in OUTPUTS:
            values = {column: result.value(name) for column, result in self.estimates.items()}
            if all(isinstance(value, Missing) for value in values.values()):
                continue
            rows.append(
                {"": self._row_title(name)}
                | {column: self._cell(column, name, value) for column, value in values.items()}
            )
        return rows

    def _row_title(self, name: str) -> str:
        """Return the title of a figure: that of all estimates, or without its addition where they differ."""
        titles = {result.figure_title(name) for result in self.estimates.values()}
        return titles.pop() if len(titles) == 1 else OUTPUTS[name].title.partition(" (")[0]

    def _cell(self, column: str, name: str, value: float | Missing) -> str:
        if isinstance(value, Missing):
            return "-"
        unit = OUTPUTS[name].rendered
        low, high = self.estimates[column].bounds(name)
        shown = rendering.amount(value, unit)
        if rendering.is_exact(low, high):
            return shown
        ends, measure = [rendering.amount(end, unit) for end in (low, high)], shown.partition(" ")[2]
        if measure and all(end.endswith(f" {measure}") for end in ends):
            return f"{shown} ({' to '.join(end.removesuffix(f' {measure}') for end in ends)})"
        return f"{shown} ({rendering.between(*ends)})"
