"""Which value of an input brings a figure to its target? The estimate read backwards.

A number with a unit is found where the figure equals the target, a whole number where the figure just
meets it. The search sees the estimate as a black box: it looks at a grid of values over the whole range
first, and then closely where the target is passed.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.results import OUTPUTS, check_level
from costmodel.estimation.scenario import Scenario
from costmodel.foundation.errors import InputError, unknown
from costmodel.foundation.fields import Measure
from costmodel.foundation.ranges import DEFAULT_LEVEL, Range
from costmodel.foundation.rendering import amount
from costmodel.foundation.units import SI_FACTOR
from costmodel.planning.searching import AT_LEAST, EXACT, Search, continuous, figure_text, known, whole
from costmodel.planning.unknowns import Unknown, find


@dataclass(frozen=True)
class Solution:
    """The value of an input that brings a figure to its target; see `solve`."""

    path: str
    value: float | int
    """In the unit in which the field is written."""
    figure: str
    target: float
    """In the unit in which the estimate shows the figure."""
    reached: float
    """The figure (its quantile, where a `level` is asked for) with that value, in the same unit."""
    scenario: Scenario
    """The scenario with the value in place."""
    level: float | None
    """Probability with which the target is met; None for the median value."""
    note: str
    """What a reader should know: that the figure is not monotone, or what bounds the value."""
    tried: int
    """Estimates that were made."""
    unknown: Unknown = field(repr=False)

    @cached_property
    def estimate(self) -> Estimate:
        """The estimate of the scenario with the value in place."""
        return estimate(self.scenario)

    def __str__(self) -> str:
        output, sign = OUTPUTS[self.figure], "≥" if self.figure in AT_LEAST else "≤"
        target, reached = (figure_text(self.figure, value) for value in (self.target, self.reached))
        found = f"{self.path} = {self.unknown.shown(self.value)}"
        met = f"{self.figure} {sign} {target}"
        low, high = self.estimate.bounds(self.figure)
        ends = f"{amount(low, output.rendered)} to {amount(high, output.rendered)}"
        interval = "" if low == high else f"; {DEFAULT_LEVEL:.0%} interval {ends}".replace("%", " %")
        if self.level is not None:
            median = amount(known(self.estimate, self.figure), output.rendered)
            text = f"{found} meets {met} with a probability of {100 * self.level:g} % (median {median}){interval}"
        elif self.unknown.whole or abs(self.reached / self.target - 1) > EXACT:
            text = f"{found} meets {met} ({reached}){interval}"
        else:
            text = f"{found} brings {self.figure} to {target}{interval}"
        return f"{text}\n{self.note}" if self.note else text

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(line)}</p>" for line in str(self).splitlines())


def solve(scenario: Scenario, path: str, *, level: float | None = None, within: Any = None, **target: Any) -> Solution:
    """Find the value of one input that brings one figure of the estimate to a target.

    A number with a unit is found where the figure equals the target, to about 1e-9; of several such values
    the one nearest to the present one, or the lowest of `within` if the present one is outside. Where the
    figure jumps over the target the value on the side that meets it is taken, which the note says.

    A whole number is found where the figure meets the target (is at most so much; mfu, goodput and
    utilization: at least): the smallest one where the figure gets better with it, as times do with
    accelerators, the largest one where it gets worse, as the cost does; what counts is the trend around the
    present value. Above one node `cluster.count` goes in whole nodes. Planned layouts and whole instances make
    figures bumpy, so that what is guaranteed is this: the value meets the target, and its neighbors were
    tried and do not, as far as the next round number that does not (64 lie between two powers of two times
    the node). Where the figure is not monotone, a better value beyond that is possible; the note says so if
    any of the values tried shows it.

    What is no estimate at a single value (the model fits on no layout, the batch does not divide) is not
    possible there, and passed over.

    Parameters
    ----------
    scenario : Scenario
    path : the input: a number of the scenario by its dotted path, such as "cluster.count", "recipe.tokens",
        "prices.price", "mfu", "cluster.site.pue", or "recipe.0.tokens" of several recipes; of an architecture
        given by counts "architecture.total" or "architecture.active". A range gives way to a plain number,
        a price that is looked up to one that is given
    level : meet the target with that probability (0.8: the 80 % quantile of the figure is at the target, of
        mfu, goodput and utilization the 20 % quantile), instead of with the value shown
    within : (low, high) between which the input is looked for, as the field takes them; unless given a factor
        of 2²⁸ around the present value, for whole numbers up to 65,536 or eight times the present one
    target : one figure by its name: a number in the unit in which the estimate shows it, a string with a unit
        ("30 days", "250 kUSD") or a pint Quantity

    Returns
    -------
    Solution
        `.value` in the unit of the field, `.reached`, `.scenario` and `.estimate` with it in place, `.note`.

    Raises
    ------
    InputError
        If no value in the range brings the figure to the target, which says what the figure is instead; if the
        input does not touch the figure; if the path or the target cannot be read.
    MissingFactError
        If a fact is missing that the figure needs.

    Examples
    --------
    >>> import costmodel as cm
    >>> run = cm.Scenario(
    ...     architecture={"total": "7B"},
    ...     recipe=cm.Pretraining(tokens="2T"),
    ...     cluster=cm.Cluster("A100-80GB-SXM", 512),
    ...     prices=cm.Rental(price="2 USD/hour"),
    ...     mfu=0.4,
    ...     goodput=1.0,
    ... )
    >>> print(solve(run, "cluster.count", wall_time="30 days"))
    cluster.count = 264 meets wall_time ≤ 30.0 days (29.5 days)
    >>> print(solve(run, "recipe.tokens", cost="250 kUSD"))
    recipe.tokens = 1.337T tokens brings cost to 250 k$
    """
    if not isinstance(scenario, Scenario):
        raise InputError(f"a Scenario is solved (Scenario.load reads a file); got {type(scenario).__name__}")
    if len(target) != 1:
        given = f"got {', '.join(target)}" if target else "got none"
        raise InputError(f'one figure is the target, as in wall_time="30 days"; {given}')
    if level is not None:
        check_level(level)
    ((figure, spelled),) = target.items()
    wanted = _target(figure, spelled)
    asked = find(scenario, path)
    search = Search(scenario, asked, figure, wanted, level)
    found, note = whole(search, within) if asked.whole else continuous(search, within)
    return Solution(
        path=path,
        value=asked.held(found),
        figure=figure,
        target=wanted,
        reached=search.figures[found],
        scenario=asked.put(scenario, found),
        level=level,
        note=note,
        tried=search.tried,
        unknown=asked,
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
