"""The cost of a published run as a product of factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from costmodel.architecture.flops import flops_per_token
from costmodel.comparison.attribution.describing import (
    Origin,
    Rate,
    model_terms,
    price_terms,
    scope_term,
    work_terms,
)
from costmodel.comparison.attribution.factors import Side, Term, constant, uncertain
from costmodel.comparison.costs import FINAL_RUN, Cost
from costmodel.comparison.development import GUESSED
from costmodel.comparison.reestimation import comparable, inputs_of, precision_of, reestimate
from costmodel.estimation.other_lines import development_fact
from costmodel.foundation.errors import CostModelError, MissingFactError
from costmodel.foundation.ranges import Range, between
from costmodel.foundation.rendering import amount
from costmodel.foundation.tables import Figure, Provenance, table
from costmodel.hardware.accelerator import Accelerator, load_accelerator
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from costmodel.comparison.attribution.factors import Values
    from costmodel.comparison.runs import PublishedRun
    from costmodel.market.rental import PriceConvention

_FULL_PASSES = ("pretrain", "pretrain+midtrain+posttrain")
"""Kinds of runs whose FLOPs are those of full training on their tokens."""
GUESSED_FIGURES = ("total_parameters", "active_parameters", "tokens", "utilization")
"""Figures of `data/assumptions/guessed_runs.csv`; an attribution uses the guesses of a run if it has all of them."""


@dataclass(frozen=True)
class _Work:
    """Work and GPU-hours of a run."""

    terms: dict[str, Term]
    hours: Values
    """GPU-hours [hour]."""
    by_library: bool
    """Whether this library estimates the GPU-hours."""
    count: int
    """Number of accelerators."""
    unknown: dict[str, str]
    """Reasons why factors are not known."""


def side_of_run(run: PublishedRun, price: PriceConvention, scope: str, seed: int) -> Side:
    """Return a published run as a side of an attribution.

    Parameters
    ----------
    run : PublishedRun
        Published run.
    price : str
        Convention of the price: "on_demand", "contract" or "published".
    scope : str
        Scope of the cost.
    seed : int
        Seed of the draws.

    Raises
    ------
    MissingFactError
        If the cost of the final run or the GPU-hours are not known.
    """
    name = run.row["accelerator"] or run.row["assumed_accelerator"]
    if not name:
        raise MissingFactError(f"{run.id}: its accelerator is not published, so its cost has no factors")
    accelerator = load_accelerator(name)
    work = _work(run, accelerator, seed)
    used, basis = _price(run, accelerator.name, work, price, seed)
    unknown = dict(work.unknown)
    try:
        on_demand = _market(run, accelerator.name, work.count, "on_demand", seed)
    except MissingFactError as error:
        on_demand = None
        unknown |= dict.fromkeys(("hardware", "price_convention"), str(error))
    scoped = scope_term(scope, seed)
    terms = work.terms | price_terms(used, on_demand, accelerator) | {"scope": scoped, "other_costs": _no_other()}
    return Side(run.model, work.hours * used.values * scoped.values, terms, basis, run.row["confidence"], unknown)


@lru_cache(maxsize=64)
def guesses(run_id: str) -> dict[str, Figure]:
    """Return the guesses of outsiders about a run whose model and data are not published; empty if there are none.

    Parameters
    ----------
    run_id : str
        Name of the row of `data/measurements/published_runs.csv`.

    Examples
    --------
    >>> guesses("gpt-4")["tokens"].value
    13000000000000.0
    """
    figures = {}
    for row in table("assumptions/guessed_runs").rows:
        if row["id"] == run_id:
            interval = between(float(row["low"]), float(row["high"]), level=float(row["level"]))
            spread = interval.settled("logitnormal" if row["shape"] == "logitnormal" else "lognormal")
            provenance = Provenance("assumed", row["source"], note=row["note"])
            figures[row["figure"]] = Figure(float(row["value"]), spread, provenance)
    return figures


def _no_other() -> Term:
    return Term(constant(1.0), "none", "pays the rent alone", ("definition of a published cost",))


def _work(run: PublishedRun, accelerator: Accelerator, seed: int) -> _Work:
    """Return work and GPU-hours: guessed, published, or estimated by this library."""
    precision = precision_of(run, accelerator)
    guessed, hours = guesses(run.id), run.published("gpu_hours")
    if hours is not None and all(figure in guessed for figure in GUESSED_FIGURES):
        return _guessed_work(run, guessed, hours, accelerator, precision, seed)
    total, active, tokens, compute, unknown = _model(run)
    origin = Origin((run.row["source"],), run.speculative)
    spread: Range | None = None
    count, by_library = run.count or 1, hours is None
    if hours is None:
        try:
            estimate = reestimate(run).estimate
            drawn = _estimated_hours(estimate)
        except CostModelError as error:
            raise MissingFactError(
                f"{run.id}: its GPU-hours are not published and cannot be estimated: {error}"
            ) from None
        count = estimate.scenario.cluster.count
        hours_origin = Origin(("costmodel estimate of the run",), False, "GPU-hours estimated, not published")
    elif run.speculative:
        spread = development_fact(GUESSED).spread
        drawn = hours * uncertain(f"hours of {run.id}", 1.0, spread, seed)
        hours_origin = Origin((run.row["source"],), True, "GPU-hours guessed by outsiders")
        compute = None if compute is None else compute * drawn / drawn[0]
    else:
        drawn, hours_origin = constant(hours), origin
    terms = work_terms(compute, drawn, accelerator, precision, origin, hours_origin, _precision_origin(run))
    if total is not None and active is not None and tokens is not None and compute is not None:
        terms |= model_terms(constant(total), constant(active), constant(tokens), compute, origin)
    return _Work(terms, drawn, by_library, count, unknown)


def _guessed_work(
    run: PublishedRun, guessed: dict[str, Figure], hours: float, accelerator: Accelerator, precision: str, seed: int
) -> _Work:
    """Return work and GPU-hours of a run from guesses of its model, its data and its utilization."""
    drawn = {
        name: uncertain(f"{name} of {run.id}", figure.value, figure.spread, seed) for name, figure in guessed.items()
    }
    total, active, tokens = (drawn[name] for name in ("total_parameters", "active_parameters", "tokens"))
    compute = 6 * active * tokens  # Kaplan et al. 2020: attention and the shape of the model are not known
    relative = drawn["utilization"] / drawn["utilization"][0]
    peak = accelerator.peak(precision)
    used = compute[0] / (hours * 3600 * peak) * relative  # the central GPU-hours are those of the row
    gpu_hours = compute / (used * peak * 3600)
    sources = (guessed[name].provenance.source for name in GUESSED_FIGURES[:3])
    model = Origin(tuple(dict.fromkeys(sources)), True, "guessed by outsiders, not confirmed by its makers")
    by = (run.row["source"], guessed["utilization"].provenance.source)
    at_work = Origin(by, True, "GPU-hours guessed by outsiders")
    terms = work_terms(compute, gpu_hours, accelerator, precision, model, at_work, _precision_origin(run))
    terms |= model_terms(total, active, tokens, compute, model)
    return _Work(terms, gpu_hours, False, run.count or 1, {})


def _model(
    run: PublishedRun,
) -> tuple[float | None, float | None, float | None, Values | None, dict[str, str]]:
    """Return total and active parameters, tokens and FLOPs as far as they are published, and reasons for the others."""
    names = ("total_parameters", "sparsity", "active_parameters", "tokens", "flops_per_parameter")
    claimed = run.published("flops")
    compute = None if claimed is None else constant(claimed)
    if run.kind not in _FULL_PASSES:
        reason = f"the work of a run of kind {run.kind} is not published in tokens and parameters"
    elif not (run.row["tokens"] and run.row["params_active"]):
        reason = "its tokens or its active parameters are not published"
    else:
        try:
            inputs = inputs_of(run)
        except CostModelError as error:
            reason = str(error)
        else:
            counted = float(flops_per_token(inputs.detailed or inputs.architecture, inputs.sequence_length))
            parameters = inputs.architecture.parameters
            active, total = float(parameters.active), float(parameters.total)
            unknown = {}
            if not run.row["params_total"]:
                unknown = dict.fromkeys(("total_parameters", "sparsity"), "its total parameters are not published")
            return total, active, inputs.tokens, constant(inputs.tokens * counted), unknown
    unknown = dict.fromkeys(names, reason)
    if compute is None:
        unknown |= dict.fromkeys(("compute", "precision", "utilization"), reason)
    return None, None, None, compute, unknown


def _estimated_hours(estimate: object) -> Values:
    """Return GPU-hours of an estimate, its central value first [hour]."""
    import numpy as np

    from costmodel.estimation.estimate import Estimate

    assert isinstance(estimate, Estimate)
    central = estimate.known_value("gpu_hours") / 3600
    return np.concatenate([[central], estimate.draws("gpu_hours") / 3600])


def _precision_origin(run: PublishedRun) -> Origin:
    stated = run.row["precision"]
    assumed = "" if stated and not stated.endswith("?") else "precision not published, the usual one assumed"
    return Origin((run.row["source"], "data/facts/accelerators.csv"), run.speculative, assumed)


def _market(run: PublishedRun, accelerator: str, count: int, price: PriceConvention, seed: int) -> Rate:
    """Return the market price of the day of a run, or its proxy."""
    if run.priced_on is None:
        raise MissingFactError("the day of the run is not known, so its price is not known")
    query = Rental(on=run.priced_on, convention=price)
    figure, known = query.figure(accelerator, count, 1), query.lookup_or_proxy(accelerator, count)
    values = uncertain("prices.price", figure.value, figure.spread, seed)
    note = f"{known.proxy or known.provider} on {run.priced_on}"
    return Rate(values, note, (figure.provenance.source,), known.proxy)


def _price(run: PublishedRun, accelerator: str, work: _Work, price: PriceConvention, seed: int) -> tuple[Rate, str]:
    """Return the price that makes up the cost, and what the cost is."""
    if price != "published":
        try:
            rate = _market(run, accelerator, work.count, price, seed)
        except MissingFactError as error:
            raise MissingFactError(f"{run.id}: {error}") from None
        return rate, f"GPU-hours × price, {price.replace('_', ' ')}"
    cost = _published_cost(run)
    if cost is None:
        raise MissingFactError(f"{run.id}: no cost of its final run is published; take price 'contract' or 'on_demand'")
    values = cost.usd / work.hours if work.by_library else constant(cost.usd / work.hours[0])
    note = f"{cost.basis}, {cost.by}"
    return Rate(values, note, (cost.source,)), f"published: {amount(cost.usd, 'USD')} ({note})"


def _published_cost(run: PublishedRun) -> Cost | None:
    """Return the published rental cost of the final run, or else another published cost of the final run."""
    candidates = (comparable(run), *run.costs)
    return next((cost for cost in candidates if cost is not None and cost.scope == FINAL_RUN), None)
