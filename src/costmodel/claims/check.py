"""Probability of a claim, under each set of assumptions and each scope."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel._version import __version__
from costmodel.claims.claim import Claim, CostClaim, DeclineClaim, GroupClaim
from costmodel.comparison.development import development_cost
from costmodel.comparison.frontier import frontier_against_low_cost
from costmodel.foundation import rendering
from costmodel.foundation.arrays import exp
from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import fingerprint
from costmodel.projection.decline.factors import algorithms, declines, factor
from costmodel.projection.decline.models import decline_model
from costmodel.projection.project import project_cost, wrong_draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

PATHS = 20_000
MATURE, MATURE_DECLINED = 2.0, 2.0
"""Age of a capability that is called mature [year], and its decline of ln cost so far: GPT-4 class at its last point
in `data/measurements/cost_decline.csv`, 1.8 years and 2.0."""


class Answer(NamedTuple):
    """The probability of a claim under one set of assumptions."""

    assumptions: str
    scope: str
    probability: float
    note: str = ""


class Verdict(rendering.Shown):
    """Probability of a claim: `probability` under the best calibrated method, and `answers` under all."""

    def __init__(self, claim: Claim, answers: tuple[Answer, ...], sources: tuple[str, ...]) -> None:
        self.claim, self.answers, self.sources = claim, answers, sources

    @property
    def probability(self) -> float:
        """Of the first answer, that of the account that was calibrated best."""
        return self.answers[0].probability

    @property
    def hinges_on(self) -> list[tuple[str, float]]:
        """Other assumptions with the probability under each, by decreasing difference from `probability`."""
        others = [(f"{one.assumptions}, {one.scope.replace('_', ' ')}", one.probability) for one in self.answers[1:]]
        return sorted(others, key=lambda pair: -abs(pair[1] - self.probability))

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers as rows: assumptions, scope, probability, note."""
        return [one._asdict() for one in self.answers]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "version": __version__, "data_hash": fingerprint(), "claim": self.claim.to_data(),
            "probability": self.probability, "answers": self.rows(), "sources": list(self.sources),
        }  # fmt: skip

    def _title(self) -> str:
        return f"“{self.claim.text}”"

    def _cells(self) -> list[dict[str, str]]:
        return [{"assumptions": one.assumptions, "scope": one.scope.replace("_", " "),
                 "probability": f"{one.probability:.2f}", "note": one.note} for one in self.answers]  # fmt: skip

    def _footer(self) -> str:
        lines = [*self.sources, f"costmodel {__version__}, data {fingerprint()}"]
        if self.hinges_on:
            name, chance = self.hinges_on[0]
            lines.insert(0, f"assumption that changes the probability most: {name} ({chance:.2f})")
        return "\n".join(lines)


def check_claim(claim: Claim | Mapping[str, Any], paths: int = PATHS, seed: int = 0) -> Verdict:
    """Return the probability of a claim, under several sets of assumptions.

    Parameters
    ----------
    claim : CostClaim, DeclineClaim or GroupClaim, or data that describe one
    paths : number of draws
    seed : of the draws

    Raises
    ------
    InputError
        If it is no claim, or the claim cannot be projected.
    UnknownNameError, MissingFactError
        If no capability of that name is known, or no cost of it by that year.

    Examples
    --------
    >>> said = CostClaim(text="GPT-4 for less than 10 million", reference="GPT-4 class", below="10 MUSD", by=2027)
    >>> check_claim(said).probability > 0.9
    True
    """
    from costmodel.claims.claim import read_claim

    if problems := wrong_draws(paths, seed):
        raise InputError(problems)
    read = read_claim(claim)
    if isinstance(read, CostClaim):
        return _cost(read, paths, seed)
    return _decline(read, paths, seed) if isinstance(read, DeclineClaim) else _group(read)


def _cost(claim: CostClaim, paths: int, seed: int) -> Verdict:
    """Return the answers for a cost: end to end, by factors in both regimes, on hardware alone; at both scopes."""
    accounts: list[tuple[str, dict[str, Any]]] = [
        ("end to end, as other capabilities declined", {"method": "end-to-end"}),
        ("factors, fast algorithms (Ho et al. 2024)", {"method": "factors", "regime": "fast"}),
        ("factors, slow algorithms (Gundlach et al. 2025)", {"method": "factors", "regime": "slow"}),
    ]
    projected = [
        (name, project_cost(claim.reference, [claim.by], question="capability", paths=paths, seed=seed, **how))
        for name, how in accounts
    ]
    alone = projected[0][1]
    past = dt.date(claim.by, 12, 31) <= alone.reference
    held = alone.draws(claim.by) if past else alone.today * exp(-_hardware(alone.reference, claim.by, paths, seed))
    costs = [(name, one.draws(claim.by)) for name, one in projected]
    answers = [
        Answer(name, scope, float((drawn <= claim.below).mean()))
        for name, each in [*costs, ("hardware price-performance only, no algorithmic progress", held)]
        for scope, drawn in _scopes(each, alone.scope, seed)
    ]
    order = sorted(answers, key=lambda one: one.scope != "final_run")
    return Verdict(
        claim,
        tuple(order),
        ("data/fitted/decline.csv", "data/assumptions/cost_factors.csv", "data/assumptions/development.csv"),
    )


def _scopes(costs: np.ndarray, scope: str, seed: int) -> list[tuple[str, np.ndarray]]:
    """Return the costs at their scope and, of a final run, with the development that it takes."""
    if scope == "development":
        return [("development", costs)]
    import numpy as np

    ratio = development_cost(1.0, seed=seed).draws()
    return [("final_run", costs), ("development", costs * np.resize(ratio, costs.shape))]


def _hardware(reference: dt.date, by: int, paths: int, seed: int) -> np.ndarray:
    years = (dt.date(by, 12, 31) - reference).days / 365.25
    found: np.ndarray = declines({"hardware": (factor("hardware"),)}, [years], paths, seed)["hardware"][:, 0]
    return found


def _decline(claim: DeclineClaim, paths: int, seed: int) -> Verdict:
    """Return the answers for a fall by a factor: within the longer span, and not before the shorter one."""
    import numpy as np

    spans, needed = [claim.soonest, claim.latest], math.log(claim.factor)
    models = [
        ("any capability, history not known", decline_model(None)),
        (f"a capability {MATURE:g} years old", decline_model("capability", age=MATURE, declined=MATURE_DECLINED)),
        ("a new capability", decline_model("capability", age=0.0, declined=0.0)),
    ]
    rows: list[tuple[str, np.ndarray]] = []
    for name, model in models:
        rows.append((f"end to end: {name}", model.paths(spans, paths, np.random.default_rng(seed))))
    for regime in ("fast", "slow"):
        parts = {"algorithms": algorithms(regime), "hardware": (factor("hardware"),)}
        drawn = declines(parts, spans, paths, seed)
        rows.append((f"factors, {regime} algorithms and hardware", drawn["algorithms"] + drawn["hardware"]))
    answers = []
    for name, falls in rows:
        by_latest, by_soonest = float((falls[:, 1] >= needed).mean()), float((falls[:, 0] >= needed).mean())
        note = f"within {claim.soonest:g} years {by_soonest:.2f}, within {claim.latest:g} years {by_latest:.2f}"
        answers.append(Answer(name, "final_run", by_latest, note))
    return Verdict(claim, tuple(answers), ("data/fitted/decline.csv", "data/assumptions/cost_factors.csv"))


def _group(claim: GroupClaim) -> Verdict:
    """Return the share of the runs of a group for which the bounds hold: their sums at both scopes, their number."""
    runs = [one for one in frontier_against_low_cost() if one.group == claim.group]
    answers = []
    if claim.cost_from is not None or claim.cost_to is not None:
        low, high = claim.cost_from or 0.0, claim.cost_to or math.inf
        for scope in ("final_run", "development"):
            costs = [
                cost for one in runs if (cost := one.final if scope == "final_run" else one.development) is not None
            ]
            chances = [float(((cost.draws() >= low) & (cost.draws() <= high)).mean()) for cost in costs]
            if chances:
                note = f"mean over {len(chances)} runs; more likely than not for {sum(each > 0.5 for each in chances)}"
                answers.append(
                    Answer("dollars of each run, with its interval", scope, sum(chances) / len(chances), note)
                )
    if claim.count_from is not None or claim.count_to is not None:
        counts = [one.run.count for one in runs if one.run.count is not None]
        inside = [(claim.count_from or 1) <= count <= (claim.count_to or math.inf) for count in counts]
        if inside:
            note = f"{sum(inside)} of {len(inside)} runs whose number is published"
            answers.append(Answer("number of accelerators", "final_run", sum(inside) / len(inside), note))
    if not answers:
        raise InputError("a claim about a group bounds its dollars or its accelerators, and runs of it are known")
    return Verdict(claim, tuple(answers), ("data/measurements/published_runs.csv", "data/assumptions/development.csv"))
