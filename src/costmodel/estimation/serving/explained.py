"""How the figures of a serving estimate follow from each other, and how each depends on the uncertain inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.estimation.chain import Missing
from costmodel.estimation.explanation import Explanation
from costmodel.estimation.serving.figures import FIGURES, figures
from costmodel.estimation.serving.inputs import POWERS, Named, errors_and_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.estimation.serving.estimate import ServingEstimate
    from costmodel.estimation.serving.figures import Deployment, Figures

_NOT_SET = {"energy_factor", "site.idle_power"}
"""Inputs that no field of a scenario sets."""
_OF_CLUSTER = {"site.grid_intensity", "site.pue", "site.power_per_gpu"}
"""Inputs that fields of the cluster set."""


class Line(NamedTuple):
    """A step of the calculation: how a figure follows from others and from inputs."""

    name: str
    """Figure, or a value between."""
    formula: str
    """How it follows, for readers."""
    needs: tuple[str, ...] = ()
    """Figures, values between and inputs that are in the formula."""
    unit: str = ""
    """Unit of a value between."""


CLOSED = (
    Line("batch", "requests at a time / replicas with requests, at most max_batch", ("max_batch",)),
    Line(
        "requests_per_second",
        "replicas × batch / (output tokens × time_per_token × time_factor)",
        ("batch", "time_per_token", "time_factor"),
    ),
)
"""Steps of a given number of requests at a time."""
OPEN = (
    Line("batch", "mean number of requests in a replica at the given rate", ("max_batch", "time_factor")),
    Line("requests_per_second", "the given rate, at most the capacity / time_factor", ("max_batch", "time_factor")),
)
"""Steps of requests that arrive at random times."""
_BILLED = ("cost_per_request", "prompt_time", "time_per_token")
LINES = (
    Line("weights", "weights on the GPUs of a replica", (), "byte"),
    Line("cache_per_request", "KV cache at the mean context of a request, copies included", (), "byte"),
    Line(
        "max_batch",
        "(usable memory of a replica - weights) / cache_per_request, at most 1,024 per rank of attention",
        ("weights", "cache_per_request"),
    ),
    Line("prompt_time", "time that a prompt takes from the replica", (), "s"),
    Line(
        "time_per_token",
        "decode step at this batch + batch / output tokens × prompt_time",
        ("batch", "prompt_time"),
        "s",
    ),
    Line("output_tokens_per_second", "requests_per_second × output tokens", ("requests_per_second",)),
    Line("input_tokens_per_second", "requests_per_second × input tokens", ("requests_per_second",)),
    Line("tokens_per_second_per_gpu", "output_tokens_per_second / GPUs", ("output_tokens_per_second",)),
    Line(
        "ttft",
        "time of the prompts in turn at this batch × ttft_factor + waiting × time_factor",
        ("batch", "prompt_time", "ttft_factor", "time_factor"),
    ),
    Line(
        "tpot",
        "(time_per_token - ttft without waiting / output tokens) × time_factor",
        ("time_per_token", "time_factor"),
    ),
    Line("tokens_per_second_per_user", "1 / tpot", ("tpot",)),
    Line("request_time", "ttft + output tokens × tpot", ("ttft", "tpot")),
    Line("load", "requests_per_second / the most that the cluster can serve", ("requests_per_second", "max_batch")),
    Line(
        "gpus_needed",
        "GPUs of the replicas that serve the load within the targets",
        ("max_batch", "time_per_token", "time_factor", "ttft_factor"),
    ),
    Line(
        "memory",
        "(weights + batch × cache_per_request) / GPUs of a replica",
        ("weights", "batch", "cache_per_request"),
    ),
    Line(
        "energy_per_token",
        "(idle power + power share × (full - idle power)) × GPUs × PUE / output_tokens_per_second × energy_factor",
        (
            *("output_tokens_per_second", "time_factor", "energy_factor"),
            *("site.power_per_gpu", "site.idle_power", "site.pue"),
        ),
    ),
    Line(
        "carbon_per_million_tokens",
        "energy_per_token × grid intensity × a million tokens",
        ("energy_per_token", "site.grid_intensity"),
    ),
    Line("cost_per_hour", "price of a GPU-hour × GPUs", ("prices.price",)),
    Line(
        "cost_per_request",
        "cost_per_hour / 3600 s / (requests_per_second × utilization)",
        ("cost_per_hour", "requests_per_second", "utilization"),
    ),
    Line("input_cost", "cost_per_request × share of uncached input in its time / tokens", _BILLED),
    Line("cached_input_cost", "cost_per_request × share of cached input in its time / tokens", _BILLED),
    Line("output_cost", "cost_per_request × share of output in its time / tokens", _BILLED),
    Line("blended_cost", "cost_per_request / (input + output tokens)", ("cost_per_request",)),
    Line(
        "full_load_cost",
        "price × GPUs of a replica / tokens per hour at the largest load within the targets",
        ("prices.price", "max_batch", "time_per_token", "time_factor", "ttft_factor"),
    ),
)
"""Steps of every load. Time shares are those of `time_split`."""


def explained(estimate: ServingEstimate, name: str, point: Figures) -> Explanation:
    """Return the steps that lead to a figure, and its inputs with their sources.

    Parameters
    ----------
    estimate : ServingEstimate
    name : str
        A key of `FIGURES`.
    point : mapping
        Figures at the medians of the inputs.
    """
    lines = _lines(estimate.deployment)
    needed = _needed(lines, name)
    between = _between(estimate.deployment, point)
    steps = []
    for line in (lines[each] for each in needed if each in lines):
        value = between.get(line.name)
        if value is None:
            figure = point[line.name]
            if isinstance(figure, Missing):
                continue
            value = float(figure[0])
        output = FIGURES.get(line.name)
        unit = line.unit if output is None else {"ms": "s", "count": ""}.get(output.rendered, output.rendered)
        steps.append({"name": line.name, "value": value, "unit": unit, "formula": line.formula})
    inputs = tuple(_input(path, estimate.inputs[path]) for path in estimate.inputs if path in needed)
    return Explanation(name, tuple(row for row in inputs if row is not None), tuple(steps))


def swings(estimate: ServingEstimate, name: str) -> list[dict[str, Any]]:
    """Return the figure with each of its uncertain inputs at its 10 % and 90 % quantile, the largest swing first.

    Parameters
    ----------
    estimate : ServingEstimate
    name : str
        A key of `FIGURES`.
    """
    rows: list[dict[str, Any]] = []
    needed = _needed(_lines(estimate.deployment), name)
    for path, entry in estimate.inputs.items():
        figure = entry.figure
        if path not in needed or path in POWERS or isinstance(figure, Missing) or figure.spread is None:
            continue
        ends = []
        for probability in (0.1, 0.9):
            value = figure.spread.quantile(probability)
            changed = {**estimate.inputs, path: Named(figure._replace(value=value, spread=None), entry.unit)}
            found = figures(estimate.deployment, estimate.limits, *errors_and_prices(changed, 1, 0))[name]
            ends.append(np.inf if isinstance(found, Missing) else float(found[0]))
        swing = abs(ends[1] - ends[0]) if np.isfinite(ends).all() else np.inf if ends[0] != ends[1] else 0.0
        unit = FIGURES[name].unit
        rows.append({"input": path, "low": ends[0], "high": ends[1], "swing": float(swing), "unit": unit})
    endless = sum(np.isinf(row["swing"]) for row in rows)
    total = sum(row["swing"] ** 2 for row in rows)
    for row in rows:
        if endless:
            row["share"] = float(np.isinf(row["swing"])) / endless
        else:
            row["share"] = row["swing"] ** 2 / total if total else 0.0
    return sorted(rows, key=lambda row: -row["swing"])


def _lines(deployment: Deployment) -> dict[str, Line]:
    """Return the steps of a load by name."""
    return {line.name: line for line in (*LINES, *(CLOSED if deployment.rate is None else OPEN))}


def _needed(lines: Mapping[str, Line], name: str) -> list[str]:
    """Return the names that a figure needs, itself last, each after what it needs."""
    order: dict[str, None] = {}

    def visit(each: str) -> None:
        for need in lines[each].needs if each in lines else ():
            if need not in order:
                visit(need)
        order[each] = None

    visit(name)
    return list(order)


def _between(deployment: Deployment, point: Figures) -> dict[str, float]:
    """Return the values between the figures, in SI units."""
    served, batch = deployment.served, point["batch"]
    assert not isinstance(batch, Missing)
    return {
        "weights": served.weights,
        "cache_per_request": served.cache,
        "prompt_time": served.prompt,
        "time_per_token": float(served.seconds(max(float(batch[0]), 1.0))),
    }


def _input(path: str, entry: Named) -> dict[str, Any] | None:
    """Return the row of an input; None if it is not known."""
    figure = entry.figure
    if isinstance(figure, Missing):
        return None
    value, spread, provenance = figure
    interval = None if spread is None else [spread.quantile(0.1), spread.quantile(0.9)]
    unit = "" if entry.unit == "1" else entry.unit
    shown = f"cluster.{path}" if path in _OF_CLUSTER else path
    row = {"path": shown, "settable": path not in _NOT_SET, "value": value, "unit": unit, "interval": interval}
    return {**row, **provenance._asdict()}
