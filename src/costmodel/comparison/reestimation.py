"""Estimates of published runs from model, tokens and accelerators, next to the published figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from costmodel.comparison.costs import FINAL_RUN, Cost
from costmodel.comparison.rates import rental
from costmodel.comparison.runs import FIGURES, PublishedRun, PublishedRuns, clipped, published_runs
from costmodel.estimation.chain import Missing
from costmodel.estimation.estimate import Estimate, estimate
from costmodel.estimation.scenario import Scenario
from costmodel.foundation import rendering
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
    import pandas as pd

PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16", "fp8")
"""Number formats that a row may state, the usual one first."""
USUAL_COUNT = 1024
"""Accelerators of a run of which no number is published, to begin with."""
USUAL_HOURS = 30 * 24.0
"""Length of a run of which no number of accelerators is published: tells that number [hour]."""
COMPARED = ("flops", "gpu_hours", "energy", "carbon", "cost")
"""Figures that are compared; the wall time is the GPU-hours over the accelerators."""
_SKIPPED = {
    "finetune": "is a fine-tune: `costmodel validate published_finetunes` estimates those from their recipes",
    "throughput": "is a throughput, no run",
    "power": "is a measured power, no run",
    "benchmark": "is a benchmark: a job without the stops and failures of a run",
    "rl": "reinforcement learning: prompts, answers and their lengths are not published",
    "distill": "a distillation: its teacher and what was cached are not published",
}
"""Kinds of rows that no recipe follows from, and why."""


@dataclass(frozen=True)
class Reestimate:
    """A published run beside the estimate that the library gives for it; see `reestimate`."""

    run: PublishedRun
    estimate: Estimate
    price: str
    """Whose price it is, or why there is none."""
    fitted: bool
    """Whether the run is among those that the default utilization was fitted on."""

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per figure that is claimed, in the unit of the row.

        `inside` tells whether the claim lies in the interval; None where there is none. `arithmetic` marks
        claims that follow by arithmetic from others of the run: they say nothing about a prediction.
        """
        rows = []
        for figure in COMPARED:
            _, size, unit = FIGURES[figure]
            value, cost = self.estimate.value(figure), comparable(self.run) if figure == "cost" else None
            claimed = cost.usd if cost is not None else self.run.claimed(figure)
            if claimed is None or (figure == "flops" and not self.run.row["tokens"]):  # then they were told
                continue
            note = "" if cost is None else self._note_on(cost.basis)
            low = high = inside = ratio = shown = None
            if cost is not None and cost.scope != self.estimate.scope:
                note = f"of scope {cost.scope}, the estimate of {self.estimate.scope}: not compared"
            elif isinstance(value, Missing):
                note = value.reason
            else:
                shown = value / size
                low, high = (end / size for end in self.estimate.bounds(figure, level))
                inside, ratio = (low <= claimed <= high if low < high else None), shown / claimed
            rows.append({
                "run": self.run.id, "figure": figure, "claimed": claimed, "estimated": shown, "low": low, "high": high,
                "unit": unit, "level": level, "inside": inside, "ratio": ratio,
                "arithmetic": cost.circular if cost is not None else figure in self.run.arithmetic,
                "fitted": self.fitted, "note": note,
            })  # fmt: skip
        return rows

    def unit_costs(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return dollars per FLOP, per parameter and per token: claimed, and estimated with an interval.

        Units: USD per 1e18 FLOP, per parameter of the whole model, per million tokens; the FLOPs are counted.
        """
        scenario, cost = self.estimate.scenario, comparable(self.run)
        flops = self.estimate.value("flops")
        recipe = scenario.recipes[0]
        tokens = getattr(recipe, "tokens", None)
        sizes = {"USD/EFLOP": float(flops) / 1e18 if not isinstance(flops, Missing) else None,
                 "USD/parameter": float(scenario.architecture.parameters.total),
                 "USD/million tokens": float(tokens) / 1e6 if isinstance(tokens, float) else None}  # fmt: skip
        if self.run.row["tokens"] == "":
            sizes = {"USD/EFLOP": sizes["USD/EFLOP"]}  # parameters and tokens stand in for the FLOPs
        value = self.estimate.value("cost")
        ends = None if isinstance(value, Missing) else self.estimate.bounds("cost", level)
        claimed = cost.usd if cost is not None and cost.scope == FINAL_RUN else None
        return [
            {"run": self.run.id, "per": name, "claimed": None if claimed is None else claimed / size,
             "estimated": None if isinstance(value, Missing) else value / size,
             "low": ends[0] / size if ends else None, "high": ends[1] / size if ends else None, "level": level,
             "arithmetic": cost is not None and cost.circular}
            for name, size in sizes.items() if size
        ]  # fmt: skip

    def _note_on(self, basis: str) -> str:
        apart = f"claimed: {basis}, estimated: rent; " if basis not in ("rental", "") else ""
        return f"{apart}{self.price}"

    def __str__(self) -> str:
        return rendering.text([_shown(row) for row in self.rows()], title=self.run.id, footer=_FOOTER)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return rendering.html_table([_shown(row) for row in self.rows()], title=self.run.id, footer=_FOOTER)


class Reestimates(Sequence[Reestimate]):
    """Published runs beside their estimates, and why others have none; see `reestimates`."""

    def __init__(self, found: Iterable[Reestimate], skipped: dict[str, str], runs: PublishedRuns) -> None:
        self._found = tuple(found)
        self._names = Names("run that is estimated", {one.run.id: one for one in self._found})
        self.skipped = skipped
        """Why a run cannot be estimated, by its id."""
        self.runs = runs
        """All runs that were asked for."""

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            return self._names.get(which, self.skipped.get(which, ""))
        return self._found[which]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Reestimate]:
        return iter(self._found)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return [row for one in self for row in one.rows()]

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return the rows of each run; see `Reestimate.rows`."""
        return self._rows if level == DEFAULT_LEVEL else [row for one in self for row in one.rows(level)]

    def scores(self) -> list[dict[str, Any]]:
        """Return by figure how near the estimates are to claims that are evidence.

        Left out are arithmetic of the authors, speculative runs, runs for reference, and costs on another
        basis than rent. The error is the factor by which half of the estimates are off, at most.
        """
        rows = []
        for figure in FIGURES:
            counted = [row for one in self if not (one.run.speculative or one.run.reference) for row in one.rows()
                       if row["figure"] == figure and row["ratio"] is not None and not row["arithmetic"]
                       and not (figure == "cost" and _basis(one.run) != "rental")]  # fmt: skip
            if not counted:
                continue
            errors = [abs(math.log(row["ratio"])) for row in counted]
            judged = [row["inside"] for row in counted if row["inside"] is not None]
            rows.append({"figure": figure, "runs": len(counted), "median_factor": math.exp(median(errors)),
                         "within_factor_2": sum(error <= math.log(2) for error in errors) / len(errors),
                         "inside": sum(judged) / len(judged) if judged else None, "level": DEFAULT_LEVEL})  # fmt: skip
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame."""
        try:
            import pandas
        except ImportError:
            raise MissingFactError("to_frame needs pandas: pip install 'costmodel[pandas]'") from None
        return pandas.DataFrame(self.rows())

    def __str__(self) -> str:
        return rendering.text([_shown(row) for row in self.rows()], footer=self._footer())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return rendering.html_table([_shown(row) for row in self.rows()], footer=self._footer())

    def _footer(self) -> str:
        return f"{_FOOTER}\n{len(self.skipped)} runs cannot be estimated; `.skipped` says why"


_FOOTER = (
    "in brackets: 80 % intervals; * claim is arithmetic of its authors\n"
    "estimates are told model, tokens and accelerators, not the hours; the default utilization was fitted on runs "
    "marked 'fit' (costmodel validate published_runs scores each run by a fit without its organization)"
)


def reestimate(run: PublishedRun | str) -> Reestimate:
    """Estimate a published run anew, from its model, tokens and accelerators alone.

    GPU-hours, dollars, energy and utilization of the row are not told, so that the estimate is a
    prediction; PUE and grid of the row are. The price is that of the market on the day of the run
    (see `costmodel.comparison.rates.rental`).

    Parameters
    ----------
    run : a published run, or its id

    Returns
    -------
    Reestimate
        `.rows()`: claimed against estimated figures; `.estimate` is the whole estimate.

    Raises
    ------
    InputError
        If the row does not say enough for an estimate, with what is missing.

    Examples
    --------
    >>> found = reestimate("llama3.1-405b")
    >>> row = next(row for row in found.rows() if row["figure"] == "gpu_hours")
    >>> 0.5 < row["ratio"] < 2
    True
    """
    run = published_runs()[run] if isinstance(run, str) else run
    scenario, price = scenario_of(run)
    fitted = run.id in {one.id for one in shipped_runs()}
    return Reestimate(run, estimate(scenario), price, fitted)


def reestimates(runs: PublishedRuns | None = None) -> Reestimates:
    """Estimate published runs anew: all of them unless given.

    Parameters
    ----------
    runs : what `published_runs` returns

    Returns
    -------
    Reestimates
        A sequence of `Reestimate`; `.skipped` says why the others cannot be estimated.
    """
    found, skipped = [], {}
    runs = published_runs() if runs is None else runs
    for run in runs:
        try:
            found.append(reestimate(run))
        except CostModelError as error:
            skipped[run.id] = str(error)
    return Reestimates(found, skipped, runs)


def comparable(run: PublishedRun) -> Cost | None:
    """Return the published cost that compares best with a rent of the final run: such a rent, else the first."""
    rents = (cost for cost in run.costs if (cost.basis, cost.scope) == ("rental", FINAL_RUN))
    return next(rents, next(iter(run.costs), None))


def _basis(run: PublishedRun) -> str:
    cost = comparable(run)
    return "" if cost is None else cost.basis


def scenario_of(run: PublishedRun) -> tuple[Scenario, str]:
    """Return the question that a published run asks, and whose price it is asked at.

    Raises
    ------
    InputError
        If its row does not say enough.
    """
    if run.kind in _SKIPPED:
        raise InputError(_SKIPPED[run.kind])
    read = _read(run)
    accelerator = read.accelerator.name
    precision = _precision(run, read)
    count = run.count or _usual_count(read, precision)
    prices, whose = rental(accelerator, run.priced_on, count)
    row = run.row
    site = {name: float(row[column]) for name, column in (("pue", "pue"), ("grid_intensity", "grid_kg_per_kwh"))
            if row[column]}  # fmt: skip
    return _scenario(read, precision, count).replace(
        {"prices": prices, "cluster": Cluster(accelerator, count, site=Site(**site))}
    ), whose


def _read(run: PublishedRun) -> Run:
    """Return the run as the fit of the utilization reads it, but without the hours that it took."""
    row = {**run.row, "kind": "pretrain", "split": "", "confidence": "A", "chip_hours": "1"}
    row["accelerator"] = row["accelerator"] or row["assumed_accelerator"]
    if not row["tokens"] and row["flops_claimed"] and "enc" not in row["arch"]:
        row |= _standing_for(float(row["flops_claimed"]), "moe" in row["arch"])
    runs, skipped = read_runs(Table("published_runs", (row,), table("measurements/published_runs").columns, ""))
    if not runs:
        raise InputError(skipped[run.id])
    return runs[0]


_STAND_IN = 1e11
"""Active parameters where only the FLOPs are known: any will do, since the tokens follow from them [1]."""


def _standing_for(flops: float, mixture: bool) -> dict[str, str]:
    """Return counts that give these FLOPs, where neither parameters nor tokens are known."""
    return {"params_active": repr(_STAND_IN), "params_total": repr(_STAND_IN * (10 if mixture else 1)),
            "tokens": repr(flops / (6 * _STAND_IN)), "n_layers": "", "d_model": ""}  # fmt: skip


def _precision(run: PublishedRun, read: Run) -> Precision:
    """Return the number format that the row states, a question mark aside, where the device has a peak for it."""
    stated = next((each for each in PRECISIONS if each == run.row["precision"].rstrip("?")), PRECISIONS[0])
    try:
        read.accelerator.peak(stated)
    except MissingFactError:
        return PRECISIONS[0]
    return stated


def _scenario(read: Run, precision: Precision, count: int) -> Scenario:
    recipe = Pretraining(tokens=read.tokens, sequence_length=read.sequence_length, precision=precision)
    cluster = Cluster(read.accelerator.name, count)
    return Scenario(architecture=read.detailed or read.architecture, recipe=recipe, cluster=cluster, name=read.id)


def _usual_count(read: Run, precision: Precision) -> int:
    """Return how many accelerators a run takes that is as long as usual: a power of two, whole nodes at least."""
    hours = estimate(_scenario(read, precision, USUAL_COUNT)).value("gpu_hours")
    node = Cluster(read.accelerator.name, 1).node_size
    usual = 0.0 if isinstance(hours, Missing) else hours / 3600 / USUAL_HOURS
    return node if usual <= node else int(2 ** round(math.log2(usual)))


def _shown(row: dict[str, Any]) -> dict[str, str]:
    unit = row["unit"]
    claimed = f"{rendering.number(row['claimed'])} {unit}" + "*" * row["arithmetic"]
    made = "-"
    if row["estimated"] is not None:
        ends = "" if row["low"] == row["high"] else (
            f" ({rendering.number(row['low'])} to {rendering.number(row['high'])})")  # fmt: skip
        made = f"{rendering.number(row['estimated'])}{ends}"
    inside = {None: "-", True: "yes", False: "no"}[row["inside"]]
    return {"run": row["run"], "figure": row["figure"].replace("_", " "), "claimed": claimed, "estimated": made,
            "inside": inside, "estimated/claimed": "-" if row["ratio"] is None else rendering.number(row["ratio"], 2),
            "": "fit" if row["fitted"] else "", "note": clipped(row["note"], 70)}  # fmt: skip
