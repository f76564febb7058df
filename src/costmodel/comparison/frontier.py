"""Frontier and low-cost runs against published statements on their cost and their number of accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from costmodel.comparison.costs import DEVELOPMENT, DRAWS, FINAL_RUN, Cost
from costmodel.comparison.development import GUESSED, DevelopmentCost, development_cost
from costmodel.comparison.rates import check_convention, rental
from costmodel.comparison.reestimation import comparable, reestimate
from costmodel.comparison.runs import PublishedRun, PublishedRuns, published_runs
from costmodel.estimation.other_lines import development_fact
from costmodel.foundation import markup, rendering
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import CostModelError, InputError, MissingFactError
from costmodel.foundation.names import Names
from costmodel.foundation.plain_data import plain
from costmodel.foundation.ranges import DEFAULT_LEVEL, draws, median, samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.estimation.estimate import Estimate
    from costmodel.market.rental import PriceConvention


class Band(NamedTuple):
    """Bounds on a group of runs: number of accelerators and cost; None means unbounded."""

    least_count: float
    """Lower bound of the number of accelerators [1]."""
    most_count: float | None
    """Upper bound of the number of accelerators [1]."""
    least_usd: float
    """Lower bound of the cost [USD]."""
    most_usd: float | None
    """Upper bound of the cost [USD]."""


STATEMENT = {"frontier": Band(10_000, None, 100e6, None), "low_cost": Band(1_000, 2_048, 5e6, 10e6)}
"""Bounds of the statement by group. Frontier models: at least 100 million dollars and 10,000 accelerators. Low-cost
models: 5 to 10 million dollars and 1,000 to 2,000 accelerators; 2,048 is the next power of two."""


_PRICES = {
    "on_demand": "GPU-hours × market price on demand of the day",
    "contract": "GPU-hours × market price of a one-year commitment of the day",
    "published": "GPU-hours × the price that the publication itself used, or else the published cost",
}
"""The cost of the final run by price convention, in words."""


@dataclass(frozen=True)
class Compared:
    """A run of one of the two groups with its cost at both scopes."""

    run: PublishedRun
    """Published run."""
    group: str
    """"frontier" or "low_cost"."""
    hours_by: str
    """Origin of the GPU-hours: "published", "guessed" by outsiders, "estimated" by this library; "" if not known."""
    hours: tuple[float, float, float] | None
    """GPU-hours: value, low and high end of the 80 % interval [hour]."""
    final: Cost | None
    """Cost of the final run at the price of the convention; the published cost if no GPU-hours are known."""
    development: DevelopmentCost | None
    """Total development cost; None if the cost of the final run is not known."""
    price: str
    """Source of the price, with its proxy where it has one, or why no price is known."""
    usd_per_gpu_hour: float | None = None
    """Price of a GPU-hour [USD/hour]; None if no price was used."""
    convention: PriceConvention = "on_demand"
    """Convention of the price."""

    @property
    def count_holds(self) -> bool | None:
        """Whether the number of accelerators is within the bounds; None if it is not published."""
        band = STATEMENT[self.group]
        return None if self.run.count is None else _within(self.run.count, band.least_count, band.most_count)

    def cost(self, scope: str) -> Cost | None:
        """Return the cost of a scope.

        Parameters
        ----------
        scope : str
            "final_run" or "development".
        """
        return self.final if scope == FINAL_RUN else self.development

    def probability(self, scope: str) -> float | None:
        """Return the probability that the cost is within the bounds of the group.

        Parameters
        ----------
        scope : str
            "final_run" or "development".

        Returns
        -------
        float or None
            Probability [1]; None if the cost is not known.
        """
        import numpy as np

        cost = self.cost(scope)
        if cost is None:
            return None
        band, usd = STATEMENT[self.group], cost.draws()
        return float(np.mean((usd >= band.least_usd) & (usd <= (band.most_usd or np.inf))))

    chance = probability
    """Old name of `probability`."""

    def row(self, level: float = DEFAULT_LEVEL) -> dict[str, Any]:
        """Return the run as a row.

        Parameters
        ----------
        level : float
            Probability inside the intervals of costs and GPU-hours [1].

        Returns
        -------
        dict
            Costs [USD], GPU-hours [hour], number of accelerators, probabilities and sources.
        """
        ends = {
            name: ((None,) * 3 if cost is None else (cost.usd, *cost.interval(level)))
            for name, cost in (("final", self.final), ("development", self.development))
        }
        hours = self.hours or (None, None, None)
        published = [
            f"{cost.shown()} ({cost.scope.replace('_', ' ')}, {cost.basis}, {cost.by})" for cost in self.run.costs
        ]
        return {
            "group": self.group,
            "run": self.run.id,
            "organization": self.run.organization,
            "date": self.run.row["date"],
            "accelerator": self.run.row["accelerator"] or self.run.row["assumed_accelerator"] or None,
            "count": self.run.count,
            "count_holds": self.count_holds,
            "gpu_hours": hours[0],
            "gpu_hours_low": hours[1],
            "gpu_hours_high": hours[2],
            "hours_by": self.hours_by,
            "final_usd": ends["final"][0],
            "final_low": ends["final"][1],
            "final_high": ends["final"][2],
            "final_chance": self.probability(FINAL_RUN),
            "development_usd": ends["development"][0],
            "development_low": ends["development"][1],
            "development_high": ends["development"][2],
            "development_chance": self.probability(DEVELOPMENT),
            "level": level,
            "convention": self.convention,
            "usd_per_gpu_hour": self.usd_per_gpu_hour,
            "price": self.price,
            "published": "; ".join(published),
            "confidence": self.run.row["confidence"],
            "group_reason": self.run.row["group_reason"],
            "source": self.run.row["source"],
        }


class FrontierTable(rendering.Shown, Sequence[Compared]):
    """Runs of both groups with the probabilities of the statement; see `frontier_against_low_cost`."""

    _index = ("group", "run")

    def __init__(self, runs: Sequence[Compared]) -> None:
        self._runs = tuple(runs)
        self._names = Names("run of a group", {compared.run.id: compared for compared in self._runs})

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            return self._names.get(which)
        return self._runs[which]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Compared]:
        return iter(self._runs)

    def rows(self, level: float = DEFAULT_LEVEL) -> list[dict[str, Any]]:
        """Return one row per run; see `Compared.row`.

        Parameters
        ----------
        level : float
            Probability inside the interval, between 0 and 1 [1].
        """
        return [compared.row(level) for compared in self]

    def summary(self) -> list[dict[str, Any]]:
        """Return, for each group and each part of the statement, the number of runs for which it holds.

        A bound on cost holds for a run if its probability is above 0.5. `expected` is the sum of the probabilities
        over the runs with a known cost.

        Returns
        -------
        list[dict]
            Rows with `group`, `says` (the bound), `of` ("accelerators" or a scope), `runs` (number of runs with a
            known value), `hold`, `expected` and `median` [1] or [USD].
        """
        rows = []
        for group in STATEMENT:
            runs = [compared for compared in self if compared.group == group]
            within = [run.count_holds for run in runs if run.count_holds is not None]
            counts = [float(run.run.count) for run in runs if run.run.count is not None]
            rows.append(
                {
                    "group": group,
                    "says": _count_bound(group),
                    "of": "accelerators",
                    "runs": len(within),
                    "hold": sum(within),
                    "expected": float(sum(within)),
                    "median": median(counts) if counts else None,
                }
            )
            for scope in (FINAL_RUN, DEVELOPMENT):
                probabilities = [p for run in runs if (p := run.probability(scope)) is not None]
                costs = [cost.usd for run in runs if (cost := run.cost(scope)) is not None]
                rows.append(
                    {
                        "group": group,
                        "says": _cost_bound(group),
                        "of": scope,
                        "runs": len(probabilities),
                        "hold": sum(p > 0.5 for p in probabilities),
                        "expected": sum(probabilities),
                        "median": median(costs) if costs else None,
                    }
                )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return runs and summary as plain data."""
        return {"rows": plain(self.rows()), "summary": plain(self.summary()), "notes": self._footer().splitlines()}

    def to_text(self, width: int | None = None) -> str:
        """Return both tables as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the notes are wrapped; default: they are not wrapped [character].
        """
        footer = self._footer() if width is None else rendering.wrapped(self._footer(), width)
        return "\n\n".join([rendering.text(self._cells()), rendering.text(self._summary_cells(), footer=footer)])

    def _repr_html_(self) -> str:
        return markup.html_table(self._cells()) + markup.html_table(
            self._summary_cells(), notes=self._footer().splitlines()
        )

    def to_markdown(self) -> str:
        """Return both tables as Markdown."""
        return f"{markup.markdown(self._cells())}\n\n{markup.markdown(self._summary_cells(), self._footer())}"

    def _cells(self) -> list[dict[str, str]]:
        return [_run_cells(row) for row in self.rows()]

    def _summary_cells(self) -> list[dict[str, str]]:
        return [
            {
                "group": row["group"].replace("_", " "),
                "statement": f"{row['says']}, {row['of'].replace('_', ' ')}",
                "holds for": f"{row['hold']} of {row['runs']}",
                "expected": rendering.number(row["expected"], 2),
                "median": "-" if row["median"] is None else _median(row),
            }
            for row in self.summary()
        ]

    def _footer(self) -> str:
        convention = self[0].convention if self else "on_demand"
        proxies = [f"* {row.run.id}: {row.price}" for row in self if row.price.startswith("proxy")]
        unpriced = [f"- {row.run.id}: {row.price}" for row in self if row.final is None]
        legend = (
            f"in brackets: 80 % intervals; final run: {_PRICES[convention]}; development: "
            "development_cost(final run), staff included; P: probability that the cost is within the statement\n"
            "GPU-hours are published, guessed by outsiders (confidence C, with the uncertainty of such guesses), or "
            "estimated by costmodel; other price conventions: on_demand, contract, published (--price)"
        )
        return "\n".join([*proxies, *unpriced, legend])


@checked("runs", "seed", price=str)
def frontier_against_low_cost(
    runs: PublishedRuns | None = None, seed: int = 0, price: PriceConvention = "on_demand"
) -> FrontierTable:
    """Compare costs of frontier and low-cost models, at both scopes, with a common statement.

    The statement: "Legacy frontier models cost 100 million dollars or more on 10,000 accelerators or more; low-cost
    models cost 5 to 10 million dollars on 1,000 to 2,000 accelerators." The column `group` of
    `data/measurements/published_runs.csv` assigns runs to groups by training compute (above or below 1e25 FLOP), not
    by cost.

    Parameters
    ----------
    runs : PublishedRuns, optional
        Runs to compare, as `published_runs` returns them; default all. Runs without a group are ignored.
    seed : int
        Seed of the draws.
    price : str
        What the cost is said in: "on_demand" (market price on demand of the day), "contract" (market price of a
        one-year commitment of the day) or "published" (the price per GPU-hour that the publication itself used; the
        published cost of the final run where it used none).

    Returns
    -------
    FrontierTable
        A sequence, indexed by number or by id; `.rows()`, `.summary()`, `.to_frame()`.

    Raises
    ------
    InputError
        If no run has a group, or the price convention is unknown.

    Examples
    --------
    >>> table = frontier_against_low_cost()
    >>> table["deepseek-v3"].count_holds, table["llama3.1-405b"].probability("development") > 0.9
    (True, True)
    >>> published = frontier_against_low_cost(price="published")["deepseek-v3"]
    >>> published.final.usd, published.probability("final_run")
    (5576000.0, 1.0)
    """
    check_convention(price)
    grouped = [run for run in (published_runs() if runs is None else runs) if run.row["group"]]
    if not grouped:
        raise InputError(
            "runs: no run of a group is among these runs; a run needs 'frontier' or 'low_cost' in its column `group`"
        )
    groups = list(STATEMENT)
    compared = [_compared(run, seed, price) for run in grouped]
    return FrontierTable(sorted(compared, key=lambda row: (groups.index(row.group), row.run.place_in_time)))


def _compared(run: PublishedRun, seed: int, price: PriceConvention) -> Compared:
    import numpy as np

    group = run.row["group"]
    hours, hours_by, estimated_count = _hours(run, seed)
    if hours is None:
        return _at_published_cost(run, None, "", seed, price, "no GPU-hours are known")
    value, hour_draws = hours
    low, high = (float(end) for end in np.quantile(hour_draws, [0.1, 0.9]))
    name = run.row["accelerator"] or run.row["assumed_accelerator"]
    count = run.count or estimated_count
    prices, price_source = rental(name, run.priced_on, count, price, run.row)
    try:
        figure = prices.figure(name, count, 1)
    except MissingFactError as error:
        if price == "published":
            return _at_published_cost(run, (value, low, high), hours_by, seed, price, price_source)
        return Compared(run, group, hours_by, (value, low, high), None, None, str(error), None, price)
    rates = figure.value if figure.spread is None else draws("prices.price", figure.spread, DRAWS, seed)
    drawn = np.broadcast_to(hour_draws * rates, (DRAWS,))
    final = Cost(
        value * figure.value,
        FINAL_RUN,
        _PRICES[price],
        "costmodel",
        "rental",
        run.year,
        source=figure.provenance.source or run.row["source"],
        spread=samples(drawn.tolist()) if drawn.min() < drawn.max() else None,
    )
    development = development_cost(final, seed=seed)
    return Compared(run, group, hours_by, (value, low, high), final, development, price_source, figure.value, price)


def _at_published_cost(
    run: PublishedRun,
    hours: tuple[float, float, float] | None,
    hours_by: str,
    seed: int,
    price: PriceConvention,
    why: str,
) -> Compared:
    """Return a run with its published cost of the final run, or without a cost if none is published."""
    final = next((cost for cost in (comparable(run), *run.costs) if cost is not None and cost.scope == FINAL_RUN), None)
    development = None if final is None else development_cost(final, seed=seed)
    source = why if final is None else f"published cost ({final.basis}, {final.by}): {why}"
    return Compared(run, run.row["group"], hours_by, hours, final, development, source, None, price)


def _hours(run: PublishedRun, seed: int) -> tuple[tuple[float, NDArray[np.float64]] | None, str, int]:
    """Return the GPU-hours of a run with their draws [hour], their origin, and the number of accelerators."""
    import numpy as np

    published = run.published("gpu_hours")
    if published is not None and not run.speculative:
        return (published, np.full(DRAWS, published)), "published", run.count or 1
    if published is not None:
        factor = development_fact(GUESSED).spread
        assert factor is not None  # every assumption of the table has a spread
        return (published, published * draws(f"hours of {run.id}", factor, DRAWS, seed)), "guessed", run.count or 1
    try:
        estimate: Estimate = reestimate(run).estimate
    except CostModelError:
        return None, "", 1
    return (
        (estimate.known_value("gpu_hours") / 3600, estimate.draws("gpu_hours", DRAWS) / 3600),
        "estimated",
        estimate.scenario.cluster.count,
    )


def _within(value: float, least: float, most: float | None) -> bool:
    return value >= least and (most is None or value <= most)


def _count_bound(group: str) -> str:
    band = STATEMENT[group]
    return f"{band.least_count:,.0f} or more" if band.most_count is None else f"{band.least_count:,.0f} to 2,000"


def _cost_bound(group: str) -> str:
    band = STATEMENT[group]
    least = rendering.amount(band.least_usd, "USD")
    return f"{least} or more" if band.most_usd is None else f"{least} to {rendering.amount(band.most_usd, 'USD')}"


def _median(row: dict[str, Any]) -> str:
    return f"{row['median']:,.0f}" if row["of"] == "accelerators" else rendering.amount(row["median"], "USD")


def _run_cells(row: dict[str, Any]) -> dict[str, str]:
    count = "-" if row["count"] is None else f"{row['count']:,}"
    hours = "-" if row["gpu_hours"] is None else rendering.amount(row["gpu_hours"] * 3600, "GPU-s").split()[0]
    return {
        "group": row["group"].replace("_", " "),
        "run": row["run"],
        "final run [M$]": _interval(row, "final"),
        "P(final)": _probability(row["final_chance"]),
        "development [M$]": _interval(row, "development"),
        "P(dev.)": _probability(row["development_chance"]),
        "GPU-hours": f"{hours} {row['hours_by']}".strip(),
        "USD/h": _rate(row),
        "accelerators": count,
        "accelerator": row["accelerator"] or "-",
        "date": row["date"],
        "confidence": row["confidence"],
    }


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}_{part}"] for part in ("usd", "low", "high"))
    if value is None:
        return "-"
    shown, ends = rendering.number(value / 1e6), [rendering.number(end / 1e6) for end in (low, high)]
    return shown if low == high else f"{shown} ({ends[0]} to {ends[1]})"


def _rate(row: dict[str, Any]) -> str:
    rate = row["usd_per_gpu_hour"]
    return "-" if rate is None else f"{rate:.2f}{'*' if row['price'].startswith('proxy') else ''}"


def _probability(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
