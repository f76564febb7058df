"""The explanation of a figure: the steps that lead to it, and its inputs with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from costmodel.estimation.chain import Step, ancestors
from costmodel.estimation.paths import field_of, is_settable
from costmodel.foundation import markup, rendering
from costmodel.foundation.plain_data import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.estimation.inputs import Input


@dataclass(frozen=True, repr=False)
class Explanation(rendering.Shown):
    """The steps that lead to a figure and its inputs, as text, HTML and rows."""

    name: str
    inputs: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per input: path, settable, value, unit, interval, kind, source, as_of, note, caution.

        A settable path can be passed to `Scenario.replace` and `--set`. Others are counted, looked up or predicted.
        """
        return [dict(row) for row in self.inputs]

    def to_dict(self) -> dict[str, Any]:
        """Return figure, steps of the calculation and inputs as plain data."""
        shown = [dict(row) for row in self.steps]
        return {"figure": self.name, "steps": plain(shown), "inputs": plain(self.rows())}

    def to_text(self, width: int | None = None) -> str:
        """Return the calculation, and the inputs with their sources, as plain text.

        Parameters
        ----------
        width : int, optional
            Width to which the sources are wrapped; default: they are not wrapped [character].
        """
        steps = rendering.text(self._steps(), self._title())
        footer = self._footer() if width is None else rendering.wrapped(self._footer(), width)
        return f"{steps}\n\n{rendering.text(self._cells(), 'inputs and their sources', footer)}"

    def to_markdown(self) -> str:
        """Return the calculation, and the inputs with their sources, as Markdown."""
        return f"{markup.markdown(self._steps())}\n\n{markup.markdown(self._cells(), self._footer())}"

    def _repr_html_(self) -> str:
        steps = markup.html_table(self._steps(), self._title())
        return steps + markup.html_table(self._cells(), "inputs and their sources", self._footer().splitlines())

    def _title(self) -> str:
        return f"{self.name}: calculation"

    def _footer(self) -> str:
        return "\n".join(f"[{number}] {source}" for number, source in enumerate(self._named(), 1))

    def _named(self) -> list[str]:
        return list(dict.fromkeys(row["source"] for row in self.inputs if row["source"]))

    def _cells(self) -> list[dict[str, str]]:
        numbers = {source: f"[{number}]" for number, source in enumerate(self._named(), 1)}
        return _input_cells({**row, "source": numbers.get(row["source"], "")} for row in self.inputs)

    def _steps(self) -> list[dict[str, str]]:
        return [
            {"figure": row["name"], "value": rendering.amount(row["value"], row["unit"]), "from": row["formula"]}
            for row in self.steps
        ]


def _input_cells(inputs: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
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
    needed = ancestors(tuple(steps), name)
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
