"""The cost of an estimate as a product of factors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from costmodel.comparison.attribution.describing import (
    Origin,
    Rate,
    model_terms,
    price_terms,
    scope_term,
    work_terms,
)
from costmodel.comparison.attribution.factors import Side, Term, constant, uncertain
from costmodel.comparison.costs import FINAL_RUN
from costmodel.estimation.chain import Missing
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.rendering import number
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from costmodel.comparison.attribution.factors import Values
    from costmodel.estimation.estimate import Estimate

_TOKENS = re.compile(r"recipe(\.\d+)?\.tokens")
"""Inputs of an estimate that hold the tokens of its recipes."""
_OWN = "your scenario"


def side_of_estimate(estimate: Estimate, scope: str, seed: int) -> Side:
    """Return an estimate as a side of an attribution.

    Parameters
    ----------
    estimate : Estimate
        Estimate of a training job.
    scope : str
        Scope of the cost.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError, MissingFactError
        If the scope of the estimate is not "final_run", or it has no cost.
    """
    scenario = estimate.scenario
    name = scenario.name or scenario.architecture.name
    if estimate.scope != FINAL_RUN:
        raise InputError(f"{name}: must be an estimate of scope final_run; got {estimate.scope}")
    hours, cost = _figure(estimate, "gpu_hours", name) / 3600, _figure(estimate, "cost", name)
    accelerator = scenario.cluster.accelerator
    parameters = scenario.architecture.parameters
    compute = _figure(estimate, "flops", name)
    tokens = _tokens(estimate)
    origin = Origin((_OWN,))
    hours_origin = Origin((f"costmodel estimate, speed {estimate.basis}",))
    terms = work_terms(compute, hours, accelerator, _precision(estimate), origin, hours_origin, Origin((_OWN,)))
    terms |= model_terms(constant(float(parameters.total)), constant(float(parameters.active)), tokens, compute, origin)
    used = _rate(estimate, cost / hours)
    unknown: dict[str, str] = {}
    try:
        on_demand = _on_demand(estimate)
    except MissingFactError as error:
        on_demand = None
        unknown = dict.fromkeys(("hardware", "price_convention"), str(error))
    other = cost / (hours * used.values)
    scoped = scope_term(scope, seed, estimate)
    terms |= price_terms(used, on_demand, accelerator)
    terms["other_costs"] = Term(other, number(other[0], 3), f"costs {number(other[0], 3)} × its rent in all", (_OWN,))
    terms["scope"] = scoped
    return Side(name, cost * scoped.values, terms, "estimate of costmodel", unknown=unknown)


def _precision(estimate: Estimate) -> str:
    """Return the precision of the first recipe if the peak of the accelerator is known for it, else the usual one."""
    accelerator, precision = estimate.scenario.cluster.accelerator, estimate.scenario.recipes[0].precision
    return precision if accelerator.supports(precision) else accelerator.usual_precision


def _figure(estimate: Estimate, figure: str, name: str) -> Values:
    """Return a figure of an estimate, its central value first, in SI units."""
    import numpy as np

    value = estimate.value(figure)
    if isinstance(value, Missing):
        raise MissingFactError(f"{name}: {figure} is not known: {value.reason}")
    values: Values = np.concatenate([[value], estimate.draws(figure)])
    return values


def _tokens(estimate: Estimate) -> Values:
    """Return the training tokens of all recipes [token]."""
    import numpy as np

    paths = [path for path in estimate.inputs if _TOKENS.fullmatch(path)]
    drawn = [np.concatenate([[estimate.inputs[path].value], estimate.draws(path)]) for path in paths]
    total: Values = np.sum(drawn, axis=0)
    return total


def _rate(estimate: Estimate, effective: Values) -> Rate:
    """Return the price of a GPU-hour: the rent, or all costs per GPU-hour where nothing is rented."""
    import numpy as np

    price = estimate.inputs.get("prices.price")
    if price is None:
        return Rate(effective, "all costs per GPU-hour", (_OWN,))
    values = np.concatenate([[price.value], estimate.draws("prices.price")]) * 3600
    note = price.provenance.note or price.provenance.kind
    return Rate(values, note, (price.provenance.source or _OWN,))


def _on_demand(estimate: Estimate) -> Rate:
    """Return the market price on demand of the day of the prices of an estimate."""
    cluster, day = estimate.scenario.cluster, getattr(estimate.scenario.prices, "on", None)
    query = Rental() if day is None else Rental(on=day)
    figure = query.figure(cluster.accelerator.name, cluster.count, cluster.node_size)
    values = uncertain("prices.price", figure.value, figure.spread, estimate.seed)
    return Rate(values, figure.provenance.note, (figure.provenance.source,), figure.provenance.caution)
