"""Estimates of published runs from model, tokens and accelerators, next to the published figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel.comparison.costs import FINAL_RUN, Cost
from costmodel.comparison.rates import check_convention, rental
from costmodel.comparison.runs import FIGURES, PublishedRun, PublishedRuns, clipped, published_runs
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import DEFAULT_LEVEL, median
from costmodel.foundation.tables import Table, table
from costmodel.hardware.cluster import Cluster
from costmodel.hardware.site import Site
from costmodel.training.jobs.published import Run, read_runs
from costmodel.training.jobs.utilization import shipped_runs
from costmodel.training.recipes.pretraining import Pretraining
from costmodel.training.step.numerics import Precision

if TYPE_CHECKING:
    from costmodel.hardware.accelerator import Accelerator
    from costmodel.market.rental import PriceConvention

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16", "fp8")
"""Precisions that a row may state, the default first."""
USUAL_COUNT = 1024
"""Number of accelerators assumed first for a run without a published number."""
USUAL_HOURS = 30 * 24.0
"""Assumed wall time of a run without a published number of accelerators [hour]; the number follows from it."""
COMPARED = ("flops", "gpu_hours", "energy", "carbon", "cost")
"""Figures that are compared. The wall time is not: it is the GPU-hours over the number of accelerators."""
_SKIPPED = {
    "finetune": "is a fine-tune: `costmodel validate published_finetunes` estimates fine-tunes from their recipes",
    "throughput": "is a measured throughput, not a run",
    "power": "is a measured power, not a run",
    "benchmark": "is a benchmark: a job without the interruptions and failures of a run",
    "rl": "is reinforcement learning: prompts, responses and their lengths are not published",
    "distill": "is a distillation: its teacher and its cached outputs are not published",
}
"""Kinds of rows that cannot be estimated, and the reason."""


@dataclass(frozen=True, repr=False)
class Reestimate(rendering.Shown):
    """A published run with its estimate; see `reestimate`."""

    run: PublishedRun
    """Published run."""
    estimate: Estimate
    """Estimate of the run."""
    price: str
    """Source of the price, or why no price is known."""
    fitted: bool
    """Whether the default utilization was fitted on this run."""

    @checked("level")
    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per published figure, in the unit of the published figure.

        Parameters
        ----------
        level : float
            Probability inside the interval of each estimated figure [1].

        Returns
        -------
        list[dict]
            Rows with `claimed` (the published figure), `estimated`, `low`, `high`, `unit`, `ratio` (estimated /
            published) and others. `inside` tells whether the published figure is in the interval; None without an
            interval. `arithmetic` marks figures that the authors computed from other figures: they are no evidence
            for a prediction.
        """
        rows = []
        for figure in COMPARED:
            _, size, unit = FIGURES[figure]
            value, cost = self.estimate.value(figure), comparable(self.run) if figure == "cost" else None
            published = cost.usd if cost is not None else self.run.published(figure)
            if published is None or (figure == "flops" and not self.run.row["tokens"]):  # then FLOPs are an input
                continue
            note = "" if cost is None else self._cost_note(cost.basis)
            low = high = inside = ratio = estimated = None
            if cost is not None and cost.scope != self.estimate.scope:
                note = f"not compared: published scope {cost.scope}, estimated scope {self.estimate.scope}"
            elif isinstance(value, Missing):
                note = value.reason
            else:
                estimated = value / size
                low, high = (end / size for end in self.estimate.bounds(figure, level))
                inside, ratio = (low <= published <= high if low < high else None), estimated / published
            rows.append(
                {
                    "run": self.run.id,
                    "figure": figure,
                    "claimed": published,
                    "estimated": estimated,
                    "low": low,
                    "high": high,
                    "unit": unit,
                    "level": level,
                    "inside": inside,
                    "ratio": ratio,
                    "arithmetic": cost.circular if cost is not None else figure in self.run.arithmetic,
                    "fitted": self.fitted,
                    "note": note,
                }
            )
        return rows

    @checked("level")
    def unit_costs(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return published and estimated cost per FLOP, per parameter and per token.

        Parameters
        ----------
        level : float
            Probability inside the interval of each estimated unit cost [1].

        Returns
        -------
        list[dict]
            Rows with `per`, `claimed` (the published cost), `estimated`, `low` and `high` [USD per 1e18 FLOP, USD per
            parameter (all parameters), USD per million tokens]. The FLOPs are counted, not published.
        """
        scenario, cost = self.estimate.scenario, comparable(self.run)
        flops = self.estimate.value("flops")
        recipe = scenario.recipes[0]
        tokens = getattr(recipe, "tokens", None)
        sizes = {
            "USD/EFLOP": float(flops) / 1e18 if not isinstance(flops, Missing) else None,
            "USD/parameter": float(scenario.architecture.parameters.total),
            "USD/million tokens": float(tokens) / 1e6 if isinstance(tokens, float) else None,
        }
        if self.run.row["tokens"] == "":
            sizes = {"USD/EFLOP": sizes["USD/EFLOP"]}  # parameters and tokens are placeholders
        value = self.estimate.value("cost")
        ends = None if isinstance(value, Missing) else self.estimate.bounds("cost", level)
        published = cost.usd if cost is not None and cost.scope == FINAL_RUN else None
        return [
            {
                "run": self.run.id,
                "per": name,
                "claimed": None if published is None else published / size,
                "estimated": None if isinstance(value, Missing) else value / size,
                "low": ends[0] / size if ends else None,
                "high": ends[1] / size if ends else None,
                "level": level,
                "arithmetic": cost is not None and cost.circular,
            }
            for name, size in sizes.items()
            if size
        ]

    def _cost_note(self, basis: str) -> str:
        bases = f"published: {basis}, estimated: rental; " if basis not in ("rental", "") else ""
        return f"{bases}{self.price}"

    def _cells(self) -> list[dict[str, str]]:
        return [_text_row(row) for row in self.rows()]

    def _title(self) -> str:
        return self.run.id

    def _footer(self) -> str:
        return _FOOTER


class Reestimates(rendering.Shown, Sequence[Reestimate]):
    """Published runs with their estimates, and reasons for runs without an estimate; see `reestimates`."""

    def __init__(self, estimated: Iterable[Reestimate], skipped: dict[str, str], runs: PublishedRuns) -> None:
        self._estimated = tuple(estimated)
        self._names = Names("run that is estimated", {row.run.id: row for row in self._estimated})
        self.skipped = skipped
        """Why a run cannot be estimated, by its id."""
        self.runs = runs
        """All runs, with and without an estimate."""

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            return self._names.get(which, self.skipped.get(which, ""))
        return self._estimated[which]

    def __len__(self) -> int:
        return len(self._estimated)

    def __iter__(self) -> Iterator[Reestimate]:
        return iter(self._estimated)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return [row for run in self for row in run.rows()]

    @checked("level")
    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the rows of all runs; see `Reestimate.rows`."""
        return self._rows if level == DEFAULT_LEVEL else [row for run in self for row in run.rows(level)]

    def scores(self) -> list[dict[str, Any]]:
        """Return the accuracy of the estimates by figure.

        Excluded are figures that the authors computed from other figures, speculative runs, reference runs, and costs
        on another basis than rental.

        Returns
        -------
        list[dict]
            Rows with `figure`, `runs` (their number), `median_factor` (half of the estimates are within this factor of
            the published figure), `within_factor_2` and `inside` (shares of the runs), and `level`.
        """
        rows = []
        for figure in FIGURES:
            counted = [
                row
                for result in self
                if not (result.run.speculative or result.run.reference)
                for row in result.rows()
                if row["figure"] == figure
                and row["ratio"] is not None
                and not row["arithmetic"]
                and not (figure == "cost" and _basis(result.run) != "rental")
            ]
            if not counted:
                continue
            errors = [abs(math.log(row["ratio"])) for row in counted]
            inside = [row["inside"] for row in counted if row["inside"] is not None]
            rows.append(
                {
                    "figure": figure,
                    "runs": len(counted),
                    "median_factor": math.exp(median(errors)),
                    "within_factor_2": sum(error <= math.log(2) for error in errors) / len(errors),
                    "inside": sum(inside) / len(inside) if inside else None,
                    "level": DEFAULT_LEVEL,
                }
            )
        return rows

    def _cells(self) -> list[dict[str, str]]:
        return [_text_row(row) for row in self.rows()]

    def _footer(self) -> str:
        return f"{_FOOTER}\n{len(self.skipped)} runs cannot be estimated; `.skipped` gives the reasons"


_FOOTER = (
    "in brackets: 80 % intervals; * computed by the authors from other figures\n"
    "inputs of an estimate: model, tokens and accelerators, not the GPU-hours; the default utilization was fitted on "
    "runs marked 'fit' ('costmodel validate published_runs' scores each run by a leave-one-organization-out fit)"
)


def reestimate(run: PublishedRun | str, price: PriceConvention = "on_demand") -> Reestimate:
    """Estimate a published run from its model, tokens and accelerators.

    GPU-hours, cost, energy and utilization of the row are not used, so the estimate is a prediction. PUE and grid
    intensity of the row are used. The price is the market price on the day of the run (see
    `costmodel.comparison.rates.rental`).

    Parameters
    ----------
    run : PublishedRun or str
        Published run, or its id.
    price : str
        Convention of the price: "on_demand", "contract" or "published"; see `Rental`.

    Returns
    -------
    Reestimate
        `.rows()` lists published and estimated figures; `.estimate` is the complete estimate.

    Raises
    ------
    InputError
        If the row has too few facts for an estimate; the message names the missing facts.

    Examples
    --------
    >>> result = reestimate("llama3.1-405b")
    >>> row = next(row for row in result.rows() if row["figure"] == "gpu_hours")
    >>> 0.5 < row["ratio"] < 2
    True
    """
    run = published_runs()[run] if isinstance(run, str) else run
    scenario, price_source = scenario_of(run, price)
    fitted = run.id in {shipped.id for shipped in shipped_runs()}
    return Reestimate(run, estimate(scenario), price_source, fitted)


def reestimates(runs: PublishedRuns | None = None, price: PriceConvention = "on_demand") -> Reestimates:
    """Estimate published runs from their models, tokens and accelerators.

    Parameters
    ----------
    runs : PublishedRuns, optional
        Runs to estimate, as `published_runs` returns them; default all.
    price : str
        Convention of the price: "on_demand", "contract" or "published"; see `Rental`.

    Returns
    -------
    Reestimates
        A sequence of `Reestimate`; `.skipped` gives the reason for each run without an estimate.
    """
    check_convention(price)
    estimated, skipped = [], {}
    runs = published_runs() if runs is None else runs
    for run in runs:
        try:
            estimated.append(reestimate(run, price))
        except CostModelError as error:
            skipped[run.id] = str(error)
    return Reestimates(estimated, skipped, runs)


def comparable(run: PublishedRun) -> Cost | None:
    """Return the published rental cost of the final run, or else the first published cost of the run."""
    rental_costs = (cost for cost in run.costs if (cost.basis, cost.scope) == ("rental", FINAL_RUN))
    return next(rental_costs, next(iter(run.costs), None))


def _basis(run: PublishedRun) -> str:
    cost = comparable(run)
    return "" if cost is None else cost.basis


def scenario_of(run: PublishedRun, price: PriceConvention = "on_demand") -> tuple[Scenario, str]:
    """Return the scenario of a published run and the source of its price.

    Parameters
    ----------
    run : PublishedRun
        Published run.
    price : str
        Convention of the price: "on_demand", "contract" or "published"; see `Rental`.

    Returns
    -------
    scenario : Scenario
        Model, tokens, accelerators, site and rental.
    price_source : str
        Source of the price, or why no price is known.

    Raises
    ------
    InputError
        If the row has too few facts.
    """
    if run.kind in _SKIPPED:
        raise InputError(_SKIPPED[run.kind])
    inputs = inputs_of(run)
    accelerator = inputs.accelerator.name
    precision = precision_of(run, inputs.accelerator)
    count = run.count or _usual_count(inputs, precision)
    prices, price_source = rental(accelerator, run.priced_on, count, price, run.row)
    row = run.row
    site = {
        name: float(row[column])
        for name, column in (("pue", "pue"), ("grid_intensity", "grid_kg_per_kwh"))
        if row[column]
    }
    return _scenario(inputs, precision, count).replace(
        {"prices": prices, "cluster": Cluster(accelerator, count, site=Site.from_data(site))}
    ), price_source


def inputs_of(run: PublishedRun) -> Run:
    """Return model, tokens and accelerator of a run as the fit of the utilization reads them, without its GPU-hours.

    Parameters
    ----------
    run : PublishedRun
        Published run. Where only its FLOPs are known, parameters and tokens that give these FLOPs are taken.

    Raises
    ------
    InputError
        If the row has too few facts.
    """
    row = {**run.row, "kind": "pretrain", "split": "", "confidence": "A", "chip_hours": "1"}
    row["accelerator"] = row["accelerator"] or row["assumed_accelerator"]
    if not row["tokens"] and row["flops_claimed"] and "enc" not in row["arch"]:
        row |= _placeholders(float(row["flops_claimed"]), "moe" in row["arch"])
    runs, skipped = read_runs(Table("published_runs", (row,), table("measurements/published_runs").columns, ""))
    if not runs:
        raise InputError(skipped[run.id])
    return runs[0]


_PLACEHOLDER = 1e11
"""Active parameters of a run with only FLOPs known [1]. The value does not matter: the tokens follow from it."""


def _placeholders(flops: float, moe: bool) -> dict[str, str]:
    """Return parameters and tokens that give these FLOPs, for a run whose parameters and tokens are not known."""
    return {
        "params_active": repr(_PLACEHOLDER),
        "params_total": repr(_PLACEHOLDER * (10 if moe else 1)),
        "tokens": repr(flops / (6 * _PLACEHOLDER)),
        "n_layers": "",
        "d_model": "",
    }


def precision_of(run: PublishedRun, accelerator: Accelerator) -> Precision:
    """Return the precision of a run if the accelerator has a peak for it; a question mark is ignored.

    Parameters
    ----------
    run : PublishedRun
        Published run.
    accelerator : Accelerator
        Accelerator of the run.
    """
    usual = accelerator.usual_precision
    stated = next((name for name in PRECISIONS if name == run.row["precision"].rstrip("?")), usual)
    try:
        accelerator.peak(stated)
    except MissingFactError:
        return usual
    return stated


def _scenario(inputs: Run, precision: Precision, count: int) -> Scenario:
    recipe = Pretraining(tokens=inputs.tokens, sequence_length=inputs.sequence_length, precision=precision)
    cluster = Cluster(inputs.accelerator.name, count)
    return Scenario(architecture=inputs.detailed or inputs.architecture, recipe=recipe, cluster=cluster, name=inputs.id)


def _usual_count(inputs: Run, precision: Precision) -> int:
    """Return the number of accelerators for a run of usual length: a power of two, at least a node."""
    hours = estimate(_scenario(inputs, precision, USUAL_COUNT)).value("gpu_hours")
    node = Cluster(inputs.accelerator.name, 1).node_size
    usual = 0.0 if isinstance(hours, Missing) else hours / 3600 / USUAL_HOURS
    return node if usual <= node else int(2 ** round(math.log2(usual)))


def _text_row(row: dict[str, Any]) -> dict[str, str]:
    unit = row["unit"]
    published = f"{rendering.number(row['claimed'])} {unit}" + "*" * row["arithmetic"]
    estimated = "-"
    if row["estimated"] is not None:
        ends = (
            ""
            if row["low"] == row["high"]
            else (f" ({rendering.number(row['low'])} to {rendering.number(row['high'])})")
        )
        estimated = f"{rendering.number(row['estimated'])}{ends}"
    inside = {None: "-", True: "yes", False: "no"}[row["inside"]]
    return {
        "run": row["run"],
        "figure": row["figure"].replace("_", " "),
        "published": published,
        "estimated": estimated,
        "inside": inside,
        "estimated/published": "-" if row["ratio"] is None else rendering.number(row["ratio"], 2),
        "": "fit" if row["fitted"] else "",
        "note": clipped(row["note"], 70),
    }
