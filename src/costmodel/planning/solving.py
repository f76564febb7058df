"""Inverse of the estimate: the value of one input that brings one figure to a target.

For a number with a unit the figure equals the target; for a whole number the figure just meets it. The search treats
the estimate as a black box: it evaluates a grid over the whole range, and then refines where the figure crosses the
target.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import OUTPUTS
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
from costmodel.foundation.checks import check_level
from costmodel.foundation.citations import Source
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range
from costmodel.foundation.rendering import amount
from costmodel.foundation.units import SI_FACTOR, quantity
from costmodel.planning.root_finding import EXACT, Search, continuous, figure_text, whole
from costmodel.planning.unknown_inputs import Unknown, find

if TYPE_CHECKING:
    from costmodel.foundation.units import Quantity


@dataclass(frozen=True, repr=False)
class Solution(rendering.Shown):
    """The value of an input that brings a figure to its target; see `solve`."""

    path: str
    value: float | int
    """Value of the input, in the unit of the field."""
    figure: str
    target: Quantity
    """Target of the figure."""
    achieved: Quantity
    """Figure with that value (its quantile if `level` is given)."""
    scenario: Scenario
    """Scenario with the value in place."""
    level: float | None
    """Probability of meeting the target [1]; None: the target holds for the value shown."""
    note: str
    """Remark: the figure is not monotone, or what limits the value."""
    tried: int
    """Number of estimates evaluated [1]."""
    unknown: Unknown = field(repr=False)

    @property
    def reached(self) -> Quantity:
        """Former name of `achieved`."""
        return self.achieved

    @cached_property
    def estimate(self) -> Estimate:
        """Estimate of the scenario with the value in place."""
        return estimate(self.scenario)

    def rows(self) -> list[dict[str, Any]]:
        """Return the solution as one row: path, value, unit, figure, target, achieved, figure_unit, level, note."""
        return [
            {
                "path": self.path,
                "value": self.value,
                "unit": self.unknown.measure.unit,
                "figure": self.figure,
                "target": float(self.target.magnitude),
                "achieved": float(self.achieved.magnitude),
                "figure_unit": OUTPUTS[self.figure].shown,
                "level": self.level,
                "note": self.note,
            }
        ]

    def sources(self) -> set[Source]:
        """Return the sources of the inputs of the estimate."""
        return self.estimate.sources()

    def to_text(self, width: int | None = None) -> str:
        """Return the answer in a sentence, with its interval and the notes.

        Parameters
        ----------
        width : int, optional
            Width to which the text is wrapped; default: it is not wrapped [character].
        """
        answer = self._answer()
        return answer if width is None else rendering.wrapped(answer, width)

    def _answer(self) -> str:
        output = OUTPUTS[self.figure]
        sign = "≥" if output.more_is_better else "≤"
        values = [float(each.magnitude) for each in (self.target, self.achieved)]
        target, achieved = (figure_text(self.figure, value) for value in values)
        answer = f"{self.path} = {self.unknown.shown(self.value)}"
        met = f"{self.figure} {sign} {target}"
        low, high = self.estimate.bounds(self.figure)
        ends = f"{amount(low, output.rendered)} to {amount(high, output.rendered)}"
        interval = "" if low == high else f"; {DEFAULT_LEVEL:.0%} interval {ends}".replace("%", " %")
        if self.level is not None:
            median = amount(self.estimate.known_value(self.figure), output.rendered)
            text = f"{answer} meets {met} with a probability of {100 * self.level:g} % (median {median}){interval}"
        elif self.unknown.whole or abs(values[1] / values[0] - 1) > EXACT:
            text = f"{answer} meets {met} ({achieved}){interval}"
        else:
            text = f"{answer} brings {self.figure} to {target}{interval}"
        text += f"\n{self.estimate.note(self.figure)}" if self.estimate.note(self.figure) else ""
        return f"{text}\n{self.note}" if self.note else text

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in self._answer().splitlines())


def solve(scenario: Scenario, path: str, *, level: float | None = None, within: Any = None, **target: Any) -> Solution:
    """Find the value of one input that brings one figure of the estimate to a target.

    For a number with a unit, the figure equals the target to about 1e-9. Of several such values, the result is the one
    nearest to the present value, or the lowest in `within` if the present value is outside. If the figure jumps over
    the target, the result is the value on the side that meets it, and the note says so.

    For a whole number, the figure meets the target: it is at most the target (mfu, goodput and utilization: at least).
    The result is the smallest number if the figure improves with it (wall time with accelerators), and the largest
    number if the figure gets worse (cost), by the trend around the present value. Above one node, `cluster.count` is a
    multiple of the node. Planned layouts and whole instances make figures uneven. The result meets the target and its
    tested neighbors do not, up to the next round number that does not (64 between two powers of two times the node). If
    the figure is not monotone, a better value further away is possible; the note says so if a tested value shows it.

    Values without an estimate (the model fits on no layout, the batch size allows no layout) are skipped.

    Parameters
    ----------
    scenario : Scenario
        The run.
    path : str
        Dotted path of a number in the scenario, such as "cluster.count", "recipe.tokens", "prices.price", "mfu",
        "cluster.site.pue", "recipe.0.tokens" with several recipes, or "architecture.total" and "architecture.active"
        of an architecture given by counts. The result replaces a range or a looked-up price.
    level : float, optional
        Probability of meeting the target: with 0.8, the 80 % quantile of the figure is at the target (of mfu, goodput
        and utilization the 20 % quantile); default: the value shown is at the target [1].
    within : tuple, optional
        Bounds (low, high) of the input, as the field accepts them; default: a factor of 2²⁸ around the present value,
        and for whole numbers up to 65,536 or eight times the present value.
    target : number, str or pint.Quantity
        One figure by name: a number in the unit in which the estimate shows it [unit], or text with a unit
        ("30 days", "250 k$").

    Returns
    -------
    Solution
        `.value` in the unit of the field, `.achieved`, `.scenario` and `.estimate` with it in place, `.note`.

    Raises
    ------
    InputError
        If no value in the range brings the figure to the target (the message gives the range of the figure); if the
        input has no effect on the figure; if the path or the target is invalid.
    MissingFactError
        If a fact that the figure needs is unknown.

    Examples
    --------
    >>> import costmodel as cm
    >>> cluster, prices = cm.Cluster("A100-80GB-SXM", 512), cm.Rental(price=2)
    >>> recipe = cm.Pretraining(tokens="2T")
    >>> run = cm.Scenario({"total": "7B"}, recipe, cluster, prices=prices, mfu=0.4, goodput=1.0)
    >>> print(solve(run, "cluster.count", wall_time="30 days"))
    cluster.count = 264 meets wall_time ≤ 30.0 days (29.5 days)
    >>> print(solve(run, "recipe.tokens", cost="250 kUSD"))
    recipe.tokens = 1.337T tokens brings cost to 250 k$
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"`scenario` must be a Scenario (Scenario.load reads a file); got {type(scenario).__name__}")
    if len(target) != 1:
        given = f"got {', '.join(target)}" if target else "got none"
        raise InputError(f'give one figure as the target, as in wall_time="30 days"; {given}')
    if level is not None:
        check_level(level)
    ((figure, spelled),) = target.items()
    wanted = _target(figure, spelled)
    variable = find(scenario, path)
    search = Search(scenario, variable, figure, wanted, level)
    answer, note = whole(search, within) if variable.whole else continuous(search, within)
    shown = OUTPUTS[figure].shown
    return Solution(
        path=path,
        value=variable.typed(answer),
        figure=figure,
        target=quantity(wanted, shown, shown),
        achieved=quantity(search.figures[answer], shown, shown),
        scenario=variable.put(scenario, answer),
        level=level,
        note=note,
        tried=search.tried,
        unknown=variable,
    )


def _target(figure: str, spelled: Any) -> float:
    """Return the target in the unit in which the estimate shows the figure."""
    if figure not in OUTPUTS:
        raise InputError(unknown("figure", figure, OUTPUTS))
    shown = OUTPUTS[figure].shown
    plain = isinstance(spelled, (int, float)) or (isinstance(spelled, str) and _is_bare(spelled))
    unit = "byte" if shown == "GiB" and not plain else shown
    try:
        value = Measure(unit, 0.0, open_low=True, uncertain=False).validate(spelled)
    except InputError as error:
        raise InputError(f"{figure}: {error}") from None
    assert not isinstance(value, Range)
    return value * SI_FACTOR[unit] / SI_FACTOR[shown]


def _is_bare(text: str) -> bool:
    return not any(character.isalpha() or character == "%" for character in text)
