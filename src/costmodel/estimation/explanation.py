"""The explanation of a figure: the steps that lead to it, and its inputs with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import Step, ancestors
from costmodel.estimation.paths import field_of, is_settable
from costmodel.foundation import rendering

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.estimation.inputs import Input


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps that lead to a figure and its inputs, as text, HTML and rows."""

    name: str
    inputs: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per input: path, settable, value, unit, interval, kind, source, as_of, note, caution.

        A settable path can be passed to `Scenario.replace` and `--set`. Others are counted, looked up or predicted.
        """
        return [dict(row) for row in self.inputs]

    def __str__(self) -> str:
        sources = list(dict.fromkeys(row["source"] for row in self.inputs if row["source"]))
        rows = [
            {**row, "source": f"[{sources.index(row['source']) + 1}]" if row["source"] else ""} for row in self.inputs
        ]
        notes = "\n".join(f"[{number}] {source}" for number, source in enumerate(sources, 1))
        steps = rendering.text(self._steps(), f"{self.name}: calculation")
        return f"{steps}\n\n{rendering.text(_cells(rows), 'inputs and their sources', notes)}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        steps = rendering.html_table(self._steps(), f"{self.name}: calculation")
        return steps + rendering.html_table(_cells(self.inputs), "inputs and their sources")

    def _steps(self) -> list[dict[str, str]]:
        return [
            {"figure": row["name"], "value": rendering.amount(row["value"], row["unit"]), "from": row["formula"]}
            for row in self.steps
        ]


def _cells(inputs: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    rows = []
    for row in inputs:
        value = f"{rendering.number(row['value'], 4)} {row['unit']}".strip()
        if row["unit"] in {"token", "FLOP/token"}:
            value = rendering.amount(row["value"], row["unit"])
        if row["interval"]:
            low, high = (rendering.number(end) for end in row["interval"])
            value += f" ({low} to {high})"
        path, settable = (field_of(row["path"]), "yes") if row["settable"] else (row["path"], "no")
        shown = {"input": path, "--set": settable, "value": value, "provenance": row["kind"], "as of": row["as_of"]}
        rows.append({**shown, "note": row["note"], "source": row["source"]})
    return rows


def explain(name: str, steps: Iterable[Step], values: Mapping[str, Any], inputs: Mapping[str, Input]) -> Explanation:
    """Return the explanation of the figure `name`."""
    needed = ancestors(steps, name)
    paths = [path for path in inputs if path == name or any(path in step.inputs for step in needed)]
    listed = []
    for path in paths:
        entry = inputs[path]
        value, unit = entry.shown()
        row = {"path": path, "settable": is_settable(path), "value": value, "unit": unit, "interval": entry.interval()}
        listed.append({**row, **entry.provenance._asdict()})
    calculation = [
        {"name": step.name, "value": values[step.name], "unit": step.unit, "formula": step.formula} for step in needed
    ]
    return Explanation(name, tuple(listed), tuple(calculation))
