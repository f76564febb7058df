"""Tables of numbers that are stored elsewhere: rows of `data/` and of the accuracy table of the README."""

import csv
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]


def markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    cells = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def accuracy_rows(names: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the accuracy table of the README with these first cells; all without names."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Accuracy\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    header, rows = lines[0], {cells[0]: cells for cells in lines[1:]}
    if unknown := [name for name in names if name not in rows]:
        raise ValueError(f"no row of the accuracy table of the README is named {unknown}; rows: {list(rows)}")
    return header, [rows[name] for name in names] or list(rows.values())


class _Table(SphinxDirective):
    """A directive whose result is a table."""

    def table(self, header: list[str], rows: list[list[str]]) -> list[nodes.Node]:
        holder = nodes.container()
        source, line = self.get_source_info()
        lines = StringList(markdown_table(header, rows), items=[(source, line)] * (len(rows) + 2))
        self.state.nested_parse(lines, self.content_offset, holder)
        return list(holder.children)


class Scores(_Table):
    """Rows of the accuracy table of the README, by their first cells; all of them without content."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            return self.table(*accuracy_rows([line for line in self.content if line.strip()]))
        except ValueError as error:
            raise self.error(str(error)) from None


class DataTable(_Table):
    """Columns of a table of `data/`; `where` keeps rows by values of columns: "kind: fitted, spread; unit: 1"."""

    required_arguments = 1
    option_spec: ClassVar = {"columns": str, "where": str}

    def run(self) -> list[nodes.Node]:
        path = ROOT / "data" / f"{self.arguments[0]}.csv"
        self.env.note_dependency(str(path))
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = [name.strip() for name in self.options["columns"].split(",")]
        if unknown := [name for name in columns if name not in rows[0]]:
            raise self.error(f"{path.name} has no column {unknown}; columns: {list(rows[0])}")
        conditions = [condition.split(":", 1) for condition in self.options.get("where", "").split(";") if condition]
        kept = {name.strip(): {value.strip() for value in values.split(",")} for name, values in conditions}
        chosen = [row for row in rows if all(row[name] in values for name, values in kept.items())]
        if not chosen:
            raise self.error(f"{path.name} has no row where {self.options['where']}")
        shown = [name.replace("_", " ") for name in columns]
        return self.table(shown, [[row[name] for name in columns] for row in chosen])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("scores", Scores)
    app.add_directive("data-table", DataTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
