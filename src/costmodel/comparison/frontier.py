"""Frontier and low-cost runs against published statements on their cost and their number of accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.comparison.costs import DEVELOPMENT, DRAWS, FINAL_RUN, Cost
from costmodel.comparison.development import GUESSED, DevelopmentCost, development_cost, development_fact
from costmodel.comparison.rates import rental
from costmodel.comparison.reestimation import reestimate
from costmodel.comparison.runs import PublishedRun, PublishedRuns, published_runs
from costmodel.foundation import rendering
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.names import Names
from costmodel.foundation.ranges import DEFAULT_LEVEL, draws, median, samples

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate


class Band(NamedTuple):
    """What a sentence says of a group: accelerators and dollars, from and to; None is open."""

    least_count: float
    most_count: float | None
    least_usd: float
    most_usd: float | None


SENTENCE = {"frontier": Band(10_000, None, 100e6, None), "low_cost": Band(1_000, 2_048, 5e6, 10e6)}
"""Frontier models: 100 million dollars and 10,000 accelerators or more; low-cost ones: 5 to 10 million and 1,000 to
2,000 accelerators, of which a cluster of a power of two has 2,048."""


@dataclass(frozen=True)
class Compared:
    """A run of one of the two groups, with its cost at both scopes."""

    run: PublishedRun
    group: str
    hours_by: str
    """Where its GPU-hours come from: published, guessed by outsiders, estimated here; "" where none are known."""
    hours: tuple[float, float, float] | None
    """GPU-hours: value, low and high [hour]."""
    final: Cost | None
    """The final run at the rental price of its day; as published where no GPU-hours follow from anything."""
    development: DevelopmentCost | None
    price: str
    """Whose price it is, or why there is none."""

    @property
    def count_holds(self) -> bool | None:
        """Whether its accelerators are as many as the sentence says; None where they are not published."""
        band = SENTENCE[self.group]
        return None if self.run.count is None else _within(self.run.count, band.least_count, band.most_count)

    def chance(self, scope: str) -> float | None:
        """Return the probability that the cost of a scope is what the sentence says; None where it is not known."""
        import numpy as np

        cost = self.final if scope == FINAL_RUN else self.development
        if cost is None:
            return None
        band, drawn = SENTENCE[self.group], cost.draws()
        return float(np.mean((drawn >= band.least_usd) & (drawn <= (band.most_usd or np.inf))))

    def row(self, level: float = DEFAULT_LEVEL) -> dict[str, Any]:
        """Return the run as a row; dollars in USD, GPU-hours in hours."""
        ends = {
            name: ((None,) * 3 if cost is None else (cost.usd, *cost.interval(level)))
            for name, cost in (("final", self.final), ("development", self.development))
        }
        hours = self.hours or (None, None, None)
        said = [f"{cost.shown()} ({cost.scope.replace('_', ' ')}, {cost.basis}, {cost.by})" for cost in self.run.costs]
        return {
            "group": self.group, "run": self.run.id, "organization": self.run.organization,
            "date": self.run.row["date"],
            "accelerator": self.run.row["accelerator"] or self.run.row["assumed_accelerator"] or None,
            "count": self.run.count, "count_holds": self.count_holds,
            "gpu_hours": hours[0], "gpu_hours_low": hours[1], "gpu_hours_high": hours[2], "hours_by": self.hours_by,
            "final_usd": ends["final"][0], "final_low": ends["final"][1], "final_high": ends["final"][2],
            "final_chance": self.chance(FINAL_RUN),
            "development_usd": ends["development"][0], "development_low": ends["development"][1],
            "development_high": ends["development"][2], "development_chance": self.chance(DEVELOPMENT),
            "level": level, "price": self.price, "published": "; ".join(said), "confidence": self.run.row["confidence"],
            "group_reason": self.run.row["group_reason"], "source": self.run.row["source"],
        }  # fmt: skip


class FrontierTable(Sequence[Compared]):
    """The runs of both groups with what the sentence says of them; see `frontier_against_low_cost`."""

    def __init__(self, found: Sequence[Compared]) -> None:
        self._found = tuple(found)
        self._names = Names("run of a group", {one.run.id: one for one in self._found})

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            return self._names.get(which)
        return self._found[which]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Compared]:
        return iter(self._found)

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per run; see `Compared.row`."""
        return [one.row(level) for one in self]

    def summary(self) -> list[dict[str, Any]]:
        """Return for each group and each part of the sentence how many runs it holds for.

        A cost holds for a run if it is more likely than not inside; `expected` is the sum of the chances over
        the runs of which it is known.
        """
        rows = []
        for group in SENTENCE:
            runs = [one for one in self if one.group == group]
            counts = [one.count_holds for one in runs if one.count_holds is not None]
            middle = [float(one.run.count) for one in runs if one.run.count is not None]
            rows.append({"group": group, "says": _said_count(group), "of": "accelerators", "runs": len(counts),
                         "hold": sum(counts), "expected": float(sum(counts)),
                         "median": median(middle) if middle else None})  # fmt: skip
            for scope in (FINAL_RUN, DEVELOPMENT):
                chances = [chance for one in runs if (chance := one.chance(scope)) is not None]
                costs = [cost.usd for one in runs
                         if (cost := one.final if scope == FINAL_RUN else one.development) is not None]  # fmt: skip
                rows.append({"group": group, "says": _said_usd(group), "of": scope, "runs": len(chances),
                             "hold": sum(chance > 0.5 for chance in chances), "expected": sum(chances),
                             "median": median(costs) if costs else None})  # fmt: skip
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame, indexed by group and run."""
        try:
            import pandas
        except ImportError:
            raise MissingFactError("to_frame needs pandas: pip install 'costmodel[pandas]'") from None
        return pandas.DataFrame(self.rows()).set_index(["group", "run"])

    def __str__(self) -> str:
        return "\n\n".join([rendering.text(self._shown()), rendering.text(self._summed(), footer=self._footer())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return rendering.html_table(self._shown()) + rendering.html_table(self._summed(), footer=self._footer())

    def to_markdown(self) -> str:
        """Return both tables as Markdown."""
        return f"{rendering.markdown(self._shown())}\n\n{rendering.markdown(self._summed(), self._footer())}"

    def _shown(self) -> list[dict[str, str]]:
        return [_shown(row) for row in self.rows()]

    def _summed(self) -> list[dict[str, str]]:
        return [
            {"group": row["group"].replace("_", " "), "the sentence": f"{row['says']}, {row['of'].replace('_', ' ')}",
             "holds for": f"{row['hold']} of {row['runs']}", "expected": rendering.number(row["expected"], 2),
             "median": "-" if row["median"] is None else _median(row)}
            for row in self.summary()
        ]  # fmt: skip

    def _footer(self) -> str:
        return (
            "in brackets: 80 % intervals; final run: GPU-hours × the on-demand rent of the day; development: "
            "development_cost(final run), staff included\n"
            "GPU-hours are those published, guessed by outsiders (confidence C, with the spread of such guesses), or "
            "estimated here; long contracts cost less than on demand"
        )


def frontier_against_low_cost(runs: PublishedRuns | None = None, seed: int = 0) -> FrontierTable:
    """Return what frontier and low-cost models cost, at both scopes, against a sentence that is often heard.

    "Legacy frontier models cost 100 million dollars or more on 10,000 accelerators or more; low-cost ones 5
    to 10 million on 1,000 to 2,000." Which group a run belongs to stands in the column `group` of
    `data/measurements/published_runs.csv`, with its reason: training compute above or below 1e25 FLOP, not the cost.

    Parameters
    ----------
    runs : what `published_runs` returns; those without a group are left aside
    seed : of the draws

    Returns
    -------
    FrontierTable
        A sequence, also by id; `.rows()`, `.summary()`, `.to_frame()`.

    Raises
    ------
    InputError
        If no run has a group.

    Examples
    --------
    >>> found = frontier_against_low_cost()
    >>> found["deepseek-v3"].count_holds, found["llama3.1-405b"].chance("development") > 0.9
    (True, True)
    """
    chosen = [run for run in (published_runs() if runs is None else runs) if run.row["group"]]
    if not chosen:
        raise InputError("no run of a group is among these: the column `group` tells which have one")
    compared = [_compared(run, seed) for run in chosen]
    return FrontierTable(sorted(compared, key=lambda one: (list(SENTENCE).index(one.group), one.run.place_in_time)))


def _compared(run: PublishedRun, seed: int) -> Compared:
    import numpy as np

    found, hours_by, estimated = _hours(run, seed)
    if found is None:
        final = next((cost for cost in run.costs if cost.scope == FINAL_RUN), None)
        whole = None if final is None else development_cost(final, seed=seed)
        return Compared(run, run.row["group"], "", None, final, whole, "as published: no GPU-hours are known")
    value, drawn = found
    low, high = (float(end) for end in np.quantile(drawn, [0.1, 0.9]))
    name = run.row["accelerator"] or run.row["assumed_accelerator"]
    count = run.count or estimated
    prices, whose = rental(name, run.priced_on, count)
    try:
        figure = prices.figure(name, count, 1)
    except MissingFactError as error:
        return Compared(run, run.row["group"], hours_by, (value, low, high), None, None, str(error))
    rates = figure.value if figure.spread is None else draws("prices.price", figure.spread, DRAWS, seed)
    spread = samples(np.broadcast_to(drawn * rates, (DRAWS,)).tolist())
    final = Cost(value * figure.value, FINAL_RUN, "GPU-hours × rent of the day", "costmodel", "rental", run.year,
                 source=figure.provenance.source, spread=spread)  # fmt: skip
    return Compared(
        run, run.row["group"], hours_by, (value, low, high), final, development_cost(final, seed=seed), whose
    )  # fmt: skip


def _hours(run: PublishedRun, seed: int) -> tuple[tuple[float, NDArray[np.float64]] | None, str, int]:
    """Return the GPU-hours of a run and their draws [hour], where they come from, and the accelerators."""
    import numpy as np

    claimed = run.claimed("gpu_hours")
    if claimed is not None and not run.speculative:
        return (claimed, np.full(DRAWS, claimed)), "published", run.count or 1
    if claimed is not None:
        factor = development_fact(GUESSED).spread
        assert factor is not None  # every assumed fact of the table has one
        return (claimed, claimed * draws(f"hours of {run.id}", factor, DRAWS, seed)), "guessed", run.count or 1
    try:
        made: Estimate = reestimate(run).estimate
    except CostModelError:
        return None, "", 1
    return ((made.gpu_hours.to("hour").magnitude, made.draws("gpu_hours", DRAWS) / 3600), "estimated",
            made.scenario.cluster.count)  # fmt: skip


def _within(value: float, least: float, most: float | None) -> bool:
    return value >= least and (most is None or value <= most)


def _said_count(group: str) -> str:
    band = SENTENCE[group]
    return f"{band.least_count:,.0f} or more" if band.most_count is None else f"{band.least_count:,.0f} to 2,000"


def _said_usd(group: str) -> str:
    band = SENTENCE[group]
    least = rendering.amount(band.least_usd, "USD")
    return f"{least} or more" if band.most_usd is None else f"{least} to {rendering.amount(band.most_usd, 'USD')}"


def _median(row: dict[str, Any]) -> str:
    return f"{row['median']:,.0f}" if row["of"] == "accelerators" else rendering.amount(row["median"], "USD")


def _shown(row: dict[str, Any]) -> dict[str, str]:
    count = "-" if row["count"] is None else f"{row['count']:,}"
    hours = "-" if row["gpu_hours"] is None else rendering.amount(row["gpu_hours"] * 3600, "GPU-s").split()[0]
    return {
        "group": row["group"].replace("_", " "), "run": row["run"], "date": row["date"], "accelerators": count,
        "of": row["accelerator"] or "-", "GPU-hours": f"{hours} {row['hours_by']}".strip(),
        "final run": _interval(row, "final"), "inside": _chance(row["final_chance"]),
        "development": _interval(row, "development"), "inside ": _chance(row["development_chance"]),
        "confidence": row["confidence"],
    }  # fmt: skip


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}_{part}"] for part in ("usd", "low", "high"))
    if value is None:
        return "-"
    shown = rendering.amount(value, "USD")
    return shown if low == high else f"{shown} ({rendering.amount(low, 'USD')} to {rendering.amount(high, 'USD')})"


def _chance(chance: float | None) -> str:
    return "-" if chance is None else f"{chance:.0%}"
