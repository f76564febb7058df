"""Assumptions of a budget: every input that the user did not give, with its source and date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.budget.lines import Assumption
from costmodel.foundation import rendering
from costmodel.foundation.tables import Provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.budget.entries import Entry, Factor, RunCost


def assumptions(
    runs: Mapping[str, RunCost], entries: Iterable[Entry], contingency: Factor, year: int
) -> tuple[Assumption, ...]:
    """Return the assumptions; lines with the same assumption share a row.

    Parameters
    ----------
    runs : Mapping
        Estimated runs by name.
    entries : Iterable
        Entries behind the lines.
    contingency : Factor
        Share of the lines.
    year : int
        Year of the dollars; prices of other years are listed.
    """
    log: dict[tuple[str, str, Provenance], list[str]] = {}
    for name, run in runs.items():
        for row in run.estimate.explain("cost").rows():
            origin = Provenance(row["kind"], row["source"], row["as_of"], row["note"], row["caution"])
            shown = _shown(row["value"], row["unit"], row["interval"])
            log.setdefault((row["path"], shown, origin), []).append(name)
    listed = [(entry.name, factor) for entry in entries for factor in entry.factors]
    for line, factor in [*listed, (contingency.key, contingency)]:
        ends = [factor.at(factor.key, p) for p in (0.1, 0.9)] if factor.figure.spread is not None else None
        log.setdefault((factor.name, _shown(factor.at(), "", ends), factor.figure.provenance), []).append(line)
    listed_once = [
        Assumption(f"{', '.join(lines)}: {name}", shown, _described(origin), origin.as_of)
        for (name, shown, origin), lines in log.items()
        if origin.kind != "given"
    ]
    return (*listed_once, *_other_years(entries, year))


def _other_years(entries: Iterable[Entry], year: int) -> list[Assumption]:
    dated = [(entry.name, entry.origin.as_of) for entry in entries]
    reason = f"not converted into dollars of {year}"
    return [
        Assumption(f"{name}: price", f"dollars of {as_of[:4]}", reason, as_of)
        for name, as_of in dated
        if as_of and as_of[:4] != str(year)
    ]


def _described(origin: Provenance) -> str:
    return "; ".join(part for part in (origin.kind, origin.note, origin.source, origin.caution) if part)


def _shown(value: float, unit: str, ends: list[float] | None) -> str:
    text = rendering.amount(value, unit) if unit in {"token", "FLOP/token"} else f"{rendering.number(value)} {unit}"
    between = f" ({rendering.number(ends[0])} to {rendering.number(ends[1])})" if ends else ""
    return text.strip() + between
