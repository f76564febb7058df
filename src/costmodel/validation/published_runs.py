"""Error of GPU-hours and costs of published pretraining runs, predicted from model, tokens and accelerator alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from costmodel.comparison.rates import check_convention, rental
from costmodel.comparison.runs import PublishedRun
from costmodel.foundation.errors import MissingFactError
from costmodel.foundation.ranges import Interval, between
from costmodel.foundation.tables import default
from costmodel.training.jobs.generation_efficiency import efficiency_row, interval, is_measured
from costmodel.training.jobs.modeled_runs import modeled_run
from costmodel.training.jobs.published import Run, by_organization, read_runs
from costmodel.training.jobs.realized_efficiency import realized_efficiency
from costmodel.training.jobs.utilization import Utilization, fit_utilization, shipped_runs
from costmodel.validation.columns import PUBLISHED_RUNS, check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from costmodel.foundation.tables import Row, Table
    from costmodel.market.rental import PriceConvention


def validate_published_runs(table: Table, price: PriceConvention | None = None) -> dict[str, Any]:
    """Score the default utilization on a table of pretraining runs, and the dollars in a price convention.

    The layout is planned where the layers of the model are known and steps were measured on the generation of the
    accelerator; otherwise the utilization is that of the class, or of the generation where its throughput was
    published, as in `estimate`. A run that the defaults were fitted
    on is predicted by a fit without its organization, any other run by the shipped defaults. Families are
    organizations: their runs share a set-up.

    Parameters
    ----------
    table : Table
        Rows with the columns of `data/measurements/published_runs.csv`.
    price : str, optional
        "on_demand", "contract" or "published" (see `Rental`): scores in `cost` the predicted GPU-hours times that price
        against the published rental costs. With "published", only the GPU-hours differ.
    """
    if price is not None:
        check_convention(price)
    check_columns(table, PUBLISHED_RUNS)
    fitted_on, goodput = shipped_runs(), default("goodput").value
    by_class = fit_utilization(fitted_on, goodput)
    organizations = {run.id: run.organization for run in fitted_on}
    left_out = {
        name: fit_utilization([run for run in fitted_on if run.organization != name], goodput, sd=by_class.sd)
        for name in by_organization(fitted_on)
    }
    runs, skipped = read_runs(table)
    shipped = {(run.id, run.gpu_hours): run for run in fitted_on}  # with their software
    by_id = {run.id: shipped.get((run.id, run.gpu_hours), run) for run in runs}
    cases = []
    for row in table.rows:
        run = by_id.get(row["id"])
        if run is None:
            cases.append(Case(row["id"], row["org"], skipped=skipped[row["id"]]))
        else:
            organization = organizations.get(run.id, "")
            cases.append(_case(run, left_out.get(organization, by_class), organization))
    scored = report("published_runs", cases)
    if price is not None:
        costs = [_cost(row, case, price) for row, case in zip(table.rows, cases, strict=True)]
        scored["cost"] = {**report(f"published_runs, {price} price", costs), "price": price}
    return scored


def _cost(row: Row, hours: Case, price: PriceConvention) -> Case:
    """Return the case of the cost of a run, from the case of its GPU-hours."""
    if hours.skipped is not None or hours.predicted is None:
        return Case(hours.id, hours.family, skipped=hours.skipped)
    if not (row["cost_usd"] and row["cost_basis"] == "rental" and row["cost_scope"] == "final_run"):
        return Case(hours.id, hours.family, skipped="no rental cost of the final run is published")
    run = PublishedRun(row, ())
    count = run.count or 1
    prices, source = rental(row["accelerator"], run.priced_on, count, price, row)
    try:
        figure = prices.figure(row["accelerator"], count, 1)
    except MissingFactError:
        return Case(hours.id, hours.family, skipped=f"{source}")
    intervals = {}
    for level, (low, high) in hours.intervals.items():
        at_price = figure.spread.quantile((1 + level) / 2) if figure.spread is not None else figure.value
        far = [math.hypot(math.log(end / hours.predicted), math.log(at_price / figure.value)) for end in (low, high)]
        usd = hours.predicted * figure.value
        intervals[level] = usd / math.exp(far[0]), usd * math.exp(far[1])
    return Case(hours.id, hours.family, hours.predicted * figure.value, float(row["cost_usd"]), intervals)


def _case(run: Run, by_class: Utilization, left_out: str) -> Case:
    """Predict the GPU-hours of a run with fits without an organization, if one is named."""
    modeled = modeled_run(run)
    intervals = {}
    if modeled is not None:
        efficiency = realized_efficiency("pretraining", modeled.accelerators, left_out, run.moe)
        assert efficiency.spread is not None
        hours = modeled.gpu_hours(run)
        for level in LEVELS:
            low, high = (efficiency.spread.quantile((1 + side * level) / 2) for side in (-1, 1))
            intervals[level] = hours / high, hours / low
        return Case(run.id, run.organization, hours / efficiency.value, run.gpu_hours, intervals)
    most = run.flops / (run.accelerator.peak() * default("goodput").value * 3600)
    for level in LEVELS:
        mfu = _class_mfu(run, by_class, level)
        intervals[level] = most / mfu.high, most / mfu.low
    return Case(run.id, run.organization, most / mfu.median(), run.gpu_hours, intervals)


def _class_mfu(run: Run, by_class: Utilization, level: float) -> Interval:
    """Return the interval of the MFU of a class [1]: by generation where its throughput was published."""
    if not is_measured(run.accelerator):
        return by_class.mfu(run.moe, run.accelerator.generation, level)
    active = float(run.architecture.parameters.active)
    low, high = interval(efficiency_row(run.moe, run.accelerator), active, level)
    return between(low, high, level=level).settled("logitnormal")
