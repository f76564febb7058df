"""The cheapest mix of hosted and self-hosted models for several workloads, and its cost over a horizon with shocks.

The mix of today is the cheapest at the prices of today under all constraints; it is exact (`scipy.optimize.milp`).
Scenarios do not choose it: they say what it costs over the horizon. See `costmodel.choosing.portfolio.scenarios`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.choosing.portfolio.conflicts import conflict_of
from costmodel.choosing.portfolio.offers import Offers, offers_of
from costmodel.choosing.portfolio.program import Program
from costmodel.choosing.portfolio.question import (
    PortfolioConstraints,
    PortfolioOption,
    PortfolioRequest,
    PortfolioShocks,
    PortfolioWorkload,
)
from costmodel.choosing.portfolio.result import Portfolio, Question
from costmodel.choosing.portfolio.rules import SHARES, rules_of
from costmodel.choosing.portfolio.scenarios import retirement_months
from costmodel.choosing.scores import Score
from costmodel.comparison.serving.options import HostedAPI, SelfHosted
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@checked("seed")
def portfolio(
    workloads: Sequence[PortfolioWorkload],
    options: Sequence[PortfolioOption | HostedAPI | SelfHosted],
    constraints: PortfolioConstraints | None = None,
    *,
    shocks: PortfolioShocks | None = None,
    scores: Iterable[Score] = (),
    seed: int = 0,
) -> Portfolio:
    """Return the cheapest mix of models for workloads under constraints, with its cost over a horizon with shocks.

    The mix is the cheapest at the prices of today. On the day of a scenario its price changes, retirements and losses
    of access arrive. Then the mix is optimized again, where this pays for the cost of switching.

    Parameters
    ----------
    workloads : sequence of PortfolioWorkload
        Requests per month, and what their answers need.
    options : sequence of PortfolioOption, HostedAPI or SelfHosted
        Models that can serve them, with distinct names.
    constraints : PortfolioConstraints, optional
        Constraints on the whole portfolio; default: none.
    shocks : PortfolioShocks, optional
        Horizon, price changes, retirements, losses of access, and the cost and time of switching.
    scores : iterable of Score
        Scores by model, for qualities that an option does not give.
    seed : int
        Seed of the random draws.

    Returns
    -------
    Portfolio
        `.rows()`, `.usd_per_month`, `.expected_usd`, `.cvar_usd`, `.price_of_constraints()`, `.independence()`; it
        prints as a table.

    Raises
    ------
    InputError
        If an argument is wrong.
    InfeasiblePortfolioError
        If no mix meets all constraints: it names an irreducible set that conflicts, and the nearest changes.

    References
    ----------
    Mean of the dearest scenarios: Rockafellar and Uryasev 2000, Optimization of conditional value-at-risk.

    Examples
    --------
    >>> chat = PortfolioWorkload(name="chat", requests_per_month=1e6, input_tokens=1000, output_tokens=200)
    >>> cheap = HostedAPI(name="A", usd_per_million_input=1, usd_per_million_output=2)
    >>> dear = HostedAPI(name="B", usd_per_million_input=2, usd_per_million_output=4)
    >>> result = portfolio([chat], [cheap, dear], PortfolioConstraints(provider_cap=0.7))
    >>> round(result.usd_per_month), {row["option"]: round(row["share"], 2) for row in result.rows()}
    (1820, {'A': 0.7, 'B': 0.3})
    """
    constraints = PortfolioConstraints() if constraints is None else constraints
    shocks = PortfolioShocks() if shocks is None else shocks
    loose: Any = scores
    given = list(loose) if isinstance(loose, Iterable) and not isinstance(loose, str) else [loose]
    listed = _checked(workloads, options, constraints, shocks, given)
    offers = offers_of(workloads, listed, given, constraints.confidence, seed)
    offers = _without_retired(offers, retirement_months(offers, shocks))
    if unpriced := [each.name for each, row in zip(workloads, offers.missing, strict=True) if row.all()]:
        raise InputError([*(f"options: none has a price for {name}" for name in unpriced), *offers.notes])
    return solved(Question(offers, constraints, shocks, seed))


def solved(question: Question) -> Portfolio:
    """Return the portfolio of a checked question.

    Parameters
    ----------
    question : Question
    """
    rules = rules_of(question.offers, question.constraints)
    program = Program(question.offers, rules)
    mix = program.cheapest()
    if mix is None:
        raise conflict_of(question.offers, question.constraints)
    free = [rule for rule in rules if rule.name not in SHARES]
    programs = [program] if len(free) == len(rules) else [program, Program(question.offers, free)]
    return Portfolio(question, solved, rules, programs, mix)


def read_portfolio(path: Path | str, changes: Mapping[str, Any] | None = None) -> Portfolio:
    """Return the portfolio that a TOML or JSON file describes.

    Parameters
    ----------
    path : Path or str
        File with the lists `workload` and `option`, and the tables `constraints` and `shocks`.
    changes : Mapping, optional
        Values by dotted path that override the file: `{"constraints.provider_cap": 0.5}`.

    Raises
    ------
    InputError
        If the file cannot be read, or a field is wrong.
    """
    from costmodel.estimation.files import read

    request = PortfolioRequest(**read(Path(path), changes or {}))
    return portfolio(
        request.workload, request.option, request.constraints, shocks=request.shocks, seed=request.seed
    )  # fmt: skip


def _checked(
    workloads: object, options: object, constraints: object, shocks: object, scores: list[Score]
) -> list[PortfolioOption]:
    """Return the options, or raise an error with all that is wrong with the arguments."""
    problems = []
    for name, given, kinds in (
        ("workloads", workloads, (PortfolioWorkload,)),
        ("options", options, (PortfolioOption, HostedAPI, SelfHosted)),
    ):
        listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else None
        accepted = ", ".join(kind.__name__ for kind in kinds)
        if not listed:
            problems.append(f"{name}: must be a list of {accepted}; got {given!r:.80}")
        else:
            problems += [
                f"{name}: must be {accepted}; got {type(each).__name__}"
                for each in listed
                if not isinstance(each, kinds)
            ]
    for name, value, kind in (
        ("constraints", constraints, PortfolioConstraints),
        ("shocks", shocks, PortfolioShocks),
    ):
        if not isinstance(value, kind):
            problems.append(f"{name}: must be {kind.__name__}; got {type(value).__name__}")
    problems += [f"scores: must be Score; got {type(each).__name__}" for each in scores if not isinstance(each, Score)]
    if problems:
        raise InputError(problems)
    assert isinstance(workloads, Sequence) and isinstance(options, Sequence)
    found = [each if isinstance(each, PortfolioOption) else PortfolioOption(serving=each) for each in options]
    for what, names in (("workloads", [each.name for each in workloads]), ("options", [each.title for each in found])):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [f"{what}: two are named {name!r}; give each a name" for name in twice]
    known = dict.fromkeys(each.name for each in workloads)
    for option in found:
        strange = sorted(option.quality.keys() - known.keys())
        problems += [
            f"{option.title}.quality: no workload is named {each!r}; known: {', '.join(known)}" for each in strange
        ]
    if problems:
        raise InputError(problems)
    return found


def _without_retired(offers: Offers, months: NDArray[np.float64]) -> Offers:
    """Return the offers without the options that are retired at the start."""
    gone = months <= 0
    notes = [
        f"{option.title}: retired on {option.retires}" for option, out in zip(offers.options, gone, strict=True) if out
    ]
    return offers._replace(missing=offers.missing | gone, notes=(*offers.notes, *notes))
