"""Published training runs and their published costs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

from costmodel.comparison.costs import FINAL_RUN, SCOPES, Cost, check_scopes
from costmodel.foundation import rendering
from costmodel.foundation.errors import InputError, MissingFactError, UnknownNameError
from costmodel.foundation.names import Names
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = {
    "A": "the primary source was read",
    "A2": "text of the primary source, through a copy",
    "B": "rounded, or of a secondary source",
    "C": "speculative",
}
"""What the letters of the column `confidence` mean."""
FIGURES = {
    "flops": ("flops_claimed", 1.0, "FLOP"),
    "gpu_hours": ("chip_hours", 3600.0, "hour"),
    "wall_time": ("wall_days", 86400.0, "day"),
    "energy": ("energy_mwh", 3.6e9, "MWh"),
    "carbon": ("tco2e", 1000.0, "tonne"),
    "cost": ("cost_usd", 1.0, "USD"),
}
"""Figures that a run may claim: column of the table, size of its unit in SI, and the unit."""
_ARITHMETIC = {
    "cost": ("cost",), "energy": ("energy", "carbon"), "power": ("energy", "carbon"), "co2": ("carbon",),
    "time": ("gpu_hours", "energy", "carbon"), "hours": ("gpu_hours",), "chip_hours": ("gpu_hours",),
    "flops": ("flops",),
}  # fmt: skip
"""Figures that follow by arithmetic, by the word with which the column `circular`, or a part of it, begins."""
_DATE = re.compile(r"(20\d\d)(?:-(\d\d))?(?:-(\d\d))?$")


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """A run that somebody published, with all that its row of `data/measurements/published_runs.csv` says."""

    row: Row
    costs: tuple[Cost, ...]
    """Published costs, that of the row first; of one run there may be several, of either scope."""

    @property
    def id(self) -> str:
        """Name of the row."""
        return self.row["id"]

    @property
    def model(self) -> str:
        """What was trained."""
        return self.row["model"]

    @property
    def organization(self) -> str:
        """Who trained it."""
        return self.row["org"]

    @property
    def kind(self) -> str:
        """What was done: pretrain, finetune, rl, distill, benchmark, throughput, power."""
        return self.row["kind"]

    @property
    def year(self) -> int:
        """Year of the publication; the first where the source gives several."""
        return int(self.row["date"][:4])

    @property
    def place_in_time(self) -> float:
        """Date of the publication as a year with its fraction [year]."""
        found = _DATE.match(self.row["date"])
        month = int(found[2]) if found and found[2] else 7
        return self.year + (month - 0.5) / 12

    @property
    def priced_on(self) -> dt.date | None:
        """Day whose prices count: of the run where it is known, else of the publication (of a month its first).

        None where the source gives several years.
        """
        found = _DATE.match(self.row["priced_on"] or self.row["date"])
        return dt.date(int(found[1]), int(found[2]), int(found[3] or 1)) if found and found[2] else None

    @property
    def count(self) -> int | None:
        """Accelerators, where they are published."""
        number = _number(self.row["n_chips"])
        return None if number is None else round(number)

    @property
    def speculative(self) -> bool:
        """Whether outsiders made it up from hints (confidence C)."""
        return self.row["confidence"] == "C"

    @property
    def reference(self) -> bool:
        """Whether it is kept out of every score."""
        return self.row["split"].startswith("ref")

    @property
    def arithmetic(self) -> frozenset[str]:
        """The figures that are arithmetic of their authors: they test arithmetic, not a prediction."""
        words = (part.strip() for part in self.row["circular"].split(";"))
        begun = (found[0] for word in words if (found := re.match(r"[a-z_]+[0-9]?", word)))
        return frozenset(figure for word in begun for figure in _ARITHMETIC.get(word, ()))

    @property
    def cost(self) -> Cost | None:
        """The published cost of the row."""
        return self.costs[0] if self.row["cost_usd"] else None

    def claimed(self, figure: str) -> float | None:
        """Return what the run claims for one of `FIGURES`, in the unit that stands there; None if nothing."""
        return _number(self.row[FIGURES[figure][0]])


class PublishedRuns(Sequence[PublishedRun]):
    """Published runs, in the order of their dates; see `published_runs`."""

    def __init__(self, runs: Sequence[PublishedRun]) -> None:
        self._runs = tuple(sorted(runs, key=lambda run: run.place_in_time))
        self._names = Names("published run", {run.id: run for run in self._runs})

    @overload
    def __getitem__(self, which: int | str) -> PublishedRun: ...
    @overload
    def __getitem__(self, which: slice) -> PublishedRuns: ...
    def __getitem__(self, which: int | str | slice) -> PublishedRun | PublishedRuns:
        if isinstance(which, slice):
            return PublishedRuns(self._runs[which])
        return self._names.get(which) if isinstance(which, str) else self._runs[which]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[PublishedRun]:
        return iter(self._runs)

    def where(
        self,
        organization: str | None = None,
        kind: str | None = None,
        since: int | str | dt.date | None = None,
        scope: str | None = None,
    ) -> PublishedRuns:
        """Return the runs that fit; see `published_runs`."""
        problems, kept = [], list(self._runs)
        filters: tuple[tuple[str, str, Any], ...] = (("organization", "org", organization), ("kind", "kind", kind))
        for name, column, wanted in filters:
            if wanted is None:
                continue
            if not isinstance(wanted, str):
                problems.append(f"{name}: is a name; got {wanted!r:.80}")
                continue
            try:
                proper = Names(name, {run.row[column]: run.row[column] for run in self._runs}).get(wanted)
            except UnknownNameError as error:
                problems.append(str(error))
            else:
                kept = [run for run in kept if run.row[column] == proper]
        if since is not None:
            found = re.match(r"(\d{4})(?:-(\d\d))?(?:-\d\d)?$", str(since))
            if found is None or not 1 <= int(found[2] or 1) <= 12:
                problems.append(f"since: is a year or a date such as 2024-07; got {since!r}")
            else:
                begin = int(found[1]) + (int(found[2] or 1) - 1) / 12
                kept = [run for run in kept if run.place_in_time >= begin]
        if scope is not None and scope not in SCOPES:
            problems.append(f"scope: is {' or '.join(SCOPES)}; got {scope!r}")
        elif scope is not None:
            kept = [run for run in kept if any(cost.scope == scope for cost in run.costs)]
        if problems:
            raise InputError(problems)
        return PublishedRuns(kept)

    def total(self, scope: str | None = None) -> Cost:
        """Return the sum of the published costs of the rows.

        Parameters
        ----------
        scope : the scope that is asked for; without it the rows must be of one

        Raises
        ------
        InputError
            If no row has a cost, they are of two scopes, or there is no such scope.
        """
        if scope not in (None, *SCOPES):
            raise InputError(f"scope: is {' or '.join(SCOPES)}; got {scope!r}")
        costs = tuple(run.cost for run in self if run.cost is not None and scope in (None, run.cost.scope))
        if not costs:
            raise InputError("no published cost is among these runs")
        check_scopes(costs, "added", "say which with scope=")
        whole = costs[0]
        for cost in costs[1:]:
            whole = whole + cost
        return whole

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per published cost, and one for each run without any; None where nothing is published.

        Units: FLOP, hour, day, MWh, tonne, USD; `usd_per_exaflop` [USD per 1e18 FLOP], `usd_per_parameter`,
        `usd_per_million_tokens` and `usd_per_gpu_hour` follow from what the run itself claims.
        """
        return [_cells(run, cost) for run in self for cost in run.costs or (None,)]

    def to_frame(self) -> pd.DataFrame:
        """Return `rows()` as a pandas DataFrame, indexed by id."""
        try:
            import pandas
        except ImportError:
            raise MissingFactError("to_frame needs pandas: pip install 'costmodel[pandas]'") from None
        return pandas.DataFrame(self.rows()).set_index("id")

    def __str__(self) -> str:
        return rendering.text(self._shown(), footer=self._footer())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return rendering.html_table(self._shown(), footer=self._footer())

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        return rendering.markdown(self._shown(), self._footer())

    def _shown(self) -> list[dict[str, str]]:
        return [_short(run, cost) for run in self for cost in run.costs or (None,)]

    def _footer(self) -> str:
        letters = "; ".join(f"{letter}: {meaning}" for letter, meaning in CONFIDENCE.items())
        return (
            "* arithmetic of its authors (hours × a price that they assume), no evidence of accuracy; "
            f"(ref) kept out of scores\n{letters}\ndollars of the year of the date; costs of two scopes do not add up"
        )


def published_runs(
    organization: str | None = None,
    kind: str | None = None,
    since: int | str | dt.date | None = None,
    scope: str | None = None,
    reference: bool = True,
) -> PublishedRuns:
    """Return the published runs, with what they claim, who says so, and what the claim stands for.

    Parameters
    ----------
    organization : only of this one
    kind : only of this kind: "pretrain", "finetune", "rl", "benchmark", ...
    since : published in this year or month, or later: 2024, "2024-07"
    scope : only with a published cost of this scope: "final_run" or "development"
    reference : with the runs that are kept out of scores

    Returns
    -------
    PublishedRuns
        A sequence, also by id; `.rows()`, `.to_frame()`, `.where(...)`.

    Raises
    ------
    InputError
        If a filter is none that fits, with all problems at once.

    Examples
    --------
    >>> run = published_runs(organization="deepseek")["deepseek-v3"]
    >>> run.cost.usd, run.cost.scope, run.cost.circular
    (5576000.0, 'final_run', True)
    """
    found = _shipped().where(organization, kind, since, scope)
    return found if reference else PublishedRuns([run for run in found if not run.reference])


@lru_cache(maxsize=1)
def _shipped() -> PublishedRuns:
    further: dict[str, list[Row]] = {}
    for row in table("measurements/run_costs").rows:
        further.setdefault(row["id"], []).append(row)
    return PublishedRuns([_run(row, further.get(row["id"], [])) for row in table("measurements/published_runs").rows])


def _run(row: Row, further: Sequence[Row]) -> PublishedRun:
    bare = PublishedRun(row, ())
    costs = []
    if row["cost_usd"]:
        said = (row["cost_scope"], row["cost_scope_reason"], row["cost_by"], row["cost_basis"])
        circular = "cost" in bare.arithmetic
        costs.append(Cost(float(row["cost_usd"]), *said, bare.year, circular=circular, source=row["source"]))
    costs += [Cost(float(one["usd"]), one["scope"], one["scope_reason"], one["by"], one["basis"], bare.year,
                   _number(one["low"]), _number(one["high"]), source=one["source"]) for one in further]  # fmt: skip
    return PublishedRun(row, tuple(costs))


def _cells(run: PublishedRun, cost: Cost | None) -> dict[str, Any]:
    total, tokens = (_number(run.row[column]) for column in ("params_total", "tokens"))
    flops, hours = run.claimed("flops"), run.claimed("gpu_hours")
    if flops is None and tokens and (active := _number(run.row["params_active"])):
        flops = 6 * active * tokens  # as the field counts where nobody says: Kaplan et al. 2020
    whole = cost is not None and cost.scope == FINAL_RUN
    each: dict[str, float | None] = {
        name: cost.usd / size * unit if cost is not None and whole and size else None
        for name, size, unit in (("usd_per_exaflop", flops, 1e18), ("usd_per_parameter", total, 1.0),
                                 ("usd_per_million_tokens", tokens, 1e6), ("usd_per_gpu_hour", hours, 1.0))
    }  # fmt: skip
    return {
        "id": run.id, "model": run.model, "organization": run.organization, "date": run.row["date"], "kind": run.kind,
        "parameters": total, "active_parameters": _number(run.row["params_active"]), "tokens": tokens,
        "accelerator": run.row["accelerator"] or None, "count": run.count,
        **{name: run.claimed(name) for name in FIGURES if name != "cost"},
        "usd": cost.usd if cost else None, "usd_low": cost.low if cost else None,
        "usd_high": cost.high if cost else None, "usd_year": cost.year if cost else None,
        "scope": cost.scope if cost else None, "scope_reason": cost.scope_reason if cost else None,
        "basis": cost.basis if cost else None, "by": cost.by if cost else None,
        "circular": ", ".join(sorted(run.arithmetic)) or None, "confidence": run.row["confidence"],
        "split": run.row["split"], **each, "source": cost.source if cost else run.row["source"],
    }  # fmt: skip


def _short(run: PublishedRun, cost: Cost | None) -> dict[str, str]:
    hours = run.claimed("gpu_hours")
    usd = "-" if cost is None else cost.shown() + "*" * cost.circular
    chips = f"{run.count:,} × {run.row['accelerator']}" if run.count else run.row["accelerator"] or "-"
    return {
        "run": run.id + " (ref)" * run.reference, "organization": run.organization, "date": run.row["date"],
        "kind": run.kind.partition("+")[0], "accelerators": chips,
        "GPU-hours": "-" if hours is None else rendering.amount(hours * 3600, "GPU-s").removesuffix(" GPU-hours")
        + "*" * ("gpu_hours" in run.arithmetic),
        "cost": usd, "scope": "-" if cost is None else cost.scope.replace("_", " "),
        "basis": "-" if cost is None else cost.basis, "said by": "-" if cost is None else clipped(cost.by),
        "confidence": run.row["confidence"],
    }  # fmt: skip


def clipped(text: str, most: int = 40) -> str:
    """Return a text of at most so many characters, for a cell."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
