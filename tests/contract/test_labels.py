"""Labels are for readers: no module matches text in the source, note or address of a row."""

import ast
import csv
import shutil
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.foundation.tables import Table, folder, read_csv, table
from costmodel.training.calibration.measured_steps import read_steps
from costmodel.validation.reports import SHIPPED, validate_reports

LABEL = "llama-2-7b, fp8, 8 May 2022: LoRA without offloading does not fit"
PACKAGE = Path(cm.__file__).parent
LABELS = {"source", "note", "notes", "url", "basis", "label"}
TEXT_METHODS = {"startswith", "endswith", "find", "count", "split", "partition", "rpartition", "lower", "removesuffix"}
MATCHES = {"search", "match", "fullmatch", "findall", "finditer", "sub"}
KNOWN = {
    "planning/offers.py": "the table of hosted prices has no column for jobs of reinforcement learning",
    "projection/rents/price_pairs.py": "the public schema of GPU prices has no column for prices without a host",
    "refit/trends.py": "the public schema of GPU prices has no column for prices without a host",
}
"""Modules that match text in a note, with the reason; the list must not grow."""


def is_label(node):
    """Tell whether an expression is a cell of a label column: row["note"], row.get("note") or x.note."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Subscript) and getattr(inner.slice, "value", None) in LABELS:
            return True
        if isinstance(inner, ast.Attribute) and inner.attr in LABELS:
            return True
        if isinstance(inner, ast.Name) and inner.id in {"source", "note", "notes"}:
            return True
        if (
            isinstance(inner, ast.Call)
            and getattr(inner.func, "attr", "") == "get"
            and inner.args
            and getattr(inner.args[0], "value", None) in LABELS
        ):
            return True
    return False


def matches(path):
    """Yield the lines of a module that match text in a label."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            if any(is_label(side) for side in node.comparators):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in TEXT_METHODS and is_label(node.func.value):
                yield node.lineno
            if node.func.attr in MATCHES and any(is_label(argument) for argument in node.args):
                yield node.lineno


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_matches_text_in_a_label(path):
    lines = list(matches(path))
    assert bool(lines) == (path.relative_to(PACKAGE).as_posix() in KNOWN), lines


@pytest.mark.parametrize(
    "line",
    [
        're.search("lora", row["source"])',
        '"lora" in row.get("note", "")',
        'row["note"].lower().startswith("x")',
        're.fullmatch(r"\\d+", price.note)',
        '"fsdp" in source',
    ],
)
def test_the_test_sees_text_matching(tmp_path, line):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(f"found = {line}\n", encoding="utf-8")
    assert set(matches(wrong)) == {1}


@pytest.mark.parametrize("column", ["source", "note", "url"])
def test_a_label_of_a_row_of_other_software_changes_nothing(column):
    rows = table("measurements/other_software")
    labeled = Table(rows.name, tuple({**row, column: LABEL} for row in rows.rows), rows.columns, rows.sha256)
    assert read_steps(labeled) == read_steps(rows)


def test_the_labels_of_field_reports_change_no_score(tmp_path):
    shutil.copytree(folder() / SHIPPED, tmp_path / "reports")
    place = tmp_path / "reports"
    rows = list(read_csv(place / "reports.csv").rows)[::4]

    def written(change):
        with (place / "reports.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({**row, **change(number)} for number, row in enumerate(rows))
        result = validate_reports(place)
        names = [row.pop("id") for row in result["rows"]]
        return names, result

    names, plain = written(lambda number: {})
    labels, labeled = written(lambda number: {"id": f"{LABEL} {number}", "source": LABEL, "note": LABEL})
    assert sorted(names) == sorted(row["id"] for row in rows) and not set(labels) & set(names)
    assert labeled == plain
