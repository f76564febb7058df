"""Why is a figure what it is? The chain walked back to its inputs, each with its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import Step, ancestors
from costmodel.foundation import rendering

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.estimation.inputs import Input


@dataclass(frozen=True, slots=True)
class Explanation:
    """The inputs of a figure and the steps that lead to it, as text, HTML and rows."""

    name: str
    inputs: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per input: path, value, unit, interval, kind, source, as_of, note."""
        return [dict(row) for row in self.inputs]

    def __str__(self) -> str:
        sources = list(dict.fromkeys(row["source"] for row in self.inputs if row["source"]))
        rows = [
            {**row, "source": f"[{sources.index(row['source']) + 1}]" if row["source"] else ""} for row in self.inputs
        ]
        notes = "\n".join(f"[{number}] {source}" for number, source in enumerate(sources, 1))
        steps = rendering.text(self._steps(), f"{self.name}, step by step")
        return f"{steps}\n\n{rendering.text(_cells(rows), 'where its inputs come from', notes)}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        steps = rendering.html_table(self._steps(), f"{self.name}, step by step")
        return steps + rendering.html_table(_cells(self.inputs), "where its inputs come from")

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
        shown = {"input": row["path"], "value": value, "how": row["kind"], "as of": row["as_of"]}
        rows.append({**shown, "note": row["note"], "source": row["source"]})
    return rows


def explain(name: str, steps: Iterable[Step], values: Mapping[str, Any], inputs: Mapping[str, Input]) -> Explanation:
    """Return the explanation of the figure `name`."""
    needed = ancestors(steps, name)
    paths = [path for path in inputs if path == name or any(path in step.inputs for step in needed)]
    listed = []
    for path in paths:
        one = inputs[path]
        value, unit = one.shown()
        row = {"path": path, "value": value, "unit": unit, "interval": one.interval(), **one.provenance._asdict()}
        listed.append(row)
    walked = [
        {"name": step.name, "value": values[step.name], "unit": step.unit, "formula": step.formula} for step in needed
    ]
    return Explanation(name, tuple(listed), tuple(walked))
