"""Error of the price per solved task of published evaluation runs, predicted from their tokens and list prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.choosing.models import model_named
from costmodel.choosing.performance import requests_of
from costmodel.choosing.scores import Score, score_of
from costmodel.comparison.serving.options import HostedAPI
from costmodel.comparison.serving.workload import ServingWorkload
from costmodel.foundation.columns import TEXT, Schema
from costmodel.foundation.errors import CostModelError, MissingFactError
from costmodel.foundation.ranges import median
from costmodel.market.api_prices import api_price, api_providers
from costmodel.validation.columns import check_columns
from costmodel.validation.scores import LEVELS, Case, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.foundation.tables import Row, Table

    Array = NDArray[np.float64]

REQUIRED = (
    *("id", "model", "model_released", "benchmark", "score", "unit", "standard_error", "n", "date", "as_of"),
    *("evaluator", "collected_by", "effort", "cases", "cost_usd", "input_tokens", "output_tokens"),
    *("usd_per_million_input", "usd_per_million_output", "license", "source", "note"),
)
COLUMNS = Schema("benchmark scores", dict.fromkeys(REQUIRED, TEXT), REQUIRED)
"""Columns of benchmark scores."""
CERTAIN = 0.8
"""Probability from which the order of two runs counts as predicted [1]."""


class _Run(NamedTuple):
    """A run with its price per task where no or all input comes from the cache of prompts, by provider [USD]."""

    id: str
    score: Score
    uncached: Array
    cached: Array

    @property
    def published(self) -> float:
        """Published price of a task [USD]."""
        return self.score.usd or 0.0

    def cost(self, share: float) -> Array:
        """Return the price of a task at a share of cached input, by provider [USD]."""
        return self.uncached + share * (self.cached - self.uncached)

    @property
    def cached_share(self) -> float:
        """Share of cached input that explains the published price best, 0 to 1 [1]."""
        full, least = median(self.uncached.tolist()), median(self.cached.tolist())
        if full <= least:
            return 0.0
        return min(max((full - self.published) / (full - least), 0.0), 1.0)

    @property
    def rest(self) -> float:
        """Published price over that at the share of cached input [1]."""
        return self.published / median(self.cost(self.cached_share).tolist())


def validate_evaluations(rows: Table) -> dict[str, Any]:
    """Score the price per solved task of runs with published dollars and tokens.

    The prediction is tokens × price / score, at the prices that the evaluator states, or at list prices. No run
    publishes the share of its input that came from the cache of prompts: it is that of the other runs of the same
    evaluator, which also give the interval, together with the providers of a model that its maker does not sell.
    `uncached` bills all input as new; `list_prices` uses the newest list prices for all runs. Families are evaluators.
    `ranking` compares the order of the prices per solved task with the published one, by pairs of runs of a benchmark.

    Parameters
    ----------
    rows : Table
        Rows with the columns of `data/facts/benchmark_scores.csv`; those without dollars or tokens are left out.

    Returns
    -------
    dict
        In the format of `report`, with `uncached`, `list_prices` and `ranking`.

    Raises
    ------
    InputError
        If a column is missing or unknown.
    """
    check_columns(rows, COLUMNS)
    known = [row for row in rows.rows if row["cost_usd"] and row["input_tokens"] and row["output_tokens"]]
    stated, skipped = _runs(known, stated=True)
    listed, _ = _runs(known, stated=False)
    predictions = [_predicted(run, stated) for run in stated]
    cases = [_case(run, draws) for run, draws in zip(stated, predictions, strict=True)]
    return {
        **report("evaluations", [*cases, *skipped]),
        "uncached": report("evaluations uncached", [_case(run, run.uncached) for run in stated]),
        "list_prices": report("evaluations at list prices", [_case(run, _predicted(run, listed)) for run in listed]),
        "ranking": _ranking(stated, predictions),
    }


def _runs(rows: Sequence[Row], stated: bool) -> tuple[list[_Run], list[Case]]:
    """Return the runs with a price, at the prices of their evaluator where it states them, and those without."""
    runs, skipped = [], []
    for row in rows:
        try:
            runs.append(_run(row, stated))
        except CostModelError as error:
            skipped.append(Case(row["id"], row["evaluator"], skipped=str(error)))
    return runs, skipped


def _run(row: Row, stated: bool) -> _Run:
    """Return a run with the prices of a task, or raise where no price is known."""
    score = score_of(row)
    found = model_named(score.model)
    if found.api is None:
        raise MissingFactError(f"no price: {found.reason or 'not in the price tables'}")
    inputs, outputs = score.input_tokens or 0.0, score.output_tokens or 0.0
    requests = requests_of(inputs)
    hosts = [HostedAPI(model=found.api, provider=provider) for provider in _providers(found.api)]
    if stated and row["usd_per_million_input"]:
        hosts = [_at_stated_price(host, row) for host in hosts]
    usd: dict[float, list[float]] = {0.0: [], 1.0: []}
    for host in hosts:
        for share, prices in usd.items():
            workload = ServingWorkload(
                requests_per_month=1,
                input_tokens=inputs / requests,
                output_tokens=outputs / requests,
                peak_to_mean=1,
                cached_share=share,
            )
            prices.append(requests * host.bill(workload).usd_per_request)
    return _Run(row["id"], score, np.array(usd[0.0]), np.array(usd[1.0]))


def _at_stated_price(host: HostedAPI, row: Row) -> HostedAPI:
    """Return an option at the prices of the evaluator; cached input keeps its ratio to new input of the list."""
    price = host.price()
    given = float(row["usd_per_million_input"])
    cached, new = price.usd_per_million_cached_input, price.usd_per_million_input
    return HostedAPI(
        model=host.model,
        usd_per_million_input=given,
        usd_per_million_output=float(row["usd_per_million_output"]),
        usd_per_million_cached_input=None if cached is None else given * cached / new,
    )


def _providers(model: str) -> list[str]:
    """Return the maker of a model if it sells it, or all its providers."""
    try:
        return [api_price(model).provider]
    except CostModelError:
        return api_providers(model)


def _predicted(run: _Run, runs: Sequence[_Run]) -> Array:
    """Return equally likely prices of a task, by provider and by other run of the same evaluator [USD]."""
    others = [other for other in runs if other is not run and other.score.evaluator == run.score.evaluator]
    return np.concatenate([run.cost(other.cached_share) * other.rest for other in others] or [run.uncached])


def _case(run: _Run, draws: Array) -> Case:
    """Return the predicted and the published price of a solved task [USD]."""
    solved = draws / run.score.value
    bounds = {
        level: (float(np.quantile(solved, (1 - level) / 2)), float(np.quantile(solved, (1 + level) / 2)))
        for level in LEVELS
    }
    return Case(run.id, run.score.evaluator, float(np.median(solved)), run.published / run.score.value, bounds)


def _ranking(runs: Sequence[_Run], predictions: Sequence[Array]) -> dict[str, Any]:
    """Return how many pairs of runs of a benchmark have the published order, and how many predicted with certainty."""
    right, certain = [], []
    solved = [draws / run.score.value for run, draws in zip(runs, predictions, strict=True)]
    for place, run in enumerate(runs):
        for other in range(place + 1, len(runs)):
            if runs[other].score.benchmark != run.score.benchmark:
                continue
            probability = float(np.mean(solved[place][:, None] < solved[other][None, :]))
            cheaper = run.published / run.score.value < runs[other].published / runs[other].score.value
            agrees = (probability > 0.5) == cheaper
            right.append(agrees)
            if max(probability, 1 - probability) >= CERTAIN:
                certain.append(agrees)
    return {
        "pairs": len(right),
        "as_published": sum(right) / len(right) if right else None,
        "certain_pairs": len(certain),
        "certain_as_published": sum(certain) / len(certain) if certain else None,
    }
