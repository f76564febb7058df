"""Probability of a claim under several sets of assumptions and for both scopes."""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

from costmodel.claims.claim import Claim, CostClaim, DeclineClaim, GroupClaim
from costmodel.claims.quality import quality_answers
from costmodel.claims.verdict import Answer, Verdict
from costmodel.comparison.development import development_cost
from costmodel.comparison.frontier import frontier_against_low_cost
from costmodel.foundation.arrays import exp
from costmodel.foundation.errors import InputError
from costmodel.market.rental import PriceConvention
from costmodel.projection.decline.factors import algorithms, declines, factor
from costmodel.projection.decline.models import decline_model
from costmodel.projection.project import project_cost, wrong_draws

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from costmodel.comparison.frontier import Compared

PATHS = 20_000
"""Default number of draws."""
MATURE, MATURE_DECLINED = 2.0, 2.0
"""Age of a mature capability [year], and its decline of ln cost so far [1]. Source: GPT-4 class at its last point in
`data/measurements/cost_decline.csv`, at 1.8 years with a decline of 2.0."""


def check_claim(claim: Claim | Mapping[str, Any], paths: int = PATHS, seed: int = 0) -> Verdict:
    """Return the probability of a claim under several sets of assumptions.

    Parameters
    ----------
    claim : CostClaim, DeclineClaim, GroupClaim, QualityClaim or Mapping
        The claim, or data that describe it.
    paths : int
        Number of draws, at least 100.
    seed : int
        Seed of the draws.

    Returns
    -------
    Verdict
        `.probability` [1]; `.answers` under each set of assumptions; `.hinges_on`.

    Raises
    ------
    InputError
        If the claim is not valid, or cannot be projected.
    UnknownNameError
        If the capability is unknown.
    MissingFactError
        If no cost of the capability is known by that year.

    Examples
    --------
    >>> claim = CostClaim(text="GPT-4 for less than 10 million", reference="GPT-4 class", below="10 MUSD", by=2027)
    >>> check_claim(claim).probability > 0.9
    True
    """
    from costmodel.claims.claim import read_claim

    if problems := wrong_draws(paths, seed):
        raise InputError(problems)
    checked = read_claim(claim)
    if isinstance(checked, CostClaim):
        return _cost_verdict(checked, paths, seed)
    if isinstance(checked, DeclineClaim):
        return _decline_verdict(checked, paths, seed)
    if isinstance(checked, GroupClaim):
        return _group_verdict(checked)
    return Verdict(checked, quality_answers(checked, paths, seed), ("data/facts/benchmark_scores.csv",))


def _cost_verdict(claim: CostClaim, paths: int, seed: int) -> Verdict:
    """Return the answers for a bound on cost: end-to-end, factors in both regimes, hardware only; for both scopes."""
    methods: list[tuple[str, dict[str, Any]]] = [
        ("end to end, as other capabilities declined", {"method": "end-to-end"}),
        ("factors, fast algorithms (Ho et al. 2024)", {"method": "factors", "regime": "fast"}),
        ("factors, slow algorithms (Gundlach et al. 2025)", {"method": "factors", "regime": "slow"}),
    ]
    projected = [
        (name, project_cost(claim.reference, [claim.by], question="capability", paths=paths, seed=seed, **options))
        for name, options in methods
    ]
    first = projected[0][1]
    if dt.date(claim.by, 12, 31) <= first.reference:
        hardware_only = first.draws(claim.by)
    else:
        hardware_only = first.today * exp(-_hardware_decline(first.reference, claim.by, paths, seed))
    costs = [(name, projection.draws(claim.by)) for name, projection in projected]
    answers = [
        Answer(name, scope, float((scope_costs <= claim.below).mean()))
        for name, draws in [*costs, ("hardware price-performance only, no algorithmic progress", hardware_only)]
        for scope, scope_costs in _scopes(draws, first.scope, seed)
    ]
    order = sorted(answers, key=lambda answer: answer.scope != "final_run")
    return Verdict(
        claim,
        tuple(order),
        ("data/fitted/decline.csv", "data/assumptions/cost_factors.csv", "data/assumptions/development.csv"),
    )


def _scopes(costs: np.ndarray, scope: str, seed: int) -> list[tuple[str, np.ndarray]]:
    """Return the costs at their scope; costs of a final run also converted into development costs."""
    if scope == "development":
        return [("development", costs)]
    import numpy as np

    ratio = development_cost(1.0, seed=seed).draws()
    return [("final_run", costs), ("development", costs * np.resize(ratio, costs.shape))]


def _hardware_decline(reference: dt.date, by: int, paths: int, seed: int) -> np.ndarray:
    """Return the decline of ln cost by hardware price-performance until the end of a year; draws [1]."""
    years = (dt.date(by, 12, 31) - reference).days / 365.25
    decline: np.ndarray = declines({"hardware": (factor("hardware"),)}, [years], paths, seed)["hardware"][:, 0]
    return decline


def _decline_verdict(claim: DeclineClaim, paths: int, seed: int) -> Verdict:
    """Return the answers for a decline by a factor within the longer span; the notes give both spans."""
    import numpy as np

    spans, needed = [claim.soonest, claim.latest], math.log(claim.factor)
    models = [
        ("any capability, history not known", decline_model(None)),
        (f"a capability {MATURE:g} years old", decline_model("capability", age=MATURE, declined=MATURE_DECLINED)),
        ("a new capability", decline_model("capability", age=0.0, declined=0.0)),
    ]
    declines_by_name: list[tuple[str, np.ndarray]] = []
    for name, model in models:
        declines_by_name.append((f"end to end: {name}", model.paths(spans, paths, np.random.default_rng(seed))))
    for regime in ("fast", "slow"):
        parts = {"algorithms": algorithms(regime), "hardware": (factor("hardware"),)}
        draws = declines(parts, spans, paths, seed)
        declines_by_name.append((f"factors, {regime} algorithms and hardware", draws["algorithms"] + draws["hardware"]))
    answers = []
    for name, decline in declines_by_name:
        by_latest, by_soonest = float((decline[:, 1] >= needed).mean()), float((decline[:, 0] >= needed).mean())
        note = f"within {claim.soonest:g} years {by_soonest:.2f}, within {claim.latest:g} years {by_latest:.2f}"
        answers.append(Answer(name, "final_run", by_latest, note))
    return Verdict(claim, tuple(answers), ("data/fitted/decline.csv", "data/assumptions/cost_factors.csv"))


def _group_verdict(claim: GroupClaim) -> Verdict:
    """Return the probability that the bounds hold for a run of a group: cost at both scopes, and accelerators."""
    answers = []
    runs = [run for run in _compared_runs(claim.price) if run.group == claim.group]
    if claim.cost_from is not None or claim.cost_to is not None:
        others = [price for price in get_args(PriceConvention) if price != claim.price]
        answers += _group_costs(claim, runs, claim.price)
        for price in others:
            answers += _group_costs(claim, [run for run in _compared_runs(price) if run.group == claim.group], price)
    if claim.count_from is not None or claim.count_to is not None:
        counts = [run.run.count for run in runs if run.run.count is not None]
        inside = [(claim.count_from or 1) <= count <= (claim.count_to or math.inf) for count in counts]
        if inside:
            note = f"{sum(inside)} of {len(inside)} runs with a published number of accelerators"
            answers.append(Answer("number of accelerators", "final_run", sum(inside) / len(inside), note))
    if not answers:
        raise InputError(f"claim: no run of the group {claim.group} has a known value of the bounded quantity")
    return Verdict(claim, tuple(answers), ("data/measurements/published_runs.csv", "data/assumptions/development.csv"))


@lru_cache(maxsize=len(get_args(PriceConvention)))
def _compared_runs(price: PriceConvention) -> tuple[Compared, ...]:
    """Return the published runs of both groups; several claims ask for the same."""
    return tuple(frontier_against_low_cost(price=price))


def _group_costs(claim: GroupClaim, runs: Sequence[Compared], price: PriceConvention) -> list[Answer]:
    """Return the probability that the cost of a run of the group is within the bounds, by scope."""
    low, high = claim.cost_from or 0.0, math.inf if claim.cost_to is None else claim.cost_to
    answers = []
    for scope in ("final_run", "development"):
        costs = [cost for run in runs if (cost := run.cost(scope)) is not None]
        probabilities = [float(((cost.draws() >= low) & (cost.draws() <= high)).mean()) for cost in costs]
        if probabilities:
            likely = sum(probability > 0.5 for probability in probabilities)
            note = f"mean over {len(probabilities)} runs; probability above 0.5 for {likely}"
            mean = sum(probabilities) / len(probabilities)
            answers.append(Answer(f"cost of each run, {price.replace('_', ' ')} price", scope, mean, note))
    return answers
