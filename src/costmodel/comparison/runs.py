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
from costmodel.foundation.checks import checked
from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.foundation.names import Names
from costmodel.foundation.tables import Row, table

if TYPE_CHECKING:
    pass

CONFIDENCE = {
    "A": "from the primary source",
    "A2": "from a copy of the primary source",
    "B": "rounded, or from a secondary source",
    "C": "speculative",
}
"""Meaning of the values of the column `confidence`."""
FIGURES = {
    "flops": ("flops_claimed", 1.0, "FLOP"),
    "gpu_hours": ("chip_hours", 3600.0, "hour"),
    "wall_time": ("wall_days", 86400.0, "day"),
    "energy": ("energy_mwh", 3.6e9, "MWh"),
    "carbon": ("tco2e", 1000.0, "tonne"),
    "cost": ("cost_usd", 1.0, "USD"),
}
"""Figures that may be published for a run: column of the table, its unit in SI units, and the name of the unit."""
_ARITHMETIC = {
    "cost": ("cost",),
    "energy": ("energy", "carbon"),
    "power": ("energy", "carbon"),
    "co2": ("carbon",),
    "time": ("gpu_hours", "energy", "carbon"),
    "hours": ("gpu_hours",),
    "chip_hours": ("gpu_hours",),
    "flops": ("flops",),
}
"""Figures that the authors computed from other figures, by the first word of an entry of the column `circular`."""
_DATE = re.compile(r"(20\d\d)(?:-(\d\d))?(?:-(\d\d))?$")


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """A published training run with its row of `data/measurements/published_runs.csv`."""

    row: Row
    """Row of the table."""
    costs: tuple[Cost, ...]
    """Published costs, the cost of the row first. A run may have several costs, of both scopes."""

    @property
    def id(self) -> str:
        """Name of the row in the table."""
        return self.row["id"]

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.row["model"]

    @property
    def organization(self) -> str:
        """Organization that trained the model."""
        return self.row["org"]

    @property
    def kind(self) -> str:
        """Kind of the row: pretrain, finetune, rl, distill, benchmark, throughput, power."""
        return self.row["kind"]

    @property
    def year(self) -> int:
        """Year of publication; the first year if the source gives several."""
        return int(self.row["date"][:4])

    @property
    def place_in_time(self) -> float:
        """Date of publication as a decimal year [year]."""
        date = _DATE.match(self.row["date"])
        month = int(date[2]) if date and date[2] else 7
        return self.year + (month - 0.5) / 12

    @property
    def priced_on(self) -> dt.date | None:
        """Day of the price: the day of the run if it is known, else the day of publication.

        The first day of the month if only the month is known; None if the month is not known.
        """
        date = _DATE.match(self.row["priced_on"] or self.row["date"])
        return dt.date(int(date[1]), int(date[2]), int(date[3] or 1)) if date and date[2] else None

    @property
    def count(self) -> int | None:
        """Number of accelerators; None if it is not published."""
        number = _number(self.row["n_chips"])
        return None if number is None else round(number)

    @property
    def speculative(self) -> bool:
        """Whether the figures are guesses of outsiders (confidence C)."""
        return self.row["confidence"] == "C"

    @property
    def reference(self) -> bool:
        """Whether the run is excluded from every score."""
        return self.row["split"].startswith("ref")

    @property
    def arithmetic(self) -> frozenset[str]:
        """Figures that the authors computed from other figures; they are no evidence for a prediction."""
        entries = (entry.strip() for entry in self.row["circular"].split(";"))
        words = (match[0] for entry in entries if (match := re.match(r"[a-z_]+[0-9]?", entry)))
        return frozenset(figure for word in words for figure in _ARITHMETIC.get(word, ()))

    @property
    def cost(self) -> Cost | None:
        """Published cost of the row; None if there is none."""
        return self.costs[0] if self.row["cost_usd"] else None

    def published(self, figure: str) -> float | None:
        """Return a published figure of the run.

        Parameters
        ----------
        figure : str
            A key of `FIGURES`.

        Returns
        -------
        float or None
            Value in the unit that `FIGURES` names; None if it is not published.
        """
        return _number(self.row[FIGURES[figure][0]])

    claimed = published
    """Old name of `published`."""


class PublishedRuns(rendering.Shown, Sequence[PublishedRun]):
    """Published runs in the order of their dates; see `published_runs`."""

    _index = "id"

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

    @checked("scope")
    def where(
        self,
        organization: str | None = None,
        kind: str | None = None,
        since: int | str | dt.date | None = None,
        scope: str | None = None,
    ) -> PublishedRuns:
        """Return the runs that match all filters; see `published_runs` for the parameters.

        Parameters
        ----------
        organization : str, optional
            Organization of the run.
        kind : str, optional
            Kind of run, such as "pretraining".
        since : int, str or datetime.date, optional
            Year or day of the earliest publication.
        scope : str, optional
            Scope of the cost.
        """
        problems, runs = [], list(self._runs)
        filters: tuple[tuple[str, str, Any], ...] = (("organization", "org", organization), ("kind", "kind", kind))
        for name, column, value in filters:
            if value is None:
                continue
            if not isinstance(value, str):
                problems.append(f"{name}: must be a name; got {value!r:.80}")
                continue
            try:
                proper = Names(name, {run.row[column]: run.row[column] for run in self._runs}).get(value)
            except UnknownNameError as error:
                problems.append(str(error))
            else:
                runs = [run for run in runs if run.row[column] == proper]
        if since is not None:
            date = re.match(r"(\d{4})(?:-(\d\d))?(?:-\d\d)?$", str(since))
            if date is None or not 1 <= int(date[2] or 1) <= 12:
                problems.append(f"since: must be a year or a date such as 2024-07; got {since!r}")
            else:
                begin = int(date[1]) + (int(date[2] or 1) - 1) / 12
                runs = [run for run in runs if run.place_in_time >= begin]
        if scope is not None and scope not in SCOPES:
            problems.append(f"scope: must be {' or '.join(SCOPES)}; got {scope!r}")
        elif scope is not None:
            runs = [run for run in runs if any(cost.scope == scope for cost in run.costs)]
        if problems:
            raise InputError(problems)
        return PublishedRuns(runs)

    @checked("scope")
    def total(self, scope: str | None = None) -> Cost:
        """Return the sum of the published costs of the rows.

        Parameters
        ----------
        scope : str, optional
            Scope of the costs to add. By default all costs must have the same scope.

        Returns
        -------
        Cost
            Sum [USD].

        Raises
        ------
        InputError
            If no run has a cost, the costs have different scopes, or the scope is unknown.
        """
        if scope not in (None, *SCOPES):
            raise InputError(f"scope: must be {' or '.join(SCOPES)}; got {scope!r}")
        costs = tuple(run.cost for run in self if run.cost is not None and scope in (None, run.cost.scope))
        if not costs:
            raise InputError("runs: none of these runs has a published cost of the requested scope")
        check_scopes(costs, "added", "select a scope with scope=")
        total = costs[0]
        for cost in costs[1:]:
            total = total + cost
        return total

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per published cost, and one row for each run without a cost.

        Units: FLOP, hour, day, MWh, tonne, USD. `usd_per_exaflop` [USD/1e18 FLOP], `usd_per_parameter`,
        `usd_per_million_tokens` and `usd_per_gpu_hour` are computed from published figures of the run. A value is None
        if it is not published.
        """
        return [_data_row(run, cost) for run in self for cost in run.costs or (None,)]

    def _cells(self) -> list[dict[str, str]]:
        return [_text_row(run, cost) for run in self for cost in run.costs or (None,)]

    def _footer(self) -> str:
        letters = "; ".join(f"{letter}: {meaning}" for letter, meaning in CONFIDENCE.items())
        return (
            "* computed by the authors from other figures (GPU-hours × an assumed price), no evidence of accuracy; "
            f"(ref) excluded from scores\n{letters}\nnominal dollars of the year of the date; "
            "costs of different scopes cannot be added"
        )


@checked("reference", "scope")
def published_runs(
    organization: str | None = None,
    kind: str | None = None,
    since: int | str | dt.date | None = None,
    scope: str | None = None,
    reference: bool = True,
) -> PublishedRuns:
    """Return published training runs with their figures, sources, and the scope of each cost.

    Parameters
    ----------
    organization : str, optional
        Only runs of this organization.
    kind : str, optional
        Only runs of this kind: "pretrain", "finetune", "rl", "benchmark", ...
    since : int, str or datetime.date, optional
        Only runs published in this year or month, or later: 2024, "2024-07".
    scope : str, optional
        Only runs with a published cost of this scope: "final_run" or "development".
    reference : bool
        Whether runs that are excluded from scores are included.

    Returns
    -------
    PublishedRuns
        A sequence, indexed by number or by id; `.rows()`, `.to_frame()`, `.where(...)`.

    Raises
    ------
    InputError
        If a filter is not valid; the message lists all problems.

    Examples
    --------
    >>> run = published_runs(organization="deepseek")["deepseek-v3"]
    >>> run.cost.usd, run.cost.scope, run.cost.circular
    (5576000.0, 'final_run', True)
    """
    runs = _shipped().where(organization, kind, since, scope)
    return runs if reference else PublishedRuns([run for run in runs if not run.reference])


@lru_cache(maxsize=1)
def _shipped() -> PublishedRuns:
    further_costs: dict[str, list[Row]] = {}
    for row in table("measurements/run_costs").rows:
        further_costs.setdefault(row["id"], []).append(row)
    return PublishedRuns(
        [_run(row, further_costs.get(row["id"], [])) for row in table("measurements/published_runs").rows]
    )


def _run(row: Row, further_costs: Sequence[Row]) -> PublishedRun:
    run = PublishedRun(row, ())
    costs = []
    if row["cost_usd"]:
        origin = (row["cost_scope"], row["cost_scope_reason"], row["cost_by"], row["cost_basis"])
        circular = "cost" in run.arithmetic
        costs.append(Cost(float(row["cost_usd"]), *origin, run.year, circular=circular, source=row["source"]))
    costs += [
        Cost(
            float(further["usd"]),
            further["scope"],
            further["scope_reason"],
            further["by"],
            further["basis"],
            run.year,
            _number(further["low"]),
            _number(further["high"]),
            source=further["source"],
        )
        for further in further_costs
    ]
    return PublishedRun(row, tuple(costs))


def _data_row(run: PublishedRun, cost: Cost | None) -> dict[str, Any]:
    """Return a row of `PublishedRuns.rows`."""
    total, tokens = (_number(run.row[column]) for column in ("params_total", "tokens"))
    flops, hours = run.published("flops"), run.published("gpu_hours")
    if flops is None and tokens and (active := _number(run.row["params_active"])):
        flops = 6 * active * tokens  # where the FLOPs are not published: Kaplan et al. 2020
    is_final_run = cost is not None and cost.scope == FINAL_RUN
    unit_costs: dict[str, float | None] = {
        name: cost.usd / size * unit if cost is not None and is_final_run and size else None
        for name, size, unit in (
            ("usd_per_exaflop", flops, 1e18),
            ("usd_per_parameter", total, 1.0),
            ("usd_per_million_tokens", tokens, 1e6),
            ("usd_per_gpu_hour", hours, 1.0),
        )
    }
    return {
        "id": run.id,
        "model": run.model,
        "organization": run.organization,
        "date": run.row["date"],
        "kind": run.kind,
        "parameters": total,
        "active_parameters": _number(run.row["params_active"]),
        "tokens": tokens,
        "accelerator": run.row["accelerator"] or None,
        "count": run.count,
        **{name: run.published(name) for name in FIGURES if name != "cost"},
        "usd": cost.usd if cost else None,
        "usd_low": cost.low if cost else None,
        "usd_high": cost.high if cost else None,
        "usd_year": cost.year if cost else None,
        "scope": cost.scope if cost else None,
        "scope_reason": cost.scope_reason if cost else None,
        "basis": cost.basis if cost else None,
        "by": cost.by if cost else None,
        "circular": ", ".join(sorted(run.arithmetic)) or None,
        "confidence": run.row["confidence"],
        "split": run.row["split"],
        **unit_costs,
        "source": cost.source if cost else run.row["source"],
    }


def _text_row(run: PublishedRun, cost: Cost | None) -> dict[str, str]:
    """Return a row of the printed table."""
    hours = run.published("gpu_hours")
    usd = "-" if cost is None else cost.shown() + "*" * cost.circular
    accelerators = f"{run.count:,} × {run.row['accelerator']}" if run.count else run.row["accelerator"] or "-"
    return {
        "run": run.id + " (ref)" * run.reference,
        "organization": run.organization,
        "date": run.row["date"],
        "kind": run.kind.partition("+")[0],
        "accelerators": accelerators,
        "GPU-hours": "-"
        if hours is None
        else rendering.amount(hours * 3600, "GPU-s").removesuffix(" GPU-hours") + "*" * ("gpu_hours" in run.arithmetic),
        "cost": usd,
        "scope": "-" if cost is None else cost.scope.replace("_", " "),
        "basis": "-" if cost is None else cost.basis,
        "stated by": "-" if cost is None else clipped(cost.by),
        "confidence": run.row["confidence"],
    }


def clipped(text: str, most: int = 40) -> str:
    """Return a text cut to `most` characters, for a cell of a table."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
