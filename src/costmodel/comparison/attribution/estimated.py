"""The cost of an estimate as a product of factors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from costmodel.comparison.attribution.describing import (
    Origin,
    Rate,
    model_terms,
    price_terms,
    work_terms,
)
from costmodel.comparison.attribution.factors import Side, Term, constant, uncertain
from costmodel.comparison.costs import DEVELOPMENT
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate
from costmodel.estimation.estimate import estimate as estimate_of
from costmodel.foundation.errors import InputError, MissingFactError
from costmodel.foundation.rendering import number
from costmodel.market.rental import Rental

if TYPE_CHECKING:
    from costmodel.comparison.attribution.factors import Values
    from costmodel.estimation.scenario import Scope

_TOKENS = re.compile(r"recipe(\.\d+)?\.tokens")
"""Inputs of an estimate that hold the tokens of its recipes."""
_OWN = "your scenario"
_AROUND = "other_costs."
"""Inputs of the lines of a bill for what stands around a run."""
_DEVELOPMENT_LINES = ("experiments", "failed_runs", "rd_staff")
"""Lines that a development has beyond its final run."""
_PURCHASES = "purchases"
"""Line of what recipes buy."""


class _Bill(NamedTuple):
    """Parts of the cost of an estimate [USD]."""

    accelerators: Values
    """Rent, or cost of owned accelerators."""
    final_run: Values
    """Cost of the final run, all its lines included."""


def side_of_estimate(estimate: Estimate, scope: Scope) -> Side:
    """Return an estimate as a side of an attribution.

    Parameters
    ----------
    estimate : Estimate
        Estimate of a training job.
    scope : str
        Scope of the cost; of an estimate of a final run, the development is that of its scenario.

    Raises
    ------
    InputError, MissingFactError
        If the estimate is of a development and a final run is asked for, or it has no cost.
    """
    scenario = estimate.scenario
    name = scenario.name or scenario.architecture.name
    if estimate.scope == DEVELOPMENT != scope:
        raise InputError(f"{name}: scope must be development, as in the scenario; got {scope}")
    if scope != estimate.scope:
        estimate = estimate_of(scenario.replace(scope=scope))
    hours, cost = _figure(estimate, "gpu_hours", name) / 3600, _figure(estimate, "cost", name)
    accelerator = scenario.cluster.accelerator
    parameters = scenario.architecture.parameters
    compute = _figure(estimate, "flops", name)
    tokens = _tokens(estimate)
    origin = Origin((_OWN,))
    hours_origin = Origin((f"costmodel estimate, speed {estimate.basis}",))
    terms = work_terms(compute, hours, accelerator, _precision(estimate), origin, hours_origin, Origin((_OWN,)))
    terms |= model_terms(constant(float(parameters.total)), constant(float(parameters.active)), tokens, compute, origin)
    bill = _bill(estimate, cost)
    used = _rate(estimate, bill.accelerators / hours)
    unknown: dict[str, str] = {}
    try:
        on_demand = _on_demand(estimate)
    except MissingFactError as error:
        on_demand = None
        unknown = dict.fromkeys(("hardware", "price_convention"), str(error))
    terms |= price_terms(used, on_demand, accelerator)
    other = bill.final_run / bill.accelerators
    terms["other_costs"] = Term(
        other, number(other[0], 3), f"costs {number(other[0], 3)} × its accelerators in the final run", (_OWN,)
    )
    terms["scope"] = _scope(estimate, bill, cost)
    return Side(name, cost, terms, "estimate of costmodel", unknown=unknown)


def _bill(estimate: Estimate, cost: Values) -> _Bill:
    """Return the cost of accelerators and of the final run, from the lines of the bill of an estimate."""
    accelerators, development = constant(0.0), constant(0.0)
    for line in estimate.lines:
        around = any(path.startswith(_AROUND) for path in line.inputs)
        if around and line.name in _DEVELOPMENT_LINES and estimate.scope == DEVELOPMENT:
            development = development + _line(estimate, line.name)
        elif not around and line.name != _PURCHASES:
            accelerators = accelerators + _line(estimate, line.name)
    return _Bill(accelerators, cost - development)


def _line(estimate: Estimate, name: str) -> Values:
    """Return a line of a bill, its central value first [USD]."""
    return _figure(estimate, f"cost.{name}", estimate.title())


def _scope(estimate: Estimate, bill: _Bill, cost: Values) -> Term:
    """Return the term of the scope: what the lines of a development add to those of its final run."""
    values = cost / bill.final_run
    if estimate.scope != DEVELOPMENT:
        return Term(values, "final run", "counts the final run alone", (_OWN,))
    phrase = f"counts the total development, {number(values[0], 3)} × the final run"
    assumed = dict.fromkeys(
        entry.provenance.source
        for path, entry in estimate.inputs.items()
        if path.startswith(_AROUND) and entry.provenance.source
    )
    return Term(values, "development", phrase, (*assumed, _OWN))


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
    """Return the price of a GPU-hour: the rent, or the cost of owned accelerators per GPU-hour."""
    price = estimate.inputs.get("prices.price")
    if price is None:
        return Rate(effective, "owned", (_OWN,))
    note = price.provenance.note or price.provenance.kind
    return Rate(effective, note, (price.provenance.source or _OWN,))


def _on_demand(estimate: Estimate) -> Rate:
    """Return the market price on demand of the day of the prices of an estimate."""
    cluster, day = estimate.scenario.cluster, getattr(estimate.scenario.prices, "on", None)
    query = Rental() if day is None else Rental(on=day)
    figure = query.figure(cluster.accelerator.name, cluster.count, cluster.node_size)
    values = uncertain("prices.price", figure.value, figure.spread, estimate.seed)
    return Rate(values, figure.provenance.note, (figure.provenance.source,), figure.provenance.caution)
