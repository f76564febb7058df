"""Constraints that conflict: a smallest set of which any one could go, and the nearest change of each that is enough.

A deletion filter leaves out one constraint after the other and keeps those without which the rest has a solution. What
is left is irreducible: without any one of it there is a solution. The filter runs from several orders, and the
smallest set counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.choosing.portfolio.program import Program
from costmodel.choosing.portfolio.rules import Rule, rules_of
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from costmodel.choosing.portfolio.offers import Offers
    from costmodel.choosing.portfolio.question import PortfolioConstraints

_STEPS = 30
"""Halvings of an interval of a limit [1]."""
_DIGITS = 4
"""Decimals of a share in a message."""
_ORDERS = 10
"""About the number of orders of a long list of constraints [1]."""


class Relaxation(NamedTuple):
    """The nearest change of one constraint with which the conflict ends."""

    name: str
    text: str
    """The constraint as it stands."""
    change: str
    enough: bool
    """Whether the whole question then has a solution; else further constraints conflict."""


class InfeasiblePortfolioError(InputError):
    """No mix meets all constraints; `conflict` names an irreducible set of them, `relaxations` what is enough.

    Examples
    --------
    >>> import costmodel as cm
    >>> chat = cm.PortfolioWorkload(name="chat", requests_per_month="1M", input_tokens=1000, output_tokens=300)
    >>> only = cm.PortfolioOption(serving=cm.HostedAPI(model="gpt-5-mini", provider="openai"))
    >>> try:
    ...     cm.portfolio([chat], [only], cm.PortfolioConstraints(provider_cap=0.5))
    ... except cm.InfeasiblePortfolioError as error:
    ...     error.conflict
    ('provider_cap',)
    """

    def __init__(self, conflict: tuple[str, ...], relaxations: tuple[Relaxation, ...]) -> None:
        self.conflict = conflict
        self.relaxations = relaxations
        these = f"these {len(conflict)} conflict" if len(conflict) > 1 else "this one alone cannot be met"
        lines = [f"constraints: no mix meets all of them; {these}: {', '.join(conflict)}"]
        for each in relaxations:
            more = "" if each.enough else " (then others conflict)"
            lines.append(f"{each.name}: {each.text}; nearest change: {each.change}{more}")
        super().__init__(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.conflict, self.relaxations)


def conflict_of(offers: Offers, constraints: PortfolioConstraints) -> InfeasiblePortfolioError:
    """Return the error for a question without a solution.

    Parameters
    ----------
    offers : Offers
    constraints : PortfolioConstraints
    """
    rules = rules_of(offers, constraints)
    smallest = min((_filtered(offers, order) for order in _orders(rules)), key=len)
    names = tuple(rule.name for rule in smallest)
    relaxations = []
    for rule in smallest:
        enough = _feasible(offers, [each for each in rules if each.name != rule.name])
        change = _nearest(_Search(offers, constraints, None if enough else frozenset(names)), rule)
        relaxations.append(Relaxation(rule.name, rule.text, change, enough))
    return InfeasiblePortfolioError(names, tuple(relaxations))


class _Search(NamedTuple):
    """Where the nearest change of a constraint is looked for: among all constraints, or those of a conflict."""

    offers: Offers
    constraints: PortfolioConstraints
    names: frozenset[str] | None

    def feasible(self) -> bool:
        """Whether there is a solution."""
        rules = rules_of(self.offers, self.constraints)
        return _feasible(self.offers, [rule for rule in rules if self.names is None or rule.name in self.names])


def _orders(rules: list[Rule]) -> Iterator[list[Rule]]:
    """Yield orders in which the filter leaves constraints out: each is left out last once, if they are few."""
    for place in range(0, len(rules), max(len(rules) // _ORDERS, 1)):
        yield [*rules[place + 1 :], *rules[: place + 1]]


def _filtered(offers: Offers, rules: list[Rule]) -> list[Rule]:
    """Return an irreducible subset of rules that have no solution together."""
    left = list(rules)
    for rule in rules:
        fewer = [each for each in left if each is not rule]
        if not _feasible(offers, fewer):
            left = fewer
    return left


def _feasible(offers: Offers, rules: list[Rule]) -> bool:
    return Program(offers, rules).cheapest() is not None


def _nearest(search: _Search, rule: Rule) -> str:
    """Return the nearest change of a constraint with which there is a solution."""
    owner, _, field = rule.name.rpartition(".")
    offers = search.offers
    test, value = _changed(search, owner, field)
    if field in {"locations", "seats", "barred_seats"}:
        return _nearest_places(offers, test, value, field)
    if field in {"quality_floor", "latency_limit"}:
        known = _steps_of(offers, owner, field)
        if not known:
            return f"give an option a {'quality for ' + owner if field == 'quality_floor' else 'latency'}"
        below = [each for each in known if (each < value if field == "quality_floor" else each > value)]
        best = next((each for each in sorted(below, reverse=field == "quality_floor") if test(each)), None)
        return f"leave {field} out" if best is None else f"{field} = {best:g}"
    if field == "most_replicas":
        return f"{field} = {next(count for count in range(int(value) + 1, 10**9) if test(count))}"
    free = {"provider_cap": 1.0, "open_weights_share": 0.0, "mean_quality": 0.0}.get(field, float(offers.volumes.sum()))
    limit = _bisected(test, value, free)
    return f"{field} = {limit:,.0f}" if field == "capacity" else f"{field} = {limit:g}"


def _changed(search: _Search, owner: str, field: str) -> tuple[Callable[[object], bool], float]:
    """Return whether there is a solution with a value of a field, as a function, and the present value."""
    offers, constraints = search.offers, search.constraints
    if not owner:

        def with_constraint(value: object) -> bool:
            return search._replace(constraints=constraints.replace({field: value})).feasible()

        return with_constraint, getattr(constraints, field)
    names = [workload.name for workload in offers.workloads]
    of_workload = owner in names and field not in {"capacity", "most_replicas"}
    listed = offers.workloads if of_workload else offers.options
    place = names.index(owner) if of_workload else [option.title for option in offers.options].index(owner)

    def with_field(value: object) -> bool:
        changed = [each.replace({field: value}) if row == place else each for row, each in enumerate(listed)]
        fields = {"workloads" if of_workload else "options": tuple(changed)}
        return search._replace(offers=offers._replace(**fields)).feasible()  # type: ignore[arg-type]

    return with_field, getattr(listed[place], field)


def _steps_of(offers: Offers, owner: str, field: str) -> list[float]:
    """Return the qualities or the latencies of the options for a workload."""
    if field == "latency_limit":
        return sorted({option.latency for option in offers.options if option.latency is not None})
    row = [workload.name for workload in offers.workloads].index(owner)
    quality = offers.quality[row]
    return sorted({float(each) for each in quality[~np.isnan(quality)]})


def _nearest_places(offers: Offers, test: Callable[[object], bool], value: object, field: str) -> str:
    """Return the one place to add or to take away that is enough, or that the constraint must go."""
    codes = tuple(value) if isinstance(value, tuple) else ()
    if field == "barred_seats":
        for code in codes:
            if test([each for each in codes if each != code]):
                return f"take {code} out of barred_seats"
        return "leave barred_seats out"
    known = {place.location if field == "locations" else place.seat for place in offers.places} - {"", *codes}
    for code in sorted(known):
        if test([*codes, code]):
            return f"add {code} to {field}"
    return f"leave {field} out"


def _bisected(test: Callable[[object], bool], value: float, free: float) -> float:
    """Return the limit nearest to the present one that is enough, rounded where the rounded one is enough too."""
    wrong, right = float(value), free
    for _ in range(_STEPS):
        middle = (wrong + right) / 2
        wrong, right = (wrong, middle) if test(middle) else (middle, right)
    digits = _DIGITS if free <= 1 else 0
    nearest = (round(right, digits), *(round(right + way * 10.0**-digits, digits) for way in (-1, 1)))
    return next((each for each in nearest if test(each)), right)
